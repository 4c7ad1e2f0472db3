package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
)

func TestTemplatesRunAgainOnlyWhereTheyReadSomethingElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source string
		// first and then are data; spared says whether the second run is spared.
		first, then map[string]any
		spared      bool
	}{
		"nothing is read":          {"a", map[string]any{"a": 1}, map[string]any{"a": 2}, true},
		"something else changes":   {"{{ .a }}", map[string]any{"a": 1, "b": 1}, map[string]any{"a": 1, "b": 2}, true},
		"what is read changes":     {"{{ .a }}", map[string]any{"a": 1}, map[string]any{"a": 2}, false},
		"its type changes":         {"{{ .a }}", map[string]any{"a": 1}, map[string]any{"a": "1"}, false},
		"it is gone":               {"{{ .a }}", map[string]any{"a": nil, "b": 1}, map[string]any{"b": 1, "c": 1}, false},
		"something below changes":  {"{{ .a.b }}", map[string]any{"a": map[string]any{"b": 1, "c": 1}}, map[string]any{"a": map[string]any{"b": 1, "c": 2}}, true},
		"a key more":               {"{{ len .a }}", map[string]any{"a": map[string]any{"b": 1}}, map[string]any{"a": map[string]any{"b": 1, "c": 2}}, false},
		"an item of a list":        {"{{ index .a 1 }}", map[string]any{"a": []any{1, 2}}, map[string]any{"a": []any{0, 2}}, true},
		"all of a list":            {"{{ range .a }}{{ . }}{{ end }}", map[string]any{"a": []any{1, 2}}, map[string]any{"a": []any{0, 2}}, false},
		"all that is in a table":   {"{{ toJson .a }}", map[string]any{"a": map[string]any{"b": []any{1}}}, map[string]any{"a": map[string]any{"b": []any{2}}}, false},
		"the same in it":           {"{{ toJson .a }}", map[string]any{"a": map[string]any{"b": []any{1}}}, map[string]any{"a": map[string]any{"b": []any{1}}}, true},
		"a version that is asked":  {`{{ .c.APIVersions.Has "a" }}`, cluster("a", "b"), cluster("a"), true},
		"a version that is gone":   {`{{ .c.APIVersions.Has "a" }}`, cluster("a", "b"), cluster("b"), false},
		"Kubernetes' version":      {`{{ .c.KubeVersion.Version }}`, cluster("a"), cluster("a", "b"), true},
		"how many versions":        {`{{ len .c.APIVersions }}`, cluster("a"), cluster("a"), false},
		"the data is changed":      {`{{ $_ := set . "z" 1 }}`, map[string]any{"a": 1}, map[string]any{"a": 1}, false},
		"something else each time": {`{{ $x := now }}`, map[string]any{"a": 1}, map[string]any{"a": 1}, false},
		"one thing in two places":  {"{{ .a.x }}{{ .b.x }}", twice(), twice(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := New().Set([]Template{{Name: "c/templates/x", Text: `{{ define "part" }}` + test.source + `{{ end }}{{ include "part" . }}`}})
			require.NoError(t, err)
			for _, data := range []map[string]any{test.first, test.then} {
				_, err := set.Render(func(string) map[string]any { return data }, Options{})
				require.NoError(t, err)
			}
			assert.Equal(t, test.spared, set.byName["part"].worth.spared.Load() == 1)
		})
	}
}

func cluster(versions ...string) map[string]any {
	return map[string]any{"c": &chartutil.Capabilities{APIVersions: versions, KubeVersion: chartutil.KubeVersion{Version: "v1.2.3"}}}
}

func twice() map[string]any {
	same := map[string]any{"x": 1}
	return map[string]any{"a": same, "b": same}
}
