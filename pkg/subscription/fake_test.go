package subscription_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// The secrets of these tests. None of them may ever show up in a report.
const (
	apiKey    = "k3y-0f-the-system"
	sharedKey = "shared-k3y-0f-the-webhooks"
	pathToken = "t0ken-of-the-path"
	foreign   = "https://user:f0reign-secret@elsewhere.example.com/hook?token=f0reign-secret"

	gateway = "https://shop-webhook.kyma.example.com"
	address = gateway + "/shop"
)

const header = `
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: shop, displayName: Shop, provider: Acme, product: Acme Shop}
parameters:
  system_url: {kind: url, title: System URL, required: true}
  api_key: {kind: secret, title: API Key, required: true}
  shared_key: {kind: secret, title: Shared Key, required: true}
  path_token: {kind: secret, title: Path Token}
  mode: {kind: text, title: Mode, default: static}
  note: {kind: text, title: Note, default: none}
  register: {kind: boolean, title: Register, default: "true"}
application: orders
system:
  url: =param("system_url")
  auth: {apiKey: {header: X-Key, value: =param("api_key")}}
events: {name: Events, catalog: events/asyncapi.yaml}
deliveries:
  - name: webhook
    http: {path: /shop}
    verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param("shared_key")], message: =rawBody, signature: =header("X-Signature")}}
    types:
      - {when: =body("kind") == "created", type: order.created, topic: orders/created}
      - {when: =body("kind") == "paid", type: order.paid, topic: orders/paid}
      - {when: =body("kind") == "other", type: order.other}
    event: {id: =body("id"), data: =json()}
`

// perTopic are webhooks as simple systems have them: one for each topic, no change, a key that cannot be read back.
const perTopic = `
webhooks:
  enabled: =param("register") == "true"
  mode: =param("mode")
  list: {get: /hooks, items: hooks, next: next, id: id, callback: url, topic: topic, active: =item("active") != "false"}
  create: {post: /hooks, json: {url: =callback, topic: =topic, key: =param("shared_key"), note: =param("note")}, id: hook.id}
  delete: {delete: ="/hooks/" + id}
  recreateWhen: [shared_key]
`

// together is one webhook for all topics, which can be changed.
const together = `
webhooks:
  mode: =param("mode")
  each: all
  list: {get: /hooks, items: hooks, next: next, id: id, callback: url, topic: topics, label: label, active: =item("active") != "false"}
  create: {post: /hooks, json: {url: =callback, topics: '=split(topic, ",")', key: =param("shared_key"), label: =label}, id: hook.id}
  update: {patch: ="/hooks/" + id, json: {url: =callback, topics: '=split(topic, ",")', key: =param("shared_key"), active: true}}
  delete: {delete: ="/hooks/" + id}
`

const catalog = `asyncapi: 2.0.0
info: {title: Events, version: v1}
channels:
  order.created.v1: {}
  order.paid.v1: {}
  order.other.v1: {}
`

// hook is a webhook at the fake system.
type hook struct {
	ID     int      `json:"id"`
	URL    string   `json:"url"`
	Topic  string   `json:"topic,omitempty"`
	Topics []string `json:"topics,omitempty"`
	Label  string   `json:"label,omitempty"`
	Active *bool    `json:"active,omitempty"`
	key    string
}

// shop is the fake system: a list of webhooks in pages of two.
type shop struct {
	*httptest.Server
	mu     sync.Mutex
	hooks  []*hook
	nextID int
	// writes counts the calls that changed something.
	writes int
	// before may answer in the place of the system.
	before http.HandlerFunc
	// death, where set, decides about every write of the system and of the state.
	death *death
	// oneOnly refuses a second webhook for a topic and address.
	oneOnly bool
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// answerer says whether a handler answered.
type answerer struct {
	http.ResponseWriter
	did bool
}

func (a *answerer) WriteHeader(status int) { a.did = true; a.ResponseWriter.WriteHeader(status) }
func (a *answerer) Write(p []byte) (int, error) {
	a.did = true
	return a.ResponseWriter.Write(p)
}

func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Key") != apiKey {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, apiKey) // an answer that must not be quoted
		return
	}
	if s.before != nil {
		a := &answerer{ResponseWriter: w}
		if s.before(a, r); a.did {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := strings.TrimPrefix(r.URL.Path, "/hooks/")
	at := slices.IndexFunc(s.hooks, func(h *hook) bool { return strconv.Itoa(h.ID) == id })
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/hooks":
		s.page(w, r)
		return
	case r.Method != http.MethodPost && at < 0:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	do, lost := s.death.write()
	if !do {
		panic(http.ErrAbortHandler)
	}
	s.writes++
	var body struct {
		hook
		Key string `json:"key"`
	}
	if r.Method != http.MethodDelete {
		_ = json.NewDecoder(r.Body).Decode(&body)
		body.key = body.Key
	}
	switch r.Method {
	case http.MethodPost:
		if s.oneOnly && slices.ContainsFunc(s.hooks, func(h *hook) bool { return h.URL == body.URL && h.Topic == body.Topic }) {
			s.writes--
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		s.nextID++
		body.ID = s.nextID
		s.hooks = append(s.hooks, &body.hook)
	case http.MethodPatch:
		body.ID, body.Label = s.hooks[at].ID, cmp.Or(body.Label, s.hooks[at].Label)
		s.hooks[at] = &body.hook
	case http.MethodDelete:
		s.hooks = slices.Delete(s.hooks, at, at+1)
	}
	if lost {
		panic(http.ErrAbortHandler)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"hook": body.hook})
}

func (s *shop) page(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("from"))
	rest := s.hooks[min(from, len(s.hooks)):]
	next := ""
	if len(rest) > 2 {
		rest, next = rest[:2], fmt.Sprintf("/hooks?from=%d", from+2)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"hooks": append([]*hook{}, rest...), "next": next})
}

