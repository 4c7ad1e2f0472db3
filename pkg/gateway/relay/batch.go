package relay

import (
	"context"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// limits bound a batch.
type limits struct {
	count int
	bytes int
	age   time.Duration
}

// overhead is what a body has besides its documents: brackets, and a comma or a line break after each.
const overhead = 2

// fits says whether a document of the given size can go alone.
func (l limits) fits(size int) bool { return overhead+size+1 <= l.bytes }

// takes says whether a batch has room for a document of the given size.
func (l limits) takes(b *batch, size int) bool {
	return len(b.items) < l.count && b.bytes+size+1 <= l.bytes
}

// item is a document with somebody who waits for it to be sent.
type item struct {
	document []byte
	gone     bool                       // nobody waits any more; guarded by the batcher
	done     chan *gateway.PublishError // holds one
}

func (i *item) settle(err *gateway.PublishError) { i.done <- err }

// batch are the items that go together.
type batch struct {
	items []*item
	bytes int
	timer *time.Timer
}

// batcher collects documents and hands them on, as soon as a batch has reached one of its limits.
type batcher struct {
	limits limits
	// send settles every item. It is called by a goroutine of its own.
	send func(items []*item)
	// slots bound the calls of send at the same time.
	slots chan struct{}

	mu      sync.Mutex
	learned int // bytes of a batch, as far as the system's answers tell; never more than the limit
	grown   int // calls of about that size since it changed
	open    *batch
	hurry   bool // nothing waits for others any more
	running sync.WaitGroup
}

func newBatcher(l limits, parallel int, send func([]*item)) *batcher {
	return &batcher{limits: l, learned: l.bytes, send: send, slots: make(chan struct{}, parallel)}
}

// growAfter is how many calls of the learned size have to succeed before a larger one is tried.
const growAfter = 100

// learn notes that the system took a body of that size, or found it too large. The next batches are then half
// as large from the beginning, and become larger again, a tenth at a time, as long as that goes well.
func (b *batcher) learn(size int, tooLarge bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case tooLarge && size/2+overhead < b.learned:
		b.learned, b.grown = size/2+overhead, 0
	case tooLarge || b.learned >= b.limits.bytes || size < b.learned/2:
	default:
		if b.grown++; b.grown >= growAfter {
			b.learned, b.grown = min(b.limits.bytes, b.learned+max(b.learned/10, 1)), 0
		}
	}
}

// now are the limits of the next batch. The caller has locked.
func (b *batcher) now() limits {
	l := b.limits
	l.bytes = b.learned
	return l
}

// Learned is how many bytes a batch has at most at the moment.
func (b *batcher) Learned() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.learned
}

// do adds a document to a batch and waits until it was sent. A document whose time is over before that is
// taken back.
func (b *batcher) do(ctx context.Context, document []byte) *gateway.PublishError {
	i := &item{document: document, done: make(chan *gateway.PublishError, 1)}
	b.add(i)
	select {
	case err := <-i.done:
		return err
	case <-ctx.Done():
	}
	b.mu.Lock()
	i.gone = true
	b.mu.Unlock()
	select {
	case err := <-i.done:
		return err
	default:
		return &gateway.PublishError{Reason: gateway.ReasonTimeout, Detail: "no answer of the system in time"}
	}
}

func (b *batcher) add(i *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != nil && !b.now().takes(b.open, len(i.document)) {
		b.flush()
	}
	if b.open == nil {
		opened := &batch{bytes: overhead}
		opened.timer = time.AfterFunc(b.limits.age, func() { b.expire(opened) })
		b.open = opened
	}
	b.open.items = append(b.open.items, i)
	b.open.bytes += len(i.document) + 1
	if b.hurry || len(b.open.items) >= b.limits.count {
		b.flush()
	}
}

// expire sends a batch that has waited long enough.
func (b *batcher) expire(expired *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == expired {
		b.flush()
	}
}

// flush sends the open batch; the caller has locked.
func (b *batcher) flush() {
	ready := b.open
	b.open = nil
	ready.timer.Stop()
	b.running.Go(func() {
		b.slots <- struct{}{}
		defer func() { <-b.slots }()
		if items := b.awaited(ready); len(items) > 0 {
			b.send(items)
		}
	})
}

// awaited are the items that somebody still waits for.
func (b *batcher) awaited(ready *batch) []*item {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := make([]*item, 0, len(ready.items))
	for _, i := range ready.items {
		if !i.gone {
			items = append(items, i)
		}
	}
	return items
}

// drain sends what is collected, and from now on everything at once.
func (b *batcher) drain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hurry = true
	if b.open != nil {
		b.flush()
	}
}
