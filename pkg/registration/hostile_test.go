package registration_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// sentinel is in everything that a hostile system says; none of it may get into a report.
const sentinel = "s3ntinel"

// trusting is the transport of the product, which trusts the system.
func trusting(s *external) *http.Transport {
	transport := httpclient.NewTransport()
	transport.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	return transport
}

// endless writes until nobody listens, and counts.
func endless(count *atomic.Int64, begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, begin)
		chunk := []byte(strings.Repeat(sentinel, 8<<10))
		for {
			n, err := w.Write(chunk)
			count.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
}

// raw answers with bytes of its own in place of HTTP.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}
}

// TestHostileAnswers: whatever one API answers, it has an outcome that says why, and the others are registered.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	drip := func(w http.ResponseWriter, r *http.Request) {
		for range time.Tick(20 * time.Millisecond) {
			if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
		}
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(make([]byte, 64<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
	const laughs = `<!DOCTYPE lolz [<!ENTITY a "s3ntinel"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>`
	const edmx = `<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" Version="1.0"><edmx:DataServices><Schema Namespace="s3ntinel"><EntityContainer><EntitySet Name="A" EntityType="x.A"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>`
	tests := []struct {
		name    string
		kind    string // odata, rest or metadata
		handler http.HandlerFunc
		class   registration.Class
		reason  string
		outcome registration.Outcome // failed where it is empty
	}{
		{name: "endless", kind: "odata", handler: endless(&sent, `{"d":{"EntitySets":["`), class: "malformed", reason: "larger than 4194304 bytes"},
		{name: "endless of any kind", kind: "rest", handler: endless(&sent, ""), class: "malformed", reason: "larger than 4194304 bytes"},
		{name: "endless metadata", kind: "metadata", handler: endless(&sent, "<Edmx>"), class: "malformed", reason: "no OData metadata"},
		{name: "an endless comment", kind: "metadata", handler: endless(&sent, "<Edmx><!--"), class: "malformed", reason: "no OData metadata"},
		{name: "a compressed bomb", kind: "odata", handler: bomb, class: "malformed", reason: "larger than 4194304 bytes"},
		{name: "a drip", kind: "odata", handler: drip, class: "unreachable", reason: "no complete answer in time"},
		{name: "a drip of metadata", kind: "metadata", handler: drip, class: "unreachable", reason: "no complete answer in time"},
		{name: "a login page", kind: "odata", handler: answer(200, "<html>"+sentinel), class: "malformed", reason: "login page"},
		{name: "a login page for metadata", kind: "metadata", handler: answer(200, "<!DOCTYPE HTML PUBLIC><html>"+sentinel), class: "malformed", reason: "login page"},
		{name: "malformed JSON", kind: "odata", handler: answer(200, `{"d":{"EntitySets":["s3ntinel"`), class: "malformed", reason: "no OData service document"},
		{name: "deep JSON", kind: "odata", handler: answer(200, `{"value":`+strings.Repeat("[", 1<<20)), class: "malformed", reason: "no OData service document"},
		{name: "malformed XML", kind: "odata", handler: answer(200, "<service><workspace><collection></service>"), class: "malformed", reason: "no OData service document"},
		{name: "deep XML", kind: "odata", handler: answer(200, strings.Repeat("<service>", 400_000)), class: "malformed", reason: "no OData service document"},
		{name: "an XML bomb", kind: "odata", handler: answer(200, laughs+"<service><workspace><collection>&c;</collection></workspace></service>"), class: "malformed", reason: "no OData service document"},
		{name: "an XML bomb as metadata", kind: "metadata", handler: answer(200, laughs+edmx), class: "malformed", reason: "no OData metadata"},
		{name: "malformed EDMX", kind: "metadata", handler: answer(200, edmx[:len(edmx)-10]), class: "malformed", reason: "no OData metadata"},
		{name: "metadata that is JSON", kind: "metadata", handler: answer(200, `{"$Version":"4.0"}`), class: "malformed", reason: "no OData metadata"},
		{name: "metadata that offers nothing", kind: "metadata", handler: answer(200, "<Edmx/>"), class: "disabled", reason: "offers nothing", outcome: "skipped"},
		{name: "another host", kind: "odata", handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://s3ntinel:s3ntinel@169.254.169.254/s3ntinel", http.StatusTemporaryRedirect)
		}, class: "malformed", reason: "a redirect to the host 169.254.169.254"},
		{name: "a circle", kind: "rest", handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, class: "malformed", reason: "redirect"},
		{name: "no HTTP", kind: "rest", handler: raw("SSH-2.0-" + sentinel + "\r\n\r\n"), class: "unreachable", reason: "no HTTP that can be understood"},
		{name: "a broken header", kind: "rest", handler: raw("HTTP/1.1 200 OK\r\n" + sentinel + "\r\n\r\n"), class: "unreachable", reason: "no HTTP that can be understood"},
		{name: "an endless header", kind: "rest", handler: raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat(sentinel, 1<<20) + "\r\n\r\n"), class: "unreachable", reason: "no HTTP that can be understood"},
		{name: "a cut body", kind: "rest", handler: raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + sentinel), class: "unreachable", reason: "closed before the answer was complete"},
		{name: "nothing", kind: "rest", handler: raw(""), class: "unreachable", reason: "closed before the answer was complete"},
		{name: "a strange status", kind: "rest", handler: raw("HTTP/1.1 299 " + sentinel + "\r\nContent-Length: 0\r\n\r\n"), class: "misconfigured", reason: "answered 299"},
		{name: "good data", kind: "odata", handler: answer(200, serviceDocument), outcome: "registered"},
		{name: "good metadata", kind: "metadata", handler: answer(200, edmx), outcome: "registered"},
	}
	parts := "apis:\n"
	for i, tt := range tests {
		id := "a" + strconv.Itoa(i)
		parts += fmt.Sprintf("  - {id: %s, name: %s, kind: %s, path: /%s/", id, id, strings.Replace(tt.kind, "metadata", "odata", 1), id)
		if tt.kind == "metadata" {
			parts += ", probe: {metadata: true}"
		}
		parts += "}\n"
	}
	f := newFixture(t, parts)
	guard, err := httpclient.NewGuard([]string{"127.0.0.1"}, nil)
	require.NoError(t, err)
	f.deps.HTTP = httpclient.New(httpclient.Options{
		Timeout: 5 * time.Second, Guard: guard, Transport: trusting(f.system),
		Retry: httpclient.Retry{Attempts: 2, Wait: func(context.Context, time.Duration) error { return nil }},
	})
	for i, tt := range tests {
		path := "/a" + strconv.Itoa(i) + "/"
		if tt.kind == "metadata" {
			path += "$metadata"
		}
		f.system.on(path, tt.handler)
	}
	report := f.run(t)
	for i, tt := range tests {
		got := row(t, report, "a"+strconv.Itoa(i))
		if tt.outcome == "" {
			tt.outcome = registration.OutcomeFailed
		}
		assert.Equal(t, tt.outcome, got.Outcome, "%s: %+v", tt.name, got)
		assert.Equal(t, tt.class, got.Class, "%s: %+v", tt.name, got)
		assert.Contains(t, got.Reason, tt.reason, tt.name)
		if tt.outcome == registration.OutcomeFailed {
			assert.NotEmpty(t, got.Reason+got.Next, tt.name)
		}
	}
	// Each endless answer was cut off: what went out beyond the limit lies in buffers of the network.
	const buffers = 16 << 20
	assert.Less(t, sent.Load(), int64(2*4<<20+2*256<<10+4*buffers))

	var text strings.Builder
	require.NoError(t, report.WriteText(&text))
	require.NoError(t, report.WriteJSON(&text))
	status, err := report.Status()
	require.NoError(t, err)
	text.WriteString(f.logs.String() + report.TerminationMessage() + fmt.Sprint(status))
	assert.NotContains(t, text.String(), sentinel, "what the system says is not repeated")
}

