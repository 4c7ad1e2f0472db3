package gateway

import (
	"sync"
	"time"
)

// Pace bounds how fast a backlog is published beside the events of now. A target that has just come back is
// not given everything at once: the rate begins at a tenth of the bound, grows by a tenth of it every second,
// and is halved, after a second's rest, whenever the target says that it is too much. Without a backlog, or while the target had no
// trouble since there was none, nothing is bounded. A nil Pace bounds nothing.
type Pace struct {
	limit    float64 // events per second
	parallel int
	now      func() time.Time

	mu      sync.Mutex
	careful bool
	rate    float64
	changed time.Time // of the rate
	halved  time.Time
	earned  float64   // events that may go now
	at      time.Time // when earned was right
	out     int
}

// burst is how much unused time counts for.
const burst = 100 * time.Millisecond

// NewPace makes a pace of at most perSecond events of a backlog (0: any number), of which at most parallel are
// under way at the same time.
func NewPace(perSecond, parallel int) *Pace {
	p := &Pace{limit: float64(perSecond), parallel: max(parallel, 1), now: time.Now}
	p.begin()
	return p
}

// begin is careful from now on: nobody knows how much the target takes. The caller has locked.
func (p *Pace) begin() {
	now := p.now()
	p.careful, p.rate, p.changed, p.earned, p.at = true, max(p.limit/10, 1), now, 1, now
}

// Wait is how long the next event of the backlog has to wait; 0 means that it may go. Where it has to wait for
// another one to come back, ok is false.
func (p *Pace) Wait() (wait time.Duration, ok bool) {
	if p == nil {
		return 0, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wait()
}

func (p *Pace) wait() (wait time.Duration, ok bool) {
	if p.out >= p.parallel {
		return 0, false
	}
	if !p.bounded() {
		return 0, true
	}
	p.earn()
	if p.earned >= 1 {
		return 0, true
	}
	return max(0, p.at.Sub(p.now())) + time.Duration((1-p.earned)/p.rate*float64(time.Second)), true
}

func (p *Pace) bounded() bool { return p.careful && p.limit > 0 }

func (p *Pace) earn() {
	now := p.now()
	for ; now.Sub(p.changed) >= time.Second && p.rate < p.limit; p.changed = p.changed.Add(time.Second) {
		p.rate = min(p.limit, p.rate+max(p.limit/10, 1))
	}
	if since := now.Sub(p.at); since > 0 {
		p.earned, p.at = min(p.earned+p.rate*since.Seconds(), max(1, p.rate*burst.Seconds())), now
	}
}

// TryTake is Wait and, where that is over, Take: for several who share a pace.
func (p *Pace) TryTake() (wait time.Duration, ok bool) {
	if p == nil {
		return 0, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait, ok = p.wait(); ok && wait == 0 {
		p.take()
	}
	return wait, ok
}

// Take lets one event of the backlog go; Wait said that it may.
func (p *Pace) Take() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take()
}

func (p *Pace) take() {
	p.out++
	p.earned--
}

// Return says that an event of the backlog is back, whatever became of it.
func (p *Pace) Return() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out--
}

// Report says how a publication ended, of the backlog or of now.
func (p *Pace) Report(err *PublishError) {
	if p == nil || err == nil || err.Permanent {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.careful {
		p.begin()
		return
	}
	if now := p.now(); now.Sub(p.halved) >= time.Second { // once for all that were under way together
		p.rate, p.halved, p.earned = max(p.rate/2, p.limit/100, 1), now, 0
		p.changed, p.at = now.Add(time.Second), now.Add(time.Second) // which it has for itself
	}
}

// Clear says that there is no backlog.
func (p *Pace) Clear() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.careful = false
}

// Rate is the bound of now in events per second; 0 means none.
func (p *Pace) Rate() float64 {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.bounded() {
		return 0
	}
	p.earn()
	return p.rate
}
