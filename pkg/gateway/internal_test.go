package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

func away() *PublishError { return &PublishError{Reason: ReasonUnavailable, Detail: "503"} }

func TestAttemptsForgetTheLongestQuiet(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	a := newAttempts(func() time.Time { return now })
	a.max = 3
	for n := range 100 {
		a.failed(sender{"webhook", fmt.Sprint("client-", n)})
	}
	assert.Len(t, a.known, 3)
	assert.Equal(t, 3, a.recent.Len())
	assert.Contains(t, a.known, sender{"webhook", "client-99"})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := Backoff{Base: time.Second, Max: time.Minute, Full: 30 * time.Second}
	tests := []struct {
		name     string
		failures int
		err      *PublishError
		min, max time.Duration
	}{
		{"first", 1, away(), 0, time.Second},
		{"third", 3, away(), 0, 4 * time.Second},
		{"many", 1000, away(), 0, time.Minute},
		{"a wish", 1, &PublishError{Reason: ReasonThrottled, RetryAfter: 20 * time.Second}, 20 * time.Second, 20 * time.Second},
		{"an absurd wish", 1, &PublishError{Reason: ReasonThrottled, RetryAfter: 100 * time.Hour}, time.Hour, time.Hour},
		{"full", 1, &PublishError{Reason: ReasonFull}, 15 * time.Second, 30 * time.Second},
		{"still full", 100, &PublishError{Reason: ReasonFull}, 150 * time.Second, 300 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 200 {
				got := b.Wait(tt.failures, tt.err)
				assert.GreaterOrEqual(t, got, tt.min)
				assert.LessOrEqual(t, got, tt.max)
			}
		})
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	g := NewGate(3, Backoff{Base: time.Second, Max: time.Second, Full: time.Minute})
	g.now = func() time.Time { return now }
	enter := func() (Pass, bool) { p, ok, _ := g.TryEnter(); return p, ok }

	var underWay []Pass
	for range 5 {
		p, ok := enter()
		require.True(t, ok)
		underWay = append(underWay, p)
	}
	for _, p := range underWay[:3] {
		g.Report(p, away())
	}
	assert.True(t, g.Shut(), "three failures in a row")
	until := g.until
	for _, p := range underWay[3:] {
		g.Report(p, away())
	}
	assert.Equal(t, until, g.until, "those under way tell nothing new")
	now = until.Add(-1)
	_, ok := enter()
	assert.False(t, ok)

	now = until
	trial, ok := enter()
	require.True(t, ok)
	_, ok = enter()
	assert.False(t, ok, "one at a time")
	g.Leave(trial)
	trial, ok = enter()
	require.True(t, ok, "a pass given back is free again")
	g.Report(trial, away())
	assert.True(t, g.Shut())

	now = g.until
	trial, ok = enter()
	require.True(t, ok)
	g.Report(trial, nil)
	assert.False(t, g.Shut(), "the sink is back")
	assert.EqualValues(t, 1, g.Successes())

	p, _ := enter()
	g.Report(p, &PublishError{Reason: ReasonFull})
	assert.True(t, g.Shut(), "a full sink is left alone at once")
}

// TestAGateFindsOutSoonThatItsSinkIsBack: however long it was away.
func TestAGateFindsOutSoonThatItsSinkIsBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		err      *PublishError
		min, max time.Duration
	}{
		{"down", away(), 0, 5 * time.Second},
		{"no space", &PublishError{Reason: ReasonFull}, 15 * time.Second, 30 * time.Second},
		{"asks for more", &PublishError{Reason: ReasonThrottled, RetryAfter: time.Minute}, time.Minute, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(1_700_000_000, 0)
			g := NewGate(1, DefaultBackoff())
			g.now = func() time.Time { return now }
			for range 1000 {
				pass, ok, _ := g.TryEnter()
				require.True(t, ok)
				g.Report(pass, tt.err)
				_, _, wait := g.TryEnter()
				assert.GreaterOrEqual(t, wait, tt.min)
				assert.LessOrEqual(t, wait, tt.max)
				now = now.Add(wait)
			}
		})
	}
}

func TestAnEventThatTheSinkRefusesForeverDoesNotShutTheGate(t *testing.T) {
	t.Parallel()
	g := NewGate(2, DefaultBackoff())
	for range 10 {
		p, ok, _ := g.TryEnter()
		require.True(t, ok)
		g.Report(p, &PublishError{Reason: ReasonInvalid, Permanent: true})
	}
	assert.False(t, g.Shut())
}

func TestGateEnterWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1, Backoff{Base: time.Hour, Max: time.Hour, Full: time.Hour})
		p, err := g.Enter(t.Context())
		require.NoError(t, err)
		g.Report(p, away())
		entered := make(chan time.Duration, 2)
		start := time.Now()
		for range 2 {
			go func() {
				p, err := g.Enter(t.Context())
				if err != nil {
					return
				}
				entered <- time.Since(start)
				g.Report(p, nil)
			}()
		}
		wait := g.until.Sub(start)
		assert.Equal(t, wait, <-entered, "one tries when the time has come")
		assert.Equal(t, wait, <-entered, "its success lets the other one go")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = g.Enter(ctx)
		assert.ErrorIs(t, err, context.Canceled)
	})
}

// queue is a Queue in memory.
type queue struct {
	items   chan *Item
	mu      sync.Mutex
	settled []Settlement
}

func (q *queue) Next(ctx context.Context) (*Item, error) {
	select {
	case i := <-q.items:
		return i, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (q *queue) Settle(i *Item, s Settlement) {
	q.mu.Lock()
	q.settled = append(q.settled, s)
	q.mu.Unlock()
	if s.Retry > 0 {
		time.AfterFunc(s.Retry, func() { q.items <- i })
	}
}

type sinkFunc func(context.Context, event.Event) error

func (f sinkFunc) Check(event.Event) error                          { return nil }
func (f sinkFunc) Publish(ctx context.Context, e event.Event) error { return f(ctx, e) }
func (f sinkFunc) Reachable(context.Context) error                  { return nil }
func (f sinkFunc) Name() string                                     { return "test" }
func item(id string, received time.Time) *Item {
	return &Item{Record: &Record{Delivery: Delivery{Route: "r", Received: received}, Entries: []Entry{{Event: event.Event{ID: id, Source: "s", Type: "t"}}}}}
}

func newTestDispatcher(q Queue, s Sink, o DispatcherOptions) *Dispatcher {
	return NewDispatcher(q, s, NewGate(5, DefaultBackoff()), o, NewMetrics(telemetry.NewMetrics(MetricsPrefix)), nil)
}

func TestDispatcherGivesUpAfterTheAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{items: make(chan *Item, 1)}
		start := time.Now()
		q.items <- item("a", start)
		d := newTestDispatcher(q, sinkFunc(func(context.Context, event.Event) error { return away() }), DispatcherOptions{MaxAge: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = d.Run(ctx) }()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		q.mu.Lock()
		last := q.settled[len(q.settled)-1]
		q.mu.Unlock()
		require.NotNil(t, last.Failure, "after the age it is a dead letter")
		assert.Equal(t, ReasonUnavailable, last.Failure.Reason)
		assert.GreaterOrEqual(t, last.Failure.At.Sub(start), time.Hour)
		assert.Greater(t, last.Failure.Attempts, 20, "a sink that takes nothing does not use up an event's own tries")
		cancel()
		synctest.Wait()
	})
}

// TestAnEventThatWaitsAloneIsPublishedSoonAfterTheSinkIsBack: after hours, too, it waits as long as the gate does.
func TestAnEventThatWaitsAloneIsPublishedSoonAfterTheSinkIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{items: make(chan *Item, 1)}
		start := time.Now()
		back := start.Add(10 * time.Hour)
		published := make(chan time.Time, 1)
		d := newTestDispatcher(q, sinkFunc(func(context.Context, event.Event) error {
			if time.Now().Before(back) {
				return away()
			}
			published <- time.Now()
			return nil
		}), DispatcherOptions{})
		q.items <- item("a", start)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = d.Run(ctx); close(done) }()
		assert.LessOrEqual(t, (<-published).Sub(back), 10*time.Second, "its own wait, and the gate's")
		cancel()
		<-done
	})
}

func TestDispatcherFinishesWhatHasBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &queue{items: make(chan *Item, 2)}
		q.items <- item("quick", time.Now())
		q.items <- item("endless", time.Now())
		published := 0
		d := newTestDispatcher(q, sinkFunc(func(ctx context.Context, e event.Event) error {
			if e.ID == "quick" {
				time.Sleep(time.Second)
				published++
				return nil
			}
			<-ctx.Done()
			return &PublishError{Reason: ReasonTimeout, Err: ctx.Err()}
		}), DispatcherOptions{Grace: 10 * time.Second, MaxTries: 1})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		start := time.Now()
		go func() { _ = d.Run(ctx); close(done) }()
		synctest.Wait()
		cancel()
		<-done
		assert.Equal(t, 1, published)
		assert.Equal(t, 10*time.Second, time.Since(start), "the grace bounds what does not end")
		assert.ElementsMatch(t, []Settlement{{}, {Retry: time.Millisecond}}, q.settled, "what was cut off is tried again, by whoever comes next")
	})
}

