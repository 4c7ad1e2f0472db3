package source_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/source"
)

// program puts a program of that name first in the path.
func program(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700))
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

func TestMercurialIsReadWithItsOwnProgram(t *testing.T) {
	said := filepath.Join(t.TempDir(), "said")
	program(t, "hg", `echo "$@" >>`+said+`
cat "$HGRCPATH" >>`+said+`
case "$3" in
clone) mkdir -p "$7/addons" ;;
update) echo "entries: {}" >"$5/addons/index.yaml"; test "$7" != gone || { echo "abort: unknown revision" >&2; exit 255; } ;;
esac
`)
	open := func(rev string) (source.Repository, error) {
		l, err := source.Parse("hg::https://me:secret@hg.example.com/repo//addons/index.yaml?rev=" + rev)
		require.NoError(t, err)
		return source.Open(t.Context(), l, source.Options{Dir: t.TempDir()})
	}
	r, err := open("stable")
	require.NoError(t, err)
	data, err := r.Index(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "entries: {}\n", string(data))
	require.NoError(t, r.Close())
	calls, err := os.ReadFile(said)
	require.NoError(t, err)
	assert.Contains(t, string(calls), "--noninteractive --quiet clone --noupdate -- https://hg.example.com/repo ")
	assert.Contains(t, string(calls), "repository.password = secret\n")
	assert.Contains(t, string(calls), "--rev stable\n")

	_, err = open("gone")
	assert.EqualError(t, err, "rev=gone: hg: abort: unknown revision")
}

func TestAProgramThatIsMissingIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, address := range []string{"hg::https://hg.example.com/a//index.yaml", "git::https://git.example.com/a.git//index.yaml"} {
		l, err := source.Parse(address)
		require.NoError(t, err)
		_, err = source.Open(t.Context(), l, source.Options{Dir: t.TempDir()})
		assert.ErrorContains(t, err, string(l.Getter)+" is not installed here, and Helm Broker needs it to read such an address; install it")
	}
}
