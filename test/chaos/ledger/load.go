package ledger

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Sender offers events by one transport. It is used by one goroutine.
type Sender interface {
	// Offer sends the event's payload and says what it was told. why explains a refusal.
	Offer(ctx context.Context, id string) (a Answer, why string)
	// Route names the way in. A gateway knows an event by route and id.
	Route() string
	// Close ends the sender's connections.
	Close()
}

// Load offers events by all its senders at the same time.
type Load struct {
	Ledger  *Ledger
	Senders []Sender
	// Pause is the time between two offers of a sender.
	Pause time.Duration
	// Repeat is the share, 0 to 1, of offers that repeat an earlier event, acknowledged or not.
	Repeat float64
}

// tries is how often a sender repeats an event that was not acknowledged.
const tries = 3

// Run offers events until the context ends.
func (l *Load) Run(ctx context.Context) {
	var group sync.WaitGroup
	for _, s := range l.Senders {
		group.Go(func() {
			defer s.Close()
			for ctx.Err() == nil {
				id := ""
				if rand.Float64() < l.Repeat {
					id = l.Ledger.Repeat(s.Route())
				}
				if id == "" {
					id = l.Ledger.ID()
				}
				l.offer(ctx, s, id)
				sleep(ctx, l.Pause)
			}
		})
	}
	group.Wait()
}

// offer is what an honest sender does: it repeats what was not acknowledged, a few times. Whoever it does
// not reach it tries again, without an end.
func (l *Load) offer(ctx context.Context, s Sender, id string) {
	for try := 0; try < tries && ctx.Err() == nil; {
		// What has begun is finished, so that the books know what became of it.
		answer, why := s.Offer(context.WithoutCancel(ctx), id)
		l.Ledger.Enter(s.Route(), id, answer, why)
		switch answer {
		case Acknowledged:
			return
		case Unreached:
		default:
			try++
		}
		sleep(ctx, 5*time.Millisecond+rand.N(10*time.Millisecond))
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
