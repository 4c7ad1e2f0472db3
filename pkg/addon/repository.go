package addon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The directories of a repository.
const (
	AddonsDir = "addons"
	ChartsDir = "charts"
)

// Repository is a checkout with add-ons in addons/ and their charts in charts/. Nothing outside it is
// read or written, whatever links say.
type Repository struct {
	dir   string
	still *place // its top; nil: everything is read anew
}

// OpenRepository opens the repository at dir.
func OpenRepository(dir string) (*Repository, error) {
	if info, err := os.Stat(filepath.Join(dir, AddonsDir)); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s holds no directory %s; name the repository with --repo", dir, AddonsDir)
	}
	return &Repository{dir: dir}, nil
}

// FindRepository opens the repository that from lies in: the nearest directory upward that holds addons/.
func FindRepository(from string) (*Repository, error) {
	start, err := filepath.Abs(from)
	if err != nil {
		return nil, err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if r, err := OpenRepository(dir); err == nil {
			return r, nil
		}
		if dir == filepath.Dir(dir) {
			return nil, fmt.Errorf("%s lies in no repository of add-ons: no directory upward holds %s; name one with --repo", start, AddonsDir)
		}
	}
}

// Dir is where the repository is.
func (r *Repository) Dir() string { return r.dir }

// Still is the repository for as long as nothing changes in it: each of its files is read once.
func (r *Repository) Still() *Repository { return &Repository{dir: r.dir, still: newTop()} }

// Root opens the repository for access that cannot leave it.
func (r *Repository) Root() (*os.Root, error) { return os.OpenRoot(r.dir) }

// view opens the repository for reading; close its root.
func (r *Repository) view() (view, error) {
	root, err := r.Root()
	return view{root, cmp.Or(r.still, newTop())}, err
}

// File reads a file of the repository. Links are followed where they stay in it. A file that is not there is fs.ErrNotExist.
func (r *Repository) File(name string) ([]byte, error) {
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	defer v.root.Close()
	return v.read(name)
}

// Walk calls visit for each regular file of the repository, in the order of a walk by names, until it returns false. Directories
// are entered where enter says so, links are not followed, and what cannot be listed is left out.
func (r *Repository) Walk(enter func(dir string) bool, visit func(name string, read func() ([]byte, error)) bool) error {
	v, err := r.view()
	if err != nil {
		return err
	}
	defer v.root.Close()
	v.opened(v.top).walk(enter, visit)
	return nil
}

// Names lists the add-ons' directories in addons/, sorted. A directory whose name is no
// <key>-<version> is listed too: it is the caller's to complain about.
func (r *Repository) Names() ([]string, error) {
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	defer v.root.Close()
	entries, err := v.list(AddonsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.kind.IsDir() && !strings.HasPrefix(e.name, ".") {
			names = append(names, e.name)
		}
	}
	return names, nil
}

// Read reads the files of the add-on in addons/<name>, as they are packed. Links are followed where they
// stay in the repository. What the chart's .helmignore names is left out, and so are hidden files outside
// the chart.
func (r *Repository) Read(name string) (Tree, error) {
	v, err := r.view()
	if err != nil {
		return Tree{}, err
	}
	defer v.root.Close()
	return readAddon(v, path.Join(AddonsDir, name), DefaultLimits())
}

// Load reads the add-on in addons/<name>.
func (r *Repository) Load(name string) (*Addon, error) {
	tree, err := r.Read(name)
	if err != nil {
		return nil, err
	}
	return Parse(name, tree)
}

// LoadAll reads every add-on. The error names all that are wrong.
func (r *Repository) LoadAll() ([]*Addon, error) {
	names, err := r.Names()
	if err != nil {
		return nil, err
	}
	still := r.Still()
	addons, problems := make([]*Addon, len(names)), make([]error, len(names))
	if err := Spread(context.Background(), len(names), func(i int) { addons[i], problems[i] = still.Load(names[i]) }); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(addons, func(a *Addon) bool { return a == nil }), errors.Join(problems...)
}

// Find returns the directory name in addons/ that nameOrDir means: itself, or the one add-on of that key.
func (r *Repository) Find(nameOrDir string) (string, error) {
	names, err := r.Names()
	if err != nil {
		return "", err
	}
	var found []string
	for _, name := range names {
		if name == nameOrDir {
			return name, nil
		}
		if key, _, err := SplitName(name); err == nil && key == nameOrDir {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no add-on %q in %s; there are: %s", nameOrDir, filepath.Join(r.dir, AddonsDir), strings.Join(names, ", "))
	default:
		return "", fmt.Errorf("several add-ons %q; choose one of %s", nameOrDir, strings.Join(found, ", "))
	}
}
