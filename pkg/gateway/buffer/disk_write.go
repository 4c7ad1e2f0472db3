package buffer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
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
)

// write is something that somebody waits for: a record to append, or a change of the dead letters.
type write struct {
	record *gateway.Record
	ids    []id
	frame  []byte // of the whole record, not sealed; nil for records with dead letters among them

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
	for {
		var batch []*write
		select {
		case w := <-d.writes:
			batch = d.fill(append(batch, w))
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
			d.pending = append(d.pending, d.queue.takeSettled()...)
			_ = d.transact(nil, low) // what fails is published again after the next start
			return
		}
		// In this order, what is older than low is settled in this transaction or was in an earlier one.
		low := d.queue.low()
		d.pending = append(d.pending, d.queue.takeSettled()...)
		err := d.transact(batch, low)
		if armed = err != nil; armed {
			timer.Reset(retryDelay)
		} else {
			timer.Reset(expireEvery)
		}
		for _, w := range batch {
			w.done <- errors.Join(w.err, err)
		}
	}
}

// fill adds what else waits.
func (d *Disk) fill(batch []*write) []*write {
	total := 0
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
}

// transact does everything in one transaction: what was settled, and the batch. On an error nothing of it
// counts, though the disk may have all of it: see resolve.
func (d *Disk) transact(batch []*write, low uint64) error {
	if p := d.problem.Load(); p != nil && errors.Is(*p, errStructure) {
		return &gateway.UnavailableError{Reason: gateway.ReasonUnavailable, RetryAfter: time.Minute, Err: *p}
	}
	if err := d.resolve(); err != nil {
		return d.failed(err)
	}
	c := changes{low: low, seq: d.lastSeq, deadSeq: d.lastDead, idsSeq: d.lastIDs}
	number := 0
	err := guard(func() error {
		return d.db.Update(func(tx *bolt.Tx) error {
			number = tx.ID()
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
	d.problem.Store(nil)
	d.count(c)
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
	if w.record == nil {
		return nil
	}
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
		return nil
	}
	if w.dead == 0 && d.bytes.Load()+c.bytes+int64(len(w.frame)) >= d.o.Capacity {
		for _, id := range c.added[added:] {
			delete(fresh, id)
		}
		c.added = c.added[:added]
		w.err = &gateway.UnavailableError{Reason: gateway.ReasonFull, RetryAfter: 30 * time.Second, Err: errors.New("the buffer is full")}
		return nil
	}
	return d.put(tx, w, c)
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
	c.records--
	c.bytes -= s.size
	return errors.Join(tx.Bucket(bucketEvents).Delete(key), tx.Bucket(bucketProgress).Delete(key))
}

// remember writes the new ids as one block, and forgets the oldest blocks beyond the window.
func (d *Disk) remember(tx *bolt.Tx, c *changes) error {
	bucket, now := tx.Bucket(bucketIDs), d.o.Now()
	if len(c.added) > 0 {
		frame := binary.BigEndian.AppendUint64(newFrame(nil, kindIDs), uint64(now.UnixNano()))
		for _, i := range c.added {
			frame = append(frame, i[:]...)
		}
		c.idsSeq++
		bucket.FillPercent = 1
		if err := bucket.Put(keyBytes(c.idsSeq), seal(frame, c.idsSeq, 0)); err != nil {
			return err
		}
	}
	oldest := now.Add(-d.o.Window.Age)
	cursor := bucket.Cursor()
	for k, v := cursor.First(); k != nil; k, v = cursor.First() {
		block, err := openFrame(kindIDs, keyNumber(k), v)
		if err == nil {
			over := len(d.known)+len(c.added)-len(c.removed) > d.o.Window.IDs
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
