// Package token is a token endpoint: it gives bearer tokens to a system by OAuth 2.0 client credentials
// (RFC 6749, section 4.4), and knows them again.
//
// Tokens are signed and not stored, so that every replica knows them, also after a restart. The key that
// signs is no secret of the client's; otherwise the client could give itself tokens that never end.
package token

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// DefaultLifetime is how long a token is good for where the definition does not say.
const DefaultLifetime = time.Hour

// minKey is the shortest key for HMAC-SHA256 (RFC 7518, section 3.2).
const minKey = 32

// The reasons why a client is not let in, or a token not accepted.
const (
	reasonMissing   = "missing"
	reasonMalformed = "malformed"
	reasonMismatch  = "mismatch"
	reasonExpired   = "expired"
)

// Options say who gives tokens to whom.
type Options struct {
	// Issuer and Audience are written into each token; only tokens with both are accepted.
	Issuer, Audience string
	// ClientID and Secrets are the client's credentials; each of the secrets is accepted.
	ClientID string
	Secrets  []secret.Text
	// Keys sign tokens: the first signs, all are accepted.
	Keys []secret.Text
	// Lifetime of a token; 0 means DefaultLifetime.
	Lifetime time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Authority gives tokens to one client. It is a gateway.Verifier of that client's credentials.
type Authority struct {
	options Options
	parser  *jwt.Parser
	keys    map[string]secret.Text // by id
	signer  string                 // the id of the key that signs
}

// New makes an authority. It fails closed: without a client, a secret and a key of sufficient length there
// is none.
func New(o Options) (*Authority, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lifetime <= 0 {
		o.Lifetime = DefaultLifetime
	}
	switch {
	case o.Issuer == "" || o.Audience == "":
		return nil, errors.New("host is empty: tokens need an issuer and an audience")
	case o.ClientID == "":
		return nil, errors.New("client.id is empty: give it a value, otherwise everybody would get tokens")
	case len(o.Secrets) == 0:
		return nil, errors.New("client.secret is empty: give it a value, otherwise everybody would get tokens")
	case len(o.Keys) == 0:
		return nil, errors.New("signingKey is empty: give it a value, otherwise everybody could sign tokens")
	}
	a := &Authority{options: o, keys: map[string]secret.Text{}}
	for _, s := range o.Secrets {
		if s.Empty() {
			return nil, errors.New("client.secret is empty: give it a value, otherwise everybody would get tokens")
		}
	}
	for i, key := range o.Keys {
		if len(key.Reveal()) < minKey {
			return nil, fmt.Errorf("signingKey is shorter than %d bytes: choose a longer one, best a generated one", minKey)
		}
		for _, s := range o.Secrets {
			if s == key {
				return nil, errors.New("signingKey is the client's secret: choose another one, because the client could sign tokens itself")
			}
		}
		id := keyID(key)
		a.keys[id] = key
		if i == 0 {
			a.signer = id
		}
	}
	a.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(o.Now),
		jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience), jwt.WithSubject(o.ClientID),
	)
	return a, nil
}

// keyID names a key without giving it away.
func keyID(key secret.Text) string {
	sum := sha256.Sum256([]byte("key id\n" + key.Reveal()))
	return hex.EncodeToString(sum[:8])
}

// Issue signs a token.
func (a *Authority) Issue() (token secret.Text, lifetime time.Duration, err error) {
	now := a.options.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Issuer: a.options.Issuer, Audience: jwt.ClaimStrings{a.options.Audience}, Subject: a.options.ClientID,
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(a.options.Lifetime)),
	})
	t.Header["kid"] = a.signer
	text, err := t.SignedString([]byte(a.keys[a.signer].Reveal()))
	return secret.New(text), a.options.Lifetime, err
}

// Check says until when a token is good. The error is a *gateway.Refusal.
func (a *Authority) Check(token string) (expires time.Time, err error) {
	var claims jwt.RegisteredClaims
	_, err = a.parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		key, ok := a.keys[id]
		if !ok {
			return nil, errors.New("unknown key")
		}
		return []byte(key.Reveal()), nil
	})
	switch {
	case err == nil:
		return claims.ExpiresAt.Time, nil
	case errors.Is(err, jwt.ErrTokenMalformed):
		return time.Time{}, &gateway.Refusal{Reason: reasonMalformed}
	case errors.Is(err, jwt.ErrTokenExpired):
		return time.Time{}, &gateway.Refusal{Reason: reasonExpired}
	default:
		return time.Time{}, &gateway.Refusal{Reason: reasonMismatch}
	}
}

// Verify implements gateway.Verifier: it checks the client credentials of a token request, in the
// Authorization header or in the form.
func (a *Authority) Verify(_ context.Context, d *gateway.Delivery) error {
	all, reason := credentials(d)
	for _, c := range all {
		known := false
		for _, s := range a.options.Secrets {
			if s.Matches(c.secret) {
				known = true
			}
		}
		if subtle.ConstantTimeCompare([]byte(c.id), []byte(a.options.ClientID)) == 1 && known {
			return nil
		}
		reason = reasonMismatch
	}
	return &gateway.Refusal{Reason: reason, Challenge: `Basic realm="token", charset="UTF-8"`}
}

// credential is who a client says it is.
type credential struct{ id, secret string }

// credentials are what a request may mean, or why it means nobody. Both halves of a Basic header are
// form-encoded (RFC 6749, section 2.3.1); as many clients do not know that, they are tried as they stand,
// too.
func credentials(d *gateway.Delivery) (all []credential, reason string) {
	header := d.Header.Get("Authorization")
	if header == "" {
		form, err := url.ParseQuery(string(d.Body))
		if err != nil || !form.Has("client_id") {
			return nil, reasonMissing
		}
		return []credential{{form.Get("client_id"), form.Get("client_secret")}}, ""
	}
	scheme, encoded, _ := strings.Cut(header, " ")
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	id, password, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok || !strings.EqualFold(scheme, "Basic") {
		return nil, reasonMalformed
	}
	all = []credential{{id, password}}
	plainID, err1 := url.QueryUnescape(id)
	plainPassword, err2 := url.QueryUnescape(password)
	if err1 == nil && err2 == nil {
		all = append(all, credential{plainID, plainPassword})
	}
	return all, ""
}
