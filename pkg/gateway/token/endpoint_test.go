package token_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/token"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

func endpoint(t testing.TB, change func(*token.Options)) (*token.Endpoint, *gateway.Route) {
	t.Helper()
	route := gateway.NewRoute("mqtt-token", gateway.Stages{Verifier: authority(t, change)})
	pipeline := gateway.NewPipeline(gateway.PipelineOptions{Metrics: gatewaytest.Metrics()})
	return token.NewEndpoint(route, pipeline, gatewaytest.Metrics(), 0), route
}

// reply is what a client reads.
type reply struct {
	status      int
	header      http.Header
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Error       string `json:"error"`
	About       string `json:"error_description"`
}

func post(t testing.TB, h http.Handler, body io.Reader, change func(*http.Request)) reply {
	t.Helper()
	request := httptest.NewRequest(http.MethodPost, "/oauth/token", body)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(request)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	out := reply{status: recorder.Code, header: recorder.Header()}
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &out), recorder.Body)
	assert.Equal(t, "application/json", out.header.Get("Content-Type"))
	assert.Equal(t, "no-store", out.header.Get("Cache-Control"))
	assert.Equal(t, "no-cache", out.header.Get("Pragma"))
	secrettest.AssertNoLeak(t, recorder.Body.String(), secret.New(clientSecret), secret.New(newKey))
	return out
}

func form(pairs ...string) io.Reader {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return strings.NewReader(values.Encode())
}

const grantType, wanted = "grant_type", "client_credentials"

func basic(id, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(id, password) }
}

func TestATokenIsGiven(t *testing.T) {
	t.Parallel()
	const odd = "p ä+ss%41:word&=/" // needs encoding in a form, and in a Basic header by the book
	for _, tt := range []struct {
		name   string
		secret string
		body   io.Reader
		change func(*http.Request)
	}{
		{"credentials in the body", clientSecret, form(grantType, wanted, "client_id", clientID, "client_secret", clientSecret), nil},
		{"Basic", clientSecret, form(grantType, wanted), basic(clientID, clientSecret)},
		{"Basic, and the id in the body too", clientSecret, form(grantType, wanted, "client_id", clientID), basic(clientID, clientSecret)},
		{"Basic, lower-case", clientSecret, form(grantType, wanted), func(r *http.Request) {
			r.Header.Set("Authorization", "basic "+base64.StdEncoding.EncodeToString([]byte(clientID+":"+clientSecret)))
		}},
		{"a scope that nobody looks at", clientSecret, form(grantType, wanted, "client_id", clientID, "client_secret", clientSecret, "scope", "events"), nil},
		{"a content type with parameters", clientSecret, form(grantType, wanted, "client_id", clientID, "client_secret", clientSecret), func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
		}},
		{"odd characters in the body", odd, form(grantType, wanted, "client_id", clientID, "client_secret", odd), nil},
		{"odd characters by the book", odd, form(grantType, wanted), basic(clientID, url.QueryEscape(odd))},
		{"odd characters as they stand", odd, form(grantType, wanted), basic(clientID, odd)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, route := endpoint(t, func(o *token.Options) { o.Secrets = []secret.Text{secret.New("another-secret"), secret.New(tt.secret)} })
			got := post(t, h, tt.body, tt.change)
			require.Equal(t, http.StatusOK, got.status, got.About)
			assert.Equal(t, "Bearer", got.TokenType)
			assert.Equal(t, 3600, got.ExpiresIn)
			_, err := route.Stages().Verifier.(*token.Authority).Check(got.AccessToken)
			assert.NoError(t, err)
		})
	}
}

