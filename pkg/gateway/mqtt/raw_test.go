package mqtt_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/mqtt"
)

// Packets by hand, so that they can be wrong.

// text is a string as MQTT writes it.
func text(s string) string { return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s }

// pack puts a header in front of a body.
func pack(first byte, body string) string {
	header := []byte{first}
	for n := len(body); ; n >>= 7 {
		if n < 0x80 {
			return string(append(header, byte(n))) + body
		}
		header = append(header, byte(n)|0x80)
	}
}

func connectBy(protocol string, level, flags byte, id string) string {
	return pack(0x10, text(protocol)+string([]byte{level, flags, 0, 60})+text(id))
}

func publishing(first byte, topic, id, message string) string {
	return pack(first, text(topic)+id+message)
}

// Well-formed ones, and their answers.
var (
	connecting = connectBy("MQTT", 4, 2, "system")
	message    = publishing(0x32, "topic", "\x00\x07", "message")
	ping       = "\xc0\x00"

	connected    = "\x20\x02\x00\x00"
	acknowledged = "\x40\x02\x00\x07"
	pong         = "\xd0\x00"
)

// raw is a WebSocket that says whatever it likes.
type raw struct {
	*websocket.Conn
	t testing.TB
}

func (s *server) dial(t testing.TB, o *websocket.DialOptions) raw {
	t.Helper()
	if o == nil {
		o = &websocket.DialOptions{}
	}
	if o.HTTPHeader == nil {
		o.HTTPHeader = http.Header{"Authorization": {"Bearer good"}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, answer, err := websocket.Dial(ctx, s.URL, o)
	require.NoError(t, err)
	if answer.Body != nil {
		_ = answer.Body.Close()
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return raw{c, t}
}

// send sends each text as a message of its own.
func (r raw) send(messages ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, m := range messages {
		if err := r.Write(ctx, websocket.MessageBinary, []byte(m)); err != nil {
			return // the server has heard enough
		}
	}
}

// hear reads answers until they are as expected.
func (r raw) hear(want string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got := ""
	for len(got) < len(want) {
		kind, data, err := r.Read(ctx)
		require.NoError(r.t, err, "after %q", got)
		require.Equal(r.t, websocket.MessageBinary, kind)
		got += string(data)
	}
	require.Equal(r.t, want, got)
}

// end reads until the server closes, and returns what it heard and the status.
func (r raw) end() (string, websocket.StatusCode) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	heard := ""
	for {
		_, data, err := r.Read(ctx)
		if err != nil {
			require.NoError(r.t, ctx.Err(), "the server does not close")
			return heard, websocket.CloseStatus(err)
		}
		heard += string(data)
	}
}

func TestWhoIsNotLetIn(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *mqtt.Options) { o.MaxSessions = 1 })
	ask := func(change func(http.Header)) *http.Response {
		request, err := http.NewRequest(http.MethodGet, s.URL+"/protocols/mqtt311ws", nil)
		require.NoError(t, err)
		for name, value := range map[string]string{
			"Authorization": "Bearer good", "Connection": "Upgrade", "Upgrade": "websocket",
			"Sec-Websocket-Version": "13", "Sec-Websocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-Websocket-Protocol": "mqtt",
		} {
			request.Header.Set(name, value)
		}
		change(request.Header)
		answer, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer
	}
	answer := ask(func(h http.Header) { h.Del("Authorization") })
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	assert.Equal(t, `Bearer realm="events"`, answer.Header.Get("WWW-Authenticate"))
	assert.Equal(t, http.StatusUnauthorized, ask(func(h http.Header) { h.Set("Authorization", "Bearer bad") }).StatusCode)
	assert.Equal(t, http.StatusUnauthorized, ask(func(h http.Header) { h.Del("Authorization"); h.Del("Upgrade") }).StatusCode, "who is there comes first")
	assert.Equal(t, http.StatusUpgradeRequired, ask(func(h http.Header) { h.Del("Upgrade") }).StatusCode)
	assert.Equal(t, http.StatusUpgradeRequired, ask(func(h http.Header) { h.Del("Connection") }).StatusCode)
	assert.Equal(t, http.StatusBadRequest, ask(func(h http.Header) { h.Set("Sec-Websocket-Version", "8") }).StatusCode)
	assert.Equal(t, http.StatusBadRequest, ask(func(h http.Header) { h.Del("Sec-Websocket-Key") }).StatusCode)
	require.Eventually(t, func() bool { return s.handler.Sessions() == 0 }, patience, time.Millisecond)

	only := s.dial(t, nil)
	only.send(connecting)
	only.hear(connected)
	full := ask(func(http.Header) {})
	assert.Equal(t, http.StatusServiceUnavailable, full.StatusCode)
	assert.Equal(t, "10", full.Header.Get("Retry-After"))
	assert.Equal(t, "1", s.metric(`deliveries_total{route="mqtt",outcome="unavailable"}`))
	only.send("\xe0\x00")
	only.end()
	require.Eventually(t, func() bool { return s.handler.Sessions() == 0 }, patience, time.Millisecond)
	_ = s.dial(t, nil)

	for range 30 {
		answer = ask(func(h http.Header) { h.Set("Authorization", "Bearer guess") })
	}
	assert.Equal(t, http.StatusTooManyRequests, answer.StatusCode)
	assert.NotEmpty(t, answer.Header.Get("Retry-After"))
}

