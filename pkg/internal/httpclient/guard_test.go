package httpclient

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newGuard(t *testing.T, allow ...string) *Guard {
	t.Helper()
	g, err := NewGuard(allow, func(name string) string {
		return map[string]string{"KUBERNETES_SERVICE_HOST": "11.0.0.1"}[name]
	})
	require.NoError(t, err)
	return g
}

func TestGuardJudgesAddresses(t *testing.T) {
	t.Parallel()
	for address, why := range map[string]string{
		"8.8.8.8":                "",
		"172.32.0.1":             "",
		"100.128.0.1":            "",
		"2606:4700::1111":        "",
		"::ffff:8.8.8.8":         "",
		"64:ff9b::8.8.8.8":       "",
		"0.0.0.0":                "unspecified",
		"0.1.2.3":                "unspecified",
		"10.255.255.255":         "private",
		"100.64.0.1":             "private",
		"100.100.100.200":        "private",
		"127.0.0.1":              "of this machine",
		"127.255.0.1":            "of this machine",
		"168.63.129.16":          "metadata",
		"169.254.169.254":        "link-local",
		"172.16.0.1":             "private",
		"172.31.255.255":         "private",
		"192.0.0.192":            "reserved",
		"192.168.1.1":            "private",
		"198.18.0.1":             "reserved",
		"224.0.0.1":              "multicast",
		"255.255.255.255":        "reserved",
		"11.0.0.1":               "inside the cluster",
		"::":                     "unspecified",
		"::1":                    "of this machine",
		"::127.0.0.1":            "reserved",
		"::ffff:10.0.0.1":        "private",
		"::ffff:169.254.169.254": "link-local",
		"::ffff:0:10.0.0.1":      "reserved",
		"64:ff9b::10.0.0.1":      "private",
		"64:ff9b::11.0.0.1":      "inside the cluster",
		"64:ff9b:1::8.8.8.8":     "reserved",
		"100::1":                 "reserved",
		"2001::1":                "reserved",
		"2001:db8::1":            "reserved",
		"2002:7f00:1::":          "of this machine",
		"fc00::1":                "private",
		"fd00:ec2::254":          "private",
		"fe80::1%eth0":           "link-local",
		"fec0::1":                "reserved",
		"ff02::1":                "multicast",
	} {
		err := newGuard(t).checkAddress(netip.MustParseAddr(address), true)
		if why == "" {
			assert.NoError(t, err, address)
			assert.ErrorContains(t, newGuard(t).checkAddress(netip.MustParseAddr(address), false), "https://", "in clear text: %s", address)
			continue
		}
		var forbidden *ForbiddenError
		if assert.ErrorAs(t, err, &forbidden, address) {
			assert.Contains(t, err.Error(), why, address)
		}
	}
}

func TestGuardAllowsWhatTheOperatorAllows(t *testing.T) {
	t.Parallel()
	g := newGuard(t, "10.1.0.0/16", "fd00::7", "11.0.0.1")
	for address, allowed := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::10.1.2.3": true, "fd00::7": true, "11.0.0.1": true,
		"10.2.0.1": false, "fd00::8": false, "127.0.0.1": false,
	} {
		for _, secure := range []bool{true, false} {
			assert.Equal(t, allowed, g.checkAddress(netip.MustParseAddr(address), secure) == nil, "%s, https %t", address, secure)
		}
	}
	for _, wrong := range []string{"", "10.0.0.0/33", "example.com", "::ffff:10.0.0.0/104"} {
		_, err := NewGuard([]string{wrong}, nil)
		assert.Error(t, err, wrong)
	}
}

// Whatever addresses this machine has, none of them is the system.
func TestGuardKnowsThisMachine(t *testing.T) {
	t.Parallel()
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, each := range addresses {
		ip, _, err := net.ParseCIDR(each.String())
		require.NoError(t, err)
		addr, _ := netip.AddrFromSlice(ip)
		assert.Error(t, newGuard(t).checkAddress(addr, true), each.String())
	}
}

func TestGuardJudgesNamesThatOthersResolve(t *testing.T) {
	t.Parallel()
	guarded, free := New(Options{Guard: newGuard(t, "10.1.0.0/16")}), New(Options{})
	for address, good := range map[string]bool{
		"https://shop.example.com/x":                       true,
		"https://8.8.8.8/":                                 true,
		"https://10.1.2.3/":                                true,
		"http://10.1.2.3/":                                 true,
		"https://[64:ff9b::10.1.2.3]/":                     true,
		"http://shop.example.com/":                         false,
		"https://10.2.0.1/":                                false,
		"https://127.1/":                                   false,
		"https://0x7f.0.0.1/":                              false,
		"https://2130706433/":                              false,
		"https://0177.0.0.1/":                              false,
		"https://[::1]/":                                   false,
		"https://[::ffff:169.254.169.254]/":                false,
		"https://localhost/":                               false,
		"https://kubernetes/":                              false,
		"https://kubernetes.default.svc":                   false,
		"https://kubernetes.default.svc.cluster.local./":   false,
		"https://metadata.google.internal/computeMetadata": false,
		"https://a../":                                     false,
		"https:///x":                                       false,
		"https://u:secret@x.example.com/%zz":               false,
	} {
		err := guarded.Check(address)
		assert.Equal(t, good, err == nil, "%s: %v", address, err)
		if err != nil {
			assert.NotContains(t, err.Error(), "secret")
		}
		assert.NoError(t, free.Check(address), "without a guard")
	}
}

