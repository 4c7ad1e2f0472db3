package token_test

import (
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/token"
)

func TestFromDefinition(t *testing.T) {
	t.Parallel()
	const chart = "../../../charts/marketing-connector"
	d, err := connector.Load(os.DirFS(chart + "/files"))
	require.NoError(t, err)
	read, err := d.ReadValues(chart + "/samples/params.yaml")
	require.NoError(t, err)
	values := func(change map[string]string) *connector.Params {
		all := maps.Clone(read)
		for name, value := range change {
			if all[name] = value; value == "" {
				delete(all, name)
			}
		}
		params, err := d.ResolveParams(all, connector.WithoutGenerated())
		require.NoError(t, err)
		return params
	}
	delivery := &d.Deliveries[0]

	a, err := token.FromDefinition(delivery, values(nil).Input())
	require.NoError(t, err)
	text, lifetime, err := a.Issue()
	require.NoError(t, err)
	assert.Equal(t, time.Hour, lifetime)

	rotated, err := token.FromDefinition(delivery, values(map[string]string{
		"token_signing_key": strings.Repeat("n", 43), "previous_token_signing_key": read["token_signing_key"],
	}).Input())
	require.NoError(t, err)
	_, err = rotated.Check(text.Reveal())
	assert.NoError(t, err)
	elsewhere, err := token.FromDefinition(delivery, values(map[string]string{"cluster_domain": "other.example.com"}).Input())
	require.NoError(t, err)
	_, err = elsewhere.Check(text.Reveal())
	assert.Error(t, err, "another installation has another issuer and audience, even with the same key")

	_, err = token.FromDefinition(delivery, values(map[string]string{"token_signing_key": ""}).Input())
	assert.EqualError(t, err, `token: signingKey: is empty: give parameter "token_signing_key" or "previous_token_signing_key" a value`)
	short := values(nil).Input() // a definition need not have the pattern that refuses it
	short.Params["token_signing_key"] = "short"
	_, err = token.FromDefinition(delivery, short)
	assert.EqualError(t, err, "token: signingKey is shorter than 32 bytes: choose a longer one, best a generated one")
	_, err = token.FromDefinition(&connector.Delivery{Name: "mqtt", Token: &connector.TokenEndpoint{}}, values(nil).Input())
	assert.EqualError(t, err, "token: host: is empty: give it a value in the definition")
}
