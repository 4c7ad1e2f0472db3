// Package addonctl is the command line that makes, checks, builds and tries add-ons.
package addonctl

import (
	"context"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// Main runs addonctl and returns its exit code: 0 done, 1 findings or a failure worth another try, 2 a
// wrong command line or a wrong add-on.
func Main(ctx context.Context, args []string, getenv func(string) string, streams cli.Streams) int {
	c := &Context{Streams: streams, Getenv: getenv}
	return cli.Execute(ctx, newRoot(c), args, getenv, streams)
}

// Process runs addonctl as this process and returns its exit code.
func Process() int { return cli.Process(Main) }

func newRoot(c *Context) *cobra.Command {
	root := &cobra.Command{
		Use:   "addonctl",
		Short: "Make, check, build and try add-ons for Helm Broker",
		Long: `Make, check, build and try add-ons for Helm Broker.

Where a command takes an add-on, it takes its name in the repository (with or without version), its
directory, or its archive. The result goes to stdout, everything else to stderr.

Exit codes: 0 done. 1 findings, or a failure that is worth another try. 2 the command line, the add-on or
the parameters are wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&c.repo, "repo", "", "the repository; default: the nearest directory upward that holds addons/")
	root.AddCommand(
		newNew(c),
		newLint(c),
		newLink(c),
		newIndex(c),
		newRender(c),
		newProvision(c),
		newPackage(c),
		newBuild(c),
		newDiff(c),
		newBump(c),
		newVerify(c),
		newServe(c),
		newConfig(c),
		newDoctor(c),
		NewTry(c),
		NewSend(c),
		newDocs(c),
		newCompletion(c),
		newVersion(c),
	)
	for _, cmd := range root.Commands() {
		if strings.Contains(cmd.Use, "ADDON") || strings.Contains(cmd.Use, "OLD") {
			cmd.ValidArgsFunction = c.completeAddons
		}
	}
	return root
}

// Context is what every command works with.
type Context struct {
	Streams cli.Streams
	Getenv  func(string) string

	repo string
}

// Repo opens the repository: the one of --repo, or the nearest one upward.
func (c *Context) Repo() (*addon.Repository, error) {
	var r *addon.Repository
	var err error
	if c.repo != "" {
		r, err = addon.OpenRepository(c.repo)
	} else {
		r, err = addon.FindRepository(".")
	}
	return r, cli.Config(err)
}

// Addon loads the add-on that ref means: a name in the repository, a directory or an archive.
func (c *Context) Addon(ref string) (*addon.Addon, error) { return c.loader()(ref) }

// loader loads add-ons as Addon does, while nothing changes in the repository.
func (c *Context) loader() func(ref string) (*addon.Addon, error) {
	open := sync.OnceValues(func() (*addon.Repository, error) {
		repo, err := c.Repo()
		if err != nil {
			return nil, err
		}
		return repo.Still(), nil
	})
	return func(ref string) (*addon.Addon, error) {
		var repo *addon.Repository
		if !isPath(ref) {
			var err error
			if repo, err = open(); err != nil {
				return nil, err
			}
		}
		a, err := addon.Resolve(repo, ref)
		return a, cli.Config(err)
	}
}

// names are the add-ons in the repository that the references mean; all of them where there are none.
func (c *Context) names(repo *addon.Repository, refs []string) ([]string, error) {
	if len(refs) == 0 {
		names, err := repo.Names()
		return names, err
	}
	var names []string
	for _, ref := range refs {
		name, err := repo.Find(c.inRepo(repo, ref))
		if err != nil {
			return nil, cli.Config(err)
		}
		names = append(names, name)
	}
	return names, nil
}

// inRepo turns the path of a directory in addons/ into its name.
func (c *Context) inRepo(repo *addon.Repository, ref string) string {
	if !isPath(ref) {
		return ref
	}
	abs, err := filepath.Abs(ref)
	if err != nil {
		return ref
	}
	addons, err := filepath.Abs(filepath.Join(repo.Dir(), addon.AddonsDir))
	if err != nil || filepath.Dir(abs) != addons {
		return ref
	}
	return filepath.Base(abs)
}

func isPath(ref string) bool {
	return ref == "." || strings.Contains(ref, "/") || strings.ContainsRune(ref, filepath.Separator) || strings.HasSuffix(ref, addon.ArchiveSuffix)
}
