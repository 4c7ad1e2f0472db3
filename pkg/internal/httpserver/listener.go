package httpserver

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// listener bounds open connections. Connections that wait for a request (new or kept alive) are listed in
// the order in which they began to wait, so that a flood of idle ones cannot keep out those with work.
type listener struct {
	net.Listener
	max int

	mu      sync.Mutex
	open    map[net.Conn]*list.Element // the element is nil while a request is served
	waiting *list.List                 // of net.Conn, the longest wait first
}

func newListener(inner net.Listener, max int) *listener {
	return &listener{Listener: inner, max: max, open: map[net.Conn]*list.Element{}, waiting: list.New()}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.admit(conn) {
			return conn, nil
		}
		_ = conn.Close()
	}
}

func (l *listener) admit(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= l.max {
		longest := l.waiting.Front()
		if longest == nil {
			return false
		}
		evicted := longest.Value.(net.Conn)
		l.forget(evicted)
		_ = evicted.Close()
	}
	l.open[conn] = l.waiting.PushBack(conn)
	return true
}

// connState follows a connection's states, as http.Server tells them.
func (l *listener) connState(conn net.Conn, state http.ConnState) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	element, known := l.open[conn]
	if !known {
		return
	}
	switch state {
	case http.StateActive:
		if element != nil {
			l.waiting.Remove(element)
			l.open[conn] = nil
		}
	case http.StateIdle:
		if element == nil {
			l.open[conn] = l.waiting.PushBack(conn)
		}
	case http.StateClosed, http.StateHijacked:
		l.forget(conn)
	}
}

func (l *listener) forget(conn net.Conn) {
	if element := l.open[conn]; element != nil {
		l.waiting.Remove(element)
	}
	delete(l.open, conn)
}

func (l *listener) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}
