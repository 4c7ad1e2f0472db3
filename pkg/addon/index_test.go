package addon_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/repo"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
)

func TestBuildIndex(t *testing.T) {
	t.Parallel()
	one := func(key, version string) *addon.Addon {
		return &addon.Addon{Key: key, Version: version, Meta: addon.Meta{Description: `says "hi"`}}
	}
	addons := []*addon.Addon{one("b", "0.10.0"), one("a", "1.0.0"), one("b", "0.9.0")}
	want := `# Made by "addonctl index" from the add-ons; do not edit.
apiVersion: v1
entries:
  addons/a:
    - name: "a"
      version: "1.0.0"
      description: "says \"hi\""
  addons/b:
    - name: "b"
      version: "0.10.0"
      description: "says \"hi\""
    - name: "b"
      version: "0.9.0"
      description: "says \"hi\""
`
	assert.Equal(t, want, string(addon.BuildIndex(addon.TopIndex, addons).Marshal()))
	addons[0], addons[2] = addons[2], addons[0]
	assert.Equal(t, want, string(addon.BuildIndex(addon.TopIndex, addons).Marshal()), "the order of the add-ons does not matter")

	index, err := addon.ParseIndex(addon.BuildIndex(addon.GitIndex, addons).Marshal())
	require.NoError(t, err)
	assert.Equal(t, `says "hi"`, index.Entries["a"][0].Description)
	assert.Equal(t, "0.10.0", index.Entries["b"][0].Version)

	empty, err := addon.ParseIndex(addon.BuildIndex(addon.GitIndex, nil).Marshal())
	require.NoError(t, err)
	assert.Empty(t, empty.Entries)
}

func TestParseIndexRefusesWhatWouldStopTheBroker(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ index, want string }{
		"list":             {"entries: [a]", "want entries:"},
		"unquoted version": {"entries: {a: [{version: 1.0}]}", "entries"},
		"loose version":    {`entries: {a: [{version: "1.0"}]}`, "entries.a[0]: version \"1.0\""},
		"no version":       {"entries: {a: [{name: a}]}", "version \"\""},
		"no YAML":          {"\t", "index"},
	} {
		_, err := addon.ParseIndex([]byte(test.index))
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), test.want, name)
	}
}

// One index serves Helm Broker and `helm repo add`.
func TestDistIsReadByBothBrokerAndHelm(t *testing.T) {
	t.Parallel()
	addons, err := addontest.Repository(t).LoadAll()
	require.NoError(t, err)
	dist, err := addon.Dist(addons)
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "dist")
	require.NoError(t, addon.WriteDist(out, dist))

	data, err := os.ReadFile(filepath.Join(out, "index.yaml"))
	require.NoError(t, err)
	index, err := addon.ParseIndex(data)
	require.NoError(t, err)
	require.Len(t, index.Entries["demo-connector"], 1)
	entry := index.Entries["demo-connector"][0]
	_, err = addon.LoadArchive(filepath.Join(out, "demo-connector-"+entry.Version+".tgz"))
	require.NoError(t, err, "the broker takes <key>-<version>.tgz beside the index")

	helm, err := repo.LoadIndexFile(filepath.Join(out, "index.yaml"))
	require.NoError(t, err)
	version, err := helm.Get("demo-connector", "0.1.0")
	require.NoError(t, err)
	require.Equal(t, []string{"charts/demo-connector-0.1.0.tgz"}, version.URLs)
	chart, err := loader.LoadFile(filepath.Join(out, version.URLs[0]))
	require.NoError(t, err)
	assert.Equal(t, "demo-connector", chart.Name())
	assert.Len(t, chart.Dependencies(), 1, "the library chart is in the package")
	packed, err := os.ReadFile(filepath.Join(out, version.URLs[0]))
	require.NoError(t, err)
	assert.Equal(t, version.Digest, addon.Digest(packed))

	sums, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	require.NoError(t, err)
	assert.Contains(t, string(sums), version.Digest+"  charts/demo-connector-0.1.0.tgz\n")
	assert.Contains(t, string(sums), addon.Digest(data)+"  index.yaml\n")
}

func TestDistRefusesTwoChartsOfOneName(t *testing.T) {
	t.Parallel()
	chart := func(notes string) addon.Tree {
		return tree(t, map[string]string{"Chart.yaml": "name: c\nversion: 1.0.0\n", "NOTES": notes})
	}
	a := &addon.Addon{Key: "a", Version: "1.0.0", ChartName: "c", Chart: chart("one")}
	b := &addon.Addon{Key: "b", Version: "1.0.0", ChartName: "c", Chart: chart("one")}
	_, err := addon.Dist([]*addon.Addon{a, b})
	require.NoError(t, err, "the same chart twice is fine")
	b.Chart = chart("two")
	_, err = addon.Dist([]*addon.Addon{a, b})
	assert.ErrorContains(t, err, "different chart of the same name")
	b.Chart = tree(t, nil)
	_, err = addon.Dist([]*addon.Addon{b})
	assert.ErrorContains(t, err, "Chart.yaml names no chart")
}

func TestWriteDistReplacesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	out := filepath.Join(parent, "a", "dist")
	one := tree(t, map[string]string{"SHA256SUMS": "0  x/old\n", "x/old": "1"})
	two := tree(t, map[string]string{"SHA256SUMS": "0  new\n", "new": "2"})
	require.NoError(t, addon.WriteDist(out, one))
	require.NoError(t, addon.WriteDist(out, two))
	assert.NoFileExists(t, filepath.Join(out, "x", "old"))
	assert.FileExists(t, filepath.Join(out, "new"))
	left, err := os.ReadDir(filepath.Dir(out))
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing else stays behind")

	addontest.Write(t, out, "mine", "precious")
	err = addon.WriteDist(out, one)
	assert.ErrorContains(t, err, "was not made by addonctl build")
	assert.FileExists(t, filepath.Join(out, "mine"))

	file := filepath.Join(parent, "file")
	addontest.Write(t, parent, "file", "")
	assert.ErrorContains(t, addon.WriteDist(file, one), "is no directory")
}

func TestIndexesOfACheckout(t *testing.T) {
	t.Parallel()
	checkout := addontest.Repository(t)
	addons, err := checkout.LoadAll()
	require.NoError(t, err)
	drift, err := checkout.IndexDrift(addons)
	require.NoError(t, err)
	assert.Empty(t, drift)

	addontest.Write(t, checkout.Dir(), "addons/index.yaml", "entries: {}\n")
	require.NoError(t, os.Remove(filepath.Join(checkout.Dir(), "index.yaml")))
	drift, err = checkout.IndexDrift(addons)
	require.NoError(t, err)
	assert.Equal(t, []string{"addons/index.yaml", "index.yaml"}, drift)
	changed, err := checkout.WriteIndexes(addons)
	require.NoError(t, err)
	assert.Equal(t, drift, changed)
	changed, err = checkout.WriteIndexes(addons)
	require.NoError(t, err)
	assert.Empty(t, changed)
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nentries:\n  a:\n    - name: a\n      version: \"1.0.0\"\n"))
	f.Add([]byte("entries: &a [*a]"))
	f.Add([]byte("entries:\n '':"))
	f.Add([]byte("apiVersion: 'Null'\nentries:\n 'no':\n 'yes': []\n 'On':\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := addon.ParseIndex(data)
		if err != nil {
			return
		}
		back, err := addon.ParseIndex(index.Marshal())
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, index.Marshal())
		}
		if len(back.Entries) != len(index.Entries) {
			t.Fatalf("%d entries became %d:\n%s", len(index.Entries), len(back.Entries), index.Marshal())
		}
	})
}
