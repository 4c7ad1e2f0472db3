package engine

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"text/template/parse"

	"github.com/Masterminds/sprig/v3"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/plainyaml"
)

// Engine prepares templates and remembers them. It is safe for concurrent use.
type Engine struct {
	functions map[string]function
	known     map[string]any // the names, for the parser
	memory    *memory
}

// function is one that templates call. It does not keep args. It panics where it is not sure.
type function func(r *run, args []any) any

// New makes an Engine.
func New() *Engine {
	e := &Engine{functions: map[string]function{}, known: map[string]any{}, memory: &memory{}}
	for name, f := range sprig.TxtFuncMap() {
		e.functions[name] = adapt(f)
	}
	delete(e.functions, "env")
	delete(e.functions, "expandenv")
	for name, f := range e.special() {
		e.functions[name] = f
	}
	// Helm's, which this engine leaves to it.
	for _, name := range []string{"toToml", "fromToml", "toYamlPretty"} {
		e.functions[name] = nil
	}
	for name := range e.functions {
		e.known[name] = func() {}
	}
	return e
}

// builtins are the names of text/template's own functions, for the parser.
func builtins() map[string]any {
	names := map[string]any{}
	for _, name := range []string{"and", "break", "call", "continue", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf", "println", "slice", "urlquery"} {
		names[name] = func() {}
	}
	delete(names, "break")
	delete(names, "continue")
	return names
}

// call is the value of a function. final is what comes through the pipe.
func (c *compiler) call(name string, nodes []parse.Node, final expression) expression {
	var args []expression
	for _, n := range nodes {
		args = append(args, c.operand(n))
	}
	if final != nil {
		args = append(args, final)
	}
	f, ours := c.engine.functions[name]
	if !ours {
		if name == "and" || name == "or" {
			return shortCircuit(name == "or", args)
		}
		f = builtin(name)
	}
	if f == nil {
		return unsure("the function " + name)
	}
	reads := readingOf(name)
	return func(fr *frame) any {
		r := fr.run
		begin := len(r.stack)
		for _, a := range args {
			v := a(fr)
			r.stack = append(r.stack, v)
		}
		given := r.stack[begin:]
		if t := r.tracer; t != nil {
			t.call(reads, given)
		}
		v := f(r, given)
		r.stack = r.stack[:begin]
		return v
	}
}

func shortCircuit(until bool, args []expression) expression {
	if len(args) == 0 {
		return unsure("no arguments")
	}
	return func(f *frame) any {
		var v any
		for _, a := range args {
			if v = a(f); truth(v) == until {
				return v
			}
		}
		return v
	}
}

func wants(args []any, n int) {
	if len(args) != n {
		stop("another number of arguments")
	}
}

// joined is what fmt.Sprintf makes of texts, where the format wants nothing but %s: templates print whole documents so.
func joined(format string, args []any) (string, bool) {
	parts := make([]string, 0, 2*len(args)+1)
	for {
		before, rest, more := strings.Cut(format, "%")
		parts = append(parts, before)
		if !more {
			return strings.Join(parts, ""), len(args) == 0
		}
		if !strings.HasPrefix(rest, "s") || len(args) == 0 {
			return "", false
		}
		value, isText := args[0].(string)
		if !isText {
			return "", false
		}
		parts, args, format = append(parts, value), args[1:], rest[1:]
	}
}

// builtin is one of text/template's own functions; nil where there is none, or where it is left to Helm.
func builtin(name string) function {
	order := func(is func(int) bool) function {
		return func(_ *run, args []any) any {
			wants(args, 2)
			return is(compare(args[0], args[1]))
		}
	}
	switch name {
	case "not":
		return func(_ *run, args []any) any { wants(args, 1); return !truth(args[0]) }
	case "eq":
		return func(_ *run, args []any) any {
			if len(args) < 2 {
				stop("another number of arguments")
			}
			for _, other := range args[1:] {
				if equal(args[0], other) {
					return true
				}
			}
			return false
		}
	case "ne":
		return func(_ *run, args []any) any { wants(args, 2); return !equal(args[0], args[1]) }
	case "lt":
		return order(func(d int) bool { return d < 0 })
	case "le":
		return order(func(d int) bool { return d <= 0 })
	case "gt":
		return order(func(d int) bool { return d > 0 })
	case "ge":
		return order(func(d int) bool { return d >= 0 })
	case "len":
		return func(_ *run, args []any) any { wants(args, 1); return length(args[0]) }
	case "index":
		return func(_ *run, args []any) any { return index(args) }
	case "print":
		return func(_ *run, args []any) any { return fmt.Sprint(args...) }
	case "println":
		return func(_ *run, args []any) any { return fmt.Sprintln(args...) }
	case "printf":
		return func(_ *run, args []any) any {
			if len(args) == 0 {
				stop("another number of arguments")
			}
			if printed, simple := joined(text(args[0]), args[1:]); simple {
				return printed
			}
			return fmt.Sprintf(text(args[0]), args[1:]...)
		}
	}
	return nil
}

