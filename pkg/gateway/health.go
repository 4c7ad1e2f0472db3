package gateway

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Check   string `json:"check"`
	Problem string `json:"problem"`
}

// Check looks at one part of the gateway.
type Check struct {
	Name string
	// Essential: while it fails, the gateway is not ready. Otherwise it is only reported: a sink that is
	// down makes no gateway unready, because another replica would not reach it either.
	Essential bool
	// Problem returns nil, or what is wrong. It answers at once.
	Problem func() error
}

// Health says whether the gateway is ready, and why not.
type Health struct {
	checks []Check
	state  atomic.Int32
}

const (
	starting int32 = iota
	running
	draining
)

// NewHealth looks at the given checks.
func NewHealth(checks ...Check) *Health { return &Health{checks: checks} }

// Report is the answer of /readyz.
type Report struct {
	Ready bool `json:"ready"`
	// Reasons keep the gateway from being ready; Warnings do not.
	Reasons  []Finding `json:"reasons,omitempty"`
	Warnings []Finding `json:"warnings,omitempty"`
}

// Report looks at everything.
func (h *Health) Report() Report {
	var r Report
	switch h.state.Load() {
	case starting:
		r.Reasons = append(r.Reasons, Finding{"lifecycle", "starting"})
	case draining:
		r.Reasons = append(r.Reasons, Finding{"lifecycle", "shutting down"})
	}
	for _, c := range h.checks {
		err := c.Problem()
		switch {
		case err == nil:
		case c.Essential:
			r.Reasons = append(r.Reasons, Finding{c.Name, err.Error()})
		default:
			r.Warnings = append(r.Warnings, Finding{c.Name, err.Error()})
		}
	}
	r.Ready = len(r.Reasons) == 0
	return r
}

// Draining says whether shutting down has begun.
func (h *Health) Draining() bool { return h.state.Load() == draining }

// Readiness serves the report: 200 when ready, otherwise 503.
func (h *Health) Readiness() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		report := h.Report()
		body, err := json.Marshal(report)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if !report.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(append(body, '\n'))
	})
}
