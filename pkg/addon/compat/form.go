package compat

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
)

// form compares the forms of two plans: would everything that users could enter still be taken, and mean the
// same?
func (c *comparison) form(b, a addon.Plan) error {
	was, err := schema(b, c.before)
	if err != nil {
		return err
	}
	is, err := schema(a, c.after)
	if err != nil {
		return err
	}
	f := forms{c: c, plan: a.Meta.Name, before: was, after: is}
	f.object("", f.resolve(was, was), f.resolve(is, is), 0)
	return nil
}

// schema is the form of a plan as JSON; a plan without one takes nothing.
func schema(p addon.Plan, a *addon.Addon) (map[string]any, error) {
	if len(p.CreateSchema) == 0 {
		return map[string]any{}, nil
	}
	// What is not local or cyclic is refused before it is followed.
	if _, err := form.Parse(p.CreateSchema); err != nil {
		return nil, fmt.Errorf("%s: plans/%s/%s: %w", a.Name(), p.Dir, addon.CreateSchema, err)
	}
	var document map[string]any
	return document, json.Unmarshal(p.CreateSchema, &document)
}

type forms struct {
	c             *comparison
	plan          string
	before, after map[string]any
}

// maxLevels bounds how deep objects in objects are followed.
const maxLevels = 64

func (f forms) add(level Level, where, format string, args ...any) {
	if where == "" {
		where = "(form)"
	}
	f.c.add(level, AreaForm, f.plan, where, format, args...)
}

// resolve follows local references.
func (f forms) resolve(root, node map[string]any) map[string]any {
	for range maxLevels {
		target, ok := node["$ref"].(string)
		if !ok {
			return node
		}
		var at any = root
		for _, part := range strings.Split(strings.Trim(strings.TrimPrefix(target, "#"), "/"), "/") {
			if part == "" {
				continue
			}
			m, _ := at.(map[string]any)
			at = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
		}
		next, ok := at.(map[string]any)
		if !ok {
			return node
		}
		node = next
	}
	return node
}

func (f forms) object(at string, was, is map[string]any, level int) {
	if level > maxLevels {
		return
	}
	before, after := child(was, "properties"), child(is, "properties")
	needed, needs := texts(was["required"]), texts(is["required"])
	for _, name := range slices.Sorted(maps.Keys(before)) {
		where := join(at, name)
		if _, kept := after[name]; !kept {
			f.add(Major, where, "is gone: an instance that has it is refused, or the value is ignored")
			continue
		}
		b, a := f.resolve(f.before, child(before, name)), f.resolve(f.after, child(after, name))
		f.required(where, slices.Contains(needed, name), slices.Contains(needs, name))
		f.field(where, b, a, slices.Contains(needs, name), level)
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, known := before[name]; known {
			continue
		}
		if slices.Contains(needs, name) {
			f.add(Major, join(at, name), "is new and required: what users entered so far is not enough")
		} else {
			f.add(Minor, join(at, name), "is new")
		}
	}
	open := func(schema map[string]any) bool { return schema["additionalProperties"] != false }
	if len(was) > 0 && open(was) && !open(is) {
		f.add(Major, at, "takes no other fields any more")
	}
	if !open(was) && open(is) {
		f.add(Minor, at, "takes other fields now")
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf", "not", "dependencies", "patternProperties"} {
		// What is referred to counts, not its name.
		all, now := f.expand(f.before, was[keyword], level), f.expand(f.after, is[keyword], level)
		before, _ := all.([]any)
		after, _ := now.([]any)
		switch {
		case reflect.DeepEqual(all, now):
		case now == nil && keyword != "patternProperties":
			f.add(Minor, at, "takes more: %s does not hold any more", keyword)
		case keyword == "anyOf" && len(before) > 0 && allIn(before, after):
			f.add(Minor, at, "takes more: anyOf has another choice")
		default:
			f.add(Major, at, "%s is another one, and may refuse what was taken", keyword)
		}
	}
}

