package registrationjob_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestADryRunCountsTheWritesOfTheRun: what --dry-run says would be written is what the next run writes.
func TestADryRunCountsTheWritesOfTheRun(t *testing.T) {
	t.Parallel()
	onBothBackends(t, func(t *testing.T, backend string) {
		s := setStage(t, backend, shopDefinition(plainAPI, sharedAPI, ownAPI), tenParams())
		s.write(t, "events.yaml", shopEvents)
		s.write(t, "api.yaml", "openapi: 3.0.0\ninfo: {title: API, version: v1}\npaths: {}\n")
		for i := 1; i <= 3; i++ {
			s.apis[fmt.Sprintf("/api/%d", i)] = answers(http.StatusOK, "{}")
		}
		type counts struct {
			Writes        int
			PlannedWrites *int
		}
		count := func(args ...string) counts {
			code, stdout, stderr := s.run(t, nil, "apply", append(args, "--output", "json")...)
			require.Zero(t, code, "%s%s", stdout, stderr)
			var said counts
			require.NoError(t, json.Unmarshal([]byte(stdout), &said))
			return said
		}
		for _, change := range []struct {
			name string
			make func()
		}{
			{"nothing is there yet", func() {}},
			{"nothing is new", func() {}},
			{"a password is rotated", func() {
				params := tenParams()
				params["other_password"] = "n3w-pa55word"
				s.params(t, params)
			}},
			{"one API is renamed, another goes", func() { s.write(t, "connector.yaml", shopDefinition(plainAPI, renamed)) }},
		} {
			change.make()
			code, text, stderr := s.run(t, nil, "apply", "--dry-run")
			require.Zero(t, code, stderr)
			planned := count("--dry-run")
			require.NotNil(t, planned.PlannedWrites, change.name)
			assert.Empty(t, s.did(), "a dry run writes nothing")
			assert.Zero(t, planned.Writes, change.name)
			assert.Contains(t, text, fmt.Sprintf("planned writes: %d (nothing was written)", *planned.PlannedWrites))
			made := count()
			assert.Nil(t, made.PlannedWrites)
			assert.Equal(t, made.Writes, *planned.PlannedWrites, change.name)
			assert.Equal(t, change.name == "nothing is new", made.Writes == 0, change.name)
		}
	})
}
