package simulator

import (
	"fmt"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// triggers is Knative's Trigger as Kyma 1.11 to 1.17 has it. Its controller says that it is ready.
func triggers() *kube.Resource {
	return &kube.Resource{
		Group: "eventing.knative.dev", Version: "v1alpha1", Plural: "triggers", Singular: "trigger", Kind: "Trigger",
		Namespaced: true, Custom: true, StatusSubresource: true,
		Control: func(o kube.Object) {
			o.Set([]any{map[string]any{"type": "Ready", "status": "True"}}, "status", "conditions")
		},
	}
}

// triggered are the Triggers as the broker needs them.
func (k *Kyma) triggered() []subscription {
	var list []subscription
	for _, o := range k.cluster.List(k.resources.triggers, "") {
		s := subscription{name: o.Namespace() + "/" + o.Name(), sink: o.Text("spec", "subscriber", "uri"), filter: attributesOf(o)}
		if name := o.Text("spec", "subscriber", "ref", "name"); name != "" {
			s.sink = "http://" + name + "." + o.Namespace() + ".svc.cluster.local"
		}
		list = append(list, s)
	}
	return list
}

func attributesOf(trigger kube.Object) map[string]string {
	attributes, _ := trigger.At("spec", "filter", "attributes").(map[string]any)
	filter := map[string]string{}
	for name, value := range attributes {
		filter[name], _ = value.(string)
	}
	return filter
}

// triggerTypes are what the event service of an Application says about Triggers: those that name the Application.
func (k *Kyma) triggerTypes(application string) []subscribedType {
	list := []subscribedType{}
	for _, o := range k.cluster.List(k.resources.triggers, "") {
		if filter := attributesOf(o); filter["source"] == application {
			list = append(list, subscribedType{Name: filter["type"], Version: filter["eventtypeversion"]})
		}
	}
	return list
}

// makeTriggers makes a Trigger for each type, whose last segment is its version.
func (k *Kyma) makeTriggers(namespace, name, source string, types []string) error {
	resource := k.resources.triggers
	for i, full := range types {
		object := name
		if i > 0 {
			object = fmt.Sprintf("%s-%d", name, i+1)
		}
		attributes := map[string]any{"source": source, "type": full}
		if dot := strings.LastIndexByte(full, '.'); dot > 0 {
			attributes["type"], attributes["eventtypeversion"] = full[:dot], full[dot+1:]
		}
		_, err := k.cluster.Create(resource, kube.Object{
			"apiVersion": resource.APIVersion(), "kind": resource.Kind,
			"metadata": map[string]any{"name": object, "namespace": namespace},
			"spec": map[string]any{
				"broker": "default", "filter": map[string]any{"attributes": attributes},
				"subscriber": map[string]any{"ref": map[string]any{"apiVersion": "v1", "kind": "Service", "name": name, "namespace": namespace}},
			},
		})
		if err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

// eventServiceObject is the Service of an Application's event service, which is found by its labels.
func eventServiceObject(application string) kube.Object {
	o := serviceObject(integrationNamespace, application+"-event-service", 8081)
	o.Set(application, "metadata", "labels", "application")
	return o
}
