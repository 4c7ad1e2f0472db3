package eventgateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/sink"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/webhook"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/tracing"
)

// checkOptions are the flags of check.
type checkOptions struct {
	definition definitionFlags
	sink       sinkFlags
	buffer     bufferFlags
	hosts      hostFlags
	relay      relayFlags
	payload    payloadFlags
	askSink    bool
	askSystem  bool
	gatewayURL string
	timeout    time.Duration
}

func newCheck(getenv func(string) string, streams cli.Streams) *cobra.Command {
	o := &checkOptions{}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, and with --sink whether the target answers",
		Long: `Check the configuration: the definition, the parameters, the secrets that deliveries are verified by, and
what is said about buffer, target and traces (OTEL_*). Nothing is opened and nobody is asked, unless --sink or --gateway-url says so.`,
		Example: `  event-gateway check --connector connector.yaml --params params.yaml
  event-gateway check --connector connector.yaml --params /etc/connector/params/secret --sink
  event-gateway check --connector connector.yaml --params params.yaml --gateway-url http://127.0.0.1:8081`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), streams) },
	}
	flags := cmd.Flags()
	o.definition.bind(flags)
	o.definition.bindAddresses(flags, getenv)
	o.sink.bind(flags)
	o.buffer.bind(flags)
	o.hosts.bind(flags)
	o.relay.bind(flags)
	o.payload.bind(flags)
	flags.BoolVar(&o.askSink, "sink", false, "also ask the target whether it is reachable; nothing is published")
	flags.BoolVar(&o.askSystem, "system", false, "also ask the system that relays send to whether it is reachable; nothing is sent")
	flags.StringVar(&o.gatewayURL, "gateway-url", "", "also ask a running gateway's admin address whether it is ready, such as http://127.0.0.1:8081")
	flags.DurationVar(&o.timeout, "timeout", 15*time.Second, "limit of all questions together")
	return cmd
}

func (o *checkOptions) run(ctx context.Context, streams cli.Streams) error {
	s, target, err := o.configuration(ctx)
	if err != nil {
		return cli.Config(err)
	}
	fmt.Fprintf(streams.Out, "configuration: ok (%s, application %s, deliveries: %d, relays: %d)\n", s.definition.Metadata.DisplayName, s.application, len(s.routes), len(s.relays))
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if o.askSink {
		if err := target.Reachable(ctx); err != nil {
			return fmt.Errorf("target (%s): %w", o.sink.kind, err)
		}
		fmt.Fprintf(streams.Out, "target: ok (%s)\n", target.Name())
	}
	if o.askSystem {
		for _, r := range s.relays {
			if err := r.Reachable(ctx); err != nil {
				return fmt.Errorf("system of relay %q: %w", r.Name(), err)
			}
			fmt.Fprintf(streams.Out, "system of relay %q: ok\n", r.Name())
		}
	}
	if o.gatewayURL != "" {
		if err := askGateway(ctx, o.gatewayURL); err != nil {
			return err
		}
		fmt.Fprintln(streams.Out, "gateway: ready")
	}
	return nil
}

func (o *checkOptions) configuration(ctx context.Context) (*setup, gateway.Sink, error) {
	s, err := o.definition.load()
	if err != nil {
		return nil, nil, err
	}
	if _, err := webhook.New(webhook.Options{Routes: s.webhooks()}); err != nil {
		return nil, nil, err
	}
	if _, _, err := o.payload.checker(s.definition); err != nil {
		return nil, nil, err
	}
	if err := errors.Join(o.buffer.check(), o.hosts.apply(s.hosts)); err != nil {
		return nil, nil, err
	}
	if _, _, err := (&serveOptions{}).withHosts(s, http.NotFoundHandler(), nil, gateway.NewMetrics(telemetry.NewMetrics("")), nil); err != nil {
		return nil, nil, err
	}
	if err := s.newRelays(&o.relay, o.sink.prefix, telemetry.NewMetrics("")); err != nil {
		return nil, nil, err
	}
	tracer, err := tracing.New(ctx, o.definition.getenv, "event-gateway", cli.Version(), telemetry.Discard())
	if err != nil {
		return nil, nil, err
	}
	if err := tracer.Close(); err != nil { // it has nothing to send, and asks nobody
		return nil, nil, err
	}
	options, err := o.sink.options(s.application, o.buffer.credentials)
	if err != nil {
		return nil, nil, err
	}
	target, err := sink.New(options)
	return s, target, err
}

// askGateway reads a gateway's readiness.
func askGateway(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return cli.Config(fmt.Errorf("--gateway-url %q: want an address such as http://127.0.0.1:8081", address))
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/readyz"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	var report gateway.Report
	if json.Unmarshal(body, &report) != nil || len(report.Reasons) == 0 {
		return fmt.Errorf("gateway: %s answers %d", u, answer.StatusCode)
	}
	first := report.Reasons[0]
	return fmt.Errorf("gateway: not ready: %s: %s", first.Check, first.Problem)
}
