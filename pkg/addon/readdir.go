package addon

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// readDir reads the directory dir with everything below it. Links are followed; keep says which paths, relative to dir,
// are read (nil: all).
func readDir(v view, dir string, limits Limits, keep func(name string, isDir bool) bool) (Tree, error) {
	start, err := v.find(v.top, dir, false)
	if err != nil {
		return Tree{}, err
	}
	at, err := v.follow(start)
	if err != nil {
		return Tree{}, linkError(dir, start, err)
	}
	if !at.kind.IsDir() {
		return Tree{}, fmt.Errorf("%s: not a directory", dir)
	}
	r := dirReader{view: v, dir: dir, budget: budget{limits: limits}, keep: keep}
	if err := r.walk(v.opened(at), ".", nil); err != nil {
		return Tree{}, err
	}
	return NewTree(r.files)
}

type dirReader struct {
	view
	dir    string
	budget budget
	keep   func(name string, isDir bool) bool
	files  []File
}

// walk reads a directory, whose name relative to r.dir is name; above are those that led to it.
func (r *dirReader) walk(d *opened, name string, above []*place) error {
	defer d.close()
	entries, err := d.entries()
	if err != nil {
		return err
	}
	above = append(above[:len(above):len(above)], d.place)
	near := &opened{} // the directory that the last link led into: the next one mostly does, too
	defer func() { near.close() }()
	for _, e := range entries {
		child := path.Join(name, e.name)
		full := path.Join(r.dir, child)
		at, err := r.follow(e)
		if r.keep != nil && !r.keep(child, err == nil && at.kind.IsDir()) {
			continue // it may be broken
		}
		if err != nil {
			return linkError(full, e, err)
		}
		if err := r.budget.entry(full, strings.Count(child, "/")); err != nil {
			return err
		}
		in := d
		if at.above != d.place {
			if near.place != at.above {
				near.close()
				near = r.opened(at.above)
			}
			in = near
		}
		switch {
		case slices.Contains(above, at):
			return fmt.Errorf("%s: the link leads back to a directory above it; run addonctl link", full)
		case at.kind.IsDir():
			err = r.walk(&opened{place: at, top: r.root, above: in}, child, above)
		case at.kind.IsRegular():
			err = r.file(in, at, child, full)
		default:
			err = notAFile(full)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *dirReader) file(in *opened, p *place, name, full string) error {
	f, err := in.file(p)
	if err != nil {
		return err
	}
	if err := r.budget.file(full, int64(len(f.Data))); err != nil {
		return err
	}
	r.files = append(r.files, File{Path: name, Data: f.Data, Executable: f.Executable})
	return nil
}
