package sink

import (
	"context"
	"net/http"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/tracing"
)

// cloudEvents is an HTTP endpoint that takes CloudEvents.
type cloudEvents struct {
	poster
	structured bool
	limit      int
}

func newCloudEvents(o Options) (gateway.Sink, error) {
	u, err := parseURL(o.URL, "/")
	if err != nil {
		return nil, err
	}
	return &cloudEvents{poster: newPoster(u, o), structured: o.Structured, limit: o.MaxBytes}, nil
}

// Name implements gateway.Sink.
func (s *cloudEvents) Name() string { return string(CloudEvents) }

// Check implements gateway.Sink.
func (s *cloudEvents) Check(e event.Event) error { return checkSize(e, s.structured, s.limit) }

// Publish implements gateway.Sink.
func (s *cloudEvents) Publish(ctx context.Context, e event.Event) error {
	if err := s.Check(e); err != nil {
		return err
	}
	header, body := encode(e, s.structured)
	addTrace(ctx, header, e)
	return asError(s.post(ctx, header, body))
}

// Reachable implements gateway.Sink.
func (s *cloudEvents) Reachable(ctx context.Context) error { return s.alive(ctx, s.url.Path) }

// encode makes headers and body of a request.
func encode(e event.Event, structured bool) (http.Header, []byte) {
	header := make(http.Header, 8)
	if structured {
		header.Set("Content-Type", event.StructuredContentType)
		return header, e.AppendStructured(make([]byte, 0, 512+len(e.Data)))
	}
	e.SetHeader(header)
	return header, e.Data
}

// addTrace puts the trace context into the headers: that of the publication, or the one that the event carries.
func addTrace(ctx context.Context, header http.Header, e event.Event) {
	trace := tracing.From(ctx)
	if trace.Parent == "" {
		trace = gateway.EventTrace(e)
	}
	if trace.Parent == "" {
		return
	}
	header.Set("Traceparent", trace.Parent)
	if trace.State != "" {
		header.Set("Tracestate", trace.State)
	}
}

// checkSize checks the body that encode would make.
func checkSize(e event.Event, structured bool, limit int) error {
	if !structured || len(e.Data) > limit {
		return tooLarge(len(e.Data), limit)
	}
	return tooLarge(len(e.AppendStructured(make([]byte, 0, 512+len(e.Data)))), limit)
}
