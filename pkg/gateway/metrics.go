package gateway

import (
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

// MetricsPrefix starts the names of all metrics.
const MetricsPrefix = "kyma_connectors_gateway_"

// Metrics are what the gateway counts. Labels are names from the definition and bounded sets, never
// anything from a request.
type Metrics struct{ set *telemetry.Metrics }

// NewMetrics counts in the given set.
func NewMetrics(set *telemetry.Metrics) *Metrics { return &Metrics{set: set} }

// Watch adds what a buffer says of itself.
func (m *Metrics) Watch(b Buffer) {
	status := func(pick func(BufferStatus) int64) func() float64 {
		return func() float64 { return float64(pick(b.Status())) }
	}
	m.set.Gauge("buffer_deliveries", status(func(s BufferStatus) int64 { return s.Waiting }))
	m.set.Gauge("buffer_bytes", status(func(s BufferStatus) int64 { return s.Bytes }))
	m.set.Gauge("buffer_capacity_bytes", status(func(s BufferStatus) int64 { return s.Capacity }))
	m.set.Gauge("dead_letters", status(func(s BufferStatus) int64 { return s.DeadLetters }))
}

// WatchGate adds whether the sink is being left alone.
func (m *Metrics) WatchGate(g *Gate) {
	m.set.Gauge("sink_paused", func() float64 {
		if g.Shut() {
			return 1
		}
		return 0
	})
}

// Reloaded counts a reading of changed parameters.
func (m *Metrics) Reloaded(ok bool) {
	result := "ok"
	if !ok {
		result = "failed"
	}
	m.set.Counter("reloads_total", "result", result).Inc()
}

// TokenIssued counts an access token.
func (m *Metrics) TokenIssued(route string) {
	m.set.Counter("tokens_issued_total", "route", route).Inc()
}

// SessionEnded counts the end of an MQTT session; the reason is one of a bounded set.
func (m *Metrics) SessionEnded(route, reason string) {
	m.set.Counter("sessions_ended_total", "route", route, "reason", reason).Inc()
}

// WatchSessions adds the number of open MQTT sessions.
func (m *Metrics) WatchSessions(route string, open func() int) {
	m.set.Gauge("sessions", func() float64 { return float64(open()) }, "route", route)
}

// Damaged counts kept records that cannot be read any more.
func (m *Metrics) Damaged(n int) { m.set.Counter("damaged_records_total").Add(n) }

// DeadLetterExpired counts dead letters that were erased because of their age.
func (m *Metrics) DeadLetterExpired(n int) { m.set.Counter("dead_letters_expired_total").Add(n) }

func (m *Metrics) answered(route string, a Answer, took time.Duration) {
	m.set.Counter("deliveries_total", "route", route, "outcome", string(a.Outcome)).Inc()
	m.set.Histogram("delivery_duration_seconds", telemetry.Seconds(), "route", route).Observe(took.Seconds())
}

func (m *Metrics) refused(route, reason string) {
	m.set.Counter("verification_failures_total", "route", route, "reason", reason).Inc()
}

func (m *Metrics) events(route string, outcome Outcome, n int) {
	if n > 0 {
		m.set.Counter("events_total", "route", route, "outcome", string(outcome)).Add(n)
	}
}

func (m *Metrics) deadLettered(route string, reason Reason) {
	m.set.Counter("dead_letters_total", "route", route, "reason", string(reason)).Inc()
}

// Published counts a publication and how long it took.
func (m *Metrics) Published(sink string, start time.Time, err error) {
	result := "ok"
	if err != nil {
		result = string(AsPublishError(err).Reason)
	}
	m.set.Counter("publications_total", "sink", sink, "result", result).Inc()
	m.set.Histogram("publication_duration_seconds", telemetry.Seconds(), "sink", sink).Observe(time.Since(start).Seconds())
}

func (m *Metrics) delivered(received, now time.Time) {
	m.set.Histogram("event_age_seconds", telemetry.Seconds()).Observe(now.Sub(received).Seconds())
}

func (m *Metrics) refusedAppend(reason Reason) {
	m.set.Counter("append_failures_total", "reason", string(reason)).Inc()
}
