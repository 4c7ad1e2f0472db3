package kube

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Schema is what a CustomResourceDefinition says of a value: the part of structural schemas that the
// simulated resources use.
type Schema struct {
	// Type is object, array, string, boolean or integer; empty takes any value as it is.
	Type string
	// Properties of an object; unknown ones are pruned.
	Properties map[string]*Schema
	// Values is the schema of every value of an object without fixed properties.
	Values    *Schema
	Items     *Schema
	Required  []string
	Enum      []string
	Pattern   *regexp.Regexp
	MaxLength int
	MinItems  int
	MaxItems  int
	Nullable  bool
	// Default is put where a value is absent, or null without being nullable.
	Default any
}

// Prune removes fields that the schema does not know and returns their paths.
func (s *Schema) Prune(value any, path string) []string {
	var unknown []string
	switch v := value.(type) {
	case map[string]any:
		if s.Type != "object" {
			return nil
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			child := s.Properties[key]
			if child == nil {
				child = s.Values
			}
			if child == nil {
				delete(v, key)
				unknown = append(unknown, join(path, key))
				continue
			}
			unknown = append(unknown, child.Prune(v[key], join(path, key))...)
		}
	case []any:
		for i, item := range v {
			if s.Items != nil {
				unknown = append(unknown, s.Items.Prune(item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	}
	return unknown
}

// Fill puts the defaults in.
func (s *Schema) Fill(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range s.Properties {
			current, present := v[key]
			if child.Default != nil && (!present || current == nil && !child.Nullable) {
				v[key] = deepCopy(child.Default)
			}
			child.Fill(v[key])
		}
	case []any:
		for _, item := range v {
			if s.Items != nil {
				s.Items.Fill(item)
			}
		}
	}
}

// Validate returns what is wrong with a value.
func (s *Schema) Validate(value any, path string) []Cause {
	if value == nil && s.Nullable || s.Type == "" {
		return nil
	}
	if typeOf(value, s.Type) != s.Type {
		return []Cause{{
			Reason: "FieldValueTypeInvalid", Field: path,
			Message: fmt.Sprintf("Invalid value: %q: %s in body must be of type %s: %q", typeOf(value, ""), path, s.Type, typeOf(value, "")),
		}}
	}
	var causes []Cause
	switch v := value.(type) {
	case map[string]any:
		for _, key := range s.Required {
			if _, ok := v[key]; !ok {
				causes = append(causes, Required(join(path, key), ""))
			}
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			child := s.Properties[key]
			if child == nil {
				child = s.Values
			}
			if child != nil {
				causes = append(causes, child.Validate(v[key], join(path, key))...)
			}
		}
	case []any:
		if len(v) < s.MinItems {
			causes = append(causes, Invalid(path, len(v), fmt.Sprintf("%s in body should have at least %d items", path, s.MinItems)))
		}
		if s.MaxItems > 0 && len(v) > s.MaxItems {
			causes = append(causes, Cause{Reason: "FieldValueTooMany", Field: path, Message: fmt.Sprintf("Too many: %d: must have at most %d items", len(v), s.MaxItems)})
		}
		for i, item := range v {
			if s.Items != nil {
				causes = append(causes, s.Items.Validate(item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	case string:
		causes = append(causes, s.validateText(v, path)...)
	}
	return causes
}

func (s *Schema) validateText(v, path string) []Cause {
	var causes []Cause
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		causes = append(causes, Cause{
			Reason: "FieldValueNotSupported", Field: path,
			Message: fmt.Sprintf("Unsupported value: %q: supported values: \"%s\"", v, strings.Join(s.Enum, `", "`)),
		})
	}
	if s.MaxLength > 0 && len([]rune(v)) > s.MaxLength {
		causes = append(causes, Cause{Reason: "FieldValueTooLong", Field: path, Message: fmt.Sprintf("Too long: may not be more than %d bytes", s.MaxLength)})
	}
	if s.Pattern != nil && !s.Pattern.MatchString(v) {
		causes = append(causes, Invalid(path, v, fmt.Sprintf("%s in body should match '%s'", path, s.Pattern)))
	}
	return causes
}

// typeOf is the JSON type of a value; a whole number counts as integer where an integer is wanted.
func typeOf(value any, wanted string) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case map[string]any, Object:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == math.Trunc(v) && wanted != "number" {
			return "integer"
		}
		return "number"
	default:
		return fmt.Sprintf("%T", v)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
