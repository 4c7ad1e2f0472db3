package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/webhook"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// recorder remembers what reached the verifier, which is the first stage behind the transport.
type recorder struct {
	mu   sync.Mutex
	seen []*gateway.Delivery
	// refuse is what the verifier says.
	refuse error
}

func (r *recorder) route(name string) *gateway.Route {
	return gateway.NewRoute(name, gateway.Stages{
		Verifier: gatewaytest.Verifier(func(d *gateway.Delivery) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.seen = append(r.seen, d)
			return r.refuse
		}),
		Mapper: gatewaytest.Mapper(func(mapping.Delivery) mapping.Result {
			e := event.Event{ID: "the-id", Source: "s", Type: "t"}
			return mapping.Result{Outcome: mapping.Accepted, Events: []event.Event{e}, Items: []mapping.Item{{Outcome: mapping.Accepted, Event: e}}}
		}),
	})
}

func (r *recorder) last(t *testing.T) *gateway.Delivery {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	require.NotEmpty(t, r.seen)
	return r.seen[len(r.seen)-1]
}

func newHandler(t *testing.T, o webhook.Options) *webhook.Handler {
	t.Helper()
	o.Pipeline = gateway.NewPipeline(gateway.PipelineOptions{
		Metrics: gatewaytest.Metrics(), Sink: &gatewaytest.Sink{},
		Buffer: &gatewaytest.Buffer{AppendFunc: func(r *gateway.Record) ([]bool, error) { return make([]bool, len(r.Entries)), nil }},
	})
	h, err := webhook.New(o)
	require.NoError(t, err)
	return h
}

func send(h http.Handler, method, target string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, target, body)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, request)
	return answer
}

func TestRouting(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	h := newHandler(t, webhook.Options{Routes: []webhook.Route{
		{Route: r.route("plain"), Path: "/hook", AnswerGet: 200},
		{Route: r.route("below"), Path: "/hook/below/", Subpaths: true},
		{Route: r.route("token"), Path: "/secret", TokenInPath: true},
	}})
	tests := []struct {
		method, target string
		status         int
		route          string // empty: none was reached
		path           []string
		token          string
	}{
		{"POST", "/hook", 202, "plain", nil, ""},
		{"POST", "/hook/", 202, "plain", nil, ""},
		{"POST", "/hook?x=1", 202, "plain", nil, ""},
		{"POST", "/hook/other", 404, "", nil, ""},
		{"POST", "/hooked", 404, "", nil, ""},
		{"POST", "/hook/below", 202, "below", nil, ""},
		{"POST", "/hook/below/a%2Fb/c", 202, "below", []string{"a/b", "c"}, ""},
		{"POST", "/secret/unguessable", 202, "token", []string{}, "unguessable"},
		{"POST", "/secret/unguessable/more", 404, "", nil, ""},
		{"POST", "/", 404, "", nil, ""},
		{"POST", "/relay", 404, "", nil, ""},
		{"POST", "/healthz", 404, "", nil, ""},
		{"GET", "/hook", 200, "", nil, ""},
		{"HEAD", "/hook", 200, "", nil, ""},
		{"GET", "/hook/below", 405, "", nil, ""},
		{"PUT", "/hook", 405, "", nil, ""},
		{"DELETE", "/hook", 405, "", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			r.seen = nil
			answer := send(h, tt.method, tt.target, strings.NewReader(`{}`), "Content-Type", "application/json")
			assert.Equal(t, tt.status, answer.Code)
			if tt.status == http.StatusMethodNotAllowed {
				assert.Equal(t, "POST", answer.Header().Get("Allow"))
			}
			if tt.route == "" {
				assert.Empty(t, r.seen)
				return
			}
			d := r.last(t)
			assert.Equal(t, tt.route, d.Route)
			assert.Equal(t, tt.path, d.Path)
			assert.Equal(t, tt.token, d.Token)
		})
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		accepts []string
		header  []string
		ok      bool
	}{
		{nil, []string{"Content-Type", "application/json"}, true},
		{nil, []string{"Content-Type", "application/json; charset=utf-8"}, true},
		{nil, []string{"Content-Type", "application/vnd.x+json"}, true},
		{nil, nil, true},
		{nil, []string{"Content-Type", "text/xml"}, false},
		{nil, []string{"Content-Type", ";"}, false},
		{nil, []string{"Content-Type", "application/x-www-form-urlencoded"}, false},
		{nil, []string{"Content-Type", "application/cloudevents+json"}, false},
		{[]string{"json", "cloudevents"}, []string{"Content-Type", "application/cloudevents+json"}, true},
		{[]string{"json", "cloudevents"}, []string{"Content-Type", "application/cloudevents-batch+json; charset=utf-8"}, true},
		{[]string{"json"}, []string{"Content-Type", "application/cloudevents-batch+json"}, false},
		{[]string{"cloudevents"}, []string{"Content-Type", "application/cloudevents+xml"}, false},
		{[]string{"cloudevents"}, []string{"Content-Type", "application/cloudevents-batch+avro", "Ce-Specversion", "1.0"}, false},
		{[]string{"cloudevents"}, []string{"Content-Type", "application/json"}, false},
		{[]string{"cloudevents"}, []string{"Content-Type", "application/json", "Ce-Specversion", "1.0"}, true},
		{[]string{"form"}, []string{"Content-Type", "application/x-www-form-urlencoded"}, true},
		{[]string{"form"}, nil, false},
		{[]string{"any"}, []string{"Content-Type", "text/xml"}, true},
		{nil, []string{"Content-Encoding", "br"}, false},
		{nil, []string{"Content-Encoding", "identity"}, true},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.accepts, "+")+" "+strings.Join(tt.header, " "), func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			h := newHandler(t, webhook.Options{Routes: []webhook.Route{{Route: r.route("w"), Path: "/w", Accepts: tt.accepts}}})
			want := http.StatusUnsupportedMediaType
			if tt.ok {
				want = http.StatusAccepted
			}
			assert.Equal(t, want, send(h, "POST", "/w", strings.NewReader("{}"), tt.header...).Code)
		})
	}
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// endless is a body without end, as a chunked request can have.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) { e.read += len(p); return len(p), nil }

