package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
)

// subscribe applies the Subscriptions that the registration's report offers, with a workload as their
// sink, and makes one for the types of samples that the catalog does not list, such as custom ones.
func (t *trial) subscribe(ctx context.Context) (string, error) {
	namespace := t.Release.Namespace
	service := map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": workloadName, "namespace": namespace},
		"spec": map[string]any{"ports": []any{map[string]any{"port": 80}}, "selector": map[string]any{"app": workloadName}},
	}
	if err := t.applyObject(ctx, service); err != nil {
		return "", err
	}
	for i, e := range t.status.Events {
		spec, ok := e.Subscription["spec"].(map[string]any)
		if !ok {
			return "", fmt.Errorf("the report offers no Subscription for %s", e.Type)
		}
		spec["sink"] = "http://" + workloadName + "." + namespace + ".svc.cluster.local"
		e.Subscription["metadata"] = map[string]any{"name": fmt.Sprintf("%s-%d", workloadName, i), "namespace": namespace}
		if err := t.applyObject(ctx, e.Subscription); err != nil {
			return "", fmt.Errorf("subscription for %s: %w", e.Type, err)
		}
	}
	if len(t.status.Events) == 0 && t.Definition.Events != nil {
		return "", errors.New("the report lists no event types although the definition has a catalog")
	}
	more := t.customTypes()
	if len(more) == 0 {
		return fmt.Sprintf("%d of the catalog", len(t.status.Events)), nil
	}
	if err := t.sandbox.kyma.Subscribe(namespace, workloadName, t.app, more...); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d of the catalog, %d others of the samples", len(t.status.Events), len(more)), nil
}

// customTypes are the event types of samples that the catalog does not list.
func (t *trial) customTypes() []string {
	var known, more []string
	for _, e := range t.status.Events {
		known = append(known, e.Type)
	}
	for _, s := range t.Samples {
		for _, e := range s.Golden.Events {
			if name := e.FullType(); !slices.Contains(known, name) && !slices.Contains(more, name) {
				more = append(more, name)
			}
		}
	}
	return more
}

func (t *trial) applyObject(ctx context.Context, o map[string]any) error {
	content, err := json.Marshal(o)
	if err != nil {
		return err
	}
	metadata, _ := o["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	apiVersion, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	return t.sandbox.cluster.apply(ctx, provision.Manifest{APIVersion: apiVersion, Kind: kind, Name: name, Content: content}, t.Release.Namespace)
}

// unsubscribe removes what subscribe made.
func (t *trial) unsubscribe(ctx context.Context) error {
	for _, e := range t.status.Events {
		metadata, _ := e.Subscription["metadata"].(map[string]any)
		name, _ := metadata["name"].(string)
		apiVersion, _ := e.Subscription["apiVersion"].(string)
		m := provision.Manifest{APIVersion: apiVersion, Kind: "Subscription", Name: name}
		if err := t.sandbox.cluster.remove(ctx, m, t.Release.Namespace); err != nil {
			return err
		}
	}
	return nil
}
