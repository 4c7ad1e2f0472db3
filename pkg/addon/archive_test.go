package addon_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
)

// archive packs headers as they are; a regular file gets as much content as its header says.
func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		h.Mode = 0o644
		require.NoError(t, w.WriteHeader(&h))
		_, err := io.CopyN(w, zeros{}, h.Size)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestReadArchiveRefusesHostileArchives(t *testing.T) {
	t.Parallel()
	many := make([]tar.Header, 11)
	for i := range many {
		many[i].Name = fmt.Sprint(i)
	}
	tests := map[string]struct {
		archive []byte
		want    string
	}{
		"parent":             {archive(t, tar.Header{Name: "../evil"}), "contains .."},
		"hidden parent":      {archive(t, tar.Header{Name: "a/../../evil"}), "contains .."},
		"parent that stays":  {archive(t, tar.Header{Name: "a/../b"}), "contains .."},
		"absolute":           {archive(t, tar.Header{Name: "/etc/passwd"}), "not a relative name"},
		"drive":              {archive(t, tar.Header{Name: "c:evil"}), "not a relative name"},
		"backslash":          {archive(t, tar.Header{Name: `a\b`}), "not a relative name"},
		"name not UTF-8":     {archive(t, tar.Header{Name: "a\xff"}), "no UTF-8 text"},
		"name that draws":    {archive(t, tar.Header{Name: "a\x1b[2J"}), "no UTF-8 text"},
		"directory draws":    {archive(t, tar.Header{Name: "a\n/", Typeflag: tar.TypeDir}), "no UTF-8 text"},
		"symbolic link":      {archive(t, tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), "skip silently"},
		"hard link":          {archive(t, tar.Header{Name: "a"}, tar.Header{Name: "b", Typeflag: tar.TypeLink, Linkname: "a"}), "skip silently"},
		"character device":   {archive(t, tar.Header{Name: "a", Typeflag: tar.TypeChar}), "skip silently"},
		"block device":       {archive(t, tar.Header{Name: "a", Typeflag: tar.TypeBlock}), "skip silently"},
		"pipe":               {archive(t, tar.Header{Name: "a", Typeflag: tar.TypeFifo}), "skip silently"},
		"same name twice":    {archive(t, tar.Header{Name: "a"}, tar.Header{Name: "./a"}), "occurs twice"},
		"file and directory": {archive(t, tar.Header{Name: "a"}, tar.Header{Name: "a/b"}), "a file and a directory"},
		"too many entries":   {archive(t, many...), "more than 10 files"},
		"too deep":           {archive(t, tar.Header{Name: "a/b/c/d/e/f"}), "directories deep"},
		"large file":         {archive(t, tar.Header{Name: "a", Size: 2<<20 + 1}), "larger than 2097152 bytes"},
		"large in total":     {archive(t, tar.Header{Name: "a", Size: 1 << 20}, tar.Header{Name: "b", Size: 1 << 20}, tar.Header{Name: "c", Size: 1 << 20}, tar.Header{Name: "d", Size: 1 << 20}), "in total"},
		"bomb":               {archive(t, tar.Header{Name: "a", Size: 1 << 20}, tar.Header{Name: "b", Size: 1}), "looks like a bomb"},
		"not gzip":           {[]byte("hello, world"), "not a gzip archive"},
		"cut off":            {archive(t, tar.Header{Name: "a", Size: 5000})[:40], "damaged"},
		"large archive":      {archive(t, tar.Header{Name: "a", Size: 5000}), "archive larger than 30 bytes"},
	}
	limits := addon.Limits{Archive: 64 << 10, Total: 3 << 20, File: 2 << 20, Entries: 10, Depth: 4, Ratio: 100}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := limits
			switch name {
			case "large in total":
				l.Ratio = 1 << 20
			case "large archive":
				l.Archive = 30
			}
			_, err := addon.ReadArchive(bytes.NewReader(test.archive), l)
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.want)
		})
	}
}

func TestReadArchiveStopsAtItsLimits(t *testing.T) {
	t.Parallel()
	limits := addon.Limits{Archive: 1 << 20, Total: 2000, File: 1000, Entries: 2, Depth: 1, Ratio: 1}
	_, err := addon.ReadArchive(bytes.NewReader(archive(t, tar.Header{Name: "a", Size: 1000}, tar.Header{Name: "d/b", Size: 1000})), limits)
	assert.NoError(t, err, "at the limit")
}

