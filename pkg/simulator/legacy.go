package simulator

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// legacyError is an error on the legacy route.
type legacyError struct {
	Status   int            `json:"status,omitempty"`
	Type     string         `json:"type,omitempty"`
	Message  string         `json:"message,omitempty"`
	MoreInfo string         `json:"moreInfo,omitempty"`
	Details  []legacyDetail `json:"details,omitempty"`
}

type legacyDetail struct {
	Field   string `json:"field,omitempty"`
	Type    string `json:"type,omitempty"`
	Message string `json:"message,omitempty"`
}

// legacyEvent is the body of the legacy route.
type legacyEvent struct {
	Type    string          `json:"event-type"`
	Version string          `json:"event-type-version"`
	ID      string          `json:"event-id"`
	Time    string          `json:"event-time"`
	Data    json.RawMessage `json:"data"`
}

// serveLegacy takes an event in the format of old connectors. On a current Kyma it becomes two messages.
func (p *publisher) serveLegacy(w http.ResponseWriter, r *http.Request, application string) {
	body, problem := readLegacy(w, r)
	if problem != nil {
		writeJSON(w, problem.Status, problem)
		return
	}
	at, _ := time.Parse(time.RFC3339, body.Time) // readLegacy has checked it
	message := func(source, eventType string) arrival {
		id := body.ID
		if id == "" {
			id = kube.NewUID() // each message gets an id of its own
		}
		return arrival{encodable: true, Event: event.Event{
			ID: id, Source: source, Type: eventType, Time: at, DataContentType: "application/json", Data: body.Data,
			Extensions: map[string]string{"eventtypeversion": body.Version},
		}}
	}
	if p.kyma.options.Knative {
		one := message(application, body.Type)
		one.subject = application
		p.accept(true, one)
		writeJSON(w, http.StatusOK, map[string]string{"event-id": one.ID, "status": "", "reason": ""})
		return
	}
	prefixed := message("kyma", legacyType(p.cleanName(application), body.Type, body.Version))
	messages := []arrival{prefixed}
	if p.kyma.options.Generation == Old {
		messages[0].subject = prefixed.Type
	} else {
		messages[0].subject = "kyma." + prefixed.Type
		standard := message(application, body.Type+"."+body.Version)
		if err := p.place(&standard); err != nil {
			writeJSON(w, http.StatusBadRequest, badPayload(err.Error()))
			return
		}
		messages = []arrival{standard, messages[0]}
	}
	p.accept(true, messages...)
	writeJSON(w, http.StatusOK, map[string]string{"event-id": prefixed.ID, "status": "", "reason": ""})
}

// readLegacy reads and checks a body. The order of the checks is the real one: the first problem is told.
func readLegacy(w http.ResponseWriter, r *http.Request) (legacyEvent, *legacyError) {
	var body legacyEvent
	if r.ContentLength == 0 {
		return body, badPayload("Bad payload syntax")
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPublish)).Decode(&body)
	var tooLarge *http.MaxBytesError
	_, timeErr := time.Parse(time.RFC3339, body.Time)
	switch {
	case errors.As(err, &tooLarge):
		return body, &legacyError{Status: http.StatusRequestEntityTooLarge, Type: "request_body_too_large", Message: "Request body too large", MoreInfo: err.Error()}
	case err != nil:
		return body, badPayload(err.Error())
	case body.Type == "":
		return body, badField("event-type", "missing_field", "Missing field")
	case body.Version == "":
		return body, badField("event-type-version", "missing_field", "Missing field")
	case !strings.ContainsFunc(body.Version, isAlphanumeric): // the real pattern is not anchored
		return body, badField("event-type-version", "invalid_field", "Invalid field")
	case body.Time == "":
		return body, badField("event-time", "missing_field", "Missing field")
	case timeErr != nil:
		return body, badField("event-time", "invalid_field", "Invalid field")
	case body.ID != "" && !isUUID(body.ID):
		return body, badField("event-id", "invalid_field", "Invalid field")
	case len(body.Data) == 0, string(body.Data) == "null", string(body.Data) == `""`:
		return body, badField("data", "missing_field", "Missing field")
	}
	return body, nil
}

func badPayload(info string) *legacyError {
	return &legacyError{Status: http.StatusBadRequest, Type: "bad_payload_syntax", Message: "Bad payload syntax", MoreInfo: info}
}

func badField(field, kind, message string) *legacyError {
	return &legacyError{Status: http.StatusBadRequest, Type: "validation_violation", Message: message, Details: []legacyDetail{{Field: field, Type: kind, Message: message}}}
}
