// Package mapping turns a delivery of a system into events, as a connector definition says: select the
// content, split it, ignore or reject, find the type, map. It is pure: the same bytes give the same
// events, today and when a dead letter is replayed.
package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// DefaultVersion is the event type version where a mapping gives none.
const DefaultVersion = "v1"

// MaxItems is the number of events that one delivery may be split into.
const MaxItems = 10000

// maxFields bounds the fields of a form.
const maxFields = 1000

// Outcome is what became of a delivery, or of one item of it.
type Outcome string

// The outcomes, mildest first.
const (
	// Ignored: nothing to publish, as the definition says (a ping).
	Ignored Outcome = "ignored"
	// Accepted: an event.
	Accepted Outcome = "accepted"
	// Unknown: a type that the definition does not list.
	Unknown Outcome = "unknown"
	// Rejected: well-formed, but the definition refuses it, or its id or type is empty or unusable.
	Rejected Outcome = "rejected"
	// Malformed: not of the form that the definition expects (no JSON, no list to split, no time).
	Malformed Outcome = "malformed"
)

var severity = map[Outcome]int{Ignored: 0, Accepted: 1, Unknown: 2, Rejected: 3, Malformed: 4}

// Delivery is what arrived, already verified. A replay makes it from the recorded headers and body. Its
// bytes must not change afterwards: events share their memory.
type Delivery struct {
	Header http.Header
	Query  url.Values
	// Path are the segments below the delivery's own path.
	Path []string
	Body []byte
	// Topic is the MQTT topic.
	Topic string
}

// Item is the outcome of one item of a split delivery, or of the only one.
type Item struct {
	Outcome Outcome
	// Reason says why there is no event; it quotes no payload.
	Reason string
	// Deliberate says that the definition itself rejects it: no other mapping would make an event of it.
	Deliberate bool
	// Event is set where Outcome is Accepted.
	Event event.Event
	// OrderKey is the same for events whose order has to be kept; empty where it does not matter.
	OrderKey string
}

// Result is what a delivery becomes.
type Result struct {
	// Outcome is the most severe one of the items, so that who looks no further loses nothing.
	Outcome Outcome
	// Reason belongs to Outcome.
	Reason string
	// Events are those of the accepted items, in their order.
	Events []event.Event
	// Items has one entry for each item, accepted or not, in their order.
	Items []Item
}

// Mapper maps the deliveries of one kind. It is safe for concurrent use.
type Mapper struct {
	delivery    *connector.Delivery
	params      expression.Input
	application string
	// ignoreItems: what to ignore is decided for each item of a split.
	ignoreItems bool
	// namesType: some expression uses the type that was found.
	namesType bool
	// headers, queries and path are what the expressions read of a request, besides its body.
	headers, queries []string
	path             bool
}

// New makes a mapper for one of the definition's deliveries. The error says why the application's name
// cannot be had from the parameters.
func New(d *connector.Definition, delivery *connector.Delivery, params expression.Input) (*Mapper, error) {
	application, err := d.Application.Text(params)
	if err != nil {
		return nil, fmt.Errorf("application: %w", err)
	}
	if application == "" {
		return nil, fmt.Errorf("application: %s is empty", d.Application.Source())
	}
	m := &Mapper{
		delivery:    delivery,
		params:      params,
		application: application,
		ignoreItems: delivery.Split != "" && delivery.Ignore.Uses("item", "itemJSON", "index"),
		headers:     []string{"Content-Type"},
	}
	for _, v := range values(delivery) {
		headers, queries := v.Reads()
		m.headers, m.queries = append(m.headers, headers...), append(m.queries, queries...)
		m.namesType = m.namesType || v.Uses("type")
		m.path = m.path || v.Uses("path")
	}
	return m, nil
}

// values are all the values by which a delivery is mapped.
func values(d *connector.Delivery) []connector.Value {
	e := d.Event
	all := []connector.Value{d.Content, d.Ignore, d.Reject, d.OrderBy, e.Type, e.Version, e.ID, e.Source, e.Subject, e.Time, e.Data, e.DataContentType}
	for _, rule := range d.Types {
		all = append(all, rule.When)
	}
	return all
}

