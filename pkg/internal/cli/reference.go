package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// referenceName is the command that every binary has for those who write its reference.
const referenceName = "reference"

// newReference prints the reference of all commands. It is hidden: people have --help.
func newReference() *cobra.Command {
	return &cobra.Command{
		Use: referenceName, Hidden: true, Args: cobra.NoArgs,
		Short:   "Print the reference of all commands as Markdown",
		Example: "  addonctl docs cli",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(Reference(cmd.Root()))
			return err
		},
	}
}

// Reference describes every command below root, as Markdown: what --help says.
func Reference(root *cobra.Command) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- Made from the program by \"addonctl docs cli\"; do not edit. -->\n\n# %s\n\n", root.Name())
	b.WriteString(strings.TrimSpace(long(root)) + "\n")
	var flags []*pflag.Flag
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f) })
	if len(flags) > 0 {
		b.WriteString("\nFlags of every command:\n\n")
		writeFlags(&b, flags)
	}
	b.WriteString("\n| command | what for |\n| --- | --- |\n")
	var list []*cobra.Command
	walk(root, func(cmd *cobra.Command) {
		if cmd != root && !hidden(cmd) {
			list = append(list, cmd)
			path := cmd.CommandPath()
			fmt.Fprintf(&b, "| [%s](#%s) | %s |\n", path, strings.ReplaceAll(path, " ", "-"), cmd.Short)
		}
	})
	for _, cmd := range list {
		writeCommand(&b, cmd)
	}
	return []byte(b.String())
}

func hidden(cmd *cobra.Command) bool {
	for ; cmd != nil; cmd = cmd.Parent() {
		if cmd.Hidden || cmd.Name() == "help" {
			return true
		}
	}
	return false
}

func writeCommand(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n```text\n%s\n```\n\n```console\n", cmd.CommandPath(), strings.TrimSpace(long(cmd)))
	fmt.Fprintf(b, "%s\n```\n", cmd.UseLine())
	if cmd.Example != "" {
		fmt.Fprintf(b, "\nExamples:\n\n```sh\n%s\n```\n", unindent(cmd.Example))
	}
	var flags []*pflag.Flag
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			flags = append(flags, f)
		}
	})
	if len(flags) > 0 {
		b.WriteString("\n")
		writeFlags(b, flags)
	}
}

func writeFlags(b *strings.Builder, flags []*pflag.Flag) {
	b.WriteString("| flag | default | what for |\n| --- | --- | --- |\n")
	for _, f := range flags {
		name := "--" + f.Name
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		value := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			value = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, value, strings.ReplaceAll(strings.Join(strings.Fields(usage), " "), "|", `\|`))
	}
}

func long(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return cmd.Long
	}
	return cmd.Short
}

// unindent removes the two blanks that examples have in a help text.
func unindent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}
