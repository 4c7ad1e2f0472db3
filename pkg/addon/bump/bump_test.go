package bump_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/bump"
)

const (
	meta  = "addons/demo-connector-0.1.0/meta.yaml"
	chart = "charts/demo-connector/Chart.yaml"
)

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(data)
}

func TestEverythingThatNamesTheVersionFollows(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	dir := repo.Dir()
	metaBefore, chartBefore := read(t, dir, meta), read(t, dir, chart)
	addontest.Write(t, dir, meta, "# Shown in the catalog.\n"+strings.Replace(metaBefore, "version: 0.1.0", "version:   '0.1.0' # see the chart", 1))

	result, err := bump.Bump(repo, addontest.Name, "0.2.0", "reads  more\nevents.")
	require.NoError(t, err)
	assert.Equal(t, &bump.Result{
		Key: addontest.Key, From: "0.1.0", To: "0.2.0", Addon: "addons/demo-connector-0.2.0",
		Changed:  []string{"addons/demo-connector-0.2.0/meta.yaml", chart, "CHANGELOG.md", "addons/index.yaml", "index.yaml"},
		Mentions: []bump.Mention{},
	}, result)

	names, err := repo.Names()
	require.NoError(t, err)
	assert.Equal(t, []string{"demo-connector-0.2.0"}, names)
	assert.Equal(t, "# Shown in the catalog.\n"+strings.Replace(metaBefore, "version: 0.1.0", "version:   '0.2.0' # see the chart", 1),
		read(t, dir, "addons/demo-connector-0.2.0/meta.yaml"), "comments, order and quotes stay")
	assert.Equal(t, strings.Replace(chartBefore, "\nversion: 0.1.0", "\nversion: 0.2.0", 1), read(t, dir, chart),
		"neither appVersion nor the library's version is touched")
	assert.Equal(t, "# Changelog\n\n## Unreleased\n\n### Changed\n\n- `demo-connector` 0.2.0 (before: 0.1.0): reads more events.\n", read(t, dir, "CHANGELOG.md"))

	changes, err := repo.CheckLinks("demo-connector-0.2.0")
	require.NoError(t, err)
	assert.Empty(t, changes)
	addons, err := repo.LoadAll()
	require.NoError(t, err)
	drift, err := repo.IndexDrift(addons)
	require.NoError(t, err)
	assert.Empty(t, drift)
	assert.Equal(t, "0.2.0", addons[0].Meta.Version)
}

func TestWhatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		to    string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"the same version": {"0.1.0", nil, "version 0.1.0 is not higher than 0.1.0"},
		"a lower version":  {"0.0.9", nil, "is not higher"},
		"no version":       {"1.0", nil, "want three numbers"},
		"build metadata":   {"0.2.0+1", nil, "leave out what follows it"},
		"a directory in the way": {"0.2.0", func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.CopyFS(filepath.Join(dir, "addons/demo-connector-0.2.0"), os.DirFS(filepath.Join(dir, "addons", addontest.Name, "plans"))))
		}, "demo-connector-0.2.0"},
		"another add-on that is broken": {"0.2.0", func(t *testing.T, dir string) {
			t.Helper()
			addontest.Write(t, dir, "addons/other-0.1.0/meta.yaml", "{}")
		},
			"the repository is not in order"},
		"a version in a flow": {"0.2.0", func(t *testing.T, dir string) {
			t.Helper()
			addontest.Write(t, dir, chart, strings.Replace(read(t, dir, chart), "\nversion: 0.1.0", "\nversion: &v 0.1.0", 1))
		}, "cannot be replaced"},
		"links that cannot be made": {"0.2.0", func(t *testing.T, dir string) {
			t.Helper()
			addontest.Write(t, dir, "addons/demo-connector-0.1.0/chart/demo-connector/own.yaml", "a: 1\n")
		}, "is no link but content its own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			if test.spoil != nil {
				test.spoil(t, repo.Dir())
			}
			before := snapshot(t, repo.Dir())
			_, err := bump.Bump(repo, addontest.Name, test.to, "")
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, before, snapshot(t, repo.Dir()))
		})
	}
}

