package buffer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// Bounds of one transaction.
const (
	maxBatch      = 512
	maxBatchBytes = 8 << 20
	// settleDelay is how long what was published waits for company; forgetting it only repeats it.
	settleDelay = 20 * time.Millisecond
	// retryDelay is the wait after a transaction that failed with nobody waiting for it.
	retryDelay = time.Second
	// maxScratch bounds the memory that is kept for the next group.
	maxScratch = 512 << 10
)

// write is something that somebody waits for: a record to append, or a change of the dead letters.
type write struct {
	record *gateway.Record
	ids    []id
	frame  []byte // of the whole record, not sealed; nil for records with dead letters among them
	mixed  bool   // some entries are dead letters

	// dead is the dead letter to take out (0: none); own is its event, which is no duplicate of itself.
	dead uint64
	own  id

	duplicates []bool
	err        error // the write's own, beside the transaction's
	done       chan error
}

// settled is an event that is done with; nobody waits for it.
type settled struct {
	seq uint64
	// remove says that no other event of the record is left; size is what it counted for. Otherwise
	// progress, if set, is what of the record is settled so far.
	remove   bool
	size     int64
	counted  bool // it is not counted any more
	progress []byte
	dead     *gateway.Record // to keep as a dead letter
	damaged  []byte          // a value that cannot be read
}

