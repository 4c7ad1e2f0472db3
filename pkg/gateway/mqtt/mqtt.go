// Package mqtt is the MQTT 3.1.1 transport over WebSocket: external systems connect as clients and publish.
//
// It is no broker. A session takes one message after the other from the connection through the pipeline,
// and acknowledges it when the pipeline has it: PUBACK for quality of service 1, PUBREC for 2. What cannot
// be taken at the moment is not acknowledged, and the connection is closed, because a client of this
// version repeats only what it sent over a connection that broke. Nothing is ever published to a client.
//
// No state outlives a connection, so that a client may come back to any replica: what it repeats there is
// recognised by the event's id, also between PUBREC and PUBREL.
package mqtt

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpserver"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
)

// DefaultMaxPacket bounds a message with its topic where the definition does not: 256 KiB. It is more than
// most targets take, so that an event that is too large for the target becomes a dead letter.
const DefaultMaxPacket = 256 << 10

// Options are what the handler is made of. A zero value means the default that is named.
type Options struct {
	Route    *gateway.Route
	Pipeline *gateway.Pipeline
	Metrics  *gateway.Metrics
	Logger   *slog.Logger
	// QoS lists the qualities of service that are taken; empty means all.
	QoS []int
	// MaxPacket bounds a message with its topic, in bytes; default DefaultMaxPacket.
	MaxPacket int64
	// MaxSessions bounds open sessions; default 256.
	MaxSessions int
	// MaxBuffered bounds the bytes of messages held at the same time; default 16 MiB.
	MaxBuffered int64
	// ForwardedHops is how many proxies in front append to X-Forwarded-For.
	ForwardedHops int
	// ConnectTimeout is how long a client may take to send its CONNECT; default 10s.
	ConnectTimeout time.Duration
	// PacketTimeout is how long a packet may take once it has begun; default 30s.
	PacketTimeout time.Duration
	// CloseTimeout bounds writing to a client that does not read, and taking leave of it; default 5s.
	CloseTimeout time.Duration
	// Grace bounds how long sessions may take to finish what they are doing at shutdown; default 15s.
	Grace time.Duration
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	def(&o.ConnectTimeout, 10*time.Second)
	def(&o.PacketTimeout, 30*time.Second)
	def(&o.CloseTimeout, 5*time.Second)
	def(&o.Grace, 15*time.Second)
	if o.MaxPacket <= 0 {
		o.MaxPacket = DefaultMaxPacket
	}
	if o.MaxSessions <= 0 {
		o.MaxSessions = 256
	}
	if o.MaxBuffered <= 0 {
		o.MaxBuffered = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = telemetry.Discard()
	}
	return o
}

// Handler upgrades requests and holds the sessions of one route.
type Handler struct {
	options  Options
	buffered atomic.Int64
	number   atomic.Uint64

	mu       sync.Mutex
	closed   bool
	sessions map[*session]bool
	clients  map[string]*session // by the identifier that the client gave itself
	running  sync.WaitGroup
}

// New makes a handler. A message that could never be held is an error.
func New(o Options) (*Handler, error) {
	h := &Handler{options: o.withDefaults(), sessions: map[*session]bool{}, clients: map[string]*session{}}
	if o = h.options; o.MaxPacket > o.MaxBuffered {
		return nil, fmt.Errorf("delivery %q: mqtt.maxPacket of %d bytes: the gateway holds at most %d bytes of messages: lower one or raise the other", o.Route.Name, o.MaxPacket, o.MaxBuffered)
	}
	o.Metrics.WatchSessions(o.Route.Name, h.Sessions)
	return h, nil
}

// Sessions is the number of open sessions.
func (h *Handler) Sessions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}

// ServeHTTP implements http.Handler: it checks who is there before it upgrades, and returns when the session
// has ended.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start, o := time.Now(), h.options
	ctx := context.WithoutCancel(r.Context()) // what has begun is finished
	header := r.Header.Clone()
	header.Del("Traceparent") // belongs to the connection, not to each message
	proof := gateway.Delivery{Client: httpserver.ClientAddress(r, o.ForwardedHops), Header: header}
	if answer, ok := o.Pipeline.Verify(ctx, o.Route, &proof); !ok {
		gateway.WriteAnswer(w, answer)
		return
	}
	var until time.Time
	if v, ok := o.Route.Stages().Verifier.(gateway.Expiring); ok {
		until = v.Until(&proof)
	}
	// Its own failures count against a session, not those of others behind the same address.
	proof.Client = "session " + strconv.FormatUint(h.number.Add(1), 10)

	s := newSession(h, proof)
	if !h.enter(s) {
		answer := gateway.Answer{Outcome: gateway.Unavailable, RetryAfter: 10 * time.Second, Error: "no more sessions can be taken at the moment: try again later"}
		o.Pipeline.Answered(o.Route, &answer, start)
		gateway.WriteAnswer(w, answer)
		return
	}
	defer h.leave(s)
	conn, err := upgrade(w, r, o.CloseTimeout)
	if err != nil {
		o.Logger.Debug("no WebSocket", "route", o.Route.Name, "error", err.Error())
		return // the client was told
	}
	o.Logger.Info("MQTT session begins", "route", o.Route.Name)
	why := s.run(ctx, conn, until)
	o.Metrics.SessionEnded(o.Route.Name, why.reason)
	o.Logger.Info("MQTT session ends", "route", o.Route.Name, "reason", why.reason, "detail", why.text, "after", time.Since(start).Round(time.Millisecond).String())
}

// Run waits until the context ends. Then no session is opened any more, and those that are open finish what
// they are doing and are closed.
func (h *Handler) Run(ctx context.Context) error {
	<-ctx.Done()
	h.mu.Lock()
	h.closed = true
	for s := range h.sessions {
		s.end(endDraining)
	}
	h.mu.Unlock()
	late := time.AfterFunc(h.options.Grace, h.abort)
	defer late.Stop()
	h.running.Wait()
	return nil
}

// abort cuts off sessions that do not end.
func (h *Handler) abort() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.abort()
	}
}

func (h *Handler) enter(s *session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.sessions) >= h.options.MaxSessions {
		return false
	}
	h.sessions[s] = true
	h.running.Add(1)
	return true
}

func (h *Handler) leave(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
	if h.clients[s.client] == s {
		delete(h.clients, s.client)
	}
	h.running.Done()
}

// identify notes which client has the session. One that was connected before is replaced: it has come back
// before the loss of its old connection was noticed.
func (h *Handler) identify(s *session, client string) {
	if client == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if before := h.clients[client]; before != nil {
		before.end(endTakenOver)
	}
	s.client = client
	h.clients[client] = s
}

// reserve takes n bytes of what may be held at the same time.
func (h *Handler) reserve(n int) bool {
	if h.buffered.Add(int64(n)) > h.options.MaxBuffered {
		h.buffered.Add(-int64(n))
		return false
	}
	return true
}

func (h *Handler) release(n int) { h.buffered.Add(-int64(n)) }

func (h *Handler) takes(qos byte) bool {
	return len(h.options.QoS) == 0 || slices.Contains(h.options.QoS, int(qos))
}
