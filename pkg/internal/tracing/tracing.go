// Package tracing makes OpenTelemetry spans. Where nobody asked for them it does nothing: a nil *Tracer and the
// zero Span are of use, and cost no allocation.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// closing bounds how long the last spans may take at the end.
const closing = 2 * time.Second

// Kind is the part that a span has in a trace.
type Kind = trace.SpanKind

// The kinds that are used.
const (
	Server   = trace.SpanKindServer
	Internal = trace.SpanKindInternal
	Producer = trace.SpanKindProducer
)

// Tracer makes spans. Nil makes none.
type Tracer struct {
	tracer   trace.Tracer
	provider *sdktrace.TracerProvider
}

// New makes a Tracer of the standard variables of OpenTelemetry. It is nil unless they ask for traces: with
// OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_TRACES_EXPORTER=otlp. The SDK reads its own
// (sampler, limits, batches, resource) from the process's environment. Nothing is called: a collector that is away
// is logged, and costs spans.
func New(ctx context.Context, getenv func(string) string, service, version string, logger *slog.Logger) (*Tracer, error) {
	on, err := wanted(getenv)
	if err != nil || !on {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("traces", "error", err.Error()) }))
	exporter, err := newExporter(getenv)
	if err != nil {
		return nil, err
	}
	described, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: want name=value, separated by commas: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	return &Tracer{tracer: provider.Tracer("github.com/kyma-connectors/kyma-connectors"), provider: provider}, nil
}

// wanted says whether traces are asked for, or what is asked for that cannot be done.
func wanted(getenv func(string) string) (bool, error) {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	somewhere := getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false, nil
	case "":
		if !somewhere {
			return false, nil
		}
	case "otlp":
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER %q: want otlp or none", exporter)
	}
	if name, protocol := setting(getenv, "PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return false, fmt.Errorf("%s %q: want http/protobuf, usually at port 4318", name, protocol)
	}
	return true, nil
}

// Close sends the spans that are left.
func (t *Tracer) Close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // spans that cannot be sent are no reason to fail
	return nil
}

// Start begins a span below the one of the context.
func (t *Tracer) Start(ctx context.Context, name string, kind Kind) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, Span{span}
}

// StartAt begins a span that began at the given time.
func (t *Tracer) StartAt(ctx context.Context, name string, kind Kind, at time.Time) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at))
	return ctx, Span{span}
}

// Span is a part of a trace. The zero value does nothing.
type Span struct{ span trace.Span }

// On says whether somebody will see the span; without that, attributes need not be made.
func (s Span) On() bool { return s.span != nil && s.span.IsRecording() }

// Text adds an attribute. Values must hold nothing of a payload and nothing secret.
func (s Span) Text(key, value string) {
	if s.On() {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Number adds an attribute.
func (s Span) Number(key string, value int) {
	if s.On() {
		s.span.SetAttributes(attribute.Int(key, value))
	}
}

// Fail marks what the span is about as failed, for a reason of a bounded set.
func (s Span) Fail(reason string) {
	if s.On() {
		s.span.SetStatus(codes.Error, reason)
	}
}

// End ends the span.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// Context is where an event is in a trace, in W3C's form.
type Context struct{ Parent, State string }

var w3c propagation.TraceContext

// Valid returns the context as it may be passed on: empty where the parent is none, and without a state that
// is none.
func (c Context) Valid() Context {
	if len(c.Parent) != 55 { // later versions may be longer; what they add is for nobody here
		return Context{}
	}
	span := trace.SpanContextFromContext(c.in(context.Background()))
	if !span.IsValid() {
		return Context{}
	}
	c.State = span.TraceState().String() // without the white space that was around its members
	return c
}

// In returns a context with the span that it names, as the parent of others.
func (c Context) In(ctx context.Context) context.Context {
	if c.Parent == "" {
		return ctx
	}
	return c.in(ctx)
}

func (c Context) in(ctx context.Context) context.Context {
	return w3c.Extract(ctx, propagation.MapCarrier{"traceparent": c.Parent, "tracestate": c.State})
}

// From is the trace context of the span in a context; empty where there is none.
func From(ctx context.Context) Context {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return Context{}
	}
	carrier := propagation.MapCarrier{}
	w3c.Inject(ctx, carrier)
	return Context{Parent: carrier["traceparent"], State: carrier["tracestate"]}
}
