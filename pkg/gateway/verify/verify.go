// Package verify holds the schemes by which a delivery proves who sent it. All of them work on the bytes
// as received, compare in constant time and fail closed: a scheme without a secret cannot be made.
package verify

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// The reasons of a refusal.
const (
	reasonMissing   = "missing"   // nothing to check
	reasonMalformed = "malformed" // not of the scheme's form
	reasonMismatch  = "mismatch"  // wrong
	reasonExpired   = "expired"   // outside the replay window
)

// Options are what schemes need besides the definition.
type Options struct {
	// Input is what expressions see of a delivery: the same as in its mapping, so that what is verified is
	// what is used. Schemes without expressions need none.
	Input func(*gateway.Delivery) (expression.Input, error)
	// Tokens knows the tokens of the delivery's own token endpoint, for the scheme token.
	Tokens TokenChecker
	// HTTP fetches public keys, for the scheme jwt. It should repeat nothing.
	HTTP *httpclient.Client
	// Now is the clock for replay windows; nil means time.Now.
	Now func() time.Time
}

// New makes the verifier that the definition asks for. Secrets are resolved now: one that has no value is
// an error that names the parameter.
func New(v connector.Verify, params expression.Input, o Options) (gateway.Verifier, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case len(v.AnyOf) > 0:
		return newAnyOf(v.Schemes(), params, o)
	case v.Basic != nil:
		return newBasic(v.Basic, params)
	case v.Bearer != nil:
		return newBearer(v.Bearer, params)
	case v.HMAC != nil:
		return newHMAC(v.HMAC, params, o)
	case v.StandardWebhooks != nil:
		return newStandardWebhooks(v.StandardWebhooks, params, o.Now)
	case v.PathToken != nil:
		return newPathToken(v.PathToken, params)
	case v.JWT != nil:
		return newJWT(v.JWT, params, o)
	case v.Token != nil:
		return newToken(o)
	default:
		return nil, errors.New("verify: no scheme: name one, such as basic or hmac, because a delivery that proves nothing is never taken")
	}
}

// required resolves a value that must not be empty.
func required(what string, v connector.Value, params expression.Input) (string, error) {
	text, err := v.Text(params)
	if err != nil {
		return "", fmt.Errorf("verify: %s: %w", what, err)
	}
	if text == "" {
		return "", noValue(what, v)
	}
	return text, nil
}

// requiredList resolves a list of secrets, of which some may be absent (a previous one during rotation)
// but not all.
func requiredList(what string, values []connector.Value, params expression.Input) ([]string, error) {
	var out []string
	for _, v := range values {
		text, err := v.Text(params)
		if err != nil {
			return nil, fmt.Errorf("verify: %s: %w", what, err)
		}
		if text != "" {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		return nil, noValue(what, values...)
	}
	return out, nil
}

func noValue(what string, values ...connector.Value) error {
	var names []string
	for _, v := range values {
		for _, name := range v.Parameters() {
			names = append(names, fmt.Sprintf("%q", name))
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("verify: %s is empty: give it a value in the definition, otherwise nothing would be checked", what)
	}
	return fmt.Errorf("verify: %s is empty: give parameter %s a value, otherwise nothing would be checked", what, strings.Join(names, " or "))
}

// digest makes secrets of any length comparable in constant time.
type digest [sha256.Size]byte

func digestOf(s string) digest { return sha256.Sum256([]byte(s)) }

func (d digest) equals(s string) bool {
	other := digestOf(s)
	return subtle.ConstantTimeCompare(d[:], other[:]) == 1
}

// oneOf compares with every secret, whichever matches first.
func oneOf(digests []digest, s string) bool {
	found := false
	for _, d := range digests {
		if d.equals(s) {
			found = true
		}
	}
	return found
}

func digestsOf(secrets []string) []digest {
	out := make([]digest, len(secrets))
	for i, s := range secrets {
		out[i] = digestOf(s)
	}
	return out
}

func refuse(reason string) error { return &gateway.Refusal{Reason: reason} }

// fresh checks a time of signing, in seconds since 1970.
func fresh(seconds int64, tolerance time.Duration, now time.Time) bool {
	age := now.Unix() - seconds
	limit := int64(tolerance / time.Second)
	return age <= limit && age >= -limit
}

// defaultTolerance is how far a signed time may be off where the definition does not say.
const defaultTolerance = 5 * time.Minute
