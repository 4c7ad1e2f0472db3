package registration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// eventsID is the API id of the event catalog.
const eventsID = "events"

// ApplicationName is the name of the Application that the definition asks for. It needs only those
// parameters that the name is made of.
func ApplicationName(d *connector.Definition, in expression.Input) (string, error) {
	hint := system.Named(d.Application.Parameters(), "the application in the definition")
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
	system     *system.Client  // nil where the system's address is wrong
	judge      CredentialJudge // nil where Kyma holds all kinds of credentials
	prefix     string          // of event types
	prefixed   bool            // see Options.PrefixedTypes
	documents  map[string]*Document
}

// service makes the service of an active API. Kept is what Kyma's gateway signs in with, the note what has to be said
// about how the API can be called.
func (b builder) service(p probed) (service Service, kept *system.Authorization, note string, f finding) {
	s := b.base(p.id, p.name, p.description)
	api := &API{
		Kind:       p.api.Kind,
		TargetURL:  p.address,
		SecretName: secretName(p.api),
	}
	if p.api.CSRF {
		api.CSRFTokenURL = strings.TrimRight(p.address, "/") + "/"
	}
	kept, note = b.keepCredentials(api, p)
	s.API = api
	if f = b.specify(api, p); f.OK() {
		s, f = b.finish(s)
	}
	return s, kept, note, f
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
		return s, finding{Class: ClassMisconfigured, Reason: err.Error()}
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
	e := system.Evaluator{In: p.in}
	switch {
	case spec.File != "" && p.api.Kind == connector.KindOData:
		// EDMX cannot be handed over; Kyma fetches it. The file is for people.
		api.SpecificationURL, api.SpecificationAuth = strings.TrimRight(p.address, "/")+"/$metadata", true
	case spec.File != "":
		document, err := b.specification(spec.File)
		if err != nil {
			return system.Misconfigured("correct the definition", "its specification: %v", err)
		}
		api.Specification = document
	case spec.URL.IsSet():
		api.SpecificationURL = e.Text(spec.URL)
		if err := b.system.Check(api.SpecificationURL); err != nil && e.Err == nil {
			return system.Misconfigured("check the address of the specification, and --allow-address", "its specification: %v", err)
		}
	case spec.Path.IsSet():
		address, err := b.system.Resolve(e.Text(spec.Path))
		if err != nil {
			return system.Misconfigured("correct the definition", "the path of its specification: %v", err)
		}
		api.SpecificationURL, api.SpecificationAuth = address, true
	case spec.Metadata:
		api.SpecificationURL, api.SpecificationAuth = strings.TrimRight(p.address, "/")+"/$metadata", true
	}
	if e.Err != nil {
		return system.Misconfigured("correct the definition", "the address of its specification cannot be evaluated: %v", e.Err)
	}
	return finding{}
}

// specification is a file beside the definition as a document. Many discovered APIs may have the same one.
func (b builder) specification(name string) (*Document, error) {
	if known := b.documents[name]; known != nil {
		return known, nil
	}
	document, err := NewDocument(func() (json.RawMessage, error) { return b.document(name) })
	if err == nil {
		b.documents[name] = document
	}
	return document, err
}

// document reads a JSON or YAML document beside the definition, as a JSON object.
func (b builder) document(name string) (json.RawMessage, error) {
	data, err := b.definition.File(name)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	return jsonObjectOf(name, data)
}

// jsonObjectOf makes a JSON object of a JSON or YAML document.
func jsonObjectOf(name string, data []byte) (json.RawMessage, error) {
	var document map[string]any
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) && json.Unmarshal(data, &document) == nil {
		return nonEmptyObject(name, document) // many times faster than as YAML
	}
	document = nil
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("%s is neither a JSON nor a YAML object: %w", name, err)
	}
	return nonEmptyObject(name, document)
}

func nonEmptyObject(name string, document map[string]any) (json.RawMessage, error) {
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
	if f := checkTypes(b.definition.EventTypes(), b.prefix, b.prefixed); !f.OK() {
		return s, f
	}
	document, err := b.document(catalog.Catalog)
	if err != nil {
		return s, system.Misconfigured("correct the definition", "the event catalog: %v", err)
	}
	s.Events = document
	return b.finish(s)
}
