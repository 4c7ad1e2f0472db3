package registration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// authorization is one evaluated way to call a system: what probes send, and what Kyma has to send later.
type authorization struct {
	credentials    Credentials
	headers, query map[string][]secret.Text
	// tokenRequest is set for OAuth: its answer has the bearer token.
	tokenRequest *httpclient.Request
	// hint names the parameters that it reads.
	hint string
}

// newAuthorization evaluates auth. The finding is not active where it cannot be used.
func newAuthorization(auth *connector.Auth, in expression.Input) (*authorization, finding) {
	a := &authorization{
		headers: map[string][]secret.Text{},
		query:   map[string][]secret.Text{},
		hint:    named(auth.Parameters(), "the authentication in the definition"),
	}
	e := evaluator{in: in}
	switch {
	case auth.Basic != nil:
		basic := &BasicCredentials{Username: e.text(auth.Basic.Username), Password: secret.New(e.text(auth.Basic.Password))}
		if e.err == nil && (basic.Username == "" || basic.Password.Empty()) {
			return nil, misconfigured("check "+a.hint, "user or password is empty")
		}
		if strings.Contains(basic.Username, ":") {
			return nil, misconfigured("check "+a.hint, "a user name for basic authentication cannot contain a colon")
		}
		a.credentials.Basic = basic
	case auth.APIKey != nil:
		key := secret.New(e.text(auth.APIKey.Value))
		switch {
		case e.err == nil && key.Empty():
			return nil, misconfigured("check "+a.hint, "the API key is empty")
		case auth.APIKey.Header != "":
			a.addHeader(auth.APIKey.Header, key)
		default:
			a.query[auth.APIKey.Query] = []secret.Text{key}
		}
	case auth.Header != nil:
		for name, value := range auth.Header {
			a.addHeader(name, secret.New(e.text(value)))
		}
	case auth.Query != nil:
		for name, value := range auth.Query {
			a.query[name] = secrets(e.list(value))
		}
	case auth.OAuth2 != nil:
		a.useOAuth(auth.OAuth2, &e)
	case auth.JWT != nil:
		return nil, unsupported("jwt")
	case auth.Signed != nil:
		return nil, unsupported("signed")
	case auth.ClientCertificate != nil:
		return nil, unsupported("clientCertificate")
	}
	if e.err != nil {
		return nil, misconfigured("check "+a.hint, "the credentials cannot be evaluated: %v", e.err)
	}
	return a, finding{}
}

func unsupported(kind string) finding {
	return misconfigured("use basic, apiKey, header, query or oauth2 in the definition",
		"Kyma cannot make calls with the authentication kind %q", kind)
}

func (a *authorization) addHeader(name string, value secret.Text) {
	// Kyma's gateway compares header names as they are written.
	a.headers[http.CanonicalHeaderKey(name)] = []secret.Text{value}
}

// useOAuth sets the token request, and what Kyma needs to make it. Kyma sends client id and secret both as a
// Basic header and in the form; it can add headers and a query, but no form fields, so the fields go into
// the query, where token endpoints accept them too.
func (a *authorization) useOAuth(o *connector.OAuth2Auth, e *evaluator) {
	id, clientSecret := e.text(o.ClientID), secret.New(e.text(o.ClientSecret))
	oauth := &OAuthCredentials{TokenURL: e.text(o.TokenURL), ClientID: id, ClientSecret: clientSecret,
		Headers: map[string][]secret.Text{}, Query: map[string][]secret.Text{}}
	form := url.Values{"grant_type": {"client_credentials"}}
	header := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	if o.Style == "body" {
		form.Set("client_id", id)
		form.Set("client_secret", clientSecret.Reveal())
	} else {
		header.Set("Authorization", basicHeader(url.QueryEscape(id), url.QueryEscape(clientSecret.Reveal())))
	}
	for name, value := range o.Form {
		text := e.text(value)
		form.Set(name, text)
		oauth.Query[name] = []secret.Text{secret.New(text)}
	}
	if len(o.Scopes) > 0 {
		scopes := make([]string, len(o.Scopes))
		for i, value := range o.Scopes {
			scopes[i] = e.text(value)
		}
		scope := strings.Join(scopes, " ")
		form.Set("scope", scope)
		oauth.Query["scope"] = []secret.Text{secret.New(scope)}
	}
	for name, value := range o.Headers {
		text := e.text(value)
		header.Set(name, text)
		oauth.Headers[http.CanonicalHeaderKey(name)] = []secret.Text{secret.New(text)}
	}
	a.credentials.OAuth = oauth
	a.tokenRequest = &httpclient.Request{Method: http.MethodPost, URL: oauth.TokenURL, Header: header, Body: []byte(form.Encode()), Idempotent: true, MaxBody: 1 << 20}
}

