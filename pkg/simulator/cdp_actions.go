package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// cdpActions are actions that call a REST connector with Basic auth. What they send is what somebody has
// mapped in the console; the names of the events are those of the connector's operations.
type cdpActions struct {
	unit, app string
	outbox    *outbox
}

func newCDPActions(unit, app string) *cdpActions {
	return &cdpActions{unit: unit, app: app, outbox: newOutbox(sending{})}
}

// Types implements Notifier.
func (c *cdpActions) Types() []string {
	return []string{"profile.updated", "activity.ingested", "audience.member.added", "audience.member.removed", "journey.action.invoked"}
}

// Connect implements Notifier: the endpoint is the server address of the REST connector, to which the name
// of the operation is added.
func (c *cdpActions) Connect(consumer Consumer) error { return c.outbox.connect(consumer) }

// Fire implements Notifier. Entity is the id of the customer, Root that of the action.
func (c *cdpActions) Fire(ctx context.Context, n Notification) error {
	if !slices.Contains(c.Types(), n.Type) {
		return fmt.Errorf("fire: the simulated connector has no operation %q: choose one of %s", n.Type, strings.Join(c.Types(), ", "))
	}
	consumer, err := c.outbox.connected()
	if err != nil {
		return err
	}
	endpoint, err := url.Parse(consumer.Endpoint)
	if err != nil {
		return err
	}
	id := cmp.Or(n.ID, kube.NewUID())
	payload := map[string]any{
		"callId": id, "businessUnitId": c.unit, "applicationId": c.app, "actionId": cmp.Or(n.Root, "HJ5kWm8tRqazXsW2eDcVfg"),
		"customer": map[string]any{"id": cmp.Or(n.Entity, "b1946ac92492d2347c6235b4d2611184"), "primaryEmail": "ada@example.com"},
	}
	if strings.HasPrefix(n.Type, "audience.") {
		payload["audience"] = map[string]any{"id": "Lk9PoIuYtRewQaSdFgHjKl", "name": "Gold customers"}
	}
	maps.Copy(payload, n.Extra)
	body, err := json.Marshal(payload)
	if err != nil {
		return errors.New("fire: the extra data cannot be written as JSON: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	return c.outbox.send(ctx, message{id: id, kind: n.Type, endpoint: endpoint.JoinPath(n.Type).String(), contentType: "application/json", body: body})
}

// Monitor implements Notifier.
func (c *cdpActions) Monitor() []Outbound { return c.outbox.monitor() }

// Resend implements Notifier.
func (c *cdpActions) Resend(ctx context.Context, id string) error { return c.outbox.resend(ctx, id) }

// Close implements System.
func (c *cdpActions) Close() { c.outbox.close() }
