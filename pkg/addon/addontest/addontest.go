// Package addontest makes small repositories of add-ons for tests.
package addontest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint/examples"
)

// Name is the directory of the one add-on in the repository, Key its name without the version.
const (
	Name = "demo-connector-0.1.0"
	Key  = "demo-connector"
)

// Repository writes a valid repository to a directory of the test, with links and indexes.
func Repository(t testing.TB) *addon.Repository {
	t.Helper()
	return RepositoryIn(t, t.TempDir())
}

// RepositoryIn is Repository in a directory of the caller's choice.
func RepositoryIn(t testing.TB, dir string) *addon.Repository {
	t.Helper()
	Extract(t, dir, txtar.Parse(examples.Repository))
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

// Extract writes the files of an archive below dir. Before that, lines of its comment change what is
// there:
//
//	delete PATH              removes a file or directory
//	copy PATH PATH           copies a directory, links as links
//	move PATH PATH           renames a file or directory
//	link PATH TARGET         makes a link
//	pack PATH FILE           packs a chart
//	replace PATH "OLD" "NEW" replaces text, which must be there
//	grow PATH N              appends N blanks
//	note TEXT                says something on the page of a rule, and changes nothing
func Extract(t testing.TB, dir string, archive *txtar.Archive) {
	t.Helper()
	for line := range strings.Lines(string(archive.Comment)) {
		change(t, dir, line)
	}
	for _, f := range archive.Files {
		require.NoError(t, os.WriteFile(mkdir(t, dir, f.Name), f.Data, 0o644))
	}
}

func change(t testing.TB, dir, line string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	words := strings.Fields(line)
	switch {
	case len(words) == 2 && words[0] == "delete":
		require.NoError(t, os.RemoveAll(at(words[1])))
	case len(words) == 3 && words[0] == "copy":
		require.NoError(t, os.CopyFS(mkdir(t, dir, words[2]), os.DirFS(at(words[1]))))
	case len(words) == 3 && words[0] == "move":
		require.NoError(t, os.Rename(at(words[1]), mkdir(t, dir, words[2])))
	case len(words) == 3 && words[0] == "link":
		require.NoError(t, os.Symlink(words[2], mkdir(t, dir, words[1])))
	case len(words) == 3 && words[0] == "pack":
		require.NoError(t, os.WriteFile(mkdir(t, dir, words[2]), pack(t, at(words[1])), 0o644))
	case len(words) > 3 && words[0] == "replace":
		var name, before, after string
		_, err := fmt.Sscanf(line, "replace %s %q %q", &name, &before, &after)
		require.NoError(t, err, line)
		data, err := os.ReadFile(at(name))
		require.NoError(t, err)
		require.Contains(t, string(data), before)
		require.NoError(t, os.WriteFile(at(name), []byte(strings.Replace(string(data), before, after, 1)), 0o644))
	case len(words) == 3 && words[0] == "grow":
		n, err := strconv.Atoi(words[2])
		require.NoError(t, err)
		data, err := os.ReadFile(at(words[1]))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(at(words[1]), append(data, strings.Repeat(" ", n)...), 0o644))
	}
}

func pack(t testing.TB, dir string) []byte {
	t.Helper()
	var files []addon.File
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		files = append(files, addon.File{Path: name, Data: data})
		return err
	}))
	tree, err := addon.NewTree(files)
	require.NoError(t, err)
	data, err := addon.Pack(tree, filepath.Base(dir))
	require.NoError(t, err)
	return data
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
