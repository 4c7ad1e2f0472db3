package eventgateway_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/eventgateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/testlog"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const cdp = charts + "/cdp-connector/files/connector.yaml"

// dataEvent is what events are sent to, as the path of the form's listener URL.
const dataEvent = "/api/businessunits/4_sampleBusinessUnit/applications/HOxmZ9IsampleApplicat/dataevents/HPq2V8sampleDataEvent"

// platform is the simulated system that events are sent to, with the connector's parameters.
type platform struct {
	simulator.System
	server *httptest.Server
	params map[string]string
}

func newPlatform(t *testing.T, changes map[string]string) *platform {
	t.Helper()
	p := &platform{params: map[string]string{}}
	data, err := os.ReadFile(filepath.Join(filepath.Dir(cdp), "..", "samples", "params.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &p.params))
	p.server = httptest.NewUnstartedServer(nil)
	p.params["listener_url"] = "https://" + p.server.Listener.Addr().String() + dataEvent + "/event"
	maps.Copy(p.params, changes)
	p.System, err = simulator.NewSystem("cdp", p.params)
	require.NoError(t, err)
	p.server.Config.Handler = p.Hosts()[p.server.Listener.Addr().String()]
	p.server.StartTLS()
	t.Cleanup(func() { p.server.Close(); p.Close() })
	maps.DeleteFunc(p.params, func(name, value string) bool { return value == "" || strings.HasPrefix(name, "simulator_") })
	return p
}

// file writes the parameters as the gateway reads them.
func (p *platform) file(t *testing.T) string {
	t.Helper()
	data, err := yaml.Marshal(p.params)
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "params.yaml")
	require.NoError(t, os.WriteFile(name, data, 0o600))
	return name
}

// orders are the codes of the orders that the system has taken.
func (p *platform) orders(t *testing.T) []string {
	t.Helper()
	var codes []string
	for _, taken := range p.System.(simulator.Ingester).Ingested() {
		var order struct{ OrderCode string }
		require.NoError(t, json.Unmarshal(taken.Data, &order))
		codes = append(codes, order.OrderCode)
	}
	return codes
}

func (p *platform) eventually(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(p.orders(t)) >= n }, patience, 5*time.Millisecond)
}

// event posts an event as Kyma does: from inside the cluster.
func (r *running) event(t *testing.T, id, data string) answer {
	t.Helper()
	return r.post(t, r.relay+"/relay", event.Event{ID: id, Source: "shop", Type: "order.created", Version: "v1", Data: []byte(data)})
}

func (r *running) post(t *testing.T, address string, e event.Event) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, address, bytes.NewReader(e.Data))
	require.NoError(t, err)
	e.SetHeader(request.Header)
	return do(t, request)
}

// order is the payload of one.
func order(code string) string { return fmt.Sprintf(`{"orderCode":%q,"total":10}`, code) }

// relayArgs start the connector's gateway with a buffer, and a target for what the system sends.
func relayArgs(t *testing.T, p *platform, sink *target, buffer string) []string {
	t.Helper()
	args := []string{"--connector", cdp, "--params", p.file(t), "--sink-kind", "cloudevents", "--sink-url", sink.URL, "--buffer", buffer}
	switch buffer {
	case "disk":
		args = append(args, "--buffer-dir", t.TempDir())
	case "jetstream":
		args = append(args, "--buffer-url", startNATS(t))
	}
	return args
}

// TestSeveralPurposes: how the system wants several of them is one line of the definition, whichever it is.
func TestSeveralPurposes(t *testing.T) {
	t.Parallel()
	const comma, repeated = `purposeIds: =join(params("purpose_ids"), ",")`, `purposeIds: =params("purpose_ids")`
	for format, line := range map[string]string{"comma": comma, "repeated": repeated} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Dir(cdp))))
			file := filepath.Join(dir, filepath.Base(cdp))
			definition, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, string(definition), comma)
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(definition), comma, line, 1)), 0o600))
			p, sink := newPlatform(t, map[string]string{"purpose_ids": "marketing,newsletter", "simulator_purposes": format}), newTarget(t)
			args := relayArgs(t, p, sink, "none")
			args[1] = file
			g := serve(t, args...)
			require.Eventually(t, func() bool { return g.event(t, "order-0", order("0")).status == 202 }, patience, 10*time.Millisecond)
			p.eventually(t, 1)
			assert.Equal(t, []string{"marketing", "newsletter"}, p.System.(simulator.Ingester).Ingested()[0].Purposes)
		})
	}
}

