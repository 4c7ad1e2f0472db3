package sink_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/sink"
)

// A sink for a plain http address makes its requests without net/http's transport: these tests are about that.

func plainSink(t *testing.T, url string) gateway.Sink {
	t.Helper()
	s, err := sink.New(sink.Options{Kind: sink.CloudEvents, URL: url, Timeout: 10 * time.Second})
	require.NoError(t, err)
	return s
}

func order(id string) event.Event {
	return event.Event{ID: id, Source: "shop", Type: "order.created", Version: "v1", Data: []byte(`{"total":1}`)}
}

func TestPlainConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	answers := map[string]struct {
		answer http.HandlerFunc
		kept   bool
	}{
		"without a body": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, true},
		"with a length":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "taken") }, true},
		"in chunks": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "ta")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "ken")
		}, true},
		"after an interim answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusProcessing)
			w.WriteHeader(http.StatusAccepted)
		}, true},
		"that ends the connection": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }, false},
		"that is too long":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100<<10)) }, false},
	}
	for name, tt := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var bodies []string
			var opened atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				mu.Lock()
				bodies = append(bodies, r.Header.Get("Ce-Id")+string(body))
				mu.Unlock()
				tt.answer(w, r)
			}))
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					opened.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			s := plainSink(t, server.URL)
			for i := range 5 {
				require.NoError(t, s.Publish(t.Context(), order(fmt.Sprint(i))))
			}
			assert.Equal(t, []string{`0{"total":1}`, `1{"total":1}`, `2{"total":1}`, `3{"total":1}`, `4{"total":1}`}, bodies)
			want := int32(5)
			if tt.kept {
				want = 1
			}
			assert.Equal(t, want, opened.Load())
		})
	}
}

// TestAClosedConnectionIsReplaced is about targets that close connections that rest.
func TestAClosedConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	closing := make(chan struct{}, 1)
	address := raw(t, func(conn net.Conn) {
		requests := bufio.NewReader(conn)
		if _, err := http.ReadRequest(requests); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		}
		_ = conn.Close() // without having said so
		closing <- struct{}{}
	})
	s := plainSink(t, "http://"+address)
	for i := range 5 {
		require.NoError(t, s.Publish(t.Context(), order(fmt.Sprint(i))))
		<-closing
	}
}

// raw serves every connection by a function.
func raw(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().String()
}

func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"nothing":         "",
		"half":            "HTTP/1.1 20",
		"noise":           "what?\r\n\r\n",
		"endless headers": "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := plainSink(t, "http://"+raw(t, func(conn net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			}))
			err := s.Publish(t.Context(), order("1"))
			var problem *gateway.PublishError
			require.ErrorAs(t, err, &problem)
			assert.False(t, problem.Permanent, "it may work next time")
			assert.Equal(t, gateway.ReasonConnection, problem.Reason)
		})
	}
}

func TestATargetThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 2)
	address := raw(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		asked <- struct{}{}
		_, _ = io.Copy(io.Discard, conn) // until the other side has had enough
	})
	t.Run("for too long", func(t *testing.T) {
		t.Parallel()
		s, err := sink.New(sink.Options{Kind: sink.CloudEvents, URL: "http://" + address, Timeout: 50 * time.Millisecond})
		require.NoError(t, err)
		var problem *gateway.PublishError
		require.ErrorAs(t, s.Publish(t.Context(), order("1")), &problem)
		assert.Equal(t, gateway.ReasonTimeout, problem.Reason)
	})
	t.Run("until nobody wants to know", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- plainSink(t, "http://"+address).Publish(ctx, order("1")) }()
		<-asked
		cancel()
		err := <-result
		assert.True(t, errors.Is(err, context.Canceled), err)
	})
}

// TestNoHeaderBreaksOut sends what a hostile sender could have put into an event.
func TestNoHeaderBreaksOut(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	defer server.Close()
	e := order("1\r\nX-Injected: 1")
	e.Subject, e.DataContentType = "a\r\n\r\nb", "text/plain\r\nX-Injected: 1"
	require.NoError(t, plainSink(t, server.URL).Publish(t.Context(), e))
	header := <-got
	assert.NotContains(t, header, "X-Injected")
	assert.Equal(t, "1%0D%0AX-Injected:%201", header.Get("Ce-Id"))
}