// writeAll is the writer: the only one who changes the store.
func (d *Disk) writeAll() {
	defer close(d.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	armed := false
	var batch []*write
	for {
		clear(batch)
		batch = batch[:0]
		select {
		case w := <-d.writes:
			batch = d.gather(append(batch, w))
		case <-d.queue.settledSignal:
			if !armed {
				armed = true
				timer.Reset(settleDelay)
			}
			continue
		case <-timer.C:
		case <-d.stop:
			d.refuseWaiting()
			<-d.queue.stopped
			low := d.queue.low()
			d.sortSettled()
			_ = d.transact(nil, low) // what fails is published again after the next start
			return
		}
		// In this order, what is older than low is settled in this transaction or was in an earlier one.
		low := d.queue.low()
		d.sortSettled()
		if d.idle(batch) || d.quickly(batch) {
			for _, w := range batch {
				w.done <- w.err
			}
			armed = false
			timer.Reset(d.nextTransaction())
			continue
		}
		err := d.transact(batch, low)
		if armed = err != nil; armed {
			timer.Reset(retryDelay)
		} else {
			timer.Reset(d.nextTransaction())
		}
		for _, w := range batch {
			w.done <- errors.Join(w.err, err)
		}
	}
}

// sortSettled takes what the queue has settled. That a record is done with is said in the journal, and the store
// need not hurry; where the record never reached it, it is not told at all. Dead letters, and events of records that are
// not done with, are for the store.
func (d *Disk) sortSettled() {
	for _, s := range d.queue.takeSettled() {
		if !s.remove || s.dead != nil || s.damaged != nil {
			if d.partly == nil {
				d.partly = map[uint64]bool{}
			}
			d.partly[s.seq] = true
			if d.urgent.IsZero() {
				d.urgent = time.Now()
			}
		}
		if d.partly[s.seq] {
			d.pending = append(d.pending, s)
			continue
		}
		d.done = append(d.done, s.seq)
		d.records.Add(-1)
		d.bytes.Add(-s.size)
		if d.doubt == nil && d.journal.get(s.seq) != nil { // a transaction in doubt may have moved it
			d.journal.drop(s.seq)
			continue
		}
		s.counted = true
		d.pending = append(d.pending, s)
	}
}

// due says whether it is time for a transaction.
func (d *Disk) due() bool {
	now := d.o.Now()
	return !d.urgent.IsZero() && time.Since(d.urgent) >= settleDelay || time.Since(d.movedAt) >= d.o.moveEvery || now.Sub(d.moved) >= d.o.moveEvery || now.Before(d.moved)
}

// nextTransaction is when there has to be one, if nothing happens before.
func (d *Disk) nextTransaction() time.Duration {
	switch {
	case !d.urgent.IsZero():
		return max(0, settleDelay-time.Since(d.urgent))
	case len(d.pending) > 0 || d.tight.Load():
		return max(time.Millisecond, d.o.moveEvery-time.Since(d.movedAt))
	default:
		return expireEvery
	}
}

// idle says that there is nothing to do: others had something to write meanwhile and took it along.
func (d *Disk) idle(batch []*write) bool {
	return len(batch)+len(d.done) == 0 && (len(d.pending) == 0 && !d.tight.Load() || !d.due()) && d.doubt == nil && d.problem.Load() == nil && time.Since(d.movedAt) < expireEvery
}

// quickly writes to the journal instead of the store: new events, and which of its own are settled. False means
// that a transaction has to do it: because of what is to be done, because it is time, or because something failed.
func (d *Disk) quickly(batch []*write) bool {
	// What is only settled can be noted in the journal at any time, unless the store has to take something now.
	if d.doubt != nil || d.problem.Load() != nil || d.journal.file == nil || d.due() && (len(batch) > 0 || len(d.pending) > 0 || d.tight.Load()) {
		return false
	}
	total, ids := 0, len(d.untold)
	for _, w := range batch {
		if w.record == nil || w.dead != 0 || w.mixed {
			return false
		}
		total += len(w.frame)
		ids += len(w.ids)
	}
	// How many more ids may be known than the window has, until the store forgets some.
	if ids > d.o.Window.IDs/8 {
		return false
	}
	c := changes{seq: d.lastSeq}
	data, added, err := d.frames(slices.Grow(d.scratch[:0], total+frameHeader+8*len(d.done)), batch, &c)
	at := len(data)
	data = appendSettled(data, d.done, c.seq)
	salted(data[at:], d.journal.salt)
	if cap(data) <= maxScratch {
		d.scratch = data
	}
	if err != nil || !d.journal.fits(len(data)) {
		return false
	}
	d.lastSeq = c.seq // also if it fails: a number is never used again
	if len(added) > 0 || len(batch) == 0 {
		if err := d.journal.write(data, len(added) > 0); err != nil {
			d.o.Logger.Warn("the buffer's journal cannot be used at the moment: the store takes everything itself", "error", err.Error())
			return false
		}
		d.done = d.done[:0]
	}
	d.journal.add(added)
	for _, i := range c.added {
		d.known[i] = struct{}{}
	}
	if len(d.untold) == 0 {
		d.untoldAt = d.o.Now()
	}
	d.untold = append(d.untold, c.added...)
	d.records.Add(c.records)
	d.bytes.Add(c.bytes)
	if len(added) > 0 {
		d.queue.wake()
	}
	return true
}

// frames appends what is new of a batch, in the form of the journal.
func (d *Disk) frames(data []byte, batch []*write, c *changes) ([]byte, []*journaled, error) {
	added := make([]*journaled, 0, len(batch))
	fresh := make(map[id]struct{}, len(batch))
	for _, w := range batch {
		w.err = nil
		if !d.admit(w, fresh, c) {
			continue
		}
		record, frame := w.record, w.frame
		if slices.Contains(w.duplicates, true) {
			record, frame = d.unseen(w), nil
		}
		if frame == nil {
			var err error
			if frame, err = record.AppendBinary(newFrame(nil, kindEvent)); err != nil {
				return data, nil, err
			}
		}
		c.seq++
		c.records++
		c.bytes += size(frame)
		added = append(added, &journaled{seq: c.seq, record: record, bytes: size(frame)})
		// The frame itself stays as it is, in case the journal fails and the store takes it.
		start := len(data)
		data = append(data, frame...)
		salted(seal(data[start:], c.seq, d.safeLow), d.journal.salt)
	}
	return data, added, nil
}

// unseen is the record without the entries that were here before.
func (d *Disk) unseen(w *write) *gateway.Record {
	r := &gateway.Record{Delivery: w.record.Delivery}
	for i, entry := range w.record.Entries {
		if !w.duplicates[i] {
			r.Entries = append(r.Entries, entry)
		}
	}
	return r
}

// move puts what the journal has into the store.
func (d *Disk) move(tx *bolt.Tx, c *changes) error {
	bucket := tx.Bucket(bucketEvents)
	bucket.FillPercent = 1
	for _, j := range d.journal.all() {
		value, err := j.record.AppendBinary(newFrame(make([]byte, 0, j.bytes), kindEvent))
		if err != nil {
			return err
		}
		if err := bucket.Put(keyBytes(j.seq), seal(value, j.seq, c.low)); err != nil {
			return err
		}
	}
	return nil
}

// gather adds what else waits, and what is about to: whoever can run already goes first, above all those whose events the
// last group had, and who are answered and come with the next ones. Each sync more costs time of the processor that they
// would need. Where nobody else has anything to do, nobody waits.
func (d *Disk) gather(batch []*write) []*write {
	for before := 0; before < len(batch); {
		before = len(batch)
		runtime.Gosched()
		batch = d.fill(batch)
	}
	return batch
}

// fill adds what else waits.
func (d *Disk) fill(batch []*write) []*write {
	total := 0
	for _, w := range batch {
		total += len(w.frame)
	}
	for len(batch) < maxBatch && total < maxBatchBytes {
		select {
		case w := <-d.writes:
			batch = append(batch, w)
			total += len(w.frame)
		default:
			return batch
		}
	}
	return batch
}

func (d *Disk) refuseWaiting() {
	for {
		select {
		case w := <-d.writes:
			w.done <- draining()
		default:
			return
		}
	}
}

// changes are what a transaction does to the writer's memory once it is committed.
type changes struct {
	added                []id
	removed              []id
	records, dead, bytes int64
	low                  uint64
	seq, deadSeq, idsSeq uint64
	expired, damaged     int
	appended             bool // there is something new to publish
	untold               int  // how many of added are known already, but not to the store
	at                   time.Time
}

// transact does everything in one transaction: what was settled, and the batch. Where the volume has no space for that, the
// reserve serves for all but what is new.
func (d *Disk) transact(batch []*write, low uint64) error {
	err := d.attempt(batch, low)
	if err != nil && noSpace(err) && d.release() {
		d.o.Logger.Error("the buffer's volume is full: no delivery is taken until there is space again", "error", err.Error())
		err = d.attempt(batch, low) // what is new is refused now, and the rest has space
	}
	if err == nil {
		d.hold()
	}
	return err
}

// attempt tries the transaction. On an error nothing of it counts, though the disk may have all of it: see resolve.
func (d *Disk) attempt(batch []*write, low uint64) error {
	if p := d.problem.Load(); p != nil && errors.Is(*p, errStructure) {
		return &gateway.UnavailableError{Reason: gateway.ReasonUnavailable, RetryAfter: time.Minute, Err: *p}
	}
	if err := d.resolve(); err != nil {
		return d.failed(err)
	}
	c := changes{low: low, seq: d.lastSeq, deadSeq: d.lastDead, idsSeq: d.lastIDs, added: slices.Clone(d.untold), untold: len(d.untold), at: d.o.Now()}
	number := 0
	err := guard(func() error {
		return d.db.Update(func(tx *bolt.Tx) error {
			number = tx.ID()
			if err := d.move(tx, &c); err != nil {
				return err
			}
			for _, s := range d.pending {
				if err := d.settle(tx, s, &c); err != nil {
					return err
				}
			}
			fresh := map[id]struct{}{}
			for _, w := range batch {
				w.err = nil
				if err := d.apply(tx, w, fresh, &c); err != nil {
					return err
				}
			}
			return errors.Join(d.remember(tx, &c), d.expire(tx, &c), tx.Bucket(bucketEvents).SetSequence(c.seq), tx.Bucket(bucketDead).SetSequence(c.deadSeq))
		})
	})
	// A number is never used again, also where it is not certain what the disk has of a failed write.
	d.lastSeq, d.lastDead, d.lastIDs = c.seq, c.deadSeq, c.idsSeq
	if err != nil {
		d.doubt = &doubt{id: number, changes: c, settled: len(d.pending)}
		return d.failed(err)
	}
	d.pending = nil
	d.count(c)
	if d.journal.file == nil {
		if err := d.journal.begin(); err != nil { // the next transaction tries again
			d.o.Logger.Warn("the buffer's journal cannot be used at the moment: the store takes everything itself", "error", err.Error())
		}
	}
	d.problem.Store(nil)
	return nil
}

// failed takes note of a transaction that failed.
func (d *Disk) failed(err error) error {
	d.note(err)
	reason := gateway.ReasonUnavailable
	if noSpace(err) {
		reason = gateway.ReasonFull
	}
	return &gateway.UnavailableError{Reason: reason, RetryAfter: 10 * time.Second, Err: err}
}

// count does in memory what a transaction did on disk.
func (d *Disk) count(c changes) {
	d.stored.Store(c.seq) // before the journal forgets
	d.journal.moved()
	d.untold, d.done, d.partly, d.urgent = nil, nil, nil, time.Time{}
	d.safeLow, d.moved, d.movedAt = c.low, c.at, time.Now()
	for _, i := range c.added {
		d.known[i] = struct{}{}
	}
	for _, i := range c.removed {
		delete(d.known, i)
	}
	d.records.Add(c.records)
	d.dead.Add(c.dead)
	d.bytes.Add(c.bytes)
	d.o.Metrics.DeadLetterExpired(c.expired)
	d.o.Metrics.Damaged(c.damaged)
	if c.appended {
		d.queue.wake()
	}
}

// doubt is a transaction that failed, perhaps after the file had all of it.
type doubt struct {
	id      int
	changes changes
	settled int // how much of what was settled it had
}

// resolve finds out what became of a transaction that failed. Where only the last step failed, the syncing of
// the page that makes it count, the file has it, and whoever reads sees it: then it counts after all, as if
// its sender had not been answered, so that a repetition meets a known event. Either way an empty transaction
// goes first. Without it, what the disk has for certain would be the state before the doubt, and the next
// transaction would write over pages that this state still needs after a loss of power.
func (d *Disk) resolve() error {
	if d.doubt == nil {
		return nil
	}
	// Whoever still reads the state before must be done before its pages are used again.
	d.reading.Lock()
	d.reading.Unlock() //nolint:staticcheck // only the waiting counts
	err := guard(func() error {
		return d.db.Update(func(tx *bolt.Tx) error {
			if tx.ID() > d.doubt.id {
				d.pending = d.pending[d.doubt.settled:]
				d.count(d.doubt.changes)
			}
			d.doubt = &doubt{id: tx.ID()}
			return nil
		})
	})
	if err == nil {
		d.doubt = nil
	}
	return err
}

// view reads.
func (d *Disk) view(read func(tx *bolt.Tx) error) error {
	d.reading.RLock()
	defer d.reading.RUnlock()
	return guard(func() error { return d.db.View(read) })
}

// note remembers why the store cannot be used at the moment, or ever.
func (d *Disk) note(err error) {
	if d.problem.Load() == nil {
		d.o.Logger.Error("the buffer on disk cannot be used", "error", err.Error())
	}
	if errors.Is(err, errStructure) {
		err = broken(d.db.Path(), err)
	}
	d.problem.Store(&err)
}

// apply does one write. An error of its own (w.err) leaves the others alone.
func (d *Disk) apply(tx *bolt.Tx, w *write, fresh map[id]struct{}, c *changes) error {
	if w.dead != 0 {
		value := tx.Bucket(bucketDead).Get(keyBytes(w.dead))
		if value == nil {
			w.err = gateway.ErrNoDeadLetter
			return nil
		}
		c.dead--
		c.bytes -= size(value)
		if err := tx.Bucket(bucketDead).Delete(keyBytes(w.dead)); err != nil {
			return err
		}
	}
	if w.record == nil || !d.admit(w, fresh, c) {
		return nil
	}
	return d.put(tx, w, c)
}

// admit says whether there is anything new in a record, and room for it. It notes the new ids.
func (d *Disk) admit(w *write, fresh map[id]struct{}, c *changes) bool {
	w.duplicates = make([]bool, len(w.record.Entries))
	left, added := 0, len(c.added)
	for i, id := range w.ids {
		if w.record.Entries[i].Event.ID != "" && (w.dead == 0 || id != w.own) {
			_, old := d.known[id]
			_, now := fresh[id]
			if w.duplicates[i] = old || now; w.duplicates[i] {
				continue
			}
			fresh[id] = struct{}{}
			c.added = append(c.added, id)
		}
		left++
	}
	if left == 0 {
		return false
	}
	if w.dead == 0 && (d.tight.Load() || d.bytes.Load()+c.bytes+int64(len(w.frame)) >= d.o.Capacity) {
		for _, id := range c.added[added:] {
			delete(fresh, id)
		}
		c.added = c.added[:added]
		w.err = &gateway.UnavailableError{Reason: gateway.ReasonFull, RetryAfter: 30 * time.Second, Err: errors.New("the buffer is full")}
		return false
	}
	return true
}

// put writes a record's new entries: events together, each dead letter on its own.
func (d *Disk) put(tx *bolt.Tx, w *write, c *changes) error {
	events := &gateway.Record{Delivery: w.record.Delivery}
	for i, entry := range w.record.Entries {
		switch {
		case w.duplicates[i]:
		case entry.Failure != nil:
			if err := d.putDead(tx, &gateway.Record{Delivery: w.record.Delivery, Entries: []gateway.Entry{entry}}, c); err != nil {
				return err
			}
		default:
			events.Entries = append(events.Entries, entry)
		}
	}
	if len(events.Entries) == 0 {
		return nil
	}
	value := w.frame
	if value == nil || len(events.Entries) != len(w.record.Entries) {
		var err error
		if value, err = events.AppendBinary(newFrame(nil, kindEvent)); err != nil {
			return err
		}
	}
	c.seq++
	c.records++
	c.appended = true
	c.bytes += size(value)
	bucket := tx.Bucket(bucketEvents)
	bucket.FillPercent = 1
	return bucket.Put(keyBytes(c.seq), seal(value, c.seq, c.low))
}

func (d *Disk) putDead(tx *bolt.Tx, r *gateway.Record, c *changes) error {
	value, err := r.AppendBinary(newFrame(nil, kindDead))
	if err != nil {
		return err
	}
	c.deadSeq++
	c.dead++
	c.bytes += size(value)
	bucket := tx.Bucket(bucketDead)
	bucket.FillPercent = 1
	return bucket.Put(keyBytes(c.deadSeq), seal(value, c.deadSeq, 0))
}

// settle takes note of an event that is done with.
func (d *Disk) settle(tx *bolt.Tx, s settled, c *changes) error {
	key := keyBytes(s.seq)
	if s.damaged != nil {
		c.damaged++
		frame := append(newFrame(nil, kindDamaged), s.damaged...)
		if err := tx.Bucket(bucketDamaged).Put(key, seal(frame, s.seq, 0)); err != nil {
			return err
		}
	}
	if s.dead != nil {
		if err := d.putDead(tx, s.dead, c); err != nil {
			return err
		}
	}
	if !s.remove {
		if s.progress == nil {
			return nil
		}
		frame := append(newFrame(nil, kindProgress), s.progress...)
		return tx.Bucket(bucketProgress).Put(key, seal(frame, s.seq, 0))
	}
	if !s.counted {
		c.records--
		c.bytes -= s.size
	}
	return errors.Join(tx.Bucket(bucketEvents).Delete(key), tx.Bucket(bucketProgress).Delete(key))
}

// remember writes the new ids as one block, and forgets the oldest blocks beyond the window.
func (d *Disk) remember(tx *bolt.Tx, c *changes) error {
	bucket, now := tx.Bucket(bucketIDs), d.o.Now()
	bucket.FillPercent = 1
	for _, block := range []struct {
		ids []id
		at  time.Time
	}{{c.added[:c.untold], d.untoldAt}, {c.added[c.untold:], now}} {
		if len(block.ids) == 0 {
			continue
		}
		frame := binary.BigEndian.AppendUint64(newFrame(nil, kindIDs), uint64(block.at.UnixNano()))
		for _, i := range block.ids {
			frame = append(frame, i[:]...)
		}
		c.idsSeq++
		if err := bucket.Put(keyBytes(c.idsSeq), seal(frame, c.idsSeq, 0)); err != nil {
			return err
		}
	}
	oldest := now.Add(-d.o.Window.Age)
	cursor := bucket.Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.First() {
		block, err := openFrame(kindIDs, keyNumber(k), v)
		if err == nil {
			over := len(d.known)+len(c.added)-c.untold-len(c.removed) > d.o.Window.IDs
			if !over && blockTime(block.payload).After(oldest) {
				return nil
			}
			for i := range blockIDs(block.payload) {
				c.removed = append(c.removed, i)
			}
		}
		if err := cursor.Delete(); err != nil {
			return err
		}
	}
	return nil
}

func blockTime(payload []byte) time.Time {
	if len(payload) < 8 {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(payload)))
}

