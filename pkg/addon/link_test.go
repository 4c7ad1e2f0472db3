package addon_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
)

const linked = demo + "/chart/demo-connector"

func TestLinkMakesARealDirectoryOfRelativeLinks(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	info, err := os.Lstat(filepath.Join(repo.Dir(), linked))
	require.NoError(t, err)
	assert.True(t, info.IsDir(), "Helm Broker takes a link for a file")
	target, err := os.Readlink(filepath.Join(repo.Dir(), linked, "templates"))
	require.NoError(t, err)
	assert.Equal(t, "../../../../charts/demo-connector/templates", target)
	entries, err := os.ReadDir(filepath.Join(repo.Dir(), linked))
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.Equal(t, []string{".helmignore", "Chart.yaml", "charts", "files", "samples", "templates", "values.schema.json", "values.yaml"}, names)

	changes, err := repo.Link(addontest.Name)
	require.NoError(t, err)
	assert.Empty(t, changes, "a second run finds nothing to do")
}

func TestLinkRepairs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		breakIt func(t *testing.T, dir string)
		want    []addon.LinkChange
	}{
		"new entry of the chart": {
			func(t *testing.T, dir string) {
				addontest.Write(t, dir, "charts/demo-connector/README.md", "x")
			},
			[]addon.LinkChange{{Path: linked + "/README.md", Kind: addon.LinkMissing, Target: "../../../../charts/demo-connector/README.md"}},
		},
		"ignored entry of the chart": {
			func(t *testing.T, dir string) { addontest.Write(t, dir, "charts/demo-connector/a.orig", "x") },
			nil,
		},
		"absolute link": {
			func(t *testing.T, dir string) { relink(t, dir, "values.yaml", "/etc/hostname") },
			[]addon.LinkChange{{Path: linked + "/values.yaml", Kind: addon.LinkElse, Target: "../../../../charts/demo-connector/values.yaml"}},
		},
		"link to another chart": {
			func(t *testing.T, dir string) { relink(t, dir, "templates", "../../../../charts/common/templates") },
			[]addon.LinkChange{{Path: linked + "/templates", Kind: addon.LinkElse, Target: "../../../../charts/demo-connector/templates"}},
		},
		"entry that is gone": {
			func(t *testing.T, dir string) { relink(t, dir, "LICENSE", "../../../../charts/demo-connector/LICENSE") },
			[]addon.LinkChange{{Path: linked + "/LICENSE", Kind: addon.LinkDangling}},
		},
		"checkout without links": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.Remove(filepath.Join(dir, linked, "values.yaml")))
				addontest.Write(t, dir, linked+"/values.yaml", "../../../../charts/demo-connector/values.yaml")
			},
			[]addon.LinkChange{{Path: linked + "/values.yaml", Kind: addon.LinkFile, Target: "../../../../charts/demo-connector/values.yaml"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			test.breakIt(t, repo.Dir())
			found, err := repo.CheckLinks(addontest.Name)
			require.NoError(t, err)
			assert.Equal(t, test.want, found)
			changed, err := repo.Link(addontest.Name)
			require.NoError(t, err)
			assert.Equal(t, test.want, changed)
			found, err = repo.CheckLinks(addontest.Name)
			require.NoError(t, err)
			assert.Empty(t, found)
			_, err = repo.Load(addontest.Name)
			assert.NoError(t, err)
		})
	}
}

func relink(t *testing.T, dir, name, target string) {
	t.Helper()
	link := filepath.Join(dir, linked, name)
	_ = os.Remove(link)
	require.NoError(t, os.Symlink(target, link))
}

func TestLinkNeverRemovesContent(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	addontest.Write(t, repo.Dir(), linked+"/mine.yaml", "precious: 1\n")
	_, err := repo.Link(addontest.Name)
	assert.ErrorContains(t, err, "mine.yaml is no link but content its own; move it to charts/demo-connector")
	assert.FileExists(t, filepath.Join(repo.Dir(), linked, "mine.yaml"))
}

func TestLinkStaysInTheRepository(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	outside := t.TempDir()
	require.NoError(t, os.RemoveAll(filepath.Join(repo.Dir(), demo, "chart")))
	require.NoError(t, os.Symlink(outside, filepath.Join(repo.Dir(), demo, "chart")))
	_, err := repo.Link(addontest.Name)
	assert.ErrorContains(t, err, "is a link, which Helm Broker takes for a file")
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAddonsWithAChartOfTheirOwnNeedNoLinks(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	dir := repo.Dir()
	require.NoError(t, os.RemoveAll(filepath.Join(dir, linked)))
	require.NoError(t, os.Rename(filepath.Join(dir, "charts/demo-connector"), filepath.Join(dir, linked)))
	require.NoError(t, os.Remove(filepath.Join(dir, linked, "charts/common")))
	require.NoError(t, os.Symlink("../../../../../charts/common", filepath.Join(dir, linked, "charts/common")))
	changes, err := repo.Link(addontest.Name)
	require.NoError(t, err)
	assert.Empty(t, changes)
	_, err = repo.Load(addontest.Name)
	assert.NoError(t, err)
}
