package sample

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// messages is a connector whose events come by MQTT.
func messages(t *testing.T) *connector.Definition {
	t.Helper()
	d, err := connector.Load(fstest.MapFS{"connector.yaml": {Data: []byte(`
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: shop, displayName: Shop, description: Tells of orders., provider: Acme, product: Acme Shop}
parameters:
  system_url: {kind: url, title: System URL, description: Address., required: true, example: "https://shop.example.com"}
  application_name: {kind: resourceName, title: Application Name, description: Name., required: true, example: shop}
  user: {kind: text, title: User, description: User.}
  password: {kind: secret, title: Password, description: Password.}
  old_password: {kind: secret, title: Old password, description: Before.}
  key: {kind: secret, title: Key, description: Signs., generate: {length: 43}}
application: =param("application_name")
system: {url: =param("system_url")}
deliveries:
  - name: channel
    mqtt: {host: mqtt.example.com}
    token:
      host: auth.example.com
      path: /oauth/token
      client: {id: =param("user"), secret: [=param("password"), =param("old_password")]}
      signingKey: =param("key")
    verify: {token: {}}
    event: {type: order.created, version: v1, id: =body("id"), data: =json()}
`)}})
	require.NoError(t, err)
	return d
}

const signingKey = "a-key-of-forty-three-characters-0123456789x"

// recordedMessage is a message as samples hold it, with the client's credentials.
func recordedMessage(t *testing.T, authorization string) Request {
	t.Helper()
	r, err := Parse([]byte("GET / HTTP/1.1\nUpgrade: websocket\nSec-WebSocket-Protocol: mqtt\nAuthorization: " + authorization + "\nMqtt-Topic: a/b\nMqtt-Qos: 1\n\n{\"a\":1}"))
	require.NoError(t, err)
	return r
}

func basicCredentials(id, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+password))
}

func TestAMessageIsNoWebhook(t *testing.T) {
	t.Parallel()
	assert.True(t, recordedMessage(t, "Bearer x").Message())
	webhook, err := Parse([]byte(delivery))
	require.NoError(t, err)
	assert.False(t, webhook.Message())
	d := messages(t)
	assert.NotNil(t, Delivery(d, recordedMessage(t, "Bearer x")))
	assert.Nil(t, Delivery(d, webhook))
}

// The client of one installation becomes that of another; what proved nothing stays as it is.
func TestSignMovesAClient(t *testing.T) {
	t.Parallel()
	d := messages(t)
	from := params(t, d, map[string]string{"key": signingKey, "user": "kyma", "password": "newer", "old_password": "older"})
	to := params(t, d, map[string]string{"key": signingKey, "user": "other", "password": "theirs"})
	tests := []struct {
		name, authorization, want string
		signed                    bool
	}{
		{"the secret", basicCredentials("kyma", "newer"), basicCredentials("other", "theirs"), true},
		{"the secret before", basicCredentials("kyma", "older"), basicCredentials("other", "theirs"), true},
		{"a wrong secret", basicCredentials("kyma", "wrong"), basicCredentials("kyma", "wrong"), false},
		{"a token of somebody's", "Bearer none", "Bearer none", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, signed, err := Sign(d, recordedMessage(t, tt.authorization), from, to, time.Now())
			require.NoError(t, err)
			assert.Equal(t, tt.signed, signed)
			assert.Equal(t, tt.want, got.Header.Get("Authorization"))
			assert.Equal(t, recordedMessage(t, tt.authorization).Body, got.Body)
		})
	}
}

// A client gets a token by its credentials and shows it; any other header goes as it is.
func TestPublishSignsIn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, authorization string
		status              int
		shown               string // at the upgrade
	}{
		{"with its secret", basicCredentials("kyma", "right"), http.StatusTeapot, "Bearer issued"},
		{"with a wrong secret", basicCredentials("kyma", "wrong"), http.StatusUnauthorized, ""},
		{"with a token", "Bearer mine", http.StatusTeapot, "Bearer mine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			shown := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/oauth/token" {
					shown = r.Header.Get("Authorization")
					w.WriteHeader(http.StatusTeapot) // no WebSocket here
					return
				}
				if _, password, _ := r.BasicAuth(); password != "right" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(`{"access_token":"issued","token_type":"Bearer","expires_in":60}`))
			}))
			t.Cleanup(server.Close)
			answer, err := recordedMessage(t, tt.authorization).Publish(t.Context(), server.Client(), "ws"+server.URL[len("http"):], server.URL+"/oauth/token")
			require.NoError(t, err)
			assert.Equal(t, tt.status, answer.Status)
			assert.Equal(t, tt.shown, shown)
		})
	}
}

func TestPublishKnowsTheQualitiesOfService(t *testing.T) {
	t.Parallel()
	r := recordedMessage(t, "Bearer x")
	r.Header.Set(qualityHeader, "3")
	_, err := r.Publish(t.Context(), http.DefaultClient, "ws://127.0.0.1:1", "")
	assert.EqualError(t, err, "header Mqtt-Qos: want 0, 1 or 2")
}
