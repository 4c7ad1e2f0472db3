package connector

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// Params are resolved parameter values: checked against the definition, in their normal form, defaults
// filled in. They are immutable and safe for concurrent use.
type Params struct {
	values  map[string]string   // every parameter that has a value; lists joined by commas
	lists   map[string][]string // the parameters of kind list
	secrets map[string]secret.Text
}

// ParamOption changes how parameters are resolved.
type ParamOption func(*paramOptions)

type paramOptions struct{ withoutGenerated bool }

// WithoutGenerated accepts that a generated parameter has no value yet: for the job that generates the
// values, and for tools that look at a form before anything is installed.
func WithoutGenerated() ParamOption { return func(o *paramOptions) { o.withoutGenerated = true } }

// ReadParams reads parameters from the given places and checks them against the definition. A place is a
// directory with one file per parameter (as Kubernetes mounts ConfigMaps and Secrets) or a YAML file;
// later places win. The error is a Problems that names each parameter and the next step.
func (d *Definition) ReadParams(places ...string) (*Params, error) {
	values, err := d.ReadValues(places...)
	if err != nil {
		return nil, err
	}
	return d.ResolveParams(values)
}

// ResolveParams checks given values against the definition and fills in defaults. An absent parameter has
// no key. An empty value counts as absent, except that of a secret, which is an error: an empty secret
// would switch a check off. The error is a Problems that names each parameter and the next step.
func (d *Definition) ResolveParams(values map[string]string, options ...ParamOption) (*Params, error) {
	var opts paramOptions
	for _, o := range options {
		o(&opts)
	}
	p := &Params{values: map[string]string{}, lists: map[string][]string{}, secrets: map[string]secret.Text{}}
	var problems Problems
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, known := d.Parameters[name]; !known {
			problems.add(parameterPath(name), "remove it"+didYouMean(name, maps.Keys(d.Parameters)), "this connector has no such parameter")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Parameters)) {
		problems = append(problems, p.resolve(name, d.Parameters[name], values, opts)...)
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Params) resolve(name string, def Parameter, values map[string]string, opts paramOptions) Problems {
	var problems Problems
	raw, given := values[name]
	if def.Kind != KindSecret {
		raw = strings.TrimSpace(raw)
		given = raw != ""
	}
	switch {
	case given:
	case def.Default != "":
		raw = def.Default
	case def.Generate != nil:
		if !opts.withoutGenerated {
			problems.add(parameterPath(name), "run `registration-job prepare`, which the chart does before the installation, or give a value",
				"has no value, although one should have been generated")
		}
		return problems
	case def.Required:
		problems.add(parameterPath(name), "fill in the form field \""+def.title(name)+"\", or add a file "+name+" to a place of --params", "is required and has no value")
		return problems
	default:
		if def.Kind == KindList {
			p.lists[name] = nil
		}
		return problems
	}
	value, items, what := def.normalise(raw)
	if what != "" {
		problems.add(parameterPath(name), def.hint(name), "%s", what)
		return problems
	}
	p.values[name] = value
	switch def.Kind {
	case KindList:
		p.lists[name] = items
	case KindSecret:
		p.secrets[name] = secret.New(value)
	}
	return problems
}

func parameterPath(name string) string { return `parameter "` + name + `"` }

// title is what the form calls the parameter.
func (p Parameter) title(name string) string {
	if p.Title == "" {
		return name
	}
	return p.Title
}

// hint is the next step where a value is wrong.
func (p Parameter) hint(name string) string {
	hint := "correct the form field \"" + p.title(name) + "\""
	if p.Example != "" && p.Kind != KindSecret {
		hint += ", for example " + p.Example
	}
	return hint
}

// Input is what expressions see of the parameters, secrets included: only the fields that loading a
// definition allows can reach them. The maps are shared; do not change them.
func (p *Params) Input() expression.Input {
	return expression.Input{Params: p.values, Lists: p.lists}
}

// Has says whether the parameter has a value, given, generated or by default.
func (p *Params) Has(name string) bool { _, ok := p.values[name]; return ok }

// Get returns a parameter's value, lists joined by commas; empty where there is none. A secret one is
// the placeholder.
func (p *Params) Get(name string) string {
	if s, ok := p.secrets[name]; ok {
		return s.String()
	}
	return p.values[name]
}

// Secret returns the value of a secret parameter; empty where there is none.
func (p *Params) Secret(name string) secret.Text { return p.secrets[name] }

// Secrets are the values of all secret parameters, for redaction.
func (p *Params) Secrets() []secret.Text {
	out := make([]secret.Text, 0, len(p.secrets))
	for _, name := range slices.Sorted(maps.Keys(p.secrets)) {
		out = append(out, p.secrets[name])
	}
	return out
}

// Format implements fmt.Formatter without the values, whatever the verb.
func (p *Params) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "parameters") }

// LogValue implements slog.LogValuer without the values.
func (p *Params) LogValue() slog.Value { return slog.StringValue("parameters") }
