package buffer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Salvaged counts what Salvage recovered.
type Salvaged struct {
	// Records have events to publish, DeadLetters wait for a person, IDBlocks keep repetitions away.
	Records, DeadLetters, IDBlocks int
	// Old were recovered too, but had been settled before.
	Old int
}

// Salvage reads a store that may be damaged and writes what is intact into a new one. It does not trust
// the file's structure: it looks for values and takes those whose checksum holds. Events that were
// published shortly before may be published again, with the same ids. The old store is not changed.
func Salvage(from, to string) (s Salvaged, err error) {
	lock, err := lockDir(from)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	source, err := os.Open(filepath.Join(from, StoreName))
	if err != nil {
		return s, fmt.Errorf("salvage: %w: name the directory that holds %s", err, StoreName)
	}
	defer source.Close()
	if err := os.MkdirAll(to, 0o700); err != nil {
		return s, fmt.Errorf("salvage: %w", err)
	}
	path := filepath.Join(to, StoreName)
	if _, err := os.Stat(path); err == nil {
		return s, fmt.Errorf("salvage: %s exists: name an empty directory", path)
	}
	db, err := openStore(path, 0)
	if err != nil {
		return s, err
	}
	r := &rescue{db: db}
	err = errors.Join(r.prepare(), scan(source, 0, r.take), readJournal(filepath.Join(from, JournalName), 0, r), r.flush(), r.finish(&s), db.Close())
	return s, err
}

// rescue collects values and writes them in batches.
type rescue struct {
	db    *bolt.DB
	batch []frame
	bytes int
	low   uint64
	// settled are the records that the journal says so of.
	settled []uint64
	ids     []byte // of the records: blocks of ids are few, and may be what was hit
}

// record takes a record of the journal. What is settled is only known.
func (r *rescue) record(f frame, settled bool) error {
	if settled {
		r.remember(f)
		return nil
	}
	return r.take(f)
}

func (r *rescue) settle(seq uint64) error {
	r.settled = append(r.settled, seq)
	return nil
}

func (r *rescue) damaged(uint64) {}

// remember keeps the ids of a record.
func (r *rescue) remember(f frame) {
	if f.kind != kindEvent {
		return
	}
	if record, err := decodeRecord(f); err == nil {
		for _, i := range idsOf(record) {
			r.ids = append(r.ids, i[:]...)
		}
	}
}

func (r *rescue) prepare() error {
	return r.db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *rescue) take(f frame) error {
	r.low = max(r.low, f.low)
	f.payload = bytes.Clone(f.payload)
	r.remember(f)
	r.batch = append(r.batch, f)
	if r.bytes += len(f.payload); r.bytes < maxBatchBytes && len(r.batch) < 4096 {
		return nil
	}
	return r.flush()
}

var bucketOf = map[byte][]byte{kindEvent: bucketEvents, kindProgress: bucketProgress, kindDead: bucketDead, kindIDs: bucketIDs}

func (r *rescue) flush() error {
	err := r.db.Update(func(tx *bolt.Tx) error {
		for _, f := range r.batch {
			bucket, known := bucketOf[f.kind]
			if !known {
				continue
			}
			// The file holds old copies of a record's progress; bits are only ever added.
			if f.kind == kindProgress {
				if old, err := openFrame(kindProgress, f.key, tx.Bucket(bucket).Get(keyBytes(f.key))); err == nil && len(old.payload) == len(f.payload) {
					for i := range f.payload {
						f.payload[i] |= old.payload[i]
					}
				}
			}
			value := seal(append(newFrame(nil, f.kind), f.payload...), f.key, f.low)
			if err := tx.Bucket(bucket).Put(keyBytes(f.key), value); err != nil {
				return err
			}
		}
		return nil
	})
	r.batch, r.bytes = r.batch[:0], 0
	return err
}

// finish leaves out what was settled before the newest event was written, and counts the rest.
func (r *rescue) finish(s *Salvaged) error {
	return r.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketEvents, bucketProgress} {
			c := tx.Bucket(name).Cursor()
			for k, _ := c.First(); k != nil && keyNumber(k) < r.low; k, _ = c.First() {
				if err := c.Delete(); err != nil {
					return err
				}
				if name[0] == bucketEvents[0] {
					s.Old++
				}
			}
		}
		for _, seq := range r.settled {
			key := keyBytes(seq)
			if tx.Bucket(bucketEvents).Get(key) == nil {
				continue
			}
			s.Old++
			if err := errors.Join(tx.Bucket(bucketEvents).Delete(key), tx.Bucket(bucketProgress).Delete(key)); err != nil {
				return err
			}
		}
		if len(r.ids) > 0 {
			block := binary.BigEndian.AppendUint64(newFrame(nil, kindIDs), uint64(time.Now().UnixNano()))
			number := lastKey(tx, bucketIDs) + 1
			if err := tx.Bucket(bucketIDs).Put(keyBytes(number), seal(append(block, r.ids...), number, 0)); err != nil {
				return err
			}
		}
		for name, n := range map[string]*int{string(bucketEvents): &s.Records, string(bucketDead): &s.DeadLetters, string(bucketIDs): &s.IDBlocks} {
			c := tx.Bucket([]byte(name)).Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.Next() {
				*n++
			}
		}
		return errors.Join(
			tx.Bucket(bucketEvents).SetSequence(max(r.low, lastKey(tx, bucketEvents))),
			tx.Bucket(bucketDead).SetSequence(lastKey(tx, bucketDead)))
	})
}

// scan calls take for every intact frame of a file, wherever it stands. A frame inside another one is
// payload and is not taken. The salt is a journal's, otherwise 0.
func scan(file io.ReaderAt, salt uint32, take func(frame) error) error {
	const window = 1 << 20
	buf := make([]byte, window)
	for offset := int64(0); ; {
		n, err := file.ReadAt(buf, offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		at := bytes.Index(buf[:n], []byte(frameMagic))
		switch {
		case at < 0 && n < window:
			return nil
		case at < 0:
			offset += int64(n - len(frameMagic) + 1)
			continue
		}
		offset += int64(at)
		f, ok := readFrame(file, offset, salt)
		if !ok {
			offset++
			continue
		}
		if err := take(f); err != nil {
			return err
		}
		offset += int64(frameHeader + len(f.payload))
	}
}

func readFrame(file io.ReaderAt, offset int64, salt uint32) (frame, bool) {
	header := make([]byte, frameHeader)
	if _, err := file.ReadAt(header, offset); err != nil {
		return frame{}, false
	}
	length, ok := frameLength(header)
	if !ok {
		return frame{}, false
	}
	data := make([]byte, length)
	if _, err := file.ReadAt(data, offset); err != nil {
		return frame{}, false
	}
	f, err := parseFrame(salted(data, salt))
	return f, err == nil
}
