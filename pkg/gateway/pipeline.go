package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/tracing"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// PipelineOptions are what a pipeline is made of.
type PipelineOptions struct {
	Buffer Buffer
	// Sink is asked what it would refuse; events go through the buffer.
	Sink Sink
	// Payloads, if not nil, checks payloads. What is wrong with one is counted and logged; with
	// RejectPayloads the event is rejected, too.
	Payloads       Payloads
	RejectPayloads bool
	Metrics        *Metrics
	// Tracer makes spans of deliveries and their stages; nil means none.
	Tracer *tracing.Tracer
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Pipeline takes deliveries from verification to the buffer.
type Pipeline struct {
	buffer   Buffer
	stores   bool
	sink     Sink
	payloads Payloads
	reject   bool // payloads that do not fit
	metrics  *Metrics
	tracer   *tracing.Tracer
	logger   *slog.Logger
	now      func() time.Time
	attempts *attempts
	notes    notes
	// mismatches are notes about payloads, which must not crowd out the others.
	mismatches notes
}

// NewPipeline makes a pipeline.
func NewPipeline(o PipelineOptions) *Pipeline {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = telemetry.Discard()
	}
	_, stores := o.Buffer.(DeadLetters)
	return &Pipeline{
		buffer: o.Buffer, stores: stores, sink: o.Sink, payloads: o.Payloads, reject: o.RejectPayloads, metrics: o.Metrics, tracer: o.Tracer, logger: o.Logger, now: o.Now,
		attempts: newAttempts(o.Now),
	}
}

// Handle takes one delivery through all stages and says what to answer.
func (p *Pipeline) Handle(ctx context.Context, route *Route, d *Delivery) Answer {
	start := p.now()
	d.Route, d.Received = route.Name, start
	ctx, span := p.receive(ctx, route, d)
	answer := p.handle(ctx, route, d)
	p.Answered(route, &answer, start)
	received(span, answer)
	return answer
}

// Answered counts and logs an answer, also one that a transport gave by itself, and sets its status.
func (p *Pipeline) Answered(route *Route, a *Answer, start time.Time) {
	a.Status = a.Outcome.Status(route.Respond)
	p.metrics.answered(route.Name, *a, p.now().Sub(start))
	if a.Error == "" {
		if !p.logger.Enabled(context.Background(), slog.LevelDebug) {
			return
		}
		p.logger.Debug("delivery", "route", route.Name, "outcome", string(a.Outcome), "status", a.Status, "events", len(a.Events))
		return
	}
	if skipped, ok := p.notes.allow(p.now()); ok {
		p.logger.Info("delivery", "route", route.Name, "outcome", string(a.Outcome), "status", a.Status, "error", a.Error, "skipped", skipped)
	}
}

func (p *Pipeline) handle(ctx context.Context, route *Route, d *Delivery) Answer {
	stages := route.Stages()
	if answer, ok := p.verify(ctx, route, stages.Verifier, d); !ok {
		return answer
	}
	return p.take(ctx, route, d, p.mapped(ctx, stages.Mapper, d))
}

// mapped makes events of a delivery.
func (p *Pipeline) mapped(ctx context.Context, m Mapper, d *Delivery) mapping.Result {
	_, span := p.tracer.Start(ctx, "map", tracing.Internal)
	defer span.End()
	result := m.Map(d.input())
	if span.On() {
		span.Text("kyma_connectors.outcome", string(outcomes[result.Outcome]))
		span.Number("kyma_connectors.events", len(result.Events))
	}
	return result
}

// Take is Handle without verification and mapping: for a transport whose deliveries are events already.
func (p *Pipeline) Take(ctx context.Context, route *Route, d *Delivery, result mapping.Result) Answer {
	start := p.now()
	d.Route, d.Received = route.Name, start
	ctx, span := p.receive(ctx, route, d)
	answer := p.take(ctx, route, d, result)
	p.Answered(route, &answer, start)
	received(span, answer)
	return answer
}

