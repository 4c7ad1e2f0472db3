package buffer

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// Bounds of what the queue holds in memory.
const (
	readAhead      = 128     // records per reading
	readAheadBytes = 4 << 20 // bytes per reading
	maxHeld        = 64 << 10
)

// queue hands out the store's events. One goroutine owns everything in it; events that wait for their key
// or for another try are held without their payload and read again when it is their turn.
type queue struct {
	disk          *Disk
	out           chan *gateway.Item
	back          chan settlement
	woken         chan struct{}
	settledSignal chan struct{}
	stopped       chan struct{}

	cursor  uint64 // the next record to read
	ready   []*held
	loaded  int64 // bytes of records in ready
	waiting waiting
	keys    map[string][]*held // per key: what waits behind the one that is out
	records map[uint64]*progress
	oldest  atomic.Uint64

	mu      sync.Mutex
	settled []settled
}

// held is an event that is not settled.
type held struct {
	item   *gateway.Item
	seq    uint64
	key    string
	due    time.Time
	record *progress
	size   int64 // 0 while its payload is not loaded
}

type settlement struct {
	held       *held
	settlement gateway.Settlement
}

// progress is how far a record is.
type progress struct {
	left int
	done []byte // one bit per entry
	size int64
}

func newQueue(d *Disk) *queue {
	q := &queue{
		disk: d, out: make(chan *gateway.Item), back: make(chan settlement, 256), woken: make(chan struct{}, 1),
		settledSignal: make(chan struct{}, 1), stopped: make(chan struct{}),
		cursor: 1, keys: map[string][]*held{}, records: map[uint64]*progress{},
	}
	q.oldest.Store(1)
	return q
}

