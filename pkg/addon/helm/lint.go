package helm

import (
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/lint/rules"
	"helm.sh/helm/v3/pkg/lint/support"
)

// Lint runs Helm's own linter over the files of a chart and returns its warnings and errors. name is what
// the chart's directory is called.
func Lint(name string, files iter.Seq2[string, []byte], values map[string]any) ([]string, error) {
	// Helm's rules read a directory. One without links keeps Helm from reporting each of them on stderr, and one
	// without templates is written sooner: they are rendered from memory.
	work, err := os.MkdirTemp("", "addonctl-lint-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }() // nothing of value
	buffered, err := describe(filepath.Join(work, name), files)
	if err != nil {
		return nil, err
	}
	version, err := Capabilities{}.resolve()
	if err != nil {
		return nil, err
	}
	linter := support.Linter{ChartDir: filepath.Join(work, name)}
	rules.Chartfile(&linter)
	rules.ValuesWithOverrides(&linter, copyMap(values))
	c, err := loader.LoadFiles(buffered)
	if linter.RunLinterRule(support.ErrorSev, "templates/", err) {
		lintTemplates(&linter, c, copyMap(values), version)
	}
	rules.Dependencies(&linter)
	var messages []string
	for _, m := range linter.Messages {
		if m.Severity >= support.WarningSev {
			messages = append(messages, strings.ReplaceAll(fmt.Sprintf("%s: %s", m.Path, m.Err), work+string(filepath.Separator), ""))
		}
	}
	return messages, nil
}

// describe writes what Helm's rules read to dir, and returns all files.
func describe(dir string, files iter.Seq2[string, []byte]) ([]*loader.BufferedFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var buffered []*loader.BufferedFile
	for file, data := range files {
		if !filepath.IsLocal(filepath.FromSlash(file)) {
			return nil, fmt.Errorf("%q is not a path inside the chart", file)
		}
		buffered = append(buffered, &loader.BufferedFile{Name: file, Data: data})
		if !describes(file) {
			continue
		}
		at := filepath.FromSlash(file)
		if err := root.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return nil, err
		}
		if err := root.WriteFile(at, data, 0o644); err != nil {
			return nil, err
		}
	}
	return buffered, nil
}

// describes says whether a file says something of a chart or of one that it depends on.
func describes(file string) bool {
	switch path.Base(file) {
	case "Chart.yaml", "Chart.lock", "requirements.yaml", "requirements.lock", "values.yaml", "values.schema.json":
		return true
	}
	return path.Ext(file) == ".tgz"
}
