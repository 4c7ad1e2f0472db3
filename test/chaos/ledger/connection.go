package ledger

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// connection is one of a gateway's to a target. It finds out whether answers were thrown away unread: by a gateway that
// was too busy, or stood still, and gave up waiting just before it looked. The kernel tells: whoever closes a
// connection with something unread in it, or gets something after that, resets it. A gateway that has read the answer
// asks again, or closes in peace.
type connection struct {
	net.Conn
	target *Target

	// Both are under the target's lock.
	last   *Arrival // whose answer was sent, and may still be unread
	closed error    // what reading ended with
}

type connectionKey struct{}

// listener makes connections.
type listener struct {
	net.Listener
	target *Target
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, target: l.target}, nil
}

func withConnection(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, conn)
}

// Read implements net.Conn.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) { // the server's own way to stop reading
		return n, err
	}
	c.target.mu.Lock()
	defer c.target.mu.Unlock()
	if n > 0 {
		c.last = nil // it has read the answer to what it asked before
		return n, err
	}
	c.closed = err
	c.judge()
	return n, err
}

// answered notes that the answer to an arrival was sent.
func (c *connection) answered(a *Arrival) {
	c.target.mu.Lock()
	defer c.target.mu.Unlock()
	a.Answered, c.last = true, a
	if c.closed != nil {
		c.judge()
	}
}

// judge decides about the last answer when the other side has closed. The caller has locked.
func (c *connection) judge() {
	if c.last == nil {
		return
	}
	err := c.closed
	if !reset(err) { // closed first, and perhaps reset by the answer: then the kernel takes no more
		_, err = c.Write([]byte{0})
	}
	c.last.Answered = !reset(err)
	c.last = nil
}

func reset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
