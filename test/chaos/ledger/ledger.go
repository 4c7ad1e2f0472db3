// Package ledger keeps book of events: a Load offers them to a gateway by Senders, a Ledger remembers every
// one that was offered and what the sender was told, a Target takes what the gateway publishes, and a Report
// compares the two sides. Whoever runs it breaks the gateway meanwhile.
package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Answer is what became of one offer, as far as its sender can know.
type Answer string

// The answers.
const (
	// Acknowledged: from here on the event must not be lost.
	Acknowledged Answer = "acknowledged"
	// Refused: the gateway said that it does not take it.
	Refused Answer = "refused"
	// Unanswered: it was sent, and nobody said what became of it. It may arrive, or not.
	Unanswered Answer = "unanswered"
	// Unreached: nobody was there to offer it to. It does not count as offered.
	Unreached Answer = "unreached"
)

// Ledger remembers what was offered.
type Ledger struct {
	prefix string

	mu       sync.Mutex
	offers   map[string]*offer
	routes   map[string][]string // ids that were offered at least once, in that order, by route
	refusals map[string]int
	made     int
	madeAt   []time.Time // by number, from 1
	attempts int
	epoch    int
}

// offer is an event that was offered at least once, with the best answer that its sender got.
type offer struct{ answer Answer }

// New makes an empty ledger. The prefix starts every id, so that several ledgers can share a target.
func New(prefix string) *Ledger {
	return &Ledger{prefix: prefix, offers: map[string]*offer{}, routes: map[string][]string{}, refusals: map[string]int{}}
}

// ID makes the id of an event that was never offered before.
func (l *Ledger) ID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made++
	l.madeAt = append(l.madeAt, time.Now())
	return l.id(l.made)
}

// Payload is the message of an event: it says its id, a key, and a digest of both, so that no part of it can
// change unnoticed.
func Payload(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	key := fmt.Sprint("key-", sum[0]%16)
	digest := sha256.Sum256([]byte(id + key))
	body, err := json.Marshal(message{ID: id, Key: key, Digest: hex.EncodeToString(digest[:])})
	if err != nil {
		return nil
	}
	return body
}

type message struct {
	ID     string `json:"id"`
	Key    string `json:"key"`
	Digest string `json:"digest"`
}

// Intact says whether a payload is, to the last value, the one of the id.
func Intact(id string, payload []byte) bool {
	var got, want message
	return json.Unmarshal(payload, &got) == nil && json.Unmarshal(Payload(id), &want) == nil && got == want
}

// Enter enters what became of an offer. The best answer counts: an event that was refused once and
// acknowledged later is acknowledged.
func (l *Ledger) Enter(route, id string, a Answer, why string) {
	if a == Unreached {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts++
	o, ok := l.offers[id]
	if !ok {
		o = &offer{answer: a}
		l.offers[id] = o
		l.routes[route] = append(l.routes[route], id)
	}
	if a == Refused {
		l.refusals[why]++
	}
	if a == Acknowledged || o.answer == Refused && a == Unanswered {
		o.answer = a
	}
}

// Repeat is the id of some event that was offered before by the same route, for a sender that offers it again;
// empty without any. What comes by another route is another event.
func (l *Ledger) Repeat(route string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := l.routes[route]
	if len(ids) == 0 {
		return ""
	}
	from := max(0, len(ids)-2000)
	return ids[from+rand.IntN(len(ids)-from)]
}

// Broke begins a new epoch: whatever the gateway had in memory is gone. Call it just before a kill. An
// event that arrives once before and once after it is a duplicate with a reason.
func (l *Ledger) Broke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
}

// Epoch is the number of breaks so far.
func (l *Ledger) Epoch() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

// Count is how many events have that answer so far; with Unreached, how many offers were made at all.
func (l *Ledger) Count(a Answer) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a == Unreached {
		return l.attempts
	}
	n := 0
	for _, o := range l.offers {
		if o.answer == a {
			n++
		}
	}
	return n
}

// Pending are the acknowledged events that are neither at the target nor among the dead letters.
func (l *Ledger) Pending(t *Target, dead map[string]bool) []string {
	at := t.IDs()
	l.mu.Lock()
	defer l.mu.Unlock()
	var pending []string
	for id, o := range l.offers {
		if o.answer == Acknowledged && !at[id] && !dead[id] {
			pending = append(pending, id)
		}
	}
	return pending
}

// Newest says whether the n events that were made last are all at the target.
func (l *Ledger) Newest(t *Target, n int) bool {
	at := t.IDs()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := l.made - n + 1; i <= l.made; i++ {
		if !at[l.id(i)] {
			return false
		}
	}
	return true
}

// Delays are, of the n events that were made last and are at the target, how long after that they first arrived, sorted.
func (l *Ledger) Delays(t *Target, n int) []time.Duration {
	arrivals := t.Arrivals()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []time.Duration
	for i := l.made - n + 1; i <= l.made; i++ {
		if all := arrivals[l.id(i)]; len(all) > 0 {
			out = append(out, all[0].At.Sub(l.madeAt[i-1]))
		}
	}
	slices.Sort(out)
	return out
}

func (l *Ledger) id(n int) string { return fmt.Sprintf("%s-%07d", l.prefix, n) }
