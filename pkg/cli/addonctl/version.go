package addonctl

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

func newVersion(c *Context) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: `  addonctl version`,
		Args:    cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		v := versions{Version: cli.Version(), Go: runtime.Version()}
		return c.print(*output, v, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "addonctl %s (%s)\n", v.Version, v.Go)
			return err
		})
	}
	return cmd
}

type versions struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}
