package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// serviceDetails is what the Application Registry takes and gives.
type serviceDetails struct {
	Provider         string                `json:"provider"`
	Name             string                `json:"name"`
	Description      string                `json:"description"`
	ShortDescription string                `json:"shortDescription,omitempty"`
	Identifier       string                `json:"identifier,omitempty"`
	Labels           map[string]string     `json:"labels,omitempty"`
	API              *serviceAPI           `json:"api,omitempty"`
	Events           *serviceEvents        `json:"events,omitempty"`
	Documentation    *serviceDocumentation `json:"documentation,omitempty"`
}

type serviceEvents struct {
	Spec json.RawMessage `json:"spec"`
}

type serviceDocumentation struct {
	DisplayName string           `json:"displayName"`
	Description string           `json:"description"`
	Type        string           `json:"type"`
	Tags        []string         `json:"tags,omitempty"`
	Docs        []map[string]any `json:"docs,omitempty"`
}

type serviceAPI struct {
	TargetURL                      string              `json:"targetUrl"`
	Spec                           json.RawMessage     `json:"spec,omitempty"`
	SpecificationURL               string              `json:"specificationUrl,omitempty"`
	APIType                        string              `json:"apiType,omitempty"`
	Credentials                    *serviceCredentials `json:"credentials,omitempty"`
	RequestParameters              *requestParameters  `json:"requestParameters,omitempty"`
	Headers                        map[string][]string `json:"headers,omitempty"`
	QueryParameters                map[string][]string `json:"queryParameters,omitempty"`
	SpecificationCredentials       *serviceCredentials `json:"specificationCredentials,omitempty"`
	SpecificationRequestParameters *requestParameters  `json:"specificationRequestParameters,omitempty"`
}

type requestParameters struct {
	Headers         map[string][]string `json:"headers,omitempty"`
	QueryParameters map[string][]string `json:"queryParameters,omitempty"`
}

func (p *requestParameters) empty() bool {
	return p == nil || len(p.Headers) == 0 && len(p.QueryParameters) == 0
}

type serviceCredentials struct {
	Basic          *basicCredentials       `json:"basic,omitempty"`
	OAuth          *oauthCredentials       `json:"oauth,omitempty"`
	CertificateGen *certificateCredentials `json:"certificateGen,omitempty"`
}

type basicCredentials struct {
	Username string    `json:"username"`
	Password string    `json:"password"`
	CSRF     *csrfInfo `json:"csrfInfo,omitempty"`
}

type oauthCredentials struct {
	URL               string             `json:"url"`
	ClientID          string             `json:"clientId"`
	ClientSecret      string             `json:"clientSecret"`
	RequestParameters *requestParameters `json:"requestParameters,omitempty"`
	CSRF              *csrfInfo          `json:"csrfInfo,omitempty"`
}

type certificateCredentials struct {
	CommonName  string    `json:"commonName"`
	Certificate string    `json:"certificate,omitempty"`
	CSRF        *csrfInfo `json:"csrfInfo,omitempty"`
}

type csrfInfo struct {
	TokenEndpointURL string `json:"tokenEndpointURL"`
}

// registryError is an error of the Application Registry.
type registryError struct {
	Code int    `json:"code"`
	Text string `json:"error"`
}

func registryErrorf(code int, format string, args ...any) *registryError {
	if code == http.StatusInternalServerError {
		return &registryError{Code: code, Text: "Internal error."} // details only with --detailedErrorResponse
	}
	return &registryError{Code: code, Text: fmt.Sprintf(format, args...)}
}

