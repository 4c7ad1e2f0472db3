package addonctl

import "github.com/spf13/cobra"

// newDocs is "docs": what is written for people follows from what programs read.
func newDocs(c *Context) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "docs",
		Short: "Write reference pages",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDocsRules(c))
	return cmd
}
