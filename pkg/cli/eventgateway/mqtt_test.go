package eventgateway_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

// A definition whose events come by MQTT, and what its samples/params.yaml says.
const (
	marketing       = charts + "/marketing-connector/files/connector.yaml"
	marketingParams = charts + "/marketing-connector/samples/params.yaml"

	mqttHost, tokenHost    = "mqtt.kyma.example.com", "auth.kyma.example.com"
	clientID, clientSecret = "kyma", "sample-client-secret"
)

func marketingValues() map[string]string {
	return map[string]string{
		"system_url": "https://my123456-api.s4hana.ondemand.com", "basic_user": "_KYMA", "basic_password": "sample-odata-password",
		"oauth_client_id": clientID, "oauth_client_secret": clientSecret, "application_name": "marketing", "cluster_domain": "kyma.example.com",
		"token_signing_key": strings.Repeat("k", 43),
	}
}

// tokenRequest asks a gateway for a token, with the credentials in the form or by Basic.
func (r *running) tokenRequest(t *testing.T, host, id, password string, basic bool) *http.Response {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	if !basic {
		form.Set("client_id", id)
		form.Set("client_secret", password)
	}
	request, err := http.NewRequest(http.MethodPost, r.public+"/oauth/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Host = host
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		request.SetBasicAuth(id, password)
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func (r *running) token(t *testing.T, basic bool) string {
	t.Helper()
	answer := r.tokenRequest(t, tokenHost, clientID, clientSecret, basic)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	var grant struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&grant))
	assert.Equal(t, "Bearer", grant.Type)
	assert.Equal(t, 3600, grant.Expires)
	return grant.Token
}

