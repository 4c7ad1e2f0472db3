package eventgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/buffer"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/openapi"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/relay"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/sink"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/webhook"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/tracing"
)

// gateThreshold is how many failures in a row make the gateway leave the target alone.
const gateThreshold = 5

// serveOptions are the flags of serve.
type serveOptions struct {
	definition definitionFlags
	sink       sinkFlags
	buffer     bufferFlags
	delivery   deliveryFlags
	hosts      hostFlags
	relay      relayFlags
	payload    payloadFlags

	listen, relayListen, adminListen, manageListen string
	maxInFlight, maxConnections, maxSessions       int
	forwardedHops                                  int
	maxBuffered                                    byteSize
	reload, drainDelay, grace                      time.Duration
	logLevel, callbackURL                          string
}

func newServe(getenv func(string) string, streams cli.Streams) *cobra.Command {
	o := &serveOptions{maxBuffered: 16 << 20}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Take deliveries and publish events",
		Long: `Take deliveries and publish events until SIGTERM. Then the gateway says that it is not ready, goes on for
--drain-delay, finishes what has begun and stops within --grace.

Logs are JSON lines on standard error; they hold neither payloads nor secrets. Health and metrics are served at
--admin-listen: /healthz, /readyz, /metrics.

Traces go where OpenTelemetry's standard variables say, by OTLP over HTTP, and nowhere without them:
OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER and so on.`,
		Example: `  # Kyma's publisher is found in the cluster; nothing is kept: 2xx means that Kyma has the event
  event-gateway serve --connector connector.yaml --params /etc/connector/params/config --params /etc/connector/params/secret

  # 2xx means that the event is on disk; any CloudEvents endpoint as target
  event-gateway serve --connector connector.yaml --params params.yaml \
    --buffer disk --buffer-dir /var/lib/connector --sink-kind cloudevents --sink-url http://broker.example/default`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), getenv, streams) },
	}
	flags := cmd.Flags()
	o.definition.bind(flags)
	o.definition.bindAddresses(flags, getenv)
	flags.StringVar(&o.listen, "listen", ":8080", "address for deliveries")
	flags.StringVar(&o.relayListen, "relay-listen", ":8082", "address for events from inside the cluster; only opened where the definition has a relay")
	flags.StringVar(&o.adminListen, "admin-listen", ":8081", "address for health and metrics")
	flags.StringVar(&o.manageListen, "manage-listen", "127.0.0.1:0", "loopback address for the deadletters command (disk)")
	o.sink.bind(flags)
	o.buffer.bind(flags)
	o.delivery.bind(flags)
	o.hosts.bind(flags)
	o.relay.bind(flags)
	o.payload.bind(flags)
	flags.IntVar(&o.maxInFlight, "max-in-flight", 1024, "deliveries handled at the same time")
	flags.Var(&o.maxBuffered, "max-buffered-bytes", "bytes of bodies held at the same time")
	flags.IntVar(&o.maxConnections, "max-connections", 2048, "open connections")
	flags.IntVar(&o.maxSessions, "max-sessions", 256, "open MQTT sessions")
	flags.StringVar(&o.callbackURL, "callback-url", "", "public address of the gateway, such as https://gateway.example.com, for the OpenAPI documents that the definition publishes; without it they name the host that was asked")
	flags.IntVar(&o.forwardedHops, "forwarded-hops", 1, "proxies in front that append to X-Forwarded-For; 0 ignores the header")
	flags.DurationVar(&o.reload, "reload-interval", 10*time.Second, "how often to look for changed parameters; 0 means never")
	flags.DurationVar(&o.drainDelay, "drain-delay", 5*time.Second, "how long deliveries are still taken after the gateway said that it is not ready")
	flags.DurationVar(&o.grace, "grace", 25*time.Second, "limit of the shutdown")
	flags.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	cli.PositiveNumbers(cmd, "forwarded-hops", "reload-interval", "drain-delay", "backlog-rate")
	return cmd
}

