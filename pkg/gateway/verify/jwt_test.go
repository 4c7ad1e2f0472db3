package verify_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/verify"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// issuer publishes keys, and signs with their other halves.
type issuer struct {
	*httptest.Server
	mu    sync.Mutex
	keys  []map[string]string
	down  bool
	asked atomic.Int32
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.down {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": i.keys})
	}))
	t.Cleanup(i.Close)
	return i
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// publish adds a public key.
func (i *issuer) publish(t *testing.T, id string, key crypto.PublicKey) {
	t.Helper()
	entry := map[string]string{"kid": id, "use": "sig"}
	switch k := key.(type) {
	case *rsa.PublicKey:
		entry["kty"], entry["n"], entry["e"] = "RSA", b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		require.NoError(t, err)
		half := (len(point) - 1) / 2
		entry["kty"], entry["crv"], entry["x"], entry["y"] = "EC", k.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		entry["kty"], entry["crv"], entry["x"] = "OKP", "Ed25519", b64(k)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, entry)
}

func claims(change func(jwt.MapClaims)) jwt.MapClaims {
	c := jwt.MapClaims{"iss": "https://issuer.example.com", "aud": "gateway", "exp": now.Add(time.Minute).Unix()}
	if change != nil {
		change(c)
	}
	return c
}

func signed(t *testing.T, method jwt.SigningMethod, id string, key any, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	if id != "" {
		token.Header["kid"] = id
	}
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

func (i *issuer) verifier(t *testing.T, clock func() time.Time) gateway.Verifier {
	t.Helper()
	v, err := verify.New(connector.Verify{JWT: &connector.VerifyJWT{
		Issuer: connector.Literal("https://issuer.example.com"), Audience: connector.Literal("gateway"), JWKS: connector.Literal(i.URL + "/keys"),
	}}, expression.Input{}, verify.Options{Now: clock, HTTP: verify.NewClient(nil)})
	require.NoError(t, err)
	return v
}

func fixed() time.Time { return now }

func bearer(token string) *gateway.Delivery {
	return &gateway.Delivery{Header: header("Authorization", "Bearer "+token)}
}

func TestJWT(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := newIssuer(t)
	i.publish(t, "rsa", &rsaKey.PublicKey)
	i.publish(t, "ec", &ecKey.PublicKey)
	i.publish(t, "ed", edPublic)
	v := i.verifier(t, fixed)

	// A token "signed" with the published key as if it were a shared secret.
	confused := signed(t, jwt.SigningMethodHS256, "ec", []byte(edPublic), claims(nil))
	none := signed(t, jwt.SigningMethodNone, "ec", jwt.UnsafeAllowNoneSignatureType, claims(nil))
	tests := []struct{ name, token, want string }{
		{"RSA", signed(t, jwt.SigningMethodRS256, "rsa", rsaKey, claims(nil)), "ok"},
		{"RSA-PSS", signed(t, jwt.SigningMethodPS384, "rsa", rsaKey, claims(nil)), "ok"},
		{"elliptic", signed(t, jwt.SigningMethodES256, "ec", ecKey, claims(nil)), "ok"},
		{"Edwards", signed(t, jwt.SigningMethodEdDSA, "ed", edKey, claims(nil)), "ok"},
		{"no key id", signed(t, jwt.SigningMethodES256, "", ecKey, claims(nil)), "ok"},
		{"one of several audiences", signed(t, jwt.SigningMethodES256, "ec", ecKey, claims(func(c jwt.MapClaims) { c["aud"] = []string{"x", "gateway"} })), "ok"},
		{"a stranger's signature", signed(t, jwt.SigningMethodES256, "ec", stranger, claims(nil)), "mismatch"},
		{"a stranger's key", signed(t, jwt.SigningMethodES256, "stranger", stranger, claims(nil)), "mismatch"},
		{"another issuer", signed(t, jwt.SigningMethodES256, "ec", ecKey, claims(func(c jwt.MapClaims) { c["iss"] = "https://evil.example.com" })), "mismatch"},
		{"another audience", signed(t, jwt.SigningMethodES256, "ec", ecKey, claims(func(c jwt.MapClaims) { c["aud"] = "other" })), "mismatch"},
		{"no audience", signed(t, jwt.SigningMethodES256, "ec", ecKey, claims(func(c jwt.MapClaims) { delete(c, "aud") })), "mismatch"},
		{"without end", signed(t, jwt.SigningMethodES256, "ec", ecKey, claims(func(c jwt.MapClaims) { delete(c, "exp") })), "mismatch"},
		{"expired", signed(t, jwt.SigningMethodES256, "ec", ecKey, claims(func(c jwt.MapClaims) { c["exp"] = now.Add(-time.Minute).Unix() })), "expired"},
		{"not yet", signed(t, jwt.SigningMethodES256, "ec", ecKey, claims(func(c jwt.MapClaims) { c["nbf"] = now.Add(time.Hour).Unix() })), "expired"},
		{"shared secret", confused, "mismatch"},
		{"no signature", none, "mismatch"},
		{"not a token", "x.y", "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, verdict(t, v, bearer(tt.token)))
		})
	}
	assert.Equal(t, "missing", verdict(t, v, &gateway.Delivery{}))
	assert.Equal(t, "malformed", verdict(t, v, &gateway.Delivery{Header: header("Authorization", "Basic x")}))
}

