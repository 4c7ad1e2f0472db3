package sink_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/sink"
)

// target is an HTTP server that records requests and answers as told.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	header http.Header
	answer string
	path   string
	got    []received
}

type received struct {
	header http.Header
	body   []byte
}

func newTarget(t *testing.T) *target {
	t.Helper()
	s := &target{status: http.StatusNoContent, header: http.Header{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.path = r.Method + " " + r.URL.Path
		s.got = append(s.got, received{r.Header, body})
		for name, values := range s.header {
			w.Header()[name] = values
		}
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *target) last(t *testing.T) received {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.got)
	return s.got[len(s.got)-1]
}

func newSink(t *testing.T, o sink.Options) gateway.Sink {
	t.Helper()
	if o.Application == "" {
		o.Application = "c4c"
	}
	s, err := sink.New(o)
	require.NoError(t, err)
	return s
}

func accountCreated() event.Event {
	return event.Event{
		ID: "fa163e16-4431-1edd-8eb8-351cf99ab8c7", Source: "c4c", Type: "Account.Root.Created", Version: "v1", Subject: "00163E5F",
		Time: time.Date(2020, 9, 21, 15, 25, 38, 0, time.UTC), Data: json.RawMessage(`{"entity-id":"<1>"}`),
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	foreign := accountCreated()
	foreign.Source = "/FR4/sap.byd/7"
	tests := []struct {
		name   string
		sink   sink.Options
		event  event.Event
		path   string
		header map[string]string
		body   string
	}{
		{"kyma", sink.Options{Kind: sink.Kyma}, accountCreated(), "POST /publish", map[string]string{
			"Ce-Specversion": "1.0", "Ce-Id": "fa163e16-4431-1edd-8eb8-351cf99ab8c7", "Ce-Source": "c4c", "Ce-Type": "Account.Root.Created.v1",
			"Ce-Subject": "00163E5F", "Ce-Time": "2020-09-21T15:25:38Z", "Content-Type": "application/json", "Ce-Originsource": "",
		}, `{"entity-id":"<1>"}`},
		{"kyma keeps the system's source beside the application's", sink.Options{Kind: sink.Kyma}, foreign, "POST /publish",
			map[string]string{"Ce-Source": "c4c", "Ce-Originsource": "/FR4/sap.byd/7"}, `{"entity-id":"<1>"}`},
		{"kyma with a prefix", sink.Options{Kind: sink.Kyma, Application: "c4c-prod", TypePrefix: "sap.kyma.custom"}, accountCreated(), "POST /publish",
			map[string]string{"Ce-Type": "sap.kyma.custom.c4cprod.Account.Root.Created.v1", "Ce-Source": "c4c-prod"}, `{"entity-id":"<1>"}`},
		{"legacy", sink.Options{Kind: sink.KymaLegacy}, accountCreated(), "POST /c4c/v1/events", map[string]string{"Content-Type": "application/json", "Ce-Id": ""},
			`{"event-type":"Account.Root.Created","event-type-version":"v1","event-id":"fa163e16-4431-1edd-8eb8-351cf99ab8c7","event-time":"2020-09-21T15:25:38Z","data":{"entity-id":"<1>"}}`},
		{"cloudevents binary", sink.Options{Kind: sink.CloudEvents}, foreign, "POST /",
			map[string]string{"Ce-Source": "/FR4/sap.byd/7", "Ce-Type": "Account.Root.Created.v1"}, `{"entity-id":"<1>"}`},
		{"cloudevents structured", sink.Options{Kind: sink.CloudEvents, Structured: true}, accountCreated(), "POST /", map[string]string{"Content-Type": "application/cloudevents+json", "Ce-Id": ""},
			`{"specversion":"1.0","id":"fa163e16-4431-1edd-8eb8-351cf99ab8c7","source":"c4c","type":"Account.Root.Created.v1","subject":"00163E5F","time":"2020-09-21T15:25:38Z","datacontenttype":"application/json","data":{"entity-id":"<1>"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newTarget(t)
			tt.sink.URL = server.URL
			require.NoError(t, newSink(t, tt.sink).Publish(context.Background(), tt.event))
			got := server.last(t)
			assert.Equal(t, tt.path, server.path)
			for name, want := range tt.header {
				assert.Equal(t, want, got.header.Get(name), name)
			}
			assert.Equal(t, tt.body, string(got.body))
		})
	}
}

// TestTheOfficialSDKReadsEveryMode lets the CloudEvents SDK be the judge.
func TestTheOfficialSDKReadsEveryMode(t *testing.T) {
	t.Parallel()
	odd := accountCreated()
	odd.ID, odd.Subject, odd.Extensions = "a\"b c", "größe 50 %", map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	text := accountCreated()
	text.DataContentType, text.Data = "text/plain", []byte("hello\nworld")
	for name, o := range map[string]sink.Options{
		"kyma": {Kind: sink.Kyma}, "binary": {Kind: sink.CloudEvents}, "structured": {Kind: sink.CloudEvents, Structured: true},
	} {
		for kind, e := range map[string]event.Event{"plain": accountCreated(), "odd": odd, "text": text} {
			if name == "binary" && kind == "odd" {
				continue // the SDK does not undo the percent-encoding that the specification demands
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				server := newTarget(t)
				o := o
				o.URL = server.URL
				require.NoError(t, newSink(t, o).Publish(context.Background(), e))
				got := server.last(t)
				message := cehttp.NewMessage(got.header, io.NopCloser(strings.NewReader(string(got.body))))
				parsed, err := binding.ToEvent(context.Background(), message)
				require.NoError(t, err)
				require.NoError(t, parsed.Validate())
				assert.Equal(t, e.ID, parsed.ID())
				assert.Equal(t, e.FullType(), parsed.Type())
				assert.Equal(t, e.Subject, parsed.Subject())
				assert.True(t, e.Time.Equal(parsed.Time()))
				assert.Equal(t, e.ContentType(), parsed.DataContentType())
				assert.Equal(t, string(e.Data), string(parsed.Data()))
				for name, value := range e.Extensions {
					assert.Equal(t, value, parsed.Extensions()[name])
				}
			})
		}
	}
}

func TestVerdictsOnStatuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status    int
		answer    string
		reason    gateway.Reason // empty: accepted
		permanent bool
	}{
		{status: 200, answer: `{"event-id":"x","status":"","reason":""}`},
		{status: 200, answer: "not json"},
		{status: 202},
		{status: 204},
		{status: 301, reason: gateway.ReasonMisconfigured},
		{status: 400, reason: gateway.ReasonInvalid, permanent: true},
		{status: 400, answer: "http: request body too large", reason: gateway.ReasonTooLarge, permanent: true},
		{status: 400, answer: "prefix not found", reason: gateway.ReasonMisconfigured},
		{status: 401, reason: gateway.ReasonUnauthorized},
		{status: 403, reason: gateway.ReasonUnauthorized},
		{status: 404, reason: gateway.ReasonNotFound},
		{status: 405, reason: gateway.ReasonInvalid, permanent: true},
		{status: 408, reason: gateway.ReasonTimeout},
		{status: 413, reason: gateway.ReasonTooLarge, permanent: true},
		{status: 422, reason: gateway.ReasonInvalid, permanent: true},
		{status: 429, reason: gateway.ReasonThrottled},
		{status: 500, reason: gateway.ReasonUnavailable},
		{status: 502, reason: gateway.ReasonUnavailable},
		{status: 503, reason: gateway.ReasonUnavailable},
		{status: 504, reason: gateway.ReasonTimeout},
		{status: 507, reason: gateway.ReasonFull},
	}
	for _, kind := range []sink.Kind{sink.Kyma, sink.KymaLegacy, sink.CloudEvents} {
		for _, tt := range tests {
			t.Run(string(kind)+"/"+http.StatusText(tt.status)+tt.answer, func(t *testing.T) {
				t.Parallel()
				server := newTarget(t)
				server.status, server.answer = tt.status, tt.answer
				server.header.Set("Location", "/elsewhere")
				err := newSink(t, sink.Options{Kind: kind, URL: server.URL}).Publish(context.Background(), accountCreated())
				assert.Len(t, server.got, 1, "a redirect is not followed")
				if tt.reason == "" {
					require.NoError(t, err)
					return
				}
				var refused *gateway.PublishError
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, tt.reason, refused.Reason)
				assert.Equal(t, tt.permanent, refused.Permanent)
			})
		}
	}
}

func TestLoginPageIsNoAcceptance(t *testing.T) {
	t.Parallel()
	for _, kind := range []sink.Kind{sink.Kyma, sink.KymaLegacy, sink.CloudEvents} {
		server := newTarget(t)
		server.status, server.answer = http.StatusOK, "<html>sign in</html>"
		server.header.Set("Content-Type", "text/html; charset=utf-8")
		err := newSink(t, sink.Options{Kind: kind, URL: server.URL}).Publish(context.Background(), accountCreated())
		var refused *gateway.PublishError
		require.ErrorAs(t, err, &refused, string(kind))
		assert.Equal(t, gateway.ReasonMisconfigured, refused.Reason)
		assert.False(t, refused.Permanent, "the event waits until somebody mends the address")
		assert.ErrorContains(t, err, "login page")
	}
}

func TestErrorsSayWhereAndWhenButNotWhat(t *testing.T) {
	t.Parallel()
	server := newTarget(t)
	server.status, server.answer = http.StatusBadRequest, `{"status":400,"type":"validation_violation","message":"quotes entity-id"}`
	server.header.Set("Retry-After", "7")
	err := newSink(t, sink.Options{Kind: sink.KymaLegacy, URL: server.URL + "/c4c/v1/events?token=hidden"}).Publish(context.Background(), accountCreated())
	assert.EqualError(t, err, server.URL+"/c4c/v1/events answers 400 (validation_violation)")
	assert.Equal(t, 7*time.Second, gateway.AsPublishError(err).RetryAfter)
}

func TestNoAnswerIsWorthARepetition(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(func() { close(release); hanging.Close() })
	for name, tt := range map[string]struct {
		url    string
		reason gateway.Reason
	}{"refused": {closed.URL, gateway.ReasonConnection}, "hangs": {hanging.URL, gateway.ReasonTimeout}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t, sink.Options{Kind: sink.Kyma, URL: tt.url, Timeout: 50 * time.Millisecond})
			failure := gateway.AsPublishError(s.Publish(context.Background(), accountCreated()))
			require.NotNil(t, failure)
			assert.Equal(t, tt.reason, failure.Reason)
			assert.False(t, failure.Permanent)
			assert.Error(t, s.Reachable(context.Background()))
		})
	}
}

func TestSizesAreCheckedBeforeSending(t *testing.T) {
	t.Parallel()
	sized := func(n int) event.Event {
		e := accountCreated()
		e.Data = json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`)
		return e
	}
	withOddID := sized(sink.KymaLimit - 100)
	withOddID.ID = "not plain" // goes in the structured mode, whose envelope counts
	tests := []struct {
		name string
		kind sink.Kind
		e    event.Event
		ok   bool
	}{
		{"kyma at the limit", sink.Kyma, sized(sink.KymaLimit), true},
		{"kyma above", sink.Kyma, sized(sink.KymaLimit + 1), false},
		{"kyma with an envelope", sink.Kyma, withOddID, false},
		{"legacy with an envelope", sink.KymaLegacy, sized(sink.KymaLimit - 100), false},
		{"legacy below", sink.KymaLegacy, sized(sink.KymaLimit - 200), true},
		{"cloudevents", sink.CloudEvents, sized(sink.KymaLimit + 1), true},
		{"cloudevents above", sink.CloudEvents, sized(1<<20 + 1), false},
		{"auto above", sink.Auto, sized(sink.KymaLimit + 1), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newTarget(t)
			o := sink.Options{Kind: tt.kind, URL: server.URL}
			if tt.kind == sink.Auto {
				o.URL = ""
			}
			s := newSink(t, o)
			err := s.Check(tt.e)
			if tt.ok {
				require.NoError(t, err)
				require.NoError(t, s.Publish(context.Background(), tt.e))
				return
			}
			refused := gateway.AsPublishError(err)
			require.NotNil(t, refused)
			assert.Equal(t, gateway.ReasonTooLarge, refused.Reason)
			assert.True(t, refused.Permanent)
			assert.Contains(t, refused.Error(), "the target takes at most")
			if tt.kind != sink.Auto {
				assert.Error(t, s.Publish(context.Background(), tt.e))
			}
			assert.Empty(t, server.got, "nothing was sent")
		})
	}
}

func TestLegacyIDsAreUUIDs(t *testing.T) {
	t.Parallel()
	server := newTarget(t)
	s := newSink(t, sink.Options{Kind: sink.KymaLegacy, URL: server.URL})
	ids := map[string]string{}
	for _, id := range []string{"fa163e16-4431-1edd-8eb8-351cf99ab8c7", "4711", "4712"} {
		for range 2 {
			e := accountCreated()
			e.ID = id
			require.NoError(t, s.Publish(context.Background(), e))
			var body map[string]any
			require.NoError(t, json.Unmarshal(server.last(t).body, &body))
			sent := body["event-id"].(string)
			assert.Regexp(t, `^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$`, sent)
			if before, ok := ids[id]; ok {
				assert.Equal(t, before, sent, "a repetition has the same id")
			}
			ids[id] = sent
		}
	}
	assert.Equal(t, "fa163e16-4431-1edd-8eb8-351cf99ab8c7", ids["fa163e16-4431-1edd-8eb8-351cf99ab8c7"])
	assert.NotEqual(t, ids["4711"], ids["4712"])
}

func TestLegacyPayloads(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, contentType, data, want string
	}{
		{"none", "", "", `{}`},
		{"text", "text/plain", `say "hi"`, `"say \"hi\""`},
		{"array", "application/json", `[1, 2]`, `[1, 2]`},
		{"null", "application/json", `null`, ""},
		{"empty string", "application/json", `""`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := newTarget(t)
			s := newSink(t, sink.Options{Kind: sink.KymaLegacy, URL: server.URL})
			e := accountCreated()
			e.DataContentType, e.Data = tt.contentType, []byte(tt.data)
			err := s.Publish(context.Background(), e)
			if tt.want == "" {
				assert.True(t, gateway.AsPublishError(err).Permanent)
				return
			}
			require.NoError(t, err)
			assert.Contains(t, string(server.last(t).body), `"data":`+tt.want+`}`)
		})
	}
}

func TestBadOptionsAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    sink.Options
		err  string
	}{
		{"kind", sink.Options{Kind: "kafka"}, `sink kind "kafka": want one of auto, cloudevents, kyma, kyma-legacy, nats`},
		{"no address", sink.Options{Kind: sink.CloudEvents}, "sink cloudevents: needs an address: set --sink-url"},
		{"no host", sink.Options{Kind: sink.Kyma, URL: "publisher", Application: "a"}, "sink kyma: --sink-url: want an absolute http or https URL"},
		{"password", sink.Options{Kind: sink.CloudEvents, URL: "https://user:hunter2@x"}, "sink cloudevents: --sink-url: take user and password out of the URL, where anybody can read them"},
		{"no application", sink.Options{Kind: sink.KymaLegacy, URL: "http://x"}, "sink kyma-legacy: needs the application's name, which is part of the path"},
		{"search without application", sink.Options{Kind: sink.Kyma}, "sink kyma: needs the application's name, which is the source of its events"},
		{"auto with address", sink.Options{Kind: sink.Auto, URL: "http://x", Application: "a"}, "sink auto: finds the address by itself: leave --sink-url out, or name a --sink-kind"},
		{"nats scheme", sink.Options{Kind: sink.NATS, URL: "http://x", Application: "a"}, "sink nats: --sink-url: want nats://host:4222 or tls://host:4222"},
		{"nats password", sink.Options{Kind: sink.NATS, URL: "nats://u:hunter2@x", Application: "a"}, "sink nats: --sink-url: take user and password out of the URL, and name a credentials file with --nats-credentials"},
		{"nats subject", sink.Options{Kind: sink.NATS, URL: "nats://x", SubjectPrefix: "a.>"}, `sink nats: subject prefix "a.>": want words separated by dots: set --sink-subject-prefix`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := sink.New(tt.o)
			assert.EqualError(t, err, tt.err)
		})
	}
}

