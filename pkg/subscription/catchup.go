package subscription

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"slices"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// missed is an event that the system could not deliver.
type missed struct {
	id, order string
	raw       []byte
}

// caught is what came of catching up with one webhook.
type caught struct {
	key             string
	posted, refused int
	// waiting are events that were not posted, because this is a dry run.
	waiting int
	// record is what is to be kept; nil leaves what is on record.
	record  *CaughtUp
	finding system.Finding
}

// catchUp posts to the gateway what the system could not deliver. What is there before the webhook is not for
// this installation, so that the first run only takes note of it. Without records every run would post
// everything again: then there is no catching up.
func (s *section) catchUp(ctx context.Context) {
	c := s.w.CatchUp
	if c == nil || s.Verify || !s.known {
		return
	}
	switch enabled, err := c.Enabled.Bool(s.in, true); {
	case err != nil:
		s.row(registration.WebhookReport{Name: s.name() + ": missed events", Outcome: registration.OutcomeFailed, Class: system.ClassMisconfigured,
			Reason: "webhooks.catchUp.enabled cannot be evaluated: " + err.Error(), Next: "correct the definition"})
		return
	case !enabled:
		return
	}
	keys := s.workingKeys()
	results := make([]caught, len(keys))
	each(s.Parallel, len(keys), func(i int) { results[i] = s.catchUpOne(ctx, keys[i]) })
	total := caught{}
	for _, result := range results {
		s.keepCaught(result)
		total.posted, total.refused, total.waiting = total.posted+result.posted, total.refused+result.refused, total.waiting+result.waiting
		if !result.finding.OK() {
			row := s.at(result.key)
			s.row(registration.WebhookReport{Name: row.Name + ": missed events", ID: row.ID, Instance: row.Instance, Outcome: registration.OutcomeFailed,
				Class: result.finding.Class, Reason: "what the system could not deliver is still missing: " + result.finding.Reason, Next: result.finding.Next})
		}
	}
	s.report.Writes += total.posted
	switch {
	case total.waiting > 0:
		s.note("%s: events that the system could not deliver would be fetched: %d", s.name(), total.waiting)
	case total.refused > 0:
		s.note("%s: events that the system could not deliver were fetched: %d taken by the gateway, %d refused for good", s.name(), total.posted, total.refused)
	case total.posted > 0:
		s.note("%s: events that the system could not deliver were fetched: %d taken by the gateway", s.name(), total.posted)
	}
}

