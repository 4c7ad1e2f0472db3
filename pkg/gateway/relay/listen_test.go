package relay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/buffer"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/relay"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/testlog"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

// way is a relay with everything around it: what a cluster calls, and what calls the system.
type way struct {
	http.Handler
	shop  *shop
	store gateway.Store // nil where nothing is stored
	logs  *testlog.Buffer
}

func newWay(t *testing.T, stores bool, replace ...string) *way {
	t.Helper()
	w := &way{shop: newShop(t), logs: &testlog.Buffer{}}
	logger := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := newRelay(t, w.shop, replace...)
	gate := gateway.NewGate(5, gateway.Backoff{Base: time.Millisecond, Max: 10 * time.Millisecond, Full: 10 * time.Millisecond})
	var kept gateway.Buffer = buffer.NewDirect(buffer.DirectOptions{Sink: r, Gate: gate, Budget: patience, Backoff: gateway.Backoff{Base: time.Millisecond, Max: time.Millisecond, Full: time.Millisecond}})
	if stores {
		disk, err := buffer.OpenDisk(buffer.DiskOptions{Dir: t.TempDir()})
		require.NoError(t, err)
		kept, w.store = disk, disk
		ctx, cancel := context.WithCancel(context.Background())
		dispatcher := gateway.NewDispatcher(disk, r, gate, gateway.DispatcherOptions{Parallel: r.Parallel(), Backoff: gateway.Backoff{Base: time.Millisecond, Max: 10 * time.Millisecond}}, gatewaytest.Metrics(), logger)
		var running sync.WaitGroup
		running.Go(func() { assert.NoError(t, dispatcher.Run(ctx)) })
		running.Go(func() { assert.NoError(t, r.Run(ctx)) })
		t.Cleanup(func() { cancel(); running.Wait(); assert.NoError(t, disk.Close()) })
	}
	pipeline := gateway.NewPipeline(gateway.PipelineOptions{Buffer: kept, Sink: r, Metrics: gatewaytest.Metrics(), Logger: logger})
	w.Handler = relay.NewHandler([]relay.Inbound{{Relay: r.Relay, Route: relay.NewRoute(r.Relay, stores), Pipeline: pipeline}}, logger)
	return w
}

// answer is what Kyma hears.
type answer struct {
	status     int
	Outcome    string
	Events     []string
	Error      string
	retryAfter string
}

func (w *way) do(t testing.TB, request *http.Request) answer {
	t.Helper()
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, request)
	a := answer{status: recorder.Code, retryAfter: recorder.Header().Get("Retry-After")}
	if recorder.Body.Len() > 0 {
		require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &a))
	}
	return a
}

func binary(e event.Event) *http.Request {
	request := httptest.NewRequest(http.MethodPost, "/relay", bytes.NewReader(e.Data))
	e.SetHeader(request.Header)
	return request
}

func structured(e event.Event) *http.Request {
	request := httptest.NewRequest(http.MethodPost, "/relay", bytes.NewReader(e.AppendStructured(nil)))
	request.Header.Set("Content-Type", event.StructuredContentType+"; charset=utf-8")
	return request
}

// eventually waits until the system has that many different orders. It may have got some of them twice: a call
// whose answer does not come in time is repeated.
func (w *way) eventually(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(w.shop.different()) >= n }, patience, time.Millisecond)
}

func TestEventsComeInBothModes(t *testing.T) {
	t.Parallel()
	for _, stores := range []bool{false, true} {
		t.Run(fmt.Sprintf("stores %v", stores), func(t *testing.T) {
			t.Parallel()
			w := newWay(t, stores)
			exact := order("3", `{"n":3}`)
			exact.Type = "sap.kyma.custom.shop.order.paid"
			assert.Equal(t, answer{status: 202, Outcome: "accepted", Events: []string{"1"}}, w.do(t, binary(order("1", `{"n":1}`))))
			assert.Equal(t, answer{status: 202, Outcome: "accepted", Events: []string{"2"}}, w.do(t, structured(order("2", `{"n":2}`))))
			assert.Equal(t, answer{status: 202, Outcome: "accepted", Events: []string{"3"}}, w.do(t, binary(exact)))
			w.eventually(t, 3)
			assert.Equal(t, answer{status: 202, Outcome: "duplicate", Events: []string{"1"}}, w.do(t, structured(order("1", `{"n":1}`))), "Kyma delivers at least once")
			other := order("4", `{"n":4}`)
			other.Type = "order.cancelled"
			assert.Equal(t, answer{status: 204}, w.do(t, binary(other)), "nobody asked for it")
			assert.ElementsMatch(t, []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}, w.shop.taken())
		})
	}
}

