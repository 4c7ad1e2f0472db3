package buffer

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// JournalName is the name of the journal's file in the store's directory.
const JournalName = "journal"

const (
	// maxJournal bounds the journal's file, and so what waits in memory to be moved into the store.
	maxJournal = 4 << 20
	// growJournal is the step in which the file grows. Within what it has, syncing a write needs no other writes.
	growJournal = 1 << 20
	// journalHead is at the start of the file: many copies of the salt, because without it nothing can be read.
	journalHead = 4096
	saltMagic   = "KCJ1"
	saltCopy    = 64
)

// journal takes events on their way into the store: frames one after another in a file, one sync for all that wait.
// Most events are published a moment later and never reach the store. The store's next transaction takes those that
// are left, after which the journal begins anew, over what it has. Frames have numbers, and the store knows the last
// number that it took: older frames count for nothing.
//
// What a frame is worth is checked with a salt that no sender knows, because the rests of old frames hold their text.
//
// Only the writer changes it; the queue reads what is in memory.
type journal struct {
	path string
	file *os.File // nil while it cannot be used
	salt uint32
	at   int64 // where to write next
	size int64 // what the file has
	max  int64 // what the file may have

	mu    sync.Mutex
	first uint64       // the number of entries[0]
	open  []*journaled // nil where an event is settled
}

// journaled is a record that is safe in the journal and not in the store.
type journaled struct {
	seq    uint64
	record *gateway.Record
	bytes  int64
}

// begin makes the file anew. The first write syncs it, because it has to grow for that.
func (j *journal) begin() error {
	j.abandon()
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	j.salt = binary.BigEndian.Uint32(random[:])
	file, err := os.OpenFile(j.path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("the buffer's journal: %w", err)
	}
	if _, err := file.WriteAt(saltHead(j.salt), 0); err != nil {
		return errors.Join(fmt.Errorf("the buffer's journal: %w", err), file.Close())
	}
	j.file, j.at, j.size = file, journalHead, journalHead
	return nil
}

// abandon leaves the file as it is.
func (j *journal) abandon() {
	if j.file != nil {
		_ = j.file.Close() // what counts was synced
		j.file = nil
	}
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// write appends, and waits for the disk where sync says so. After an error the file is not used any more.
func (j *journal) write(data []byte, sync bool) (err error) {
	defer func() {
		if err != nil {
			j.abandon()
		}
	}()
	if end := j.at + int64(len(data)); end > j.size {
		grown := (end/growJournal + 1) * growJournal
		if _, err := j.file.WriteAt(make([]byte, grown-j.size), j.size); err != nil {
			return err
		}
		err := j.file.Sync()
		if j.size == journalHead { // its name has to be there after a loss of power, too
			err = errors.Join(err, syncDir(filepath.Dir(j.path)))
		}
		if err != nil {
			return err
		}
		j.size = grown
	}
	if _, err := j.file.WriteAt(data, j.at); err != nil {
		return err
	}
	j.at += int64(len(data))
	if !sync {
		return nil
	}
	return syncData(j.file)
}

// fits says whether so much can be appended.
func (j *journal) fits(n int) bool { return j.file != nil && j.at+int64(n) <= j.max }

// add keeps what was written.
func (j *journal) add(all []*journaled) {
	if len(all) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.open) == 0 {
		j.first = all[0].seq
	}
	for _, e := range all {
		for j.first+uint64(len(j.open)) < e.seq {
			j.open = append(j.open, nil)
		}
		j.open = append(j.open, e)
	}
}

// get is the record of that number, or nil.
func (j *journal) get(seq uint64) *journaled {
	j.mu.Lock()
	defer j.mu.Unlock()
	if seq < j.first || seq-j.first >= uint64(len(j.open)) {
		return nil
	}
	return j.open[seq-j.first]
}

// drop forgets a record that is settled.
func (j *journal) drop(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.open[seq-j.first] = nil
}

// from returns up to n records from a number on; more says that there are others.
func (j *journal) from(seq uint64, n int) (found []*journaled, more bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	start := uint64(0)
	if seq > j.first {
		start = min(seq-j.first, uint64(len(j.open)))
	}
	for _, e := range j.open[start:] {
		if e == nil {
			continue
		}
		if len(found) == n {
			return found, true
		}
		found = append(found, e)
	}
	return found, false
}

