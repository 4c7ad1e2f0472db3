package verify_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/verify"
)

// FuzzTokens feeds the schemes that take a token of some kind, alone and as alternatives: nothing crashes, only
// the right one is taken, and a JWT only if its own library, too, finds signature and claims right.
func FuzzTokens(f *testing.F) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{"kid": "1", "use": "sig", "kty": "OKP", "crv": "Ed25519", "x": b64(public)}}})
	}))
	f.Cleanup(keys.Close)
	issued := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims(nil))
	issued.Header["kid"] = "1"
	good, err := issued.SignedString(private)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := verify.New(connector.Verify{JWT: &connector.VerifyJWT{
		Issuer: connector.Literal("https://issuer.example.com"), Audience: connector.Literal("gateway"), JWKS: connector.Literal(keys.URL + "/keys"),
	}}, expression.Input{}, verify.Options{Now: fixed, HTTP: verify.NewClient(nil)})
	if err != nil {
		f.Fatal(err)
	}
	params := map[string]string{"user": "u", "password": "unguessable-token", "previous": "the-one-before"}
	schemes := map[string]gateway.Verifier{
		"jwt":    signed,
		"bearer": mustVerifier(f, `    verify: {bearer: {tokens: [=param("password"), =param("previous")]}}`, params),
		"path":   mustVerifier(f, `    verify: {pathToken: {tokens: [=param("password")]}}`, params),
		"any of": mustVerifier(f, `    verify: {anyOf: [{basic: {username: =param("user"), password: =param("password")}}, {pathToken: {tokens: [=param("previous")]}}]}`, params),
	}
	f.Add("Bearer "+good, "")
	f.Add("bearer "+good[:len(good)-2], "x")
	f.Add("Bearer unguessable-token", "unguessable-token")
	f.Add("Bearer eyJhbGciOiJub25lIn0.e30.", "the-one-before")
	f.Add(basicAuth("u", "unguessable-token"), "unguessable-toke")
	f.Fuzz(func(t *testing.T, authorization, token string) {
		d := &gateway.Delivery{Header: http.Header{"Authorization": {authorization}}, Token: token}
		_, presented, _ := strings.Cut(authorization, " ")
		presented = strings.TrimSpace(presented)
		for name, v := range schemes {
			err := v.Verify(context.Background(), d)
			var refusal *gateway.Refusal
			if err != nil {
				assert.True(t, errors.As(err, &refusal), "%s: %v", name, err)
				continue
			}
			switch name {
			case "jwt":
				_, err := jwt.Parse(presented, func(*jwt.Token) (any, error) { return public, nil }, jwt.WithTimeFunc(fixed), jwt.WithExpirationRequired(),
					jwt.WithIssuer("https://issuer.example.com"), jwt.WithAudience("gateway"))
				assert.NoError(t, err, "a forgery")
			case "bearer":
				assert.Contains(t, []string{"unguessable-token", "the-one-before"}, presented)
			case "path":
				assert.Equal(t, "unguessable-token", token)
			case "any of":
				user, password, _ := (&http.Request{Header: d.Header}).BasicAuth()
				assert.True(t, token == "the-one-before" || user == "u" && password == "unguessable-token", "a forgery")
			}
		}
	})
}
