package registration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// Options say what to register and how.
type Options struct {
	Definition *connector.Definition
	Params     *connector.Params
	// Instance names this installation: it owns what it registers. Default: the definition's name.
	Instance string
	// Policy defaults to Upsert.
	Policy Policy
	// DryRun plans and writes nothing.
	DryRun bool
	// Verify writes nothing, calls what is registered and fails where something is not as it should be. Via says
	// how it calls; default ViaAuto.
	Verify bool
	Via    Via
	// GatewayMissing says that the cluster certainly has no gateway, GatewayExpected that it should have one: with ViaAuto,
	// nothing that is registered counts as working then.
	GatewayMissing, GatewayExpected bool
	// CreateApplication creates a missing Application where the Catalog can.
	CreateApplication bool
	// Parallel bounds the calls to the system at the same time; default 8.
	Parallel int
	// CallbackURL is the public address of the gateway, without path; SecretRef says where to read a
	// parameter. Both are for the manual steps.
	CallbackURL string
	SecretRef   func(name string) string
	// SubscriptionVersion is how workloads of the cluster subscribe to events, for the report: SubscribeV1Alpha2
	// (the default) or one of the others.
	SubscriptionVersion string
	// PrefixedTypes says that this Kyma brings events to their subscribers by types with a prefix, in which several
	// types may become one: Kyma 1.21 to 2.11. EventPrefix is the prefix; default sap.kyma.custom.
	PrefixedTypes bool
	EventPrefix   string
	// Detected is what is known about the cluster, for the report.
	Detected []Detection
}

// parallel is the effective value of Parallel.
func (o Options) parallel() int {
	if o.Parallel <= 0 {
		return DefaultParallel
	}
	return o.Parallel
}

// Dependencies are what a run talks to.
type Dependencies struct {
	Catalog Catalog
	// Survey is one that was started before; nil starts one.
	Survey *Survey
	// State may be nil: services with credentials are then updated each time.
	State State
	HTTP  *httpclient.Client
	// Gateway calls Kyma's gateway, for Verify. It may be nil: then only the system itself is called.
	Gateway *httpclient.Client
	Log     *slog.Logger
}

// DefaultParallel is the default of Options.Parallel.
const DefaultParallel = 8

// errProbing ends the probes in time for what they found to be written.
var errProbing = errors.New("the time for asking the system is over")

// run is one run: what is given, and the report as it grows.
type run struct {
	Options
	Dependencies
	builder builder
	redact  *secret.Redactor
	report  *Report
	rows    map[string]int // service id or identifier -> index in report.Services
	desired Desired
	kyma    known
	deleted map[string]bool // registered ids of services that were deleted
	// changes is the number of changes that were made, writtenBefore what the Catalog had written before.
	changes, writtenBefore int
	// probes are the APIs that answered, by service id.
	probes map[string]verified
	// wanted is the number of APIs that the parameters do not switch off.
	wanted int
}

// Run brings what is registered to what the definition and the parameters ask for. It always returns a
// report; whether that is a success says its ExitCode.
func Run(ctx context.Context, options Options, deps Dependencies) *Report {
	if options.Instance == "" {
		options.Instance = options.Definition.Metadata.Name
	}
	if options.Policy == "" {
		options.Policy = Upsert
	}
	options.Parallel = options.parallel()
	r := &run{Options: options, Dependencies: deps, redact: secret.NewRedactor(options.Params.Secrets()...), rows: map[string]int{}, probes: map[string]verified{}, deleted: map[string]bool{}}
	r.report = &Report{
		DryRun:    options.DryRun || options.Verify,
		Connector: options.Definition.Metadata.Name,
		Instance:  options.Instance,
		Backend:   deps.Catalog.Name(),
		Detected:  append([]Detection{}, options.Detected...),
		Services:  []ServiceReport{},
		Events:    []EventReport{},
		Manual:    []ManualReport{},
		Notes:     []string{},
	}
	r.writtenBefore = r.written()
	r.do(ctx)
	r.tell()
	r.report.count()
	r.redactReport()
	return r.report
}

