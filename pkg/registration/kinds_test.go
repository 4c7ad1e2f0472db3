package registration_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// TestEveryWayToSignIn: the probe signs in as the definition says, and Kyma gets the same credentials. The system takes
// nothing else. Certificates, signatures and tokens for each call are in TestCredentialsThatKymaCannotHold and
// TestSimulatedSignatures, odd token calls in TestOddTokenCalls.
func TestEveryWayToSignIn(t *testing.T) {
	t.Parallel()
	reveal := func(a *registration.API, header string) string { return a.Headers[header][0].Reveal() }
	basic := func(r *http.Request) bool {
		name, pass, ok := r.BasicAuth()
		return ok && name == user && pass == password
	}
	token := func(r *http.Request) bool {
		return r.Method == http.MethodPost && r.PostFormValue("grant_type") == "client_credentials" && r.PostFormValue("scope") == "read write"
	}
	const oauth = `oauth2: {tokenUrl: '=param("system_url") + "/token"', clientId: '=param("basic_user")', clientSecret: '=param("basic_password")', scopes: [read, write]`
	tests := map[string]struct {
		auth   string
		probe  func(r *http.Request) bool
		token  func(r *http.Request) bool
		stored func(t *testing.T, a *registration.API)
	}{
		"none": {`none: {}`,
			func(r *http.Request) bool { return r.Header.Get("Authorization") == "" && r.URL.RawQuery == "" }, nil,
			func(t *testing.T, a *registration.API) {
				assert.Zero(t, a.Credentials)
				assert.Empty(t, a.Headers)
				assert.Empty(t, a.Query)
			}},
		"basic": {`basic: {username: '=param("basic_user")', password: '=param("basic_password")'}`, basic, nil,
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, user, a.Credentials.Basic.Username)
				assert.Equal(t, password, a.Credentials.Basic.Password.Reveal())
			}},
		"an API key in a header": {`apiKey: {header: x-api-token, value: '=param("api_key")'}`,
			func(r *http.Request) bool { return r.Header.Get("X-Api-Token") == apiKey }, nil,
			func(t *testing.T, a *registration.API) { assert.Equal(t, apiKey, reveal(a, "X-Api-Token")) }},
		"an API key in the query": {`apiKey: {query: apikey, value: '=param("api_key")'}`,
			func(r *http.Request) bool { return r.URL.Query().Get("apikey") == apiKey }, nil,
			func(t *testing.T, a *registration.API) { assert.Equal(t, apiKey, a.Query["apikey"][0].Reveal()) }},
		"composed headers": {`header: {Authorization: '="User " + param("api_key") + ", Organization " + param("basic_password")', X-Kind: plain}`,
			func(r *http.Request) bool {
				return r.Header.Get("Authorization") == "User "+apiKey+", Organization "+password && r.Header.Get("X-Kind") == "plain"
			}, nil,
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, "User "+apiKey+", Organization "+password, reveal(a, "Authorization"))
				assert.Equal(t, "plain", reveal(a, "X-Kind"))
			}},
		"user key and secret": {`query: {userKey: '=param("basic_user")', secret: '=param("api_key")'}`,
			func(r *http.Request) bool {
				return r.URL.Query().Get("userKey") == user && r.URL.Query().Get("secret") == apiKey
			}, nil,
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, user, a.Query["userKey"][0].Reveal())
				assert.Equal(t, apiKey, a.Query["secret"][0].Reveal())
			}},
		"OAuth, the client as Basic": {oauth + "}", nil,
			func(r *http.Request) bool { return token(r) && basic(r) && !r.PostForm.Has("client_id") },
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, user, a.Credentials.OAuth.ClientID)
				assert.Equal(t, password, a.Credentials.OAuth.ClientSecret.Reveal())
				assert.Equal(t, "read write", a.Credentials.OAuth.Query["scope"][0].Reveal())
			}},
		"OAuth, the client in the body": {oauth + ", style: body, headers: {x-key: '=param(\"api_key\")'}}", nil,
			func(r *http.Request) bool {
				return token(r) && !basic(r) && r.PostFormValue("client_id") == user && r.PostFormValue("client_secret") == password && r.Header.Get("X-Key") == apiKey
			},
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, password, a.Credentials.OAuth.ClientSecret.Reveal())
				assert.Equal(t, apiKey, a.Credentials.OAuth.Headers["X-Key"][0].Reveal())
			}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "apis: [{id: a, name: A, kind: rest, path: /a, csrf: true, auth: {"+tt.auth+"}}]", "api_key="+apiKey)
			const accessToken = "t0ken-0f-the-system"
			f.system.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/token" && tt.token != nil && tt.token(r):
					_, _ = fmt.Fprintf(w, `{"access_token":%q}`, accessToken)
				case r.URL.Path == "/a" && tt.token != nil && r.Header.Get("Authorization") == "Bearer "+accessToken:
				case r.URL.Path == "/a" && tt.probe != nil && tt.probe(r):
				default:
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			report := f.run(t)
			require.Equal(t, []string{"a registered"}, outcomes(report), "%+v", report.Services)
			api := f.catalog.Entries()[0].Service.API
			tt.stored(t, api)
			assert.Equal(t, f.system.URL+"/a/", api.CSRFTokenURL, "writes fetch a token first")
			assertNoSecrets(t, f, report)
			assert.Zero(t, f.run(t).Writes)
		})
	}
}