// client makes an MQTT client that comes back with the same token.
func (r *running) client(t *testing.T, token string, change func(*paho.ClientOptions)) paho.Client {
	t.Helper()
	o := paho.NewClientOptions().AddBroker("ws" + strings.TrimPrefix(r.public, "http") + "/protocols/mqtt311ws").SetClientID("EXTFACTORY").
		SetHTTPHeaders(http.Header{"Host": {mqttHost}, "Authorization": {"Bearer " + token}}).
		SetProtocolVersion(4).SetCleanSession(false).SetMaxReconnectInterval(20 * time.Millisecond)
	if change != nil {
		change(o)
	}
	c := paho.NewClient(o)
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

func (r *running) connected(t *testing.T, token string) paho.Client {
	t.Helper()
	c := r.client(t, token, nil)
	done := c.Connect()
	require.True(t, done.WaitTimeout(patience))
	require.NoError(t, done.Error())
	return c
}

func publish(t *testing.T, c paho.Client, topic string, qos byte, payload string) {
	t.Helper()
	done := c.Publish(topic, qos, false, payload)
	require.True(t, done.WaitTimeout(patience), "no acknowledgement")
	require.NoError(t, done.Error())
}

// changed is a payload of the older generation.
func changed(id string) string {
	return `{"eventType":"BO.MarketingPermission.Changed","cloudEventsVersion":"0.1","source":"https://my123456.s4hana.ondemand.com","eventID":"` + id +
		`","eventTime":"2019-06-26T13:28:11.000Z","data":{"KEY":[{"MARKETINGPERMISSIONUUID":"` + id + `"}],"CONTACTPERMISSION":"Y"}}`
}

// completed is one of the newer.
func completed(id string) string {
	return `{"specversion":"1.0","type":"sap.s4.beh.marketingcampaign.v1.MarketingCampaign.Completed.v1","source":"/default/sap.s4","id":"` + id +
		`","time":"2022-06-26T13:28:11Z","data":{"KEY":[{"CAMPAIGN":"c-1"}]}}`
}

func TestEventsByMQTT(t *testing.T) {
	t.Parallel()
	for _, buffer := range []string{"none", "disk"} {
		t.Run(buffer, func(t *testing.T) {
			t.Parallel()
			sink, dir := newTarget(t), t.TempDir()
			g := serve(t, "--connector", marketing, "--params", marketingParams, "--buffer", buffer, "--buffer-dir", dir, "--sink-kind", "cloudevents", "--sink-url", sink.URL)
			c := g.connected(t, g.token(t, buffer == "disk"))
			publish(t, c, "EXTFACTORY/BO/MarketingPermission/Changed", 0, changed("e-0"))
			sink.arrived(t, 1)
			publish(t, c, "EXTFACTORY/BO/MarketingPermission/Changed", 1, changed("e-1"))
			publish(t, c, "ce/sap/s4/beh/whatever", 2, completed("e-2"))
			publish(t, c, "EXTFACTORY/BO/MarketingPermission/Changed", 1, changed("e-1"))
			if buffer == "disk" {
				publish(t, c, "a/topic", 1, `no JSON`)
			}
			sink.arrived(t, 3)

			events := map[string]event.Event{}
			for _, e := range sink.taken() {
				events[e.ID] = e
			}
			assert.Len(t, events, 3)
			assert.Len(t, sink.taken(), 3, "a repetition is noticed")
			assert.Equal(t, "bo.marketingcampaign.completed.v1", events["e-2"].FullType())
			first := events["e-1"]
			assert.Equal(t, "bo.marketingpermission.changed.v1", first.FullType())
			assert.Equal(t, "https://my123456.s4hana.ondemand.com", first.Source)
			assert.Equal(t, "e-1", first.Subject)
			assert.Equal(t, time.Date(2019, 6, 26, 13, 28, 11, 0, time.UTC), first.Time.UTC())
			assert.JSONEq(t, `{"KEY":[{"MARKETINGPERMISSIONUUID":"e-1"}],"CONTACTPERMISSION":"Y"}`, string(first.Data))

			_, metrics := g.get(t, "/metrics")
			for _, line := range []string{
				`kyma_connectors_gateway_sessions{route="mqtt"} 1`, `kyma_connectors_gateway_tokens_issued_total{route="mqtt-token"} 1`,
				`kyma_connectors_gateway_deliveries_total{route="mqtt",outcome="duplicate"} 1`,
			} {
				assert.Contains(t, metrics, line)
			}
			if buffer == "none" {
				c.Publish("a/topic", 1, false, `no JSON`) // its client repeats it until somebody keeps it
				require.Eventually(t, func() bool {
					_, metrics := g.get(t, "/metrics")
					return strings.Contains(metrics, `kyma_connectors_gateway_sessions_ended_total{route="mqtt",reason="refused"}`)
				}, patience, 10*time.Millisecond)
				return
			}
			code, out, errs := run(t, "deadletters", "list", "--buffer-dir", dir, "--output", "json")
			require.Zero(t, code, errs)
			var letters []struct{ ID, Reason string }
			require.NoError(t, json.Unmarshal([]byte(out), &letters))
			require.Len(t, letters, 1)
			assert.Equal(t, "mapping", letters[0].Reason)
			_, out, _ = run(t, "deadletters", "show", letters[0].ID, "--buffer-dir", dir)
			assert.Contains(t, out, `"topic": "a/topic"`)
			assert.Contains(t, out, `"body": "no JSON"`)
			secrettest.AssertNoLeak(t, out+g.logs.String()+metrics, secret.New(clientSecret))
		})
	}
}

func TestHostsOfMQTT(t *testing.T) {
	t.Parallel()
	g := serve(t, "--connector", marketing, "--params", marketingParams)
	assert.Equal(t, http.StatusUnauthorized, g.tokenRequest(t, tokenHost, clientID, "wrong", true).StatusCode)
	assert.Equal(t, http.StatusOK, g.tokenRequest(t, "AUTH.kyma.example.com.:8080", clientID, clientSecret, true).StatusCode)
	assert.Equal(t, http.StatusNotFound, g.tokenRequest(t, "elsewhere.example.com", clientID, clientSecret, true).StatusCode)
	assert.Equal(t, http.StatusUnauthorized, g.tokenRequest(t, mqttHost, clientID, clientSecret, true).StatusCode, "every path of this host is MQTT's, which wants a token")

	refused := g.client(t, "not-a-token", func(o *paho.ClientOptions) { o.SetConnectRetry(false) }).Connect()
	require.True(t, refused.WaitTimeout(patience))
	assert.ErrorContains(t, refused.Error(), "bad handshake")

	other := serve(t, "--connector", marketing, "--params", marketingParams, "--hosts", "mqtt=Events.example.com", "--hosts", "mqtt-token=events.example.com")
	answer := other.tokenRequest(t, "events.example.com", clientID, clientSecret, false)
	require.Equal(t, http.StatusOK, answer.StatusCode, "one host may have both")
	var grant struct {
		Token string `json:"access_token"`
	}
	require.NoError(t, json.NewDecoder(answer.Body).Decode(&grant))
	c := other.client(t, grant.Token, func(o *paho.ClientOptions) { o.HTTPHeaders.Set("Host", "events.example.com") })
	done := c.Connect()
	require.True(t, done.WaitTimeout(patience))
	assert.NoError(t, done.Error())
	assert.Equal(t, http.StatusNotFound, other.tokenRequest(t, tokenHost, clientID, clientSecret, false).StatusCode)
}

// TestReplicasShareTokens: nothing about a token is stored, so that another replica knows it, also one that
// started later.
func TestReplicasShareTokens(t *testing.T) {
	t.Parallel()
	sink := newTarget(t)
	args := []string{"--connector", marketing, "--params", marketingParams, "--sink-kind", "cloudevents", "--sink-url", sink.URL}
	first, second := serve(t, args...), serve(t, args...)
	token := first.token(t, true)
	publish(t, second.connected(t, token), "t", 1, changed("a"))
	assert.Zero(t, first.stop())
	publish(t, serve(t, args...).connected(t, token), "t", 1, changed("b"))
	assert.Equal(t, []string{"a", "b"}, sink.ids())
}

// TestAnOutageLosesNothing: while the target does not work, nothing is acknowledged, and the client repeats
// what it has until it is.
func TestAnOutageLosesNothing(t *testing.T) {
	t.Parallel()
	sink := newTarget(t)
	g := serve(t, "--connector", marketing, "--params", marketingParams, "--sink-kind", "cloudevents", "--sink-url", sink.URL)
	c := g.connected(t, g.token(t, true))
	sink.answer(http.StatusServiceUnavailable)
	c.Publish("t", 1, false, changed("a"))
	c.Publish("t", 2, false, changed("b"))
	require.Eventually(t, func() bool {
		_, metrics := g.get(t, "/metrics")
		return strings.Contains(metrics, `kyma_connectors_gateway_sessions_ended_total{route="mqtt",reason="unavailable"}`)
	}, patience, 10*time.Millisecond)
	assert.Empty(t, sink.taken())
	sink.answer(http.StatusNoContent)
	sink.arrived(t, 2)
	publish(t, c, "t", 1, changed("c"))
	sink.arrived(t, 3)
	ids := sink.ids()
	slices.Sort(ids)
	assert.Equal(t, []string{"a", "b", "c"}, slices.Compact(ids))
}

// TestWhatWasAcknowledgedSurvivesAKill: PUBACK and PUBREC mean that the event is on the disk.
func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	t.Parallel()
	sink, dir := newTarget(t), t.TempDir()
	sink.answer(http.StatusServiceUnavailable)
	args := []string{"--connector", marketing, "--params", marketingParams, "--buffer", "disk", "--buffer-dir", dir, "--sink-kind", "cloudevents", "--sink-url", sink.URL}
	g, process := spawn(t, args...)
	c := g.connected(t, g.token(t, true))
	var acknowledged []string
	for i := range 40 {
		id := fmt.Sprintf("e-%02d", i)
		publish(t, c, "t", byte(1+i%2), changed(id))
		acknowledged = append(acknowledged, id)
	}
	require.NoError(t, process.Kill())
	_, _ = process.Wait()
	sink.answer(http.StatusNoContent)
	again, _ := spawn(t, args...)
	sink.arrived(t, len(acknowledged))
	assert.Subset(t, sink.ids(), acknowledged)
	_, metrics := again.get(t, "/metrics")
	assert.Contains(t, metrics, "kyma_connectors_gateway_ready 1")
}