func TestEventsReachTheSystem(t *testing.T) {
	t.Parallel()
	for _, buffer := range []string{"none", "disk", "jetstream"} {
		t.Run(buffer, func(t *testing.T) {
			t.Parallel()
			const n = 120
			p, sink := newPlatform(t, map[string]string{"purpose_ids": "marketing,newsletter"}), newTarget(t)
			g := serve(t, relayArgs(t, p, sink, buffer)...)
			require.Eventually(t, func() bool { return g.event(t, "order-0", order("0")).status == 202 }, patience, 10*time.Millisecond)
			var senders sync.WaitGroup
			for i := 1; i < n; i++ {
				senders.Go(func() {
					assert.Equal(t, 202, g.event(t, fmt.Sprint("order-", i), order(fmt.Sprint(i))).status)
				})
			}
			senders.Wait()
			p.eventually(t, n)
			assert.Len(t, p.orders(t), n, "each of them once")
			assert.Equal(t, []string{"marketing", "newsletter"}, p.System.(simulator.Ingester).Ingested()[0].Purposes)
			assert.Less(t, len(p.Calls()), n/3, "in batches")
			assert.Equal(t, "duplicate", g.event(t, "order-7", order("7")).Outcome)

			other := g.post(t, g.relay+"/relay", event.Event{ID: "x", Source: "shop", Type: "order.cancelled", Version: "v1", Data: []byte(`{}`)})
			assert.Equal(t, http.StatusNoContent, other.status, "nobody asked for it")
			outside := g.post(t, g.public+"/relay", event.Event{ID: "y", Source: "shop", Type: "order.created", Version: "v1", Data: []byte(order("y"))})
			assert.Equal(t, http.StatusNotFound, outside.status, "the way out is closed to the world outside")
			assert.Empty(t, sink.taken(), "nothing of it goes back to Kyma")

			_, metrics := g.get(t, "/metrics")
			for _, line := range []string{
				`kyma_connectors_relay_results_total{relay="ingest",result="sent"} 120`,
				`kyma_connectors_relay_events_total{relay="ingest",route="ingest",outcome="accepted"} 120`,
				`kyma_connectors_relay_sink_paused{relay="ingest"} 0`,
				`kyma_connectors_gateway_connections{listener="relay"}`,
			} {
				assert.Contains(t, metrics, line)
			}
			assert.Zero(t, g.stop())
		})
	}
}

func TestEveryWayToSignIn(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	const signing = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	for name, change := range map[string]map[string]string{
		"user key and secret": {},
		"signed requests":     {"secret": "", "signing_secret": signing},
		"tokens of our own":   {"secret": "", "private_key": private},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, change)
			g := serve(t, relayArgs(t, p, newTarget(t), "none")...)
			assert.Equal(t, 202, g.event(t, "1", order("1")).status)
			assert.Equal(t, []string{"1"}, p.orders(t))
			assert.Contains(t, p.Calls()[len(p.Calls())-1].Path, "/event", "one event goes to the path for one")
		})
	}
	p := newPlatform(t, nil)
	p.params["secret"] = "c29tZXRoaW5nIGVsc2U="
	g := serve(t, relayArgs(t, p, newTarget(t), "none")...)
	got := g.event(t, "1", order("1"))
	assert.Equal(t, 503, got.status, "Kyma keeps it until somebody corrects the secret")
	assert.Empty(t, p.orders(t))
	status, body := g.get(t, "/readyz")
	assert.Equal(t, 200, status, "what comes from outside has nothing to do with it")
	assert.Contains(t, body, `"check":"relay ingest: schema","problem":"the system's schema cannot be read`)
	secrettest.AssertNoLeak(t, g.logs.String()+body+got.Error, secret.New(p.params["secret"]))
}

