package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// These tests run in a bubble where time passes only when everybody waits: hours take no time, and happen to
// the nanosecond.

const (
	connecting = "\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01c" // keep alive 0
	connected  = "\x20\x02\x00\x00"
	message    = "\x32\x06\x00\x01t\x00\x07m"
	acked      = "\x40\x02\x00\x07"
	ping       = "\xc0\x00"
	pong       = "\xd0\x00"
)

// keeping is a CONNECT with a keep alive in seconds.
func keeping(alive byte) string {
	return "\x10\x0d\x00\x04MQTT\x04\x02\x00" + string([]byte{alive}) + "\x00\x01c"
}

func newHandler(t testing.TB, o Options, append func(*gateway.Record) error) *Handler {
	t.Helper()
	o.Metrics = gatewaytest.Metrics()
	o.Route = gateway.NewRoute("mqtt", gateway.Stages{
		Verifier: gatewaytest.Verifier(nil),
		Mapper: gatewaytest.Mapper(func(d mapping.Delivery) mapping.Result {
			e := event.Event{ID: string(d.Body)}
			return mapping.Result{Outcome: mapping.Accepted, Events: []event.Event{e}, Items: []mapping.Item{{Outcome: mapping.Accepted, Event: e}}}
		}),
	})
	o.Pipeline = gateway.NewPipeline(gateway.PipelineOptions{Metrics: o.Metrics, Sink: &gatewaytest.Sink{}, Buffer: &gatewaytest.Buffer{AppendFunc: func(r *gateway.Record) ([]bool, error) {
		if append == nil {
			return make([]bool, len(r.Entries)), nil
		}
		return make([]bool, len(r.Entries)), append(r)
	}}})
	h, err := New(o)
	require.NoError(t, err)
	return h
}

// pipe is a connection without a network.
type pipe struct{ net.Conn }

func (p pipe) SetReadDeadline(at time.Time) { _ = p.Conn.SetReadDeadline(at) }
func (p pipe) Close(*ending)                { _ = p.Conn.Close() }
func (p pipe) Abort()                       { _ = p.Conn.Close() }

// begin runs a session; client is the other end of its connection.
func begin(h *Handler, until time.Time) (client net.Conn, s *session, ended <-chan *ending) {
	client, ours := net.Pipe()
	s = newSession(h, gateway.Delivery{})
	out := make(chan *ending, 1)
	if !h.enter(s) {
		out <- nil
		return client, s, out
	}
	go func() {
		why := s.run(context.Background(), pipe{ours}, until)
		h.leave(s)
		out <- why
	}()
	return client, s, out
}

func say(t *testing.T, c net.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		_, err := io.WriteString(c, text)
		require.NoError(t, err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func TestSessionsEndInTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		life   time.Duration // of the token; 0: for ever
		client func(t *testing.T, c net.Conn)
		want   *ending
		after  time.Duration
	}{
		{"no CONNECT", 0, func(*testing.T, net.Conn) {}, endTimeout, 10 * time.Second},
		{"a CONNECT that drips", 0, func(t *testing.T, c net.Conn) {
			for _, b := range []byte(connecting) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(4 * time.Second)
			}
		}, endTimeout, 10 * time.Second},
		{"silence", 0, func(t *testing.T, c net.Conn) {
			say(t, c, keeping(2))
			hear(t, c, connected)
		}, endTimeout, 3 * time.Second},
		{"silence after a minute of pings", 0, func(t *testing.T, c net.Conn) {
			say(t, c, keeping(20))
			hear(t, c, connected)
			for range 3 {
				time.Sleep(20 * time.Second)
				say(t, c, ping)
				hear(t, c, pong)
			}
		}, endTimeout, time.Minute + 30*time.Second},
		{"the longest keep alive", 0, func(t *testing.T, c net.Conn) {
			say(t, c, "\x10\x0d\x00\x04MQTT\x04\x02\xff\xff\x00\x01c")
			hear(t, c, connected)
		}, endTimeout, 65535 * 3 * time.Second / 2},
		{"a packet that does not end", 0, func(t *testing.T, c net.Conn) {
			say(t, c, connecting)
			hear(t, c, connected)
			time.Sleep(time.Hour)
			say(t, c, message[:4])
		}, endTimeout, time.Hour + 30*time.Second},
		{"no keep alive, and a token that ends", time.Hour, func(t *testing.T, c net.Conn) {
			say(t, c, connecting)
			hear(t, c, connected)
		}, endExpired, time.Hour},
		{"a token that ends under a busy client", time.Minute, func(t *testing.T, c net.Conn) {
			say(t, c, connecting)
			hear(t, c, connected)
			for {
				if _, err := io.WriteString(c, message); err != nil {
					return
				}
				hear(t, c, acked)
				time.Sleep(7 * time.Second)
			}
		}, endExpired, time.Minute},
		{"a token that has ended", -time.Second, func(*testing.T, net.Conn) {}, endExpired, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(t, Options{}, nil)
				var until time.Time
				if tt.life != 0 {
					until = time.Now().Add(tt.life)
				}
				start := time.Now()
				client, _, ended := begin(h, until)
				var speaking sync.WaitGroup
				defer speaking.Wait()
				speaking.Go(func() { tt.client(t, client) })
				assert.Same(t, tt.want, <-ended)
				assert.Equal(t, tt.after, time.Since(start))
				assert.Zero(t, h.Sessions())
				assert.Zero(t, h.buffered.Load())
			})
		})
	}
}