// TestSecretsOfTokensRotate: a new signing key ends no session as long as the old one is still known, and a
// key that is gone ends what was opened with it.
func TestSecretsOfTokensRotate(t *testing.T) {
	t.Parallel()
	sink, values := newTarget(t), marketingValues()
	params := mount(t, values)
	g := serve(t, "--connector", marketing, "--params", params, "--reload-interval", "5ms", "--sink-kind", "cloudevents", "--sink-url", sink.URL)
	old := g.token(t, true)
	session := g.connected(t, old)
	connects := func(token string) bool {
		c := g.client(t, token, func(o *paho.ClientOptions) { o.SetClientID("").SetCleanSession(true).SetConnectRetry(false) })
		done := c.Connect()
		return done.WaitTimeout(patience) && done.Error() == nil
	}
	rotated := maps.Clone(values)
	rotated["token_signing_key"], rotated["previous_token_signing_key"] = strings.Repeat("n", 43), values["token_signing_key"]
	remount(t, params, rotated)
	fresh := old
	require.Eventually(t, func() bool {
		fresh = g.token(t, true)
		return strings.Split(fresh, ".")[0] != strings.Split(old, ".")[0] // the header names the key
	}, patience, 5*time.Millisecond)
	publish(t, session, "t", 1, changed("a"))
	assert.True(t, connects(old))
	require.NoError(t, os.Remove(filepath.Join(params, "previous_token_signing_key")))
	delete(rotated, "previous_token_signing_key")
	remount(t, params, rotated)
	require.Eventually(t, func() bool { return !connects(old) }, patience, 50*time.Millisecond)
	session.Publish("t", 1, false, changed("b"))
	require.Eventually(t, func() bool { return strings.Contains(g.logs.String(), `"reason":"unauthorized"`) }, patience, 5*time.Millisecond)
	assert.Equal(t, []string{"a"}, sink.ids())
	session.Disconnect(0)
	publish(t, g.connected(t, fresh), "t", 1, changed("c"))
	assert.Equal(t, []string{"a", "c"}, sink.ids())

	rotated["cluster_domain"] = "elsewhere.example.com"
	remount(t, params, rotated)
	require.Eventually(t, func() bool { return strings.Contains(g.logs.String(), "a host changed: restart the gateway") }, patience, 5*time.Millisecond)
}

