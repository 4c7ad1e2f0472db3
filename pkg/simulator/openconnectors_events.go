package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// Limits and policies of notifications.
const (
	ocRetry       = "retry"
	ocQueue       = "queue"
	ocPolicy      = "notification.webhook.failure.policy"
	maxOCEvents   = 10_000
	maxOCPageSize = 200
	ocPollBatch   = 10 // events in one notification
	ocHookBatch   = 20
)

// ocSubscription brings the notifications of one instance to one address.
type ocSubscription struct {
	id, instance int
	element      string
	url, key     string
	active       bool
}

// ocEvent is one notification as the events API shows it.
type ocEvent struct {
	id, instance int
	at           time.Time
	status       string
	raw          json.RawMessage
	items        []map[string]any
}

// Types implements Notifier: the resources of the instances whose events are on, or of all that could be
// turned on, with what can be noticed. Polling by dates does not notice that something was deleted.
func (c *openConnectors) Types() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	types := []string{}
	add := func(all bool) {
		for _, i := range c.instances {
			for _, resource := range i.watched() {
				for _, kind := range []string{"CREATED", "UPDATED", "DELETED"} {
					unnoticed := kind == "DELETED" && i.polling()
					name := resource + "." + kind
					if (all || i.subscription != nil) && !unnoticed && !slices.Contains(types, name) {
						types = append(types, name)
					}
				}
			}
		}
	}
	if add(false); len(types) == 0 {
		add(true)
	}
	return types
}

// Connect implements Notifier. With Consumer.Legacy, notifications have the shape and the signature
// (SHA-1) of older versions.
func (c *openConnectors) Connect(consumer Consumer) error { return c.outbox.connect(consumer) }

// Monitor implements Notifier.
func (c *openConnectors) Monitor() []Outbound { return c.outbox.monitor() }

// Resend implements Notifier.
func (c *openConnectors) Resend(ctx context.Context, id string) error {
	return c.outbox.resend(ctx, id)
}

// Fire implements Notifier. The type is a resource and what happened, such as "contacts.CREATED"; Entity
// is the id of the object, Root that of the instance, if only one is meant.
func (c *openConnectors) Fire(ctx context.Context, n Notification) error {
	return c.FireTogether(ctx, []Notification{n})
}

