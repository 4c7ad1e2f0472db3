package cli_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// Every program prints its reference: what --help says, the variables of the flags included.
func TestReference(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "tool", Short: "Does things"}
	root.PersistentFlags().String("repo", "", "where | what")
	leaf := &cobra.Command{Use: "make NAME", Short: "Make it", Long: "Make it well.", Example: "  tool make a\n  tool make b", RunE: func(*cobra.Command, []string) error { return nil }}
	leaf.Flags().Int("size", 3, "how large")
	leaf.Flags().Bool("quiet", false, "say nothing")
	leaf.Flags().String("inner", "", "not for people")
	_ = leaf.Flags().MarkHidden("inner")
	group := &cobra.Command{Use: "group", Short: "More"}
	group.AddCommand(&cobra.Command{Use: "deep", Short: "Below", RunE: leaf.RunE}, &cobra.Command{Use: "secret", Hidden: true, RunE: leaf.RunE})
	root.AddCommand(leaf, group)

	var out, conversation bytes.Buffer
	code := cli.Execute(context.Background(), root, []string{"reference"}, func(string) string { return "" }, cli.Streams{Out: &out, Err: &conversation})
	assert.Equal(t, cli.ExitOK, code, conversation.String())
	assert.Equal(t, `<!-- Made from the program by "addonctl docs cli"; do not edit. -->

# tool

Does things

Flags of every command:

| flag | default | what for |
| --- | --- | --- |
| `+"`--repo string`"+` |  | where \| what [$KC_REPO] |

| command | what for |
| --- | --- |
| [tool group](#tool-group) | More |
| [tool group deep](#tool-group-deep) | Below |
| [tool make](#tool-make) | Make it |

## tool group

`+"```text\nMore\n```\n\n```console\ntool group\n```"+`

## tool group deep

`+"```text\nBelow\n```\n\n```console\ntool group deep\n```"+`

## tool make

`+"```text\nMake it well.\n```\n\n```console\ntool make NAME [flags]\n```\n\nExamples:\n\n```sh\ntool make a\ntool make b\n```"+`

| flag | default | what for |
| --- | --- | --- |
| `+"`--quiet` |  | say nothing [$KC_QUIET] |\n| `--size int` | `3` | how large [$KC_SIZE] |\n", out.String())
}