func TestPackIsWhatTheBrokerUnpacks(t *testing.T) {
	t.Parallel()
	a, err := addontest.Repository(t).Load(addontest.Name)
	require.NoError(t, err)
	data, err := a.Pack()
	require.NoError(t, err)

	assert.Equal(t, byte(255), data[9], "gzip says nothing of the system")
	assert.Equal(t, []byte{0, 0, 0, 0}, data[4:8], "nor of the time")
	zipped, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	dirs := map[string]bool{".": true}
	var names []string
	for r := tar.NewReader(zipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		assert.True(t, dirs[filepath.Dir(strings.TrimSuffix(h.Name, "/"))], "%s comes before its directory", h.Name)
		assert.True(t, h.ModTime.Equal(time.Unix(0, 0)))
		assert.Zero(t, h.Uid+h.Gid)
		assert.Empty(t, h.Uname+h.Gname)
		switch h.Typeflag {
		case tar.TypeDir:
			dirs[strings.TrimSuffix(h.Name, "/")] = true
			assert.EqualValues(t, 0o755, h.Mode)
		case tar.TypeReg:
			assert.EqualValues(t, 0o644, h.Mode)
			names = append(names, h.Name)
		default:
			t.Errorf("%s is neither a file nor a directory", h.Name)
		}
	}
	assert.Contains(t, names, "meta.yaml", "the add-on is the root of the archive")
	assert.Contains(t, names, "chart/demo-connector/charts/common/Chart.yaml")
	assert.IsIncreasing(t, names)

	back, err := addon.ReadArchive(bytes.NewReader(data), addon.DefaultLimits())
	require.NoError(t, err)
	assert.Equal(t, a.Tree, back)
}

// Two checkouts that differ in everything that is no content give the same bytes.
func TestBuildsAreIdentical(t *testing.T) {
	t.Parallel()
	first, second := addontest.Repository(t), addontest.Repository(t)
	require.NotEqual(t, first.Dir(), second.Dir())
	require.NoError(t, filepath.WalkDir(second.Dir(), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.Type()&os.ModeSymlink != 0 {
			return err
		}
		// As a checkout under umask 077 two years ago.
		mode := os.FileMode(0o600)
		if e.IsDir() {
			mode = 0o700
		}
		long := time.Date(2023, 4, 5, 6, 7, 8, 9, time.FixedZone("", 7200))
		return joinErrors(os.Chmod(path, mode), os.Chtimes(path, long, long))
	}))
	assert.Equal(t, digests(t, first), digests(t, second))
}

func joinErrors(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func digests(t testing.TB, repo *addon.Repository) map[string]string {
	t.Helper()
	addons, err := repo.LoadAll()
	require.NoError(t, err)
	dist, err := addon.Dist(addons)
	require.NoError(t, err)
	out := map[string]string{}
	for name, data := range dist.All() {
		out[name] = addon.Digest(data)
	}
	return out
}

func FuzzReadArchive(f *testing.F) {
	f.Add(archive(f, tar.Header{Name: "a/", Typeflag: tar.TypeDir}, tar.Header{Name: "a/b", Size: 10}))
	f.Add(archive(f, tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}))
	f.Add([]byte("\x1f\x8b"))
	limits := addon.Limits{Archive: 1 << 20, Total: 1 << 20, File: 1 << 18, Entries: 100, Depth: 8, Ratio: 100}
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := addon.ReadArchive(bytes.NewReader(data), limits)
		if err != nil {
			return
		}
		packed, err := addon.Pack(tree, "")
		if err != nil {
			return // names that a USTAR header cannot hold
		}
		back, err := addon.ReadArchive(bytes.NewReader(packed), addon.DefaultLimits())
		if err != nil {
			t.Fatalf("cannot read what was packed: %v", err)
		}
		if len(back.Files()) != len(tree.Files()) {
			t.Fatalf("%d files became %d", len(tree.Files()), len(back.Files()))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("id: a\nname: b\nversion: 1.0.0\ndescription: c\ndisplayName: d\n"), []byte("id: a\nname: b\ndescription: c\ndisplayName: d\nbindable: false\n"), []byte("docs: [{}]"))
	f.Add([]byte("a: &a [*a]"), []byte("tags: [x]"), []byte("docs: {}"))
	f.Fuzz(func(t *testing.T, meta, plan, docs []byte) {
		files := []addon.File{{Path: "meta.yaml", Data: meta}, {Path: "plans/a/meta.yaml", Data: plan}, {Path: "plans/a/values.yaml", Data: docs}, {Path: "docs/meta.yaml", Data: docs}, {Path: "chart/a/Chart.yaml", Data: meta}}
		tree, err := addon.NewTree(files)
		if err != nil {
			t.Fatal(err)
		}
		a, err := addon.Parse("a-1.0.0", tree)
		if err == nil && (a.Meta.ID == "" || len(a.Plans) != 1) {
			t.Fatalf("accepted without id or plan: %+v", a.Meta)
		}
	})
}
