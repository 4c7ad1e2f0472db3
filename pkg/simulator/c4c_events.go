package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// c4cEvents is the event notification of a tenant.
type c4cEvents struct{ outbox *outbox }

func newC4CEvents() *c4cEvents { return &c4cEvents{outbox: newOutbox(sending{})} }

// Types implements Notifier: these and any other business object, node and action.
func (c *c4cEvents) Types() []string {
	types := []string{}
	for _, object := range []string{"Account", "Opportunity", "Ticket"} {
		for _, action := range []string{"Created", "Updated", "Deleted"} {
			types = append(types, object+".Root."+action)
		}
	}
	return types
}

// Connect implements Notifier.
func (c *c4cEvents) Connect(consumer Consumer) error { return c.outbox.connect(consumer) }

// Fire implements Notifier. With Consumer.Legacy the payload is the one made for the extension factory,
// otherwise a CloudEvent in structured mode, sent as plain JSON.
func (c *c4cEvents) Fire(ctx context.Context, n Notification) error {
	if n.Type == "" {
		return errors.New("fire: a notification needs a type such as Account.Root.Created")
	}
	if n.ID == "" {
		n.ID = kube.NewUID()
	}
	if n.Time.IsZero() {
		n.Time = time.Now()
	}
	if n.Entity == "" {
		n.Entity = objectID()
	}
	if n.Root == "" {
		n.Root = n.Entity
	}
	data := map[string]any{}
	maps.Copy(data, n.Extra)
	data["root-entity-id"], data["entity-id"] = n.Root, n.Entity
	at := n.Time.UTC().Format(time.RFC3339)
	payload := map[string]any{
		"specversion": "1.0", "source": "/SIM/sap.c4c/000000000712345678", "type": "sap.c4c." + n.Type + ".v1",
		"id": n.ID, "time": at, "datacontenttype": "application/json", "data": data,
	}
	if c.outbox.legacy() {
		payload = map[string]any{"event-type": n.Type, "event-type-version": "v1", "event-id": n.ID, "event-time": at, "data": data}
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return errors.New("fire: the extra data cannot be written as JSON: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	return c.outbox.send(ctx, message{id: n.ID, kind: n.Type, contentType: "application/json", body: body})
}

// Monitor implements Notifier.
func (c *c4cEvents) Monitor() []Outbound { return c.outbox.monitor() }

// Resend implements Notifier.
func (c *c4cEvents) Resend(ctx context.Context, id string) error { return c.outbox.resend(ctx, id) }

// Close implements System.
func (c *c4cEvents) Close() { c.outbox.close() }
