// Package gatewaytest has one fake for each interface of package gateway. Their behaviour is a function
// field; the zero value does what is simplest.
package gatewaytest

import (
	"context"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// Metrics are metrics that nobody reads.
func Metrics() *gateway.Metrics {
	return gateway.NewMetrics(telemetry.NewMetrics(gateway.MetricsPrefix))
}

// Sink records what was published. It is safe for concurrent use.
type Sink struct {
	// CheckFunc and PublishFunc decide; nil takes everything.
	CheckFunc   func(event.Event) error
	PublishFunc func(context.Context, event.Event) error

	mu    sync.Mutex
	taken []event.Event
	tried int
}

// Check implements gateway.Sink.
func (s *Sink) Check(e event.Event) error {
	if s.CheckFunc == nil {
		return nil
	}
	return s.CheckFunc(e)
}

// Publish implements gateway.Sink.
func (s *Sink) Publish(ctx context.Context, e event.Event) error {
	var err error
	s.mu.Lock()
	s.tried++
	s.mu.Unlock()
	if s.PublishFunc != nil {
		err = s.PublishFunc(ctx, e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.taken = append(s.taken, e)
	}
	return err
}

// Reachable implements gateway.Sink.
func (s *Sink) Reachable(context.Context) error { return nil }

// Name implements gateway.Sink.
func (s *Sink) Name() string { return "fake" }

// Taken are the events that were taken, in order.
func (s *Sink) Taken() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event.Event(nil), s.taken...)
}

// Tried is the number of publications, failed ones included.
func (s *Sink) Tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried
}

// IDs are the ids of the events that were taken, in order.
func (s *Sink) IDs() []string {
	var ids []string
	for _, e := range s.Taken() {
		ids = append(ids, e.ID)
	}
	return ids
}

// Verifier lets a function decide; nil takes everything.
type Verifier func(*gateway.Delivery) error

// Verify implements gateway.Verifier.
func (v Verifier) Verify(_ context.Context, d *gateway.Delivery) error {
	if v == nil {
		return nil
	}
	return v(d)
}

// Mapper lets a function decide.
type Mapper func(mapping.Delivery) mapping.Result

// Map implements gateway.Mapper.
func (m Mapper) Map(d mapping.Delivery) mapping.Result { return m(d) }

// Buffer lets a function decide and keeps nothing.
type Buffer struct {
	AppendFunc func(*gateway.Record) ([]bool, error)
}

// Append implements gateway.Buffer.
func (b *Buffer) Append(_ context.Context, r *gateway.Record) ([]bool, error) { return b.AppendFunc(r) }

// Status implements gateway.Buffer.
func (b *Buffer) Status() gateway.BufferStatus { return gateway.BufferStatus{} }

// Close implements gateway.Buffer.
func (b *Buffer) Close() error { return nil }
