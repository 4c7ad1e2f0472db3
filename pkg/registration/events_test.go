package registration_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// What a Kyma does not keep of a name is found out before anything is written.
func TestEventTypesThatAKymaDoesNotKeep(t *testing.T) {
	t.Parallel()
	const parts = "apis: [{id: a, name: A, kind: odata, path: /a/}]\nevents: {name: Events, catalog: events/asyncapi.yaml}\n"
	tests := map[string]struct {
		channels []string
		prefixed bool
		prefix   string
		reason   string // empty: registered
	}{
		"plain":                           {channels: []string{"Order.Created.v1", "Order.Item.Created.v1"}, prefixed: true},
		"joined, and the same then":       {channels: []string{"Order.Item.Created.v1", "OrderItem.Created.v1"}, prefixed: true, reason: `cannot tell the event types "Order.Item.Created.v1" and "OrderItem.Created.v1" apart`},
		"joined only in older ones":       {channels: []string{"Order.Item.Created.v1", "OrderItem.Created.v1"}},
		"in another version":              {channels: []string{"Order.Item.Created.v1", "OrderItem.Created.v2"}, prefixed: true},
		"too few parts for an older one":  {channels: []string{"created.v1"}, prefixed: true, reason: `"created.v1" has one part before its version`},
		"enough parts for a current one":  {channels: []string{"created.v1"}},
		"Kyma's own prefix":               {channels: []string{"sap.kyma.custom.order.created.v1"}, reason: "begins with the prefix"},
		"the prefix of this installation": {channels: []string{"my.prefix.order.created.v1"}, prefix: "my.prefix", reason: "begins with the prefix my.prefix"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, parts)
			f.system.on("/a/", answer(200, serviceDocument))
			channels := map[string]any{}
			for _, channel := range tt.channels {
				channels[channel] = map[string]any{"subscribe": map[string]any{"message": map[string]any{}}}
			}
			document, err := json.Marshal(map[string]any{"asyncapi": "2.6.0", "info": map[string]any{"title": "E", "version": "v1"}, "channels": channels})
			require.NoError(t, err)
			f.options.Definition = defineFiles(t, header, parts, map[string]string{"events/asyncapi.yaml": string(document)})
			f.options.PrefixedTypes, f.options.EventPrefix = tt.prefixed, tt.prefix
			report := f.run(t)
			assert.Equal(t, registration.OutcomeRegistered, row(t, report, "a").Outcome, "the APIs do not suffer")
			got := row(t, report, "events")
			if tt.reason == "" {
				assert.Equal(t, registration.OutcomeRegistered, got.Outcome, got.Reason)
				return
			}
			assert.Equal(t, registration.ClassMisconfigured, got.Class)
			assert.Contains(t, got.Reason, tt.reason)
			assert.NotEmpty(t, got.Next)
			assert.Len(t, f.catalog.Entries(), 1, "the catalog is not written")
		})
	}
}

// The prefix that was detected or given is that of the Subscriptions in the report.
func TestSubscriptionsWithAnotherPrefix(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	f.options.SubscriptionVersion, f.options.EventPrefix = registration.SubscribeV1Alpha1, "my.prefix"
	data, err := json.Marshal(f.run(t).Events[0].Subscription)
	require.NoError(t, err)
	assert.Contains(t, string(data), `"my.prefix.orders.Order.Created.v1"`)
}