func (q *queue) next(ctx context.Context) (*gateway.Item, error) {
	select {
	case item := <-q.out:
		return item, nil
	case <-q.stopped:
		return nil, draining()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *queue) settle(item *gateway.Item, s gateway.Settlement) {
	select {
	case q.back <- settlement{held: item.Handle.(*held), settlement: s}:
	case <-q.stopped:
	}
}

func (q *queue) wake() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

// low is the oldest record that is not settled, as far as the queue knows.
func (q *queue) low() uint64 { return q.oldest.Load() }

func (q *queue) run() {
	defer close(q.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	exhausted := false
	for {
		if len(q.ready) == 0 && !exhausted && len(q.records) < maxHeld {
			exhausted = !q.read()
		}
		q.promote()
		var out chan *gateway.Item
		var head *gateway.Item
		if len(q.ready) > 0 {
			out, head = q.out, q.ready[0].item
		}
		if len(q.waiting) > 0 && q.loaded < readAheadBytes {
			timer.Reset(max(0, time.Until(q.waiting[0].due)))
		}
		select {
		case out <- head:
			q.loaded -= q.ready[0].size
			q.ready[0] = nil
			q.ready = q.ready[1:]
		case s := <-q.back:
			q.settleOne(s)
		case <-q.woken:
			exhausted = false
		case <-timer.C:
		case <-q.disk.stop:
			q.drainBack()
			return
		}
	}
}

// drainBack takes what workers settled before the end.
func (q *queue) drainBack() {
	for {
		select {
		case s := <-q.back:
			q.settleOne(s)
		default:
			return
		}
	}
}

// read loads records from the cursor on; false means that there are no more.
func (q *queue) read() bool {
	more := false
	err := q.disk.view(func(tx *bolt.Tx) error {
		events, partly := tx.Bucket(bucketEvents).Cursor(), tx.Bucket(bucketProgress)
		n, bytes := 0, 0
		for k, v := events.Seek(keyBytes(q.cursor)); k != nil; k, v = events.Next() {
			if n == readAhead || bytes >= readAheadBytes {
				more = true
				return nil
			}
			n++
			bytes += len(v)
			q.add(keyNumber(k), v, partly.Get(k))
			q.cursor = keyNumber(k) + 1
		}
		return nil
	})
	if err != nil {
		q.disk.note(err)
		return false
	}
	return more || len(q.ready) > 0
}

// add takes a record that was read.
func (q *queue) add(seq uint64, value, partly []byte) {
	record, err := decodeEvents(seq, value)
	if err != nil {
		q.damaged(seq, value)
		return
	}
	p := &progress{left: len(record.Entries), done: make([]byte, (len(record.Entries)+7)/8), size: size(value)}
	if partly != nil {
		if f, err := openFrame(kindProgress, seq, partly); err == nil && len(f.payload) == len(p.done) {
			copy(p.done, f.payload)
		}
	}
	q.records[seq] = p
	for i := range record.Entries {
		if p.done[i/8]&(1<<(i%8)) != 0 {
			p.left--
			continue
		}
		h := &held{item: &gateway.Item{Record: record, Index: i}, seq: seq, key: record.Entries[i].Key, record: p, size: int64(len(value))}
		h.item.Handle = h
		if h.key != "" {
			if behind, busy := q.keys[h.key]; busy {
				q.unload(h)
				q.keys[h.key] = append(behind, h)
				continue
			}
			q.keys[h.key] = nil
		}
		q.push(h)
	}
	if p.left == 0 { // every entry was settled before the last stop
		q.finish(seq, p, settled{seq: seq})
	}
}

func decodeEvents(seq uint64, value []byte) (*gateway.Record, error) {
	f, err := openFrame(kindEvent, seq, value)
	if err != nil {
		return nil, err
	}
	r, err := gateway.DecodeRecord(append([]byte(nil), f.payload...))
	if err != nil || len(r.Entries) == 0 {
		return nil, errDamaged
	}
	return r, nil
}

// damaged takes a record out of the way and keeps its bytes for whoever wants to look.
func (q *queue) damaged(seq uint64, value []byte) {
	q.disk.o.Logger.Error("a record of the buffer is damaged and cannot be published", "record", seq)
	delete(q.records, seq)
	q.enqueue(settled{seq: seq, remove: true, size: size(value), damaged: append([]byte{}, value...)})
	q.moveOldest()
}

func (q *queue) push(h *held) {
	q.ready = append(q.ready, h)
	q.loaded += h.size
}

func (q *queue) unload(h *held) {
	h.item.Record = nil
	h.size = 0
}

// promote makes what is due ready again.
func (q *queue) promote() {
	now := time.Now()
	for len(q.waiting) > 0 && !q.waiting[0].due.After(now) && q.loaded < readAheadBytes {
		q.reload(heap.Pop(&q.waiting).(*held))
	}
}

// reload reads an event's record again.
func (q *queue) reload(h *held) {
	var value []byte
	err := q.disk.view(func(tx *bolt.Tx) error {
		value = append([]byte(nil), tx.Bucket(bucketEvents).Get(keyBytes(h.seq))...)
		return nil
	})
	if err != nil {
		q.disk.note(err)
		h.due = time.Now().Add(retryDelay)
		heap.Push(&q.waiting, h)
		return
	}
	record, err := decodeEvents(h.seq, value)
	if err != nil || h.item.Index >= len(record.Entries) {
		q.damaged(h.seq, value)
		q.release(h)
		return
	}
	h.item.Record, h.size = record, int64(len(value))
	q.push(h)
}

// release lets the next event with the same key go.
func (q *queue) release(h *held) {
	if h.key == "" {
		return
	}
	behind := q.keys[h.key]
	if len(behind) == 0 {
		delete(q.keys, h.key)
		return
	}
	q.keys[h.key] = behind[1:]
	q.reload(behind[0])
}

func (q *queue) settleOne(s settlement) {
	h := s.held
	if s.settlement.Retry > 0 {
		q.unload(h)
		h.due = time.Now().Add(s.settlement.Retry)
		heap.Push(&q.waiting, h)
		return
	}
	op := settled{seq: h.seq}
	if failure := s.settlement.Failure; failure != nil {
		entry := *h.item.Entry()
		entry.Failure = failure
		op.dead = &gateway.Record{Delivery: h.item.Record.Delivery, Entries: []gateway.Entry{entry}}
	}
	h.record.done[h.item.Index/8] |= 1 << (h.item.Index % 8)
	h.record.left--
	q.finish(h.seq, h.record, op)
	q.release(h)
}

// finish hands what is settled to the writer.
func (q *queue) finish(seq uint64, p *progress, op settled) {
	_, open := q.records[seq] // not if it was found damaged meanwhile
	if op.remove = open && p.left <= 0; op.remove {
		op.size = p.size
		delete(q.records, seq)
	} else if open {
		op.progress = append([]byte{}, p.done...)
	}
	q.enqueue(op)
	q.moveOldest() // after the writer can see it
}

// moveOldest finds the oldest record that is not settled. Records are settled about in order, so the walk
// is short.
func (q *queue) moveOldest() {
	oldest := q.oldest.Load()
	for ; oldest < q.cursor; oldest++ {
		if _, open := q.records[oldest]; open {
			break
		}
	}
	q.oldest.Store(oldest)
}

func (q *queue) enqueue(op settled) {
	q.mu.Lock()
	q.settled = append(q.settled, op)
	q.mu.Unlock()
	select {
	case q.settledSignal <- struct{}{}:
	default:
	}
}

func (q *queue) takeSettled() []settled {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.settled
	q.settled = nil
	return out
}

// waiting is a heap of events by the time of their next try.
type waiting []*held

func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].due.Before(w[j].due) }
func (w waiting) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }

// Push implements heap.Interface.
func (w *waiting) Push(x any) { *w = append(*w, x.(*held)) }

// Pop implements heap.Interface.
func (w *waiting) Pop() any {
	old := *w
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*w = old[:len(old)-1]
	return last
}
