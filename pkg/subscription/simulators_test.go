package subscription_test

import (
	"context"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// simulation is a connector and the system that it is for, as it is simulated.
type simulation struct {
	system  simulator.System
	world   *world
	options subscription.Options
	deps    subscription.Dependencies
	state   *state
}

// simulate begins with the parameters of the connector's samples.
func simulate(t *testing.T, name string, params map[string]string) *simulation {
	t.Helper()
	return simulateWith(t, name, params, func(definition string) string { return definition })
}

// simulateWith is simulate with a changed definition.
func simulateWith(t *testing.T, name string, params map[string]string, change func(definition string) string) *simulation {
	t.Helper()
	dir := filepath.Join("../../charts", name+"-connector", "files")
	samples := filepath.Join(dir, "../samples/params.yaml")
	files := fstest.MapFS{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = &fstest.MapFile{Data: data}
		return err
	}))
	files[connector.FileName].Data = []byte(change(string(files[connector.FileName].Data)))
	d, err := connector.Load(files)
	require.NoError(t, err)
	values, err := d.ReadValues(samples)
	require.NoError(t, err)

	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	for key, value := range params {
		values[key] = strings.NewReplacer("$URL", server.URL, "$HOST", u.Host).Replace(value)
		if value == "" {
			delete(values, key)
		}
	}
	s := &simulation{state: &state{shop: &shop{}}, world: &world{system: server.Client().Transport}}
	s.system, err = simulator.NewSystem(name, values)
	require.NoError(t, err)
	t.Cleanup(s.system.Close)
	for _, handler := range s.system.Hosts() {
		server.Config.Handler = handler
	}
	notifier, ok := s.system.(simulator.Notifier)
	require.True(t, ok)
	require.NoError(t, notifier.Connect(simulator.Consumer{Client: &http.Client{Transport: s.world}, MaxAttempts: 1}))
	for key := range values {
		if strings.HasPrefix(key, "simulator_") {
			delete(values, key)
		}
	}
	resolved, err := d.ResolveParams(values)
	require.NoError(t, err)
	s.options = subscription.Options{Definition: d, Params: resolved, Instance: "ns/" + name, CallbackURL: gateway, Parallel: 4}
	s.deps = subscription.Dependencies{
		State: s.state, Subscribers: everybody{}, HTTP: clientOver(s.world), Log: slog.New(slog.DiscardHandler),
	}
	return s
}

// world is the way to the system, and what the system delivers to: everything is taken, unless it is down.
type world struct {
	system http.RoundTripper
	down   atomic.Bool
	took   atomic.Int32
}

