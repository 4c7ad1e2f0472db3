// Package promql_test reads every query of the charts' dashboard and alerts with Prometheus' own parser, and holds it
// against what gateways tell at /metrics.
package promql_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

// added are the labels that a scrape adds to every metric of a pod.
var added = []string{"namespace", "pod", "container", "job", "instance", "endpoint", "service"}

// charts is what the tests of the charts render and measure.
type charts struct {
	Queries []struct {
		Expr string `json:"expr"`
		Text string `json:"text"`
	} `json:"queries"`
	Metrics []string `json:"metrics"`
}

func readCharts(t *testing.T) (c charts) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "queries.json")
	command := exec.Command("go", "test", "-count=1", "-run", "^TestQueriedMetricsExist$", "./test/charts")
	command.Dir, command.Env = root, append(os.Environ(), "CHARTS_QUERIES="+file)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &c))
	return c
}

// metrics are names with the labels that they have, and each label's values.
type metrics map[string]map[string]map[string]bool

// told are the metrics in texts of Prometheus' format.
func told(t *testing.T, texts []string) metrics {
	t.Helper()
	p := parser.NewParser(parser.Options{})
	all := metrics{}
	for _, text := range texts {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			at := strings.LastIndex(line, " ")
			if line == "" || line[0] == '#' || at < 0 {
				continue
			}
			series, err := p.ParseMetric(line[:at])
			require.NoError(t, err, line)
			name := series.Get(labels.MetricName)
			if all[name] == nil {
				all[name] = map[string]map[string]bool{}
			}
			series.Range(func(l labels.Label) {
				if all[name][l.Name] == nil {
					all[name][l.Name] = map[string]bool{}
				}
				all[name][l.Name][l.Value] = true
			})
		}
	}
	return all
}

// has says whether a metric has a label.
func (m metrics) has(metric, label string) bool { return m[metric][label] != nil }

// variables are what Grafana puts in.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$__interval", "1m", "$__range", "1h", "$namespace", "x", "$pod", "x")

func TestQueries(t *testing.T) {
	t.Parallel()
	c := readCharts(t)
	assert.Greater(t, len(c.Queries), 25)
	all := told(t, c.Metrics)
	for _, q := range c.Queries {
		t.Run(q.Expr, func(t *testing.T) {
			t.Parallel()
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(variables.Replace(q.Expr))
			require.NoError(t, err)
			checkSelectors(t, all, expr)
			result := labelsOf(t, all, expr)
			for _, name := range named(q.Text) {
				assert.True(t, result[name], "the text names %s, the result has %v", name, result)
			}
		})
	}
}

// checkSelectors wants every metric and each of its labels to exist, and what counts to be asked for its growth.
func checkSelectors(t *testing.T, all metrics, expr parser.Expr) {
	t.Helper()
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		assert.NotNil(t, all[selector.Name], "no gateway has the metric %s", selector.Name)
		for _, m := range selector.LabelMatchers {
			if m.Name == labels.MetricName || isAdded(m.Name) {
				continue
			}
			assert.True(t, all.has(selector.Name, m.Name), "%s has no label %s", selector.Name, m.Name)
		}
		ranged := false
		for _, parent := range path {
			if call, ok := parent.(*parser.Call); ok {
				ranged = ranged || call.Func.Name == "rate" || call.Func.Name == "increase"
			}
		}
		grows := strings.HasSuffix(selector.Name, "_total") || strings.HasSuffix(selector.Name, "_bucket") || strings.HasSuffix(selector.Name, "_count") || strings.HasSuffix(selector.Name, "_sum")
		assert.Equal(t, grows, ranged, "%s: rate or increase is for what only grows", selector.Name)
		return nil
	})
}

func isAdded(label string) bool {
	for _, name := range added {
		if name == label {
			return true
		}
	}
	return false
}

// labelsOf are the labels that a result has. Every label that something is grouped by has to be there before.
func labelsOf(t *testing.T, all metrics, node parser.Expr) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	switch e := node.(type) {
	case *parser.VectorSelector:
		for _, name := range added {
			out[name] = true
		}
		for name := range all[e.Name] {
			out[name] = true
		}
	case *parser.MatrixSelector:
		return labelsOf(t, all, e.VectorSelector)
	case *parser.SubqueryExpr:
		return labelsOf(t, all, e.Expr)
	case *parser.ParenExpr:
		return labelsOf(t, all, e.Expr)
	case *parser.AggregateExpr:
		inner := labelsOf(t, all, e.Expr)
		if e.Without {
			out = inner
		}
		for _, name := range e.Grouping {
			assert.True(t, inner[name], "%s is grouped by %s, which is not there", e.Expr, name)
			out[name] = !e.Without
		}
	case *parser.BinaryExpr:
		left, right := labelsOf(t, all, e.LHS), labelsOf(t, all, e.RHS)
		if len(left) == 0 {
			return right
		}
		return left
	case *parser.Call:
		if e.Func.Name == "absent" {
			return out
		}
		for _, argument := range e.Args {
			for name := range labelsOf(t, all, argument) {
				out[name] = true
			}
		}
		if e.Func.Name == "histogram_quantile" {
			assert.True(t, out["le"], "%s: a quantile needs the buckets", e)
			delete(out, "le")
		}
	}
	return out
}

var label = regexp.MustCompile(`{{ *(?:\$labels\.)?([a-z_]+) *}}`)

// named are the labels in a legend or the text of an alert.
func named(text string) (names []string) {
	for _, found := range label.FindAllStringSubmatch(text, -1) {
		names = append(names, found[1])
	}
	return names
}

// TestWhatIsWrongIsFound: each kind of mistake is one.
func TestWhatIsWrongIsFound(t *testing.T) {
	t.Parallel()
	all := told(t, []string{"a_total{route=\"x\"} 1\nb 2\nc_bucket{le=\"1\"} 3\n"})
	for expr, good := range map[string]bool{
		`sum by (route) (rate(a_total{namespace="x"}[5m]))`: true, `b{pod=~"x"} == 0`: true, `histogram_quantile(0.9, sum by (le) (rate(c_bucket[5m])))`: true,
		`sum by (reason) (rate(a_total[5m]))`: false, `rate(b[5m])`: false, `a_total > 0`: false, `absent_total`: false, `b{route="x"}`: false,
		`histogram_quantile(0.9, sum by (pod) (rate(c_bucket[5m])))`: false,
	} {
		parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
		require.NoError(t, err)
		trial := &testing.T{}
		checkSelectors(trial, all, parsed)
		labelsOf(trial, all, parsed)
		assert.Equal(t, !good, trial.Failed(), expr)
	}
}
