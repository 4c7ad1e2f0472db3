// Package httpserver is an HTTP server with all its limits set: time-outs for headers, bodies, answers and
// idle connections, a bound on headers and one on connections.
package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Options are a server's limits. A zero value means the default that is named.
type Options struct {
	// Name says in errors and logs which server it is.
	Name    string
	Handler http.Handler
	// HeaderTimeout bounds how long a client may take to send a request's headers; default 5s.
	HeaderTimeout time.Duration
	// ReadTimeout bounds headers and body together; default 15s.
	ReadTimeout time.Duration
	// WriteTimeout bounds the time from the end of the headers to the end of the answer; default 45s.
	WriteTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request; default 75s.
	IdleTimeout time.Duration
	// MaxHeaderBytes bounds the headers; default 32 KiB.
	MaxHeaderBytes int
	// MaxConnections bounds open connections; default 2048. At the bound a new connection takes the place
	// of the one that has waited longest without a request; if all are busy, it is closed at once.
	MaxConnections int
	// TLS makes it an HTTPS server; it holds the certificate.
	TLS *tls.Config
	// Logger gets what goes wrong while serving; nil means silence.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	def(&o.HeaderTimeout, 5*time.Second)
	def(&o.ReadTimeout, 15*time.Second)
	def(&o.WriteTimeout, 45*time.Second)
	def(&o.IdleTimeout, 75*time.Second)
	if o.MaxHeaderBytes <= 0 {
		o.MaxHeaderBytes = 32 << 10
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = 2048
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server serves one listener.
type Server struct {
	name     string
	listener *listener
	http     *http.Server
}

// Listen opens the address, such as ":8080", without serving yet: whatever is wrong with it shows before
// anything else starts.
func Listen(ctx context.Context, address string, o Options) (*Server, error) {
	o = o.withDefaults()
	var config net.ListenConfig
	inner, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s address %q: %w", o.Name, address, err)
	}
	limited := newListener(inner, o.MaxConnections)
	return &Server{
		name:     o.Name,
		listener: limited,
		http: &http.Server{
			Handler:           o.Handler,
			ReadHeaderTimeout: o.HeaderTimeout,
			ReadTimeout:       o.ReadTimeout,
			WriteTimeout:      o.WriteTimeout,
			IdleTimeout:       o.IdleTimeout,
			MaxHeaderBytes:    o.MaxHeaderBytes,
			ConnState:         limited.connState,
			TLSConfig:         o.TLS,
			ErrorLog:          slog.NewLogLogger(o.Logger.With("server", o.Name).Handler(), slog.LevelDebug),
		},
	}, nil
}

// Addr is the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Connections is the number of open connections.
func (s *Server) Connections() int { return s.listener.connections() }

// Serve serves until Shutdown or Close; that end is no error.
func (s *Server) Serve() error {
	serve := s.http.Serve
	if s.http.TLSConfig != nil {
		serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
	}
	if err := serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s server: %w", s.name, err)
	}
	return nil
}

// Shutdown closes the listener, lets running requests finish and ends what still runs when the context
// does.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
		err = fmt.Errorf("%s server: requests were still running at the end of the grace period: %w", s.name, err)
	}
	// Shutdown closes only listeners that are being served.
	_ = s.listener.Close()
	return err
}
