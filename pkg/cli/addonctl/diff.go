package addonctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/compat"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/source"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/verify"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newDiff(c *Context) *cobra.Command {
	var base string
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Compare two versions of add-ons, and say which version is due",
		Long: `Compare two versions of an add-on with the eyes of those who use it: the catalog's ids and names; the form of
every plan (a field that is gone, required now or takes less, another default); parameters, APIs, event types and
deliveries of the definition; what every plan renders to; and every file, the library chart's too. It says for each
difference whether something that worked still works, and which version is due: major where it does not, minor where
something is new, patch for everything else. Before 1.0.0, the second number stands for the first one.

OLD and NEW are add-ons (directories, archives, names in the repository), or repositories: built ones (dist), or
directories that hold addons/. With --base, OLD is the repository as it was at a commit, and NEW as it is now;
arguments then choose add-ons. The values of secrets are not shown.

Exit code 0: every version is as high as it must be. 1: one is not. 2: something cannot be read.`,
		Example: `  addonctl diff --base origin/main
  addonctl diff --base v1.2.0 acme-connector
  addonctl diff old/acme-connector-0.1.0.tgz acme-connector
  addonctl diff /srv/addons dist --output json`,
	}
	cmd.Flags().StringVar(&base, "base", "", "branch, tag or commit to compare with")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if base == "" && len(args) != 2 {
			return errors.New("name two versions, OLD and NEW, or a commit with --base")
		}
		return nil
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var reports []*compat.Report
		var err error
		if base != "" {
			reports, err = c.diffBase(cmd.Context(), base, args)
		} else {
			reports, err = c.diffTwo(args[0], args[1])
		}
		if err != nil {
			return cli.Config(err)
		}
		if err := c.print(*output, reports, func(w io.Writer) error { return c.writeDiff(w, reports) }); err != nil {
			return err
		}
		for _, r := range reports {
			if !r.Enough {
				return &cli.ExitError{Code: cli.ExitRetry}
			}
		}
		return nil
	}
	return cmd
}

// diffTwo compares two add-ons or two repositories.
func (c *Context) diffTwo(before, after string) ([]*compat.Report, error) {
	old, oldMany, err := c.versions(before)
	if err != nil {
		return nil, err
	}
	fresh, many, err := c.versions(after)
	if err != nil {
		return nil, err
	}
	if oldMany != many {
		return nil, fmt.Errorf("%s and %s are not alike: compare two add-ons, or two repositories", before, after)
	}
	if many {
		return compat.CompareAll(old, fresh)
	}
	r, err := compat.Compare(old[0], fresh[0])
	return []*compat.Report{r}, err
}

// versions loads what a reference means: one add-on, or all of a repository.
func (c *Context) versions(ref string) (addons []*addon.Addon, many bool, err error) {
	if _, err := os.Stat(filepath.Join(ref, addon.SumsFile)); err == nil {
		addons, err = built(ref)
		return addons, true, err
	}
	if info, err := os.Stat(filepath.Join(ref, addon.AddonsDir)); err == nil && info.IsDir() {
		repo, err := addon.OpenRepository(ref)
		if err != nil {
			return nil, true, err
		}
		addons, err = repo.LoadAll()
		return addons, true, err
	}
	a, err := c.Addon(ref)
	return []*addon.Addon{a}, false, err
}

// built loads the add-ons of a built repository that is as it was built.
func built(dir string) ([]*addon.Addon, error) {
	report, tree, err := verify.Dist(dir)
	if err != nil {
		return nil, err
	}
	if len(report.Problems) > 0 {
		return nil, fmt.Errorf("%s: %s", dir, report.Problems[0])
	}
	var addons []*addon.Addon
	for _, loaded := range report.Addons {
		data, _ := tree.Read(loaded.Name + addon.ArchiveSuffix)
		files, err := addon.ReadArchiveBytes(data)
		if err != nil {
			return nil, err
		}
		a, err := addon.Parse(loaded.Name, files)
		if err != nil {
			return nil, err
		}
		addons = append(addons, a)
	}
	return addons, nil
}

