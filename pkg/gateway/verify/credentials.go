package verify

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// basic is HTTP Basic.
type basic struct{ username, password digest }

func newBasic(v *connector.VerifyBasic, params expression.Input) (gateway.Verifier, error) {
	username, err := required("basic.username", v.Username, params)
	if err != nil {
		return nil, err
	}
	password, err := required("basic.password", v.Password, params)
	if err != nil {
		return nil, err
	}
	return &basic{username: digestOf(username), password: digestOf(password)}, nil
}

// Verify implements gateway.Verifier.
func (v *basic) Verify(_ context.Context, d *gateway.Delivery) error {
	username, password, reason := basicCredentials(d.Header.Get("Authorization"))
	userOK, passwordOK := v.username.equals(username), v.password.equals(password)
	if reason == "" && (!userOK || !passwordOK) {
		reason = reasonMismatch
	}
	if reason != "" {
		return &gateway.Refusal{Reason: reason, Challenge: `Basic realm="events", charset="UTF-8"`}
	}
	return nil
}

func basicCredentials(header string) (username, password, reason string) {
	if header == "" {
		return "", "", reasonMissing
	}
	encoded, ok := cutScheme(header, "Basic")
	if !ok {
		return "", "", reasonMalformed
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", reasonMalformed
	}
	username, password, ok = strings.Cut(string(decoded), ":")
	if !ok {
		return "", "", reasonMalformed
	}
	return username, password, ""
}

// cutScheme splits an Authorization header; the scheme's case does not matter.
func cutScheme(header, scheme string) (string, bool) {
	got, rest, ok := strings.Cut(header, " ")
	return strings.Trim(rest, " "), ok && strings.EqualFold(got, scheme)
}

// bearer is a fixed token, or one of several.
type bearer struct{ tokens []digest }

func newBearer(v *connector.VerifyBearer, params expression.Input) (gateway.Verifier, error) {
	tokens, err := requiredList("bearer.tokens", v.Tokens, params)
	if err != nil {
		return nil, err
	}
	return &bearer{tokens: digestsOf(tokens)}, nil
}

// Verify implements gateway.Verifier.
func (v *bearer) Verify(_ context.Context, d *gateway.Delivery) error {
	header := d.Header.Get("Authorization")
	token, ok := cutScheme(header, "Bearer")
	reason := reasonMismatch
	switch {
	case header == "":
		reason = reasonMissing
	case !ok:
		reason = reasonMalformed
	case oneOf(v.tokens, token):
		return nil
	}
	return &gateway.Refusal{Reason: reason, Challenge: `Bearer realm="events"`}
}

// pathToken is an unguessable segment of the path.
type pathToken struct{ tokens []digest }

func newPathToken(v *connector.VerifyPathToken, params expression.Input) (gateway.Verifier, error) {
	tokens, err := requiredList("pathToken.tokens", v.Tokens, params)
	if err != nil {
		return nil, err
	}
	return &pathToken{tokens: digestsOf(tokens)}, nil
}

// Verify implements gateway.Verifier.
func (v *pathToken) Verify(_ context.Context, d *gateway.Delivery) error {
	switch {
	case d.Token == "":
		return refuse(reasonMissing)
	case !oneOf(v.tokens, d.Token):
		return refuse(reasonMismatch)
	}
	return nil
}
