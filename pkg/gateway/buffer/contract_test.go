package buffer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/buffer"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
)

const patience = 20 * time.Second

// harness is a buffer with everything behind it, up to the sink.
type harness struct {
	buffer gateway.Buffer
	sink   *gatewaytest.Sink
}

// implementation makes a running harness; it is stopped by the end of the test.
type implementation struct {
	name string
	// keeps says that the buffer is a gateway.Store.
	keeps bool
	start func(t *testing.T, sink *gatewaytest.Sink) harness
}

func implementations() []implementation {
	return []implementation{
		{name: "none", start: startDirect},
		{name: "disk", keeps: true, start: startDisk},
		{name: "jetstream", keeps: true, start: startJetStream},
	}
}

func startDirect(t *testing.T, sink *gatewaytest.Sink) harness {
	t.Helper()
	b := buffer.NewDirect(buffer.DirectOptions{Sink: sink, Gate: gateway.NewGate(5, fast()), Backoff: fast()})
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	return harness{buffer: b, sink: sink}
}

func startDisk(t *testing.T, sink *gatewaytest.Sink) harness {
	t.Helper()
	return startDiskIn(t, t.TempDir(), sink)
}

func startDiskIn(t *testing.T, dir string, sink *gatewaytest.Sink) harness {
	t.Helper()
	b, err := buffer.OpenDisk(buffer.DiskOptions{Dir: dir})
	require.NoError(t, err)
	dispatch(t, b, sink)
	return harness{buffer: b, sink: sink}
}

// dispatch publishes a store's events until the end of the test, and then closes it.
func dispatch(t *testing.T, store gateway.Store, sink gateway.Sink) {
	t.Helper()
	d := gateway.NewDispatcher(store, sink, gateway.NewGate(5, fast()), gateway.DispatcherOptions{Parallel: 4, MaxTries: 4, Backoff: fast()}, gatewaytest.Metrics(), nil)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { assert.NoError(t, d.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		group.Wait()
		assert.NoError(t, store.Close())
	})
}

func fast() gateway.Backoff {
	return gateway.Backoff{Base: time.Millisecond, Max: 4 * time.Millisecond, Full: 4 * time.Millisecond}
}

func record(ids ...string) *gateway.Record {
	r := &gateway.Record{Delivery: gateway.Delivery{Route: "webhook", Received: time.Now(), Body: []byte(`{"raw":true}`)}}
	for _, id := range ids {
		r.Entries = append(r.Entries, gateway.Entry{Event: newEvent(id)})
	}
	return r
}

func newEvent(id string) event.Event {
	return event.Event{ID: id, Source: "c4c", Type: "Account.Root.Created", Version: "v1", Data: []byte(`{"n":"` + id + `"}`)}
}

func (h harness) arrived(t *testing.T, ids ...string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(h.sink.Taken()) >= len(ids) }, patience, time.Millisecond)
	assert.ElementsMatch(t, ids, h.sink.IDs())
}

