package connector_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// TestLoadChecksMQTTAndTokens damages a definition with MQTT and a token endpoint one line at a time.
func TestLoadChecksMQTTAndTokens(t *testing.T) {
	t.Parallel()
	const files = "../../charts/marketing-connector/files"
	data, err := os.ReadFile(files + "/connector.yaml")
	require.NoError(t, err)
	catalog, err := os.ReadFile(files + "/events/asyncapi.yaml")
	require.NoError(t, err)
	const keys = `signingKey: [=param("token_signing_key"), =param("previous_token_signing_key")]`
	for name, tc := range map[string]struct{ old, new, want string }{
		"verified by its messages": {"verify: {token: {}}", `verify: {hmac: {algorithm: sha1, encoding: hex, keys: [=param("basic_password")], message: =rawBody, signature: =header("X")}}`, "deliveries[0].verify: an MQTT client proves who it is when it connects"},
		"verified by its path":     {"verify: {token: {}}", `verify: {pathToken: {tokens: [=param("basic_password")]}}`, "choose token, basic, bearer or jwt"},
		"huge packets":             {"qos: [0, 1, 2]", "maxPacket: 5MiB", "deliveries[0].mqtt.maxPacket: is larger than the gateway takes"},
		"no quality of service":    {"qos: [0, 1, 2]", "qos: []", "deliveries[0].mqtt.qos"},
		"no signing key":           {keys, "", "deliveries[0].token.signingKey: is missing"},
		"empty signing keys":       {keys, "signingKey: []", "deliveries[0].token.signingKey: is empty"},
		"a literal signing key":    {keys, "signingKey: 0123456789012345678901234567890123456789", "everybody who reads the definition could sign tokens"},
		"a public signing key":     {keys, `signingKey: =param("oauth_client_id")`, "everybody who reads the definition could sign tokens"},
		"the client's secret":      {keys, `signingKey: [=param("token_signing_key"), =param("oauth_client_secret")]`, "is the client's secret"},
		"no client secret":         {`secret: =param("oauth_client_secret")`, "secret: []", "deliveries[0].token.client.secret: is empty"},
		"tokens for a second":      {"lifetime: 1h", "lifetime: 1s", "write at least 1m"},
		"tokens for ever":          {"lifetime: 1h", "lifetime: 25h", "write at most 24h"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, string(data), tc.old)
			_, err := connector.Load(fstest.MapFS{
				"connector.yaml":       {Data: []byte(strings.Replace(string(data), tc.old, tc.new, 1))},
				"events/asyncapi.yaml": {Data: catalog},
			})
			require.ErrorContains(t, err, tc.want)
		})
	}
}
