package registrationjob

import (
	"context"

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
	return subscription.Run(ctx, options, subscription.Dependencies{
		State: j.webhookState(kyma.client), Subscribers: j.subscribers(kyma, application), HTTP: j.newHTTP(), Log: j.log,
	})
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

// removeWebhooks takes back what was registered at the system, and says whether nothing is left there.
func (j *job) removeWebhooks(ctx context.Context, client *kube.Client, removal *registration.Removal) bool {
	if len(j.definition.Webhooks) == 0 {
		return true
	}
	before := len(removal.Left)
	state := j.webhookState(client)
	params, err := j.definition.ReadParams(j.params...)
	switch {
	case err != nil && nothingRegistered(ctx, state):
	case err != nil:
		removal.Failed("webhooks at the system", &registration.ConfigError{
			What: "the parameters cannot be read, so that the system cannot be asked", Next: "give them by --params, or remove at the system what calls this installation", Err: err})
	default:
		subscription.Remove(ctx, subscription.Options{Definition: j.definition, Params: params, Instance: j.instance, CallbackURL: j.callbackURL},
			subscription.Dependencies{State: state, HTTP: j.newHTTP(), Log: j.log}, removal)
	}
	return len(removal.Left) == before
}

// nothingRegistered says whether it is known that there never was a webhook.
func nothingRegistered(ctx context.Context, state subscription.State) bool {
	if state == nil {
		return false
	}
	held, err := state.Load(ctx)
	return err == nil && len(held.Callbacks) == 0 && len(held.Webhooks) == 0
}
