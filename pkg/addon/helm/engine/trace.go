package engine

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"helm.sh/helm/v3/pkg/chartutil"
)

// trace is a text that a template wrote, and all that it read of its data meanwhile: where the same is there to read
// again, it writes the same. Only what comes from the data is followed; what a template makes itself follows from it.
type trace struct {
	lint  bool
	text  string
	deep  int // how many templates in each other wrote it
	data  shape
	reads []read
	nodes int // tables and lists that were found, the data being the first
}

// read is one thing that was read.
type read struct {
	of   int // the table or list that it was read from
	step step
	// want is what was there: a plain value, or the shape of a table or list.
	want  any
	found bool
	node  int // the number of the table or list that was there; none where it is not followed
}

// The numbers of what is not followed: plain values, and what was read as a whole together with what it is in.
const none, hidden = -1, -2

// step is the way from a table or list to what is in it.
type step struct {
	kind stepKind
	name string
	item int
}

type stepKind int

const (
	byKey   stepKind = iota // of a table
	byItem                  // of a list
	byField                 // of the capabilities, with dots
	byHas                   // whether a set of versions has one
	byWhole                 // all that is in a table or list
)

// shape is what everybody sees of a table or list who does not look into it.
type shape struct {
	is   reflect.Type
	size int
}

// tracer follows a template while it runs. It belongs to one rendering.
type tracer struct {
	trace
	outer   *tracer // follows the template that this one is a part of
	level   int
	known   map[unsafe.Pointer]int // where the tables and lists of the data are
	seen    map[placed]bool
	covered []bool // by number, what was read as a whole
	lost    bool   // something was done that cannot be followed
}

type placed struct {
	of   int
	step step
}

// follow begins to follow a template.
func (r *run) follow(data any) *tracer {
	t := &tracer{known: map[unsafe.Pointer]int{}, seen: map[placed]bool{}}
	if last := len(r.spare) - 1; last >= 0 {
		t, r.spare = r.spare[last], r.spare[:last]
	}
	t.lint, t.outer = r.lint, r.tracer
	if t.outer != nil {
		t.level = t.outer.level + 1
	}
	t.data, _ = shapeOf(data)
	t.enter(data)
	r.tracer = t
	return t
}

// unfollow ends that. What was followed with is used again.
func (r *run) unfollow() {
	t := r.tracer
	r.tracer = t.outer
	clear(t.known)
	clear(t.seen)
	*t = tracer{trace: trace{reads: t.reads[:0]}, known: t.known, seen: t.seen, covered: t.covered[:0]}
	r.spare = append(r.spare, t)
}

// shapeOf is the shape of a table or list; ok is false for everything else.
func shapeOf(v any) (s shape, ok bool) {
	switch v := v.(type) {
	case map[string]any:
		return shape{reflect.TypeOf(v), len(v)}, v != nil
	case chartutil.Values:
		return shape{reflect.TypeOf(v), len(v)}, v != nil
	case []any:
		return shape{reflect.TypeOf(v), len(v)}, v != nil
	case chartutil.VersionSet: // whose size nobody sees: see whole
		return shape{reflect.TypeOf(v), 1}, len(v) > 0
	case *chartutil.Capabilities:
		return shape{reflect.TypeOf(v), 1}, v != nil
	}
	return s, false
}

// address tells tables and lists apart. It is nil for everything else, and for what has nothing in it.
func address(v any) unsafe.Pointer {
	if s, ok := shapeOf(v); !ok || s.size == 0 && s.is.Kind() == reflect.Slice {
		return nil
	}
	return reflect.ValueOf(v).UnsafePointer()
}

// enter gives a table or list a number.
func (t *tracer) enter(v any) int {
	number := t.nodes
	t.nodes++
	t.covered = append(t.covered, false)
	if at := address(v); at != nil {
		t.known[at] = number
	}
	return number
}

// origin is the number of a table or list of the data.
func (t *tracer) origin(v any) (number int, known bool) {
	if at := address(v); at != nil {
		number, known = t.known[at]
	}
	return number, known
}

// lose gives up all templates that are followed.
func (t *tracer) lose() {
	for ; t != nil; t = t.outer {
		t.lost = true
	}
}

// note remembers what was read from a table or list, for each template to whose data that belongs.
func (t *tracer) note(of any, s step, v any, found bool) {
	for ; t != nil; t = t.outer {
		if !t.lost {
			t.noteOwn(of, s, v, found)
		}
	}
}

