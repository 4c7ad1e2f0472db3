package buffer

import (
	"crypto/sha256"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// Window bounds de-duplication: an event is known until it is older than Age, or until IDs newer ones
// came, whichever is first.
type Window struct {
	Age time.Duration
	IDs int
}

// DefaultWindow is 76 hours, a little longer than senders retry, and 400,000 ids (about 16 MiB).
func DefaultWindow() Window { return Window{Age: 76 * time.Hour, IDs: 400_000} }

func (w Window) withDefaults() Window {
	def := DefaultWindow()
	if w.Age <= 0 {
		w.Age = def.Age
	}
	if w.IDs <= 0 {
		w.IDs = def.IDs
	}
	return w
}

const idSize = 16

// id is what an event is remembered by: enough of a digest that two events never share it.
type id [idSize]byte

func idOf(route string, entry *gateway.Entry) id {
	var key [256]byte
	sum := sha256.Sum256(gateway.AppendDedupKey(key[:0], route, &entry.Event))
	return id(sum[:idSize])
}

// idsOf has an id for every entry that has an event; the others are never duplicates.
func idsOf(r *gateway.Record) []id {
	ids := make([]id, len(r.Entries))
	for i := range r.Entries {
		if r.Entries[i].Event.ID != "" {
			ids[i] = idOf(r.Delivery.Route, &r.Entries[i])
		}
	}
	return ids
}

// recent remembers ids in memory.
type recent struct {
	window Window
	known  map[id]struct{}
	order  []stamped // oldest first, from head on
	head   int
}

type stamped struct {
	id id
	at int64
}

func newRecent(w Window) *recent { return &recent{window: w, known: map[id]struct{}{}} }

func (r *recent) has(i id) bool {
	_, ok := r.known[i]
	return ok
}

func (r *recent) add(i id, now time.Time) {
	r.known[i] = struct{}{}
	r.order = append(r.order, stamped{id: i, at: now.UnixNano()})
	r.forget(now)
}

func (r *recent) forget(now time.Time) {
	oldest := now.Add(-r.window.Age).UnixNano()
	for r.head < len(r.order) && (len(r.known) > r.window.IDs || r.order[r.head].at < oldest) {
		delete(r.known, r.order[r.head].id)
		r.head++
	}
	if r.head > len(r.order)/2 {
		r.order = append(r.order[:0], r.order[r.head:]...)
		r.head = 0
	}
}
