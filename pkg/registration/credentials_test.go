package registration_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

// keyPair is an RSA key and a certificate of it, in PEM.
func keyPair(t *testing.T) (key, certificate string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kyma"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// certificateless is a Kyma that takes no client certificates.
type certificateless struct{ *registrationtest.Catalog }

func (certificateless) Refuses(c registration.Credentials) string {
	if c.ClientCertificate != nil {
		return "this Kyma takes no certificates"
	}
	return ""
}

// TestCredentialsThatKymaCannotHold: the probe signs in as the definition says; Kyma gets the first way that
// it can go, or none, and the report says so.
func TestCredentialsThatKymaCannotHold(t *testing.T) {
	t.Parallel()
	key, certificate := keyPair(t)
	const jwt, query = `{jwt: {algorithm: RS256, key: '=param("api_key")'}}`, `{query: {userKey: '=param("basic_user")', secret: '=param("basic_password")'}}`
	tests := []struct {
		name, auth string
		catalog    func(*registrationtest.Catalog) registration.Catalog
		note       string
		registered func(t *testing.T, a *registration.API)
	}{
		{"a signature for each call, and an alternative", "[" + jwt + ", " + query + "]", nil,
			`Kyma's gateway cannot sign calls, so that it signs in by "query" instead of "jwt"`,
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, password, a.Query["secret"][0].Reveal())
				assert.Equal(t, "t", a.Headers["X-Tenant"][0].Reveal(), "request parameters are kept")
				assert.Equal(t, "a", a.SecretName)
			}},
		{"a signature for each call only", jwt, nil,
			"Kyma's gateway cannot sign calls, so that the API is registered without credentials: workloads have to sign their calls themselves, and to fetch CSRF tokens",
			func(t *testing.T, a *registration.API) {
				assert.Zero(t, a.Credentials)
				assert.Empty(t, a.Query)
				assert.Len(t, a.Headers, 1)
				assert.Empty(t, a.CSRFTokenURL)
			}},
		{"another grant", `{oauth2: {tokenUrl: '=param("system_url") + "/token"', form: {grant_type: password, username: '=param("basic_user")', password: '=param("basic_password")'}}}`, nil,
			`Kyma's gateway cannot get tokens by the grant "password", so that the API is registered without credentials`,
			func(t *testing.T, a *registration.API) { assert.Zero(t, a.Credentials) }},
		{"further fields of the token call", `{oauth2: {tokenUrl: '=param("system_url") + "/token"', clientId: client, clientSecret: '=param("basic_password")', form: {resource: r}}}`, nil,
			"sends the further fields of the token call in the query",
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, "r", a.Credentials.OAuth.Query["resource"][0].Reveal())
			}},
		{"a certificate", `{clientCertificate: {certificate: '=param("event_password")', key: '=param("api_key")'}}`, nil, "",
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, certificate, a.Credentials.ClientCertificate.Certificate)
			}},
		{"a certificate that this Kyma does not take", `{clientCertificate: {certificate: '=param("event_password")', key: '=param("api_key")'}}`,
			func(c *registrationtest.Catalog) registration.Catalog { return certificateless{c} },
			"this Kyma takes no certificates, so that the API is registered without credentials",
			func(t *testing.T, a *registration.API) { assert.Zero(t, a.Credentials) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "apis: [{id: a, name: A, kind: rest, path: /a, csrf: true, requestParameters: {headers: {x-tenant: t}}, auth: "+tt.auth+"}]", "api_key="+key, "event_password="+certificate)
			f.system.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" {
					_, _ = fmt.Fprint(w, `{"access_token":"t0ken-of-x","expires_in":3600}`)
					return
				}
				assert.True(t, len(r.TLS.PeerCertificates) > 0 || strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "), "the probe signs in")
			})
			if tt.catalog != nil {
				f.deps.Catalog = tt.catalog(f.catalog)
			}
			report := f.run(t)
			got := row(t, report, "a")
			require.Equal(t, registration.OutcomeRegistered, got.Outcome, "%+v", got)
			if tt.note == "" {
				assert.Empty(t, got.Note)
			}
			assert.Contains(t, got.Note, tt.note)
			tt.registered(t, f.catalog.Entries()[0].Service.API)
			assertNoSecrets(t, f, report)
			secrettest.AssertNoLeak(t, fmt.Sprintf("%+v", report), secret.New(key))

			again := f.run(t)
			assert.Zero(t, again.Writes)
			assert.Equal(t, got.Note, row(t, again, "a").Note, "it stays true")
			status, err := again.Status()
			require.NoError(t, err)
			assert.Equal(t, tt.note != "", strings.Contains(status["report"], "note: Acme Shop - A: "))
		})
	}
}

