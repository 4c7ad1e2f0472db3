package registration

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// EventType is one type of event in the catalog.
type EventType struct {
	// Name is the full type, such as "Account.Root.Created.v1".
	Name string
	// Summary says what happened.
	Summary string
}

// eventTypes reads the channels of an AsyncAPI 2 document and checks their names against what every Kyma
// leaves as it is.
func eventTypes(document json.RawMessage) ([]EventType, error) {
	var catalog struct {
		Channels map[string]struct {
			Description string
			Subscribe   struct {
				Summary string
				Message struct{ Summary string }
			}
		}
	}
	if err := json.Unmarshal(document, &catalog); err != nil {
		return nil, fmt.Errorf("it is no AsyncAPI 2 document: %w", err)
	}
	if len(catalog.Channels) == 0 {
		return nil, fmt.Errorf("it has no channels")
	}
	types := make([]EventType, 0, len(catalog.Channels))
	for _, name := range slices.Sorted(maps.Keys(catalog.Channels)) {
		if err := checkEventType(name); err != nil {
			return nil, err
		}
		channel := catalog.Channels[name]
		summary := channel.Subscribe.Summary
		if summary == "" {
			summary = channel.Subscribe.Message.Summary
		}
		if summary == "" {
			summary = channel.Description
		}
		types = append(types, EventType{Name: name, Summary: printable(summary, maxName)})
	}
	return types, nil
}

// legacyPrefix is what Kyma takes for an event type of its own, older kind.
const legacyPrefix = "sap.kyma.custom"

func checkEventType(channel string) error {
	name, version := event.SplitType(channel)
	switch {
	case version == "":
		return fmt.Errorf("the channel %q does not end with a version such as .v1", channel)
	case strings.HasPrefix(name, legacyPrefix):
		return fmt.Errorf("the channel %q begins with %s, which Kyma refuses", channel, legacyPrefix)
	}
	return event.CheckType(name)
}

// subscription is a ready Kyma Subscription to one event type. The sink is the reader's own service.
func subscription(application string, t EventType) map[string]any {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, t.Name), "-")
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
			"types":        []string{t.Name},
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
