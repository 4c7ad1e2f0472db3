package system

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// Kind names a way to sign in, as a definition does.
type Kind string

// The kinds.
const (
	KindNone              Kind = "none"
	KindBasic             Kind = "basic"
	KindAPIKey            Kind = "apiKey"
	KindHeader            Kind = "header"
	KindQuery             Kind = "query"
	KindOAuth2            Kind = "oauth2"
	KindJWT               Kind = "jwt"
	KindSigned            Kind = "signed"
	KindClientCertificate Kind = "clientCertificate"
)

// Authorization is one evaluated way to call the system. What others can send on our behalf is in its
// fields; what has to be made anew for each call is not.
type Authorization struct {
	Kind Kind
	// Basic, OAuth and Certificate are set for their kinds.
	Basic       *Basic
	OAuth       *OAuth
	Certificate *Certificate
	// Headers and Query are sent with each call, by canonical name.
	Headers, Query map[string][]secret.Text
	// Hint names the parameters that it reads.
	Hint string

	// sign completes a request before each attempt; nil where nothing has to be signed.
	sign func(*http.Request) error
	// client presents the certificate; nil where there is none.
	client *httpclient.Client
}

// Basic is HTTP Basic.
type Basic struct {
	Username string
	Password secret.Text
}

// Certificate is a client certificate, PEM.
type Certificate struct {
	Certificate string
	Key         secret.Text
}

// Authorize selects the way to call the system, or one API with ways of its own, and evaluates it. Where the
// Finding is not OK there is no Authorization.
func (c *Client) Authorize(list connector.AuthList, in expression.Input) (*Authorization, Finding) {
	if len(list) == 0 {
		list = c.definition.System.Auth
	}
	auth, err := c.definition.SelectAuth(list, c.params)
	if err != nil {
		return nil, Finding{Class: ClassMisconfigured, Reason: err.Error()}
	}
	return c.evaluate(auth, in)
}

// AuthorizeFirst is Authorize for the first way that is complete and for which fit holds. It is nil where
// there is none.
func (c *Client) AuthorizeFirst(list connector.AuthList, in expression.Input, fit func(*Authorization) bool) *Authorization {
	if len(list) == 0 {
		list = c.definition.System.Auth
	}
	for _, auth := range list.Usable(c.params) {
		if a, f := c.evaluate(auth, in); f.OK() && fit(a) {
			return a
		}
	}
	return nil
}

func (c *Client) evaluate(auth *connector.Auth, in expression.Input) (*Authorization, Finding) {
	a := &Authorization{
		Kind:    KindNone,
		Headers: map[string][]secret.Text{},
		Query:   map[string][]secret.Text{},
		Hint:    Named(auth.Parameters(), "the authentication in the definition"),
	}
	e := &Evaluator{In: in}
	wrong := ""
	switch {
	case auth.Basic != nil:
		wrong = a.useBasic(auth.Basic, e)
	case auth.APIKey != nil:
		wrong = a.useAPIKey(auth.APIKey, e)
	case auth.Header != nil:
		a.Kind = KindHeader
		for name, value := range auth.Header {
			a.addHeader(name, secret.New(e.Text(value)))
		}
	case auth.Query != nil:
		a.Kind = KindQuery
		for name, value := range auth.Query {
			a.Query[name] = Secrets(e.List(value))
		}
	case auth.OAuth2 != nil:
		wrong = a.useOAuth(auth.OAuth2, e)
	case auth.JWT != nil:
		wrong = a.useJWT(auth.JWT, e)
	case auth.Signed != nil:
		wrong = a.useSigned(auth.Signed, e)
	case auth.ClientCertificate != nil:
		wrong = a.useCertificate(auth.ClientCertificate, e, c.http)
	}
	switch {
	case e.Err != nil:
		return nil, Misconfigured("check "+a.Hint, "the credentials cannot be evaluated: %v", e.Err)
	case wrong != "":
		return nil, Misconfigured("check "+a.Hint, "%s", wrong)
	}
	return a, Finding{}
}

func (a *Authorization) useBasic(b *connector.BasicAuth, e *Evaluator) (wrong string) {
	a.Kind = KindBasic
	a.Basic = &Basic{Username: e.Text(b.Username), Password: secret.New(e.Text(b.Password))}
	switch {
	case a.Basic.Username == "" || a.Basic.Password.Empty():
		return "user or password is empty"
	case strings.Contains(a.Basic.Username, ":"):
		return "a user name for basic authentication cannot contain a colon"
	}
	return ""
}

func (a *Authorization) useAPIKey(k *connector.APIKeyAuth, e *Evaluator) (wrong string) {
	a.Kind = KindAPIKey
	key := secret.New(e.Text(k.Value))
	if k.Header != "" {
		a.addHeader(k.Header, key)
	} else {
		a.Query[k.Query] = []secret.Text{key}
	}
	if key.Empty() {
		return "the API key is empty"
	}
	return ""
}

func (a *Authorization) addHeader(name string, value secret.Text) {
	// Kyma's gateway compares header names as they are written.
	a.Headers[http.CanonicalHeaderKey(name)] = []secret.Text{value}
}

// With adds the request parameters of an API to what is sent; those of the authorization win.
func (a *Authorization) With(p *connector.RequestParameters, in expression.Input) (*Authorization, error) {
	if p == nil {
		return a, nil
	}
	out := *a
	out.Headers, out.Query = map[string][]secret.Text{}, map[string][]secret.Text{}
	e := Evaluator{In: in}
	for name, value := range p.Headers {
		if text := e.Text(value); text != "" {
			out.addHeader(name, secret.New(text))
		}
	}
	for name, value := range p.Query {
		if texts := e.List(value); len(texts) > 0 && texts[0] != "" {
			out.Query[name] = Secrets(texts)
		}
	}
	for name, values := range a.Headers {
		out.Headers[name] = values
	}
	for name, values := range a.Query {
		out.Query[name] = values
	}
	return &out, e.Err
}

func basicHeader(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// Secrets makes secrets of texts.
func Secrets(texts []string) []secret.Text {
	out := make([]secret.Text, len(texts))
	for i, text := range texts {
		out[i] = secret.New(text)
	}
	return out
}

func revealAll(texts []secret.Text) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = t.Reveal()
	}
	return out
}
