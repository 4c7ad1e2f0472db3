package simulator

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// maxParallelDeliveries bounds how many deliveries are tried at the same time.
const maxParallelDeliveries = 32

// deliveries brings events to the sinks of Subscriptions, at least once and in no order.
type deliveries struct {
	client  *http.Client
	after   time.Duration
	tries   int
	context context.Context
	stop    context.CancelFunc
	slots   chan struct{}
	running sync.WaitGroup

	mu          sync.Mutex
	closed      bool
	delivered   int
	undelivered int
}

func newDeliveries(o KymaOptions) *deliveries {
	ctx, stop := context.WithCancel(context.Background())
	return &deliveries{client: o.SinkClient, after: o.RedeliverAfter, tries: o.MaxDeliveries, context: ctx, stop: stop, slots: make(chan struct{}, maxParallelDeliveries)}
}

func (d *deliveries) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.stop()
	d.running.Wait()
}

func (d *deliveries) counts() (delivered, undelivered int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.delivered, d.undelivered
}

// send delivers in the background; anything but 2xx is tried again.
func (d *deliveries) send(s subscription, p Published) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.client == nil || d.closed {
		return
	}
	d.running.Go(func() {
		done := false
		for try := 1; try <= d.tries && !done; try++ {
			if try > 1 && !wait(d.context, d.after) {
				return
			}
			done = d.try(s.sink, p)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if done {
			d.delivered++
		} else {
			d.undelivered++
		}
	})
}

func (d *deliveries) try(sink string, p Published) bool {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-d.context.Done():
		return false
	}
	ctx, cancel := context.WithTimeout(d.context, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sink, bytes.NewReader(p.Event.Data))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", p.Event.ContentType())
	req.Header.Set("Ce-Specversion", "1.0")
	req.Header.Set("Ce-Id", p.Event.ID)
	req.Header.Set("Ce-Source", p.Event.Source)
	req.Header.Set("Ce-Type", p.Event.Type)
	if p.Event.Subject != "" {
		req.Header.Set("Ce-Subject", p.Event.Subject)
	}
	if !p.Event.Time.IsZero() {
		req.Header.Set("Ce-Time", p.Event.Time.Format(time.RFC3339Nano))
	}
	for name, value := range p.Event.Extensions {
		req.Header.Set("Ce-"+name, value)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode/100 == 2
}

// wait waits, and says whether it may go on.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
