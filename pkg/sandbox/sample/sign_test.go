package sample

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// definition is a connector with one delivery at /hook.
func definition(t *testing.T, delivery string) *connector.Definition {
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
application: =param("application_name")
system: {url: =param("system_url")}
deliveries:
  - name: hook
    http: {path: /hook, accepts: [any]}
    event: {type: order.created, version: v1, id: =body("id"), data: =json()}
` + delivery)}})
	require.NoError(t, err)
	return d
}

func params(t *testing.T, d *connector.Definition, values map[string]string) *connector.Params {
	t.Helper()
	all := map[string]string{"system_url": "https://shop.example.com", "application_name": "shop"}
	for name, value := range values {
		all[name] = value
	}
	p, err := d.ResolveParams(all)
	require.NoError(t, err)
	return p
}

func mac(key, message string) []byte {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(message))
	return m.Sum(nil)
}

func hexMAC(key, message string) string { return hex.EncodeToString(mac(key, message)) }

func TestSignMovesADeliveryToAnotherInstallation(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	const key, other = "sample-key", "instance+key/with=signs"
	secret64, other64 := base64.StdEncoding.EncodeToString([]byte(key)), base64.StdEncoding.EncodeToString([]byte(other))
	body := `{"id":"1"}`
	form := "MSG=" + url.QueryEscape(body) + "&SIG="
	tests := []struct {
		name, delivery string
		from, to       map[string]string
		sample, want   string
	}{
		{
			"basic", `    verify: {basic: {username: =param("user"), password: =param("password")}}`,
			map[string]string{"user": "u", "password": key}, map[string]string{"user": "v", "password": other},
			"POST /hook HTTP/1.1\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+key)) + "\n\n" + body,
			"POST /hook HTTP/1.1\nAuthorization: Basic " + base64.StdEncoding.EncodeToString([]byte("v:"+other)) + "\n\n" + body,
		},
		{
			"bearer, signed with the older of two tokens", `    verify: {bearer: {tokens: [=param("password"), =param("old_password")]}}`,
			map[string]string{"password": "newer", "old_password": key}, map[string]string{"password": other},
			"POST /hook HTTP/1.1\nAuthorization: Bearer " + key + "\n\n" + body,
			"POST /hook HTTP/1.1\nAuthorization: Bearer " + other + "\n\n" + body,
		},
		{
			"token in the path", `    verify: {pathToken: {tokens: [=param("password")]}}`,
			map[string]string{"password": key}, map[string]string{"password": "other"},
			"POST /hook/" + key + "/order?a=b HTTP/1.1\nA: b\n\n" + body,
			"POST /hook/other/order?a=b HTTP/1.1\nA: b\n\n" + body,
		},
		{
			"the second of two schemes", `    verify: {anyOf: [{basic: {username: =param("user"), password: =param("old_password")}}, {pathToken: {tokens: [=param("password")]}}]}`,
			map[string]string{"user": "u", "old_password": "x", "password": key}, map[string]string{"user": "v", "old_password": "y", "password": "other"},
			"POST /hook/" + key + " HTTP/1.1\nA: b\n\n" + body,
			"POST /hook/other HTTP/1.1\nA: b\n\n" + body,
		},
		{
			"hmac of the body in a header", `    verify: {hmac: {algorithm: sha256, encoding: hex, prefix: "sha256=", keys: [=param("password")], message: =rawBody, signature: =header("X-Signature")}}`,
			map[string]string{"password": key}, map[string]string{"password": other},
			"POST /hook HTTP/1.1\nX-Signature: sha256=" + hexMAC(key, body) + "\n\n" + body,
			"POST /hook HTTP/1.1\nX-Signature: sha256=" + hexMAC(other, body) + "\n\n" + body,
		},
		{
			"hmac of one form field in another", `    verify: {hmac: {algorithm: sha256, encoding: base64, keys: [=param("password")], message: =form("MSG"), signature: =form("SIG")}}`,
			map[string]string{"password": key}, map[string]string{"password": other},
			"POST /hook HTTP/1.1\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\n\n" + form + url.QueryEscape(base64.StdEncoding.EncodeToString(mac(key, body))),
			"POST /hook HTTP/1.1\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\n\n" + form + url.QueryEscape(base64.StdEncoding.EncodeToString(mac(other, body))),
		},
		{
			"hmac that covers a time", `    verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param("password")], message: =header("X-Time") + "." + rawBody, signature: =header("X-Signature"), timestamp: =header("X-Time"), tolerance: 5m}}`,
			map[string]string{"password": key}, map[string]string{"password": other},
			"POST /hook HTTP/1.1\nX-Time: 1700000000\nX-Signature: " + hexMAC(key, "1700000000."+body) + "\n\n" + body,
			"POST /hook HTTP/1.1\nX-Time: 1800000000\nX-Signature: " + hexMAC(other, "1800000000."+body) + "\n\n" + body,
		},
		{
			"standard webhooks", `    verify: {standardWebhooks: {secrets: [=param("password")]}}`,
			map[string]string{"password": "whsec_" + secret64}, map[string]string{"password": other64},
			"POST /hook HTTP/1.1\nWebhook-Id: m\nWebhook-Timestamp: 1700000000\nWebhook-Signature: v1,wrong v1," + base64.StdEncoding.EncodeToString(mac(key, "m.1700000000."+body)) + "\n\n" + body,
			"POST /hook HTTP/1.1\nWebhook-Id: m\nWebhook-Timestamp: 1800000000\nWebhook-Signature: v1,wrong v1," + base64.StdEncoding.EncodeToString(mac(other, "m.1800000000."+body)) + "\n\n" + body,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := definition(t, tt.delivery)
			from, to := params(t, d, tt.from), params(t, d, tt.to)
			recorded, err := Parse([]byte(tt.sample))
			require.NoError(t, err)
			want, err := Parse([]byte(tt.want))
			require.NoError(t, err)

			got, signed, err := Sign(d, recorded, from, to, now)
			require.NoError(t, err)
			assert.True(t, signed)
			assert.Equal(t, want, got)

			// Under parameters that it was not signed with, it is a forgery and stays one.
			got, signed, err = Sign(d, recorded, to, from, now)
			require.NoError(t, err)
			assert.False(t, signed)
			assert.Equal(t, recorded, got)
		})
	}
}

func TestSignLeavesAloneWhatHasNoDelivery(t *testing.T) {
	t.Parallel()
	d := definition(t, `    verify: {basic: {username: =param("user"), password: =param("password")}}`)
	p := params(t, d, map[string]string{"user": "u", "password": "p"})
	recorded, err := Parse([]byte(strings.Replace("POST PATH HTTP/1.1\nAuthorization: Basic dTpw\n\n{}", "PATH", "/hook/below", 1)))
	require.NoError(t, err)
	got, signed, err := Sign(d, recorded, p, p, time.Now())
	require.NoError(t, err)
	assert.False(t, signed)
	assert.Equal(t, recorded, got)
}
