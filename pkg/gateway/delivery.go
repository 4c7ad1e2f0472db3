package gateway

import (
	"net/http"
	"net/textproto"
	"net/url"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// Delivery is what a transport received, before anything is known about it. It is not changed afterwards.
type Delivery struct {
	// Route is the name of the definition's delivery.
	Route string
	// Received is when the gateway had all of it.
	Received time.Time
	// Client is the address of the sender, for limiting failed attempts. It is never logged or kept.
	Client string
	Header http.Header
	Query  url.Values
	// Path are the segments after the delivery's path; Token is the segment that is a secret, where the
	// delivery is verified by one.
	Path  []string
	Token string
	// Topic is where an MQTT client published it.
	Topic string
	Body  []byte
}

// input is what the mapping sees of it.
func (d *Delivery) input() mapping.Delivery {
	return mapping.Delivery{Header: d.Header, Query: d.Query, Path: d.Path, Topic: d.Topic, Body: d.Body}
}

// Record is a delivery as it is kept, with the events that were made of it.
type Record struct {
	// Delivery has only those headers and query values that the mapping needs, so that no credentials are
	// kept. Client and Token are empty.
	Delivery Delivery
	Entries  []Entry
}

// Entry is one event of a delivery.
type Entry struct {
	// Event has no type where the delivery could not be mapped.
	Event event.Event
	// Key, if not empty, keeps the order: events with equal keys are published one after another.
	Key string
	// Failure makes the entry a dead letter.
	Failure *Failure
}

// Mapped says whether there is an event. An entry without one may have an id all the same, by which
// repetitions of the delivery are noticed.
func (e *Entry) Mapped() bool { return e.Event.Type != "" }

// Failure says why an event became a dead letter.
type Failure struct {
	Reason Reason
	// Detail is for people; it holds no payload.
	Detail   string
	At       time.Time
	Attempts int
}

// DeadLetter is an event, or an unmapped delivery, that was put aside.
type DeadLetter struct {
	// ID names it in its buffer. IDs ascend in the order of arrival.
	ID       string
	Delivery Delivery
	Entry    Entry
}

// Kept names what of a delivery is kept besides its body.
type Kept struct {
	Headers []string
	Query   []string
}

// neverKept are headers that carry credentials; no definition can ask for them.
var neverKept = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "Cookie": true, "X-Api-Key": true, "X-Api-Token": true,
}

// keep returns the delivery without what must not be kept.
func (d Delivery) keep(k Kept) Delivery {
	kept := Delivery{Route: d.Route, Received: d.Received, Path: d.Path, Topic: d.Topic, Body: d.Body}
	for _, name := range k.Headers {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if values := d.Header[name]; len(values) > 0 && !neverKept[name] {
			if kept.Header == nil {
				kept.Header = http.Header{}
			}
			kept.Header[name] = values
		}
	}
	for _, name := range k.Query {
		if values := d.Query[name]; len(values) > 0 {
			if kept.Query == nil {
				kept.Query = url.Values{}
			}
			kept.Query[name] = values
		}
	}
	return kept
}
