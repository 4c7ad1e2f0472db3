package buffer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

var errNotReached = errors.New("the streams have not been reached yet: check --buffer-url")

// dead is the stream of the dead letters.
func (b *JetStream) deadLetters() (jetstream.Stream, error) {
	if s := b.dead.Load(); s != nil {
		return *s, nil
	}
	return nil, errNotReached
}

// List implements gateway.DeadLetters.
func (b *JetStream) List(ctx context.Context, after string, limit int) ([]gateway.DeadLetter, error) {
	stream, err := b.deadLetters()
	if err != nil {
		return nil, err
	}
	next := uint64(1)
	if after != "" {
		n, err := parseDeadID(after)
		if err != nil {
			return nil, err
		}
		next = n + 1
	}
	var out []gateway.DeadLetter
	for len(out) < limit {
		message, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(b.deadSubject()))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, letterOf(message))
		next = message.Sequence + 1
	}
	return out, nil
}

// Get implements gateway.DeadLetters.
func (b *JetStream) Get(ctx context.Context, name string) (gateway.DeadLetter, error) {
	n, err := parseDeadID(name)
	if err != nil {
		return gateway.DeadLetter{}, err
	}
	stream, err := b.deadLetters()
	if err != nil {
		return gateway.DeadLetter{}, err
	}
	message, err := stream.GetMsg(ctx, n)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return gateway.DeadLetter{}, gateway.ErrNoDeadLetter
	}
	if err != nil {
		return gateway.DeadLetter{}, err
	}
	return letterOf(message), nil
}

func letterOf(message *jetstream.RawStreamMsg) gateway.DeadLetter {
	record, err := decodeEntry(message.Data)
	if err != nil || record.Entries[0].Failure == nil {
		return damagedLetter(keyBytes(message.Sequence))
	}
	return gateway.DeadLetter{ID: deadID(message.Sequence), Delivery: record.Delivery, Entry: record.Entries[0]}
}

// Requeue implements gateway.DeadLetters. The streams are two: where the second step fails, the dead letter
// stays although its events are queued.
func (b *JetStream) Requeue(ctx context.Context, name string, entries []gateway.Entry) error {
	letter, err := b.Get(ctx, name)
	if err != nil {
		return err
	}
	letter.Delivery.Received = time.Now()
	r := &gateway.Record{Delivery: letter.Delivery, Entries: entries}
	own := idOf(letter.Delivery.Route, &letter.Entry)
	for i, id := range idsOf(r) {
		known := hex.EncodeToString(id[:])
		if id == own {
			known = "" // it has been here, of course
		}
		if _, err := b.store(ctx, r.Delivery, entries[i], known); err != nil {
			return err
		}
	}
	return b.Drop(ctx, name)
}

// Drop implements gateway.DeadLetters. The message's bytes are overwritten.
func (b *JetStream) Drop(ctx context.Context, name string) error {
	if _, err := b.Get(ctx, name); err != nil {
		return err
	}
	n, err := parseDeadID(name)
	if err != nil {
		return err
	}
	stream, err := b.deadLetters()
	if err != nil {
		return err
	}
	if err := stream.SecureDeleteMsg(ctx, n); err != nil {
		return fmt.Errorf("dead letter %s: %w", name, err)
	}
	return nil
}
