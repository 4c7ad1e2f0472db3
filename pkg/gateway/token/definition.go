package token

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// FromDefinition makes the authority that a delivery asks for. Values are resolved now; what has none is an
// error that names the parameter.
func FromDefinition(d *connector.Delivery, params expression.Input) (*Authority, error) {
	t := d.Token
	host, err := resolve("host", params, t.Host)
	if err != nil {
		return nil, err
	}
	o := Options{Issuer: "https://" + strings.ToLower(host), Audience: d.Name, Lifetime: time.Duration(t.Lifetime)}
	if d.MQTT != nil {
		if o.Audience, err = resolve("mqtt.host", params, d.MQTT.Host); err != nil {
			return nil, err
		}
		o.Audience = strings.ToLower(o.Audience)
	}
	if o.ClientID, err = resolve("client.id", params, t.Client.ID); err != nil {
		return nil, err
	}
	if o.Secrets, err = resolveSecrets("client.secret", params, t.Client.Secrets); err != nil {
		return nil, err
	}
	if o.Keys, err = resolveSecrets("signingKey", params, t.SigningKeys); err != nil {
		return nil, err
	}
	a, err := New(o)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return a, nil
}

func resolve(what string, params expression.Input, v connector.Value) (string, error) {
	text, err := v.Text(params)
	if err == nil && text == "" {
		err = empty(v)
	}
	if err != nil {
		return "", fmt.Errorf("token: %s: %w", what, err)
	}
	return text, nil
}

// resolveSecrets leaves out those without a value, such as the one before a rotation; all may not be.
func resolveSecrets(what string, params expression.Input, values connector.ValueList) ([]secret.Text, error) {
	var out []secret.Text
	for _, v := range values {
		text, err := v.Text(params)
		if err != nil {
			return nil, fmt.Errorf("token: %s: %w", what, err)
		}
		if text != "" {
			out = append(out, secret.New(text))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("token: %s: %w", what, empty(values...))
	}
	return out, nil
}

func empty(values ...connector.Value) error {
	var names []string
	for _, v := range values {
		for _, name := range v.Parameters() {
			names = append(names, fmt.Sprintf("%q", name))
		}
	}
	if len(names) == 0 {
		return errors.New("is empty: give it a value in the definition")
	}
	return fmt.Errorf("is empty: give parameter %s a value", strings.Join(names, " or "))
}
