package helm

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
)

// valued is a chart with values: what follows from the two, whatever the cluster and the release. It is safe for
// concurrent use.
type valued struct {
	owner *Chart
	// chart is a copy, with the dependencies that the values choose. Nobody changes it.
	chart *chart.Chart
	// values are those of the chart with the given ones over them. Nobody changes them.
	values chartutil.Values
	// err says that the values do not fit.
	err error
	set func() *engine.Set
}

// maxValued bounds the values that a chart remembers.
const maxValued = 64

// with prepares the chart for values, once.
func (c *Chart) with(values map[string]any) (*valued, error) {
	key := fmt.Sprintf("%#v", values)
	c.mu.Lock()
	v, known := c.valued[key]
	c.mu.Unlock()
	if known {
		return v, nil
	}
	v, err := c.prepare(values)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.valued == nil || len(c.valued) >= maxValued {
		c.valued = map[string]*valued{}
	}
	c.valued[key] = v
	return v, nil
}

func (c *Chart) prepare(given map[string]any) (*valued, error) {
	v := &valued{owner: c}
	values := engine.Copy(given)
	if values == nil {
		values = map[string]any{}
	}
	chosen, err := c.choose(values)
	if err != nil {
		return nil, err
	}
	v.chart, v.set = chosen.chart, chosen.set
	if v.values, err = chosen.merge(values); err != nil {
		return nil, err
	}
	if err := c.check(v.chart, v.values); err != nil {
		v.err = fmt.Errorf("%w: %w", ErrValues, err)
	}
	return v, nil
}

// merge puts values over those of the chart, as chartutil.CoalesceValues does. Where they only put something over them,
// what they do not name is shared by all; values are changed then.
func (c *chosen) merge(values map[string]any) (chartutil.Values, error) {
	if !overlays(c.chart, values) {
		return chartutil.CoalesceValues(c.chart, values)
	}
	own, err := c.values()
	if err != nil {
		return nil, err
	}
	merged := maps.Clone(own)
	for key, value := range values {
		if table, isTable := value.(map[string]any); isTable {
			if below, isTable := own[key].(map[string]any); isTable {
				value = chartutil.CoalesceTables(table, below)
			}
		}
		merged[key] = value
	}
	return merged, nil
}

// overlays says whether values remove nothing and say nothing to what the chart depends on.
func overlays(c *chart.Chart, values map[string]any) bool {
	_, said := values[chartutil.GlobalKey]
	for _, d := range c.Dependencies() {
		if _, named := values[d.Name()]; named {
			said = true
		}
	}
	return !said && !removes(values)
}

func removes(values map[string]any) bool {
	for _, value := range values {
		if table, isTable := value.(map[string]any); value == nil || isTable && removes(table) {
			return true
		}
	}
	return false
}

// chosen is a copy of a chart, with the dependencies that values choose, its own values and its templates.
type chosen struct {
	chart  *chart.Chart
	values func() (chartutil.Values, error)
	set    func() *engine.Set
}

