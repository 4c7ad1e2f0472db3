package relay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/relay"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

const (
	patience = 20 * time.Second
	user     = "acme-user"
	password = "acme-p4ssword-that-nobody-may-see"
)

// definition is a connector with a relay; tests replace parts of it.
const definition = `apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: acme, displayName: ACME, provider: ACME, product: ACME Shop}
parameters:
  system_url: {kind: url, title: System URL, required: true}
  tags: {kind: list, title: Tags}
  types: {kind: list, title: Types}
  password: {kind: secret, title: Password, required: true}
application: acme
system: {url: =param("system_url"), auth: {basic: {username: acme-user, password: =param("password")}}}
relay:
  - name: orders
    from: {types: [=params("types")], path: /relay}
    to: {post: /v1/orders, query: {tags: =params("tags")}, batch: {count: 4, bytes: 1KiB, age: 10ms}}
    map: {data: =data}
    success: =status == 200 and response("error") in ["", "0"]
    code: =response("error")
`

// shop is the system: it takes orders in lists, and does not forgive.
type shop struct {
	*httptest.Server
	mu       sync.Mutex
	answers  []int // for the next calls; then it works
	most     int   // orders in one call; 0 means any
	model    string
	modelAs  func(w http.ResponseWriter)
	answer   string // what it says when it took everything
	lose     int    // every so many calls it takes the orders and its answer gets lost; 0 means never
	after    string // Retry-After
	token    string // where it wants a token instead of a password
	calls    []string
	bodies   []string
	orders   []string
	modelled int
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller went away
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.serve(w, r, body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	fail := func(status, code int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":%d,"text":%q}`, code, body) // it quotes what it got
	}
	s.calls = append(s.calls, r.Method+" "+r.URL.String())
	s.bodies = append(s.bodies, string(body))
	name, given, _ := r.BasicAuth()
	switch {
	case s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token, s.token == "" && (name != user || given != password):
		fail(http.StatusUnauthorized, 401)
	case r.Method == http.MethodGet && r.URL.Path == "/v1/model":
		s.modelled++
		if s.modelAs != nil {
			s.modelAs(w)
			return
		}
		_, _ = io.WriteString(w, s.model)
	case r.Method != http.MethodPost:
		fail(http.StatusMethodNotAllowed, 405)
	case len(s.answers) > 0:
		status := s.answers[0]
		s.answers = s.answers[1:]
		if s.after != "" {
			w.Header().Set("Retry-After", s.after)
		}
		fail(status, status)
	default:
		s.take(w, r, body, fail)
	}
}

// take takes all orders of a call or none: those that are marked as bad are not wanted.
func (s *shop) take(w http.ResponseWriter, r *http.Request, body []byte, fail func(status, code int)) {
	var orders []json.RawMessage
	err := error(nil)
	switch contentType := r.Header.Get("Content-Type"); {
	case r.URL.Path == "/v1/orders" && contentType == "application/json":
		err = json.Unmarshal(body, &orders)
	case r.URL.Path == "/v1/lines" && contentType == "application/x-ndjson":
		for line := range strings.Lines(string(body)) {
			orders = append(orders, json.RawMessage(strings.TrimSuffix(line, "\n")))
		}
	case r.URL.Path == "/v1/order" && contentType == "application/json":
		orders = []json.RawMessage{body}
	default:
		fail(http.StatusNotFound, 404)
		return
	}
	if err != nil || len(orders) == 0 {
		fail(http.StatusBadRequest, 1)
		return
	}
	if s.most > 0 && len(orders) > s.most {
		fail(http.StatusRequestEntityTooLarge, 413)
		return
	}
	for _, o := range orders {
		var order struct{ Bad bool }
		if json.Unmarshal(o, &order) != nil || order.Bad {
			fail(http.StatusBadRequest, 2)
			return
		}
	}
	for _, o := range orders {
		s.orders = append(s.orders, string(o))
	}
	if s.lose > 0 && len(s.calls)%s.lose == 0 {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, s.answer)
}

func (s *shop) set(change func(*shop)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *shop) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.orders...)
}

// different are the orders, with how often each came.
func (s *shop) different() map[string]int {
	seen := map[string]int{}
	for _, o := range s.taken() {
		seen[o]++
	}
	return seen
}

func (s *shop) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.calls...)
}

// load reads the definition with parts of it replaced.
func load(t *testing.T, s *shop, replace ...string) (*connector.Definition, *connector.Params) {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, definition, replace[i])
	}
	d, err := connector.Load(fstest.MapFS{"connector.yaml": {Data: []byte(strings.NewReplacer(replace...).Replace(definition))}})
	require.NoError(t, err)
	params, err := d.ResolveParams(map[string]string{"system_url": s.URL, "password": password, "types": "order.created.v1,order.paid.v1", "tags": "a,b"})
	require.NoError(t, err)
	return d, params
}

// metered is a relay with its metrics.
type metered struct {
	*relay.Relay
	set    *telemetry.Metrics
	caller relay.Caller
}

func newRelay(t *testing.T, s *shop, replace ...string) metered {
	t.Helper()
	d, params := load(t, s, replace...)
	caller, err := relay.NewCaller(d, params, httpclient.New(httpclient.Options{
		Transport: s.Client().Transport, Retry: httpclient.Retry{Attempts: 1},
	}))
	require.NoError(t, err)
	set := telemetry.NewMetrics("")
	r, err := relay.New(&d.Relay[0], params.Input(), caller, relay.Options{Timeout: patience, Metrics: gateway.NewMetrics(set)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	return metered{r, set, caller}
}

// metrics is what is counted, as text.
func (m metered) metrics() string {
	var out bytes.Buffer
	m.set.Write(&out)
	return out.String()
}

func order(id, data string) event.Event {
	return event.Event{ID: id, Source: "shop", Type: "order.created", Version: "v1", Data: []byte(data)}
}

// publish publishes events at the same time and returns their errors in the same order.
func publish(t *testing.T, r gateway.Sink, events ...event.Event) []*gateway.PublishError {
	t.Helper()
	errs := make([]*gateway.PublishError, len(events))
	var all sync.WaitGroup
	for i, e := range events {
		all.Go(func() { errs[i] = gateway.AsPublishError(r.Publish(t.Context(), e)) })
	}
	all.Wait()
	return errs
}