func (o *serveOptions) run(ctx context.Context, getenv func(string) string, streams cli.Streams) error {
	logger, err := telemetry.NewLogger(streams.Err, o.logLevel)
	if err != nil {
		return cli.Config(err)
	}
	app, err := o.newApp(ctx, logger)
	if err != nil {
		return err
	}
	tuneCollector(getenv)
	return app.Run(ctx)
}

// newApp wires everything together.
func (o *serveOptions) newApp(ctx context.Context, logger *slog.Logger) (_ *gateway.App, err error) {
	s, err := o.definition.load()
	if err != nil {
		return nil, cli.Config(err)
	}
	if err := errors.Join(o.buffer.check(), o.hosts.apply(s.hosts), checkCallback(o.callbackURL)); err != nil {
		return nil, cli.Config(err)
	}
	if s.payloads, s.rejectPayloads, err = o.payload.checker(s.definition); err != nil {
		return nil, cli.Config(err)
	}
	options, err := o.sink.options(s.application, o.buffer.credentials)
	if err != nil {
		return nil, cli.Config(err)
	}
	target, err := sink.New(options)
	if err != nil {
		return nil, cli.Config(err)
	}
	set := telemetry.NewMetrics(gateway.MetricsPrefix)
	if err := s.newRelays(&o.relay, o.sink.prefix, set); err != nil {
		return nil, cli.Config(err)
	}
	if s.tracer, err = tracing.New(ctx, o.definition.getenv, "event-gateway", cli.Version(), logger); err != nil {
		return nil, cli.Config(err)
	}
	closer, _ := target.(io.Closer)
	target = gateway.Traced(target, s.tracer)
	metrics := gateway.NewMetrics(set)
	metrics.KnowTypes(fullTypes(s.definition))
	gate := gateway.NewGate(gateThreshold, o.delivery.Backoff)
	metrics.WatchGate(gate)

	delivery := o.delivery.paced(o.delivery.Parallel, metrics)
	kept, err := o.openBuffer(s, "", target, gate, delivery.Pace, metrics, 0, logger)
	if err != nil {
		return nil, err
	}
	closers := []io.Closer{kept, s.tracer}
	if closer != nil {
		closers = []io.Closer{kept, closer, s.tracer}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(closers))
		}
	}()
	metrics.Watch(kept)
	services, err := o.services(ctx, s, target, gate, kept, delivery, metrics, logger)
	if err != nil {
		return nil, err
	}
	out, err := o.newWayOut(ctx, s, set, logger)
	if err != nil {
		return nil, err
	}
	closers = append(out.closers, closers...)
	services = append(services, out.services...)
	watch := newWatcher(s, o.definition.params, o.reload, metrics, logger)
	if o.reload > 0 {
		services = append(services, gateway.Service{Name: "parameters", Run: watch.run})
	}
	pipeline := gateway.NewPipeline(gateway.PipelineOptions{
		Buffer: kept, Sink: target, Payloads: s.payloads, RejectPayloads: s.rejectPayloads, Metrics: metrics, Tracer: s.tracer, Logger: logger,
	})
	webhooks, err := webhook.New(webhook.Options{
		Routes: s.webhooks(), Pipeline: pipeline,
		MaxInFlight: o.maxInFlight, MaxBuffered: int64(o.maxBuffered), ForwardedHops: o.forwardedHops,
	})
	if err != nil {
		return nil, cli.Config(err)
	}
	set.Gauge("in_flight", func() float64 { return float64(webhooks.InFlight()) })
	published := openapi.Handler(webhooks, s.documents, openapi.Options{Server: o.callbackURL, Proxied: o.forwardedHops > 0})
	handler, sessions, err := o.withHosts(s, published, pipeline, metrics, logger)
	if err != nil {
		return nil, cli.Config(err)
	}
	services = append(services, sessions...)
	inbound := []gateway.Listener{{Name: "public", Address: o.listen, Handler: handler, MaxConnections: o.maxConnections}}
	if len(out.inbound) > 0 {
		inbound = append(inbound, gateway.Listener{Name: "relay", Address: o.relayListen, Handler: relay.NewHandler(out.inbound, logger), MaxConnections: 2 * relay.MaxTogether})
	}
	health := gateway.NewHealth(append([]gateway.Check{
		{Name: "buffer", Essential: true, Problem: func() error { return kept.Status().Problem }},
		{Name: "target", Problem: func() error { return paused(gate) }},
		{Name: "parameters", Problem: watch.check},
	}, out.checks...)...)
	app, err := gateway.New(ctx, gateway.Config{
		Inbound: inbound,
		Admin:   gateway.Listener{Name: "admin", Address: o.adminListen, Handler: adminHandler(health, set), MaxConnections: 128},
		Health:  health, Metrics: set, Logger: logger, Services: services,
		Close:      func() error { return closeAll(closers) },
		DrainDelay: o.drainDelay, Grace: o.grace,
	})
	if err != nil {
		return nil, cli.Config(err)
	}
	return app, nil
}

