package addonctl

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/verify"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newVerify(c *Context) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify DIST",
		Short: "Check a built repository as those who fetch from it will",
		Long: `Check a built repository (what addonctl build made, or a copy of it) as those who fetch from it will: every
file is the one that SHA256SUMS lists and nothing else lies there; the index lists every archive, once; every
archive is unpacked and loaded as Helm Broker does it, and is the add-on that the index says; the Helm package
of its chart has the digest that the index says and holds the same chart.

Exit code 0: everything is right. 1: something is not; the findings name the file and the next step.
2: the directory is no built repository.`,
		Example: `  addonctl verify dist
  addonctl verify /srv/addons --output json`,
		Args: cobra.ExactArgs(1),
	}
	output := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		report, _, err := verify.Dist(args[0])
		if err != nil {
			return cli.Config(err)
		}
		if err := c.print(*output, report, func(w io.Writer) error { return writeVerified(w, args[0], report) }); err != nil {
			return err
		}
		if len(report.Problems) > 0 {
			return &cli.ExitError{Code: cli.ExitRetry}
		}
		return nil
	}
	return cmd
}

func writeVerified(w io.Writer, dir string, r *verify.Report) error {
	for _, p := range r.Problems {
		if _, err := fmt.Fprintln(w, p); err != nil {
			return err
		}
	}
	if len(r.Problems) > 0 {
		_, err := fmt.Fprintf(w, "%s: %s\n", dir, count(len(r.Problems), "problem"))
		return err
	}
	for _, a := range r.Addons {
		if _, err := fmt.Fprintf(w, "%s  %s: %s\n", a.Digest, a.Name, count(len(a.Plans), "plan")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s: %s as they were built, %s that Helm Broker and Helm load\n", dir, count(r.Files, "file"), count(len(r.Addons), "add-on"))
	return err
}
