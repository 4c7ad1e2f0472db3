package gateway

import (
	"container/list"
	"sync"
	"sync/atomic"
	"time"
)

// sender is a client of a route.
type sender struct{ route, client string }

// attempts limits failed proofs of identity per client and delivery: a few at once, then one every so
// often. Its memory is bounded; the client that has been quiet longest is forgotten first.
type attempts struct {
	burst  int
	every  time.Duration
	max    int
	now    func() time.Time
	mu     sync.Mutex
	known  map[sender]*list.Element
	recent *list.List   // of *attempt, the latest first
	number atomic.Int64 // of known; most of the time nobody failed, and there is nothing to look up
}

type attempt struct {
	key    sender
	failed float64 // how many count against the client
	at     time.Time
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{burst: 20, every: 5 * time.Second, max: 8192, now: now, known: map[sender]*list.Element{}, recent: list.New()}
}

// wait is how long the client has to wait before it may try again; 0 means that it may.
func (a *attempts) wait(key sender) time.Duration {
	if a.number.Load() == 0 {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	element, ok := a.known[key]
	if !ok {
		return 0
	}
	if over := a.left(element.Value.(*attempt)) - float64(a.burst-1); over > 0 {
		return time.Duration(over * float64(a.every))
	}
	return 0
}

func (a *attempts) left(c *attempt) float64 {
	return max(0, c.failed-a.now().Sub(c.at).Seconds()/a.every.Seconds())
}

func (a *attempts) failed(key sender) {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.number.Store(int64(len(a.known))) }()
	element, ok := a.known[key]
	if !ok {
		if len(a.known) >= a.max {
			oldest := a.recent.Back()
			delete(a.known, oldest.Value.(*attempt).key)
			a.recent.Remove(oldest)
		}
		element = a.recent.PushFront(&attempt{key: key, at: a.now()})
		a.known[key] = element
	}
	c := element.Value.(*attempt)
	c.failed, c.at = a.left(c)+1, a.now()
	a.recent.MoveToFront(element)
}

// succeeded forgives: whoever corrects a password is not locked out for the time before.
func (a *attempts) succeeded(key sender) {
	if a.number.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.number.Store(int64(len(a.known))) }()
	if element, ok := a.known[key]; ok {
		delete(a.known, key)
		a.recent.Remove(element)
	}
}
