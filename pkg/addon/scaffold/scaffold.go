package scaffold

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/charts"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/schemas"
)

// Result says what was made.
type Result struct {
	// System is the system's name, Addon the directory of the add-on in addons/, Key its name without version.
	System, Addon, Key string
	// Library says that the repository had no library chart, and has got one.
	Library bool
	// Files are all that were written or changed, by their paths in the repository, sorted.
	Files []string
}

// library is the chart that every connector chart needs, in the repository.
const library = addon.ChartsDir + "/common"

// Write makes a new connector in the repository at dir, which may be an empty directory: then it gets the library
// chart, too. Nothing that is there is overwritten, the indexes aside; where something is refused, nothing is
// written.
func Write(dir string, o Options) (*Result, error) {
	made, err := WriteAll(dir, []Options{o})
	if err != nil {
		return nil, err
	}
	return made[0], nil
}

// WriteAll makes several connectors, all or none of them, and writes the indexes once.
func WriteAll(dir string, all []Options) (made []*Result, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var writers []*writer
	defer func() {
		if err != nil {
			for _, w := range slices.Backward(writers) {
				err = errors.Join(err, w.undo())
			}
		}
	}()
	for _, o := range all {
		if o, err = o.normalise(); err != nil {
			return nil, err
		}
		w := &writer{root: root, result: &Result{System: o.System, Key: o.System + Suffix, Addon: o.System + Suffix + "-" + FirstVersion}}
		tree, err := w.plan(o)
		if err != nil {
			return nil, err
		}
		writers = append(writers, w)
		if err := w.write(tree); err != nil {
			return nil, err
		}
	}
	if err := follow(dir, writers); err != nil {
		return nil, err
	}
	for _, w := range writers {
		slices.Sort(w.result.Files)
		w.result.Files = slices.Compact(w.result.Files)
		made = append(made, w.result)
	}
	return made, nil
}

type writer struct {
	root   *os.Root
	result *Result
	// made are files and directories in the order of their making.
	made []string
}

// plan collects all that is to be written, and refuses what is in the way.
func (w *writer) plan(o Options) (addon.Tree, error) {
	none := addon.Tree{}
	if err := w.free(o); err != nil {
		return none, err
	}
	var files []addon.File
	data, err := w.root.ReadFile(path.Join(library, "Chart.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		if files, err = libraryFiles(); err != nil {
			return none, err
		}
		for _, f := range files {
			if f.Path == path.Join(library, "Chart.yaml") {
				data = f.Data
			}
		}
		w.result.Library = true
	}
	if err != nil {
		return none, err
	}
	var chart struct{ Version string }
	if err := yaml.Unmarshal(data, &chart); err != nil || chart.Version == "" {
		return none, fmt.Errorf("%s/Chart.yaml has no version; repair it, or take the directory away to get a new one", library)
	}
	tree, err := Files(o, chart.Version)
	if err != nil {
		return none, err
	}
	schema, err := w.valuesSchema(files)
	if err != nil {
		return none, err
	}
	files = append(files, tree.Files()...)
	files = append(files, addon.File{Path: path.Join(addon.ChartsDir, w.result.Key, "values.schema.json"), Data: schema})
	return addon.NewTree(files)
}

// free makes sure that nothing of the connector is there.
func (w *writer) free(o Options) error {
	taken := []string{path.Join(addon.ChartsDir, w.result.Key), path.Join(systemDocs, o.System+".md")}
	entries, err := fs.ReadDir(w.root.FS(), addon.AddonsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if key, _, err := addon.SplitName(e.Name()); err == nil && key == w.result.Key {
			taken = append(taken, path.Join(addon.AddonsDir, e.Name()))
		}
	}
	for _, name := range taken {
		if _, err := w.root.Lstat(name); err == nil {
			return fmt.Errorf("%s is there already; choose another name, or remove it first", name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// libraryFiles are the library chart, and the schema that editors check definitions with.
func libraryFiles() ([]addon.File, error) {
	chart, err := charts.Library()
	if err != nil {
		return nil, err
	}
	var files []addon.File
	err = fs.WalkDir(chart, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(chart, name)
		files = append(files, addon.File{Path: path.Join(library, name), Data: data})
		return err
	})
	if err != nil {
		return nil, err
	}
	schema, err := schemas.Read(schemas.Connector)
	return append(files, addon.File{Path: path.Join("schemas", schemas.Connector), Data: schema}), err
}

// write writes files and links.
func (w *writer) write(tree addon.Tree) error {
	for _, f := range tree.Files() {
		if strings.HasPrefix(f.Path, "schemas/") {
			if _, err := w.root.Lstat(f.Path); err == nil {
				continue // somebody's own is as good
			}
		}
		if err := w.mkdir(path.Dir(f.Path)); err != nil {
			return err
		}
		file, err := w.root.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		w.made = append(w.made, f.Path)
		_, err = file.Write(f.Data)
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
		w.result.Files = append(w.result.Files, f.Path)
	}
	link := path.Join(addon.ChartsDir, w.result.Key, "charts", "common")
	if err := w.mkdir(path.Dir(link)); err != nil {
		return err
	}
	if err := w.root.Symlink(filepath.FromSlash("../../common"), link); err != nil {
		return fmt.Errorf("%w; this file system may not know symbolic links", err)
	}
	w.made = append(w.made, link)
	w.result.Files = append(w.result.Files, link)
	return nil
}

// follow makes what follows from the files: links, forms, values, tables and indexes.
func follow(dir string, writers []*writer) error {
	repo, err := addon.OpenRepository(dir)
	if err != nil {
		return err
	}
	var names []string
	for _, w := range writers {
		names = append(names, w.result.Addon)
		w.made = append(w.made, path.Join(addon.AddonsDir, w.result.Addon, addon.ChartDir)) // and all that is made in it
	}
	changed, err := lint.Fix(repo, names)
	for _, name := range changed {
		for _, w := range writers {
			switch {
			case path.Base(name) == addon.IndexFile: // everybody has a part in it
				w.result.Files = append(w.result.Files, name)
			case w.owns(name):
				w.result.Files = append(w.result.Files, name)
				w.made = append(w.made, name)
			}
		}
	}
	return err
}

// owns says whether a file is of this connector alone.
func (w *writer) owns(name string) bool {
	if name == path.Join(systemDocs, w.result.System+".md") {
		return true
	}
	for _, dir := range []string{path.Join(addon.AddonsDir, w.result.Addon), path.Join(addon.ChartsDir, w.result.Key)} {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

// mkdir makes a directory with all above it, and remembers those that were not there.
func (w *writer) mkdir(dir string) error {
	if dir == "." {
		return nil
	}
	if err := w.mkdir(path.Dir(dir)); err != nil {
		return err
	}
	err := w.root.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	w.made = append(w.made, dir)
	return err
}

// undo removes what was made before something went wrong, the latest first.
func (w *writer) undo() error {
	var errs []error
	for _, name := range slices.Backward(w.made) {
		remove := w.root.Remove
		if path.Base(name) == addon.ChartDir {
			remove = w.root.RemoveAll
		}
		if err := remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
