package addonctl

import "github.com/spf13/cobra"

// newDocs is "docs": what is written for people follows from what programs read.
func newDocs(c *Context) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "docs",
		Short: "Write reference pages",
		Long: `Write what is written for people and follows from what programs read: the tables of a definition, the reference
of the command lines, the pages of the linter's rules.`,
		Example: `  addonctl docs tables acme-connector
  addonctl docs cli --out docs/reference/cli
  addonctl docs rules CHT007`,
	}
	cmd.AddCommand(newDocsTables(c), newDocsCLI(c), newDocsRules(c))
	return cmd
}
