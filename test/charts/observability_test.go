package charts_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/eventgateway"
)

// prometheusRule has the rules of the Prometheus operator, and ours: every alert says what to do.
type prometheusRule struct {
	header
	Spec struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []struct {
				Alert       string            `json:"alert"`
				Expr        string            `json:"expr"`
				For         string            `json:"for"`
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

func (r *prometheusRule) validate(t *testing.T) {
	t.Helper()
	names := map[string]bool{}
	for _, group := range r.Spec.Groups {
		assert.NotEmpty(t, group.Name)
		assert.NotEmpty(t, group.Rules)
		for _, rule := range group.Rules {
			assert.Regexp(t, `^Connector[A-Za-z]+$`, rule.Alert)
			assert.False(t, names[rule.Alert], "%s is there twice", rule.Alert)
			names[rule.Alert] = true
			query(t, rule.Expr)
			assert.Regexp(t, `^[0-9]+m$`, rule.For, rule.Alert)
			assert.Contains(t, []string{"warning", "critical"}, rule.Labels["severity"], rule.Alert)
			assert.Regexp(t, `^\S.{40,}\.$`, rule.Annotations["runbook"], rule.Alert)
			assert.Regexp(t, `^[^\[\]]+\.$`, rule.Annotations["summary"], rule.Alert)
		}
	}
}

// query looks at a query as far as one can without Prometheus.
func query(t *testing.T, expr string) {
	t.Helper()
	for _, pair := range []string{"()", "{}", "[]"} {
		assert.Equal(t, strings.Count(expr, pair[:1]), strings.Count(expr, pair[1:]), expr)
	}
	assert.NotRegexp(t, `SELECT|GATEWAY_|RELAY_`, expr)
	selectors := strings.Count(expr, "{")
	assert.Positive(t, selectors, expr)
	assert.Equal(t, selectors, strings.Count(expr, "namespace="), "every metric is that of this release: %s", expr)
}

var metricName = regexp.MustCompile(`[a-z_]+(?:_[a-z]+)+\{`)

func metricsOf(expr string) []string {
	var names []string
	for _, found := range metricName.FindAllString(expr, -1) {
		names = append(names, strings.TrimSuffix(found, "{"))
	}
	return names
}

// observed are the values that ask for everything.
var observed = values{"metrics": values{
	"dashboard": values{"enabled": true, "annotations": values{"grafana_folder": "Connectors"}},
	"alerts":    values{"enabled": true, "labels": values{"release": "prometheus"}},
}}

// relaying is an installation with relays, and everything that may be observed.
func relaying() installation {
	in := varietyOf(observed)
	in.definition, in.values = relayed, values{"system_url": "https://a.example.com"}.with(observed)
	return in
}

type dashboard struct {
	Title      string `json:"title"`
	UID        string `json:"uid"`
	Templating struct {
		List []struct{ Name, Query string } `json:"list"`
	} `json:"templating"`
	Panels []struct {
		ID      int    `json:"id"`
		Type    string `json:"type"`
		Title   string `json:"title"`
		GridPos struct{ H, W, X, Y int }
		Targets []struct {
			Expr         string `json:"expr"`
			LegendFormat string `json:"legendFormat"`
			RefID        string `json:"refId"`
		} `json:"targets"`
	} `json:"panels"`
}

func dashboardOf(t *testing.T, os objects, name string) dashboard {
	t.Helper()
	o := os.find(t, "ConfigMap", name)
	assert.Equal(t, "1", o.GetLabels()["grafana_dashboard"])
	assert.Equal(t, "Connectors", o.GetAnnotations()["grafana_folder"])
	var d dashboard
	require.NoError(t, json.Unmarshal([]byte(into[corev1.ConfigMap](t, o).Data[name+".json"]), &d))
	return d
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	d := dashboardOf(t, render(t, install(form().with(observed))), "my-c4c-dashboard")
	assert.Contains(t, d.Title, "/my-c4c)")
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Query
	}
	assert.Equal(t, "my-c4c-gateway-.*", variables["pod"])
	assert.NotEmpty(t, variables["namespace"])
	ids, taken := map[int]bool{}, map[[2]int]bool{}
	for _, p := range d.Panels {
		assert.False(t, ids[p.ID], p.Title)
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				assert.False(t, taken[[2]int{x, y}], "%s covers another panel", p.Title)
				taken[[2]int{x, y}] = true
			}
		}
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		if p.Type == "row" {
			continue
		}
		assert.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			query(t, target.Expr)
			assert.NotRegexp(t, `relay`, target.Expr, "this connector has none")
			assert.NotRegexp(t, `[\[\]]`, target.LegendFormat)
		}
	}
	other := install(form().with(observed))
	other.release = "other"
	assert.NotEqual(t, d.UID, dashboardOf(t, render(t, other), "other-dashboard").UID)
	assert.Empty(t, render(t, install(form())).ofKind("PrometheusRule"))
}

// queries are what dashboard and alerts ask for, with the text that names labels of the answer, and what gateways tell.
// test/promql reads them with Prometheus' own parser, from the file that CHARTS_QUERIES names.
type queries struct {
	Queries []askedFor `json:"queries"`
	Metrics []string   `json:"metrics"`
}

