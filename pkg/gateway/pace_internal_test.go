package gateway

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// paced is a pace with a clock of its own.
func paced(perSecond, parallel int) (*Pace, *time.Time) {
	now := time.Unix(1_700_000_000, 0)
	p := NewPace(perSecond, parallel)
	p.now = func() time.Time { return now }
	p.begin()
	return p, &now
}

// sent lets as many go as may, and brings them back at once.
func sent(p *Pace) (n int) {
	for {
		wait, ok := p.Wait()
		if !ok || wait > 0 || n > 10_000 {
			return n
		}
		p.Take()
		p.Return()
		n++
	}
}

func TestABacklogBeginsSlowly(t *testing.T) {
	t.Parallel()
	p, now := paced(1000, 8)
	var perSecond []int
	for range 15 {
		n := 0
		for range 100 {
			*now = now.Add(10 * time.Millisecond)
			n += sent(p)
		}
		perSecond = append(perSecond, n/100*100)
	}
	assert.Equal(t, []int{100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1000, 1000, 1000, 1000, 1000}, perSecond, "a tenth more every second, up to the bound")
	*now = now.Add(time.Hour)
	assert.LessOrEqual(t, sent(p), 100, "idle time is not saved up")
}

func TestTroubleHalvesThePace(t *testing.T) {
	t.Parallel()
	p, now := paced(1000, 8)
	*now = now.Add(time.Minute)
	assert.InDelta(t, 1000, p.Rate(), 1)
	busy := &PublishError{Reason: ReasonFull}
	for range 8 {
		p.Report(busy)
	}
	assert.InDelta(t, 500, p.Rate(), 1, "once for all that failed together")
	p.Report(&PublishError{Reason: ReasonInvalid, Permanent: true})
	p.Report(nil)
	assert.InDelta(t, 500, p.Rate(), 1, "a wrong event says nothing of the target")
	for range 100 {
		*now = now.Add(time.Second)
		p.Report(busy)
	}
	assert.GreaterOrEqual(t, p.Rate(), 10.0, "it never comes to an end")
}

func TestWithoutABacklogNothingIsBounded(t *testing.T) {
	t.Parallel()
	p, _ := paced(10, 4)
	p.Clear()
	assert.Zero(t, p.Rate())
	assert.Greater(t, sent(p), 1000)
	p.Report(&PublishError{Reason: ReasonThrottled})
	assert.InDelta(t, 1, p.Rate(), 0.1, "after trouble there may be one")

	for range 3 {
		p.Clear()
		p.Take()
	}
	p.Take()
	_, ok := p.Wait()
	assert.False(t, ok, "young events need room, too")
	p.Return()
	_, ok = p.Wait()
	assert.True(t, ok)

	unbounded, _ := paced(0, 4)
	assert.Greater(t, sent(unbounded), 1000)
	var none *Pace
	wait, ok := none.Wait()
	assert.Zero(t, wait)
	assert.True(t, ok)
}

// TestATargetIsNotDrivenIntoRefusals: a target takes 120 events per second and refuses more. What it refuses is
// a small part, and what it can take it gets.
func TestATargetIsNotDrivenIntoRefusals(t *testing.T) {
	t.Parallel()
	p, now := paced(1000, 32)
	taken, refused := 0, 0
	for range 120 {
		left := 120
		for range 100 {
			*now = now.Add(10 * time.Millisecond)
			for range sent(p) {
				if left == 0 {
					refused++
					p.Report(&PublishError{Reason: ReasonFull})
					break // the gate shuts
				}
				left--
				taken++
			}
		}
	}
	assert.Less(t, refused, taken/50)
	assert.Greater(t, taken, 120*120/2)
}

// TestPaceIsTakenByOneOfSeveral: of those who ask at the same time, as many may go as there is room for.
func TestPaceIsTakenByOneOfSeveral(t *testing.T) {
	t.Parallel()
	p := NewPace(1000, 2)
	p.Clear()
	for range 2 {
		wait, ok := p.TryTake()
		assert.True(t, ok)
		assert.Zero(t, wait)
	}
	_, ok := p.TryTake()
	assert.False(t, ok, "two are under way")
	p.Return()
	_, ok = p.TryTake()
	assert.True(t, ok)
	p.Return()
	p.Return()

	p.Report(&PublishError{Reason: ReasonFull})
	wait, ok := p.TryTake()
	assert.True(t, ok)
	assert.Zero(t, wait, "the first")
	wait, ok = p.TryTake()
	assert.True(t, ok)
	assert.Positive(t, wait, "not before its time, and it took no place")
	p.Return()
	assert.Zero(t, p.out)
}
