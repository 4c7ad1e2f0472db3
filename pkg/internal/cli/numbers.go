package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// PositiveNumbers makes a command refuse numbers and durations that are negative, and zeros but for the flags
// named, where zero has a meaning of its own.
func PositiveNumbers(cmd *cobra.Command, zero ...string) {
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var problem error
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			kind, value := flag.Value.Type(), flag.Value.String()
			if kind != "int" && kind != "int64" && kind != "duration" || problem != nil {
				return
			}
			isZero := strings.Trim(value, "0hms") == ""
			if strings.HasPrefix(value, "-") || isZero && !slices.Contains(zero, flag.Name) {
				problem = Config(fmt.Errorf("--%s %s: want more than 0", flag.Name, value))
			}
		})
		if problem != nil {
			return problem
		}
		return run(cmd, args)
	}
}