type askedFor struct {
	Expr string `json:"expr"`
	Text string `json:"text"`
}

func (q *queries) ask(expr, text string) { q.Queries = append(q.Queries, askedFor{expr, text}) }

// Every metric that the dashboard or an alert asks for is one that the gateway has.
func TestQueriedMetricsExist(t *testing.T) {
	t.Parallel()
	wanted, all := map[string]bool{}, queries{}
	os := render(t, relaying())
	var rule prometheusRule
	strictInto(t, os.ofKind("PrometheusRule")[0], &rule)
	assert.Equal(t, "prometheus", os.ofKind("PrometheusRule")[0].GetLabels()["release"])
	relays := 0
	for _, r := range rule.Spec.Groups[0].Rules {
		if strings.Contains(r.Expr, "kyma_connectors_relay_") {
			relays++
		}
		all.ask(r.Expr, r.Annotations["summary"]+r.Annotations["runbook"])
		for _, name := range metricsOf(r.Expr) {
			wanted[name] = true
		}
	}
	assert.Positive(t, relays)
	var name string
	for _, o := range os.ofKind("ConfigMap") {
		if strings.HasSuffix(o.GetName(), "-dashboard") {
			name = o.GetName()
		}
	}
	for _, panel := range dashboardOf(t, os, name).Panels {
		for _, target := range panel.Targets {
			all.ask(target.Expr, target.LegendFormat)
			for _, name := range metricsOf(target.Expr) {
				wanted[name] = true
			}
		}
	}
	assert.Greater(t, len(wanted), 25)
	exists := map[string]bool{}
	all.Metrics = gatewayMetrics(t)
	for _, text := range all.Metrics {
		for _, line := range sample.FindAllStringSubmatch(text, -1) {
			exists[line[1]] = true
		}
	}
	for name := range wanted {
		assert.True(t, exists[name], "the gateway has no metric %s", name)
	}
	all.write(t)
}