// checkCallback wants an address that others can complete with a path.
func checkCallback(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("--callback-url %q: want https://HOST, without a path", address)
	}
	return nil
}

func paused(gate *gateway.Gate) error {
	if gate.Shut() {
		return errors.New("it does not take events at the moment and is tried again from time to time")
	}
	return nil
}

func closeAll(closers []io.Closer) error {
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// openBuffer opens the buffer of the gateway, or of a relay. The budget is how long a sender waits at most
// where nothing is stored; 0 means the default.
func (o *serveOptions) openBuffer(s *setup, relay string, target gateway.Sink, gate *gateway.Gate, pace *gateway.Pace, metrics *gateway.Metrics, budget time.Duration, logger *slog.Logger) (gateway.Buffer, error) {
	switch o.buffer.kind {
	case bufferDisk:
		options := o.buffer.disk(relay, 1+len(s.relays))
		options.Pace, options.Metrics, options.Logger = pace, metrics, logger
		b, err := buffer.OpenDisk(options)
		if err != nil {
			return nil, cli.Config(err)
		}
		return b, nil
	case bufferJetStream:
		options := o.buffer.jetStream(relayStream(o.buffer.streamName(s.definition, s.application), relay))
		options.Pace, options.Metrics, options.Logger = pace, metrics, logger
		b, err := buffer.OpenJetStream(options)
		if err != nil {
			return nil, cli.Config(err)
		}
		return b, nil
	default:
		return buffer.NewDirect(buffer.DirectOptions{
			Sink: target, Gate: gate, Budget: budget, Window: o.buffer.window,
			Published: func(start time.Time, err error) { metrics.Published(target.Name(), start, err) },
		}), nil
	}
}

// services are what a buffer that keeps events needs: somebody who publishes them, and somebody who looks
// after the dead letters.
func (o *serveOptions) services(ctx context.Context, s *setup, target gateway.Sink, gate *gateway.Gate, kept gateway.Buffer, delivery gateway.DispatcherOptions, metrics *gateway.Metrics, logger *slog.Logger) ([]gateway.Service, error) {
	store, ok := kept.(gateway.Store)
	if !ok {
		return nil, nil
	}
	dispatcher := gateway.NewDispatcher(store, target, gate, delivery, metrics, logger)
	services := []gateway.Service{{Name: "publications", Run: dispatcher.Run}}
	if o.buffer.kind != bufferDisk {
		return services, nil
	}
	manage, err := newManagement(ctx, o.manageListen, o.buffer.dir, store, s.remap(target.Check), logger)
	if err != nil {
		return nil, cli.Config(err)
	}
	return append(services, gateway.Service{Name: "dead letters", Run: manage.run}), nil
}

func adminHandler(health *gateway.Health, set *telemetry.Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET /readyz", health.Readiness())
	mux.Handle("GET /metrics", set.Handler())
	return mux
}

// fullTypes are the event types of the catalog.
func fullTypes(d *connector.Definition) []string {
	var types []string
	for _, t := range d.EventTypes() {
		types = append(types, t.FullType())
	}
	return types
}