// target counts who reaches it, by TLS.
func target(t *testing.T) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	calls := &atomic.Int32{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "https://other.example.com/", http.StatusFound)
		}
	}))
	t.Cleanup(server.Close)
	return server, calls
}

// trusting is the transport of a client that trusts the server.
func trusting(server *httptest.Server) *http.Transport {
	transport := NewTransport()
	transport.Proxy = nil
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	return transport
}

func TestGuardStandsBeforeEveryConnection(t *testing.T) {
	t.Parallel()
	server, calls := target(t)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(plain.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)

	strict := New(Options{Guard: newGuard(t), Transport: trusting(server)})
	certified, err := strict.WithCertificate(server.TLS.Certificates[0])
	require.NoError(t, err)
	for _, client := range []*Client{strict, certified} {
		for _, address := range []string{server.URL, "https://localhost:" + port, "https://0.0.0.0:" + port, "https://[::ffff:127.0.0.1]:" + port, plain.URL} {
			_, err := client.Do(t.Context(), Request{URL: address})
			var failed *Error
			require.ErrorAs(t, err, &failed, address)
			assert.Equal(t, Forbidden, failed.Kind, "%s: %v", address, err)
			assert.False(t, failed.Temporary())
		}
	}
	assert.Zero(t, calls.Load(), "nobody was called")

	kind := New(Options{Guard: newGuard(t, "127.0.0.1"), Transport: trusting(server)})
	certified, err = kind.WithCertificate(server.TLS.Certificates[0])
	require.NoError(t, err)
	for _, client := range []*Client{kind, certified} {
		for _, address := range []string{server.URL, plain.URL} {
			_, err := client.Do(t.Context(), Request{URL: address})
			require.NoError(t, err, address)
		}
	}
	assert.EqualValues(t, 4, calls.Load())

	blind := New(Options{Guard: newGuard(t), Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("called")
		return nil, io.EOF
	})})
	_, err = blind.Do(t.Context(), Request{Method: http.MethodPut, URL: server.URL, Body: []byte("x")})
	assert.ErrorContains(t, err, "cannot be guarded")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestGuardIsNotFooledByRebinding: a name that leads somewhere harmless when somebody looks, and inside when it
// is called.
func TestGuardIsNotFooledByRebinding(t *testing.T) {
	t.Parallel()
	server, calls := target(t)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	var lookups atomic.Int32
	dialer := newDialer()
	dialer.Control = newGuard(t).control(true)
	dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		mine, theirs := net.Pipe()
		go answerDNS(theirs, func() netip.Addr {
			if lookups.Add(1) == 1 {
				return netip.MustParseAddr("93.184.216.34")
			}
			return netip.MustParseAddr("127.0.0.1")
		})
		return mine, nil
	}}
	found, err := dialer.Resolver.LookupNetIP(t.Context(), "ip4", "rebind.example.com")
	require.NoError(t, err)
	require.Equal(t, "93.184.216.34", found[0].String(), "who looks first, sees a public address")

	_, err = dialer.DialContext(t.Context(), "tcp", "rebind.example.com:"+port)
	var forbidden *ForbiddenError
	require.ErrorAs(t, err, &forbidden)
	assert.Zero(t, calls.Load())
	assert.Greater(t, lookups.Load(), int32(1))
}

// answerDNS answers one query on a stream: an address of version 4, and none of version 6.
func answerDNS(conn net.Conn, address func() netip.Addr) {
	defer conn.Close()
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	const version4 = 1
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	if binary.BigEndian.Uint16(query[end-4:end-2]) == version4 {
		a := address().As4()
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, version4, 0, 1, 0, 0, 0, 0, 0, 4, a[0], a[1], a[2], a[3])
	}
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
}

// TestGuardBehindAProxy: the proxy may be anywhere, since the operator named it; where calls lead is judged by
// their URL.
func TestGuardBehindAProxy(t *testing.T) {
	t.Parallel()
	server, calls := target(t)
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host)
		if r.Host == "closed.example.com:443" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		out, err := net.Dial("tcp", server.Listener.Addr().String())
		if !assert.NoError(t, err) {
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(out, conn); _ = out.Close() }()
		_, _ = io.Copy(conn, out)
		_ = conn.Close()
	}))
	t.Cleanup(proxy.Close)
	transport := trusting(server)
	address, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	transport.Proxy = http.ProxyURL(address)
	client := New(Options{Guard: newGuard(t), Transport: transport, Retry: Retry{Attempts: 1}})

	for _, inside := range []string{"https://127.0.0.1/", "https://10.0.0.1/", "https://2130706433/", "https://registry.kyma-integration.svc/", "https://localhost/", "http://example.com/"} {
		_, err := client.Do(t.Context(), Request{URL: inside})
		var failed *Error
		require.ErrorAs(t, err, &failed, inside)
		assert.Equal(t, Forbidden, failed.Kind, inside)
	}
	assert.Empty(t, asked, "the proxy does not even hear of it")

	answer, err := client.Do(t.Context(), Request{URL: "https://example.com/away", Header: http.Header{"X-Key": {"secret"}}})
	require.NoError(t, err)
	assert.Equal(t, http.StatusFound, answer.Status, "a redirect to another host is not followed")
	assert.EqualValues(t, 1, calls.Load())

	_, err = client.Do(t.Context(), Request{URL: "https://closed.example.com/"})
	assert.EqualError(t, err, "GET https://closed.example.com/: the proxy refuses: 403 Forbidden")
	assert.Equal(t, []string{"CONNECT example.com:443", "CONNECT closed.example.com:443"}, asked)
}