// add puts a webhook in, past the API.
func (s *shop) add(h hook) *hook {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	h.ID = s.nextID
	s.hooks = append(s.hooks, &h)
	return &h
}

// registered lists the webhooks as texts, sorted: topics, address, key.
func (s *shop) registered() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, h := range s.hooks {
		topic := h.Topic
		if topic == "" {
			topic = strings.Join(h.Topics, "+")
		}
		out = append(out, topic+" "+h.URL+" "+h.key)
	}
	slices.Sort(out)
	return out
}

// died is how a dead process sees everything.
var errDied = errors.New("the process died")

// death ends a process at its nth write: before it is done, or after.
type death struct {
	mu    sync.Mutex
	at    int
	after bool
	count int
}

// write says whether a write is done, and whether its answer gets lost. A nil death never comes.
func (d *death) write() (do, lost bool) {
	if d == nil {
		return true, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	switch {
	case d.count < d.at:
		return true, false
	case d.count == d.at && d.after:
		return true, true
	}
	return false, true
}

// state is a State in memory.
type state struct {
	data  subscription.StateData
	saves int
	fail  error
	shop  *shop
}

func (s *state) Load(context.Context) (subscription.StateData, error) { return s.data, s.fail }

func (s *state) Save(_ context.Context, data subscription.StateData) error {
	do, lost := s.shop.death.write()
	if !do {
		return errDied
	}
	s.data = data
	s.saves++
	if lost {
		return errDied
	}
	return nil
}

// subscribers say who wants what.
type subscribers struct {
	demands map[string]subscription.Demand
	note    string
	err     error
}

func (s *subscribers) Demands(context.Context, []string) (map[string]subscription.Demand, string, error) {
	return s.demands, s.note, s.err
}

// fixture is everything that a run needs.
type fixture struct {
	shop        *shop
	state       *state
	subscribers *subscribers
	now         time.Time
	logs        *strings.Builder
	options     subscription.Options
	deps        subscription.Dependencies
	values      map[string]string
}

func newFixture(t *testing.T, webhooks string, params ...string) *fixture {
	t.Helper()
	return newFixtureWith(t, header, webhooks, params...)
}

func newFixtureWith(t *testing.T, header, webhooks string, params ...string) *fixture {
	t.Helper()
	f := &fixture{shop: newShop(t), now: now, logs: &strings.Builder{}, subscribers: &subscribers{demands: map[string]subscription.Demand{}}}
	f.state = &state{shop: f.shop}
	f.values = map[string]string{"system_url": f.shop.URL, "api_key": apiKey, "shared_key": sharedKey}
	d, err := connector.Load(fstest.MapFS{
		"connector.yaml":       {Data: []byte(header + webhooks)},
		"events/asyncapi.yaml": {Data: []byte(catalog)},
	})
	require.NoError(t, err)
	f.options = subscription.Options{Definition: d, Instance: "ns/shop", CallbackURL: gateway + "/", Parallel: 1}
	f.set(t, params...)
	f.deps = subscription.Dependencies{
		State: f.state, Subscribers: f.subscribers, HTTP: testClient(f.shop.Server),
		Log: slog.New(slog.NewTextHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { return f.now },
	}
	return f
}

func testClient(server *httptest.Server) *httpclient.Client {
	return clientOver(server.Client().Transport)
}

func clientOver(transport http.RoundTripper) *httpclient.Client {
	return httpclient.New(httpclient.Options{
		Timeout: 10 * time.Second, Transport: transport,
		Retry: httpclient.Retry{Attempts: 2, Wait: func(context.Context, time.Duration) error { return nil }},
	})
}

// set changes parameters: name=value.
func (f *fixture) set(t *testing.T, params ...string) {
	t.Helper()
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		f.values[name] = value
	}
	resolved, err := f.options.Definition.ResolveParams(f.values)
	require.NoError(t, err)
	f.options.Params = resolved
}

// run runs once, looks for secrets in everything that it puts out, and returns "<outcome> <name>" of all rows.
func (f *fixture) run(t *testing.T) (*registration.WebhooksReport, []string) {
	t.Helper()
	report := subscription.Run(t.Context(), f.options, f.deps)
	require.NotNil(t, report)
	var out strings.Builder
	full := &registration.Report{Services: []registration.ServiceReport{}}
	full.AddWebhooks(report)
	require.NoError(t, full.WriteText(&out))
	require.NoError(t, full.WriteJSON(&out))
	status, err := full.Status()
	require.NoError(t, err)
	fmt.Fprint(&out, status, full.TerminationMessage(), f.logs.String())
	secrettest.AssertNoLeak(t, out.String(), secret.New(apiKey), secret.New(sharedKey), secret.New(pathToken), secret.New("f0reign-secret"))
	rows := []string{}
	for _, item := range report.Items {
		rows = append(rows, strings.TrimSpace(string(item.Outcome)+" "+item.Name))
	}
	return report, rows
}

// settled runs once more and wants nothing to be done.
func (f *fixture) settled(t *testing.T) {
	t.Helper()
	writes, saves := f.shop.writes, f.state.saves
	report, _ := f.run(t)
	require.Equal(t, writes, f.shop.writes, "%+v", report)
	require.Equal(t, saves, f.state.saves, "%+v", report)
	require.Zero(t, report.Writes)
}