func TestWhatIsNoEventIsRefused(t *testing.T) {
	t.Parallel()
	w := newWay(t, true)
	post := func(path, contentType, body string) *http.Request {
		request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		request.Header.Set("Content-Type", contentType)
		return request
	}
	packed := binary(order("1", "x"))
	packed.Header.Set("Content-Encoding", "gzip")
	fits := order("1", `"`+strings.Repeat("x", relay.MaxBody-2)+`"`)
	large := order("1", `"`+strings.Repeat("x", relay.MaxBody-1)+`"`)
	for name, test := range map[string]struct {
		request *http.Request
		status  int
		error   string
	}{
		"another path":    {post("/other", "application/json", "{}"), 404, "no relay has this path"},
		"a path below":    {post("/relay/x", "application/json", "{}"), 404, "no relay has this path"},
		"a GET":           {httptest.NewRequest(http.MethodGet, "/relay", http.NoBody), 405, "use POST"},
		"no CloudEvent":   {post("/relay", "application/json", "{}"), 400, "no CloudEvent: want CloudEvents 1.0"},
		"a broken one":    {post("/relay", event.StructuredContentType, "{"), 400, "no CloudEvent: the event is not a JSON object"},
		"several":         {post("/relay", "application/cloudevents-batch+json", "[]"), 415, "want one CloudEvent"},
		"packed":          {packed, 415, "content encoding: want none"},
		"as large as may": {binary(fits), 202, "takes 262147 bytes, a call at most 1024"},
		"too large":       {binary(large), 413, "larger than 262144 bytes"},
		"cut off":         {httptest.NewRequest(http.MethodPost, "/relay", io.MultiReader(strings.NewReader("{"), broken{})), 400, "cannot be read"},
	} {
		got := w.do(t, test.request)
		assert.Equal(t, test.status, got.status, name)
		assert.Contains(t, got.Error, test.error, name)
	}
	assert.Empty(t, w.shop.called())
	letters, err := w.store.List(t.Context(), "", 10)
	require.NoError(t, err)
	assert.Len(t, letters, 1, "only what is an event can be kept as one")
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestWhatTheSystemDoesNotWantIsKept: a dead letter, to be mended and sent again.
func TestWhatTheSystemDoesNotWantIsKept(t *testing.T) {
	t.Parallel()
	w := newWay(t, true)
	assert.Equal(t, "deadLettered", w.do(t, binary(order("empty", ""))).Outcome, "known at once")
	assert.Equal(t, "accepted", w.do(t, binary(order("bad", `{"bad":true}`))).Outcome, "known later")
	assert.Equal(t, "accepted", w.do(t, binary(order("good", `{"n":1}`))).Outcome)
	w.eventually(t, 1)
	var letters []gateway.DeadLetter
	require.Eventually(t, func() bool {
		var err error
		letters, err = w.store.List(t.Context(), "", 10)
		return assert.NoError(t, err) && len(letters) == 2
	}, patience, time.Millisecond)
	assert.Equal(t, gateway.ReasonMapping, letters[0].Entry.Failure.Reason)
	assert.Equal(t, gateway.ReasonInvalid, letters[1].Entry.Failure.Reason)
	assert.Contains(t, letters[1].Entry.Failure.Detail, "answers 400 (2)")
	assert.JSONEq(t, `{"bad":true}`, string(letters[1].Entry.Event.Data), "the event, not what was made of it")
	assert.Equal(t, []string{`{"n":1}`}, w.shop.taken())
}

// TestWhatTheSystemDoesNotWantIsGivenUp where nothing is stored: Kyma would repeat it a hundred times.
func TestWhatTheSystemDoesNotWantIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWay(t, false)
	for id, data := range map[string]string{"empty": "", "bad": `{"bad":true}`, "large": `{"x":"` + strings.Repeat("x", 1024) + `"}`} {
		got := w.do(t, binary(order(id, data)))
		assert.Equal(t, 200, got.status, id)
		assert.Contains(t, []string{"rejected", "tooLarge"}, got.Outcome)
		assert.NotEmpty(t, got.Error)
		assert.Contains(t, w.logs.String(), `"msg":"an event was given up: a buffer that stores would have kept it","relay":"orders","event":"`+id+`"`)
	}
	assert.Empty(t, w.shop.taken())
}