// expand is a part of a form with references written out, as deep as forms are compared. Parse has refused those that lead back
// to themselves, and too many.
func (f forms) expand(root map[string]any, node any, level int) any {
	if level > maxLevels {
		return node
	}
	switch n := node.(type) {
	case []any:
		out := make([]any, len(n))
		for i, item := range n {
			out[i] = f.expand(root, item, level+1)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, value := range f.resolve(root, n) {
			out[key] = f.expand(root, value, level+1)
		}
		return out
	}
	return node
}

// allIn says whether a list has every item of another one.
func allIn(items, list []any) bool {
	return !slices.ContainsFunc(items, func(item any) bool {
		return !slices.ContainsFunc(list, func(other any) bool { return reflect.DeepEqual(item, other) })
	})
}

func (f forms) required(where string, was, is bool) {
	switch {
	case !was && is:
		f.add(Major, where, "is required now: who left it out is refused")
	case was && !is:
		f.add(Minor, where, "is not required any more")
	}
}

func (f forms) field(where string, was, is map[string]any, required bool, level int) {
	f.kind(where, was["type"], is["type"])
	f.enum(where, was["enum"], is["enum"])
	f.standard(where, was, is, required)
	f.limits(where, was, is)
	f.format(where, was["format"], is["format"])
	f.pattern(where, was["pattern"], is["pattern"])
	for _, text := range []string{"title", "description", "examples"} {
		if !reflect.DeepEqual(was[text], is[text]) {
			f.add(Patch, where, "has another text: %s", text)
		}
	}
	if items, ok := is["items"].(map[string]any); ok {
		if before, had := was["items"].(map[string]any); had {
			b, a := f.resolve(f.before, before), f.resolve(f.after, items)
			f.field(where+"[]", b, a, true, level+1)
		} else {
			f.add(Major, where, "says now what its items must be")
		}
	}
	f.object(where, was, is, level+1)
}

func (f forms) kind(where string, was, is any) {
	switch {
	case reflect.DeepEqual(was, is):
	case is == nil || was == "integer" && is == "number":
		f.add(Minor, where, "takes more: type %s becomes %s", show(was), show(is))
	case was == "number" && is == "integer":
		f.add(Major, where, "takes whole numbers only")
	default:
		f.add(Major, where, "type %s becomes %s: what was entered so far is refused", show(was), show(is))
	}
}

func (f forms) enum(where string, was, is any) {
	before, had := was.([]any)
	after, has := is.([]any)
	missing := func(from, of []any) []string {
		var names []string
		for _, v := range from {
			if !slices.ContainsFunc(of, func(o any) bool { return reflect.DeepEqual(v, o) }) {
				names = append(names, show(v))
			}
		}
		return names
	}
	switch {
	case !had && has:
		f.add(Major, where, "takes some values only: %s", strings.Join(missing(after, nil), ", "))
	case had && !has:
		f.add(Minor, where, "takes any value")
	default:
		if gone := missing(before, after); len(gone) > 0 {
			f.add(Major, where, "no longer takes %s", strings.Join(gone, ", "))
		}
		if fresh := missing(after, before); len(fresh) > 0 {
			f.add(Minor, where, "takes %s too", strings.Join(fresh, ", "))
		}
	}
}

// standard compares the defaults. A secret has none, so they can be shown.
func (f forms) standard(where string, was, is map[string]any, required bool) {
	before, had := was["default"]
	after, has := is["default"]
	switch {
	case had && !has && required:
		f.add(Major, where, "has no default any more (it was %s) and is required", show(before))
	case had && !has:
		f.add(Minor, where, "has no default any more; it was %s", show(before))
	case !had && has:
		f.add(Minor, where, "has a default now: %s", show(after))
	case !reflect.DeepEqual(before, after):
		f.add(Minor, where, "the default %s becomes %s: who left it as it was gets something else", show(before), show(after))
	}
}

func (f forms) limits(where string, was, is map[string]any) {
	for _, keyword := range []string{"minimum", "minLength", "minItems", "minProperties"} {
		f.limit(where, keyword, was[keyword], is[keyword], 1)
	}
	for _, keyword := range []string{"maximum", "maxLength", "maxItems", "maxProperties"} {
		f.limit(where, keyword, was[keyword], is[keyword], -1)
	}
	for _, keyword := range []string{"exclusiveMinimum", "exclusiveMaximum", "uniqueItems"} {
		before, _ := was[keyword].(bool)
		after, _ := is[keyword].(bool)
		if !before && after {
			f.add(Major, where, "%s holds now, so that less is taken", keyword)
		} else if before && !after {
			f.add(Minor, where, "%s does not hold any more", keyword)
		}
	}
	if before, after := was["multipleOf"], is["multipleOf"]; !reflect.DeepEqual(before, after) {
		old, had := before.(float64)
		step, has := after.(float64)
		switch {
		case !has:
			f.add(Minor, where, "multipleOf does not hold any more")
		case had && step != 0 && math.Mod(old, step) == 0:
			f.add(Minor, where, "takes more: multipleOf is %s now", show(after))
		default:
			f.add(Major, where, "multipleOf is %s now", show(after))
		}
	}
}

// limit compares a lower (sign 1) or an upper (sign -1) limit.
func (f forms) limit(where, keyword string, was, is any, sign float64) {
	before, had := was.(float64)
	after, has := is.(float64)
	switch {
	case had && has && before == after || !had && !has:
	case !has:
		f.add(Minor, where, "%s (%s) does not hold any more", keyword, show(was))
	case !had || after*sign > before*sign:
		f.add(Major, where, "takes less: %s is %s now", keyword, show(is))
	default:
		f.add(Minor, where, "takes more: %s is %s now", keyword, show(is))
	}
}

// format compares formats. "password" hides what is typed and refuses nothing.
func (f forms) format(where string, was, is any) {
	switch {
	case reflect.DeepEqual(was, is):
	case is == "password":
		f.add(Patch, where, "is shown as a secret now")
	case was == "password" && is == nil:
		f.add(Minor, where, "is no longer shown as a secret")
	case is == nil:
		f.add(Minor, where, "format %s does not hold any more", show(was))
	default:
		f.add(Major, where, "must have the format %s", show(is))
	}
}

// pattern compares what two patterns take, where that can be decided; otherwise the worse is assumed.
func (f forms) pattern(where string, was, is any) {
	before, _ := was.(string)
	after, _ := is.(string)
	if before == after {
		return
	}
	refused, less, decided := narrower(before, after)
	_, more, known := narrower(after, before)
	switch {
	case is == nil:
		f.add(Minor, where, "has no pattern any more")
	case decided && less && was == nil:
		f.add(Major, where, "must match the pattern %s, which refuses %s", show(is), show(refused))
	case decided && less:
		f.add(Major, where, "must match another pattern, which refuses %s: %s", show(refused), show(is))
	case decided && known && !more:
		f.add(Patch, where, "has another pattern, which takes the same: %s", show(is))
	case decided:
		f.add(Minor, where, "takes more: the pattern is %s", show(is))
	default:
		f.add(Major, where, "must match another pattern, which may refuse what was taken: %s", show(is))
	}
}

func child(m map[string]any, name string) map[string]any {
	c, _ := m[name].(map[string]any)
	return c
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// show is a value as one short line of JSON.
func show(v any) string {
	if v == nil {
		return "any"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	const most = 120
	if len(data) > most {
		return string(data[:most]) + "…"
	}
	return string(data)
}
