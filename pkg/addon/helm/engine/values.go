package engine

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"text/template"

	"helm.sh/helm/v3/pkg/chartutil"
)

// asMap returns a value as the map that it is, without reflection. A table of values has the type that Helm gives it.
func asMap(v any) (map[string]any, bool) {
	switch m := v.(type) {
	case map[string]any:
		return m, true
	case chartutil.Values:
		return m, true
	}
	return nil, false
}

// truth is what if asks for.
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case map[string]any:
		return len(v) > 0
	case []any:
		return len(v) > 0
	case int:
		return v != 0
	}
	is, ok := template.IsTrue(v)
	if !ok {
		stop("no truth")
	}
	return is
}

// appendValue prints a value.
func appendValue(out []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(out, "<no value>"...)
	case string:
		return append(out, v...)
	case int:
		return strconv.AppendInt(out, int64(v), 10)
	case int64:
		return strconv.AppendInt(out, v, 10)
	case bool:
		return strconv.AppendBool(out, v)
	}
	switch reflect.TypeOf(v).Kind() {
	case reflect.Pointer, reflect.Chan, reflect.Func:
		stop("a value that is not printed as it is")
	}
	return fmt.Append(out, v)
}

// tableMethods are what a table of values can do besides having keys.
var tableMethods = methodsOf(chartutil.Values{})

func methodsOf(v any) map[string]bool {
	methods, t := map[string]bool{}, reflect.TypeOf(v)
	for m := range t.Methods() {
		methods[m.Name] = true
	}
	return methods
}

// fields is the value of .A.B.C of a receiver.
func fields(of any, idents []string) any { return fieldsOf(nil, of, idents) }

func (r *run) fields(of any, idents []string) any { return fieldsOf(r.tracer, of, idents) }

func fieldsOf(t *tracer, of any, idents []string) any {
	for i, name := range idents {
		var m map[string]any
		switch table := of.(type) {
		case map[string]any:
			m = table
		case chartutil.Values:
			if tableMethods[name] {
				stop("a method of a table")
			}
			m = table
		case nil:
			stop("a field of nothing")
		default:
			v := reflected(reflect.ValueOf(of), idents[i:])
			if t != nil {
				t.field(of, idents[i:], v)
			}
			return v
		}
		v, found := m[name]
		if t != nil {
			t.key(of, name, v, found)
		}
		of = v
	}
	return of
}

// reflected is the value of .A.B.C of what is no map.
func reflected(v reflect.Value, idents []string) any {
	for i, name := range idents {
		of := v
		if of.Kind() != reflect.Pointer && of.CanAddr() {
			of = of.Addr()
		}
		if m := of.MethodByName(name); m.IsValid() {
			result := callMethod(m, nil)
			if i == len(idents)-1 {
				return result
			}
			return fields(result, idents[i+1:])
		}
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				stop("a field of nothing")
			}
			v = v.Elem()
		}
		switch v.Kind() {
		case reflect.Struct:
			field, found := v.Type().FieldByName(name)
			if !found || !field.IsExported() || len(field.Index) > 2 {
				stop("no field " + name)
			}
			v = v.FieldByIndex(field.Index)
		case reflect.Map:
			if v.Type().Key().Kind() != reflect.String || v.Type().Key().PkgPath() != "" {
				stop("a map of another type")
			}
			elem := v.MapIndex(reflect.ValueOf(name))
			if !elem.IsValid() {
				elem = reflect.Zero(v.Type().Elem())
			}
			v = elem
		default:
			stop("no field " + name)
		}
		if v.Kind() == reflect.Interface {
			if i == len(idents)-1 {
				return v.Interface()
			}
			return fields(v.Interface(), idents[i+1:])
		}
	}
	if v.Kind() == reflect.Struct { // which may have methods that only its address has
		stop("a struct")
	}
	return v.Interface()
}

// method calls a method of a receiver.
func (r *run) method(of any, name string, args []any) any {
	v := method(of, name, args)
	if r.tracer != nil {
		r.tracer.method(of, name, args, v)
	}
	return v
}

func method(of any, name string, args []any) any {
	if set, ok := of.(chartutil.VersionSet); ok && name == "Has" && len(args) == 1 {
		if version, ok := args[0].(string); ok {
			return set.Has(version)
		}
	}
	if files, ok := of.(interface{ Get(name string) string }); ok && name == "Get" && len(args) == 1 {
		if file, ok := args[0].(string); ok {
			return files.Get(file)
		}
	}
	if of == nil {
		stop("a method of nothing")
	}
	m := reflect.ValueOf(of).MethodByName(name)
	if !m.IsValid() {
		stop("no method " + name)
	}
	return callMethod(m, args)
}

func callMethod(m reflect.Value, args []any) any {
	result, err := reflectCall(m, args)
	if err != nil {
		stop(err)
	}
	return result
}

