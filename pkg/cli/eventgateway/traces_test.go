package eventgateway_test

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// receiver takes traces by OTLP over HTTP.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	raw    strings.Builder
	keys   []string // the header api-key of each call
	spans  []*traces.Span
	origin []string // service names
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		assert.Equal(t, "/v1/traces", request.URL.Path)
		assert.Equal(t, "application/x-protobuf", request.Header.Get("Content-Type"))
		body := io.Reader(request.Body)
		if request.Header.Get("Content-Encoding") == "gzip" {
			var err error
			body, err = gzip.NewReader(body)
			assert.NoError(t, err)
		}
		data, err := io.ReadAll(body)
		assert.NoError(t, err)
		var export collector.ExportTraceServiceRequest
		assert.NoError(t, proto.Unmarshal(data, &export))
		r.mu.Lock()
		defer r.mu.Unlock()
		r.raw.Write(data)
		r.keys = append(r.keys, request.Header.Get("Api-Key"))
		for _, resource := range export.GetResourceSpans() {
			for _, a := range resource.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					r.origin = append(r.origin, a.GetValue().GetStringValue())
				}
			}
			for _, scope := range resource.GetScopeSpans() {
				r.spans = append(r.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// of are the spans of a trace by name.
func (r *receiver) of(trace string) map[string]*traces.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]*traces.Span{}
	for _, s := range r.spans {
		if hex.EncodeToString(s.GetTraceId()) == trace {
			found[s.GetName()] = s
		}
	}
	return found
}

func (r *receiver) await(t *testing.T, trace string, names ...string) map[string]*traces.Span {
	t.Helper()
	require.Eventually(t, func() bool {
		found := r.of(trace)
		for _, name := range names {
			if found[name] == nil {
				return false
			}
		}
		return true
	}, patience, 10*time.Millisecond, "want %v", names)
	return r.of(trace)
}

func (r *receiver) environment(more ...string) []string {
	return append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_BSP_SCHEDULE_DELAY=20", "OTEL_EXPORTER_OTLP_HEADERS=api-key=key-of-the-collector"}, more...)
}

func id(b []byte) string { return hex.EncodeToString(b) }

