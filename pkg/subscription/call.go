package subscription

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// maxAnswer bounds the answer to a call about one webhook in bytes.
const maxAnswer = 1 << 20

// request makes a call of the definition, without credentials.
func (s *section) request(call *connector.Call, values map[string]string, item []byte) (httpclient.Request, error) {
	e := system.Evaluator{In: s.in}
	e.In.Vars, e.In.Item = values, item
	method, path := call.Method()
	query := url.Values{}
	for name, value := range call.Query {
		query[name] = e.List(value)
	}
	request := httpclient.Request{Method: method, Header: http.Header{"Accept": {"application/json"}}, MaxBody: maxAnswer, Idempotent: method == http.MethodPatch}
	for name, value := range call.Headers {
		request.Header.Set(name, e.Text(value))
	}
	address := e.Text(path)
	if e.Err != nil {
		return request, e.Err
	}
	resolved, err := s.system.Resolve(address)
	if err != nil {
		return request, err
	}
	request.URL = system.WithQuery(resolved, query)
	request.Body, err = body(call, e.In, request.Header)
	return request, err
}

func body(call *connector.Call, in expression.Input, header http.Header) ([]byte, error) {
	switch {
	case call.JSON != nil:
		header.Set("Content-Type", "application/json")
		return call.JSON.JSON(in)
	case call.Form != nil:
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		e := system.Evaluator{In: in}
		form := url.Values{}
		for name, value := range call.Form {
			form.Set(name, e.Text(value))
		}
		return []byte(form.Encode()), e.Err
	}
	return nil, nil
}

// done are the statuses that mean that the system did it; gone those that mean that there is nothing any more.
var (
	done = []int{http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent}
	gone = []int{http.StatusNotFound, http.StatusGone}
)

// do makes a call of the definition. The answer is there too where its status is not one of want.
func (s *section) do(ctx context.Context, what string, call *connector.Call, values map[string]string, item []byte, want []int) (*httpclient.Response, system.Finding) {
	request, err := s.request(call, values, item)
	if err != nil {
		return nil, system.Misconfigured("correct the definition", "webhooks.%s cannot be evaluated: %v", what, err)
	}
	h := s.hints(what)
	answer, f := s.system.Do(ctx, s.auth, request, h)
	if !f.OK() {
		return nil, f
	}
	return answer, system.JudgeStatus(request, answer, want, h)
}

func (s *section) hints(what string) system.Hints {
	h := s.system.Hints(s.auth)
	h.Call = "webhooks." + what
	return h
}

// create makes a webhook and returns its id.
func (s *section) create(ctx context.Context, w Wanted) (id string, status int, f system.Finding) {
	answer, f := s.do(ctx, "create", &s.w.Create.Call, s.values(w, w.Key), w.item, done)
	if answer != nil {
		status = answer.Status
	}
	if !f.OK() {
		return "", status, f
	}
	if s.w.Create.ID != "" && json.Valid(answer.Body) {
		id = gjson.GetBytes(answer.Body, s.w.Create.ID).String()
	}
	switch {
	case id == "" && s.w.Each == connector.EachInstance:
		id = w.Key
	case id == "":
		return "", status, system.Finding{Class: system.ClassMalformed, Reason: "the webhook was made, but the answer has no id at " + s.w.Create.ID, Next: "correct webhooks.create.id in the definition"}
	}
	return system.Printable(id, maxText), status, system.Finding{}
}

func (s *section) update(ctx context.Context, w Wanted, old Registered) system.Finding {
	_, f := s.do(ctx, "update", s.w.Update, s.values(w, old.ID), w.item, done)
	return f
}

// delete removes a webhook; one that is gone already is no failure.
func (s *section) delete(ctx context.Context, old Registered, item []byte) system.Finding {
	_, f := s.do(ctx, "delete", s.w.Delete, s.values(Wanted{Topics: old.Topics}, old.ID), item, append(gone, done...))
	return f
}

// list finds out what is registered.
func (s *section) list(ctx context.Context, instances []instance) system.Finding {
	if s.w.Each != connector.EachInstance {
		current, f := s.listCall(ctx, s.hints("list"), "", nil)
		s.current = current
		return f
	}
	known := map[string]bool{}
	found := make([][]Registered, len(instances))
	findings := make([]system.Finding, len(instances))
	each(s.Parallel, len(instances), func(i int) {
		found[i], findings[i] = s.listInstance(ctx, s.hints("list"), instances[i].id, instances[i].raw)
	})
	for i, instance := range instances {
		known[instance.id] = true
		if !findings[i].OK() {
			s.unknown[instance.id], s.unsettled = findings[i], true
		}
		s.current = append(s.current, found[i]...)
	}
	if s.incomplete == "" {
		s.listOrphans(ctx, known)
	}
	return system.Finding{}
}

