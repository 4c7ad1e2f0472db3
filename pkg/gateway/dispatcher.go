package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

// Item is one event on its way from a Queue to the sink. The fields below Record are the dispatcher's own
// memory of it; a Queue keeps them with the item.
type Item struct {
	// Record is the delivery, Index the entry in it.
	Record *Record
	Index  int
	// Handle is the queue's own.
	Handle any

	// Tries counts failures that were the event's own, Failures all of them.
	Tries, Failures int
	// seen is the gate's success count at the last failure.
	seen uint64
}

// Entry is the item's entry.
func (i *Item) Entry() *Entry { return &i.Record.Entries[i.Index] }

// Settlement says what became of an item. The zero value means published.
type Settlement struct {
	// Retry, if positive, is when to hand it out again.
	Retry time.Duration
	// Failure makes it a dead letter.
	Failure *Failure
}

// DispatcherOptions say how events are published. A zero value means the default that is named.
type DispatcherOptions struct {
	// Parallel bounds concurrent publications; default 32.
	Parallel int
	// MaxTries is how often an event may fail while others succeed; then it is a dead letter. Default 20.
	MaxTries int
	// MaxAge is how long after its arrival an event is repeated; default 72h.
	MaxAge time.Duration
	// Grace bounds how long running publications may take once the dispatcher is told to stop; default 10s.
	Grace time.Duration
	// Pace is told how publications end; the queue has the same one. Nil means that nothing is bounded.
	Pace *Pace
	// Backoff is the zero value for DefaultBackoff.
	Backoff Backoff
}

func (o DispatcherOptions) withDefaults() DispatcherOptions {
	if o.Parallel <= 0 {
		o.Parallel = 32
	}
	if o.MaxTries <= 0 {
		o.MaxTries = 20
	}
	if o.MaxAge <= 0 {
		o.MaxAge = 72 * time.Hour
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.Backoff == (Backoff{}) {
		o.Backoff = DefaultBackoff()
	}
	return o
}

// Dispatcher publishes the events of a Queue.
type Dispatcher struct {
	queue   Queue
	sink    Sink
	gate    *Gate
	options DispatcherOptions
	metrics *Metrics
	logger  *slog.Logger
	now     func() time.Time
}

// NewDispatcher makes a dispatcher. The gate is the sink's.
func NewDispatcher(queue Queue, sink Sink, gate *Gate, o DispatcherOptions, m *Metrics, logger *slog.Logger) *Dispatcher {
	if logger == nil {
		logger = telemetry.Discard()
	}
	return &Dispatcher{queue: queue, sink: sink, gate: gate, options: o.withDefaults(), metrics: m, logger: logger, now: time.Now}
}

// Run publishes until the context ends, leaves what has not begun to others, and then waits for the publications under way.
func (d *Dispatcher) Run(ctx context.Context) error {
	// A publication that has begun is finished, if it ends in time: cutting it off would repeat it.
	publish, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	release := context.AfterFunc(ctx, func() {
		if shared, ok := d.queue.(Shared); ok {
			shared.Leave()
		}
		time.AfterFunc(d.options.Grace, stop)
	})
	defer release()

	var workers sync.WaitGroup
	for range d.options.Parallel {
		workers.Go(func() { d.work(ctx, publish) })
	}
	workers.Wait()
	return nil
}

func (d *Dispatcher) work(ctx, publish context.Context) {
	for {
		pass, err := d.gate.Enter(ctx)
		if err != nil {
			return
		}
		item, err := d.queue.Next(ctx)
		if err != nil {
			d.gate.Leave(pass)
			return
		}
		d.queue.Settle(item, d.publish(publish, pass, item))
	}
}

func (d *Dispatcher) publish(ctx context.Context, pass Pass, item *Item) Settlement {
	entry, start := item.Entry(), d.now()
	err := d.sink.Publish(ctx, entry.Event)
	d.metrics.Published(d.sink.Name(), start, err)
	if err == nil {
		d.gate.Report(pass, nil)
		d.metrics.delivered(item.Record.Delivery.Received, d.now())
		return Settlement{}
	}
	if ctx.Err() != nil { // it was cut off here, because the gateway ends: neither the event's fault nor the sink's
		d.gate.Leave(pass)
		return Settlement{Retry: time.Millisecond}
	}
	failure := AsPublishError(err)
	d.gate.Report(pass, failure)
	d.options.Pace.Report(failure)
	return d.judge(item, failure)
}

// judge decides between another try and the dead letters.
func (d *Dispatcher) judge(item *Item, err *PublishError) Settlement {
	item.Failures++
	if successes := d.gate.Successes(); successes != item.seen || item.Tries == 0 {
		item.Tries++
		item.seen = successes
	}
	age := d.now().Sub(item.Record.Delivery.Received)
	if !err.Permanent && item.Tries < d.options.MaxTries && age < d.options.MaxAge {
		wait := d.options.Backoff.Wait
		if d.gate.Shut() { // which keeps everything from the sink: that this event waits longer would help nobody
			wait = d.options.Backoff.rest
		}
		return Settlement{Retry: max(wait(item.Failures, err), time.Millisecond)}
	}
	entry, route := item.Entry(), item.Record.Delivery.Route
	d.metrics.deadLettered(route, err.Reason)
	d.logger.Warn("event became a dead letter", "route", route, "event", entry.Event.ID, "type", entry.Event.FullType(),
		"reason", string(err.Reason), "error", err.Error(), "failures", item.Failures)
	return Settlement{Failure: &Failure{Reason: err.Reason, Detail: err.Error(), At: d.now(), Attempts: item.Failures}}
}