// all returns every record.
func (j *journal) all() []*journaled {
	found, _ := j.from(0, int(^uint(0)>>1))
	return found
}

// end closes the file. What the store has need not be read again.
func (j *journal) end() {
	if j.file != nil && len(j.all()) == 0 && j.at == journalHead {
		_ = j.file.Truncate(journalHead) // old frames count for nothing anyway
	}
	j.abandon()
}

// moved forgets everything: the store has it. The file begins anew, over what it has.
func (j *journal) moved() {
	j.mu.Lock()
	j.open = nil
	j.mu.Unlock()
	j.at = journalHead
}

// salted makes a sealed frame one of the journal, or one of the journal a sealed frame.
func salted(f []byte, salt uint32) []byte {
	binary.BigEndian.PutUint32(f[28:], binary.BigEndian.Uint32(f[28:])^salt)
	return f
}

func saltHead(salt uint32) []byte {
	copied := binary.BigEndian.AppendUint32([]byte(saltMagic), salt)
	copied = binary.BigEndian.AppendUint32(copied, crc32.Checksum(copied, castagnoli))
	copied = append(copied, make([]byte, saltCopy-len(copied))...)
	return bytes.Repeat(copied, journalHead/saltCopy)
}

// readSalt takes the first copy that is intact. A head of zeros is of a file that lost its power before its first
// write was synced: it has none, and that is no damage.
func readSalt(file io.ReaderAt) (salt uint32, ok bool, err error) {
	head := make([]byte, journalHead)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, false, err
	}
	for at := 0; at+saltCopy <= n; at += saltCopy {
		c := head[at:]
		if string(c[:4]) == saltMagic && binary.BigEndian.Uint32(c[8:]) == crc32.Checksum(c[:8], castagnoli) {
			return binary.BigEndian.Uint32(c[4:]), true, nil
		}
	}
	if len(bytes.Trim(head, "\x00")) > 0 {
		return 0, false, errors.New("all copies of its head are damaged: keep it and move it away to start without what it holds")
	}
	return 0, false, nil
}

// appendSettled ends each write: it says which records are settled, and the last number that was given, so that a
// damaged record at the end is missed.
func appendSettled(dst []byte, seqs []uint64, last uint64) []byte {
	at := len(dst)
	dst = newFrame(dst, kindSettled)
	for _, seq := range seqs {
		dst = binary.BigEndian.AppendUint64(dst, seq)
	}
	seal(dst[at:], last, 0)
	return dst
}

// contents takes what a journal holds.
type contents interface {
	// settle is told the number of a record that is settled, in the journal or in the store.
	settle(seq uint64) error
	// record takes a record; it may be settled.
	record(f frame, settled bool) error
	// damaged is told the number of a record that cannot be read.
	damaged(seq uint64)
}

// readJournal reads what a journal holds after a number. A file that is absent or was never begun holds nothing.
func readJournal(path string, after uint64, to contents) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the buffer's journal: %w", err)
	}
	defer file.Close()
	salt, ok, err := readSalt(file)
	switch {
	case err != nil:
		return fmt.Errorf("the buffer's journal %s: %w", path, err)
	case !ok:
		return nil
	}
	settled, seen := map[uint64]bool{}, map[uint64]bool{}
	var last uint64
	err = scan(file, salt, func(f frame) error {
		switch f.kind {
		case kindSettled:
			for rest := f.payload; len(rest) >= 8; rest = rest[8:] {
				settled[binary.BigEndian.Uint64(rest)] = true
			}
			last = max(last, f.key)
		case kindEvent:
			seen[f.key] = true
			last = max(last, f.key)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("the buffer's journal: %w", err)
	}
	for seq := after + 1; seq <= last; seq++ {
		if !seen[seq] && !settled[seq] {
			to.damaged(seq)
		}
	}
	for seq := range settled {
		if err := to.settle(seq); err != nil {
			return err
		}
	}
	err = scan(file, salt, func(f frame) error {
		if f.kind != kindEvent || f.key <= after {
			return nil
		}
		return to.record(f, settled[f.key])
	})
	if err != nil {
		return fmt.Errorf("the buffer's journal: %w", err)
	}
	return nil
}