func blockIDs(payload []byte) iter.Seq[id] {
	return func(yield func(id) bool) {
		if len(payload) < 8 {
			return
		}
		for rest := payload[8:]; len(rest) >= idSize; rest = rest[idSize:] {
			if !yield(id(rest[:idSize])) {
				return
			}
		}
	}
}

// expireEvery is how often dead letters are looked at.
const expireEvery = time.Minute

// expire erases dead letters that are too old, the oldest first.
func (d *Disk) expire(tx *bolt.Tx, c *changes) error {
	now := d.o.Now()
	if now.Sub(d.expired) < expireEvery {
		return nil
	}
	d.expired = now
	cursor := tx.Bucket(bucketDead).Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.First() {
		letter, err := deadLetter(k, v)
		if err == nil && now.Sub(letter.Entry.Failure.At) < d.o.DeadLetterAge {
			return nil
		}
		c.dead--
		c.bytes -= size(v)
		c.expired++
		if err := cursor.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// List implements gateway.DeadLetters.
func (d *Disk) List(_ context.Context, after string, limit int) ([]gateway.DeadLetter, error) {
	var out []gateway.DeadLetter
	start := uint64(0)
	if after != "" {
		n, err := parseDeadID(after)
		if err != nil {
			return nil, err
		}
		start = n + 1
	}
	err := d.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(bucketDead).Cursor()
		for k, v := cursor.Seek(keyBytes(start)); k != nil && len(out) < limit; k, v = cursor.Next() {
			letter, err := deadLetter(k, v)
			if err != nil {
				letter = damagedLetter(k)
			}
			out = append(out, letter)
		}
		return nil
	})
	return out, err
}