func TestNoTokenIsGiven(t *testing.T) {
	t.Parallel()
	good := []string{grantType, wanted, "client_id", clientID, "client_secret", clientSecret}
	with := func(pairs ...string) io.Reader { return form(append(append([]string{}, good...), pairs...)...) }
	for _, tt := range []struct {
		name   string
		body   io.Reader
		change func(*http.Request)
		status int
		error  string
	}{
		{"wrong secret", form(grantType, wanted, "client_id", clientID, "client_secret", "wrong"), nil, 401, "invalid_client"},
		{"wrong id", form(grantType, wanted, "client_id", "other", "client_secret", clientSecret), nil, 401, "invalid_client"},
		{"no secret", form(grantType, wanted, "client_id", clientID), nil, 401, "invalid_client"},
		{"no credentials", form(grantType, wanted), nil, 401, "invalid_client"},
		{"credentials in the query", form(grantType, wanted), func(r *http.Request) {
			r.URL.RawQuery = url.Values{"client_id": {clientID}, "client_secret": {clientSecret}}.Encode()
		}, 401, "invalid_client"},
		{"wrong Basic secret", form(grantType, wanted), basic(clientID, "wrong"), 401, "invalid_client"},
		{"Basic that is none", form(grantType, wanted), func(r *http.Request) { r.Header.Set("Authorization", "Basic %%%") }, 401, "invalid_client"},
		{"Basic without a colon", form(grantType, wanted), func(r *http.Request) { r.Header.Set("Authorization", "Basic a3ltYQ==") }, 401, "invalid_client"},
		{"another scheme", form(grantType, wanted), func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_client"},
		{"no grant type", form("client_id", clientID, "client_secret", clientSecret), nil, 400, "invalid_request"},
		{"another grant type", form(grantType, "password", "client_id", clientID, "client_secret", clientSecret), nil, 400, "unsupported_grant_type"},
		{"two grant types", with(grantType, wanted), nil, 400, "invalid_request"},
		{"two secrets", with("client_secret", "x"), nil, 400, "invalid_request"},
		{"two ways", with(), basic(clientID, clientSecret), 400, "invalid_request"},
		{"two headers", form(grantType, wanted), func(r *http.Request) {
			r.SetBasicAuth(clientID, clientSecret)
			r.Header.Add("Authorization", "Bearer x")
		}, 400, "invalid_request"},
		{"JSON", strings.NewReader(`{"grant_type":"client_credentials"}`), func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 400, "invalid_request"},
		{"no content type", with(), func(r *http.Request) { r.Header.Del("Content-Type") }, 400, "invalid_request"},
		{"no form", strings.NewReader("grant_type=%zz"), nil, 400, "invalid_request"},
		{"too large", with("x", strings.Repeat("x", 8<<10)), nil, 400, "invalid_request"},
		{"cut off", io.MultiReader(with(), &broken{}), nil, 400, "invalid_request"},
		{"GET", with(), func(r *http.Request) { r.Method = http.MethodGet }, 405, "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, _ := endpoint(t, nil)
			got := post(t, h, tt.body, tt.change)
			assert.Equal(t, tt.status, got.status)
			assert.Equal(t, tt.error, got.Error)
			assert.NotEmpty(t, got.About)
			assert.Empty(t, got.AccessToken)
			if tt.status == http.StatusUnauthorized {
				assert.Contains(t, got.header.Get("WWW-Authenticate"), "Basic realm=")
			}
		})
	}
}

// broken is a body that ends before it should.
type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestGuessingIsLimited(t *testing.T) {
	t.Parallel()
	h, _ := endpoint(t, nil)
	guess := func() reply {
		return post(t, h, form(grantType, wanted, "client_id", clientID, "client_secret", "guess"), nil)
	}
	require.Equal(t, http.StatusUnauthorized, guess().status)
	last := reply{}
	for range 30 {
		last = guess()
	}
	assert.Equal(t, http.StatusTooManyRequests, last.status)
	assert.Equal(t, "temporarily_unavailable", last.Error)
	assert.Regexp(t, `^[1-9][0-9]*$`, last.header.Get("Retry-After"))
	elsewhere := post(t, h, form(grantType, wanted, "client_id", clientID, "client_secret", clientSecret), func(r *http.Request) { r.RemoteAddr = "198.51.100.7:1" })
	assert.Equal(t, http.StatusOK, elsewhere.status, "the client itself is not locked out")
}

func TestNewParametersAreUsed(t *testing.T) {
	t.Parallel()
	h, route := endpoint(t, keys(oldKey))
	ask := func() reply { return post(t, h, form(grantType, wanted), basic(clientID, clientSecret)) }
	before := ask()
	rotated := authority(t, keys(newKey, oldKey))
	route.Swap(gateway.Stages{Verifier: rotated})
	after := ask()
	_, err := authority(t, keys(newKey)).Check(after.AccessToken)
	assert.NoError(t, err)
	_, err = rotated.Check(before.AccessToken)
	assert.NoError(t, err)
}

// FuzzEndpoint sends whatever comes: every request is answered, and nobody is let in.
func FuzzEndpoint(f *testing.F) {
	h, _ := endpoint(f, nil)
	f.Add("grant_type=client_credentials&client_id=kyma&client_secret=x", "", "application/x-www-form-urlencoded")
	f.Add("grant_type=client_credentials", "Basic a3ltYTp4", "application/x-www-form-urlencoded; charset=x")
	f.Add("%", "Bearer", ";")
	client := 0
	f.Fuzz(func(t *testing.T, body, authorization, contentType string) {
		got := post(t, h, strings.NewReader(body), func(r *http.Request) {
			client++ // nobody is slowed down for what others tried
			r.RemoteAddr = strconv.Itoa(client) + ":1"
			r.Header["Authorization"], r.Header["Content-Type"] = []string{authorization}, []string{contentType}
		})
		assert.Empty(t, got.AccessToken)
		assert.NotEqual(t, http.StatusOK, got.status)
	})
}
