package eventgateway_test

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// TestAnOutageIsCaughtUp: what the system could not deliver while the gateway was away arrives with the next run of the
// registration, once and with the ids of what the system sends itself.
func TestAnOutageIsCaughtUp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		params    map[string]string
		caughtUp  bool
		simulated map[string]string
	}{
		"as assumed":                         {caughtUp: true},
		"another status means delivered":     {params: map[string]string{"delivered_statuses": "CONSUMED"}, simulated: map[string]string{"simulator_delivered_status": "CONSUMED"}, caughtUp: true},
		"a status that means something else": {simulated: map[string]string{"simulator_delivered_status": "CONSUMED"}, caughtUp: true},
		"switched off":                       {params: map[string]string{"catch_up": "false"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOutage(t, tt.params, tt.simulated)
			o.instance = o.register(t).Items[1].Instance
			o.fire(t, "1001")
			o.sink.arrived(t, 1)

			o.away.Store(true)
			for _, id := range []string{"1002", "1003", "1004"} {
				o.fire(t, id)
			}
			o.away.Store(false)
			require.Len(t, o.sink.taken(), 1)

			want := []string{"1001-0"}
			if tt.caughtUp {
				want = append(want, "1002-0", "1003-0", "1004-0")
			}
			for range 2 { // a second run finds nothing new
				o.register(t)
				assert.Equal(t, want, o.ids())
			}
			// The system itself gives up waiting, too: what it sends again is known already.
			o.system.Faults().Clear()
			report := o.register(t)
			assert.NotEmpty(t, report.Notes)
			require.Eventually(t, o.settled, patience, time.Millisecond)
			assert.Equal(t, []string{"1001-0", "1002-0", "1003-0", "1004-0"}, o.ids(), "nothing is lost, and nothing comes twice")
		})
	}
}

// outage is a gateway that a simulated system calls, and that may be away.
type outage struct {
	gateway *running
	sink    *target
	system  simulator.System
	// instance is that whose events are tried.
	instance string
	away     atomic.Bool
	options  subscription.Options
	deps     subscription.Dependencies
	way      http.RoundTripper
}

// publicHost is where the gateway is, seen from outside.
const publicHost = "openconnectors.kyma.example.org"

func newOutage(t *testing.T, params, simulated map[string]string) *outage {
	t.Helper()
	dir := filepath.Join(charts, "openconnectors-connector")
	d, err := connector.Load(os.DirFS(filepath.Join(dir, "files")))
	require.NoError(t, err)
	values, err := d.ReadValues(filepath.Join(dir, "samples", "params.yaml"))
	require.NoError(t, err)
	for name, value := range params {
		values[name] = value
	}
	values["host_name"] = "example.com"
	delete(values, "new_instance")

	o := &outage{sink: newTarget(t)}
	o.gateway = serve(t, "--connector", filepath.Join(dir, "files", connector.FileName), "--params", filepath.Join(dir, "samples", "params.yaml"),
		"--sink-kind", "cloudevents", "--sink-url", o.sink.URL)
	require.Eventually(t, func() bool { status, _ := o.gateway.get(t, "/readyz"); return status == http.StatusOK }, patience, time.Millisecond)

	resolved, err := d.ResolveParams(values)
	require.NoError(t, err)
	for name, value := range simulated {
		values[name] = value
	}
	o.system, err = simulator.NewSystem("openconnectors", values)
	require.NoError(t, err)
	t.Cleanup(o.system.Close)
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	for _, handler := range o.system.Hosts() {
		server.Config.Handler = handler
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	o.way = server.Client().Transport
	// Only the list of events is left to catch up with.
	_, err = o.system.Faults().Add(simulator.Fault{Path: "/subscriptions/deliveries", Status: http.StatusForbidden})
	require.NoError(t, err)
	require.NoError(t, o.notifier().Connect(simulator.Consumer{Client: &http.Client{Transport: o}, MaxAttempts: 1}))
	o.options = subscription.Options{Definition: d, Params: resolved, Instance: "ns/oc", CallbackURL: "https://" + publicHost}
	o.deps = subscription.Dependencies{
		State: &memory{}, Log: slog.New(slog.DiscardHandler),
		HTTP: httpclient.New(httpclient.Options{Timeout: patience, Transport: o, Retry: httpclient.Retry{Attempts: 1}}),
	}
	return o
}

// RoundTrip implements http.RoundTripper: to the gateway, unless it is away, or to the system.
func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != publicHost {
		return o.way.RoundTrip(r)
	}
	if o.away.Load() {
		return &http.Response{StatusCode: http.StatusBadGateway, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	inside, err := url.Parse(o.gateway.public)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = inside.Scheme, inside.Host, publicHost
	return http.DefaultTransport.RoundTrip(r)
}

func (o *outage) notifier() simulator.Notifier { return o.system.(simulator.Notifier) }

// register runs the registration, as the CronJob does.
func (o *outage) register(t *testing.T) *registration.WebhooksReport {
	t.Helper()
	return subscription.Run(t.Context(), o.options, o.deps)
}

// fire makes the system notice a change at its first instance, and waits until it has tried to tell.
func (o *outage) fire(t *testing.T, id string) {
	t.Helper()
	require.NoError(t, o.notifier().Fire(t.Context(), simulator.Notification{Type: "contacts.UPDATED", ID: id, Root: o.instance, Entity: "42"}))
	require.Eventually(t, o.settled, patience, time.Millisecond)
}

func (o *outage) settled() bool {
	return !slices.ContainsFunc(o.notifier().Monitor(), func(e simulator.Outbound) bool { return e.State == simulator.Waiting })
}

func (o *outage) ids() []string {
	var ids []string
	for _, e := range o.sink.taken() {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return ids
}

// memory is a state in memory.
type memory struct{ data subscription.StateData }

func (m *memory) Load(context.Context) (subscription.StateData, error) { return m.data, nil }

func (m *memory) Save(_ context.Context, data subscription.StateData) error {
	m.data = data
	return nil
}
