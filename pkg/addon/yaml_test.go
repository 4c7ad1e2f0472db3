package addon_test

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
)

// with is a tree with some files replaced or added.
func with(t testing.TB, tree addon.Tree, changed map[string]string) addon.Tree {
	t.Helper()
	var files []addon.File
	for _, f := range tree.Files() {
		if _, replaced := changed[f.Path]; !replaced {
			files = append(files, f)
		}
	}
	for name, content := range changed {
		files = append(files, addon.File{Path: name, Data: []byte(content)})
	}
	out, err := addon.NewTree(files)
	require.NoError(t, err)
	return out
}

func TestParseRefusesHostileFiles(t *testing.T) {
	t.Parallel()
	a, err := addontest.Repository(t).Load(addontest.Name)
	require.NoError(t, err)
	// 100 times half a megabyte.
	bomb := "a: &a " + strings.Repeat("x", 1<<19) + "\nb: [" + strings.Repeat("*a,", 100) + "]\n"
	pack := func(files map[string]string) string {
		data, err := addon.Pack(with(t, addon.Tree{}, files), "")
		require.NoError(t, err)
		return string(data)
	}
	deep := pack(map[string]string{"a/Chart.yaml": "name: a"})
	for range 2 {
		deep = pack(map[string]string{"a/Chart.yaml": "name: a", "a/charts/b.tgz": deep})
	}
	const chart = "chart/demo-connector/"
	tests := map[string]struct{ file, content, want string }{
		"meta, a bomb":                   {"meta.yaml", bomb, "meta.yaml: line 2: more than"},
		"meta, a key twice":              {"meta.yaml", "id: a\nid: b", `meta.yaml: line 2: the key "id" occurs twice`},
		"meta, not UTF-8":                {"meta.yaml", "id: \xff", "meta.yaml: is not UTF-8"},
		"plan, a bomb":                   {"plans/default/meta.yaml", bomb, "plans/default/meta.yaml: line 2: more than"},
		"values, a cycle":                {"plans/default/values.yaml", "a: &a [*a]", "leads back to itself"},
		"values, large":                  {"plans/default/values.yaml", strings.Repeat("# \n", 1<<19), "larger than 1048576 bytes"},
		"docs, a bomb":                   {"docs/meta.yaml", bomb, "docs/meta.yaml: line 2: more than"},
		"chart, a bomb":                  {chart + "values.yaml", bomb, chart + "values.yaml: line 2: more than"},
		"dependency, a bomb":             {chart + "charts/common/Chart.yaml", bomb, "charts/common/Chart.yaml: line 2: more than"},
		"form, 64 KiB":                   {"plans/default/create-instance-schema.json", strings.Repeat(" ", 64<<10), "takes less than 65536"},
		"packed chart, no archive":       {chart + "charts/a.tgz", "hello", "charts/a.tgz: not a gzip archive"},
		"packed chart, ..":               {chart + "charts/a.tgz", string(archive(t, tar.Header{Name: "../a"})), "charts/a.tgz: entry \"../a\": contains .."},
		"packed chart, an archive bomb":  {chart + "charts/a.tgz", string(archive(t, tar.Header{Name: "a", Size: 4 << 20})), "looks like a bomb"},
		"packed chart, a bomb":           {chart + "charts/a.tgz", pack(map[string]string{"a/values.yaml": bomb}), "charts/a.tgz/a/values.yaml: line 2: more than"},
		"packed charts, one in the next": {chart + "charts/a.tgz", deep, "more than 2 packed charts in each other"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := addon.Parse(addontest.Name, with(t, a.Tree, map[string]string{test.file: test.content}))
			assert.ErrorContains(t, err, test.want)
		})
	}
	t.Run("what is allowed", func(t *testing.T) {
		t.Parallel()
		tree := with(t, a.Tree, map[string]string{
			"plans/default/values.yaml": "a: &a {b: 1}\nc: *a\n",
			chart + "charts/a.tgz":      pack(map[string]string{"a/Chart.yaml": "name: a", "a/charts/b.tgz": pack(map[string]string{"b/Chart.yaml": "name: b"})}),
			// Templates are no YAML before they are rendered.
			chart + "templates/values.yaml": "a: 1\na: 2",
		})
		_, err := addon.Parse(addontest.Name, tree)
		assert.NoError(t, err)
	})
}

func TestDistRefusesNamesThatLeaveIt(t *testing.T) {
	t.Parallel()
	a, err := addontest.Repository(t).Load(addontest.Name)
	require.NoError(t, err)
	for _, meta := range []string{"name: ../../evil\nversion: 1.0.0\n", "name: a\nversion: ../../evil\n"} {
		evil, err := addon.Parse(addontest.Name, with(t, a.Tree, map[string]string{"chart/demo-connector/Chart.yaml": meta}))
		require.NoError(t, err)
		_, err = addon.Dist([]*addon.Addon{evil})
		assert.ErrorContains(t, err, "use no slashes")
	}
}

func TestParseIndexRefusesBombs(t *testing.T) {
	t.Parallel()
	_, err := addon.ParseIndex([]byte("a: &a " + strings.Repeat("x", 1<<19) + "\nentries: {b: [" + strings.Repeat("{name: *a},", 100) + "]}"))
	require.ErrorContains(t, err, "with all aliases written out")
	_, err = addon.ParseIndex([]byte("entries: {a: [], a: []}"))
	require.ErrorContains(t, err, "occurs twice")
}
