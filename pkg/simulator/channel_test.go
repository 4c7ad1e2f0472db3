package simulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// gateway is where the channel leads: a token endpoint, and a real MQTT server behind a WebSocket.
type gateway struct {
	mqtt.HookBase
	*httptest.Server
	broker  *mqtt.Server
	running sync.WaitGroup // connections

	mu          sync.Mutex
	tokens      []string // that are good
	tokenStyles []string // how they were asked for
	down        bool     // answers nothing but 503
	refuse      int      // how many messages are not acknowledged
	lifetime    int      // of a token, in seconds
	protocol    string   // the subprotocol that is agreed to
	tokenAnswer string   // instead of a token
	published   []packets.Packet
	subscribed  []string
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{lifetime: 3599, protocol: "mqtt", broker: mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})}
	require.NoError(t, g.broker.AddHook(new(auth.AllowHook), nil))
	require.NoError(t, g.broker.AddHook(g, nil))
	require.NoError(t, g.broker.Serve())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", g.token)
	mux.HandleFunc("GET /", g.upgrade)
	g.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		g.set(func(g *gateway) { g.down = true })
		g.Close()
		g.hangUp()
		g.running.Wait()
		g.broker.Close()
	})
	return g
}

func (g *gateway) ID() string { return "gateway" }

func (g *gateway) Provides(hook byte) bool { return hook == mqtt.OnPublish || hook == mqtt.OnSubscribe }

func (g *gateway) OnPublish(client *mqtt.Client, p packets.Packet) (packets.Packet, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.published = append(g.published, p)
	if g.refuse > 0 {
		g.refuse--
		client.Stop(packets.ErrRejectPacket)
		return p, packets.ErrRejectPacket
	}
	p.Ignore = true // accepted, but for no subscriber
	return p, nil
}

func (g *gateway) OnSubscribe(_ *mqtt.Client, p packets.Packet) packets.Packet {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, filter := range p.Filters {
		g.subscribed = append(g.subscribed, filter.Filter)
	}
	return p
}

func (g *gateway) token(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	style := "basic"
	if !basic {
		id, secret, style = r.PostFormValue("client_id"), r.PostFormValue("client_secret"), "body"
	} else {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	}
	switch {
	case g.down:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case g.tokenAnswer != "":
		fmt.Fprint(w, g.tokenAnswer)
		return
	case id != "kyma" || secret != "top secret/=" || r.PostFormValue("grant_type") != "client_credentials":
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	token := fmt.Sprintf("token-%d", len(g.tokenStyles))
	g.tokens, g.tokenStyles = append(g.tokens, token), append(g.tokenStyles, style)
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": g.lifetime})
}

func (g *gateway) upgrade(w http.ResponseWriter, r *http.Request) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	status, good := 0, false
	for _, t := range g.tokens {
		good = good || bearer && t == token
	}
	if !good {
		status = http.StatusUnauthorized
	}
	if g.down {
		status = http.StatusServiceUnavailable
	}
	if status == 0 {
		g.running.Add(1)
		defer g.running.Done()
	}
	protocol := g.protocol
	g.mu.Unlock()
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}})
	if err != nil {
		return
	}
	_ = g.broker.EstablishConnection("ws", websocket.NetConn(context.Background(), ws, websocket.MessageBinary))
}

// hangUp ends all connections.
func (g *gateway) hangUp() {
	for _, client := range g.broker.Clients.GetAll() {
		client.Stop(packets.ErrServerShuttingDown)
	}
}

// set changes the gateway.
func (g *gateway) set(change func(*gateway)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

// got is what was published, one line each: topic, quality of service, and "again" for duplicates.
func (g *gateway) got() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	lines := []string{}
	for _, p := range g.published {
		line := fmt.Sprintf("%s %d", p.TopicName, p.FixedHeader.Qos)
		if p.FixedHeader.Dup {
			line += " again"
		}
		lines = append(lines, line)
	}
	return lines
}

