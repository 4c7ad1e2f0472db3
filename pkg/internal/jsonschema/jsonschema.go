// Package jsonschema checks documents against JSON Schemas that somebody else wrote, such as the model that
// a system keeps. A schema is taken as it is: it loads nothing from elsewhere, may refer to itself, and
// what is found wrong is told without the values of the document.
package jsonschema

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// MaxSize bounds a schema in bytes.
const MaxSize = 1 << 20

// MaxProblems bounds what Check tells.
const MaxProblems = 10

// Schema is a compiled schema. It is immutable and safe for concurrent use.
type Schema struct{ compiled *jsonschema.Schema }

// refuse is a loader that loads nothing.
type refuse struct{}

// Load implements jsonschema.URLLoader.
func (refuse) Load(string) (any, error) {
	return nil, errors.New("the schema refers to another document, which is not read")
}

// location is what the schema is called in its own references.
const location = "schema:document"

// Compile reads a schema of any draft up to 2020-12; without $schema it is draft-07.
func Compile(document []byte) (*Schema, error) {
	set, err := NewSet(document)
	if err != nil {
		return nil, err
	}
	return set.Compile("#")
}

// Set compiles the schemas that one document holds. It is not safe for concurrent use; the schemas are.
type Set struct{ compiler *jsonschema.Compiler }

// NewSet reads a document that is a schema, or holds some.
func NewSet(document []byte) (*Set, error) {
	if len(document) > MaxSize {
		return nil, fmt.Errorf("the schema is larger than %d bytes", MaxSize)
	}
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, errors.New("the schema is no JSON document")
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	compiler.UseLoader(refuse{})
	if err := compiler.AddResource(location, root); err != nil {
		return nil, fmt.Errorf("the schema cannot be used: %w", err)
	}
	return &Set{compiler: compiler}, nil
}

// Compile compiles the schema at a JSON pointer, such as #/components/schemas/order. A schema that was
// compiled before is the same one.
func (s *Set) Compile(pointer string) (*Schema, error) {
	compiled, err := s.compiler.Compile(location + strings.ReplaceAll(pointer, "%", "%25"))
	if err != nil {
		return nil, fmt.Errorf("the schema cannot be used: %w", oneLine(err))
	}
	return &Schema{compiled: compiled}, nil
}

// oneLine shortens an error of the library, which draws trees.
func oneLine(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return errors.New(text)
}

// Problem is one thing that is wrong with a document. No value of the document is in it.
type Problem struct {
	// Place is where: the names and indexes that lead there.
	Place []string
	// Rule says what is broken, in words that are the schema's.
	Rule string
	// Names are members of the document that the schema does not know.
	Names []string
}

// String is a line for people.
func (p Problem) String() string {
	line := "the document " + p.Rule
	if len(p.Place) > 0 {
		line = shorten(strings.Join(p.Place, "."), 100) + " " + p.Rule
	}
	if len(p.Names) > 0 {
		line += ": " + shorten(strings.Join(p.Names, ", "), 200)
	}
	return line
}

// Check says what is wrong with a document: each time the place and the rule that is broken, never the
// value. It is empty where the document fits.
func (s *Schema) Check(document []byte) []string { return lines(s.Problems(document)) }

// CheckValue is Check for a document that has been read, as encoding/json does.
func (s *Schema) CheckValue(document any) []string { return lines(s.problems(document)) }

// lines are for people, each once, and not too many.
func lines(found []Problem) []string {
	if len(found) == 0 {
		return nil
	}
	problems := make([]string, len(found))
	for i, p := range found {
		problems[i] = p.String()
	}
	slices.Sort(problems)
	problems = slices.Compact(problems)
	if more := len(problems) - MaxProblems; more > 0 {
		problems = append(problems[:MaxProblems], fmt.Sprintf("and %d more", more))
	}
	return problems
}

// Problems says what is wrong with a document, all of it.
func (s *Schema) Problems(document []byte) []Problem {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return []Problem{{Rule: "is not valid JSON"}}
	}
	return s.problems(value)
}

func (s *Schema) problems(value any) []Problem {
	err := s.compiled.Validate(value)
	if err == nil {
		return nil
	}
	var failed *jsonschema.ValidationError
	if !errors.As(err, &failed) {
		return []Problem{{Rule: "cannot be checked"}}
	}
	return collect(failed)
}

// collect walks to the leaves of the tree of errors: what is above them only says that something below it
// is wrong. Of alternatives those count that the document comes closest to, which is where the error is deepest.
func collect(e *jsonschema.ValidationError) []Problem {
	if len(e.Causes) == 0 {
		rule, names := rule(e.ErrorKind)
		return []Problem{{Place: e.InstanceLocation, Rule: rule, Names: names}}
	}
	var problems []Problem
	deepest := 0
	for _, cause := range e.Causes {
		found := collect(cause)
		if !alternatives(e.ErrorKind) {
			problems = append(problems, found...)
			continue
		}
		depth := 0
		for _, p := range found {
			depth = max(depth, len(p.Place))
		}
		if depth > deepest {
			problems, deepest = nil, depth
		}
		if depth == deepest {
			problems = append(problems, found...)
		}
	}
	return problems
}

func alternatives(k jsonschema.ErrorKind) bool {
	switch k.(type) {
	case *kind.OneOf, *kind.AnyOf:
		return true
	}
	return false
}

// rule words what is broken, and names what the schema does not know.
func rule(k jsonschema.ErrorKind) (string, []string) {
	switch k := k.(type) {
	case *kind.Required:
		return "lacks " + shorten(strings.Join(k.Missing, ", "), 200), nil
	case *kind.AdditionalProperties:
		return "has more than the schema knows", slices.Sorted(slices.Values(k.Properties))
	case *kind.Type:
		return fmt.Sprintf("is of type %s, not %s", k.Got, strings.Join(k.Want, " or ")), nil
	case *kind.Pattern:
		return "does not match " + shorten(k.Want, 100), nil
	case *kind.Format:
		return "has not the format " + shorten(k.Want, 40), nil
	case *kind.Enum, *kind.Const:
		return "is none of the values that are allowed", nil
	case *kind.FalseSchema:
		return "is not allowed", nil
	}
	if path := k.KeywordPath(); len(path) > 0 {
		return "breaks the rule " + path[0], nil
	}
	return "does not fit", nil
}

func shorten(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
