package httpclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// pauses replaces sleeping: it records how long the client wanted to wait.
type pauses []time.Duration

func (p *pauses) wait(_ context.Context, d time.Duration) error { *p = append(*p, d); return nil }

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestRetries(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		method     string
		idempotent bool
		answers    []int // the last one repeats
		retryAfter string
		calls      int
		status     int
		pause      time.Duration // exact, where a Retry-After says so; -1: random
	}{
		{"at once", "GET", false, []int{200}, "", 1, 200, 0},
		{"after an overload", "GET", false, []int{503, 200}, "", 2, 200, -1},
		{"as long as the answer says", "GET", false, []int{429, 200}, "7", 2, 200, 7 * time.Second},
		{"not longer than the policy allows", "GET", false, []int{429, 200}, "3600", 1, 429, 0},
		{"gives up", "GET", false, []int{500}, "", 3, 500, -1},
		{"what is wrong stays wrong", "GET", false, []int{404}, "", 1, 404, 0},
		{"a POST is not repeated", "POST", false, []int{503, 200}, "", 1, 503, 0},
		{"unless nothing was done", "POST", false, []int{429, 200}, "3", 2, 200, 3 * time.Second},
		{"unless that is harmless", "POST", true, []int{503, 200}, "", 2, 200, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n := int(calls.Add(1))
				body, _ := io.ReadAll(r.Body)
				assert.Equal(t, "payload", string(body), "every attempt carries the body")
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.answers[min(n, len(tt.answers))-1])
			})
			var waited pauses
			client := httpclient.New(httpclient.Options{Retry: httpclient.Retry{Attempts: 3, Base: time.Second, Max: time.Second, Wait: waited.wait}})
			response, err := client.Do(t.Context(), httpclient.Request{Method: tt.method, URL: server.URL, Body: []byte("payload"), Idempotent: tt.idempotent})
			require.NoError(t, err)
			assert.Equal(t, tt.status, response.Status)
			assert.EqualValues(t, tt.calls, calls.Load())
			require.Len(t, waited, tt.calls-1)
			for _, pause := range waited {
				if tt.pause >= 0 {
					assert.Equal(t, tt.pause, pause)
				}
				assert.LessOrEqual(t, pause, 7*time.Second)
			}
		})
	}
}

func TestNoPauseOutlastsTheContext(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(503)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	response, err := httpclient.New(httpclient.Options{}).Do(ctx, httpclient.Request{URL: server.URL})
	require.NoError(t, err, "the last answer is better than none")
	assert.Equal(t, 503, response.Status)
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, strings.Repeat("x", len(r.URL.Path)-1))
	})
	client := httpclient.New(httpclient.Options{MaxBody: 10})

	response, err := client.Do(t.Context(), httpclient.Request{URL: server.URL + "/1234567890"})
	require.NoError(t, err)
	assert.Len(t, response.Body, 10, "at the limit")

	_, err = client.Do(t.Context(), httpclient.Request{URL: server.URL + "/1234567890a"})
	assertKind(t, httpclient.TooLarge, err)
	assert.ErrorContains(t, err, "larger than 10 bytes")

	_, err = client.Do(t.Context(), httpclient.Request{URL: server.URL + "/1234567890a", MaxBody: 11})
	assert.NoError(t, err, "a request may have a limit of its own")
}

func TestRedirectsStayAtTheHost(t *testing.T) {
	t.Parallel()
	var foreign atomic.Int32
	other := serve(t, func(http.ResponseWriter, *http.Request) { foreign.Add(1) })
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/inside":
			http.Redirect(w, r, "/target", http.StatusFound)
		case "/outside":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/circle":
			http.Redirect(w, r, "/circle", http.StatusFound)
		case "/target":
			assert.Equal(t, "s3cret", r.Header.Get("X-Api-Token"))
			w.WriteHeader(http.StatusNoContent)
		}
	})
	client := httpclient.New(httpclient.Options{})
	for path, status := range map[string]int{"/inside": 204, "/outside": 302, "/circle": 302} {
		response, err := client.Do(t.Context(), httpclient.Request{URL: server.URL + path, Header: http.Header{"X-Api-Token": {"s3cret"}}})
		require.NoError(t, err)
		assert.Equal(t, status, response.Status, path)
	}
	response, err := client.Do(t.Context(), httpclient.Request{Method: http.MethodPost, URL: server.URL + "/inside"})
	require.NoError(t, err)
	assert.Equal(t, 302, response.Status, "a POST does not turn into a GET")
	assert.Zero(t, foreign.Load(), "credentials of any kind stay at their host")
}

func assertKind(t *testing.T, kind httpclient.Kind, err error) {
	t.Helper()
	var failed *httpclient.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, kind, failed.Kind, "%v", err)
}

