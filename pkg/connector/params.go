package connector

import (
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// Params are resolved parameter values: defaults filled in, checked against the definition.
type Params struct {
	values  map[string]string
	lists   map[string][]string
	secrets map[string]secret.Text
}

// ReadParams reads parameters from the given places and checks them against the definition. A place is a
// directory with one file per parameter (as Kubernetes mounts ConfigMaps and Secrets) or a YAML file;
// later places win. Every problem is named, with the parameter and the next step.
func (d *Definition) ReadParams(places ...string) (*Params, error) { return nil, nil }

// ResolveParams checks given values against the definition and fills in defaults. An absent parameter has
// no key; an empty secret is an error.
func (d *Definition) ResolveParams(values map[string]string) (*Params, error) { return nil, nil }

// Input is what expressions see of the parameters, secrets included: only the fields that Validate allows
// can reach them.
func (p *Params) Input() expression.Input { return expression.Input{} }

// Get returns a parameter's value; a secret one is the placeholder.
func (p *Params) Get(name string) string { return "" }

// Secrets are the values of all secret parameters, for redaction.
func (p *Params) Secrets() []secret.Text { return nil }
