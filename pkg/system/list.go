package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// Bounds of a listing.
const (
	DefaultItems = 1000
	maxPages     = 500
	maxListing   = 32 << 20 // bytes of all pages of a listing together
	maxPage      = 8 << 20  // bytes of one page
)

// ListRequest asks for a list that the system gives page by page.
type ListRequest struct {
	// Request is the call for the first page; further pages differ in their address only.
	Request httpclient.Request
	// What names the items in sentences, such as: APIs.
	What string
	// Items is the gjson path of the list in a page; empty means that the page is the list.
	Items string
	// Next is the gjson path of the address of the next page. Without it, a Link header of relation "next"
	// says where the list goes on.
	Next string
	// Limit is the greatest number of items that count; 0 means DefaultItems. More are a finding or, with
	// Enough, the end.
	Limit  int
	Enough bool
	Hints  Hints
	// Each gets every item, and says whether it counts.
	Each func(item []byte, index int) bool
}

// List reads a list to its end. A Finding that is not OK says why that was not possible: then the items so
// far are a part of the list only.
func (c *Client) List(ctx context.Context, a *Authorization, l ListRequest) Finding {
	if l.Limit <= 0 {
		l.Limit = DefaultItems
	}
	if l.Request.Method == "" {
		l.Request.Method = http.MethodGet
	}
	l.Request.MaxBody = maxPage
	seen, size, index, counted := map[string]bool{}, 0, 0, 0
	request := l.Request
	for page := 1; ; page++ {
		seen[normal(request.URL)] = true
		answer, f := c.page(ctx, a, request, l.Hints)
		if !f.OK() {
			return f
		}
		size += len(answer.Body)
		list, ok := listIn(answer.Body, l.Items)
		if !ok {
			return Finding{Class: ClassMalformed, Reason: fmt.Sprintf("%s %s answered without the list %q", request.Method, httpclient.Address(request.URL), l.Items), Next: "correct the definition"}
		}
		full := false
		list.ForEach(func(_, item gjson.Result) bool {
			if full = counted >= l.Limit; full {
				return false
			}
			if l.Each([]byte(item.Raw), index) {
				counted++
			}
			index++
			return true
		})
		switch {
		case full && l.Enough:
			return Finding{}
		case full:
			return Misconfigured("raise the limit in the definition", "the system lists more than %d %s", l.Limit, l.What)
		}
		link := nextPage(answer, l.Next)
		if link == "" {
			return Finding{}
		}
		next, err := c.follow(request.URL, link)
		if err == nil && (seen[normal(next)] || page >= maxPages || size > maxListing) {
			err = errors.New("it does not end")
		}
		if err != nil {
			return Finding{Class: ClassMalformed, Reason: fmt.Sprintf("page %d of the listing of %s: %v", page+1, l.What, err), Next: "ask the vendor of the system"}
		}
		request.URL = next
	}
}

// page reads one page of a listing.
func (c *Client) page(ctx context.Context, a *Authorization, request httpclient.Request, h Hints) (*httpclient.Response, Finding) {
	answer, f := c.Do(ctx, a, request, h)
	if !f.OK() {
		return nil, f
	}
	if f := JudgeStatus(request, answer, []int{http.StatusOK}, h); !f.OK() {
		return nil, f
	}
	if !json.Valid(answer.Body) {
		what := "no JSON"
		if IsWebPage(answer.Body) {
			what = ErrWebPage.Error()
		}
		return nil, Finding{Class: ClassMalformed, Reason: fmt.Sprintf("%s %s answered with %s", request.Method, httpclient.Address(request.URL), what), Next: "check " + h.both()}
	}
	return answer, Finding{}
}

// listIn is the list at path; the document itself where path is empty.
func listIn(body []byte, path string) (list gjson.Result, ok bool) {
	list = gjson.ParseBytes(body)
	if path != "" {
		list = gjson.GetBytes(body, path)
	}
	return list, list.IsArray()
}

// nextPage is the link to the next page; empty at the end.
func nextPage(answer *httpclient.Response, path string) string {
	if path != "" {
		return gjson.GetBytes(answer.Body, path).String()
	}
	for _, header := range answer.Header.Values("Link") {
		if link := nextLink(header); link != "" {
			return link
		}
	}
	return ""
}

// nextLink finds the target of relation "next" in a Link header (RFC 8288).
func nextLink(header string) string {
	for header != "" {
		_, rest, ok := strings.Cut(header, "<")
		if !ok {
			return ""
		}
		target, rest, ok := strings.Cut(rest, ">")
		if !ok {
			return ""
		}
		parameters, rest, _ := strings.Cut(rest, "<")
		for parameter := range strings.SplitSeq(strings.TrimRight(strings.TrimSpace(parameters), ","), ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
			if strings.EqualFold(name, "rel") && strings.EqualFold(strings.Trim(strings.TrimSpace(value), `"`), "next") {
				return target
			}
		}
		header = "<" + rest
		if rest == "" {
			return ""
		}
	}
	return ""
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
