package gateway

import "net/http"

// Outcome is what became of a delivery. The names are used in answers, metrics and definitions.
type Outcome string

// The outcomes.
const (
	Accepted     Outcome = "accepted"         // every event is in the sink or in the buffer
	Duplicate    Outcome = "duplicate"        // every event was here before
	Ignored      Outcome = "ignored"          // deliberately no event, such as a ping
	DeadLettered Outcome = "deadLettered"     // kept as a dead letter, as the definition wants it
	Refused      Outcome = "refused"          // the sender did not prove who it is
	Limited      Outcome = "limited"          // too many failed attempts from there
	Rejected     Outcome = "rejected"         // the definition or the sink rejects it
	Malformed    Outcome = "malformed"        // it cannot be read
	Unknown      Outcome = "unknown"          // the event's type is unknown
	TooLarge     Outcome = "tooLarge"         // larger than the definition or the sink allows
	Unsupported  Outcome = "unsupported"      // content type or encoding that the definition does not accept
	NotAllowed   Outcome = "methodNotAllowed" // not a method of the path
	NotFound     Outcome = "notFound"         // no delivery has the path
	Unavailable  Outcome = "unavailable"      // buffer full, sink away, overload, shutting down: try again
)

var statuses = map[Outcome]int{
	Accepted:     http.StatusAccepted,
	Duplicate:    http.StatusAccepted,
	DeadLettered: http.StatusAccepted,
	Ignored:      http.StatusNoContent,
	Refused:      http.StatusUnauthorized,
	Limited:      http.StatusTooManyRequests,
	Rejected:     http.StatusBadRequest,
	Malformed:    http.StatusBadRequest,
	Unknown:      http.StatusUnprocessableEntity,
	TooLarge:     http.StatusRequestEntityTooLarge,
	Unsupported:  http.StatusUnsupportedMediaType,
	NotAllowed:   http.StatusMethodNotAllowed,
	NotFound:     http.StatusNotFound,
	Unavailable:  http.StatusServiceUnavailable,
}

// Status is the HTTP status of an outcome: the definition's own, if it has one, or that of the table. A
// delivery kept as a dead letter because its type is unknown is answered as the definition answers
// unknown types, if it says so.
func (o Outcome) Status(respond map[string]int) int {
	if status, ok := respond[string(o)]; ok {
		return status
	}
	if o == DeadLettered {
		if status, ok := respond[string(Unknown)]; ok {
			return status
		}
	}
	if status, ok := statuses[o]; ok {
		return status
	}
	return http.StatusInternalServerError
}
