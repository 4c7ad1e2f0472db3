package httpserver_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpserver"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, remote, forwarded string
		hops                    int
		want                    string
	}{
		{"the peer", "192.0.2.1:4711", "", 1, "192.0.2.1"},
		{"anybody can write the header", "192.0.2.1:4711", "198.51.100.7", 0, "192.0.2.1"},
		{"whom the proxy saw", "192.0.2.1:4711", "203.0.113.9, 198.51.100.7", 1, "forwarded 198.51.100.7"},
		{"behind two proxies", "192.0.2.1:4711", "203.0.113.9,198.51.100.7", 2, "forwarded 203.0.113.9"},
		{"fewer proxies than there should be", "192.0.2.1:4711", "203.0.113.9", 2, "192.0.2.1"},
		{"a network of IPv6 is one client", "[2001:db8:1:2:aaaa::1]:4711", "", 0, "2001:db8:1:2::/64"},
		{"by a proxy, too", "192.0.2.1:4711", "2001:db8:1:2:bbbb::7", 1, "forwarded 2001:db8:1:2::/64"},
		{"another network", "[2001:db8:1:3::1]:4711", "", 0, "2001:db8:1:3::/64"},
		{"with a zone", "[fe80::1%eth0]:4711", "", 0, "fe80::/64"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:4711", "", 0, "192.0.2.1"},
		{"no address", "192.0.2.1:4711", "unknown", 1, "forwarded unknown"},
		{"nothing to tell", "@", "", 1, "@"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		assert.Equal(t, c.want, httpserver.ClientAddress(r, c.hops), c.name)
	}
}