func TestSubprotocols(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	for _, tt := range []struct {
		offered []string
		want    string
	}{
		{[]string{"mqtt"}, "mqtt"},
		{[]string{"mqttv3.1"}, "mqttv3.1"},
		{[]string{"mqttv3.1", "mqtt"}, "mqtt"},
		{[]string{"other", "mqtt"}, "mqtt"},
		{[]string{"other"}, ""},
		{nil, ""},
	} {
		c := s.dial(t, &websocket.DialOptions{Subprotocols: tt.offered, HTTPHeader: http.Header{"Authorization": {"Bearer good"}, "Origin": {"https://elsewhere.example.com"}}})
		assert.Equal(t, tt.want, c.Subprotocol(), tt.offered)
		c.send(connecting)
		c.hear(connected)
	}
}

// TestPacketsAndFramesHaveNothingToDoWithOneAnother: a WebSocket is a stream of bytes.
func TestPacketsAndFramesHaveNothingToDoWithOneAnother(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	all := connecting + message + ping
	c := s.dial(t, nil)
	c.send(all)
	c.hear(connected + acknowledged + pong)
	c = s.dial(t, nil)
	c.send("")
	c.send(strings.Split(all, "")...)
	c.hear(connected + acknowledged + pong)
	c = s.dial(t, nil)
	c.send(all[:10], all[10:30], all[30:])
	c.hear(connected + acknowledged + pong)
}

func TestTheSameMessageTwiceInOneSession(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := s.dial(t, nil)
	exactlyOnce := publishing(0x34, "topic", "\x00\x07", "message")
	repeated := publishing(0x3c, "topic", "\x00\x07", "message")
	c.send(connecting, exactlyOnce, repeated, "\x62\x02\x00\x07", "\x62\x02\x00\x07")
	c.hear(connected + "\x50\x02\x00\x07\x50\x02\x00\x07" + "\x70\x02\x00\x07\x70\x02\x00\x07")
	assert.Equal(t, []string{"message", "message"}, s.bodies(), "the buffer knows the event by its id")
	c.send(publishing(0x34, "topic", "\x00\x07", "another"))
	c.hear("\x50\x02\x00\x07")
	assert.Equal(t, "another", s.bodies()[2], "the identifier is free again")
}

