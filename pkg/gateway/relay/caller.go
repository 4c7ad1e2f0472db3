package relay

import (
	"context"
	"net/http"
	"net/url"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// Request is a call to the system.
type Request struct {
	Method string
	// Path is below the system's address.
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
}

// Caller calls the system with its credentials. It repeats nothing.
type Caller interface {
	// Call returns the answer, whatever its status. Without an answer it is a *gateway.PublishError.
	Call(ctx context.Context, r Request) (*httpclient.Response, error)
	// Address is what may be shown of the address of a path: no credentials, no query.
	Address(path string) string
}

// NewCaller makes a Caller of the definition's system. The client must not repeat calls by itself.
func NewCaller(d *connector.Definition, params *connector.Params, client *httpclient.Client) (Caller, error) {
	s, found := system.New(d, params, client)
	if !found.OK() {
		return nil, findingError(found)
	}
	authorization, found := s.Authorize(nil, params.Input())
	if !found.OK() {
		return nil, findingError(found)
	}
	return &caller{system: s, authorization: authorization}, nil
}

type caller struct {
	system        *system.Client
	authorization *system.Authorization
}

// Call implements Caller.
func (c *caller) Call(ctx context.Context, r Request) (*httpclient.Response, error) {
	address, err := c.system.Resolve(r.Path)
	if err != nil {
		return nil, &gateway.PublishError{Reason: gateway.ReasonMisconfigured, Detail: "the path of the call", Err: err}
	}
	request := httpclient.Request{Method: r.Method, URL: system.WithQuery(address, r.Query), Header: r.Header, Body: r.Body}
	answer, found := c.system.Do(ctx, c.authorization, request, c.system.Hints(c.authorization))
	if found.OK() && answer.Status == http.StatusUnauthorized && c.system.Forget(c.authorization) {
		answer, found = c.system.Do(ctx, c.authorization, request, c.system.Hints(c.authorization))
	}
	if !found.OK() {
		return nil, findingError(found)
	}
	return answer, nil
}

// Address implements Caller.
func (c *caller) Address(path string) string {
	address, err := c.system.Resolve(path)
	if err != nil {
		return ""
	}
	return httpclient.Address(address)
}

var findings = map[system.Class]gateway.Reason{
	system.ClassUnreachable: gateway.ReasonConnection, system.ClassUnauthorized: gateway.ReasonUnauthorized,
	system.ClassMisconfigured: gateway.ReasonMisconfigured, system.ClassMalformed: gateway.ReasonMisconfigured,
}

// findingError is worth repeating in every case: what is wrong with the way is mended some day, and the event
// has nothing to do with it.
func findingError(f system.Finding) *gateway.PublishError {
	reason, ok := findings[f.Class]
	if !ok {
		reason = gateway.ReasonUnavailable
	}
	detail := f.Reason
	if f.Next != "" {
		detail += ": " + f.Next
	}
	return &gateway.PublishError{Reason: reason, Detail: detail}
}