// cluster is a transport that knows in-cluster names.
type cluster map[string]http.HandlerFunc

func (c cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	handler, ok := c[r.URL.Host]
	if !ok {
		return nil, errors.New("no such host")
	}
	w := httptest.NewRecorder()
	handler(w, r)
	return w.Result(), nil
}

func TestAutoFindsThePublisherOfEveryVersion(t *testing.T) {
	t.Parallel()
	const (
		current = "eventing-publisher-proxy.kyma-system.svc"
		alias   = "eventing-event-publisher-proxy.kyma-system.svc"
		service = "c4c-event-service.kyma-integration.svc:8081"
	)
	tests := []struct {
		name string
		kind sink.Kind
		// hosts are the publishers that exist; strict ones want a prefix, as Kyma 2.1 to 2.11.
		hosts  []string
		strict bool
		want   string
	}{
		{"current", sink.Auto, []string{current}, false, current + " POST /publish"},
		{"2.x with both names", sink.Auto, []string{current, alias}, false, current + " POST /publish"},
		{"2.1 to 2.11", sink.Auto, []string{current, alias}, true, current + " POST /c4c/v1/events"},
		{"1.21 to 1.25", sink.Auto, []string{alias}, true, alias + " POST /c4c/v1/events"},
		{"1.7 to 1.20", sink.Auto, []string{service}, false, service + " POST /c4c/v1/events"},
		{"kyma is wanted", sink.Kyma, []string{alias, service}, false, alias + " POST /publish"},
		{"kyma-legacy is wanted", sink.KymaLegacy, []string{current}, false, current + " POST /c4c/v1/events"},
		{"none", sink.Auto, nil, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			taken := ""
			hosts := cluster{}
			for _, host := range tt.hosts {
				hosts[host] = func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.Method == http.MethodGet && r.URL.Path == "/healthz" && host != service:
						w.WriteHeader(http.StatusOK)
					case r.Method == http.MethodGet:
						w.WriteHeader(http.StatusNotFound)
					case r.URL.Path == "/publish" && tt.strict:
						http.Error(w, "prefix not found", http.StatusBadRequest)
					default:
						mu.Lock()
						defer mu.Unlock()
						taken = host + " " + r.Method + " " + r.URL.Path
					}
				}
			}
			s := newSink(t, sink.Options{Kind: tt.kind, Transport: hosts})
			err := s.Publish(context.Background(), accountCreated())
			if tt.want == "" {
				failure := gateway.AsPublishError(err)
				require.NotNil(t, failure)
				assert.False(t, failure.Permanent)
				assert.Contains(t, failure.Error(), "no event publisher of Kyma answers")
				assert.Equal(t, "auto", s.Name())
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, taken)
		})
	}
}
