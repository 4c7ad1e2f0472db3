package chaos_test

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/test/chaos/faults"
	"github.com/kyma-connectors/kyma-connectors/test/chaos/ledger"
)

// fault is something that breaks while events are offered.
type fault struct {
	name string
	// disk says that writes have to be made to fail.
	disk bool
	// begin breaks it. The test goes on offering, and then end mends it.
	begin, end func(t *testing.T, r *rig)
	// dead says that some events become dead letters, where the buffer keeps any.
	dead bool
	// refusing says that the gateway takes nothing meanwhile.
	refusing func(buffer string) bool
	// still says that nobody answers meanwhile.
	still bool
	// timeout is the gateway's for a publication; long, where nothing is said.
	timeout time.Duration
}

// A buffer that keeps events stands between the answer and the target: the target's trouble is none of the
// sender's then, but the disk's is.
func onlyNone(buffer string) bool   { return buffer == "none" }
func butNone(buffer string) bool    { return buffer != "none" }
func onlyStream(buffer string) bool { return buffer == "jetstream" }

func behaves(name string, refusing func(string) bool, b ...ledger.Behaviour) fault {
	return fault{
		name: name, refusing: refusing,
		begin: func(_ *testing.T, r *rig) { r.target.Behave(b...) },
		end:   func(_ *testing.T, r *rig) { r.target.Behave(ledger.Good()) },
	}
}

func breaks(name string, mode faults.Mode) fault {
	set := func(m faults.Mode) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) {
			keeper := r.gateway
			if r.nats != nil {
				keeper = r.nats
			}
			keeper.disk.Set(m)
			if m != faults.None || r.nats == nil {
				return
			}
			// The real server gives its streams up when the disk fails; whoever runs it starts it again.
			r.nats.end(t, syscall.SIGTERM)
			r.restartNATS(t)
		}
	}
	return fault{name: name, disk: true, begin: set(mode), end: set(faults.None)}
}

func matrix() []fault {
	poison := behaves("target answers 400", nil, ledger.Behaviour{Status: http.StatusBadRequest}, ledger.Good())
	poison.dead = true
	full := breaks("disk full", faults.Full)
	full.refusing = butNone
	write := breaks("writes fail", faults.Write)
	write.refusing = butNone
	sync := breaks("fsync fails", faults.Sync)
	sync.refusing = butNone
	some := breaks("some calls fail", faults.Some)
	some.refusing = onlyStream // it gives up at the first failure
	hangs := behaves("target hangs", onlyNone, ledger.Behaviour{Hang: true})
	deaf := behaves("target hangs after it took the event", onlyNone, ledger.Behaviour{Take: true, Hang: true})
	hangs.timeout, deaf.timeout = 3*time.Second, 3*time.Second
	return []fault{
		{name: "gateway killed", still: true, begin: func(t *testing.T, r *rig) { r.gateway.end(t, syscall.SIGKILL) }, end: func(t *testing.T, r *rig) { r.start(t) }},
		{name: "gateway frozen", still: true, timeout: frozen / 2, begin: freeze, end: func(t *testing.T, r *rig) { r.gateway.signal(t, syscall.SIGCONT) }},
		{name: "streams killed", refusing: onlyStream,
			begin: func(t *testing.T, r *rig) {
				if r.nats != nil {
					r.nats.end(t, syscall.SIGKILL)
				}
			},
			end: func(t *testing.T, r *rig) {
				if r.nats != nil {
					r.restartNATS(t)
				}
			}},
		full, write, sync,
		some,
		{name: "file cannot grow", refusing: func(buffer string) bool { return buffer == "disk" }, begin: bound, end: unbound},
		{name: "target down", refusing: onlyNone, begin: func(_ *testing.T, r *rig) { r.target.Down() }, end: func(t *testing.T, r *rig) { require.NoError(t, r.target.Up()) }},
		poison,
		behaves("target answers 401", onlyNone, ledger.Behaviour{Status: http.StatusUnauthorized}),
		behaves("target answers 429", onlyNone, ledger.Behaviour{Status: http.StatusTooManyRequests, RetryAfter: 1}),
		behaves("target answers 500 after it took the event", onlyNone, ledger.Behaviour{Take: true, Status: http.StatusInternalServerError}),
		behaves("target answers 503", onlyNone, ledger.Behaviour{Status: http.StatusServiceUnavailable}),
		behaves("target answers 507", onlyNone, ledger.Behaviour{Status: http.StatusInsufficientStorage}),
		hangs, deaf,
		behaves("target resets connections", onlyNone, ledger.Behaviour{Reset: true}, ledger.Behaviour{Take: true, Reset: true}),
	}
}

// frozen is how long the gateway stands still: longer than it waits for the target.
const frozen = 600 * time.Millisecond

// freeze stops the gateway while the target goes on, as a machine that is moved or has no time does. What the target answers meanwhile
// comes too late.
func freeze(t *testing.T, r *rig) {
	t.Helper()
	for range 3 {
		r.gateway.signal(t, syscall.SIGSTOP)
		time.Sleep(frozen)
		r.gateway.signal(t, syscall.SIGCONT)
		r.acknowledged(t, 5)
	}
	r.gateway.signal(t, syscall.SIGSTOP)
	time.Sleep(frozen)
}

// bound lets the gateway's files grow no more. It is the kernel that refuses, as on a full volume.
func bound(t *testing.T, r *rig) {
	t.Helper()
	info, err := os.Stat(filepath.Join(r.dir, "events.db"))
	size := uint64(1 << 20)
	if err == nil {
		size = uint64(info.Size()) / 4 // what is there must not be written any more either
	}
	require.NoError(t, faults.Bound(r.gateway.cmd.Process, size))
}

func unbound(t *testing.T, r *rig) {
	t.Helper()
	require.NoError(t, faults.Bound(r.gateway.cmd.Process, 0))
}

// TestFaultMatrix breaks everything that can break, one after another, with each buffer: nothing that was
// acknowledged is lost, and once the fault is over events are taken and published again, by themselves.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	n := budget(t, "CHAOS_EVENTS", 40)
	for _, f := range matrix() {
		for _, buffer := range buffers() {
			t.Run(f.name+"/"+buffer, func(t *testing.T) {
				t.Parallel()
				o := options{disk: f.disk, args: patient}
				if f.timeout > 0 {
					o.args = []string{"--sink-timeout", f.timeout.String()}
				}
				r := newRig(t, buffer, o)
				r.ready(t)
				r.send(ledger.Load{Senders: r.senders(3, 2), Repeat: 0.05})
				r.acknowledged(t, n)

				f.begin(t, r)
				if f.refusing != nil && f.refusing(buffer) {
					refused := r.ledger.Count(ledger.Refused) + r.ledger.Count(ledger.Unanswered)
					require.Eventually(t, func() bool { return r.ledger.Count(ledger.Refused)+r.ledger.Count(ledger.Unanswered) >= refused+5 }, patience, 1e6,
						"2xx would be a lie")
				} else if !f.still {
					r.acknowledged(t, n)
				}
				if f.disk && buffer != "none" {
					keeper := r.gateway
					if r.nats != nil {
						keeper = r.nats
					}
					assert.Positive(t, keeper.disk.Failed(), "nothing failed, so nothing was proven")
				}
				f.end(t, r)

				r.ready(t)
				r.acknowledged(t, n)
				report := r.balanced(t)
				if f.dead && buffer != "none" {
					assert.Positive(t, report.DeadLettered)
				} else {
					assert.Zero(t, report.DeadLettered)
				}
			})
		}
	}
}