func TestShutdownSendsClientsElsewhere(t *testing.T) {
	t.Parallel()
	sink := newTarget(t)
	g := serve(t, "--connector", marketing, "--params", marketingParams, "--sink-kind", "cloudevents", "--sink-url", sink.URL)
	lost := make(chan error, 1)
	c := g.client(t, g.token(t, true), func(o *paho.ClientOptions) {
		o.SetAutoReconnect(false).SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err })
	})
	done := c.Connect()
	require.True(t, done.WaitTimeout(patience))
	require.NoError(t, done.Error())
	publish(t, c, "t", 1, changed("a"))
	assert.Zero(t, g.stop())
	assert.ErrorContains(t, <-lost, "the gateway shuts down: connect again")
}

func TestBadHostsAreNamed(t *testing.T) {
	t.Parallel()
	without := func(name string) string {
		values := marketingValues()
		delete(values, name)
		return mount(t, values)
	}
	with := func(name, value string) string {
		values := marketingValues()
		values[name] = value
		return mount(t, values)
	}
	for _, tt := range []struct {
		name string
		args []string
		err  string
	}{
		{"unknown name", []string{"--params", marketingParams, "--hosts", "mqqt=x.example.com"}, `--hosts "mqqt=x.example.com": want NAME=HOST, where NAME is one of: mqtt, mqtt-token`},
		{"no host", []string{"--params", marketingParams, "--hosts", "mqtt="}, `--hosts "mqtt=": the host is empty`},
		{"no signing key", []string{"--params", without("token_signing_key")}, `"token_signing_key"`},
		{"short signing key", []string{"--params", with("token_signing_key", "top-secret-but-short")}, "want a value that matches .{32,}"},
		{"no client secret", []string{"--params", without("oauth_client_secret")}, `"oauth_client_secret"`},
	} {
		for _, command := range []string{"check", "serve"} {
			t.Run(tt.name+"/"+command, func(t *testing.T) {
				t.Parallel()
				args := append([]string{command, "--connector", marketing}, tt.args...)
				if command == "serve" {
					args = append(args, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
				}
				code, _, errs := run(t, args...)
				assert.Equal(t, 2, code)
				assert.Contains(t, errs, tt.err)
				secrettest.AssertNoLeak(t, errs, secret.New("top-secret-but-short"), secret.New(clientSecret))
			})
		}
	}
}
