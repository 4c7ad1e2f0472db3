package registrationjob

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// verifyFlags are those that only verify has.
type verifyFlags struct {
	via string
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
Istio), the system itself is called, and the report says so; --via gateway fails then.

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
	return cmd
}

func (j *job) verify(ctx context.Context, flags *verifyFlags) error {
	via := registration.Via(flags.via)
	if !slices.Contains(registration.Vias(), via) {
		return cli.Config(fmt.Errorf("--via is %q: want %s", flags.via, values(registration.Vias())))
	}
	return j.converge(ctx, registration.FailOnAny, flags, func(o *registration.Options) { o.Verify, o.Via = true, via })
}

// subscriptions adds to the report of verify who gets which events.
func (j *job) subscriptions(ctx context.Context, kyma *kyma, report *registration.Report) {
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
	demands, err := who.Demands(ctx, types)
	if err != nil {
		var config *registration.ConfigError
		if errors.As(err, &config) {
			err = errors.New(config.What)
		}
		report.Verified.SubscriptionsUnknown = j.redact.Redact(err.Error())
		return
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
	report.AddSubscribed(subscribed, nil)
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