func TestASystemThatIsAway(t *testing.T) {
	t.Parallel()
	t.Run("nothing is stored: Kyma keeps the event", func(t *testing.T) {
		t.Parallel()
		w := newWay(t, false)
		w.shop.answers = []int{503, 500, 429}
		got := w.do(t, binary(order("1", `{"n":1}`)))
		assert.Equal(t, 503, got.status)
		assert.NotEmpty(t, got.retryAfter)
		assert.Empty(t, w.shop.taken())
		require.Eventually(t, func() bool { return w.do(t, binary(order("1", `{"n":1}`))).status == 202 }, patience, 10*time.Millisecond)
		assert.Equal(t, []string{`{"n":1}`}, w.shop.taken())
	})
	t.Run("stored: it is sent when the system is back", func(t *testing.T) {
		t.Parallel()
		w := newWay(t, true)
		w.shop.answers = []int{503, 401, 404, 500, 429, 502, 503}
		for i := range 20 {
			assert.Equal(t, 202, w.do(t, binary(order(fmt.Sprint(i), fmt.Sprintf(`{"n":%d}`, i)))).status)
		}
		w.eventually(t, 20)
		assert.Len(t, w.shop.taken(), 20, "each of them once")
		assert.Zero(t, w.store.Status().DeadLetters)
	})
}

func TestThousandsGoInBatches(t *testing.T) {
	t.Parallel()
	w := newWay(t, true, "count: 4, bytes: 1KiB", "count: 50, bytes: 1MiB")
	const n = 2000
	var senders sync.WaitGroup
	for s := range 10 {
		senders.Go(func() {
			for i := s; i < n; i += 10 {
				assert.Equal(t, 202, w.do(t, binary(order(fmt.Sprint(i), fmt.Sprintf(`{"n":%d}`, i)))).status)
			}
		})
	}
	senders.Wait()
	w.eventually(t, n)
	assert.Len(t, w.shop.different(), n)
	assert.Less(t, len(w.shop.called()), n/4)
}

// TestALostAnswerCostsARepetitionAndNoEvent: the system takes every fifth call and its answer gets lost.
func TestALostAnswerCostsARepetitionAndNoEvent(t *testing.T) {
	t.Parallel()
	w := newWay(t, true)
	w.shop.set(func(s *shop) { s.lose = 5 })
	const n = 200
	for i := range n {
		require.Equal(t, 202, w.do(t, binary(order(fmt.Sprint(i), fmt.Sprintf(`{"n":%d}`, i)))).status)
	}
	w.eventually(t, n)
	require.Eventually(t, func() bool { return w.store.Status().Waiting == 0 }, patience, time.Millisecond)
	assert.Len(t, w.shop.different(), n)
	assert.Greater(t, len(w.shop.taken()), n, "what may not have arrived comes again")
	assert.Zero(t, w.store.Status().DeadLetters)
}

func TestTooMuchAtOnceIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	w := newWay(t, false, "count: 4, bytes: 1KiB, age: 10ms", "count: 256, bytes: 1MiB, age: 10s")
	var waiting sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	handler := w.Handler.(*relay.Handler)
	for i := range relay.MaxTogether - 1 {
		waiting.Go(func() {
			handler.ServeHTTP(httptest.NewRecorder(), binary(order(fmt.Sprint(i), `{"n":1}`)).WithContext(ctx))
		})
	}
	require.Eventually(t, func() bool { return handler.InFlight() == relay.MaxTogether-1 }, patience, time.Millisecond)
	body, more := io.Pipe()
	slow := httptest.NewRequest(http.MethodPost, "/relay", body)
	order("slow", "x").SetHeader(slow.Header)
	waiting.Go(func() { handler.ServeHTTP(httptest.NewRecorder(), slow) })
	require.Eventually(t, func() bool { return handler.InFlight() == relay.MaxTogether }, patience, time.Millisecond)
	got := w.do(t, binary(order("one too many", `{}`)))
	assert.Equal(t, 503, got.status)
	assert.Equal(t, "1", got.retryAfter)
	_, err := io.WriteString(more, `{"n":1}`)
	require.NoError(t, err)
	require.NoError(t, more.Close())
	waiting.Wait()
	cancel()
	assert.Equal(t, relay.MaxTogether, len(w.shop.taken()))
}

func TestLogsHoldNoPayloadAndNoSecret(t *testing.T) {
	t.Parallel()
	const payload = "payload-that-belongs-to-nobody-else"
	for _, stores := range []bool{false, true} {
		w := newWay(t, stores)
		for i, data := range []string{`{"n":"` + payload + `"}`, `{"bad":true,"n":"` + payload + `"}`, payload} {
			w.do(t, binary(order(fmt.Sprint(i), data)))
		}
		w.eventually(t, 1)
		w.shop.Close()
		w.do(t, binary(order("4", `{"n":"`+payload+`"}`)))
		secrettest.AssertNoLeak(t, w.logs.String(), secret.New(password), secret.New(payload))
	}
}

// FuzzHandler: nothing that arrives makes the handler panic, and what it takes the system gets as JSON.
func FuzzHandler(f *testing.F) {
	f.Add("application/cloudevents+json", "", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"order.created.v1","data":{"a":1}}`))
	f.Add("application/json", "1", "order.created.v1", []byte(`{"a":1}`))
	f.Add("text/plain", "%41", "sap.kyma.custom.shop.order.created.v1", []byte("x"))
	f.Add("application/cloudevents-batch+json", "", "", []byte("[]"))
	f.Fuzz(func(t *testing.T, contentType, id, eventType string, body []byte) {
		sink := &gatewaytest.Sink{}
		handler := fuzzHandler(t, sink)
		request := httptest.NewRequest(http.MethodPost, "/relay", bytes.NewReader(body))
		request.Header = http.Header{"Content-Type": {contentType}, "Ce-Specversion": {"1.0"}, "Ce-Source": {"s"}, "Ce-Id": {id}, "Ce-Type": {eventType}}
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		taken := sink.Taken()
		if (recorder.Code == http.StatusAccepted) != (len(taken) == 1) {
			t.Fatalf("answered %d, taken %d", recorder.Code, len(taken))
		}
		for _, e := range taken {
			if e.Validate() != nil || e.FullType() != "order.created.v1" && e.FullType() != "order.paid.v1" {
				t.Fatalf("took %+v", e)
			}
		}
	})
}

func fuzzHandler(t *testing.T, sink gateway.Sink) http.Handler {
	t.Helper()
	d, params := load(t, &shop{Server: &httptest.Server{URL: "https://shop.example.com"}})
	r, err := relay.New(&d.Relay[0], params.Input(), nil, relay.Options{Metrics: gatewaytest.Metrics()})
	require.NoError(t, err)
	gate := gateway.NewGate(5, gateway.DefaultBackoff())
	pipeline := gateway.NewPipeline(gateway.PipelineOptions{Buffer: buffer.NewDirect(buffer.DirectOptions{Sink: sink, Gate: gate}), Sink: sink, Metrics: gatewaytest.Metrics()})
	return relay.NewHandler([]relay.Inbound{{Relay: r, Route: relay.NewRoute(r, false), Pipeline: pipeline}}, nil)
}
