package addon

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
)

// linked remembers what the directories hold that links lead to: the library chart is part of every add-on, and is read
// once. It is good as long as nothing changes.
type linked struct {
	mu   sync.Mutex
	dirs []linkedDir
}

type linkedDir struct {
	info fs.FileInfo
	held []held
}

// held is a file or directory below another one.
type held struct {
	path string // relative to that one
	dir  bool
	file File // its path says nothing
}

func (l *linked) find(info fs.FileInfo) []held {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.dirs {
		if os.SameFile(d.info, info) {
			return d.held
		}
	}
	return nil
}

func (l *linked) keep(info fs.FileInfo, held []held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirs = append(l.dirs, linkedDir{info, held})
}

// again takes what a directory holds as if it were read. It is not done where something of it is to be left out.
func (r *dirReader) again(e entry, all []held) (done bool, err error) {
	if len(all) == 0 {
		return false, nil
	}
	for _, h := range all {
		if r.keep != nil && !r.keep(path.Join(e.name, h.path), h.dir) {
			return false, nil
		}
	}
	for _, h := range all {
		child, full := path.Join(e.name, h.path), path.Join(e.full, h.path)
		if err := r.budget.entry(full, strings.Count(child, "/")); err != nil {
			return true, err
		}
		if !h.dir {
			if err := r.budget.file(full, int64(len(h.file.Data))); err != nil {
				return true, err
			}
		}
		r.found = append(r.found, held{child, h.dir, h.file})
	}
	return true, nil
}

// remember keeps what was found below a directory.
func (r *dirReader) remember(e entry, info fs.FileInfo, found []held) {
	all := make([]held, len(found))
	for i, h := range found {
		all[i] = held{strings.TrimPrefix(h.path, e.name+"/"), h.dir, h.file}
	}
	r.linked.keep(info, all)
}
