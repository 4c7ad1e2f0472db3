package helm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
)

func TestDependenciesAreThoseThatHelmChooses(t *testing.T) {
	t.Parallel()
	for name, dependency := range map[string]string{
		"always":       "{name: sub, version: 1.0.0}",
		"by condition": "{name: sub, version: 1.0.0, condition: sub.enabled}",
		"by tag":       "{name: sub, version: 1.0.0, tags: [extra]}",
		"renamed":      "{name: sub, version: 1.0.0, alias: other}",
		"with values":  "{name: sub, version: 1.0.0, import-values: [{child: deep, parent: imported}]}",
		"gone":         "{name: none, version: 1.0.0}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Load(files(map[string]string{
				"Chart.yaml":                    "apiVersion: v2\nname: demo\nversion: 1.0.0\ndependencies:\n- " + dependency + "\n",
				"values.yaml":                   "own: 1\nimported: {a: mine}\n",
				"templates/x.yaml":              "{{ toJson .Values }}{{ toJson .Chart.Dependencies }}",
				"charts/sub/Chart.yaml":         "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
				"charts/sub/values.yaml":        "deep: {a: theirs, b: theirs}\nnothing: null\n",
				"charts/sub/templates/sub.yaml": "{{ toJson .Values }}",
			}))
			require.NoError(t, err)
			for _, values := range []map[string]any{
				nil, {"sub": map[string]any{"enabled": false}}, {"tags": map[string]any{"extra": false}}, {"sub": map[string]any{"deep": map[string]any{"a": nil}}}, {"imported": nil}, {"other": map[string]any{"deep": "no table"}}, nil,
			} {
				work, given := clone(c.chart), engine.Copy(values)
				require.NoError(t, chartutil.ProcessDependenciesWithMerge(work, given))
				release := chartutil.ReleaseOptions{Name: "r", Namespace: "n"}
				top, err := chartutil.ToRenderValues(work, given, release, chartutil.DefaultCapabilities)
				require.NoError(t, err)
				want, err := helmengine.Render(work, top)
				require.NoError(t, err)

				v, err := c.with(values)
				require.NoError(t, err)
				got, err := v.render(release, chartutil.DefaultCapabilities, false)
				require.NoError(t, err)
				assert.Equal(t, want, got, values)
			}
		})
	}
}
