package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// poster sends requests to one address and understands the answers.
type poster struct {
	client  *http.Client
	wire    *wire // the shorter way to post, where there is one
	url     *url.URL
	timeout time.Duration
}

func newPoster(u *url.URL, o Options) poster {
	return poster{
		url: u, timeout: o.Timeout, wire: o.wire(u),
		// A redirected POST would arrive without its body (Kyma 1.11 to 1.20 answer so).
		client: &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// post sends one body. Nil means that the target took it.
func (p poster) post(ctx context.Context, header http.Header, body []byte) *gateway.PublishError {
	a, err := p.send(ctx, header, body)
	switch {
	case err != nil:
		return p.unreachable(err)
	case a.status < 200 || a.status >= 300:
		return p.refused(a)
	case isPage(a.header):
		return &gateway.PublishError{
			Reason: gateway.ReasonMisconfigured,
			Detail: fmt.Sprintf("%s answers %d with a web page, probably a login page: check the target's address", p.address(), a.status),
		}
	default:
		return nil
	}
}

// answered is an answer with the beginning of its body.
type answered struct {
	status int
	header http.Header
	text   []byte
}

// send makes the call.
func (p poster) send(ctx context.Context, header http.Header, body []byte) (a answered, err error) {
	if p.wire != nil {
		return p.wire.post(ctx, p.timeout, header, body)
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request := (&http.Request{
		Method: http.MethodPost, URL: p.url, Host: p.url.Host, Header: header, ContentLength: int64(len(body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if len(body) > 0 {
		request.Body = io.NopCloser(bytes.NewReader(body))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return a, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		text = nil // what is accepted is accepted, whatever becomes of the rest of the answer
	}
	return answered{answer.StatusCode, answer.Header, text}, nil
}

// unreachable is for calls without an answer. The event may have arrived all the same.
func (p poster) unreachable(err error) *gateway.PublishError {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err // without the URL, which the detail has in a safe form
	}
	reason := gateway.ReasonConnection
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		reason = gateway.ReasonTimeout
	}
	return &gateway.PublishError{Reason: reason, Detail: p.address(), Err: err}
}

// isPage says that a person was expected: the login form of a proxy is no acceptance of an event.
func isPage(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == "text/html"
}

func (p poster) address() string { return httpclient.Address(p.url.String()) }

// prefixMissing is what Kyma 2.1 to 2.11 answers to an event type without the prefix.
const prefixMissing = "prefix not found"

// refused explains an answer. The target's own words are left out: they may quote the event.
func (p poster) refused(a answered) *gateway.PublishError {
	e := gateway.JudgeAnswer(a.status, a.header)
	e.Detail = fmt.Sprintf("%s answers %d%s", p.address(), a.status, errorType(a.text))
	if a.status == http.StatusBadRequest {
		switch {
		case strings.Contains(string(a.text), prefixMissing):
			e.Reason, e.Permanent = gateway.ReasonMisconfigured, false
			e.Detail += ": this version of Kyma wants event types with a prefix: set --event-type-prefix sap.kyma.custom, or --sink-kind kyma-legacy"
		case strings.Contains(string(a.text), "body too large"):
			e.Reason = gateway.ReasonTooLarge
		}
	}
	return e
}

// errorType is the kind of error that Kyma's legacy route names, such as validation_violation.
func errorType(text []byte) string {
	var answer struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(text, &answer) != nil || answer.Type == "" || len(answer.Type) > 40 {
		return ""
	}
	if strings.Trim(answer.Type, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return ""
	}
	return " (" + answer.Type + ")"
}

// get asks for a path of the target and returns the status.
func (p poster) get(ctx context.Context, path string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, min(p.timeout, 5*time.Second))
	defer cancel()
	u := *p.url
	u.Path, u.RawPath, u.RawQuery = path, "", ""
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, err
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return 0, p.unreachable(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	return answer.StatusCode, nil
}

// alive asks for a path and takes every answer but a server's error for a sign of life.
func (p poster) alive(ctx context.Context, path string) error {
	status, err := p.get(ctx, path)
	if err != nil {
		return err
	}
	if status >= 500 {
		return fmt.Errorf("%s answers %d to GET %s", p.address(), status, path)
	}
	return nil
}

func tooLarge(size, limit int) error {
	if size <= limit {
		return nil
	}
	return &gateway.PublishError{Reason: gateway.ReasonTooLarge, Permanent: true,
		Detail: fmt.Sprintf("the event takes %d bytes, the target takes at most %d", size, limit)}
}

func invalid(format string, args ...any) error {
	return &gateway.PublishError{Reason: gateway.ReasonInvalid, Permanent: true, Detail: fmt.Sprintf(format, args...)}
}

// asError keeps a nil *PublishError from becoming an error that is not nil.
func asError(e *gateway.PublishError) error {
	if e == nil {
		return nil
	}
	return e
}