func (p *Pipeline) take(ctx context.Context, route *Route, d *Delivery, result mapping.Result) Answer {
	record, outcome := p.sort(route, d, result)
	switch {
	case record == nil && outcome == Ignored:
		return Answer{Outcome: Ignored}
	case record == nil:
		f := remappable(route, result)
		return Answer{Outcome: outcome, Error: result.Reason, Withheld: f != nil && !p.putAside(ctx, route, d, f)}
	}
	if refused := p.checkEvents(ctx, route, d, record); refused != nil {
		answer := unpublishable(refused)
		if refused.Reason == ReasonPayload {
			answer.Withheld = !p.putAside(ctx, route, d, &Failure{Reason: ReasonPayload, Detail: refused.Error()})
		}
		return answer
	}
	return p.append(ctx, route, record)
}

// sort makes a record of what was mapped: events, and dead letters for items that are none. No record
// means that the delivery as a whole is answered with the outcome.
func (p *Pipeline) sort(route *Route, d *Delivery, result mapping.Result) (*Record, Outcome) {
	events := len(result.Events)
	record := &Record{Entries: make([]Entry, 0, max(events, 1))}
	for _, item := range result.Items {
		reason := ReasonMapping
		switch item.Outcome {
		case mapping.Ignored:
			continue
		case mapping.Accepted:
			record.Entries = append(record.Entries, Entry{Event: item.Event, Key: item.OrderKey})
			continue
		case mapping.Unknown:
			reason = ReasonUnknownType
		}
		// What the sender should hear about is refused. A dead letter instead of an event is for unknown
		// types that the definition keeps, for single items among good ones, which a refusal would lose, and
		// for senders that hear nothing.
		keep := events > 0 || route.Unheard && item.Outcome != mapping.Unknown || route.DeadLetterUnknown && item.Outcome == mapping.Unknown
		if !p.stores || !keep {
			return nil, outcomes[result.Outcome]
		}
		record.Entries = append(record.Entries, Entry{Failure: &Failure{Reason: reason, Detail: item.Reason, At: d.Received}})
	}
	if len(record.Entries) == 0 {
		return nil, Ignored
	}
	record.Delivery = d.keep(route.Kept)
	return record, Accepted
}

var outcomes = map[mapping.Outcome]Outcome{
	mapping.Ignored: Ignored, mapping.Unknown: Unknown, mapping.Rejected: Rejected, mapping.Malformed: Malformed,
}

// remappable is the failure of a delivery that is refused although another mapping might make events of it;
// nil where the definition itself refuses it.
func remappable(route *Route, result mapping.Result) *Failure {
	for _, item := range result.Items {
		switch item.Outcome {
		case mapping.Unknown:
			if !route.RefuseUnknown {
				return &Failure{Reason: ReasonUnknownType, Detail: item.Reason}
			}
		case mapping.Rejected, mapping.Malformed:
			if !item.Deliberate {
				return &Failure{Reason: ReasonMapping, Detail: item.Reason}
			}
		}
	}
	return nil
}

// putAside keeps a delivery that is refused as a dead letter, where the buffer can: the sender hears what is
// wrong, and whoever mends the definition can replay it. What comes again is kept once. Half of the buffer is
// left to what can be delivered, so that a sender that is wrong all the time keeps nobody else out.
func (p *Pipeline) putAside(ctx context.Context, route *Route, d *Delivery, f *Failure) (kept bool) {
	if !p.stores {
		return false
	}
	if s := p.buffer.Status(); s.Problem != nil || s.Capacity > 0 && s.Bytes >= s.Capacity/2 {
		p.metrics.notKept(route.Name)
		return false
	}
	f.At = d.Received
	delivery := d.keep(route.Kept)
	record := &Record{Delivery: delivery, Entries: []Entry{{Event: event.Event{ID: digest(delivery)}, Failure: f}}}
	duplicates, err := p.buffer.Append(context.WithoutCancel(ctx), record)
	switch {
	case err != nil:
		p.metrics.notKept(route.Name)
		if skipped, ok := p.notes.allow(p.now()); ok {
			p.logger.Warn("a refused delivery cannot be kept", "route", route.Name, "error", err.Error(), "skipped", skipped)
		}
		return false
	case !duplicates[0]:
		p.metrics.deadLettered(route.Name, f.Reason)
	}
	return true
}