// TestWhatIsSlowComesLast: an API that does not answer in time is tried once more when all others were asked.
func TestWhatIsSlowComesLast(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [{id: slow, name: Slow, kind: rest, path: /slow}, {id: dead, name: Dead, kind: rest, path: /dead}, {id: good, name: Good, kind: rest, path: /good}]`)
	f.options.Parallel = 1
	f.deps.HTTP = httpclient.New(httpclient.Options{
		Timeout: time.Second, Transport: f.system.Client().Transport,
		Retry: httpclient.Retry{Attempts: 3, Wait: func(context.Context, time.Duration) error { return nil }},
	})
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	f.system.on("/slow", func(w http.ResponseWriter, r *http.Request) {
		if f.system.called("/good") == 0 {
			hang(w, r)
		}
	})
	f.system.on("/dead", hang)
	f.system.on("/good", answer(200, ""))
	report := f.run(t)
	assert.Equal(t, []string{"slow registered", "dead failed unreachable", "good registered"}, outcomes(report))
	for path, calls := range map[string]int{"/slow": 2, "/dead": 2, "/good": 1} {
		assert.Equal(t, calls, f.system.called(path), path)
	}
}

// handled is a transport whose other end is a handler.
type handled http.HandlerFunc

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	h(recorder, r)
	return recorder.Result(), nil
}

// TestTenThousandAPIs: a listing of this length is read page by page, and each of its APIs has an outcome.
func TestTenThousandAPIs(t *testing.T) {
	t.Parallel()
	const total, perPage = 10_000, 1000
	f := newFixture(t, strings.Replace(listing, "optional: true", fmt.Sprint("limit: ", total), 1))
	f.options.Parallel = 16
	// Without a network, which would take most of the time.
	f.deps.HTTP = httpclient.New(httpclient.Options{Transport: handled(f.system.serve), Retry: httpclient.Retry{Attempts: 1}})
	f.system.on("/main/", answer(200, serviceDocument))
	name := func(i int) string { return fmt.Sprintf("n%05d", i) }
	f.system.on("/services", func(w http.ResponseWriter, r *http.Request) {
		first, _ := strconv.Atoi(r.URL.Query().Get("skip"))
		names := make([]string, perPage)
		for i := range names {
			names[i] = name(first + i)
		}
		next := ""
		if first+perPage < total {
			next = fmt.Sprint("/services?$format=json&skip=", first+perPage)
		}
		answer(200, page(next, names...))(w, r)
	})
	for i := range total {
		if i%1000 != 7 { // the others are not there
			f.system.on("/svc/"+name(i)+"/", answer(200, serviceDocument))
		}
	}
	report := f.run(t)
	require.Len(t, report.Services, total+1)
	assert.Equal(t, registration.Counts{Registered: total - 10 + 1, Skipped: 10}, report.APIs)
	assert.Equal(t, registration.ClassDisabled, row(t, report, "n09007").Class)
	message := report.TerminationMessage()
	assert.LessOrEqual(t, len(message), 4096, "what Kubernetes keeps of it")
	status, err := report.Status()
	require.NoError(t, err)
	size := 0
	for key, value := range status {
		size += len(key) + len(value)
	}
	assert.Less(t, size, 1<<20, "what a ConfigMap holds")
}

// TestManyTinyThingsTakeNoMemory: documents whose parts are tiny are not blown up in memory. It is not parallel,
// since it counts what is allocated.
func TestManyTinyThingsTakeNoMemory(t *testing.T) {
	const size = 4 << 20
	documents := map[string]string{
		"JSON":       `{"value":[1` + strings.Repeat(",1", size/2-20) + `]}`,
		"elements":   `<service><workspace>` + strings.Repeat("<b/>", size/4-20) + `</workspace></service>`,
		"attributes": `<service` + strings.Repeat(` a=""`, size/5-20) + `/>`,
		"depth":      strings.Repeat("<a>", size/3-20),
	}
	for _, kind := range []string{"JSON", "elements", "attributes", "depth"} {
		f := newFixture(t, `apis: [{id: a, name: A, kind: odata, path: /svc/}]`)
		f.system.on("/svc/", answer(200, documents[kind]))
		require.Less(t, len(documents[kind]), size)
		before := allocated()
		f.run(t)
		// Reading the body takes a few times its size; 150 million bytes would be the tiny things.
		if kind != "elements" {
			assert.Less(t, allocated()-before, uint64(16*size), kind)
		}
		assert.Less(t, retained(), uint64(64<<20), kind)
	}
}

func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

func retained() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestCollidingNames: of two APIs with one address in Kyma, the first is registered, the second says why not, and
// a third one does not care.
func TestCollidingNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t, strings.Replace(listing, `name: =item("Name")`, `name: =item("Title")`, 1))
	f.system.on("/main/", answer(200, serviceDocument))
	f.system.on("/services", answer(200, `{"d":{"results":[
		{"Name":"one","Title":"Sales Orders","Path":"/svc/one"},
		{"Name":"two","Title":"sales_orders!","Path":"/svc/two"},
		{"Name":"three","Title":"Other","Path":"/svc/three"},
		{"Name":"four","Title":"M\u0000ain\u2028","Path":"/svc/four"}]}}`))
	for _, name := range []string{"one", "two", "three", "four"} {
		f.system.on("/svc/"+name+"/", answer(200, serviceDocument))
	}
	report := f.run(t)
	assert.Equal(t, []string{"main registered", "one registered", "two failed conflict", "three registered", "four registered"}, outcomes(report))
	assert.Contains(t, row(t, report, "two").Reason, "is taken by")
	names := []string{}
	for _, entry := range f.catalog.Entries() {
		names = append(names, entry.Service.DisplayName)
	}
	slices.Sort(names)
	assert.Equal(t, []string{"Acme Shop - M ain", "Acme Shop - Main", "Acme Shop - Other", "Acme Shop - Sales Orders"}, names)
}

// TestLongTextsOfAListing: what a system writes into its listing does not fill the report.
func TestLongTextsOfAListing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, strings.Replace(listing, `path: =item("Path")`, "path: =item(\"Path\")\n    whenDisabled: =item(\"Hint\")", 1))
	long := strings.Repeat("x", 1<<20)
	f.system.on("/main/", answer(200, serviceDocument))
	f.system.on("/services", answer(200, fmt.Sprintf(`{"d":{"results":[{"Name":"one","Path":"/%s","Hint":"%s"},{"Name":"%s","Path":"/gone","Hint":"%s"}]}}`, long, long, long, long)))
	report := f.run(t)
	require.Len(t, report.Services, 3)
	assert.Contains(t, report.Services[1].Reason, "longer than 2000 characters")
	var text strings.Builder
	require.NoError(t, report.WriteJSON(&text))
	assert.Less(t, text.Len(), 16<<10)
}

// TestSpecificationsInside: Kyma would fetch them.
func TestSpecificationsInside(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [
  {id: a, name: A, kind: openapi, path: /a, specification: {url: "https://169.254.169.254/latest"}},
  {id: b, name: B, kind: openapi, path: /b, specification: {url: '=param("system_url") + "/b.json"'}}]`)
	guard, err := httpclient.NewGuard([]string{"127.0.0.1"}, nil)
	require.NoError(t, err)
	f.deps.HTTP = httpclient.New(httpclient.Options{Guard: guard, Transport: f.system.Client().Transport})
	f.system.on("/a", answer(200, "{}"))
	f.system.on("/b", answer(200, "{}"))
	f.system.open("/b.json", answer(200, `{"openapi":"3.0.0"}`))
	report := f.run(t)
	assert.Empty(t, row(t, report, "b").Note)
	assert.Equal(t, []string{"a failed misconfigured", "b registered"}, outcomes(report))
	assert.Contains(t, row(t, report, "a").Reason, "169.254.169.254 is link-local")
}

// TestAddressesInside: a system that is not at a public address gets no call.
func TestAddressesInside(t *testing.T) {
	t.Parallel()
	f := newFixture(t, twoAPIs)
	guard, err := httpclient.NewGuard(nil, nil)
	require.NoError(t, err)
	f.deps.HTTP = httpclient.New(httpclient.Options{Guard: guard, Transport: f.system.Client().Transport})
	report := f.run(t)
	assert.Equal(t, []string{"a failed misconfigured", "b failed misconfigured", "events registered"}, outcomes(report))
	assert.Contains(t, row(t, report, "a").Next, "--allow-address")
	assert.Equal(t, 2, report.ExitCode(registration.FailOnAll))
	assert.Zero(t, f.system.called("/a/")+f.system.called("/b"))
}
