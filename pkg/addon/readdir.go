package addon

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// readDir reads the directory dir of root with everything below it. Links are followed where they stay
// in root; keep says which paths, relative to dir, are read (nil: all).
func readDir(root *os.Root, dir string, limits Limits, keep func(name string, isDir bool) bool) (Tree, error) {
	r := dirReader{root: root, dir: dir, budget: budget{limits: limits}, keep: keep}
	info, err := root.Stat(dir)
	if err != nil {
		return Tree{}, linkError(root, dir, err)
	}
	if !info.IsDir() {
		return Tree{}, fmt.Errorf("%s: not a directory", dir)
	}
	if err := r.walk(".", []fs.FileInfo{info}); err != nil {
		return Tree{}, err
	}
	return NewTree(r.files)
}

type dirReader struct {
	root   *os.Root
	dir    string
	budget budget
	keep   func(name string, isDir bool) bool
	files  []File
}

// walk reads the directory name, relative to r.dir; above are name itself and its parents.
func (r *dirReader) walk(name string, above []fs.FileInfo) error {
	entries, err := readNames(r.root, path.Join(r.dir, name))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		child := path.Join(name, entry)
		full := path.Join(r.dir, child)
		info, err := r.root.Stat(full)
		if err != nil {
			// What is left out may be broken.
			if r.keep != nil && !r.keep(child, false) {
				continue
			}
			return linkError(r.root, full, err)
		}
		if r.keep != nil && !r.keep(child, info.IsDir()) {
			continue
		}
		if err := r.budget.entry(full, strings.Count(child, "/")); err != nil {
			return err
		}
		switch {
		case info.IsDir():
			for _, parent := range above {
				if os.SameFile(parent, info) {
					return fmt.Errorf("%s: the link leads back to a directory above it; run addonctl link", full)
				}
			}
			if err := r.walk(child, append(above[:len(above):len(above)], info)); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			if err := r.file(child, full); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s: neither a file nor a directory; remove it", full)
		}
	}
	return nil
}

func (r *dirReader) file(name, full string) error {
	f, err := r.root.Open(full)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: neither a file nor a directory; remove it", full)
	}
	data, err := io.ReadAll(io.LimitReader(f, r.budget.limits.File+1))
	if err != nil {
		return err
	}
	if err := r.budget.file(full, int64(len(data))); err != nil {
		return err
	}
	r.files = append(r.files, File{Path: name, Data: data, Executable: info.Mode()&0o100 != 0})
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
