package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// items are the items of a delivery, as they are found.
type items struct {
	all     []Item
	byID    map[identity]int // the first item with an event of that source and id; nil until somebody asks
	tooMany bool
}

// identity is what tells events of one delivery apart.
type identity struct{ source, id string }

func identityOf(item Item) identity { return identity{item.Event.Source, item.Event.ID} }

// add takes one more item. An event whose id another one of the same delivery has is a repetition, or the id
// does not identify the event.
func (i *items) add(item Item) {
	if len(i.all) == MaxItems {
		i.tooMany = true
		return
	}
	if item.Outcome == Accepted && len(i.all) > 0 { // most deliveries have one item, which needs no map
		known := i.known()
		if first, seen := known[identityOf(item)]; seen {
			item = repeated(item, first, i.all[first])
		} else {
			known[identityOf(item)] = len(i.all)
		}
	}
	i.all = append(i.all, item)
}

// known is where the events so far are.
func (i *items) known() map[identity]int {
	if i.byID == nil {
		i.byID = map[identity]int{}
		for n, item := range i.all {
			if item.Outcome == Accepted {
				i.byID[identityOf(item)] = n
			}
		}
	}
	return i.byID
}

func repeated(item Item, index int, first Item) Item {
	if first.Event.FullType() == item.Event.FullType() && bytes.Equal(first.Event.Data, item.Event.Data) {
		return Item{Outcome: Ignored, Reason: fmt.Sprintf("repeats item %d", index)}
	}
	return Item{Outcome: Rejected, Reason: fmt.Sprintf("event.id is that of item %d, whose content differs", index)}
}

func (i *items) result() Result {
	if i.tooMany {
		return whole(Malformed, fmt.Sprintf("the delivery has more than %d items", MaxItems))
	}
	return combine(i.all)
}

// split maps each element of the list that the definition names.
func (m *Mapper) split(in expression.Input, items *items) *Item {
	list := gjson.GetBytes(in.Content, m.delivery.Split)
	if !list.IsArray() {
		return failed(Malformed, "split", fmt.Sprintf("there is no list at %q", m.delivery.Split))
	}
	index := 0
	list.ForEach(func(_, element gjson.Result) bool {
		in.Item, in.Index = []byte(element.Raw), index
		items.add(m.item(in))
		index++
		return !items.tooMany
	})
	if index == 0 {
		return failed(Ignored, "split", "the list is empty")
	}
	return nil
}

// combine takes the most severe outcome for the whole.
func combine(items []Item) Result {
	result := Result{Outcome: Ignored, Items: items}
	for i, item := range items {
		if item.Outcome == Accepted {
			result.Events = append(result.Events, item.Event)
		}
		if i == 0 || severity[item.Outcome] > severity[result.Outcome] {
			result.Outcome, result.Reason = item.Outcome, item.Reason
			if len(items) > 1 && item.Reason != "" {
				result.Reason = fmt.Sprintf("item %d: %s", i, item.Reason)
			}
		}
	}
	return result
}

// failed is the item that did not become an event.
func failed(outcome Outcome, field, what string) *Item {
	return &Item{Outcome: outcome, Reason: field + ": " + what}
}

// ignore decides whether there is anything to publish; nil means that there is.
func (m *Mapper) ignore(in expression.Input) *Item {
	ignored, err := m.delivery.Ignore.Bool(in, false)
	switch {
	case err != nil:
		return failed(Rejected, "ignore", err.Error())
	case ignored:
		return failed(Ignored, "ignore", "the definition ignores it")
	default:
		return nil
	}
}