func attributes(s *traces.Span) map[string]string {
	found := map[string]string{}
	for _, a := range s.GetAttributes() {
		found[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return found
}

const (
	sendersTrace = "0af7651916cd43dd8448eb211c80319c"
	sendersSpan  = "b7ad6b7169203331"
	secondTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
)

// traced delivers an event with a trace context.
func (r *running) traced(t *testing.T, trace, eventID, password string) answer {
	t.Helper()
	body := `{"event-type":"Account.Root.Created","event-id":"` + eventID + `","data":{"entity-id":"payload-of-` + eventID + `"}}`
	request, err := http.NewRequest(http.MethodPost, r.public+"/c4c?hidden=query-value", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Traceparent", "00-"+trace+"-"+sendersSpan+"-01")
	request.Header.Set("Tracestate", "vendor=place")
	request.SetBasicAuth(c4cUser, password)
	return do(t, request)
}

// TestTracesLeadFromTheSenderToTheTarget: with every buffer that needs nobody else.
func TestTracesLeadFromTheSenderToTheTarget(t *testing.T) {
	t.Parallel()
	for name, buffer := range map[string][]string{"none": nil, "disk": {"--buffer", "disk", "--buffer-dir", t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to, from := newTarget(t), newReceiver(t)
			g, process := spawnWith(t, from.environment(), append([]string{"--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", to.URL}, buffer...)...)
			require.Equal(t, 202, g.traced(t, sendersTrace, "e1", c4cPassword).status)
			to.arrived(t, 1)
			spans := from.await(t, sendersTrace, "receive webhook", "verify", "map", "append", "publish cloudevents")
			receive, publish := spans["receive webhook"], spans["publish cloudevents"]
			assert.Equal(t, sendersSpan, id(receive.GetParentSpanId()))
			assert.Equal(t, traces.Span_SPAN_KIND_SERVER, receive.GetKind())
			assert.Equal(t, traces.Span_SPAN_KIND_PRODUCER, publish.GetKind())
			for _, stage := range []string{"verify", "map", "append"} {
				assert.Equal(t, id(receive.GetSpanId()), id(spans[stage].GetParentSpanId()), stage)
			}
			assert.Equal(t, "accepted", attributes(receive)["kyma_connectors.outcome"])
			assert.Equal(t, "Account.Root.Created.v1", attributes(publish)["cloudevents.event_type"])
			e := to.taken()[0]
			assert.Equal(t, "00-"+sendersTrace+"-"+id(receive.GetSpanId())+"-01", e.Extensions["traceparent"], "where the event began")
			assert.Equal(t, "vendor=place", e.Extensions["tracestate"])
			assert.Equal(t, "00-"+sendersTrace+"-"+id(publish.GetSpanId())+"-01", to.traces[0], "what calls the target")

			assert.Equal(t, 401, g.traced(t, secondTrace, "e2", "wrong-password").status)
			refused := from.await(t, secondTrace, "receive webhook", "verify")
			assert.Equal(t, traces.Status_STATUS_CODE_ERROR, refused["verify"].GetStatus().GetCode())
			assert.NotContains(t, refused, "map")

			require.NoError(t, process.Signal(syscall.SIGTERM))
			from.mu.Lock()
			defer from.mu.Unlock()
			assert.Contains(t, from.keys, "key-of-the-collector")
			assert.Contains(t, from.origin, "event-gateway")
			for _, hidden := range []string{"payload-of-", c4cPassword, "wrong-password", c4cUser, "query-value", to.URL} {
				assert.NotContains(t, from.raw.String(), hidden)
			}
			assert.NotContains(t, g.logs.String(), "key-of-the-collector")
		})
	}
}

// TestAStoredEventIsPublishedInItsTrace: the trace outlives the process.
func TestAStoredEventIsPublishedInItsTrace(t *testing.T) {
	t.Parallel()
	to, from := newTarget(t), newReceiver(t)
	to.answer(http.StatusServiceUnavailable)
	args := []string{"--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", to.URL, "--buffer", "disk", "--buffer-dir", t.TempDir()}
	g, process := spawnWith(t, from.environment(), args...)
	require.Equal(t, 202, g.traced(t, sendersTrace, "e1", c4cPassword).status)
	receive := from.await(t, sendersTrace, "receive webhook", "publish cloudevents")["receive webhook"]
	require.NoError(t, process.Kill())
	_, err := process.Wait()
	require.NoError(t, err)
	to.answer(http.StatusNoContent)
	after := newReceiver(t)
	spawnWith(t, after.environment(), args...)
	to.arrived(t, 1)
	publish := after.await(t, sendersTrace, "publish cloudevents")["publish cloudevents"]
	assert.Equal(t, id(receive.GetSpanId()), id(publish.GetParentSpanId()))
}

// TestTracesOfRelayedEvents: what Kyma sends goes on in its trace, whether the request or the event carries it.
func TestTracesOfRelayedEvents(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(http.Header, string){
		"request": func(h http.Header, parent string) { h.Set("Traceparent", parent) },
		"event":   func(h http.Header, parent string) { h.Set("Ce-Traceparent", parent) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, to, from := newPlatform(t, map[string]string{"relay_types": "order.created.v1"}), newTarget(t), newReceiver(t)
			g, _ := spawnWith(t, from.environment(), relayArgs(t, p, to, "disk")...)
			request, err := http.NewRequest(http.MethodPost, g.relay+"/relay", strings.NewReader(order("a")))
			require.NoError(t, err)
			event.Event{ID: "1", Source: "shop", Type: "order.created", Version: "v1"}.SetHeader(request.Header)
			set(request.Header, "00-"+sendersTrace+"-"+sendersSpan+"-01")
			require.Equal(t, 202, do(t, request).status)
			p.eventually(t, 1)
			spans := from.await(t, sendersTrace, "receive ingest", "append", "publish ingest")
			assert.Equal(t, sendersSpan, id(spans["receive ingest"].GetParentSpanId()))
			assert.Equal(t, id(spans["receive ingest"].GetSpanId()), id(spans["publish ingest"].GetParentSpanId()))
		})
	}
}

// TestWithoutTracesTheSendersContextGoesOn: nothing is recorded, and the trace is not broken.
func TestWithoutTracesTheSendersContextGoesOn(t *testing.T) {
	t.Parallel()
	to, from := newTarget(t), newReceiver(t)
	g, _ := spawnWith(t, from.environment("OTEL_SDK_DISABLED=true"), "--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", to.URL)
	require.Equal(t, 202, g.traced(t, sendersTrace, "e1", c4cPassword).status)
	to.arrived(t, 1)
	want := "00-" + sendersTrace + "-" + sendersSpan + "-01"
	assert.Equal(t, want, to.taken()[0].Extensions["traceparent"])
	assert.Equal(t, want, to.traces[0])
	assert.Empty(t, from.of(sendersTrace))
}

// TestACollectorThatIsAwayCostsTracesOnly: deliveries are taken all the same.
func TestACollectorThatIsAwayCostsTracesOnly(t *testing.T) {
	t.Parallel()
	to, from := newTarget(t), newReceiver(t)
	from.Close()
	g, process := spawnWith(t, from.environment("OTEL_EXPORTER_OTLP_TIMEOUT=100"), "--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", to.URL, "--drain-delay", "0s")
	require.Equal(t, 202, g.traced(t, sendersTrace, "e1", c4cPassword).status)
	to.arrived(t, 1)
	require.Eventually(t, func() bool { return strings.Contains(g.logs.String(), `"msg":"traces"`) }, patience, 10*time.Millisecond)
	require.NoError(t, process.Signal(syscall.SIGTERM))
	state, err := process.Wait()
	require.NoError(t, err)
	assert.Equal(t, 0, state.ExitCode())
}

func TestTracesThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for setting, want := range map[[2]string]string{
		{"OTEL_TRACES_EXPORTER", "zipkin"}:                  `OTEL_TRACES_EXPORTER "zipkin": want otlp or none`,
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}:             `OTEL_EXPORTER_OTLP_PROTOCOL "grpc": want http/protobuf`,
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"}: `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL "http/json": want http/protobuf`,
	} {
		env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", setting[0]: setting[1]}
		code, _, stderr := runWith(t, env, "serve", "--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", "http://127.0.0.1:1",
			"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
		assert.Equal(t, 2, code)
		assert.Contains(t, stderr, want)
	}
}
