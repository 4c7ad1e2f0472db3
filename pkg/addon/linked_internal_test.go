package addon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhatLinksLeadToIsReadOnce: twice the same library, by links in two directories. The second time its files come from
// memory, with everything that reading them says and refuses.
func TestWhatLinksLeadToIsReadOnce(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	for name, text := range map[string]string{"lib/a": "one", "lib/deep/b": "two", "first/own": "1", "second/own": "2"} {
		file := filepath.Join(top, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o755))
	}
	for _, dir := range []string{"first", "second"} {
		require.NoError(t, os.Symlink("../lib", filepath.Join(top, dir, "lib")))
	}
	root, err := os.OpenRoot(top)
	require.NoError(t, err)
	defer root.Close()
	all := func(string, bool) bool { return true }
	links := &linked{}
	read := func(dir string, limits Limits, keep func(string, bool) bool) (map[string]string, error) {
		tree, err := readDir(root, dir, limits, links, keep)
		files := map[string]string{}
		for _, f := range tree.Files() {
			assert.True(t, f.Executable, f.Path)
			files[f.Path] = string(f.Data)
		}
		return files, err
	}

	_, err = read("first", DefaultLimits(), func(name string, _ bool) bool { return name != "lib/a" })
	require.NoError(t, err)
	assert.Empty(t, links.dirs, "a part is not remembered")

	_, err = read("first", DefaultLimits(), all)
	require.NoError(t, err)
	require.Len(t, links.dirs, 1)
	require.NoError(t, os.WriteFile(filepath.Join(top, "lib/a"), []byte("changed"), 0o755))

	second, err := read("second", DefaultLimits(), all)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"own": "2", "lib/a": "one", "lib/deep/b": "two"}, second)

	fewer, err := read("second", DefaultLimits(), func(name string, isDir bool) bool { return name != "lib/deep" || !isDir })
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"own": "2", "lib/a": "changed"}, fewer, "what is left out is left out, and the rest is read")

	for what, change := range map[string]func(*Limits){
		"more than 4 files":      func(l *Limits) { l.Entries = 4 },
		"more than 1 directorie": func(l *Limits) { l.Depth = 1 },
		"more than 6 bytes":      func(l *Limits) { l.Total = 6 },
		"larger than 2 bytes":    func(l *Limits) { l.File = 2 },
	} {
		limits := DefaultLimits()
		change(&limits)
		_, err := read("second", limits, all)
		assert.ErrorContains(t, err, what)
	}
}

// TestARepositoryIsStillOnlyWhileItIsRead: a change is seen by the next reading.
func TestARepositoryIsStillOnlyWhileItIsRead(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	for _, dir := range []string{"addons/x-1.0.0/chart/x/charts", "lib"} {
		require.NoError(t, os.MkdirAll(filepath.Join(top, filepath.FromSlash(dir)), 0o755))
	}
	library := filepath.Join(top, "lib", "Chart.yaml")
	require.NoError(t, os.Symlink("../../../../../lib", filepath.Join(top, "addons/x-1.0.0/chart/x/charts/lib")))
	repo, err := OpenRepository(top)
	require.NoError(t, err)
	for _, text := range []string{"name: old", "name: new"} {
		require.NoError(t, os.WriteFile(library, []byte(text), 0o644))
		still := repo.Still()
		for range 2 {
			tree, err := still.Read("x-1.0.0")
			require.NoError(t, err)
			data, _ := tree.Read("chart/x/charts/lib/Chart.yaml")
			assert.Equal(t, text, string(data))
		}
	}
}
