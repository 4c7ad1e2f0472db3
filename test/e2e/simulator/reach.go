package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"
)

// withReach lets the tests ask any of these pods what it can reach:
//
//	GET /reach?address=host:port   a connection by TCP
//	GET /reach?name=host           an answer of the cluster's DNS
//
// The answer, as JSON, is open, closed (somebody says that nobody listens there) or blocked, with the reason.
func withReach(control http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", control)
	mux.HandleFunc("GET /reach", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		writeJSON(w, reach(ctx, r.FormValue("address"), r.FormValue("name")))
	})
	return mux
}

func reach(ctx context.Context, address, name string) string {
	var err error
	if name != "" {
		_, err = (&net.Resolver{PreferGo: true}).LookupHost(ctx, name)
	} else {
		var conn net.Conn
		if conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address); err == nil {
			conn.Close()
		}
	}
	switch {
	case err == nil:
		return "open"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "closed"
	default:
		return "blocked: " + err.Error()
	}
}