func text(v any) string {
	s, ok := v.(string)
	if !ok {
		stop("another type of argument")
	}
	return s
}

func tableOf(v any) map[string]any {
	m, ok := asMap(v)
	if !ok {
		stop("another type of argument")
	}
	return m
}

// adapt makes a function of one of sprig's. Those that are called most are called without reflection.
func adapt(f any) function {
	switch f := f.(type) {
	case func(string) string:
		return func(_ *run, a []any) any { wants(a, 1); return f(text(a[0])) }
	case func(string, string) string:
		return func(_ *run, a []any) any { wants(a, 2); return f(text(a[0]), text(a[1])) }
	case func(string, string) bool:
		return func(_ *run, a []any) any { wants(a, 2); return f(text(a[0]), text(a[1])) }
	case func(string, string) []string:
		return func(_ *run, a []any) any { wants(a, 2); return f(text(a[0]), text(a[1])) }
	case func(string, string, string) string:
		return func(_ *run, a []any) any { wants(a, 3); return f(text(a[0]), text(a[1]), text(a[2])) }
	case func(int, string) string:
		return func(_ *run, a []any) any {
			wants(a, 2)
			n, ok := a[0].(int)
			if !ok {
				stop("another type of argument")
			}
			return f(n, text(a[1]))
		}
	case func(any) string:
		return func(_ *run, a []any) any { wants(a, 1); return f(a[0]) }
	case func(any) bool:
		return func(_ *run, a []any) any { wants(a, 1); return f(a[0]) }
	case func(any) int:
		return func(_ *run, a []any) any { wants(a, 1); return f(a[0]) }
	case func(any) int64:
		return func(_ *run, a []any) any { wants(a, 1); return f(a[0]) }
	case func(any) any:
		return func(_ *run, a []any) any { wants(a, 1); return f(a[0]) }
	case func(string, any) bool:
		return func(_ *run, a []any) any { wants(a, 2); return f(text(a[0]), a[1]) }
	case func(string, any) string:
		return func(_ *run, a []any) any { wants(a, 2); return f(text(a[0]), a[1]) }
	case func(any, any) int64:
		return func(_ *run, a []any) any { wants(a, 2); return f(a[0], a[1]) }
	case func(any, any) bool:
		return func(_ *run, a []any) any { wants(a, 2); return f(a[0], a[1]) }
	case func(any, any) []any:
		return func(_ *run, a []any) any { wants(a, 2); return f(a[0], a[1]) }
	case func(any, any, bool) any:
		return func(_ *run, a []any) any {
			wants(a, 3)
			is, ok := a[2].(bool)
			if !ok {
				stop("another type of argument")
			}
			return f(a[0], a[1], is)
		}
	case func(...any) string:
		return func(_ *run, a []any) any { return f(a...) }
	case func(...any) any:
		return func(_ *run, a []any) any { return f(a...) }
	case func(...any) []any: // which may return its arguments
		return func(_ *run, a []any) any { return f(append(make([]any, 0, len(a)), a...)...) }
	case func(...any) int64:
		return func(_ *run, a []any) any { return f(a...) }
	case func(...any) map[string]any:
		return func(_ *run, a []any) any { return f(a...) }
	case func(any, ...any) any:
		return func(_ *run, a []any) any {
			if len(a) == 0 {
				stop("another number of arguments")
			}
			return f(a[0], a[1:]...)
		}
	case func(map[string]any, string) any:
		return func(_ *run, a []any) any { wants(a, 2); return f(tableOf(a[0]), text(a[1])) }
	case func(map[string]any, string) bool:
		return func(_ *run, a []any) any { wants(a, 2); return f(tableOf(a[0]), text(a[1])) }
	case func(map[string]any, string, any) map[string]any:
		return func(_ *run, a []any) any { wants(a, 3); return f(tableOf(a[0]), text(a[1]), a[2]) }
	}
	of := reflect.ValueOf(f)
	return func(_ *run, a []any) any {
		result, err := reflectCall(of, a)
		if err != nil {
			stop(err)
		}
		return result
	}
}

