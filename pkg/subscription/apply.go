package subscription

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// at is the row of a webhook.
func (s *section) at(key string) *registration.WebhookReport { return &s.report.Items[s.rows[key]] }

// tell reports what the plan leaves as it is.
func (s *section) tell(plan Plan) {
	verdict := func(v Verdict, outcome registration.Outcome) {
		row := s.at(v.Wanted.Key)
		row.Outcome, row.Class, row.Reason, row.Next = outcome, v.Class, v.Reason, v.Next
		if v.Old != nil && !v.Old.Foreign {
			row.ID = v.Old.ID
			s.unsettled = s.unsettled || !v.Old.Current
		}
	}
	for _, v := range plan.Unchanged {
		verdict(v, registration.OutcomeUnchanged)
	}
	for _, v := range plan.Skipped {
		verdict(v, registration.OutcomeSkipped)
	}
	for _, v := range plan.Waiting {
		verdict(v, registration.OutcomeLeft)
	}
	for _, v := range plan.Conflicts {
		verdict(v, registration.OutcomeFailed)
	}
	for _, l := range plan.Leftover {
		s.unsettled = s.unsettled || !l.Registered.Current
		s.row(registration.WebhookReport{Name: nameOf(l.Registered), ID: l.Registered.ID, Topics: l.Registered.Topics, Outcome: registration.OutcomeLeft, Reason: l.Reason})
	}
}

// nameOf is what people call a webhook that nothing wants.
func nameOf(r Registered) string {
	if len(r.Topics) > 0 {
		return system.Printable(strings.Join(r.Topics, ", "), maxText)
	}
	return system.Printable(r.Key, maxText)
}

func joined(topics []string) string { return strings.Join(topics, ",") }

// foresee reports steps that are not made: as they would be, or as what is missing.
func (s *section) foresee(plan Plan) {
	s.report.Planned += s.plannedWrites(plan.Steps)
	for _, step := range plan.Steps {
		if step.Wanted == nil {
			outcome := registration.OutcomeDeleted
			if s.Verify {
				outcome = registration.OutcomeLeft
			}
			for _, old := range step.Old {
				s.row(registration.WebhookReport{Name: nameOf(old), ID: old.ID, Topics: old.Topics, Outcome: outcome, Reason: step.Reason})
			}
			continue
		}
		row := s.at(step.Wanted.Key)
		row.Outcome, row.Reason = outcomeOf(step), step.Reason
		if !s.Verify {
			continue
		}
		row.Outcome, row.Class, row.Next = registration.OutcomeFailed, registration.ClassMissing, "run registration-job apply"
		switch step.Action {
		case Create:
			row.Reason = "not registered"
		case Delete:
			row.Outcome, row.Class, row.Next = registration.OutcomeLeft, registration.ClassUnwanted, ""
		default:
			row.Reason = "not registered as it should be: " + step.Reason
		}
	}
}

// plannedWrites is the number of webhooks that apply would make, change and delete, and how often it would keep the
// state.
func (s *section) plannedWrites(steps []Step) (writes int) {
	made, removals, forgotten := 0, 0, 0
	for _, step := range steps {
		switch step.Action {
		case Create, Update:
			made++
		case Delete:
			removals, forgotten = removals+len(step.Old), forgotten+1
		default:
			made, removals = made+1, removals+len(step.Old)
		}
	}
	writes = made + removals
	if !s.known {
		return writes
	}
	if made > 0 && !slices.Contains(s.state.Callbacks, s.callback.shown) {
		writes++ // announced
	}
	if made > 0 {
		writes++ // before something is removed, or at the end
	}
	if forgotten > 0 {
		writes++
	}
	return writes
}

func outcomeOf(step Step) registration.Outcome {
	switch step.Action {
	case Create:
		return registration.OutcomeRegistered
	case Delete:
		return registration.OutcomeDeleted
	}
	return registration.OutcomeUpdated
}

// mark brings the records up to what the plan knows before anything is changed.
func (s *section) mark(plan Plan) {
	exists := map[string]bool{}
	for _, r := range s.current {
		exists[r.Key] = exists[r.Key] || !r.Foreign
	}
	for key, record := range s.records() {
		base, _, topic := strings.Cut(key, "#")
		_, unknown := s.unknown[base]
		switch {
		case !exists[base] && !unknown && s.incomplete == "":
			delete(s.state.Webhooks, s.key(key))
		case !topic && !record.UnwantedSince.IsZero():
			record.UnwantedSince = plan.Unwanted[key]
			s.state.Webhooks[s.key(key)] = record
		}
	}
	for key, since := range plan.Unwanted {
		record := s.state.Webhooks[s.key(key)]
		record.UnwantedSince = since
		s.state.Webhooks[s.key(key)] = record
	}
}

// apply makes the steps: first what is new, then the state is kept, then what is old goes. A run that ends in
// between leaves what the next one recognises.
func (s *section) apply(ctx context.Context, steps []Step) {
	if slices.ContainsFunc(steps, func(step Step) bool { return step.Action != Delete }) {
		s.announce(ctx)
	}
	s.letIn(ctx, steps)
	made := make([]bool, len(steps))
	each(s.Parallel, len(steps), func(i int) { made[i] = s.make(ctx, steps[i]) })
	type removal struct {
		step Step
		old  Registered
	}
	var removals []removal
	for i, step := range steps {
		for _, old := range step.Old {
			if made[i] && step.Action != Update {
				removals = append(removals, removal{step, old})
			}
		}
	}
	if len(removals) == 0 {
		return
	}
	s.save(ctx)
	findings := make([]system.Finding, len(removals))
	each(s.Parallel, len(removals), func(i int) {
		var item []byte
		if w := removals[i].step.Wanted; w != nil {
			item = w.item
		}
		findings[i] = s.delete(ctx, removals[i].old, item)
	})
	for i, r := range removals {
		s.removed(r.step, r.old, findings[i])
	}
}

