package gateway

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Answer is what the sender is told.
type Answer struct {
	Outcome Outcome
	// Status is the HTTP status that the outcome has on this route.
	Status int
	// Events are the ids of the delivery's events.
	Events []string
	// Error says what is wrong. It holds neither secrets nor payload.
	Error string
	// Withheld says that there is something that is neither published nor kept, although it is an event, or may become
	// one with another mapping. A transport that can only acknowledge or not must not acknowledge it.
	Withheld bool
	// RetryAfter is when to come again, for outcomes that are worth it.
	RetryAfter time.Duration
	// Challenge is the value of WWW-Authenticate, if any.
	Challenge string
}

// document is the answer's body.
func (a Answer) document() ([]byte, error) {
	a.Events = a.Events[:min(len(a.Events), maxAnswerIDs)]
	if a.Error != "" || len(a.Events) != 1 || !plain(a.Events[0]) {
		return json.Marshal(struct {
			Outcome Outcome  `json:"outcome"`
			Events  []string `json:"events,omitempty"`
			Error   string   `json:"error,omitempty"`
		}{a.Outcome, a.Events, a.Error})
	}
	// The usual one needs no reflection.
	b := make([]byte, 0, 64+len(a.Events[0]))
	b = append(append(b, `{"outcome":"`...), a.Outcome...)
	b = append(append(b, `","events":["`...), a.Events[0]...)
	return append(b, `"]}`...), nil
}

// plain says whether a text is its own form in JSON, also in the careful one that Go has for web pages.
func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// maxAnswerIDs bounds the ids in an answer.
const maxAnswerIDs = 100

// WriteAnswer answers a request: the status, the headers that belong to it, and a JSON document.
func WriteAnswer(w http.ResponseWriter, a Answer) {
	header := w.Header()
	if a.Challenge != "" {
		header.Set("WWW-Authenticate", a.Challenge)
	}
	if a.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(a.RetryAfter.Seconds()))))
	}
	if a.Status == http.StatusNoContent || a.Status == http.StatusNotModified {
		w.WriteHeader(a.Status)
		return
	}
	body, err := a.document()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	values := [...]string{"application/json", "nosniff", strconv.Itoa(len(body))} // one piece of memory for all three
	header["Content-Type"], header["X-Content-Type-Options"], header["Content-Length"] = values[0:1:1], values[1:2:2], values[2:3:3]
	w.WriteHeader(a.Status)
	// A sender that is gone does not read its answer: nothing to do about it.
	_, _ = w.Write(body)
}
