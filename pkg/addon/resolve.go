package addon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Resolve loads the add-on that ref means: a name in the repository (with or without version), a
// directory, or an archive. repo may be nil where there is none. A name wins over a directory of the same
// name; write ./name for the latter.
func Resolve(repo *Repository, ref string) (*Addon, error) {
	isPath := strings.HasSuffix(ref, ArchiveSuffix) || strings.ContainsRune(ref, filepath.Separator) || strings.Contains(ref, "/") || ref == "."
	if !isPath {
		if repo == nil {
			return nil, fmt.Errorf("no repository to look for %q in; name it with --repo, or give a path", ref)
		}
		name, err := repo.Find(ref)
		if err != nil {
			return nil, err
		}
		return repo.Load(name)
	}
	if strings.HasSuffix(ref, ArchiveSuffix) {
		return LoadArchive(ref)
	}
	return LoadDir(ref)
}

// LoadDir reads the add-on in the directory dir. See ReadDir.
func LoadDir(dir string) (*Addon, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	tree, err := ReadDir(abs)
	if err != nil {
		return nil, err
	}
	return Parse(filepath.Base(abs), tree)
}

// ReadDir reads the files of the add-on in the directory dir. Its links may lead anywhere in the
// repository that it lies in, or nowhere outside of it where it lies in none.
func ReadDir(dir string) (Tree, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Tree{}, err
	}
	top := abs
	if repo, err := FindRepository(filepath.Dir(abs)); err == nil {
		top = repo.Dir()
	}
	inside, err := filepath.Rel(top, abs)
	if err != nil {
		return Tree{}, err
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return Tree{}, err
	}
	defer root.Close()
	return ReadIn(root, filepath.ToSlash(inside))
}

// ReadIn reads the files of the add-on in the directory dir of root, within the default limits. Links are
// followed where they stay in root.
func ReadIn(root *os.Root, dir string) (Tree, error) {
	return readAddon(view{root, newTop()}, dir, DefaultLimits())
}