func (t *tracer) noteOwn(of any, s step, v any, found bool) {
	number, known := t.origin(of)
	if !known || number == hidden || t.covered[number] || t.seen[placed{number, s}] {
		return
	}
	t.seen[placed{number, s}] = true
	r := read{of: number, step: s, want: v, found: found, node: none}
	if like, ok := shapeOf(v); ok {
		if _, known := t.origin(v); known {
			t.lost = true // in two places, of which another time each may hold something else
		}
		r.want, r.node = like, t.enter(v)
	} else if !isPlain(v) {
		t.lost = true
	}
	t.reads = append(t.reads, r)
}

// isPlain says whether same compares a value that is neither a table nor a list.
func isPlain(v any) bool {
	switch v.(type) {
	case nil, string, bool, int, int64, float64, []string:
		return true
	}
	kind := reflect.TypeOf(v).Kind()
	return kind == reflect.Struct || kind == reflect.Map
}

// same says whether two values that are plain are the same. Structs are what Helm says of the chart; maps are its
// files, of which there is one set, or empty.
func same(a, b any) bool {
	switch a := a.(type) {
	case nil, string, bool, int, int64, float64:
		return a == b
	case []string:
		other, ok := b.([]string)
		return ok && slices.Equal(a, other) && (a == nil) == (other == nil)
	}
	if b == nil || reflect.TypeOf(a) != reflect.TypeOf(b) {
		return false
	}
	if reflect.TypeOf(a).Kind() == reflect.Map {
		return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
	}
	return reflect.DeepEqual(a, b)
}

// whole notes that all of a value was read.
func (t *tracer) whole(v any) {
	switch v.(type) {
	case nil, string, bool, int, int64, float64:
		return
	}
	for ; t != nil; t = t.outer {
		t.wholeOwn(v, 0)
	}
}

func (t *tracer) wholeOwn(v any, depth int) {
	if depth > maxDepth {
		t.lost = true
	}
	if t.lost {
		return
	}
	number, known := t.origin(v)
	if known && number != hidden {
		if t.covered[number] {
			return
		}
		t.covered[number] = true
		r := read{of: number, step: step{kind: byWhole}, found: true, node: none}
		if r.want, t.lost = snapshot(untyped(v), 0); t.lost {
			return
		}
		t.reads = append(t.reads, r)
	}
	below := func(v any) {
		if at := address(v); known && at != nil {
			if _, numbered := t.known[at]; !numbered {
				t.known[at] = hidden
			}
		}
		t.wholeOwn(v, depth+1)
	}
	if m, ok := asMap(v); ok {
		for _, value := range m {
			below(value)
		}
	} else if list, ok := v.([]any); ok {
		for _, value := range list {
			below(value)
		}
	}
}

// snapshot copies a table or list; lost says that there is something in it that cannot be compared.
func snapshot(v any, depth int) (copied any, lost bool) {
	if depth > maxDepth {
		return nil, true
	}
	switch v := v.(type) {
	case nil, string, bool, int, int64, float64:
		return v, false
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			if list[i], lost = snapshot(item, depth+1); lost {
				return nil, true
			}
		}
		return list, v == nil
	case map[string]any:
		table := make(map[string]any, len(v))
		for key, value := range v {
			if table[key], lost = snapshot(value, depth+1); lost {
				return nil, true
			}
		}
		return table, v == nil
	}
	return nil, true
}

// equals says whether a value has what is in the copy.
func equals(v, copied any) bool {
	switch want := copied.(type) {
	case map[string]any:
		table, ok := v.(map[string]any)
		return ok && table != nil && maps.EqualFunc(table, want, equals)
	case []any:
		list, ok := v.([]any)
		return ok && list != nil && slices.EqualFunc(list, want, equals)
	}
	return same(copied, v)
}

// untyped is a table as YAML has it; its own type is part of its shape.
func untyped(v any) any {
	if table, ok := v.(chartutil.Values); ok {
		return map[string]any(table)
	}
	return v
}

// change notes that a value is about to be changed: one of the data would be another for everybody else, too.
func (t *tracer) change(v any) {
	for ; t != nil; t = t.outer {
		if _, known := t.origin(v); known {
			t.lost = true
		}
	}
}

