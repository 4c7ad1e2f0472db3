package verify_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/verify"
)

// checker knows tokens by heart.
type checker map[string]error

func (c checker) Check(token string) (time.Time, error) {
	err, known := c[token]
	if !known {
		err = &gateway.Refusal{Reason: "mismatch"}
	}
	return now.Add(time.Hour), err
}

func TestOwnToken(t *testing.T) {
	t.Parallel()
	v, err := verify.New(connector.Verify{Token: &connector.VerifyToken{}}, expression.Input{}, verify.Options{Tokens: checker{
		"good": nil, "old": &gateway.Refusal{Reason: "expired"}, "unclear": errors.New("no idea"),
	}})
	require.NoError(t, err)
	for _, tt := range []struct{ name, header, reason, challenge string }{
		{"nothing", "", "missing", `Bearer realm="events"`},
		{"another scheme", "Basic Z29vZDpnb29k", "malformed", `Bearer realm="events"`},
		{"no token", "Bearer", "malformed", `Bearer realm="events"`},
		{"wrong", "Bearer bad", "mismatch", `Bearer realm="events", error="invalid_token"`},
		{"over", "Bearer old", "expired", `Bearer realm="events", error="invalid_token"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := &gateway.Delivery{Header: header("Authorization", tt.header)}
			assert.Equal(t, &gateway.Refusal{Reason: tt.reason, Challenge: tt.challenge}, v.Verify(context.Background(), d))
			assert.True(t, v.(gateway.Expiring).Until(d).Before(now), "no session outlives it")
		})
	}
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
		d := &gateway.Delivery{Header: header("Authorization", scheme+"good")}
		assert.NoError(t, v.Verify(context.Background(), d), scheme)
		assert.Equal(t, now.Add(time.Hour), v.(gateway.Expiring).Until(d), scheme)
	}
	err = v.Verify(context.Background(), bearer("unclear"))
	var refusal *gateway.Refusal
	assert.False(t, errors.As(err, &refusal), "what cannot be told is worth repeating")
	assert.ErrorContains(t, err, "no idea")

	_, err = verify.New(connector.Verify{Token: &connector.VerifyToken{}}, expression.Input{}, verify.Options{})
	assert.EqualError(t, err, "verify: token: the delivery has no token endpoint: add token, or choose another scheme")
}

// TestASessionEndsWithASignedToken checks how long a session may last that was opened with a token of an
// issuer.
func TestASessionEndsWithASignedToken(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := newIssuer(t)
	i.publish(t, "ec", &key.PublicKey)
	v := i.verifier(t, fixed)
	d := bearer(signed(t, jwt.SigningMethodES256, "ec", key, claims(nil)))
	require.NoError(t, v.Verify(context.Background(), d))
	assert.Equal(t, now.Add(time.Minute+30*time.Second).Unix(), v.(gateway.Expiring).Until(d).Unix(), "as long as it is accepted")
	assert.True(t, v.(gateway.Expiring).Until(bearer("nonsense")).Before(now))
}