// TestBufferContract is what every buffer promises.
func TestBufferContract(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		run  func(t *testing.T, start func(*gatewaytest.Sink) harness)
	}{
		{"events reach the sink unchanged", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{})
			r := record("a")
			r.Entries[0].Event.Time = time.Date(2024, 1, 2, 3, 4, 5, 678, time.UTC)
			r.Entries[0].Event.Subject = "s"
			r.Entries[0].Event.Extensions = map[string]string{"traceparent": "00-x"}
			duplicates, err := h.buffer.Append(context.Background(), r)
			require.NoError(t, err)
			assert.Equal(t, []bool{false}, duplicates)
			h.arrived(t, "a")
			assert.Equal(t, r.Entries[0].Event, h.sink.Taken()[0])
		}},
		{"a repetition is a duplicate and is not published", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{})
			_, err := h.buffer.Append(context.Background(), record("a", "b"))
			require.NoError(t, err)
			h.arrived(t, "a", "b")
			duplicates, err := h.buffer.Append(context.Background(), record("b", "c"))
			require.NoError(t, err)
			assert.Equal(t, []bool{true, false}, duplicates)
			h.arrived(t, "a", "b", "c")
		}},
		{"the same id of another delivery or source is another event", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{})
			other, foreign := record("a"), record("a")
			other.Delivery.Route = "other"
			foreign.Entries[0].Event.Source = "foreign"
			for _, r := range []*gateway.Record{record("a"), other, foreign} {
				duplicates, err := h.buffer.Append(context.Background(), r)
				require.NoError(t, err)
				assert.Equal(t, []bool{false}, duplicates)
			}
			h.arrived(t, "a", "a", "a")
		}},
		{"of concurrent repetitions one is published", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{})
			var group sync.WaitGroup
			fresh := make(chan bool, 16)
			for range cap(fresh) {
				group.Go(func() {
					duplicates, err := h.buffer.Append(context.Background(), record("a"))
					if assert.NoError(t, err) {
						fresh <- !duplicates[0]
					}
				})
			}
			group.Wait()
			close(fresh)
			count := 0
			for f := range fresh {
				if f {
					count++
				}
			}
			assert.Equal(t, 1, count)
			h.arrived(t, "a")
		}},
		{"a passing failure of the sink is repeated", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			var mu sync.Mutex
			failures := 2
			h := start(&gatewaytest.Sink{PublishFunc: func(context.Context, event.Event) error {
				mu.Lock()
				defer mu.Unlock()
				if failures--; failures >= 0 {
					return &gateway.PublishError{Reason: gateway.ReasonUnavailable, Detail: "503"}
				}
				return nil
			}})
			_, err := h.buffer.Append(context.Background(), record("a"))
			require.NoError(t, err)
			h.arrived(t, "a")
		}},
		{"the order per key is kept, also over failures", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			var mu sync.Mutex
			failed := map[string]bool{}
			h := start(&gatewaytest.Sink{PublishFunc: func(_ context.Context, e event.Event) error {
				mu.Lock()
				defer mu.Unlock()
				if !failed[e.ID] {
					failed[e.ID] = true
					return &gateway.PublishError{Reason: gateway.ReasonUnavailable, Detail: "first try"}
				}
				return nil
			}})
			const perKey = 8
			var ids []string
			for n := range perKey {
				for _, key := range []string{"x", "y", "z"} {
					id := fmt.Sprintf("%s%d", key, n)
					r := record(id)
					r.Entries[0].Key = key
					_, err := h.buffer.Append(context.Background(), r)
					require.NoError(t, err)
					ids = append(ids, id)
				}
			}
			h.arrived(t, ids...)
			next := map[byte]byte{'x': '0', 'y': '0', 'z': '0'}
			for _, id := range h.sink.IDs() {
				assert.Equal(t, next[id[0]], id[1], "order of key %c", id[0])
				next[id[0]]++
			}
		}},
		{"many events at once all arrive, once", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{})
			var group sync.WaitGroup
			var ids []string
			for writer := range 16 {
				for n := range 20 {
					ids = append(ids, fmt.Sprintf("%d-%d", writer, n))
				}
				group.Go(func() {
					for n := range 20 {
						_, err := h.buffer.Append(context.Background(), record(fmt.Sprintf("%d-%d", writer, n)))
						assert.NoError(t, err)
					}
				})
			}
			group.Wait()
			h.arrived(t, ids...)
		}},
	}
	for _, implementation := range implementations() {
		for _, tt := range tests {
			t.Run(implementation.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				tt.run(t, func(sink *gatewaytest.Sink) harness { return implementation.start(t, sink) })
			})
		}
	}
}

