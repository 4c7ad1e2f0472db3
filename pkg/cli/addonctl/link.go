package addonctl

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newLink(c *Context) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "link [ADDON...]",
		Short: "Make and repair the links from add-ons to their charts",
		Long: `Make and repair the links from add-ons to their charts. addons/<name>-<version>/chart/<name> becomes a
real directory (Helm Broker needs that) with a relative link to each entry of charts/<name>. Content is
never removed.

Exit code 0: all links are right. 1: with --check, some are not.`,
		Example: `  addonctl link
  addonctl link acme-connector
  addonctl link --check`,
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing, say what would be changed")
	output := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		repo, err := c.Repo()
		if err != nil {
			return err
		}
		names, err := c.names(repo, args)
		if err != nil {
			return err
		}
		work := repo.Link
		if check {
			work = repo.CheckLinks
		}
		changes := []linkChange{}
		for _, name := range names {
			found, err := work(name)
			if err != nil {
				return cli.Config(err)
			}
			for _, f := range found {
				changes = append(changes, linkChange{f.Path, string(f.Kind), f.Target})
			}
		}
		result := linkResult{Checked: check, Changes: changes}
		if err := c.print(*output, result, result.text); err != nil {
			return err
		}
		if check && len(changes) > 0 {
			return &cli.ExitError{Code: cli.ExitRetry}
		}
		return nil
	}
	return cmd
}

type linkChange struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
	Target  string `json:"target,omitempty"`
}

type linkResult struct {
	Checked bool         `json:"checked"`
	Changes []linkChange `json:"changes"`
}

func (r linkResult) text(w io.Writer) error {
	for _, change := range r.Changes {
		done := "removed"
		if change.Target != "" {
			done = "linked"
		}
		if r.Checked {
			done = change.Problem
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", change.Path, done); err != nil {
			return err
		}
	}
	if len(r.Changes) == 0 {
		_, err := fmt.Fprintln(w, "all links are right")
		return err
	}
	return nil
}
