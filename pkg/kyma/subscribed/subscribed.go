// Package subscribed finds out which event types of an Application somebody in the cluster subscribes to:
// from the Subscriptions themselves, in all three forms that Kyma has had, from Knative's Triggers, or from the
// publisher.
package subscribed

import (
	"context"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// ErrUnknown says that this Kyma does not tell what is subscribed to.
var ErrUnknown = errors.New("this Kyma does not say which event types are subscribed to")

// DefaultPrefix is what event types begin with in Kyma versions before 2.12, and in exact matching since.
const DefaultPrefix = "sap.kyma.custom"

// eventingGroup is the API group of Subscriptions.
const eventingGroup = "eventing.kyma-project.io"

// applicationType is the label whose value replaces the name of an Application as the source of its events.
const applicationType = "application-type"

// Type is an event type that somebody subscribes to.
type Type struct {
	// Name is the full type without prefix and Application, such as "Order.Created.v1".
	Name string
	// Merged says that Kyma compares it in the prefixed form, in which "Order.Item.Created.v1" and
	// "OrderItem.Created.v1" are the same.
	Merged bool
	// AnyVersion says that Name is wanted whatever its version is; Any, that all types are.
	AnyVersion, Any bool
	// Ready says that its Subscription receives events already.
	Ready bool
}

// Matches says whether events of a full type, such as "Order.Created.v1", go to the subscriber.
func (t Type) Matches(full string) bool {
	switch {
	case t.Any:
		return true
	case t.AnyVersion:
		name, _ := event.SplitType(full)
		return t.Name == name || t.Name == full
	}
	return t.Name == full || t.Merged && merge(t.Name) == merge(full)
}

// merge is what Kyma makes of a full type behind the prefix: all segments but the last two become one, and
// only letters and digits stay.
func merge(full string) string {
	segments := strings.Split(event.CleanType(full), ".")
	if len(segments) < 3 {
		return strings.Join(segments, ".")
	}
	last := len(segments) - 2
	return strings.Join(segments[:last], "") + "." + strings.Join(segments[last:], ".")
}

// Select returns those of the full types that somebody subscribes to, in their order. With ready it leaves
// out those whose Subscriptions do not receive events yet.
func Select(types []Type, full []string, ready bool) []string {
	var selected []string
	for _, name := range full {
		for _, t := range types {
			if (t.Ready || !ready) && t.Matches(name) {
				selected = append(selected, name)
				break
			}
		}
	}
	return selected
}

// Cluster is what Resources asks; *kube.Client is one.
type Cluster interface {
	Get(ctx context.Context, ref kube.Ref) (*unstructured.Unstructured, error)
	List(ctx context.Context, ref kube.Ref, selector string) ([]unstructured.Unstructured, error)
	Versions(ctx context.Context, group string) ([]string, error)
}

// Resources reads the Subscriptions of all namespaces.
type Resources struct {
	// Cluster is asked.
	Cluster Cluster
	// Application is the source of the events.
	Application string
	// Version is that of the Subscriptions, where it is known; empty means that the cluster is asked.
	Version string
	// Prefix is what prefixed types begin with; empty means DefaultPrefix.
	Prefix string
}

// Types returns the types of the Application that are subscribed to. The error wraps ErrUnknown where the
// cluster has neither Subscriptions nor Triggers.
func (r Resources) Types(ctx context.Context) ([]Type, error) {
	version := r.Version
	if version == "" {
		versions, err := r.Cluster.Versions(ctx, eventingGroup)
		if err != nil {
			return nil, err
		}
		version = newest(versions, "v1alpha2", "v1alpha1")
	}
	triggers, err := r.triggerVersion(ctx, version)
	if err != nil {
		return nil, err
	}
	if version == "" && triggers == "" {
		return nil, ErrUnknown
	}
	source, err := r.source(ctx)
	if err != nil {
		return nil, err
	}
	types, err := r.ofSubscriptions(ctx, version, source)
	if err != nil || triggers == "" {
		return types, err
	}
	more, err := r.ofTriggers(ctx, triggers)
	return append(types, more...), err
}

// ofSubscriptions reads the Subscriptions of a version; there are none where it is empty.
func (r Resources) ofSubscriptions(ctx context.Context, version, source string) ([]Type, error) {
	if version == "" {
		return nil, nil
	}
	subscriptions, err := r.Cluster.List(ctx, kube.Ref{Resource: schema.GroupVersionResource{Group: eventingGroup, Version: version, Resource: "subscriptions"}}, "")
	if err != nil {
		return nil, err
	}
	var types []Type
	for i := range subscriptions {
		types = append(types, r.typesOf(&subscriptions[i], source)...)
	}
	return types, nil
}

// newest is the first of the known versions that is served.
func newest(served []string, known ...string) string {
	for _, version := range known {
		if slices.Contains(served, version) {
			return version
		}
	}
	return ""
}

// source is what the publisher puts into events of the Application as their source. The Application may be
// missing, or hidden from this account.
func (r Resources) source(ctx context.Context) (string, error) {
	application, err := r.Cluster.Get(ctx, kube.Application(r.Application))
	var config *registration.ConfigError
	switch {
	case kube.IsNotFound(err), errors.As(err, &config):
		return r.Application, nil
	case err != nil:
		return "", err
	}
	for key, value := range application.GetLabels() {
		if strings.EqualFold(key, applicationType) && value != "" {
			return value, nil
		}
	}
	return r.Application, nil
}

// typesOf reads one Subscription. The two forms of v1alpha1 are told apart by their fields.
func (r Resources) typesOf(subscription *unstructured.Unstructured, source string) []Type {
	spec, _, _ := unstructured.NestedMap(subscription.Object, "spec")
	ready, _, _ := unstructured.NestedBool(subscription.Object, "status", "ready")
	text := func(field string) string {
		value, _ := spec[field].(string)
		return value
	}
	if _, eventBus := spec["source_id"]; eventBus { // Kyma 1.0 to 1.16; it has no flag for being ready
		if text("source_id") != r.Application {
			return nil
		}
		return []Type{{Name: text("event_type") + "." + text("event_type_version"), Ready: true}}
	}
	var names []string
	filters, _, _ := unstructured.NestedSlice(spec, "filter", "filters")
	for _, item := range filters { // Kyma 1.17 to 2.20
		filter, _ := item.(map[string]any)
		name, _, _ := unstructured.NestedString(filter, "eventType", "value")
		names = append(names, name)
	}
	prefixed := len(filters) > 0
	if !prefixed { // since Kyma 2.12
		names, _, _ = unstructured.NestedStringSlice(spec, "types")
		prefixed = text("typeMatching") == "exact"
		if !prefixed && text("source") != source {
			return nil
		}
	}
	var types []Type
	for _, name := range names {
		if prefixed {
			var ours bool
			if name, ours = r.withoutPrefix(name, source); !ours {
				continue
			}
		}
		if name != "" {
			types = append(types, Type{Name: name, Merged: prefixed, Ready: ready})
		}
	}
	return types
}

// withoutPrefix takes prefix and Application off a prefixed type; ours says that it has them.
func (r Resources) withoutPrefix(name, source string) (rest string, ours bool) {
	prefix := r.Prefix
	if prefix == "" {
		prefix = DefaultPrefix
	}
	for _, application := range []string{event.CleanApplication(source), source} {
		if rest, ours = strings.CutPrefix(name, prefix+"."+application+"."); ours {
			return rest, true
		}
	}
	return "", false
}