// TestStoreContract is what every buffer that keeps events promises besides.
func TestStoreContract(t *testing.T) {
	t.Parallel()
	refuse := func(context.Context, event.Event) error {
		return &gateway.PublishError{Reason: gateway.ReasonInvalid, Permanent: true, Detail: "400"}
	}
	oneLetter := func(t *testing.T, h harness) gateway.DeadLetter {
		t.Helper()
		var letters []gateway.DeadLetter
		require.Eventually(t, func() bool {
			var err error
			letters, err = h.buffer.(gateway.Store).List(context.Background(), "", 10)
			return assert.NoError(t, err) && len(letters) > 0
		}, patience, time.Millisecond)
		require.Len(t, letters, 1)
		return letters[0]
	}
	tests := []struct {
		name string
		run  func(t *testing.T, start func(*gatewaytest.Sink) harness)
	}{
		{"an answer does not wait for the sink", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			release := make(chan struct{})
			h := start(&gatewaytest.Sink{PublishFunc: func(context.Context, event.Event) error { <-release; return nil }})
			_, err := h.buffer.Append(context.Background(), record("a"))
			require.NoError(t, err)
			assert.Empty(t, h.sink.Taken())
			close(release)
			h.arrived(t, "a")
		}},
		{"what the sink will never take becomes a dead letter with its raw bytes", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{PublishFunc: refuse})
			r := record("a")
			r.Delivery.Header = map[string][]string{"X-Topic": {"t"}}
			_, err := h.buffer.Append(context.Background(), r)
			require.NoError(t, err)
			letter := oneLetter(t, h)
			assert.Equal(t, r.Entries[0].Event, letter.Entry.Event)
			assert.Equal(t, r.Delivery.Body, letter.Delivery.Body)
			assert.Equal(t, r.Delivery.Header, letter.Delivery.Header)
			assert.Equal(t, gateway.ReasonInvalid, letter.Entry.Failure.Reason)
			assert.Equal(t, 1, letter.Entry.Failure.Attempts)
			require.Eventually(t, func() bool { return h.buffer.Status().DeadLetters == 1 }, patience, time.Millisecond)
		}},
		{"an event that keeps failing while others succeed becomes a dead letter", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{PublishFunc: func(_ context.Context, e event.Event) error {
				if e.ID == "poison" {
					return &gateway.PublishError{Reason: gateway.ReasonUnavailable, Detail: "500"}
				}
				return nil
			}})
			_, err := h.buffer.Append(context.Background(), record("poison"))
			require.NoError(t, err)
			for n := 0; h.buffer.Status().DeadLetters == 0; n++ {
				_, err := h.buffer.Append(context.Background(), record(fmt.Sprint("good", n)))
				require.NoError(t, err)
			}
			assert.Equal(t, "poison", oneLetter(t, h).Entry.Event.ID)
		}},
		{"entries that failed before are kept as dead letters beside the others", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{})
			r := record("good", "bad")
			r.Entries[1].Failure = &gateway.Failure{Reason: gateway.ReasonTooLarge, Detail: "64 KiB", At: time.Now()}
			duplicates, err := h.buffer.Append(context.Background(), r)
			require.NoError(t, err)
			assert.Equal(t, []bool{false, false}, duplicates)
			h.arrived(t, "good")
			assert.Equal(t, "bad", oneLetter(t, h).Entry.Event.ID)
		}},
		{"a delivery without event is kept as a dead letter", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{})
			r := record()
			r.Entries = []gateway.Entry{{Failure: &gateway.Failure{Reason: gateway.ReasonUnknownType, Detail: "types: no entry matches", At: time.Now()}}}
			_, err := h.buffer.Append(context.Background(), r)
			require.NoError(t, err)
			letter := oneLetter(t, h)
			assert.Empty(t, letter.Entry.Event.ID)
			assert.Equal(t, r.Delivery.Body, letter.Delivery.Body)
		}},
		{"a delivery without event that has a name is kept once, and can become events", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{})
			r := record()
			r.Entries = []gateway.Entry{{Event: event.Event{ID: "unmapped-1"}, Failure: &gateway.Failure{Reason: gateway.ReasonMapping, Detail: "event.id: is empty", At: time.Now()}}}
			for _, known := range []bool{false, true} {
				duplicates, err := h.buffer.Append(context.Background(), r)
				require.NoError(t, err)
				assert.Equal(t, []bool{known}, duplicates)
			}
			letter := oneLetter(t, h)
			assert.False(t, letter.Entry.Mapped())
			assert.Equal(t, r.Delivery.Body, letter.Delivery.Body, "the raw bytes are what counts")
			require.NoError(t, h.buffer.(gateway.Store).Requeue(context.Background(), letter.ID, []gateway.Entry{{Event: newEvent("a")}}))
			h.arrived(t, "a")
		}},
		{"a dead letter can be queued again", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			var mu sync.Mutex
			fixed := false
			h := start(&gatewaytest.Sink{PublishFunc: func(ctx context.Context, e event.Event) error {
				mu.Lock()
				defer mu.Unlock()
				if fixed {
					return nil
				}
				return refuse(ctx, e)
			}})
			_, err := h.buffer.Append(context.Background(), record("a"))
			require.NoError(t, err)
			letter := oneLetter(t, h)
			mu.Lock()
			fixed = true
			mu.Unlock()
			store := h.buffer.(gateway.Store)
			require.NoError(t, store.Requeue(context.Background(), letter.ID, []gateway.Entry{{Event: letter.Entry.Event}}))
			h.arrived(t, "a")
			assert.ErrorIs(t, store.Requeue(context.Background(), letter.ID, nil), gateway.ErrNoDeadLetter)
			require.Eventually(t, func() bool { return h.buffer.Status().DeadLetters == 0 }, patience, time.Millisecond)
		}},
		{"a dead letter can be read and erased", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{PublishFunc: refuse})
			_, err := h.buffer.Append(context.Background(), record("a"))
			require.NoError(t, err)
			letter := oneLetter(t, h)
			store := h.buffer.(gateway.Store)
			got, err := store.Get(context.Background(), letter.ID)
			require.NoError(t, err)
			assert.Equal(t, letter, got)
			after, err := store.List(context.Background(), letter.ID, 10)
			require.NoError(t, err)
			assert.Empty(t, after)
			require.NoError(t, store.Drop(context.Background(), letter.ID))
			_, err = store.Get(context.Background(), letter.ID)
			assert.ErrorIs(t, err, gateway.ErrNoDeadLetter)
			assert.ErrorIs(t, store.Drop(context.Background(), letter.ID), gateway.ErrNoDeadLetter)
			_, err = store.Get(context.Background(), "no-such-name")
			assert.ErrorIs(t, err, gateway.ErrNoDeadLetter)
		}},
		{"what is published is forgotten", func(t *testing.T, start func(*gatewaytest.Sink) harness) {
			h := start(&gatewaytest.Sink{})
			_, err := h.buffer.Append(context.Background(), record("a", "b"))
			require.NoError(t, err)
			h.arrived(t, "a", "b")
			require.Eventually(t, func() bool { return h.buffer.Status().Waiting == 0 }, patience, time.Millisecond)
		}},
	}
	for _, implementation := range implementations() {
		if !implementation.keeps {
			continue
		}
		for _, tt := range tests {
			t.Run(implementation.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				tt.run(t, func(sink *gatewaytest.Sink) harness { return implementation.start(t, sink) })
			})
		}
	}
}

