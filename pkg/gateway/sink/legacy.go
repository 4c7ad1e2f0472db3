package sink

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// legacy is the route of Kyma that every version but the oldest serves: names are safe on it, ids are
// UUIDs, the payload is JSON.
type legacy struct {
	poster
	limit int
	now   func() time.Time
}

func newLegacy(o Options) (gateway.Sink, error) {
	if o.URL == "" {
		return newSearch(o)
	}
	if o.Application == "" {
		return nil, errors.New("needs the application's name, which is part of the path")
	}
	u, err := parseURL(o.URL, "/"+o.Application+"/v1/events")
	if err != nil {
		return nil, err
	}
	return &legacy{poster: newPoster(u, o), limit: o.MaxBytes, now: time.Now}, nil
}

// Name implements gateway.Sink.
func (s *legacy) Name() string { return string(KymaLegacy) }

// Check implements gateway.Sink.
func (s *legacy) Check(e event.Event) error {
	body, err := s.body(e)
	if err != nil {
		return err
	}
	return tooLarge(len(body), s.limit)
}

// Publish implements gateway.Sink.
func (s *legacy) Publish(ctx context.Context, e event.Event) error {
	body, err := s.body(e)
	if err != nil {
		return err
	}
	if err := tooLarge(len(body), s.limit); err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	addTrace(ctx, header, e)
	return asError(s.post(ctx, header, body))
}

// body is the request. The payload is put in as it is.
func (s *legacy) body(e event.Event) ([]byte, error) {
	version := e.Version
	if version == "" {
		version = "v1"
	}
	when := e.Time
	if when.IsZero() {
		when = s.now()
	}
	head, err := json.Marshal(struct {
		Type    string `json:"event-type"`
		Version string `json:"event-type-version"`
		ID      string `json:"event-id"`
		Time    string `json:"event-time"`
	}{e.Type, version, legacyID(e), when.UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return nil, invalid("the event cannot be written as JSON")
	}
	data := []byte(e.Data)
	switch {
	case len(data) == 0:
		data = []byte("{}") // the route wants a payload
	case !e.IsJSON():
		if data, err = json.Marshal(string(data)); err != nil {
			return nil, invalid("the payload cannot be written as JSON")
		}
	case string(data) == "null" || string(data) == `""`:
		return nil, invalid("the payload is empty, which Kyma's legacy route refuses")
	}
	body := make([]byte, 0, len(head)+len(data)+16)
	body = append(body, head[:len(head)-1]...)
	body = append(body, `,"data":`...)
	body = append(body, data...)
	return append(body, '}'), nil
}

// legacyID is the event's id if it is a UUID, and one that follows from it otherwise.
func legacyID(e event.Event) string {
	if len(e.ID) == 36 {
		if _, err := uuid.Parse(e.ID); err == nil {
			return e.ID
		}
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://kyma-connectors.io/events\n"+e.Source+"\n"+e.ID)).String()
}

// Reachable implements gateway.Sink.
func (s *legacy) Reachable(ctx context.Context) error { return s.alive(ctx, "/healthz") }
