package sink

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// wire posts to one address by plain HTTP/1.1, without a proxy: the way to Kyma's publisher in the cluster. Whoever
// publishes writes and reads by itself. net/http's transport has two goroutines for each connection and timers for
// each call, which took more time than all the rest of the gateway's work on an event.
type wire struct {
	address string
	start   []byte // of every request, up to the length of its body
	dial    func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	idle []*wireConn // the one used last at the end
}

type wireConn struct {
	net.Conn
	left io.LimitedReader // what one answer may take
	in   *bufio.Reader
	out  *bufio.Writer
	used time.Time
}

const (
	// maxIdle is how many connections are kept.
	maxIdle = 1024
	// maxRest is how long a connection may rest; then the target may have closed it.
	maxRest = 5 * time.Second
	// maxAnswerHead bounds the headers of an answer.
	maxAnswerHead = 64 << 10
	// maxAnswerBody bounds what is read of an answer's body. A longer one costs the connection.
	maxAnswerBody = 64 << 10
)

// newWire returns nil where the address needs more than this: encryption or a proxy.
func newWire(u *url.URL) *wire {
	if u.Scheme != "http" {
		return nil
	}
	transport := httpclient.NewTransport()
	if proxy, err := transport.Proxy(&http.Request{URL: u}); proxy != nil || err != nil {
		return nil
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return &wire{
		address: net.JoinHostPort(u.Hostname(), port), dial: transport.DialContext,
		start: fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: event-gateway\r\nContent-Length: ", u.RequestURI(), u.Host),
	}
}

// post sends one body and reads the answer and the beginning of its body. A connection that had rested and is found
// closed is replaced once: the event may arrive twice then, with the same id.
func (w *wire) post(ctx context.Context, timeout time.Duration, header http.Header, body []byte) (answered, error) {
	deadline := time.Now().Add(timeout)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(deadline) {
		deadline = earlier
	}
	conn, rested, err := w.conn(ctx, deadline)
	if err != nil {
		return answered{}, err
	}
	a, err := w.exchange(ctx, conn, deadline, header, body)
	var gone *silentError
	if rested && errors.As(err, &gone) && ctx.Err() == nil && time.Now().Before(deadline) {
		if conn, err = w.open(ctx, deadline); err != nil {
			return a, err
		}
		a, err = w.exchange(ctx, conn, deadline, header, body)
	}
	return a, err
}

func (w *wire) conn(ctx context.Context, deadline time.Time) (conn *wireConn, rested bool, err error) {
	var stale []*wireConn
	w.mu.Lock()
	if last := len(w.idle) - 1; last >= 0 {
		if time.Since(w.idle[last].used) < maxRest {
			conn = w.idle[last]
			w.idle[last] = nil
			w.idle = w.idle[:last]
		} else {
			stale, w.idle = w.idle, nil // all others have rested for longer
		}
	}
	w.mu.Unlock()
	closeConns(stale)
	if conn != nil {
		return conn, true, nil
	}
	conn, err = w.open(ctx, deadline)
	return conn, false, err
}

func (w *wire) open(ctx context.Context, deadline time.Time) (*wireConn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := w.dial(ctx, "tcp", w.address)
	if err != nil {
		return nil, err
	}
	c := &wireConn{Conn: conn}
	c.left.R = conn
	c.in, c.out = bufio.NewReaderSize(&c.left, 1<<10), bufio.NewWriterSize(conn, 2<<10)
	return c, nil
}

// keep takes a connection back, and closes those that have rested too long.
func (w *wire) keep(conn *wireConn) {
	conn.used = time.Now()
	w.mu.Lock()
	stale := 0
	for stale < len(w.idle) && conn.used.Sub(w.idle[stale].used) > maxRest {
		stale++
	}
	if len(w.idle)-stale >= maxIdle {
		stale++
	}
	out := w.idle[:stale:stale]
	if stale > 0 {
		w.idle = append([]*wireConn(nil), w.idle[stale:]...)
	}
	w.idle = append(w.idle, conn)
	w.mu.Unlock()
	closeConns(out)
}

func closeConns(conns []*wireConn) {
	for _, c := range conns {
		_ = c.Close() // nothing is under way on it
	}
}

// silentError says that there was not one byte of an answer.
type silentError struct{ error }

// Unwrap gives the cause.
func (e *silentError) Unwrap() error { return e.error }

// exchange makes one request. Afterwards the connection is kept or closed.
func (w *wire) exchange(ctx context.Context, c *wireConn, deadline time.Time, header http.Header, body []byte) (a answered, err error) {
	reusable := false
	defer func() {
		if !reusable {
			_ = c.Close() // its state is not known
		}
	}()
	c.left.N = maxAnswerHead + maxAnswerBody
	if err := c.SetDeadline(deadline); err != nil {
		return a, &silentError{err}
	}
	release := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer release()
	if err := w.send(c, header, body); err != nil {
		return a, &silentError{cause(ctx, err)}
	}
	if _, err := c.in.Peek(1); err != nil {
		return a, &silentError{cause(ctx, err)}
	}
	a, whole, err := receive(c)
	if err != nil {
		return a, cause(ctx, err)
	}
	if reusable = whole && release(); reusable {
		w.keep(c)
	}
	return a, nil
}

var lineBreaks = strings.NewReplacer("\r", " ", "\n", " ")

// send writes a request. Line breaks in the values of headers become blanks.
func (w *wire) send(c *wireConn, header http.Header, body []byte) error {
	var length [20]byte
	_, _ = c.out.Write(w.start) // a bufio.Writer keeps its first error until the end
	_, _ = c.out.Write(strconv.AppendInt(length[:0], int64(len(body)), 10))
	_, _ = c.out.WriteString("\r\n")
	for name, values := range header { // without net/http's order, which costs an allocation and tells nobody anything
		for _, value := range values {
			_, _ = c.out.WriteString(name)
			_, _ = c.out.WriteString(": ")
			if strings.ContainsAny(value, "\r\n") {
				value = lineBreaks.Replace(value)
			}
			_, _ = c.out.WriteString(value)
			_, _ = c.out.WriteString("\r\n")
		}
	}
	_, _ = c.out.WriteString("\r\n")
	_, _ = c.out.Write(body)
	return c.out.Flush()
}

// receive reads an answer; whole says that the connection can be used again.
func receive(c *wireConn) (a answered, whole bool, err error) {
	for a.status < 200 && a.status != http.StatusSwitchingProtocols {
		answer, err := http.ReadResponse(c.in, nil)
		if err != nil {
			return a, false, err
		}
		a, whole = readBody(c, answer)
	}
	return a, whole, nil
}

// readBody completes an answer. What is accepted is accepted, whatever becomes of the rest of the answer.
func readBody(c *wireConn, answer *http.Response) (a answered, whole bool) {
	defer answer.Body.Close()
	a = answered{status: answer.StatusCode, header: answer.Header}
	var err error
	if answer.ContentLength != 0 && a.status >= 200 {
		a.text, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswerBody+1))
	}
	whole = err == nil && len(a.text) <= maxAnswerBody && !answer.Close && a.status >= 200 && c.in.Buffered() == 0
	return a, whole
}

// cause prefers why the context ended to the error that this made.
func cause(ctx context.Context, err error) error {
	if reason := ctx.Err(); reason != nil {
		return reason
	}
	return err
}
