package buffer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

// StoreName is the name of the store's file in its directory.
const StoreName = "events.db"

var (
	bucketEvents   = []byte("events")
	bucketProgress = []byte("progress")
	bucketDead     = []byte("dead")
	bucketIDs      = []byte("ids")
	bucketDamaged  = []byte("damaged")
	buckets        = [][]byte{bucketEvents, bucketProgress, bucketDead, bucketIDs, bucketDamaged}
)

// ErrStoreInUse says that another process has the store open.
var ErrStoreInUse = errors.New("the store is in use by another process")

// DiskOptions describe a store on disk. A zero value means the default that is named.
type DiskOptions struct {
	// Dir is the directory on a persistent volume.
	Dir string
	// Capacity bounds the bytes of events and dead letters; default 1 GiB, or two thirds of the volume if
	// that is less. A full buffer takes nothing until there is space again.
	Capacity int64
	// Share is how many stores have the capacity together; default 1.
	Share int
	// DeadLetterAge is how long dead letters are kept; default 30 days.
	DeadLetterAge time.Duration
	Window        Window
	// Pace bounds how fast events that have waited are handed out; nil means as fast as they are taken. It is
	// the dispatcher's, too.
	Pace    *gateway.Pace
	Metrics *gateway.Metrics
	Logger  *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// maxFile bounds the store's file and the reserve together, as a full volume does; for tests.
	maxFile int
	// moveEvery is when the store takes what the journal has, at the latest when something is written; default 1s.
	moveEvery time.Duration
}

func (o DiskOptions) withDefaults() DiskOptions {
	if o.Capacity <= 0 {
		o.Capacity = 1 << 30
		if total, _, ok := volume(o.Dir); ok {
			o.Capacity = min(o.Capacity, total*2/3)
		}
	}
	o.Capacity /= int64(max(o.Share, 1))
	if o.DeadLetterAge <= 0 {
		o.DeadLetterAge = 30 * 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = telemetry.Discard()
	}
	if o.Metrics == nil {
		o.Metrics = gateway.NewMetrics(telemetry.NewMetrics(gateway.MetricsPrefix))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.moveEvery <= 0 {
		o.moveEvery = time.Second
	}
	o.Window = o.Window.withDefaults()
	return o
}

// Disk keeps events in one bbolt file. One goroutine writes: whatever arrives while it waits for the disk
// goes into the next transaction, together with the ids, what was published meanwhile and new dead letters.
type Disk struct {
	o    DiskOptions
	db   *bolt.DB
	lock *os.File

	writes  chan *write
	stop    chan struct{} // closed to stop
	ended   chan struct{} // closed when the writer has stopped
	stopped sync.WaitGroup
	close   sync.Once

	// The writer's own.
	known    map[id]struct{}
	lastSeq  uint64
	lastDead uint64
	lastIDs  uint64
	expired  time.Time
	pending  []settled       // what is done with and not yet written
	done     []uint64        // records that are settled, which the journal does not know yet
	partly   map[uint64]bool // records of which pending has more than that they are settled
	urgent   time.Time       // when pending had to have a transaction first; zero: it can wait
	untold   []id            // known ids that the store does not have
	untoldAt time.Time       // of the first of them
	safeLow  uint64          // what is older was settled in a transaction
	scratch  []byte          // for the next group
	moved    time.Time       // the last transaction, by the options' clock
	movedAt  time.Time       // and by the process's own
	doubt    *doubt

	reading sync.RWMutex

	reserve *reserve
	tight   atomic.Bool // nothing new is taken until there is space again
	journal *journal
	// stored is the last number of a record that the store may have; the journal's are greater.
	stored atomic.Uint64

	queue *queue

	records, dead, bytes atomic.Int64
	problem              atomic.Pointer[error]

	timers sync.Pool // of *time.Timer, stopped
}

// OpenDisk opens the store, or makes it. A store that is damaged is refused, with the next step in the error.
func OpenDisk(o DiskOptions) (*Disk, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("buffer directory %s: %w: mount a volume that can be written", o.Dir, err)
	}
	o = o.withDefaults()
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(o.Dir, StoreName)
	space := newReserve(&o)
	db, err := openStore(path, space.limit())
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	d := &Disk{o: o, db: db, lock: lock, reserve: space, writes: make(chan *write, 2048), stop: make(chan struct{}), ended: make(chan struct{})}
	d.timers.New = func() any { return time.NewTimer(patience) }
	d.journal = &journal{path: filepath.Join(o.Dir, JournalName), max: space.size / 2}
	err = guard(d.load)
	if err != nil && noSpace(err) && d.release() {
		err = guard(d.load)
	}
	if err != nil {
		return nil, errors.Join(unusable(path, err), guard(db.Close), lock.Close())
	}
	d.stored.Store(d.lastSeq)
	d.moved, d.movedAt = o.Now(), time.Now()
	if err := d.journal.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("buffer directory %s: %w: mount a volume that can be written and has space", o.Dir, err), guard(db.Close), lock.Close())
	}
	d.hold()
	d.queue = newQueue(d)
	d.stopped.Go(d.writeAll)
	d.stopped.Go(d.queue.run)
	return d, nil
}

