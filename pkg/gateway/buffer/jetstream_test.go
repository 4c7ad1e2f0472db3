package buffer_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/buffer"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

func startNATS(t *testing.T, port int, dir string) *server.Server {
	t.Helper()
	return startSmallNATS(t, port, dir, 0)
}

// startSmallNATS has room for so many bytes; 0 for what the disk has.
func startSmallNATS(t *testing.T, port int, dir string, room int64) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, JetStreamMaxStore: room, NoLog: true, NoSigs: true})
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(patience))
	return s
}

func openJetStream(t *testing.T, url string) *buffer.JetStream {
	t.Helper()
	b, err := buffer.OpenJetStream(buffer.JetStreamOptions{URL: url, Stream: "c4c-events", Capacity: 16 << 20})
	require.NoError(t, err)
	return b
}

func startJetStream(t *testing.T, sink *gatewaytest.Sink) harness {
	t.Helper()
	b := openJetStream(t, startNATS(t, server.RANDOM_PORT, t.TempDir()).ClientURL())
	dispatch(t, b, sink)
	require.Eventually(t, func() bool { return b.Status().Problem == nil }, patience, time.Millisecond)
	return harness{buffer: b, sink: sink}
}

func TestJetStreamWithoutRoomSaysHowMuchItNeeds(t *testing.T) {
	t.Parallel()
	b := openJetStream(t, startSmallNATS(t, server.RANDOM_PORT, t.TempDir(), 24<<20).ClientURL())
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	require.Eventually(t, func() bool {
		problem := b.Status().Problem
		return problem != nil && strings.Contains(problem.Error(), "c4c-events-dead")
	}, patience, time.Millisecond)
	assert.ErrorContains(t, b.Status().Problem, "twice 16 MiB")
	assert.ErrorContains(t, b.Status().Problem, "buffer.jetstream.size")
}

func TestJetStreamStartsBeforeItsServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startNATS(t, server.RANDOM_PORT, dir)
	url, port := first.ClientURL(), first.Addr().(*net.TCPAddr).Port
	first.Shutdown()
	first.WaitForShutdown()

	sink := &gatewaytest.Sink{}
	b := openJetStream(t, url)
	dispatch(t, b, sink)
	_, err := b.Append(context.Background(), record("early"))
	var away *gateway.UnavailableError
	require.ErrorAs(t, err, &away)
	assert.Error(t, b.Status().Problem)

	startNATS(t, port, dir)
	require.Eventually(t, func() bool {
		_, err := b.Append(context.Background(), record("late"))
		return err == nil
	}, patience, 10*time.Millisecond)
	harness{buffer: b, sink: sink}.arrived(t, "late")
}

func TestGatewaysShareAStream(t *testing.T) {
	t.Parallel()
	url := startNATS(t, server.RANDOM_PORT, t.TempDir()).ClientURL()
	sink := &gatewaytest.Sink{}
	first, second := openJetStream(t, url), openJetStream(t, url)
	dispatch(t, first, sink)
	dispatch(t, second, sink)
	for _, b := range []*buffer.JetStream{first, second} {
		require.Eventually(t, func() bool { return b.Status().Problem == nil }, patience, time.Millisecond)
	}
	for _, b := range []*buffer.JetStream{first, second} {
		_, err := b.Append(context.Background(), record("a"))
		require.NoError(t, err)
	}
	harness{sink: sink}.arrived(t, "a")
}

