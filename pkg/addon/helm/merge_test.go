package helm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
)

// ownValues are those of the chart that the tests below merge values with.
const ownValues = "n: 1\nnothing: null\nlist: [a, b]\ntable: {a: 1, none: null, below: {b: [1], c: {d: e}}}\nempty: {}\nsub: {own: mine}\nglobal: {g: {h: 1}}\n"

func TestValuesAreMergedAsHelmMergesThem(t *testing.T) {
	t.Parallel()
	for values, over := range map[string]bool{
		"{}":                                true,
		"n: 2":                              true,
		"nothing: some":                     true,
		"more: {a: {b: c}}":                 true,
		"list: [c]":                         true,
		"table: {a: 2}":                     true,
		"table: {below: {c: {d: f, g: h}}}": true,
		"table: {none: {a: b}}":             true,
		"table: no table":                   true,
		"n: {a: table}":                     true,
		"empty: {a: {}}":                    true,
		"list: [null]":                      true,
		"n: null":                           false,
		"table: {below: {b: null}}":         false,
		"sub: {own: theirs}":                false,
		"sub: {more: {a: b}}":               false,
		"global: {g: {i: 2}}":               false,
		"table: {below: null}":              false,
	} {
		t.Run(values, func(t *testing.T) {
			t.Parallel()
			work, given := mergesAsHelm(t, values)
			assert.Equal(t, over, overlays(work, given))
		})
	}
}

// mergesAsHelm merges values twice with those of a chart, and compares with what Helm says.
func mergesAsHelm(t *testing.T, source string) (work *chart.Chart, given map[string]any) {
	if yaml.Unmarshal([]byte(source), &given) != nil || given == nil {
		given = map[string]any{}
	}
	c, err := Load(files(map[string]string{
		"Chart.yaml":             "apiVersion: v2\nname: demo\nversion: 1.0.0\ndependencies: [{name: sub, version: 1.0.0}]\n",
		"values.yaml":            ownValues,
		"charts/sub/Chart.yaml":  "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
		"charts/sub/values.yaml": "own: theirs\nmore: {a: 1, b: {c: d}}\n",
	}))
	require.NoError(t, err)
	for range 2 {
		chosen, err := c.choose(given)
		require.NoError(t, err)
		want, wrong := chartutil.CoalesceValues(chosen.chart, given)
		got, err := chosen.merge(engine.Copy(given))
		require.Equal(t, wrong == nil, err == nil)
		assert.Equal(t, want, got)
		work = chosen.chart
	}
	return work, given
}

func FuzzMerge(f *testing.F) {
	f.Add("table: {below: {b: 1}, more: [x]}\nn: {a: null}")
	f.Add(ownValues)
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) < 1<<10 {
			mergesAsHelm(t, source)
		}
	})
}
