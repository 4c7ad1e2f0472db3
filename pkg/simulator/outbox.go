package simulator

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Limits of what a system sends.
const (
	maxOutbound     = 10_000
	maxRetryWait    = time.Minute
	maxAnswer       = 64 << 10
	outboundTimeout = 10 * time.Second
)

// sending is the manner in which a system sends.
type sending struct {
	// retryAfter is the wait before the first retry; each further one is factor times as long, but never
	// longer than maxWait. attempts is how often one event is tried.
	retryAfter, maxWait time.Duration
	factor, attempts    int
	// accepts says which answers mean success; nil means every 2xx.
	accepts func(status int) bool
	// subscribed is set if the addresses come from subscriptions made by the system's own API, none of
	// them from Connect.
	subscribed bool
	// messages takes the address of an MQTT server for an endpoint, too.
	messages bool
	// tried hears how each attempt ended; may be nil.
	tried func(e *outboundEvent, a attempt)
	// exhausted hears that the last attempt failed, and decides the state; nil means Failed.
	exhausted func(e *outboundEvent) string
}

// attempt is how one request ended.
type attempt struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
	err    error
}

// message is what is sent, the same in each attempt.
type message struct {
	id, kind string
	// subscription and endpoint say where to; if they are empty, the Consumer does.
	subscription, endpoint string
	contentType            string
	header                 http.Header
	body                   []byte
	// publication makes it a message by MQTT.
	publication *Publication
	// attempts, if above 0, is how often it is tried, whatever else is said.
	attempts int
	// tag is what the sender remembers it by.
	tag any
}

// outbox sends a system's events by HTTP, repeats what was not taken, and keeps a monitor.
type outbox struct {
	sending sending
	context context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	consumer *Consumer
	held     *outboundEvent // the one that is overtaken
	events   []*outboundEvent
}

// outboundEvent is one event with what is sent for it.
type outboundEvent struct {
	Outbound
	message message
}

// newOutbox makes an outbox; what s leaves open is 5 attempts, the first retry after 1 s, then twice as long.
func newOutbox(s sending) *outbox {
	s.retryAfter, s.maxWait = cmp.Or(s.retryAfter, time.Second), cmp.Or(s.maxWait, maxRetryWait)
	s.factor, s.attempts = cmp.Or(s.factor, 2), cmp.Or(s.attempts, 5)
	if s.accepts == nil {
		s.accepts = func(status int) bool { return status/100 == 2 }
	}
	ctx, stop := context.WithCancel(context.Background())
	return &outbox{sending: s, context: ctx, stop: stop}
}

// webAddress says whether a text is an address that can be posted to.
func webAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func (o *outbox) connect(c Consumer) error {
	switch {
	case o.sending.subscribed && c.Endpoint != "":
		return errors.New("connect: this system sends to what was subscribed by its own API: leave the endpoint empty")
	case !o.sending.subscribed && !webAddress(c.Endpoint) && (!o.sending.messages || c.Messaging == nil):
		return errors.New("connect: the endpoint is no http or https URL")
	}
	client := http.Client{Timeout: outboundTimeout}
	if c.Client != nil {
		client = *c.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Client = &client
	c.RetryAfter, c.MaxAttempts = cmp.Or(c.RetryAfter, o.sending.retryAfter), cmp.Or(c.MaxAttempts, o.sending.attempts)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.consumer = &c
	return nil
}

func (o *outbox) legacy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.consumer != nil && o.consumer.Legacy
}

// connected is the consumer, or an error that says that there is none.
func (o *outbox) connected() (Consumer, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.consumer == nil {
		return Consumer{}, errors.New("fire: no consumer is connected")
	}
	return *o.consumer, nil
}

// background runs f unless the outbox is closed; close waits for its end.
func (o *outbox) background(f func(ctx context.Context)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.running.Go(func() { f(o.context) })
	}
}

// add puts an event into the monitor.
func (o *outbox) add(m message, state string) *outboundEvent {
	o.mu.Lock()
	defer o.mu.Unlock()
	event := &outboundEvent{Outbound: Outbound{ID: m.id, Type: m.kind, Subscription: m.subscription, State: state}, message: m}
	if len(o.events) >= maxOutbound {
		o.events = append(o.events[:0], o.events[maxOutbound/2:]...)
	}
	o.events = append(o.events, event)
	return event
}

// send tries an event for the first time and leaves what follows to the background.
func (o *outbox) send(ctx context.Context, m message) error {
	consumer, err := o.connected()
	if err != nil {
		return err
	}
	event := o.add(m, Waiting)
	for _, e := range o.overtaken(consumer, event) {
		o.deliver(ctx, consumer, e)
	}
	return ctx.Err()
}

