package pod

import (
	"fmt"
	"net"
)

// FreeAddresses returns n different addresses on loopback that nobody listens on now.
func FreeAddresses(n int) ([]string, error) {
	out := make([]string, 0, n)
	for range n {
		// Open until all are found, so that no port comes twice.
		listener, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer listener.Close()
		out = append(out, listener.Addr().String())
	}
	return out, nil
}
