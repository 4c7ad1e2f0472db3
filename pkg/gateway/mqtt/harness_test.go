package mqtt_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/mqtt"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

const patience = 20 * time.Second

// away is a buffer's answer that is worth repeating.
var away = &gateway.UnavailableError{Reason: gateway.ReasonFull, Err: errors.New("no space")}

// server is a handler behind a real HTTP server, with a verifier that knows one token and a buffer that
// does what it is told.
type server struct {
	*httptest.Server
	handler *mqtt.Handler
	metrics *telemetry.Metrics

	mu    sync.Mutex
	until time.Time
	token string
	// appended are the records that were offered to the buffer, in order; answer decides about each.
	appended []gateway.Record
	answer   func(r *gateway.Record) error
}

// Verify implements gateway.Verifier.
func (s *server) Verify(_ context.Context, d *gateway.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Header.Get("Authorization") != "Bearer "+s.token {
		return &gateway.Refusal{Reason: "mismatch", Challenge: `Bearer realm="events"`}
	}
	return nil
}

// Until implements gateway.Expiring.
func (s *server) Until(*gateway.Delivery) time.Time { return s.until }

// accept takes tokens of this text from now on.
func (s *server) accept(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// decide lets a function answer for the buffer from now on.
func (s *server) decide(answer func(*gateway.Record) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *server) append(r *gateway.Record) ([]bool, error) {
	s.mu.Lock()
	s.appended = append(s.appended, *r)
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if err := answer(r); err != nil {
			return nil, err
		}
	}
	return make([]bool, len(r.Entries)), nil
}

// bodies are those that were offered to the buffer.
func (s *server) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.appended {
		out = append(out, string(r.Delivery.Body))
	}
	return out
}

// metric is the value of a line of the metrics, such as `x_total{a="b"}`.
func (s *server) metric(name string) string {
	var out bytes.Buffer
	s.metrics.Write(&out)
	for line := range strings.Lines(out.String()) {
		if value, ok := strings.CutPrefix(line, gateway.MetricsPrefix+name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// awaits waits until a metric has a value.
func (s *server) awaits(t testing.TB, name, value string) {
	t.Helper()
	require.Eventually(t, func() bool { return s.metric(name) == value }, patience, time.Millisecond, name)
}

// asEvent maps every message to an event with its body as id, and those that say so to nothing good.
func asEvent(d mapping.Delivery) mapping.Result {
	outcome := mapping.Accepted
	switch body := string(d.Body); body {
	case "ignored", "malformed", "rejected", "unknown":
		outcome = mapping.Outcome(body)
	}
	item := mapping.Item{Outcome: outcome, Reason: string(outcome)}
	result := mapping.Result{Outcome: outcome, Reason: string(outcome)}
	if string(d.Body) == "rejected" {
		item.Deliberate = true // by the definition
	}
	if outcome == mapping.Accepted {
		item = mapping.Item{Outcome: outcome, Event: event.Event{ID: string(d.Body), Type: d.Topic}}
		result.Reason, result.Events = "", []event.Event{item.Event}
	}
	result.Items = []mapping.Item{item}
	return result
}

// keeper is a buffer that can keep dead letters.
type keeper struct {
	gatewaytest.Buffer
	gateway.DeadLetters
}

// newStore is newServer with a buffer that keeps what is no event.
func newStore(t testing.TB, change func(*mqtt.Options)) *server {
	t.Helper()
	return makeServer(t, true, change)
}

func newServer(t testing.TB, change func(*mqtt.Options)) *server {
	t.Helper()
	return makeServer(t, false, change)
}

func makeServer(t testing.TB, stores bool, change func(*mqtt.Options)) *server {
	t.Helper()
	s := &server{token: "good", metrics: telemetry.NewMetrics(gateway.MetricsPrefix)}
	var buffer gateway.Buffer = &gatewaytest.Buffer{AppendFunc: s.append}
	if stores {
		buffer = &keeper{Buffer: gatewaytest.Buffer{AppendFunc: s.append}}
	}
	metrics := gateway.NewMetrics(s.metrics)
	route := gateway.NewRoute("mqtt", gateway.Stages{Verifier: s, Mapper: gatewaytest.Mapper(asEvent)})
	route.Unheard = true
	o := mqtt.Options{
		Route: route, Metrics: metrics, CloseTimeout: time.Second,
		Pipeline: gateway.NewPipeline(gateway.PipelineOptions{Metrics: metrics, Sink: &gatewaytest.Sink{}, Buffer: buffer}),
	}
	if change != nil {
		change(&o)
	}
	var err error
	s.handler, err = mqtt.New(o)
	require.NoError(t, err)
	s.Server = httptest.NewUnstartedServer(s.handler)
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		// A client that does not read is noticed soon.
		assert.NoError(t, c.(*net.TCPConn).SetWriteBuffer(16<<10))
		return ctx
	}
	s.Start()
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.handler.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-stopped)
		s.Close()
	})
	return s
}

// wire records what a client writes.
type wire struct {
	mu     sync.Mutex
	writes [][]byte
}

// tapped is a connection whose writes are recorded.
type tapped struct {
	net.Conn
	wire *wire
}

// Write implements net.Conn.
func (c *tapped) Write(p []byte) (int, error) {
	c.wire.mu.Lock()
	c.wire.writes = append(c.wire.writes, bytes.Clone(p))
	c.wire.mu.Unlock()
	return c.Conn.Write(p)
}

// began says whether a write began with a byte.
func (w *wire) began(b byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, data := range w.writes {
		if len(data) > 0 && data[0] == b {
			return true
		}
	}
	return false
}

// client makes a real MQTT client, which comes back by itself when a connection breaks.
func (s *server) client(t testing.TB, id string, change func(*paho.ClientOptions)) (paho.Client, *wire) {
	t.Helper()
	w := &wire{}
	o := paho.NewClientOptions().AddBroker("ws" + strings.TrimPrefix(s.URL, "http") + "/any/path?x=y").SetClientID(id).
		SetHTTPHeaders(http.Header{"Authorization": {"Bearer good"}}).
		SetCleanSession(false).SetAutoReconnect(true).SetMaxReconnectInterval(20 * time.Millisecond).SetConnectTimeout(patience).
		SetProtocolVersion(4)
	o.SetCustomOpenConnectionFn(func(u *url.URL, o paho.ClientOptions) (net.Conn, error) {
		conn, err := paho.NewWebsocket(u.String(), nil, o.ConnectTimeout, o.HTTPHeaders, &paho.WebsocketOptions{})
		if err != nil {
			return nil, err
		}
		return &tapped{Conn: conn, wire: w}, nil
	})
	if change != nil {
		change(o)
	}
	c := paho.NewClient(o)
	t.Cleanup(func() { c.Disconnect(0) })
	return c, w
}

func connect(t testing.TB, c paho.Client) {
	t.Helper()
	token := c.Connect()
	require.True(t, token.WaitTimeout(patience))
	require.NoError(t, token.Error())
}

func wait(t testing.TB, token paho.Token) {
	t.Helper()
	require.True(t, token.WaitTimeout(patience), "no answer")
	require.NoError(t, token.Error())
}