func TestBodies(t *testing.T) {
	t.Parallel()
	const limit = 1000
	at, above := bytes.Repeat([]byte("x"), limit), bytes.Repeat([]byte("x"), limit+1)
	tests := []struct {
		name   string
		body   io.Reader
		header []string
		status int
		got    []byte
	}{
		{"at the limit", bytes.NewReader(at), nil, 202, at},
		{"above", bytes.NewReader(above), nil, 413, nil},
		{"chunked at the limit", io.MultiReader(bytes.NewReader(at)), nil, 202, at},
		{"chunked above", io.MultiReader(bytes.NewReader(above)), nil, 413, nil},
		{"endless", &endless{}, nil, 413, nil},
		{"empty", http.NoBody, nil, 202, []byte{}},
		{"compressed", bytes.NewReader(zipped(t, at)), []string{"Content-Encoding", "gzip"}, 202, at},
		{"a bomb", bytes.NewReader(zipped(t, make([]byte, 300*limit))), []string{"Content-Encoding", "gzip"}, 413, nil},
		{"not compressed at all", bytes.NewReader(at), []string{"Content-Encoding", "gzip"}, 400, nil},
		{"compressed, cut off", bytes.NewReader(zipped(t, at)[:20]), []string{"Content-Encoding", "gzip"}, 400, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			h := newHandler(t, webhook.Options{Routes: []webhook.Route{{Route: r.route("w"), Path: "/w", MaxBody: limit}}})
			answer := send(h, "POST", "/w", tt.body, tt.header...)
			assert.Equal(t, tt.status, answer.Code, answer.Body)
			if tt.status == http.StatusAccepted {
				assert.Equal(t, tt.got, append([]byte{}, r.last(t).Body...))
			} else {
				assert.Empty(t, r.seen)
			}
			if e, ok := tt.body.(*endless); ok {
				assert.Less(t, e.read, 10*limit+64<<10, "reading stops at the limit")
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		t.Parallel()
		h := newHandler(t, webhook.Options{Routes: []webhook.Route{{Route: (&recorder{}).route("w"), Path: "/w"}}})
		request := httptest.NewRequest("POST", "/w", strings.NewReader("{"))
		request.ContentLength = 2
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, request)
		assert.Equal(t, http.StatusBadRequest, answer.Code)
	})
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	h := newHandler(t, webhook.Options{Routes: []webhook.Route{{Route: r.route("w"), Path: "/w"}}})
	answer := send(h, "POST", "/w", strings.NewReader("{}"))
	assert.Equal(t, "application/json", answer.Header().Get("Content-Type"))
	assert.JSONEq(t, `{"outcome":"accepted","events":["the-id"]}`, answer.Body.String())

	r.refuse = &gateway.Refusal{Reason: "mismatch", Challenge: "Basic realm=x"}
	answer = send(h, "POST", "/w", strings.NewReader("{}"))
	assert.Equal(t, "Basic realm=x", answer.Header().Get("WWW-Authenticate"))
	assert.JSONEq(t, `{"outcome":"refused","error":"credentials or signature: mismatch"}`, answer.Body.String())

	for range 30 {
		answer = send(h, "POST", "/w", strings.NewReader("{}"))
	}
	assert.Equal(t, http.StatusTooManyRequests, answer.Code)
	assert.Regexp(t, `^[1-9][0-9]*$`, answer.Header().Get("Retry-After"))
}

func TestTooMuchAtOnceIsAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]webhook.Options{"requests": {MaxInFlight: 1}, "bytes": {MaxBuffered: 100}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, release := make(chan struct{}), make(chan struct{})
			var once sync.Once
			o.Routes = []webhook.Route{{Path: "/w", MaxBody: 100, Route: gateway.NewRoute("w", gateway.Stages{
				Verifier: gatewaytest.Verifier(func(*gateway.Delivery) error { once.Do(func() { close(begun) }); <-release; return nil }),
				Mapper:   gatewaytest.Mapper(func(mapping.Delivery) mapping.Result { return mapping.Result{Outcome: mapping.Ignored} }),
			})}}
			h := newHandler(t, o)
			body := strings.Repeat("x", 60)
			first := make(chan int)
			go func() { first <- send(h, "POST", "/w", strings.NewReader(body)).Code }()
			<-begun
			second := send(h, "POST", "/w", strings.NewReader(body))
			assert.Equal(t, http.StatusServiceUnavailable, second.Code)
			assert.Equal(t, "1", second.Header().Get("Retry-After"))
			close(release)
			assert.Equal(t, http.StatusNoContent, <-first)
			assert.Equal(t, http.StatusNoContent, send(h, "POST", "/w", strings.NewReader(body)).Code, "what was held is given back")
			assert.Zero(t, h.InFlight())
		})
	}
}

func TestTheClientIsWhomTheOutermostTrustedProxySaw(t *testing.T) {
	t.Parallel()
	tests := []struct {
		hops      int
		forwarded string
		want      string
	}{
		{0, "1.1.1.1", "192.0.2.1"},
		{1, "", "192.0.2.1"},
		{1, "1.1.1.1", "forwarded 1.1.1.1"},
		{1, "6.6.6.6, 1.1.1.1", "forwarded 1.1.1.1"},
		{2, "6.6.6.6, 1.1.1.1, 10.0.0.1", "forwarded 1.1.1.1"},
		{2, "1.1.1.1", "192.0.2.1"},
		{1, strings.Repeat("x", 100), "192.0.2.1"},
	}
	for _, tt := range tests {
		r := &recorder{}
		h := newHandler(t, webhook.Options{ForwardedHops: tt.hops, Routes: []webhook.Route{{Route: r.route("w"), Path: "/w"}}})
		send(h, "POST", "/w", strings.NewReader("{}"), "X-Forwarded-For", tt.forwarded)
		assert.Equal(t, tt.want, r.last(t).Client, tt.forwarded)
	}
}

func TestBadRoutesAreNamed(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	tests := []struct {
		name   string
		routes []webhook.Route
		err    string
	}{
		{"relative", []webhook.Route{{Route: r.route("a"), Path: "hook"}}, `delivery "a": http.path "hook": want a plain path such as /events`},
		{"query", []webhook.Route{{Route: r.route("a"), Path: "/hook?x"}}, `delivery "a": http.path "/hook?x": want a plain path such as /events`},
		{"twice", []webhook.Route{{Route: r.route("a"), Path: "/hook"}, {Route: r.route("b"), Path: "/hook/"}}, `deliveries "a" and "b" have the same http.path "/hook": give each one of its own`},
		{"too large", []webhook.Route{{Route: r.route("a"), Path: "/hook", MaxBody: 1 << 30}}, `delivery "a": http.maxBody of 1073741824 bytes: the gateway holds at most 16777216 bytes of bodies: lower one or raise the other`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := webhook.New(webhook.Options{Routes: tt.routes})
			assert.EqualError(t, err, tt.err)
		})
	}
}

// FuzzHandler sends whatever comes: every request is answered, with JSON or without a body.
func FuzzHandler(f *testing.F) {
	r := &recorder{}
	pipeline := gateway.NewPipeline(gateway.PipelineOptions{Metrics: gatewaytest.Metrics(), Sink: &gatewaytest.Sink{},
		Buffer: &gatewaytest.Buffer{AppendFunc: func(r *gateway.Record) ([]bool, error) { return make([]bool, len(r.Entries)), nil }}})
	h, err := webhook.New(webhook.Options{Pipeline: pipeline, ForwardedHops: 1, Routes: []webhook.Route{{Route: r.route("w"), Path: "/w", Subpaths: true, MaxBody: 64}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("POST", "/w/a%20b", "application/json", "gzip", "1.1.1.1", []byte("{}"))
	f.Add("GET", "/", "", "", "", []byte(nil))
	f.Fuzz(func(t *testing.T, method, path, contentType, encoding, forwarded string, body []byte) {
		request, err := http.NewRequestWithContext(context.Background(), method, "http://x", bytes.NewReader(body))
		if err != nil {
			return
		}
		request.URL.Path, request.URL.RawPath = path, path
		request.RemoteAddr = "192.0.2.1:1"
		request.Header = http.Header{"Content-Type": {contentType}, "Content-Encoding": {encoding}, "X-Forwarded-For": {forwarded}}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, request)
		if answer.Body.Len() > 0 {
			assert.True(t, json.Valid(answer.Body.Bytes()))
		}
		r.seen = nil
	})
}
