package lint_test

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/schemas"
)

func TestThisRepositoryIsClean(t *testing.T) {
	t.Parallel()
	repo, err := addon.FindRepository(".")
	require.NoError(t, err)
	names, err := repo.Names()
	require.NoError(t, err)
	require.NotEmpty(t, names)
	config, err := lint.ReadConfig(repo)
	require.NoError(t, err)
	o := options()
	config.Apply(repo, &o)
	report, err := lint.Run(context.Background(), lint.Target{Repository: repo, Names: names}, o)
	require.NoError(t, err)
	for _, f := range report.Findings {
		t.Errorf("%s:%d: %s %s: %s", f.Path, f.Line, f.Severity, f.Rule, f.Message)
	}
}

// The schemas that editors read list the keys that the types read, and no others.
func TestSchemasAndTypesHaveTheSameKeys(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{
		schemas.AddonMeta: addon.Meta{}, schemas.PlanMeta: addon.PlanMeta{}, schemas.DocsMeta: addon.DocsMeta{}, schemas.Index: addon.Index{},
	} {
		data, err := schemas.Read(name)
		require.NoError(t, err)
		var schema map[string]any
		require.NoError(t, json.Unmarshal(data, &schema))
		sameKeys(t, name, schema, reflect.TypeOf(value))
	}
}

func sameKeys(t *testing.T, at string, schema map[string]any, typ reflect.Type) {
	t.Helper()
	switch typ.Kind() {
	case reflect.Slice:
		if items, ok := schema["items"].(map[string]any); ok {
			sameKeys(t, at+"[]", items, typ.Elem())
		}
	case reflect.Map:
		if values, ok := schema["additionalProperties"].(map[string]any); ok {
			sameKeys(t, at+"{}", values, typ.Elem())
		}
	case reflect.Struct:
		properties, _ := schema["properties"].(map[string]any)
		var keys []string
		for i := range typ.NumField() {
			field := typ.Field(i)
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			keys = append(keys, key)
			if below, ok := properties[key].(map[string]any); ok {
				sameKeys(t, at+"."+key, below, field.Type)
			}
		}
		assert.ElementsMatch(t, slices.Collect(maps.Keys(properties)), keys, at)
	}
}