// listInstance finds the webhook of one instance. Where the definition cannot ask, it is what is on record.
func (s *section) listInstance(ctx context.Context, h system.Hints, id string, item []byte) ([]Registered, system.Finding) {
	if s.w.List != nil {
		found, f := s.listCall(ctx, h, id, item)
		for i := range found {
			found[i].Key = id
		}
		return found, f
	}
	record := s.state.Webhooks[s.key(id)]
	if record.ID == "" {
		return nil, system.Finding{}
	}
	return []Registered{{ID: record.ID, Key: id, Current: true, Active: true}}, system.Finding{}
}

// listOrphans looks for webhooks of instances that are not listed any more.
func (s *section) listOrphans(ctx context.Context, known map[string]bool) {
	h := s.hints("list")
	h.WhenDisabled = "nothing: it is gone" // makes an answer that there is nothing a finding of its own
	for key, record := range s.records() {
		if known[key] || record.ID == "" {
			continue
		}
		found, f := s.listInstance(ctx, h, key, []byte(`{}`))
		if !f.OK() && f.Class != system.ClassDisabled {
			s.unknown[key], s.unsettled = f, true
			s.note("whether %s still has a webhook cannot be told: %s", system.Printable(key, maxText), f.Reason)
			continue
		}
		for _, r := range found {
			if !r.Foreign {
				s.current = append(s.current, r)
			}
		}
	}
}

// listCall lists webhooks: those that are ours and, of an instance, those of others.
func (s *section) listCall(ctx context.Context, h system.Hints, id string, item []byte) ([]Registered, system.Finding) {
	list := s.w.List
	request, err := s.request(&list.Call, map[string]string{"id": id, "callback": s.callback.full.Reveal(), "label": s.label()}, item)
	if err != nil {
		return nil, system.Misconfigured("correct the definition", "webhooks.list cannot be evaluated: %v", err)
	}
	var found []Registered
	var wrong error
	f := s.system.List(ctx, s.auth, system.ListRequest{
		Request: request, What: "webhooks", Items: list.Items, Next: list.Next, Limit: maxWebhooks, Hints: h,
		Each: func(raw []byte, _ int) bool {
			r, listed, err := s.registered(raw, id != "")
			if err != nil && wrong == nil {
				wrong = err
			}
			if listed {
				found = append(found, r)
			}
			return true
		},
	})
	if f.OK() && wrong != nil {
		return nil, system.Misconfigured("correct the definition", "an entry of the listing of webhooks cannot be evaluated: %v", wrong)
	}
	return found, f
}

// maxWebhooks bounds a listing of webhooks.
const maxWebhooks = 10000

// registered reads one entry of a listing. Of an instance it counts as listed too where it is somebody else's.
func (s *section) registered(raw []byte, ofInstance bool) (r Registered, listed bool, err error) {
	list := s.w.List
	e := system.Evaluator{In: s.in}
	e.In.Item = raw
	address := s.field(&e, list.Callback)
	ours, current := s.callback.judge(address)
	if !list.Callback.IsSet() {
		address, ours, current = s.callback.shown, true, true // the label decides
	}
	if list.Label.IsSet() && s.field(&e, list.Label) != s.label() {
		ours = false
	}
	r = Registered{
		ID: system.Printable(s.field(&e, list.ID), maxText), Current: current, Foreign: !ours,
		Active: e.Bool(list.Active, true), Topics: s.topicsIn(&e, list.Topic),
	}
	switch s.w.Each {
	case connector.EachTopic:
		r.Key = joined(r.Topics)
	case connector.EachAll:
		r.Key = "all"
	}
	if e.Err != nil || address == "" || r.ID == "" {
		return r, false, e.Err
	}
	return r, ours || ofInstance, nil
}

// field is the text of a gjson path in an item, or of an expression over it.
func (s *section) field(e *system.Evaluator, v connector.Value) string {
	if v.IsExpression() {
		return e.Text(v)
	}
	return gjson.GetBytes(e.In.Item, v.Source()).String()
}

// topicsIn are the topics of an item: a list of texts, or one text. Nil where the definition does not say.
func (s *section) topicsIn(e *system.Evaluator, v connector.Value) []string {
	if !v.IsSet() {
		return nil
	}
	topics := []string{}
	if v.IsExpression() {
		return append(topics, e.Text(v))
	}
	value := gjson.GetBytes(e.In.Item, v.Source())
	if !value.IsArray() {
		return append(topics, value.String())
	}
	value.ForEach(func(_, topic gjson.Result) bool {
		topics = append(topics, topic.String())
		return len(topics) < maxTopics
	})
	return topics
}

// maxTopics bounds the topics of one webhook. Nobody has as many; one that does is not as it should be.
const maxTopics = 1000