// TakeCut answers a delivery that a transport could not read to its end, because it is larger than may be: what there
// is of it is kept as a dead letter where the buffer can. It has to be verified before.
func (p *Pipeline) TakeCut(ctx context.Context, route *Route, d *Delivery, problem string) Answer {
	start := p.now()
	d.Route, d.Received = route.Name, start
	kept := p.putAside(ctx, route, d, &Failure{Reason: ReasonTooLarge, Detail: problem})
	answer := Answer{Outcome: TooLarge, Withheld: !kept, Error: problem}
	p.Answered(route, &answer, start)
	return answer
}

// digest names a delivery that has no event id: the same one comes to the same name.
func digest(d Delivery) string {
	d.Received = time.Time{}
	encoded, err := (&Record{Delivery: d}).AppendBinary(nil)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(encoded)
	return "unmapped-" + hex.EncodeToString(sum[:16])
}

// checkEvents says what the target, or the event catalog, would never take, while the sender still listens.
// An event among others that are good becomes a dead letter instead.
func (p *Pipeline) checkEvents(ctx context.Context, route *Route, d *Delivery, record *Record) *PublishError {
	trace := tracing.From(ctx)
	if trace.Parent == "" {
		trace = sentTrace(d)
	}
	good := 0
	var first *PublishError
	for i := range record.Entries {
		entry := &record.Entries[i]
		if entry.Failure != nil {
			continue
		}
		entry.Event.Extensions = withTrace(entry.Event.Extensions, trace)
		err := AsPublishError(p.sink.Check(entry.Event))
		if err == nil {
			err = p.checkPayload(route, entry.Event)
		}
		if err == nil {
			good++
			continue
		}
		entry.Failure = &Failure{Reason: err.Reason, Detail: err.Error(), At: d.Received}
		if first == nil {
			first = err
		}
	}
	if first != nil && (good == 0 && !route.Unheard || !p.stores) {
		return first
	}
	return nil
}

// checkPayload holds a payload against the event catalog. What it finds is counted and logged, and an error
// only where such events are rejected.
func (p *Pipeline) checkPayload(route *Route, e event.Event) *PublishError {
	if p.payloads == nil {
		return nil
	}
	problem, known := p.payloads.Check(e)
	if !known {
		p.metrics.unchecked(route.Name)
		return nil
	}
	if problem == "" {
		return nil
	}
	p.metrics.mismatched(route.Name, e.FullType())
	err := &PublishError{Reason: ReasonPayload, Permanent: true, Detail: fmt.Sprintf("the payload is not what the event catalog says of %s: %s", e.FullType(), problem)}
	if p.reject {
		return err
	}
	if skipped, ok := p.mismatches.allow(p.now()); ok {
		p.logger.Warn("a payload is not what the event catalog says", "route", route.Name, "event", e.ID, "type", e.FullType(), "problem", problem, "skipped", skipped)
	}
	return nil
}

// Verify does the first stage alone: for transports where a sender proves once who it is. An answer that
// is not the sender's right to go on is counted and logged like that of a delivery.
func (p *Pipeline) Verify(ctx context.Context, route *Route, d *Delivery) (Answer, bool) {
	start := p.now()
	answer, ok := p.verify(ctx, route, route.Stages().Verifier, d)
	if !ok {
		p.Answered(route, &answer, start)
	}
	return answer, ok
}

func (p *Pipeline) verify(ctx context.Context, route *Route, v Verifier, d *Delivery) (Answer, bool) {
	ctx, span := p.tracer.Start(ctx, "verify", tracing.Internal)
	defer span.End()
	client := sender{route.Name, d.Client}
	if wait := p.attempts.wait(client); wait > 0 {
		p.metrics.refused(route.Name, "limited")
		span.Fail("limited")
		return Answer{Outcome: Limited, RetryAfter: wait, Error: "too many failed attempts: correct the credentials or the signing key, then try again later"}, false
	}
	err := v.Verify(ctx, d)
	if err == nil {
		p.attempts.succeeded(client)
		return Answer{}, true
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		p.attempts.failed(client)
		p.metrics.refused(route.Name, refusal.Reason)
		span.Fail(refusal.Reason)
		return Answer{Outcome: Refused, Challenge: refusal.Challenge, Error: refusal.Error()}, false
	}
	span.Fail("unavailable")
	if skipped, ok := p.notes.allow(p.now()); ok {
		p.logger.Error("deliveries cannot be verified", "route", route.Name, "error", err.Error(), "skipped", skipped)
	}
	return Answer{Outcome: Unavailable, RetryAfter: 10 * time.Second, Error: "the delivery cannot be verified at the moment"}, false
}

