package gateway

import (
	"context"
	"sync"
	"time"
)

// Gate is a circuit breaker in front of a sink. It shuts when the sink failed several times in a row, or
// asked to be left alone; then one publication at a time finds out whether the sink is back. However long that takes, the
// next one does not wait for more than a few seconds, or what the sink asked for: a single publication hurts nobody, and
// nothing is taken until one has succeeded.
type Gate struct {
	threshold int // failures in a row that shut it
	backoff   Backoff
	now       func() time.Time

	mu        sync.Mutex
	failures  int // in a row
	shut      bool
	until     time.Time // while shut: the next try
	trying    bool
	shuttings int // how often it was shut
	successes uint64
	changed   chan struct{} // closed and replaced at every change
}

// maxRest is the longest time between two publications that find out whether a sink is back, unless it asks for more.
const maxRest = 5 * time.Second

// Pass is the right to publish once.
type Pass struct {
	shuttings int
	trial     bool
}

// NewGate makes an open gate. It shuts after threshold failures in a row.
func NewGate(threshold int, b Backoff) *Gate {
	return &Gate{threshold: threshold, backoff: b, now: time.Now, changed: make(chan struct{})}
}

// TryEnter says whether a publication may go ahead now and, if not, how long to wait. Whoever enters
// calls Report or Leave.
func (g *Gate) TryEnter() (pass Pass, ok bool, wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tryEnter()
}

func (g *Gate) tryEnter() (Pass, bool, time.Duration) {
	pass := Pass{shuttings: g.shuttings, trial: g.shut}
	if !g.shut {
		return pass, true, 0
	}
	if wait := g.until.Sub(g.now()); wait > 0 {
		return pass, false, wait
	}
	if g.trying {
		return pass, false, g.backoff.Base
	}
	g.trying = true
	return pass, true, 0
}

// Enter waits until a publication may go ahead. Whoever enters calls Report or Leave.
func (g *Gate) Enter(ctx context.Context) (Pass, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Pass{}, err
		}
		g.mu.Lock()
		pass, ok, wait := g.tryEnter()
		changed := g.changed
		g.mu.Unlock()
		if ok {
			return pass, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-changed:
		}
		timer.Stop()
	}
}

// Leave gives a pass back that was not used.
func (g *Gate) Leave(pass Pass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if pass.trial {
		g.trying = false
		g.notify()
	}
}

// Report says how a publication ended. Nil, or a permanent error, means that the sink works.
func (g *Gate) Report(pass Pass, err *PublishError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if pass.trial {
		g.trying = false
	}
	if err == nil || err.Permanent {
		if err == nil {
			g.successes++
		}
		g.failures = 0
		if g.shut {
			g.shut = false
			g.notify()
		}
		return
	}
	if pass.shuttings != g.shuttings {
		return // it was under way when others found out
	}
	g.failures++
	if g.failures < g.threshold && err.Reason != ReasonFull && err.RetryAfter == 0 {
		return
	}
	g.shut = true
	g.shuttings++
	g.until = g.now().Add(g.backoff.rest(max(1, g.failures-g.threshold+1), err))
	g.notify()
}

// Successes counts what the sink took. An event that fails while it grows is itself the problem.
func (g *Gate) Successes() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.successes
}

// Shut says whether the sink is being left alone.
func (g *Gate) Shut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

func (g *Gate) notify() {
	close(g.changed)
	g.changed = make(chan struct{})
}
