package addon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// place is a file, a directory or a link, as it was when somebody first looked: it is read once, from the directory that
// it lies in. Links are followed here and not by the system, so that none leads out. It is safe for concurrent use.
type place struct {
	above *place // nil: the top
	name  string
	path  string      // from the top
	kind  fs.FileMode // the type; that of the link itself where it is one

	once    sync.Once
	err     error
	entries []*place // of a directory, by name
	target  string   // of a link
	file    File     // of a file; its path says nothing
}

// newTop is the top of all places in a directory.
func newTop() *place { return &place{path: ".", kind: fs.ModeDir} }

func (p *place) isLink() bool { return p.kind&fs.ModeSymlink != 0 }

// opened is a directory that is opened when something of it is read for the first time: from the one above, or by its
// way from the top where above is nil.
type opened struct {
	place *place
	top   *os.Root
	above *opened
	root  *os.Root
}

func (o *opened) open() (*os.Root, error) {
	if o.place.above == nil {
		return o.top, nil
	}
	if o.root != nil {
		return o.root, nil
	}
	from, way := o.top, o.place.path
	if o.above != nil {
		var err error
		if from, err = o.above.open(); err != nil {
			return nil, err
		}
		way = o.place.name
	}
	root, err := from.OpenRoot(way)
	o.root = root
	return root, err
}

func (o *opened) close() {
	if o.root != nil {
		_ = o.root.Close() // nothing was written
	}
}

// entries are what lies in the directory, by name.
func (o *opened) entries() ([]*place, error) {
	p := o.place
	p.once.Do(func() {
		var at *os.Root
		if at, p.err = o.open(); p.err == nil {
			p.entries, p.err = list(at, p)
		}
	})
	return p.entries, p.err
}

// file reads what lies in the directory at p.
func (o *opened) file(p *place) (File, error) {
	p.once.Do(func() {
		var at *os.Root
		if at, p.err = o.open(); p.err == nil {
			p.file, p.err = readFile(at, p)
		}
	})
	return p.file, p.err
}

// walk is Repository.Walk, below the directory.
func (o *opened) walk(enter func(dir string) bool, visit func(name string, read func() ([]byte, error)) bool) bool {
	defer o.close()
	entries, _ := o.entries()
	for _, p := range entries {
		switch {
		case p.kind.IsRegular():
			if !visit(p.path, func() ([]byte, error) { f, err := o.file(p); return f.Data, err }) {
				return false
			}
		case p.kind.IsDir() && enter(p.path):
			if below := (&opened{place: p, top: o.top, above: o}); !below.walk(enter, visit) {
				return false
			}
		}
	}
	return true
}

// toRead opens at once whatever it is: a pipe that takes the place of a file does not make anybody wait.
const toRead = os.O_RDONLY | syscall.O_NONBLOCK

func list(at *os.Root, above *place) ([]*place, error) {
	dir, err := at.OpenFile(".", toRead, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	found, err := dir.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	entries := make([]*place, len(found))
	for i, e := range found {
		p := &place{above: above, name: e.Name(), path: path.Join(above.path, e.Name()), kind: e.Type()}
		if p.isLink() {
			p.target, p.err = at.Readlink(e.Name())
			p.target = filepath.ToSlash(p.target)
		}
		entries[i] = p
	}
	return entries, nil
}

func readFile(at *os.Root, p *place) (File, error) {
	f, err := at.OpenFile(p.name, toRead, 0)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	if !info.Mode().IsRegular() {
		return File{}, notAFile(p.path)
	}
	most := DefaultLimits().File
	var data bytes.Buffer
	data.Grow(int(min(info.Size(), most)) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return File{}, err
	}
	return File{Data: data.Bytes(), Executable: info.Mode()&0o100 != 0}, nil
}

func notAFile(name string) error {
	return fmt.Errorf("%s: neither a file nor a directory; remove it", name)
}

// view is a directory that is read: its places, and itself, opened.
type view struct {
	root *os.Root
	top  *place
}

func (v view) opened(p *place) *opened { return &opened{place: p, top: v.root} }

// maxLinks bounds the links on the way to one place.
const maxLinks = 40

var (
	errNoDirectory = errors.New("not a directory")
	errLeaves      = errors.New("leaves the directory")
	errLoop        = errors.New("too many links")
)

// find goes a way from a directory; links on it are followed, and the last part too if it is to be. A way that ends nowhere is
// fs.ErrNotExist.
func (v view) find(from *place, way string, last bool) (*place, error) {
	at, links := from, 0
	for rest := strings.Split(way, "/"); len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch {
		case !at.kind.IsDir():
			return nil, errNoDirectory
		case part == "" || part == ".":
			continue
		case part == "..":
			if at = at.above; at == nil {
				return nil, errLeaves
			}
			continue
		}
		next, err := v.entry(at, part)
		if err != nil {
			return nil, err
		}
		if !next.isLink() || len(rest) == 0 && !last {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return nil, errLoop
		}
		if next.err != nil {
			return nil, next.err
		}
		if isAbs(next.target) {
			return nil, errLeaves
		}
		rest = append(strings.Split(next.target, "/"), rest...)
	}
	return at, nil
}

func isAbs(target string) bool {
	return path.IsAbs(target) || filepath.IsAbs(filepath.FromSlash(target))
}

func (v view) entry(dir *place, name string) (*place, error) {
	in := v.opened(dir)
	defer in.close()
	entries, err := in.entries()
	if err != nil {
		return nil, err
	}
	at := path.Join(dir.path, name)
	i, found := slices.BinarySearchFunc(entries, name, func(p *place, name string) int { return strings.Compare(p.name, name) })
	if !found {
		return nil, &fs.PathError{Op: "open", Path: at, Err: fs.ErrNotExist}
	}
	return entries[i], nil
}

// follow is where a place leads: itself unless it is a link.
func (v view) follow(p *place) (*place, error) {
	if !p.isLink() {
		return p, nil
	}
	return v.find(p.above, p.name, true)
}

// list lists the directory at a way from the top.
func (v view) list(way string) ([]*place, error) {
	p, err := v.find(v.top, way, true)
	if err != nil {
		return nil, err
	}
	if !p.kind.IsDir() {
		return nil, errNoDirectory
	}
	in := v.opened(p)
	defer in.close()
	return in.entries()
}

// read reads the file at a way from the top.
func (v view) read(way string) ([]byte, error) {
	p, err := v.find(v.top, way, true)
	if err != nil {
		return nil, err
	}
	if !p.kind.IsRegular() {
		return nil, notAFile(way)
	}
	in := v.opened(p.above)
	defer in.close()
	f, err := in.file(p)
	return f.Data, err
}

// linkError says of a place that cannot be followed why; name is what people call it.
func linkError(name string, p *place, err error) error {
	switch {
	case !p.isLink():
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: the link to %s leads nowhere; run addonctl link", name, p.target)
	case isAbs(p.target):
		return fmt.Errorf("%s: the link to %s is absolute; run addonctl link to make it relative", name, p.target)
	default:
		return fmt.Errorf("%s: the link to %s leaves the repository or cannot be followed; run addonctl link", name, p.target)
	}
}
