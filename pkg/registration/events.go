package registration

import (
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// legacyPrefix is what Kyma takes for an event type of its own, older kind.
const legacyPrefix = "sap.kyma.custom"

// subscription is a ready Kyma Subscription to one event type. The sink is the reader's own service.
func subscription(application string, t connector.EventType) map[string]any {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, t.FullType()), "-")
	if len(name) > 63 {
		name = strings.TrimRight(name[:63], "-")
	}
	return map[string]any{
		"apiVersion": "eventing.kyma-project.io/v1alpha2",
		"kind":       "Subscription",
		"metadata":   map[string]any{"name": name, "namespace": sinkNamespace},
		"spec": map[string]any{
			"sink":         "http://" + sinkService + "." + sinkNamespace + ".svc.cluster.local",
			"source":       application,
			"types":        []string{t.FullType()},
			"typeMatching": "standard",
			"config":       map[string]string{"maxInFlightMessages": "10"},
		},
	}
}

// sinkService and sinkNamespace are what the reader of a Subscription manifest replaces.
const (
	sinkService   = "my-service"
	sinkNamespace = "my-namespace"
)
