// Package bump gives an add-on another version: in the name of its directory, in its meta.yaml, in its chart, in
// the indexes and in the changelog.
package bump

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// The files that a version is written in, besides the add-on's own.
const (
	chartFile     = "Chart.yaml"
	changelogFile = "CHANGELOG.md"
)

// Part is the part of a version that is raised.
type Part string

// The parts of a version.
const (
	Major Part = "major"
	Minor Part = "minor"
	Patch Part = "patch"
)

// Next is the version after a version.
func Next(version string, part Part) (string, error) {
	v, err := semver.StrictNewVersion(version)
	if err != nil {
		return "", fmt.Errorf("version %q: want three numbers such as 1.2.3", version)
	}
	switch part {
	case Major:
		return v.IncMajor().String(), nil
	case Minor:
		return v.IncMinor().String(), nil
	case Patch:
		return v.IncPatch().String(), nil
	default:
		return "", fmt.Errorf("unknown part %q of a version; choose %s, %s or %s", part, Major, Minor, Patch)
	}
}

// Result is what was done.
type Result struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
	// Addon is the new directory, relative to the repository.
	Addon string `json:"addon"`
	// Changed are the files that were written, relative to the repository.
	Changed []string `json:"changed"`
	// Mentions are lines that name the old version still. Whether they should is not known here.
	Mentions []Mention `json:"mentions"`
}

// Bump gives the add-on in addons/<name> the version to, which must be higher. message, which may be empty, says in
// the changelog what is new. Comments stay where they are. Where something is refused, nothing is changed; what
// fails half-way is undone.
func Bump(repo *addon.Repository, name, to, message string) (*Result, error) {
	key, from, err := addon.SplitName(name)
	if err != nil {
		return nil, err
	}
	if err := higher(from, to); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	others, err := repo.LoadAll()
	if err != nil {
		return nil, fmt.Errorf("the repository is not in order, so its indexes could not follow: %w", err)
	}
	if len(others) == 0 {
		return nil, fmt.Errorf("%s holds no add-on", repo.Dir())
	}
	root, err := repo.Root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	w := &work{root: root}
	dir, moved := path.Join(addon.AddonsDir, name), path.Join(addon.AddonsDir, key+"-"+to)
	if _, err := root.Lstat(moved); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("%s is there already; remove it, or choose another version", moved), err)
	}
	if err := w.plan(dir, key, from, to, message); err != nil {
		return nil, err
	}
	result := &Result{Key: key, From: from, To: to, Addon: moved}
	if err := w.apply(dir, moved, func() error { return settle(repo, path.Base(moved), w) }); err != nil {
		return nil, err
	}
	for _, f := range w.files {
		if below, ok := strings.CutPrefix(f.name, dir+"/"); ok {
			f.name = path.Join(moved, below)
		}
		result.Changed = append(result.Changed, f.name)
	}
	result.Changed = append(result.Changed, w.indexes...)
	result.Mentions = mentions(root, key, from, moved)
	return result, nil
}

func higher(from, to string) error {
	old, err := semver.StrictNewVersion(from)
	if err != nil {
		return err
	}
	v, err := semver.StrictNewVersion(to)
	if err != nil {
		return fmt.Errorf("version %q: want three numbers such as 1.2.3", to)
	}
	if v.Metadata() != "" {
		return fmt.Errorf("version %q: a + does not fit into addresses and names of releases; leave out what follows it", to)
	}
	if !v.GreaterThan(old) {
		return fmt.Errorf("version %s is not higher than %s; choose a higher one", to, from)
	}
	return nil
}

// work is what is to be written, and what was there before.
type work struct {
	root    *os.Root
	files   []file
	indexes []string
}

type file struct {
	name          string
	before, after []byte
}

// plan works out every file without writing one.
func (w *work) plan(dir, key, from, to, message string) error {
	if err := w.version(path.Join(dir, addon.MetaFile), to); err != nil {
		return err
	}
	chart := path.Join(addon.ChartsDir, key, chartFile)
	if _, err := w.root.Stat(chart); errors.Is(err, fs.ErrNotExist) {
		chart = path.Join(dir, addon.ChartDir, key, chartFile) // a chart of the add-on's own
	}
	if err := w.version(chart, to); err != nil {
		return err
	}
	changelog, err := w.root.ReadFile(changelogFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w.files = append(w.files, file{changelogFile, changelog, withLine(changelog, line(key, from, to, message))})
	return nil
}

func (w *work) version(name, to string) error {
	before, err := w.root.ReadFile(name)
	if err != nil {
		return err
	}
	after, err := setVersion(before, to)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	w.files = append(w.files, file{name, before, after})
	return nil
}

// apply writes the files, moves the directory and does the rest; if anything fails, all of it is undone.
func (w *work) apply(dir, moved string, rest func() error) error {
	var undo []func() error
	err := func() error {
		for _, f := range w.files {
			if err := addon.WriteFile(w.root, f.name, f.after); err != nil {
				return err
			}
			undo = append(undo, func() error {
				if f.before == nil {
					return w.root.Remove(f.name)
				}
				return addon.WriteFile(w.root, f.name, f.before)
			})
		}
		if err := w.root.Rename(dir, moved); err != nil {
			return err
		}
		undo = append(undo, func() error { return w.root.Rename(moved, dir) })
		return rest()
	}()
	if err == nil {
		return nil
	}
	for i := len(undo) - 1; i >= 0; i-- {
		err = errors.Join(err, undo[i]())
	}
	return err
}

// settle links the moved add-on again, loads it and writes the indexes.
func settle(repo *addon.Repository, name string, w *work) error {
	if _, err := repo.Link(name); err != nil {
		return err
	}
	addons, err := repo.LoadAll()
	if err != nil {
		return err
	}
	w.indexes, err = repo.WriteIndexes(addons)
	return err
}