// TestHostileClients: whatever a client sends, it costs its own session and nothing else.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	const limit = 1 << 10
	protocolError, policy := websocket.StatusProtocolError, websocket.StatusPolicyViolation
	tests := []struct {
		name   string
		sent   string
		heard  string
		status websocket.StatusCode
		reason string
	}{
		{"no CONNECT", message, "", protocolError, "protocol"},
		{"a second CONNECT", connecting + connecting, connected, protocolError, "protocol"},
		{"MQTT 5", pack(0x10, text("MQTT")+"\x05\x02\x00\x3c\x00"+text("id")), "\x20\x02\x00\x01", protocolError, "version"},
		{"MQTT of the future", connectBy("MQTT", 9, 2, "id"), "\x20\x02\x00\x01", protocolError, "version"},
		{"another protocol", connectBy("HTTP", 4, 2, "id"), "\x20\x02\x00\x01", protocolError, "version"},
		{"a bridge", connectBy("MQTT", 0x84, 2, "id"), "\x20\x02\x00\x01", protocolError, "version"},
		{"an empty CONNECT", pack(0x10, ""), "\x20\x02\x00\x01", protocolError, "version"},
		{"a reserved flag", connectBy("MQTT", 4, 3, "id"), "", protocolError, "protocol"},
		{"a will of quality 3", pack(0x10, text("MQTT")+"\x04\x1e\x00\x3c"+text("id")+text("t")+text("m")), "", protocolError, "protocol"},
		{"a password that is not there", connectBy("MQTT", 4, 0x42, "id"), "", protocolError, "protocol"},
		{"an identifier that is cut off", pack(0x10, text("MQTT")+"\x04\x02\x00\x3c\xff\xffid"), "", protocolError, "protocol"},
		{"an identifier that is no text", connectBy("MQTT", 4, 2, "\xff"), "", protocolError, "protocol"},
		{"a kept session without an identifier", connectBy("MQTT", 4, 0, ""), "\x20\x02\x00\x02", protocolError, "identifier"},
		{"a CONNECT that is too large", connectBy("MQTT", 4, 2, strings.Repeat("x", 17<<10)), "", websocket.StatusMessageTooBig, "too_large"},
		{"a packet of type 0", connecting + "\x00\x00", connected, protocolError, "protocol"},
		{"a packet of type 15", connecting + "\xf0\x00", connected, protocolError, "protocol"},
		{"a packet of a server", connecting + connected, connected, protocolError, "protocol"},
		{"an acknowledgement of nothing", connecting + acknowledged, connected, protocolError, "protocol"},
		{"flags on a ping", connecting + "\xc1\x00", connected, protocolError, "protocol"},
		{"a ping with a body", connecting + "\xc0\x01x", connected, protocolError, "protocol"},
		{"a DISCONNECT with a body", connecting + "\xe0\x01x", connected, protocolError, "protocol"},
		{"quality 3", connecting + publishing(0x36, "t", "\x00\x01", "m"), connected, protocolError, "protocol"},
		{"a repetition of quality 0", connecting + publishing(0x38, "t", "", "m"), connected, protocolError, "protocol"},
		{"packet identifier 0", connecting + publishing(0x32, "t", "\x00\x00", "m"), connected, protocolError, "protocol"},
		{"no packet identifier", connecting + publishing(0x32, "t", "", ""), connected, protocolError, "protocol"},
		{"no topic", connecting + publishing(0x32, "", "\x00\x01", "m"), connected, protocolError, "protocol"},
		{"a wildcard to publish to", connecting + publishing(0x32, "a/#", "\x00\x01", "m"), connected, protocolError, "protocol"},
		{"a topic with a NUL", connecting + publishing(0x32, "a\x00b", "\x00\x01", "m"), connected, protocolError, "protocol"},
		{"a topic that is no text", connecting + publishing(0x32, "\xc3\x28", "\x00\x01", "m"), connected, protocolError, "protocol"},
		{"a topic longer than its packet", connecting + pack(0x32, "\xff\xfft"), connected, protocolError, "protocol"},
		{"an empty PUBLISH", connecting + pack(0x30, ""), connected, protocolError, "protocol"},
		{"an endless length", connecting + "\x30\xff\xff\xff\xff\xff\x01", connected, protocolError, "protocol"},
		{"a length that nobody takes", connecting + "\x32\xff\xff\xff\x7f", connected, websocket.StatusMessageTooBig, "too_large"},
		{"a SUBSCRIBE that is too large", connecting + "\x82\xff\xff\x03", connected, websocket.StatusMessageTooBig, "too_large"},
		{"a SUBSCRIBE to nothing", connecting + pack(0x82, "\x00\x01"), connected, protocolError, "protocol"},
		{"a SUBSCRIBE of quality 3", connecting + pack(0x82, "\x00\x01"+text("a")+"\x03"), connected, protocolError, "protocol"},
		{"a SUBSCRIBE without quality", connecting + pack(0x82, "\x00\x01"+text("a")), connected, protocolError, "protocol"},
		{"a SUBSCRIBE with identifier 0", connecting + pack(0x82, "\x00\x00"+text("a")+"\x00"), connected, protocolError, "protocol"},
		{"an UNSUBSCRIBE from nothing", connecting + pack(0xa2, "\x00\x01"), connected, protocolError, "protocol"},
		{"a PUBREL with wrong flags", connecting + "\x60\x02\x00\x01", connected, protocolError, "protocol"},
		{"a PUBREL without identifier", connecting + "\x62\x01\x00", connected, protocolError, "protocol"},
		{"quality 2, which is not taken", connecting + publishing(0x34, "t", "\x00\x01", "m"), connected, policy, "qos"},
		{"DISCONNECT", connecting + "\xe0\x00" + message, connected, websocket.StatusNormalClosure, "client"},
	}
	s := newServer(t, func(o *mqtt.Options) { o.MaxPacket, o.QoS = limit, []int{0, 1} })
	good := s.dial(t, nil)
	good.send(connectBy("MQTT", 4, 2, "good"))
	good.hear(connected)
	ended := map[string]int{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.dial(t, nil)
			c.send(tt.sent)
			heard, status := c.end()
			assert.Equal(t, tt.heard, heard)
			assert.Equal(t, tt.status, status)
			ended[tt.reason]++
		})
	}
	for reason, n := range ended {
		s.awaits(t, `sessions_ended_total{route="mqtt",reason="`+reason+`"}`, strconv.Itoa(n))
	}
	assert.Empty(t, s.bodies())
	good.send(message)
	good.hear(acknowledged)
}

