package registration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// One API, one answer of the system: what becomes of it, and with which exit code.
func TestProbeOutcomes(t *testing.T) {
	t.Parallel()
	const (
		odata    = `apis: [{id: a, name: A, kind: odata, path: /svc}]`
		optional = `apis: [{id: a, name: A, kind: odata, path: /svc/, whenDisabled: tick the service}]`
		rest     = `apis: [{id: a, name: A, kind: rest, path: /svc}]`
		expect   = `apis: [{id: a, name: A, kind: openapi, path: /svc, probe: {path: /whoami, expect: '=response("result.id") != ""'}}]`
		status   = `apis: [{id: a, name: A, kind: rest, path: /svc, probe: {method: HEAD, status: [204, 405]}}]`
		login    = `<!DOCTYPE html><html><head><title>Log in</title></head></html>`
		atom     = `<?xml version="1.0" encoding="utf-8"?><service xmlns="http://www.w3.org/2007/app"><workspace><title>x</title><collection href="Orders"><title>Orders</title></collection></workspace></service>`
	)
	tests := []struct {
		name, parts, path string
		status            int
		body              string
		outcome           registration.Outcome
		class             registration.Class
		exit              int
		reason            string
	}{
		{"odata 2 as JSON", odata, "/svc/", 200, serviceDocument, "registered", "", 0, ""},
		{"odata as Atom", odata, "/svc/", 200, atom, "registered", "", 0, ""},
		{"odata 4", odata, "/svc/", 200, `{"@odata.context":"$metadata","value":[{"name":"Orders","url":"Orders"}]}`, "registered", "", 0, ""},
		{"odata without entity sets", odata, "/svc/", 200, `{"d":{"EntitySets":[]}}`, "failed", "disabled", 2, "a service that offers nothing"},
		{"odata that is JSON of something else", odata, "/svc/", 200, `{"status":"ok"}`, "failed", "malformed", 2, "no OData service document"},
		{"odata cut in half", odata, "/svc/", 200, serviceDocument[:20], "failed", "malformed", 2, "no OData service document"},
		{"odata empty", odata, "/svc/", 200, "", "failed", "malformed", 2, "an empty document"},
		{"a login page is no success", odata, "/svc/", 200, login, "failed", "malformed", 2, "a login page"},
		{"neither for other kinds", rest, "/svc", 200, login, "failed", "malformed", 2, "a login page"},
		{"not offered", optional, "/svc/", 404, "", "failed", "disabled", 2, "does not offer it"},
		{"not enabled", optional, "/svc/", 403, "", "failed", "disabled", 2, "not enabled"},
		{"nothing there", odata, "/svc/", 404, "", "failed", "misconfigured", 2, "nothing at this address"},
		{"not permitted", odata, "/svc/", 403, "", "failed", "unauthorized", 2, "may not call it"},
		{"wrong password", odata, "/svc/", 401, "", "failed", "unauthorized", 2, "refuses the credentials"},
		{"overloaded", odata, "/svc/", 503, "", "failed", "unreachable", 1, "answered 503"},
		{"too many", odata, "/svc/", 429, "", "failed", "unreachable", 1, "answered 429"},
		{"teapot", odata, "/svc/", 418, "", "failed", "misconfigured", 2, "answered 418"},
		{"too long", odata, "/svc/", 200, "{" + strings.Repeat(" ", 5<<20), "failed", "malformed", 2, "larger than"},
		{"rest", rest, "/svc", 200, `anything`, "registered", "", 0, ""},
		{"rest of another status", rest, "/svc", 204, "", "failed", "misconfigured", 2, "answered 204"},
		{"expected", expect, "/whoami", 200, `{"result":{"id":"u1"}}`, "registered", "", 0, ""},
		{"not what is expected", expect, "/whoami", 200, `{"result":null}`, "failed", "malformed", 2, "not what the definition expects"},
		{"not expected at all", expect, "/whoami", 503, `{}`, "failed", "unreachable", 1, "answered 503"},
		{"one of several statuses", status, "/svc", 405, "", "registered", "", 0, ""},
		{"none of several statuses", status, "/svc", 200, "", "failed", "misconfigured", 2, "HEAD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tt.parts)
			f.system.on(tt.path, answer(tt.status, tt.body))
			report := f.run(t)
			got := row(t, report, "a")
			assert.Equal(t, tt.outcome, got.Outcome, "%+v", got)
			assert.Equal(t, tt.class, got.Class)
			assert.Contains(t, got.Reason, tt.reason)
			assert.Equal(t, tt.exit, report.ExitCode(registration.FailOnAny))
			if tt.class == registration.ClassMisconfigured || tt.class == registration.ClassUnauthorized {
				assert.Contains(t, got.Next, "parameter", "the next step names what to correct")
			}
		})
	}
}

func TestARedirectToAnotherHostIsALoginPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [{id: a, name: A, kind: odata, path: /svc/}]`)
	f.system.on("/svc/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://login.example/sso?back="+r.URL.Path, http.StatusFound)
	})
	got := row(t, f.run(t), "a")
	assert.Equal(t, registration.ClassMalformed, got.Class)
	assert.Contains(t, got.Reason, "a redirect to the host login.example, probably to a login page")
}

func TestUnreachableSystems(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [{id: a, name: A, kind: odata, path: /svc/}]`)
	f.system.Close()
	report := f.run(t)
	got := row(t, report, "a")
	assert.Equal(t, registration.ClassUnreachable, got.Class)
	assert.Contains(t, got.Next, `the parameter "system_url"`)
	assert.Equal(t, 1, report.ExitCode(registration.FailOnAny))
}

func TestUntrustedCertificates(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [{id: a, name: A, kind: odata, path: /svc/}]`)
	f.deps.HTTP = untrusting()
	report := f.run(t)
	got := row(t, report, "a")
	assert.Equal(t, registration.ClassMisconfigured, got.Class)
	assert.Contains(t, got.Next, "SSL_CERT_FILE")
	assert.Equal(t, 2, report.ExitCode(registration.FailOnAny))
}

func TestPathAlternatives(t *testing.T) {
	t.Parallel()
	const parts = `apis: [{id: a, name: A, kind: odata, path: ['=param("old_path")', /new/, /other/], csrf: true, whenDisabled: enable it, specification: {metadata: true}}]`
	ok := answer(200, serviceDocument)
	tests := []struct {
		name   string
		params []string
		serve  map[string]http.HandlerFunc
		want   string // path below the system; empty: not active
		class  registration.Class
	}{
		{"an alternative without a value is left out", nil, map[string]http.HandlerFunc{"/new/": ok}, "/new/", ""},
		{"the first that answers", []string{"old_path=/old"}, map[string]http.HandlerFunc{"/old/": ok, "/new/": ok}, "/old/", ""},
		{"not offered: the next", nil, map[string]http.HandlerFunc{"/other/": ok}, "/other/", ""},
		{"down: no other takes its place by chance", nil, map[string]http.HandlerFunc{"/new/": answer(503, ""), "/other/": ok}, "", "unreachable"},
		{"what is wrong counts more than what is missing", []string{"old_path=/old"}, map[string]http.HandlerFunc{"/new/": answer(400, "")}, "", "misconfigured"},
		{"none", nil, nil, "", "disabled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, parts, tt.params...)
			for path, handler := range tt.serve {
				f.system.on(path, handler)
			}
			got := row(t, f.run(t), "a")
			assert.Equal(t, tt.class, got.Class)
			if tt.want == "" {
				assert.Empty(t, f.catalog.Entries())
				return
			}
			service := f.catalog.Entries()[0].Service
			assert.Equal(t, f.system.URL+tt.want, service.API.TargetURL)
			assert.Equal(t, f.system.URL+tt.want, service.API.CSRFTokenURL)
			assert.Equal(t, f.system.URL+tt.want+"$metadata", service.API.SpecificationURL)
			assert.True(t, service.API.SpecificationAuth)
		})
	}
}

func TestMatrixParametersStayLiteral(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [{id: a, name: A, kind: odata, path: "/API_SRV;v=0002/", specification: {metadata: true}}]`)
	f.system.on("/API_SRV;v=0002/", answer(200, serviceDocument))
	require.Equal(t, registration.OutcomeRegistered, row(t, f.run(t), "a").Outcome)
	assert.Equal(t, f.system.URL+"/API_SRV;v=0002/", f.catalog.Entries()[0].Service.API.TargetURL)
}

// TestODataDocumentsAreFetchedByKyma: a document of EDMX beside the definition is for people; there is no way to hand it
// over.
func TestODataDocumentsAreFetchedByKyma(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	f.options.Definition = defineFiles(t, header, `apis: [{id: a, name: A, kind: odata, path: /svc/, specification: {file: apis/svc.edmx}}]`,
		map[string]string{"apis/svc.edmx": `<Edmx/>`})
	f.system.on("/svc/", answer(200, serviceDocument))
	require.Equal(t, registration.OutcomeRegistered, row(t, f.run(t), "a").Outcome)
	api := f.catalog.Entries()[0].Service.API
	assert.Empty(t, api.Specification)
	assert.Equal(t, f.system.URL+"/svc/$metadata", api.SpecificationURL)
	assert.True(t, api.SpecificationAuth)
}

