package addonctl

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newIndex(c *Context) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "index",
		Short: "Write the indexes of the repository",
		Long: `Write addons/index.yaml, which Helm Broker reads at git::https://HOST/REPO.git//addons/index.yaml, and
index.yaml, for git::https://HOST/REPO.git//index.yaml. Both are a function of the add-ons alone.

Exit code 0: both are right. 1: with --check, one is not.`,
		Example: `  addonctl index
  addonctl index --check`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&check, "check", false, "change nothing, say what would be changed")
	output := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		repo, err := c.Repo()
		if err != nil {
			return err
		}
		addons, err := repo.LoadAll()
		if err != nil {
			return cli.Config(err)
		}
		work := repo.WriteIndexes
		if check {
			work = repo.IndexDrift
		}
		changed, err := work(addons)
		if err != nil {
			return err
		}
		result := indexResult{Checked: check, Addons: len(addons), Changed: append([]string{}, changed...)}
		if err := c.print(*output, result, result.text); err != nil {
			return err
		}
		if check && len(changed) > 0 {
			return &cli.ExitError{Code: cli.ExitRetry}
		}
		return nil
	}
	return cmd
}

type indexResult struct {
	Checked bool     `json:"checked"`
	Addons  int      `json:"addons"`
	Changed []string `json:"changed"`
}

func (r indexResult) text(w io.Writer) error {
	if len(r.Changed) == 0 {
		_, err := fmt.Fprintf(w, "the indexes list %s, as they should\n", count(r.Addons, "add-on"))
		return err
	}
	done := "written"
	if r.Checked {
		done = "differs from the add-ons; run addonctl index"
	}
	for _, name := range r.Changed {
		if _, err := fmt.Fprintf(w, "%s: %s\n", name, done); err != nil {
			return err
		}
	}
	return nil
}
