package addon_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

func tree(t testing.TB, files map[string]string) addon.Tree {
	t.Helper()
	var list []addon.File
	for name, content := range files {
		list = append(list, addon.File{Path: name, Data: []byte(content)})
	}
	tree, err := addon.NewTree(list)
	require.NoError(t, err)
	return tree
}

func TestTreeIsAFileSystem(t *testing.T) {
	t.Parallel()
	tr := tree(t, map[string]string{"a.txt": "1", "d/b.txt": "22", "d/e/c.txt": "", "d-e/x": "y"})
	require.NoError(t, fstest.TestFS(tr.FS(), "a.txt", "d/b.txt", "d/e/c.txt", "d-e/x"))
	assert.EqualValues(t, 4, tr.Size())
}

func TestTreeEntriesAndSub(t *testing.T) {
	t.Parallel()
	tr := tree(t, map[string]string{"a": "1", "d/b": "2", "d/e/c": "3", "d-e/x": "4", "d.f": "5"})
	dirs, files := tr.Entries(".")
	assert.Equal(t, []string{"d", "d-e"}, dirs)
	assert.Equal(t, []string{"a", "d.f"}, files)
	sub := tr.Sub("d")
	data, found := sub.Read("e/c")
	assert.True(t, found)
	assert.Equal(t, "3", string(data))
	_, found = sub.Read("x")
	assert.False(t, found)
	assert.Empty(t, tr.Sub("nothing").Files())
}

func TestNewTreeRefusesPathsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, paths := range map[string][]string{
		"absolute":      {"/a"},
		"parent":        {"../a"},
		"not clean":     {"a//b"},
		"empty":         {""},
		"root":          {"."},
		"twice":         {"a", "a"},
		"file and dir":  {"a", "a/b"},
		"deeper parent": {"a/b", "a/b/c/d"},
		"not UTF-8":     {"a\xff"},
	} {
		var files []addon.File
		for _, p := range paths {
			files = append(files, addon.File{Path: p})
		}
		_, err := addon.NewTree(files)
		assert.Error(t, err, name)
	}
}
