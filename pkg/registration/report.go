package registration

import "fmt"

// Outcome is what became of a service.
type Outcome string

// The outcomes.
const (
	OutcomeRegistered Outcome = "registered"
	OutcomeUpdated    Outcome = "updated"
	OutcomeUnchanged  Outcome = "unchanged"
	OutcomeSkipped    Outcome = "skipped"
	OutcomeFailed     Outcome = "failed"
	OutcomeDeleted    Outcome = "deleted"
	OutcomeLeft       Outcome = "left" // registered before, not wanted any more, still there
)

// active says whether a service with this outcome can be called.
func (o Outcome) active() bool {
	return o == OutcomeRegistered || o == OutcomeUpdated || o == OutcomeUnchanged
}

// FailOn says which outcomes make a run fail.
type FailOn string

// The values of FailOn.
const (
	FailOnAny    FailOn = "any"    // any failure
	FailOnAll    FailOn = "all"    // only that nothing could be registered
	FailOnConfig FailOn = "config" // only what a repetition cannot cure
)

// FailOns are all values, for usage texts.
func FailOns() []FailOn { return []FailOn{FailOnAny, FailOnAll, FailOnConfig} }

// Report is what a run did, and what to do next. Its JSON is a contract: keys stay, more may follow. It
// holds no secrets.
type Report struct {
	// OK says that nothing failed.
	OK bool `json:"ok"`
	// Error is what stopped the run as a whole, Next what to do about it.
	Error string `json:"error,omitempty"`
	Next  string `json:"next,omitempty"`
	// NotRegistered says why nothing could be registered at all; nil where something could.
	NotRegistered *NotRegistered `json:"notRegistered,omitempty"`
	// DryRun says that nothing was written.
	DryRun      bool        `json:"dryRun,omitempty"`
	Connector   string      `json:"connector"`
	Instance    string      `json:"instance"`
	Backend     string      `json:"backend"`
	Detected    []Detection `json:"detected"`
	Application string      `json:"application"`
	// APIs counts outcomes of APIs; the event catalog is not one.
	APIs Counts `json:"apis"`
	// Writes is the number of objects that were written or deleted, the status of this run left out.
	Writes int `json:"writes"`
	// PlannedWrites is what Writes of a run without DryRun would be, as far as that can be known before; nil without
	// DryRun, and for verify.
	PlannedWrites *int            `json:"plannedWrites,omitempty"`
	Services      []ServiceReport `json:"services"`
	Events        []EventReport   `json:"events"`
	// Caches is how long Kyma's gateway may go on with an old state; nil where nothing can be called.
	Caches *CachesReport  `json:"caches,omitempty"`
	Manual []ManualReport `json:"manual"`
	Relays []RelayReport  `json:"relays,omitempty"`
	Notes  []string       `json:"notes"`
	// Webhooks is what became of the webhooks at the system; nil where the definition has none.
	Webhooks *WebhooksReport `json:"webhooks,omitempty"`
	// Verified is what verify found out besides; nil for other commands.
	Verified *Verification `json:"verified,omitempty"`

	// class is that of Error; empty where there is none.
	class Class
	// eventsOnly says that the connector brings events, which need no registration; nothingToRegister that it has no
	// API which the parameters ask for.
	eventsOnly, nothingToRegister bool
}

// NotRegistered is why nothing could be registered, and what to do about it.
type NotRegistered struct {
	Reason string `json:"reason"`
	Next   string `json:"next"`
}

// Counts counts outcomes.
type Counts struct {
	Registered int `json:"registered"`
	Updated    int `json:"updated"`
	Unchanged  int `json:"unchanged"`
	Skipped    int `json:"skipped"`
	Failed     int `json:"failed"`
	Deleted    int `json:"deleted"`
	Left       int `json:"left"`
}

// ServiceReport is what became of one API, or of the event catalog.
type ServiceReport struct {
	// ID is the API's id in the definition, or "events".
	ID string `json:"id"`
	// Name is the display name in Kyma, Kind odata, openapi, rest or events.
	Name    string  `json:"name"`
	Kind    string  `json:"kind"`
	Outcome Outcome `json:"outcome"`
	// Class is the kind of reason, Reason says it in words and Next what to do.
	Class  Class  `json:"class,omitempty"`
	Reason string `json:"reason,omitempty"`
	Next   string `json:"next,omitempty"`
	// Note is what has to be known for calling it.
	Note string `json:"note,omitempty"`
	// URL is what a workload in the cluster calls, Target what Kyma forwards to.
	URL       string `json:"url,omitempty"`
	Target    string `json:"target,omitempty"`
	ServiceID string `json:"serviceId,omitempty"`
	// Call is how it answered a call (verify).
	Call *CallReport `json:"call,omitempty"`

	// kept is the outcome that is left when what is registered of the API was deleted.
	kept *ServiceReport
}

// CachesReport says how long Kyma's gateway may serve what it read before a change of addresses or credentials.
type CachesReport struct {
	Seconds int    `json:"seconds"`
	Text    string `json:"text"`
}

