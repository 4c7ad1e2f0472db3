package telemetry

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

// Metrics is a set of metrics whose names share a prefix. It is safe for concurrent use; the same name and
// labels give the same metric.
type Metrics struct {
	*collection
	prefix string
	labels []string

	// found are the counters and histograms that were asked for, by name and labels, so that counting needs no text.
	found sync.Map
}

// shortcut is a name with up to two labels.
type shortcut struct {
	name   string
	labels [4]string
}

func newShortcut(name string, labels []string) (s shortcut, ok bool) {
	s.name = name
	return s, copy(s.labels[:], labels) == len(labels)
}

// collection is what all views of a set share.
type collection struct {
	set *metrics.Set

	mu         sync.Mutex
	histograms map[string]*Histogram
}

// NewMetrics makes an empty set. The prefix, such as "kyma_connectors_gateway_", starts every name.
func NewMetrics(prefix string) *Metrics {
	c := &collection{set: metrics.NewSet(), histograms: map[string]*Histogram{}}
	c.set.RegisterMetricsWriter(c.writeHistograms)
	return &Metrics{collection: c, prefix: prefix}
}

// View is the same set under another prefix; every metric made through it has the labels besides its own.
func (m *Metrics) View(prefix string, labels ...string) *Metrics {
	return &Metrics{collection: m.collection, prefix: prefix, labels: labels}
}

func (m *Metrics) all(labels []string) []string {
	return append(slices.Clone(m.labels), labels...)
}

// Counter is a count that only grows. Labels are pairs of name and value; values must come from a bounded
// set, never from a request.
func (m *Metrics) Counter(name string, labels ...string) *metrics.Counter {
	key, short := newShortcut(name, labels)
	if short {
		if known, ok := m.found.Load(key); ok {
			if c, ok := known.(*metrics.Counter); ok {
				return c
			}
		}
	}
	c := m.set.GetOrCreateCounter(m.prefix + name + labelText(m.all(labels)))
	if short {
		m.found.Store(key, c)
	}
	return c
}

// Gauge is a value that is asked for when the metrics are read.
func (m *Metrics) Gauge(name string, value func() float64, labels ...string) {
	m.set.GetOrCreateGauge(m.prefix+name+labelText(m.all(labels)), value)
}

// Histogram counts observations in buckets; bounds are their ascending upper bounds.
func (m *Metrics) Histogram(name string, bounds []float64, labels ...string) *Histogram {
	quick, short := newShortcut(name, labels)
	if short {
		if known, ok := m.found.Load(quick); ok {
			if h, ok := known.(*Histogram); ok {
				return h
			}
		}
	}
	all := m.all(labels)
	m.mu.Lock()
	defer m.mu.Unlock()
	key := m.prefix + name + labelText(all)
	h, ok := m.histograms[key]
	if !ok {
		// The caller's bounds are copied, so that asking for a histogram that is there needs no memory.
		h = &Histogram{name: m.prefix + name, labels: all, bounds: slices.Clone(bounds), counts: make([]atomic.Uint64, len(bounds)+1)}
		m.histograms[key] = h
	}
	if short {
		m.found.Store(quick, h)
	}
	return h
}

// Write writes everything in Prometheus' text format, the process's own metrics included.
func (m *Metrics) Write(w io.Writer) {
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

// Handler serves Write.
func (m *Metrics) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		m.Write(w)
	})
}

func (c *collection) writeHistograms(w io.Writer) {
	c.mu.Lock()
	all := make([]*Histogram, 0, len(c.histograms))
	keys := make([]string, 0, len(c.histograms))
	for key := range c.histograms {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		all = append(all, c.histograms[key])
	}
	c.mu.Unlock()
	for _, h := range all {
		h.write(w)
	}
}

// Seconds are bucket bounds for durations from a millisecond to a minute.
func Seconds() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

// Histogram counts observations by size.
type Histogram struct {
	name   string
	labels []string
	bounds []float64
	counts []atomic.Uint64 // one per bound, and one for what is larger
	micros atomic.Int64    // sum in millionths
}

// Observe adds one observation.
func (h *Histogram) Observe(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v)
	h.counts[i].Add(1)
	h.micros.Add(int64(v * 1e6))
}

func (h *Histogram) write(w io.Writer) {
	total := uint64(0)
	for i := range h.counts {
		total += h.counts[i].Load()
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = strconv.FormatFloat(h.bounds[i], 'g', -1, 64)
		}
		fmt.Fprintf(w, "%s_bucket%s %d\n", h.name, labelText(append(slices.Clone(h.labels), "le", bound)), total)
	}
	fmt.Fprintf(w, "%s_sum%s %g\n", h.name, labelText(h.labels), float64(h.micros.Load())/1e6)
	fmt.Fprintf(w, "%s_count%s %d\n", h.name, labelText(h.labels), total)
}

func labelText(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	pairs := make([]string, 0, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+"="+strconv.Quote(labels[i+1]))
	}
	return "{" + strings.Join(pairs, ",") + "}"
}
