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
	compiled, err := compiler.Compile(location)
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

// Check says what is wrong with a document: each time the place and the rule that is broken, never the
// value. It is empty where the document fits.
func (s *Schema) Check(document []byte) []string {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return []string{"is no JSON document"}
	}
	err = s.compiled.Validate(value)
	if err == nil {
		return nil
	}
	var failed *jsonschema.ValidationError
	if !errors.As(err, &failed) {
		return []string{"cannot be checked"}
	}
	var problems []string
	collect(failed, &problems)
	slices.Sort(problems)
	problems = slices.Compact(problems)
	if more := len(problems) - MaxProblems; more > 0 {
		problems = append(problems[:MaxProblems], fmt.Sprintf("and %d more", more))
	}
	return problems
}

// collect walks to the leaves of the tree of errors: what is above them only says that something below it
// is wrong.
func collect(e *jsonschema.ValidationError, problems *[]string) {
	if len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			collect(cause, problems)
		}
		return
	}
	place := strings.Join(e.InstanceLocation, ".")
	if place == "" {
		place = "the document"
	}
	*problems = append(*problems, shorten(place, 100)+" "+rule(e.ErrorKind))
}

// rule words what is broken.
func rule(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Required:
		return "lacks " + shorten(strings.Join(k.Missing, ", "), 200)
	case *kind.AdditionalProperties:
		return "has more than the schema knows: " + shorten(strings.Join(k.Properties, ", "), 200)
	case *kind.Type:
		return fmt.Sprintf("is of type %s, not %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Pattern:
		return "does not match " + shorten(k.Want, 100)
	case *kind.Format:
		return "has not the format " + shorten(k.Want, 40)
	case *kind.Enum, *kind.Const:
		return "is none of the values that are allowed"
	case *kind.FalseSchema:
		return "is not allowed"
	}
	if path := k.KeywordPath(); len(path) > 0 {
		return "breaks the rule " + path[0]
	}
	return "does not fit"
}

func shorten(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
