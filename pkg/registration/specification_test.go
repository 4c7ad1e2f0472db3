package registration_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
)

const openAPI = `{"paths":{"/a":{"get":{"tags":["x",1,null,true,[{}]]}}},"openapi":"3.0.3","info":{"title":"x"}}`

// TestSpecificationsThatAreNone: an API whose specification cannot be had is registered without it, and says why; the
// others are registered with theirs.
func TestSpecificationsThatAreNone(t *testing.T) {
	t.Parallel()
	const html = "<!DOCTYPE html><html><title>Sign in " + sentinel + "</title></html>"
	var stolen atomic.Int64
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stolen.Add(1)
		answer(200, openAPI)(w, r)
	}))
	t.Cleanup(elsewhere.Close)
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/"+sentinel, http.StatusFound)
	}
	tests := []struct {
		name, kind string
		handler    http.HandlerFunc
		note       string // none where it is empty
	}{
		{"JSON", "openapi", answer(200, openAPI), ""},
		{"JSON with a long text", "openapi", answer(200, `{"info":{"description":"`+strings.Repeat("x", 5<<20)+`"},"openapi":"3.0.0"}`), ""},
		{"JSON with a mark of its encoding", "openapi", answer(200, "\xef\xbb\xbf"+openAPI), ""},
		{"YAML", "openapi", answer(200, "# a comment\ninfo: {}\nopenapi: 3.0.0\n"), ""},
		{"YAML, quoted", "openapi", answer(200, "'swagger' : '2.0'\n"), ""},
		{"EDMX", "odata", answer(200, `<edmx:Edmx><edmx:DataServices><Schema><EntityContainer><EntitySet/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>`), ""},
		{"EDMX behind a comment", "odata", answer(200, "<?xml version='1.0'?><!-- c --><Edmx/>"), ""},
		{"XML for EDMX", "odata", answer(200, "<service/>"), "answered 200 with no OData metadata"},
		{"an XML bomb for EDMX", "odata", answer(200, `<!DOCTYPE Edmx [<!ENTITY a "x">]><Edmx>&a;</Edmx>`), "answered 200 with no OData metadata"},
		{"anything of REST", "rest", answer(200, "Call us."), ""},
		{"at another place of the host", "openapi", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/moved.json", http.StatusFound) }, ""},
		{"a login page", "openapi", answer(200, html), "answered 200 with a web page, probably a login page"},
		{"a login page of REST", "rest", answer(200, " \n"+html), "answered 200 with a web page, probably a login page"},
		{"a login page for EDMX", "odata", answer(200, html), "answered 200 with a web page, probably a login page"},
		{"a redirect to another host", "openapi", redirect, "answered 302: a redirect to the host 127.0.0.1"},
		{"not there", "openapi", answer(404, sentinel), "answered 404: there is nothing at this address"},
		{"refused", "openapi", answer(403, sentinel), "answered 403"},
		{"broken", "openapi", answer(500, sentinel), "answered 500"},
		{"empty", "openapi", answer(200, " \n"), "answered 200 with an empty document"},
		{"an error with 200", "openapi", answer(200, `{"error":"`+sentinel+`"}`), "answered 200 with no OpenAPI document"},
		{"half of it", "openapi", answer(200, openAPI[:len(openAPI)-9]), "answered 200 with no OpenAPI document"},
		{"a text", "openapi", answer(200, "see openapi: "+sentinel), "answered 200 with no OpenAPI document"},
		{"deep", "openapi", answer(200, `{"openapi":`+strings.Repeat("[", 1<<20)), "answered 200 with no OpenAPI document"},
		{"JSON for EDMX", "odata", answer(200, "see there"), "answered 200 with no OData metadata"},
		{"cut", "openapi", raw("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + openAPI[:20]), "closed before the answer was complete"},
	}
	for _, at := range []string{"path", "url"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			parts := "apis:\n"
			for i, tt := range tests {
				parts += fmt.Sprintf("  - {id: a%d, name: A%d, kind: %s, path: /a%d/, specification: {%s}}\n", i, i, tt.kind, i,
					map[string]string{"path": fmt.Sprintf("path: /spec%d", i), "url": fmt.Sprintf(`url: '=param("system_url") + "/spec%d"'`, i)}[at])
			}
			f := newFixture(t, parts)
			f.deps.HTTP = httpclient.New(httpclient.Options{
				Timeout: time.Minute, Transport: trusting(f.system), Retry: httpclient.Retry{Attempts: 1},
			})
			register := map[string]func(string, http.HandlerFunc){"path": f.system.on, "url": f.system.open}[at]
			register("/moved.json", answer(200, openAPI))
			for i, tt := range tests {
				f.system.on("/a"+strconv.Itoa(i)+"/", answer(200, serviceDocument))
				register("/spec"+strconv.Itoa(i), tt.handler)
			}
			report := f.run(t)
			require.Len(t, f.catalog.Entries(), len(tests), "%v", outcomes(report))
			api := map[string]*registration.API{}
			for _, entry := range f.catalog.Entries() {
				api[entry.Service.ID] = entry.Service.API
			}
			for i, tt := range tests {
				got := row(t, report, "a"+strconv.Itoa(i))
				assert.Equal(t, registration.OutcomeRegistered, got.Outcome, "%s: %+v", tt.name, got)
				if tt.note == "" {
					assert.Empty(t, got.Note, tt.name)
					assert.Equal(t, f.system.URL+"/spec"+strconv.Itoa(i), api[got.ServiceID].SpecificationURL, tt.name)
					continue
				}
				assert.Contains(t, got.Note, "its specification is left out: ", tt.name)
				assert.Contains(t, got.Note, tt.note, tt.name)
				assert.Empty(t, api[got.ServiceID].SpecificationURL, tt.name)
			}
			assert.Zero(t, report.ExitCode(registration.FailOnAny), "the APIs can be called")
			var text strings.Builder
			require.NoError(t, report.WriteText(&text))
			require.NoError(t, report.WriteJSON(&text))
			assert.NotContains(t, text.String()+f.logs.String(), sentinel, "what the system says is not repeated")
			assert.NotContains(t, text.String()+f.logs.String(), password)
		})
	}
	t.Cleanup(func() { assert.Zero(t, stolen.Load(), "no redirect to another host is followed") })
}

