package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// NewVersion is the command `PROGRAM version`, which prints the version alone.
func NewVersion(program string, streams Streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  " + program + " version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(streams.Out, Version())
			return err
		},
	}
}
