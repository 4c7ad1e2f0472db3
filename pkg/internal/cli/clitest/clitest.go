// Package clitest checks what every command tree of this repository has in common.
package clitest

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
)

// Documented fails for every command that can be run and has no example, and for every one without a
// line that says what it is for.
func Documented(t *testing.T, root *cobra.Command) {
	t.Helper()
	for _, cmd := range root.Commands() {
		assert.NotEmpty(t, cmd.Short, "%s says what it is for", cmd.CommandPath())
		if cmd.Runnable() {
			assert.NotEmpty(t, cmd.Example, "%s has examples", cmd.CommandPath())
		}
		Documented(t, cmd)
	}
}