// diffBase compares the repository with what it was at a commit.
func (c *Context) diffBase(ctx context.Context, ref string, names []string) ([]*compat.Report, error) {
	repo, err := c.Repo()
	if err != nil {
		return nil, err
	}
	chosen, err := c.names(repo, names)
	if err != nil {
		return nil, err
	}
	dir, release, err := source.Checkout(ctx, repo.Dir(), ref)
	if err != nil {
		return nil, fmt.Errorf("--base: %w", err)
	}
	defer func() { _ = release() }() // what stays behind does not change what was found
	then, err := addon.OpenRepository(dir)
	if err != nil {
		return nil, fmt.Errorf("--base %s: there was no directory %s yet", ref, addon.AddonsDir)
	}
	old, err := then.LoadAll()
	if err != nil {
		return nil, fmt.Errorf("--base %s: %s", ref, strings.ReplaceAll(err.Error(), dir, "…"))
	}
	keys := map[string]bool{}
	var fresh []*addon.Addon
	for _, name := range chosen {
		a, err := repo.Load(name)
		if err != nil {
			return nil, err
		}
		keys[a.Key] = true
		fresh = append(fresh, a)
	}
	if len(names) > 0 {
		var kept []*addon.Addon
		for _, a := range old {
			if keys[a.Key] {
				kept = append(kept, a)
			}
		}
		old = kept
	}
	return compat.CompareAll(old, fresh)
}

// shownObjects bounds the lines about manifests in a text; JSON has all of them.
const shownObjects = 40

func (c *Context) writeDiff(w io.Writer, reports []*compat.Report) error {
	var b strings.Builder
	for _, r := range reports {
		c.writeReport(&b, r)
	}
	if len(reports) == 0 {
		b.WriteString("there is nothing to compare\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *Context) writeReport(b *strings.Builder, r *compat.Report) {
	switch r.Status {
	case compat.Added:
		fmt.Fprintf(b, "%s\n", c.paint(bold, r.Key+" "+r.To+": new"))
		return
	case compat.Removed:
		fmt.Fprintf(b, "%s\n", c.paint(bold, r.Key+" "+r.From+": removed"))
	case compat.Unchanged:
		fmt.Fprintf(b, "%s\n", c.paint(bold, r.Key+" "+r.To+": unchanged"))
	default:
		fmt.Fprintf(b, "%s\n", c.paint(bold, fmt.Sprintf("%s: %s becomes %s", r.Key, r.From, r.To)))
	}
	colours := map[compat.Level]string{compat.Major: red, compat.Minor: yellow, compat.Patch: cyan}
	left := 0
	lines := 0
	for _, change := range r.Changes {
		if change.Level == compat.Patch && (change.Area == compat.AreaManifests || change.Area == compat.AreaFiles) {
			if lines++; lines > shownObjects {
				left++
				continue
			}
		}
		where := string(change.Area)
		if change.Plan != "" {
			where += ", plan " + change.Plan
		}
		fmt.Fprintf(b, "  %s %s: %s %s\n", c.paint(colours[change.Level], fmt.Sprintf("%-5s", change.Level)), where, change.Where, change.What)
	}
	if left > 0 {
		fmt.Fprintf(b, "  and %d more of manifests and files; --output json shows them\n", left)
	}
	switch {
	case r.Status == compat.Removed || r.Due == compat.None && r.Enough:
	case r.Due == compat.None:
		fmt.Fprintf(b, "  %s\n", c.paint(red, fmt.Sprintf("%s is lower than %s; a version cannot go back", r.To, r.From)))
	case r.Enough:
		fmt.Fprintf(b, "  a %s version was due (%s): %s is enough\n", r.Due, r.Want, r.To)
	default:
		fmt.Fprintf(b, "  %s\n", c.paint(red, fmt.Sprintf("a %s version is due: addonctl bump %s %s", r.Due, r.Key, r.Want)))
	}
}
