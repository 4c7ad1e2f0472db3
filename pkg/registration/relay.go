package registration

import (
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// RelayReport is a way out: the events that Kyma has to bring to the gateway, so that it sends them to the
// system.
type RelayReport struct {
	// Name is the relay's name in the definition.
	Name string `json:"name"`
	// Types are the event types; without any, nothing is sent. Source is the Application they belong to.
	Types  []string `json:"types"`
	Source string   `json:"source"`
	// Sink is where Kyma brings them.
	Sink string `json:"sink"`
	// Subscription is the Kyma Subscription that does it; nil where there are no types.
	Subscription map[string]any `json:"subscription,omitempty"`
	// Yours says that nobody but the reader makes it: the chart does by itself only where it knows the kind of
	// Subscription for sure.
	Yours bool `json:"yours,omitempty"`
}

// Bounds of the events that Kyma delivers to a relay at the same time: as many as make a batch.
const (
	minInFlight = 10
	maxInFlight = 100
	// batchCount is how many events a batch holds where the definition does not say.
	batchCount = 100
)

// tellRelays says which events have to be subscribed to, for those who do it by hand.
func (r *run) tellRelays() {
	namespace, release, found := strings.Cut(r.Instance, "/")
	service := release + "-relay"
	if !found {
		namespace, release, service = sinkNamespace, r.Instance, sinkService
	}
	for i := range r.Definition.Relay {
		relay := &r.Definition.Relay[i]
		e := system.Evaluator{In: r.Params.Input()}
		w := wanted{
			name: release + "-relay-" + relay.Name, namespace: namespace, service: service, path: relay.From.Path,
			source: e.Text(relay.From.Source), prefix: r.prefix(), inFlight: inFlight(relay.To.Batch),
		}
		if w.source == "" {
			w.source = r.report.Application
		}
		report := RelayReport{Name: relay.Name, Types: []string{}, Source: w.source, Sink: w.sink()}
		for _, value := range relay.From.Types {
			for _, text := range e.List(value) {
				for full := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' || c == '\n' || c == ' ' }) {
					name, version := event.SplitType(full)
					w.types = append(w.types, connector.EventType{Name: name, Version: version})
					report.Types = append(report.Types, full)
				}
			}
		}
		if e.Err != nil {
			r.note("the event types of the relay %q cannot be shown: %v", relay.Name, e.Err)
			continue
		}
		if len(w.types) > 0 {
			report.Subscription = w.manifest(r.SubscriptionVersion)
			report.Yours = r.SubscriptionVersion != SubscribeV1Alpha2
		}
		r.report.Relays = append(r.report.Relays, report)
	}
}

func inFlight(b *connector.Batch) int {
	switch {
	case b == nil:
		return minInFlight
	case b.Count <= 0:
		return min(batchCount, maxInFlight)
	default:
		return min(max(b.Count, minInFlight), maxInFlight)
	}
}
