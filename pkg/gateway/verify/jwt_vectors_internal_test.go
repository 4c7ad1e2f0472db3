package verify

import (
	"context"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// Keys and tokens that others publish: RFC 7515 (JWS), appendices A.1 to A.3 and A.5; RFC 7519 (JWT) has the same in sections
// 3.1 and 6.1; RFC 8037 (EdDSA), appendix A.
const (
	rfcRSA = `{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"%s}`
	rfcEC  = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"%s}`
	rfcEd  = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"%s}`
	// rfcOct is the shared secret of A.1. A set may hold it; nothing may be verified with it.
	rfcOct = `{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`

	rfcClaims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfcRS256  = "eyJhbGciOiJSUzI1NiJ9." + rfcClaims + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	rfcES256  = "eyJhbGciOiJFUzI1NiJ9." + rfcClaims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	rfcHS256  = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + rfcClaims + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	rfcNone   = "eyJhbGciOiJub25lIn0." + rfcClaims + "."
	rfcEdDSA  = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

// rfcExpiry is when the tokens of RFC 7515 end.
var rfcExpiry = time.Unix(1300819380, 0)

// rfcVerifier trusts the keys. The tokens of the RFC name no audience, which this gateway demands; everything else is as always.
func rfcVerifier(t *testing.T, at time.Time, issuer string, demands bool, keys ...string) *signedToken {
	t.Helper()
	set := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(keys, ","))
	}))
	t.Cleanup(set.Close)
	v, err := newJWT(&connector.VerifyJWT{Issuer: connector.Literal(issuer), Audience: connector.Literal("gateway"), JWKS: connector.Literal(set.URL)},
		expression.Input{}, Options{Now: func() time.Time { return at }, HTTP: NewClient(nil)})
	require.NoError(t, err)
	s := v.(*signedToken)
	if !demands {
		jwt.WithAudience()(s.parser)
	}
	return s
}

func rfcVerdict(t *testing.T, v *signedToken, token string) string {
	t.Helper()
	err := v.Verify(context.Background(), &gateway.Delivery{Header: http.Header{"Authorization": {"Bearer " + token}}})
	var refusal *gateway.Refusal
	if err == nil {
		return "ok"
	}
	require.True(t, errors.As(err, &refusal), "%v", err)
	return refusal.Reason
}

func plainKey(key string) string { return fmt.Sprintf(key, "") }

func TestTokensOfTheRFCs(t *testing.T) {
	t.Parallel()
	before := rfcExpiry.Add(-time.Minute)
	both := []string{plainKey(rfcRSA), plainKey(rfcEC)}
	for _, tt := range []struct {
		name    string
		token   string
		keys    []string
		at      time.Time
		issuer  string
		demands bool
		want    string
	}{
		{"RS256", rfcRS256, both, before, "joe", false, "ok"},
		{"ES256", rfcES256, both, before, "joe", false, "ok"},
		{"ES256, keys in the other order", rfcES256, []string{both[1], both[0]}, before, "joe", false, "ok"},
		{"of the last second", rfcES256, both, rfcExpiry.Add(leeway - time.Second), "joe", false, "ok"},
		{"ended", rfcES256, both, rfcExpiry.Add(leeway), "joe", false, reasonExpired},
		{"of another issuer", rfcES256, both, before, "jim", false, reasonMismatch},
		{"without an audience", rfcES256, both, before, "joe", true, reasonMismatch},
		{"only another key is known", rfcES256, both[:1], before, "joe", false, reasonMismatch},
		{"a digit of the signature", strings.Replace(rfcES256, ".DtEh", ".EtEh", 1), both, before, "joe", false, reasonMismatch},
		{"a digit of the claims", strings.Replace(rfcRS256, "eyJpc3MiOiJqb2Ui", "eyJpc3MiOiJqb2Qi", 1), both, before, "joe", false, reasonMismatch},
		{"another one's signature", rfcRS256[:strings.LastIndex(rfcRS256, ".")] + rfcES256[strings.LastIndex(rfcES256, "."):], both, before, "joe", false, reasonMismatch},
		{"a shared secret that is in the set", rfcHS256, append([]string{rfcOct}, both...), before, "joe", false, reasonMismatch},
		{"no signature", rfcNone, both, before, "joe", false, reasonMismatch},
		{"a key for this algorithm", rfcRS256, []string{fmt.Sprintf(rfcRSA, `,"alg":"RS256"`)}, before, "joe", false, "ok"},
		{"a key for another algorithm", rfcRS256, []string{fmt.Sprintf(rfcRSA, `,"alg":"PS256"`)}, before, "joe", false, reasonMismatch},
		{"a key for verifying", rfcRS256, []string{fmt.Sprintf(rfcRSA, `,"key_ops":["verify"]`)}, before, "joe", false, "ok"},
		{"a key for wrapping", rfcRS256, []string{fmt.Sprintf(rfcRSA, `,"key_ops":["wrapKey"]`), both[1]}, before, "joe", false, reasonMismatch},
		{"a key for encryption", rfcRS256, []string{fmt.Sprintf(rfcRSA, `,"use":"enc"`), both[1]}, before, "joe", false, reasonMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.want, rfcVerdict(t, rfcVerifier(t, tt.at, tt.issuer, tt.demands, tt.keys...), tt.token))
		})
	}
}

