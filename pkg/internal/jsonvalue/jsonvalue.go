// Package jsonvalue fills Go values with what has been read as JSON has it (maps, lists, texts, float64, truths and nil),
// in a tenth of the time that a text of it takes. It never guesses: where a reader of JSON would say that something is
// wrong, or might look more closely, it leaves the answer to that one.
package jsonvalue

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Fill fills what target points to, which is empty, as json.Unmarshal would from the value's text. It may keep parts of
// the value. sure is false where json.Unmarshal has to be asked, and target is then to be thrown away.
func Fill(value, target any) (sure bool) {
	return filler{}.fill(value, reflect.ValueOf(target).Elem())
}

// FillStrictly fills as the strict reader of Kubernetes would, sigs.k8s.io/json.UnmarshalStrict, where that finds nothing
// wrong: the target knows all of the value's keys, each in its own spelling.
func FillStrictly(value, target any) (sure bool) {
	return filler{strict: true}.fill(value, reflect.ValueOf(target).Elem())
}

type filler struct{ strict bool }

func (f filler) fill(value any, to reflect.Value) bool {
	s := shapeOf(to.Type())
	switch {
	case s.odd:
		return false
	case s.unmarshals:
		data, err := json.Marshal(value)
		if err != nil {
			return false
		}
		own, ok := to.Addr().Interface().(json.Unmarshaler)
		return ok && own.UnmarshalJSON(data) == nil
	case value == nil:
		return true
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		return f.fill(value, to.Elem())
	case reflect.Interface:
		to.Set(reflect.ValueOf(value))
		return !f.strict // the strict reader makes other numbers
	case reflect.Struct:
		object, ok := value.(map[string]any)
		return ok && f.fields(object, to, s)
	case reflect.Map:
		object, ok := value.(map[string]any)
		return ok && f.entries(object, to)
	case reflect.Slice:
		return f.items(value, to)
	default:
		return scalar(value, to)
	}
}

func (f filler) fields(object map[string]any, to reflect.Value, s *shape) bool {
	for key, value := range object {
		at, known := s.fields[key]
		if !known {
			if f.strict || slices.ContainsFunc(s.names, func(name string) bool { return strings.EqualFold(name, key) }) {
				return false
			}
			continue
		}
		if !f.fill(value, to.FieldByIndex(at)) {
			return false
		}
	}
	return true
}

func (f filler) entries(object map[string]any, to reflect.Value) bool {
	t := to.Type()
	if t == reflect.TypeFor[map[string]string]() {
		texts, ok := textsOf(object)
		to.Set(reflect.ValueOf(texts))
		return ok
	}
	to.Set(reflect.MakeMapWithSize(t, len(object)))
	for key, value := range object {
		entry := reflect.New(t.Elem()).Elem()
		if !f.fill(value, entry) {
			return false
		}
		to.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), entry)
	}
	return true
}

// textsOf is what most maps are: one of texts, nil counting as an empty one.
func textsOf(object map[string]any) (texts map[string]string, ok bool) {
	texts = make(map[string]string, len(object))
	for key, value := range object {
		text, isText := value.(string)
		if !isText && value != nil {
			return nil, false
		}
		texts[key] = text
	}
	return texts, true
}

func (f filler) items(value any, to reflect.Value) bool {
	if text, ok := value.(string); ok && to.Type().Elem().Kind() == reflect.Uint8 {
		data, err := base64.StdEncoding.DecodeString(text)
		to.SetBytes(data)
		return err == nil
	}
	list, ok := value.([]any)
	if !ok {
		return false
	}
	to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
	for i, item := range list {
		if !f.fill(item, to.Index(i)) {
			return false
		}
	}
	return true
}

// maxWhole is the least number from which on a float64 may stand for several whole ones, of which the text says which.
const maxWhole = 1 << 53

func scalar(value any, to reflect.Value) bool {
	switch value := value.(type) {
	case string:
		if to.Kind() != reflect.String {
			return false
		}
		to.SetString(value)
	case bool:
		if to.Kind() != reflect.Bool {
			return false
		}
		to.SetBool(value)
	case float64:
		switch {
		case (to.CanInt() || to.CanUint()) && math.Abs(value) >= maxWhole:
			return false
		case to.CanInt():
			to.SetInt(int64(value))
			return float64(to.Int()) == value
		case to.CanUint():
			to.SetUint(uint64(value))
			return value >= 0 && float64(to.Uint()) == value
		case to.Kind() == reflect.Float64:
			to.SetFloat(value)
		default:
			return false
		}
	default:
		return false
	}
	return true
}

// shape is what has to be known of a type.
type shape struct {
	unmarshals bool             // by a method of its own
	odd        bool             // read by rules that are not known here
	fields     map[string][]int // of a struct: where each key goes
	names      []string
}

var shapes sync.Map // reflect.Type -> *shape

func shapeOf(t reflect.Type) *shape {
	if found, known := shapes.Load(t); known {
		return found.(*shape)
	}
	s := &shape{}
	to := reflect.PointerTo(t)
	switch {
	case to.Implements(reflect.TypeFor[json.Unmarshaler]()):
		s.unmarshals = true
	case to.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()), t == reflect.TypeFor[json.Number]():
		s.odd = true
	default:
		switch t.Kind() {
		case reflect.Struct:
			s.fields = map[string][]int{}
			s.odd = !s.add(t, nil)
		case reflect.Map:
			s.odd = t.Key().Kind() != reflect.String || reflect.PointerTo(t.Key()).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
		case reflect.Interface:
			s.odd = t.NumMethod() > 0
		}
	}
	shapes.Store(t, s)
	return s
}

// add adds the fields of a struct that is part of another at a place. It is false where two have one name, and for what
// tags can say besides names.
func (s *shape) add(t reflect.Type, within []int) bool {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		at := append(slices.Clone(within), i)
		switch {
		case field.Tag.Get("json") == "-":
			continue
		case field.Anonymous && name == "":
			if field.Type.Kind() != reflect.Struct || !s.add(field.Type, at) {
				return false
			}
			continue
		case !field.IsExported():
			continue
		case name == "":
			name = field.Name
		}
		if _, twice := s.fields[name]; twice || strings.Contains(options, "string") {
			return false
		}
		s.fields[name], s.names = at, append(s.names, name)
	}
	return true
}
