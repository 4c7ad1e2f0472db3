package chaos_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/test/chaos/ledger"
)

// TestABacklogDrainsBesideEventsOfNow lets a backlog grow while the target is away. When it is back, events of
// now reach it while most of the backlog still waits, and in the end everything is there.
func TestABacklogDrainsBesideEventsOfNow(t *testing.T) {
	t.Parallel()
	r := newRig(t, "disk", options{args: []string{"--backlog-rate", "100", "--sink-timeout", "30s"}})
	r.target.Behave(ledger.Behaviour{Status: http.StatusServiceUnavailable})
	r.send(ledger.Load{Senders: r.senders(8, 0)})
	r.acknowledged(t, 1500)
	r.stopSending()
	last := time.Now()
	old := r.ledger.Count(ledger.Acknowledged)

	// Only what has waited for a second is a backlog.
	require.Eventually(t, func() bool { return time.Since(last) > 2*time.Second }, patience, 50*time.Millisecond)
	r.target.Behave(ledger.Good())
	require.Eventually(t, func() bool { return len(r.target.IDs()) > 0 }, patience, 1e6)
	r.send(ledger.Load{Senders: r.senders(1, 0)})
	r.acknowledged(t, 50)
	r.stopSending()
	now := r.ledger.Count(ledger.Acknowledged) - old
	// Of those that the target has, the last ones are of now; most of the backlog it does not have yet.
	require.Eventually(t, func() bool { return r.ledger.Newest(r.target, now) }, patience, 1e6, "events of now wait for the backlog")
	assert.Less(t, len(r.target.IDs()), old, "the backlog was there before they were")
	r.balanced(t)
}
