package openapi

import (
	"net/http"
	"regexp"
	"strings"
)

// Options say what address the documents name. A zero value means the default that is named.
type Options struct {
	// Server is the public address of the gateway, without a path; default the one that was asked.
	Server string
	// Proxied says that a proxy in front tells the scheme it was asked by, in X-Forwarded-Proto.
	Proxied bool
}

// Handler serves the documents; every other request goes to next.
func Handler(next http.Handler, documents []*Description, o Options) http.Handler {
	if len(documents) == 0 {
		return next
	}
	o.Server = strings.TrimRight(o.Server, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, d := range documents {
			if r.URL.Path == d.Path && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
				header := w.Header()
				header.Set("Content-Type", "application/json")
				header.Set("X-Content-Type-Options", "nosniff")
				header.Set("Cache-Control", "no-store") // it depends on the host that was asked
				_, _ = w.Write(d.JSON(o.server(r)))     //nolint:gosec // JSON, and a host with nothing in it but a host
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

var plainHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})(:[0-9]{1,5})?$`)

// server is the gateway's address as the caller knows it; empty where it makes no sense.
func (o Options) server(r *http.Request) string {
	if o.Server != "" {
		return o.Server
	}
	if !plainHost.MatchString(r.Host) {
		return ""
	}
	scheme := "http"
	if r.TLS != nil || o.Proxied && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
