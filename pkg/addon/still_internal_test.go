package addon

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lookAt makes a directory with files and links, and looks at it.
func lookAt(t *testing.T, files, links map[string]string) (string, view) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o755))
	}
	for name, target := range links {
		link := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(link), 0o755))
		require.NoError(t, os.Symlink(target, link))
	}
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, root.Close()) })
	return dir, view{root, newTop()}
}

// TestWhatLinksLeadToIsReadOnce: twice the same library, by links in two directories. The second time its files come from
// memory, with everything that reading them says and refuses.
func TestWhatLinksLeadToIsReadOnce(t *testing.T) {
	t.Parallel()
	dir, v := lookAt(t, map[string]string{"lib/a": "one", "lib/deep/b": "two", "first/own": "1", "second/own": "2"},
		map[string]string{"first/lib": "../lib", "second/lib": "../lib"})
	all := func(string, bool) bool { return true }
	read := func(dir string, limits Limits, keep func(string, bool) bool) (map[string]string, error) {
		tree, err := readDir(v, dir, limits, keep)
		files := map[string]string{}
		for _, f := range tree.Files() {
			assert.True(t, f.Executable, f.Path)
			files[f.Path] = string(f.Data)
		}
		return files, err
	}
	first, err := read("first", DefaultLimits(), func(name string, _ bool) bool { return name != "lib/a" })
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"own": "1", "lib/deep/b": "two"}, first, "what is left out is not read")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lib/a"), []byte("changed"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lib/deep/b"), []byte("changed"), 0o755))

	second, err := read("second", DefaultLimits(), all)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"own": "2", "lib/a": "changed", "lib/deep/b": "two"}, second)

	fewer, err := read("second", DefaultLimits(), func(name string, isDir bool) bool { return name != "lib/deep" || !isDir })
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"own": "2", "lib/a": "changed"}, fewer)

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

// TestFind: a way leads where the system's would, and never out.
func TestFind(t *testing.T) {
	t.Parallel()
	_, v := lookAt(t, map[string]string{"a/b/file": "x", "c/file": "y"}, map[string]string{
		"a/link": "b", "a/b/up": "../../c", "c/chain": "../a/link/up/file", "c/slash": "../a/b/", "c/top": "..",
		"c/out": "../../etc", "c/rooted": "/etc/hostname", "c/loop": "loop", "c/one": "two", "c/two": "one", "c/gone": "nothing/there", "c/under": "file/x",
	})
	for way, want := range map[string]string{
		".": ".", "a/b/file": "a/b/file", "a/link/file": "a/b/file", "a/link/up/file": "c/file", "c/chain": "c/file",
		"c/slash/file": "a/b/file", "c/top/a//./link": "a/b", "a/link/..": "a", "c/top/c/top/c": "c",
	} {
		p, err := v.find(v.top, way, true)
		require.NoError(t, err, way)
		assert.Equal(t, want, p.path, way)
	}
	for way, want := range map[string]error{
		"..": errLeaves, "c/out": errLeaves, "c/rooted": errLeaves, "c/top/..": errLeaves, "c/loop": errLoop, "c/one": errLoop,
		"c/gone": fs.ErrNotExist, "nothing": fs.ErrNotExist, "c/under": errNoDirectory, "c/file/": errNoDirectory,
	} {
		_, err := v.find(v.top, way, true)
		assert.ErrorIs(t, err, want, way)
	}
	last, err := v.find(v.top, "c/chain", false)
	require.NoError(t, err)
	assert.True(t, last.isLink(), "the last part is followed only if it is to be")
}

// TestWhatTakesThePlaceOfAFileIsNotFollowedOut: something else lies there than when the directory was listed.
func TestWhatTakesThePlaceOfAFileIsNotFollowedOut(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "f"), []byte("secret"), 0o600))
	for name, replace := range map[string]func(at, with string) error{
		"a link":      func(at, with string) error { return os.Symlink(filepath.Join(outside, with), at) },
		"a pipe":      func(at, _ string) error { return syscall.Mkfifo(at, 0o600) },
		"a directory": func(at, _ string) error { return os.Mkdir(at, 0o755) },
		"nothing":     func(string, string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, v := lookAt(t, map[string]string{"d/f": "x"}, nil)
			_, err := v.list("d")
			require.NoError(t, err)
			require.NoError(t, os.Remove(filepath.Join(dir, "d/f")))
			require.NoError(t, replace(filepath.Join(dir, "d/f"), "f"))
			_, err = v.read("d/f")
			require.Error(t, err)
		})
	}
	t.Run("a link for a directory", func(t *testing.T) {
		t.Parallel()
		dir, v := lookAt(t, map[string]string{"d/f": "x"}, nil)
		_, err := v.list(".")
		require.NoError(t, err)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "d")))
		require.NoError(t, os.Symlink(outside, filepath.Join(dir, "d")))
		_, err = v.read("d/f")
		require.ErrorContains(t, err, "escapes")
	})
}

// TestARepositoryIsStillOnlyWhileItIsRead: a change is seen by the next reading.
func TestARepositoryIsStillOnlyWhileItIsRead(t *testing.T) {
	t.Parallel()
	dir, _ := lookAt(t, map[string]string{"lib/Chart.yaml": ""}, map[string]string{"addons/x-1.0.0/chart/x/charts/lib": "../../../../../lib"})
	repo, err := OpenRepository(dir)
	require.NoError(t, err)
	for _, text := range []string{"name: old", "name: new"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "lib/Chart.yaml"), []byte(text), 0o644))
		still := repo.Still()
		for range 2 {
			tree, err := still.Read("x-1.0.0")
			require.NoError(t, err)
			data, _ := tree.Read("chart/x/charts/lib/Chart.yaml")
			assert.Equal(t, text, string(data))
		}
		data, err := still.File("addons/x-1.0.0/chart/x/charts/lib/Chart.yaml")
		require.NoError(t, err)
		assert.Equal(t, text, string(data))
	}
}

// TestWalk: files in the order of their names, without links, and only where somebody wants to look.
func TestWalk(t *testing.T) {
	t.Parallel()
	dir, _ := lookAt(t, map[string]string{"addons/a/f": "1", "addons/b": "2", "docs/x": "3", ".git/y": "4", "z": "5"}, map[string]string{"docs/link": "x", "linked": "docs"})
	repo, err := OpenRepository(dir)
	require.NoError(t, err)
	walk := func(most int) (found []string) {
		require.NoError(t, repo.Walk(func(dir string) bool { return dir != ".git" }, func(name string, read func() ([]byte, error)) bool {
			data, err := read()
			require.NoError(t, err)
			found = append(found, name+"="+string(data))
			return len(found) < most
		}))
		return found
	}
	assert.Equal(t, []string{"addons/a/f=1", "addons/b=2", "docs/x=3", "z=5"}, walk(9))
	assert.Len(t, walk(2), 2)
}
