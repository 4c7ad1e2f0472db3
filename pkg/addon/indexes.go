package addon

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
)

// IndexDrift lists the indexes of the checkout that are not what the add-ons make of them.
func (r *Repository) IndexDrift(addons []*Addon) ([]string, error) { return r.indexes(addons, false) }

// WriteIndexes writes the indexes of the checkout that are not what the add-ons make of them, and returns
// their names.
func (r *Repository) WriteIndexes(addons []*Addon) ([]string, error) { return r.indexes(addons, true) }

func (r *Repository) indexes(addons []*Addon, write bool) ([]string, error) {
	root, err := r.Root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var changed []string
	for _, index := range []struct {
		name    string
		flavour Flavour
	}{{path.Join(AddonsDir, IndexFile), GitIndex}, {IndexFile, TopIndex}} {
		want := BuildIndex(index.flavour, addons).Marshal()
		is, err := root.ReadFile(index.name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return changed, err
		}
		if bytes.Equal(is, want) {
			continue
		}
		if write {
			if err := WriteFile(root, index.name, want); err != nil {
				return changed, err
			}
		}
		changed = append(changed, index.name)
	}
	return changed, nil
}

// WriteFile replaces a file of root at once: a reader sees the old content or the new one.
func WriteFile(root *os.Root, name string, data []byte) error {
	temporary := path.Join(path.Dir(name), "."+path.Base(name)+".new")
	if err := root.WriteFile(temporary, data, 0o644); err != nil {
		return err
	}
	if err := root.Rename(temporary, name); err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	return nil
}
