package system

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// ClientCredentials is the grant that needs nobody but a client.
const ClientCredentials = "client_credentials"

// OAuth is a token endpoint and what it wants.
type OAuth struct {
	TokenURL string
	// Grant is the grant type.
	Grant string
	// ClientID and ClientSecret may be empty for other grants than ClientCredentials.
	ClientID     string
	ClientSecret secret.Text
	// Headers and Form are sent to the token endpoint besides; Form leaves out grant, client id and secret.
	Headers map[string][]secret.Text
	Form    map[string][]secret.Text

	request httpclient.Request
}

// useOAuth sets the token request.
func (a *Authorization) useOAuth(o *connector.OAuth2Auth, e *Evaluator) (wrong string) {
	a.Kind = KindOAuth2
	oauth := &OAuth{
		TokenURL: e.Text(o.TokenURL), Grant: ClientCredentials, ClientID: e.Text(o.ClientID), ClientSecret: secret.New(e.Text(o.ClientSecret)),
		Headers: map[string][]secret.Text{}, Form: map[string][]secret.Text{},
	}
	form := url.Values{}
	header := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	switch {
	case oauth.ClientID == "":
	case o.Style == "body":
		form.Set("client_id", oauth.ClientID)
		form.Set("client_secret", oauth.ClientSecret.Reveal())
	default:
		header.Set("Authorization", basicHeader(url.QueryEscape(oauth.ClientID), url.QueryEscape(oauth.ClientSecret.Reveal())))
	}
	for name, value := range o.Form {
		text := e.Text(value)
		form.Set(name, text)
		if name == "grant_type" {
			oauth.Grant = text
		} else {
			oauth.Form[name] = []secret.Text{secret.New(text)}
		}
	}
	form.Set("grant_type", oauth.Grant)
	if len(o.Scopes) > 0 {
		scopes := make([]string, len(o.Scopes))
		for i, value := range o.Scopes {
			scopes[i] = e.Text(value)
		}
		scope := strings.Join(scopes, " ")
		form.Set("scope", scope)
		oauth.Form["scope"] = []secret.Text{secret.New(scope)}
	}
	for name, value := range o.Headers {
		text := e.Text(value)
		header.Set(name, text)
		oauth.Headers[http.CanonicalHeaderKey(name)] = []secret.Text{secret.New(text)}
	}
	oauth.request = httpclient.Request{Method: http.MethodPost, URL: oauth.TokenURL, Header: header, Body: []byte(form.Encode()), Idempotent: true, MaxBody: maxToken}
	a.OAuth = oauth
	switch {
	case !strings.HasPrefix(oauth.TokenURL, "https://"):
		return "the address of the token endpoint does not begin with https://"
	case oauth.Grant == ClientCredentials && (oauth.ClientID == "" || oauth.ClientSecret.Empty()):
		return "client id or client secret is empty"
	}
	return ""
}

// maxToken bounds the answer of a token endpoint in bytes.
const maxToken = 1 << 20

// tokens fetches each access token once for all the calls that need it.
type tokens struct {
	mu    sync.Mutex
	known map[string]*token
}

type token struct {
	mu      sync.Mutex
	value   secret.Text
	expires time.Time
	failure Finding
}

// get returns the access token of a. Calls that need the same token wait for one fetch; one that failed is
// not repeated before failureLifetime is over.
func (t *tokens) get(ctx context.Context, client *httpclient.Client, a *Authorization) (secret.Text, Finding) {
	key := a.OAuth.key()
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
	if !time.Now().Before(known.expires) {
		known.value, known.expires, known.failure = fetchToken(ctx, client, a)
	}
	return known.value, known.failure
}

// key is the same for all that need the same token.
func (o *OAuth) key() string {
	parts, _ := json.Marshal([]any{o.request.URL, o.request.Header, o.request.Body}) // cannot fail for texts
	return string(parts)
}

// Forget gives up an access token that the system does not accept, though its time is not over. It says
// whether there was one: then the call is worth repeating at once.
func (c *Client) Forget(a *Authorization) bool {
	if a.OAuth == nil {
		return false
	}
	c.tokens.mu.Lock()
	known := c.tokens.known[a.OAuth.key()]
	c.tokens.mu.Unlock()
	if known == nil {
		return false
	}
	known.mu.Lock()
	defer known.mu.Unlock()
	known.expires = time.Time{}
	return known.failure.OK()
}

// defaultLifetime is that of a token whose endpoint does not say; failureLifetime is how long a failure counts
// for all the calls that need the token.
const (
	defaultLifetime = 5 * time.Minute
	failureLifetime = 10 * time.Second
)

func fetchToken(ctx context.Context, client *httpclient.Client, a *Authorization) (secret.Text, time.Time, Finding) {
	failed := func(f Finding) (secret.Text, time.Time, Finding) {
		return secret.Text{}, time.Now().Add(failureLifetime), f
	}
	h := Hints{System: a.Hint, Credentials: a.Hint}
	answer, err := client.Do(ctx, a.OAuth.request)
	if err != nil {
		return failed(JudgeError(err, h))
	}
	if answer.Status == http.StatusBadRequest {
		answer.Status = http.StatusUnauthorized // RFC 6749 allows both for wrong credentials
	}
	if f := JudgeStatus(a.OAuth.request, answer, []int{http.StatusOK, http.StatusCreated}, h); !f.OK() {
		return failed(f)
	}
	var body struct {
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	if json.Unmarshal(answer.Body, &body) != nil || body.AccessToken == "" {
		return failed(Finding{Class: ClassMalformed, Reason: "the token endpoint " + httpclient.Address(a.OAuth.request.URL) + " answered without an access token", Next: "check " + a.Hint})
	}
	// Some send the seconds as a text.
	lifetime := defaultLifetime
	if seconds, err := time.ParseDuration(strings.Trim(string(body.ExpiresIn), `" `) + "s"); err == nil && seconds > 0 {
		lifetime = seconds / 10 * 9
	}
	return secret.New(body.AccessToken), time.Now().Add(lifetime), Finding{}
}