// RoundTrip implements http.RoundTripper.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if "https://"+r.URL.Host != gateway {
		return w.system.RoundTrip(r)
	}
	status := http.StatusAccepted
	if w.down.Load() {
		status = http.StatusServiceUnavailable
	} else {
		w.took.Add(1)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// everybody wants everything.
type everybody struct{}

func (everybody) Demands(_ context.Context, types []string) (map[string]subscription.Demand, string, error) {
	demands := map[string]subscription.Demand{}
	for _, full := range types {
		demands[full] = subscription.Ready
	}
	return demands, "", nil
}

// writes counts the calls that changed something at the system.
func (s *simulation) writes() int {
	n := 0
	for _, call := range s.system.Calls() {
		if call.Method != http.MethodGet && call.Status < 300 {
			n++
		}
	}
	return n
}

func (s *simulation) run(t *testing.T) []string {
	t.Helper()
	report := subscription.Run(t.Context(), s.options, s.deps)
	require.NotNil(t, report)
	var rows []string
	for _, item := range report.Items {
		if item.Class == registration.ClassSwitchedOff {
			continue
		}
		rows = append(rows, strings.TrimSpace(string(item.Outcome)+" "+item.Name+" "+item.Reason))
	}
	return rows
}

// lives takes webhooks through everything that may happen to them.
func (s *simulation) lives(t *testing.T, webhooks int, rotate string) {
	t.Helper()
	for _, row := range s.run(t) {
		assert.True(t, strings.HasPrefix(row, "registered "), row)
	}
	assert.Equal(t, webhooks, s.writes())
	for _, row := range s.run(t) {
		assert.True(t, strings.HasPrefix(row, "unchanged "), row)
	}
	assert.Equal(t, webhooks, s.writes(), "a second run writes nothing")

	values := map[string]string{}
	for name := range s.options.Definition.Parameters {
		if s.options.Params.Has(name) {
			values[name] = s.options.Params.Input().Params[name]
		}
	}
	values[rotate] = "r0tated-key-0123456789-0123456789-0123456789"
	rotated, err := s.options.Definition.ResolveParams(values)
	require.NoError(t, err)
	s.options.Params = rotated
	for _, row := range s.run(t) {
		assert.True(t, strings.HasPrefix(row, "updated "), row)
	}
	changed := s.writes()
	assert.Greater(t, changed, webhooks)
	s.run(t)
	assert.Equal(t, changed, s.writes())

	removal := registration.NewRemoval("x", s.options.Instance)
	subscription.Remove(t.Context(), s.options, s.deps, removal)
	assert.Len(t, removal.Removed, webhooks, "%+v", removal.Left)
	removal = registration.NewRemoval("x", s.options.Instance)
	subscription.Remove(t.Context(), s.options, s.deps, removal)
	assert.Empty(t, removal.Removed)
	assert.Empty(t, removal.Left)
}

func TestSimulatedQualtrics(t *testing.T) {
	t.Parallel()
	s := simulate(t, "qualtrics", map[string]string{"system_url": "$URL", "simulator_page_size": "3"})
	s.lives(t, 10, "shared_key")

	s = simulate(t, "qualtrics", map[string]string{"system_url": "$URL", "simulator_brand_admin": "no"})
	rows := s.run(t)
	require.Len(t, rows, 1)
	assert.Contains(t, rows[0], "the user may not call it")
}

func TestSimulatedGitHub(t *testing.T) {
	t.Parallel()
	simulate(t, "github", map[string]string{"system_url": "$URL"}).lives(t, 1, "secret")
}

// TestSimulatedOpenConnectors: the host of test servers is the one that the connector is given.
func TestSimulatedOpenConnectors(t *testing.T) {
	t.Parallel()
	simulate(t, "openconnectors", map[string]string{"host_name": "example.com", "filter_tags": "kyma", "new_instance": ""}).lives(t, 2, "signature_key")
}

// TestWhatFailedIsSentAgain: two systems that do not repeat a delivery, or not for ever.
func TestWhatFailedIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		params map[string]string
		event  simulator.Notification
	}{
		"github":         {map[string]string{"system_url": "$URL"}, simulator.Notification{Type: "push"}},
		"openconnectors": {map[string]string{"host_name": "example.com", "new_instance": "", "catch_up": "false"}, simulator.Notification{Type: "contacts.created"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := simulate(t, name, tt.params)
			notifier := s.system.(simulator.Notifier)
			s.run(t)
			taken := func(n int32) {
				t.Helper()
				require.Eventually(t, func() bool { return s.world.took.Load() >= n }, 10*time.Second, 5*time.Millisecond)
			}
			settled := func() bool {
				for _, o := range notifier.Monitor() {
					if o.State == simulator.Waiting {
						return false
					}
				}
				return true
			}
			require.Eventually(t, settled, 10*time.Second, 5*time.Millisecond)
			before := s.world.took.Load()
			s.world.down.Store(true)
			require.NoError(t, notifier.Fire(t.Context(), tt.event), "%v", notifier.Types())
			require.Eventually(t, settled, 10*time.Second, 5*time.Millisecond)
			s.world.down.Store(false)

			s.options.DryRun = true
			report := subscription.Run(t.Context(), s.options, s.deps)
			require.Len(t, report.Notes, 1)
			assert.Equal(t, before, s.world.took.Load(), "a dry run only says so")
			s.options.DryRun = false
			report = subscription.Run(t.Context(), s.options, s.deps)
			require.Len(t, report.Notes, 1)
			assert.Contains(t, report.Notes[0], "what the system could not deliver is sent again: ")
			assert.Equal(t, 1, report.Writes)
			taken(before + 1)
			require.Eventually(t, settled, 10*time.Second, 5*time.Millisecond)

			report = subscription.Run(t.Context(), s.options, s.deps)
			assert.Empty(t, report.Notes)
			assert.Zero(t, report.Writes)
		})
	}
}

// twoWays registers events of instances that are there, and makes an instance that sends events, both at once.
const twoWays = `webhooks:
  - name: existing
    each: instance
    list: {get: ="/instances/" + id, items: "[@this]", id: id, callback: configuration.event\.notification\.callback\.url}
    create: {patch: ="/instances/" + id, json: {configuration: {event.notification.enabled: true, event.notification.callback.url: =callback, event.notification.signature.key: =param("signature_key")}}, id: id}
    delete: {patch: ="/instances/" + id, json: {configuration: {event.notification.enabled: false, event.notification.callback.url: ""}}}
  - name: made
    each: all
    list: {get: /instances, items: "@this", id: id, callback: configuration.event\.notification\.callback\.url, label: name}
    create:
      post: /instances
      json:
        element: {key: hubspotcrm}
        name: =label
        tags: [made]
        configuration: {event.notification.enabled: true, event.vendor.type: polling, event.notification.callback.url: =callback, event.notification.signature.key: =param("signature_key")}
      id: id
    update: {patch: ="/instances/" + id, json: {configuration: {event.notification.signature.key: =param("signature_key")}}}
    delete: {delete: ="/instances/" + id}
`

func TestTwoKindsOfWebhooksAtOneSystem(t *testing.T) {
	t.Parallel()
	s := simulateWith(t, "openconnectors", map[string]string{"host_name": "example.com", "filter_tags": "kyma"}, func(definition string) string {
		before, _, ok := strings.Cut(definition, "webhooks:\n")
		require.True(t, ok)
		return before + twoWays
	})
	s.lives(t, 3, "signature_key")
}