func TestRecordRoundTrip(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 2*60*60)
	r := &Record{
		Delivery: Delivery{Route: "webhook", Received: time.Unix(0, 1_700_000_000_123_456_789).UTC(), Header: http.Header{"X-A": {"1", "2"}, "X-B": {""}},
			Query: map[string][]string{"q": {"v"}}, Path: []string{"a", ""}, Topic: "a/b", Body: []byte("raw\x00bytes")},
		Entries: []Entry{
			{Event: event.Event{ID: "1", Source: "s", Type: "t", Version: "v1", Subject: "x", DataContentType: "text/plain", Data: []byte("d"),
				Time: time.Date(2024, 5, 6, 7, 8, 9, 10, zone), Extensions: map[string]string{"a": "b", "c": ""}}, Key: "k"},
			{Failure: &Failure{Reason: ReasonMapping, Detail: "why", At: time.Unix(5, 0).UTC(), Attempts: 7}},
		},
	}
	data, err := r.AppendBinary([]byte("before"))
	require.NoError(t, err)
	got, err := DecodeRecord(data[len("before"):])
	require.NoError(t, err)
	assert.True(t, r.Entries[0].Event.Time.Equal(got.Entries[0].Event.Time))
	got.Entries[0].Event.Time = r.Entries[0].Event.Time
	assert.Equal(t, r, got)
	for n := range data[len("before"):] {
		_, err := DecodeRecord(data[len("before") : len("before")+n])
		assert.Error(t, err, "cut off at %d", n)
	}
}

func TestAPayloadThatIsInTheBodyIsKeptOnce(t *testing.T) {
	t.Parallel()
	body := []byte(`{"id":1,"payload":{"text":"` + strings.Repeat("x", 500) + `"}}`)
	other := bytes.Repeat([]byte("y"), 500)
	tests := map[string]struct {
		data  []byte
		extra int // bytes beside the body, at most
	}{
		"the body itself": {body, 60},
		"a part of it":    {body[18 : len(body)-1], 60},
		"something else":  {other, 600},
		"nothing":         {nil, 60},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &Record{Delivery: Delivery{Route: "r", Received: time.Unix(1, 2).UTC(), Body: body}, Entries: []Entry{{Event: event.Event{ID: "1", Source: "s", Type: "t", Data: tt.data}}}}
			data, err := r.AppendBinary(nil)
			require.NoError(t, err)
			assert.Less(t, len(data), len(body)+tt.extra)
			got, err := DecodeRecord(data)
			require.NoError(t, err)
			assert.Equal(t, r, got)
			data[0] = 1 // what the version before wrote is read, too
			_, err = DecodeRecord(data)
			require.NoError(t, err)
		})
	}
}

func FuzzDecodeRecord(f *testing.F) {
	r := &Record{Delivery: Delivery{Route: "webhook", Received: time.Unix(5, 0), Header: http.Header{"X-A": {"1"}}, Body: []byte("raw")},
		Entries: []Entry{{Event: event.Event{ID: "1", Source: "s", Type: "t", Extensions: map[string]string{"a": "b"}}, Failure: &Failure{Reason: ReasonFull}}}}
	data, err := r.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{recordVersion})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeRecord(data)
		if err != nil {
			return
		}
		again, err := r.AppendBinary(nil)
		require.NoError(t, err)
		r2, err := DecodeRecord(again)
		require.NoError(t, err)
		assert.True(t, reflect.DeepEqual(r, r2), "what is read is written the same way")
	})
}

func TestErrorsOfSinksSayWhetherToRepeat(t *testing.T) {
	t.Parallel()
	assert.Nil(t, AsPublishError(nil))
	plain := AsPublishError(errors.New("broken pipe"))
	assert.False(t, plain.Permanent)
	assert.Equal(t, ReasonUnavailable, plain.Reason)
	wrapped := AsPublishError(fmt.Errorf("kyma: %w", &PublishError{Reason: ReasonInvalid, Permanent: true}))
	assert.True(t, wrapped.Permanent)
	assert.EqualError(t, &PublishError{Detail: "NATS", Err: errors.New("gone")}, "NATS: gone")
	assert.EqualError(t, &PublishError{Err: errors.New("gone")}, "gone")
}

func TestNotesAreBoundedPerSecond(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	var n notes
	written := 0
	for range 1000 {
		if _, ok := n.allow(now); ok {
			written++
		}
	}
	assert.Equal(t, notesPerSecond, written)
	skipped, ok := n.allow(now.Add(time.Second))
	assert.True(t, ok)
	assert.Equal(t, 1000-notesPerSecond, skipped)
}
