package httpclient

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// FuzzGuard: whatever form of an address it is, one that leads inside is refused.
func FuzzGuard(f *testing.F) {
	for _, address := range []string{"10.0.0.1", "8.8.8.8", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "fe80::1", "2606:4700::1"} {
		f.Add(netip.MustParseAddr(address).AsSlice())
	}
	guard, err := NewGuard(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		addr, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		inner := addr.Unmap()
		inside := inner.IsLoopback() || inner.IsPrivate() || inner.IsLinkLocalUnicast() || inner.IsMulticast() || inner.IsUnspecified()
		if inside && guard.checkAddress(addr, true) == nil {
			t.Errorf("%s is let through", addr)
		}
		if guard.checkAddress(addr, true) != nil && guard.checkAddress(addr, false) == nil {
			t.Errorf("%s is let through in clear text only", addr)
		}
	})
}

// FuzzGuardURL: an address in a URL is judged as that address, however it is written.
func FuzzGuardURL(f *testing.F) {
	for _, seed := range []string{"https://10.0.0.1/", "https://127.1/", "https://[::ffff:a00:1%25x]/", "https://a..", "https://./", "https://x.svc./", "//x", "https://8.8.8.8", "https://:1/"} {
		f.Add(seed)
	}
	guard, err := NewGuard(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil || guard.checkHost(u) != nil {
			return
		}
		host := u.Hostname()
		if addr, err := netip.ParseAddr(host); err == nil && guard.checkAddress(addr, true) != nil {
			t.Errorf("%q is let through", raw)
		}
		if u.Scheme != "https" || host == "" || !strings.ContainsAny(host, ".:") {
			t.Errorf("%q is let through", raw)
		}
	})
}

// FuzzHeaders reads what servers put into headers that the client understands.
func FuzzHeaders(f *testing.F) {
	f.Add("120", "https://user:secret@x.example.com/a?b=c#d")
	f.Add("Fri, 31 Dec 1999 23:59:59 GMT", "%zz")
	f.Add("-1", "")
	f.Add("99999999999999999999", "https://[")
	f.Fuzz(func(t *testing.T, after, address string) {
		if pause, ok := retryAfter(http.Header{"Retry-After": {after}}); ok && pause < 0 {
			t.Errorf("%q: a pause of %s", after, pause)
		}
		if u, err := url.Parse(Address(address)); err == nil && (u.User != nil || u.RawQuery != "" || u.Fragment != "") {
			t.Errorf("%q is shown as %q", address, Address(address))
		}
	})
}
