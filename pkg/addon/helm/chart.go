// Package helm is the one place that knows the Helm SDK: it loads a chart, renders it and installs it.
package helm

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonref"
)

// Chart is a loaded chart. It is immutable and safe for concurrent use.
type Chart struct {
	chart   *chart.Chart
	heads   heads
	linted  linted
	schemas *schemas
	schema  func() *jsonschema.Schema // its own, see schemas
	engine  *engine.Engine

	mu        sync.Mutex
	described *described
	chosen    *chosen                // see choose
	valued    map[string]*valued     // by values
	sets      map[string]*engine.Set // by templates
	filesOf   map[*chart.File]any    // .Files, by the first of them
}

// Loader loads charts that share what they have in common: the templates of the same library are prepared once. It
// is safe for concurrent use.
type Loader struct {
	engine  *engine.Engine
	schemas *schemas
}

// NewLoader makes a Loader.
func NewLoader() *Loader { return &Loader{engine: engine.New(), schemas: &schemas{}} }

// Load loads a chart from its files: names relative to the chart, and content. Nothing is read from disk
// or fetched; a values schema that would make Helm fetch something, or never end, is refused.
func Load(files iter.Seq2[string, []byte]) (*Chart, error) { return NewLoader().Load(files) }

// Load does what the function of that name does.
func (l *Loader) Load(files iter.Seq2[string, []byte]) (*Chart, error) {
	var buffered []*loader.BufferedFile
	for name, data := range files {
		buffered = append(buffered, &loader.BufferedFile{Name: name, Data: data})
	}
	c, err := loader.LoadFiles(buffered)
	if err != nil {
		return nil, err
	}
	if err := checkSchemas(c); err != nil {
		return nil, err
	}
	schema := sync.OnceValue(func() *jsonschema.Schema { return l.schemas.compile(c.Schema) })
	return &Chart{chart: c, engine: l.engine, schemas: l.schemas, schema: schema}, nil
}

// checkSchemas refuses references out of a values schema: Helm would open files and addresses.
func checkSchemas(c *chart.Chart) error {
	if len(c.Schema) > 0 {
		var document any
		if err := json.Unmarshal(c.Schema, &document); err != nil {
			return fmt.Errorf("chart %s: values.schema.json: %w", c.Name(), err)
		}
		if err := checkReferences(document); err != nil {
			return fmt.Errorf("chart %s: values.schema.json: %w", c.Name(), err)
		}
		if err := jsonref.Check(document); err != nil {
			return fmt.Errorf("chart %s: values.schema.json: %w", c.Name(), err)
		}
	}
	for _, dependency := range c.Dependencies() {
		if err := checkSchemas(dependency); err != nil {
			return err
		}
	}
	return nil
}

// dialect is a $schema that Helm knows without fetching it.
var dialect = regexp.MustCompile(`^https?://json-schema\.org/(draft-0[467]|draft/(2019-09|2020-12))/schema#?$`)

func checkReferences(node any) error {
	switch n := node.(type) {
	case []any:
		for _, item := range n {
			if err := checkReferences(item); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(n)) {
			text, isText := n[key].(string)
			switch {
			case isText && (key == "$dynamicRef" || key == "$recursiveRef"):
				return fmt.Errorf("%s leads to what only a value decides; use $ref", key)
			case isText && key == "$ref" && !strings.HasPrefix(text, "#"):
				return fmt.Errorf("the reference %q leads out of the schema; use #/definitions/… or #/$defs/…", text)
			case isText && key == "$schema" && !dialect.MatchString(text):
				return errors.New("$schema names no dialect of json-schema.org; use http://json-schema.org/draft-07/schema#")
			}
			if err := checkReferences(n[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

// clone copies what rendering changes; templates and files are shared.
func clone(c *chart.Chart) *chart.Chart {
	metadata := *c.Metadata
	metadata.Dependencies = nil
	for _, d := range c.Metadata.Dependencies {
		dependency := *d
		metadata.Dependencies = append(metadata.Dependencies, &dependency)
	}
	out := &chart.Chart{
		Raw: c.Raw, Metadata: &metadata, Lock: c.Lock, Templates: c.Templates,
		Values: engine.Copy(c.Values), Schema: c.Schema, Files: c.Files,
	}
	for _, d := range c.Dependencies() {
		out.AddDependency(clone(d))
	}
	return out
}