// TestWhatAGatewayDidNotPublishIsGivenBackAtItsEnd: events that were being published, or waited here, are at once another's, or the
// next one's. AckWait is an hour, so that nobody has them who only waits for it.
func TestWhatAGatewayDidNotPublishIsGivenBackAtItsEnd(t *testing.T) {
	t.Parallel()
	hangs := func(ctx context.Context, _ event.Event) error { <-ctx.Done(); return ctx.Err() }
	fails := func(context.Context, event.Event) error {
		return &gateway.PublishError{Reason: gateway.ReasonUnavailable, Detail: "503"}
	}
	for name, publish := range map[string]func(context.Context, event.Event) error{"the target hangs": hangs, "the target answers 503": fails} {
		for _, beside := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, another runs %t", name, beside), func(t *testing.T) {
				t.Parallel()
				url := startNATS(t, server.RANDOM_PORT, t.TempDir()).ClientURL()
				open := func() *buffer.JetStream {
					b, err := buffer.OpenJetStream(buffer.JetStreamOptions{URL: url, Stream: "c4c-events", AckWait: time.Hour})
					require.NoError(t, err)
					require.Eventually(t, func() bool { return b.Status().Problem == nil }, patience, time.Millisecond)
					return b
				}
				ends, stuck := open(), &gatewaytest.Sink{PublishFunc: publish}
				d := gateway.NewDispatcher(ends, stuck, gateway.NewGate(1000, fast()), gateway.DispatcherOptions{Parallel: 4, MaxTries: 1000, Backoff: fast(), Grace: time.Millisecond}, gatewaytest.Metrics(), nil)
				ctx, cancel := context.WithCancel(context.Background())
				var group sync.WaitGroup
				group.Go(func() { assert.NoError(t, d.Run(ctx)) })
				var ids []string
				for i := range 20 {
					r := record(fmt.Sprint("event-", i))
					if i%4 == 0 {
						r.Entries[0].Key = fmt.Sprint("key-", i)
					}
					_, err := ends.Append(context.Background(), r)
					require.NoError(t, err)
					ids = append(ids, r.Entries[0].Event.ID)
				}
				require.Eventually(t, func() bool { return stuck.Tried() >= 4 }, patience, time.Millisecond)

				sink := &gatewaytest.Sink{}
				if beside {
					dispatch(t, open(), sink)
				}
				cancel()
				group.Wait()
				require.NoError(t, ends.Close())
				if !beside {
					dispatch(t, open(), sink)
				}
				harness{sink: sink}.arrived(t, ids...)
			})
		}
	}
}

// TestAnEventThatTakesLongKeepsNoOthersFromTheNextGateway: one that ends gives back what has not begun before it has finished
// what has.
func TestAnEventThatTakesLongKeepsNoOthersFromTheNextGateway(t *testing.T) {
	t.Parallel()
	url := startNATS(t, server.RANDOM_PORT, t.TempDir()).ClientURL()
	release := make(chan struct{})
	slow := &gatewaytest.Sink{PublishFunc: func(context.Context, event.Event) error { <-release; return nil }}
	ends := openJetStream(t, url)
	require.Eventually(t, func() bool { return ends.Status().Problem == nil }, patience, time.Millisecond)
	d := gateway.NewDispatcher(ends, slow, gateway.NewGate(5, fast()), gateway.DispatcherOptions{Parallel: 1}, gatewaytest.Metrics(), nil)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { assert.NoError(t, d.Run(ctx)) })
	var ids []string
	for i := range 20 {
		_, err := ends.Append(context.Background(), record(fmt.Sprint("event-", i)))
		require.NoError(t, err)
		ids = append(ids, fmt.Sprint("event-", i))
	}
	require.Eventually(t, func() bool { return slow.Tried() == 1 }, patience, time.Millisecond)

	cancel()
	sink := &gatewaytest.Sink{}
	dispatch(t, openJetStream(t, url), sink)
	require.Eventually(t, func() bool { return len(sink.Taken()) == len(ids)-1 }, patience, time.Millisecond)
	close(release)
	group.Wait()
	require.NoError(t, ends.Close())
	assert.ElementsMatch(t, ids, append(slow.IDs(), sink.IDs()...), "each was published once")
}

func TestBadJetStreamOptionsAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    buffer.JetStreamOptions
		err  string
	}{
		{"scheme", buffer.JetStreamOptions{URL: "http://x", Stream: "s"}, "buffer jetstream: --buffer-url: want nats://host:4222 or tls://host:4222"},
		{"password", buffer.JetStreamOptions{URL: "nats://u:hunter2@x", Stream: "s"}, "buffer jetstream: --buffer-url: take user and password out of the URL, and name a credentials file with --nats-credentials"},
		{"stream", buffer.JetStreamOptions{URL: "nats://x", Stream: "a.b"}, `buffer jetstream: stream name "a.b": want letters, digits, - and _: set --buffer-stream`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := buffer.OpenJetStream(tt.o)
			assert.EqualError(t, err, tt.err)
		})
	}
}

// TestEventsOfNowPassABacklogInStreams: what waits is handed out at its pace, what arrives at once, and everything comes
// once, whatever lane it was in.
func TestEventsOfNowPassABacklogInStreams(t *testing.T) {
	t.Parallel()
	const backlog, now = 800, 40
	url := startNATS(t, server.RANDOM_PORT, t.TempDir()).ClientURL()
	open := func(pace *gateway.Pace) *buffer.JetStream {
		b, err := buffer.OpenJetStream(buffer.JetStreamOptions{URL: url, Stream: "c4c-events", Pace: pace})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return b.Status().Problem == nil }, patience, time.Millisecond)
		return b
	}
	b := open(nil)
	var want []string
	for i := range backlog {
		r := record(fmt.Sprint("old-", i))
		r.Delivery.Received = time.Now().Add(-time.Hour)
		if i%10 == 0 {
			r.Entries[0].Key = fmt.Sprint("key-", i%3)
		}
		_, err := b.Append(context.Background(), r)
		require.NoError(t, err)
		want = append(want, r.Entries[0].Event.ID)
	}
	require.NoError(t, b.Close())

	b = open(gateway.NewPace(10, 4))
	seen := map[string]int{}
	next := func() string {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		item, err := b.Next(ctx)
		require.NoError(t, err)
		id := item.Entry().Event.ID
		seen[id]++
		b.Settle(item, gateway.Settlement{})
		return id
	}
	for range 50 {
		next() // the target takes events again
	}
	for i := range now {
		id := fmt.Sprint("new-", i)
		_, err := b.Append(context.Background(), record(id))
		require.NoError(t, err)
		want = append(want, id)
		for next() != id {
			require.Less(t, len(seen), backlog/2, "an event of now waits for the backlog")
		}
	}
	require.NoError(t, b.Close())

	b = open(gateway.NewPace(0, 16))
	for len(seen) < len(want) {
		next()
	}
	require.NoError(t, b.Close())
	for _, id := range want {
		assert.Equal(t, 1, seen[id], id)
	}
}

// TestADamagedMessageIsCountedAndLeftOut: it is never published, and those behind it are.
func TestADamagedMessageIsCountedAndLeftOut(t *testing.T) {
	t.Parallel()
	url := startNATS(t, server.RANDOM_PORT, t.TempDir()).ClientURL()
	set := telemetry.NewMetrics(gateway.MetricsPrefix)
	b, err := buffer.OpenJetStream(buffer.JetStreamOptions{URL: url, Stream: "c4c-events", Metrics: gateway.NewMetrics(set)})
	require.NoError(t, err)
	sink := &gatewaytest.Sink{}
	dispatch(t, b, sink)
	require.Eventually(t, func() bool { return b.Status().Problem == nil }, patience, time.Millisecond)

	connection, err := nats.Connect(url)
	require.NoError(t, err)
	defer connection.Close()
	_, err = connection.Request("c4c-events.events.any", []byte("KCB1 and then nothing that makes sense"), patience)
	require.NoError(t, err)
	_, err = b.Append(context.Background(), record("good"))
	require.NoError(t, err)
	harness{buffer: b, sink: sink}.arrived(t, "good")
	var metrics bytes.Buffer
	set.Write(&metrics)
	assert.Contains(t, metrics.String(), gateway.MetricsPrefix+"damaged_records_total 1\n")
}
