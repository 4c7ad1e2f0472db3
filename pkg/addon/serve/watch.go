package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// maxWatched bounds the files that are looked at.
const maxWatched = 100_000

// State summarizes names, sizes, times and kinds of everything below the directories dirs of a directory, hidden
// ones and links included; a directory that does not exist counts as empty. Equal states mean that nothing was
// written.
func State(dir string, dirs ...string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	sum := sha256.New()
	seen := 0
	for _, below := range dirs {
		err := fs.WalkDir(root.FS(), below, func(name string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone while we looked
			}
			if err != nil {
				return err
			}
			if seen++; seen > maxWatched {
				return fmt.Errorf("%s: more than %d files to watch", dir, maxWatched)
			}
			return note(sum, root, name, e)
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func note(w io.Writer, root *os.Root, name string, e fs.DirEntry) error {
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		target, _ = root.Readlink(name) // gone while we looked: the next look tells
	}
	size, written := info.Size(), info.ModTime().UnixNano()
	if info.IsDir() {
		size, written = 0, 0 // what counts is what lies in it
	}
	_, err = fmt.Fprintf(w, "%q %v %d %d %q\n", name, info.Mode(), size, written, target)
	return err
}

// Watch looks at the state at every interval and calls changed when it is another one than last time, at first
// than last, until the context ends. A state that cannot be had counts as unchanged: what is being replaced is not there for a moment.
func Watch(ctx context.Context, interval time.Duration, last string, state func() (string, error), changed func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if now, err := state(); err == nil && now != last {
			last = now
			changed()
		}
	}
}
