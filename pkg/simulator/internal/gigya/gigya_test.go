package gigya_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/gigya"
)

const (
	address = "https://cdp.eu5.gigya.com/api/businessunits/BU1/applications/APP1/dataevents/EV1/event"
	secret  = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
)

// at is the moment at which the signed examples were made.
func at() time.Time { return time.UnixMilli(1700000000000) }

func request(query string) *http.Request {
	return httptest.NewRequest(http.MethodPost, address+"?"+query, http.NoBody)
}

// The base string and the signature were worked out from SAP's own client library.
func TestSignature(t *testing.T) {
	t.Parallel()
	query := url.Values{"userKey": {"TESTKEY"}, "timestamp": {"1700000000000"}, "nonce": {"42"}, "sig": {"is not signed"}}
	base := gigya.BaseString("post", "https://CDP.eu5.gigya.com/api/businessunits/BU1/applications/APP1/dataevents/EV1/event", query)
	assert.Equal(t, "POST&https%3A%2F%2Fcdp.eu5.gigya.com%2Fapi%2Fbusinessunits%2FBU1%2Fapplications%2FAPP1%2Fdataevents%2FEV1%2Fevent&nonce%3D42%26timestamp%3D1700000000000%26userKey%3DTESTKEY", base)
	assert.Equal(t, "//ZVKOGM1eE90tWNIyrv31oFEI0=", gigya.Sign(secret, base))
	assert.Contains(t, gigya.BaseString("GET", address, url.Values{"a": {"x y,!*'()~"}}), "&a%3Dx%2520y%252C%2521%252A%2527%2528%2529~", "values are encoded twice")
	assert.Empty(t, gigya.Sign("no Base64!", base))
}

func TestKeyAndSecretOrSignature(t *testing.T) {
	t.Parallel()
	guard := &gigya.Guard{UserKey: "TESTKEY", Secrets: []string{secret}, Now: at}
	signed := func(timestamp int64, nonce string) string {
		query := url.Values{"userKey": {"TESTKEY"}, "timestamp": {fmt.Sprint(timestamp)}, "nonce": {nonce}}
		query.Set("sig", gigya.Sign(secret, gigya.BaseString("POST", address, query)))
		return query.Encode()
	}
	for _, test := range []struct {
		name, query string
		status      int
		code        int
	}{
		{"key and secret", "userKey=TESTKEY&secret=" + secret, 0, 0},
		{"signed", signed(1700000000000, "42"), 0, 0},
		{"signed with the same nonce", signed(1700000000001, "42"), 403, 403004},
		{"signed long ago", signed(1699990000000, "43"), 403, 403002},
		{"signed with seconds", signed(1700000000, "44"), 403, 403002},
		{"signed otherwise", "userKey=TESTKEY&timestamp=1700000000000&nonce=45&sig=x", 403, 403003},
		{"signed without a time", "userKey=TESTKEY&nonce=46&sig=x", 400, 400002},
		{"nobody", "", 401, 403005},
		{"another key", "userKey=OTHER&secret=" + secret, 403, 403005},
		{"no secret", "userKey=TESTKEY", 400, 400002},
		{"another secret", "userKey=TESTKEY&secret=b3RoZXI=", 403, 403003},
	} {
		problem := guard.Check(request(test.query), address)
		if test.status == 0 {
			assert.Nil(t, problem, test.name)
			continue
		}
		require.NotNil(t, problem, test.name)
		assert.Equal(t, test.status, problem.Status, test.name)
		assert.Equal(t, test.code, problem.Code, test.name)
		assert.NotContains(t, problem.Details, secret)
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	sign := func(key *rsa.PrivateKey, header, claims string) string {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		digest := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		require.NoError(t, err)
		return text + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	const header, claims = `{"alg":"RS256","typ":"JWT","kid":"TESTKEY"}`, `{"iat":1700000000,"jti":"1"}`
	guard := &gigya.Guard{UserKey: "TESTKEY", PublicKey: &key.PublicKey, Now: at}
	for _, test := range []struct {
		name, token string
		code        int
	}{
		{"as it should be", sign(key, header, claims), 0},
		{"of another key", sign(other, header, claims), 403003},
		{"of another algorithm", sign(key, `{"alg":"none","typ":"JWT","kid":"TESTKEY"}`, claims), 403003},
		{"of another user", sign(key, `{"alg":"RS256","typ":"JWT","kid":"OTHER"}`, claims), 403005},
		{"without a time", sign(key, header, `{"jti":"1"}`), 403003},
		{"without an id", sign(key, header, `{"iat":1700000000}`), 403003},
		{"of long ago", sign(key, header, `{"iat":1600000000,"jti":"1"}`), 403002},
		{"not JSON", sign(key, "x", claims), 403003},
		{"no token", "x", 403003},
	} {
		r := request("")
		r.Header.Set("Authorization", "Bearer "+test.token)
		problem := guard.Check(r, address)
		if test.code == 0 {
			assert.Nil(t, problem, test.name)
			continue
		}
		require.NotNil(t, problem, test.name)
		assert.Equal(t, test.code, problem.Code, test.name)
	}
	r := request("")
	r.Header.Set("Authorization", "Bearer "+sign(key, header, claims))
	assert.NotNil(t, (&gigya.Guard{UserKey: "TESTKEY", Now: at}).Check(r, address), "no key, no way in")
}
