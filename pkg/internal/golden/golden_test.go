package golden_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/golden"
)

// recorder is a test that may fail without failing this one.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) FailNow() { panic("failed") }

// These tests change the environment, so they do not run in parallel.
func TestAssert(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv(golden.UpdateVariable, "")
	missing := &recorder{TB: t}
	assert.Panics(t, func() { golden.Assert(missing, "a/report.txt", []byte("one\n")) }, "there is no file yet")

	t.Setenv(golden.UpdateVariable, "1")
	golden.Assert(t, "a/report.txt", []byte("one\n"))

	t.Setenv(golden.UpdateVariable, "")
	golden.Assert(t, "a/report.txt", []byte("one\n"))
	differs := &recorder{TB: t}
	golden.Assert(differs, "a/report.txt", []byte("two\n"))
	assert.Len(t, differs.failures, 1)
}