// check says what is wrong with details; every missing field is named at once.
func (d *serviceDetails) check() *registryError {
	var problems []string
	need := func(value, problem string) {
		if value == "" {
			problems = append(problems, problem)
		}
	}
	address := func(value, field, problem string) {
		switch {
		case value == "":
			problems = append(problems, problem)
		case !looksLikeURL(value):
			problems = append(problems, field+": "+value+" does not validate as url")
		}
	}
	csrf := func(info *csrfInfo) {
		if info != nil {
			address(info.TokenEndpointURL, "tokenEndpointURL", "tokenEndpointURL field cannot be empty")
		}
	}
	need(d.Provider, "Provider field cannot be empty.")
	need(d.Name, "Name field cannot be empty.")
	need(d.Description, "Description field cannot be empty.")
	if d.Documentation != nil {
		need(d.Documentation.DisplayName, "displayName field cannot be empty in documentation")
		need(d.Documentation.Description, "description field cannot be empty in documentation")
		need(d.Documentation.Type, "type field cannot be empty in documentation")
	}
	if d.Events != nil {
		need(string(d.Events.Spec), "spec cannot be empty")
	}
	if d.API != nil {
		address(d.API.TargetURL, "api.targetUrl", "targetUrl field cannot be empty.")
		for _, c := range []*serviceCredentials{d.API.Credentials, d.API.SpecificationCredentials} {
			if c == nil {
				continue
			}
			if c.Basic != nil {
				need(c.Basic.Username, "basic auth username field cannot be empty")
				need(c.Basic.Password, "basic auth password field cannot be empty")
				csrf(c.Basic.CSRF)
			}
			if c.OAuth != nil {
				address(c.OAuth.URL, "oauth.url", "oauth url field cannot be empty")
				need(c.OAuth.ClientID, "oauth clientId field cannot be empty")
				need(c.OAuth.ClientSecret, "oauth clientSecret cannot be empty")
				csrf(c.OAuth.CSRF)
			}
			if c.CertificateGen != nil {
				csrf(c.CertificateGen.CSRF)
			}
		}
	}
	slices.Sort(problems)
	switch {
	case len(problems) > 0:
		return invalidDetails("Incorrect structure of service definition, %s", strings.Join(problems, ";"))
	case d.API == nil && d.Events == nil:
		return invalidDetails("At least one of service definition attributes: 'api', 'events' have to be provided")
	case d.API != nil && !objectOrNull(d.API.Spec):
		return invalidDetails("api.Spec is not a proper json object, %s", jsonKind(d.API.Spec))
	case d.API != nil && tooManyCredentials(d.API.Credentials):
		return invalidDetails("api.CredentialsWithCSRF is invalid: to many authentication methods provided")
	case d.API != nil && tooManyCredentials(d.API.SpecificationCredentials):
		return invalidDetails("api.SpecificationCredentials is invalid: to many authentication methods provided")
	case d.Events != nil && !objectOrNull(d.Events.Spec):
		return invalidDetails("events.Spec is not a proper json object, %s", jsonKind(d.Events.Spec))
	}
	return nil
}

func invalidDetails(format string, args ...any) *registryError {
	return registryErrorf(http.StatusBadRequest, "Failed to validate request body, "+format, args...)
}

func objectOrNull(raw json.RawMessage) bool {
	var m map[string]json.RawMessage
	return len(raw) == 0 || json.Unmarshal(raw, &m) == nil
}

func jsonKind(raw json.RawMessage) string {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return err.Error()
	}
	return ""
}

func tooManyCredentials(c *serviceCredentials) bool {
	if c == nil {
		return false
	}
	count := 0
	for _, present := range []bool{c.Basic != nil, c.OAuth != nil, c.CertificateGen != nil} {
		if present {
			count++
		}
	}
	return count > 1
}

// looksLikeURL is as lenient as the real check: the scheme may be missing.
func looksLikeURL(text string) bool {
	if len(text) > 2082 || strings.ContainsAny(text, " \t\n") || strings.HasPrefix(text, ".") {
		return false
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || !contains([]string{"http", "https", "ftp", "tcp", "udp", "ws", "wss"}, u.Scheme) {
		return false
	}
	return regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`).MatchString(u.Hostname()) || strings.Contains(u.Host, "]")
}
