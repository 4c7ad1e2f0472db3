package gateway

import (
	"context"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// Verifier finds out whether a delivery comes from whom it should.
type Verifier interface {
	// Verify returns nil, a *Refusal, or another error where it cannot tell (the delivery is then worth
	// repeating).
	Verify(ctx context.Context, d *Delivery) error
}

// Expiring is a Verifier whose proofs come to an end. A transport with sessions ends them then.
type Expiring interface {
	Verifier
	// Until is when the proof ends in a delivery that Verify has just accepted; zero means never.
	Until(d *Delivery) time.Time
}

// Mapper makes events of a delivery. It is pure.
type Mapper interface {
	Map(d mapping.Delivery) mapping.Result
}

// Payloads knows what the payloads of events must look like. It is safe for concurrent use.
type Payloads interface {
	// Check says what is wrong with the payload of an event, or "". What it says holds nothing of the
	// payload: neither values nor names. known is false where nothing is known about the event's type.
	Check(e event.Event) (problem string, known bool)
}

// Sink is where events go.
type Sink interface {
	// Check refuses, without a call, what the target would refuse: a permanent *PublishError.
	Check(e event.Event) error
	// Publish returns nil when the target has accepted the event. Errors are *PublishError.
	Publish(ctx context.Context, e event.Event) error
	// Reachable asks whether the target answers, without publishing anything.
	Reachable(ctx context.Context) error
	// Name says which sink it is, for people and metric labels: one of a bounded set.
	Name() string
}

// Buffer stands between answer and sink.
type Buffer interface {
	// Append takes the entries of one delivery, all or none of the new ones. It returns nil only when they
	// are safe: at the sink, or on a persistent disk. The result says which of them were here before.
	// Errors are *UnavailableError, or a permanent *PublishError where the buffer asks the sink itself.
	Append(ctx context.Context, r *Record) (duplicates []bool, err error)
	// Status describes the buffer.
	Status() BufferStatus
	// Close writes what is still to be written and gives everything back.
	Close() error
}

// BufferStatus is what a buffer says of itself.
type BufferStatus struct {
	// Waiting deliveries have events that are not published yet; DeadLetters wait for a person. Bytes is
	// what both take, Capacity the bound on it (0: none).
	Waiting, DeadLetters int64
	Bytes, Capacity      int64
	// Problem is not nil while the buffer cannot take events.
	Problem error
}

// Store is a Buffer that keeps events until they are published.
type Store interface {
	Buffer
	Queue
	DeadLetters
}

// Queue hands out kept events, each to one worker at a time, in order where they have a key.
type Queue interface {
	// Next waits for an event that is due.
	Next(ctx context.Context) (*Item, error)
	// Settle says what became of it. It does not wait for the disk: an event that is forgotten in a crash
	// is published again, with the same id.
	Settle(item *Item, s Settlement)
}

// Shared is a Queue that other gateways take events of, too.
type Shared interface {
	Queue
	// Leave gives back what was not handed out, for others to have it at once. From then on Next hands out nothing; what is
	// handed out is settled as ever. It does not wait.
	Leave()
}

// DeadLetters are the events that were put aside.
type DeadLetters interface {
	// List returns up to limit of them, the oldest first, beginning after the one named (or at the start).
	List(ctx context.Context, after string, limit int) ([]DeadLetter, error)
	// Get returns one, or ErrNoDeadLetter.
	Get(ctx context.Context, id string) (DeadLetter, error)
	// Requeue takes it out and queues the entries in its place. The dead letter's own event is queued
	// although it was here before; the other entries are left out if they were.
	Requeue(ctx context.Context, id string, entries []Entry) error
	// Drop erases it.
	Drop(ctx context.Context, id string) error
}
