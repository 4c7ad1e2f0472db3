package lint

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
)

// Fix repairs what is mechanical: links, the forms and values that follow from connector definitions, and
// the indexes. It returns the files that it changed. What it cannot repair, a run reports.
func Fix(repo *addon.Repository, names []string) ([]string, error) {
	root, err := repo.Root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f := &fixer{root: root}
	for _, name := range names {
		if _, _, err := addon.SplitName(name); err != nil {
			continue
		}
		changes, err := repo.Link(name)
		if err != nil {
			return f.changed, err
		}
		for _, c := range changes {
			f.changed = append(f.changed, c.Path)
		}
		if err := f.versions(name); err != nil {
			return f.changed, err
		}
		if err := f.parameters(repo, name); err != nil {
			return f.changed, err
		}
	}
	addons, err := repo.LoadAll()
	if err != nil {
		return f.changed, nil // an index of the others would hide the one that is broken
	}
	written, err := repo.WriteIndexes(addons)
	return append(f.changed, written...), err
}

// versions writes the version of an add-on's directory into its meta.yaml and into the chart.
func (f *fixer) versions(name string) error {
	key, version, err := addon.SplitName(name)
	if err != nil {
		return nil
	}
	files := []string{path.Join(addon.AddonsDir, name, addon.MetaFile), path.Join(addon.ChartsDir, key, chartFile)}
	for _, file := range files {
		if _, err := f.root.Stat(file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := f.write(file, func(is []byte) ([]byte, error) { return withText(is, "version", version), nil }); err != nil {
			return err
		}
	}
	return nil
}

type fixer struct {
	root    *os.Root
	changed []string
}

// parameters writes what follows from a definition's parameters.
func (f *fixer) parameters(repo *addon.Repository, name string) error {
	a, err := repo.Load(name)
	if err != nil || !a.HasDefinition() {
		return nil // a run says why
	}
	d, err := a.Definition()
	if err != nil {
		return nil
	}
	at := path.Join(addon.AddonsDir, name)
	parameters := parametersOf(a, d)
	want, err := form.Generate(parameters)
	if err != nil {
		return err
	}
	for _, plan := range a.Plans {
		if err := f.write(path.Join(at, addon.PlansDir, plan.Dir, addon.CreateSchema), func([]byte) ([]byte, error) { return want, nil }); err != nil {
			return err
		}
	}
	chart := path.Join(at, addon.ChartDir, a.ChartName)
	if _, err := f.root.Stat(path.Join(addon.ChartsDir, a.Key)); err == nil {
		chart = path.Join(addon.ChartsDir, a.Key)
	}
	for _, follows := range parameterFiles() {
		full := path.Join(chart, follows.file)
		if _, err := f.root.Stat(full); follows.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := f.write(full, func(is []byte) ([]byte, error) { return follows.write(is, parameters) }); err != nil {
			return err
		}
	}
	values, err := f.root.ReadFile(path.Join(chart, addon.ValuesFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	documents := []string{systemPage(d), path.Join(chart, readmeFile)}
	if tree, err := repo.Read(name); err == nil {
		for file := range tree.All() {
			if isDocument(file) {
				documents = append(documents, path.Join(at, file))
			}
		}
	}
	for _, document := range documents {
		if _, err := f.root.Stat(document); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := f.write(document, func(is []byte) ([]byte, error) { return withTables(is, parameters, d, values) }); err != nil {
			return err
		}
	}
	return nil
}

// write changes a file where that makes a difference. What cannot be changed is left for a run to report.
func (f *fixer) write(name string, change func([]byte) ([]byte, error)) error {
	is, err := f.root.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	want, err := change(is)
	if err != nil || bytes.Equal(is, want) {
		return nil
	}
	if err := addon.WriteFile(f.root, name, want); err != nil {
		return err
	}
	f.changed = append(f.changed, name)
	return nil
}
