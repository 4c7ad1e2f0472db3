package addonctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newPackage(c *Context) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "package ADDON...",
		Short: "Pack add-ons into archives that Helm Broker reads over HTTP",
		Long: `Pack add-ons into archives that Helm Broker reads over HTTP: links followed, directories before their
files, without times and owners, so that the same add-on always gives the same bytes.`,
		Example: `  addonctl package acme-connector
  addonctl package acme-connector --out /tmp/archives`,
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().StringVar(&out, "out", ".", "directory that the archives go to")
	output := outputFlag(cmd)
	noCache := cacheFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		load, pack := c.loader(), packer(c.cache(*noCache))
		archives, problems := make([]packed, len(args)), make([]error, len(args))
		if err := addon.Spread(cmd.Context(), len(args), func(i int) { archives[i], problems[i] = packTo(out, args[i], load, pack) }); err != nil {
			return err
		}
		for _, err := range problems {
			if err != nil {
				return err
			}
		}
		return c.print(*output, archives, func(w io.Writer) error {
			for _, p := range archives {
				if _, err := fmt.Fprintf(w, "%s  %s\n", p.Digest, p.File); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

type packed struct {
	Addon  string `json:"addon"`
	File   string `json:"file"`
	Digest string `json:"digest"`
}

// packTo writes the archive of one add-on.
func packTo(out, ref string, load func(ref string) (*addon.Addon, error), pack addon.Packer) (packed, error) {
	a, err := load(ref)
	if err != nil {
		return packed{}, err
	}
	data, err := pack(a.Tree, "")
	if err != nil {
		return packed{}, cli.Config(err)
	}
	file, err := writeArchive(out, a.Name()+addon.ArchiveSuffix, data)
	return packed{Addon: a.Name(), File: file, Digest: addon.Digest(data)}, err
}

// writeArchive writes a file all at once.
func writeArchive(dir, name string, data []byte) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	return filepath.Join(dir, name), addon.WriteFile(root, name, data)
}

func newBuild(c *Context) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build everything that a web server serves as a repository",
		Long: `Check the links, render every plan, and build dist/: an archive of each add-on, the Helm package of its
chart, one index.yaml for Helm Broker and for helm repo add, and SHA256SUMS. The directory is replaced all
at once, and only if addonctl made what is in it. The same tree gives the same bytes.`,
		Example: `  addonctl build
  addonctl build --out /srv/addons`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&out, "out", "", "directory to build; default: dist in the repository")
	noCache := cacheFlag(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		repo, err := c.Repo()
		if err != nil {
			return err
		}
		if out == "" {
			out = filepath.Join(repo.Dir(), "dist")
		}
		result, dist, err := c.build(cmd.Context(), repo, packer(c.cache(*noCache)))
		if err != nil {
			return err
		}
		if err := addon.WriteDist(out, dist); err != nil {
			return err
		}
		result.Out = out
		return c.print(*output, result, result.text)
	}
	return cmd
}

type builtAddon struct {
	Name   string   `json:"name"`
	Plans  []string `json:"plans"`
	Digest string   `json:"digest"`
}

type buildResult struct {
	Out    string       `json:"out"`
	Files  int          `json:"files"`
	Addons []builtAddon `json:"addons"`
}

func (r buildResult) text(w io.Writer) error {
	for _, a := range r.Addons {
		if _, err := fmt.Fprintf(w, "%s  %s: %s\n", a.Digest, a.Name, count(len(a.Plans), "plan")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", r.Out, count(r.Files, "file"))
	return err
}

// build makes what a web server serves of a repository, in memory.
func (c *Context) build(ctx context.Context, repo *addon.Repository, pack addon.Packer) (*buildResult, addon.Tree, error) {
	var none addon.Tree
	names, err := repo.Names()
	if err != nil {
		return nil, none, err
	}
	for _, name := range names {
		changes, err := repo.CheckLinks(name)
		if err != nil {
			return nil, none, cli.Config(err)
		}
		if len(changes) > 0 {
			return nil, none, cli.Config(fmt.Errorf("%s; run addonctl link", changes[0]))
		}
	}
	addons, err := repo.LoadAll()
	if err != nil {
		return nil, none, cli.Config(err)
	}
	if len(addons) == 0 {
		return nil, none, cli.Config(fmt.Errorf("%s holds no add-on; nothing to build", filepath.Join(repo.Dir(), addon.AddonsDir)))
	}
	result := &buildResult{}
	for _, a := range addons {
		if err := ctx.Err(); err != nil {
			return nil, none, err
		}
		c.progress("rendering %s", a.Name())
		built, err := renderPlans(a)
		if err != nil {
			return nil, none, cli.Config(err)
		}
		result.Addons = append(result.Addons, built)
	}
	c.progress("packing")
	dist, err := addon.DistWith(addons, pack)
	if err != nil {
		return nil, none, cli.Config(err)
	}
	result.Files = len(dist.Files())
	for i, a := range addons {
		data, _ := dist.Read(a.Name() + addon.ArchiveSuffix)
		if err := reload(a, data); err != nil {
			return nil, none, err
		}
		result.Addons[i].Digest = addon.Digest(data)
	}
	return result, dist, nil
}

// renderPlans renders every plan with the smallest parameters that its form takes.
func renderPlans(a *addon.Addon) (builtAddon, error) {
	built := builtAddon{Name: a.Name()}
	for _, plan := range a.Plans {
		parameters, err := sampleParameters(a, plan)
		if err != nil {
			return built, err
		}
		if _, err := provision.Render(a, provision.Request{Plan: plan.Meta.Name, Parameters: parameters}); err != nil {
			return built, err
		}
		built.Plans = append(built.Plans, plan.Meta.Name)
	}
	return built, nil
}

// sampleParameters are the smallest parameters that a plan's form takes; none where there is no form.
func sampleParameters(a *addon.Addon, plan addon.Plan) (map[string]any, error) {
	if len(plan.CreateSchema) == 0 {
		return nil, nil
	}
	schema, err := form.Parse(plan.CreateSchema)
	if err != nil {
		return nil, fmt.Errorf("%s: plans/%s/%s: %w", a.Name(), plan.Dir, addon.CreateSchema, err)
	}
	sample, err := schema.Sample()
	if err != nil {
		return nil, fmt.Errorf("%s: plans/%s/%s: %w", a.Name(), plan.Dir, addon.CreateSchema, err)
	}
	return sample, nil
}

// reload reads an archive as the broker will, and compares it with what was packed.
func reload(a *addon.Addon, data []byte) error {
	tree, err := addon.ReadArchiveBytes(data)
	if err != nil {
		return fmt.Errorf("%s: the archive cannot be read again: %w", a.Name(), err)
	}
	if _, err := addon.Parse(a.Name(), tree); err != nil {
		return fmt.Errorf("the archive cannot be read again: %w", err)
	}
	if len(tree.Files()) != len(a.Tree.Files()) {
		return errors.New(a.Name() + ": the archive does not hold all files")
	}
	return nil
}
