package simulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request without following redirects.
func do(t *testing.T, req *http.Request) answer {
	t.Helper()
	a, err := try(req)
	require.NoError(t, err)
	return a
}

// direct is what tests send by. It is not the default transport: a test server that closes ends the idle
// connections of that, also those that another test is about to use.
var direct = &http.Transport{}

// try is do for calls that may fail.
func try(req *http.Request) (answer, error) {
	resp, err := direct.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body)}, err
}

// request makes a request; headers are "Name: value".
func request(t *testing.T, method, url, body string, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	return req
}

func get(t *testing.T, url string, headers ...string) answer {
	t.Helper()
	return do(t, request(t, http.MethodGet, url, "", headers...))
}

func post(t *testing.T, url, contentType, body string) answer {
	t.Helper()
	return do(t, request(t, http.MethodPost, url, body, "Content-Type: "+contentType))
}

// serveHTTP2 serves a handler by HTTP/2 and returns a client for it.
func serveHTTP2(t *testing.T, handler http.Handler) (*http.Client, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Client(), server.URL
}