// lockDir keeps a second process away, before anything is read: a store in use looks damaged.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("buffer directory %s: %w: mount a volume that can be written", dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w: stop the gateway that has it open, or name another directory", ErrStoreInUse)
		}
		return nil, fmt.Errorf("buffer directory %s: %w", dir, err)
	}
	return f, nil
}

func openStore(path string, maxFile int) (*bolt.DB, error) {
	if err := inspect(path); err != nil {
		return nil, broken(path, err)
	}
	var db *bolt.DB
	err := guard(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout: time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, MaxSize: maxFile,
		})
		return err
	})
	if err != nil {
		return nil, unusable(path, err)
	}
	return db, nil
}

// unusable says why a store cannot be opened. Without space or leave to write, nothing of it is damaged.
func unusable(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("buffer store %s: %w: mount a volume that can be written", path, err)
	case noSpace(err):
		return fmt.Errorf("buffer store %s: %w: nothing of it is lost; enlarge the volume, or remove what else is on it", path, err)
	default:
		return broken(path, err)
	}
}

func broken(path string, err error) error {
	return fmt.Errorf("buffer store %s is damaged (%w): keep a copy, then recover what is intact with `event-gateway buffer salvage --buffer-dir %s --out DIR` and start with that directory", path, err, filepath.Dir(path))
}

// guard turns a panic, also one from a memory fault in the mapped file, into an error: bbolt panics on
// pages that make no sense.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errStructure, r)
		}
	}()
	return f()
}

// errStructure says that the store's file makes no sense; nothing more is done with it.
var errStructure = errors.New("the file's structure is damaged")

// load reads what the writer has to know.
func (d *Disk) load() error {
	d.known = map[id]struct{}{}
	d.records.Store(0)
	d.dead.Store(0)
	d.bytes.Store(0)
	return d.db.Update(func(tx *bolt.Tx) error {
		if err := checkBuckets(tx); err != nil {
			return err
		}
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		d.lastSeq = max(tx.Bucket(bucketEvents).Sequence(), lastKey(tx, bucketEvents))
		d.lastDead = max(tx.Bucket(bucketDead).Sequence(), lastKey(tx, bucketDead))
		d.lastIDs = lastKey(tx, bucketIDs)
		if err := d.replay(tx); err != nil {
			return err
		}
		for name, count := range map[string]*atomic.Int64{string(bucketEvents): &d.records, string(bucketDead): &d.dead} {
			c := tx.Bucket([]byte(name)).Cursor()
			for k, v := c.First(); k != nil; k, v = c.Next() {
				count.Add(1)
				d.bytes.Add(size(v))
			}
		}
		damaged := 0
		c := tx.Bucket(bucketIDs).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			block, err := openFrame(kindIDs, keyNumber(k), v)
			if err != nil {
				damaged++
				continue
			}
			for i := range blockIDs(block.payload) {
				d.known[i] = struct{}{}
			}
		}
		if damaged > 0 {
			d.o.Metrics.Damaged(damaged)
			d.o.Logger.Error("ids of earlier events are damaged: their repetitions will not be noticed", "blocks", damaged)
		}
		return nil
	})
}