// special are Helm's own functions, and those of sprig that take long and whose results follow from texts alone.
func (e *Engine) special() map[string]function {
	generic := sprig.TxtFuncMap()
	push := adapt(generic["append"])
	deepCopy, regexMatch, semverCompare := adapt(generic["deepCopy"]), adapt(generic["regexMatch"]), adapt(generic["semverCompare"])
	return map[string]function{
		"include": func(r *run, a []any) any { wants(a, 2); return r.include(text(a[0]), a[1]) },
		"tpl":     func(r *run, a []any) any { wants(a, 2); return r.tpl(text(a[0]), a[1]) },
		"required": func(r *run, a []any) any {
			wants(a, 2)
			_ = text(a[0])
			if a[1] == nil || a[1] == "" {
				if !r.lint {
					stop("a required value is missing")
				}
				return ""
			}
			return a[1]
		},
		"fail": func(r *run, a []any) any {
			wants(a, 1)
			if message := text(a[0]); !r.lint {
				stop(message)
			}
			return ""
		},
		"lookup": func(_ *run, a []any) any {
			wants(a, 4)
			for _, v := range a {
				_ = text(v)
			}
			return map[string]any{}
		},
		"getHostByName": func(_ *run, a []any) any { wants(a, 1); _ = text(a[0]); return "" },
		"toYaml":        func(r *run, a []any) any { wants(a, 1); return r.memory.yamlOf(a[0]) },
		"fromYaml":      func(r *run, a []any) any { wants(a, 1); return r.memory.mapOf(text(a[0])) },
		"fromYamlArray": func(r *run, a []any) any { wants(a, 1); return r.memory.listOf(text(a[0])) },
		"toJson": func(_ *run, a []any) any {
			wants(a, 1)
			data, err := json.Marshal(a[0])
			if err != nil {
				return ""
			}
			return string(data)
		},
		"fromJson": func(_ *run, a []any) any {
			wants(a, 1)
			m := map[string]any{}
			if err := json.Unmarshal([]byte(text(a[0])), &m); err != nil {
				m["Error"] = err.Error()
			}
			return m
		},
		"fromJsonArray": func(_ *run, a []any) any {
			wants(a, 1)
			list := []any{}
			if err := json.Unmarshal([]byte(text(a[0])), &list); err != nil {
				list = []any{err.Error()}
			}
			return list
		},
		"deepCopy": func(r *run, a []any) any {
			wants(a, 1)
			if c, ok := copyOf(a[0]); ok {
				return c
			}
			return deepCopy(r, a)
		},
		"regexMatch": func(r *run, a []any) any {
			wants(a, 2)
			if re := r.memory.regexp(text(a[0])); re != nil {
				return re.MatchString(text(a[1]))
			}
			return regexMatch(r, a)
		},
		"regexFindAll": func(r *run, a []any) any {
			wants(a, 3)
			n, ok := a[2].(int)
			if !ok {
				stop("another type of argument")
			}
			return r.memory.mustRegexp(text(a[0])).FindAllString(text(a[1]), n)
		},
		"indent":  func(_ *run, a []any) any { wants(a, 2); return indented(a[0], text(a[1]), "") },
		"nindent": func(_ *run, a []any) any { wants(a, 2); return indented(a[0], text(a[1]), "\n") },
		"append": func(r *run, a []any) any {
			wants(a, 2)
			if list, ok := a[0].([]any); ok {
				longer := make([]any, len(list), len(list)+1)
				copy(longer, list)
				return append(longer, a[1])
			}
			return push(r, a)
		},
		"regexFind": func(r *run, a []any) any { wants(a, 2); return r.memory.mustRegexp(text(a[0])).FindString(text(a[1])) },
		"regexReplaceAll": func(r *run, a []any) any {
			wants(a, 3)
			return r.memory.mustRegexp(text(a[0])).ReplaceAllString(text(a[1]), text(a[2]))
		},
		"semverCompare": func(r *run, a []any) any {
			wants(a, 2)
			key := text(a[0]) + "\x00" + text(a[1])
			return r.memory.semver.get(key, 1, func() bool { return semverCompare(r, a) == true })
		},
	}
}

