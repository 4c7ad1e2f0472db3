package kube

import (
	"crypto/rand"
	"fmt"
	"reflect"
)

// Object is one object as JSON has it.
type Object map[string]any

// Copy returns an independent copy, with the types that decoding JSON gives.
func (o Object) Copy() Object {
	if o == nil {
		return nil
	}
	copied, _ := deepCopy(map[string]any(o)).(map[string]any)
	return copied
}

func deepCopy(value any) any {
	switch v := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(v))
		for key, item := range v {
			copied[key] = deepCopy(item)
		}
		return copied
	case Object:
		return deepCopy(map[string]any(v))
	case []any:
		copied := make([]any, len(v))
		for i, item := range v {
			copied[i] = deepCopy(item)
		}
		return copied
	case []string:
		copied := make([]any, len(v))
		for i, item := range v {
			copied[i] = item
		}
		return copied
	case int:
		return float64(v)
	default:
		return v
	}
}

// At returns the value at a path of keys, or nil.
func (o Object) At(path ...string) any {
	var value any = map[string]any(o)
	for _, key := range path {
		m, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = m[key]
	}
	return value
}

// Text returns the string at a path, empty if there is none.
func (o Object) Text(path ...string) string {
	s, _ := o.At(path...).(string)
	return s
}

// Bool returns the boolean at a path, false if there is none.
func (o Object) Bool(path ...string) bool {
	b, _ := o.At(path...).(bool)
	return b
}

// List returns the list at a path, nil if there is none.
func (o Object) List(path ...string) []any {
	list, _ := o.At(path...).([]any)
	return list
}

// Texts returns the strings of the map at a path.
func (o Object) Texts(path ...string) map[string]string {
	m, _ := o.At(path...).(map[string]any)
	texts := make(map[string]string, len(m))
	for key, value := range m {
		if s, ok := value.(string); ok {
			texts[key] = s
		}
	}
	return texts
}

// Set puts a value at a path, making the maps on the way.
func (o Object) Set(value any, path ...string) {
	m := map[string]any(o)
	for _, key := range path[:len(path)-1] {
		next, ok := m[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[key] = next
		}
		m = next
	}
	m[path[len(path)-1]] = value
}

// Delete removes the value at a path.
func (o Object) Delete(path ...string) {
	if m, ok := o.At(path[:len(path)-1]...).(map[string]any); ok {
		delete(m, path[len(path)-1])
	}
}

// Name, Namespace and UID are the object's own.

// Name is metadata.name.
func (o Object) Name() string { return o.Text("metadata", "name") }

// Namespace is metadata.namespace.
func (o Object) Namespace() string { return o.Text("metadata", "namespace") }

// UID is metadata.uid.
func (o Object) UID() string { return o.Text("metadata", "uid") }

// Labels are metadata.labels.
func (o Object) Labels() map[string]string { return o.Texts("metadata", "labels") }

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// NewUID returns a random UUID.
func NewUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