func (r *run) do(ctx context.Context) {
	application, err := ApplicationName(r.Definition, r.Params.Input())
	if err != nil {
		r.stop(err)
		return
	}
	r.report.Application = application
	r.builder = builder{definition: r.Definition, identity: identity{application, r.Instance}, prefix: r.prefix(), prefixed: r.PrefixedTypes, documents: map[string]*Document{}}
	r.builder.judge, _ = r.Catalog.(CredentialJudge)

	r.Log.Info("asking the system and Kyma", "application", application, "backend", r.Catalog.Name())
	if r.Survey == nil {
		r.Survey = StartSurvey(ctx, r.Options, r.HTTP, r.Log)
	}
	defer r.Survey.Stop()
	r.builder.system = r.Survey.client
	r.askKyma(ctx)
	r.prepare(ctx)
	<-r.Survey.done
	r.survey(r.Survey)
	r.catalogEvents()
	if err := r.kyma.err; err != nil {
		if errors.Is(err, ErrNoApplication) {
			err = &ConfigError{What: fmt.Sprintf("the Application %q does not exist", application),
				Next: "create it, or let this program create it with --create-application where Kyma allows that"}
		}
		r.stop(err)
		return
	}
	r.checkAllDisabled()
	if n, is := r.Catalog.(Nowhere); is {
		r.nowhere(n)
		return
	}
	r.converge(ctx)
}

// known is what Kyma and the state said.
type known struct {
	services []Registered
	// missing says that there is no Application, and that it may be made.
	missing bool
	err     error

	state StateData
	// before are the digests as they were applied; nil where they are not known, which without explains.
	before  map[string]string
	without string
}

// askKyma reads what is registered, and the state.
func (r *run) askKyma(ctx context.Context) {
	var asking sync.WaitGroup
	asking.Go(func() {
		r.kyma.services, r.kyma.err = r.Catalog.List(ctx)
	})
	r.kyma.state, r.kyma.before, r.kyma.without = r.loadState(ctx)
	asking.Wait()
	if errors.Is(r.kyma.err, ErrNoApplication) && r.mayCreate() {
		r.kyma.missing, r.kyma.err = true, nil
	}
}

// prepare has the Catalog begin with the first active API while others are still being probed. Only what is going
// to be done in any case is done: the plan for this API alone says so.
func (r *run) prepare(ctx context.Context) {
	preparer, can := r.Catalog.(Preparer)
	if !can || r.DryRun || r.Verify || r.kyma.err != nil {
		return
	}
	<-r.Survey.first
	if r.Survey.active == nil {
		return
	}
	service, _, _, f := r.builder.service(*r.Survey.active)
	if !f.OK() {
		return
	}
	plan := MakePlan(r.planFor(Desired{Services: []Service{service}, Incomplete: "more will follow"}))
	if len(plan.Steps) != 1 || !r.createMissing(ctx) {
		return
	}
	preparer.Prepare(ctx, plan.Steps[0].Change)
}

// createMissing makes the Application where there is none. What goes wrong ends the run.
func (r *run) createMissing(ctx context.Context) bool {
	if !r.kyma.missing {
		return true
	}
	owner, ok := r.Catalog.(ApplicationOwner)
	if !ok {
		return true
	}
	if r.kyma.err = owner.CreateApplication(ctx); r.kyma.err != nil {
		return false
	}
	r.kyma.missing = false
	r.note("the Application was created")
	return true
}

func (r *run) mayCreate() bool {
	_, can := r.Catalog.(ApplicationOwner)
	return can && r.CreateApplication
}

// survey fills the rows of all APIs and the desired services.
func (r *run) survey(s *Survey) {
	if !s.wrong.OK() {
		for i := range r.Definition.APIs {
			api := &r.Definition.APIs[i]
			if api.Discover != nil {
				if !switchedOff(api, r.Params.Input()) {
					r.brokenListing(brokenListing{name: api.Discover.Get.Source(), found: s.wrong})
				}
				continue
			}
			r.wanted++
			r.row(&probed{candidate: &candidate{api: api, id: api.ID, name: api.ID}, found: s.wrong})
		}
		return
	}
	for i := range s.found.apis {
		if s.found.apis[i].found.Class != ClassSwitchedOff {
			r.wanted++
		}
		r.row(&s.found.apis[i])
	}
	for _, l := range s.found.listings {
		r.brokenListing(l)
	}
}

