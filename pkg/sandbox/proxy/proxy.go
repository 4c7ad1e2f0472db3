// Package proxy is the one way out of a sandbox: a forward proxy on loopback that knows a handler for
// every host that the sandbox simulates, and answers 502 for every other one. Nothing leaves the machine.
package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = time.Minute
	clientTimeout     = 30 * time.Second
)

// Proxy forwards plain HTTP requests and terminates TLS behind CONNECT. Start makes one, Close ends it.
// It is safe for concurrent use.
type Proxy struct {
	authority *authority
	listener  net.Listener
	outer     *http.Server // what clients talk to
	inner     *http.Server // what is inside the tunnels
	tunnels   *tunnels

	mu      sync.Mutex
	hosts   map[string]http.Handler
	sources []func() map[string]http.Handler
	unknown []string
}

// Start opens a proxy on a free port of 127.0.0.1, with a certificate authority of its own that exists
// in memory only. The servers' own complaints (a failed handshake, say) go to log.
func Start(log *slog.Logger) (*Proxy, error) {
	authority, err := newAuthority()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the proxy on loopback: %w", err)
	}
	p := &Proxy{
		authority: authority,
		listener:  listener,
		tunnels:   newTunnels(listener.Addr()),
		hosts:     map[string]http.Handler{},
	}
	errorLog := slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	p.outer = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, ErrorLog: errorLog}
	p.inner = &http.Server{
		Handler:           http.HandlerFunc(p.serveTunnel),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          errorLog,
		ConnContext:       withTarget,
		// Only HTTP/1.1 inside: a WebSocket upgrade needs it.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	go func() { _ = p.outer.Serve(listener) }()
	go func() { _ = p.inner.Serve(p.tunnels) }()
	return p, nil
}

// Close ends the proxy and every connection through it.
func (p *Proxy) Close() error {
	return errors.Join(p.outer.Close(), p.inner.Close())
}

// URL is the proxy's address, for HTTP_PROXY and HTTPS_PROXY.
func (p *Proxy) URL() string { return "http://" + p.listener.Addr().String() }

// CA is the certificate of the authority that signs for every host, as PEM, for SSL_CERT_FILE.
func (p *Proxy) CA() []byte { return p.authority.pem() }

// Handle makes handler answer for a host and port. In-cluster names may be written short or long:
// "svc.ns:80" and "svc.ns.svc.cluster.local:80" are the same. A later call replaces an earlier one.
func (p *Proxy) Handle(hostPort string, handler http.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts[canonical(hostPort)] = handler
}

// HandleAll makes the handlers answer that hosts returns, by host and port as in Handle. It is asked again
// whenever a host is not known yet, for those whose hosts come and go. Handle goes first.
func (p *Proxy) HandleAll(hosts func() map[string]http.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources = append(p.sources, hosts)
}

// Unknown lists the hosts that were asked for and that nobody answers for, sorted.
func (p *Proxy) Unknown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.unknown))
}

// Client returns an HTTP client that reaches the world only through the proxy, as the processes of a
// sandbox do.
func (p *Proxy) Client() *http.Client {
	address := &url.URL{Scheme: "http", Host: p.listener.Addr().String()}
	pool := x509.NewCertPool()
	pool.AddCert(p.authority.certificate)
	return &http.Client{
		Timeout: clientTimeout,
		Transport: &http.Transport{
			Proxy:                 http.ProxyURL(address),
			TLSClientConfig:       &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
			ResponseHeaderTimeout: clientTimeout,
			IdleConnTimeout:       idleTimeout,
		},
	}
}

func (p *Proxy) handler(hostPort string) http.Handler {
	name := canonical(hostPort)
	p.mu.Lock()
	defer p.mu.Unlock()
	if handler, ok := p.hosts[name]; ok {
		return handler
	}
	for _, source := range p.sources {
		for host, handler := range source() {
			if canonical(host) == name {
				return handler
			}
		}
	}
	if !slices.Contains(p.unknown, name) {
		p.unknown = append(p.unknown, name)
	}
	return nil
}

