package pages_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint/pages"
)

// Every rule has an example that fails and one that passes, or there is no page of it.
func TestEveryRuleHasAPage(t *testing.T) {
	t.Parallel()
	all, err := pages.All()
	require.NoError(t, err)
	assert.Len(t, all, len(lint.Rules())+1)
	for _, r := range lint.Rules() {
		page := string(all[r.ID+".md"])
		for _, want := range []string{"# " + r.ID + ": " + r.Summary, r.Effect, "## Fails\n\n", "## Passes\n\n", string(r.Severity)} {
			assert.Contains(t, page, want, r.ID)
		}
		assert.NotContains(t, page, "## Fails\n\n\n", r.ID)
		assert.NotEmpty(t, r.Source(), r.ID)
		assert.NotEmpty(t, r.Suite.Purpose(), r.ID)
		assert.Equal(t, 1, strings.Count(string(all[pages.Index]), "("+r.ID+".md)"), r.ID)
	}
}

func TestThePagesOfThisRepositoryAreCurrent(t *testing.T) {
	t.Parallel()
	const dir = "../../../../docs/reference/rules"
	all, err := pages.All()
	require.NoError(t, err)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(all)), names)
	for name, want := range all {
		is, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(is), "%s: run make generate", name)
	}
}
