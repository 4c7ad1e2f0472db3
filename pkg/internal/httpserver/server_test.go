package httpserver_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpserver"
)

const patience = 10 * time.Second

func start(t *testing.T, o httpserver.Options) *httpserver.Server {
	t.Helper()
	server, err := httpserver.Listen(context.Background(), "127.0.0.1:0", o)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = server.Shutdown(ctx)
		assert.NoError(t, <-served)
	})
	return server
}

func dial(t *testing.T, server *httpserver.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

func get(t *testing.T, conn net.Conn) int {
	t.Helper()
	_, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }

func TestANewConnectionTakesThePlaceOfTheLongestWaiting(t *testing.T) {
	t.Parallel()
	server := start(t, httpserver.Options{Name: "public", Handler: http.HandlerFunc(ok), MaxConnections: 2})
	oldest, kept := dial(t, server), dial(t, server)
	require.Eventually(t, func() bool { return server.Connections() == 2 }, patience, time.Millisecond)
	assert.Equal(t, http.StatusOK, get(t, kept))

	assert.Equal(t, http.StatusOK, get(t, dial(t, server)), "an idle flood does not keep work out")
	_, err := oldest.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF, "the connection that never asked for anything was closed")
	assert.Equal(t, http.StatusOK, get(t, kept), "the one that had worked was not")
}

func TestBusyConnectionsAreNotEvicted(t *testing.T) {
	t.Parallel()
	release, busy := make(chan struct{}), make(chan struct{})
	server := start(t, httpserver.Options{Name: "public", MaxConnections: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(busy)
		<-release
		ok(w, r)
	})})
	status := make(chan int)
	first := dial(t, server)
	go func() { status <- get(t, first) }()
	<-busy

	_, err := dial(t, server).Read(make([]byte, 1))
	assert.Error(t, err, "closed at once")
	close(release)
	assert.Equal(t, http.StatusOK, <-status)
}

func TestSlowAndHugeHeadersAreCutOff(t *testing.T) {
	t.Parallel()
	server := start(t, httpserver.Options{Name: "public", Handler: http.HandlerFunc(ok), HeaderTimeout: 20 * time.Millisecond, MaxHeaderBytes: 1 << 10})

	slow := dial(t, server)
	_, err := fmt.Fprint(slow, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	require.NoError(t, err)
	_, err = io.ReadAll(slow)
	assert.NoError(t, err, "the server closed the connection by itself")

	huge := dial(t, server)
	_, err = fmt.Fprintf(huge, "GET / HTTP/1.1\r\nHost: x\r\nX-Huge: %0*d\r\n\r\n", 16<<10, 0)
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(huge), nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
}

func TestShutdownFinishesRunningRequests(t *testing.T) {
	t.Parallel()
	release, busy := make(chan struct{}), make(chan struct{})
	server, err := httpserver.Listen(context.Background(), "127.0.0.1:0", httpserver.Options{Name: "public", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(busy)
		<-release
		ok(w, r)
	})})
	require.NoError(t, err)
	served, stopped, status := make(chan error, 1), make(chan error, 1), make(chan int, 1)
	go func() { served <- server.Serve() }()
	conn := dial(t, server)
	go func() { status <- get(t, conn) }()
	<-busy
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() { stopped <- server.Shutdown(ctx) }()
	assert.NoError(t, <-served, "no new requests")
	close(release)
	assert.Equal(t, http.StatusOK, <-status)
	assert.NoError(t, <-stopped)
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	t.Parallel()
	release, busy := make(chan struct{}), make(chan struct{})
	server, err := httpserver.Listen(context.Background(), "127.0.0.1:0", httpserver.Options{Name: "public", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(busy)
		<-release
	})})
	require.NoError(t, err)
	defer close(release)
	go func() { _ = server.Serve() }()
	conn := dial(t, server)
	_, err = fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	<-busy
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	assert.ErrorIs(t, server.Shutdown(ctx), context.Canceled)
}

func TestABadAddressIsNamed(t *testing.T) {
	t.Parallel()
	_, err := httpserver.Listen(context.Background(), "127.0.0.1:99999", httpserver.Options{Name: "admin"})
	assert.ErrorContains(t, err, `admin address "127.0.0.1:99999"`)
}

// Encrypted connections count and are evicted like others: the listener knows what lies below them.
func TestHTTPSKeepsTheLimits(t *testing.T) {
	t.Parallel()
	testServer := httptest.NewTLSServer(http.NotFoundHandler())
	defer testServer.Close()
	server, err := httpserver.Listen(t.Context(), "127.0.0.1:0", httpserver.Options{
		Name: "test", MaxConnections: 1, TLS: &tls.Config{Certificates: testServer.TLS.Certificates, MinVersion: tls.VersionTLS12},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.TLS != nil) }),
	})
	require.NoError(t, err)
	go func() { _ = server.Serve() }()
	defer func() { _ = server.Shutdown(t.Context()) }()
	for range 3 { // each call has a connection of its own and leaves it open
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: testServer.Client().Transport.(*http.Transport).TLSClientConfig}}
		var answer *http.Response
		require.Eventually(t, func() bool { // the one before may still be told as busy for a moment
			var err error
			answer, err = client.Get("https://" + server.Addr().String())
			return err == nil
		}, patience, time.Millisecond)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, "true", string(body))
		require.Eventually(t, func() bool { return server.Connections() == 1 }, 10*time.Second, time.Millisecond)
	}
}