// Reduce leaves of a delivery what the mapping reads: it is what has to be kept to map it again, and holds
// no header or query parameter that only proved who sent it.
func (m *Mapper) Reduce(d Delivery) Delivery {
	reduced := Delivery{Body: d.Body, Topic: d.Topic}
	for _, name := range m.headers {
		if values := d.Header.Values(name); len(values) > 0 {
			if reduced.Header == nil {
				reduced.Header = http.Header{}
			}
			reduced.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	for _, name := range m.queries {
		if values := d.Query[name]; len(values) > 0 {
			if reduced.Query == nil {
				reduced.Query = url.Values{}
			}
			reduced.Query[name] = values
		}
	}
	if m.path {
		reduced.Path = d.Path
	}
	return reduced
}

// Input is what the delivery's expressions see before its content is selected: the request and the
// parameters. Verification uses it too, so that it looks at the same form fields as the mapping.
func (m *Mapper) Input(d Delivery) (expression.Input, error) {
	in := m.params
	in.Header, in.Query, in.Path = d.Header, d.Query, d.Path
	in.RawBody, in.Content = d.Body, d.Body
	if d.Topic != "" {
		in.Vars = map[string]string{"topic": d.Topic}
	}
	if !m.isForm(d.Header) {
		return in, nil
	}
	if bytes.Count(d.Body, []byte("&")) >= maxFields {
		return in, fmt.Errorf("the form has more than %d fields", maxFields)
	}
	form, err := url.ParseQuery(string(d.Body))
	if err != nil {
		return in, errors.New("the body is not a form") // err would quote it
	}
	in.Form = form
	return in, nil
}

// isForm says whether the body holds form fields: by its content type, or because nothing else is accepted.
func (m *Mapper) isForm(header http.Header) bool {
	if m.delivery.HTTP == nil {
		return false
	}
	accepts := m.delivery.HTTP.Accepts
	if len(accepts) == 1 && accepts[0] == "form" {
		return true
	}
	return (slices.Contains(accepts, "form") || slices.Contains(accepts, "any")) && mediaType(header) == "application/x-www-form-urlencoded"
}

func mediaType(header http.Header) string {
	name, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return name
}

// batch is a list of CloudEvents, each of which is a delivery of its own.
const batch = "application/cloudevents-batch+json"

// Map maps a delivery.
func (m *Mapper) Map(d Delivery) Result {
	in, err := m.Input(d)
	if err != nil {
		return whole(Malformed, err.Error())
	}
	items := &items{}
	if m.delivery.HTTP != nil && slices.Contains(m.delivery.HTTP.Accepts, "cloudevents") && mediaType(d.Header) == batch {
		return m.batch(in, items)
	}
	if item := m.content(in, items); item != nil {
		return combine([]Item{*item})
	}
	return items.result()
}

// batch maps each element of a list as if it had come alone. Verification has seen all of them: they are
// the body.
func (m *Mapper) batch(in expression.Input, items *items) Result {
	if !validJSON(in.Content) {
		return whole(Malformed, "the content is not valid JSON")
	}
	list := gjson.ParseBytes(in.Content)
	if !list.IsArray() {
		return whole(Malformed, "the batch is no list")
	}
	list.ForEach(func(_, element gjson.Result) bool {
		in.Content = []byte(element.Raw)
		if item := m.content(in, items); item != nil {
			items.add(*item)
		}
		return !items.tooMany
	})
	if len(items.all) == 0 {
		return whole(Ignored, "the batch is empty")
	}
	return items.result()
}

// content adds the items of one document, or says what is wrong with all of it.
func (m *Mapper) content(in expression.Input, items *items) *Item {
	if m.delivery.Content.IsSet() {
		content, err := m.delivery.Content.Text(in)
		if err != nil {
			return failed(Rejected, "content", err.Error())
		}
		in.Content = []byte(content)
	}
	if m.wantsJSON(in) && !validJSON(in.Content) {
		if len(in.Content) == 0 {
			return &Item{Outcome: Malformed, Reason: "there is no content"}
		}
		return &Item{Outcome: Malformed, Reason: "the content is not valid JSON"}
	}
	if !m.ignoreItems {
		if ignored := m.ignore(in); ignored != nil {
			return ignored
		}
	}
	if m.delivery.Split != "" {
		return m.split(in, items)
	}
	items.add(m.item(in))
	return nil
}

// wantsJSON says whether the content has to be JSON: always where the definition selects it, and unless a
// form or another type that is accepted arrives where it does not.
func (m *Mapper) wantsJSON(in expression.Input) bool {
	if m.delivery.Content.IsSet() {
		return true
	}
	if in.Form != nil {
		return false
	}
	if m.delivery.HTTP == nil || !slices.Contains(m.delivery.HTTP.Accepts, "any") {
		return true
	}
	media := mediaType(in.Header)
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

func whole(outcome Outcome, reason string) Result {
	return combine([]Item{{Outcome: outcome, Reason: reason}})
}
