package chaos_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/test/chaos/ledger"
)

// TestABacklogDrainsBesideEventsOfNow lets a backlog grow while the target is away. When it is back, it takes a few hundred events
// in a second and answers 507 to more. Events of now reach it while most of the backlog still waits, it is never given
// too much, and in the end everything is there. `make chaos` also wants 99 of 100 events of now to need less than CHAOS_P99.
func TestABacklogDrainsBesideEventsOfNow(t *testing.T) {
	t.Parallel()
	for _, buffer := range []string{"disk", "jetstream"} {
		t.Run(buffer, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, buffer, options{args: []string{"--backlog-rate", "100", "--sink-timeout", "30s"}})
			r.ready(t)
			r.target.Behave(ledger.Behaviour{Status: http.StatusServiceUnavailable})
			r.send(ledger.Load{Senders: r.senders(8, 0)})
			r.acknowledged(t, budget(t, "CHAOS_BACKLOG", 800))
			r.stopSending()
			last := time.Now()
			old := r.ledger.Count(ledger.Acknowledged)

			// Only what has waited for a second is a backlog.
			require.Eventually(t, func() bool { return time.Since(last) > 2*time.Second }, patience, 50*time.Millisecond)
			r.target.Forget()
			good := ledger.Good()
			good.PerSecond = 400
			r.target.Behave(good)
			require.Eventually(t, func() bool { return len(r.target.IDs()) > 0 }, patience, 1e6)
			r.send(ledger.Load{Senders: r.senders(1, 0), Pause: 20 * time.Millisecond})
			r.acknowledged(t, 100)
			r.stopSending()
			now := r.ledger.Count(ledger.Acknowledged) - old
			// Of those that the target has, the last ones are of now; most of the backlog it does not have yet.
			require.Eventually(t, func() bool { return r.ledger.Newest(r.target, now) }, patience, 1e6, "events of now wait for the backlog")
			assert.Less(t, len(r.target.IDs()), old, "the backlog was there before they were")
			r.balanced(t)

			delays := r.ledger.Delays(r.target, now)
			require.Len(t, delays, now)
			most, overfull := r.target.Busiest()
			figures.lane("%s: beside a backlog of %d at most 100 per second, %d events of now took p50 %s, p99 %s; the target had %d in its busiest second and answered 507 to %d",
				buffer, old, now, delays[now/2].Round(time.Millisecond), delays[now*99/100].Round(time.Millisecond), most, overfull)
			assert.Zero(t, overfull, "the target was given more than it takes")
			if limit, err := time.ParseDuration(os.Getenv("CHAOS_P99")); err == nil {
				assert.Less(t, delays[now*99/100], limit)
			}
		})
	}
}

// lane keeps a line for the end.
func (f *table) lane(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lanes = append(f.lanes, fmt.Sprintf(format, args...))
}