func TestDirectRefusesWhatItCannotHandOn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  *gateway.PublishError
		want func(t *testing.T, err error)
	}{
		{"permanent", &gateway.PublishError{Reason: gateway.ReasonInvalid, Permanent: true, Detail: "400"}, func(t *testing.T, err error) {
			var refused *gateway.PublishError
			require.ErrorAs(t, err, &refused)
			assert.True(t, refused.Permanent)
		}},
		{"temporary", &gateway.PublishError{Reason: gateway.ReasonUnavailable, Detail: "503"}, func(t *testing.T, err error) {
			var away *gateway.UnavailableError
			require.ErrorAs(t, err, &away)
			assert.Equal(t, gateway.ReasonUnavailable, away.Reason)
		}},
		{"full, with a wish", &gateway.PublishError{Reason: gateway.ReasonFull, RetryAfter: time.Minute, Detail: "507"}, func(t *testing.T, err error) {
			var away *gateway.UnavailableError
			require.ErrorAs(t, err, &away)
			assert.Equal(t, time.Minute, away.RetryAfter)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sink := &gatewaytest.Sink{PublishFunc: func(context.Context, event.Event) error { return tt.err }}
			h := startDirect(t, sink)
			_, err := h.buffer.Append(context.Background(), record("a"))
			tt.want(t, err)

			sink.PublishFunc = nil
			if tt.err.Permanent {
				duplicates, err := h.buffer.Append(context.Background(), record("a"))
				require.NoError(t, err)
				assert.Equal(t, []bool{false}, duplicates, "what was refused is no duplicate")
			}
		})
	}
}

