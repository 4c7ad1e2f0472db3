package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
)

// Kind says why a call got no answer. The set is bounded, so that it can label a metric.
type Kind string

// The kinds.
const (
	Invalid  Kind = "invalid"  // the request itself is wrong
	DNS      Kind = "dns"      // the host name is unknown
	Refused  Kind = "refused"  // nothing listens there
	Timeout  Kind = "timeout"  // no complete answer in time
	TLS      Kind = "tls"      // no trusted connection
	TooLarge Kind = "toolarge" // the answer exceeds the limit
	Ended    Kind = "ended"    // the caller's context ended
	Cut      Kind = "cut"      // anything else: the connection broke
)

// Error is a call without a usable answer. Its text names method, scheme, host and path; never user,
// password or query.
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
		return "no trusted TLS connection: " + e.Err.Error()
	case Ended:
		return "ended: " + e.Err.Error()
	default:
		return e.Err.Error()
	}
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
	if kind == Ended {
		err = context.Cause(parent)
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
	)
	switch {
	case parent.Err() != nil:
		return Ended
	case errors.As(err, &large):
		return TooLarge
	case errors.As(err, &dns):
		return DNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.As(err, &untrusted), errors.As(err, &record), errors.As(err, &unknown):
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
