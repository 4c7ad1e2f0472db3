package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/kyma-connectors/kyma-connectors/test/chaos/ledger"
)

// senderTimeout is how long a system waits for an answer, and senderGivesUp when it stops repeating an event.
const (
	senderTimeout = 10 * time.Second
	senderGivesUp = 2 * time.Minute
)

// load sends the events of SAP Cloud for Customer or of GitHub to a connector and reads what arrives in JetStream. Its books
// say what became of each.
type load struct {
	ctx context.Context
	js  jetstream.JetStream

	mu  sync.Mutex
	run *loadRun
}

// loadRun is one book, from /start to /stop.
type loadRun struct {
	ledger  *ledger.Ledger
	target  *ledger.Target
	stop    context.CancelFunc
	ended   sync.WaitGroup
	reader  jetstream.ConsumeContext
	longest atomic.Int64 // nanoseconds from an event's first offer to its acknowledgement
	gaveUp  atomic.Int64
	secrets atomic.Pointer[[]string] // GitHub: what deliveries are signed with, one or the other
}

// assignment is what /start takes: where to send, and how much. With Secrets it is GitHub that sends.
type assignment struct {
	URL, User, Password string
	Secrets             []string
	Prefix              string
	Senders             int
	PauseMilliseconds   int
}

// outcome is what /stop answers.
type outcome struct {
	Offered, Acknowledged, Refused, Unanswered, Delivered, Lost, Duplicates int

	LongestMilliseconds int64
	GaveUp              int64
	Problem, Text       string
}

func newLoad(ctx context.Context, o options) (public, control http.Handler, err error) {
	connection, err := nats.Connect(o.nats, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(connection)
	if err != nil {
		return nil, nil, err
	}
	l := &load{ctx: ctx, js: js}
	tests := http.NewServeMux()
	tests.HandleFunc("POST /start", func(w http.ResponseWriter, r *http.Request) {
		var a assignment
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&a)
		if err == nil {
			err = l.start(a)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	tests.HandleFunc("POST /broke", func(w http.ResponseWriter, _ *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.run == nil {
			http.Error(w, "nothing runs", http.StatusConflict)
			return
		}
		l.run.ledger.Broke()
	})
	tests.HandleFunc("POST /secrets", func(w http.ResponseWriter, r *http.Request) {
		var secrets []string
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&secrets)
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil || len(secrets) == 0 || l.run == nil {
			http.Error(w, "want a list of secrets while something runs", http.StatusBadRequest)
			return
		}
		l.run.secrets.Store(&secrets)
	})
	tests.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		out, err := l.finish()
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		writeJSON(w, out)
	})
	return http.NotFoundHandler(), tests, nil
}

func (l *load) start(a assignment) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.run != nil {
		return errors.New("a load is running")
	}
	books := ledger.New(a.Prefix)
	target, err := ledger.NewTarget(books)
	if err != nil {
		return err
	}
	run := &loadRun{ledger: books, target: target}
	if len(a.Secrets) > 0 {
		run.secrets.Store(&a.Secrets)
	}
	bounded, cancel := context.WithTimeout(l.ctx, 10*time.Second)
	defer cancel()
	consumer, err := l.js.OrderedConsumer(bounded, stream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		target.Close()
		return err
	}
	if run.reader, err = consumer.Consume(run.arrived); err != nil {
		target.Close()
		return err
	}
	var ctx context.Context
	ctx, run.stop = context.WithCancel(l.ctx)
	for range a.Senders {
		s := &sender{assignment: a, client: &http.Client{Timeout: senderTimeout, Transport: http.DefaultTransport.(*http.Transport).Clone()}}
		run.ended.Go(func() { run.send(ctx, s) })
	}
	l.run = run
	return nil
}

// arrived notes what JetStream has.
func (r *loadRun) arrived(m jetstream.Msg) {
	var e struct {
		ID   string
		Data struct {
			Digest string `json:"entity-id"`
			Issue  struct{ Title, Body string }
		}
	}
	if json.Unmarshal(m.Data(), &e) != nil {
		return
	}
	if e.Data.Issue.Title != "" { // GitHub's events have ids that the gateway makes
		e.ID, e.Data.Digest = e.Data.Issue.Title, e.Data.Issue.Body
	}
	r.target.Note(e.ID, ledger.Arrival{At: time.Now(), Epoch: r.ledger.Epoch(), Answered: true, Intact: e.Data.Digest == digest(e.ID)})
}