func TestErrorsSayWhyAndHideCredentials(t *testing.T) {
	t.Parallel()
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cut := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())

	withSecrets := func(base string) string {
		u, err := url.Parse(base)
		require.NoError(t, err)
		u.User = url.UserPassword("user", "hunter2")
		return u.String() + "/path?token=hunter2"
	}
	tests := []struct {
		name, url string
		header    http.Header
		kind      httpclient.Kind
	}{
		{"silent", slow.URL, nil, httpclient.Timeout},
		{"cut", cut.URL, nil, httpclient.Cut},
		{"untrusted", secure.URL, nil, httpclient.TLS},
		{"refused", closed, nil, httpclient.Refused},
		{"no scheme", "ftp://host", nil, httpclient.Invalid},
		{"no host", "https:", nil, httpclient.Invalid},
		{"line break", "https://host", http.Header{"X-Key": {"hunter2\n"}}, httpclient.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			options := httpclient.Options{Retry: httpclient.Retry{Attempts: 1}}
			if tt.kind == httpclient.Timeout {
				options.Timeout = 50 * time.Millisecond
			}
			client := httpclient.New(options)
			address := tt.url
			if tt.name != "no host" {
				address = withSecrets(tt.url)
			}
			_, err := client.Do(t.Context(), httpclient.Request{URL: address, Header: tt.header})
			assertKind(t, tt.kind, err)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), "token")
		})
	}
	_, err = httpclient.New(httpclient.Options{}).Do(t.Context(), httpclient.Request{URL: "https://user:hunter2@host/%zz"})
	assertKind(t, httpclient.Invalid, err)
	assert.NotContains(t, err.Error(), "hunter2")
}

// transport answers without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestEveryAttemptIsSigned(t *testing.T) {
	t.Parallel()
	var seen []string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if seen = append(seen, r.URL.Query().Get("n")); len(seen) == 1 {
			w.WriteHeader(503)
		}
	})
	n := 0
	request := httpclient.Request{URL: server.URL, Sign: func(r *http.Request) error {
		n++
		r.URL.RawQuery = url.Values{"n": {fmt.Sprint(n)}}.Encode()
		return nil
	}}
	client := httpclient.New(httpclient.Options{Retry: httpclient.Retry{Attempts: 3, Wait: func(context.Context, time.Duration) error { return nil }}})
	_, err := client.Do(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "2"}, seen)

	request.Sign = func(*http.Request) error { return errors.New("no key") }
	_, err = client.Do(t.Context(), request)
	assertKind(t, httpclient.Invalid, err)
	assert.ErrorContains(t, err, "no key")
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200 + len(r.TLS.PeerCertificates))
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	plain := httpclient.New(httpclient.Options{Transport: server.Client().Transport})
	presenting, err := plain.WithCertificate(server.TLS.Certificates[0])
	require.NoError(t, err)
	for status, client := range map[int]*httpclient.Client{200: plain, 201: presenting} {
		response, err := client.Do(t.Context(), httpclient.Request{URL: server.URL})
		require.NoError(t, err)
		assert.Equal(t, status, response.Status)
	}
	_, err = httpclient.New(httpclient.Options{Transport: transport(nil)}).WithCertificate(tls.Certificate{})
	assert.ErrorContains(t, err, "cannot present certificates")
}

func TestUnknownHostsAreTriedAgain(t *testing.T) {
	t.Parallel()
	calls := 0
	var waited pauses
	client := httpclient.New(httpclient.Options{
		Transport: transport(func(*http.Request) (*http.Response, error) {
			calls++
			return nil, &net.DNSError{Err: "no such host", Name: "host", IsNotFound: true}
		}),
		Retry: httpclient.Retry{Attempts: 3, Wait: waited.wait},
	})
	_, err := client.Do(t.Context(), httpclient.Request{URL: "https://host/path"})
	assertKind(t, httpclient.DNS, err)
	assert.EqualError(t, err, "GET https://host/path: the host name cannot be resolved")
	assert.Equal(t, 3, calls)
}

func TestTheCallersContextEndsTheCall(t *testing.T) {
	t.Parallel()
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("the run's time-out"))
	defer cancel()
	_, err := httpclient.New(httpclient.Options{}).Do(ctx, httpclient.Request{URL: server.URL})
	assertKind(t, httpclient.Ended, err)
	assert.ErrorContains(t, err, "the run's time-out")
}

func TestBrokenConnectionsAreRepeated(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	server := serve(t, func(http.ResponseWriter, *http.Request) {
		if calls.Add(1) < 3 {
			panic(http.ErrAbortHandler)
		}
	})
	var waited pauses
	client := httpclient.New(httpclient.Options{UserAgent: "test", Retry: httpclient.Retry{Wait: waited.wait}})
	response, err := client.Do(t.Context(), httpclient.Request{URL: server.URL})
	require.NoError(t, err)
	assert.Equal(t, 200, response.Status)
}
