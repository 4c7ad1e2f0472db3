package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	stream     = "sap"
	prefix     = "kyma"
	maxPublish = 65536
)

// publisher does what Kyma's eventing publisher proxy does: an event is accepted when JetStream has it.
type publisher struct {
	js jetstream.JetStream
}

func newPublisher(ctx context.Context, o options) (public, control http.Handler, err error) {
	connection, err := nats.Connect(o.nats, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(connection)
	if err != nil {
		return nil, nil, err
	}
	p := &publisher{js: js}
	go p.keepStream(ctx)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /publish", p.publish)
	mux.HandleFunc("POST /{app}/v1/events", p.legacy)
	mux.HandleFunc("GET /{app}/v1/events/subscribed", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]any{"eventsInfo": []any{}}) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if _, err := js.Stream(r.Context(), stream); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	tests := http.NewServeMux()
	tests.HandleFunc("GET /messages", p.messages)
	tests.HandleFunc("POST /{app}/v1/events", p.legacy) // what a workload of the cluster publishes
	return mux, tests, nil
}

// keepStream makes the stream of Kyma's events as soon as the server is there.
func (p *publisher) keepStream(ctx context.Context) {
	for ctx.Err() == nil {
		_, err := p.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: stream, Subjects: []string{prefix + ".>"}, Storage: jetstream.FileStorage})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (p *publisher) publish(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxPublish)
	message := cehttp.NewMessageFromHttpRequest(r)
	defer message.Finish(nil) //nolint:errcheck // nothing is held
	e, err := binding.ToEvent(r.Context(), message)
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := p.store(r.Context(), *e); err != nil {
		w.WriteHeader(status(err))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// legacy takes the older format; each event becomes two messages, as with the real one.
func (p *publisher) legacy(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPublish))
	if err != nil {
		writeError(w, http.StatusRequestEntityTooLarge, "too_large", err.Error())
		return
	}
	var in struct {
		Type    string          `json:"event-type"`
		Version string          `json:"event-type-version"`
		ID      string          `json:"event-id"`
		Time    time.Time       `json:"event-time"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		writeError(w, http.StatusBadRequest, "bad_payload_syntax", err.Error())
		return
	}
	if in.Type == "" || in.Version == "" || in.Time.IsZero() || len(in.Data) == 0 {
		writeError(w, http.StatusBadRequest, "validation_violation", "event-type, event-type-version, event-time and data are needed")
		return
	}
	if in.ID == "" {
		in.ID = uuid.NewString()
	}
	for _, eventType := range []string{in.Type + "." + in.Version, "sap.kyma.custom." + r.PathValue("app") + "." + in.Type + "." + in.Version} {
		e := cloudevents.NewEvent()
		e.SetID(in.ID)
		e.SetSource(r.PathValue("app"))
		e.SetType(eventType)
		e.SetTime(in.Time)
		if err := e.SetData(cloudevents.ApplicationJSON, in.Data); err != nil {
			writeError(w, http.StatusBadRequest, "bad_payload_syntax", err.Error())
			return
		}
		if err := p.store(r.Context(), e); err != nil {
			writeError(w, status(err), "internal", err.Error())
			return
		}
	}
	writeJSON(w, map[string]string{"event-id": in.ID, "status": "", "reason": ""})
}

func (p *publisher) store(ctx context.Context, e cloudevents.Event) error {
	original := e.Type()
	subject := prefix + "." + e.Source() + "." + original
	if strings.HasPrefix(original, "sap.kyma.custom.") {
		subject = prefix + "." + original
	}
	e.SetType(subject)
	e.SetExtension("originaltype", original)
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = p.js.PublishMsg(bounded, &nats.Msg{Subject: strings.ReplaceAll(subject, " ", "%20"), Data: data}, jetstream.WithRetryAttempts(0))
	return err
}

// status is what the real one answers: nobody keeps the subject, or the server is gone.
func status(err error) int {
	if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// stored is one message of the stream.
type stored struct {
	Sequence uint64          `json:"sequence"`
	Subject  string          `json:"subject"`
	Event    json.RawMessage `json:"event"`
}

// messages lists what the stream holds after a sequence number: ?after=17.
func (p *publisher) messages(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint("0"+r.URL.Query().Get("after"), 10, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	list, err := p.read(r.Context(), after)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	writeJSON(w, list)
}

func (p *publisher) read(ctx context.Context, after uint64) ([]stored, error) {
	s, err := p.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	info, err := s.Info(ctx)
	if err != nil {
		return nil, err
	}
	list := []stored{}
	for next := max(after+1, info.State.FirstSeq); next <= info.State.LastSeq; next++ {
		message, err := s.GetMsg(ctx, next)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", next, err)
		}
		list = append(list, stored{Sequence: next, Subject: message.Subject, Event: message.Data})
	}
	return list, nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, code int, kind, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": code, "type": kind, "message": text})
}