// choose copies the chart, with the dependencies that the values choose. Where they choose none, one copy does for all.
func (c *Chart) choose(values map[string]any) (*chosen, error) {
	process := func(values map[string]any) (*chosen, error) {
		work := clone(c.chart)
		own := func() (chartutil.Values, error) { return chartutil.CoalesceValues(work, map[string]any{}) }
		set := func() *engine.Set { return c.prepareSet(work) }
		return &chosen{work, sync.OnceValues(own), sync.OnceValue(set)}, chartutil.ProcessDependenciesWithMerge(work, values)
	}
	if hasChoice(c.chart) {
		return process(values)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chosen == nil {
		made, err := process(map[string]any{})
		if err != nil {
			return nil, err
		}
		c.chosen = made
	}
	return c.chosen, nil
}

// hasChoice says whether values switch dependencies of the chart on or off.
func hasChoice(c *chart.Chart) bool {
	return slices.ContainsFunc(c.Metadata.Dependencies, func(d *chart.Dependency) bool { return d == nil || d.Condition != "" || len(d.Tags) > 0 }) ||
		slices.ContainsFunc(c.Dependencies(), hasChoice)
}

// prepareSet returns the templates of a copy of the chart; nil where Helm has to render them.
func (c *Chart) prepareSet(chosen *chart.Chart) *engine.Set {
	var templates []engine.Template
	var key strings.Builder // of what the values choose
	eachChart(chosen, func(c *chart.Chart) {
		for _, t := range c.Templates {
			if t != nil && isTemplate(c, t.Name) {
				templates = append(templates, engine.Template{Name: path.Join(c.ChartFullPath(), t.Name), Text: string(t.Data)})
				fmt.Fprintf(&key, "%s %p\n", templates[len(templates)-1].Name, t)
			}
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if set, known := c.sets[key.String()]; known {
		return set
	}
	set, err := c.engine.Set(templates)
	if err != nil {
		set = nil
	}
	if c.sets == nil || len(c.sets) >= maxValued {
		c.sets = map[string]*engine.Set{}
	}
	c.sets[key.String()] = set
	return set
}

func eachChart(c *chart.Chart, work func(*chart.Chart)) {
	for _, d := range c.Dependencies() {
		eachChart(d, work)
	}
	work(c)
}

// isTemplate says whether Helm renders a file of templates/: of a library, parts only.
func isTemplate(c *chart.Chart, name string) bool {
	return !strings.EqualFold(c.Metadata.Type, "library") || strings.HasPrefix(filepath.Base(name), "_")
}

// releaseOf is what templates learn of a release.
func releaseOf(o chartutil.ReleaseOptions) map[string]any {
	return map[string]any{
		"Name": o.Name, "Namespace": o.Namespace, "IsUpgrade": o.IsUpgrade, "IsInstall": o.IsInstall, "Revision": o.Revision, "Service": "Helm",
	}
}

// render renders all files of the chart, as Helm does. lint lets required values be missing.
func (v *valued) render(release chartutil.ReleaseOptions, capabilities *chartutil.Capabilities, lint bool) (map[string]string, error) {
	if set := v.set(); set != nil {
		files, err := v.renderWith(set, release, capabilities, lint)
		if err == nil {
			return files, nil
		}
		if !errors.Is(err, engine.ErrUnsure) {
			return nil, err
		}
	}
	return helmengine.Engine{LintMode: lint}.Render(v.chart, v.top(release, capabilities))
}

// top is what Helm renders from.
func (v *valued) top(release chartutil.ReleaseOptions, capabilities *chartutil.Capabilities) chartutil.Values {
	return chartutil.Values{
		"Chart": v.chart.Metadata, "Capabilities": capabilities, "Release": releaseOf(release), "Values": chartutil.Values(engine.Copy(v.values)),
	}
}

// renderWith renders with this project's engine.
func (v *valued) renderWith(set *engine.Set, release chartutil.ReleaseOptions, capabilities *chartutil.Capabilities, lint bool) (map[string]string, error) {
	type seen struct {
		data     map[string]any
		basePath string
	}
	byTemplate := map[string]seen{}
	var see func(c *chart.Chart, from chartutil.Values) (map[string]any, error)
	see = func(c *chart.Chart, from chartutil.Values) (map[string]any, error) {
		files, err := v.owner.files(c)
		if err != nil {
			return nil, err
		}
		below := map[string]any{}
		data := map[string]any{
			"Chart": struct {
				chart.Metadata
				IsRoot bool
			}{*c.Metadata, c.IsRoot()},
			"Files": files, "Release": from["Release"], "Capabilities": from["Capabilities"], "Values": make(chartutil.Values), "Subcharts": below,
		}
		if c.IsRoot() {
			data["Values"] = from["Values"]
		} else if own, err := from.Table("Values." + c.Name()); err == nil {
			data["Values"] = own
		}
		for _, d := range c.Dependencies() {
			if below[d.Name()], err = see(d, data); err != nil {
				return nil, err
			}
		}
		at := c.ChartFullPath()
		for _, t := range c.Templates {
			if t != nil && isTemplate(c, t.Name) {
				byTemplate[path.Join(at, t.Name)] = seen{data, path.Join(at, "templates")}
			}
		}
		return data, nil
	}
	if _, err := see(v.chart, v.top(release, capabilities)); err != nil {
		return nil, err
	}
	return set.Render(func(name string) map[string]any {
		of := byTemplate[name]
		of.data["Template"] = chartutil.Values{"Name": name, "BasePath": of.basePath}
		return of.data
	}, engine.Options{Lint: lint})
}

// files are the .Files of a chart. They are of a type that Helm keeps to itself, so a template hands them out.
func (c *Chart) files(of *chart.Chart) (any, error) {
	var key *chart.File
	if len(of.Files) > 0 {
		key = of.Files[0]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, known := c.filesOf[key]; known {
		return found, nil
	}
	taken := &taker{}
	probe := &chart.Chart{
		Metadata: &chart.Metadata{Name: "probe"}, Files: of.Files,
		Templates: []*chart.File{{Name: "templates/probe", Data: []byte(`{{ .Values.taker.Take .Files }}`)}},
	}
	if _, err := helmengine.Render(probe, chartutil.Values{"Values": map[string]any{"taker": taken}}); err != nil {
		return nil, err
	}
	if c.filesOf == nil {
		c.filesOf = map[*chart.File]any{}
	}
	c.filesOf[key] = taken.value
	return taken.value, nil
}

// taker takes a value out of a template.
type taker struct{ value any }

// Take takes a value.
func (t *taker) Take(value any) string { t.value = value; return "" }
