package system_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// password is the secret parameter of most tests.
const password = "pa55-w0rd-0f-the-system"

const definition = `
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: shop, displayName: Shop, provider: Acme, product: Acme Shop}
parameters:
  system_url: {kind: url, title: System URL, required: true}
  user: {kind: text, title: User}
  password: {kind: secret, title: Password}
  key: {kind: secret, title: Key}
  certificate: {kind: secret, title: Certificate}
  tags: {kind: list, title: Tags}
application: orders
system:
  url: =param("system_url")
  auth: AUTH
apis:
  - {name: =item("name"), kind: rest, discover: {get: /list, query: {"tags[]": =params("tags")}, items: items, id: =item("id"), include: =item("kind") != "other"}}
`

// fixture is a client of a system that answers as the handler says.
type fixture struct {
	*httptest.Server
	definition *connector.Definition
	client     *system.Client
}

func newFixture(t *testing.T, auth string, params map[string]string, handler http.HandlerFunc) *fixture {
	t.Helper()
	f := &fixture{Server: httptest.NewUnstartedServer(handler)}
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are part of the tests
	f.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	f.StartTLS()
	t.Cleanup(f.Close)
	var err error
	f.definition, err = connector.Load(fstest.MapFS{"connector.yaml": {Data: []byte(strings.Replace(definition, "AUTH", auth, 1))}})
	require.NoError(t, err)
	values := map[string]string{"system_url": f.URL, "user": "kyma", "password": password}
	for name, value := range params {
		values[name] = value
	}
	resolved, err := f.definition.ResolveParams(values)
	require.NoError(t, err)
	client := httpclient.New(httpclient.Options{
		Transport: f.Client().Transport, Timeout: 10 * time.Second,
		Retry: httpclient.Retry{Attempts: 2, Wait: func(context.Context, time.Duration) error { return nil }},
	})
	var found system.Finding
	f.client, found = system.New(f.definition, resolved, client)
	require.True(t, found.OK(), "%+v", found)
	return f
}

// call makes a call with the system's credentials.
func (f *fixture) call(t *testing.T, path string) (*httpclient.Response, system.Finding) {
	t.Helper()
	auth, found := f.client.Authorize(nil, f.client.Input())
	if !found.OK() {
		return nil, found
	}
	address, err := f.client.Resolve(path)
	require.NoError(t, err)
	return f.client.Do(t.Context(), auth, httpclient.Request{Method: http.MethodGet, URL: address}, f.client.Hints(auth))
}

func rsaKey(t *testing.T) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestEveryCallHasATokenOfItsOwn(t *testing.T) {
	t.Parallel()
	key, pemKey := rsaKey(t)
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	for name, given := range map[string]string{
		"as it comes":         pemKey,
		"PKCS #1":             pkcs1,
		"in one line":         strings.ReplaceAll(strings.TrimSpace(pemKey), "\n", " "),
		"with escaped breaks": strings.ReplaceAll(pemKey, "\n", `\n`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			calls := 0
			f := newFixture(t, `{jwt: {algorithm: RS256, keyId: =param("user"), key: =param("key"), lifetime: 1m, claims: {jti: =nonce, aud: shop, level: 7}}}`,
				map[string]string{"key": given}, func(w http.ResponseWriter, r *http.Request) {
					scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
					assert.Equal(t, "Bearer", scheme)
					header, claims := verifyToken(t, &key.PublicKey, token)
					assert.Equal(t, map[string]any{"alg": "RS256", "typ": "JWT", "kid": "kyma"}, header)
					assert.Equal(t, "shop", claims["aud"])
					assert.EqualValues(t, 7, claims["level"])
					assert.InDelta(t, time.Now().Unix(), claims["iat"], 60)
					assert.InDelta(t, claims["iat"].(float64)+60, claims["exp"], 0)
					assert.False(t, seen[claims["jti"].(string)], "a nonce is used once, also when a call is repeated")
					seen[claims["jti"].(string)] = true
					if calls++; calls == 1 {
						w.WriteHeader(http.StatusServiceUnavailable)
					}
				})
			answer, found := f.call(t, "/x")
			require.True(t, found.OK(), "%+v", found)
			assert.Equal(t, http.StatusOK, answer.Status)
			assert.Equal(t, 2, calls)
		})
	}
}