// TestShutdownFinishesWhatHasBegun: a message that is being taken is acknowledged, and nothing after it is
// taken.
func TestShutdownFinishesWhatHasBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan bool)
		var mu sync.Mutex
		appended := 0
		h := newHandler(t, Options{}, func(*gateway.Record) error {
			mu.Lock()
			appended++
			mu.Unlock()
			<-finish
			return nil
		})
		ctx, stop := context.WithCancel(context.Background())
		stopped := make(chan error, 1)
		go func() { stopped <- h.Run(ctx) }()
		busy, _, busyEnded := begin(h, time.Time{})
		idle, _, idleEnded := begin(h, time.Time{})
		late, _, lateEnded := begin(h, time.Time{}) // has not said anything yet
		say(t, busy, connecting)
		hear(t, busy, connected)
		say(t, idle, "\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01d")
		hear(t, idle, connected)
		say(t, busy, message+message)
		synctest.Wait()

		stop()
		assert.Same(t, endDraining, <-idleEnded)
		assert.Same(t, endDraining, <-lateEnded)
		_, _, refused := begin(h, time.Time{})
		assert.Nil(t, <-refused, "nobody is let in any more")
		synctest.Wait()
		select {
		case <-busyEnded:
			t.Fatal("the message was not finished")
		case <-stopped:
			t.Fatal("it stopped before its sessions")
		default:
		}
		close(finish)
		hear(t, busy, acked)
		assert.Same(t, endDraining, <-busyEnded)
		assert.NoError(t, <-stopped)
		assert.Equal(t, 1, appended, "the second message will be repeated elsewhere")
		_ = late.Close()
	})
}

// TestShutdownDoesNotWaitForEver: what does not end is cut off.
func TestShutdownDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(t, Options{Grace: 15 * time.Second}, func(*gateway.Record) error { time.Sleep(20 * time.Second); return nil })
		ctx, stop := context.WithCancel(context.Background())
		stopped := make(chan error, 1)
		go func() { stopped <- h.Run(ctx) }()
		client, _, ended := begin(h, time.Time{})
		say(t, client, connecting)
		hear(t, client, connected)
		say(t, client, message)
		synctest.Wait()
		start := time.Now()
		stop()
		_, err := client.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF)
		assert.Equal(t, 15*time.Second, time.Since(start))
		assert.Same(t, endGone, <-ended, "there is nobody to acknowledge it to")
		assert.NoError(t, <-stopped)
	})
}

// memory is a connection whose client said everything before.
type memory struct {
	*bytes.Reader
	out bytes.Buffer
}

func (m *memory) Write(p []byte) (int, error) { return m.out.Write(p) }
func (*memory) SetReadDeadline(time.Time)     {}
func (*memory) Close(*ending)                 {}
func (*memory) Abort()                        {}

// FuzzSession lets a client say anything: the session ends, holds nothing, and acknowledges no more than was
// taken.
func FuzzSession(f *testing.F) {
	for _, said := range []string{
		message, message + message, ping, "\xe0\x00", "\x34\x06\x00\x01t\x00\x07m\x62\x02\x00\x07",
		"\x82\x06\x00\x01\x00\x01a\x02", "\xa2\x05\x00\x01\x00\x01a", "\x32\xff\x07\x00\x01t\x00\x01", "\x30\xff\xff\xff\x7f",
	} {
		f.Add(true, []byte(said))
	}
	f.Add(false, []byte(connecting))
	f.Fuzz(func(t *testing.T, polite bool, said []byte) {
		taken := 0
		h := newHandler(t, Options{MaxPacket: 1 << 10}, func(r *gateway.Record) error {
			if taken++; taken%5 == 0 {
				return &gateway.UnavailableError{Reason: gateway.ReasonFull, Err: errors.New("no space")}
			}
			return nil
		})
		if polite {
			said = append([]byte(connecting), said...)
		}
		s := newSession(h, gateway.Delivery{})
		c := &memory{Reader: bytes.NewReader(said)}
		require.True(t, h.enter(s))
		why := s.run(context.Background(), c, time.Time{})
		h.leave(s)
		require.NotNil(t, why)
		assert.Zero(t, h.buffered.Load())
		assert.Zero(t, h.Sessions())
		assert.Empty(t, h.clients)
		assert.LessOrEqual(t, acknowledgements(t, c.out.Bytes()), taken, "nothing is acknowledged that is nowhere")
	})
}

// acknowledgements counts them in what a server said, which has to be well-formed.
func acknowledgements(t *testing.T, said []byte) int {
	t.Helper()
	n := 0
	for in := bufio.NewReader(bytes.NewReader(said)); ; {
		first, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return n
		}
		var header packets.FixedHeader
		require.NoError(t, header.Decode(first))
		size, _, err := packets.DecodeLength(in)
		require.NoError(t, err)
		_, err = in.Discard(size)
		require.NoError(t, err)
		if header.Type == packets.Puback || header.Type == packets.Pubrec {
			n++
		}
	}
}

func TestEveryFailureHasAReason(t *testing.T) {
	t.Parallel()
	s := newSession(newHandler(t, Options{}, nil), gateway.Delivery{})
	for err, want := range map[error]string{
		io.EOF: "gone", io.ErrUnexpectedEOF: "gone", os.ErrDeadlineExceeded: "timeout", errTooLarge: "too_large",
		errNoRoom: "unavailable", errText: "protocol", &malformed{errKind}: "protocol",
	} {
		assert.Equal(t, want, s.failed(err).reason)
	}
	s.end(endDraining)
	s.end(endExpired)
	assert.Same(t, endDraining, s.failed(os.ErrDeadlineExceeded), "the first reason counts")
	assert.Same(t, endDraining, s.run(context.Background(), &memory{Reader: bytes.NewReader([]byte(connecting))}, time.Time{}))
}
