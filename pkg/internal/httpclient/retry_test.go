package httpclient

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestFullJitter: pauses are anywhere between nothing and a limit that doubles, so that many clients do not come back at
// once.
func TestFullJitter(t *testing.T) {
	t.Parallel()
	r := Retry{Attempts: 10, Base: time.Second, Max: 5 * time.Second}.withDefaults()
	for attempt, limit := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 5 * time.Second, 9: 5 * time.Second} {
		low, high := 0, 0
		for range 1000 {
			pause, again := r.next(t.Context(), Request{Method: http.MethodGet}, &Response{Status: 503}, nil, attempt)
			assert.True(t, again)
			assert.GreaterOrEqual(t, pause, time.Duration(0))
			assert.LessOrEqual(t, pause, limit)
			if pause < limit/4 {
				low++
			}
			if pause > limit/4*3 {
				high++
			}
		}
		assert.Greater(t, low, 100, "attempt %d", attempt)
		assert.Greater(t, high, 100, "attempt %d", attempt)
	}
}
