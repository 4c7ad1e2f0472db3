package gateway

import "sync/atomic"

// Route is one delivery of the definition, as the pipeline sees it.
type Route struct {
	// Name is the delivery's name in the definition.
	Name string
	// Respond overrides status codes by outcome.
	Respond map[string]int
	// DeadLetterUnknown keeps deliveries of unknown type as dead letters instead of refusing them, where
	// the buffer can keep any.
	DeadLetterUnknown bool
	// RefuseUnknown keeps nothing of deliveries of unknown type. Otherwise, where the buffer can keep any, a
	// delivery that is refused because its type is unknown is a dead letter, too.
	RefuseUnknown bool
	// Unheard says that the sender does not hear why a delivery is refused (MQTT). What can never succeed
	// becomes a dead letter then, where the buffer can keep any.
	Unheard bool
	// Kept says what of a delivery is kept with its events.
	Kept Kept

	stages atomic.Pointer[Stages]
}

// Stages are the parts of a route that depend on parameters.
type Stages struct {
	Verifier Verifier
	Mapper   Mapper
}

// NewRoute makes a route; set its other fields before it is used.
func NewRoute(name string, s Stages) *Route {
	r := &Route{Name: name}
	r.Swap(s)
	return r
}

// Swap puts new stages in place, for deliveries that arrive from now on.
func (r *Route) Swap(s Stages) { r.stages.Store(&s) }

// Stages are those in place.
func (r *Route) Stages() Stages { return *r.stages.Load() }
