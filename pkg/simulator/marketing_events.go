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
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// marketingSpace is the topic space of the channel, with which all topics begin.
const marketingSpace = "EXTFACTORY"

// marketingEvents is the channel of a tenant to what the arrangement SAP_COM_0092 calls enterprise eventing.
type marketingEvents struct {
	*channel
	source string // address of the tenant
}

func newMarketingEvents(source string) *marketingEvents {
	return &marketingEvents{channel: newChannel(marketingSpace), source: strings.TrimSuffix(source, "/")}
}

// marketingEvent is one kind of business event.
type marketingEvent struct {
	object, action string
	key            string         // name of the key field
	more           map[string]any // what else the payload has
}

func marketingKinds() []marketingEvent {
	permission := map[string]any{"CONTACTPERMISSION": "Y"}
	return []marketingEvent{
		{object: "MarketingCoupon", action: "Changed", key: "COUPON", more: map[string]any{"COUPONCODEUUID": "0894ef45-7741-1ee9-a5e1-1c8e3a3a4b5c"}},
		{object: "MarketingPermission", action: "Changed", key: "MARKETINGPERMISSIONUUID", more: permission},
		{object: "MarketingPermission", action: "Created", key: "MARKETINGPERMISSIONUUID", more: permission},
		{object: "Interaction", action: "Created", key: "INTERACTION", more: map[string]any{"INTERACTIONTYPE": "EMAIL_COMPLAINT"}},
		{object: "MarketingObjectAttachment", action: "Created", key: "MARKETINGOBJECTUUID", more: map[string]any{
			"MARKETINGOBJECT": "00000400002", "MARKETINGOBJECTTYPE": "CUAN_INITIATIVE", "MKTGOBJECTATTACHMENTFILENAME": "flyer.pdf",
		}},
		{object: "MarketingCampaign", action: "Completed", key: "CAMPAIGN"},
	}
}

// name is the type of the older generation.
func (e marketingEvent) name() string { return "BO." + e.object + "." + e.action }

// Types implements Notifier.
func (m *marketingEvents) Types() []string {
	types := []string{}
	for _, e := range marketingKinds() {
		types = append(types, e.name())
	}
	return types
}

// Fire implements Notifier. The type may be in any case; Entity is the value of the key. With
// Consumer.Legacy the payload is the older one, otherwise a CloudEvent. Fire returns when the event was
// acknowledged, or when the first attempt to send it has failed.
func (m *marketingEvents) Fire(ctx context.Context, n Notification) error {
	kinds := marketingKinds()
	i := slices.IndexFunc(kinds, func(e marketingEvent) bool { return strings.EqualFold(e.name(), n.Type) })
	if i < 0 {
		return fmt.Errorf("fire: Marketing Cloud has no event %q: choose one of %s", n.Type, strings.Join(m.Types(), ", "))
	}
	consumer, err := m.connected()
	if err != nil {
		return err
	}
	if n.Time.IsZero() {
		n.Time = time.Now()
	}
	n.ID = cmp.Or(n.ID, kube.NewUID())
	data := map[string]any{"KEY": []any{map[string]any{kinds[i].key: cmp.Or(n.Entity, "4caad296-e0c5-491e-98ac-0ed118f9474e")}}}
	maps.Copy(data, kinds[i].more)
	maps.Copy(data, n.Extra)
	topic, payload := m.current(kinds[i], n, data)
	if consumer.Legacy {
		topic, payload = m.older(kinds[i], n, data)
		if consumer.Messaging.OmitID {
			delete(payload, "eventID")
		}
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return errors.New("fire: the extra data cannot be written as JSON: " + strings.TrimPrefix(err.Error(), "json: "))
	}
	return m.send(ctx, n.ID, kinds[i].name(), topic, body)
}

// current is a CloudEvent of version 1.0. That the tenant's source looks like this could not be verified.
func (m *marketingEvents) current(e marketingEvent, n Notification, data map[string]any) (topic string, payload map[string]any) {
	object := strings.ToLower(e.object)
	source := m.source
	if u, err := url.Parse(m.source); err == nil {
		tenant, _, _ := strings.Cut(u.Hostname(), ".")
		source = "/default/sap.s4.beh/" + tenant
	}
	return marketingSpace + "/ce/sap/s4/beh/" + object + "/v1/" + e.object + "/" + e.action + "/v1", map[string]any{
		"specversion": "1.0", "type": "sap.s4.beh." + object + ".v1." + e.object + "." + e.action + ".v1", "source": source,
		"id": n.ID, "time": n.Time.UTC().Format(time.RFC3339), "datacontenttype": "application/json", "data": data,
	}
}

// older resembles a CloudEvent of version 0.1. Whether it really has an eventID could not be verified.
func (m *marketingEvents) older(e marketingEvent, n Notification, data map[string]any) (topic string, payload map[string]any) {
	return marketingSpace + "/BO/" + e.object + "/" + e.action, map[string]any{
		"eventType": e.name(), "cloudEventsVersion": "0.1", "source": m.source, "eventID": n.ID,
		"eventTime": n.Time.UTC().Format("2006-01-02T15:04:05.000Z"), "schemaURL": m.source + "/ODATA_SPEC/", "contentType": "application/json", "data": data,
	}
}