// over never ends: the same piece over and over.
type over struct {
	piece []byte
	at    int
}

func (o *over) Read(p []byte) (n int, err error) {
	for n < len(p) {
		copied := copy(p[n:], o.piece[o.at:])
		n, o.at = n+copied, (o.at+copied)%len(o.piece)
	}
	return n, nil
}

// TestEndlessSpecifications are read to the limit, and no more. Without a network, which would take most of the time.
func TestEndlessSpecifications(t *testing.T) {
	t.Parallel()
	const limit = 64 << 20
	f := newFixture(t, `apis: [
  {id: text, name: Text, kind: openapi, path: /a, specification: {path: /a/spec}},
  {id: again, name: Again, kind: openapi, path: /b, specification: {path: /b/spec}},
  {id: more, name: More, kind: openapi, path: /c, specification: {path: /c/spec}}]`)
	begin := make(chan string, 3)
	begin <- `{"openapi":"`
	begin <- "info: "
	begin <- `{"openapi":"3.0.0","tags":["`
	l := &library{document: func() io.Reader {
		return io.LimitReader(io.MultiReader(strings.NewReader(<-begin), &over{piece: []byte(strings.Repeat(sentinel, 1<<10))}), limit+1<<20)
	}}
	f.deps.HTTP = httpclient.New(httpclient.Options{Transport: l, Timeout: time.Minute, Retry: httpclient.Retry{Attempts: 1}})
	f.options.Parallel = 1
	report := f.run(t)
	for _, id := range []string{"text", "again", "more"} {
		assert.Equal(t, registration.OutcomeRegistered, row(t, report, id).Outcome)
		assert.Contains(t, row(t, report, id).Note, "larger than 67108864 bytes", id)
	}
	assert.InDelta(t, 3<<20, l.unread, 1<<20, "what is beyond the limit stays unread")
}