func (p *Pipeline) append(ctx context.Context, route *Route, record *Record) Answer {
	// The sender may go away; what has begun is finished, so that its retry meets a known id.
	ctx, span := p.tracer.Start(context.WithoutCancel(ctx), "append", tracing.Internal)
	duplicates, err := p.buffer.Append(ctx, record)
	if err != nil {
		span.Fail("refused")
	}
	span.End()
	if err != nil {
		return p.notTaken(err)
	}
	answer := Answer{Outcome: Duplicate}
	fresh, dead, why := 0, 0, ""
	for i, duplicate := range duplicates {
		if id := record.Entries[i].Event.ID; id != "" {
			answer.Events = append(answer.Events, id)
		}
		switch {
		case duplicate:
		case record.Entries[i].Failure != nil:
			dead++
			why = record.Entries[i].Failure.Detail
			p.metrics.deadLettered(route.Name, record.Entries[i].Failure.Reason)
		default:
			fresh++
			p.metrics.arrived(record.Entries[i].Event.FullType())
		}
	}
	p.metrics.events(route.Name, Accepted, fresh)
	p.metrics.events(route.Name, Duplicate, len(duplicates)-fresh-dead)
	switch {
	case fresh > 0:
		answer.Outcome = Accepted
	case dead > 0:
		answer.Outcome, answer.Error = DeadLettered, why
	}
	return answer
}

// retrySpread, in seconds, keeps senders that were refused together from coming again together.
const retrySpread = 2

// notTaken is the answer where the buffer did not take the delivery.
func (p *Pipeline) notTaken(err error) Answer {
	var refused *PublishError
	if errors.As(err, &refused) && refused.Permanent {
		// The sender learns why, not where: addresses inside the cluster are for the log.
		p.logger.Warn("an event is refused by the target", "reason", string(refused.Reason), "error", refused.Error())
		return unpublishable(&PublishError{Reason: refused.Reason, Permanent: true, Detail: fmt.Sprintf("the target refuses this event (%s)", refused.Reason)})
	}
	var away *UnavailableError
	if !errors.As(err, &away) {
		away = &UnavailableError{Reason: ReasonUnavailable, Err: err}
	}
	p.metrics.refusedAppend(away.Reason)
	if skipped, ok := p.notes.allow(p.now()); ok {
		p.logger.Warn("events cannot be taken", "reason", string(away.Reason), "error", away.Err.Error(), "skipped", skipped)
	}
	return Answer{
		Outcome:    Unavailable,
		RetryAfter: max(away.RetryAfter, time.Second) + time.Duration(rand.IntN(retrySpread+1))*time.Second,
		Error:      fmt.Sprintf("events cannot be taken at the moment (%s): try again later", away.Reason),
	}
}

func unpublishable(err *PublishError) Answer {
	if err.Reason == ReasonTooLarge {
		return Answer{Outcome: TooLarge, Withheld: true, Error: err.Error()}
	}
	return Answer{Outcome: Rejected, Withheld: true, Error: err.Error()}
}

// Remap maps a kept delivery again, for a dead letter that is to be replayed after the definition was
// mended. Unless every item of the delivery becomes an event that check passes, or is ignored, it is an
// error.
func Remap(m Mapper, check func(event.Event) error, d Delivery) ([]Entry, error) {
	result := m.Map(d.input())
	if result.Outcome != mapping.Accepted && result.Outcome != mapping.Ignored {
		return nil, fmt.Errorf("it is still %s: %s", result.Outcome, result.Reason)
	}
	var entries []Entry
	for _, item := range result.Items {
		if item.Outcome != mapping.Accepted {
			continue
		}
		if err := check(item.Event); err != nil {
			return nil, err
		}
		entries = append(entries, Entry{Event: item.Event, Key: item.OrderKey})
	}
	return entries, nil
}
