package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// leeway is how far the clocks of issuer and gateway may differ.
const leeway = 30 * time.Second

// signedToken is a token signed by an issuer whose public keys are published.
type signedToken struct {
	header string
	parser *jwt.Parser
	keys   *keySet
}

func newJWT(v *connector.VerifyJWT, params expression.Input, o Options) (gateway.Verifier, error) {
	issuer, err := required("jwt.issuer", v.Issuer, params)
	if err != nil {
		return nil, err
	}
	audience, err := required("jwt.audience", v.Audience, params)
	if err != nil {
		return nil, err
	}
	address, err := required("jwt.jwks", v.JWKS, params)
	if err != nil {
		return nil, err
	}
	if err := checkKeyAddress(address); err != nil {
		return nil, err
	}
	if o.HTTP == nil {
		return nil, errors.New("verify: jwt: there is no client to fetch keys with")
	}
	header := v.Header
	if header == "" {
		header = "Authorization"
	}
	return &signedToken{
		header: header,
		keys:   &keySet{address: address, now: o.Now, client: o.HTTP},
		parser: jwt.NewParser(
			// Only public keys: with a shared secret, whoever knows the published key could sign.
			jwt.WithValidMethods([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}),
			jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(o.Now),
		),
	}, nil
}

// checkKeyAddress refuses addresses where somebody on the way could put keys of their own.
func checkKeyAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("verify: jwt.jwks %q: want the URL of a key set", address)
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	local := host == "localhost" || ip != nil && ip.IsLoopback() || strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".svc.cluster.local")
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return fmt.Errorf("verify: jwt.jwks %q: want https, because whoever gives the keys decides what is genuine", address)
	}
	return nil
}

// Verify implements gateway.Verifier.
func (v *signedToken) Verify(ctx context.Context, d *gateway.Delivery) error {
	text := d.Header.Get(v.header)
	if text == "" {
		return v.refuse(reasonMissing)
	}
	if token, ok := cutScheme(text, "Bearer"); ok {
		text = token
	} else if v.header == "Authorization" {
		return v.refuse(reasonMalformed)
	}
	var away error
	_, err := v.parser.Parse(text, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		keys, err := v.keys.find(ctx, id, t.Method.Alg())
		if err != nil {
			away = err
		}
		return keys, err
	})
	switch {
	case err == nil:
		return nil
	case away != nil:
		return fmt.Errorf("the issuer's keys cannot be had: %w", away)
	case errors.Is(err, jwt.ErrTokenMalformed):
		return v.refuse(reasonMalformed)
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet):
		return v.refuse(reasonExpired)
	default:
		return v.refuse(reasonMismatch)
	}
}

// Until implements gateway.Expiring.
func (v *signedToken) Until(d *gateway.Delivery) time.Time {
	text := d.Header.Get(v.header)
	if token, ok := cutScheme(text, "Bearer"); ok {
		text = token
	}
	var claims jwt.RegisteredClaims
	// Verify has just checked it.
	if _, _, err := jwt.NewParser().ParseUnverified(text, &claims); err != nil || claims.ExpiresAt == nil {
		return time.Unix(0, 0)
	}
	return claims.ExpiresAt.Add(leeway)
}

func (v *signedToken) refuse(reason string) error {
	return &gateway.Refusal{Reason: reason, Challenge: `Bearer realm="events"`}
}