func (q *queries) write(t *testing.T) {
	t.Helper()
	file := os.Getenv("CHARTS_QUERIES")
	if file == "" {
		return
	}
	data, err := json.Marshal(q)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

var sample = regexp.MustCompile(`(?m)^([a-z_]+)[{ ]`)

// gatewayMetrics are the metrics of gateways that have seen good and bad: one that stores and one that does
// not, with a relay whose system is away.
func gatewayMetrics(t *testing.T) []string {
	t.Helper()
	var texts []string
	for _, buffer := range []string{"disk", "none"} {
		status := map[string]int{"disk": http.StatusNoContent, "none": http.StatusServiceUnavailable}[buffer]
		sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(sink.Close)
		scrape := runGateway(t, "--buffer", buffer, "--buffer-dir", t.TempDir(), "--sink-kind", "cloudevents", "--sink-url", sink.URL)
		require.Eventually(t, func() bool {
			text := scrape()
			texts = append(texts, text)
			return strings.Contains(text, "\nkyma_connectors_relay_calls_total{") && strings.Contains(text, "\nkyma_connectors_gateway_publications_total{")
		}, 20*time.Second, 10*time.Millisecond)
	}
	dir := filepath.Join(root, "marketing-connector")
	_, scrape := startGateway(t, 1, dir, filepath.Join(dir, "samples", "params.yaml")) // which takes events by MQTT
	return append(texts, scrape())
}

// startGateway runs the gateway of a connector with that many listeners.
func startGateway(t *testing.T, listeners int, connector, params string, args ...string) (addresses []string, scrape func() string) {
	t.Helper()
	args = append([]string{"serve", "--connector", filepath.Join(connector, "files", "connector.yaml"), "--params", params,
		"--listen", "127.0.0.1:0", "--relay-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--drain-delay", "0s", "--allow-address", "127.0.0.1"}, args...)
	ctx, cancel := context.WithCancel(context.Background())
	logs := &lockedBuffer{}
	ended := make(chan int, 1)
	go func() {
		ended <- eventgateway.Main(ctx, args, func(string) string { return "" }, struct {
			In         io.Reader
			Out, Err   io.Writer
			IsTerminal bool
		}{strings.NewReader(""), io.Discard, logs, false})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	var line struct {
		Admin     string   `json:"admin"`
		Listeners []string `json:"listeners"`
	}
	require.Eventually(t, func() bool {
		lines := bufio.NewScanner(strings.NewReader(logs.String()))
		for lines.Scan() {
			if json.Unmarshal(lines.Bytes(), &line) == nil && len(line.Listeners) == listeners {
				return true
			}
		}
		return false
	}, 20*time.Second, time.Millisecond, "the gateway does not start: %s", logs)
	return line.Listeners, func() string {
		answer, err := http.Get("http://" + line.Admin + "/metrics")
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return string(body)
	}
}

// runGateway runs the gateway of a connector with webhook and relay, gives it a good delivery, a bad one, and an event for the system.
func runGateway(t *testing.T, args ...string) (scrape func() string) {
	t.Helper()
	params := map[string]string{}
	data, err := os.ReadFile(filepath.Join(root, "cdp-connector", "samples", "params.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &params))
	maps.DeleteFunc(params, func(name, value string) bool { return value == "" || strings.HasPrefix(name, "simulator_") })
	params["listener_url"] = "https://127.0.0.1:1/api/businessunits/4_a/applications/HOa/dataevents/HPa/event"
	params["relay_types"] = "order.created.v1"
	data, err = yaml.Marshal(params)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "params.yaml")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	listeners, scrape := startGateway(t, 2, filepath.Join(root, "cdp-connector"), file, args...)
	post := func(address, password string, header map[string]string, body string) {
		request, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		for name, value := range header {
			request.Header.Set(name, value)
		}
		if password != "" {
			request.SetBasicAuth(params["action_user"], password)
		}
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
	public := "http://" + listeners[0] + "/cdp/profile.updated"
	post(public, params["action_password"], nil, cdpAction)
	post(public, "wrong", nil, cdpAction)
	post("http://"+listeners[1]+"/relay", "", map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "shop", "Ce-Type": "order.created.v1"}, `{"orderCode":"1"}`)
	return scrape
}

// cdpAction is what the system sends.
const cdpAction = `{"callId":"c1","businessUnitId":"4_a","applicationId":"HOa","actionId":"HJa","customer":{"id":"b1"}}`

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Traces go where the values say, and the NetworkPolicy lets them through; by default nowhere.
func TestTracing(t *testing.T) {
	t.Parallel()
	gateway := func(v values) map[string]corev1.EnvVar {
		vars, checked := map[string]corev1.EnvVar{}, 0
		for name, pod := range render(t, install(form().with(v))).pods(t) {
			if !strings.HasSuffix(name, "-gateway") {
				continue
			}
			for _, c := range pod.Spec.Containers {
				for _, e := range c.Env {
					if strings.HasPrefix(e.Name, "OTEL_") {
						vars[e.Name] = e
					}
				}
			}
			for _, c := range pod.Spec.InitContainers {
				for _, e := range c.Env {
					if strings.HasPrefix(e.Name, "OTEL_") {
						assert.Equal(t, vars[e.Name], e, "the check before it looks at the same")
						checked++
					}
				}
			}
		}
		assert.Equal(t, len(vars), checked)
		return vars
	}
	assert.Empty(t, gateway(nil))
	tracing := values{"tracing": values{"endpoint": "http://collector.traces:14318", "sampleRatio": 0.25, "headersSecret": values{"name": "collector"}}}
	vars := gateway(tracing)
	assert.Equal(t, "http://collector.traces:14318", vars["OTEL_EXPORTER_OTLP_ENDPOINT"].Value)
	assert.Equal(t, "parentbased_traceidratio", vars["OTEL_TRACES_SAMPLER"].Value)
	assert.Equal(t, "0.25", vars["OTEL_TRACES_SAMPLER_ARG"].Value)
	from := vars["OTEL_EXPORTER_OTLP_HEADERS"].ValueFrom.SecretKeyRef
	assert.Equal(t, "collector/headers", from.Name+"/"+from.Key)
	assert.Contains(t, render(t, install(form().with(tracing))).find(t, "NetworkPolicy", "my-c4c-gateway").raw, "14318")
	alone := values{"tracing": values{"endpoint": "http://a:1", "sampleSenders": false}, "gateway": values{"env": values{"OTEL_TRACES_SAMPLER_ARG": "0.5"}}}
	vars = gateway(alone)
	assert.Equal(t, "traceidratio", vars["OTEL_TRACES_SAMPLER"].Value)
	assert.Equal(t, "0.5", vars["OTEL_TRACES_SAMPLER_ARG"].Value, "the operator's own comes first")
}

// The rate of a backlog is a value, and may still be given as a variable.
func TestBacklogRate(t *testing.T) {
	t.Parallel()
	rate := func(v values) []string {
		var all []string
		for name, pod := range render(t, install(form().with(v))).pods(t) {
			for _, c := range pod.Spec.Containers {
				for _, e := range c.Env {
					if e.Name == "KC_BACKLOG_RATE" && !strings.HasPrefix(name, "Pod ") {
						assert.Contains(t, []string{"StatefulSet my-c4c-gateway", "Deployment my-c4c-gateway"}, name)
						all = append(all, e.Value)
					}
				}
			}
		}
		return all
	}
	disk := values{"buffer": values{"type": "disk"}}
	assert.Empty(t, rate(nil))
	assert.Equal(t, []string{"1000"}, rate(disk))
	assert.Equal(t, []string{"0"}, rate(disk.with(values{"gateway": values{"backlogRate": 0}})))
	assert.Equal(t, []string{"50"}, rate(disk.with(values{"gateway": values{"env": values{"KC_BACKLOG_RATE": "50"}}})))
	assert.Equal(t, []string{"1000"}, rate(values{"buffer": values{"type": "jetstream", "jetstream": values{"url": "nats://nats.nats:4222"}}}))
}
