package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// Kind says why a call got no answer. The set is bounded, so that it can label a metric.
type Kind string

// The kinds.
const (
	Invalid   Kind = "invalid"   // the request itself is wrong
	Forbidden Kind = "forbidden" // the Guard does not let it go there
	DNS       Kind = "dns"       // the host name is unknown
	Refused   Kind = "refused"   // nothing listens there
	Timeout   Kind = "timeout"   // no complete answer in time
	TLS       Kind = "tls"       // no trusted connection
	TooLarge  Kind = "toolarge"  // the answer exceeds the limit
	Ended     Kind = "ended"     // the caller's context ended
	Cut       Kind = "cut"       // anything else: the connection broke
)

// Error is a call without a usable answer. Its text names method, scheme, host and path; never user,
// password or query, and nothing of what the other side sent: not even what it says in a certificate or in
// place of HTTP.
type Error struct {
	Method  string
	Address string
	Kind    Kind
	Err     error
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Method
	if e.Address != "" {
		text += " " + e.Address
	}
	return text + ": " + e.reason()
}

func (e *Error) reason() string {
	switch e.Kind {
	case DNS:
		return "the host name cannot be resolved"
	case Refused:
		return "connection refused"
	case Timeout:
		return "no complete answer in time"
	case TLS:
		return "no trusted TLS connection: " + distrust(e.Err)
	case Cut:
		return broken(e.Err)
	case Ended:
		return "ended: " + e.Err.Error()
	default:
		return e.Err.Error()
	}
}

// distrust says why TLS failed.
func distrust(err error) string {
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
		network *net.OpError
	)
	switch {
	case errors.As(err, &name):
		return "the certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired, or is not valid yet"
	case errors.As(err, &invalid):
		return "the certificate may not be used for this"
	case errors.As(err, &unknown):
		return "the certificate is signed by an unknown authority"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the other side does not speak TLS"
	case errors.As(err, &network) && network.Op == remoteAlert:
		return "the other side broke it off; it may want a client certificate, or another version of TLS"
	}
	return "the certificate is not trusted"
}

// remoteAlert is the Op of the error that crypto/tls makes of an alert.
const remoteAlert = "remote error"

// broken says how a connection broke.
func broken(err error) string {
	var (
		proxy *proxyError
		errno syscall.Errno
	)
	switch {
	case errors.As(err, &proxy):
		return proxy.Error()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "the connection was closed before the answer was complete"
	}
	return "the answer is no HTTP that can be understood"
}

// proxyError is what a proxy says that does not let a connection through. Proxies are the operator's, and what
// they say helps.
type proxyError struct{ status string }

// Error implements error.
func (e *proxyError) Error() string { return "the proxy refuses: " + e.status }

// maxProxyStatus bounds what is shown of a proxy's answer.
const maxProxyStatus = 200

// refusedByProxy is a Transport's OnProxyConnectResponse.
func refusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{answer.Status[:min(len(answer.Status), maxProxyStatus)]}
}

// Unwrap implements errors.Unwrap.
func (e *Error) Unwrap() error { return e.Err }

// Temporary says whether the same call may succeed later.
func (e *Error) Temporary() bool {
	switch e.Kind {
	case DNS, Refused, Timeout, Cut:
		return true
	}
	return false
}

type tooLarge struct{ limit int64 }

func (e *tooLarge) Error() string { return fmt.Sprintf("the answer is larger than %d bytes", e.limit) }

// newError strips what net/http wraps around the cause: the complete URL.
func newError(parent context.Context, r Request, err error) *Error {
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	kind := kindOf(parent, err)
	var forbidden *ForbiddenError
	switch {
	case kind == Ended:
		err = context.Cause(parent)
	case errors.As(err, &forbidden):
		err = forbidden // without what the net package says around it
	}
	return &Error{Method: r.Method, Address: Address(r.URL), Kind: kind, Err: err}
}

func kindOf(parent context.Context, err error) Kind {
	var (
		dns       *net.DNSError
		timeout   net.Error
		untrusted *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		unknown   x509.UnknownAuthorityError
		large     *tooLarge
		forbidden *ForbiddenError
		network   *net.OpError
	)
	switch {
	case parent.Err() != nil:
		return Ended
	case errors.As(err, &forbidden):
		return Forbidden
	case errors.As(err, &large):
		return TooLarge
	case errors.As(err, &dns):
		return DNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.As(err, &untrusted), errors.As(err, &record), errors.As(err, &unknown),
		errors.Is(err, http.ErrSchemeMismatch),
		errors.As(err, &network) && network.Op == remoteAlert:
		return TLS
	}
	return Cut
}

// Address is what may be shown of a URL: scheme, host and path, without user, password, query and
// fragment. What is no URL gives an empty string.
func Address(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
