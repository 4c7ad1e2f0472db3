package registration

import (
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// legacyPrefix is what Kyma takes for an event type of its own, older kind.
const legacyPrefix = "sap.kyma.custom"

// SubscriptionV1Alpha1 is the Subscription of Kyma versions before 2.12; every other value stands for the
// current one.
const SubscriptionV1Alpha1 = "v1alpha1"

// subscription is a ready Kyma Subscription to one event type. The sink is the reader's own service.
func subscription(version, application string, t connector.EventType) map[string]any {
	manifest := map[string]any{
		"apiVersion": "eventing.kyma-project.io/v1alpha2",
		"kind":       "Subscription",
		"metadata":   map[string]any{"name": subscriptionName(t.FullType()), "namespace": sinkNamespace},
	}
	const sink = "http://" + sinkService + "." + sinkNamespace + ".svc.cluster.local"
	if version != SubscriptionV1Alpha1 {
		manifest["spec"] = map[string]any{
			"sink":         sink,
			"source":       application,
			"types":        []string{t.FullType()},
			"typeMatching": "standard",
			"config":       map[string]string{"maxInFlightMessages": "10"},
		}
		return manifest
	}
	exact := func(property, value string) map[string]any {
		return map[string]any{"property": property, "type": "exact", "value": value}
	}
	manifest["apiVersion"] = "eventing.kyma-project.io/v1alpha1"
	manifest["spec"] = map[string]any{
		"sink":             sink,
		"protocol":         "",
		"protocolsettings": map[string]any{},
		"filter": map[string]any{"filters": []map[string]any{{
			"eventSource": exact("source", ""), "eventType": exact("type", prefixedType(application, t)),
		}}},
	}
	return manifest
}

// prefixedType is the type by which Kyma versions before 2.12 deliver an event: they join all segments of its
// name but the last.
func prefixedType(application string, t connector.EventType) string {
	object, operation := t.Name, ""
	if i := strings.LastIndexByte(t.Name, '.'); i >= 0 {
		object, operation = strings.ReplaceAll(t.Name[:i], ".", ""), t.Name[i:]
	}
	return strings.Join([]string{legacyPrefix, event.CleanApplication(application), object + operation, t.Version}, ".")
}

// subscriptionName makes a name for Kubernetes of an event type.
func subscriptionName(fullType string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, fullType), "-")
	if len(name) > 63 {
		name = strings.TrimRight(name[:63], "-")
	}
	return name
}

// sinkService and sinkNamespace are what the reader of a Subscription manifest replaces.
const (
	sinkService   = "my-service"
	sinkNamespace = "my-namespace"
)
