package eventgateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// golden is what must become of a recorded delivery.
type golden struct {
	Outcome string `json:"outcome"`
	Status  int    `json:"status"`
	// Unstored is another status where nothing is kept.
	Unstored int           `json:"statusUnstored"`
	Reason   string        `json:"reason"`
	Events   []goldenEvent `json:"events"`
}

type goldenEvent struct {
	ID, Source, Type, Version, Subject, Time string
	Data                                     json.RawMessage
}

// TestSamples sends every recorded delivery of every connector through a gateway, with every buffer, and
// compares the answers and what arrives with the golden files.
func TestSamples(t *testing.T) {
	t.Parallel()
	connectors, err := filepath.Glob(charts + "/*-connector")
	require.NoError(t, err)
	require.NotEmpty(t, connectors)
	for _, dir := range connectors {
		for _, buffer := range []string{"none", "disk", "jetstream"} {
			t.Run(filepath.Base(dir)+"/"+buffer, func(t *testing.T) {
				t.Parallel()
				testSamples(t, dir, buffer)
			})
		}
	}
}

func testSamples(t *testing.T, dir, buffer string) {
	t.Helper()
	cases, err := filepath.Glob(filepath.Join(dir, "samples", "*.http"))
	require.NoError(t, err)
	require.NotEmpty(t, cases)
	for i := range cases {
		cases[i] = strings.TrimSuffix(cases[i], ".http")
	}
	slices.Sort(cases) // a case may repeat one before it
	sink := newTarget(t)
	args := []string{"--connector", filepath.Join(dir, "files", "connector.yaml"), "--params", filepath.Join(dir, "samples", "params.yaml"),
		"--buffer", buffer, "--sink-kind", "cloudevents", "--sink-url", sink.URL}
	switch buffer {
	case "disk":
		args = append(args, "--buffer-dir", t.TempDir())
	case "jetstream":
		args = append(args, "--buffer-url", startNATS(t))
	}
	g := serve(t, args...)
	require.Eventually(t, func() bool { status, _ := g.get(t, "/readyz"); return status == http.StatusOK }, patience, time.Millisecond)
	for _, file := range cases {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file + ".golden.json")
			require.NoError(t, err)
			var want golden
			require.NoError(t, json.Unmarshal(data, &want))

			if buffer == "none" && want.Unstored != 0 {
				want.Status = want.Unstored
			}
			before := len(sink.taken())
			request := sample(t, file+".http", g.public)
			if request.Header.Get("Upgrade") != "" {
				outcome := want.Outcome
				if buffer != "none" && slices.Contains([]string{"malformed", "rejected", "unknown"}, outcome) {
					outcome = "deadLettered" // its sender does not hear of it, so that it is kept
				}
				g.message(t, request, want.Status, outcome)
			} else {
				got := do(t, request)
				assert.Equal(t, want.Status, got.status)
				if want.Outcome != "ignored" {
					assert.Equal(t, want.Outcome, got.Outcome)
					assert.Contains(t, got.Error, want.Reason)
				}
			}
			sink.arrived(t, before+len(want.Events))
			events := sink.taken()[before:]
			require.Len(t, events, len(want.Events))
			// Only events with the same key keep their order.
			slices.SortFunc(events, func(a, b event.Event) int { return strings.Compare(a.ID, b.ID) })
			slices.SortFunc(want.Events, func(a, b goldenEvent) int { return strings.Compare(a.ID, b.ID) })
			for i, w := range want.Events {
				e := events[i]
				if w.Source == "" {
					w.Source = e.Source
				}
				assert.Equal(t, []string{w.ID, w.Source, w.Type + "." + w.Version, w.Subject}, []string{e.ID, e.Source, e.FullType(), e.Subject})
				if w.Time != "" {
					when, err := time.Parse(time.RFC3339, w.Time)
					require.NoError(t, err)
					assert.True(t, when.Equal(e.Time), "time %s", e.Time)
				}
				assert.JSONEq(t, string(w.Data), string(e.Data))
			}
		})
	}
	assert.Zero(t, g.stop())
}

// message sends a recorded message by MQTT. Its sender only learns whether it was acknowledged; what became of
// it is in the metrics.
func (r *running) message(t *testing.T, recorded *http.Request, status int, outcome string) {
	t.Helper()
	payload, err := io.ReadAll(recorded.Body)
	require.NoError(t, err)
	p := simulator.Publication{
		Endpoint: "ws://" + mqttHost + recorded.URL.Path, Authorization: recorded.Header.Get("Authorization"), Client: r.everywhere(),
		Topic: recorded.Header.Get("Mqtt-Topic"), Payload: payload,
		Quality: map[string]simulator.Quality{"0": simulator.AtMostOnce, "1": simulator.AtLeastOnce, "2": simulator.ExactlyOnce}[recorded.Header.Get("Mqtt-Qos")],
	}
	if id, secret, ok := recorded.BasicAuth(); ok {
		p.TokenEndpoint, p.User, p.Password = "http://"+tokenHost+"/oauth/token", id, secret
	}
	counted := func() int {
		_, metrics := r.get(t, "/metrics")
		total := 0
		for line := range strings.Lines(metrics) {
			if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); strings.Contains(name, `deliveries_total{`) && strings.Contains(name, `outcome="`+outcome+`"`) {
				n, err := strconv.Atoi(value)
				require.NoError(t, err)
				total += n
			}
		}
		return total
	}
	before := counted()
	got, err := simulator.Publish(t.Context(), p)
	require.NoError(t, err)
	assert.Equal(t, status, got)
	assert.Eventually(t, func() bool { return counted() == before+1 }, patience, time.Millisecond, "the gateway counts it as %s", outcome)
}

// everywhere is a client for which every host is the gateway.
func (r *running) everywhere() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(r.public, "http://"))
		},
	}}
}

func startNATS(t *testing.T) (url string) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(patience))
	return s.ClientURL()
}

// sample reads a recorded request; everything after the blank line is its body.
func sample(t *testing.T, file, base string) *http.Request {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	head, body, found := bytes.Cut(data, []byte("\n\n"))
	if crlf, rest, ok := bytes.Cut(data, []byte("\r\n\r\n")); ok && (!found || len(crlf) < len(head)) {
		head, body = crlf, rest
	}
	recorded, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(bytes.Clone(head), "\r\n\r\n"...))))
	require.NoError(t, err)
	request, err := http.NewRequest(recorded.Method, base+recorded.RequestURI, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header = recorded.Header
	return request
}