// TestAMessageThatIsTooLargeDoesNotBlockTheOnesBehindIt: its beginning is kept, and it is acknowledged.
func TestAMessageThatIsTooLargeDoesNotBlockTheOnesBehindIt(t *testing.T) {
	t.Parallel()
	s := newStore(t, func(o *mqtt.Options) { o.MaxPacket = 100 })
	c := s.dial(t, nil)
	exactly := publishing(0x32, "topic", "\x00\x01", strings.Repeat("x", 100-len(text("topic"))-2))
	above := publishing(0x32, "topic", "\x00\x02", strings.Repeat("y", 101-len(text("topic"))-2))
	far := publishing(0x34, "topic", "\x00\x03", strings.Repeat("z", 1<<20))
	c.send(connecting, exactly, above, far, message)
	c.hear(connected + "\x40\x02\x00\x01" + "\x40\x02\x00\x02" + "\x50\x02\x00\x03" + acknowledged)
	bodies := s.bodies()
	require.Len(t, bodies, 4)
	assert.Equal(t, strings.Repeat("y", 91), bodies[1], "as much as may be held")
	assert.Equal(t, strings.Repeat("z", 91), bodies[2])
	assert.Equal(t, gateway.ReasonTooLarge, s.appended[2].Entries[0].Failure.Reason)
	assert.Equal(t, "2", s.metric(`deliveries_total{route="mqtt",outcome="tooLarge"}`))
	assert.Equal(t, "2", s.metric(`dead_letters_total{route="mqtt",reason="too_large"}`))
}

// TestAMessageThatIsTooLargeIsNotAcknowledgedWhereNothingIsKept: nor where the token is not good any more.
func TestAMessageThatIsTooLargeIsNotAcknowledgedWhereNothingIsKept(t *testing.T) {
	t.Parallel()
	large := publishing(0x32, "topic", "\x00\x02", strings.Repeat("x", 200))
	s := newServer(t, func(o *mqtt.Options) { o.MaxPacket = 100 })
	c := s.dial(t, nil)
	c.send(connecting, large, message)
	heard, status := c.end()
	assert.Equal(t, connected, heard)
	assert.Equal(t, websocket.StatusPolicyViolation, status)
	s.awaits(t, `sessions_ended_total{route="mqtt",reason="refused"}`, "1")

	stored := newStore(t, func(o *mqtt.Options) { o.MaxPacket = 100 })
	c = stored.dial(t, nil)
	c.send(connecting)
	c.hear(connected)
	stored.accept("other")
	c.send(large)
	heard, status = c.end()
	assert.Empty(t, heard)
	assert.Equal(t, websocket.StatusPolicyViolation, status)
	assert.Empty(t, stored.bodies())
}

// TestWhatIsHeldIsBounded: what all clients together send is held only up to a limit.
func TestWhatIsHeldIsBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *mqtt.Options) { o.MaxPacket, o.MaxBuffered = 100, 150 })
	begun, finish := make(chan bool), make(chan bool)
	s.decide(func(*gateway.Record) error { begun <- true; <-finish; return nil })
	large := publishing(0x32, "topic", "\x00\x07", strings.Repeat("x", 90))
	first, second := s.dial(t, nil), s.dial(t, nil)
	first.send(connectBy("MQTT", 4, 2, "first"), large)
	<-begun
	second.send(connectBy("MQTT", 4, 2, "second"), large)
	heard, status := second.end()
	assert.Equal(t, connected, heard)
	assert.Equal(t, websocket.StatusTryAgainLater, status)
	s.decide(nil)
	close(finish)
	first.hear(connected + acknowledged)
	again := s.dial(t, nil)
	again.send(connectBy("MQTT", 4, 2, "second"), large)
	again.hear(connected + acknowledged)

	_, err := mqtt.New(mqtt.Options{Route: gateway.NewRoute("mqtt", gateway.Stages{}), MaxPacket: 101, MaxBuffered: 100})
	assert.EqualError(t, err, `delivery "mqtt": mqtt.maxPacket of 101 bytes: the gateway holds at most 100 bytes of messages: lower one or raise the other`)
}

