package appregistry

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// details is a service as the registry takes it. It holds secrets in the open: it is made for one request and
// goes nowhere else.
type details struct {
	Provider    string            `json:"provider"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Identifier  string            `json:"identifier"`
	Labels      map[string]string `json:"labels,omitempty"`
	API         *apiDetails       `json:"api,omitempty"`
	Events      *eventDetails     `json:"events,omitempty"`
}

type eventDetails struct {
	Spec json.RawMessage `json:"spec"`
}

type apiDetails struct {
	TargetURL                      string          `json:"targetUrl"`
	Spec                           json.RawMessage `json:"spec,omitempty"`
	SpecificationURL               string          `json:"specificationUrl,omitempty"`
	APIType                        string          `json:"apiType,omitempty"`
	Credentials                    *credentials    `json:"credentials,omitempty"`
	RequestParameters              *parameters     `json:"requestParameters,omitempty"`
	SpecificationCredentials       *credentials    `json:"specificationCredentials,omitempty"`
	SpecificationRequestParameters *parameters     `json:"specificationRequestParameters,omitempty"`

	document *registration.Document // becomes Spec when it is sent
}

// body is what is sent. It is made for one request: documents are large, and there may be many.
func (d *details) body() ([]byte, error) {
	if d.API != nil && d.API.document != nil {
		document, err := d.API.document.JSON()
		if err != nil {
			return nil, &registration.ConfigError{What: fmt.Sprintf("the specification of %q cannot be read any more", d.Name), Next: "correct the definition", Err: err}
		}
		api := *d.API
		api.Spec = document
		full := *d
		full.API = &api
		d = &full
	}
	body, err := json.Marshal(d)
	if err != nil {
		return nil, errors.New("the service cannot be written as JSON")
	}
	return body, nil
}

type parameters struct {
	Headers         map[string][]string `json:"headers,omitempty"`
	QueryParameters map[string][]string `json:"queryParameters,omitempty"`
}

type credentials struct {
	Basic *basic `json:"basic,omitempty"`
	OAuth *oauth `json:"oauth,omitempty"`
}

type basic struct {
	Username string `json:"username"`
	Password string `json:"password"`
	CSRF     *csrf  `json:"csrfInfo,omitempty"`
}

type oauth struct {
	URL               string      `json:"url"`
	ClientID          string      `json:"clientId"`
	ClientSecret      string      `json:"clientSecret"`
	RequestParameters *parameters `json:"requestParameters,omitempty"`
	CSRF              *csrf       `json:"csrfInfo,omitempty"`
}

type csrf struct {
	TokenEndpointURL string `json:"tokenEndpointURL"`
}

// check finds what the registry cannot hold.
func check(s registration.Service) error {
	if err := s.Validate(); err != nil || s.API == nil {
		return err
	}
	c := s.API.Credentials
	switch {
	case c.ClientCertificate != nil:
		return &registration.ConfigError{What: fmt.Sprintf("service %q: the Application Registry makes client certificates of its own and takes none", s.DisplayName), Next: "use other credentials, or a Kyma without the Application Registry"}
	case s.API.CSRFTokenURL != "" && c.Basic == nil && c.OAuth == nil:
		return &registration.ConfigError{What: fmt.Sprintf("service %q: Kyma's gateway fetches CSRF tokens only with basic or OAuth credentials", s.DisplayName), Next: "take csrf out of the definition, or choose such credentials"}
	case c.Basic != nil && (c.Basic.Username == "" || c.Basic.Password.Empty()):
		return &registration.ConfigError{What: fmt.Sprintf("service %q: username or password is empty", s.DisplayName), Next: "give it a value"}
	case c.OAuth != nil && (c.OAuth.ClientID == "" || c.OAuth.ClientSecret.Empty()):
		return &registration.ConfigError{What: fmt.Sprintf("service %q: client id or client secret is empty", s.DisplayName), Next: "give it a value"}
	}
	return nil
}

func newDetails(s registration.Service) *details {
	description := s.Description
	if description == "" {
		description = s.DisplayName
	}
	d := &details{Provider: s.Provider, Name: s.DisplayName, Description: description, Identifier: s.Identifier, Labels: s.Labels}
	if s.Events != nil {
		d.Events = &eventDetails{Spec: s.Events}
		return d
	}
	d.API = &apiDetails{
		TargetURL:         s.API.TargetURL,
		document:          s.API.Specification,
		SpecificationURL:  s.API.SpecificationURL,
		Credentials:       newCredentials(s.API.Credentials, s.API.CSRFTokenURL),
		RequestParameters: newParameters(s.API.Headers, s.API.Query),
	}
	if s.API.Kind == connector.KindOData && hasSpecification(s) {
		// Without a specification the registry would fetch $metadata itself, with no credentials.
		d.API.APIType = "odata"
	}
	if s.API.SpecificationURL != "" && s.API.SpecificationAuth {
		d.API.SpecificationCredentials = newCredentials(s.API.Credentials, "")
		d.API.SpecificationRequestParameters = d.API.RequestParameters
	}
	return d
}

func newCredentials(c registration.Credentials, csrfTokenURL string) *credentials {
	var token *csrf
	if csrfTokenURL != "" {
		token = &csrf{TokenEndpointURL: csrfTokenURL}
	}
	switch {
	case c.Basic != nil:
		return &credentials{Basic: &basic{Username: c.Basic.Username, Password: c.Basic.Password.Reveal(), CSRF: token}}
	case c.OAuth != nil:
		return &credentials{OAuth: &oauth{URL: c.OAuth.TokenURL, ClientID: c.OAuth.ClientID, ClientSecret: c.OAuth.ClientSecret.Reveal(),
			RequestParameters: newParameters(c.OAuth.Headers, c.OAuth.Query), CSRF: token}}
	}
	return nil
}

// newParameters writes header names in the canonical form, which is how Kyma's gateway compares them.
func newParameters(headers, query map[string][]secret.Text) *parameters {
	if len(headers)+len(query) == 0 {
		return nil
	}
	return &parameters{Headers: reveal(headers, http.CanonicalHeaderKey), QueryParameters: reveal(query, func(name string) string { return name })}
}

func reveal(values map[string][]secret.Text, name func(string) string) map[string][]string {
	revealed := make(map[string][]string, len(values))
	for given, texts := range values {
		for _, text := range texts {
			revealed[name(given)] = append(revealed[name(given)], text.Reveal())
		}
	}
	return revealed
}

func hasSpecification(s registration.Service) bool {
	return s.API != nil && (s.API.Specification != nil || s.API.SpecificationURL != "")
}

// bareService is the service without its specification, and without the hash, so that the next run writes it
// anew.
func bareService(s registration.Service) registration.Service {
	s = withoutHash(s)
	api := *s.API
	api.Specification, api.SpecificationURL, api.SpecificationAuth = nil, "", false
	s.API = &api
	return s
}

// withoutCredentials is the service without what signs in, and without the hash.
func withoutCredentials(s registration.Service) registration.Service {
	s = withoutHash(s)
	api := *s.API
	api.Credentials, api.CSRFTokenURL = registration.Credentials{}, ""
	s.API = &api
	return s
}

func withoutHash(s registration.Service) registration.Service {
	s.Labels = maps.Clone(s.Labels)
	delete(s.Labels, registration.LabelHash)
	return s
}
