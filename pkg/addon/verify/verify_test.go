package verify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/verify"
)

const (
	archive = addontest.Name + addon.ArchiveSuffix
	chart   = "charts/" + archive
)

// built is a built repository that a test may change.
type built struct {
	dir  string
	repo *addon.Repository
}

func build(t *testing.T) built {
	t.Helper()
	repo := addontest.Repository(t)
	b := built{filepath.Join(t.TempDir(), "dist"), repo}
	addons, err := repo.LoadAll()
	require.NoError(t, err)
	dist, err := addon.Dist(addons)
	require.NoError(t, err)
	require.NoError(t, addon.WriteDist(b.dir, dist))
	return b
}

func (b built) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, name))
	require.NoError(t, err)
	return string(data)
}

func (b built) write(t *testing.T, name, content string) {
	t.Helper()
	addontest.Write(t, b.dir, name, content)
}

// record makes SHA256SUMS right again, as somebody who tampers would.
func (b built) record(t *testing.T, name, before string) {
	t.Helper()
	sums := strings.ReplaceAll(b.read(t, addon.SumsFile), addon.Digest([]byte(before)), addon.Digest([]byte(b.read(t, name))))
	b.write(t, addon.SumsFile, sums)
}

// replace changes text in a file and records it.
func (b built) replace(t *testing.T, name, from, to string) {
	t.Helper()
	before := b.read(t, name)
	require.Contains(t, before, from)
	b.write(t, name, strings.ReplaceAll(before, from, to))
	b.record(t, name, before)
}

// repack replaces an archive by another one of the same name, and records it.
func (b built) repack(t *testing.T, name, prefix string, change func([]addon.File) []addon.File) {
	t.Helper()
	before := b.read(t, name)
	tree, err := addon.ReadArchiveBytes([]byte(before))
	require.NoError(t, err)
	changed, err := addon.NewTree(change(append([]addon.File{}, tree.Files()...)))
	require.NoError(t, err)
	packed, err := addon.Pack(changed, prefix)
	require.NoError(t, err)
	b.write(t, name, string(packed))
	b.record(t, name, before)
}

func TestABuiltRepositoryIsRight(t *testing.T) {
	t.Parallel()
	b := build(t)
	report, tree, err := verify.Dist(b.dir)
	require.NoError(t, err)
	assert.Empty(t, report.Problems)
	assert.Equal(t, 3, report.Files)
	assert.Equal(t, []verify.Addon{{Name: addontest.Name, Plans: []string{"default"}, Digest: addon.Digest([]byte(b.read(t, archive)))}}, report.Addons)
	assert.Len(t, tree.Files(), 4, "three files and their digests")
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	keep := func(files []addon.File) []addon.File { return files }
	for name, test := range map[string]struct {
		spoil func(t *testing.T, b built)
		file  string
		want  string
	}{
		"a flipped byte": {func(t *testing.T, b built) {
			data := []byte(b.read(t, archive))
			data[len(data)/2] ^= 1
			b.write(t, archive, string(data))
		}, archive, "is not what was built"},
		"a lost archive": {func(t *testing.T, b built) { require.NoError(t, os.Remove(filepath.Join(b.dir, archive))) }, archive, "is missing"},
		"a foreign file": {func(t *testing.T, b built) { b.write(t, "other.tgz", "x") }, "other.tgz", "is not listed in SHA256SUMS"},
		"a link": {func(t *testing.T, b built) {
			require.NoError(t, os.Rename(filepath.Join(b.dir, archive), filepath.Join(b.dir, "kept")))
			require.NoError(t, os.Symlink("kept", filepath.Join(b.dir, archive)))
		}, archive, "is no regular file"},
		"a digest that is none": {func(t *testing.T, b built) {
			b.write(t, addon.SumsFile, "abc  "+archive+"\n"+b.read(t, addon.SumsFile))
		},
			addon.SumsFile, "is no digest with the name of a file of its own"},
		"a name that leaves the directory": {func(t *testing.T, b built) {
			b.write(t, addon.SumsFile, b.read(t, addon.SumsFile)+strings.Repeat("0", 64)+"  ../secret\n")
		}, addon.SumsFile, "../secret"},
		"an index that is no index": {func(t *testing.T, b built) { b.replace(t, addon.IndexFile, "entries:", "entries: []\nothers:") }, addon.IndexFile, "index:"},
		"an index without the add-on": {func(t *testing.T, b built) { b.replace(t, addon.IndexFile, "  demo-connector:", "  dema-connector:") },
			"dema-connector-0.1.0.tgz", "is in the index and missing"},
		"an archive that the index does not list": {func(t *testing.T, b built) { b.replace(t, addon.IndexFile, "  demo-connector:", "  dema-connector:") },
			archive, "is not in the index"},
		"an archive of another version": {func(t *testing.T, b built) {
			b.repack(t, archive, "", func(files []addon.File) []addon.File {
				for i := range files {
					if files[i].Path == addon.MetaFile {
						files[i].Data = []byte(strings.ReplaceAll(string(files[i].Data), "version: 0.1.0", "version: 0.2.0"))
					}
				}
				return files
			})
		}, archive, "holds demo-connector 0.2.0"},
		"an archive with a directory around it": {func(t *testing.T, b built) { b.repack(t, archive, addontest.Name, keep) },
			archive, "everything lies in the directory " + addontest.Name},
		"an archive without a plan": {func(t *testing.T, b built) {
			b.repack(t, archive, "", func(files []addon.File) []addon.File {
				var kept []addon.File
				for _, f := range files {
					if !strings.HasPrefix(f.Path, addon.PlansDir) {
						kept = append(kept, f)
					}
				}
				return kept
			})
		}, archive, "plans holds no plan"},
		"a chart that was packed otherwise": {func(t *testing.T, b built) {
			b.repack(t, chart, "", func(files []addon.File) []addon.File { files[0].Executable = true; return files })
		}, chart, "is not what the index says"},
		"a chart that is another one": {func(t *testing.T, b built) {
			b.repack(t, chart, "", func(files []addon.File) []addon.File { files[0].Data = append(files[0].Data, '\n'); return files })
		}, chart, "does not hold the same chart"},
		"an id that two share": {func(t *testing.T, b built) {
			index := b.read(t, addon.IndexFile)
			second := strings.ReplaceAll(index[strings.Index(index, "  demo-connector:"):], "demo-connector:", "demo-connector-2:")
			b.write(t, addon.IndexFile, index+second)
			b.record(t, addon.IndexFile, index)
			b.write(t, "demo-connector-2-0.1.0.tgz", b.read(t, archive))
			b.write(t, addon.SumsFile, b.read(t, addon.SumsFile)+addon.Digest([]byte(b.read(t, archive)))+"  demo-connector-2-0.1.0.tgz\n")
		}, addon.IndexFile, "which have the same id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := build(t)
			test.spoil(t, b)
			report, _, err := verify.Dist(b.dir)
			require.NoError(t, err)
			found := false
			for _, p := range report.Problems {
				found = found || p.File == test.file && strings.Contains(p.Message, test.want) && p.Next != ""
			}
			assert.True(t, found, "want %s: %s; got %v", test.file, test.want, report.Problems)
		})
	}
}

func TestWhatWasNotBuiltIsNoRepository(t *testing.T) {
	t.Parallel()
	_, _, err := verify.Dist(t.TempDir())
	require.ErrorContains(t, err, "holds no SHA256SUMS")
	_, _, err = verify.Dist(filepath.Join(t.TempDir(), "nothing"))
	require.Error(t, err)
}