// checkBuckets wants all parts of a store or none. One whose name is damaged would be missing, and nobody would notice.
func checkBuckets(tx *bolt.Tx) error {
	found := 0
	err := tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if !slices.ContainsFunc(buckets, func(known []byte) bool { return bytes.Equal(known, name) }) {
			return errStructure
		}
		found++
		return nil
	})
	if err == nil && found > 0 && found < len(buckets) {
		err = errStructure
	}
	return err
}

// replay moves what the journal has into the store. It was acknowledged, or its sender did not hear.
func (d *Disk) replay(tx *bolt.Tx) error {
	r := &replay{events: tx.Bucket(bucketEvents), progress: tx.Bucket(bucketProgress), last: d.lastSeq}
	if err := readJournal(d.journal.path, d.lastSeq, r); err != nil {
		return err
	}
	if r.lost > 0 {
		d.o.Metrics.Damaged(r.lost)
		d.o.Logger.Error("records of the buffer's journal are damaged and cannot be published; the last ones may never have been acknowledged", "records", r.lost)
	}
	d.lastSeq = r.last
	if err := r.events.SetSequence(r.last); err != nil || len(r.ids) == 0 {
		return err
	}
	d.lastIDs++
	block := binary.BigEndian.AppendUint64(newFrame(nil, kindIDs), uint64(d.o.Now().UnixNano()))
	return tx.Bucket(bucketIDs).Put(keyBytes(d.lastIDs), seal(append(block, r.ids...), d.lastIDs, 0))
}

// replay puts what a journal holds into the store.
type replay struct {
	events, progress *bolt.Bucket
	last             uint64
	lost             int
	ids              []byte
}

func (r *replay) settle(seq uint64) error {
	key := keyBytes(seq)
	return errors.Join(r.events.Delete(key), r.progress.Delete(key))
}

func (r *replay) record(f frame, settled bool) error {
	r.last = max(r.last, f.key)
	record, err := decodeRecord(f)
	if err != nil {
		r.lost++
		return nil //nolint:nilerr // it counts as damaged
	}
	for _, i := range idsOf(record) {
		r.ids = append(r.ids, i[:]...)
	}
	if settled {
		return nil
	}
	return r.events.Put(keyBytes(f.key), seal(append(newFrame(nil, kindEvent), f.payload...), f.key, f.low))
}

func (r *replay) damaged(seq uint64) {
	r.last = max(r.last, seq)
	r.lost++
}

func lastKey(tx *bolt.Tx, bucket []byte) uint64 {
	k, _ := tx.Bucket(bucket).Cursor().Last()
	return keyNumber(k)
}

// size is what a value counts for.
func size(value []byte) int64 { return int64(len(value)) + 64 }

// Append implements gateway.Buffer.
func (d *Disk) Append(ctx context.Context, r *gateway.Record) ([]bool, error) {
	w := &write{record: r, ids: idsOf(r), done: make(chan error, 1), mixed: mixed(r)}
	if !w.mixed {
		// Encoded here, on the sender's time and not on the writer's.
		w.frame, _ = r.AppendBinary(newFrame(make([]byte, 0, frameHeader+512+len(r.Delivery.Body)), kindEvent))
	}
	if err := d.do(ctx, w); err != nil {
		return nil, err
	}
	return w.duplicates, nil
}

// mixed says whether some entries are dead letters; those are written on their own.
func mixed(r *gateway.Record) bool {
	for i := range r.Entries {
		if r.Entries[i].Failure != nil {
			return true
		}
	}
	return false
}

