package subscribed

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
)

// knativeGroup is the API group of Triggers, by which workloads subscribe in Kyma 1.11 to 1.22.
const knativeGroup = "eventing.knative.dev"

// triggerVersion is the version of Triggers; empty where they do not count: where there are none, and where Kyma has
// Subscriptions of today, so that somebody else's Knative gets none of its events.
func (r Resources) triggerVersion(ctx context.Context, subscriptions string) (string, error) {
	if subscriptions == "v1alpha2" {
		return "", nil
	}
	versions, err := r.Cluster.Versions(ctx, knativeGroup)
	if err != nil {
		return "", err
	}
	return newest(versions, "v1", "v1beta1", "v1alpha1"), nil
}

// ofTriggers reads the Triggers of all namespaces.
func (r Resources) ofTriggers(ctx context.Context, version string) ([]Type, error) {
	triggers, err := r.Cluster.List(ctx, kube.Ref{Resource: schema.GroupVersionResource{Group: knativeGroup, Version: version, Resource: "triggers"}}, "")
	if kube.IsNotServed(err) {
		return nil, nil // a Knative without Triggers
	}
	if err != nil {
		return nil, err
	}
	var types []Type
	for i := range triggers {
		if t, ours := r.typeOf(&triggers[i]); ours {
			types = append(types, t)
		}
	}
	return types, nil
}

// typeOf reads one Trigger: which types of the Application it lets through. What it does not filter by, it takes all
// of. Kyma's adapter makes the Application's name the source, whatever the label application-type says.
func (r Resources) typeOf(trigger *unstructured.Unstructured) (t Type, ours bool) {
	attributes, _, _ := unstructured.NestedStringMap(trigger.Object, "spec", "filter", "attributes")
	if len(attributes) == 0 { // the first form of v1alpha1
		attributes, _, _ = unstructured.NestedStringMap(trigger.Object, "spec", "filter", "sourceAndType")
	}
	given := func(name string) string {
		if value := attributes[name]; value != "Any" {
			return value
		}
		return ""
	}
	if source := given("source"); source != "" && source != r.Application {
		return Type{}, false
	}
	t = Type{Name: given("type"), Ready: isReady(trigger)}
	switch version := given("eventtypeversion"); {
	case t.Name == "":
		t.Any = true
	case version == "":
		t.AnyVersion = true
	default:
		t.Name += "." + version
	}
	return t, true
}

// isReady reads the condition Ready.
func isReady(object *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, item := range conditions {
		if condition, _ := item.(map[string]any); condition["type"] == "Ready" {
			return condition["status"] == "True"
		}
	}
	return false
}
