package httpserver

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ClientAddress is the address of whom the outermost trusted proxy saw. hops is how many proxies in front
// append to X-Forwarded-For; with 0 the header is ignored, because anybody can write it. Of an IPv6 address it is
// the network: whoever has one has all the addresses in it.
func ClientAddress(r *http.Request, hops int) string {
	if hops > 0 {
		forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if i := len(forwarded) - hops; i >= 0 {
			if address := strings.TrimSpace(forwarded[i]); address != "" && len(address) <= 64 {
				// Told apart from addresses seen here, so that a sender without the header cannot be locked out by it.
				return "forwarded " + network(address)
			}
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return network(host)
}

// network is the /64 of an IPv6 address, and everything else as it is.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}