// holds says whether a template would read the same from other data. readers learn then what it reads.
func (t *trace) holds(data any, lint bool, depth int, readers *tracer) bool {
	if like, ok := shapeOf(data); !ok || like != t.data || lint != t.lint || depth+t.deep > maxDepth {
		return false
	}
	at := make([]any, t.nodes)
	at[0] = data
	for i := range t.reads {
		if !t.reads[i].holds(at) {
			return false
		}
	}
	if readers == nil {
		return true
	}
	for _, r := range t.reads {
		if r.step.kind == byWhole {
			readers.whole(at[r.of])
		} else {
			v, found := r.step.from(at[r.of])
			readers.note(at[r.of], r.step, v, found)
		}
	}
	return true
}

// holds says whether the same is there. at are the tables and lists found so far.
func (r *read) holds(at []any) bool {
	v, found := r.step.from(at[r.of])
	if found != r.found {
		return false
	}
	if r.step.kind == byWhole {
		return equals(untyped(v), r.want)
	}
	if want, followed := r.want.(shape); followed {
		like, ok := shapeOf(v)
		at[r.node] = v
		return ok && like == want
	}
	return same(r.want, v)
}

// from takes the step from a table or list of the same shape as the one that it was taken from first.
func (s step) from(of any) (v any, found bool) {
	switch s.kind {
	case byKey:
		v, found = tableOf(of)[s.name]
		return v, found
	case byItem:
		list, _ := of.([]any)
		return list[s.item], true
	case byField:
		return reflected(reflect.ValueOf(of), strings.Split(s.name, ".")), true
	case byHas:
		set, _ := of.(chartutil.VersionSet)
		return set.Has(s.name), true
	}
	return of, true
}

// texts are what the templates of a set wrote. It is safe for concurrent use.
type texts struct {
	mu sync.Mutex
	of map[call][]*trace
}

// call is a template with the texts and numbers that it is called with beside tables and lists.
type call struct {
	body *body
	with string
}

func callOf(b *body, data any) call {
	c := call{body: b}
	list, _ := data.([]any)
	for _, item := range list {
		switch item := item.(type) {
		case string:
			c.with += "\x00" + item
		case int:
			c.with += "\x00" + strconv.Itoa(item)
		}
	}
	return c
}

// maxTraces bounds the texts of a call, each for another plan and cluster; maxCalls bounds the calls.
const maxTraces, maxCalls = 16, 1 << 12

func (t *texts) find(c call, data any, lint bool, depth int, readers *tracer) *trace {
	t.mu.Lock()
	all := t.of[c]
	t.mu.Unlock()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].holds(data, lint, depth, readers) {
			return all[i]
		}
	}
	return nil
}

func (t *texts) keep(c call, found *trace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil || len(t.of) >= maxCalls {
		t.of = map[call][]*trace{}
	}
	all := t.of[c]
	if len(all) >= maxTraces {
		all = all[1:]
	}
	t.of[c] = append(slices.Clip(all), found) // others may be reading the old list
}

// worth says how often a template was called, and how often its text was known.
type worth struct{ tried, spared atomic.Int64 }

// enough is how often a template is followed before that has to have been worth it.
const enough = 12

func (w *worth) follow() bool {
	tried := w.tried.Load()
	return tried < enough || w.spared.Load()*4 >= tried
}

// maxLevel bounds how many templates in each other are followed at the same time.
const maxLevel = 3

// followed says whether what a template writes is worth remembering: of a table, or of a list that begins with one.
func (r *run) followed(b *body, data any) bool {
	if list, ok := data.([]any); ok && len(list) > 0 {
		data = list[0]
	}
	_, isTable := data.(map[string]any)
	return isTable && b.worth.follow()
}

// reuse returns what a template writes, from memory where it would read nothing else.
func (r *run) reuse(b *body, data any) string {
	c := callOf(b, data)
	if known := r.set.texts.find(c, data, r.lint, r.depth, r.tracer); known != nil {
		b.worth.tried.Add(1)
		b.worth.spared.Add(1)
		r.deepest = max(r.deepest, r.depth+known.deep)
		return known.text
	}
	if r.tracer != nil && r.tracer.level >= maxLevel {
		return r.text(b, data)
	}
	b.worth.tried.Add(1)
	t, deepest := r.follow(data), r.deepest
	r.deepest = r.depth
	text := r.text(b, data)
	t.text, t.deep = text, r.deepest-r.depth
	r.deepest = max(deepest, r.deepest)
	if !t.lost {
		r.set.texts.keep(c, t.remember())
	}
	r.unfollow()
	return text
}

// remember is what is kept once a template has run.
func (t *tracer) remember() *trace {
	kept := t.trace
	kept.reads = slices.Clone(kept.reads)
	return &kept
}