// serve answers what clients send to the proxy itself.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		p.connect(w, r)
		return
	}
	if !r.URL.IsAbs() {
		http.Error(w, "this is a forward proxy: name it in HTTP_PROXY and call the host itself", http.StatusBadRequest)
		return
	}
	host := withPort(r.URL.Host, r.URL.Scheme)
	handler := p.handler(host)
	if r.URL.Scheme != "http" || handler == nil {
		http.Error(w, nobody(host), http.StatusBadGateway)
		return
	}
	p.hand(handler, w, r)
}

// connect answers CONNECT: a tunnel whose other end is the sandbox itself.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	host := withPort(r.Host, "https")
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "this connection cannot become a tunnel", http.StatusInternalServerError)
		return
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		http.Error(w, "this connection cannot become a tunnel", http.StatusInternalServerError)
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if p.handler(host) == nil {
		// Clients show only the status line of a refused CONNECT, so the reason stands there.
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 502 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", nobody(host))
		_ = conn.Close()
		return
	}
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = conn.Close()
		return
	}
	name, _, _ := net.SplitHostPort(host)
	p.tunnels.add(tls.Server(&tunnel{Conn: conn, reader: buffered.Reader, target: host}, &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		ClientAuth: tls.RequestClientCert, // whether it is the right one is the host's affair
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return p.authority.leaf(name)
		},
	}))
}

// serveTunnel answers what clients send through a tunnel.
func (p *Proxy) serveTunnel(w http.ResponseWriter, r *http.Request) {
	target, _ := r.Context().Value(targetKey{}).(string)
	handler := p.handler(target)
	if handler == nil {
		http.Error(w, nobody(target), http.StatusBadGateway)
		return
	}
	p.hand(handler, w, r)
}

// hand gives the request to the handler as the host itself would have received it.
func (p *Proxy) hand(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	r.URL.Scheme, r.URL.Host = "", ""
	r.RequestURI = r.URL.RequestURI()
	r.Header.Del("Proxy-Connection")
	r.Header.Del("Proxy-Authorization")
	handler.ServeHTTP(w, r)
}

func nobody(host string) string {
	return fmt.Sprintf("nothing in the sandbox answers for %s, and nothing leaves this machine", host)
}

// withPort adds the scheme's port where there is none.
func withPort(host, scheme string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	port := "80"
	if scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// canonical is the one spelling of a host and port: lower case, in-cluster names as "service.namespace".
func canonical(hostPort string) string {
	host, port, err := net.SplitHostPort(strings.ToLower(hostPort))
	if err != nil {
		return strings.ToLower(hostPort)
	}
	host = strings.TrimSuffix(host, ".")
	for _, suffix := range []string{".svc.cluster.local", ".svc"} {
		if short, ok := strings.CutSuffix(host, suffix); ok && strings.Count(short, ".") == 1 {
			host = short
			break
		}
	}
	return net.JoinHostPort(host, port)
}

type targetKey struct{}

func withTarget(ctx context.Context, conn net.Conn) context.Context {
	if secured, ok := conn.(*tls.Conn); ok {
		if t, ok := secured.NetConn().(*tunnel); ok {
			return context.WithValue(ctx, targetKey{}, t.target)
		}
	}
	return ctx
}

// tunnel is a connection behind a CONNECT; what the client sent early is still in the reader.
type tunnel struct {
	net.Conn
	reader *bufio.Reader
	target string
}

func (t *tunnel) Read(b []byte) (int, error) { return t.reader.Read(b) }

// tunnels hands established tunnels to the inner server: a listener without a port.
type tunnels struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newTunnels(addr net.Addr) *tunnels {
	return &tunnels{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (t *tunnels) add(conn net.Conn) {
	select {
	case t.conns <- conn:
	case <-t.closed:
		_ = conn.Close()
	}
}

// Accept implements net.Listener.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case conn := <-t.conns:
		return conn, nil
	case <-t.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (t *tunnels) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}

// Addr implements net.Listener.
func (t *tunnels) Addr() net.Addr { return t.addr }
