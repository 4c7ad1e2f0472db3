package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// The formats of a body.
const (
	formatArray  = "array"
	formatLines  = "lines"
	formatSingle = "single"
)

// MaxTogether bounds the events that a relay has in hand at the same time.
const MaxTogether = 256

// Options are what a relay is made of.
type Options struct {
	// Prefix starts the event types that Kyma before 2.12 delivers; empty means DefaultPrefix.
	Prefix string
	// Calls bounds the calls to the system at the same time; default 4.
	Calls int
	// Timeout bounds each call, reading the answer included; default 10s.
	Timeout time.Duration
	Metrics *gateway.Metrics
}

// Relay sends events to the system. It implements gateway.Sink.
type Relay struct {
	definition *connector.Relay
	options    Options
	plan       atomic.Pointer[plan]
	batcher    *batcher
	model      *model // nil where documents are not checked
	stop       context.CancelFunc
}

// New makes a relay of its part of the definition.
func New(definition *connector.Relay, params expression.Input, caller Caller, o Options) (*Relay, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Calls <= 0 {
		o.Calls = 4
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	r := &Relay{definition: definition, options: o}
	if s := definition.To.Schema; s != nil {
		r.model = newModel(s, time.Now)
	}
	swap, err := r.Prepare(params, caller)
	if err != nil {
		return nil, err
	}
	swap()
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.batcher = newBatcher(limitsOf(definition.To), o.Calls, func(items []*item) { r.send(ctx, items) })
	o.Metrics.WatchBatches(r.batcher.Learned)
	return r, nil
}

func limitsOf(to connector.RelayTo) limits {
	l := limits{count: 1, bytes: 1 << 20, age: time.Second}
	b := to.Batch
	if b == nil {
		return l
	}
	if l.count = min(b.Count, MaxTogether); b.Count <= 0 {
		l.count = 100
	}
	if b.Bytes > 0 {
		l.bytes = int(b.Bytes)
	}
	if b.Age > 0 {
		l.age = time.Duration(b.Age)
	}
	if to.Format == formatSingle {
		l.count = 1
	}
	return l
}

// plan is what depends on parameters.
type plan struct {
	wanted  []string // event types
	naming  naming
	params  expression.Input
	caller  Caller
	request Request // without a body
	single  string  // the path for one event, where it is another one
	model   string  // the path of the schema
}

// Prepare makes what depends on parameters anew. It changes nothing before swap is called, which counts for
// calls from then on.
func (r *Relay) Prepare(params expression.Input, caller Caller) (swap func(), err error) {
	p, err := newPlan(r.definition, params, caller, r.options.Prefix)
	if err != nil {
		return nil, err
	}
	return func() {
		r.plan.Store(p)
		if r.model != nil {
			r.model.forget()
		}
	}, nil
}

func newPlan(d *connector.Relay, params expression.Input, caller Caller, prefix string) (*plan, error) {
	fail := func(field string, err error) (*plan, error) {
		return nil, fmt.Errorf("relay %q: %s: %w", d.Name, field, err)
	}
	types, err := d.From.Types.List(params)
	if err != nil {
		return fail("from.types", err)
	}
	for i := range types {
		types[i] = strings.TrimSpace(types[i])
	}
	types = slices.DeleteFunc(types, func(t string) bool { return t == "" })
	p := &plan{wanted: types, naming: newNaming(types, prefix), params: params, caller: caller}
	method, path := d.To.Method()
	p.request = Request{Method: method, Query: url.Values{}, Header: http.Header{"Content-Type": {contentType(d.To.Format)}, "Accept": {"application/json"}}}
	if p.request.Path, err = path.Text(params); err != nil {
		return fail("to."+strings.ToLower(method), err)
	}
	if p.single, err = d.To.Single.Text(params); err != nil {
		return fail("to.single", err)
	}
	for name, value := range d.To.Query {
		texts, err := value.List(params)
		if err != nil {
			return fail("to.query."+name, err)
		}
		for _, text := range texts {
			if text != "" {
				p.request.Query.Add(name, text)
			}
		}
	}
	for name, value := range d.To.Headers {
		text, err := value.Text(params)
		if err != nil {
			return fail("to.headers."+name, err)
		}
		if text != "" {
			p.request.Header.Set(name, text)
		}
	}
	if s := d.To.Schema; s != nil {
		if p.model, err = s.Get.Text(params); err != nil {
			return fail("to.schema.get", err)
		}
	}
	return p, nil
}

func contentType(format string) string {
	if format == formatLines {
		return "application/x-ndjson"
	}
	return "application/json"
}

// Name implements gateway.Sink: the name in the definition.
func (r *Relay) Name() string { return r.definition.Name }

// Parallel is how many events shall be published at the same time, so that batches become full.
func (r *Relay) Parallel() int { return min(max(2*r.batcher.limits.count, 16), MaxTogether) }

// Check implements gateway.Sink: what can never be sent is found before it is stored.
func (r *Relay) Check(e event.Event) error {
	document, err := r.document(r.plan.Load(), e)
	if err == nil && !r.batcher.limits.fits(len(document)) {
		err = &gateway.PublishError{Reason: gateway.ReasonTooLarge, Permanent: true,
			Detail: fmt.Sprintf("the document takes %d bytes, a call at most %d", len(document)+overhead+1, r.batcher.limits.bytes)}
	}
	if err != nil {
		r.options.Metrics.Relayed(gateway.RelayRejected, 1)
		return err
	}
	return nil
}

// Publish implements gateway.Sink. It returns when the system has taken the event, or has not.
func (r *Relay) Publish(ctx context.Context, e event.Event) error {
	err := r.publish(ctx, e)
	switch {
	case err == nil:
		r.options.Metrics.Relayed(gateway.RelaySent, 1)
		return nil
	case err.Permanent:
		r.options.Metrics.Relayed(gateway.RelayRejected, 1)
	default:
		r.options.Metrics.Relayed(gateway.RelayFailed, 1)
	}
	return err
}

func (r *Relay) publish(ctx context.Context, e event.Event) *gateway.PublishError {
	p := r.plan.Load()
	document, err := r.document(p, e)
	if err != nil {
		return err
	}
	if r.model != nil {
		problems, checked := r.model.check(ctx, p, document)
		if !checked {
			r.options.Metrics.RelayedUnchecked()
		}
		if len(problems) > 0 {
			return &gateway.PublishError{Reason: gateway.ReasonInvalid, Permanent: true, Detail: "the system's schema: " + strings.Join(problems, "; ")}
		}
	}
	return r.batcher.do(ctx, document)
}

// Reachable implements gateway.Sink: any answer but a server's error is a sign of life.
func (r *Relay) Reachable(ctx context.Context) error {
	p := r.plan.Load()
	answer, err := p.caller.Call(ctx, Request{Method: http.MethodGet, Path: p.model, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return err
	}
	if answer.Status >= http.StatusInternalServerError {
		return fmt.Errorf("%s answers %d", p.caller.Address(p.model), answer.Status)
	}
	return nil
}

// Run waits for the end, and then lets nothing wait for others any more.
func (r *Relay) Run(ctx context.Context) error {
	<-ctx.Done()
	r.batcher.drain()
	return nil
}

// Close sends what is collected and waits for the calls that are under way, but not for long.
func (r *Relay) Close() error {
	r.batcher.drain()
	impatient := time.AfterFunc(r.options.Timeout, r.stop)
	defer impatient.Stop()
	r.batcher.running.Wait()
	r.stop()
	return nil
}

// Problem says why documents are not checked at the moment; nil where they are, or need not be.
func (r *Relay) Problem() error {
	if r.model == nil {
		return nil
	}
	return r.model.problem()
}

// document makes what is sent of an event.
func (r *Relay) document(p *plan, e event.Event) ([]byte, *gateway.PublishError) {
	in := p.params
	in.Content = e.Data
	in.Vars = map[string]string{"id": e.ID, "type": e.Type, "version": e.Version, "source": e.Source, "subject": e.Subject}
	if !e.Time.IsZero() {
		in.Vars["time"] = e.Time.UTC().Format(time.RFC3339Nano)
	}
	wrong := func(format string, args ...any) ([]byte, *gateway.PublishError) {
		return nil, &gateway.PublishError{Reason: gateway.ReasonMapping, Permanent: true, Detail: "map.data: " + fmt.Sprintf(format, args...)}
	}
	document, err := r.definition.Map.Data.JSON(in)
	switch {
	case err != nil:
		return wrong("%v", err)
	case len(bytes.TrimSpace(document)) == 0:
		return wrong("is empty, as the event has no data")
	case !json.Valid(document):
		return wrong("is no JSON document")
	}
	if r.definition.To.Format != formatLines {
		return document, nil
	}
	var line bytes.Buffer
	if err := json.Compact(&line, document); err != nil {
		return wrong("is no JSON document")
	}
	return line.Bytes(), nil
}