// FireTogether implements Batcher: one notification holds up to 10 events that were polled, or 20 that
// came by a webhook; each repeats everything that the vendor has sent. The ID of the first event is that
// of the first notification, and has to be a number.
func (c *openConnectors) FireTogether(ctx context.Context, list []Notification) error {
	if _, err := c.outbox.connected(); err != nil {
		return err
	}
	messages, err := c.notifications(list)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := c.outbox.send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// notifications makes what is sent now, and queues what belongs to a subscription that is not active.
func (c *openConnectors) notifications(list []Notification) ([]message, error) {
	resources := []string{} // in the order in which they occur
	items := map[string][]Notification{}
	for _, n := range list {
		resource, kind, _ := strings.Cut(n.Type, ".")
		n.Type = strings.ToUpper(kind)
		if !slices.Contains([]string{"CREATED", "UPDATED", "DELETED", "UNKNOWN"}, n.Type) {
			return nil, fmt.Errorf("fire: %q is not a resource with CREATED, UPDATED, DELETED or UNKNOWN, such as contacts.CREATED", resource+"."+kind)
		}
		if !slices.Contains(resources, resource) {
			resources = append(resources, resource)
		}
		items[resource] = append(items[resource], n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var messages []message
	for _, resource := range resources {
		known := false
		for _, i := range c.instances {
			known = known || slices.Contains(i.element.resources, resource) || slices.Contains(i.watched(), resource)
			made, err := c.notify(i, resource, items[resource])
			if err != nil {
				return nil, err
			}
			messages = append(messages, made...)
		}
		if !known {
			return nil, fmt.Errorf("fire: no instance has the resource %q", resource)
		}
	}
	return messages, nil
}

// notify makes the notifications of one instance about one resource.
func (c *openConnectors) notify(i *ocInstance, resource string, list []Notification) ([]message, error) {
	if i.subscription == nil || !slices.Contains(i.watched(), resource) {
		return nil, nil
	}
	events, objects, first := []map[string]any{}, []any{}, ""
	for at, n := range list {
		if n.Root != "" && n.Root != strconv.Itoa(i.id) || n.Type == "DELETED" && i.polling() {
			continue
		}
		if n.Time.IsZero() {
			n.Time = time.Now()
		}
		object := map[string]any{"id": cmp.Or(n.Entity, "42"), "name": "Ada Lovelace"}
		maps.Copy(object, n.Extra)
		if first == "" {
			first, list[at].ID = n.ID, "" // an id is used once
		}
		objects = append(objects, object)
		events = append(events, map[string]any{
			"date": n.Time.UTC().Format(time.RFC3339), "elementKey": i.element.key, "eventType": n.Type, "hubKey": i.element.hub,
			"objectId": object["id"], "objectType": resource, "newObject": object,
		})
	}
	id := 0
	if first != "" {
		var err error
		if id, err = strconv.Atoi(first); err != nil {
			return nil, fmt.Errorf("fire: the id %q is no number, as those of notifications are", first)
		}
	}
	raw, err := json.Marshal(map[string]any{"objectType": resource, "pollDate": time.Now().UTC().Format(time.RFC3339), resource: objects})
	if err != nil {
		return nil, errors.New("fire: the extra data cannot be written as JSON: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	size := ocHookBatch
	if i.polling() {
		size = ocPollBatch
	}
	var messages []message
	for chunk := range slices.Chunk(events, size) {
		m, err := c.notification(i, resource, id, raw, chunk)
		if err != nil {
			return nil, err
		}
		id = 0
		if i.subscription.active {
			messages = append(messages, m)
		} else {
			c.outbox.add(m, Queued)
		}
	}
	return messages, nil
}

// notification makes one notification and notes it down.
func (c *openConnectors) notification(i *ocInstance, resource string, id int, raw json.RawMessage, items []map[string]any) (message, error) {
	if id == 0 {
		c.nextID++
		id = c.nextID
	}
	c.events = append(c.events, &ocEvent{id: id, instance: i.id, at: time.Now().UTC(), status: "DISPATCHED", raw: raw, items: items})
	c.events = c.events[max(len(c.events)-maxOCEvents, 0):]
	algorithm, payload := "sha256", map[string]any{"message": map[string]any{
		"elementKey": i.element.key, "accountId": openConnectorsAccount, "companyId": 815, "userId": 9001, "eventId": id,
		"instanceId": i.id, "instance_id": i.id, "instanceName": i.name, "instanceTags": i.tags, "raw": raw, "events": items,
	}}
	if c.outbox.legacy() {
		algorithm, payload = "sha1", map[string]any{"eventId": id, "instanceId": i.id, "response": map[string]any{"events": items}, "notificationId": id + 1}
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return message{}, err
	}
	header := http.Header{"Elements-Webhook-Id": {kube.NewUID()}}
	if i.subscription.key != "" {
		_, err = Sign(&http.Request{Header: header}, body, Scheme{HMAC: &HMACScheme{
			Algorithm: algorithm, Encoding: "base64", Key: i.subscription.key, Header: "Elements-Webhook-Signature", Prefix: algorithm + "=",
		}})
	}
	m := message{
		id: strconv.Itoa(id), kind: fmt.Sprintf("%s.%s", resource, items[0]["eventType"]), subscription: strconv.Itoa(i.subscription.id), endpoint: i.subscription.url,
		contentType: "application/json", header: header, body: body,
	}
	if c.policy == ocQueue {
		m.attempts = 1
	}
	return m, err
}

// tried notes that a notification was taken.
func (c *openConnectors) tried(e *outboundEvent, a attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, event := range c.events {
		if strconv.Itoa(event.id) == e.ID && a.err == nil && a.status/100 == 2 {
			event.status = c.delivered
		}
	}
}

// exhausted deactivates the subscription: this event and those after it are queued.
func (c *openConnectors) exhausted(e *outboundEvent) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.subscription(e.Subscription); s != nil {
		s.active = false
	}
	return Queued
}

func (c *openConnectors) subscription(id string) *ocSubscription {
	for _, i := range c.instances {
		if i.subscription != nil && strconv.Itoa(i.subscription.id) == id {
			return i.subscription
		}
	}
	return nil
}

func (c *openConnectors) listSubscriptions(w http.ResponseWriter, _ *http.Request) {
	views := []any{}
	for _, i := range c.instances {
		if s := i.subscription; s != nil {
			views = append(views, map[string]any{
				"id": s.id, "channel": "webhook", "topics": []string{fmt.Sprintf("instance-%d-%s-events", s.instance, s.element)},
				"config": map[string]any{"url": s.url}, "active": s.active,
			})
		}
	}
	writeJSON(w, http.StatusOK, views)
}

// ocWhere reads a condition such as "channel='webhook' and status='queued'".
func ocWhere(r *http.Request) map[string]string {
	conditions := map[string]string{}
	for _, condition := range strings.Split(r.URL.Query().Get("where"), " and ") {
		name, value, _ := strings.Cut(condition, "=")
		conditions[strings.TrimSpace(name)] = strings.Trim(strings.TrimSpace(value), "'")
	}
	return conditions
}

// queued lists the queued events that a condition asks for, false if it asks for something else.
func (c *openConnectors) queued(w http.ResponseWriter, r *http.Request) ([]Outbound, bool) {
	where := ocWhere(r)
	if where["channel"] != "webhook" || where["status"] != "queued" {
		ocFail(w, http.StatusBadRequest, "The condition where=channel='webhook' and status='queued' is needed")
		return nil, false
	}
	list := []Outbound{}
	for _, o := range c.outbox.monitor() {
		s := c.subscription(o.Subscription)
		if o.State == Queued && s != nil && (where["config.url"] == "" || where["config.url"] == s.url) {
			list = append(list, o)
		}
	}
	return list, true
}

func (c *openConnectors) listDeliveries(w http.ResponseWriter, r *http.Request) {
	list, ok := c.queued(w, r)
	if ok {
		writeJSON(w, http.StatusOK, c.deliveries(list))
	}
}

func (c *openConnectors) deliveries(list []Outbound) []any {
	views := []any{}
	for _, o := range list {
		views = append(views, map[string]any{
			"eventId": o.ID, "subscriptionId": o.Subscription, "channel": "webhook", "status": "queued", "config": map[string]any{"url": c.subscription(o.Subscription).url},
		})
	}
	return views
}

// redeliver activates subscriptions again and sends what was queued for them.
func (c *openConnectors) redeliver(w http.ResponseWriter, r *http.Request) {
	list, ok := c.queued(w, r)
	if !ok {
		return
	}
	for _, i := range c.instances {
		if s, address := i.subscription, ocWhere(r)["config.url"]; s != nil && (address == "" || address == s.url) {
			s.active = true
			c.outbox.release(strconv.Itoa(s.id))
		}
	}
	writeJSON(w, http.StatusOK, c.deliveries(list))
}

// settings shows and changes what happens after a notification that was not taken.
func (c *openConnectors) settings(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("account") != strconv.Itoa(openConnectorsAccount) {
		ocFail(w, http.StatusNotFound, "No account found with ID "+r.PathValue("account"))
		return
	}
	if r.Method != http.MethodGet {
		var request map[string]string
		if err := readJSON(r, &request); err != nil || request[ocPolicy] != ocRetry && request[ocPolicy] != ocQueue {
			ocFail(w, http.StatusBadRequest, ocPolicy+" is neither retry nor queue")
			return
		}
		c.policy = request[ocPolicy]
	}
	writeJSON(w, http.StatusOK, map[string]any{ocPolicy: c.policy})
}

// listEvents lists the notifications of one instance or of all, newest first.
func (c *openConnectors) listEvents(w http.ResponseWriter, r *http.Request, i *ocInstance) {
	size, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("pageSize"), strconv.Itoa(maxOCPageSize)))
	if err != nil || size < 1 || size > maxOCPageSize {
		ocFail(w, http.StatusBadRequest, "pageSize is not between 1 and 200")
		return
	}
	views := []any{}
	for _, e := range slices.Backward(c.events) {
		if (i == nil || e.instance == i.id) && len(views) < size {
			views = append(views, e.view())
		}
	}
	writeJSON(w, http.StatusOK, views)
}

func (c *openConnectors) getEvent(w http.ResponseWriter, r *http.Request) {
	for _, e := range c.events {
		if strconv.Itoa(e.id) == r.PathValue("what") {
			writeJSON(w, http.StatusOK, e.view())
			return
		}
	}
	ocFail(w, http.StatusNotFound, "No event found with ID "+r.PathValue("what"))
}

func (e *ocEvent) view() map[string]any {
	return map[string]any{
		"id": e.id, "instanceId": e.instance, "eventDate": e.at.Format(time.RFC3339), "status": e.status,
		"providerData": string(e.raw), "notifiedData": e.items,
	}
}
