package form

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonref"
)

// brokerType is the shape of the Go type that Helm Broker squeezes every form schema through. What has no
// field here never reaches the catalog.
type brokerType struct {
	Version              string                 `json:"$schema,omitempty"`
	Ref                  string                 `json:"$ref,omitempty"`
	MultipleOf           int                    `json:"multipleOf,omitempty"`
	Maximum              int                    `json:"maximum,omitempty"`
	ExclusiveMaximum     bool                   `json:"exclusiveMaximum,omitempty"`
	Minimum              int                    `json:"minimum,omitempty"`
	ExclusiveMinimum     bool                   `json:"exclusiveMinimum,omitempty"`
	MaxLength            int                    `json:"maxLength,omitempty"`
	MinLength            int                    `json:"minLength,omitempty"`
	Pattern              string                 `json:"pattern,omitempty"`
	AdditionalItems      *brokerType            `json:"additionalItems,omitempty"`
	Items                *brokerType            `json:"items,omitempty"`
	MaxItems             int                    `json:"maxItems,omitempty"`
	MinItems             int                    `json:"minItems,omitempty"`
	UniqueItems          bool                   `json:"uniqueItems,omitempty"`
	MaxProperties        int                    `json:"maxProperties,omitempty"`
	MinProperties        int                    `json:"minProperties,omitempty"`
	Required             []string               `json:"required,omitempty"`
	Properties           map[string]*brokerType `json:"properties,omitempty"`
	PatternProperties    map[string]*brokerType `json:"patternProperties,omitempty"`
	AdditionalProperties json.RawMessage        `json:"additionalProperties,omitempty"`
	Dependencies         map[string]*brokerType `json:"dependencies,omitempty"`
	Enum                 []any                  `json:"enum,omitempty"`
	Type                 string                 `json:"type,omitempty"`
	AllOf                []*brokerType          `json:"allOf,omitempty"`
	AnyOf                []*brokerType          `json:"anyOf,omitempty"`
	OneOf                []*brokerType          `json:"oneOf,omitempty"`
	Not                  *brokerType            `json:"not,omitempty"`
	Definitions          map[string]*brokerType `json:"definitions,omitempty"`
	Title                string                 `json:"title,omitempty"`
	Description          string                 `json:"description,omitempty"`
	Default              any                    `json:"default,omitempty"`
	Format               string                 `json:"format,omitempty"`
	Examples             []any                  `json:"examples,omitempty"`
	Media                *brokerType            `json:"media,omitempty"`
	BinaryEncoding       string                 `json:"binaryEncoding,omitempty"`
}

// LoadError says why Helm Broker cannot load a schema.
type LoadError struct {
	// Line counts from 1; 0 where it is not known.
	Line int
	What string
}

// Error implements error.
func (e *LoadError) Error() string { return e.What }

// CheckLoad says why Helm Broker could not load the schema, with a *LoadError; nil if it can.
func CheckLoad(data []byte) error {
	_, err := decodeBroker(data)
	return err
}

// Unstorable lists the values, as JSON pointers, that Helm Broker's storage could not keep, so that the
// add-on would be missing from the catalog: lists in default, enum and examples, and properties that are
// null.
func Unstorable(data []byte) ([]string, error) {
	var document any
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	var found []string
	unstorable("#", document, &found)
	return found, nil
}

func unstorable(at string, node any, found *[]string) {
	schema, ok := node.(map[string]any)
	if !ok {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(schema)) {
		child, value := at+"/"+jsonref.Escape(key), schema[key]
		switch key {
		case "default":
			if holdsList(value) {
				*found = append(*found, child)
			}
		case "enum", "examples":
			list, _ := value.([]any)
			for i, item := range list {
				if holdsList(item) {
					*found = append(*found, fmt.Sprintf("%s/%d", child, i))
				}
			}
		case "properties", "patternProperties", "dependencies", "definitions":
			named, _ := value.(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(named)) {
				if named[name] == nil {
					*found = append(*found, child+"/"+jsonref.Escape(name))
				}
				unstorable(child+"/"+jsonref.Escape(name), named[name], found)
			}
		case "allOf", "anyOf", "oneOf":
			list, _ := value.([]any)
			for i, item := range list {
				unstorable(fmt.Sprintf("%s/%d", child, i), item, found)
			}
		default:
			unstorable(child, value, found)
		}
	}
}

func holdsList(value any) bool {
	switch v := value.(type) {
	case []any:
		return true
	case map[string]any:
		for _, item := range v {
			if holdsList(item) {
				return true
			}
		}
	}
	return false
}

// Lost lists the keywords, as JSON pointers, that do not survive Helm Broker: they are dropped or changed
// without a word. The schema must pass CheckLoad.
func Lost(data []byte) ([]string, error) {
	schema, err := decodeBroker(data)
	if err != nil {
		return nil, err
	}
	back, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	var before, after any
	if err := json.Unmarshal(data, &before); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(back, &after); err != nil {
		return nil, err
	}
	var lost []string
	compare("#", before, after, &lost)
	return lost, nil
}

func decodeBroker(data []byte) (*brokerType, error) {
	var schema brokerType
	if err := json.Unmarshal(data, &schema); err != nil {
		return nil, loadError(data, err)
	}
	return &schema, nil
}

func loadError(data []byte, err error) *LoadError {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return &LoadError{Line: lineAt(data, syntax.Offset), What: "is no JSON: " + syntax.Error()}
	case errors.As(err, &kind):
		want := map[reflect.Kind]string{
			reflect.Int: "a whole number", reflect.Bool: "true or false", reflect.String: "a text", reflect.Slice: "a list",
		}[kind.Type.Kind()]
		field := kind.Field[strings.LastIndex(kind.Field, ".")+1:]
		return &LoadError{Line: lineAt(data, kind.Offset), What: fmt.Sprintf("%s: Helm Broker wants %s there, not %s", cmp.Or(field, "the schema"), cmp.Or(want, "an object"), kind.Value)}
	}
	return &LoadError{What: err.Error()}
}

// lineAt is the line that an offset of bytes is in.
func lineAt(data []byte, offset int64) int {
	return bytes.Count(data[:min(max(int(offset), 0), len(data))], []byte("\n")) + 1
}

func compare(at string, before, after any, lost *[]string) {
	switch b := before.(type) {
	case map[string]any:
		a, ok := after.(map[string]any)
		if !ok {
			*lost = append(*lost, at)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(b)) {
			child := at + "/" + jsonref.Escape(key)
			if value, kept := a[key]; kept {
				compare(child, b[key], value, lost)
			} else {
				*lost = append(*lost, child)
			}
		}
	case []any:
		a, ok := after.([]any)
		if !ok || len(a) != len(b) {
			*lost = append(*lost, at)
			return
		}
		for i := range b {
			compare(fmt.Sprintf("%s/%d", at, i), b[i], a[i], lost)
		}
	default:
		if !reflect.DeepEqual(before, after) {
			*lost = append(*lost, at)
		}
	}
}