// TestSecretRequestParameters: a key that every call needs besides the credentials is probed with, and goes
// to Kyma's Secret only.
func TestSecretRequestParameters(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [{id: a, name: A, kind: rest, path: /a, requestParameters: {headers: {x-applicationkey: '=param("api_key")'}, query: {key: '=param("api_key")', none: '=param("event_password")'}}}]`, "api_key="+apiKey)
	f.system.on("/a", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Applicationkey") != apiKey || r.URL.Query().Get("key") != apiKey || r.URL.Query().Has("none") {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	report := f.run(t)
	require.Equal(t, []string{"a registered"}, outcomes(report))
	api := f.catalog.Entries()[0].Service.API
	assert.Equal(t, apiKey, api.Headers["X-Applicationkey"][0].Reveal())
	assert.Equal(t, apiKey, api.Query["key"][0].Reveal())
	assert.Equal(t, "a", api.SecretName)
	assertNoSecrets(t, f, report)
	assert.Zero(t, f.run(t).Writes)

	params, err := f.options.Definition.ResolveParams(map[string]string{"system_url": f.system.URL, "basic_user": user, "basic_password": password, "api_key": apiKey + "2"})
	require.NoError(t, err)
	f.options.Params = params
	f.system.on("/a", answer(200, ""))
	assert.Equal(t, "credentials changed", row(t, f.run(t), "a").Reason)
}

// TestDiscoveredAPIsWithCredentialsOfTheirOwn: every entry of the listing brings a token.
func TestDiscoveredAPIsWithCredentialsOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `
apis:
  - name: =item("name")
    kind: openapi
    path: ="/instances/" + item("id")
    auth: {header: {Authorization: '="User " + param("basic_password") + ", Element " + item("token")'}}
    specification: {path: '="/instances/" + item("id") + "/docs?version=-1"'}
    discover: {get: /instances, items: "@this", id: =item("id")}
`)
	list := `[{"id":7,"name":"Seven","token":"t0ken-of-seven"},{"id":8,"name":"Eight","token":"t0ken-of-eight"}]`
	f.system.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization := r.Header.Get("Authorization")
		switch {
		case r.URL.Path == "/instances" && strings.HasPrefix(authorization, "Basic "):
			_, _ = io.WriteString(w, list)
		case strings.HasSuffix(r.URL.Path, "/docs") && strings.Contains(authorization, "Element t0ken-of-"):
			_, _ = io.WriteString(w, `{"swagger":"2.0"}`)
		case r.URL.Path == "/instances/7" && strings.Contains(authorization, "Element t0ken-of-seven"):
		case r.URL.Path == "/instances/8" && strings.Contains(authorization, "Element t0ken-of-eight"):
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	f.options.Policy = registration.Sync
	report := f.run(t)
	require.Equal(t, []string{"7 registered", "8 registered"}, outcomes(report))
	entries := f.catalog.Entries()
	for i, token := range []string{"t0ken-of-seven", "t0ken-of-eight"} {
		api := entries[i].Service.API
		assert.Equal(t, "User "+password+", Element "+token, api.Headers["Authorization"][0].Reveal())
		assert.Equal(t, f.system.URL+"/instances/"+entries[i].Service.Identifier[len(instance)+1:]+"/docs?version=-1", api.SpecificationURL)
		assert.True(t, api.SpecificationAuth)
		assert.Empty(t, api.SecretName, "its Secret is its own")
	}
	assertNoSecrets(t, f, report)
	assert.Zero(t, f.run(t).Writes)

	list = strings.Replace(list, "t0ken-of-eight", "another-t0ken-of-8", 1)
	assert.Equal(t, []string{"7 unchanged", "8 failed unauthorized"}, outcomes(f.run(t)))
	list = `[{"id":7,"name":"Seven","token":"t0ken-of-seven"}]`
	assert.Equal(t, []string{"7 unchanged", "8 deleted"}, outcomes(f.run(t)))
}