// TestOneDocumentForManyAPIs is read once, unless they sign in in different ways.
func TestOneDocumentForManyAPIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [
  {id: a, name: A, kind: openapi, path: /a, specification: {path: /spec}},
  {id: b, name: B, kind: openapi, path: /b, specification: {path: /spec}},
  {id: c, name: C, kind: openapi, path: /c, specification: {path: /spec}, auth: {basic: {username: =param("basic_user"), password: =param("basic_password")}}},
  {id: d, name: D, kind: openapi, path: /d, specification: {url: '=param("system_url") + "/public"'}},
  {id: e, name: E, kind: openapi, path: /e, specification: {url: '=param("system_url") + "/public"'}}]`)
	for _, path := range []string{"/a", "/b", "/c", "/d", "/e"} {
		f.system.on(path, answer(200, "{}"))
	}
	f.system.on("/spec", answer(404, ""))
	f.system.open("/public", answer(200, openAPI))
	report := f.run(t)
	for id, left := range map[string]bool{"a": true, "b": true, "c": true, "d": false, "e": false} {
		assert.Equal(t, left, row(t, report, id).Note != "", id)
	}
	assert.Equal(t, 2, f.system.called("/spec"))
	assert.Equal(t, 1, f.system.called("/public"))
}

// TestASpecificationThatNeverComes keeps nobody waiting for long.
func TestASpecificationThatNeverComes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [{id: a, name: A, kind: openapi, path: /a, specification: {path: /spec}}]`)
	f.deps.HTTP = httpclient.New(httpclient.Options{Timeout: 2 * time.Second, Transport: trusting(f.system)})
	f.system.on("/a", answer(200, "{}"))
	f.system.on("/spec", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	report := f.run(t)
	assert.Equal(t, []string{"a registered"}, outcomes(report))
	assert.Contains(t, row(t, report, "a").Note, "no complete answer in time")
	assert.Equal(t, 1, f.system.called("/spec"))
}

// TestASpecificationThatComesBack: the next run looks again, and writes only when there is something new.
func TestASpecificationThatComesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [{id: a, name: A, kind: openapi, path: /a, specification: {path: /spec}}]`)
	f.system.on("/a", answer(200, "{}"))
	f.system.on("/spec", answer(503, ""))
	report := f.run(t)
	assert.Equal(t, []string{"a registered"}, outcomes(report))
	report = f.run(t)
	assert.Equal(t, []string{"a unchanged"}, outcomes(report))
	assert.Zero(t, report.Writes)
	assert.Contains(t, row(t, report, "a").Note, "its specification is left out", "it still is")

	f.system.on("/spec", answer(200, openAPI))
	report = f.run(t)
	assert.Equal(t, []string{"a updated"}, outcomes(report))
	assert.Empty(t, row(t, report, "a").Note)
	assert.Equal(t, f.system.URL+"/spec", f.catalog.Entries()[0].Service.API.SpecificationURL)

	before := f.system.called("/spec")
	f.system.on("/spec", answer(503, ""))
	assert.Equal(t, []string{"a unchanged"}, outcomes(f.run(t)))
	assert.Equal(t, before, f.system.called("/spec"), "what is registered is not asked for again")
}

// fetching is a Catalog on a Kyma that fetches specifications itself.
type fetching struct{ *registrationtest.Catalog }

func (fetching) FetchesSpecifications() {}

// TestMetadataIsLookedAtWhereKymaFetchesIt: elsewhere nobody reads it, and the service document has answered.
func TestMetadataIsLookedAtWhereKymaFetchesIt(t *testing.T) {
	t.Parallel()
	const parts = `apis: [
  {id: a, name: A, kind: odata, path: /a/, specification: {metadata: true}},
  {id: b, name: B, kind: odata, path: /b/, specification: {metadata: true}, probe: {metadata: true}}]`
	for _, fetches := range []bool{true, false} {
		f := newFixture(t, parts)
		if fetches {
			f.deps.Catalog = fetching{f.catalog}
		}
		f.system.on("/a/", answer(200, serviceDocument))
		f.system.on("/a/$metadata", answer(200, "<html>"))
		f.system.on("/b/$metadata", answer(200, `<Edmx><DataServices><Schema><EntityContainer><EntitySet/></EntityContainer></Schema></DataServices></Edmx>`))
		report := f.run(t)
		assert.Equal(t, []string{"a registered", "b registered"}, outcomes(report))
		assert.Equal(t, fetches, strings.Contains(row(t, report, "a").Note, "login page"), "%+v", row(t, report, "a"))
		assert.Equal(t, 1, f.system.called("/b/$metadata"), "the probe has read it")
	}
}
