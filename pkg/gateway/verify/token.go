package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// TokenChecker knows the tokens that a delivery's own token endpoint gave out.
type TokenChecker interface {
	// Check says until when a token is good. The error is a *gateway.Refusal where it is not.
	Check(token string) (expires time.Time, err error)
}

// ownToken is a bearer token of the delivery's own token endpoint.
type ownToken struct{ checker TokenChecker }

func newToken(o Options) (gateway.Verifier, error) {
	if o.Tokens == nil {
		return nil, errors.New("verify: token: the delivery has no token endpoint: add token, or choose another scheme")
	}
	return &ownToken{checker: o.Tokens}, nil
}

// Verify implements gateway.Verifier.
func (v *ownToken) Verify(_ context.Context, d *gateway.Delivery) error {
	_, err := v.check(d)
	return err
}

// Until implements gateway.Expiring.
func (v *ownToken) Until(d *gateway.Delivery) time.Time {
	expires, err := v.check(d)
	if err != nil {
		return time.Unix(0, 0) // it has just ended
	}
	return expires
}

func (v *ownToken) check(d *gateway.Delivery) (time.Time, error) {
	const challenge = `Bearer realm="events"`
	header := d.Header.Get("Authorization")
	if header == "" {
		return time.Time{}, &gateway.Refusal{Reason: reasonMissing, Challenge: challenge}
	}
	token, ok := cutScheme(header, "Bearer")
	if !ok {
		return time.Time{}, &gateway.Refusal{Reason: reasonMalformed, Challenge: challenge}
	}
	expires, err := v.checker.Check(token)
	if refusal, ok := errors.AsType[*gateway.Refusal](err); ok {
		// RFC 6750, section 3.1: the client knows then that it needs a new token.
		return time.Time{}, &gateway.Refusal{Reason: refusal.Reason, Challenge: challenge + `, error="invalid_token"`}
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("token: %w", err)
	}
	return expires, nil
}
