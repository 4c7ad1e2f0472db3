package mqtt_test

import (
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	server "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/mqtt"
)

const patience = 30 * time.Second

func options() mqtt.Options {
	return mqtt.Options{ClientID: "EXTFACTORY", KeepAlive: time.Minute, Timeout: patience}
}

// broker is a real MQTT server that notes what is published.
type broker struct {
	server.HookBase
	mu        sync.Mutex
	published []packets.Packet
	pings     int
}

func (b *broker) ID() string { return "test" }

func (b *broker) Provides(hook byte) bool {
	return hook == server.OnPublish || hook == server.OnPacketRead
}

func (b *broker) OnPublish(_ *server.Client, p packets.Packet) (packets.Packet, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.published = append(b.published, p)
	return p, nil
}

func (b *broker) OnPacketRead(_ *server.Client, p packets.Packet) (packets.Packet, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.FixedHeader.Type == packets.Pingreq {
		b.pings++
	}
	return p, nil
}

// newBroker starts a server and returns a stream to it.
func newBroker(t *testing.T) (*broker, net.Conn) {
	t.Helper()
	b := &broker{}
	s := server.New(&server.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, s.AddHook(new(auth.AllowHook), nil))
	require.NoError(t, s.AddHook(b, nil))
	require.NoError(t, s.Serve())
	near, far := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.EstablishConnection("test", far)
	}()
	t.Cleanup(func() {
		near.Close()
		<-ended
		s.Close()
	})
	return b, near
}

func TestPublishToARealServer(t *testing.T) {
	t.Parallel()
	b, stream := newBroker(t)
	c, err := mqtt.Connect(t.Context(), stream, options())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	large := strings.Repeat("x", 20_000) // its length takes three bytes
	for i, payload := range []string{"zero", "one", large} {
		m := mqtt.Message{Topic: "EXTFACTORY/BO/Interaction/Created", Payload: []byte(payload), QoS: byte(i), ID: uint16(i)}
		require.NoError(t, c.Publish(ctx, &m))
		assert.Equal(t, i == 2, m.Received)
	}
	require.Eventually(t, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return len(b.published) == 3 }, patience, time.Millisecond)
	for i, payload := range []string{"zero", "one", large} {
		assert.Equal(t, payload, string(b.published[i].Payload))
		assert.EqualValues(t, i, b.published[i].FixedHeader.Qos)
	}
	require.NoError(t, c.Subscribe(ctx, 9, "a", "b"))
	assert.NoError(t, c.Err())
	c.Close()
	<-c.Done()
	assert.Error(t, c.Err())
	assert.Error(t, c.Publish(ctx, &mqtt.Message{Topic: "t", QoS: 1, ID: 1}))
}

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	b, stream := newBroker(t)
	o := options()
	o.KeepAlive = time.Millisecond
	c, err := mqtt.Connect(t.Context(), stream, o)
	require.NoError(t, err)
	require.Eventually(t, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.pings > 2 }, patience, time.Millisecond)
	assert.NoError(t, c.Err())
	c.Drop()
	<-c.Done()
}

// play answers the client by a script of what it has to send and what it hears then, in hexadecimal.
func play(t *testing.T, lines ...string) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer far.Close()
		for i, line := range lines {
			text, err := hex.DecodeString(strings.ReplaceAll(line, " ", ""))
			assert.NoError(t, err)
			if i%2 == 1 {
				if _, err := far.Write(text); err != nil {
					return
				}
				continue
			}
			got := make([]byte, len(text))
			if _, err := io.ReadFull(far, got); err != nil {
				return
			}
			assert.Equal(t, text, got)
		}
	}()
	t.Cleanup(func() { near.Close(); <-ended })
	return near
}

const (
	connectX = "10 0d 0004 4d515454 04 00 003c 0001 58" // MQTT, level 4, keep alive 60 s, client id X
	accepted = "20 02 00 00"
)

func x() mqtt.Options {
	return mqtt.Options{ClientID: "X", KeepAlive: time.Minute, Timeout: patience}
}