// letIn waits until running gateways know a key that the system is about to get: what it signs with that one before would
// be refused, while the former one is taken all the time.
func (s *section) letIn(ctx context.Context, steps []Step) {
	rest := s.ProofsKnown.Sub(s.Now())
	if rest <= 0 || !slices.ContainsFunc(steps, func(step Step) bool {
		if step.Action != Update && step.Action != Replace || !step.Wanted.Besides {
			return false
		}
		record := s.state.Webhooks[s.key(step.Wanted.Key)]
		return record.Digest != "" && record.Proof != step.Wanted.Proof
	}) {
		return
	}
	s.Log.Info("the webhook gets another key: waiting until running gateways know it", "webhooks", s.name(), "time", rest.Round(time.Second))
	s.Wait(ctx, rest)
}

// announce puts the section's address on record before the first webhook calls it: without any address on record,
// nothing was ever made at the system.
func (s *section) announce(ctx context.Context) {
	s.used = true
	if s.known && !slices.Contains(s.state.Callbacks, s.callback.shown) {
		s.state.Callbacks = append(s.state.Callbacks, s.callback.shown)
		s.save(ctx)
	}
}

// make makes what is new in a step, and says whether what is old may go.
func (s *section) make(ctx context.Context, step Step) bool {
	if step.Action == Delete {
		return true
	}
	w := *step.Wanted
	row := s.at(w.Key)
	id, f := "", system.Finding{}
	if step.Action == Update {
		id, f = step.Old[0].ID, s.update(ctx, w, step.Old[0])
	} else {
		var status int
		id, status, f = s.create(ctx, w)
		if refusesTwo(status) && len(step.Old) > 0 {
			// Some systems do not take a second webhook of the same address: the old one goes first.
			if f = s.delete(ctx, step.Old[0], w.item); f.OK() {
				id, _, f = s.create(ctx, w)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.OK() {
		s.unsettled = true
		row.Outcome, row.Class, row.Reason, row.Next = registration.OutcomeFailed, f.Class, f.Reason, f.Next
		if len(step.Old) > 0 {
			row.ID, row.Reason = step.Old[0].ID, joinReasons(step.Reason, f.Reason)
		}
		return false
	}
	s.report.Writes++
	row.Outcome, row.Reason, row.ID = outcomeOf(step), step.Reason, id
	record := Record{ID: id, Digest: w.Digest, Recreate: w.Recreate, Proof: w.Proof}
	if before := s.state.Webhooks[s.key(w.Key)]; before.ID == id {
		record.CaughtUp = before.CaughtUp
	}
	s.state.Webhooks[s.key(w.Key)] = record
	return true
}

// refusesTwo says whether a status may mean that the system has such a webhook already.
func refusesTwo(status int) bool {
	return status == http.StatusConflict || status == http.StatusUnprocessableEntity || status == http.StatusBadRequest
}

// removed reports what became of a deletion.
func (s *section) removed(step Step, old Registered, f system.Finding) {
	if f.OK() {
		s.report.Writes++
	} else {
		s.unsettled = true
	}
	switch {
	case step.Action == Replace && f.OK():
	case step.Action == Replace:
		row := s.at(step.Wanted.Key)
		row.Outcome, row.Class, row.Next = registration.OutcomeFailed, f.Class, f.Next
		row.Reason = "a new one was made, but the old one could not be deleted: " + f.Reason
	case step.Wanted != nil:
		row := s.at(step.Wanted.Key)
		if row.Outcome == registration.OutcomeFailed {
			return
		}
		row.ID = old.ID
		row.Outcome, row.Class, row.Reason, row.Next = registration.OutcomeDeleted, "", step.Reason, ""
		if !f.OK() {
			row.Outcome, row.Class, row.Reason, row.Next = registration.OutcomeFailed, f.Class, "could not be deleted: "+f.Reason, f.Next
			return
		}
		delete(s.state.Webhooks, s.key(step.Wanted.Key))
	default:
		row := registration.WebhookReport{Name: nameOf(old), ID: old.ID, Topics: old.Topics, Outcome: registration.OutcomeDeleted, Reason: step.Reason}
		if !f.OK() {
			row.Outcome, row.Class, row.Reason, row.Next = registration.OutcomeFailed, f.Class, "could not be deleted: "+f.Reason, f.Next
		}
		s.row(row)
		if record := s.state.Webhooks[s.key(old.Key)]; f.OK() && record.ID == old.ID {
			delete(s.state.Webhooks, s.key(old.Key))
		}
	}
}

func joinReasons(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// each calls do for 0 to n-1, at most parallel at a time, and waits.
func each(parallel, n int, do func(i int)) {
	slots := make(chan struct{}, max(parallel, 1))
	var workers sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		workers.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	workers.Wait()
}