func TestJWTKeysAreFetchedWhenNeededAndNotMoreOften(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i, clock := newIssuer(t), now
	v := i.verifier(t, func() time.Time { return clock })
	token := func(id string, key *ecdsa.PrivateKey) *gateway.Delivery {
		return bearer(signed(t, jwt.SigningMethodES256, id, key, claims(func(c jwt.MapClaims) { c["exp"] = clock.Add(time.Minute).Unix() })))
	}

	i.down = true
	err = v.Verify(context.Background(), token("one", key))
	var refusal *gateway.Refusal
	assert.False(t, errors.As(err, &refusal), "without keys nobody can tell: the sender shall come again")
	assert.ErrorContains(t, err, "the issuer's keys cannot be had")

	i.mu.Lock()
	i.down = false
	i.mu.Unlock()
	i.publish(t, "one", &key.PublicKey)
	clock = clock.Add(time.Minute)
	assert.Equal(t, "ok", verdict(t, v, token("one", key)))
	asked := i.asked.Load()
	for range 50 {
		assert.Equal(t, "mismatch", verdict(t, v, token("no-such-key", key)))
	}
	assert.Equal(t, asked, i.asked.Load(), "guessing key ids does not flood the issuer")

	i.publish(t, "two", &next.PublicKey)
	clock = clock.Add(time.Minute)
	assert.Equal(t, "ok", verdict(t, v, token("two", next)), "a new key is found by its id")

	i.mu.Lock()
	i.down = true
	i.mu.Unlock()
	clock = clock.Add(2 * time.Hour)
	assert.Equal(t, "ok", verdict(t, v, token("one", key)), "known keys outlive an issuer that is away")
}

func TestJWTWantsATrustworthyAddress(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		"https://issuer.example.com/keys": true, "http://issuer.ns.svc/keys": true, "http://127.0.0.1:8080/keys": true,
		"http://issuer.example.com/keys": false, "issuer": false, "https://user:password@issuer.example.com": false, "": false,
	} {
		_, err := verify.New(connector.Verify{JWT: &connector.VerifyJWT{
			Issuer: connector.Literal("i"), Audience: connector.Literal("a"), JWKS: connector.Literal(address),
		}}, expression.Input{}, verify.Options{HTTP: verify.NewClient(nil)})
		assert.Equal(t, ok, err == nil, "%s: %v", address, err)
	}
}

// A definition may name an issuer inside the cluster; it is asked where the operator allows that.
func TestKeysComeFromAllowedAddresses(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := newIssuer(t)
	i.publish(t, "one", &key.PublicKey)
	for _, allow := range [][]string{nil, {"127.0.0.1"}} {
		guard, err := httpclient.NewGuard(allow, nil)
		require.NoError(t, err)
		v, err := verify.New(connector.Verify{JWT: &connector.VerifyJWT{
			Issuer: connector.Literal("https://issuer.example.com"), Audience: connector.Literal("gateway"), JWKS: connector.Literal(i.URL),
		}}, expression.Input{}, verify.Options{Now: fixed, HTTP: verify.NewClient(guard)})
		require.NoError(t, err)
		err = v.Verify(context.Background(), bearer(signed(t, jwt.SigningMethodES256, "one", key, claims(nil))))
		if allow != nil {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, "its address 127.0.0.1 is of this machine itself")
		assert.Zero(t, i.asked.Load())
	}
}

func TestWeakKeysAreNotTrusted(t *testing.T) {
	t.Parallel()
	weak := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	i := newIssuer(t)
	i.publish(t, "weak", weak)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	err = i.verifier(t, fixed).Verify(context.Background(), bearer(signed(t, jwt.SigningMethodES256, "weak", key, claims(nil))))
	assert.ErrorContains(t, err, "no key for signatures that is safe to use")
}
