package registration

import (
	"strconv"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// legacyPrefix is what Kyma takes for an event type of its own, older kind.
const legacyPrefix = "sap.kyma.custom"

// SubscriptionV1Alpha1 is the Subscription of Kyma versions before 2.12; every other value stands for the
// current one.
const SubscriptionV1Alpha1 = "v1alpha1"

const subscriptionV1Alpha2 = "v1alpha2"

// subscription is a ready Kyma Subscription to one event type. The sink is the reader's own service.
func subscription(version, application string, t connector.EventType) map[string]any {
	return wanted{
		name: subscriptionName(t.FullType()), namespace: sinkNamespace, service: sinkService,
		source: application, types: []connector.EventType{t}, inFlight: 10,
	}.manifest(version)
}

// wanted is what a Subscription says.
type wanted struct {
	name, namespace string
	service, path   string // the sink
	source          string // the Application
	types           []connector.EventType
	inFlight        int
}

func (w wanted) sink() string {
	return "http://" + w.service + "." + w.namespace + ".svc.cluster.local" + w.path
}

func (w wanted) manifest(version string) map[string]any {
	manifest := map[string]any{
		"apiVersion": "eventing.kyma-project.io/v1alpha2",
		"kind":       "Subscription",
		"metadata":   map[string]any{"name": w.name, "namespace": w.namespace},
	}
	if version != SubscriptionV1Alpha1 {
		types := make([]string, len(w.types))
		for i, t := range w.types {
			types[i] = fullType(t)
		}
		manifest["spec"] = map[string]any{
			"sink":         w.sink(),
			"source":       w.source,
			"types":        types,
			"typeMatching": "standard",
			"config":       map[string]string{"maxInFlightMessages": strconv.Itoa(w.inFlight)},
		}
		return manifest
	}
	exact := func(property, value string) map[string]any {
		return map[string]any{"property": property, "type": "exact", "value": value}
	}
	filters := make([]map[string]any, len(w.types))
	for i, t := range w.types {
		filters[i] = map[string]any{"eventSource": exact("source", ""), "eventType": exact("type", prefixedType(w.source, t))}
	}
	manifest["apiVersion"] = "eventing.kyma-project.io/v1alpha1"
	manifest["spec"] = map[string]any{
		"sink":             w.sink(),
		"protocol":         "",
		"protocolsettings": map[string]any{},
		"filter":           map[string]any{"filters": filters},
	}
	return manifest
}

// fullType is the type with its version, where it has one.
func fullType(t connector.EventType) string {
	if t.Version == "" {
		return t.Name
	}
	return t.FullType()
}

// prefixedType is the type by which Kyma versions before 2.12 deliver an event: they join all segments of its
// name but the last.
func prefixedType(application string, t connector.EventType) string {
	object, operation := t.Name, ""
	if i := strings.LastIndexByte(t.Name, '.'); i >= 0 {
		object, operation = strings.ReplaceAll(t.Name[:i], ".", ""), t.Name[i:]
	}
	return legacyPrefix + "." + event.CleanApplication(application) + "." + fullType(connector.EventType{Name: object + operation, Version: t.Version})
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
