package buffer

import (
	"container/heap"
	"context"
	"slices"
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
	// backlogAge is from when on an event is of the backlog. Younger ones go first.
	backlogAge = time.Second
	// maxTaken bounds how scattered events can be that overtook the backlog.
	maxTaken = 4096
)

// queue hands out the store's events. One goroutine owns everything in it; events that wait for their key
// or for another try are held without their payload and read again when it is their turn.
//
// Records are read in their order, at the cursor. Once more old ones wait than are held, new ones are read at a second place,
// the front, and overtake them; the cursor follows at the pace of a backlog and leaves out what was taken. Events with a key
// overtake nothing: the cursor comes to them.
type queue struct {
	disk          *Disk
	out           chan *gateway.Item
	back          chan settlement
	woken         chan struct{}
	settledSignal chan struct{}
	stopped       chan struct{}

	cursor    uint64 // the next record to read
	exhausted bool   // there was nothing more to read
	unread    bool   // the store could not be read: it is tried again
	front     uint64 // the next record to read of those that overtake; 0: none does
	taken     []span // what overtook, in ascending order
	jump      bool   // what is at the front is old itself
	live, old []*held
	loaded    int64 // bytes of records in live and old
	waiting   waiting
	keys      map[string][]*held // per key: what waits behind the one that is out
	records   map[uint64]*progress
	oldest    atomic.Uint64

	mu      sync.Mutex
	settled []settled
}

// span is the records from one number up to, but without, another.
type span struct{ from, to uint64 }