func basicHeader(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// withParameters adds the request parameters of an API to what Kyma sends.
func (a *authorization) withParameters(p *connector.RequestParameters, in expression.Input) (*authorization, error) {
	if p == nil {
		return a, nil
	}
	out := &authorization{credentials: a.credentials, tokenRequest: a.tokenRequest, hint: a.hint,
		headers: map[string][]secret.Text{}, query: map[string][]secret.Text{}}
	e := evaluator{in: in}
	for name, value := range p.Headers {
		if text := e.text(value); text != "" {
			out.addHeader(name, secret.New(text))
		}
	}
	for name, value := range p.Query {
		if texts := e.list(value); len(texts) > 0 && texts[0] != "" {
			out.query[name] = secrets(texts)
		}
	}
	for name, values := range a.headers {
		out.headers[name] = values
	}
	for name, values := range a.query {
		out.query[name] = values
	}
	return out, e.err
}

// sign adds everything to a request of the given address.
func (p *prober) sign(ctx context.Context, a *authorization, request *httpclient.Request) (finding, bool) {
	for name, values := range a.headers {
		request.Header[name] = revealAll(values)
	}
	if len(a.query) > 0 {
		u, err := url.Parse(request.URL)
		if err != nil {
			return misconfigured("check the definition", "the address of a call cannot be parsed"), false
		}
		query := u.Query()
		for name, values := range a.query {
			query[name] = revealAll(values)
		}
		u.RawQuery = query.Encode()
		request.URL = u.String()
	}
	if basic := a.credentials.Basic; basic != nil {
		request.Header.Set("Authorization", basicHeader(basic.Username, basic.Password.Reveal()))
	}
	if a.tokenRequest != nil {
		token, f := p.tokens.get(ctx, p, a)
		if f.class != ClassActive {
			return f, false
		}
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	return finding{}, true
}

func secrets(texts []string) []secret.Text {
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

// tokens fetches each bearer token once for all the calls of a run.
type tokens struct {
	mu    sync.Mutex
	known map[string]*token
}

type token struct {
	mu      sync.Mutex
	value   secret.Text
	expires time.Time
	failure finding
}

// get returns the token of a. Calls that need the same token wait for one fetch; one that failed is not
// repeated within a run.
func (t *tokens) get(ctx context.Context, p *prober, a *authorization) (secret.Text, finding) {
	key := string(canonical([]any{a.tokenRequest.URL, a.tokenRequest.Header, a.tokenRequest.Body}))
	t.mu.Lock()
	if t.known == nil {
		t.known = map[string]*token{}
	}
	known := t.known[key]
	if known == nil {
		known = &token{}
		t.known[key] = known
	}
	t.mu.Unlock()

	known.mu.Lock()
	defer known.mu.Unlock()
	if known.failure.class == ClassActive && !time.Now().Before(known.expires) {
		known.value, known.expires, known.failure = p.fetchToken(ctx, a)
	}
	return known.value, known.failure
}

func (p *prober) fetchToken(ctx context.Context, a *authorization) (secret.Text, time.Time, finding) {
	var none secret.Text
	h := hints{system: a.hint, credentials: a.hint}
	answer, err := p.http.Do(ctx, *a.tokenRequest)
	if err != nil {
		return none, time.Time{}, judgeError(err, h)
	}
	if answer.Status == http.StatusBadRequest {
		answer.Status = http.StatusUnauthorized // RFC 6749 allows both for wrong credentials
	}
	if f := judgeStatus(*a.tokenRequest, answer, []int{http.StatusOK, http.StatusCreated}, h); f.class != ClassActive {
		return none, time.Time{}, f
	}
	var body struct {
		AccessToken string  `json:"access_token"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	if json.Unmarshal(answer.Body, &body) != nil || body.AccessToken == "" {
		return none, time.Time{}, finding{ClassMalformed, "the token endpoint " + httpclient.Address(a.tokenRequest.URL) + " answered without an access token", "check " + a.hint}
	}
	if body.ExpiresIn <= 0 {
		body.ExpiresIn = 300
	}
	lifetime := time.Duration(body.ExpiresIn * 0.9 * float64(time.Second))
	return secret.New(body.AccessToken), time.Now().Add(lifetime), finding{}
}

// evaluator evaluates values and keeps the first error.
type evaluator struct {
	in  expression.Input
	err error
}

func (e *evaluator) text(v connector.Value) string {
	text, err := v.Text(e.in)
	if err != nil && e.err == nil {
		e.err = err
	}
	return text
}

func (e *evaluator) list(v connector.Value) []string {
	texts, err := v.List(e.in)
	if err != nil && e.err == nil {
		e.err = err
	}
	return texts
}
