// Package registrationtest has an in-memory Catalog and State for tests, and the contract that every
// Catalog fulfils.
package registrationtest

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// Catalog keeps services in memory. The zero value is an Application without services; it is safe for
// concurrent use.
type Catalog struct {
	// Missing says that the Application does not exist (yet).
	Missing bool
	// ListError fails every List. ApplyError, where set, is asked before each change.
	ListError  error
	ApplyError func(registration.Change) error

	mu       sync.Mutex
	services []Entry
	writes   int
	created  bool
}

// Entry is what the Catalog holds: the registered part and, for services that were applied, all of it.
type Entry struct {
	Registered registration.Registered
	Service    *registration.Service
}

var (
	_ registration.Catalog          = (*Catalog)(nil)
	_ registration.ApplicationOwner = (*Catalog)(nil)
	_ registration.WriteCounter     = (*Catalog)(nil)
	_ registration.WriteForeseer    = (*Catalog)(nil)
)

// Add puts in a service of somebody else.
func (c *Catalog) Add(r registration.Registered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.services = append(c.services, Entry{Registered: r})
}

// Entries are all services, in the order of their creation.
func (c *Catalog) Entries() []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Entry{}, c.services...)
}

// Writes implements registration.WriteCounter: each change is one, and so is making the Application.
func (c *Catalog) Writes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes
}

// ForeseeWrites implements registration.WriteForeseer.
func (c *Catalog) ForeseeWrites(_ context.Context, changes []registration.Change) (int, error) {
	return len(changes), nil
}

// Drift makes the Catalog notice that somebody changed a service.
func (c *Catalog) Drift(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.services {
		if r := &c.services[i].Registered; r.ID == id {
			r.Labels = maps.Clone(r.Labels)
			delete(r.Labels, registration.LabelHash)
		}
	}
}

// Name implements registration.Catalog.
func (c *Catalog) Name() string { return "memory" }

// List implements registration.Catalog.
func (c *Catalog) List(ctx context.Context) ([]registration.Registered, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case c.ListError != nil:
		return nil, c.ListError
	case c.Missing:
		return nil, fmt.Errorf("list services: %w", registration.ErrNoApplication)
	}
	out := make([]registration.Registered, len(c.services))
	for i, s := range c.services {
		out[i] = s.Registered
	}
	return out, nil
}

// Apply implements registration.Catalog.
func (c *Catalog) Apply(ctx context.Context, changes []registration.Change) []error {
	errs := make([]error, len(changes))
	for i, change := range changes {
		errs[i] = c.apply(ctx, change)
	}
	return errs
}

func (c *Catalog) apply(ctx context.Context, change registration.Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.Missing {
		return registration.ErrNoApplication
	}
	if change.Service != nil {
		if err := change.Service.Validate(); err != nil {
			return err
		}
	}
	if c.ApplyError != nil {
		if err := c.ApplyError(change); err != nil {
			return err
		}
	}
	c.writes++
	if change.Action != registration.Create {
		for i, s := range c.services {
			if s.Registered.ID == change.Registered.ID {
				c.services = append(c.services[:i:i], c.services[i+1:]...)
				break
			}
		}
	}
	if s := change.Service; s != nil {
		c.services = append(c.services, Entry{
			Registered: registration.Registered{ID: s.ID, Identifier: s.Identifier, DisplayName: s.DisplayName, Labels: maps.Clone(s.Labels)},
			Service:    s,
		})
	}
	return nil
}

// URL implements registration.Catalog.
func (c *Catalog) URL(s registration.Service) string {
	return "http://gateway.example/app/" + registration.URLSegment(s.DisplayName)
}

// CreateApplication implements registration.ApplicationOwner.
func (c *Catalog) CreateApplication(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Missing, c.created = false, true
	c.writes++
	return nil
}

// RemoveApplication implements registration.ApplicationOwner.
func (c *Catalog) RemoveApplication(context.Context) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.created || len(c.services) > 0 {
		return false, nil
	}
	c.Missing, c.created = true, false
	return true, nil
}

// State keeps state in memory. The zero value is empty.
type State struct {
	// LoadError and SaveError fail the calls.
	LoadError, SaveError error

	mu    sync.Mutex
	data  registration.StateData
	saves int
}

// Load implements registration.State.
func (s *State) Load(context.Context) (registration.StateData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.LoadError != nil {
		return registration.StateData{}, s.LoadError
	}
	return registration.StateData{Key: s.data.Key, Digests: maps.Clone(s.data.Digests)}, nil
}

// Save implements registration.State.
func (s *State) Save(_ context.Context, data registration.StateData) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.SaveError != nil {
		return s.SaveError
	}
	s.data = registration.StateData{Key: data.Key, Digests: maps.Clone(data.Digests)}
	s.saves++
	return nil
}

// Saves is the number of successful saves.
func (s *State) Saves() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saves
}
