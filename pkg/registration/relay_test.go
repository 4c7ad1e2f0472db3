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

	old := relayed(t, registration.SubscriptionV1Alpha1)
	assert.True(t, old.Relays[0].Yours, "two kinds of Subscriptions have that name and version")
	var text bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	text.WriteString("----\n")
	require.NoError(t, old.WriteText(&text))
	golden.Assert(t, "relays.txt", text.Bytes())
}