// patience bounds the wait for the disk. What is written later is known, so that a repetition finds it.
const patience = 20 * time.Second

func (d *Disk) do(ctx context.Context, w *write) error {
	select {
	case d.writes <- w:
	case <-d.stop:
		return draining()
	default:
		return &gateway.UnavailableError{Reason: gateway.ReasonOverload, RetryAfter: time.Second, Err: errors.New("too many writes are waiting for the disk")}
	}
	timer := d.timers.Get().(*time.Timer)
	timer.Reset(patience)
	defer func() { timer.Stop(); d.timers.Put(timer) }()
	select {
	case err := <-w.done:
		return err
	case <-d.ended:
		select {
		case err := <-w.done:
			return err
		default:
			return draining()
		}
	case <-ctx.Done():
		return &gateway.UnavailableError{Reason: gateway.ReasonTimeout, Err: ctx.Err()}
	case <-timer.C:
		return &gateway.UnavailableError{Reason: gateway.ReasonTimeout, RetryAfter: patience, Err: errors.New("the disk does not answer")}
	}
}

func draining() error {
	return &gateway.UnavailableError{Reason: gateway.ReasonDraining, RetryAfter: time.Second, Err: errors.New("the gateway is shutting down")}
}

// Next implements gateway.Queue.
func (d *Disk) Next(ctx context.Context) (*gateway.Item, error) { return d.queue.next(ctx) }

// Settle implements gateway.Queue.
func (d *Disk) Settle(item *gateway.Item, s gateway.Settlement) { d.queue.settle(item, s) }

// Status implements gateway.Buffer.
func (d *Disk) Status() gateway.BufferStatus {
	s := gateway.BufferStatus{Waiting: d.records.Load(), DeadLetters: d.dead.Load(), Bytes: d.bytes.Load(), Capacity: d.o.Capacity}
	if p := d.problem.Load(); p != nil {
		s.Problem = *p
	} else if d.tight.Load() {
		s.Problem = errors.New("the buffer's volume is full: enlarge it, remove what else is on it, or see to it that the target takes events")
	} else if s.Bytes >= s.Capacity {
		s.Problem = errors.New("the buffer is full: enlarge its volume and capacity, or see to it that the target takes events")
	}
	return s
}

// Close implements gateway.Buffer. It writes what was settled meanwhile.
func (d *Disk) Close() error {
	d.close.Do(func() { close(d.stop) })
	d.stopped.Wait()
	d.journal.end()
	if p := d.problem.Load(); p != nil && errors.Is(*p, errStructure) {
		return d.lock.Close() // bbolt may not be able to close a file that makes no sense
	}
	return errors.Join(guard(d.db.Close), d.lock.Close())
}

// hold takes the reserve, if there is space for it. Without, what is free in the store's own file has to do.
func (d *Disk) hold() {
	if d.reserve.held {
		return
	}
	var used int64
	if info, err := os.Stat(d.db.Path()); err == nil {
		used = info.Size()
	}
	if err := d.reserve.hold(used); err != nil {
		tight := int64(d.db.Stats().FreePageN)*int64(os.Getpagesize()) < d.reserve.size
		if d.tight.Swap(tight) != tight && tight {
			d.o.Logger.Error("the buffer's volume is full: no delivery is taken until there is space again", "error", err.Error())
		}
		return
	}
	d.tight.Store(false)
	d.db.MaxSize = d.reserve.limit()
}

// release gives the reserve to the store. Nothing new is taken then.
func (d *Disk) release() bool {
	if !d.reserve.release() {
		return false
	}
	d.db.MaxSize = d.reserve.limit()
	d.tight.Store(true)
	return true
}

// noSpace says whether a transaction failed because there is no more space.
func noSpace(err error) bool {
	return errors.Is(err, bolterrors.ErrMaxSizeReached) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) ||
		strings.Contains(err.Error(), syscall.ENOSPC.Error()) // bbolt does not wrap what resizing the file says
}