const listing = `
apis:
  - {id: main, name: Main, kind: odata, path: /main/}
  - name: =item("Name")
    kind: odata
    path: =item("Path")
    enabled: =param("all") == "true"
    discover: {get: /services, query: {$format: json}, items: d.results, next: d.__next, id: '=item("Name")', include: '=item("Name") != "main"', optional: true}
`

func page(next string, names ...string) string {
	var list []string
	for _, name := range names {
		list = append(list, fmt.Sprintf(`{"Name":%q,"Path":"/svc/%s"}`, name, name))
	}
	return fmt.Sprintf(`{"d":{"results":[%s],"__next":%q}}`, strings.Join(list, ","), next)
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	serve := func(f *fixture, first http.HandlerFunc) {
		f.system.on("/main/", answer(200, serviceDocument))
		f.system.on("/services", func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "json", r.URL.Query().Get("$format"))
			first(w, r)
		})
		for _, name := range []string{"one", "two", "three"} {
			f.system.on("/svc/"+name+"/", answer(200, serviceDocument))
		}
	}
	tests := []struct {
		name   string
		first  http.HandlerFunc
		params []string
		want   []string
		exit   int
		text   string // in the rows or notes
	}{
		{"one page", answer(200, page("", "main", "one", "two")), nil, []string{"main registered", "one registered", "two registered"}, 0, ""},
		{"an API of the listing is not enabled for the user", answer(200, page("", "one", "gone")), nil,
			[]string{"main registered", "one registered", "gone skipped disabled"}, 0, "does not offer it"},
		{"no listing, which is no failure", answer(404, ""), nil, []string{"main registered"}, 0, "no listing of its APIs"},
		{"switched off", answer(200, page("", "one")), []string{"all=false"}, []string{"main registered"}, 0, ""},
		{"an entry without id", answer(200, `{"d":{"results":[{"Path":"/svc/one"},{"Name":"two","Path":"/svc/two/"}]}}`), nil,
			[]string{"main registered", "item-0 failed malformed", "two registered"}, 2, "has no id"},
		{"an entry twice", answer(200, page("", "one", "one")), nil, []string{"main registered", "one registered", "one failed misconfigured"}, 2, "another API has the id"},
		{"an entry at another host", answer(200, `{"d":{"results":[{"Name":"evil","Path":"https://evil.example/svc/"}]}}`), nil,
			[]string{"main registered", "evil failed misconfigured"}, 2, "another host (evil.example)"},
		{"a web page", answer(200, "<html>"), nil, []string{"main registered", "discovery failed malformed"}, 2, "login page"},
		{"no list", answer(200, `{"d":{}}`), nil, []string{"main registered", "discovery failed malformed"}, 2, `without the list "d.results"`},
		{"down", answer(500, ""), nil, []string{"main registered", "discovery failed unreachable"}, 1, "answered 500"},
		{"the next page at another host", answer(200, page("https://evil.example/services", "one")), nil,
			[]string{"main registered", "one registered", "discovery failed malformed"}, 2, "another host"},
		{"a circle of pages", answer(200, page("/services?$format=json", "one")), nil,
			[]string{"main registered", "one registered", "discovery failed malformed"}, 2, "does not end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, listing, tt.params...)
			serve(f, tt.first)
			report := f.run(t)
			assert.Equal(t, tt.want, outcomes(report))
			assert.Equal(t, tt.exit, report.ExitCode(registration.FailOnAny))
			var text strings.Builder
			require.NoError(t, report.WriteText(&text))
			assert.Contains(t, text.String(), tt.text)
		})
	}
}

func TestDiscoveryFollowsPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t, listing)
	f.system.on("/main/", answer(200, serviceDocument))
	f.system.on("/services", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("$skiptoken") {
		case "":
			answer(200, page(f.system.URL+"/services?$format=json&$skiptoken=2", "one"))(w, r)
		case "2":
			answer(200, page("services?$format=json&$skiptoken=3", "two"))(w, r)
		default:
			answer(200, page("", "three"))(w, r)
		}
	})
	for _, name := range []string{"one", "two", "three"} {
		f.system.on("/svc/"+name+"/", answer(200, serviceDocument))
	}
	assert.Equal(t, []string{"main registered", "one registered", "two registered", "three registered"}, outcomes(f.run(t)))
}

func TestDiscoveryIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, strings.Replace(listing, "optional: true", "limit: 2", 1))
	f.system.on("/main/", answer(200, serviceDocument))
	f.system.on("/services", answer(200, page("", "one", "two", "three")))
	for _, name := range []string{"one", "two", "three"} {
		f.system.on("/svc/"+name+"/", answer(200, serviceDocument))
	}
	report := f.run(t)
	assert.Equal(t, []string{"main registered", "one registered", "two registered", "discovery failed misconfigured"}, outcomes(report))
	assert.Contains(t, row(t, report, "discovery").Reason, "more than 2 APIs")
}
