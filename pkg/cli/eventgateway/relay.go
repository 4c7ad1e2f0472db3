package eventgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/relay"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

// relayBudget bounds how long Kyma waits for an answer where nothing is stored; it gives up after 30 seconds.
const relayBudget = 20 * time.Second

// relayMetrics are the metrics of one relay.
func relayMetrics(set *telemetry.Metrics, name string) *gateway.Metrics {
	return gateway.NewMetrics(set.View(gateway.RelayMetricsPrefix, "relay", name))
}

// newRelays makes the definition's relays. It makes no call.
func (s *setup) newRelays(f *relayFlags, prefix string, set *telemetry.Metrics) error {
	if len(s.definition.Relay) == 0 {
		return nil
	}
	// Whoever publishes decides about repeating.
	s.client = httpclient.New(httpclient.Options{Timeout: f.timeout, Retry: httpclient.Retry{Attempts: 1}, Guard: s.guard, UserAgent: "kyma-connectors/" + cli.Version()})
	caller, err := relay.NewCaller(s.definition, s.params, s.client)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	for i := range s.definition.Relay {
		r := &s.definition.Relay[i]
		made, err := relay.New(r, s.params.Input(), caller, relay.Options{
			Prefix: prefix, Calls: f.calls, Timeout: f.timeout, Metrics: relayMetrics(set, r.Name),
		})
		if err != nil {
			return err
		}
		s.relays = append(s.relays, made)
	}
	return nil
}

// prepareRelays makes all of them ready for new parameters, or none.
func (s *setup) prepareRelays(params *connector.Params) (swap func(), err error) {
	if len(s.relays) == 0 {
		return func() {}, nil
	}
	caller, err := relay.NewCaller(s.definition, params, s.client)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	swaps := make([]func(), len(s.relays))
	for i, r := range s.relays {
		if swaps[i], err = r.Prepare(params.Input(), caller); err != nil {
			return nil, err
		}
	}
	return func() {
		for _, swap := range swaps {
			swap()
		}
	}, nil
}

// wayOut is everything that relays need: a listener, and for each a buffer of its own, so that a system that
// is away does not fill the buffer of the events that it sends.
type wayOut struct {
	inbound  []relay.Inbound
	services []gateway.Service
	checks   []gateway.Check
	closers  []io.Closer
}

func (o *serveOptions) newWayOut(ctx context.Context, s *setup, set *telemetry.Metrics, logger *slog.Logger) (_ *wayOut, err error) {
	w := &wayOut{}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(w.closers))
		}
	}()
	for _, r := range s.relays {
		if err := o.addRelay(ctx, w, s, r, set, logger.With("relay", r.Name())); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (o *serveOptions) addRelay(ctx context.Context, w *wayOut, s *setup, r *relay.Relay, set *telemetry.Metrics, logger *slog.Logger) error {
	metrics := relayMetrics(set, r.Name())
	gate := gateway.NewGate(gateThreshold, o.delivery.Backoff)
	metrics.WatchGate(gate)
	w.closers = append(w.closers, r)
	delivery := o.delivery.paced(r.Parallel(), metrics)
	target := gateway.Traced(r, s.tracer)
	kept, err := o.openBuffer(s, r.Name(), target, gate, delivery.Pace, metrics, relayBudget, logger)
	if err != nil {
		return err
	}
	w.closers = append(w.closers, kept)
	metrics.Watch(kept)
	store, stores := kept.(gateway.Store)
	w.services = append(w.services, gateway.Service{Name: "relay " + r.Name(), Run: r.Run})
	if stores {
		dispatcher := gateway.NewDispatcher(store, target, gate, delivery, metrics, logger)
		w.services = append(w.services, gateway.Service{Name: "publications of relay " + r.Name(), Run: dispatcher.Run})
	}
	if o.buffer.kind == bufferDisk {
		manage, err := newManagement(ctx, "127.0.0.1:0", relayDir(o.buffer.dir, r.Name()), store, noRemap, logger)
		if err != nil {
			return cli.Config(err)
		}
		w.services = append(w.services, gateway.Service{Name: "dead letters of relay " + r.Name(), Run: manage.run})
	}
	w.inbound = append(w.inbound, relay.Inbound{
		Relay: r, Route: relay.NewRoute(r, stores),
		Pipeline: gateway.NewPipeline(gateway.PipelineOptions{Buffer: kept, Sink: r, Metrics: metrics, Tracer: s.tracer, Logger: logger}),
	})
	// None of them is essential: another replica would fare no better, and what comes from outside has
	// nothing to do with it.
	check := func(what string, problem func() error) {
		w.checks = append(w.checks, gateway.Check{Name: "relay " + r.Name() + ": " + what, Problem: problem})
	}
	check("buffer", func() error { return kept.Status().Problem })
	check("system", func() error { return paused(gate) })
	check("schema", r.Problem)
	return nil
}

// noRemap answers those who want a relay's dead letter mapped again.
func noRemap(gateway.Delivery) ([]gateway.Entry, error) {
	return nil, errors.New("events for the system are mapped whenever they are sent: replay it without --remap")
}