// Get implements gateway.DeadLetters.
func (d *Disk) Get(_ context.Context, name string) (letter gateway.DeadLetter, err error) {
	n, err := parseDeadID(name)
	if err != nil {
		return letter, err
	}
	err = d.view(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketDead).Get(keyBytes(n))
		if v == nil {
			return gateway.ErrNoDeadLetter
		}
		letter, err = deadLetter(keyBytes(n), v)
		return err
	})
	return letter, err
}

// Requeue implements gateway.DeadLetters.
func (d *Disk) Requeue(ctx context.Context, name string, entries []gateway.Entry) error {
	letter, err := d.Get(ctx, name)
	if err != nil {
		return err
	}
	n, err := parseDeadID(name)
	if err != nil {
		return err
	}
	// It begins anew: the age of its delivery must not make it a dead letter again at once.
	letter.Delivery.Received = d.o.Now()
	r := &gateway.Record{Delivery: letter.Delivery, Entries: entries}
	return d.do(ctx, &write{record: r, ids: idsOf(r), dead: n, own: idOf(letter.Delivery.Route, &letter.Entry), done: make(chan error, 1)})
}

// Drop implements gateway.DeadLetters.
func (d *Disk) Drop(ctx context.Context, name string) error {
	n, err := parseDeadID(name)
	if err != nil {
		return err
	}
	return d.do(ctx, &write{dead: n, done: make(chan error, 1)})
}

func deadLetter(key, value []byte) (gateway.DeadLetter, error) {
	f, err := openFrame(kindDead, keyNumber(key), value)
	if err != nil {
		return gateway.DeadLetter{}, err
	}
	r, err := gateway.DecodeRecord(append([]byte(nil), f.payload...))
	if err != nil || len(r.Entries) != 1 || r.Entries[0].Failure == nil {
		return gateway.DeadLetter{}, errDamaged
	}
	return gateway.DeadLetter{ID: deadID(keyNumber(key)), Delivery: r.Delivery, Entry: r.Entries[0]}, nil
}

func damagedLetter(key []byte) gateway.DeadLetter {
	return gateway.DeadLetter{ID: deadID(keyNumber(key)), Entry: gateway.Entry{Failure: &gateway.Failure{Reason: gateway.ReasonUnavailable, Detail: errDamaged.Error()}}}
}

// Names of dead letters have a fixed width, so that they sort like their numbers.
func deadID(n uint64) string { return fmt.Sprintf("%012d", n) }

func parseDeadID(name string) (uint64, error) {
	var n uint64
	if _, err := fmt.Sscanf(name, "%d", &n); err != nil || deadID(n) != name {
		return 0, gateway.ErrNoDeadLetter
	}
	return n, nil
}
