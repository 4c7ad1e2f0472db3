package simulator

import (
	"context"
	"encoding/json"
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

// Notifier is a System that sends events by itself.
type Notifier interface {
	System
	// Types lists what it sends, as Notification.Type names it.
	Types() []string
	// Connect says where events go, as an administrator enters it in the system.
	Connect(c Consumer) error
	// Fire sends one event in the system's own format, to everybody who wants it, and returns when it has
	// been tried for the first time; retries follow in the background.
	Fire(ctx context.Context, n Notification) error
	// Monitor lists what was sent, oldest first.
	Monitor() []Outbound
	// Resend tries a failed one again at once, as an administrator does in the monitor.
	Resend(ctx context.Context, id string) error
}

// Batcher is a Notifier that puts several events into one delivery.
type Batcher interface {
	Notifier
	// FireTogether sends what happened at the same time, in as few deliveries as the system does.
	FireTogether(ctx context.Context, list []Notification) error
}

// Channel is a Notifier that keeps one connection open instead of posting each event.
type Channel interface {
	Notifier
	// Status says how the connection is doing.
	Status() ChannelStatus
	// Disconnect cuts the connection; the system connects again by itself.
	Disconnect()
	// Activate makes an inactive channel try again, as an administrator does.
	Activate()
}

// ChannelStatus says how the connection of a Channel is doing.
type ChannelStatus struct {
	// Connected says that the connection is there.
	Connected bool
	// Inactive says that the system has given up: it waits for Activate and keeps its events meanwhile.
	Inactive bool
	// Connects counts the connections that were made, Tokens the access tokens that were fetched.
	Connects, Tokens int
	// Failures counts the attempts in a row that came to nothing, Error says why the last one did.
	Failures int
	Error    string
}

// Ingester is a System that takes events in.
type Ingester interface {
	System
	// Ingested lists the latest events it has taken, oldest first.
	Ingested() []Ingested
}

// Ingested is one event that a system has taken.
type Ingested struct {
	// Target is what it was sent to, in the system's terms.
	Target string
	// Purposes are the consent purposes that came with it.
	Purposes []string
	Data     json.RawMessage
}

// Consumer is where a system sends its events. Systems whose own API subscribes addresses take them from
// there: Endpoint is empty then, and Connect only says how such a system reaches the world.
type Consumer struct {
	// Endpoint is the URL, User and Password what the system signs in with.
	Endpoint, User, Password string
	// Client sends; nil means a client with a time-out of 10 s. Redirects are not followed.
	Client *http.Client
	// RetryAfter is the wait before the first retry; further ones are longer. 0 means what the system does.
	RetryAfter time.Duration
	// MaxAttempts is how often one event is tried; 0 means what the system does.
	MaxAttempts int
	// Duplicates is how many times more each event is sent although it was accepted.
	Duplicates int
	// OutOfOrder holds each second event back until the one after it was sent.
	OutOfOrder bool
	// Legacy chooses the older payload format where the system has two.
	Legacy bool
	// Messaging is needed by systems that send by MQTT.
	Messaging *Messaging
	// Renew makes a recorded delivery one of this installation: with ids that were not there before, and with
	// the proof of the sender that this consumer wants. Only a Described system asks for it; nil sends what was
	// recorded.
	Renew func(Recorded) (Recorded, error)
}

// Messaging is what a system needs to send by MQTT over WebSocket, beside an Endpoint that begins with
// wss:// or ws://, and User and Password, which are its client id and client secret.
type Messaging struct {
	// TokenEndpoint is the URL that gives access tokens.
	TokenEndpoint string
	// TokenInBody sends client id and secret in the form, not as Basic auth.
	TokenInBody bool
	// Quality is the quality of service.
	Quality Quality
	// AckTimeout is how long an acknowledgement is waited for before the connection is given up; 0 means 10 s.
	AckTimeout time.Duration
	// KeepAlive is the longest silence on the connection; 0 means 30 s.
	KeepAlive time.Duration
	// MaxFailures is after how many attempts in a row to connect the channel becomes inactive; 0 means 10.
	MaxFailures int
	// Subprotocol of the WebSocket; empty means "mqtt".
	Subprotocol string
	// FrameSize, if above 0, cuts packets into frames of that many bytes.
	FrameSize int
	// Subscribe subscribes to the system's own topics, although nothing ever comes from there.
	Subscribe bool
	// OmitID leaves the event's id out of payloads that need none.
	OmitID bool
}

// Quality is a quality of service of MQTT.
type Quality int

// The qualities of service; the first is what is used if nothing is said.
const (
	AtLeastOnce Quality = iota // QoS 1
	AtMostOnce                 // QoS 0
	ExactlyOnce                // QoS 2
)

// Notification is something that happened in a system. All but Type may be left out.
type Notification struct {
	// ID of the event; empty means a new one.
	ID string
	// Type as the system names it, such as "Account.Root.Created".
	Type string
	// Time is when it happened; zero means now.
	Time time.Time
	// Entity and Root are the ids of the changed object and of what it belongs to.
	Entity, Root string
	// Extra is added to the payload, and wins over what the simulator makes up.
	Extra map[string]any
}

// State of an Outbound.
const (
	Waiting   = "waiting"
	Delivered = "delivered"
	Failed    = "failed"
	Queued    = "queued" // kept until its receiver is activated again
)

// Outbound is one event in the monitor of a system, once for each subscription that it is sent for.
type Outbound struct {
	ID, Type string
	// Subscription is the system's id of the subscription, empty where there are none.
	Subscription string
	// State is Waiting, Delivered, Failed or Queued.
	State string
	// Attempts counts the tries; Status and Error say how the last one ended.
	Attempts int
	Status   int
	Error    string
}

// newSystem are the constructors by name: the one list of what can be simulated.
func newSystem() map[string]func(params map[string]string) (System, error) {
	return map[string]func(params map[string]string) (System, error){
		"c4c":            newC4C,
		"cdp":            newCDP,
		"github":         newGithub,
		"litmos":         newLitmos,
		"marketing":      newMarketing,
		"openconnectors": newOpenConnectors,
		"qualtrics":      newQualtrics,
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
