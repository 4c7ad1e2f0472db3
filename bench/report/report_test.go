package report_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/bench/report"
)

func TestKeepReplacesOneSection(t *testing.T) {
	t.Parallel()
	document := filepath.Join(t.TempDir(), "reference", "benchmarks.md")
	require.NoError(t, report.Keep(document, "one", "first\n"))
	require.NoError(t, report.Keep(document, "two", "second"))
	require.NoError(t, report.Keep(document, "one", "changed\n\n"))
	data, err := os.ReadFile(document)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(data), "# Benchmarks\n"))
	assert.True(t, strings.HasSuffix(string(data), "\n<!-- begin one -->\nchanged\n<!-- end one -->\n\n<!-- begin two -->\nsecond\n<!-- end two -->\n"), string(data))

	require.NoError(t, os.WriteFile(document, []byte("<!-- begin one -->\n"), 0o600))
	assert.ErrorContains(t, report.Keep(document, "one", "text"), "the section one has no end")
}

func TestSpread(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "-", report.Spread{}.String())
	assert.Equal(t, "2.00 s (1.00 s to 12.0 s)", report.Spread{12 * time.Second, time.Second, 2 * time.Second}.String())
	assert.Equal(t, 15*time.Millisecond, report.Spread{10 * time.Millisecond, 20 * time.Millisecond}.Median())
	for d, want := range map[time.Duration]string{150 * time.Second: "150 s", 20 * time.Millisecond: "20 ms", 1500 * time.Microsecond: "1.5 ms", 1500: "2 µs"} {
		assert.Equal(t, want, report.Time(d))
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "| a | b |\n| --- | --- |\n| 1 | 2 |\n", report.Table([]string{"a", "b"}, []string{"1", "2"}))
}

func TestMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	machine, err := report.Machine(dir)
	require.NoError(t, err)
	assert.Contains(t, machine, "fsync ")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}