// payload is one of the payloads that were published.
func (g *gateway) payload(t *testing.T, i int) map[string]any {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	require.Greater(t, len(g.published), i)
	return object(t, string(g.published[i].Payload))
}

// consumer is what an administrator enters to reach the gateway.
func (g *gateway) consumer() simulator.Consumer {
	return simulator.Consumer{
		Endpoint: strings.Replace(g.URL, "http://", "ws://", 1) + "/", User: "kyma", Password: "top secret/=",
		Client: nearby(), RetryAfter: time.Millisecond,
		Messaging: &simulator.Messaging{TokenEndpoint: g.URL + "/oauth/token"},
	}
}

const permission = "EXTFACTORY/BO/MarketingPermission/Changed"

func TestChannelConnectsAndPublishes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		change  func(c *simulator.Consumer)
		topic   string
		style   string
		payload string
	}{
		{"by default", func(*simulator.Consumer) {}, "EXTFACTORY/ce/sap/s4/beh/marketingpermission/v1/MarketingPermission/Changed/v1 1", "basic",
			`{"specversion":"1.0","type":"sap.s4.beh.marketingpermission.v1.MarketingPermission.Changed.v1","source":"/default/sap.s4.beh/my123456-api","id":"1","time":"2019-06-26T13:28:11Z",
			"datacontenttype":"application/json","data":{"KEY":[{"MARKETINGPERMISSIONUUID":"U"}],"CONTACTPERMISSION":"N"}}`},
		{"as it was", func(c *simulator.Consumer) {
			c.Legacy, c.Messaging.TokenInBody, c.Messaging.Quality, c.Messaging.FrameSize = true, true, simulator.ExactlyOnce, 3
		}, permission + " 2", "body",
			`{"eventType":"BO.MarketingPermission.Changed","cloudEventsVersion":"0.1","source":"https://my123456-api.s4hana.ondemand.com","eventID":"1","eventTime":"2019-06-26T13:28:11.000Z",
			"schemaURL":"https://my123456-api.s4hana.ondemand.com/ODATA_SPEC/","contentType":"application/json","data":{"KEY":[{"MARKETINGPERMISSIONUUID":"U"}],"CONTACTPERMISSION":"N"}}`},
		{"without an id", func(c *simulator.Consumer) {
			c.Legacy, c.Messaging.OmitID, c.Messaging.Subscribe, c.Messaging.Quality = true, true, true, simulator.AtMostOnce
		}, permission + " 0", "basic",
			`{"eventType":"BO.MarketingPermission.Changed","cloudEventsVersion":"0.1","source":"https://my123456-api.s4hana.ondemand.com","eventTime":"2019-06-26T13:28:11.000Z",
			"schemaURL":"https://my123456-api.s4hana.ondemand.com/ODATA_SPEC/","contentType":"application/json","data":{"KEY":[{"MARKETINGPERMISSIONUUID":"U"}],"CONTACTPERMISSION":"N"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t)
			marketing, _ := newMarketing(t)
			consumer := g.consumer()
			test.change(&consumer)
			require.NoError(t, marketing.Connect(consumer))
			at := time.Date(2019, 6, 26, 13, 28, 11, 0, time.UTC)
			require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{ID: "1", Type: "bo.marketingpermission.changed", Entity: "U", Time: at, Extra: map[string]any{"CONTACTPERMISSION": "N"}}))
			eventually(t, func() bool { return len(g.got()) == 1 })
			assert.Equal(t, []string{test.topic}, g.got())
			assert.JSONEq(t, test.payload, mustMarshal(t, g.payload(t, 0)))
			assert.Equal(t, []simulator.Outbound{{ID: "1", Type: "BO.MarketingPermission.Changed", State: simulator.Delivered, Attempts: 1}}, marketing.Monitor())
			assert.Equal(t, simulator.ChannelStatus{Connected: true, Connects: 1, Tokens: 1}, marketing.Status())
			g.set(func(g *gateway) {
				assert.Equal(t, []string{test.style}, g.tokenStyles)
				assert.Equal(t, consumer.Messaging.Subscribe, len(g.subscribed) == 1)
			})
		})
	}
}

func TestMarketingEventsOfEveryKind(t *testing.T) {
	t.Parallel()
	keys := map[string]string{
		"BO.MarketingCoupon.Changed": "COUPON", "BO.MarketingPermission.Changed": "MARKETINGPERMISSIONUUID", "BO.MarketingPermission.Created": "MARKETINGPERMISSIONUUID",
		"BO.Interaction.Created": "INTERACTION", "BO.MarketingObjectAttachment.Created": "MARKETINGOBJECTUUID", "BO.MarketingCampaign.Completed": "CAMPAIGN",
	}
	g := newGateway(t)
	marketing, _ := newMarketing(t)
	consumer := g.consumer()
	consumer.Legacy = true
	require.NoError(t, marketing.Connect(consumer))
	require.Len(t, marketing.Types(), 6)
	for i, name := range marketing.Types() {
		require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{Type: name}))
		payload := g.payload(t, i)
		assert.Equal(t, name, payload["eventType"])
		assert.NotEmpty(t, payload["eventID"])
		assert.Contains(t, payload["data"].(map[string]any)["KEY"].([]any)[0], keys[name])
	}
	assert.ErrorContains(t, marketing.Fire(t.Context(), simulator.Notification{Type: "BO.Fax.Received"}), "choose one of BO.MarketingCoupon.Changed")
	assert.ErrorContains(t, marketing.Fire(t.Context(), simulator.Notification{Type: "BO.Interaction.Created", Extra: map[string]any{"x": func() {}}}), "cannot be written as JSON")
}

// What is not acknowledged is sent again on a new connection, marked as a duplicate, before anything else.
func TestChannelRedelivers(t *testing.T) {
	t.Parallel()
	for quality, want := range map[simulator.Quality]string{simulator.AtLeastOnce: "1", simulator.ExactlyOnce: "2"} {
		g := newGateway(t)
		g.set(func(g *gateway) { g.refuse = 2 })
		marketing, _ := newMarketing(t)
		consumer := g.consumer()
		consumer.Legacy, consumer.Messaging.Quality = true, quality
		require.NoError(t, marketing.Connect(consumer))
		require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{ID: "1", Type: "BO.MarketingPermission.Changed"}))
		require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{ID: "2", Type: "BO.MarketingPermission.Changed"}))
		eventually(t, func() bool { return strings.Join(states(marketing), " ") == "delivered delivered" })
		line := permission + " " + want
		assert.Equal(t, []string{line, line + " again", line + " again", line}, g.got())
		assert.Equal(t, g.payload(t, 0), g.payload(t, 2), "the same event with the same id")
		assert.Equal(t, 3, marketing.Monitor()[0].Attempts)
		assert.Equal(t, 1, marketing.Status().Tokens, "the token is still good")
	}
}

func TestChannelDoesNotRedeliverAtMostOnce(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	marketing, _ := newMarketing(t)
	consumer := g.consumer()
	consumer.Messaging.Quality, consumer.Legacy = simulator.AtMostOnce, true
	g.set(func(g *gateway) { g.refuse = 1 })
	require.NoError(t, marketing.Connect(consumer))
	for range 2 {
		require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{Type: "BO.MarketingPermission.Changed"}))
	}
	eventually(t, func() bool { return len(g.got()) >= 1 })
	assert.NotContains(t, g.got(), permission+" 0 again")
}

func TestChannelConnectsAgain(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	marketing, _ := newMarketing(t)
	require.NoError(t, marketing.Connect(g.consumer()))
	eventually(t, func() bool { return marketing.Status().Connected })
	marketing.Disconnect()
	eventually(t, func() bool { s := marketing.Status(); return s.Connected && s.Connects == 2 })
	g.hangUp()
	eventually(t, func() bool { s := marketing.Status(); return s.Connected && s.Connects == 3 })
	require.NoError(t, marketing.Connect(g.consumer()), "what an administrator enters again")
	eventually(t, func() bool { return marketing.Status().Connected })
	require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{Type: "BO.Interaction.Created"}))
	assert.Equal(t, []string{simulator.Delivered}, states(marketing))
}

func TestChannelFetchesANewToken(t *testing.T) {
	t.Parallel()
	t.Run("when the server no longer knows the old one", func(t *testing.T) {
		t.Parallel()
		g := newGateway(t)
		marketing, _ := newMarketing(t)
		require.NoError(t, marketing.Connect(g.consumer()))
		eventually(t, func() bool { return marketing.Status().Connected })
		g.set(func(g *gateway) { g.tokens = nil }) // as after a restart
		assert.True(t, marketing.Status().Connected, "the connection outlives its token")
		marketing.Disconnect()
		eventually(t, func() bool { return marketing.Status().Connects == 2 })
		assert.Equal(t, 2, marketing.Status().Tokens)
	})
	t.Run("when the old one is over", func(t *testing.T) {
		t.Parallel()
		g := newGateway(t)
		g.set(func(g *gateway) { g.lifetime = 1 })
		marketing, _ := newMarketing(t)
		require.NoError(t, marketing.Connect(g.consumer()))
		eventually(t, func() bool { return marketing.Status().Connects > 0 })
		eventually(t, func() bool {
			marketing.Disconnect()
			return marketing.Status().Tokens > 1
		})
	})
}

// After too many failures nothing happens any more, until somebody opens the arrangement and saves it.
func TestChannelGoesInactive(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.set(func(g *gateway) { g.down = true })
	marketing, _ := newMarketing(t)
	consumer := g.consumer()
	consumer.Messaging.MaxFailures = 3
	require.NoError(t, marketing.Connect(consumer))
	require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{ID: "1", Type: "BO.Interaction.Created"}))
	eventually(t, func() bool { return marketing.Status().Inactive })
	assert.Equal(t, simulator.ChannelStatus{Inactive: true, Failures: 3, Error: "token endpoint: it answers 503 Service Unavailable"}, marketing.Status())
	require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{ID: "2", Type: "BO.Interaction.Created"}))
	assert.Equal(t, []string{simulator.Waiting, simulator.Waiting}, states(marketing), "events are kept")

	g.set(func(g *gateway) { g.down = false })
	assert.True(t, marketing.Status().Inactive, "it does not come back by itself")
	marketing.Activate()
	eventually(t, func() bool { return strings.Join(states(marketing), " ") == "delivered delivered" })
	assert.Equal(t, 0, marketing.Status().Failures)
}

func TestChannelSaysWhyItCannotConnect(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(g *gateway, c *simulator.Consumer)
		want   string
	}{
		{"a wrong secret", func(_ *gateway, c *simulator.Consumer) { c.Password = "wrong-secret" }, "token endpoint: it answers 401"},
		{"no token", func(g *gateway, _ *simulator.Consumer) { g.tokenAnswer = `{"access_token":"x","token_type":"mac"}` }, "no access_token"},
		{"a token that the server does not know", func(g *gateway, _ *simulator.Consumer) {
			g.tokenAnswer = `{"access_token":"x","token_type":"bearer"}`
		}, "WebSocket: the server answers 401"},
		{"another subprotocol", func(g *gateway, _ *simulator.Consumer) { g.protocol = "mqttv3.1" }, "does not agree to the subprotocol mqtt"},
		{"nobody there", func(_ *gateway, c *simulator.Consumer) { c.Messaging.TokenEndpoint = "http://127.0.0.1:1/" }, "token endpoint: Post"},
		{"nobody there, but tokens", func(_ *gateway, c *simulator.Consumer) { c.Endpoint = "ws://127.0.0.1:1/" }, "WebSocket: failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t)
			consumer := g.consumer()
			consumer.Messaging.MaxFailures = 1
			test.change(g, &consumer)
			marketing, _ := newMarketing(t)
			require.NoError(t, marketing.Connect(consumer))
			eventually(t, func() bool { return marketing.Status().Inactive })
			assert.Contains(t, marketing.Status().Error, test.want)
			assert.NotContains(t, marketing.Status().Error, consumer.Password)
		})
	}
	g := newGateway(t)
	g.set(func(g *gateway) { g.protocol = "mqttv3.1" })
	consumer := g.consumer()
	consumer.Messaging.Subprotocol = "mqttv3.1"
	marketing, _ := newMarketing(t)
	require.NoError(t, marketing.Connect(consumer), "the name that older clients use")
	eventually(t, func() bool { return marketing.Status().Connected })
}

func TestChannelMayGiveAnEventUp(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.set(func(g *gateway) { g.refuse = 3 })
	marketing, _ := newMarketing(t)
	consumer := g.consumer()
	consumer.MaxAttempts = 2
	require.NoError(t, marketing.Connect(consumer))
	require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{ID: "1", Type: "BO.Interaction.Created"}))
	eventually(t, func() bool { return states(marketing)[0] == simulator.Failed })
	assert.ErrorContains(t, marketing.Resend(t.Context(), "1"), "the event was not taken: not acknowledged")
	require.NoError(t, marketing.Resend(t.Context(), "1"))
	assert.Equal(t, []string{simulator.Delivered}, states(marketing))
	assert.ErrorContains(t, marketing.Resend(t.Context(), "1"), `no failed event has the id "1"`)
}

func TestChannelDuplicatesAndDisorder(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	marketing, _ := newMarketing(t)
	consumer := g.consumer()
	consumer.Duplicates, consumer.OutOfOrder = 1, true
	require.NoError(t, marketing.Connect(consumer))
	for _, id := range []string{"1", "2", "3"} {
		require.NoError(t, marketing.Fire(t.Context(), simulator.Notification{ID: id, Type: "BO.Interaction.Created"}))
	}
	eventually(t, func() bool { return len(g.got()) == 4 })
	ids := []string{}
	for i := range 4 {
		ids = append(ids, g.payload(t, i)["id"].(string))
	}
	assert.Equal(t, []string{"2", "2", "1", "1"}, ids, "the last one waits for a next")
	assert.NotContains(t, strings.Join(g.got(), "\n"), "again", "these are new messages to MQTT")
}

func TestChannelsThatCannotBe(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	marketing, _ := newMarketing(t)
	assert.ErrorContains(t, marketing.Fire(t.Context(), simulator.Notification{Type: "BO.Interaction.Created"}), "no consumer is connected")
	for want, change := range map[string]func(c *simulator.Consumer){
		"Messaging is needed":            func(c *simulator.Consumer) { c.Messaging = nil },
		"no ws or wss URL":               func(c *simulator.Consumer) { c.Endpoint = g.URL },
		"token endpoint is no http":      func(c *simulator.Consumer) { c.Messaging.TokenEndpoint = "x" },
		"client id and client secret":    func(c *simulator.Consumer) { c.Password = "" },
		"there is no quality of service": func(c *simulator.Consumer) { c.Messaging.Quality = 3 },
	} {
		consumer := g.consumer()
		change(&consumer)
		assert.ErrorContains(t, marketing.Connect(consumer), want)
	}
	require.NoError(t, marketing.Connect(g.consumer()))
	g.set(func(g *gateway) { g.down = true })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, marketing.Fire(ctx, simulator.Notification{Type: "BO.Interaction.Created"}), context.Canceled)
	marketing.Close()
	marketing.Close()
	assert.Error(t, marketing.Fire(t.Context(), simulator.Notification{Type: "BO.Interaction.Created"}), "it is closed")
}
