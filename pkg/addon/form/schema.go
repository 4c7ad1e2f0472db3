// Package form is the form that a plan shows for its parameters: a JSON Schema (draft-04). It makes one
// from a connector definition, checks one as Helm Broker would treat it, and checks parameters against it.
package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xeipuuv/gojsonschema"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonref"
)

// Draft is the dialect of every form.
const Draft = "http://json-schema.org/draft-04/schema#"

// maxSchema bounds a form in bytes: Helm Broker takes less.
const maxSchema = 64 << 10

// maxDepth bounds the levels of a form.
const maxDepth = 64

// Schema is a form that has been checked: valid draft-04, every reference local, none of them cyclic. It
// is immutable and safe for concurrent use.
type Schema struct {
	document map[string]any
	compiled *gojsonschema.Schema
}

// Parse reads and checks a form.
func Parse(data []byte) (*Schema, error) {
	if len(data) >= maxSchema {
		return nil, fmt.Errorf("%d bytes; Helm Broker takes less than %d", len(data), maxSchema)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8; save it as UTF-8")
	}
	if err := checkSyntax(json.NewDecoder(bytes.NewReader(data)), "#", 0); err != nil {
		return nil, err
	}
	var document map[string]any
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if document == nil {
		return nil, errors.New("not a JSON object; describe one, or remove the file")
	}
	if declared, ok := document["$schema"]; ok && declared != Draft {
		return nil, fmt.Errorf("$schema is %v; forms are %s", declared, Draft)
	}
	if err := jsonref.Check(document, "id", "$id"); err != nil {
		return nil, err
	}
	loader := gojsonschema.NewSchemaLoader()
	loader.Draft, loader.AutoDetect, loader.Validate = gojsonschema.Draft4, false, true
	compiled, err := loader.Compile(gojsonschema.NewBytesLoader(data))
	if err != nil {
		return nil, invalid(err)
	}
	return &Schema{document: document, compiled: compiled}, nil
}

// Invalid says why a form is no valid schema.
type Invalid struct {
	// At is the JSON pointer of what is wrong.
	At   string
	What string
}

// Error implements error.
func (e *Invalid) Error() string { return "not a valid draft-04 schema: " + e.What }

func invalid(err error) *Invalid {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(line, "Does not match format 'regex'", "is no regular expression that Go reads (no look-around, no references back)")
	}
	at, _, _ := strings.Cut(lines[0], ": ")
	return &Invalid{At: "#/" + strings.ReplaceAll(at, ".", "/"), What: strings.Join(lines, "; ")}
}

// Problem is one parameter that does not fit the form. What never quotes a value.
type Problem struct {
	// Parameter is the field, with dots for nested ones; "(root)" for the parameters as a whole.
	Parameter string
	What      string
}

// Error implements error.
func (p Problem) Error() string { return p.Parameter + ": " + p.What }

// Check says what is wrong with parameters, sorted; empty if nothing is.
func (s *Schema) Check(parameters map[string]any) ([]Problem, error) {
	if parameters == nil {
		parameters = map[string]any{}
	}
	result, err := s.compiled.Validate(gojsonschema.NewGoLoader(parameters))
	if err != nil {
		return nil, errors.New("parameters cannot be written as JSON; use texts, numbers, true, false, lists and objects")
	}
	var problems []Problem
	for _, e := range result.Errors() {
		problems = append(problems, s.problem(e))
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Error(), b.Error()) })
	return slices.Compact(problems), nil
}

func (s *Schema) problem(e gojsonschema.ResultError) Problem {
	p := Problem{Parameter: e.Field(), What: lowerFirst(strings.TrimPrefix(e.Description(), e.Field()+" "))}
	name, _ := e.Details()["property"].(string)
	switch e.Type() {
	case "required":
		return Problem{Parameter: strings.TrimPrefix(p.Parameter+"."+name, "(root)."), What: "is required and has no value"}
	case "additional_property_not_allowed":
		return Problem{Parameter: strings.TrimPrefix(p.Parameter+"."+name, "(root)."), What: "is no field of the form"}
	case "pattern", "format":
		property, _ := s.properties()[p.Parameter].(map[string]any)
		if examples, _ := property["examples"].([]any); len(examples) > 0 {
			p.What += fmt.Sprintf("; for example %v", examples[0])
		}
	}
	return p
}

// Names lists the form's fields, sorted.
func (s *Schema) Names() []string { return slices.Sorted(maps.Keys(s.properties())) }

// Required lists the fields that must be filled in, sorted.
func (s *Schema) Required() []string {
	var names []string
	list, _ := s.document["required"].([]any)
	for _, item := range list {
		if name, ok := item.(string); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Secrets lists the fields that hold a secret (format password) as paths, sorted; those of objects too.
func (s *Schema) Secrets() [][]string { return s.secrets(s.document, nil) }

func (s *Schema) secrets(object map[string]any, at []string) [][]string {
	if len(at) > maxDepth {
		return nil
	}
	var paths [][]string
	fields, _ := object["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field, _ := fields[name].(map[string]any)
		if ref, ok := field["$ref"].(string); ok {
			field = s.resolve(ref)
		}
		here := append(slices.Clone(at), name)
		if field["format"] == "password" {
			paths = append(paths, here)
		}
		paths = append(paths, s.secrets(field, here)...)
	}
	return paths
}

func (s *Schema) properties() map[string]any {
	p, _ := s.document["properties"].(map[string]any)
	return p
}

// checkSyntax refuses what readers would treat differently, an object with the same key twice, and
// nesting that no form needs.
func checkSyntax(d *json.Decoder, at string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%.60s…: more than %d levels deep; make the form simpler", at, maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) && depth == 0 {
			return errors.New("the schema is empty; describe an object, or remove the file")
		}
		return fmt.Errorf("not JSON: %w", err)
	}
	delim, _ := token.(json.Delim)
	if delim != '{' && delim != '[' {
		return nil
	}
	seen := map[string]bool{}
	for n := 0; d.More(); n++ {
		child := fmt.Sprintf("%s/%d", at, n)
		if delim == '{' {
			key, err := d.Token()
			if err != nil {
				return fmt.Errorf("not JSON: %w", err)
			}
			name, _ := key.(string)
			child = at + "/" + jsonref.Escape(name)
			if seen[name] {
				return fmt.Errorf("%s: occurs twice; remove one", child)
			}
			seen[name] = true
		}
		if err := checkSyntax(d, child, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return fmt.Errorf("not JSON: %w", err)
	}
	return nil
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
