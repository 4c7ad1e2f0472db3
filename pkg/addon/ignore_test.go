package addon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/ignore"
)

// Helm's own rules are the oracle: what it leaves out of a chart is what is left out of the archive.
func TestIgnoreAgreesWithHelm(t *testing.T) {
	t.Parallel()
	paths := []string{"Chart.yaml", "a.orig", "templates/a.yaml", "templates/.swp", "templates/a.orig", "docs/a.md", "docs/deep/b.md", "files/docs", ".git/config", ".helmignore"}
	dirs := map[string]bool{"templates": true, "docs": true, "docs/deep": true, "files": true, ".git": true}
	for _, rules := range []string{
		"", "# comment\n\n*.orig", "docs/", "docs", "/docs", "docs/*.md", "/a.orig", "!*.yaml", "!docs/", ".git/\n*.md", "deep/", "\ufeff*.orig", "[a-c]*.md", "templates/a.*",
	} {
		ours, err := parseIgnore([]byte(rules))
		require.NoError(t, err)
		theirs, err := ignore.Parse(strings.NewReader(rules))
		require.NoError(t, err)
		theirs.AddDefaults()
		for _, name := range paths {
			assert.Equal(t, theirs.Ignore(name, fileInfo{name: name}), ours.ignores(name, false), "%q on %s", rules, name)
		}
		for name := range dirs {
			assert.Equal(t, theirs.Ignore(name, fileInfo{name: name, dir: true}), ours.ignores(name, true), "%q on %s/", rules, name)
		}
	}
	for _, rules := range []string{"**/a", "[a"} {
		_, err := parseIgnore([]byte(rules))
		assert.Error(t, err, rules)
	}
}

type fileInfo struct {
	os.FileInfo
	name string
	dir  bool
}

func (f fileInfo) Name() string { return filepath.Base(f.name) }
func (f fileInfo) IsDir() bool  { return f.dir }

func TestIgnoreChartLeavesOutWholeDirectories(t *testing.T) {
	t.Parallel()
	tree, err := NewTree([]File{
		{Path: "chart/x/.helmignore", Data: []byte("docs/\n")}, {Path: "chart/x/docs/a/b.md"}, {Path: "chart/x/docs.md"}, {Path: "chart/x/templates/docs/c.yaml"},
		{Path: "chart/x/templates/d.yaml"}, {Path: "chart/xy/docs/a.md"}, {Path: "docs/a.md"},
	})
	require.NoError(t, err)
	kept, err := ignoreChart(tree, "chart/x")
	require.NoError(t, err)
	var names []string
	for _, f := range kept.Files() {
		names = append(names, f.Path)
	}
	assert.Equal(t, []string{"chart/x/.helmignore", "chart/x/docs.md", "chart/x/templates/d.yaml", "chart/xy/docs/a.md", "docs/a.md"}, names)
}
