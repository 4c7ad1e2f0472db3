package buffer

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// ReserveName is the name of the file in the store's directory that keeps space for the store itself.
const ReserveName = "reserve"

const (
	maxReserve = 2 * maxJournal
	minReserve = 256 << 10
)

// reserve keeps space on the volume. A store takes space also to remove what was published, because it never writes
// over what counts. On a full volume nothing would ever leave it, and what the journal has could not be moved
// into it at the next start. So something is given back then, and new events have to wait until it is there again.
type reserve struct {
	path string
	// size is as much as the store needs for what the journal holds at most, and for the transactions that make room.
	size int64
	// within is the size of the volume for tests, in which the store's file and the reserve have to fit; 0 means the real one.
	within int64
	held   bool
}

// newReserve finds out what a directory's volume allows.
func newReserve(o *DiskOptions) *reserve {
	r := &reserve{path: filepath.Join(o.Dir, ReserveName), size: maxReserve, within: int64(o.maxFile)}
	if total, _, ok := volume(o.Dir); ok {
		r.size = max(min(r.size, total/8), minReserve)
	}
	if r.within > 0 {
		r.size = min(r.size, r.within/8)
	}
	info, err := os.Stat(r.path)
	r.held = err == nil && info.Size() == r.size
	return r
}

// volume is the size of a directory's volume and what of it is free, in bytes.
func volume(dir string) (total, free int64, ok bool) {
	var v syscall.Statfs_t
	if err := syscall.Statfs(dir, &v); err != nil {
		return 0, 0, false
	}
	block := int64(v.Bsize) //nolint:unconvert // an uint32 on other systems
	return int64(v.Blocks) * block, int64(v.Bavail) * block, true
}

// hold takes the space, if the volume has it. used is the size of the store's file.
func (r *reserve) hold(used int64) (err error) {
	if r.held {
		return nil
	}
	if _, free, ok := volume(filepath.Dir(r.path)); ok && free < r.size || r.within > 0 && used+r.size > r.within {
		return syscall.ENOSPC
	}
	file, err := os.OpenFile(r.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(allocate(file, r.size), file.Close()); err != nil {
		return errors.Join(err, os.Remove(r.path))
	}
	r.held = true
	return nil
}

// release gives the space back. It says whether there was any.
func (r *reserve) release() bool {
	if !r.held {
		return false
	}
	r.held = os.Remove(r.path) != nil
	return !r.held
}

// limit is how large the store's file may become; 0 means as large as the volume allows.
func (r *reserve) limit() int {
	switch {
	case r.within == 0:
		return 0
	case r.held:
		return int(r.within - r.size)
	default:
		return int(r.within)
	}
}

// zeros takes space for a file by writing it.
func zeros(file *os.File, size int64) error {
	block := make([]byte, 256<<10)
	for at := int64(0); at < size; at += int64(len(block)) {
		if _, err := file.WriteAt(block[:min(int64(len(block)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}
