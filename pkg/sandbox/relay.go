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

// relayOne publishes one event and waits until Kyma has got rid of it, one way or the other.
func (t *trial) relayOne(ctx context.Context, system simulator.Ingester, r sample.Relayed) error {
	relay := relayOf(t.Definition, t.own, r.Event.FullType())
	if relay == nil {
		return fmt.Errorf("no relay takes events of type %s", r.Event.FullType())
	}
	source, err := relay.From.Source.Text(t.own.Input())
	if err != nil {
		return err
	}
	if source == "" {
		source = t.app
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
