package ledger

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// Behaviour is how a Target treats a request.
type Behaviour struct {
	// Take notes the event, whatever is answered.
	Take bool
	// Status is the answer.
	Status int
	// RetryAfter, in seconds, is sent with it.
	RetryAfter int
	// Hang answers nothing until the behaviour changes or the caller goes away.
	Hang bool
	// Reset cuts the connection off.
	Reset bool
	// PerSecond, if positive, is how many requests are treated so in each second; the others are answered 507.
	PerSecond int
}

// Good takes everything.
func Good() Behaviour { return Behaviour{Take: true, Status: http.StatusNoContent} }

// Arrival is an event at the target.
type Arrival struct {
	At time.Time
	// Epoch is the ledger's at that time, Path the URL's: a gateway that publishes to a path of its own after
	// every start is known by it, however late its last requests are read.
	Epoch int
	Path  string
	// Answered says that the target told the gateway that it has the event, and that the gateway did not throw the answer away unread.
	Answered bool
	// Intact says that the payload is the one that was offered.
	Intact bool
}

// String is for the report's reader.
func (a Arrival) String() string {
	return fmt.Sprintf("%s epoch %d path %s answered %t", a.At.Format("04:05.000"), a.Epoch, a.Path, a.Answered)
}

// Target takes CloudEvents in binary mode and notes every one.
type Target struct {
	ledger *Ledger

	mu         sync.Mutex
	arrivals   map[string][]*Arrival
	order      []string
	seen       int
	second     int64 // of PerSecond
	within     int   // requests in that second
	most       int   // requests in a second
	overfull   int   // requests that were answered 507 because of PerSecond
	behaviours []Behaviour
	changed    chan struct{}
	address    string
	server     *httptest.Server
}

// NewTarget starts a target that takes everything.
func NewTarget(l *Ledger) (*Target, error) {
	t := &Target{ledger: l, arrivals: map[string][]*Arrival{}, behaviours: []Behaviour{Good()}, changed: make(chan struct{}), address: "127.0.0.1:0"}
	return t, t.Up()
}

// Up opens the target, at the address that it had before.
func (t *Target) Up() error {
	tcp, err := net.Listen("tcp", t.address)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	t.address = tcp.Addr().String()
	t.server = &httptest.Server{Listener: listener{tcp, t}, Config: &http.Server{Handler: http.HandlerFunc(t.serve), ConnContext: withConnection}} //nolint:gosec // a test's own server
	t.server.Start()
	return nil
}

// Down closes the target: connections to it are refused.
func (t *Target) Down() {
	t.server.CloseClientConnections()
	t.server.Close()
}

// Close ends the target for good.
func (t *Target) Close() {
	t.Behave(Good())
	t.Down()
}

// URL is the target's address.
func (t *Target) URL() string { return "http://" + t.address }

// Behave changes how requests are treated from now on: each by one of the behaviours, at random.
func (t *Target) Behave(b ...Behaviour) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.behaviours = b
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *Target) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusOK)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	id := r.Header.Get("Ce-Id")
	t.mu.Lock()
	b, changed := t.behaviours[rand.IntN(len(t.behaviours))], t.changed
	t.seen++
	full := t.full(b.PerSecond)
	t.mu.Unlock()
	if full {
		w.WriteHeader(http.StatusInsufficientStorage)
		return
	}
	var a *Arrival
	if b.Take {
		a = &Arrival{At: time.Now(), Epoch: t.ledger.Epoch(), Path: r.URL.Path, Intact: Intact(id, body)}
		t.mu.Lock()
		t.arrivals[id] = append(t.arrivals[id], a)
		t.order = append(t.order, id)
		t.mu.Unlock()
	}
	switch {
	case b.Hang:
		select {
		case <-r.Context().Done():
		case <-changed:
		}
		cut(w)
	case b.Reset:
		cut(w)
	default:
		if b.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(b.RetryAfter))
		}
		w.WriteHeader(b.Status)
		if a == nil || b.Status >= 300 || http.NewResponseController(w).Flush() != nil {
			return // nobody hears that it was taken
		}
		if conn, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			conn.answered(a)
		}
	}
}

// full counts a request of this second, and says whether it is one too many. The caller has locked.
func (t *Target) full(limit int) bool {
	if now := time.Now().Unix(); now != t.second {
		t.second, t.within = now, 0
	}
	t.within++
	t.most = max(t.most, t.within)
	if limit <= 0 || t.within <= limit {
		return false
	}
	t.overfull++
	return true
}

// Busiest is the most requests that one second had, and how many of all were too many for Behaviour.PerSecond.
func (t *Target) Busiest() (most, overfull int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.most, t.overfull
}

// Forget begins Busiest anew.
func (t *Target) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.most, t.overfull = 0, 0
}

// Note enters an arrival that came by other means than this target's own address.
func (t *Target) Note(id string, a Arrival) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrivals[id] = append(t.arrivals[id], &a)
	t.order = append(t.order, id)
}

// cut makes the other side's connection fail.
func cut(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	if ours, ok := conn.(*connection); ok {
		conn = ours.Conn
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Arrivals are all that arrived so far, by id.
func (t *Target) Arrivals() map[string][]Arrival {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[string][]Arrival, len(t.arrivals))
	for id, list := range t.arrivals {
		for _, a := range list {
			out[id] = append(out[id], *a)
		}
	}
	return out
}

// IDs are the events that arrived so far.
func (t *Target) IDs() map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[string]bool, len(t.arrivals))
	for id := range t.arrivals {
		out[id] = true
	}
	return out
}

// Order are the ids in the order of their arrivals, repetitions included.
func (t *Target) Order() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.order...)
}

// Seen is the number of requests so far, whatever became of them.
func (t *Target) Seen() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}
