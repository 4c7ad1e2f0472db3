// Package addontest makes small repositories of add-ons for tests.
package addontest

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// Name is the directory of the one add-on in the repository, Key its name without the version.
const (
	Name = "demo-connector-0.1.0"
	Key  = "demo-connector"
)

//go:embed repository.txtar
var valid []byte

// Repository writes a valid repository to a directory of the test, with links and indexes.
func Repository(t testing.TB) *addon.Repository {
	t.Helper()
	dir := t.TempDir()
	Extract(t, dir, txtar.Parse(valid))
	require.NoError(t, os.Symlink("../../common", mkdir(t, dir, "charts/demo-connector/charts/common")))
	repo, err := addon.OpenRepository(dir)
	require.NoError(t, err)
	_, err = repo.Link(Name)
	require.NoError(t, err)
	addons, err := repo.LoadAll()
	require.NoError(t, err)
	_, err = repo.WriteIndexes(addons)
	require.NoError(t, err)
	return repo
}

// Extract writes the files of an archive below dir. Lines of its comment change more: "delete PATH"
// removes a file or directory, "link PATH TARGET" makes a link.
func Extract(t testing.TB, dir string, archive *txtar.Archive) {
	t.Helper()
	for line := range strings.Lines(string(archive.Comment)) {
		switch words := strings.Fields(line); {
		case len(words) == 2 && words[0] == "delete":
			require.NoError(t, os.RemoveAll(filepath.Join(dir, words[1])))
		case len(words) == 3 && words[0] == "link":
			require.NoError(t, os.Symlink(words[2], mkdir(t, dir, words[1])))
		}
	}
	for _, f := range archive.Files {
		require.NoError(t, os.WriteFile(mkdir(t, dir, f.Name), f.Data, 0o644))
	}
}

// Write writes one file below dir.
func Write(t testing.TB, dir, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(mkdir(t, dir, name), []byte(content), 0o644))
}

// mkdir makes the directory that name lies in and returns the path of name.
func mkdir(t testing.TB, dir, name string) string {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	return file
}
