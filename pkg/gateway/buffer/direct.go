package buffer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// DirectOptions say how Direct publishes. A zero value means the default that is named.
type DirectOptions struct {
	Sink gateway.Sink
	Gate *gateway.Gate
	// Budget bounds the time that one delivery may take, its retries included; default 8s.
	Budget time.Duration
	// Tries bounds the publications of one event within the budget; default 3.
	Tries int
	// Backoff is between them; default 100ms, 200ms, …
	Backoff gateway.Backoff
	Window  Window
	// Published is told of every publication; nil means nobody.
	Published func(start time.Time, err error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Direct is the buffer that keeps nothing: Append returns when the sink has the events. It de-duplicates
// in memory; an event that comes again while the first one is on its way shares that one's fate.
type Direct struct {
	o DirectOptions

	mu      sync.Mutex
	recent  *recent
	flights map[id]*flight
	keys    map[string]*keyLock
}

type flight struct {
	done chan struct{}
	err  error
}

type keyLock struct {
	sync.Mutex
	users int
}

// parallelInDelivery bounds the publications of one delivery at the same time.
const parallelInDelivery = 8

// NewDirect makes a Direct buffer.
func NewDirect(o DirectOptions) *Direct {
	if o.Budget <= 0 {
		o.Budget = 8 * time.Second
	}
	if o.Tries <= 0 {
		o.Tries = 3
	}
	if o.Backoff == (gateway.Backoff{}) {
		o.Backoff = gateway.Backoff{Base: 100 * time.Millisecond, Max: 2 * time.Second, Full: time.Minute}
	}
	if o.Published == nil {
		o.Published = func(time.Time, error) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Direct{o: o, recent: newRecent(o.Window.withDefaults()), flights: map[id]*flight{}, keys: map[string]*keyLock{}}
}

// Append implements gateway.Buffer. What was published before an error stays published and is a duplicate
// when the sender repeats the delivery.
func (b *Direct) Append(ctx context.Context, r *gateway.Record) ([]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, b.o.Budget)
	defer cancel()
	duplicates := make([]bool, len(r.Entries))
	ids := idsOf(r)
	errs := make([]error, len(r.Entries))
	publish := func(i int) { duplicates[i], errs[i] = b.once(ctx, ids[i], &r.Entries[i]) }
	if len(r.Entries) == 1 || ordered(r) {
		for i := range r.Entries {
			if publish(i); errs[i] != nil {
				break
			}
		}
		return duplicates, worst(errs)
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, parallelInDelivery)
	for i := range r.Entries {
		slots <- struct{}{}
		group.Go(func() { publish(i); <-slots })
	}
	group.Wait()
	return duplicates, worst(errs)
}

func ordered(r *gateway.Record) bool {
	for i := range r.Entries {
		if r.Entries[i].Key != "" {
			return true
		}
	}
	return false
}

// worst prefers what is worth repeating: the sender then repeats the delivery, and nothing is lost.
func worst(errs []error) error {
	var permanent error
	for _, err := range errs {
		if err == nil {
			continue
		}
		var away *gateway.UnavailableError
		if errors.As(err, &away) {
			return err
		}
		permanent = err
	}
	return permanent
}

func (b *Direct) once(ctx context.Context, i id, entry *gateway.Entry) (duplicate bool, err error) {
	if entry.Failure != nil {
		return false, errors.New("a buffer that keeps nothing has no dead letters")
	}
	b.mu.Lock()
	if b.recent.has(i) {
		b.mu.Unlock()
		return true, nil
	}
	if other, ok := b.flights[i]; ok {
		b.mu.Unlock()
		select {
		case <-other.done:
			return other.err == nil, other.err
		case <-ctx.Done():
			return false, &gateway.UnavailableError{Reason: gateway.ReasonTimeout, Err: ctx.Err()}
		}
	}
	own := &flight{done: make(chan struct{})}
	b.flights[i] = own
	b.mu.Unlock()

	unlock := b.lockKey(entry.Key)
	own.err = b.publish(ctx, entry)
	unlock()

	b.mu.Lock()
	delete(b.flights, i)
	if own.err == nil {
		b.recent.add(i, b.o.Now())
	}
	b.mu.Unlock()
	close(own.done)
	return false, own.err
}

// lockKey keeps events with the same key apart, in the order of their arrival.
func (b *Direct) lockKey(key string) (unlock func()) {
	if key == "" {
		return func() {}
	}
	b.mu.Lock()
	lock, ok := b.keys[key]
	if !ok {
		lock = &keyLock{}
		b.keys[key] = lock
	}
	lock.users++
	b.mu.Unlock()
	lock.Lock()
	return func() {
		lock.Unlock()
		b.mu.Lock()
		defer b.mu.Unlock()
		if lock.users--; lock.users == 0 {
			delete(b.keys, key)
		}
	}
}

func (b *Direct) publish(ctx context.Context, entry *gateway.Entry) error {
	for try := 1; ; try++ {
		pass, ok, wait := b.o.Gate.TryEnter()
		if !ok {
			return &gateway.UnavailableError{Reason: gateway.ReasonUnavailable, RetryAfter: wait, Err: errors.New("the target does not work at the moment")}
		}
		start := b.o.Now()
		err := b.o.Sink.Publish(ctx, entry.Event)
		b.o.Published(start, err)
		failure := gateway.AsPublishError(err)
		b.o.Gate.Report(pass, failure)
		if failure == nil {
			return nil
		}
		if failure.Permanent {
			return failure
		}
		wait = b.o.Backoff.Wait(try, failure)
		deadline, _ := ctx.Deadline()
		if try >= b.o.Tries || failure.Reason == gateway.ReasonFull || b.o.Now().Add(wait).After(deadline) || !sleep(ctx, wait) {
			return &gateway.UnavailableError{Reason: failure.Reason, RetryAfter: failure.RetryAfter, Err: failure}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Status implements gateway.Buffer.
func (b *Direct) Status() gateway.BufferStatus { return gateway.BufferStatus{} }

// Close implements gateway.Buffer.
func (b *Direct) Close() error { return nil }
