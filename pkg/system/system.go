// Package system is the external system as a definition describes it: its address, every way to sign in
// to it, its lists, and what its answers mean for the person who has to act.
package system

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// Client calls the system. It is safe for concurrent use; access tokens are kept and shared.
type Client struct {
	definition *connector.Definition
	params     *connector.Params
	in         expression.Input
	base       string
	hint       string
	http       *httpclient.Client
	tokens     tokens
}

// New evaluates and checks the system's address. It makes no call. Where the Finding is not OK there is no
// Client.
func New(d *connector.Definition, params *connector.Params, http *httpclient.Client) (*Client, Finding) {
	c := &Client{definition: d, params: params, in: params.Input(), http: http, hint: Named(d.System.URL.Parameters(), "the system's URL in the definition")}
	base, err := d.System.URL.Text(c.in)
	if err != nil {
		return nil, Misconfigured("check "+c.hint, "the system's URL cannot be evaluated: %v", err)
	}
	next := "check " + c.hint + ": it must look like https://host"
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, Misconfigured(next, "the system's URL cannot be parsed")
	case u.Scheme != "https":
		return nil, Misconfigured(next, "the system's URL does not begin with https://")
	case u.Hostname() == "":
		return nil, Misconfigured(next, "the system's URL has no host")
	case u.User != nil:
		return nil, Misconfigured(next+" without user and password", "the system's URL has credentials in it")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, Misconfigured(next, "the system's URL has a query or a fragment")
	}
	c.base = strings.TrimRight(base, "/")
	return c, Finding{}
}

// Base is the system's address, without a slash at its end.
func (c *Client) Base() string { return c.base }

// Hint names the parameters that the address is made of.
func (c *Client) Hint() string { return c.hint }

// Input is what expressions see of the parameters.
func (c *Client) Input() expression.Input { return c.in }

// Hints are those for calls with the given credentials.
func (c *Client) Hints(a *Authorization) Hints { return Hints{System: c.hint, Credentials: a.Hint} }

// Resolve makes a complete address of a path below the system, or of a complete address at the system. Any
// other host is an error: calls carry credentials.
func (c *Client) Resolve(path string) (string, error) {
	address := path
	if !strings.Contains(path, "://") {
		address = c.base
		if path != "" {
			address += "/" + strings.TrimLeft(path, "/")
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("the path cannot be parsed")
	}
	base, err := url.Parse(c.base)
	if err != nil {
		return "", errors.New("the system's URL cannot be parsed")
	}
	if u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil {
		return "", fmt.Errorf("it leads to another host (%s)", Printable(u.Host, 100))
	}
	return address, nil
}

// Check finds what is wrong with an address elsewhere that Kyma is going to call, as far as that can be seen.
func (c *Client) Check(address string) error { return c.http.Check(address) }

// follow makes a complete address of a link in an answer. It must stay at the system, too.
func (c *Client) follow(current, link string) (string, error) {
	base, err := url.Parse(current)
	if err != nil {
		return "", errors.New("the address cannot be parsed")
	}
	target, err := base.Parse(link)
	if err != nil {
		return "", errors.New("its address cannot be parsed")
	}
	return c.Resolve(target.String())
}

// WithQuery adds parameters to the query of an address; those of the same name are replaced.
func WithQuery(address string, query url.Values) string {
	if len(query) == 0 {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	all := u.Query()
	for name, values := range query {
		all[name] = values
	}
	u.RawQuery = all.Encode()
	return u.String()
}