// TestNoListenerWithoutARelay: nothing is open that nothing is for.
func TestNoListenerWithoutARelay(t *testing.T) {
	t.Parallel()
	g := serve(t, "--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", newTarget(t).URL)
	assert.Empty(t, g.relay)
	_, metrics := g.get(t, "/metrics")
	assert.NotContains(t, metrics, "kyma_connectors_relay_")
}

// TestWhatTheSystemWouldRefuseBecomesADeadLetter, is shown, mended and sent again.
func TestWhatTheSystemWouldRefuseBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, map[string]string{"simulator_schema": `{"type":"object","required":["orderCode"],"properties":{"orderCode":{"type":"string"}}}`})
	args := relayArgs(t, p, newTarget(t), "disk")
	dir := args[len(args)-1]
	g := serve(t, args...)
	assert.Equal(t, 202, g.event(t, "bad", `{"orderCod":"secret-payload"}`).status)
	assert.Equal(t, 202, g.event(t, "good", order("1")).status)
	p.eventually(t, 1)
	letters := func() string {
		code, out, errs := run(t, "deadletters", "list", "--relay", "ingest", "--buffer-dir", dir)
		require.Zero(t, code, errs)
		return out
	}
	require.Eventually(t, func() bool { return strings.Contains(letters(), "bad") }, patience, 20*time.Millisecond)
	assert.Contains(t, letters(), "invalid")
	assert.Contains(t, letters(), "the system's schema: the document lacks orderCode")
	assert.NotContains(t, letters(), "secret-payload")
	assert.Equal(t, []string{"1"}, p.orders(t), "it was not even sent")
	_, metrics := g.get(t, "/metrics")
	assert.Contains(t, metrics, `kyma_connectors_relay_results_total{relay="ingest",result="rejected"} 1`)
	assert.Contains(t, metrics, `kyma_connectors_relay_dead_letters{relay="ingest"} 1`)
	assert.Contains(t, metrics, `kyma_connectors_gateway_dead_letters 0`)

	code, out, errs := run(t, "deadletters", "show", "000000000001", "--relay", "ingest", "--buffer-dir", dir)
	assert.Zero(t, code, errs)
	assert.Contains(t, out, "secret-payload")
	code, _, errs = run(t, "deadletters", "replay", "--all", "--remap", "--relay", "ingest", "--buffer-dir", dir)
	assert.Equal(t, 1, code, errs)
	code, out, errs = run(t, "deadletters", "replay", "--all", "--relay", "ingest", "--buffer-dir", dir)
	assert.Zero(t, code, errs)
	assert.Contains(t, out, "requeued")
	require.Eventually(t, func() bool { return strings.Contains(letters(), "000000000002") }, patience, 20*time.Millisecond, "it is as wrong as before")

	assert.Zero(t, g.stop())
	assert.Contains(t, letters(), "bad", "without a gateway, too")
	code, _, errs = run(t, "deadletters", "list", "--relay", "other", "--buffer-dir", dir)
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, `there is no store of a relay "other"`)
}

