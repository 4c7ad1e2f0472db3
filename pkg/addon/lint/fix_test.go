package lint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
)

// Only the version changes: comments, quotes, order and blank lines are the author's.
func TestFixKeepsWhatItDoesNotRepair(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	const meta, chart = "addons/" + addontest.Name + "/meta.yaml", "charts/demo-connector/Chart.yaml"
	want := map[string]string{}
	for _, file := range []string{meta, chart} {
		data, err := os.ReadFile(filepath.Join(repo.Dir(), file))
		require.NoError(t, err)
		commented := "# Ours.\n\n" + strings.Replace(string(data), "\nversion: 0.1.0", "\nversion:   \"0.1.0\"   # raised by hand", 1)
		want[file] = commented
		addontest.Write(t, repo.Dir(), file, strings.Replace(commented, `"0.1.0"`, `"0.0.9"`, 1))
	}
	changed, err := lint.Fix(repo, []string{addontest.Name})
	require.NoError(t, err)
	assert.Equal(t, []string{meta, chart}, changed)
	for file, content := range want {
		data, err := os.ReadFile(filepath.Join(repo.Dir(), file))
		require.NoError(t, err)
		assert.Equal(t, content, string(data))
	}
}