func verifyToken(t *testing.T, key *rsa.PublicKey, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	require.NoError(t, rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature))
	for i, out := range []*map[string]any{&header, &claims} {
		document, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(document, out))
	}
	return header, claims
}

func TestKeysThatCannotSign(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	curveDER, err := x509.MarshalPKCS8PrivateKey(curve)
	require.NoError(t, err)
	for want, key := range map[string]string{
		"the private key is no PEM":         "c2VjcmV0LXNlY3JldA==",
		"the RSA key has fewer than 2048":   string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(small)})),
		"the private key is no RSA key":     string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: curveDER})),
		"the private key cannot be read: w": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXNlY3JldA==\n-----END PRIVATE KEY-----\n",
	} {
		f := newFixture(t, `{jwt: {algorithm: RS256, key: =param("key")}}`, map[string]string{"key": key}, nil)
		_, found := f.call(t, "/x")
		assert.Equal(t, system.ClassMisconfigured, found.Class)
		assert.Contains(t, found.Reason, want)
		assert.NotContains(t, found.Reason, "c2VjcmV0")
		assert.Equal(t, `check the parameter "key"`, found.Next)
	}
}

// TestSignedCalls checks what arrives, from the definition of the signature and not by our own code.
func TestSignedCalls(t *testing.T) {
	t.Parallel()
	const key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	decoded, err := base64.StdEncoding.DecodeString(key)
	require.NoError(t, err)
	nonces := map[string]bool{}
	calls := 0
	var f *fixture
	f = newFixture(t, `{signed: {userKey: =param("user"), secret: =param("key")}}`, map[string]string{"key": key, "user": "TEST/KEY"},
		func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			assert.Empty(t, q.Get("secret"), "the secret is not sent")
			assert.Equal(t, "TEST/KEY", q.Get("userKey"))
			assert.False(t, nonces[q.Get("nonce")], "a nonce is used once, also when a call is repeated")
			nonces[q.Get("nonce")] = true
			base := "GET&" + url.QueryEscape(f.URL+"/api/event") + "&" +
				url.QueryEscape("nonce="+q.Get("nonce")+"&purposeIds=a%20b%2Cc%2A&timestamp="+q.Get("timestamp")+"&userKey=TEST%2FKEY")
			mac := hmac.New(sha1.New, decoded)
			mac.Write([]byte(base))
			assert.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), q.Get("sig"))
			if calls++; calls == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})
	answer, found := f.call(t, "/api/event?purposeIds=a+b%2Cc*")
	require.True(t, found.OK(), "%+v", found)
	assert.Equal(t, http.StatusOK, answer.Status)
	assert.Equal(t, 2, calls)
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	key, pemKey := rsaKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	const auth = `{clientCertificate: {certificate: =param("certificate"), key: =param("key")}}`
	var presented atomic.Int32
	handler := func(_ http.ResponseWriter, r *http.Request) { presented.Store(int32(len(r.TLS.PeerCertificates))) }

	f := newFixture(t, auth, map[string]string{"certificate": strings.ReplaceAll(certificate, "\n", " "), "key": pemKey}, handler)
	_, found := f.call(t, "/x")
	require.True(t, found.OK(), "%+v", found)
	assert.EqualValues(t, 1, presented.Load())

	f = newFixture(t, auth, map[string]string{"certificate": certificate, "key": password}, handler)
	_, found = f.call(t, "/x")
	assert.Equal(t, "certificate and private key are no pair in PEM", found.Reason)
}

