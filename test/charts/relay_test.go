package charts_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// relayed is a definition with a relay whose event types come from the form.
const relayed = `
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: relayed, displayName: Relayed, provider: ACME, product: ACME}
parameters:
  system_url: {kind: url, title: System URL, required: true}
  types: {kind: list, title: Types}
  more: {kind: text, title: More, default: order.paid.v1}
  source: {kind: resourceName, title: Source}
application: my-shop
system: {url: =param("system_url")}
relay:
  - name: ingest
    from: {types: [=params("types"), =param("more")], source: =param("source"), path: /relay}
    to: {post: /events, batch: {count: 50}}
    map: {data: =data}
`

// subscriptionV1alpha2 has the rules of Kyma's controller.
type subscriptionV1alpha2 struct {
	header
	Spec struct {
		Sink         string            `json:"sink"`
		Source       string            `json:"source"`
		Types        []string          `json:"types"`
		TypeMatching string            `json:"typeMatching"`
		Config       map[string]string `json:"config"`
	} `json:"spec"`
}

var sinkAddress = regexp.MustCompile(`^http://[a-z0-9-]+\.[a-z0-9-]+\.svc\.cluster\.local/.*$`)

func (s *subscriptionV1alpha2) validate(t *testing.T) {
	t.Helper()
	assert.Regexp(t, sinkAddress, s.Spec.Sink)
	assert.NotEmpty(t, s.Spec.Source)
	assert.Equal(t, "standard", s.Spec.TypeMatching)
	require.NotEmpty(t, s.Spec.Types)
	seen := map[string]bool{}
	for _, name := range s.Spec.Types {
		assert.False(t, seen[name], "%s twice", name)
		seen[name] = true
		assert.Contains(t, name, ".", "at least two segments")
		assert.NotContains(t, name, "sap.kyma.custom")
	}
	inFlight, err := strconv.Atoi(s.Spec.Config["maxInFlightMessages"])
	require.NoError(t, err)
	assert.Positive(t, inFlight)
}

// subscriptionV1alpha1 is that of Kyma 1.21 to 2.11.
type subscriptionV1alpha1 struct {
	header
	Spec struct {
		Sink   string `json:"sink"`
		Filter struct {
			Filters []struct {
				EventSource exactly `json:"eventSource"`
				EventType   exactly `json:"eventType"`
			} `json:"filters"`
		} `json:"filter"`
	} `json:"spec"`
}

type exactly struct {
	Property string `json:"property"`
	Type     string `json:"type"`
	Value    string `json:"value"`
}

func (s *subscriptionV1alpha1) validate(t *testing.T) {
	t.Helper()
	assert.Regexp(t, sinkAddress, s.Spec.Sink)
	require.NotEmpty(t, s.Spec.Filter.Filters)
	for _, f := range s.Spec.Filter.Filters {
		assert.Equal(t, exactly{"source", "exact", ""}, f.EventSource)
		assert.Regexp(t, `^sap\.kyma\.custom\.[A-Za-z0-9]+(\.[A-Za-z0-9]+)+$`, f.EventType.Value)
	}
}

func relayOf(v values, replace ...string) installation {
	in := install(values{"system_url": "https://system.example.com"}.with(v))
	in.definition = strings.NewReplacer(replace...).Replace(relayed)
	return in
}

func subscription(t *testing.T, in installation) map[string]any {
	t.Helper()
	o := render(t, in).find(t, "Subscription", "my-c4c-relay-ingest")
	strictInto(t, o, customKinds[o.GetAPIVersion()+"/Subscription"]())
	spec, found, err := unstructured.NestedMap(o.Object, "spec")
	require.NoError(t, err)
	require.True(t, found)
	spec["apiVersion"] = o.GetAPIVersion()
	return spec
}

