package telemetry_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

func TestMetricsAreWrittenInPrometheusFormat(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("app_")
	m.Counter("things_total", "kind", `a"b`).Inc()
	m.Counter("things_total", "kind", `a"b`).Inc()
	m.Gauge("depth", func() float64 { return 3 })
	h := m.Histogram("seconds", []float64{0.1, 1}, "route", "x")
	h.Observe(0.1)
	h.Observe(0.5)
	m.Histogram("seconds", []float64{0.1, 1}, "route", "x").Observe(7)
	view := m.View("part_", "part", "p")
	view.Counter("things_total", "kind", "c").Inc()
	view.Gauge("depth", func() float64 { return 4 })
	view.Histogram("seconds", []float64{0.1, 1}).Observe(1)

	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`app_things_total{kind="a\"b"} 2`,
		`app_depth 3`,
		`app_seconds_bucket{route="x",le="0.1"} 1`,
		`app_seconds_bucket{route="x",le="1"} 2`,
		`app_seconds_bucket{route="x",le="+Inf"} 3`,
		`app_seconds_sum{route="x"} 7.6`,
		`app_seconds_count{route="x"} 3`,
		`part_things_total{part="p",kind="c"} 1`,
		`part_depth{part="p"} 4`,
		`part_seconds_count{part="p"} 1`,
		`process_cpu_seconds_total`,
	} {
		assert.Contains(t, answer.Body.String(), line)
	}
}

func TestCountingNeedsNoMemory(t *testing.T) { // alone, as it counts allocations
	m := telemetry.NewMetrics("app_")
	count := func() {
		m.Counter("things_total", "kind", "a").Inc()
		m.Histogram("seconds", telemetry.Seconds(), "route", "x").Observe(0.5)
	}
	count() // which makes them
	assert.Zero(t, testing.AllocsPerRun(100, count))
}

func TestLoggerWritesJSONFromItsLevelOn(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger, err := telemetry.NewLogger(&out, "warn")
	require.NoError(t, err)
	logger.Info("quiet")
	logger.Warn("loud", "n", 1)
	assert.NotContains(t, out.String(), "quiet")
	assert.Contains(t, out.String(), `"msg":"loud","n":1`)

	_, err = telemetry.NewLogger(&out, "noisy")
	assert.EqualError(t, err, `log level "noisy": want debug, info, warn or error`)
}