// workingKeys are the keys of the webhooks that are there.
func (s *section) workingKeys() []string {
	var keys []string
	for key := range s.rows {
		switch row := s.at(key); row.Outcome {
		case registration.OutcomeRegistered, registration.OutcomeUpdated, registration.OutcomeUnchanged, registration.OutcomeLeft:
			if row.ID != "" {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys
}

func (s *section) keepCaught(result caught) {
	record, ok := s.state.Webhooks[s.key(result.key)]
	if !ok || result.record == nil || s.DryRun {
		return
	}
	record.CaughtUp = result.record
	s.state.Webhooks[s.key(result.key)] = record
}

// catchUpOne lists what one webhook missed, and posts it one by one: the oldest first, until the gateway does
// not answer.
func (s *section) catchUpOne(ctx context.Context, key string) caught {
	result := caught{key: key}
	values := map[string]string{"id": s.at(key).ID, "callback": s.callback.full.Reveal(), "label": s.label()}
	events, f := s.missed(ctx, values)
	if !f.OK() {
		result.finding = f
		return result
	}
	before := s.state.Webhooks[s.key(key)].CaughtUp
	settled := []string{}
	posts := 0
	for _, e := range events {
		switch {
		case before == nil, slices.Contains(before.Settled, e.id):
			settled = append(settled, e.id)
		case s.DryRun:
			result.waiting++
		case posts < maxResumed && result.finding.OK():
			posts++
			taken, f := s.post(ctx, values, e.raw)
			if result.finding = f; !f.OK() {
				continue
			}
			settled = append(settled, e.id)
			if taken {
				result.posted++
			} else {
				result.refused++
			}
		}
	}
	slices.Sort(settled)
	result.record = &CaughtUp{Settled: slices.Compact(settled)}
	return result
}

// missed lists the events that the system could not deliver, in the order in which they are to be posted.
func (s *section) missed(ctx context.Context, values map[string]string) ([]missed, system.Finding) {
	list := s.w.CatchUp.List
	request, err := s.request(&list.Call, values, nil)
	if err != nil {
		return nil, system.Misconfigured("correct the definition", "webhooks.catchUp.list cannot be evaluated: %v", err)
	}
	var events []missed
	var wrong error
	f := s.system.List(ctx, s.auth, system.ListRequest{
		Request: request, What: "events", Items: list.Items, Next: list.Next, Limit: list.Limit, Enough: true, Hints: s.hints("catchUp.list"),
		Each: func(raw []byte, _ int) bool {
			e := system.Evaluator{In: s.in}
			e.In.Item, e.In.Vars = raw, values
			if undelivered := e.Bool(list.Undelivered, true); undelivered {
				events = append(events, missed{id: system.Printable(s.field(&e, list.ID), maxText), order: s.order(&e), raw: raw})
			}
			wrong = cmp.Or(wrong, e.Err)
			return true
		},
	})
	if f.OK() && wrong != nil {
		f = system.Misconfigured("correct the definition", "an entry of webhooks.catchUp.list cannot be evaluated: %v", wrong)
	}
	events = slices.DeleteFunc(events, func(e missed) bool { return e.id == "" }) // nobody could tell it from others
	slices.SortStableFunc(events, func(a, b missed) int { return cmp.Compare(a.order, b.order) })
	return events, f
}

func (s *section) order(e *system.Evaluator) string {
	if !s.w.CatchUp.List.OrderBy.IsSet() {
		return ""
	}
	return s.field(e, s.w.CatchUp.List.OrderBy)
}

// refusedForGood are answers of the gateway that a repetition does not change: it cannot make an event of it.
var refusedForGood = []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity}

// post delivers one event in the system's place, and says whether the gateway took it.
func (s *section) post(ctx context.Context, values map[string]string, item []byte) (taken bool, f system.Finding) {
	request, err := s.delivery(values, item)
	if err != nil {
		return false, system.Misconfigured("correct the definition", "webhooks.catchUp cannot be evaluated: %v", err)
	}
	h := system.Hints{System: "the gateway's public address", Credentials: "whether the gateway has the same parameters", Call: "webhooks.catchUp"}
	answer, err := s.HTTP.Do(ctx, request)
	switch {
	case err != nil:
		return false, system.JudgeError(err, h)
	case answer.Status/100 == 2:
		return true, system.Finding{}
	case slices.Contains(refusedForGood, answer.Status):
		return false, system.Finding{}
	}
	return false, system.JudgeStatus(request, answer, nil, h)
}

// delivery makes the request of a delivery, signed.
func (s *section) delivery(values map[string]string, item []byte) (httpclient.Request, error) {
	c := s.w.CatchUp
	e := system.Evaluator{In: s.in}
	e.In.Vars, e.In.Item = values, item
	request := httpclient.Request{
		Method: http.MethodPost, URL: s.callback.full.Reveal(), MaxBody: maxAnswer,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Idempotent: true, // the gateway knows an event that it has taken
	}
	for name, value := range c.Headers {
		request.Header.Set(name, e.Text(value))
	}
	if e.Err != nil {
		return request, e.Err
	}
	var err error
	if request.Body, err = c.JSON.JSON(e.In); err != nil {
		return request, err
	}
	return request, prove(s.Definition.CallbackOf(s.w).Verify, s.in, request)
}

// prove adds what proves the sender, as the first scheme wants it.
func prove(v connector.Verify, in expression.Input, request httpclient.Request) error {
	e := system.Evaluator{In: in}
	switch scheme := v.Schemes()[0]; {
	case scheme.Basic != nil:
		request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(e.Text(scheme.Basic.Username)+":"+e.Text(scheme.Basic.Password))))
	case scheme.HMAC != nil:
		key := ""
		for _, value := range scheme.HMAC.Keys {
			key = cmp.Or(key, e.Text(value))
		}
		name, _ := scheme.HMAC.SignatureHeader()
		signature, err := scheme.HMAC.Sign(key, string(request.Body))
		if err != nil {
			return err
		}
		request.Header.Set(name, signature)
	}
	return e.Err
}
