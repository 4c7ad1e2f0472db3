// Package golden compares results of tests with files.
package golden

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// UpdateVariable is the environment variable that, where it is not empty, makes Assert write the files
// instead: UPDATE_GOLDEN=1 go test ./pkg/...
const UpdateVariable = "UPDATE_GOLDEN"

// Assert compares got with the file testdata/<name> of the package under test.
func Assert(t testing.TB, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv(UpdateVariable) != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "write it with %s=1", UpdateVariable)
	assert.Equal(t, string(want), string(got), "%s; write it anew with %s=1", file, UpdateVariable)
}