// Kyma is asked for the events that the form names, and brings them to the relay's Service.
func TestSubscriptionOfARelay(t *testing.T) {
	t.Parallel()
	want := map[string]any{
		"apiVersion":   "eventing.kyma-project.io/v1alpha2",
		"sink":         "http://my-c4c-relay.team-a.svc.cluster.local/relay",
		"source":       "my-shop",
		"typeMatching": "standard",
		"types":        []any{"order.created.v1", "Account.Root.Created.v1", "order.paid.v1"},
		"config":       map[string]any{"maxInFlightMessages": "50"},
	}
	types := values{"types": "order.created.v1, Account.Root.Created.v1\norder.paid.v1,,"}
	for _, on := range []string{"offline", "kyma today"} {
		assert.Equal(t, want, subscription(t, relayOf(types).on(on)), on)
	}
	want["source"] = "other"
	assert.Equal(t, want, subscription(t, relayOf(types.with(values{"source": "other"}))))

	for batch, inFlight := range map[string]string{", batch: {count: 5}": "10", ", batch: {count: 200}": "100", ", batch: {age: 1s}": "100", "": "10"} {
		spec := subscription(t, relayOf(types, ", batch: {count: 50}", batch))
		assert.Equal(t, map[string]any{"maxInFlightMessages": inFlight}, spec["config"], batch)
	}
	literal := subscription(t, relayOf(nil, `types: [=params("types"), =param("more")], source: =param("source")`, "types: order.paid.v1"))
	assert.Equal(t, []any{"order.paid.v1"}, literal["types"])
}

// Kyma before 2.12 knows two kinds of Subscriptions by one name: whoever has the right one says so.
func TestSubscriptionOfARelayBefore212(t *testing.T) {
	t.Parallel()
	old := relayOf(values{"source": "my-shop", "types": "Account.Root.Created.v1, single", "relay": values{"subscription": "v1alpha1"}}).on("kyma 2.7")
	exact := func(name string) map[string]any {
		return map[string]any{
			"eventSource": map[string]any{"property": "source", "type": "exact", "value": ""},
			"eventType":   map[string]any{"property": "type", "type": "exact", "value": "sap.kyma.custom.myshop." + name},
		}
	}
	assert.Equal(t, map[string]any{
		"apiVersion": "eventing.kyma-project.io/v1alpha1",
		"sink":       "http://my-c4c-relay.team-a.svc.cluster.local/relay",
		"filter":     map[string]any{"filters": []any{exact("AccountRoot.Created.v1"), exact("single"), exact("order.paid.v1")}},
	}, subscription(t, old))
}

// Nothing is subscribed to where nobody asks for it, or where it cannot be.
func TestNoSubscriptionOfARelay(t *testing.T) {
	t.Parallel()
	none := func(in installation) {
		t.Helper()
		assert.Empty(t, render(t, in).ofKind("Subscription"))
	}
	none(relayOf(nil, "=params(\"types\"), =param(\"more\")", "=params(\"types\")"))
	none(relayOf(values{"relay": values{"subscription": "none"}}))
	none(relayOf(values{"gateway": values{"enabled": false}}))
	for _, on := range []string{"kyma 1.6", "kyma 1.24", "kyma 2.7", "no kyma"} {
		none(relayOf(nil).on(on))
	}
	none(install(form()))
}

// What the chart cannot work out, it says.
func TestSubscriptionThatCannotBeWorkedOut(t *testing.T) {
	t.Parallel()
	for _, in := range []installation{
		relayOf(nil, `=param("more")`, `'=lower(param("more"))'`),
		relayOf(nil, `source: =param("source")`, `source: '=lower(param("source"))'`),
		relayOf(values{"credentials": values{"existingSecret": "kept", "keys": values{"types": "types"}}}),
	} {
		_, err := tryRender(t, in)
		require.ErrorContains(t, err, "set relay.subscription to none, and make the Subscription that the Job's report shows")
		in.values = in.values.with(values{"relay": values{"subscription": "none"}})
		render(t, in)
	}
}

// The gateway names its public address in the documents that it publishes, where it is told.
func TestPublicAddressOfTheGateway(t *testing.T) {
	t.Parallel()
	gateway := func(v values) map[string]string {
		return env(t, render(t, install(form().with(v))).pods(t)["Deployment my-c4c-gateway"].Spec.Containers[0])
	}
	assert.Equal(t, "https://events.example.com", gateway(values{"exposure": values{"callbackUrl": "https://events.example.com/"}})["KC_CALLBACK_URL"])
	assert.NotContains(t, gateway(nil), "KC_CALLBACK_URL", "each delivery has a host of its own, which requests name")
}
