package lint

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// repository is what rules about the whole repository see.
type repository struct {
	*addon.Repository
	addons []*addonContext
	found  []problem // by the rules that ran before
	// inDocuments is what documents tell, inIndexes what the indexes that can be read list, once somebody asked.
	inDocuments *told
	inIndexes   []listed
	indexes     map[string]*document
}

// troubled says whether a rule that ran before found something in a file.
func (r *repository) troubled(name string) bool {
	for _, p := range r.found {
		if p.path == name {
			return true
		}
	}
	return false
}

// addonContext is what rules about one add-on see. Rules of one add-on run one after the other.
type addonContext struct {
	name    string // of its directory or archive
	at      string // where it is, as findings name it
	repo    *addon.Repository
	tree    addon.Tree
	readErr error
	// chartAt is the directory of the chart in the repository where the add-on's one is made of links.
	chartAt string
	// parsed is nil where the broker could not load the add-on; parseErr says why.
	parsed   *addon.Addon
	parseErr error

	meta    *document
	plans   []*planContext
	archive *archiveContext
	failed  bool // some rule has found an error

	// documents are those that the plans render; files are the YAML files that rules have read, by name.
	documents map[identity]*seenDocument
	files     map[string]*document
	// plans often have the same form and the same values.
	parsedFiles *byContent[*parsedYAML]
	forms       *byContent[parsedForm]
	older       *byContent[olderSchema]

	options    Options
	chart      func() (Chart, error)
	definition func() (*connector.Definition, error)
	events     func() *eventContext
	mapped     func() *mappedSamples
	xref       func() *xref
}

// planContext is what rules about one plan see.
type planContext struct {
	*addonContext
	dir    string // plans/<plan>
	meta   *document
	schema []byte // nil where there is none
	parsed addon.PlanMeta
	values map[string]any // nil where they cannot be read

	form   func() (*form.Schema, error)
	render func() []rendering
	// objects are those of all renderings, each once for a template; none where a rendering fails.
	objects func() []Manifest
	// bindings are the plan's bind.yaml, rendered; empty where there is none or where the plan is not bindable.
	bindings func() []binding
}

// archiveContext is what rules about the archive itself see.
type archiveContext struct {
	data    []byte
	entries []addon.ArchiveEntry
	err     error
}

func newAddon(options Options, repo *addon.Repository, name string) *addonContext {
	c := &addonContext{name: name, at: path.Join(addon.AddonsDir, name), repo: repo, options: options}
	c.tree, c.readErr = repo.Read(name)
	if key, _, err := addon.SplitName(name); err == nil {
		if _, err := os.Stat(filepath.Join(repo.Dir(), addon.ChartsDir, key)); err == nil {
			c.chartAt = path.Join(addon.ChartsDir, key)
		}
	}
	c.prepare()
	return c
}

// newFromPath makes the context of a directory outside of a repository or of an archive.
func newFromPath(options Options, file string) (*addonContext, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	c := &addonContext{at: filepath.ToSlash(file), options: options}
	if info.IsDir() {
		abs, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		c.name = filepath.Base(abs)
		c.tree, c.readErr = addon.ReadDir(file)
		c.prepare()
		return c, nil
	}
	if limit := addon.DefaultLimits().Archive; info.Size() > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes; an add-on's archive is smaller", file, limit)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c.name = strings.TrimSuffix(filepath.Base(file), addon.ArchiveSuffix)
	c.archive = &archiveContext{data: data}
	c.archive.entries, c.archive.err = addon.ListArchive(bytes.NewReader(data), addon.DefaultLimits())
	c.tree, c.readErr = addon.ReadArchive(bytes.NewReader(data), addon.DefaultLimits())
	c.prepare()
	return c, nil
}

func (c *addonContext) prepare() {
	if c.readErr == nil {
		c.parsed, c.parseErr = addon.Parse(c.name, c.tree)
	}
	c.parsedFiles, c.forms, c.older = &byContent[*parsedYAML]{}, &byContent[parsedForm]{}, &byContent[olderSchema]{}
	c.meta, c.documents = c.document(addon.MetaFile), map[identity]*seenDocument{}
	c.chart = sync.OnceValues(func() (Chart, error) {
		if c.parsed == nil {
			return nil, errUnloaded
		}
		return c.options.Charts.Load(c.parsed.Chart)
	})
	c.definition = sync.OnceValues(func() (*connector.Definition, error) {
		if c.parsed == nil || !c.parsed.HasDefinition() {
			return nil, errUnloaded
		}
		return c.parsed.Definition()
	})
	c.xref = sync.OnceValue(func() *xref { return readXref(c) })
	c.events = sync.OnceValue(func() *eventContext { return readEvents(c) })
	c.mapped = sync.OnceValue(func() *mappedSamples { return readMapped(c) })
	dirs, _ := c.tree.Entries(addon.PlansDir)
	for _, dir := range dirs {
		c.plans = append(c.plans, newPlan(c, path.Join(addon.PlansDir, dir)))
	}
}