// snapshot is every file below a directory with its content, links with where they lead.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		if target, err := os.Readlink(name); err == nil {
			files[name] = "-> " + target
			return nil
		}
		data, err := os.ReadFile(name)
		files[name] = string(data)
		return err
	}))
	return files
}

func TestTheChangelogKeepsItsShape(t *testing.T) {
	t.Parallel()
	const entry = "- `demo-connector` 0.1.1 (before: 0.1.0)."
	for name, test := range map[string]struct{ before, after string }{
		"a section Changed":     {"# Log\n\n## Unreleased\n\n### Added\n\n- a\n\n### Changed\n\n- b\n\n### Fixed\n\n- c\n", "# Log\n\n## Unreleased\n\n### Added\n\n- a\n\n### Changed\n\n- b\n" + entry + "\n\n### Fixed\n\n- c\n"},
		"no section Changed":    {"# Log\n\n## [Unreleased]\n\n### Added\n\n- a\n\n## 1.0.0\n\n- old\n", "# Log\n\n## [Unreleased]\n\n### Added\n\n- a\n\n### Changed\n\n" + entry + "\n\n## 1.0.0\n\n- old\n"},
		"an empty section":      {"# Log\n\n## Unreleased\n\n### Changed\n", "# Log\n\n## Unreleased\n\n### Changed\n\n" + entry + "\n"},
		"everything is out":     {"# Log\n\nAbout.\n\n## 1.0.0\n\n### Changed\n\n- old\n", "# Log\n\nAbout.\n\n## Unreleased\n\n### Changed\n\n" + entry + "\n\n## 1.0.0\n\n### Changed\n\n- old\n"},
		"nothing but the title": {"# Log\n", "# Log\n\n## Unreleased\n\n### Changed\n\n" + entry + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			addontest.Write(t, repo.Dir(), "CHANGELOG.md", test.before)
			_, err := bump.Bump(repo, addontest.Name, "0.1.1", "")
			require.NoError(t, err)
			assert.Equal(t, test.after, read(t, repo.Dir(), "CHANGELOG.md"))
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for part, want := range map[bump.Part]string{bump.Major: "2.0.0", bump.Minor: "1.3.0", bump.Patch: "1.2.4"} {
		got, err := bump.Next("1.2.3", part)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := bump.Next("1.2.3", "middle")
	require.ErrorContains(t, err, "choose major, minor or patch")
	_, err = bump.Next("1.2", bump.Patch)
	require.ErrorContains(t, err, "three numbers")
}

// A chart that lies in the add-on itself gets its version too.
func TestAChartOfItsOwn(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	tree, err := repo.Read(addontest.Name)
	require.NoError(t, err)
	dir := t.TempDir()
	for name, data := range tree.All() {
		addontest.Write(t, dir, "addons/"+addontest.Name+"/"+name, string(data))
	}
	own, err := addon.OpenRepository(dir)
	require.NoError(t, err)
	result, err := bump.Bump(own, addontest.Name, "0.2.0", "")
	require.NoError(t, err)
	assert.Contains(t, result.Changed, "addons/demo-connector-0.2.0/chart/demo-connector/Chart.yaml")
	assert.Contains(t, read(t, dir, "addons/demo-connector-0.2.0/chart/demo-connector/Chart.yaml"), "\nversion: 0.2.0\n")
}

// What is written by hand may name the old version on purpose; it is told, not changed.
func TestWhatNamesTheOldVersionIsTold(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	dir := repo.Dir()
	addontest.Write(t, dir, "docs/systems/demo.md", "# Demo\n\nFetch demo-connector-0.1.0.tgz.\n")
	addontest.Write(t, dir, "charts/demo-connector/templates/_labels.tpl", "helm.sh/chart: demo-connector-0.1.0\n")
	addontest.Write(t, dir, "README.md", "my-demo-connector-0.1.0, demo-connector-0.1.01 and version 0.1.0 are others\n")
	result, err := bump.Bump(repo, addontest.Name, "0.2.0", "")
	require.NoError(t, err)
	assert.Equal(t, []bump.Mention{{Path: "charts/demo-connector/templates/_labels.tpl", Line: 1}, {Path: "docs/systems/demo.md", Line: 3}}, result.Mentions)
	assert.Contains(t, read(t, dir, "docs/systems/demo.md"), addontest.Name)
}
