package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// EnvPrefix starts the names of all environment variables that stand for flags.
const EnvPrefix = "KC_"

// EnvName is the environment variable of a flag: "sink-url" gives "KC_SINK_URL".
func EnvName(flag string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// EnvFlags binds every flag of root and the commands below it to its environment variable, and names the
// variable in the help text. A flag on the command line wins; an empty variable counts as absent; the
// values of a repeatable flag are separated by commas. Call it once, when the tree is complete.
func EnvFlags(root *cobra.Command, getenv func(string) string) {
	walk(root, func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(describe)
		cmd.PersistentFlags().VisitAll(describe)
		if before := cmd.PersistentPreRunE; before != nil || cmd == root {
			cmd.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
				if err := setFromEnv(cmd.Flags(), getenv); err != nil {
					return err
				}
				if before != nil {
					return before(cmd, args)
				}
				return nil
			}
		}
	})
}

func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, child := range cmd.Commands() {
		walk(child, visit)
	}
}

func describe(flag *pflag.Flag) {
	name := EnvName(flag.Name)
	if flag.Name == "help" || strings.Contains(flag.Usage, name) {
		return
	}
	flag.Usage += " [$" + name + "]"
}

func setFromEnv(flags *pflag.FlagSet, getenv func(string) string) error {
	var first error
	flags.VisitAll(func(flag *pflag.Flag) {
		name := EnvName(flag.Name)
		value := getenv(name)
		if flag.Changed || value == "" || flag.Name == "help" || first != nil {
			return
		}
		if err := set(flag, value); err != nil {
			first = fmt.Errorf("environment variable %s: %w", name, err)
		}
	})
	return first
}

func set(flag *pflag.Flag, value string) error {
	flag.Changed = true
	list, ok := flag.Value.(pflag.SliceValue)
	if !ok {
		return flag.Value.Set(value)
	}
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return list.Replace(items)
}
