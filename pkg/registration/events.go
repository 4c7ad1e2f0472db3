package registration

import (
	"strconv"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// legacyPrefix is what Kyma takes for an event type of its own, older kind.
const legacyPrefix = "sap.kyma.custom"

// How workloads subscribe to events.
const (
	SubscribeV1Alpha2 = "v1alpha2"  // a Subscription, since Kyma 2.12
	SubscribeV1Alpha1 = "v1alpha1"  // a Subscription with a filter, from the first event publisher proxy to Kyma 2.11
	SubscribeTrigger  = "trigger"   // a Trigger of Knative, in Kyma 1.11 to 1.20
	SubscribeEventBus = "event-bus" // a Subscription of the event bus, up to Kyma 1.10
)

// prefix is what prefixed types begin with.
func (r *run) prefix() string {
	if r.EventPrefix != "" {
		return r.EventPrefix
	}
	return legacyPrefix
}

// eventTypes are those of the catalog, for people.
func (r *run) eventTypes() string {
	var types []string
	for _, t := range r.Definition.EventTypes() {
		types = append(types, t.FullType())
	}
	return strings.Join(types, ", ")
}

// subscription is a ready Kyma Subscription to one event type. The sink is the reader's own service.
func (r *run) subscription(t connector.EventType) map[string]any {
	return wanted{
		name: subscriptionName(t.FullType()), namespace: sinkNamespace, service: sinkService,
		source: r.report.Application, prefix: r.prefix(), types: []connector.EventType{t}, inFlight: 10,
	}.manifest(r.SubscriptionVersion)
}

// checkTypes says what a Kyma would not keep of the names: which it refuses, and which become one.
func checkTypes(types []connector.EventType, prefix string, prefixed bool) finding {
	seen := map[string]string{}
	for _, t := range types {
		full := t.FullType()
		if strings.HasPrefix(t.Name, legacyPrefix) || strings.HasPrefix(t.Name, prefix) {
			return system.Misconfigured("choose another name", "the event type %q begins with the prefix %s of older types, which Kyma refuses", full, prefix)
		}
		if len(full) > maxType {
			return system.Misconfigured("choose a shorter name", "the event type %.40q… has more than the %d characters that Kyma takes", full, maxType)
		}
		if !prefixed {
			continue
		}
		if !strings.Contains(t.Name, ".") {
			return system.Misconfigured("call it <object>.<what happened>", "the event type %q has one part before its version, and this Kyma (before 2.12) takes at least two", full)
		}
		merged := prefixedType(prefix, "", t)
		if other, double := seen[merged]; double {
			return system.Misconfigured("rename one of them", "this Kyma (before 2.12) cannot tell the event types %q and %q apart: it joins the parts of a name", other, full)
		}
		seen[merged] = full
	}
	return finding{}
}

// maxType is how long a type may be in Kyma up to 1.10, the strictest.
const maxType = 253

// wanted is what a Subscription says.
type wanted struct {
	name, namespace string
	service, path   string // the sink
	source          string // the Application
	prefix          string // of prefixed types
	types           []connector.EventType
	inFlight        int
}

func (w wanted) sink() string {
	return "http://" + w.service + "." + w.namespace + ".svc.cluster.local" + w.path
}

// manifest is what subscribes: one object, or a list of them where each can have one type only.
func (w wanted) manifest(by string) map[string]any {
	switch by {
	case SubscribeV1Alpha1:
		return w.filter()
	case SubscribeTrigger, SubscribeEventBus:
	default:
		return w.current()
	}
	items := make([]any, len(w.types))
	for i, t := range w.types {
		one := w
		if len(w.types) > 1 {
			one.name = subscriptionName(w.name + "-" + fullType(t))
		}
		if by == SubscribeTrigger {
			items[i] = one.trigger(t)
		} else {
			items[i] = one.eventBus(t)
		}
	}
	if len(items) == 1 {
		return items[0].(map[string]any)
	}
	return map[string]any{"apiVersion": "v1", "kind": "List", "items": items}
}

func (w wanted) object(apiVersion, kind string, spec map[string]any) map[string]any {
	return map[string]any{
		"apiVersion": apiVersion, "kind": kind,
		"metadata": map[string]any{"name": w.name, "namespace": w.namespace},
		"spec":     spec,
	}
}

const eventingGroup = "eventing.kyma-project.io"

func (w wanted) current() map[string]any {
	types := make([]string, len(w.types))
	for i, t := range w.types {
		types[i] = fullType(t)
	}
	return w.object(eventingGroup+"/v1alpha2", "Subscription", map[string]any{
		"sink":         w.sink(),
		"source":       w.source,
		"types":        types,
		"typeMatching": "standard",
		"config":       map[string]string{"maxInFlightMessages": strconv.Itoa(w.inFlight)},
	})
}

func (w wanted) filter() map[string]any {
	exact := func(property, value string) map[string]any {
		return map[string]any{"property": property, "type": "exact", "value": value}
	}
	filters := make([]map[string]any, len(w.types))
	for i, t := range w.types {
		filters[i] = map[string]any{"eventSource": exact("source", ""), "eventType": exact("type", prefixedType(w.prefix, w.source, t))}
	}
	return w.object(eventingGroup+"/v1alpha1", "Subscription", map[string]any{
		"sink":             w.sink(),
		"protocol":         "",
		"protocolsettings": map[string]any{},
		"filter":           map[string]any{"filters": filters},
	})
}

func (w wanted) trigger(t connector.EventType) map[string]any {
	attributes := map[string]any{"source": w.source, "type": t.Name}
	if t.Version != "" {
		attributes["eventtypeversion"] = t.Version
	}
	return w.object("eventing.knative.dev/v1alpha1", "Trigger", map[string]any{
		"broker":     "default",
		"filter":     map[string]any{"attributes": attributes},
		"subscriber": map[string]any{"uri": w.sink()},
	})
}

func (w wanted) eventBus(t connector.EventType) map[string]any {
	return w.object(eventingGroup+"/v1alpha1", "Subscription", map[string]any{
		"endpoint":                         w.sink(),
		"event_type":                       t.Name,
		"event_type_version":               t.Version,
		"source_id":                        w.source,
		"include_subscription_name_header": false,
	})
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
func prefixedType(prefix, application string, t connector.EventType) string {
	object, operation := t.Name, ""
	if i := strings.LastIndexByte(t.Name, '.'); i >= 0 {
		object, operation = strings.ReplaceAll(t.Name[:i], ".", ""), t.Name[i:]
	}
	return prefix + "." + event.CleanApplication(application) + "." + fullType(connector.EventType{Name: object + operation, Version: t.Version})
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