// TestNoRelayedEventIsLostWhenTheProcessIsKilled in the middle of an outage of the system, and in the middle
// of its work.
func TestNoRelayedEventIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	_, err := p.Faults().Add(simulator.Fault{Method: http.MethodPost, Status: 503})
	require.NoError(t, err)
	args := relayArgs(t, p, newTarget(t), "disk")
	g, process := spawn(t, args...)
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	var senders sync.WaitGroup
	for s := range 6 {
		senders.Go(func() {
			for i := s; ; i += 6 {
				code := fmt.Sprint(i)
				request, err := http.NewRequest(http.MethodPost, g.relay+"/relay", strings.NewReader(order(code)))
				if !assert.NoError(t, err) {
					return
				}
				event.Event{ID: "order-" + code, Source: "shop", Type: "order.created", Version: "v1", Data: []byte("{}")}.SetHeader(request.Header)
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					return // it was killed
				}
				_ = response.Body.Close()
				if response.StatusCode == http.StatusAccepted {
					mu.Lock()
					acknowledged[code] = true
					mu.Unlock()
				}
			}
		})
	}
	require.Eventually(t, func() bool { return count() >= 60 }, patience, time.Millisecond)
	require.NoError(t, process.Kill())
	_, err = process.Wait()
	require.NoError(t, err)
	senders.Wait()
	assert.Empty(t, p.orders(t))

	p.Faults().Clear()
	g, _ = spawn(t, args...)
	require.Eventually(t, func() bool {
		missing := maps.Clone(acknowledged)
		for _, code := range p.orders(t) {
			delete(missing, code)
		}
		return len(missing) == 0
	}, patience, 10*time.Millisecond)
	assert.Equal(t, "duplicate", g.event(t, "order-0", order("0")).Outcome, "it is known after a restart, too")
}

// TestARelayFollowsItsParameters without a restart.
func TestARelayFollowsItsParameters(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	p.params["relay_types"] = "order.paid.v1"
	dir := mount(t, p.params)
	g := serve(t, "--connector", cdp, "--params", dir, "--sink-kind", "cloudevents", "--sink-url", newTarget(t).URL, "--reload-interval", "10ms")
	assert.Equal(t, http.StatusNoContent, g.event(t, "1", order("1")).status)
	p.params["relay_types"] = "order.paid.v1, order.created.v1"
	remount(t, dir, p.params)
	require.Eventually(t, func() bool { return g.event(t, "1", order("1")).status == 202 }, patience, 20*time.Millisecond)
	assert.Equal(t, []string{"1"}, p.orders(t))

	p.params["user_key"] = ""
	remount(t, dir, p.params)
	require.Eventually(t, func() bool {
		_, body := g.get(t, "/readyz")
		return strings.Contains(body, "the changed parameters are not used")
	}, patience, 20*time.Millisecond)
	assert.Equal(t, 202, g.event(t, "2", order("2")).status, "what is wrong is not used")
}

// TestBothDirections: the system makes its calls of the document that the gateway publishes.
func TestBothDirections(t *testing.T) {
	t.Parallel()
	p, sink := newPlatform(t, nil), newTarget(t)
	g := serve(t, append(relayArgs(t, p, sink, "none"), "--callback-url", "https://gateway.example.com")...)
	response, err := http.Get(g.public + "/cdp/openapi.json")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	var document struct {
		Servers []struct{ URL string }
		Paths   map[string]struct {
			Post struct {
				Security []map[string][]string
			}
		}
	}
	require.NoError(t, json.Unmarshal(body, &document))
	assert.Equal(t, "https://gateway.example.com", document.Servers[0].URL)
	require.Contains(t, document.Paths, "/cdp/profile.updated")
	assert.Len(t, document.Paths, 5)
	assert.Equal(t, []map[string][]string{{"basic": {}}}, document.Paths["/cdp/profile.updated"].Post.Security)
	secrettest.AssertNoLeak(t, string(body), secret.New(p.params["action_password"]), secret.New(p.params["secret"]))

	actions := p.System.(simulator.Notifier)
	require.NoError(t, actions.Connect(simulator.Consumer{Endpoint: g.public + "/cdp", User: p.params["action_user"], Password: p.params["action_password"]}))
	require.NoError(t, actions.Fire(t.Context(), simulator.Notification{ID: "c1", Type: "profile.updated", Entity: "customer-1"}))
	sink.arrived(t, 1)
	assert.Equal(t, "profile.updated.v1", sink.taken()[0].FullType())
	assert.Equal(t, 202, g.event(t, "1", order("1")).status)
	assert.Equal(t, []string{"1"}, p.orders(t))
}

