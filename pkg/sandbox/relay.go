package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// relay publishes the events for the system in the simulated Kyma, as another workload would, and looks at what
// the simulated system gets of them: through Subscription, relay and the system's own API.
func (t *trial) relay(ctx context.Context) (string, error) {
	ingester, ok := t.sandbox.system.(simulator.Ingester)
	if !ok {
		return "", errors.New("the simulated system takes no events, although the definition has a relay")
	}
	if len(t.Relayed) == 0 {
		return "", errors.New("the definition has a relay, but no sample (*.relayed.json) shows what it sends")
	}
	if !t.relays() {
		return "no event types are given, so nothing is sent", nil
	}
	if err := t.subscribeRelays(ctx); err != nil {
		return "", err
	}
	var errs []error
	for _, r := range t.Relayed {
		t.report.Relayed.Published++
		if err := t.relayOne(ctx, ingester, r); err != nil {
			errs = append(errs, fmt.Errorf("sample %s: %w", r.Name, err))
		}
	}
	n := t.report.Relayed
	return fmt.Sprintf("%d published, %d sent, %d held back", n.Published, n.Sent, n.HeldBack), errors.Join(errs...)
}

// relays says whether the installation sends any events.
func (t *trial) relays() bool {
	return slices.ContainsFunc(t.Definition.Relay, func(r connector.Relay) bool {
		types, err := r.From.Types.List(t.own.Input())
		return err != nil || len(types) > 0
	})
}

// relayOne publishes one event and waits until Kyma has got rid of it, one way or the other.
func (t *trial) relayOne(ctx context.Context, system simulator.Ingester, r sample.Relayed) error {
	relay := relayOf(t.Definition, t.own, r.Event.FullType())
	if relay == nil {
		return fmt.Errorf("no relay takes events of type %s", r.Event.FullType())
	}
	source, err := t.sourceOf(relay)
	if err != nil {
		return err
	}
	known := len(system.Ingested())
	before := t.sandbox.kyma.Counts()
	if err := t.publish(ctx, source, r.Event); err != nil {
		return err
	}
	if t.sandbox.kyma.Counts().Subscribed == before.Subscribed {
		return fmt.Errorf("no Subscription of the release wants %s of the Application %s", r.Event.FullType(), source)
	}
	arrived := func() bool {
		return slices.ContainsFunc(system.Ingested()[known:], func(i simulator.Ingested) bool { return equalJSON(i.Data, r.Sent) })
	}
	settled := func() bool {
		now := t.sandbox.kyma.Counts()
		return now.Delivered+now.Undelivered > before.Delivered+before.Undelivered
	}
	if err := t.wait(ctx, func() bool { return settled() && (r.Sent == nil || arrived()) }); err != nil {
		if !settled() {
			return fmt.Errorf("the relay did not take it: %w", err)
		}
		return fmt.Errorf("the simulated system did not get it: %w", err)
	}
	got := system.Ingested()[known:]
	switch {
	case r.Sent == nil && len(got) > 0:
		return fmt.Errorf("the simulated system got %s, although it was not to get anything", got[0].Data)
	case r.Sent == nil:
		t.report.Relayed.HeldBack++
	case len(got) > 1:
		return fmt.Errorf("the simulated system got it %d times", len(got))
	default:
		t.report.Relayed.Sent++
	}
	return nil
}

// sourceOf is the Application whose events a relay takes.
func (t *trial) sourceOf(relay *connector.Relay) (string, error) {
	source, err := relay.From.Source.Text(t.own.Input())
	if source == "" {
		source = t.app
	}
	return source, err
}

// subscribeRelays makes the Subscriptions that the release cannot make by itself: before v1alpha2 the operator
// does, since two kinds have that name there.
func (t *trial) subscribeRelays(ctx context.Context) error {
	has := func(m provision.Manifest) bool { return m.Kind == "Subscription" }
	if t.Generation != simulator.Old || slices.ContainsFunc(t.Release.Manifests, has) {
		return nil
	}
	service := slices.IndexFunc(t.sandbox.objects.services, func(s *corev1.Service) bool { return strings.HasSuffix(s.Name, "-relay") })
	if service < 0 {
		return errors.New("the release has no Service for the relay")
	}
	for i := range t.Definition.Relay {
		relay := &t.Definition.Relay[i]
		source, err := t.sourceOf(relay)
		if err != nil {
			return err
		}
		types, err := relay.From.Types.List(t.own.Input())
		if err != nil {
			return err
		}
		filters := []any{}
		for _, name := range types {
			filters = append(filters, map[string]any{
				"eventSource": map[string]any{"property": "source", "type": "exact", "value": ""},
				"eventType":   map[string]any{"property": "type", "type": "exact", "value": typePrefix + event.CleanApplication(source) + "." + strings.TrimSpace(name)},
			})
		}
		o := map[string]any{
			"apiVersion": "eventing.kyma-project.io/v1alpha1", "kind": "Subscription",
			"metadata": map[string]any{"name": workloadName + "-relay-" + relay.Name, "namespace": t.Release.Namespace},
			"spec": map[string]any{
				"sink":   "http://" + t.sandbox.objects.services[service].Name + "." + t.Release.Namespace + ".svc.cluster.local" + relay.From.Path,
				"filter": map[string]any{"filters": filters}, "protocol": "",
			},
		}
		if err := t.applyObject(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// relayOf is the relay that takes events of a full type.
func relayOf(d *connector.Definition, params *connector.Params, fullType string) *connector.Relay {
	for i := range d.Relay {
		types, err := d.Relay[i].From.Types.List(params.Input())
		if err == nil && slices.ContainsFunc(types, func(name string) bool { return strings.TrimSpace(name) == fullType }) {
			return &d.Relay[i]
		}
	}
	return nil
}

// publish gives an event of an Application to the simulated Kyma, as its publisher wants it.
func (t *trial) publish(ctx context.Context, source string, s sample.Event) error {
	e := event.Event{ID: s.ID, Source: source, Type: s.Type, Version: s.Version, Subject: s.Subject, Data: s.Data}
	address := "http://eventing-publisher-proxy.kyma-system/publish"
	if t.Generation == simulator.Old {
		address = "http://eventing-event-publisher-proxy.kyma-system/publish"
		e.Type, e.Version = e.PrefixedType(strings.TrimSuffix(typePrefix, "."), source), ""
	}
	if s.Time != "" {
		at, err := time.Parse(time.RFC3339, s.Time)
		if err != nil {
			return err
		}
		e.Time = at
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(e.Data))
	if err != nil {
		return err
	}
	e.SetHeader(request.Header)
	response, err := t.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("the simulated Kyma answers %d: %s", response.StatusCode, bytes.TrimSpace(said))
	}
	return nil
}
