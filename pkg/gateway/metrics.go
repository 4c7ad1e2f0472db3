package gateway

import (
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

// MetricsPrefix starts the names of all metrics.
const MetricsPrefix = "kyma_connectors_gateway_"

// RelayMetricsPrefix starts the names of what a relay counts: the same metrics, and some of its own.
const RelayMetricsPrefix = "kyma_connectors_relay_"

// Metrics are what the gateway counts. Labels are names from the definition and bounded sets, never
// anything from a request.
type Metrics struct {
	set *telemetry.Metrics
	// types count accepted events of the types that are known, by full type; others all other ones. Both are nil where no
	// types are known.
	types  map[string]*metrics.Counter
	others *metrics.Counter
}

// MetricEventTypes is the name, behind MetricsPrefix, of what counts accepted events by type.
const MetricEventTypes = "event_types_total"

// KnowTypes makes it count accepted events by type, too: by these full types, and all others together. It is called before
// anything is counted.
func (m *Metrics) KnowTypes(types []string) {
	m.types = make(map[string]*metrics.Counter, len(types))
	for _, full := range types {
		m.types[full] = m.set.Counter(MetricEventTypes, "type", full)
	}
	m.others = m.set.Counter(MetricEventTypes, "type", "other")
}

// arrived counts an accepted event by its full type.
func (m *Metrics) arrived(full string) {
	if m.types == nil {
		return
	}
	if counter, known := m.types[full]; known {
		counter.Inc()
		return
	}
	m.others.Inc()
}

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
	// What is rare is there from the beginning: whoever looks for an increase needs a zero before it.
	m.Damaged(0)
	m.DeadLetterExpired(0)
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

// WatchPace adds how fast a backlog is published at most, in events per second; 0 means without a bound.
func (m *Metrics) WatchPace(p *Pace) { m.set.Gauge("backlog_rate", p.Rate) }

// WatchReloads adds the counts of Reloaded, so that they begin with zero.
func (m *Metrics) WatchReloads() {
	m.reloads(true).Add(0)
	m.reloads(false).Add(0)
}

// Reloaded counts a reading of changed parameters.
func (m *Metrics) Reloaded(ok bool) { m.reloads(ok).Inc() }

func (m *Metrics) reloads(ok bool) *metrics.Counter {
	result := "ok"
	if !ok {
		result = "failed"
	}
	return m.set.Counter("reloads_total", "result", result)
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
	m.set.Counter("sessions_ended_total", "route", route, "reason", "refused").Add(0)
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

// notKept counts a refused delivery that is no dead letter either, for want of space.
func (m *Metrics) notKept(route string) {
	m.set.Counter("refused_not_kept_total", "route", route).Inc()
}

// mismatched counts an event whose payload is not what the event catalog says. The type is one of the
// catalog's.
func (m *Metrics) mismatched(route, fullType string) {
	m.set.Counter("payload_mismatches_total", "route", route, "type", fullType).Inc()
}

// unchecked counts an event that the event catalog says nothing about.
func (m *Metrics) unchecked(route string) {
	m.set.Counter("payload_unchecked_total", "route", route).Inc()
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

// What becomes of an event on its way out of the cluster.
const (
	RelaySent     = "sent"     // the system took it
	RelayFailed   = "failed"   // it will be repeated
	RelayRejected = "rejected" // it will never be taken
)

// Relayed counts events on their way out, one by one and every time that they are tried.
func (m *Metrics) Relayed(result string, n int) {
	m.set.Counter("results_total", "result", result).Add(n)
}

// WatchBatches adds the bytes that a call to the system has at most: the definition's bound, or less where the
// system has found that too large.
func (m *Metrics) WatchBatches(bytes func() int) {
	m.set.Gauge("batch_bytes_limit", func() float64 { return float64(bytes()) })
}

// RelayedUnchecked counts an event that was sent although the system's schema could not be read.
func (m *Metrics) RelayedUnchecked() { m.set.Counter("unchecked_total").Inc() }

// RelayCalled counts a call to the system with the events that it carried; err is nil where it took them.
func (m *Metrics) RelayCalled(events int, start time.Time, err *PublishError) {
	result := "ok"
	if err != nil {
		result = string(err.Reason)
	}
	m.set.Counter("calls_total", "result", result).Inc()
	m.set.Histogram("call_events", []float64{1, 2, 5, 10, 20, 50, 100, 200}).Observe(float64(events))
	m.set.Histogram("call_duration_seconds", telemetry.Seconds()).Observe(time.Since(start).Seconds())
}
