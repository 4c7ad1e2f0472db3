package registration

import (
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// eventsID is the API id of the event catalog.
const eventsID = "events"

// ApplicationName is the name of the Application that the definition asks for. It needs only those
// parameters that the name is made of.
func ApplicationName(d *connector.Definition, in expression.Input) (string, error) {
	hint := named(d.Application.Parameters(), "the application in the definition")
	name, err := d.Application.Text(in)
	switch {
	case err != nil:
		return "", &ConfigError{What: "the Application's name cannot be evaluated", Next: "check " + hint, Err: err}
	case name == "":
		return "", &ConfigError{What: "the Application has no name", Next: "give a value to " + hint}
	}
	return name, nil
}

// builder makes services of what was found.
type builder struct {
	definition *connector.Definition
	identity   identity
	system     *system // nil where the system's address is wrong
}

// service makes the service of an active API.
func (b builder) service(p probed) (Service, finding) {
	s := b.base(p.id, p.name, p.description)
	api := &API{
		Kind:        p.api.Kind,
		TargetURL:   p.address,
		Credentials: p.auth.credentials,
		Headers:     p.auth.headers,
		Query:       p.auth.query,
		SecretName:  secretName(p.api),
	}
	if p.api.CSRF {
		api.CSRFTokenURL = strings.TrimRight(p.address, "/") + "/"
	}
	s.API = api
	if f := b.specify(api, p); f.class != ClassActive {
		return s, f
	}
	return b.finish(s)
}

// systemSecret is the SecretName of all APIs that are called as the system says.
const systemSecret = "system"

// secretName lets APIs with the same credentials share their Secrets.
func secretName(api *connector.API) string {
	switch {
	case len(api.Auth) == 0 && api.RequestParameters == nil:
		return systemSecret
	case api.Discover == nil && api.ID != systemSecret:
		return api.ID
	}
	return ""
}

func (b builder) base(id, name, description string) Service {
	return Service{
		ID:          b.identity.id(id),
		Identifier:  b.identity.identifier(id),
		DisplayName: b.definition.Metadata.Product + " - " + name,
		Provider:    b.definition.Metadata.Provider,
		Description: description,
		Labels: map[string]string{
			LabelInstance:  b.identity.instance,
			LabelConnector: b.definition.Metadata.Name,
		},
	}
}

// finish checks the service and adds the hash, which covers everything else.
func (b builder) finish(s Service) (Service, finding) {
	if err := s.Validate(); err != nil {
		return s, finding{class: ClassMisconfigured, reason: err.Error()}
	}
	s.Labels[LabelHash] = contentHash(s)
	return s, finding{}
}

// specify adds the document that describes the API, or where to get it.
func (b builder) specify(api *API, p probed) finding {
	spec := p.api.Specification
	if spec == nil {
		return finding{}
	}
	e := evaluator{in: p.in}
	switch {
	case spec.File != "":
		document, err := b.document(spec.File)
		if err != nil {
			return misconfigured("correct the definition", "its specification: %v", err)
		}
		api.Specification = document
	case spec.URL.IsSet():
		api.SpecificationURL = e.text(spec.URL)
	case spec.Path.IsSet():
		address, err := b.system.resolve(e.text(spec.Path))
		if err != nil {
			return misconfigured("correct the definition", "the path of its specification: %v", err)
		}
		api.SpecificationURL, api.SpecificationAuth = address, true
	case spec.Metadata:
		api.SpecificationURL, api.SpecificationAuth = strings.TrimRight(p.address, "/")+"/$metadata", true
	}
	if e.err != nil {
		return misconfigured("correct the definition", "the address of its specification cannot be evaluated: %v", e.err)
	}
	return finding{}
}

// document reads a JSON or YAML document beside the definition, as a JSON object.
func (b builder) document(name string) (json.RawMessage, error) {
	data, err := b.definition.File(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	var document map[string]any
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("%s is neither a JSON nor a YAML object: %w", name, err)
	}
	if len(document) == 0 {
		return nil, fmt.Errorf("%s is empty", name)
	}
	return json.Marshal(document)
}

// events makes the service of the event catalog. The definition has one.
func (b builder) events() (Service, finding) {
	catalog := b.definition.Events
	s := b.base(eventsID, catalog.Name, catalog.Description)
	if s.Description == "" {
		s.Description = catalog.Name
	}
	for _, t := range b.definition.EventTypes() {
		if strings.HasPrefix(t.Name, legacyPrefix) {
			return s, misconfigured("choose another name", "the event type %q begins with %s, which Kyma refuses", t.FullType(), legacyPrefix)
		}
	}
	document, err := b.document(catalog.Catalog)
	if err != nil {
		return s, misconfigured("correct the definition", "the event catalog: %v", err)
	}
	s.Events = document
	return b.finish(s)
}
