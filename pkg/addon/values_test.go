package addon_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

func TestMergeValues(t *testing.T) {
	t.Parallel()
	chart := map[string]any{"a": map[string]any{"b": 1, "c": 2}, "list": []any{1, 2}, "text": "x"}
	plan := map[string]any{"a": map[string]any{"c": 3, "d": map[string]any{"e": 4}}, "list": []any{3}}
	user := map[string]any{"text": map[string]any{"now": "a map"}, "a": map[string]any{"d": "no map"}}
	assert.Equal(t, map[string]any{
		"a": map[string]any{"b": 1, "c": 3, "d": "no map"}, "list": []any{3}, "text": map[string]any{"now": "a map"},
	}, addon.MergeValues(chart, plan, nil, user))
	assert.Equal(t, map[string]any{"b": 1, "c": 2}, chart["a"], "the layers stay as they were")
}