// row reports one API and, where it is active, desires its service.
func (r *run) row(p *probed) {
	var service Service
	note := ""
	if p.found.Class == ClassActive {
		var kept *system.Authorization
		service, kept, note, p.found = r.builder.service(*p)
		if p.found.OK() {
			r.probes[service.ID] = verified{probed: *p, service: service, kept: kept}
		}
	}
	if service.ID == "" {
		service = r.builder.base(p.id, p.name, p.description)
	}
	r.addRow(service, ServiceReport{ID: p.id, Kind: string(p.api.Kind), Target: httpclient.Address(p.address), Note: note}, p.found)
}

// addRow adds the row of a service. An active one is desired; one that failed keeps what is registered.
func (r *run) addRow(service Service, row ServiceReport, f finding) {
	row.Name, row.ServiceID = service.DisplayName, service.ID
	row.Class, row.Reason, row.Next = f.Class, f.Reason, f.Next
	switch f.Class {
	case ClassActive:
		r.desired.Services = append(r.desired.Services, service)
	case ClassSwitchedOff, ClassDisabled:
		row.Outcome = OutcomeSkipped
	default:
		row.Outcome = OutcomeFailed
		r.desired.Keep = append(r.desired.Keep, service.ID, service.Identifier)
	}
	if _, double := r.rows[service.ID]; !double {
		r.rows[service.ID] = len(r.report.Services)
		r.rows[service.Identifier] = len(r.report.Services)
	}
	r.report.Services = append(r.report.Services, row)
}

// brokenListing reports a discovery that did not come to its end. Nothing is deleted then.
func (r *run) brokenListing(l brokenListing) {
	if l.absent {
		r.desired.Incomplete = "the system has no listing of its APIs, so that it is unknown which are gone"
		r.note("the system has no listing of its APIs at %s: %s", l.name, l.found.Reason)
		return
	}
	r.desired.Incomplete = "the listing of the system's APIs is incomplete"
	r.wanted++
	r.report.Services = append(r.report.Services, ServiceReport{
		ID: "discovery", Name: "listing of APIs at " + l.name, Kind: "discovery",
		Outcome: OutcomeFailed, Class: l.found.Class, Reason: l.found.Reason, Next: l.found.Next,
	})
}

// catalogEvents desires the service of the event catalog.
func (r *run) catalogEvents() {
	if r.Definition.Events == nil {
		return
	}
	service, f := r.builder.events()
	r.addRow(service, ServiceReport{ID: eventsID, Kind: eventsKind}, f)
}

// checkAllDisabled turns "everything is disabled" into a failure: that is a wrong URL or user.
func (r *run) checkAllDisabled() {
	disabled := 0
	for _, s := range r.report.Services {
		if s.Class == ClassDisabled {
			disabled++
		}
	}
	if disabled == 0 || disabled < r.wanted {
		return
	}
	for i := range r.report.Services {
		if s := &r.report.Services[i]; s.Class == ClassDisabled {
			s.Outcome = OutcomeFailed
			s.Next = joinSentences(s.Next, fmt.Sprintf("the system offers none of the APIs, so check %s and the user too", r.builder.system.Hint()))
			r.desired.Keep = append(r.desired.Keep, s.ServiceID, r.builder.identity.identifier(s.ID))
		}
	}
}

// planFor is what a plan depends on.
func (r *run) planFor(desired Desired) PlanInput {
	after := map[string]string{}
	for _, s := range desired.Services {
		if hasCredentials(s) {
			after[s.ID] = digest(r.kyma.state.Key, s)
		}
	}
	return PlanInput{
		Instance: r.Instance, Policy: r.Policy, Current: r.kyma.services, Desired: desired,
		Before: r.kyma.before, After: after, WithoutState: r.kyma.without,
	}
}

// plan compares what is registered with what is desired.
func (r *run) plan() (PlanInput, Plan) {
	input := r.planFor(r.desired)
	if r.Verify && input.Before == nil {
		input.Before = input.After
	}
	return input, MakePlan(input)
}

