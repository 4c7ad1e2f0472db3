package simulator

import (
	"net/http"
	"strings"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// maxPublish is the limit of a request's body in bytes, on every route.
const maxPublish = 65536

// maxEvents bounds the events that are remembered; the counts go on.
const maxEvents = 200_000

// publisher is the event publisher proxy with a NATS backend.
type publisher struct {
	kyma       *Kyma
	deliveries *deliveries

	mu        sync.Mutex
	published []Published
	accepted  int
	wanted    int
}

func newPublisher(k *Kyma) *publisher {
	return &publisher{kyma: k, deliveries: newDeliveries(k.options)}
}

func (p *publisher) close() { p.deliveries.close() }

// ServeHTTP implements http.Handler.
func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	var method string
	var serve func()
	switch {
	case r.URL.Path == "/healthz", r.URL.Path == "/readyz":
		w.WriteHeader(http.StatusOK)
		return
	case r.URL.Path == "/publish":
		method, serve = http.MethodPost, func() { p.servePublish(w, r) }
	case len(segments) == 3 && segments[1] == "v1" && segments[2] == "events":
		method, serve = http.MethodPost, func() { p.serveLegacy(w, r, segments[0]) }
	case len(segments) == 4 && segments[1] == "v1" && segments[2] == "events" && segments[3] == "subscribed":
		method, serve = http.MethodGet, func() { p.serveSubscribed(w, segments[0]) }
	default:
		http.NotFound(w, r)
		return
	}
	if r.Method != method {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	serve()
}

// servePublish takes one CloudEvent. What is wrong with it is said in plain text; success has no body.
func (p *publisher) servePublish(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxPublish)
	e, err := readCloudEvent(r)
	if err == nil {
		err = p.place(&e)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !e.encodable {
		w.WriteHeader(http.StatusBadRequest) // found out by the backend, whose errors have no body
		return
	}
	p.accept(false, e)
	w.WriteHeader(http.StatusNoContent)
}

// arrival is an event on its way through the publisher.
type arrival struct {
	event.Event
	// subject is where the backend stores it.
	subject string
	// encodable says that the backend can encode the data.
	encodable bool
}

// place finds the subject of an event, and with the older style of types the type that is delivered.
func (p *publisher) place(e *arrival) error {
	if p.kyma.options.Generation == Old {
		e.subject = e.Type
		return nil
	}
	if strings.HasPrefix(e.Type, typePrefix) {
		clean, err := cleanPrefixedType(e.Type, p.cleanName)
		if err != nil {
			return err
		}
		e.Type, e.subject = clean, "kyma."+clean
		return nil
	}
	subject, err := standardSubject(p.sourceName(e.Source), e.Type)
	e.subject = subject
	return err
}

// sourceName is the source as subjects have it: the label application-type of an Application of this
// name replaces it. The Subscription's side does not do that.
func (p *publisher) sourceName(source string) string {
	if label := p.kyma.routing().types[source]; label != "" {
		return label
	}
	return source
}

// cleanName is an Application's name inside a prefixed type.
func (p *publisher) cleanName(application string) string {
	return cleanApplication(p.sourceName(application))
}

// accept stores the messages that one request became: it keeps those that somebody wants, and forgets the
// others, as a stream with interest retention does. The caller is told the same in both cases.
func (p *publisher) accept(legacy bool, messages ...arrival) {
	subscriptions := p.kyma.routing().subscriptions
	anybody := false
	var published []Published
	for _, message := range messages {
		one := Published{Event: message.Event, Subject: message.subject, Legacy: legacy}
		for _, s := range subscriptions {
			if s.wants(message) {
				one.Subscriptions = append(one.Subscriptions, s.name)
				p.deliveries.send(s, one)
			}
		}
		anybody = anybody || !one.Dropped()
		published = append(published, one)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.published) >= maxEvents {
		p.published = append(p.published[:0], p.published[maxEvents/2:]...)
	}
	p.published = append(p.published, published...)
	p.accepted++
	if anybody {
		p.wanted++
	}
}

func (p *publisher) events() []Published {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Published{}, p.published...)
}

func (p *publisher) count(c *KymaCounts) {
	p.mu.Lock()
	c.Accepted, c.Subscribed, c.Dropped = p.accepted, p.wanted, p.accepted-p.wanted
	p.mu.Unlock()
	c.Delivered, c.Undelivered = p.deliveries.counts()
}
