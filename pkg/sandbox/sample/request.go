package sample

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// Answer is what a gateway said.
type Answer struct {
	Status int
	Body   string
}

// Send sends the delivery to the gateway at base, such as "https://host" or "http://127.0.0.1:8080"; a
// path in base comes before the delivery's own.
func (r Request) Send(ctx context.Context, client *http.Client, base string) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, strings.TrimSuffix(base, "/")+r.Target, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("send to %s: %w", base, err)
	}
	for name, values := range r.Header {
		request.Header[name] = append([]string{}, values...)
	}
	if r.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "addonctl")
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("send the delivery: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer: %w", err)
	}
	return Answer{Status: response.StatusCode, Body: string(body)}, nil
}

// replace returns the request with every occurrence of a text replaced: in headers, target and body, in
// the last two also as forms write it.
func (r Request) replace(old, fresh string) Request {
	out := Request{Method: r.Method, Header: make(http.Header, len(r.Header))}
	plain := strings.NewReplacer(old, fresh, url.QueryEscape(old), url.QueryEscape(fresh))
	out.Target = plain.Replace(r.Target)
	out.Body = []byte(plain.Replace(string(r.Body)))
	for name, values := range r.Header {
		for _, value := range values {
			out.Header.Add(name, strings.ReplaceAll(value, old, fresh))
		}
	}
	return out
}

// input is what the definition's expressions see of the request.
func input(d *connector.Delivery, r Request, p *connector.Params) (expression.Input, error) {
	in := p.Input()
	in.Header, in.RawBody, in.Content = r.Header, r.Body, r.Body
	target, err := url.ParseRequestURI(r.Target)
	if err != nil {
		return in, err
	}
	in.Query = target.Query()
	if rest := strings.Trim(strings.TrimPrefix(target.Path, d.HTTP.Path), "/"); rest != "" {
		in.Path = strings.Split(rest, "/")
	}
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media == "application/x-www-form-urlencoded" {
		if in.Form, err = url.ParseQuery(string(r.Body)); err != nil {
			return in, err
		}
	}
	if d.Content.IsSet() {
		content, err := d.Content.Text(in)
		if err != nil {
			return in, err
		}
		in.Content = []byte(content)
	}
	return in, nil
}