// newCaches is about the gateway that goes with a backend. That of today keeps what it has read of Applications and
// Secrets for 5 minutes, and what it made of it for 2 more; those before only did the latter.
func newCaches(backend string) *CachesReport {
	minutes := 7
	if backend == backendRegistry {
		minutes = 2
	}
	return &CachesReport{Seconds: minutes * 60, Text: fmt.Sprintf("Kyma's gateway may use the old addresses and credentials for up to %d minutes after a change", minutes)}
}

// backendRegistry is the Name of a Catalog on an Application Registry.
const backendRegistry = "application-registry"

// EventReport is one event type that workloads can subscribe to.
type EventReport struct {
	Type    string `json:"type"`
	Summary string `json:"summary,omitempty"`
	// Subscription is a Kyma Subscription, or in some versions of Kyma a Knative Trigger; its sink, name and
	// namespace are the reader's to change.
	Subscription map[string]any `json:"subscription"`
	// Subscribed says who gets it (verify); empty where nobody knows.
	Subscribed Subscribed `json:"subscribed,omitempty"`
}

// ManualReport is something that a person has to enter at the system.
type ManualReport struct {
	ID    string   `json:"id"`
	Title string   `json:"title"`
	Steps []string `json:"steps"`
}

const eventsKind = "events"

// count fills APIs and OK.
func (r *Report) count() {
	r.APIs = Counts{}
	r.OK = r.Error == "" && (r.NotRegistered == nil || r.nothingToRegister)
	for _, s := range r.Services {
		if s.Outcome == OutcomeFailed {
			r.OK = false
		}
		if s.Kind == eventsKind {
			continue
		}
		r.APIs.add(s.Outcome)
	}
	if r.Webhooks != nil {
		r.Webhooks.count()
		r.OK = r.OK && r.Webhooks.Counts.Failed == 0
	}
}

// StateNotSaved takes back that the state was saved.
func (r *Report) StateNotSaved(err error) {
	r.Writes--
	r.Notes = append(r.Notes, fmt.Sprintf("the state could not be saved, so that the next run writes services with credentials anew: %v", err))
}

func (c *Counts) add(outcome Outcome) {
	switch outcome {
	case OutcomeRegistered:
		c.Registered++
	case OutcomeUpdated:
		c.Updated++
	case OutcomeUnchanged:
		c.Unchanged++
	case OutcomeSkipped:
		c.Skipped++
	case OutcomeFailed:
		c.Failed++
	case OutcomeDeleted:
		c.Deleted++
	case OutcomeLeft:
		c.Left++
	}
}

// ExitCode is 0 where all is done or failOn looks away, 1 where a repetition may help, 2 where somebody has
// to change something first.
func (r *Report) ExitCode(failOn FailOn) int {
	if r.Error != "" {
		return exitCode(retryable(r.class))
	}
	if r.NotRegistered != nil {
		return r.exitUnregistered(failOn)
	}
	var apis, events struct{ active, retryable, permanent int }
	for _, s := range r.Services {
		counts := &apis
		if s.Kind == eventsKind {
			counts = &events
		}
		switch {
		case s.Outcome.active():
			counts.active++
		case s.Outcome == OutcomeFailed && retryable(s.Class):
			counts.retryable++
		case s.Outcome == OutcomeFailed:
			counts.permanent++
		}
	}
	temporary, permanent := apis.retryable+events.retryable, apis.permanent+events.permanent
	for _, w := range r.webhooks() {
		switch {
		case w.Outcome == OutcomeFailed && retryable(w.Class):
			temporary++
		case w.Outcome == OutcomeFailed:
			permanent++
		}
	}
	// Events count as something registered only where there are no APIs.
	onlyEvents := apis.active+apis.retryable+apis.permanent == 0
	switch {
	case temporary+permanent == 0:
		return 0
	case failOn == FailOnAll && (apis.active > 0 || onlyEvents && events.active > 0):
		return 0
	case failOn == FailOnConfig && permanent == 0:
		return 0
	case failOn == FailOnConfig:
		return exitCode(false)
	}
	return exitCode(temporary > 0)
}

// exitUnregistered is the exit code where nothing could be registered: no failure for FailOnAll, as long as the connector
// brings events, which work without.
func (r *Report) exitUnregistered(failOn FailOn) int {
	failed, temporary, standing := 0, 0, 0
	for _, w := range r.webhooks() {
		switch {
		case w.Outcome != OutcomeFailed:
			standing++
			continue
		case retryable(w.Class):
			temporary++
		}
		failed++
	}
	switch {
	case r.nothingToRegister && failed == 0:
		return 0
	case failOn == FailOnAll && r.eventsOnly && (failed == 0 || standing > 0):
		return 0
	case failOn == FailOnConfig && r.nothingToRegister && temporary == failed:
		return 0
	}
	return exitCode(r.nothingToRegister && temporary > 0)
}

func exitCode(retryable bool) int {
	if retryable {
		return 1
	}
	return 2
}