func TestRelayCheck(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	params := p.file(t)
	check := func(input string, args ...string) (code int, stdout, stderr string) {
		var out, errs testlog.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		args = append([]string{"relay", "check", "--connector", cdp, "--params", params}, args...)
		code = eventgateway.Main(ctx, args, local, cli.Streams{In: strings.NewReader(input), Out: &out, Err: &errs})
		return code, out.String(), errs.String()
	}
	code, out, errs := check(order("1"), "--file", "-")
	assert.Zero(t, code, errs)
	assert.Equal(t, `relay: ingest
event: order.created.v1
call: POST `+p.params["listener_url"]+`
body:
{
  "orderCode": "1",
  "total": 10
}
schema: ok
it would be sent
`, out)
	assert.Empty(t, p.orders(t), "nothing was sent")
	require.Len(t, p.Calls(), 1)

	file := filepath.Join(t.TempDir(), "event.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"specversion":"1.0","id":"1","source":"shop","type":"sap.kyma.custom.shop.order.paid.v1","data":{"total":"much"}}`), 0o600))
	code, out, errs = check("", "--file", file)
	assert.Equal(t, 2, code)
	assert.Contains(t, out, "event: order.paid.v1\n")
	assert.Contains(t, errs, "it would not be sent: the document lacks orderCode; total is of type string, not number")
	code, out, errs = check("", "--file", file, "--offline")
	assert.Zero(t, code, errs)
	assert.NotContains(t, out, "schema")

	for name, test := range map[string]struct {
		input string
		args  []string
		want  string
	}{
		"another type":   {order("1"), []string{"--file", "-", "--type", "order.cancelled.v1"}, `does not take events of type "order.cancelled.v1": it takes order.created.v1, order.paid.v1`},
		"no file":        {"", nil, "--file is missing"},
		"another relay":  {order("1"), []string{"--file", "-", "--relay", "other"}, `--relay "other": want one of: ingest`},
		"broken event":   {`{"specversion":"1.0"}`, []string{"--file", "-"}, "no CloudEvent: "},
		"no JSON":        {`order`, []string{"--file", "-"}, "it would not be sent: map.data: is no JSON document"},
		"no such file":   {"", []string{"--file", filepath.Join(t.TempDir(), "x")}, "no such file"},
		"huge":           {strings.Repeat("x", 4<<20+1), []string{"--file", "-"}, "larger than"},
		"no type at all": {order("1"), []string{"--file", "-", "--type", "order.created.v1\n"}, "--type"},
	} {
		code, _, errs := check(test.input, test.args...)
		assert.Equal(t, 2, code, name)
		assert.Contains(t, errs, test.want, name)
	}
	p.server.Close()
	code, _, errs = check(order("1"), "--file", "-")
	assert.Equal(t, 1, code, "worth another try")
	assert.Contains(t, errs, "the system's schema cannot be read")
	assert.Contains(t, errs, "--offline")
	secrettest.AssertNoLeak(t, errs+out, secret.New(p.params["secret"]))
}

func TestCheckOfADefinitionWithARelay(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, nil)
	args := []string{"check", "--connector", cdp, "--params", p.file(t), "--system"}
	code, out, errs := run(t, args...)
	assert.Zero(t, code, errs)
	assert.Contains(t, out, "deliveries: 1, relays: 1")
	assert.Contains(t, out, `system of relay "ingest": ok`)
	code, _, errs = run(t, append(args, "--allow-address", "10.0.0.0/8")...)
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "its address 127.0.0.1 is of this machine itself")
	code, _, errs = run(t, append(args, "--allow-address", "everywhere")...)
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, `--allow-address: "everywhere" is no network`)
	p.server.Close()
	code, _, errs = run(t, args...)
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, `system of relay "ingest": `)

	delete(p.params, "secret")
	code, _, errs = run(t, "check", "--connector", cdp, "--params", p.file(t))
	assert.Equal(t, 2, code, errs)
	assert.Contains(t, errs, "private_key")
	code, _, errs = run(t, "serve", "--connector", c4c, "--params", c4cParams, "--callback-url", "https://gateway.example.com/path")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "--callback-url")
}
