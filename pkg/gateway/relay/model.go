package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tidwall/gjson"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonschema"
)

const (
	// modelRefresh is how often the schema is read where the definition does not say.
	modelRefresh = 10 * time.Minute
	// modelRetry is when it is read again after it could not be.
	modelRetry = time.Minute
	// modelFresh is how long a schema is not read again because of a document that does not fit it.
	modelFresh = 30 * time.Second
)

// model is the schema that the system keeps. While it cannot be read, documents are not checked: the system
// has the last word in any case.
type model struct {
	at      string
	refresh time.Duration
	now     func() time.Time
	turn    chan struct{} // held by whoever reads
	state   atomic.Pointer[modelState]
}

type modelState struct {
	schema *jsonschema.Schema // nil until one could be read
	tried  time.Time          // when it was read, or should have been
	next   time.Time          // when it is read again
	err    error              // why it could not be read the last time
}

func newModel(s *connector.RelaySchema, now func() time.Time) *model {
	m := &model{at: s.At, refresh: time.Duration(s.Refresh), now: now, turn: make(chan struct{}, 1)}
	if m.refresh <= 0 {
		m.refresh = modelRefresh
	}
	return m
}

// forget makes the next check read the schema.
func (m *model) forget() { m.state.Store(nil) }

func (m *model) problem() error {
	if s := m.state.Load(); s != nil {
		return s.err
	}
	return nil
}

// check says what is wrong with a document. A schema that is not fresh is read again before a document is
// found wrong: somebody may have mended it. Where that is not possible, the document counts as not checked.
func (m *model) check(ctx context.Context, p *plan, document []byte) (problems []string, checked bool) {
	s := m.current(ctx, p)
	if s == nil || s.schema == nil {
		return nil, false
	}
	if problems = s.schema.Check(document); len(problems) == 0 {
		return nil, true
	}
	if m.now().Sub(s.tried) >= modelFresh {
		if s = m.read(ctx, p, s); s != nil && s.schema != nil {
			problems = s.schema.Check(document)
		}
	}
	if s == nil || s.err != nil {
		return nil, false
	}
	return problems, true
}

// current is the schema as it is known, read where it is time to. The first reading is waited for; while a
// later one is under way, others use what is there.
func (m *model) current(ctx context.Context, p *plan) *modelState {
	s := m.state.Load()
	if s != nil && m.now().Before(s.next) {
		return s
	}
	if s == nil || len(m.turn) == 0 {
		return m.read(ctx, p, s)
	}
	return s
}

// read reads the schema, unless somebody else did since seen.
func (m *model) read(ctx context.Context, p *plan, seen *modelState) *modelState {
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return seen
	}
	defer func() { <-m.turn }()
	if s := m.state.Load(); s != seen && s != nil {
		return s
	}
	now := m.now()
	s := &modelState{tried: now, next: now.Add(m.refresh)}
	if s.schema, s.err = m.fetch(ctx, p); s.err != nil {
		s.next = now.Add(modelRetry)
		if seen != nil { // an old one is better than none
			s.schema = seen.schema
		}
	}
	m.state.Store(s)
	return s
}

func (m *model) fetch(ctx context.Context, p *plan) (*jsonschema.Schema, error) {
	answer, err := p.caller.Call(ctx, Request{Method: http.MethodGet, Path: p.model, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, fmt.Errorf("the system's schema cannot be read: %w", err)
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("the system's schema cannot be read: %s answers %d: let the user of the connector read it, or remove to.schema from the definition", p.caller.Address(p.model), answer.Status)
	}
	document, err := pick(answer.Body, m.at)
	if err != nil {
		return nil, fmt.Errorf("the system's schema: %s: %w", p.caller.Address(p.model), err)
	}
	schema, err := jsonschema.Compile(document)
	if err != nil {
		return nil, fmt.Errorf("the system's schema: %s: %w", p.caller.Address(p.model), err)
	}
	return schema, nil
}

// pick takes the schema out of the answer. A text stands for the document that it holds.
func pick(body []byte, at string) ([]byte, error) {
	if !gjson.ValidBytes(body) {
		return nil, errors.New("the answer is no JSON document")
	}
	found := gjson.ParseBytes(body)
	if at != "" {
		found = found.Get(at)
	}
	switch {
	case !found.Exists() || found.Type == gjson.Null:
		return nil, fmt.Errorf("the answer has nothing at %q", at)
	case found.Type == gjson.String:
		return []byte(found.String()), nil
	default:
		return []byte(found.Raw), nil
	}
}
