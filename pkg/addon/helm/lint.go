package helm

import (
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint/rules"
	"helm.sh/helm/v3/pkg/lint/support"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
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
	buffered, err := describe(filepath.Join(work, name), files, describes)
	if err != nil {
		return nil, err
	}
	version, err := Capabilities{}.resolve()
	if err != nil {
		return nil, err
	}
	linter := support.Linter{ChartDir: filepath.Join(work, name)}
	rules.Chartfile(&linter)
	rules.ValuesWithOverrides(&linter, engine.Copy(values))
	c, err := loader.LoadFiles(buffered)
	if linter.RunLinterRule(support.ErrorSev, "templates/", err) {
		lintTemplates(&linter, c, engine.Copy(values), version)
	}
	rules.Dependencies(&linter)
	return messagesOf(&linter, work), nil
}

// Lint does what the function of that name does with the files that the chart was loaded from. What is the same for
// all values is looked at once.
func (c *Chart) Lint(name string, files iter.Seq2[string, []byte], values map[string]any) ([]string, error) {
	described, err := c.describe(name, files)
	if err != nil {
		return nil, err
	}
	v, err := c.with(values)
	if err != nil || v.err != nil || v.set() == nil || !described.fits(c, values) {
		return Lint(name, files, values)
	}
	capabilities, err := Capabilities{}.resolve()
	if err != nil {
		return nil, err
	}
	rendered, err := v.renderWith(v.set(), chartutil.ReleaseOptions{Name: lintRelease, Namespace: lintNamespace}, capabilities, true)
	if err != nil {
		return Lint(name, files, values)
	}
	linter := &support.Linter{}
	lintRendered(linter, v.chart, rendered, capabilities.KubeVersion, &c.linted)
	return slices.Concat(described.before, messagesOf(linter, ""), described.after), nil
}

// described is what Helm's linter says of a chart whatever the values, before and after what it says of templates.
type described struct {
	name          string
	before, after []string
	values        map[string]any // values.yaml; nil where there is none
	broken        bool
}

// describe looks at what describes the chart, once for a name.
func (c *Chart) describe(name string, files iter.Seq2[string, []byte]) (*described, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.described; d != nil && d.name == name {
		return d, nil
	}
	work, err := os.MkdirTemp("", "addonctl-lint-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }() // nothing of value
	// Values and their schemas have been read when the chart was loaded: neither rule says anything of them.
	buffered, err := describe(filepath.Join(work, name), files, func(file string) bool { return describes(file) && !aboutValues(file) })
	if err != nil {
		return nil, err
	}
	d := &described{name: name}
	before, after := &support.Linter{ChartDir: filepath.Join(work, name)}, &support.Linter{ChartDir: filepath.Join(work, name)}
	rules.Chartfile(before)
	rules.Dependencies(after)
	d.before, d.after = messagesOf(before, work), messagesOf(after, work)
	for _, f := range buffered {
		if f.Name == chartutil.ValuesfileName {
			d.values, err = chartutil.ReadValues(f.Data)
			d.broken = err != nil
		}
	}
	c.described = d
	return d, nil
}

// fits says whether Helm's linter has nothing to say of the values.
func (d *described) fits(c *Chart, values map[string]any) bool {
	if d.broken || d.values == nil || len(c.chart.Schema) == 0 {
		return !d.broken
	}
	merged := chartutil.CoalesceTables(engine.Copy(values), engine.Copy(d.values))
	schema := c.schema()
	return schema != nil && schema.Validate(merged) == nil
}

// messagesOf are the warnings and errors of a linter, without the directory that it worked in, if any.
func messagesOf(linter *support.Linter, work string) []string {
	var messages []string
	for _, m := range linter.Messages {
		if m.Severity >= support.WarningSev {
			message := fmt.Sprintf("%s: %s", m.Path, m.Err)
			if work != "" {
				message = strings.ReplaceAll(message, work+string(filepath.Separator), "")
			}
			messages = append(messages, message)
		}
	}
	return messages
}

// describe writes the files that Helm's rules read to dir, and returns all files.
func describe(dir string, files iter.Seq2[string, []byte], reads func(file string) bool) ([]*loader.BufferedFile, error) {
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
		if !reads(file) {
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
	case "Chart.yaml", "Chart.lock", "requirements.yaml", "requirements.lock":
		return true
	}
	return aboutValues(file) || path.Ext(file) == ".tgz"
}

func aboutValues(file string) bool {
	return path.Base(file) == chartutil.ValuesfileName || path.Base(file) == chartutil.SchemafileName
}
