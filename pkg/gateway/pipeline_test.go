package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

func newEvent(id string) event.Event {
	return event.Event{ID: id, Source: "c4c", Type: "A.B", Version: "v1", Data: []byte(`{}`)}
}

func accepted(ids ...string) mapping.Item {
	return mapping.Item{Outcome: mapping.Accepted, Event: newEvent(ids[0])}
}

func result(outcome mapping.Outcome, reason string, items ...mapping.Item) mapping.Result {
	r := mapping.Result{Outcome: outcome, Reason: reason, Items: items}
	if len(items) == 0 {
		r.Items = []mapping.Item{{Outcome: outcome, Reason: reason}}
	}
	for _, i := range r.Items {
		if i.Outcome == mapping.Accepted {
			r.Events = append(r.Events, i.Event)
		}
	}
	return r
}

// storing is a buffer that keeps dead letters; only Append and Status are used.
type storing struct {
	gatewaytest.Buffer
	gateway.DeadLetters
	status gateway.BufferStatus
}

func (s *storing) Status() gateway.BufferStatus { return s.status }

// keeping returns a buffer that remembers the last record.
func keeping(kept **gateway.Record, duplicates []bool) gatewaytest.Buffer {
	return gatewaytest.Buffer{AppendFunc: func(r *gateway.Record) ([]bool, error) {
		*kept = r
		if duplicates == nil {
			duplicates = make([]bool, len(r.Entries))
		}
		return duplicates, nil
	}}
}

func TestTakeNeedsNoStages(t *testing.T) {
	t.Parallel()
	var kept *gateway.Record
	buffer := keeping(&kept, nil)
	p := gateway.NewPipeline(gateway.PipelineOptions{Metrics: gatewaytest.Metrics(), Sink: &gatewaytest.Sink{}, Buffer: &buffer})
	route := gateway.NewRoute("relay", gateway.Stages{})
	answer := p.Take(context.Background(), route, &gateway.Delivery{}, result(mapping.Accepted, "", accepted("a")))
	assert.Equal(t, gateway.Answer{Outcome: gateway.Accepted, Status: 202, Events: []string{"a"}}, answer)
	assert.Equal(t, "relay", kept.Delivery.Route)
	assert.False(t, kept.Delivery.Received.IsZero())
}

