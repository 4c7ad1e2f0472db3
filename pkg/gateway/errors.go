package gateway

import (
	"errors"
	"fmt"
	"time"
)

// Reason says why something failed. The set is bounded: reasons are metric labels.
type Reason string

// The reasons.
const (
	ReasonTooLarge      Reason = "too_large"     // the target would refuse the size
	ReasonInvalid       Reason = "invalid"       // the target finds the event wrong
	ReasonUnauthorized  Reason = "unauthorized"  // the target wants other credentials
	ReasonNotFound      Reason = "not_found"     // nothing is there, or not yet
	ReasonMisconfigured Reason = "misconfigured" // the target speaks another dialect, or is another thing
	ReasonThrottled     Reason = "throttled"     // the target asks for less
	ReasonFull          Reason = "full"          // no space, at the target or in the buffer
	ReasonUnavailable   Reason = "unavailable"   // the target, or the buffer, has a problem of its own
	ReasonTimeout       Reason = "timeout"
	ReasonConnection    Reason = "connection"
	ReasonUnknownType   Reason = "unknown_type" // no rule knows the event's type
	ReasonMapping       Reason = "mapping"      // the delivery could not be mapped
	ReasonPayload       Reason = "payload"      // the payload is not what the event catalog says
	ReasonDraining      Reason = "draining"     // the gateway is shutting down
	ReasonOverload      Reason = "overload"     // more than the gateway takes at once
)

// PublishError says why a sink did not take an event.
type PublishError struct {
	Reason Reason
	// Permanent says that this event will never be taken; otherwise it is worth repeating.
	Permanent bool
	// RetryAfter is how long the target wants to be left alone; 0 where it does not say.
	RetryAfter time.Duration
	// Detail is for people and holds no payload.
	Detail string
	Err    error
}

// Error implements error.
func (e *PublishError) Error() string {
	switch {
	case e.Err == nil:
		return e.Detail
	case e.Detail == "":
		return e.Err.Error()
	}
	return e.Detail + ": " + e.Err.Error()
}

// Unwrap implements errors.Unwrap.
func (e *PublishError) Unwrap() error { return e.Err }

// AsPublishError makes every error of a sink one that says whether to repeat. It is nil for nil.
func AsPublishError(err error) *PublishError {
	if err == nil {
		return nil
	}
	var p *PublishError
	if errors.As(err, &p) {
		return p
	}
	return &PublishError{Reason: ReasonUnavailable, Err: err}
}

// UnavailableError says that a buffer cannot take events at the moment; the sender shall come again.
type UnavailableError struct {
	Reason     Reason
	RetryAfter time.Duration
	Err        error
}

// Error implements error.
func (e *UnavailableError) Error() string { return fmt.Sprintf("%s: %v", e.Reason, e.Err) }

// Unwrap implements errors.Unwrap.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Refusal says why a delivery did not prove who sent it. It never says what would have been right.
type Refusal struct {
	// Reason is one of a scheme's bounded set, such as "missing" or "mismatch".
	Reason string
	// Challenge, if set, is the value of WWW-Authenticate.
	Challenge string
}

// Error implements error.
func (r *Refusal) Error() string { return "credentials or signature: " + r.Reason }

// ErrNoDeadLetter says that there is no dead letter of that name.
var ErrNoDeadLetter = errors.New("no such dead letter")
