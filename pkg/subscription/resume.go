package subscription

import (
	"context"
	"fmt"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// maxResumed bounds the deliveries of one webhook that a run has sent again.
const maxResumed = 200

// resume has the system send again what it could not deliver while nobody answered.
func (s *section) resume(ctx context.Context) {
	resume := s.w.Resume
	if resume == nil || s.Verify {
		return
	}
	targets := []string{""}
	if resume.List.Uses("id") {
		targets = nil
		for _, key := range s.workingKeys() {
			targets = append(targets, s.at(key).ID)
		}
	}
	for _, id := range targets {
		values := map[string]string{"id": id, "callback": s.callback.full.Reveal(), "label": s.label()}
		items, f := s.undelivered(ctx, values)
		resumed := 0
		if f.OK() && len(items) > 0 && !s.DryRun {
			resumed, f = s.sendAgain(ctx, values, items)
		}
		s.report.Writes += resumed
		switch {
		case !f.OK():
			s.row(registration.WebhookReport{Name: s.name() + ": failed deliveries", ID: id, Outcome: registration.OutcomeFailed, Class: f.Class,
				Reason: "what could not be delivered is not sent again: " + f.Reason, Next: f.Next})
		case len(items) > 0:
			s.note("%s: what the system could not deliver is sent again: %d", s.name(), len(items))
		}
	}
}

// undelivered lists what has to be sent again.
func (s *section) undelivered(ctx context.Context, values map[string]string) ([][]byte, system.Finding) {
	list := s.w.Resume.List
	request, err := s.request(&list.Call, values, nil)
	if err != nil {
		return nil, system.Misconfigured("correct the definition", "webhooks.resume.list cannot be evaluated: %v", err)
	}
	var items [][]byte
	var wrong error
	seen := map[string]bool{}
	f := s.system.List(ctx, s.auth, system.ListRequest{
		Request: request, What: "deliveries", Items: list.Items, Next: list.Next, Limit: list.Limit, Enough: true, Hints: s.hints("resume.list"),
		Each: func(raw []byte, _ int) bool {
			e := system.Evaluator{In: s.in}
			e.In.Item, e.In.Vars = raw, values
			failed := e.Bool(list.Failed, true)
			if list.Group.IsSet() {
				group := s.field(&e, list.Group)
				failed = failed && !seen[group]
				seen[group] = true
			}
			if e.Err != nil && wrong == nil {
				wrong = e.Err
			}
			if failed && e.Err == nil && len(items) < maxResumed {
				items = append(items, raw)
			}
			return true
		},
	})
	if f.OK() && wrong != nil {
		f = system.Misconfigured("correct the definition", "an entry of webhooks.resume.list cannot be evaluated: %v", wrong)
	}
	return items, f
}

// sendAgain makes the call, once or for each item, and says how many were taken. The first failure counts.
func (s *section) sendAgain(ctx context.Context, values map[string]string, items [][]byte) (int, system.Finding) {
	if s.w.Resume.Each != connector.EachItem {
		items = items[:1]
	}
	findings := make([]system.Finding, len(items))
	each(s.Parallel, len(items), func(i int) {
		_, findings[i] = s.do(ctx, "resume.call", &s.w.Resume.Call, values, items[i], done)
	})
	taken, first := 0, system.Finding{}
	for _, f := range findings {
		switch {
		case f.OK():
			taken++
		case first.OK():
			first = f
		}
	}
	if !first.OK() && len(items) > 1 {
		first.Reason = fmt.Sprintf("%d of %d: %s", len(items)-taken, len(items), first.Reason)
	}
	return taken, first
}
