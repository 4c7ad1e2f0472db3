// Package subscription registers webhooks at the source system, so that nobody has to enter an address there:
// list what is registered, work out what should be, compare, create, update or delete, report. A webhook
// belongs to the installation whose address it calls; others are never touched.
package subscription

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// Subscribers knows which event types somebody in the cluster subscribes to.
type Subscribers interface {
	// Demands says of each full type, such as "Order.Created.v1", who wants it; what is left out nobody does.
	// The note says what could not be looked at, though the answer is known otherwise; it is empty where all was.
	// A *registration.ConfigError is a failure that a repetition cannot cure.
	Demands(ctx context.Context, types []string) (demands map[string]Demand, note string, err error)
}

// DefaultGrace is how long nobody wants the events of a webhook before it is removed.
const DefaultGrace = time.Hour

// Phase is a part of a run of the registration.
type Phase string

// The phases.
const (
	// BeforeAPIs is for webhooks that bring an API with them.
	BeforeAPIs Phase = "before"
	// AfterAPIs is for all others, so that the first event finds the Application.
	AfterAPIs Phase = "after"
)

// Options say what to register and how.
type Options struct {
	Definition *connector.Definition
	Params     *connector.Params
	// Instance names this installation. Default: the definition's name.
	Instance string
	// Policy defaults to Upsert. It deletes too what dynamic mode says that nobody wants.
	Policy registration.Policy
	// DryRun plans and writes nothing; Verify does so too, and fails where something is not as it should be.
	DryRun, Verify bool
	// Parallel bounds the calls to the system at the same time; default registration.DefaultParallel.
	Parallel int
	// Phase chooses the sections that are worked on. Default: all of them.
	Phase Phase
	// CallbackURL is the public address of the gateway, without path.
	CallbackURL string
	// Grace replaces that of the definition; nil leaves it.
	Grace *time.Duration
	// ProofsKnown is when running gateways know changed keys: a webhook whose former key they take besides gets the new
	// one only then. The zero time does not wait.
	ProofsKnown time.Time
}

// Dependencies are what a run talks to.
type Dependencies struct {
	// State may be nil: changed keys then go unnoticed, and what nobody wants stays.
	State State
	// Subscribers may be nil: dynamic mode fails then.
	Subscribers Subscribers
	HTTP        *httpclient.Client
	Log         *slog.Logger
	// Now defaults to time.Now, Wait to a timer.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration)
}

// run is one run: what is given, and the report as it grows.
type run struct {
	Options
	Dependencies
	report *registration.WebhooksReport
	redact []secret.Text
	system *system.Client
	auth   *system.Authorization
	in     expression.Input

	// loaded is the state as it was read, state as it will be. known says that there is one.
	loaded, state StateData
	known         bool
}

// Run brings the webhooks at the system to what the definition and the parameters ask for. It is nil where the
// definition has none. It always returns a report; whether that is a success say its rows.
func Run(ctx context.Context, options Options, deps Dependencies) *registration.WebhooksReport {
	if !slices.ContainsFunc(options.Definition.Webhooks, func(w connector.Webhooks) bool { return options.Phase.has(&w) }) {
		return nil
	}
	r := newRun(options, deps)
	sections := r.begin(ctx)
	for _, s := range sections {
		s.converge(ctx)
	}
	r.keepCallbacks(sections)
	r.save(ctx)
	r.finish()
	return r.report
}

// has says whether webhooks belong to a phase.
func (p Phase) has(w *connector.Webhooks) bool {
	return p == "" || w.First == (p == BeforeAPIs)
}