// TestOddTokenCalls are the token endpoints of systems that do not keep to RFC 6749.
func TestOddTokenCalls(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		auth   string
		accept func(r *http.Request) bool
	}{
		"a header and a query": {
			`{oauth2: {tokenUrl: '=param("system_url") + "/token?grant_type=client_credentials&response_type=token"', clientId: =param("user"), clientSecret: =param("password"), headers: {X-ApplicationKey: =param("key")}}}`,
			func(r *http.Request) bool {
				user, pass, _ := r.BasicAuth()
				return user == "kyma" && pass == password && r.Header.Get("X-Applicationkey") == "the-key" && r.URL.Query().Get("response_type") == "token"
			},
		},
		"a password grant with a domain": {
			`{oauth2: {tokenUrl: =param("system_url") + "/token", form: {grant_type: password, username: =param("user"), password: =param("password"), domain: acme}}}`,
			func(r *http.Request) bool {
				_, _, basic := r.BasicAuth()
				return !basic && r.PostFormValue("grant_type") == "password" && r.PostFormValue("username") == "kyma" &&
					r.PostFormValue("password") == password && r.PostFormValue("domain") == "acme"
			},
		},
		"the client in the body": {
			`{oauth2: {tokenUrl: =param("system_url") + "/token", style: body, clientId: =param("user"), clientSecret: =param("password"), scopes: [a, b]}}`,
			func(r *http.Request) bool {
				return r.PostFormValue("client_id") == "kyma" && r.PostFormValue("client_secret") == password && r.PostFormValue("scope") == "a b"
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tokens atomic.Int32
			f := newFixture(t, tt.auth, map[string]string{"key": "the-key"}, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/token" && tt.accept(r):
					tokens.Add(1)
					_, _ = fmt.Fprint(w, `{"access_token":"t0ken","expires_in":"3600"}`)
				case r.URL.Path == "/x" && r.Header.Get("Authorization") == "Bearer t0ken":
				default:
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			for range 3 {
				answer, found := f.call(t, "/x")
				require.True(t, found.OK(), "%+v", found)
				assert.Equal(t, http.StatusOK, answer.Status)
			}
			assert.EqualValues(t, 1, tokens.Load())
		})
	}
}

func TestTokensThatCannotBeHad(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	f := newFixture(t, `{oauth2: {tokenUrl: =param("system_url") + "/token", clientId: =param("user"), clientSecret: =param("password")}}`, nil,
		func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, password)
		})
	for range 3 {
		_, found := f.call(t, "/x")
		assert.Equal(t, system.ClassUnauthorized, found.Class)
		secrettest.AssertNoLeak(t, found.Reason+found.Next, secret.New(password))
	}
	assert.EqualValues(t, 1, calls.Load(), "wrong credentials are not tried again for every call")

	plain := newFixture(t, `{oauth2: {tokenUrl: "http://x.example.com/token", clientId: =param("user"), clientSecret: =param("password")}}`, nil, nil)
	_, found := plain.call(t, "/x")
	assert.Contains(t, found.Reason, "does not begin with https://")
}

func TestFirstWayThatFits(t *testing.T) {
	t.Parallel()
	_, pemKey := rsaKey(t)
	f := newFixture(t, `[{jwt: {algorithm: RS256, key: =param("key")}}, {basic: {username: =param("certificate"), password: =param("password")}}, {query: {userKey: =param("user"), secret: =param("password")}}]`,
		map[string]string{"key": pemKey}, nil)
	first, found := f.client.Authorize(nil, f.client.Input())
	require.True(t, found.OK())
	assert.Equal(t, system.KindJWT, first.Kind)
	other := f.client.AuthorizeFirst(nil, f.client.Input(), func(a *system.Authorization) bool { return a.Kind != system.KindJWT })
	require.NotNil(t, other)
	assert.Equal(t, system.KindQuery, other.Kind, "the second one lacks a parameter")
	assert.Nil(t, f.client.AuthorizeFirst(nil, f.client.Input(), func(*system.Authorization) bool { return false }))
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "{none: {}}", map[string]string{"system_url": "https://shop.example.com/api"}, nil)
	for path, want := range map[string]string{
		"":                                     "https://shop.example.com/api",
		"/x":                                   "https://shop.example.com/api/x",
		"x?a=b":                                "https://shop.example.com/api/x?a=b",
		"https://shop.example.com/other":       "https://shop.example.com/other",
		"https://evil.example.com/api":         "error: it leads to another host (evil.example.com)",
		"http://shop.example.com/api":          "error: it leads to another host (shop.example.com)",
		"https://u:p@shop.example.com/api":     "error: it leads to another host (shop.example.com)",
		"https://shop.example.com.evil.com/":   "error: it leads to another host (shop.example.com.evil.com)",
		"/%zz":                                 "error: the path cannot be parsed",
		"//evil.example.com/x":                 "https://shop.example.com/api/evil.example.com/x",
		"https://shop.example.com:8443/a/b/c?": "error: it leads to another host (shop.example.com:8443)",
	} {
		got, err := f.client.Resolve(path)
		if err != nil {
			got = "error: " + err.Error()
		}
		assert.Equal(t, want, got, path)
	}
}
