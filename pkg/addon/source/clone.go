package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// clone is a repository whose files were fetched.
type clone struct {
	dir   string // everything; removed on Close
	files string
	index string
}

// Index implements Repository.
func (c *clone) Index(context.Context) ([]byte, error) {
	root, err := os.OpenRoot(c.files)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(c.index)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not in the repository", c.index)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bounded(f, MaxIndex)
}

// Addon implements Repository.
func (c *clone) Addon(_ context.Context, key, version string) (addon.Tree, error) {
	root, err := os.OpenRoot(c.files)
	if err != nil {
		return addon.Tree{}, err
	}
	defer root.Close()
	dir := path.Join(path.Dir(c.index), key+"-"+version)
	if _, err := root.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return addon.Tree{}, fmt.Errorf("%s is not in the repository", dir)
	}
	tree, err := addon.ReadIn(root, dir)
	if err != nil {
		return addon.Tree{}, err
	}
	return tree, realDirs(root, dir)
}

// realDirs refuses links where Helm Broker looks for directories: it takes them for files.
func realDirs(root *os.Root, dir string) error {
	for _, parent := range []string{addon.ChartDir, addon.PlansDir} {
		entries, err := fs.ReadDir(root.FS(), path.Join(dir, parent))
		if err != nil {
			continue // the loader says that it is missing
		}
		for _, e := range entries {
			name := path.Join(dir, parent, e.Name())
			if e.Type()&fs.ModeSymlink == 0 {
				continue
			}
			if info, err := root.Stat(name); err == nil && info.IsDir() {
				return fmt.Errorf("%s is a link to a directory, which Helm Broker takes for a file; make it a directory with links in it (addonctl link)", name)
			}
		}
	}
	return nil
}

// Close implements Repository.
func (c *clone) Close() error { return os.RemoveAll(c.dir) }
