package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Limits of what a system sends.
const (
	maxOutbound     = 10_000
	maxRetryWait    = time.Minute
	outboundTimeout = 10 * time.Second
)

// outbox sends a system's events by HTTP with Basic auth, repeats what was not taken, and keeps a monitor.
type outbox struct {
	context context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	consumer *Consumer
	held     *outboundEvent // the one that is overtaken
	events   []*outboundEvent
}

// outboundEvent is one event with its body.
type outboundEvent struct {
	Outbound
	contentType string
	body        []byte
}

func newOutbox() *outbox {
	ctx, stop := context.WithCancel(context.Background())
	return &outbox{context: ctx, stop: stop}
}

func (o *outbox) connect(c Consumer) error {
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https" {
		return errors.New("connect: the endpoint is no http or https URL")
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: outboundTimeout}
	}
	if c.RetryAfter == 0 {
		c.RetryAfter = time.Second
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = 5
	}
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

func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.stop()
	o.running.Wait()
}

// send tries an event for the first time and leaves what follows to the background.
func (o *outbox) send(ctx context.Context, id, kind, contentType string, body []byte) error {
	o.mu.Lock()
	if o.closed || o.consumer == nil {
		o.mu.Unlock()
		return errors.New("fire: no consumer is connected")
	}
	consumer := *o.consumer
	event := &outboundEvent{Outbound: Outbound{ID: id, Type: kind, State: Waiting}, contentType: contentType, body: body}
	if len(o.events) >= maxOutbound {
		o.events = append(o.events[:0], o.events[maxOutbound/2:]...)
	}
	o.events = append(o.events, event)
	now := []*outboundEvent{event}
	if consumer.OutOfOrder {
		if o.held == nil {
			o.held, now = event, nil
		} else {
			o.held, now = nil, []*outboundEvent{event, o.held}
		}
	}
	o.mu.Unlock()
	for _, e := range now {
		if o.try(ctx, consumer, e) {
			for range consumer.Duplicates {
				_, _ = o.post(ctx, consumer, e) // it was taken before: nobody cares
			}
			continue
		}
		o.retry(consumer, e)
	}
	return ctx.Err()
}

// retry repeats in the background, with a wait that doubles.
func (o *outbox) retry(consumer Consumer, e *outboundEvent) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.running.Go(func() {
		pause := consumer.RetryAfter
		for range consumer.MaxAttempts - 1 {
			if !wait(o.context, pause) || o.try(o.context, consumer, e) {
				return
			}
			pause = min(2*pause, maxRetryWait)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		e.State = Failed
	})
}

// resend tries a failed event again at once.
func (o *outbox) resend(ctx context.Context, id string) error {
	o.mu.Lock()
	var found *outboundEvent
	for _, e := range o.events {
		if e.ID == id && e.State == Failed {
			found = e
		}
	}
	if found == nil || o.consumer == nil {
		o.mu.Unlock()
		return fmt.Errorf("resend: no failed event has the id %q", id)
	}
	found.State = Waiting
	consumer := *o.consumer
	o.mu.Unlock()
	if o.try(ctx, consumer, found) {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	found.State = Failed
	return fmt.Errorf("resend: the event was not taken: status %d %s", found.Status, found.Error)
}

// try posts an event once and writes down how it went.
func (o *outbox) try(ctx context.Context, consumer Consumer, e *outboundEvent) bool {
	status, err := o.post(ctx, consumer, e)
	o.mu.Lock()
	defer o.mu.Unlock()
	e.Attempts++
	e.Status, e.Error = status, ""
	if err != nil {
		e.Error = err.Error()
	}
	if err == nil && status/100 == 2 {
		e.State = Delivered
		return true
	}
	return false
}

func (o *outbox) post(ctx context.Context, consumer Consumer, e *outboundEvent) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, outboundTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, consumer.Endpoint, bytes.NewReader(e.body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", e.contentType)
	if consumer.User != "" || consumer.Password != "" {
		req.SetBasicAuth(consumer.User, consumer.Password)
	}
	resp, err := consumer.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, nil
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
