package addonctl

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// newDocsTables is "docs tables": it prints what follows from definitions.
func newDocsTables(c *Context) *cobra.Command {
	return &cobra.Command{
		Use:   "tables ADDON...",
		Short: "Print the tables of parameters, APIs and event types of a connector",
		Long: `Print the tables of parameters, APIs and event types that follow from a connector's definition, as Markdown.

In a document of an add-on, and in docs/systems, addonctl lint --fix keeps them between the lines
  <!-- parameters: begin (made from the definition by addonctl lint --fix) -->
  <!-- parameters: end -->
and likewise for apis and events; addonctl lint says when one is out of date.`,
		Example: `  addonctl docs tables acme-connector`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			for _, ref := range args {
				a, err := c.Addon(ref)
				if err != nil {
					return err
				}
				tables, err := lint.Tables(a)
				if err != nil {
					return cli.Config(err)
				}
				if _, err := fmt.Fprintf(c.Streams.Out, "# %s\n\n%s\n", a.Meta.DisplayName, tables); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
