package cache_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/cache"
)

func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			out = append(out, name)
		}
		return err
	}))
	return out
}

func TestWhatIsPutIsThere(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	c := cache.Open(dir)
	_, found := c.Get("a")
	assert.False(t, found)
	c.Put("a", []byte("one"))
	c.Put("b", nil)
	got, found := cache.Open(dir).Get("a")
	assert.True(t, found)
	assert.Equal(t, "one", string(got))
	got, found = c.Get("b")
	assert.True(t, found, "nothing is a result, too")
	assert.Empty(t, got)
	c.Put("a", []byte("two"))
	got, _ = c.Get("a")
	assert.Equal(t, "two", string(got))
}

func TestDamageIsIgnored(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"cut off":       func(b []byte) []byte { return b[:len(b)-1] },
		"cut off early": func(b []byte) []byte { return b[:10] },
		"longer":        func(b []byte) []byte { return append(b, 'x') },
		"one bit":       func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"the checksum":  func(b []byte) []byte { b[0] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := cache.Open(dir)
			c.Put("a", []byte("result"))
			all := files(t, dir)
			require.Len(t, all, 1)
			data, err := os.ReadFile(all[0])
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(all[0], damage(data), 0o600))
			_, found := c.Get("a")
			assert.False(t, found)
			c.Put("a", []byte("result"))
			_, found = c.Get("a")
			assert.True(t, found)
		})
	}
}

func TestWithoutADirectoryNothingIsRemembered(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []*cache.Cache{nil, cache.Open(filepath.Join(file, "below"))} {
		c.Put("a", []byte("b"))
		_, found := c.Get("a")
		assert.False(t, found)
		c.Prune()
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			c := cache.Open(dir)
			for i := range 50 {
				key := fmt.Sprint(i % 5)
				want := strings.Repeat(key, 10_000)
				if got, found := c.Get(key); found && string(got) != want {
					t.Errorf("%s: got %d bytes that are not its own", key, len(got))
				}
				c.Put(key, []byte(want))
			}
		})
	}
	wait.Wait()
	assert.Len(t, files(t, dir), 5, "nothing else is left")
}

func TestPruneRemovesWhatIsOld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := cache.Open(dir)
	age := func(d time.Duration) {
		for _, name := range files(t, dir) {
			require.NoError(t, os.Chtimes(name, time.Now().Add(-d), time.Now().Add(-d)))
		}
	}
	c.Put("used", []byte("1"))
	c.Put("old", []byte("1"))
	age(31 * 24 * time.Hour)
	_, found := c.Get("used")
	require.True(t, found)
	c.Prune()
	_, found = c.Get("old")
	assert.False(t, found)
	_, found = c.Get("used")
	assert.True(t, found)

	c.Put("old", []byte("1"))
	require.NoError(t, os.Chtimes(files(t, dir)[0], time.Now(), time.Now().Add(-31*24*time.Hour)))
	before := len(files(t, dir))
	c.Prune()
	assert.Len(t, files(t, dir), before, "it looks once a day")
}
