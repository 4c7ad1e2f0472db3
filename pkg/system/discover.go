package system

import (
	"context"
	"net/http"
	"net/url"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// maxID bounds an id in a listing of the system.
const maxID = 120

// Item is one entry of a listing of APIs.
type Item struct {
	// ID is empty where the entry has none.
	ID string
	// Raw is the entry as the system sent it; Index its position.
	Raw   []byte
	Index int
}

// Discover lists the APIs of the system that the definition includes. A finding that is not OK says why that
// was not possible to the end; absent, that the system has no such listing, which the definition allows.
func (c *Client) Discover(ctx context.Context, api *connector.API) (items []Item, absent bool, found Finding) {
	d := api.Discover
	e := Evaluator{In: c.Input()}
	path := e.Text(d.Get)
	query := url.Values{}
	for name, value := range d.Query {
		query[name] = e.List(value)
	}
	if e.Err != nil {
		return nil, false, Misconfigured("correct the definition", "the listing of APIs cannot be evaluated: %v", e.Err)
	}
	address, err := c.Resolve(path)
	if err != nil {
		return nil, false, Misconfigured("correct the definition", "the address of the listing of APIs: %v", err)
	}
	auth, f := c.Authorize(nil, c.Input())
	if !f.OK() {
		return nil, false, f
	}
	h := c.Hints(auth)
	h.Call = "discover"
	if d.Optional {
		h.WhenDisabled = "nothing: the connector can do without it"
	}
	found = c.List(ctx, auth, ListRequest{
		Request: httpclient.Request{Method: http.MethodGet, URL: WithQuery(address, query), Header: http.Header{"Accept": {"application/json"}}},
		What:    "APIs", Items: d.Items, Next: d.Next, Limit: d.Limit, Hints: h,
		Each: func(raw []byte, index int) bool {
			in := c.Input()
			in.Item, in.Index = raw, index
			include, err := d.Include.Bool(in, true)
			if err == nil && !include {
				return false
			}
			id, idErr := d.ID.Text(in)
			if err != nil || idErr != nil {
				id = ""
			}
			items = append(items, Item{ID: Printable(id, maxID), Raw: raw, Index: index})
			return true
		},
	})
	absent = found.Class == ClassDisabled && len(items) == 0
	return items, absent, found
}
