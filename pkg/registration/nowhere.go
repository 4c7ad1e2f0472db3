package registration

import "context"

// Nowhere is the Catalog of a cluster in which nothing can be registered. A run asks the system all the same, says what
// would be registered, and leaves it at that: events need no Application.
type Nowhere struct {
	// What says why nothing can be registered, Next what to do about it.
	What, Next string
}

var _ Catalog = Nowhere{}

// Name implements Catalog.
func (n Nowhere) Name() string { return "none" }

// List implements Catalog: nothing is registered.
func (n Nowhere) List(context.Context) ([]Registered, error) { return nil, nil }

// Apply implements Catalog: it fails every change.
func (n Nowhere) Apply(_ context.Context, changes []Change) []error {
	errs := make([]error, len(changes))
	for i := range errs {
		errs[i] = &ConfigError{What: n.What, Next: n.Next}
	}
	return errs
}

// URL implements Catalog.
func (n Nowhere) URL(Service) string { return "" }

// nowhere ends a run that has nowhere to register.
func (r *run) nowhere(n Nowhere) {
	r.report.NotRegistered = &NotRegistered{Reason: n.What, Next: n.Next}
	r.report.eventsOnly = len(r.Definition.Deliveries)+len(r.Definition.Relay) > 0
	r.report.nothingToRegister = r.wanted == 0
	for _, s := range r.desired.Services {
		row := r.at(s.ID)
		row.Outcome, row.Class, row.Reason, row.Next = OutcomeSkipped, ClassNowhere, "not registered: "+n.What, n.Next
		if r.Verify {
			row.Outcome = OutcomeFailed
		}
	}
	if r.Verify {
		r.report.Verified = &Verification{Dropped: []DroppedReport{}}
	} else if r.DryRun {
		r.report.PlannedWrites = new(int)
	}
}