// forget lets go of what only the rules of this add-on need: renderings are large.
func (c *addonContext) forget() {
	c.chart, c.definition, c.events, c.mapped, c.xref, c.documents, c.files = nil, nil, nil, nil, nil, nil, nil
	c.options.Kubernetes, c.older = nil, nil
	c.parsedFiles, c.forms = &byContent[*parsedYAML]{}, &byContent[parsedForm]{}
	for _, p := range c.plans {
		p.form, p.render, p.objects, p.bindings = nil, nil, nil, nil
	}
}

// errUnloaded means that another rule says what is wrong, or that there is nothing to say.
var errUnloaded = errors.New("not loaded")

func newPlan(c *addonContext, dir string) *planContext {
	p := &planContext{addonContext: c, dir: dir, meta: c.document(path.Join(dir, addon.MetaFile))}
	if data, found := c.tree.Read(path.Join(dir, addon.CreateSchema)); found {
		p.schema = data
	}
	p.read()
	p.form = sync.OnceValues(func() (*form.Schema, error) {
		if p.schema == nil {
			return nil, errUnloaded
		}
		parsed := c.forms.of(p.schema, parseForm)
		return parsed.schema, parsed.err
	})
	p.render = sync.OnceValue(func() []rendering { return renderAll(p) })
	p.objects = sync.OnceValue(func() []Manifest { return distinct(p.render()) })
	p.bindings = sync.OnceValue(func() []binding { return bindAll(p) })
	return p
}

// read reads meta.yaml and values.yaml as far as they can be read.
func (p *planContext) read() {
	data, found := p.tree.Read(p.file(addon.ValuesFile))
	p.values = map[string]any{} // as of a file that says nothing
	if loaded := p.addonContext.parsed; loaded != nil {
		i := slices.IndexFunc(loaded.Plans, func(plan addon.Plan) bool { return plan.Dir == path.Base(p.dir) })
		p.parsed = loaded.Plans[i].Meta
		if values := loaded.Plans[i].Values; values != nil {
			p.values = values
		}
		return
	}
	if addon.CheckYAML(p.meta.data) == nil {
		_ = yaml.Unmarshal(p.meta.data, &p.parsed)
	}
	if !found {
		return
	}
	var values map[string]any
	if addon.CheckYAML(data) != nil || yaml.Unmarshal(data, &values) != nil {
		p.values = nil
	} else if values != nil {
		p.values = values
	}
}

type parsedForm struct {
	schema *form.Schema
	err    error
}

func parseForm(data []byte) (f parsedForm) {
	f.schema, f.err = form.Parse(data)
	return f
}

// file is a path in the plan's directory, as problems name it.
func (p *planContext) file(name string) string { return path.Join(p.dir, name) }

// document reads a YAML file of the add-on, once: nobody changes it. The result is never nil.
func (c *addonContext) document(name string) *document {
	d, known := c.files[name]
	if !known {
		data, found := c.tree.Read(name)
		parse := func(data []byte) *parsedYAML { return c.parsedFiles.of(data, parseYAML) }
		if strings.HasPrefix(name, c.chartFile(addon.ChartsDir)+"/") { // many charts have the same library
			parse = func(data []byte) *parsedYAML { return c.options.shared.parsed.of(data, parseYAML) }
		}
		d = documentBy(parse, name, data, found)
		if c.files == nil {
			c.files = map[string]*document{}
		}
		c.files[name] = d
	}
	return d
}

// chartFile is a path in the chart, as problems name it.
func (c *addonContext) chartFile(name string) string {
	if c.parsed == nil {
		return addon.ChartDir
	}
	return path.Join(addon.ChartDir, c.parsed.ChartName, name)
}

// located turns a path of the add-on into one relative to c.at where the file can be edited: what lies
// behind the links to the chart is named where it is.
func (c *addonContext) located(name string) string {
	if c.chartAt == "" || c.parsed == nil {
		return name
	}
	rest, inChart := strings.CutPrefix(name, path.Join(addon.ChartDir, c.parsed.ChartName)+"/")
	if !inChart {
		return name
	}
	return path.Join("..", "..", c.chartAt, rest)
}