// indented puts blanks before each line of a text.
func indented(blanks any, source, begin string) string {
	n, ok := blanks.(int)
	if !ok || n < 0 {
		stop("another type of argument")
	}
	var b strings.Builder
	b.Grow(len(begin) + len(source) + n*(strings.Count(source, "\n")+1))
	b.WriteString(begin)
	before := strings.Repeat(" ", n)
	for line := range strings.SplitAfterSeq(source, "\n") {
		b.WriteString(before)
		b.WriteString(line)
	}
	return b.String()
}

// tpl renders a text. One that defines templates of its own is left to Helm.
func (r *run) tpl(source string, data any) string {
	f := r.set.engine.parse(source)
	if f.err != nil {
		stop(f.err)
	}
	if len(f.defined) > 0 {
		stop("a text that defines templates")
	}
	return strings.ReplaceAll(r.text(f.main, data), "<no value>", "")
}

// copyOf copies maps and lists; ok is false where there is something else than what a file of YAML has.
func copyOf(v any) (out any, ok bool) {
	switch v := v.(type) {
	case string, bool, int, int64, float64:
		return v, true
	case map[string]any:
		if v == nil {
			return nil, false
		}
		m := make(map[string]any, len(v))
		for key, value := range v {
			if value == nil {
				m[key] = nil
				continue
			}
			if m[key], ok = copyOf(value); !ok {
				return nil, false
			}
		}
		return m, true
	case []any:
		if v == nil {
			return nil, false
		}
		list := make([]any, len(v))
		for i, value := range v {
			if value == nil {
				continue
			}
			if list[i], ok = copyOf(value); !ok {
				return nil, false
			}
		}
		return list, true
	}
	return nil, false
}

type regexpOf struct{ *regexp.Regexp }

func (m *memory) regexp(expression string) *regexp.Regexp {
	return m.regexps.get(expression, 1<<12, func() *regexpOf {
		re, err := regexp.Compile(expression)
		if err != nil {
			return &regexpOf{}
		}
		return &regexpOf{re}
	}).Regexp
}

func (m *memory) mustRegexp(expression string) *regexp.Regexp {
	re := m.regexp(expression)
	if re == nil {
		stop("a wrong expression")
	}
	return re
}

// yamlOf is toYaml. What it writes follows from the value as JSON.
func (m *memory) yamlOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return m.toYAML.get(string(data), len(data), func() string {
		out, err := yaml.JSONToYAML(data)
		if err != nil {
			return ""
		}
		return strings.TrimSuffix(string(out), "\n")
	})
}

func (m *memory) mapOf(source string) map[string]any {
	found := m.fromMap.get(source, 4*len(source), func() map[string]any {
		if object, plain := plainyaml.Parse(source); plain {
			return object
		}
		out := map[string]any{}
		if err := yaml.Unmarshal([]byte(source), &out); err != nil {
			out["Error"] = err.Error()
		}
		return out
	})
	if found == nil { // a document that says null
		return nil
	}
	return Copy(found)
}

func (m *memory) listOf(source string) []any {
	found := m.fromSeq.get(source, 4*len(source), func() []any {
		if object, plain := plainyaml.Parse("list:\n" + source); plain && len(object) == 1 {
			if list, ok := object["list"].([]any); ok {
				return list
			}
		}
		out := []any{}
		if err := yaml.Unmarshal([]byte(source), &out); err != nil {
			out = []any{err.Error()}
		}
		return out
	})
	if found == nil {
		return nil
	}
	out, _ := copyValue(found).([]any)
	return out
}

// Copy copies maps and lists; everything else is shared.
func Copy(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for key, value := range m {
		out[key] = copyValue(value)
	}
	return out
}

func copyValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return Copy(v)
	case chartutil.Values:
		return chartutil.Values(Copy(v))
	case []any:
		if v == nil {
			return v
		}
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = copyValue(item)
		}
		return out
	default:
		return v
	}
}
