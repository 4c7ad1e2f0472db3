package addonctl

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// The same tree gives the same bytes, whoever builds it where and when: from two clones at different paths, made and
// built under different umasks, time zones and locales, with files that were written at different times and in
// another order.
func TestTwoClonesBuildTheSame(t *testing.T) {
	t.Parallel()
	program := filepath.Join(binaries(t), "addonctl")
	source := committed(t)
	builds := []struct {
		dir, umask string
		env        []string
		touch      func(t *testing.T, dir string)
	}{
		{"a", "022", []string{"TZ=UTC", "LC_ALL=C"}, nil},
		{"at/another and longer/path", "077", []string{"TZ=Asia/Tokyo", "LC_ALL=tr_TR.UTF-8", "SOURCE_DATE_EPOCH=1000000000"}, age},
		{"again", "002", []string{"TZ=America/St_Johns"}, reorder},
	}
	var first map[string]string
	for _, b := range builds {
		clone := filepath.Join(t.TempDir(), b.dir)
		script := `umask "$1"; git clone --quiet -- "$2" "$3"`
		run(t, b.env, "sh", "-c", script, "sh", b.umask, source, clone)
		if b.touch != nil {
			b.touch(t, clone)
		}
		run(t, b.env, "sh", "-c", `umask "$1"; "$2" build --repo "$3"`, "sh", b.umask, program, clone)
		got := digests(t, filepath.Join(clone, "dist"))
		if first == nil {
			first = got
			require.Greater(t, len(first), 4)
			continue
		}
		assert.Equal(t, first, got, b.dir)
	}
}

func run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// committed is a git repository with this repository's add-ons and charts.
func committed(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for _, name := range []string{addon.AddonsDir, addon.ChartsDir, "index.yaml"} {
		run(t, nil, "cp", "-R", filepath.Join("../../..", name), dir)
	}
	run(t, nil, "git", "-C", dir, "init", "--quiet")
	run(t, nil, "git", "-C", dir, "add", "--all")
	run(t, nil, "git", "-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "all")
	return dir
}

// age gives every file another time.
func age(t *testing.T, dir string) {
	t.Helper()
	when := time.Unix(1_000_000_000, 0)
	require.NoError(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 || strings.Contains(name, ".git") {
			return err
		}
		when = when.Add(time.Hour)
		return os.Chtimes(name, when, when)
	}))
}

// reorder writes every file of the charts anew, the last one first, so that directories list them otherwise.
func reorder(t *testing.T, dir string) {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, addon.ChartsDir), func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	}))
	for i := len(names) - 1; i >= 0; i-- {
		data, err := os.ReadFile(names[i])
		require.NoError(t, err)
		info, err := os.Stat(names[i])
		require.NoError(t, err)
		require.NoError(t, os.Remove(names[i]))
		require.NoError(t, os.WriteFile(names[i], data, info.Mode().Perm()))
	}
}

func digests(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		out[relative] = addon.Digest(data)
		return err
	}))
	return out
}
