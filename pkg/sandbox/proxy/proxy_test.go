package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func start(t *testing.T) *Proxy {
	t.Helper()
	p, err := Start(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

// echo answers with everything that a handler may want to know of a request.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s host=%s abs=%t tls=%t proxy=%q body=%s", r.Method, r.RequestURI, r.Host, r.URL.IsAbs(), r.TLS != nil, r.Header.Get("Proxy-Connection"), body)
}

func call(t *testing.T, client *http.Client, method, target, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

func TestProxyGivesEachHostItsHandler(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.Handle("registry.kyma-integration:8081", http.HandlerFunc(echo))
	p.Handle("publisher.kyma-system.svc.cluster.local:80", http.HandlerFunc(echo))
	p.Handle("tenant.example.com:443", http.HandlerFunc(echo))

	tests := []struct{ name, method, url, body, want string }{
		{"plain", "GET", "http://registry.kyma-integration:8081/a?b=c", "", "GET /a?b=c host=registry.kyma-integration:8081 abs=false tls=false proxy=\"\" body="},
		{"long in-cluster name for a short one", "POST", "http://registry.kyma-integration.svc.cluster.local:8081/a", "x", "POST /a host=registry.kyma-integration.svc.cluster.local:8081 abs=false tls=false proxy=\"\" body=x"},
		{"short in-cluster name for a long one", "POST", "http://publisher.kyma-system/publish", "x", "POST /publish host=publisher.kyma-system abs=false tls=false proxy=\"\" body=x"},
		{"tls", "POST", "https://tenant.example.com/c4c;v=2?x=%2F", "y", "POST /c4c;v=2?x=%2F host=tenant.example.com abs=false tls=true proxy=\"\" body=y"},
		{"case does not matter", "GET", "https://Tenant.Example.com/", "", "GET / host=Tenant.Example.com abs=false tls=true proxy=\"\" body="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, body := call(t, p.Client(), tt.method, tt.url, tt.body)
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, tt.want, body)
		})
	}
}

func TestProxyAsksForHostsThatComeLater(t *testing.T) {
	t.Parallel()
	p := start(t)
	hosts := map[string]http.Handler{}
	p.HandleAll(func() map[string]http.Handler { return hosts })
	status, _ := call(t, p.Client(), "GET", "http://demo-gateway.kyma-integration/", "")
	assert.Equal(t, http.StatusBadGateway, status)

	hosts["demo-gateway.kyma-integration.svc.cluster.local:80"] = http.HandlerFunc(echo)
	status, _ = call(t, p.Client(), "GET", "http://demo-gateway.kyma-integration/", "")
	assert.Equal(t, http.StatusOK, status)
}

func TestProxyLetsNothingOut(t *testing.T) {
	t.Parallel()
	// The server below stands for the world: it must not be reached although it could be.
	world := httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(world.Close)
	p := start(t)
	p.Handle("tenant.example.com:443", http.HandlerFunc(echo))

	status, body := call(t, p.Client(), "GET", world.URL, "")
	assert.Equal(t, http.StatusBadGateway, status)
	assert.Equal(t, "nothing in the sandbox answers for "+world.Listener.Addr().String()+", and nothing leaves this machine\n", body)

	request, err := http.NewRequestWithContext(t.Context(), "GET", "https://elsewhere.example.com/x", nil)
	require.NoError(t, err)
	_, err = p.Client().Do(request)
	require.ErrorContains(t, err, "nothing in the sandbox answers for elsewhere.example.com:443")

	status, _ = call(t, p.Client(), "GET", "http://tenant.example.com/", "")
	assert.Equal(t, http.StatusBadGateway, status, "a host is known with its port")

	assert.Equal(t, []string{world.Listener.Addr().String(), "elsewhere.example.com:443", "tenant.example.com:80"}, p.Unknown())
}

func TestProxyIsNoWebServer(t *testing.T) {
	t.Parallel()
	p := start(t)
	response, err := http.Get(p.URL() + "/path")
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusBadRequest, response.StatusCode)
}

func TestCertificatesComeFromTheProxysOwnAuthority(t *testing.T) {
	t.Parallel()
	p, other := start(t), start(t)
	p.Handle("tenant.example.com:443", http.HandlerFunc(echo))

	block, rest := pem.Decode(p.CA())
	require.NotNil(t, block)
	assert.Empty(t, rest)
	ca, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	assert.True(t, ca.IsCA)

	// A client that trusts another sandbox's authority gets no connection.
	stranger := p.Client()
	transport := stranger.Transport.(*http.Transport)
	transport.TLSClientConfig = other.Client().Transport.(*http.Transport).TLSClientConfig
	request, err := http.NewRequestWithContext(t.Context(), "GET", "https://tenant.example.com/", nil)
	require.NoError(t, err)
	_, err = stranger.Do(request)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
}

func TestATunnelCarriesAnUpgradedConnection(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.Handle("mqtt.example.com:443", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
		line, _ := buffered.ReadString('\n')
		fmt.Fprintf(conn, "heard %s", line)
	}))

	proxyURL, err := url.Parse(p.URL())
	require.NoError(t, err)
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", proxyURL.Host)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	fmt.Fprint(conn, "CONNECT mqtt.example.com:443 HTTP/1.1\r\nHost: mqtt.example.com:443\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, int64(len("HTTP/1.1 200 Connection established\r\n\r\n")))), &http.Request{Method: http.MethodConnect})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(p.CA()))
	secured := tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "mqtt.example.com"})
	fmt.Fprint(secured, "GET / HTTP/1.1\r\nHost: mqtt.example.com\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\nhello\n")
	all, err := io.ReadAll(secured)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(all), "\r\n\r\nheard hello\n"), string(all))
}