// TestGarbageBelowThePackets sends what is no WebSocket, or no MQTT over one.
func TestGarbageBelowThePackets(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	t.Run("text", func(t *testing.T) {
		t.Parallel()
		c := s.dial(t, nil)
		require.NoError(t, c.Write(context.Background(), websocket.MessageText, []byte(connecting)))
		_, status := c.end()
		assert.Equal(t, websocket.StatusUnsupportedData, status)
	})
	for name, garbage := range map[string]string{
		"a frame without mask":          "\x82\x02\xc0\x00",
		"a frame with reserved bits":    "\xf2\x80\x00\x00\x00\x00",
		"an unknown kind of frame":      "\x83\x80\x00\x00\x00\x00",
		"a continuation of nothing":     "\x80\x80\x00\x00\x00\x00",
		"a large control frame":         "\x89\xfe\x01\x00\x00\x00\x00\x00" + strings.Repeat("x", 256),
		"a frame of an impossible size": "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",
		"half a frame":                  "\x82\xfe\x40\x00\x00\x00\x00\x00\x10",
		"HTTP":                          "GET / HTTP/1.1\r\n\r\n",
		"nothing":                       "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.upgraded(t)
			_, err := io.WriteString(conn, garbage)
			require.NoError(t, err)
			require.NoError(t, conn.(*net.TCPConn).CloseWrite())
			_, err = io.Copy(io.Discard, conn)
			if err != nil {
				assert.NotErrorIs(t, err, context.DeadlineExceeded, "the server closes")
			}
		})
	}
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return s.handler.Sessions() == 0 }, patience, time.Millisecond)
	})
}

// upgraded is the connection below a WebSocket.
func (s *server) upgraded(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	require.NoError(t, err)
	head := make([]byte, 0, 1024)
	for !strings.HasSuffix(string(head), "\r\n\r\n") {
		one := make([]byte, 1)
		_, err := conn.Read(one)
		require.NoError(t, err)
		head = append(head, one...)
	}
	require.Contains(t, string(head), "101 Switching Protocols")
	return conn
}

// TestAClientThatDoesNotReadIsCutOff: it cannot make the gateway hold answers for it.
func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *mqtt.Options) { o.CloseTimeout = 50 * time.Millisecond })
	conn := s.upgraded(t)
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	frame := func(data string) string {
		return "\x82" + string([]byte{0x80 | byte(len(data))}) + "\x00\x00\x00\x00" + data
	}
	_, err := io.WriteString(conn, frame(connecting))
	require.NoError(t, err)
	pings := []byte(strings.Repeat(frame(strings.Repeat(ping, 50)), 100))
	for err == nil {
		_, err = conn.Write(pings)
	}
	require.Eventually(t, func() bool { return s.handler.Sessions() == 0 }, patience, time.Millisecond)
}

// TestNothingIsLeftOfSessions runs before the parallel tests, so that it can count.
func TestNothingIsLeftOfSessions(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("sessions", func(t *testing.T) {
		s := newServer(t, nil)
		for range 20 {
			polite, rude, wrong, idle := s.dial(t, nil), s.dial(t, nil), s.dial(t, nil), s.dial(t, nil)
			polite.send(connectBy("MQTT", 4, 2, ""), message, "\xe0\x00")
			polite.end()
			rude.send(connectBy("MQTT", 4, 2, ""), message)
			rude.hear(connected + acknowledged)
			require.NoError(t, rude.CloseNow())
			wrong.send("nonsense")
			wrong.end()
			idle.send(connectBy("MQTT", 4, 2, ""))
			idle.hear(connected)
		}
		require.Eventually(t, func() bool { return s.handler.Sessions() == 20 }, patience, time.Millisecond)
	})
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before, "goroutines are left")
}
