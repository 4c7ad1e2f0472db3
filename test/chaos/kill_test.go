package chaos_test

import (
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/test/chaos/ledger"
)

// TestNothingAcknowledgedIsLostByKills kills the gateway at random moments, again and again, while senders of
// both transports offer events and the target fails now and then.
func TestNothingAcknowledgedIsLostByKills(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		buffer string
		kills  int
		life   time.Duration // of a gateway, at most
	}{
		{"disk", budget(t, "CHAOS_KILLS", 6), 150 * time.Millisecond},
		{"jetstream", budget(t, "CHAOS_KILLS", 6) / 4, time.Second}, // it has to find its streams
		{"none", budget(t, "CHAOS_KILLS", 6) / 4, 150 * time.Millisecond},
	} {
		t.Run(tt.buffer, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.buffer, options{args: patient})
			bad := ledger.Behaviour{Take: true, Status: http.StatusInternalServerError}
			r.target.Behave(ledger.Good(), ledger.Good(), ledger.Good(), ledger.Good(), ledger.Behaviour{Status: http.StatusServiceUnavailable}, bad, ledger.Behaviour{Take: true, Reset: true})
			r.send(ledger.Load{Senders: r.senders(4, 4), Pause: 2 * time.Millisecond, Repeat: 0.05})
			for range tt.kills {
				r.offers(t, 1)
				time.Sleep(rand.N(tt.life)) // at any moment
				assert.Equal(t, -1, r.gateway.end(t, syscall.SIGKILL))
				r.start(t)
			}
			r.target.Behave(ledger.Good())
			if tt.buffer == "jetstream" {
				r.ready(t)
			}
			r.acknowledged(t, 20)
			report := r.balanced(t)
			t.Logf("%s: %d kills", tt.buffer, tt.kills)
			require.Positive(t, report.Delivered)
		})
	}
}

// TestNothingIsLostByAnOrderlyEnd stops the gateway by SIGTERM under load: what it has begun it finishes, and
// nobody hears it go without an answer.
func TestNothingIsLostByAnOrderlyEnd(t *testing.T) {
	t.Parallel()
	for _, buffer := range buffers() {
		t.Run(buffer, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, buffer, options{args: patient})
			r.ready(t)
			r.send(ledger.Load{Senders: r.senders(4, 2), Pause: time.Millisecond, Repeat: 0.02})
			for range 3 {
				r.acknowledged(t, 20)
				assert.Zero(t, r.gateway.end(t, syscall.SIGTERM), "it ends by itself, within its grace period")
				r.start(t)
				r.ready(t)
			}
			r.acknowledged(t, 20)
			r.balanced(t)
		})
	}
}

func buffers() []string { return []string{"none", "disk", "jetstream"} }
