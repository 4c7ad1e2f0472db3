package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Description is a system as data, for those that have no simulator of their own: where it is, who may call it,
// what it answers and what it sends.
type Description struct {
	// Name is what people call it.
	Name string
	// URL is the address of its API, without a slash at its end.
	URL string
	// Access are the ways to sign in to what is at no API's path; see DescribedAPI.
	Access []Access
	APIs   []DescribedAPI
	// Documents are what anybody can read at other addresses, in JSON.
	Documents map[string][]byte
	// Answers come before everything that follows from the APIs.
	Answers []Page
	// Intakes take events in.
	Intakes []Intake
	// Hooks are the webhooks that its own API keeps. Where there are any, Connect takes no endpoint.
	Hooks []DescribedHooks
	// Recorded are the deliveries that it sends, one for each type.
	Recorded []Recorded
}

// DescribedAPI is one API of a described system.
type DescribedAPI struct {
	// Path is where it begins, below the system's URL; empty where that is its address.
	Path string
	// Access are the ways to sign in, of which any one will do; without any, everybody may call.
	Access []Access
	// Demanded headers and query parameters have to come with each call besides.
	Demanded Access
	// CSRF demands a token for every write.
	CSRF bool
	// OpenAPI is the document, in JSON, that says what is answered.
	OpenAPI []byte
	// EntitySets make it an OData service.
	EntitySets []string
	// Pages are what it answers besides; one that OpenAPI has an operation for is answered by that.
	Pages []Page
}

// Page is what a described system answers at one path, below the system's URL.
type Page struct {
	Method, Path string
	// Status is 200 where it is 0.
	Status int
	// Body is JSON; empty means an empty object.
	Body []byte
}

// Recorded is a delivery that a described system sends, as it was recorded.
type Recorded struct {
	// Type is what Notification.Type calls it.
	Type string
	// Path is the path of the address that an administrator enters; Target the path and query of this request.
	Path, Target string
	Header       http.Header
	Body         []byte
	// Topic makes it a message by MQTT, of a Quality.
	Topic   string
	Quality Quality
}

// Described is a system as its Description says. It is safe for concurrent use.
type Described struct {
	description Description
	base        *url.URL
	apis        []*describedAPI
	rest        *describedAPI // what is at no API's path
	tokens      []*tokenGate
	hooks       []*describedHooks
	outbox      *outbox
	faults      Faults
	calls       callLog

	mu       sync.Mutex
	ingested []Ingested
}

// NewDescribed makes a simulated system of a description. It sends what was recorded as Consumer.Renew makes it
// new, and repeats what was not taken. Close it at the end.
func NewDescribed(d Description) (*Described, error) {
	base, err := url.Parse(d.URL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, errors.New("the simulated system has no address such as https://host")
	}
	s := &Described{description: d, base: base}
	s.outbox = newOutbox(sending{subscribed: len(d.Hooks) > 0, messages: true})
	for i := range d.APIs {
		api, err := s.newAPI(&d.APIs[i])
		if err != nil {
			return nil, fmt.Errorf("API at %q: %w", d.APIs[i].Path, err)
		}
		s.apis = append(s.apis, api)
	}
	if s.rest, err = s.newAPI(&DescribedAPI{Access: d.Access}); err != nil {
		return nil, err
	}
	s.apis = append(s.apis, s.rest)
	// The longest path is asked first; what is at the system's own address comes last.
	slices.SortStableFunc(s.apis, func(a, b *describedAPI) int { return cmp.Compare(len(b.path), len(a.path)) })
	for i := range d.Hooks {
		s.hooks = append(s.hooks, newDescribedHooks(&d.Hooks[i]))
	}
	return s, nil
}

// Hosts implements System: the system's own host, and those of its token endpoints and public documents.
func (s *Described) Hosts() map[string]http.Handler {
	handler := part{name: PartAPI, handler: http.HandlerFunc(s.serve), faults: &s.faults, calls: &s.calls}
	hosts := map[string]http.Handler{hostPort(s.base): handler}
	for _, t := range s.tokens {
		hosts[hostPort(t.url)] = handler
	}
	for address := range s.description.Documents {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			hosts[hostPort(u)] = handler
		}
	}
	return hosts
}

// Faults implements System.
func (s *Described) Faults() *Faults { return &s.faults }

// Calls implements System.
func (s *Described) Calls() []Call { return s.calls.list("") }

// Types implements Notifier: those that were recorded.
func (s *Described) Types() []string {
	types := make([]string, len(s.description.Recorded))
	for i, r := range s.description.Recorded {
		types[i] = r.Type
	}
	return types
}

// Connect implements Notifier. Endpoint is the address of the deliveries that are fired until the next Connect.
func (s *Described) Connect(c Consumer) error { return s.outbox.connect(c) }

// Fire implements Notifier: it sends the recorded delivery of this type, to the endpoint or to every webhook that
// asked for it. A Notification has no say in what is recorded, its type aside.
func (s *Described) Fire(ctx context.Context, n Notification) error {
	i := slices.IndexFunc(s.description.Recorded, func(r Recorded) bool { return r.Type == n.Type })
	if i < 0 {
		return fmt.Errorf("fire: no delivery of type %q is recorded: choose one of %s", n.Type, strings.Join(s.Types(), ", "))
	}
	consumer, err := s.outbox.connected()
	if err != nil {
		return err
	}
	recorded := s.description.Recorded[i]
	if consumer.Renew != nil {
		if recorded, err = consumer.Renew(recorded); err != nil {
			return fmt.Errorf("fire: %w", err)
		}
	}
	if len(s.hooks) == 0 {
		return s.outbox.send(ctx, recorded.message("", consumer.Endpoint))
	}
	for _, hook := range s.wanting(recorded.Type) {
		if err := s.outbox.send(ctx, recorded.message(hook.id, hook.callback)); err != nil {
			return err
		}
	}
	return nil
}

// message is what is sent to an address that was entered. What the recorded target has beyond that is added.
func (r Recorded) message(subscription, address string) message {
	m := message{id: randomText(12), kind: r.Type, subscription: subscription, header: r.Header, body: r.Body, contentType: r.Header.Get("Content-Type")}
	if r.Topic != "" {
		m.endpoint, m.publication = address, &Publication{Topic: r.Topic, Payload: r.Body, Quality: r.Quality, Authorization: r.Header.Get("Authorization")}
		return m
	}
	entered, query, _ := strings.Cut(address, "?")
	beyond := strings.TrimPrefix(r.Target, strings.TrimSuffix(r.Path, "/"))
	path, more, _ := strings.Cut(beyond, "?")
	m.endpoint = strings.TrimSuffix(entered, "/") + path
	if query = strings.Trim(query+"&"+more, "&"); query != "" {
		m.endpoint += "?" + query
	}
	return m
}

// Monitor implements Notifier.
func (s *Described) Monitor() []Outbound { return s.outbox.monitor() }

// Resend implements Notifier.
func (s *Described) Resend(ctx context.Context, id string) error { return s.outbox.resend(ctx, id) }

// Close implements System.
func (s *Described) Close() { s.outbox.close() }

// hostPort is the host of an address with its port.
func hostPort(u *url.URL) string {
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return net.JoinHostPort(u.Hostname(), port)
}
