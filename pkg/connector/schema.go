package connector

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/xeipuuv/gojsonschema"

	"github.com/kyma-connectors/kyma-connectors/schemas"
)

// shape is the JSON Schema of definitions, read once. It decides about fields, their types and what they
// may hold; validate.go about what they mean together.
var shape = sync.OnceValues(func() (*definitionSchema, error) {
	data, err := schemas.Read(schemas.Connector)
	if err != nil {
		return nil, err
	}
	compiled, err := gojsonschema.NewSchema(gojsonschema.NewBytesLoader(data))
	if err != nil {
		return nil, err
	}
	var document any
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	s := &definitionSchema{compiled: compiled, fields: map[string]bool{}}
	s.collect(document)
	return s, nil
})

type definitionSchema struct {
	compiled *gojsonschema.Schema
	fields   map[string]bool // the names of all fields, wherever they belong
}

func (s *definitionSchema) collect(node any) {
	switch node := node.(type) {
	case map[string]any:
		if properties, ok := node["properties"].(map[string]any); ok {
			for name := range properties {
				s.fields[name] = true
			}
		}
		for _, child := range node {
			s.collect(child)
		}
	case []any:
		for _, child := range node {
			s.collect(child)
		}
	}
}

// checkShape compares a document with the schema.
func checkShape(document []byte) (Problems, error) {
	schema, err := shape()
	if err != nil {
		return nil, fmt.Errorf("schema of definitions: %w", err)
	}
	result, err := schema.compiled.Validate(gojsonschema.NewBytesLoader(document))
	if err != nil {
		return nil, err
	}
	var root any
	if err := decodeNumbers(document, &root); err != nil {
		return nil, err
	}
	var problems Problems
	for _, e := range result.Errors() {
		if p, ok := schema.problem(e, root); ok && !slices.Contains(problems, p) {
			problems = append(problems, p)
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return problems, nil
}

// problem words an error of the schema library; ok is false for one that others explain.
func (s *definitionSchema) problem(e gojsonschema.ResultError, root any) (p Problem, ok bool) {
	path, node := locate(e.Context(), root)
	detail := func(name string) string { return fmt.Sprint(e.Details()[name]) }
	p = Problem{Path: path}
	switch e.Type() {
	case "number_any_of", "condition_then", "condition_else":
		return p, false
	case "additional_property_not_allowed":
		name := detail("property")
		p.Path, p.What, p.Next = joinPath(path, name), "unknown field", "remove it"
		if s.fields[name] {
			p.Next = "it belongs somewhere else: check the indentation"
		} else if hint := didYouMean(name, maps.Keys(s.fields)); hint != "" {
			p.Next += hint
		}
	case "required":
		p.Path, p.What, p.Next = joinPath(path, detail("property")), "is missing", "add it"
	case "invalid_type":
		p.What = fmt.Sprintf("want %s, not %s", detail("expected"), detail("given"))
	case "enum":
		p.What = "want one of " + strings.ReplaceAll(detail("allowed"), `"`, "")
	case "pattern":
		p.What = "does not match " + detail("pattern")
	case "string_gte":
		p.What = "must not be empty"
	case "array_min_items":
		p.What = "must not be an empty list"
	case "array_min_properties", "array_max_properties":
		p.What = "want exactly one member"
		if members, isObject := node.(map[string]any); isObject && len(members) > 1 {
			p.What += ", not " + strings.Join(sortedKeys(members), ", ")
		}
	case "invalid_property_name":
		p.What = "a name is not allowed: " + detail("property")
	default:
		p.What = strings.ToLower(e.Description())
	}
	return p, true
}

// locate writes the place as a YAML path and finds the node there.
func locate(context *gojsonschema.JsonContext, root any) (path string, node any) {
	const separator = "\x00"
	node = root
	for _, step := range strings.Split(context.String(separator), separator)[1:] {
		switch n := node.(type) {
		case []any:
			path += "[" + step + "]"
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(n) {
				return path, nil
			}
			node = n[i]
		case map[string]any:
			path = joinPath(path, step)
			node = n[step]
		default:
			return path, nil
		}
	}
	return path, node
}
