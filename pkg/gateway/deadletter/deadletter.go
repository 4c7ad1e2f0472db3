// Package deadletter is what a person does with dead letters: list, look, replay, drop. Service does it on
// a buffer; Handler offers it to this machine, and Client is its other side, so that the commands work with
// a running gateway and without one.
package deadletter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// Summary is a dead letter without payload.
type Summary struct {
	ID       string    `json:"id"`
	Delivery string    `json:"delivery"`
	Received time.Time `json:"received"`
	Failed   time.Time `json:"failed"`
	Reason   string    `json:"reason"`
	Detail   string    `json:"detail,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	// EventID and EventType are empty where the delivery could not be mapped.
	EventID   string `json:"eventId,omitempty"`
	EventType string `json:"eventType,omitempty"`
}

// Letter is a dead letter with everything that was kept.
type Letter struct {
	Summary
	Event  *event.Event `json:"event,omitempty"`
	Header http.Header  `json:"header,omitempty"`
	Query  url.Values   `json:"query,omitempty"`
	Path   []string     `json:"path,omitempty"`
	// Topic is where an MQTT client published it.
	Topic string `json:"topic,omitempty"`
	// Body is the raw body if it is text, BodyBase64 otherwise.
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"bodyBase64,omitempty"`
}

// Selection says which dead letters are meant: those named, or all that fit.
type Selection struct {
	IDs []string `json:"ids,omitempty"`
	// All takes every dead letter, or with Reason those that failed for it.
	All    bool   `json:"all,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Replay asks for dead letters to be published again.
type Replay struct {
	Selection
	// Remap maps the raw delivery again, with the definition of now. What could not be mapped is always
	// mapped again.
	Remap bool `json:"remap,omitempty"`
	// DryRun changes nothing and shows what would be published.
	DryRun bool `json:"dryRun,omitempty"`
}

// Result is what became of one dead letter.
type Result struct {
	ID string `json:"id"`
	// Done is requeued, dropped, or what a dry run would do: would requeue. It is empty on an error.
	Done   string        `json:"done,omitempty"`
	Events []event.Event `json:"events,omitempty"`
	Error  string        `json:"error,omitempty"`
}

// Manager is what the commands need.
type Manager interface {
	// List returns up to limit dead letters after the one named, the oldest first.
	List(ctx context.Context, after string, limit int) ([]Summary, error)
	Show(ctx context.Context, id string) (Letter, error)
	Replay(ctx context.Context, r Replay) ([]Result, error)
	Drop(ctx context.Context, s Selection) ([]Result, error)
}

// Service manages the dead letters of a buffer.
type Service struct {
	Letters gateway.DeadLetters
	// Remap maps a delivery again; nil where there is no definition at hand.
	Remap func(gateway.Delivery) ([]gateway.Entry, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// MaxPage bounds one listing.
const MaxPage = 1000

// List implements Manager.
func (s *Service) List(ctx context.Context, after string, limit int) ([]Summary, error) {
	letters, err := s.Letters.List(ctx, after, min(max(limit, 1), MaxPage))
	if err != nil {
		return nil, err
	}
	out := make([]Summary, len(letters))
	for i, l := range letters {
		out[i] = summary(l)
	}
	return out, nil
}

func summary(l gateway.DeadLetter) Summary {
	s := Summary{ID: l.ID, Delivery: l.Delivery.Route, Received: l.Delivery.Received, EventID: l.Entry.Event.ID}
	if s.EventID != "" {
		s.EventType = l.Entry.Event.FullType()
	}
	if f := l.Entry.Failure; f != nil {
		s.Failed, s.Reason, s.Detail, s.Attempts = f.At, string(f.Reason), f.Detail, f.Attempts
	}
	return s
}

// Show implements Manager.
func (s *Service) Show(ctx context.Context, id string) (Letter, error) {
	l, err := s.Letters.Get(ctx, id)
	if err != nil {
		return Letter{}, fmt.Errorf("dead letter %q: %w", id, err)
	}
	out := Letter{Summary: summary(l), Header: l.Delivery.Header, Query: l.Delivery.Query, Path: l.Delivery.Path, Topic: l.Delivery.Topic}
	if l.Entry.Mapped() {
		out.Event = &l.Entry.Event
	}
	if utf8.Valid(l.Delivery.Body) {
		out.Body = string(l.Delivery.Body)
	} else {
		out.BodyBase64 = l.Delivery.Body
	}
	return out, nil
}

// Replay implements Manager.
func (s *Service) Replay(ctx context.Context, r Replay) ([]Result, error) {
	return s.each(ctx, r.Selection, func(l gateway.DeadLetter) Result {
		entries, err := s.entries(l, r.Remap)
		result := Result{ID: l.ID, Done: "requeued"}
		for _, e := range entries {
			result.Events = append(result.Events, e.Event)
		}
		switch {
		case err != nil:
		case r.DryRun:
			result.Done = "would requeue"
		default:
			err = s.Letters.Requeue(ctx, l.ID, entries)
		}
		if err != nil {
			return Result{ID: l.ID, Error: err.Error()}
		}
		if !r.DryRun {
			result.Events = nil
		}
		return result
	})
}

func (s *Service) entries(l gateway.DeadLetter, remap bool) ([]gateway.Entry, error) {
	mapped := l.Entry.Mapped()
	switch {
	case mapped && !remap:
		return []gateway.Entry{{Event: l.Entry.Event, Key: l.Entry.Key}}, nil
	case s.Remap == nil:
		return nil, errors.New("it has to be mapped again: name the definition and the parameters with --connector and --params")
	case len(l.Delivery.Body) == 0 && mapped:
		return nil, errors.New("its raw body was not kept: replay it without --remap")
	default:
		return s.Remap(l.Delivery)
	}
}

// Drop implements Manager.
func (s *Service) Drop(ctx context.Context, selection Selection) ([]Result, error) {
	return s.each(ctx, selection, func(l gateway.DeadLetter) Result {
		if err := s.Letters.Drop(ctx, l.ID); err != nil {
			return Result{ID: l.ID, Error: err.Error()}
		}
		return Result{ID: l.ID, Done: "dropped"}
	})
}

// each does something with every selected dead letter that is there now; one that fails again meanwhile is
// not taken twice.
func (s *Service) each(ctx context.Context, selection Selection, do func(gateway.DeadLetter) Result) ([]Result, error) {
	if (len(selection.IDs) > 0) == selection.All {
		return nil, errors.New("name dead letters, or ask for all")
	}
	results := []Result{}
	for _, id := range selection.IDs {
		l, err := s.Letters.Get(ctx, id)
		if err != nil {
			results = append(results, Result{ID: id, Error: err.Error()})
			continue
		}
		results = append(results, do(l))
	}
	if !selection.All {
		return results, nil
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	start, after := now(), ""
	for {
		page, err := s.Letters.List(ctx, after, 100)
		if err != nil || len(page) == 0 {
			return results, err
		}
		for _, l := range page {
			after = l.ID
			f := l.Entry.Failure
			if f == nil || f.At.After(start) || selection.Reason != "" && string(f.Reason) != selection.Reason {
				continue
			}
			results = append(results, do(l))
		}
	}
}
