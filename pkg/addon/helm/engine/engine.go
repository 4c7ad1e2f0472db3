// Package engine renders templates as Helm's engine does, faster: each template is parsed and prepared once, however
// many charts share it and however often it is rendered, and values are what they are in a file of YAML instead of
// what reflection finds. Where it is not sure to give what Helm gives, it says so, and Helm has to render: for an
// error, for a function or a type that it does not know, for whatever is unusual.
package engine

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"text/template/parse"
)

// ErrUnsure means that Helm has to render.
var ErrUnsure = errors.New("this engine is not sure what Helm would render")

// Set is the templates of a chart and its dependencies, by their names. It is immutable and safe for concurrent use.
type Set struct {
	engine  *Engine
	byName  map[string]*body
	ordered []string // the files that are rendered
	texts   texts
}

// Template is a file of templates.
type Template struct {
	// Name is its full path, beginning with the chart's name.
	Name string
	Text string
}

// Set prepares templates. The order of the files does not matter. It returns ErrUnsure where one cannot be parsed.
func (e *Engine) Set(templates []Template) (*Set, error) {
	s := &Set{engine: e, byName: map[string]*body{}}
	sorted := slices.SortedFunc(slices.Values(templates), func(a, b Template) int { return -compareDepth(a.Name, b.Name) })
	for _, t := range sorted {
		file := e.parse(t.Text)
		if file.err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnsure, file.err)
		}
		// What comes later wins, unless it is empty.
		for name, b := range file.defined {
			s.add(name, b)
		}
		s.add(t.Name, file.main)
		if !strings.HasPrefix(path.Base(t.Name), "_") {
			s.ordered = append(s.ordered, t.Name)
		}
	}
	return s, nil
}

func (s *Set) add(name string, b *body) {
	if _, known := s.byName[name]; !known || !b.empty {
		s.byName[name] = b
	}
}

// compareDepth is Helm's order of templates, reversed: what lies less deep comes first.
func compareDepth(a, b string) int {
	if d := strings.Count(a, "/") - strings.Count(b, "/"); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// Options say how to render.
type Options struct {
	// Lint lets required values be missing, as Helm's linter does.
	Lint bool
}

// Render renders the files whose names do not begin with an underscore. data is what the file of that name sees; it
// may change. Any error is ErrUnsure, and then data may have changed, too.
func (s *Set) Render(data func(name string) map[string]any, o Options) (rendered map[string]string, err error) {
	defer func() {
		if r := recover(); r != nil {
			rendered, err = nil, fmt.Errorf("%w: %v", ErrUnsure, r)
		}
	}()
	buffer, _ := buffers.Get().(*[]byte)
	r := &run{set: s, memory: s.engine.memory, lint: o.Lint, out: *buffer}
	defer func() { *buffer = r.out; buffers.Put(buffer) }()
	rendered = make(map[string]string, len(s.ordered))
	for _, name := range s.ordered {
		r.out = r.out[:0]
		r.execute(s.byName[name], data(name))
		rendered[name] = strings.ReplaceAll(string(r.out), "<no value>", "")
	}
	return rendered, nil
}

// buffers are what templates write to, used again by the next rendering.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// run is one rendering.
type run struct {
	set    *Set
	memory *memory
	lint   bool
	out    []byte
	stack  []any // variables of templates and arguments of functions, as long as they run
	depth  int

	tracer  *tracer // nil where nothing is followed
	spare   []*tracer
	deepest int
}

// maxDepth is less than what Helm and text/template allow: they say what is wrong.
const maxDepth = 500

// execute runs a template with its own variables, of which the first is $.
func (r *run) execute(b *body, data any) {
	if r.depth++; r.depth > maxDepth {
		stop("nested too deeply")
	}
	r.deepest = max(r.deepest, r.depth)
	begin := len(r.stack)
	r.stack = append(r.stack, make([]any, b.vars)...)
	f := frame{run: r, dot: data, vars: r.stack[begin:]}
	f.vars[0] = data
	b.run(&f)
	r.stack = r.stack[:begin]
	r.depth--
}

// include runs the template of a name and returns what it writes.
func (r *run) include(name string, data any) string {
	b := r.named(name)
	if r.followed(b, data) {
		return r.reuse(b, data)
	}
	return r.text(b, data)
}

// write does what include does, and writes that to where the template that includes it writes.
func (r *run) write(name string, data any) {
	if b := r.named(name); r.followed(b, data) {
		r.out = append(r.out, r.reuse(b, data)...)
	} else {
		r.execute(b, data)
	}
}

func (r *run) named(name string) *body {
	b := r.set.byName[name]
	if b == nil {
		stop("no template " + name)
	}
	return b
}

func (r *run) text(b *body, data any) string {
	begin := len(r.out)
	r.execute(b, data)
	text := string(r.out[begin:])
	r.out = r.out[:begin]
	return text
}

// file is a parsed file.
type file struct {
	main    *body
	defined map[string]*body
	err     error
}

// parse parses and prepares a text, once.
func (e *Engine) parse(text string) *file {
	return e.memory.files.get(text, len(text)*8, func() *file {
		const main = "\x00main" // no template can be called so
		trees := map[string]*parse.Tree{}
		_, err := parse.New(main).Parse(text, "", "", trees, e.known, builtins())
		if err != nil {
			return &file{err: err}
		}
		f := &file{defined: map[string]*body{}}
		for name, tree := range trees {
			b := compile(e, tree)
			if name == main {
				f.main = b
			} else {
				f.defined[name] = b
			}
		}
		if f.main == nil {
			f.main = &body{empty: true, vars: 1, run: func(*frame) flow { return next }}
		}
		return f
	})
}

// stop ends a rendering that Helm has to do.
func stop(why any) {
	panic(why) //nolint:forbidigo // Render, which catches it, returns an error
}