// overtaken are the events to send now, in this order: where events come out of order, each second one
// is held back until the one after it was sent.
func (o *outbox) overtaken(consumer Consumer, event *outboundEvent) []*outboundEvent {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !consumer.OutOfOrder {
		return []*outboundEvent{event}
	}
	if o.held == nil {
		o.held = event
		return nil
	}
	now := []*outboundEvent{event, o.held}
	o.held = nil
	return now
}

// deliver tries an event once and leaves what follows to the background.
func (o *outbox) deliver(ctx context.Context, consumer Consumer, e *outboundEvent) {
	if !o.try(ctx, consumer, e) {
		o.retry(consumer, e)
		return
	}
	for range consumer.Duplicates {
		o.post(ctx, consumer, e.message) // it was taken before: nobody cares
	}
}

// retry repeats in the background, each time after a longer wait.
func (o *outbox) retry(consumer Consumer, e *outboundEvent) {
	o.background(func(ctx context.Context) {
		pause := consumer.RetryAfter
		for range cmp.Or(e.message.attempts, consumer.MaxAttempts) - 1 {
			if !wait(ctx, pause) || o.try(ctx, consumer, e) {
				return
			}
			pause = min(pause*time.Duration(o.sending.factor), o.sending.maxWait)
		}
		state := Failed
		if o.sending.exhausted != nil {
			state = o.sending.exhausted(e)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		e.State = state
	})
}

// release sends the queued events of a subscription, and says how many they are.
func (o *outbox) release(subscription string) int {
	o.mu.Lock()
	var queued []*outboundEvent
	for _, e := range o.events {
		if e.State == Queued && e.Subscription == subscription {
			e.State = Waiting
			queued = append(queued, e)
		}
	}
	o.mu.Unlock()
	o.background(func(ctx context.Context) {
		for _, e := range queued {
			if consumer, err := o.connected(); err == nil {
				o.deliver(ctx, consumer, e)
			}
		}
	})
	return len(queued)
}

// resend tries an event that failed or is queued again at once.
func (o *outbox) resend(ctx context.Context, id string) error {
	o.mu.Lock()
	var found *outboundEvent
	for _, e := range o.events {
		if e.ID == id && (e.State == Failed || e.State == Queued) {
			found = e
		}
	}
	if found == nil || o.consumer == nil {
		o.mu.Unlock()
		return fmt.Errorf("resend: no failed event has the id %q", id)
	}
	before := found.State
	found.State = Waiting
	consumer := *o.consumer
	o.mu.Unlock()
	if o.try(ctx, consumer, found) {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	found.State = before
	return fmt.Errorf("resend: the event was not taken: status %d %s", found.Status, found.Error)
}

// try posts an event once and writes down how it went.
func (o *outbox) try(ctx context.Context, consumer Consumer, e *outboundEvent) bool {
	began := time.Now()
	a := o.post(ctx, consumer, e.message)
	a.took = time.Since(began)
	o.mu.Lock()
	e.Attempts++
	e.Status, e.Error = a.status, ""
	if a.err != nil {
		e.Error = a.err.Error()
	}
	taken := a.err == nil && o.sending.accepts(a.status)
	if taken {
		e.State = Delivered
	}
	o.mu.Unlock()
	if o.sending.tried != nil {
		o.sending.tried(e, a)
	}
	return taken
}

func (o *outbox) post(ctx context.Context, consumer Consumer, m message) attempt {
	ctx, cancel := context.WithTimeout(ctx, outboundTimeout)
	defer cancel()
	if m.publication != nil {
		return consumer.publish(ctx, m)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, cmp.Or(m.endpoint, consumer.Endpoint), bytes.NewReader(m.body))
	if err != nil {
		return attempt{err: err}
	}
	maps.Copy(req.Header, m.header)
	req.Header.Set("Content-Type", m.contentType)
	if consumer.User != "" || consumer.Password != "" {
		req.SetBasicAuth(consumer.User, consumer.Password)
	}
	resp, err := consumer.Client.Do(req) // it uses the user and password of the address, and does not tell them
	if err != nil {
		return attempt{err: err}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status is there: the rest is a nicety
	return attempt{status: resp.StatusCode, header: resp.Header, body: body}
}

// publish sends a message by MQTT.
func (c Consumer) publish(ctx context.Context, m message) attempt {
	p := *m.publication
	p.Endpoint, p.Client = cmp.Or(m.endpoint, c.Endpoint), c.Client
	if c.Messaging != nil && c.Messaging.TokenEndpoint != "" {
		p.TokenEndpoint, p.User, p.Password = c.Messaging.TokenEndpoint, c.User, c.Password
	}
	status, err := Publish(ctx, p)
	return attempt{status: status, err: err}
}

func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.stop()
	o.running.Wait()
}

func (o *outbox) monitor() []Outbound {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]Outbound, 0, len(o.events))
	for _, e := range o.events {
		list = append(list, e.Outbound)
	}
	return list
}
