package addon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// readDir reads the directory dir of root with everything below it. Links are followed where they stay
// in root, and what they lead to is taken from links (nil: read each time); keep says which paths, relative to dir, are read (nil: all).
func readDir(root *os.Root, dir string, limits Limits, links *linked, keep func(name string, isDir bool) bool) (Tree, error) {
	r := dirReader{root: root, dir: dir, budget: budget{limits: limits}, linked: links, keep: keep}
	info, err := root.Stat(dir)
	if err != nil {
		return Tree{}, linkError(root, dir, err)
	}
	if !info.IsDir() {
		return Tree{}, fmt.Errorf("%s: not a directory", dir)
	}
	at, err := root.OpenRoot(dir)
	if err != nil {
		return Tree{}, err
	}
	defer at.Close()
	if err := r.walk(at, ".", []fs.FileInfo{info}); err != nil {
		return Tree{}, err
	}
	var files []File
	for _, h := range r.found {
		if !h.dir {
			files = append(files, File{Path: h.path, Data: h.file.Data, Executable: h.file.Executable})
		}
	}
	return NewTree(files)
}

type dirReader struct {
	root   *os.Root
	dir    string
	budget budget
	linked *linked
	keep   func(name string, isDir bool) bool
	found  []held // relative to dir
	less   bool   // something was left out
}

// walk reads the directory at, whose name relative to r.dir is name; above are the directory itself and its parents.
// What lies in it is opened from there, which takes a fraction of the way from r.root; links start at r.root, since
// they may lead elsewhere in it.
func (r *dirReader) walk(at *os.Root, name string, above []fs.FileInfo) error {
	entries, err := fs.ReadDir(at.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		child := path.Join(name, e.Name())
		one := entry{name: child, full: path.Join(r.dir, child), root: at, at: e.Name(), kind: e.Type()}
		var info fs.FileInfo
		if !e.Type().IsRegular() {
			if e.Type()&fs.ModeSymlink != 0 {
				one.root, one.at = r.root, one.full
			}
			if info, err = one.root.Stat(one.at); err != nil {
				// What is left out may be broken.
				if r.keep != nil && !r.keep(child, false) {
					r.less = true
					continue
				}
				return linkError(r.root, one.full, err)
			}
			one.kind = info.Mode().Type()
		}
		if r.keep != nil && !r.keep(child, one.kind.IsDir()) {
			r.less = true
			continue
		}
		if err := r.budget.entry(one.full, strings.Count(child, "/")); err != nil {
			return err
		}
		switch {
		case one.kind.IsDir():
			err = r.below(one, info, above)
		case one.kind.IsRegular():
			err = r.file(one)
		default:
			err = notAFile(one.full)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entry is what a directory holds, with the way to open it.
type entry struct {
	name, full string // relative to the reader's directory, and to its root
	root       *os.Root
	at         string
	kind       fs.FileMode // with links followed
}

func (r *dirReader) below(e entry, info fs.FileInfo, above []fs.FileInfo) error {
	for _, parent := range above {
		if os.SameFile(parent, info) {
			return fmt.Errorf("%s: the link leads back to a directory above it; run addonctl link", e.full)
		}
	}
	r.found = append(r.found, held{path: e.name, dir: true})
	byLink := r.linked != nil && e.root == r.root
	if byLink {
		if done, err := r.again(e, r.linked.find(info)); done {
			return err
		}
	}
	at, err := e.root.OpenRoot(e.at)
	if err != nil {
		return err
	}
	defer at.Close()
	from, less := len(r.found), r.less
	r.less = false
	if err := r.walk(at, e.name, append(above[:len(above):len(above)], info)); err != nil {
		return err
	}
	if byLink && !r.less {
		r.remember(e, info, r.found[from:])
	}
	r.less = r.less || less
	return nil
}

func notAFile(name string) error {
	return fmt.Errorf("%s: neither a file nor a directory; remove it", name)
}

func (r *dirReader) file(e entry) error {
	f, err := e.root.Open(e.at)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return notAFile(e.full)
	}
	var data bytes.Buffer
	data.Grow(int(min(info.Size(), r.budget.limits.File)) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(f, r.budget.limits.File+1)); err != nil {
		return err
	}
	if err := r.budget.file(e.full, int64(data.Len())); err != nil {
		return err
	}
	r.found = append(r.found, held{path: e.name, file: File{Data: data.Bytes(), Executable: info.Mode()&0o100 != 0}})
	return nil
}

func readNames(root *os.Root, dir string) ([]string, error) {
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// linkError says of a path that cannot be followed why.
func linkError(root *os.Root, name string, err error) error {
	target, linkErr := root.Readlink(name)
	switch {
	case linkErr != nil:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: the link to %s leads nowhere; run addonctl link", name, target)
	case path.IsAbs(target):
		return fmt.Errorf("%s: the link to %s is absolute; run addonctl link to make it relative", name, target)
	default:
		return fmt.Errorf("%s: the link to %s leaves the repository or cannot be followed; run addonctl link", name, target)
	}
}
