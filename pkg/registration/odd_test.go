package registration_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

// TestOddTokenCalls registers two systems whose token endpoints have ways of their own, by their definitions alone. The
// endpoints take nothing but exactly what those systems want.
func TestOddTokenCalls(t *testing.T) {
	t.Parallel()
	const key, token = "the-application-key", "the-access-t0ken"
	tests := []struct {
		name    string
		params  map[string]string
		address string // of the token endpoint
		accepts func(r *http.Request) bool
		api     func(r *http.Request) bool // besides the token
		note    string
		check   func(t *testing.T, api *registration.API, base string)
	}{
		{
			name:    "cpq",
			params:  map[string]string{"username": user, "password": password, "domain": "ACME & Sons"},
			address: "/basic/api/token",
			accepts: func(r *http.Request) bool {
				want := url.Values{"grant_type": {"password"}, "username": {user}, "password": {password}, "domain": {"ACME & Sons"}}
				return r.Header.Get("Authorization") == "" && assert.ObjectsAreEqual(want, r.PostForm) && r.URL.RawQuery == ""
			},
			api:  func(r *http.Request) bool { return r.URL.Path == "/api/quotes" },
			note: `Kyma's gateway cannot get tokens by the grant "password", so that the API is registered without credentials`,
			check: func(t *testing.T, api *registration.API, base string) {
				assert.Equal(t, registration.Credentials{}, api.Credentials)
				assert.Equal(t, base+"/swagger/docs/v1", api.SpecificationURL)
			},
		},
		{
			name:    "fieldglass",
			params:  map[string]string{"username": user, "password": password, "x_applicationKey": key},
			address: "/api/oauth2/v2.0/token",
			accepts: func(r *http.Request) bool {
				name, pass, _ := r.BasicAuth()
				return name == user && pass == password && r.Header.Get("X-Applicationkey") == key &&
					r.URL.RawQuery == "grant_type=client_credentials&response_type=token" &&
					assert.ObjectsAreEqual(url.Values{"grant_type": {"client_credentials"}}, r.PostForm)
			},
			api: func(r *http.Request) bool {
				return r.URL.Path == "/api/vc/connector/worker_download" && r.Header.Get("X-Applicationkey") == key
			},
			check: func(t *testing.T, api *registration.API, base string) {
				oauth := api.Credentials.OAuth
				require.NotNil(t, oauth, "the same credentials are kept for Kyma")
				assert.Equal(t, base+"/api/oauth2/v2.0/token?grant_type=client_credentials&response_type=token", oauth.TokenURL)
				assert.Equal(t, user, oauth.ClientID)
				assert.Equal(t, password, oauth.ClientSecret.Reveal())
				assert.Equal(t, key, oauth.Headers["X-Applicationkey"][0].Reveal())
				assert.Equal(t, key, api.Headers["X-Applicationkey"][0].Reveal())
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, twoAPIs)
			base := f.system.URL
			f.system.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				switch {
				case r.URL.Path == tt.address && r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" && tt.accepts(r):
					_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":86399}`, token)
				case r.URL.Path == tt.address:
					w.WriteHeader(http.StatusBadRequest)
				case r.Header.Get("Authorization") == "Bearer "+token && r.URL.Path == "/swagger/docs/v1":
					_, _ = fmt.Fprint(w, `{"swagger":"2.0"}`)
				case r.Header.Get("Authorization") == "Bearer "+token && tt.api(r):
					_, _ = fmt.Fprint(w, `{}`)
				default:
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			data, err := os.ReadFile("testdata/" + tt.name + ".yaml")
			require.NoError(t, err)
			d := defineWith(t, string(data), "")
			run := func(params map[string]string) *registration.Report {
				f.options.Definition, f.options.Params = d, resolve(t, d, base, params)
				return f.run(t)
			}

			wrong := map[string]string{}
			for name, value := range tt.params {
				wrong[name] = value
			}
			wrong["password"] = "another"
			got := row(t, run(wrong), "api")
			assert.Equal(t, registration.ClassUnauthorized, got.Class, "%+v", got)
			assert.Contains(t, got.Next, `"password"`)

			got = row(t, run(tt.params), "api")
			require.Equal(t, registration.OutcomeRegistered, got.Outcome, "%+v", got)
			assert.Contains(t, got.Note, tt.note)
			tt.check(t, f.catalog.Entries()[0].Service.API, base)
			secrettest.AssertNoLeak(t, fmt.Sprintf("%+v", got)+f.logs.String(), secret.New(password), secret.New(key), secret.New(token))
			assert.Zero(t, run(tt.params).Writes, "a second run has nothing to do")
		})
	}
}

func resolve(t *testing.T, d *connector.Definition, base string, params map[string]string) *connector.Params {
	t.Helper()
	values := map[string]string{"system_url": base}
	for name, value := range params {
		values[name] = value
	}
	resolved, err := d.ResolveParams(values)
	require.NoError(t, err)
	return resolved
}