// converge plans, applies and fills the outcomes.
func (r *run) converge(ctx context.Context) {
	if r.Verify && r.kyma.before == nil {
		r.note("whether credentials changed cannot be told: %s", r.kyma.without)
	}
	input, plan := r.plan()
	if r.checkSpecifications(ctx, plan.Steps) {
		input, plan = r.plan()
	}
	for _, s := range plan.Unchanged {
		r.outcome(s.ID, OutcomeUnchanged, "")
		r.at(s.ID).URL = r.url(s)
	}
	for _, v := range plan.Skipped {
		r.outcome(v.Service.ID, OutcomeSkipped, v.Reason)
		r.at(v.Service.ID).Class = ClassPolicy
		r.at(v.Service.ID).URL = r.url(v.Service)
	}
	for _, v := range plan.Conflicts {
		r.outcome(v.Service.ID, OutcomeFailed, v.Reason)
		r.at(v.Service.ID).Class = ClassConflict
	}
	for _, l := range plan.Leftover {
		r.leftover(l.Registered, OutcomeLeft, l.Reason)
	}
	r.noteKept(r.kyma.services)

	if r.Verify {
		r.noteRegistered(ctx)
		r.verify(ctx, plan)
		return
	}
	if r.DryRun {
		if r.kyma.missing {
			r.note("the Application would be created")
		}
		for _, step := range plan.Steps {
			r.stepDone(step)
		}
		r.foresee(ctx, plan.Steps, input.After)
		r.noteRegistered(ctx)
		return
	}
	if len(plan.Steps) > 0 && !r.createMissing(ctx) {
		r.stop(r.kyma.err)
		return
	}
	applied := r.apply(ctx, plan.Steps)
	r.report.Writes += r.written()
	r.saveState(ctx, input.After, applied)
	r.noteRegistered(ctx)
}

// noteRegistered adds what the Catalog knows about services that are registered as they should be.
func (r *run) noteRegistered(ctx context.Context) {
	noter, can := r.Catalog.(Noter)
	if !can {
		return
	}
	var registered []Service
	for _, s := range r.desired.Services {
		if row := r.at(s.ID); row.Outcome == OutcomeUnchanged || row.Outcome.active() && !r.DryRun {
			registered = append(registered, s)
		}
	}
	all, each := noter.Notes(ctx, registered)
	for _, note := range all {
		r.note("%s", note)
	}
	for id, note := range each {
		row := r.at(id)
		row.Note = joinSentences(row.Note, note)
	}
}

// loadState returns the state, with a key in any case, the digests as they were applied, and why there are
// none.
func (r *run) loadState(ctx context.Context) (StateData, map[string]string, string) {
	if r.State == nil {
		return StateData{Key: newKey()}, nil, "no state Secret is given"
	}
	state, err := r.State.Load(ctx)
	if err != nil {
		r.note("the state of the last run cannot be read, so that services with credentials are written anew: %v", err)
		return StateData{Key: newKey()}, nil, "the state of the last run cannot be read"
	}
	before := state.Digests
	if before == nil || state.Key.Empty() {
		before = map[string]string{}
	}
	if state.Key.Empty() {
		state.Key = newKey()
		state.Digests = nil
	}
	return state, before, ""
}

// written is the number of writes that the Catalog has made in this run.
func (r *run) written() int {
	if counter, ok := r.Catalog.(WriteCounter); ok {
		return counter.Writes() - r.writtenBefore
	}
	return r.changes
}

// apply makes the changes and returns, by service id, whether each was made.
func (r *run) apply(ctx context.Context, steps []Step) map[string]bool {
	applied := map[string]bool{}
	changes := changesOf(steps)
	r.Log.Info("writing", "backend", r.Catalog.Name(), "changes", len(changes))
	// Without changes too: the Catalog then ends what an interrupted run has begun.
	errs := r.Catalog.Apply(ctx, changes)
	for i, step := range steps {
		err := fmt.Errorf("no answer about this change")
		if i < len(errs) {
			err = errs[i]
		}
		applied[step.id()] = err == nil || errors.Is(err, ErrUnchanged)
		switch {
		case err == nil:
			r.changes++
			r.stepDone(step)
		case errors.Is(err, ErrUnchanged):
			r.outcome(step.id(), OutcomeUnchanged, "")
			r.at(step.id()).URL = r.url(*step.Service)
		default:
			r.stepFailed(step, err)
		}
	}
	return applied
}

func changesOf(steps []Step) []Change {
	changes := make([]Change, len(steps))
	for i, step := range steps {
		changes[i] = step.Change
	}
	return changes
}

