package system_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// list reads the list below path and returns the items' texts.
func (f *fixture) list(t *testing.T, path, items, next string, limit int) ([]string, system.Finding) {
	t.Helper()
	auth, found := f.client.Authorize(nil, f.client.Input())
	require.True(t, found.OK())
	address, err := f.client.Resolve(path)
	require.NoError(t, err)
	var out []string
	found = f.client.List(t.Context(), auth, system.ListRequest{
		Request: httpclient.Request{URL: address}, What: "things", Items: items, Next: next, Limit: limit, Hints: f.client.Hints(auth),
		Each: func(item []byte, _ int) bool { out = append(out, string(item)); return true },
	})
	return out, found
}

func TestLists(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `{basic: {username: =param("user"), password: =param("password")}}`, nil, func(w http.ResponseWriter, r *http.Request) {
		if _, pass, _ := r.BasicAuth(); pass != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		page := r.URL.Query().Get("page")
		switch r.URL.Path {
		case "/links":
			if page == "" {
				w.Header().Set("Link", `<`+"/links?page=2"+`>; rel="next"`)
			}
			_, _ = fmt.Fprintf(w, `[%q]`, "of "+page)
		case "/paths":
			next := `"/paths?page=2"`
			if page != "" {
				next = "null"
			}
			_, _ = fmt.Fprintf(w, `{"result":{"elements":[%q],"next":%s}}`, "of "+page, next)
		case "/one":
			_, _ = fmt.Fprint(w, `{"id":1}`)
		case "/circle":
			_, _ = fmt.Fprint(w, `{"items":[1],"next":"/circle"}`)
		case "/endless":
			_, _ = fmt.Fprintf(w, `{"items":[],"next":"/endless?page=%s1"}`, page)
		case "/elsewhere":
			_, _ = fmt.Fprint(w, `{"items":[1],"next":"https://evil.example.com/"}`)
		case "/login":
			_, _ = fmt.Fprint(w, "<html>"+password+"</html>")
		default:
			http.NotFound(w, r)
		}
	})
	tests := []struct {
		name, path, items, next string
		limit                   int
		want                    []string
		reason                  string
	}{
		{"a Link header", "/links", "", "", 0, []string{`"of "`, `"of 2"`}, ""},
		{"a path to the next page", "/paths", "result.elements", "result.next", 0, []string{`"of "`, `"of 2"`}, ""},
		{"one object as a list", "/one", "[@this]", "", 0, []string{`{"id":1}`}, ""},
		{"too many", "/links", "", "", 1, []string{`"of "`}, "the system lists more than 1 things"},
		{"a circle", "/circle", "items", "next", 0, []string{"1"}, "page 2 of the listing of things: it does not end"},
		{"no end", "/endless", "items", "next", 0, nil, "it does not end"},
		{"another host", "/elsewhere", "items", "next", 0, []string{"1"}, "leads to another host (evil.example.com)"},
		{"a login page", "/login", "items", "", 0, nil, "answered with a web page, probably a login page"},
		{"no list", "/one", "items", "", 0, nil, `answered without the list "items"`},
		{"nothing", "/none", "items", "", 0, nil, "there is nothing at this address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, found := f.list(t, tt.path, tt.items, tt.next, tt.limit)
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.reason == "", found.OK())
			assert.Contains(t, found.Reason, tt.reason)
			assert.NotContains(t, found.Reason+found.Next, password)
		})
	}
}

func TestDiscoverySendsTagsAndLeavesOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "{none: {}}", map[string]string{"tags": "eu,us & ca"}, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, []string{"eu", "us & ca"}, r.URL.Query()["tags[]"], "a list is one parameter for each of its items")
		_, _ = fmt.Fprint(w, `{"items":[{"id":7,"name":"a"},{"id":8,"kind":"other"},{"name":"without id"},{"id":"`+strings.Repeat("x", 500)+`"}]}`)
	})
	items, absent, found := f.client.Discover(t.Context(), &f.definition.APIs[0])
	require.True(t, found.OK(), "%+v", found)
	assert.False(t, absent)
	require.Len(t, items, 3)
	assert.Equal(t, system.Item{ID: "7", Raw: []byte(`{"id":7,"name":"a"}`), Index: 0}, items[0])
	assert.Empty(t, items[1].ID)
	assert.Equal(t, 2, items[1].Index)
	assert.LessOrEqual(t, len(items[2].ID), 130)
}
