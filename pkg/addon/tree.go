package addon

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// File is one regular file of an add-on or a chart.
type File struct {
	// Path is relative, clean and separated by slashes.
	Path string
	Data []byte
	// Executable is all of the file's mode that travels.
	Executable bool
}

// Tree is the content of an add-on or a chart in memory: regular files, sorted by path, links already
// followed. It is immutable and safe for concurrent use. The zero value is an empty tree.
type Tree struct{ files []File }

// NewTree makes a tree of files. Their paths must be relative and clean, and no path may occur twice or
// be both a file and a directory.
func NewTree(files []File) (Tree, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for i, f := range files {
		if !printable(f.Path) {
			return Tree{}, fmt.Errorf("%q: the name is no UTF-8 text of printable characters; rename the file", f.Path)
		}
		if !fs.ValidPath(f.Path) || f.Path == "." {
			return Tree{}, fmt.Errorf("%q is not a path inside the add-on; use relative names without \"..\"", f.Path)
		}
		if i > 0 && files[i-1].Path == f.Path {
			return Tree{}, fmt.Errorf("%s occurs twice; remove one of them", f.Path)
		}
	}
	t, dirs := Tree{files: files}, map[string]bool{}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "." && !dirs[dir]; dir = path.Dir(dir) {
			if _, isFile := t.Read(dir); isFile {
				return Tree{}, fmt.Errorf("%s is a file and a directory; remove one of them", dir)
			}
			dirs[dir] = true
		}
	}
	return t, nil
}

// below are the files whose paths begin with a prefix; they lie side by side.
func (t Tree) below(prefix string) []File {
	from := sort.Search(len(t.files), func(i int) bool { return t.files[i].Path >= prefix })
	n := sort.Search(len(t.files)-from, func(i int) bool { return !strings.HasPrefix(t.files[from+i].Path, prefix) })
	return t.files[from : from+n]
}

// Files returns all files in the order of their paths. Do not change them.
func (t Tree) Files() []File { return t.files }

// All yields path and content of all files in the order of their paths.
func (t Tree) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, f := range t.files {
			if !yield(f.Path, f.Data) {
				return
			}
		}
	}
}

// Size is the sum of the files' sizes in bytes.
func (t Tree) Size() int64 {
	var n int64
	for _, f := range t.files {
		n += int64(len(f.Data))
	}
	return n
}

// Hash is a digest of everything in the tree: the same for the same files, wherever they come from.
func (t Tree) Hash() string {
	h := sha256.New()
	var head []byte
	for _, f := range t.files {
		head = strconv.AppendQuote(head[:0], f.Path)
		head = strconv.AppendBool(append(head, ' '), f.Executable)
		head = strconv.AppendInt(append(head, ' '), int64(len(f.Data)), 10)
		h.Write(append(head, '\n')) // a hash never fails
		h.Write(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Read returns the content of one file and whether it exists.
func (t Tree) Read(name string) ([]byte, bool) {
	i, found := sort.Find(len(t.files), func(i int) int { return strings.Compare(name, t.files[i].Path) })
	if !found {
		return nil, false
	}
	return t.files[i].Data, true
}

// Sub returns the files below dir, with paths relative to it. It is empty where there is no such directory.
func (t Tree) Sub(dir string) Tree {
	prefix := dir + "/"
	files := slices.Clone(t.below(prefix))
	for i := range files {
		files[i].Path = files[i].Path[len(prefix):]
	}
	return Tree{files: files}
}

// Entries returns the names of what lies directly in dir ("." is the root): directories and files apart,
// both sorted.
func (t Tree) Entries(dir string) (dirs, files []string) {
	prefix := dir + "/"
	if dir == "." {
		prefix = ""
	}
	for _, f := range t.below(prefix) {
		name, _, isDir := strings.Cut(f.Path[len(prefix):], "/")
		if !isDir {
			files = append(files, name)
		} else if len(dirs) == 0 || dirs[len(dirs)-1] != name {
			dirs = append(dirs, name)
		}
	}
	sort.Strings(dirs)
	return slices.Compact(dirs), files
}

// FS returns the tree as a read-only file system.
func (t Tree) FS() fs.FS { return treeFS{t} }

type treeFS struct{ Tree }

// Open implements fs.FS.
func (t treeFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if data, found := t.Read(name); found {
		return &openFile{info: info{name: path.Base(name), size: int64(len(data))}, Reader: bytes.NewReader(data)}, nil
	}
	dirs, files := t.Entries(name)
	if name != "." && len(dirs)+len(files) == 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	var entries []fs.DirEntry
	for _, d := range dirs {
		entries = append(entries, info{name: d, dir: true})
	}
	for _, f := range files {
		data, _ := t.Read(path.Join(name, f))
		entries = append(entries, info{name: f, size: int64(len(data))})
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return &openDir{info: info{name: path.Base(name), dir: true}, entries: entries}, nil
}

type openFile struct {
	info
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }
func (f *openFile) Size() int64                { return f.size }

type openDir struct {
	info
	entries []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: fs.ErrInvalid}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.entries) {
		n = len(d.entries)
	}
	out := d.entries[:n]
	d.entries = d.entries[n:]
	return out, nil
}

// info describes a file or directory of a tree; what does not travel (owner, times) is zero.
type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return i.size }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) IsDir() bool                { return i.dir }
func (i info) Sys() any                   { return nil }
func (i info) Type() fs.FileMode          { return i.Mode().Type() }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