// send repeats every event until it is acknowledged, as the systems do, each second or so.
func (r *loadRun) send(ctx context.Context, s *sender) {
	for ctx.Err() == nil {
		id := r.ledger.ID()
		first := time.Now()
		for {
			answer, why := s.offer(id, r.secrets.Load())
			r.ledger.Enter(s.URL, id, answer, why)
			waited := time.Since(first)
			if answer == ledger.Acknowledged {
				for old := r.longest.Load(); int64(waited) > old && !r.longest.CompareAndSwap(old, int64(waited)); old = r.longest.Load() {
				}
				break
			}
			if waited > senderGivesUp {
				r.gaveUp.Add(1)
				break
			}
			time.Sleep(200*time.Millisecond + rand.N(300*time.Millisecond))
		}
		time.Sleep(time.Duration(s.PauseMilliseconds) * time.Millisecond)
	}
}

// finish ends the load, waits until nothing acknowledged is on its way, and closes the books.
func (l *load) finish() (*outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.run
	if r == nil {
		return nil, errors.New("nothing runs")
	}
	l.run = nil
	r.stop()
	r.ended.Wait()
	for deadline := time.Now().Add(90 * time.Second); len(r.ledger.Pending(r.target, nil)) > 0 && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(time.Second) // a repetition may follow
	r.reader.Stop()
	defer r.target.Close()
	report := r.ledger.Report(r.target, nil)
	out := &outcome{
		Offered: report.Offered, Acknowledged: report.Acknowledged, Refused: report.Refused, Unanswered: report.Unanswered,
		Delivered: report.Delivered, Lost: len(report.Lost), Duplicates: len(report.Unexplained),
		LongestMilliseconds: time.Duration(r.longest.Load()).Milliseconds(), GaveUp: r.gaveUp.Load(), Text: report.String(),
	}
	for _, n := range report.Duplicates {
		out.Duplicates += n
	}
	report.Unexplained = nil // a repetition can meet another replica
	if err := report.Problem(); err != nil {
		out.Problem = err.Error()
	}
	return out, nil
}

// sender is one of the systems.
type sender struct {
	assignment
	client *http.Client
}

// digest is what an event says of itself, so that it cannot change unnoticed.
func digest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

// delivery is the request for an event, as the system makes it.
func (s *sender) delivery(id string, secrets *[]string) (*http.Request, error) {
	message := map[string]any{
		"event-type": "Account.Root.Updated", "event-type-version": "v1", "event-id": id, "event-time": time.Now().UTC().Format(time.RFC3339),
		"data": map[string]any{"root-entity-id": digest(id), "entity-id": digest(id)},
	}
	if secrets != nil { // what a repetition says is the same
		message = map[string]any{
			"action": "opened", "issue": map[string]any{"id": 1, "number": 1, "title": id, "body": digest(id)},
			"repository": map[string]any{"id": 1, "full_name": "our/shop", "html_url": "https://github.com/our/shop"}, "sender": map[string]any{"login": "load"},
		}
	}
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.GetBody = nil // no repetition behind the ledger's back
	request.Header.Set("Content-Type", "application/json")
	if secrets == nil {
		request.SetBasicAuth(s.User, s.Password)
		return request, nil
	}
	mac := hmac.New(sha256.New, []byte((*secrets)[rand.IntN(len(*secrets))]))
	_, _ = mac.Write(body)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	request.Header.Set("X-GitHub-Event", "issues")
	request.Header.Set("X-GitHub-Delivery", uuid.NewString())
	return request, nil
}

func (s *sender) offer(id string, secrets *[]string) (ledger.Answer, string) {
	request, err := s.delivery(id, secrets)
	if err != nil {
		return ledger.Unreached, err.Error()
	}
	answer, err := s.client.Do(request)
	if err != nil {
		var failed *net.OpError
		if errors.As(err, &failed) && failed.Op == "dial" {
			return ledger.Unreached, err.Error()
		}
		return ledger.Unanswered, err.Error()
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode/100 == 2 {
		return ledger.Acknowledged, ""
	}
	return ledger.Refused, strconv.Itoa(answer.StatusCode)
}
