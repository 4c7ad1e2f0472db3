package registration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

const (
	defaultItems    = 1000
	maxPages        = 500
	maxListing      = 32 << 20 // bytes of all pages of a listing together
	maxListingBytes = 8 << 20  // bytes of one page
)

// listing is what a discovery found.
type listing struct {
	candidates []*candidate
	// found is why the listing could not be read to its end; active where it could.
	found finding
	// absent says that the system has no such listing, which the definition allows.
	absent bool
}

// discover lists APIs from the system, page after page.
func (p *prober) discover(ctx context.Context, api *connector.API) listing {
	d := api.Discover
	e := evaluator{in: p.system.in}
	path := e.text(d.Get)
	query := url.Values{}
	for name, value := range d.Query {
		query[name] = e.list(value)
	}
	if e.err != nil {
		return listing{found: misconfigured("correct the definition", "the listing of APIs cannot be evaluated: %v", e.err)}
	}
	address, err := p.system.resolve(path)
	if err != nil {
		return listing{found: misconfigured("correct the definition", "the address of the listing of APIs: %v", err)}
	}
	auth, f := p.system.authorize(nil, p.system.in)
	if f.class != ClassActive {
		return listing{found: f}
	}
	h := hints{system: p.system.hint, credentials: auth.hint}
	if d.Optional {
		h.whenDisabled = "nothing: the connector can do without it"
	}
	limit := d.Limit
	if limit <= 0 {
		limit = defaultItems
	}
	var out listing
	seen, size, index := map[string]bool{}, 0, 0
	next := withQuery(address, query)
	for page := 1; ; page++ {
		seen[normal(next)] = true
		body, f := p.page(ctx, next, auth, h)
		if f.class != ClassActive {
			if f.class == ClassDisabled && page == 1 {
				out.absent = true
			}
			out.found = f
			return out
		}
		size += len(body)
		list, ok := items(body, d.Items)
		if !ok {
			out.found = finding{ClassMalformed, fmt.Sprintf("GET %s answered without the list %q", httpclient.Address(next), d.Items), "correct the definition"}
			return out
		}
		for _, item := range list {
			if len(out.candidates) >= limit {
				out.found = misconfigured("raise the limit in the definition", "the system lists more than %d APIs", limit)
				return out
			}
			if c := p.item(api, []byte(item), index); c != nil {
				out.candidates = append(out.candidates, c)
			}
			index++
		}
		link := ""
		if d.Next != "" {
			link = gjson.GetBytes(body, d.Next).String()
		}
		if link == "" {
			return out
		}
		if next, err = p.follow(next, link); err == nil && (seen[normal(next)] || page >= maxPages || size > maxListing) {
			err = fmt.Errorf("it does not end")
		}
		if err != nil {
			out.found = finding{ClassMalformed, fmt.Sprintf("page %d of the listing of APIs: %v", page+1, err), "ask the vendor of the system"}
			return out
		}
	}
}

// items are the raw elements of the list at path; the document itself where path is empty.
func items(body []byte, path string) (raw []string, ok bool) {
	list := gjson.ParseBytes(body)
	if path != "" {
		list = gjson.GetBytes(body, path)
	}
	if !list.IsArray() {
		return nil, false
	}
	list.ForEach(func(_, item gjson.Result) bool {
		raw = append(raw, item.Raw)
		return true
	})
	return raw, true
}

// item makes a candidate of one entry; nil where the definition leaves it out.
func (p *prober) item(api *connector.API, raw []byte, index int) *candidate {
	in := p.system.in
	in.Item, in.Index = raw, index
	include, err := api.Discover.Include.Bool(in, true)
	if err == nil && !include {
		return nil
	}
	id, idErr := api.Discover.ID.Text(in)
	id = printable(id, maxName)
	if err != nil || idErr != nil || id == "" {
		return &candidate{api: api, id: fmt.Sprintf("item-%d", index), name: fmt.Sprintf("item %d of the listing", index),
			found: finding{ClassMalformed, "an entry of the listing of APIs has no id", "ask the vendor of the system, or correct the definition"}}
	}
	return p.system.candidate(api, id, in)
}

// page reads one page of a listing.
func (p *prober) page(ctx context.Context, address string, auth *authorization, h hints) ([]byte, finding) {
	request := httpclient.Request{Method: http.MethodGet, URL: address, Header: http.Header{"Accept": {"application/json"}}, MaxBody: maxListingBytes}
	if f, ok := p.sign(ctx, auth, &request); !ok {
		return nil, f
	}
	answer, err := p.http.Do(ctx, request)
	if err != nil {
		return nil, judgeError(err, h)
	}
	if f := judgeStatus(request, answer, []int{http.StatusOK}, h); f.class != ClassActive {
		return nil, f
	}
	if !json.Valid(answer.Body) {
		what := "no JSON"
		if isWebPage(answer.Body) {
			what = errWebPage.Error()
		}
		return nil, finding{ClassMalformed, fmt.Sprintf("GET %s answered with %s", httpclient.Address(address), what), "check " + h.system + " and " + h.credentials}
	}
	return answer.Body, finding{}
}

// follow makes a complete address of a link to the next page. It must stay at the system: the link comes
// from outside, and the call carries credentials.
func (p *prober) follow(current, link string) (string, error) {
	base, err := url.Parse(current)
	if err != nil {
		return "", fmt.Errorf("the address cannot be parsed")
	}
	target, err := base.Parse(link)
	if err != nil {
		return "", fmt.Errorf("its address cannot be parsed")
	}
	return p.system.resolve(target.String())
}

// normal makes equal what differs only in how its query is written.
func normal(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.RawQuery = u.Query().Encode()
	return u.String()
}

func withQuery(address string, query url.Values) string {
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
