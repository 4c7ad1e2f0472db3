package registrationjob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// verifyFlags are those that only verify has.
type verifyFlags struct {
	via          string
	eventGateway string
}

func newVerify(j *job) *cobra.Command {
	flags := verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that the connection works: call every API, look for events that nobody gets",
		Long: `Check that the connection works.

Everything has to be registered as apply would register it, and every API is called as a workload calls it: through
Kyma's gateway, by the call that the definition probes it with. What went wrong at the gateway is told from what went
wrong at the system. Where this process may not use the gateway (outside the cluster, or in a pod without a sidecar of
Istio), the system itself is called, and the report says so; --via gateway fails then. Where Kyma's
Application Connector is installed and its gateway is missing, both fail: nobody could call what is registered.

Then says which event types no ready Subscription wants: Kyma takes their events, and drops them. That fails nothing.

Only reads. Exit code 0: everything is registered, and every API answers or is disabled on purpose. 1: something is not
so now. 2: somebody has to change something first.`,
		Example: `  # in the cluster, with a sidecar: what helm test does
  registration-job verify --connector /etc/connector/definition/connector.yaml --params /etc/connector/params/config \
    --params /etc/connector/params/secret --instance shop/acme --state-secret acme-state

  # from a workstation, without the gateway
  registration-job verify --connector connector.yaml --params params.yaml --kubeconfig ~/.kube/config --via system`,
		Args: cobra.NoArgs,
	}
	cmd.RunE = j.run(func(ctx context.Context) error { return j.verify(ctx, &flags) })
	j.baseFlags(cmd)
	j.kymaFlags(cmd)
	j.reportFlags(cmd)
	cmd.Flags().StringVar(&flags.via, "via", string(registration.ViaAuto), "what is called: "+values(registration.Vias())+" (the gateway where it can be used, the gateway, the system itself)")
	cmd.Flags().StringVar(&flags.eventGateway, "event-gateway-url", "", "`URL` of the event gateway's admin port, without path, such as http://acme-gateway.shop:8081: it has counted which events arrive")
	return cmd
}

func (j *job) verify(ctx context.Context, flags *verifyFlags) error {
	via := registration.Via(flags.via)
	if !slices.Contains(registration.Vias(), via) {
		return cli.Config(fmt.Errorf("--via is %q: want %s", flags.via, values(registration.Vias())))
	}
	if err := checkAddress("--event-gateway-url", flags.eventGateway); err != nil {
		return cli.Config(err)
	}
	return j.converge(ctx, registration.FailOnAny, flags, func(o *registration.Options) { o.Verify, o.Via = true, via })
}

// subscriptions adds to the report of verify who gets which events.
func (j *job) subscriptions(ctx context.Context, flags *verifyFlags, kyma *kyma, report *registration.Report) {
	if report.Verified == nil {
		return
	}
	types := eventTypes(report)
	if len(types) == 0 {
		return
	}
	who := j.subscribers(kyma, report.Application)
	if who == nil {
		report.Verified.SubscriptionsUnknown = "no cluster is known to ask"
		return
	}
	demands, note, err := who.Demands(ctx, types)
	if err != nil {
		var config *registration.ConfigError
		if errors.As(err, &config) && !kube.IsForbidden(err) {
			err = errors.New(config.What) // the rest is about making webhooks
		}
		report.Verified.SubscriptionsUnknown = j.redact.Redact(err.Error())
		return
	}
	if note = j.redact.Redact(note); note != "" && !slices.Contains(report.Notes, note) {
		report.Notes = append(report.Notes, note)
	}
	subscribed := map[string]registration.Subscribed{}
	for full, demand := range demands {
		switch demand {
		case subscription.Ready:
			subscribed[full] = registration.SubscribedReady
		case subscription.Pending:
			subscribed[full] = registration.SubscribedPending
		}
	}
	report.AddSubscribed(subscribed, j.counted(ctx, flags.eventGateway, report))
}

// countedTypes is what the event gateway counts accepted events by type with.
const countedTypes = "kyma_connectors_gateway_event_types_total{"

// counted asks the event gateway which events have arrived since it was started, by full type. Of several replicas, one
// answers. It is a hint: what fails here fails nothing else.
func (j *job) counted(ctx context.Context, address string, report *registration.Report) map[string]int64 {
	if address == "" {
		return nil
	}
	answer, err := j.newClusterHTTP().Do(ctx, httpclient.Request{URL: strings.TrimRight(address, "/") + "/metrics"})
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("%s answered %d", httpclient.Address(address), answer.Status)
	}
	if err != nil {
		report.Notes = append(report.Notes, "the event gateway does not tell which events have arrived: "+j.redact.Redact(err.Error()))
		return nil
	}
	return readCounted(answer.Body)
}

// readCounted reads metrics in the text format.
func readCounted(metrics []byte) map[string]int64 {
	counted := map[string]int64{}
	for line := range strings.Lines(string(metrics)) {
		rest, ours := strings.CutPrefix(strings.TrimSpace(line), countedTypes)
		labels, value, found := strings.Cut(rest, "} ")
		if !ours || !found {
			continue
		}
		_, full, found := strings.Cut(labels, `type="`)
		full, _, closed := strings.Cut(full, `"`)
		count, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if found && closed && err == nil && count > 0 {
			counted[full] += int64(count)
		}
	}
	return counted
}

// eventTypes are the full types of the catalog and of the webhooks.
func eventTypes(report *registration.Report) []string {
	var types []string
	add := func(full string) {
		if !slices.Contains(types, full) {
			types = append(types, full)
		}
	}
	for _, e := range report.Events {
		add(e.Type)
	}
	if report.Webhooks != nil {
		for _, w := range report.Webhooks.Items {
			for _, full := range w.Types {
				add(full)
			}
		}
	}
	return types
}