func newRun(options Options, deps Dependencies) *run {
	if options.Instance == "" {
		options.Instance = options.Definition.Metadata.Name
	}
	if options.Policy == "" {
		options.Policy = registration.Upsert
	}
	if options.Parallel <= 0 {
		options.Parallel = registration.DefaultParallel
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Wait == nil {
		deps.Wait = wait
	}
	return &run{
		Options: options, Dependencies: deps, in: options.Params.Input(), redact: options.Params.Secrets(),
		report: &registration.WebhooksReport{Items: []registration.WebhookReport{}, Notes: []string{}},
	}
}

// begin prepares everything that the sections share, and returns those that are switched on and can be
// worked on.
func (r *run) begin(ctx context.Context) []*section {
	var sections []*section
	for i := range r.Definition.Webhooks {
		s := &section{run: r, w: &r.Definition.Webhooks[i]}
		if !r.Phase.has(s.w) {
			continue
		}
		switch enabled, err := s.w.Enabled.Bool(r.in, true); {
		case err != nil:
			s.fail(system.Misconfigured("correct the definition", "it cannot be evaluated: %v", err))
		case !enabled:
			s.row(registration.WebhookReport{Name: s.name(), Outcome: registration.OutcomeSkipped, Class: registration.ClassSwitchedOff,
				Reason: "switched off", Next: "see " + system.Named(s.w.Enabled.Parameters(), "the definition")})
		default:
			sections = append(sections, s)
		}
	}
	if len(sections) == 0 {
		return nil
	}
	r.load(ctx)
	var f system.Finding
	if r.system, f = system.New(r.Definition, r.Params, r.HTTP); f.OK() {
		r.auth, f = r.system.Authorize(nil, r.in)
	}
	if f.OK() {
		return slices.DeleteFunc(sections, func(s *section) bool { return !s.prepare() })
	}
	for _, s := range sections {
		s.fail(f)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// load reads the state.
func (r *run) load(ctx context.Context) {
	if r.State == nil {
		r.note("whether keys of webhooks changed cannot be told, and webhooks that nobody wants are not removed: no state Secret is given")
		r.state = StateData{Key: newKey()}.clone()
		return
	}
	loaded, err := r.State.Load(ctx)
	if err != nil {
		r.note("the state of the last run cannot be read, so that changed keys of webhooks go unnoticed: %v", err)
		r.state = StateData{Key: newKey()}.clone()
		return
	}
	r.known, r.loaded, r.state = true, loaded, loaded.clone()
	if r.state.Key.Empty() {
		r.state = StateData{Key: newKey(), Callbacks: r.state.Callbacks}.clone()
	}
}

// saveTimeout is the time for keeping the state, even where that for the run is over: without it, webhooks that
// were made are made again.
const saveTimeout = 15 * time.Second

// nothingMade says whether it is known that no webhook was ever made.
func (r *run) nothingMade() bool {
	return r.known && len(r.loaded.Callbacks)+len(r.loaded.Webhooks) == 0
}

// save keeps the state where it changed.
func (r *run) save(ctx context.Context) {
	if !r.known || r.DryRun || r.Verify || r.state.equal(r.loaded) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err := r.State.Save(ctx, r.state.clone()); err != nil {
		r.note("the state of the webhooks could not be saved, so that the next run makes some of them anew: %v", err)
		return
	}
	r.loaded = r.state.clone()
	r.report.Writes++
}

// keepCallbacks remembers the addresses that webhooks call, and forgets those that nothing calls any more.
func (r *run) keepCallbacks(sections []*section) {
	var callbacks []string
	keep := func(callback string) {
		if !slices.Contains(callbacks, callback) {
			callbacks = append(callbacks, callback)
		}
	}
	settled := map[string]bool{}
	for _, s := range sections {
		if s.used {
			keep(s.callback.shown)
		}
		for _, older := range s.callback.older {
			if s.unsettled || r.Phase == BeforeAPIs { // others may still call it
				keep(older)
			}
			settled[older] = true
		}
	}
	for _, callback := range r.loaded.Callbacks {
		if !settled[callback] {
			keep(callback) // of a section that was not worked on
		}
	}
	slices.Sort(callbacks)
	r.state.Callbacks = callbacks
}

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// finish takes secrets out of texts that others had a part in. There should be none; this is the second lock.
func (r *run) finish() {
	redactor := secret.NewRedactor(r.redact...)
	for i := range r.report.Items {
		row := &r.report.Items[i]
		row.Name, row.Reason, row.Next = redactor.Redact(row.Name), redactor.Redact(row.Reason), redactor.Redact(row.Next)
	}
	for i := range r.report.Notes {
		r.report.Notes[i] = redactor.Redact(r.report.Notes[i])
	}
}

// findingOf makes a finding of an error of the cluster.
func findingOf(err error) system.Finding {
	var config *registration.ConfigError
	if errors.As(err, &config) {
		reason := config.What
		if config.Err != nil {
			reason += ": " + config.Err.Error()
		}
		return system.Finding{Class: registration.ClassRefused, Reason: reason, Next: config.Next}
	}
	return system.Finding{Class: registration.ClassWrite, Reason: err.Error(), Next: "run it again"}
}