// foresee counts what the steps would write.
func (r *run) foresee(ctx context.Context, steps []Step, after map[string]string) {
	planned, changes := len(steps), changesOf(steps)
	if foreseer, can := r.Catalog.(WriteForeseer); can {
		count, err := foreseer.ForeseeWrites(ctx, changes)
		if err != nil {
			r.note("the number of planned writes is that of the changes, because it cannot be found out more exactly: %v", err)
		} else {
			planned = count
		}
	}
	if r.kyma.missing && len(steps) > 0 {
		planned++
	}
	applied := map[string]bool{}
	for _, step := range steps {
		applied[step.id()] = true
	}
	if _, changed := r.nextState(after, applied); changed {
		planned++
	}
	r.report.PlannedWrites = &planned
}

// id is that of the service which the step changes.
func (s Step) id() string {
	if s.Service != nil {
		return s.Service.ID
	}
	return s.Registered.ID
}

func (r *run) stepDone(step Step) {
	switch step.Action {
	case Create:
		r.outcome(step.id(), OutcomeRegistered, step.Reason)
	case Update:
		r.outcome(step.id(), OutcomeUpdated, step.Reason)
	case Delete:
		r.leftover(*step.Registered, OutcomeDeleted, step.Reason)
		r.deleted[step.Registered.ID] = true
		return
	}
	r.at(step.id()).URL = r.url(*step.Service)
}

func (r *run) stepFailed(step Step, err error) {
	what, next, class := explain(err)
	if step.Action == Delete {
		r.leftover(*step.Registered, OutcomeFailed, "could not be deleted: "+what)
		row := r.at(step.Registered.ID)
		row.Class, row.Next = class, next
		return
	}
	r.outcome(step.id(), OutcomeFailed, what)
	row := r.at(step.id())
	row.Class, row.Next = class, next
}

// explain takes an error of a Catalog apart.
func explain(err error) (what, next string, class Class) {
	var config *ConfigError
	if errors.As(err, &config) {
		what = config.What
		if config.Err != nil {
			what += ": " + config.Err.Error()
		}
		return what, config.Next, ClassRefused
	}
	return err.Error(), "run it again", ClassWrite
}

// saveState keeps the digests of what was applied.
func (r *run) saveState(ctx context.Context, after map[string]string, applied map[string]bool) {
	state, changed := r.nextState(after, applied)
	if !changed {
		return
	}
	r.report.Writes++
	if err := r.State.Save(ctx, state); err != nil {
		r.report.StateNotSaved(err)
	}
}

// nextState is the state after changes, and says whether it differs. A service of which it is unknown whether it was
// written loses its digest, so that the next run writes it again; so does one that is not registered any more.
func (r *run) nextState(after map[string]string, applied map[string]bool) (next StateData, changed bool) {
	state, before := r.kyma.state, r.kyma.before
	if r.State == nil || before == nil {
		return state, false
	}
	registered := r.registered()
	digests := maps.Clone(before)
	maps.DeleteFunc(digests, func(id, _ string) bool { return !registered[id] })
	for id, done := range applied {
		if value, ok := after[id]; done && ok {
			digests[id] = value
		} else {
			delete(digests, id)
		}
	}
	if maps.Equal(digests, state.Digests) || (len(digests) == 0 && len(state.Digests) == 0) {
		return state, false
	}
	state.Digests = digests
	return state, true
}

// registered are the ids, as this program makes them, of the services that are there after the changes. A Catalog
// may have ids of its own.
func (r *run) registered() map[string]bool {
	ids := map[string]bool{}
	for _, old := range r.kyma.services {
		if !r.deleted[old.ID] {
			ids[old.ID] = true
			ids[r.builder.identity.id(strings.TrimPrefix(old.Identifier, r.Instance+"/"))] = true
		}
	}
	for _, s := range r.desired.Services {
		ids[s.ID] = true
	}
	return ids
}

// url is what a workload calls; nobody calls an event catalog.
func (r *run) url(s Service) string {
	if s.API == nil {
		return ""
	}
	return r.Catalog.URL(s)
}

// at is the row of a service; a row of its own for one that nobody knows.
func (r *run) at(id string) *ServiceReport {
	i, ok := r.rows[id]
	if !ok {
		i = len(r.report.Services)
		r.rows[id] = i
		r.report.Services = append(r.report.Services, ServiceReport{ServiceID: id})
	}
	return &r.report.Services[i]
}

func (r *run) outcome(id string, outcome Outcome, reason string) {
	row := r.at(id)
	row.Outcome, row.Reason = outcome, reason
}

