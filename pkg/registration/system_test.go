package registration_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
)

// The credentials of the system in these tests. None of them may ever show up in a report.
const (
	user, password = "kyma", "pa55-w0rd-0f-the-system"
	apiKey         = "k3y-0f-the-system"
)

const serviceDocument = `{"d":{"EntitySets":["OrderCollection","ItemCollection"]}}`

// external is a system as the network shows it: HTTPS, Basic auth, one handler per path.
type external struct {
	*httptest.Server
	http *httpclient.Client

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc
	opened   map[string]http.HandlerFunc
	calls    []string
}

func newExternal(t *testing.T) *external {
	t.Helper()
	s := &external{handlers: map[string]http.HandlerFunc{}, opened: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are part of the tests
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	s.http = httpclient.New(httpclient.Options{
		Timeout:   10 * time.Second,
		Transport: s.Client().Transport,
		Retry:     httpclient.Retry{Attempts: 2, Wait: func(context.Context, time.Duration) error { return nil }},
	})
	return s
}

func (s *external) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls = append(s.calls, r.Method+" "+r.URL.Path)
	handler, opened := s.handlers[r.URL.Path], s.opened[r.URL.Path]
	s.mu.Unlock()
	name, pass, given := r.BasicAuth()
	switch {
	case opened != nil && given:
		w.WriteHeader(http.StatusTeapot)
	case opened != nil:
		opened(w, r)
	case name != user || pass != password:
		w.WriteHeader(http.StatusUnauthorized)
	case handler == nil:
		http.NotFound(w, r)
	default:
		handler(w, r)
	}
}

// on sets what a path answers.
func (s *external) on(path string, handler http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[path] = handler
}

// open sets what a path answers to those who show no credentials; others are told off.
func (s *external) open(path string, handler http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened[path] = handler
}

// called is the number of requests for a path.
func (s *external) called(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, call := range s.calls {
		if strings.HasSuffix(call, " "+path) {
			n++
		}
	}
	return n
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const header = `
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: shop, displayName: Shop, provider: Acme, product: Acme Shop}
parameters:
  system_url: {kind: url, title: System URL, required: true}
  basic_user: {kind: text, title: User, required: true}
  basic_password: {kind: secret, title: Password, required: true}
  api_key: {kind: secret, title: API Key}
  event_user: {kind: text, title: Event User}
  event_password: {kind: secret, title: Event Password}
  old_path: {kind: text, title: Old Path}
  all: {kind: boolean, title: All, default: "true"}
application: orders
system:
  url: =param("system_url")
  auth: {basic: {username: =param("basic_user"), password: =param("basic_password")}}
`

const catalog = `
asyncapi: 2.0.0
info: {title: Events, version: v1}
channels:
  Order.Created.v1: {subscribe: {summary: An order was created, message: {payload: {type: object}}}}
  Order.Deleted.v1: {subscribe: {message: {payload: {type: object}}}}
`

// define loads a definition with the given APIs and further parts.
func define(t *testing.T, parts string) *connector.Definition {
	t.Helper()
	return defineWith(t, header, parts)
}

func defineWith(t *testing.T, header, parts string) *connector.Definition {
	t.Helper()
	return defineFiles(t, header, parts, nil)
}

func defineFiles(t *testing.T, header, parts string, others map[string]string) *connector.Definition {
	t.Helper()
	files := fstest.MapFS{
		"connector.yaml":       {Data: []byte(header + parts)},
		"events/asyncapi.yaml": {Data: []byte(catalog)},
		"apis/orders.yaml":     {Data: []byte("openapi: 3.0.0\ninfo: {title: Orders, version: v1}\npaths: {}\n")},
		"apis/list.yaml":       {Data: []byte("[1, 2]")},
	}
	for name, content := range others {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	d, err := connector.Load(files)
	require.NoError(t, err)
	return d
}

// fixture is everything that a run needs, with the answers that most tests want.
type fixture struct {
	system  *external
	catalog *registrationtest.Catalog
	state   *registrationtest.State
	logs    *strings.Builder
	options registration.Options
	deps    registration.Dependencies
}

func newFixture(t *testing.T, parts string, params ...string) *fixture {
	t.Helper()
	f := &fixture{system: newExternal(t), catalog: &registrationtest.Catalog{}, state: &registrationtest.State{}, logs: &strings.Builder{}}
	values := map[string]string{"system_url": f.system.URL, "basic_user": user, "basic_password": password}
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		values[name] = value
	}
	d := define(t, parts)
	resolved, err := d.ResolveParams(values)
	require.NoError(t, err)
	f.options = registration.Options{Definition: d, Params: resolved, Instance: instance}
	f.deps = registration.Dependencies{
		Catalog: f.catalog, State: f.state, HTTP: f.system.http,
		Log: slog.New(slog.NewTextHandler(&locked{w: f.logs}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return f
}

func (f *fixture) run(t *testing.T) *registration.Report {
	t.Helper()
	return registration.Run(t.Context(), f.options, f.deps)
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// row is the report's row of an API.
func row(t *testing.T, r *registration.Report, id string) registration.ServiceReport {
	t.Helper()
	for _, s := range r.Services {
		if s.ID == id {
			return s
		}
	}
	require.Failf(t, "no such row", "%s in %+v", id, r.Services)
	return registration.ServiceReport{}
}

// outcomes lists "<id> <outcome> <class>" of all rows.
func outcomes(r *registration.Report) []string {
	out := make([]string, len(r.Services))
	for i, s := range r.Services {
		out[i] = strings.TrimSpace(fmt.Sprintf("%s %s %s", s.ID, s.Outcome, s.Class))
	}
	return out
}

// untrusting is a client that trusts no test server.
func untrusting() *httpclient.Client {
	return httpclient.New(httpclient.Options{Retry: httpclient.Retry{Attempts: 1}})
}
