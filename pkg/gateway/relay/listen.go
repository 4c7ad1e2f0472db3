package relay

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// MaxBody bounds an event in bytes. Kyma's own limit is 64 KiB.
const MaxBody = 256 << 10

// NewRoute is the route of a relay. Kyma understands only yes and no: to a no it repeats the event a hundred
// times, half a minute apart, and then drops it. So what can never be sent becomes a dead letter; where the
// buffer keeps none, it is given up with a 200, or a few such events would hold up all others for an hour.
func NewRoute(r *Relay, stores bool) *gateway.Route {
	route := gateway.NewRoute(r.Name(), gateway.Stages{})
	route.Unheard = true
	if !stores {
		route.Respond = map[string]int{string(gateway.Rejected): http.StatusOK, string(gateway.TooLarge): http.StatusOK}
	}
	return route
}

// Inbound is a relay with its way in.
type Inbound struct {
	Relay    *Relay
	Route    *gateway.Route
	Pipeline *gateway.Pipeline
}

// Handler takes CloudEvents for relays. It belongs on a listener that only the cluster reaches: nobody proves
// who he is.
type Handler struct {
	inbound  map[string]Inbound // by path
	inFlight atomic.Int64
	logger   *slog.Logger
}

// NewHandler serves the relays at the paths that the definition says.
func NewHandler(inbound []Inbound, logger *slog.Logger) *Handler {
	if logger == nil {
		logger = telemetry.Discard()
	}
	h := &Handler{inbound: map[string]Inbound{}, logger: logger}
	for _, in := range inbound {
		h.inbound[strings.TrimRight(in.Relay.definition.From.Path, "/")] = in
	}
	return h
}

// InFlight is the number of requests being handled.
func (h *Handler) InFlight() int64 { return h.inFlight.Load() }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	in, ok := h.inbound[strings.TrimRight(r.URL.Path, "/")]
	if !ok {
		gateway.WriteAnswer(w, gateway.Answer{Outcome: gateway.NotFound, Status: http.StatusNotFound, Error: "no relay has this path"})
		return
	}
	answer := func(a gateway.Answer) {
		in.Pipeline.Answered(in.Route, &a, start)
		gateway.WriteAnswer(w, a)
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(gateway.Answer{Outcome: gateway.NotAllowed, Error: "use POST"})
		return
	}
	defer h.inFlight.Add(-1)
	if h.inFlight.Add(1) > MaxTogether {
		answer(gateway.Answer{Outcome: gateway.Unavailable, RetryAfter: time.Second, Error: "more events than can be taken at once: try again later"})
		return
	}
	e, problem := read(w, r)
	if problem != nil {
		answer(*problem)
		return
	}
	h.take(w, r, in, e)
}

// take hands an event to the pipeline.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, in Inbound, e event.Event) {
	result := mapping.Result{Outcome: mapping.Ignored, Items: []mapping.Item{{Outcome: mapping.Ignored}}}
	if name, version, ok := in.Relay.plan.Load().naming.find(e); ok {
		e.Type, e.Version = name, version
		result = mapping.Result{Outcome: mapping.Accepted, Events: []event.Event{e}, Items: []mapping.Item{{Outcome: mapping.Accepted, Event: e}}}
	}
	a := in.Pipeline.Take(r.Context(), in.Route, &gateway.Delivery{Header: traceOf(r, e)}, result)
	if (a.Outcome == gateway.Rejected || a.Outcome == gateway.TooLarge) && a.Status < 300 {
		h.logger.Error("an event was given up: a buffer that stores would have kept it", "relay", in.Relay.Name(), "event", e.ID, "type", e.FullType(), "error", a.Error)
	}
	gateway.WriteAnswer(w, a)
}

// traceOf is the trace context of a request: its own, or the one that its event carries.
func traceOf(r *http.Request, e event.Event) http.Header {
	header := http.Header{}
	parent, state := r.Header.Get("Traceparent"), r.Header.Get("Tracestate")
	if parent == "" {
		carried := gateway.EventTrace(e)
		parent, state = carried.Parent, carried.State
	}
	if parent != "" {
		header.Set("Traceparent", parent)
		header.Set("Tracestate", state)
	}
	return header
}

// read makes an event of a request, or says what is wrong with it.
func read(w http.ResponseWriter, r *http.Request) (event.Event, *gateway.Answer) {
	fail := func(outcome gateway.Outcome, format string, args ...any) (event.Event, *gateway.Answer) {
		return event.Event{}, &gateway.Answer{Outcome: outcome, Error: fmt.Sprintf(format, args...)}
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	structured := err == nil && strings.HasPrefix(media, "application/cloudevents")
	switch {
	case structured && media != event.StructuredContentType:
		return fail(gateway.Unsupported, "content type: want one CloudEvent, as %s or in binary mode", event.StructuredContentType)
	case r.Header.Get("Content-Encoding") != "":
		return fail(gateway.Unsupported, "content encoding: want none")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit):
		return fail(gateway.TooLarge, "the event is larger than %d bytes", MaxBody)
	case err != nil:
		return fail(gateway.Malformed, "the body cannot be read: it is cut off, or came too slowly")
	}
	var e event.Event
	if structured {
		e, err = event.ParseStructured(body)
	} else {
		e, err = event.ParseBinary(r.Header, body)
	}
	if err != nil {
		return fail(gateway.Malformed, "no CloudEvent: %v", err)
	}
	return e, nil
}
