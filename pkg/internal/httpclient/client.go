// Package httpclient is the one client for calls to other systems. Every call has a deadline and every
// body a limit; credentials stay at the host they were made for; errors never show a query or credentials.
package httpclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The defaults of Options.
const (
	DefaultTimeout = 30 * time.Second
	DefaultMaxBody = 4 << 20
)

// maxRedirects bounds how often one call follows a redirect within the host.
const maxRedirects = 5

// Options configure a Client. The zero value is usable.
type Options struct {
	// Timeout bounds one attempt, from dialling to the last byte of the answer.
	Timeout time.Duration
	// MaxBody is the number of bytes of an answer above which the call fails.
	MaxBody int64
	// Retry says when a call is repeated.
	Retry Retry
	// UserAgent is sent where the request has none.
	UserAgent string
	// Guard, where it is set, looks at every address that is dialled. It needs a Transport of type
	// *http.Transport.
	Guard *Guard
	// Transport defaults to NewTransport().
	Transport http.RoundTripper
}

// Client makes calls. It is safe for concurrent use; connections are kept and shared.
type Client struct {
	options Options
	http    *http.Client
}

// New returns a Client.
func New(options Options) *Client {
	if options.Timeout <= 0 {
		options.Timeout = DefaultTimeout
	}
	if options.MaxBody <= 0 {
		options.MaxBody = DefaultMaxBody
	}
	if options.Transport == nil {
		options.Transport = NewTransport()
	}
	options.Retry = options.Retry.withDefaults()
	transport := options.Transport
	if options.Guard != nil {
		transport = newGuarded(options.Guard, transport)
	}
	return &Client{options: options, http: &http.Client{Transport: transport, CheckRedirect: stayAtHost}}
}

// WithCertificate returns a Client that presents a certificate where a server asks for one. It has connections
// of its own.
func (c *Client) WithCertificate(certificate tls.Certificate) (*Client, error) {
	base, ok := c.options.Transport.(*http.Transport)
	if !ok {
		return nil, errors.New("this client cannot present certificates")
	}
	transport := base.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	options := c.options
	options.Transport = transport
	return New(options), nil
}

// NewTransport returns the transport of a Client: it obeys HTTP_PROXY, HTTPS_PROXY and NO_PROXY and keeps
// enough idle connections per host for many calls at once.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: refusedByProxy,
		DialContext:            newDialer().DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
}

func newDialer() *net.Dialer {
	return &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
}

// Request is one call. The body is given as bytes, so that the call can be repeated.
type Request struct {
	Method string // default GET
	URL    string
	Header http.Header
	Body   []byte
	// Idempotent allows repeating a POST or PATCH; other methods always may be repeated.
	Idempotent bool
	// MaxBody replaces the Client's limit; 0 keeps it.
	MaxBody int64
	// NotAgainAfterTimeout keeps a call that got no answer in time from being repeated at once: it has taken
	// long already, and others wait.
	NotAgainAfterTimeout bool
	// Consume, where it is set, reads the body of an answer of status 200 while it arrives; the Response is then
	// without a body. It may stop early. The body's limit holds, and when the body breaks off the call fails,
	// whatever Consume made of it.
	Consume func(io.Reader)
	// Sign, where it is set, completes the request before each attempt: signatures carry a time and are used
	// once. Its error ends the call, and is shown.
	Sign func(*http.Request) error
}

// Response is an answer, read completely.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do makes the call, repeats it as the retry policy says and returns the last answer, whatever its
// status. A call without an answer gives an *Error. A redirect to another host is not followed: it is the
// answer.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if err := check(r); err != nil {
		return nil, &Error{Method: r.Method, Address: Address(r.URL), Kind: Invalid, Err: err}
	}
	for attempt := 1; ; attempt++ {
		response, err := c.attempt(ctx, r)
		wait, again := c.options.Retry.next(ctx, r, response, err, attempt)
		if !again {
			return response, err
		}
		if c.options.Retry.Wait(ctx, wait) != nil {
			return response, err
		}
	}
}

// check finds what no repetition cures, without quoting it.
func check(r Request) error {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil:
		return errors.New("the URL cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL does not begin with https:// or http://")
	case u.Host == "":
		return errors.New("the URL has no host")
	}
	for name, values := range r.Header {
		for _, value := range values {
			if strings.ContainsAny(value, "\r\n\x00") {
				return fmt.Errorf("the value of header %s contains a line break", name)
			}
		}
	}
	return nil
}

func (c *Client) attempt(parent context.Context, r Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(parent, c.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, newError(parent, r, err)
	}
	if r.Header != nil {
		request.Header = r.Header.Clone()
	}
	if c.options.UserAgent != "" && request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", c.options.UserAgent)
	}
	if r.Sign != nil {
		if err := r.Sign(request); err != nil {
			return nil, &Error{Method: r.Method, Address: Address(r.URL), Kind: Invalid, Err: err}
		}
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, newError(parent, r, err)
	}
	defer func() { _ = answer.Body.Close() }()
	limit := c.options.MaxBody
	if r.MaxBody > 0 {
		limit = r.MaxBody
	}
	limited := &limitedReader{r: answer.Body, limit: limit, left: limit}
	var body []byte
	if r.Consume != nil && answer.StatusCode == http.StatusOK {
		r.Consume(limited)
	} else {
		body, _ = io.ReadAll(limited) // limited keeps the error
	}
	if limited.err != nil {
		return nil, newError(parent, r, limited.err)
	}
	return &Response{Status: answer.StatusCode, Header: answer.Header, Body: body}, nil
}

// limitedReader fails after limit bytes, and keeps why reading failed.
type limitedReader struct {
	r           io.Reader
	limit, left int64
	err         error
}

// Read implements io.Reader.
func (l *limitedReader) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		n, err = n-1, &tooLarge{l.limit}
	}
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}

// stayAtHost follows redirects within scheme, host and port only: the credentials of a call are in headers
// and queries of any name, which net/http would carry along.
func stayAtHost(next *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || next.Method != first.Method ||
		next.URL.Scheme != first.URL.Scheme || next.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}
