package engine

import (
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
)

// reading is what a function reads of its arguments.
type reading int

const (
	unknown reading = iota // or it gives something else every time, or changes an argument: nobody follows it
	deeply                 // all that is in them
	barely                 // whether there is something in them, and of what kind it is
	oneKey                 // of a table, whether it has a key and what is there
	thePath                // of tables and lists, what lies on a way of keys and numbers
	inPairs                // as barely, but for the keys, which come first of each two
	changes                // as barely, and it changes the first
)

// readings are functions whose results follow from their arguments alone.
var readings = map[reading]string{
	barely: `include tpl list tuple default empty ternary coalesce kindIs kindOf typeOf typeIs typeIsLike not len required fail
		eq ne lt le gt ge lookup getHostByName`,
	oneKey:  `get hasKey`,
	thePath: `index`,
	inPairs: `dict`,
	changes: `set unset`,
	deeply: `print println printf toYaml fromYaml fromYamlArray toJson fromJson fromJsonArray toPrettyJson toRawJson mustToJson
		deepCopy keys values pick omit pluck dig has without uniq concat append push prepend first last rest initial reverse compact slice chunk
		sortAlpha join split splitList splitn toString toStrings quote squote cat trim trimAll trimPrefix trimSuffix trimall upper lower title untitle
		repeat substr nospace trunc abbrev contains hasPrefix hasSuffix indent nindent replace plural snakecase camelcase kebabcase wrap wrapWith
		int int64 float64 atoi toDecimal add add1 sub mul div mod max min biggest floor ceil round until untilStep seq
		b64enc b64dec b32enc b32dec sha1sum sha256sum sha512sum adler32sum
		regexMatch regexFind regexFindAll regexReplaceAll regexReplaceAllLiteral regexSplit regexQuoteMeta mustRegexMatch mustRegexFind
		semver semverCompare base dir clean ext isAbs urlParse urlJoin all any`,
}

var readingByName = func() map[string]reading {
	byName := map[string]reading{}
	for how, names := range readings {
		for name := range strings.FieldsSeq(names) {
			byName[name] = how
		}
	}
	return byName
}()

func readingOf(function string) reading { return readingByName[function] }

// call notes what a function is about to read.
func (t *tracer) call(how reading, args []any) {
	switch how {
	case barely:
		for _, a := range args {
			if _, isSet := a.(chartutil.VersionSet); isSet {
				t.lose() // of which only single versions are followed
			}
		}
	case inPairs:
		for i := 0; i < len(args); i += 2 {
			t.whole(args[i])
		}
	case deeply:
		for _, a := range args {
			t.whole(a)
		}
	case oneKey:
		if len(args) == 2 {
			t.path(args[0], args[1:])
		}
	case thePath:
		if len(args) > 0 {
			t.path(args[0], args[1:])
		}
	case changes:
		if len(args) > 0 {
			t.change(args[0])
		}
	default:
		t.lose()
	}
}

// path notes what lies on a way of keys and numbers, as far as it leads.
func (t *tracer) path(of any, way []any) {
	for _, at := range way {
		if m, ok := asMap(of); ok {
			key, ok := at.(string)
			if !ok {
				return
			}
			v, found := m[key]
			t.key(of, key, v, found)
			of = v
			continue
		}
		list, ok := of.([]any)
		i, isNumber := number64(at)
		if !ok || !isNumber || i < 0 || i >= int64(len(list)) {
			return // what is no list of values is compared as it is, and what leads nowhere stops the rendering
		}
		t.item(list, int(i), list[i])
		of = list[i]
	}
}

// key notes what a table has under a key.
func (t *tracer) key(of any, name string, v any, found bool) {
	t.note(of, step{kind: byKey, name: name}, v, found)
}

// item notes an item of a list.
func (t *tracer) item(of []any, i int, v any) { t.note(of, step{kind: byItem, item: i}, v, true) }

// each notes all items of a list, or all keys of a table.
func (t *tracer) each(of any) {
	if m, ok := asMap(of); ok {
		for name, v := range m {
			t.key(of, name, v, true)
		}
		return
	}
	if _, isSet := of.(chartutil.VersionSet); isSet {
		t.lose()
	}
	list, _ := of.([]any)
	for i, v := range list {
		t.item(list, i, v)
	}
}

// field notes a field of what is no table.
func (t *tracer) field(of any, idents []string, v any) {
	t.note(of, step{kind: byField, name: strings.Join(idents, ".")}, v, true)
}

// method notes what a method has answered.
func (t *tracer) method(of any, name string, args []any, v any) {
	_, isSet := of.(chartutil.VersionSet)
	if is, ok := v.(bool); ok && isSet && name == "Has" && len(args) == 1 {
		if version, ok := args[0].(string); ok {
			t.note(of, step{kind: byHas, name: version}, is, true)
			return
		}
	}
	if _, ok := shapeOf(of); ok {
		t.lose() // of the tables and lists of Helm
	}
	for _, a := range args {
		t.whole(a)
	}
}
