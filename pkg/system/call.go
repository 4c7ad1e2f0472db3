package system

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// Do makes a call with credentials. It judges only whether there is an answer at all, and whether the token
// that the call needs could be had; the status is the caller's to judge. A call that is not idempotent is not
// repeated.
func (c *Client) Do(ctx context.Context, a *Authorization, request httpclient.Request, h Hints) (*httpclient.Response, Finding) {
	signed, f := c.authorize(ctx, a, request)
	if !f.OK() {
		return nil, f
	}
	client := c.http
	if a.client != nil {
		client = a.client
	}
	answer, err := client.Do(ctx, signed)
	if err != nil {
		return nil, JudgeError(err, h)
	}
	return answer, Finding{}
}

// authorize adds to a request everything that signs it in.
func (c *Client) authorize(ctx context.Context, a *Authorization, request httpclient.Request) (httpclient.Request, Finding) {
	request.Header = request.Header.Clone()
	if request.Header == nil {
		request.Header = http.Header{}
	}
	for name, values := range a.Headers {
		request.Header[name] = revealAll(values)
	}
	if len(a.Query) > 0 {
		u, err := url.Parse(request.URL)
		if err != nil {
			return request, Misconfigured("check the definition", "the address of a call cannot be parsed")
		}
		query := u.Query()
		for name, values := range a.Query {
			query[name] = revealAll(values)
		}
		u.RawQuery = query.Encode()
		request.URL = u.String()
	}
	if a.Basic != nil {
		request.Header.Set("Authorization", basicHeader(a.Basic.Username, a.Basic.Password.Reveal()))
	}
	if a.OAuth != nil {
		token, f := c.tokens.get(ctx, c.http, a)
		if !f.OK() {
			return request, f
		}
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	request.Sign = a.sign
	return request, Finding{}
}

// errNoSignature keeps what goes wrong in making a signature, which may speak of the key, out of errors.
var errNoSignature = errors.New("the call cannot be signed")
