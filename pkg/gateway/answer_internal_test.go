package gateway

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheShortAnswerIsTheLongOne: whatever the id is, the document is what encoding/json makes of it.
func TestTheShortAnswerIsTheLongOne(t *testing.T) {
	t.Parallel()
	ids := []string{"", "a", "a b", "ü", "<&>", `"`, `\`, "\x00", "\x7f", "\xff", "\u2028", "00000000-0000-0000-0000-000000000001", "a/b:c#d"}
	for c := range 256 {
		ids = append(ids, fmt.Sprintf("x%cy", c), "x"+string([]byte{byte(c)}))
	}
	for _, id := range ids {
		for _, a := range []Answer{{Outcome: Accepted, Events: []string{id}}, {Outcome: Duplicate, Events: []string{id, "b"}}, {Outcome: Rejected, Events: []string{id}, Error: id}} {
			want, err := json.Marshal(map[string]any{"outcome": a.Outcome, "events": a.Events, "error": a.Error})
			require.NoError(t, err)
			got, err := a.document()
			require.NoError(t, err)
			if a.Error == "" {
				want, err = json.Marshal(map[string]any{"outcome": a.Outcome, "events": a.Events})
				require.NoError(t, err)
			}
			assert.JSONEq(t, string(want), string(got), "%q", id)
		}
	}
	none, err := Answer{Outcome: Refused, Error: "no"}.document()
	require.NoError(t, err)
	assert.JSONEq(t, `{"outcome":"refused","error":"no"}`, string(none))
}
