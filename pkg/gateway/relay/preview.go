package relay

import (
	"context"
	"slices"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// Preview is what a relay would do with an event.
type Preview struct {
	// Type is the event's type as the definition calls it; empty where the relay does not take it.
	Type string
	// Method, Address and Body are the call for this event alone. The address has no query.
	Method, Address string
	Body            []byte
	// Problems say why the event would not be sent.
	Problems []string
	// Unchecked says why the document could not be checked against the system's schema.
	Unchecked error
	// Checked says that it was.
	Checked bool
}

// Types are the event types that the relay takes.
func (r *Relay) Types() []string { return slices.Clone(r.plan.Load().wanted) }

// Preview does everything but send. With ask the system is asked for its schema, where there is one.
func (r *Relay) Preview(ctx context.Context, e event.Event, ask bool) Preview {
	p := r.plan.Load()
	name, version, ok := p.naming.find(e)
	if !ok {
		return Preview{}
	}
	e.Type, e.Version = name, version
	out := Preview{Type: e.FullType()}
	if err := r.Check(e); err != nil {
		out.Problems = []string{err.Error()}
		return out
	}
	document, err := r.document(p, e)
	if err != nil {
		out.Problems = []string{err.Error()}
		return out
	}
	request := r.request(p, []*item{{document: document}})
	out.Method, out.Address, out.Body = request.Method, p.caller.Address(request.Path), request.Body
	if r.model != nil && ask {
		out.Problems, out.Checked = r.model.check(ctx, p, document)
		out.Unchecked = r.model.problem()
	}
	return out
}