// held is an event that is not settled.
type held struct {
	item   *gateway.Item
	seq    uint64
	key    string
	due    time.Time
	record *progress
	size   int64 // 0 while its payload is not loaded
	paced  bool  // it is out, and of the backlog
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

// heldRecord is a record with its first event, in one piece of memory.
type heldRecord struct {
	progress progress
	held     held
	item     gateway.Item
	bits     [1]byte
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
	for {
		q.read()
		q.promote()
		var out chan *gateway.Item
		var item *gateway.Item
		head, wait := q.head()
		if head != nil {
			out, item = q.out, head.item
		}
		if len(q.waiting) > 0 && q.room() {
			wait = min(wait, max(0, time.Until(q.waiting[0].due)))
		}
		if q.unread {
			wait = min(wait, retryDelay)
		}
		timer.Reset(wait)
		select {
		case out <- item:
			q.handedOut(head)
		case s := <-q.back:
			q.settleOne(s)
		case <-q.woken:
			q.exhausted = false
		case <-timer.C:
			if q.unread {
				q.unread, q.exhausted = false, false
			}
		case <-q.disk.stop:
			q.drainBack()
			return
		}
	}
}

// head is the event that goes next: a young one, or one of the backlog if it is time. Without one, wait says
// when to look again.
func (q *queue) head() (head *held, wait time.Duration) {
	for len(q.live) > 0 && q.aged(q.live[0].item.Record) {
		h := q.live[0]
		q.live = q.live[1:]
		if q.room() {
			q.old = append(q.old, h)
			continue
		}
		q.loaded -= h.size
		q.unload(h)
		h.due = time.Now()
		heap.Push(&q.waiting, h)
	}
	switch {
	case len(q.live) > 0:
		return q.live[0], time.Hour
	case len(q.old) == 0:
		return nil, time.Hour
	}
	wait, ok := q.disk.o.Pace.Wait()
	switch {
	case !ok: // another one comes back first
		return nil, time.Hour
	case wait > 0:
		return nil, wait
	}
	return q.old[0], time.Hour
}

func (q *queue) aged(r *gateway.Record) bool { return time.Since(r.Delivery.Received) > backlogAge }

// room says whether more may be loaded of what waits for another try.
func (q *queue) room() bool { return q.loaded < readAheadBytes && len(q.old) < 2*readAhead }

// handedOut takes the head out of its list.
func (q *queue) handedOut(h *held) {
	q.loaded -= h.size
	if len(q.live) > 0 && q.live[0] == h {
		q.live[0] = nil
		q.live = q.live[1:]
		return
	}
	q.old[0] = nil
	q.old = q.old[1:]
	h.paced = true
	q.disk.o.Pace.Take()
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

// read loads what is needed next.
func (q *queue) read() {
	if q.front == 0 && !q.exhausted && q.plenty() {
		q.front = q.young() // from here on, new ones overtake
	}
	switch {
	case len(q.live) > 0 || q.exhausted:
	case q.front == 0 && len(q.records) < maxHeld:
		more, _ := q.load(q.cursor, func(seq uint64, s stored) bool {
			q.add(seq, s)
			q.cursor = seq + 1
			return true
		})
		q.exhausted = !more
	case q.front > 0 && len(q.taken) < maxTaken && len(q.records) < 2*maxHeld:
		q.jump = false
		more, _ := q.load(q.front, q.overtake)
		q.exhausted = !more
		if q.jump {
			q.front = q.young()
		}
	}
	if q.front > 0 && len(q.old) == 0 && len(q.records) < maxHeld {
		q.follow()
	}
	if q.front == 0 && q.exhausted && len(q.old) == 0 {
		q.disk.o.Pace.Clear()
	}
}

// plenty says that enough of the backlog is loaded.
func (q *queue) plenty() bool { return len(q.old) >= readAhead || q.loaded >= readAheadBytes }

// young is the number of the first of those records at the end that are not old yet, as far as one reading goes.
func (q *queue) young() uint64 {
	first := max(q.cursor, q.front)
	recent := q.disk.journal.all()
	number, n := uint64(0), 0
	for i := len(recent) - 1; i >= 0; i-- {
		if n == 0 {
			number = recent[i].seq + 1
		}
		if recent[i].seq < first || n >= readAhead || q.aged(recent[i].record) {
			return max(first, number)
		}
		number, n = recent[i].seq, n+1
	}
	err := q.disk.view(func(tx *bolt.Tx) error {
		events := tx.Bucket(bucketEvents).Cursor()
		k, v := events.Last()
		if n == 0 {
			number = keyNumber(k) + 1
		}
		for ; k != nil && keyNumber(k) >= first && n < readAhead; k, v = events.Prev() {
			if keyNumber(k) >= number { // it was moved from the journal meanwhile
				continue
			}
			record, err := decodeEvents(keyNumber(k), v)
			if err != nil || q.aged(record) {
				break
			}
			number, n = keyNumber(k), n+1
		}
		first = max(first, number)
		return nil
	})
	if err != nil {
		q.disk.note(err)
	}
	return first
}

// stored is a record as it was found: in the store, or in the journal, where it is still a record.
type stored struct {
	value, partly []byte
	record        *gateway.Record
	bytes         int64
}

func (s stored) decode(seq uint64) (*gateway.Record, error) {
	if s.record != nil {
		return s.record, nil
	}
	return decodeEvents(seq, s.value)
}

// load reads a number of records from one on, as long as they are taken, and says whether there are more. Without
// ok the store could not be read, and there may be any number of them.
func (q *queue) load(from uint64, take func(seq uint64, s stored) bool) (more, ok bool) {
	// First the journal, then the store: what is moved in between is in both, and not in neither.
	recent, others := q.disk.journal.from(from, readAhead)
	n, bytes := 0, int64(0)
	one := func(seq uint64, s stored) bool {
		if n == readAhead || bytes >= readAheadBytes || !take(seq, s) {
			more = true
			return false
		}
		n++
		bytes += s.bytes
		from = seq + 1
		return true
	}
	if from <= q.disk.stored.Load() {
		err := q.disk.view(func(tx *bolt.Tx) error {
			events, partly := tx.Bucket(bucketEvents).Cursor(), tx.Bucket(bucketProgress)
			for k, v := events.Seek(keyBytes(from)); k != nil; k, v = events.Next() {
				if !one(keyNumber(k), stored{value: v, partly: partly.Get(k), bytes: size(v)}) {
					break
				}
			}
			return nil
		})
		if err != nil {
			q.disk.note(err)
			q.unread = true
			return false, false
		}
	}
	for _, r := range recent {
		if more {
			return true, true
		}
		if r.seq >= from {
			one(r.seq, stored{record: r.record, bytes: r.bytes})
		}
	}
	return more || others, true
}

// overtake takes a record at the front, unless one of its events has a key. It leaves what has become old
// itself to the cursor, and goes on after the last record.
func (q *queue) overtake(seq uint64, s stored) bool {
	record, err := s.decode(seq)
	switch {
	case err != nil || slices.ContainsFunc(record.Entries, func(e gateway.Entry) bool { return e.Key != "" }):
		q.front = seq + 1 // the cursor comes to it
		return true
	case q.aged(record):
		q.jump = true
		return false
	}
	q.front = seq + 1
	if last := len(q.taken) - 1; last >= 0 && q.taken[last].to == seq {
		q.taken[last].to++
	} else {
		q.taken = append(q.taken, span{seq, seq + 1})
	}
	q.addRecord(seq, record, s)
	return true
}

// follow reads the backlog at the cursor, up to the front, without what overtook it.
func (q *queue) follow() {
	for len(q.taken) > 0 && q.cursor >= q.taken[0].from {
		q.cursor = max(q.cursor, q.taken[0].to)
		q.taken = q.taken[1:]
	}
	end := q.front
	if len(q.taken) > 0 {
		end = q.taken[0].from
	}
	reached := false
	more, ok := q.load(q.cursor, func(seq uint64, s stored) bool {
		if reached = seq >= end; !reached {
			q.add(seq, s)
			q.cursor = seq + 1
		}
		return !reached
	})
	if !ok || more && !reached { // what could not be read is not passed over
		return
	}
	q.cursor = end
	q.moveOldest()
	if end == q.front { // caught up: one place to read at is enough
		q.front, q.taken, q.exhausted = 0, nil, false
	}
}

// add takes a record that was read.
func (q *queue) add(seq uint64, s stored) {
	record, err := s.decode(seq)
	if err != nil {
		q.damaged(seq, s.value)
		return
	}
	q.addRecord(seq, record, s)
}

func (q *queue) addRecord(seq uint64, record *gateway.Record, s stored) {
	first := &heldRecord{} // of most records, all that there is
	p := &first.progress
	*p = progress{left: len(record.Entries), done: first.bits[:], size: s.bytes}
	if n := (len(record.Entries) + 7) / 8; n > len(first.bits) {
		p.done = make([]byte, n)
	}
	if s.partly != nil {
		if f, err := openFrame(kindProgress, seq, s.partly); err == nil && len(f.payload) == len(p.done) {
			copy(p.done, f.payload)
		}
	}
	q.records[seq] = p
	for i := range record.Entries {
		if p.done[i/8]&(1<<(i%8)) != 0 {
			p.left--
			continue
		}
		h, item := &first.held, &first.item
		if i > 0 {
			h, item = &held{}, &gateway.Item{}
		}
		*item = gateway.Item{Record: record, Index: i, Handle: h}
		*h = held{item: item, seq: seq, key: record.Entries[i].Key, record: p, size: s.bytes}
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
	return decodeRecord(f)
}

func decodeRecord(f frame) (*gateway.Record, error) {
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
	q.loaded += h.size
	if q.aged(h.item.Record) {
		q.old = append(q.old, h)
		return
	}
	q.live = append(q.live, h)
}

func (q *queue) unload(h *held) {
	h.item.Record = nil
	h.size = 0
}

// promote makes what is due ready again.
func (q *queue) promote() {
	now := time.Now()
	for len(q.waiting) > 0 && !q.waiting[0].due.After(now) && q.room() {
		q.reload(heap.Pop(&q.waiting).(*held))
	}
}

// reload reads an event's record again.
func (q *queue) reload(h *held) {
	if r := q.disk.journal.get(h.seq); r != nil {
		h.item.Record, h.size = r.record, r.bytes
		q.push(h)
		return
	}
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
	if h.paced {
		h.paced = false
		q.disk.o.Pace.Return()
	}
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
