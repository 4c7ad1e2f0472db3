package registration_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/golden"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// relays send events of Kyma to the system; the types of the second are for a parameter that is not given.
const relays = `
relay:
  - name: ingest
    from: {types: ["order.created.v1, Account.Root.Created.v1", plain], source: commerce, path: /relay}
    to: {post: /events, batch: {count: 50}}
    map: {data: '=data'}
  - name: idle
    from: {types: ['=param("event_user")'], path: /idle}
    to: {post: /idle}
    map: {data: '=data'}
`

func relayed(t *testing.T, version string) *registration.Report {
	t.Helper()
	f := newFixture(t, relays)
	f.options.Instance, f.options.SubscriptionVersion = "team-a/my-shop", version
	return f.run(t)
}

func TestReportOfRelays(t *testing.T) {
	t.Parallel()
	report := relayed(t, "v1alpha2")
	require.Len(t, report.Relays, 2)
	assert.Equal(t, registration.RelayReport{
		Name: "ingest", Types: []string{"order.created.v1", "Account.Root.Created.v1", "plain"}, Source: "commerce",
		Sink: "http://my-shop-relay.team-a.svc.cluster.local/relay",
		Subscription: map[string]any{
			"apiVersion": "eventing.kyma-project.io/v1alpha2", "kind": "Subscription",
			"metadata": map[string]any{"name": "my-shop-relay-ingest", "namespace": "team-a"},
			"spec": map[string]any{
				"sink": "http://my-shop-relay.team-a.svc.cluster.local/relay", "source": "commerce", "typeMatching": "standard",
				"types": []string{"order.created.v1", "Account.Root.Created.v1", "plain"}, "config": map[string]string{"maxInFlightMessages": "50"},
			},
		},
	}, report.Relays[0])
	assert.Equal(t, registration.RelayReport{Name: "idle", Types: []string{}, Source: report.Application, Sink: "http://my-shop-relay.team-a.svc.cluster.local/idle"}, report.Relays[1])

	old := relayed(t, registration.SubscribeV1Alpha1)
	assert.True(t, old.Relays[0].Yours, "two kinds of Subscriptions have that name and version")
	var text bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	text.WriteString("----\n")
	require.NoError(t, old.WriteText(&text))
	golden.Assert(t, "relays.txt", text.Bytes())
}

// TestSubscribingInOlderKymas looks at the forms that have one type each.
func TestSubscribingInOlderKymas(t *testing.T) {
	t.Parallel()
	subject := func(report *registration.Report) (single map[string]any, kinds []any) {
		require.Len(t, report.Relays, 2)
		list := report.Relays[0].Subscription
		require.Equal(t, "List", list["kind"])
		for _, item := range list["items"].([]any) {
			object := item.(map[string]any)
			kinds = append(kinds, []any{object["apiVersion"], object["kind"], object["metadata"].(map[string]any)["name"]})
		}
		return list["items"].([]any)[0].(map[string]any)["spec"].(map[string]any), kinds
	}
	const sink = "http://my-shop-relay.team-a.svc.cluster.local/relay"

	trigger, kinds := subject(relayed(t, registration.SubscribeTrigger))
	assert.Equal(t, map[string]any{
		"broker":     "default",
		"filter":     map[string]any{"attributes": map[string]any{"source": "commerce", "type": "order.created", "eventtypeversion": "v1"}},
		"subscriber": map[string]any{"uri": sink},
	}, trigger)
	assert.Equal(t, []any{
		[]any{"eventing.knative.dev/v1alpha1", "Trigger", "my-shop-relay-ingest-order-created-v1"},
		[]any{"eventing.knative.dev/v1alpha1", "Trigger", "my-shop-relay-ingest-account-root-created-v1"},
		[]any{"eventing.knative.dev/v1alpha1", "Trigger", "my-shop-relay-ingest-plain"},
	}, kinds)

	bus, kinds := subject(relayed(t, registration.SubscribeEventBus))
	assert.Equal(t, map[string]any{
		"endpoint": sink, "event_type": "order.created", "event_type_version": "v1", "source_id": "commerce", "include_subscription_name_header": false,
	}, bus)
	assert.Equal(t, []any{"eventing.kyma-project.io/v1alpha1", "Subscription", "my-shop-relay-ingest-order-created-v1"}, kinds[0])
}