func TestDirectLetsRepetitionsShareTheFirstOnesFate(t *testing.T) {
	t.Parallel()
	begun, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	h := startDirect(t, &gatewaytest.Sink{PublishFunc: func(context.Context, event.Event) error {
		once.Do(func() { close(begun) })
		<-release
		return &gateway.PublishError{Reason: gateway.ReasonInvalid, Permanent: true, Detail: "400"}
	}})
	results := make(chan error, 2)
	go func() { _, err := h.buffer.Append(context.Background(), record("a")); results <- err }()
	<-begun
	go func() { _, err := h.buffer.Append(context.Background(), record("a")); results <- err }()
	close(release)
	for range 2 {
		var refused *gateway.PublishError
		assert.True(t, errors.As(<-results, &refused))
	}
}

func TestDirectLeavesABrokenSinkAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := &gatewaytest.Sink{PublishFunc: func(context.Context, event.Event) error {
			return &gateway.PublishError{Reason: gateway.ReasonConnection, Detail: "refused"}
		}}
		b := buffer.NewDirect(buffer.DirectOptions{Sink: sink, Gate: gateway.NewGate(3, gateway.DefaultBackoff()), Backoff: fast()})
		for n := range 20 {
			_, err := b.Append(context.Background(), record(fmt.Sprint(n)))
			var away *gateway.UnavailableError
			require.ErrorAs(t, err, &away)
		}
		assert.Equal(t, 3, sink.Tried(), "after the gate shut, senders are told at once")
	})
}

// TestDirectTakesEventsSoonAfterTheSinkIsBack: senders that come twice a second, as in the end-to-end tests, and one that
// comes when it is told to.
func TestDirectTakesEventsSoonAfterTheSinkIsBack(t *testing.T) {
	t.Parallel()
	for _, outage := range []time.Duration{15 * time.Second, 20 * time.Minute} {
		t.Run(outage.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				back := time.Now().Add(outage)
				sink := &gatewaytest.Sink{PublishFunc: func(context.Context, event.Event) error {
					if time.Now().Before(back) {
						return &gateway.PublishError{Reason: gateway.ReasonConnection, Detail: "refused"}
					}
					return nil
				}}
				b := buffer.NewDirect(buffer.DirectOptions{Sink: sink, Gate: gateway.NewGate(5, gateway.DefaultBackoff())})
				var senders sync.WaitGroup
				for n := range 8 {
					senders.Go(func() {
						for {
							_, err := b.Append(context.Background(), record(fmt.Sprint(n)))
							if err == nil {
								break
							}
							var away *gateway.UnavailableError
							require.ErrorAs(t, err, &away)
							assert.LessOrEqual(t, away.RetryAfter, 5*time.Second)
							wait := 500 * time.Millisecond
							if n == 0 {
								wait = max(away.RetryAfter, time.Second)
							}
							time.Sleep(wait)
						}
						assert.LessOrEqual(t, time.Since(back), 6*time.Second, "sender %d", n)
					})
				}
				senders.Wait()
			})
		})
	}
}