// item maps one item, or the delivery as a whole.
func (m *Mapper) item(in expression.Input) Item {
	if m.ignoreItems {
		if ignored := m.ignore(in); ignored != nil {
			return *ignored
		}
	}
	name, failure := m.eventType(in)
	if failure != nil {
		return *failure
	}
	if m.namesType {
		vars := make(map[string]string, len(in.Vars)+1)
		maps.Copy(vars, in.Vars)
		vars["type"] = name
		in.Vars = vars
	}
	refused, err := m.delivery.Reject.Bool(in, false)
	switch {
	case err != nil:
		return *failed(Rejected, "reject", err.Error())
	case refused:
		item := *failed(Rejected, "reject", "the definition refuses it")
		item.Deliberate = true
		return item
	}
	e, failure := m.event(name, in)
	if failure != nil {
		return *failure
	}
	key, err := m.delivery.OrderBy.Text(in)
	if err != nil {
		return *failed(Rejected, "orderBy", err.Error())
	}
	return Item{Outcome: Accepted, Event: e, OrderKey: key}
}

// eventType finds the type's name.
func (m *Mapper) eventType(in expression.Input) (string, *Item) {
	for i, rule := range m.delivery.Types {
		matches, err := rule.When.Bool(in, false)
		if err != nil {
			return "", failed(Rejected, fmt.Sprintf("types[%d].when", i), err.Error())
		}
		if matches {
			return rule.Type, nil
		}
	}
	if len(m.delivery.Types) > 0 {
		return "", failed(Unknown, "types", "no entry matches")
	}
	name, err := m.delivery.Event.Type.Text(in)
	if err != nil {
		return "", failed(Rejected, "event.type", err.Error())
	}
	if err := event.CheckType(name); err != nil {
		return "", failed(Rejected, "event.type", err.Error())
	}
	return name, nil
}

// event evaluates the mapping.
func (m *Mapper) event(name string, in expression.Input) (event.Event, *Item) {
	mapping := &m.delivery.Event
	e := event.Event{Type: name}
	var when string
	for _, field := range [...]struct {
		name  string
		value *connector.Value
		out   *string
	}{
		{"event.version", &mapping.Version, &e.Version},
		{"event.id", &mapping.ID, &e.ID},
		{"event.source", &mapping.Source, &e.Source},
		{"event.subject", &mapping.Subject, &e.Subject},
		{"event.time", &mapping.Time, &when},
		{"event.dataContentType", &mapping.DataContentType, &e.DataContentType},
	} {
		text, err := field.value.Text(in)
		if err != nil {
			return e, failed(Rejected, field.name, err.Error())
		}
		*field.out = text
	}
	if e.ID == "" {
		return e, failed(Rejected, "event.id", "is empty")
	}
	if e.Version == "" {
		e.Version = DefaultVersion
	}
	if err := event.CheckVersion(e.Version); err != nil {
		return e, failed(Rejected, "event.version", err.Error())
	}
	if e.Source == "" {
		e.Source = m.application
	}
	if when != "" {
		t, err := parseTime(when)
		if err != nil {
			return e, failed(Malformed, "event.time", err.Error())
		}
		e.Time = t
	}
	if failure := m.data(&e, in); failure != nil {
		return e, failure
	}
	if err := e.Validate(); err != nil {
		return e, failed(Rejected, "event", err.Error())
	}
	return e, nil
}

// data evaluates the payload. What is absent or null is no payload.
func (m *Mapper) data(e *event.Event, in expression.Input) *Item {
	if !e.IsJSON() {
		out, err := m.delivery.Event.Data.Any(in)
		if err != nil {
			return failed(Rejected, "event.data", err.Error())
		}
		text, ok := out.(string)
		if !ok {
			return failed(Rejected, "event.data", "want a text for the content type "+e.DataContentType)
		}
		e.Data = []byte(text)
		return nil
	}
	data, err := m.delivery.Event.Data.JSON(in)
	switch {
	case err != nil:
		return failed(Rejected, "event.data", err.Error())
	case string(data) == "null":
		return nil
	case m.wantsJSON(in) && same(data, in.Content): // which was checked
	case !validJSON(data):
		return failed(Malformed, "event.data", "is not valid JSON")
	}
	e.Data = data
	return nil
}

// parseTime takes RFC 3339 with any number of fractional digits. The result is in UTC.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	if err != nil {
		return time.Time{}, errors.New("want a time such as 2024-01-31T12:00:00Z")
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, errors.New("the year is out of range")
	}
	return t, nil
}