// TestEveryKindOfSpecification: what Kyma gets is a JSON object, or an address.
func TestEveryKindOfSpecification(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"apis/two.json":   `{"swagger":"2.0","info":{"title":"x","version":"1"},"paths":{}}`,
		"apis/two.yaml":   "swagger: '2.0'\ninfo: {title: x, version: '1'}\npaths: {}\n",
		"apis/three.json": `{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{}}`,
		"apis/three.yaml": "openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths: {}\n",
	}
	for name, tt := range map[string]struct {
		kind, specification string
		want                string // the document
		path                string // or the address below the system's
		signedIn            bool
	}{
		"OpenAPI 2 as JSON":             {"openapi", "file: apis/two.json", files["apis/two.json"], "", false},
		"OpenAPI 2 as YAML":             {"openapi", "file: apis/two.yaml", files["apis/two.json"], "", false},
		"OpenAPI 3 as JSON":             {"openapi", "file: apis/three.json", files["apis/three.json"], "", false},
		"OpenAPI 3 as YAML":             {"openapi", "file: apis/three.yaml", files["apis/three.json"], "", false},
		"OpenAPI by URL":                {"openapi", `url: '=param("system_url") + "/public.yaml"'`, "", "/public.yaml", false},
		"OpenAPI at the system":         {"openapi", "path: /docs/v1", "", "/docs/v1", true},
		"metadata":                      {"odata", "metadata: true", "", "/a/$metadata", true},
		"plain REST, nothing but calls": {"rest", "", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "")
			parts := "apis: [{id: a, name: A, kind: " + tt.kind + ", path: /a/"
			if tt.specification != "" {
				parts += ", specification: {" + tt.specification + "}"
			}
			f.options.Definition = defineFiles(t, header, parts+"}]", files)
			f.system.on("/a/", answer(200, serviceDocument))
			f.system.on("/docs/v1", answer(200, files["apis/two.json"]))
			f.system.open("/public.yaml", answer(200, files["apis/three.yaml"]))
			require.Equal(t, []string{"a registered"}, outcomes(f.run(t)))
			api := f.catalog.Entries()[0].Service.API
			assert.EqualValues(t, tt.kind, api.Kind)
			assert.Equal(t, tt.signedIn, api.SpecificationAuth)
			if tt.want != "" {
				assert.JSONEq(t, tt.want, content(t, api.Specification))
				assert.Empty(t, api.SpecificationURL)
				return
			}
			assert.Empty(t, api.Specification)
			if tt.path != "" {
				tt.path = f.system.URL + tt.path
			}
			assert.Equal(t, tt.path, api.SpecificationURL)
		})
	}
}

// TestProbesByPOST: a probe is a question, whatever its method: it is asked again where the system was too busy.
func TestProbesByPOST(t *testing.T) {
	t.Parallel()
	for _, busy := range []int{429, 503} {
		f := newFixture(t, `apis: [{id: a, name: A, kind: rest, path: /a, probe: {method: POST, path: /query, headers: {X-Ask: "yes"}, status: [200, 204], expect: '=status == 204 or response("count") != ""'}}]`)
		f.system.on("/query", func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "POST yes", r.Method+" "+r.Header.Get("X-Ask"))
			if f.system.called("/query") == 1 {
				w.WriteHeader(busy)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
		assert.Equal(t, []string{"a registered"}, outcomes(f.run(t)))
		assert.Equal(t, 2, f.system.called("/query"))
	}
}
