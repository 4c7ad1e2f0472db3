package charts_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// Helm's three engines make the same objects. This test writes them down for Helm 3.22 (-update); those of
// test/helm-compat compare with it.
func TestEngines(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/engines/*.values.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var v values
		require.NoError(t, yaml.UnmarshalStrict(data, &v))
		in := install(v)
		in.definition = variety
		in.cluster = clusters["kyma today"]
		got := summary(t, render(t, in))
		golden := strings.TrimSuffix(file, ".values.yaml") + ".golden.txt"
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, "%s; go test ./test/charts -update writes it", golden)
	}
}

// summary is a line for each object: its kind, its name and a digest of all it says.
func summary(t *testing.T, os objects) string {
	t.Helper()
	lines := make([]string, 0, len(os))
	for _, o := range os {
		data, err := json.Marshal(o.Object)
		require.NoError(t, err)
		lines = append(lines, fmt.Sprintf("%s %x\n", o.id(), sha256.Sum256(data)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