// reflectCall calls a function with the values of a template. It panics where they do not fit just as they are.
func reflectCall(f reflect.Value, args []any) (any, error) {
	t := f.Type()
	fixed := t.NumIn()
	if t.IsVariadic() {
		fixed--
	}
	if len(args) < fixed || len(args) > fixed && !t.IsVariadic() || t.NumOut() == 0 || t.NumOut() > 2 {
		stop("another number of arguments")
	}
	given := make([]reflect.Value, len(args))
	for i, a := range args {
		var want reflect.Type
		if i < fixed {
			want = t.In(i)
		} else {
			want = t.In(fixed).Elem()
		}
		if a == nil {
			if want.Kind() != reflect.Interface {
				stop("nothing for an argument")
			}
			given[i] = reflect.Zero(want)
			continue
		}
		given[i] = reflect.ValueOf(a)
		if !given[i].Type().AssignableTo(want) {
			stop("another type of argument")
		}
	}
	out := f.Call(given)
	if len(out) == 2 {
		if err, _ := out[1].Interface().(error); err != nil {
			return nil, err
		}
	}
	if out[0].Kind() == reflect.Struct {
		if _, ok := out[0].Interface().(reflect.Value); ok {
			stop("a reflected value")
		}
	}
	return out[0].Interface(), nil
}

// iterate calls each for what range goes through, until it returns false, and says whether there is anything.
func iterate(over any, each func(key, elem any) bool, keys bool) bool {
	switch list := over.(type) {
	case nil:
		return false
	case []any:
		for i, elem := range list {
			if !each(i, elem) {
				break
			}
		}
		return len(list) > 0
	case []string:
		for i, elem := range list {
			if !each(i, elem) {
				break
			}
		}
		return len(list) > 0
	}
	if m, ok := asMap(over); ok {
		names := make([]string, 0, len(m))
		for name := range m {
			names = append(names, name)
		}
		slices.Sort(names)
		values := make([]any, len(names)) // the loop may change the map
		for i, name := range names {
			values[i] = m[name]
		}
		for i, name := range names {
			if !each(name, values[i]) {
				break
			}
		}
		return len(m) > 0
	}
	return iterateReflected(reflect.ValueOf(over), each, keys)
}

func iterateReflected(v reflect.Value, each func(key, elem any) bool, keys bool) bool {
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		if keys {
			stop("a number with two variables")
		}
		n := v.Int()
		for i := range n {
			var elem any = i
			if v.Kind() == reflect.Int {
				elem = int(i)
			}
			if v.Type() != reflect.TypeOf(elem) {
				stop("a number of another type")
			}
			if !each(nil, elem) {
				break
			}
		}
		return n > 0
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			stop("a list of structs")
		}
		for i := range v.Len() {
			if !each(i, v.Index(i).Interface()) {
				break
			}
		}
		return v.Len() > 0
	case reflect.Map:
		if v.Type().Key() != reflect.TypeFor[string]() {
			stop("a map of another type")
		}
		names := make([]string, 0, v.Len())
		for _, key := range v.MapKeys() {
			names = append(names, key.String())
		}
		slices.Sort(names)
		values := make([]any, len(names))
		for i, name := range names {
			values[i] = v.MapIndex(reflect.ValueOf(name)).Interface()
		}
		for i, name := range names {
			if !each(name, values[i]) {
				break
			}
		}
		return len(names) > 0
	}
	stop("a loop over another type")
	return false
}

// index is the builtin function.
func index(args []any) any {
	if len(args) == 0 {
		stop("no argument")
	}
	of := args[0]
	if of == nil {
		stop("an index of nothing")
	}
	for _, at := range args[1:] {
		if m, ok := asMap(of); ok {
			key, ok := at.(string)
			if !ok {
				stop("a key of another type")
			}
			of = m[key]
			continue
		}
		i, ok := at.(int)
		if n, is64 := at.(int64); is64 {
			i, ok = int(n), true
		}
		switch list := of.(type) {
		case []any:
			if !ok || i < 0 || i >= len(list) {
				stop("an index")
			}
			of = list[i]
		case []string:
			if !ok || i < 0 || i >= len(list) {
				stop("an index")
			}
			of = list[i]
		default:
			stop("an index of another type")
		}
	}
	return of
}

// length is the builtin len.
func length(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		return len(v)
	case nil:
		stop("the length of nothing")
	}
	switch of := reflect.ValueOf(v); of.Kind() {
	case reflect.Map, reflect.Slice:
		return of.Len()
	}
	stop("a length of another type")
	return 0
}

// number64 is an integer of any size.
func number64(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

// compare compares two values of one kind.
func compare(a, b any) int {
	if x, ok := number64(a); ok {
		if y, ok := number64(b); ok {
			return cmpOf(x, y)
		}
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return cmpOf(x, y)
		}
	case float64:
		if y, ok := b.(float64); ok && x == x && y == y {
			return cmpOf(x, y)
		}
	}
	stop("a comparison of other types")
	return 0
}

func cmpOf[T int64 | string | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// equal is the builtin eq for two values.
func equal(a, b any) bool {
	if x, ok := a.(bool); ok {
		if y, ok := b.(bool); ok {
			return x == y
		}
		if b == nil {
			return false
		}
		stop("a comparison of other types")
	}
	if a == nil || b == nil {
		if a == nil && b == nil {
			stop("a comparison of nothing")
		}
		switch of := orElse(a, b).(type) {
		case string, int, int64, float64:
			return false
		default:
			_ = of
			stop("a comparison of other types")
		}
	}
	return compare(a, b) == 0
}

func orElse(a, b any) any {
	if a != nil {
		return a
	}
	return b
}
