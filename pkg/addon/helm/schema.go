package helm

import (
	"bytes"
	"errors"
	"regexp"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// schemas are the values schemas of what charts depend on, each compiled once: many charts have the same library. That of
// a chart itself is hardly another's, and goes with it. It is safe for concurrent use.
type schemas struct {
	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema // by text; nil where it cannot be compiled
	size     int
	patterns sync.Map // regular expressions by text, which many charts have in common
}

// check does what chartutil.ValidateAgainstSchema does. Where a schema and values do not fit, that one says what
// is wrong.
func (c *Chart) check(chosen *chart.Chart, values map[string]any) error {
	if c.schemas.fits(chosen, c.schema, values) {
		return nil
	}
	return chartutil.ValidateAgainstSchema(chosen, values)
}

func (s *schemas) fits(c *chart.Chart, compiled func() *jsonschema.Schema, values map[string]any) bool {
	if c.Schema != nil {
		if schema := compiled(); schema == nil || schema.Validate(values) != nil {
			return false
		}
	}
	for _, dependency := range c.Dependencies() {
		below, given := values[dependency.Name()]
		if !given || below == nil {
			continue
		}
		fields, isMap := below.(map[string]any)
		if !isMap || !s.fits(dependency, func() *jsonschema.Schema { return s.remembered(dependency.Schema) }, fields) {
			return false
		}
	}
	return true
}

func (s *schemas) remembered(text []byte) *jsonschema.Schema {
	s.mu.Lock()
	defer s.mu.Unlock()
	if schema, known := s.compiled[string(text)]; known {
		return schema
	}
	if s.compiled == nil {
		s.compiled = map[string]*jsonschema.Schema{}
	}
	if s.size += len(text); s.size > maxRemembered {
		s.compiled, s.size = map[string]*jsonschema.Schema{}, len(text)
		s.patterns.Clear()
	}
	schema := s.compile(text)
	s.compiled[string(text)] = schema
	return schema
}

// compile compiles as Helm does; nil where that is not possible.
func (s *schemas) compile(text []byte) *jsonschema.Schema {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	const location = "file:///values.schema.json"
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nothing{})
	compiler.UseRegexpEngine(s.pattern)
	if compiler.AddResource(location, document) != nil {
		return nil
	}
	schema, err := compiler.Compile(location)
	if err != nil {
		return nil
	}
	return schema
}

// pattern compiles a regular expression, once.
func (s *schemas) pattern(text string) (jsonschema.Regexp, error) {
	if known, ok := s.patterns.Load(text); ok {
		return known.(*regexp.Regexp), nil //nolint:forcetypeassert // there is nothing else
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	s.patterns.Store(text, compiled)
	return compiled, nil
}

// nothing loads no other document.
type nothing struct{}

// Load implements jsonschema.URLLoader.
func (nothing) Load(string) (any, error) { return nil, errors.New("other documents are not read") }
