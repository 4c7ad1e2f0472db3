package mqtt

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// errText is a message that is not binary (MQTT 3.1.1, section 6.0).
var errText = errors.New("a WebSocket message is not binary")

// webSocket is the byte stream of a WebSocket's binary messages: packets may span frames, and frames hold
// several packets.
type webSocket struct {
	ws      *websocket.Conn
	raw     net.Conn // deadlines are those of the connection below
	message io.Reader
	timeout time.Duration
}

// hijacked remembers the connection below a WebSocket.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack implements http.Hijacker.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.conn = conn
	return conn, buffers, err
}

// upgrade makes a WebSocket of a request, or tells the client why it cannot.
func upgrade(w http.ResponseWriter, r *http.Request, timeout time.Duration) (*webSocket, error) {
	h := &hijacked{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols: []string{"mqtt", "mqttv3.1"},
		// A page in a browser cannot send the header that proves who the client is.
		InsecureSkipVerify: true,
	})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(-1) // the limits are those of packets
	return &webSocket{ws: ws, raw: h.conn, timeout: timeout}, nil
}

// Read implements io.Reader.
func (c *webSocket) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.ws.Reader(context.Background())
			if err != nil {
				return 0, err
			}
			if kind != websocket.MessageBinary {
				return 0, errText
			}
			c.message = message
		}
		n, err := c.message.Read(p)
		if errors.Is(err, io.EOF) {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Write implements io.Writer. Each call is one message.
func (c *webSocket) Write(p []byte) (int, error) {
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.timeout))
	if err := c.ws.Write(context.Background(), websocket.MessageBinary, p); err != nil {
		return 0, err
	}
	_ = c.raw.SetWriteDeadline(time.Time{}) // answers to WebSocket pings have a limit of their own
	return len(p), nil
}

// SetReadDeadline bounds reading; a zero time means for ever.
func (c *webSocket) SetReadDeadline(t time.Time) { _ = c.raw.SetReadDeadline(t) }

// Close tells the client why, and gives it a moment to say good-bye.
func (c *webSocket) Close(e *ending) {
	_ = c.raw.SetDeadline(time.Now().Add(c.timeout))
	if e.status == 0 {
		_ = c.ws.CloseNow()
		return
	}
	_ = c.ws.Close(e.status, e.text) // the connection is closed whatever it says
}

// Abort closes the connection at once, whatever it is doing.
func (c *webSocket) Abort() { _ = c.raw.Close() }