// TestEdwardsKeyOfTheRFC: the payload of RFC 8037's example is a text and no claims, so that the signature alone is checked.
func TestEdwardsKeyOfTheRFC(t *testing.T) {
	t.Parallel()
	keys, err := parseKeySet([]byte(`{"keys":[` + plainKey(rfcEd) + `]}`))
	require.NoError(t, err)
	signed, encoded := rfcEdDSA[:strings.LastIndex(rfcEdDSA, ".")], rfcEdDSA[strings.LastIndex(rfcEdDSA, ".")+1:]
	signature, err := base64.RawURLEncoding.DecodeString(encoded)
	require.NoError(t, err)
	assert.NoError(t, jwt.SigningMethodEdDSA.Verify(signed, signature, keys[0].key))
	assert.Error(t, jwt.SigningMethodEdDSA.Verify(signed+"x", signature, keys[0].key))
}

// TestAPublicKeyIsNoSharedSecret: whoever signs with HMAC and the published key, in whatever form, is not let in.
func TestAPublicKeyIsNoSharedSecret(t *testing.T) {
	t.Parallel()
	keys, err := parseKeySet([]byte(`{"keys":[` + plainKey(rfcRSA) + `]}`))
	require.NoError(t, err)
	public := keys[0].key.(*rsa.PublicKey)
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	v := rfcVerifier(t, rfcExpiry.Add(-time.Minute), "joe", false, plainKey(rfcRSA))
	for form, secret := range map[string][]byte{
		"DER": der, "PKCS 1": x509.MarshalPKCS1PublicKey(public), "modulus": public.N.Bytes(), "JSON": []byte(plainKey(rfcRSA)), "nothing": nil,
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
	} {
		for _, header := range []string{`{"alg":"HS256"}`, `{"alg":"hs256"}`, `{"alg":"RS256"}`, `{"alg":""}`, `{}`, `{"alg":"None"}`} {
			signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rfcClaims
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(signed))
			got := rfcVerdict(t, v, signed+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
			assert.Contains(t, []string{reasonMismatch, reasonMalformed}, got, "%s %s", form, header)
		}
	}
}

// TestKeysWithoutAName: a set may have several, and a token that names none may be signed by any of them. One that names a key
// is not signed by another.
func TestKeysWithoutAName(t *testing.T) {
	t.Parallel()
	before := rfcExpiry.Add(-time.Minute)
	named := []string{fmt.Sprintf(rfcRSA, `,"kid":"a"`), fmt.Sprintf(rfcEC, `,"kid":"b"`)}
	assert.Equal(t, "ok", rfcVerdict(t, rfcVerifier(t, before, "joe", false, named...), rfcRS256))
	same := []string{fmt.Sprintf(rfcEC, `,"kid":"a"`), fmt.Sprintf(rfcRSA, `,"kid":"a"`)}
	v := rfcVerifier(t, before, "joe", false, same...)
	assert.Equal(t, "ok", rfcVerdict(t, v, rfcRS256))
	assert.Equal(t, "ok", rfcVerdict(t, v, rfcES256))
}
