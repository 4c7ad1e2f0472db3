package gateway

import (
	"context"
	"maps"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/tracing"
)

// The extensions of an event that say which trace it began in, as CloudEvents' distributed tracing names them.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// sentTrace is the trace context that a delivery came with.
func sentTrace(d *Delivery) tracing.Context {
	parent := d.Header.Get("Traceparent")
	if parent == "" {
		return tracing.Context{}
	}
	return tracing.Context{Parent: parent, State: d.Header.Get("Tracestate")}.Valid()
}

// EventTrace is the trace context that an event carries; empty where it has none.
func EventTrace(e event.Event) tracing.Context {
	if e.Extensions[traceParent] == "" {
		return tracing.Context{}
	}
	return tracing.Context{Parent: e.Extensions[traceParent], State: e.Extensions[traceState]}.Valid()
}

// withTrace returns the event's extensions with the trace context.
func withTrace(extensions map[string]string, c tracing.Context) map[string]string {
	if c.Parent == "" {
		return extensions
	}
	extensions = maps.Clone(extensions)
	if extensions == nil {
		extensions = make(map[string]string, 2)
	}
	extensions[traceParent] = c.Parent
	delete(extensions, traceState)
	if c.State != "" {
		extensions[traceState] = c.State
	}
	return extensions
}

// receive begins the span of a delivery, below the sender's if it named one.
func (p *Pipeline) receive(ctx context.Context, route *Route, d *Delivery) (context.Context, tracing.Span) {
	if p.tracer == nil {
		return ctx, tracing.Span{}
	}
	ctx, span := p.tracer.StartAt(sentTrace(d).In(ctx), "receive "+route.Name, tracing.Server, d.Received)
	span.Text("kyma_connectors.route", route.Name)
	return ctx, span
}

// received ends it with what was answered.
func received(span tracing.Span, a Answer) {
	if !span.On() {
		return
	}
	span.Text("kyma_connectors.outcome", string(a.Outcome))
	span.Number("http.response.status_code", a.Status)
	span.Number("kyma_connectors.events", len(a.Events))
	if a.Status >= 500 {
		span.Fail(string(a.Outcome))
	}
	span.End()
}

// traced is a sink whose publications are spans.
type traced struct {
	Sink
	tracer *tracing.Tracer
}

// Traced makes a span of every publication: below the delivery's while that waits for it, and otherwise below
// the one that the event carries. Without a tracer it is the sink itself.
func Traced(s Sink, t *tracing.Tracer) Sink {
	if t == nil {
		return s
	}
	return traced{s, t}
}

// Publish implements Sink.
func (s traced) Publish(ctx context.Context, e event.Event) error {
	if tracing.From(ctx).Parent == "" {
		ctx = EventTrace(e).In(ctx)
	}
	ctx, span := s.tracer.Start(ctx, "publish "+s.Name(), tracing.Producer)
	defer span.End()
	span.Text("cloudevents.event_id", e.ID)
	span.Text("cloudevents.event_type", e.FullType())
	err := s.Sink.Publish(ctx, e)
	if failure := AsPublishError(err); failure != nil {
		span.Fail(string(failure.Reason))
	}
	return err
}
