package simulator

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// System is one simulated source system.
type System interface {
	// Hosts lists the host:port of the system's API with its handler.
	Hosts() map[string]http.Handler
	// Faults is what goes wrong.
	Faults() *Faults
	// Calls returns the latest requests to the system.
	Calls() []Call
	// Close stops what runs in the background and waits for its end.
	Close()
}

// Notifier is a System that sends events by HTTP by itself.
type Notifier interface {
	System
	// Connect says where events go, as an administrator enters it in the system.
	Connect(c Consumer) error
	// Fire sends one event in the system's own format and returns when it has been tried for the first
	// time; retries follow in the background.
	Fire(ctx context.Context, n Notification) error
	// Monitor lists what was sent, oldest first.
	Monitor() []Outbound
	// Resend tries a failed one again at once, as an administrator does in the monitor.
	Resend(ctx context.Context, id string) error
}

// Consumer is where a system sends its events.
type Consumer struct {
	// Endpoint is the URL, User and Password what the system signs in with.
	Endpoint, User, Password string
	// Client sends; nil means a client with a time-out of 10 s.
	Client *http.Client
	// RetryAfter is the wait before the first retry, doubled for each further one; 0 means 1 s.
	RetryAfter time.Duration
	// MaxAttempts is how often one event is tried; 0 means 5.
	MaxAttempts int
	// Duplicates is how many times more each event is sent although it was accepted.
	Duplicates int
	// OutOfOrder holds each second event back until the one after it was sent.
	OutOfOrder bool
	// Legacy chooses the older payload format where the system has two.
	Legacy bool
}

// Notification is something that happened in a system.
type Notification struct {
	// ID of the event; empty means a new one.
	ID string
	// Type as the system names it, such as "Account.Root.Created".
	Type string
	// Time is when it happened; zero means now.
	Time time.Time
	// Entity and Root are the ids of the changed object and of the business object it belongs to.
	Entity, Root string
	// Extra is added to the payload.
	Extra map[string]any
}

// State of an Outbound.
const (
	Waiting   = "waiting"
	Delivered = "delivered"
	Failed    = "failed"
)

// Outbound is one event in the monitor of a system.
type Outbound struct {
	ID, Type string
	// State is Waiting, Delivered or Failed.
	State string
	// Attempts counts the tries; Status and Error say how the last one ended.
	Attempts int
	Status   int
	Error    string
}

// newSystem are the constructors by name: the one list of what can be simulated.
func newSystem() map[string]func(params map[string]string) (System, error) {
	return map[string]func(params map[string]string) (System, error){
		"c4c": newC4C,
	}
}

// NewSystem makes a simulated system: name is the connector's name, params its parameters (addresses,
// users and passwords), of which the simulator demands what the real system would. Close it at the end.
func NewSystem(name string, params map[string]string) (System, error) {
	build, ok := newSystem()[name]
	if !ok {
		return nil, fmt.Errorf("no simulator for system %q: choose one of %s", name, strings.Join(Systems(), ", "))
	}
	return build(params)
}

// Systems lists the names that NewSystem knows.
func Systems() []string {
	names := []string{}
	for name := range newSystem() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
