package registrationjob

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/subscribed"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// webhooks registers the webhooks at the system that belong to a phase; nil where there are none.
func (j *job) webhooks(ctx context.Context, o registration.Options, kyma *kyma, application string, phase subscription.Phase) *registration.WebhooksReport {
	options := subscription.Options{
		Definition: o.Definition, Params: o.Params, Instance: o.Instance, Policy: o.Policy, Phase: phase,
		DryRun: o.DryRun, Verify: o.Verify, Parallel: o.Parallel, CallbackURL: o.CallbackURL,
	}
	if j.webhookGrace >= 0 {
		options.Grace = &j.webhookGrace
	}
	if j.webhookWait > 0 && phase == subscription.AfterAPIs {
		options.ProofsKnown = j.started.Add(j.webhookWait)
		var cancel context.CancelFunc
		ctx, cancel = longer(ctx, j.webhookWait)
		defer cancel()
	}
	return subscription.Run(ctx, options, subscription.Dependencies{
		State: j.webhookState(kyma.client), Subscribers: j.subscribers(kyma, application), HTTP: j.newHTTP(), Log: j.log,
	})
}

// longer is a context that ends with another one, but for its deadline, which is later.
func longer(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		return context.WithCancel(ctx)
	}
	later, cancel := context.WithDeadlineCause(context.WithoutCancel(ctx), deadline.Add(by), errors.New("the time for the whole run (--timeout) is over"))
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			cancel()
		}
	})
	return later, func() { stop(); cancel() }
}

// webhookState is the state in the Secret of all states; nil where there is none.
func (j *job) webhookState(client *kube.Client) subscription.State {
	if client == nil || j.stateSecret == "" {
		return nil
	}
	return kube.NewWebhookStore(client, j.namespace, j.stateSecret, j.labels())
}

// subscribers asks the cluster who wants which events; nil where there is none.
func (j *job) subscribers(kyma *kyma, application string) subscription.Subscribers {
	if kyma.client == nil {
		return nil
	}
	sources := subscribed.Subscribers{subscribed.Resources{
		Cluster: kyma.client, Application: application, Version: kyma.found.Subscriptions, Prefix: kyma.found.EventPrefix,
	}}
	if host := kyma.found.Publish.Host(); host != "" {
		sources = append(sources, subscribed.Endpoint{HTTP: j.newClusterHTTP(), URL: host, Application: application})
	}
	return sources
}

// removeWebhooks takes back what was registered at the system, and names what is left there.
func (j *job) removeWebhooks(ctx context.Context, client *kube.Client, removal *registration.Removal) {
	if len(j.definition.Webhooks) == 0 {
		return
	}
	ctx, cancel := halfOfTheRest(ctx)
	defer cancel()
	state := j.webhookState(client)
	params, err := j.definition.ReadParams(j.params...)
	if err == nil {
		subscription.Remove(ctx, subscription.Options{Definition: j.definition, Params: params, Instance: j.instance, CallbackURL: j.callbackURL},
			subscription.Dependencies{State: state, HTTP: j.newHTTP(), Log: j.log}, removal)
		return
	}
	var held subscription.StateData
	unknown := error(nil)
	if state != nil {
		held, unknown = state.Load(ctx)
	}
	if state != nil && unknown == nil && len(held.Callbacks) == 0 && len(held.Webhooks) == 0 {
		return // it is known that there never was one
	}
	removal.Failed("webhooks at the system", &registration.ConfigError{
		What: "the parameters cannot be read, so that the system cannot be asked", Next: "give them by --params, or remove at the system " + held.Describe(), Err: err})
}

// halfOfTheRest leaves time for what comes after a system that hangs.
func halfOfTheRest(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		return context.WithCancel(ctx)
	}
	rest := time.Until(deadline) / 2
	return context.WithTimeoutCause(ctx, rest, fmt.Errorf("the time for webhooks (%s, half of what was left of --timeout) is over", rest.Round(time.Second)))
}