// leftover reports a registered service that is not desired: in the row of its API, where it has one.
func (r *run) leftover(old Registered, outcome Outcome, reason string) {
	i, known := r.rows[old.ID]
	if !known {
		i, known = r.rows[old.Identifier]
	}
	if known {
		row := &r.report.Services[i]
		if outcome == OutcomeLeft {
			row.Reason = joinSentences(row.Reason, "it stays registered")
			return
		}
		row.kept = &ServiceReport{Outcome: row.Outcome, Reason: row.Reason}
		row.Outcome, row.Reason = outcome, joinSentences(row.Reason, reason)
		r.rows[old.ID] = i
		return
	}
	row := r.at(old.ID)
	row.ID = strings.TrimPrefix(old.Identifier, r.Instance+"/")
	row.Name, row.Outcome, row.Reason = old.DisplayName, outcome, reason
}

// noteKept says of services that could not be probed that what is registered stays.
func (r *run) noteKept(current []Registered) {
	for _, old := range current {
		i, known := r.rows[old.ID]
		if !known {
			i, known = r.rows[old.Identifier]
		}
		if !known || old.Labels[LabelInstance] != r.Instance {
			continue
		}
		if row := &r.report.Services[i]; row.Outcome == OutcomeFailed {
			row.Reason = joinSentences(row.Reason, "what is registered stays as it is")
		}
	}
}

// tell adds what people need to know besides: events, relays, manual steps, caches.
func (r *run) tell() {
	for _, t := range r.Definition.EventTypes() {
		r.report.Events = append(r.report.Events, EventReport{Type: t.FullType(), Summary: t.Summary, Subscription: r.subscription(t)})
	}
	r.tellRelays()
	callback := r.callback()
	in := r.Params.Input()
	in.Vars = map[string]string{"callback": callback, "eventTypes": r.eventTypes()}
	in.SecretRef = r.SecretRef
	for _, m := range r.Definition.Manual {
		e := system.Evaluator{In: in}
		if enabled, err := m.Enabled.Bool(in, true); err == nil && !enabled {
			continue
		}
		manual := ManualReport{ID: m.ID, Title: m.Title, Steps: []string{}}
		for _, step := range m.Steps {
			manual.Steps = append(manual.Steps, e.Text(step))
		}
		if e.Err != nil {
			r.note("the manual steps %q cannot be shown completely: %v", m.ID, e.Err)
		}
		r.report.Manual = append(r.report.Manual, manual)
	}
	if slices.ContainsFunc(r.report.Services, func(s ServiceReport) bool { return s.Outcome.active() && s.Kind != eventsKind }) {
		r.report.Caches = newCaches(r.report.Backend)
	}
}

// callback is the address at which the system delivers.
func (r *run) callback() string {
	base := strings.TrimRight(r.CallbackURL, "/")
	switch u, err := url.Parse(base); {
	case base == "":
		base = "https://<the gateway's host>"
	case err == nil && u.Hostname() == u.Host && !strings.Contains(u.Host, "."):
		base += ".<the cluster's domain>" // a short host, which only the cluster can complete
	}
	if delivery := r.Definition.Callback(); delivery != nil {
		return base + delivery.HTTP.Path
	}
	return base
}

// stop ends the run: nothing more is written. What was probed stays in the report.
func (r *run) stop(err error) {
	r.report.Error, r.report.Next, r.report.class = explain(err)
	r.report.Writes += r.written()
	for i := range r.report.Services {
		if row := &r.report.Services[i]; row.Outcome == "" {
			row.Outcome, row.Class, row.Reason = OutcomeFailed, r.report.class, "not written, because the run was stopped"
		}
	}
}

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// redactReport takes secrets out of texts that libraries and other systems had a part in. There should be
// none; this is the second lock.
func (r *run) redactReport() {
	r.report.Error = r.redact.Redact(r.report.Error)
	r.report.Next = r.redact.Redact(r.report.Next)
	for i := range r.report.Services {
		row := &r.report.Services[i]
		row.Reason, row.Next, row.Note = r.redact.Redact(row.Reason), r.redact.Redact(row.Next), r.redact.Redact(row.Note)
		if row.Call != nil {
			row.Call.URL = r.redact.Redact(row.Call.URL)
		}
	}
	for i := range r.report.Notes {
		r.report.Notes[i] = r.redact.Redact(r.report.Notes[i])
	}
}

func joinSentences(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