func TestPacketsOnTheWire(t *testing.T) {
	t.Parallel()
	publish := func(q byte, dup, received bool) func(ctx context.Context, c *mqtt.Conn) error {
		return func(ctx context.Context, c *mqtt.Conn) error {
			return c.Publish(ctx, &mqtt.Message{Topic: "t", Payload: []byte("p"), QoS: q, ID: 258, Dup: dup, Received: received})
		}
	}
	for _, test := range []struct {
		name   string
		lines  []string
		do     func(ctx context.Context, c *mqtt.Conn) error
		wanted string // of the error
	}{
		{"at least once", []string{"32 06 0001 74 0102 70", "40 02 0102"}, publish(1, false, false), ""},
		{"at least once, again", []string{"3a 06 0001 74 0102 70", "40 02 0102"}, publish(1, true, false), ""},
		{"at most once, which is never again", []string{"30 04 0001 74 70", ""}, publish(0, true, false), ""},
		{"exactly once", []string{"34 06 0001 74 0102 70", "50 02 0102", "62 02 0102", "70 02 0102"}, publish(2, false, false), ""},
		{"exactly once, only to release", []string{"62 02 0102", "70 02 0102"}, publish(2, true, true), ""},
		{"acknowledged twice, and another one", []string{"32 06 0001 74 0102 70", "40 02 0101 40 02 0102 40 02 0102"}, publish(1, false, false), ""},
		{"the end instead", []string{"32 06 0001 74 0102 70"}, publish(1, false, false), "before the end of the connection"},
		{"half a packet", []string{"32 06 0001 74 0102 70", "40 02 01"}, publish(1, false, false), "unexpected EOF"},
		{"no packet id", []string{"32 06 0001 74 0102 70", "40 00"}, publish(1, false, false), "has no packet id"},
		{"a length of five bytes", []string{"32 06 0001 74 0102 70", "40 8080808080"}, publish(1, false, false), "more than four bytes"},
		{"a huge packet", []string{"32 06 0001 74 0102 70", "40 ffff7f"}, publish(1, false, false), "packet of 2097151 bytes"},
		{"something published to the client", []string{"32 06 0001 74 0102 70", "30 04 0001 74 70"}, publish(1, false, false), "has not asked for"},
		{"subscribe", []string{"82 0a 0001 0001 61 01 0001 62 01", "90 04 0001 01 80"}, func(ctx context.Context, c *mqtt.Conn) error { return c.Subscribe(ctx, 1, "a", "b") }, ""},
		{"too few codes", []string{"82 0a 0001 0001 61 01 0001 62 01", "90 03 0001 01"}, func(ctx context.Context, c *mqtt.Conn) error { return c.Subscribe(ctx, 1, "a", "b") }, "1 codes for 2 topics"},
		{"an unknown quality", nil, publish(3, false, false), "no quality of service 3"},
		{"no packet id given", nil, func(ctx context.Context, c *mqtt.Conn) error {
			return c.Publish(ctx, &mqtt.Message{Topic: "t", QoS: 1})
		}, "needs a packet id"},
		{"no topic", nil, func(ctx context.Context, c *mqtt.Conn) error { return c.Publish(ctx, &mqtt.Message{}) }, "topic is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, err := mqtt.Connect(t.Context(), play(t, append([]string{connectX, accepted}, test.lines...)...), x())
			require.NoError(t, err)
			defer c.Drop()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err = test.do(ctx, c)
			if test.wanted == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, test.wanted)
		})
	}
}

func TestServersThatDoNotWantTheClient(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]string{
		"CONNACK says 5":       "20 02 00 05",
		"not CONNACK":          "40 02 0102",
		"no answer to CONNECT": "",
	} {
		_, err := mqtt.Connect(t.Context(), play(t, connectX, answer), x())
		assert.ErrorContains(t, err, want)
	}
	near, far := net.Pipe()
	defer far.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := mqtt.Connect(ctx, near, x())
	assert.Error(t, err, "a server that says nothing")
	far.Close()
	_, err = mqtt.Connect(t.Context(), near, x())
	assert.Error(t, err)
}

func TestAServerThatFallsSilent(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		_, _ = io.ReadFull(far, make([]byte, 15))
		_, _ = far.Write([]byte{0x20, 2, 0, 0})
		_, _ = io.Copy(io.Discard, far)
	}()
	o := x()
	o.CleanSession, o.KeepAlive, o.Timeout = true, time.Millisecond, 10*time.Millisecond
	c, err := mqtt.Connect(t.Context(), near, o)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Microsecond)
	defer cancel()
	assert.Error(t, c.Publish(ctx, &mqtt.Message{Topic: "t", QoS: 2, ID: 1}))
	<-c.Done()
	assert.ErrorContains(t, c.Err(), "no answer to PINGREQ")
}