func TestOutcomesOfTheStages(t *testing.T) {
	t.Parallel()
	full := &gateway.UnavailableError{Reason: gateway.ReasonFull, RetryAfter: 30 * time.Second, Err: errors.New("no space")}
	invalid := &gateway.PublishError{Reason: gateway.ReasonInvalid, Permanent: true, Detail: "answers 400"}
	large := &gateway.PublishError{Reason: gateway.ReasonTooLarge, Permanent: true, Detail: "the event takes 70000 bytes, the target takes at most 65536"}
	tests := []struct {
		name       string
		verify     error
		mapped     mapping.Result
		check      error
		duplicates []bool
		append     error
		want       gateway.Answer
	}{
		{name: "accepted", mapped: result(mapping.Accepted, "", accepted("a")),
			want: gateway.Answer{Outcome: gateway.Accepted, Status: 202, Events: []string{"a"}}},
		{name: "some are new", mapped: result(mapping.Accepted, "", accepted("a"), accepted("b")), duplicates: []bool{true, false},
			want: gateway.Answer{Outcome: gateway.Accepted, Status: 202, Events: []string{"a", "b"}}},
		{name: "duplicate", mapped: result(mapping.Accepted, "", accepted("a")), duplicates: []bool{true},
			want: gateway.Answer{Outcome: gateway.Duplicate, Status: 202, Events: []string{"a"}}},
		{name: "ignored", mapped: result(mapping.Ignored, "a ping"),
			want: gateway.Answer{Outcome: gateway.Ignored, Status: 204}},
		{name: "refused", verify: &gateway.Refusal{Reason: "mismatch", Challenge: "Basic"},
			want: gateway.Answer{Outcome: gateway.Refused, Status: 401, Challenge: "Basic", Error: "credentials or signature: mismatch"}},
		{name: "cannot be verified", verify: errors.New("keys cannot be fetched"),
			want: gateway.Answer{Outcome: gateway.Unavailable, Status: 503, RetryAfter: 10 * time.Second, Error: "the delivery cannot be verified at the moment"}},
		{name: "malformed", mapped: result(mapping.Malformed, "the content is not valid JSON"),
			want: gateway.Answer{Outcome: gateway.Malformed, Status: 400, Withheld: true, Error: "the content is not valid JSON"}},
		{name: "rejected", mapped: result(mapping.Rejected, "event.id: is empty"),
			want: gateway.Answer{Outcome: gateway.Rejected, Status: 400, Withheld: true, Error: "event.id: is empty"}},
		{name: "unknown", mapped: result(mapping.Unknown, "types: no entry matches"),
			want: gateway.Answer{Outcome: gateway.Unknown, Status: 422, Withheld: true, Error: "types: no entry matches"}},
		{name: "one bad item spoils a delivery that cannot be kept", mapped: result(mapping.Unknown, "item 1: types: no entry matches", accepted("a"), mapping.Item{Outcome: mapping.Unknown}),
			want: gateway.Answer{Outcome: gateway.Unknown, Status: 422, Withheld: true, Error: "item 1: types: no entry matches"}},
		{name: "too large for the sink", mapped: result(mapping.Accepted, "", accepted("a")), check: large,
			want: gateway.Answer{Outcome: gateway.TooLarge, Status: 413, Withheld: true, Error: large.Detail}},
		{name: "wrong for the sink", mapped: result(mapping.Accepted, "", accepted("a")), check: invalid,
			want: gateway.Answer{Outcome: gateway.Rejected, Status: 400, Withheld: true, Error: "answers 400"}},
		{name: "the sink refuses it", mapped: result(mapping.Accepted, "", accepted("a")), append: invalid,
			want: gateway.Answer{Outcome: gateway.Rejected, Status: 400, Withheld: true, Error: "the target refuses this event (invalid)"}},
		{name: "the buffer is full", mapped: result(mapping.Accepted, "", accepted("a")), append: full,
			want: gateway.Answer{Outcome: gateway.Unavailable, Status: 503, RetryAfter: 30 * time.Second, Error: "events cannot be taken at the moment (full): try again later"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			route := gateway.NewRoute("webhook", gateway.Stages{
				Verifier: gatewaytest.Verifier(func(*gateway.Delivery) error { return tt.verify }),
				Mapper:   gatewaytest.Mapper(func(mapping.Delivery) mapping.Result { return tt.mapped }),
			})
			p := gateway.NewPipeline(gateway.PipelineOptions{
				Metrics: gatewaytest.Metrics(),
				Sink:    &gatewaytest.Sink{CheckFunc: func(event.Event) error { return tt.check }},
				Buffer: &gatewaytest.Buffer{AppendFunc: func(r *gateway.Record) ([]bool, error) {
					if tt.duplicates == nil {
						tt.duplicates = make([]bool, len(r.Entries))
					}
					return tt.duplicates, tt.append
				}},
			})
			got := p.Handle(context.Background(), route, &gateway.Delivery{})
			assert.GreaterOrEqual(t, got.RetryAfter, tt.want.RetryAfter)
			assert.LessOrEqual(t, got.RetryAfter, tt.want.RetryAfter+2*time.Second, "spread a little, not all at once")
			tt.want.RetryAfter = got.RetryAfter
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestWhatABufferKeepsThatCan(t *testing.T) {
	t.Parallel()
	unknown := mapping.Item{Outcome: mapping.Unknown, Reason: "types: no entry matches"}
	broken := mapping.Item{Outcome: mapping.Malformed, Reason: "event.time: want a time"}
	tooLarge := func(e event.Event) error {
		if e.ID == "large" {
			return &gateway.PublishError{Reason: gateway.ReasonTooLarge, Permanent: true, Detail: "too large"}
		}
		return nil
	}
	forged := mapping.Item{Outcome: mapping.Rejected, Reason: "reject: the definition refuses it", Deliberate: true}
	tests := []struct {
		name    string
		unknown bool // the definition keeps unknown types
		mapped  mapping.Result
		outcome gateway.Outcome
		kept    []gateway.Reason // of the entries; empty for an event
	}{
		{"an unknown type is refused, and kept", false, result(mapping.Unknown, "", unknown), gateway.Unknown, []gateway.Reason{gateway.ReasonUnknownType}},
		{"or kept instead, if the definition says so", true, result(mapping.Unknown, "", unknown), gateway.DeadLettered, []gateway.Reason{gateway.ReasonUnknownType}},
		{"a malformed delivery is refused, and kept", true, result(mapping.Malformed, "", broken), gateway.Malformed, []gateway.Reason{gateway.ReasonMapping}},
		{"several bad items are one dead letter", false, result(mapping.Malformed, "", unknown, broken), gateway.Malformed, []gateway.Reason{gateway.ReasonUnknownType}},
		{"what the definition rejects is not kept", false, result(mapping.Rejected, "", forged), gateway.Rejected, nil},
		{"a bad item among good ones is kept", false, result(mapping.Malformed, "", accepted("a"), broken, unknown), gateway.Accepted, []gateway.Reason{"", gateway.ReasonMapping, gateway.ReasonUnknownType}},
		{"a large event is refused", false, result(mapping.Accepted, "", accepted("large")), gateway.TooLarge, nil},
		{"a large one among others is kept", false, result(mapping.Accepted, "", accepted("large"), accepted("a")), gateway.Accepted, []gateway.Reason{gateway.ReasonTooLarge, ""}},
		{"ignored items leave nothing", false, result(mapping.Ignored, ""), gateway.Ignored, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			route := gateway.NewRoute("webhook", gateway.Stages{
				Verifier: gatewaytest.Verifier(nil),
				Mapper:   gatewaytest.Mapper(func(mapping.Delivery) mapping.Result { return tt.mapped }),
			})
			route.DeadLetterUnknown = tt.unknown
			var kept *gateway.Record
			p := gateway.NewPipeline(gateway.PipelineOptions{Metrics: gatewaytest.Metrics(), Sink: &gatewaytest.Sink{CheckFunc: tooLarge}, Buffer: &storing{Buffer: keeping(&kept, nil)}})
			answer := p.Handle(context.Background(), route, &gateway.Delivery{Body: []byte("raw")})
			assert.Equal(t, tt.outcome, answer.Outcome)
			if tt.kept == nil {
				assert.Nil(t, kept)
				return
			}
			require.NotNil(t, kept)
			assert.Equal(t, []byte("raw"), kept.Delivery.Body)
			var reasons []gateway.Reason
			for _, e := range kept.Entries {
				if e.Failure == nil {
					reasons = append(reasons, "")
				} else {
					reasons = append(reasons, e.Failure.Reason)
				}
			}
			assert.Equal(t, tt.kept, reasons)
		})
	}
}

func refusing(t *testing.T, o gateway.PipelineOptions, r mapping.Result, d *gateway.Delivery) gateway.Answer {
	t.Helper()
	if o.Metrics == nil {
		o.Metrics = gatewaytest.Metrics()
	}
	if o.Sink == nil {
		o.Sink = &gatewaytest.Sink{}
	}
	route := gateway.NewRoute("webhook", gateway.Stages{
		Verifier: gatewaytest.Verifier(nil), Mapper: gatewaytest.Mapper(func(mapping.Delivery) mapping.Result { return r }),
	})
	route.Kept = gateway.Kept{Headers: []string{"X-Topic"}}
	return gateway.NewPipeline(o).Handle(context.Background(), route, d)
}

// TestWhatIsRefusedIsKeptOnce: a sender that repeats what cannot be mapped makes one dead letter of it.
func TestWhatIsRefusedIsKeptOnce(t *testing.T) {
	t.Parallel()
	bad := result(mapping.Rejected, "event.id: is empty")
	name := func(d gateway.Delivery) string {
		var kept *gateway.Record
		answer := refusing(t, gateway.PipelineOptions{Buffer: &storing{Buffer: keeping(&kept, nil)}}, bad, &d)
		assert.Equal(t, gateway.Answer{Outcome: gateway.Rejected, Status: 400, Error: "event.id: is empty"}, answer)
		require.NotNil(t, kept)
		require.Len(t, kept.Entries, 1)
		assert.Equal(t, d.Body, kept.Delivery.Body, "the raw bytes")
		assert.Equal(t, "event.id: is empty", kept.Entries[0].Failure.Detail)
		assert.Empty(t, kept.Delivery.Header.Get("Authorization"))
		return kept.Entries[0].Event.ID
	}
	delivery := func(topic, body, password string) gateway.Delivery {
		return gateway.Delivery{Header: http.Header{"X-Topic": {topic}, "Authorization": {password}}, Body: []byte(body), Client: password}
	}
	first := name(delivery("a", "raw", "one"))
	assert.Regexp(t, "^unmapped-[0-9a-f]{32}$", first)
	assert.Equal(t, first, name(delivery("a", "raw", "two")), "a repetition has the same name, by which the buffer knows it")
	assert.NotEqual(t, first, name(delivery("a", "raw ", "one")))
	assert.NotEqual(t, first, name(delivery("b", "raw", "one")))
}

// TestWhatIsRefusedLeavesRoom: what cannot be delivered takes at most half of the buffer, and whether it can
// be kept changes nothing for the sender.
func TestWhatIsRefusedLeavesRoom(t *testing.T) {
	t.Parallel()
	bad := result(mapping.Malformed, "the content is not valid JSON")
	for name, tt := range map[string]struct {
		status gateway.BufferStatus
		append error
		kept   bool
		metric string
	}{
		"there is room":            {gateway.BufferStatus{Bytes: 49, Capacity: 100}, nil, true, `dead_letters_total{route="webhook",reason="mapping"} 1`},
		"without a bound":          {gateway.BufferStatus{Bytes: 49}, nil, true, `dead_letters_total{route="webhook",reason="mapping"} 1`},
		"half of it is taken":      {gateway.BufferStatus{Bytes: 50, Capacity: 100}, nil, false, `refused_not_kept_total{route="webhook"} 1`},
		"the buffer is in bad way": {gateway.BufferStatus{Problem: errors.New("no disk")}, nil, false, `refused_not_kept_total{route="webhook"} 1`},
		"it fails":                 {gateway.BufferStatus{}, errors.New("no disk"), true, `refused_not_kept_total{route="webhook"} 1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tried := false
			set := telemetry.NewMetrics(gateway.MetricsPrefix)
			buffer := &storing{status: tt.status, Buffer: gatewaytest.Buffer{AppendFunc: func(*gateway.Record) ([]bool, error) {
				tried = true
				return []bool{false}, tt.append
			}}}
			answer := refusing(t, gateway.PipelineOptions{Buffer: buffer, Metrics: gateway.NewMetrics(set)}, bad, &gateway.Delivery{Body: []byte("raw")})
			assert.Equal(t, gateway.Answer{Outcome: gateway.Malformed, Status: 400, Withheld: !tt.kept || tt.append != nil, Error: "the content is not valid JSON"}, answer)
			assert.Equal(t, tt.kept, tried)
			assert.Contains(t, scrape(set), gateway.MetricsPrefix+tt.metric)
		})
	}
}

func scrape(set *telemetry.Metrics) string {
	answer := httptest.NewRecorder()
	set.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

// payloads says the same of every payload.
type payloads struct {
	problem string
	known   bool
}

func (p payloads) Check(event.Event) (string, bool) { return p.problem, p.known }

// TestPayloadsAreChecked: against the event catalog, with what it says of a type that it knows.
func TestPayloadsAreChecked(t *testing.T) {
	t.Parallel()
	const mismatch = `payload_mismatches_total{route="webhook",type="A.B.v1"} `
	detail := "the payload is not what the event catalog says of A.B.v1: the payload lacks id"
	bad := payloads{"the payload lacks id", true}
	one := result(mapping.Accepted, "", accepted("a"))
	for name, tt := range map[string]struct {
		payloads gateway.Payloads
		reject   bool
		stores   bool
		mapped   mapping.Result
		want     gateway.Answer
		kept     []gateway.Reason
		metric   string
	}{
		"off":                    {nil, true, true, one, gateway.Answer{Outcome: gateway.Accepted, Status: 202, Events: []string{"a"}}, []gateway.Reason{""}, ""},
		"fits":                   {payloads{"", true}, true, true, one, gateway.Answer{Outcome: gateway.Accepted, Status: 202, Events: []string{"a"}}, []gateway.Reason{""}, ""},
		"unknown type":           {payloads{"", false}, true, true, one, gateway.Answer{Outcome: gateway.Accepted, Status: 202, Events: []string{"a"}}, []gateway.Reason{""}, `payload_unchecked_total{route="webhook"} 1`},
		"warn":                   {bad, false, true, one, gateway.Answer{Outcome: gateway.Accepted, Status: 202, Events: []string{"a"}}, []gateway.Reason{""}, mismatch + "1"},
		"reject":                 {bad, true, true, one, gateway.Answer{Outcome: gateway.Rejected, Status: 400, Error: detail}, []gateway.Reason{gateway.ReasonPayload}, mismatch + "1"},
		"reject without a store": {bad, true, false, one, gateway.Answer{Outcome: gateway.Rejected, Status: 400, Withheld: true, Error: detail}, nil, mismatch + "1"},
		"reject several":         {bad, true, true, result(mapping.Accepted, "", accepted("a"), accepted("b")), gateway.Answer{Outcome: gateway.Rejected, Status: 400, Error: detail}, []gateway.Reason{gateway.ReasonPayload}, mismatch + "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := telemetry.NewMetrics(gateway.MetricsPrefix)
			var kept *gateway.Record
			var buffer gateway.Buffer = &storing{Buffer: keeping(&kept, nil)}
			if !tt.stores {
				plain := keeping(&kept, nil)
				buffer = &plain
			}
			o := gateway.PipelineOptions{Buffer: buffer, Metrics: gateway.NewMetrics(set), Payloads: tt.payloads, RejectPayloads: tt.reject}
			assert.Equal(t, tt.want, refusing(t, o, tt.mapped, &gateway.Delivery{Body: []byte("raw")}))
			assert.Contains(t, scrape(set), tt.metric)
			var reasons []gateway.Reason
			if kept != nil {
				assert.Equal(t, "raw", string(kept.Delivery.Body))
				for _, e := range kept.Entries {
					reasons = append(reasons, "")
					if e.Failure != nil {
						reasons[len(reasons)-1] = e.Failure.Reason
					}
				}
			}
			assert.Equal(t, tt.kept, reasons)
		})
	}
}

// onlyGood finds fault with one event.
type onlyGood struct{}

func (onlyGood) Check(e event.Event) (string, bool) {
	if e.ID == "bad" {
		return "the payload lacks id", true
	}
	return "", true
}

func TestARejectedPayloadHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	var kept *gateway.Record
	o := gateway.PipelineOptions{Buffer: &storing{Buffer: keeping(&kept, nil)}, Payloads: onlyGood{}, RejectPayloads: true}
	answer := refusing(t, o, result(mapping.Accepted, "", accepted("good"), accepted("bad")), &gateway.Delivery{})
	assert.Equal(t, gateway.Accepted, answer.Outcome)
	require.Len(t, kept.Entries, 2)
	assert.Nil(t, kept.Entries[0].Failure)
	assert.Equal(t, gateway.ReasonPayload, kept.Entries[1].Failure.Reason)
	assert.Equal(t, "bad", kept.Entries[1].Event.ID)
}

// TestWarningsAboutPayloadsAreFewAndSaySo: a flood of wrong payloads is no flood of lines, and no line has
// anything of a payload.
func TestWarningsAboutPayloadsAreFewAndSaySo(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger, err := telemetry.NewLogger(&log, "info")
	require.NoError(t, err)
	now := time.Unix(1_700_000_000, 0)
	buffer := gatewaytest.Buffer{AppendFunc: func(*gateway.Record) ([]bool, error) { return []bool{false}, nil }}
	p := gateway.NewPipeline(gateway.PipelineOptions{
		Buffer: &buffer, Sink: &gatewaytest.Sink{}, Metrics: gatewaytest.Metrics(), Logger: logger,
		Payloads: payloads{"the payload lacks id", true}, Now: func() time.Time { return now },
	})
	e := newEvent("a")
	e.Data = []byte(`{"password":"hunter2"}`)
	mapped := mapping.Result{Outcome: mapping.Accepted, Events: []event.Event{e}, Items: []mapping.Item{{Outcome: mapping.Accepted, Event: e}}}
	route := gateway.NewRoute("webhook", gateway.Stages{})
	for range 1000 {
		p.Take(context.Background(), route, &gateway.Delivery{}, mapped)
	}
	lines := strings.Count(log.String(), "\n")
	assert.Equal(t, 10, lines)
	assert.Contains(t, log.String(), `"type":"A.B.v1","problem":"the payload lacks id"`)
	assert.NotContains(t, log.String(), "hunter2")
	now = now.Add(time.Second)
	p.Take(context.Background(), route, &gateway.Delivery{}, mapped)
	assert.Contains(t, log.String(), `"skipped":990`)
}

func TestStatusesCanBeOverridden(t *testing.T) {
	t.Parallel()
	respond := map[string]int{"accepted": 200, "unknown": 200}
	assert.Equal(t, 200, gateway.Accepted.Status(respond))
	assert.Equal(t, 202, gateway.Duplicate.Status(respond))
	assert.Equal(t, 200, gateway.Unknown.Status(respond))
	assert.Equal(t, 200, gateway.DeadLettered.Status(respond), "kept because unknown")
	assert.Equal(t, 202, gateway.DeadLettered.Status(nil))
	assert.Equal(t, 500, gateway.Outcome("new").Status(nil))
}

func TestOnlyWhatTheMappingNeedsIsKept(t *testing.T) {
	t.Parallel()
	route := gateway.NewRoute("webhook", gateway.Stages{
		Verifier: gatewaytest.Verifier(nil),
		Mapper: gatewaytest.Mapper(func(d mapping.Delivery) mapping.Result {
			assert.Equal(t, "Basic secret", d.Header.Get("Authorization"), "the mapping itself sees everything")
			return result(mapping.Accepted, "", accepted("a"))
		}),
	})
	route.Kept = gateway.Kept{Headers: []string{"X-Topic", "Authorization"}, Query: []string{"kind"}}
	var kept *gateway.Record
	buffer := keeping(&kept, nil)
	p := gateway.NewPipeline(gateway.PipelineOptions{Metrics: gatewaytest.Metrics(), Sink: &gatewaytest.Sink{}, Buffer: &buffer})
	p.Handle(context.Background(), route, &gateway.Delivery{
		Client: "10.0.0.1", Token: "path-secret", Body: []byte("raw"), Path: []string{"sub"},
		Header: http.Header{"X-Topic": {"t"}, "Authorization": {"Basic secret"}, "Cookie": {"session"}},
		Query:  map[string][]string{"kind": {"k"}, "token": {"query-secret"}},
	})
	require.NotNil(t, kept)
	want := gateway.Delivery{Route: "webhook", Received: kept.Delivery.Received, Body: []byte("raw"), Path: []string{"sub"},
		Header: http.Header{"X-Topic": {"t"}}, Query: map[string][]string{"kind": {"k"}}}
	assert.Equal(t, want, kept.Delivery)
}

func TestTraceContextGoesOnTheEvent(t *testing.T) {
	t.Parallel()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for header, want := range map[string]string{trace: trace, "": "", "00-short": "", trace[:54] + "!": "", "zz" + trace[2:]: ""} {
		route := gateway.NewRoute("webhook", gateway.Stages{
			Verifier: gatewaytest.Verifier(nil),
			Mapper:   gatewaytest.Mapper(func(mapping.Delivery) mapping.Result { return result(mapping.Accepted, "", accepted("a")) }),
		})
		var kept *gateway.Record
		buffer := keeping(&kept, nil)
		p := gateway.NewPipeline(gateway.PipelineOptions{Metrics: gatewaytest.Metrics(), Sink: &gatewaytest.Sink{}, Buffer: &buffer})
		p.Handle(context.Background(), route, &gateway.Delivery{Header: http.Header{"Traceparent": {header}}})
		assert.Equal(t, want, kept.Entries[0].Event.Extensions["traceparent"], header)
	}
}

func TestGuessingIsLimitedPerClient(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	right := false
	route := gateway.NewRoute("webhook", gateway.Stages{
		Verifier: gatewaytest.Verifier(func(*gateway.Delivery) error {
			if right {
				return nil
			}
			return &gateway.Refusal{Reason: "mismatch"}
		}),
		Mapper: gatewaytest.Mapper(func(mapping.Delivery) mapping.Result { return result(mapping.Ignored, "") }),
	})
	p := gateway.NewPipeline(gateway.PipelineOptions{Metrics: gatewaytest.Metrics(), Sink: &gatewaytest.Sink{}, Buffer: &gatewaytest.Buffer{}, Now: func() time.Time { return now }})
	from := func(client string) gateway.Answer {
		return p.Handle(context.Background(), route, &gateway.Delivery{Client: client})
	}
	for range 20 {
		require.Equal(t, gateway.Refused, from("guesser").Outcome)
	}
	limited := from("guesser")
	assert.Equal(t, gateway.Limited, limited.Outcome)
	assert.Equal(t, 429, limited.Status)
	assert.Positive(t, limited.RetryAfter)
	assert.Equal(t, gateway.Refused, from("other").Outcome, "others are not affected")

	now = now.Add(limited.RetryAfter + time.Second)
	assert.Equal(t, gateway.Refused, from("guesser").Outcome, "one more try after the wait")
	assert.Equal(t, gateway.Limited, from("guesser").Outcome)

	now, right = now.Add(10*time.Second), true
	assert.Equal(t, gateway.Ignored, from("guesser").Outcome)
	right = false
	assert.Equal(t, gateway.Refused, from("guesser").Outcome, "the right credentials forgive the wrong ones")
}

func TestRemap(t *testing.T) {
	t.Parallel()
	fine := func(event.Event) error { return nil }
	remap := func(r mapping.Result, check func(event.Event) error) ([]gateway.Entry, error) {
		return gateway.Remap(gatewaytest.Mapper(func(mapping.Delivery) mapping.Result { return r }), check, gateway.Delivery{})
	}
	entries, err := remap(result(mapping.Accepted, "", accepted("a"), mapping.Item{Outcome: mapping.Ignored}), fine)
	require.NoError(t, err)
	assert.Equal(t, []gateway.Entry{{Event: newEvent("a")}}, entries)

	_, err = remap(result(mapping.Unknown, "types: no entry matches"), fine)
	assert.EqualError(t, err, "it is still unknown: types: no entry matches")

	_, err = remap(result(mapping.Accepted, "", accepted("a")), func(event.Event) error { return errors.New("too large") })
	assert.EqualError(t, err, "too large")
}
