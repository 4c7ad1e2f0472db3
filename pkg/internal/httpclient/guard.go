package httpclient

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// Guard keeps calls to addresses that others chose (parameters of a form, links in an answer, names that
// others resolve) away from what is inside the cluster and its network: it looks at each address that is about
// to be dialled, so that a name which resolves to something else the next time gains nothing. Public addresses
// may be called by https; all others, and plain http, only where they are allowed one by one.
type Guard struct {
	allow []netip.Prefix
	own   []netip.Addr
}

// AllowUsage is the help of the flag for a Guard's networks.
const AllowUsage = "`network` (CIDR) or address that may be called for the system although it is not public, such as 10.1.2.0/24; repeatable"

// NewGuard allows the given networks (CIDR, or single addresses) besides public addresses. Addresses of this
// machine and of the cluster's API, which getenv (may be nil) tells as
// KUBERNETES_SERVICE_HOST, are never public.
func NewGuard(allow []string, getenv func(string) string) (*Guard, error) {
	g := &Guard{}
	for _, text := range allow {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err != nil {
				return nil, fmt.Errorf("%q is no network: want an address and a length, such as 10.1.2.0/24", text)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		if prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("%q: write the address of version 4 itself", text)
		}
		g.allow = append(g.allow, prefix.Masked())
	}
	if getenv != nil {
		if addr, err := netip.ParseAddr(getenv("KUBERNETES_SERVICE_HOST")); err == nil {
			g.own = append(g.own, addr.Unmap())
		}
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	for _, each := range interfaces {
		if network, ok := each.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(network.IP); ok {
				g.own = append(g.own, addr.Unmap())
			}
		}
	}
	return g, nil
}

// ForbiddenError says that a Guard does not let a call go where it would go.
type ForbiddenError struct{ why string }

// Error implements error.
func (e *ForbiddenError) Error() string { return e.why }

// Check finds what is wrong with a URL that somebody else will call, as far as that can be seen without
// resolving its host. It quotes no more than the host. A Client without a Guard finds nothing.
func (c *Client) Check(address string) error {
	if c.options.Guard == nil {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the URL cannot be parsed")
	}
	return c.options.Guard.checkHost(u)
}

// checkAddress judges an address that is about to be dialled.
func (g *Guard) checkAddress(addr netip.Addr, secure bool) error {
	addr = addr.Unmap().WithZone("")
	shown := addr.String()
	inner, embedded := embeddedAddress(addr)
	for _, prefix := range g.allow {
		if prefix.Contains(addr) || embedded && prefix.Contains(inner) {
			return nil
		}
	}
	if embedded {
		addr = inner
	}
	if kind := specialKind(addr); kind != "" {
		return &ForbiddenError{"its address " + shown + " is " + kind}
	}
	for _, own := range g.own {
		if addr == own {
			return &ForbiddenError{"its address " + shown + " is inside the cluster"}
		}
	}
	if !secure {
		return &ForbiddenError{"the URL does not begin with https://"}
	}
	return nil
}

// checkHost judges a URL whose host somebody else will resolve: a proxy, or Kyma. Names that mean something
// inside a cluster only, and other spellings of addresses than the usual one, are never let through.
func (g *Guard) checkHost(u *url.URL) error {
	secure := u.Scheme == "https"
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.checkAddress(addr, secure)
	}
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	switch {
	case !secure:
		return &ForbiddenError{"the URL does not begin with https://"}
	case len(labels) == 1, last == "svc", last == "local", last == "localhost", last == "internal":
		return &ForbiddenError{"its host is a name inside the cluster"}
	case last == "", last[0] >= '0' && last[0] <= '9':
		return &ForbiddenError{"its host is an unusual spelling of an address"}
	}
	return nil
}

// special are the networks that are no public part of the Internet, and the one public address that clouds
// give to machines inside them. Of version 6, everything outside 2000::/3 is special, too.
var special = []struct {
	network netip.Prefix
	kind    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "private"},
	{netip.MustParsePrefix("127.0.0.0/8"), "of this machine itself"},
	{netip.MustParsePrefix("168.63.129.16/32"), "one for metadata of machines"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "reserved"},
	{netip.MustParsePrefix("192.88.99.0/24"), "reserved"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "reserved"},
	{netip.MustParsePrefix("198.51.100.0/24"), "reserved"},
	{netip.MustParsePrefix("203.0.113.0/24"), "reserved"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "of this machine itself"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
	{netip.MustParsePrefix("2001::/23"), "reserved"},
	{netip.MustParsePrefix("2001:db8::/32"), "reserved"},
	{netip.MustParsePrefix("3fff::/20"), "reserved"},
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour     = netip.MustParsePrefix("2002::/16")
)

// specialKind says what an address is if it is not public.
func specialKind(addr netip.Addr) string {
	for _, s := range special {
		if s.network.Contains(addr) {
			return s.kind
		}
	}
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return "reserved"
	}
	return ""
}

// embeddedAddress is the address of version 4 that a translator or a relay makes of one of version 6.
func embeddedAddress(addr netip.Addr) (netip.Addr, bool) {
	b := addr.As16()
	switch {
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return addr, false
}

// control is a net.Dialer's Control: it sees the address itself, after the name was resolved.
func (g *Guard) control(secure bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		target, err := netip.ParseAddrPort(address)
		if err != nil {
			return &ForbiddenError{"it is called by another network than TCP/IP"}
		}
		return g.checkAddress(target.Addr(), secure)
	}
}

// guarded lets a Guard look at every connection. A call that goes through a proxy is another thing: the proxy
// resolves and dials, so it is the operator's proxy that has to be strict about names; the URL is checked here.
type guarded struct {
	guard *Guard
	proxy func(*http.Request) (*url.URL, error)
	// secure and plain dial the target, for https and http; proxied dials a proxy.
	secure, plain, proxied *http.Transport
}

// newGuarded puts a Guard before a transport.
func newGuarded(g *Guard, base http.RoundTripper) http.RoundTripper {
	transport, ok := base.(*http.Transport)
	if !ok {
		return unguardable{}
	}
	direct := func(secure bool) *http.Transport {
		t := transport.Clone()
		dialer := newDialer()
		dialer.Control = g.control(secure)
		t.Proxy, t.DialContext, t.DialTLSContext = nil, dialer.DialContext, nil
		return t
	}
	out := &guarded{guard: g, proxy: transport.Proxy, secure: direct(true), plain: direct(false), proxied: transport.Clone()}
	if out.proxy == nil {
		out.proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	}
	return out
}

// RoundTrip implements http.RoundTripper.
func (t *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	proxy, err := t.proxy(r)
	if err == nil && proxy != nil {
		err = t.guard.checkHost(r.URL)
	}
	switch {
	case err != nil:
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper's duty; it is in memory
		}
		return nil, err
	case proxy != nil:
		return t.proxied.RoundTrip(r)
	case r.URL.Scheme == "https":
		return t.secure.RoundTrip(r)
	}
	return t.plain.RoundTrip(r)
}

// unguardable refuses all calls: nobody can see where this transport would dial.
type unguardable struct{}

// RoundTrip implements http.RoundTripper.
func (unguardable) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, &ForbiddenError{"this transport cannot be guarded"}
}
