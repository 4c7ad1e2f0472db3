package kube

import (
	"fmt"
	"net/http"
	"strings"
)

// Cause is one reason why an object is not valid.
type Cause struct {
	// Reason is FieldValueRequired, FieldValueInvalid, ...; Message says more; Field is the path.
	Reason, Message, Field string
}

// Required says that a field is missing.
func Required(field, detail string) Cause {
	message := "Required value"
	if detail != "" {
		message += ": " + detail
	}
	return Cause{Reason: "FieldValueRequired", Message: message, Field: field}
}

// Invalid says that a field has a wrong value.
func Invalid(field string, value any, detail string) Cause {
	if s, ok := value.(string); ok {
		value = fmt.Sprintf("%q", s)
	}
	return Cause{Reason: "FieldValueInvalid", Message: fmt.Sprintf("Invalid value: %v: %s", value, detail), Field: field}
}

// Error is an answer other than success; on the wire it is a Status object.
type Error struct {
	Code    int
	Reason  string
	Message string
	Details map[string]any
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

func (e *Error) status() Object {
	status := Object{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"message": e.Message, "reason": e.Reason, "code": e.Code,
	}
	if e.Details != nil {
		status["details"] = e.Details
	}
	return status
}

func detailsOf(r *Resource, name string) map[string]any {
	details := map[string]any{"kind": r.Plural}
	if name != "" {
		details["name"] = name
	}
	if r.Group != "" {
		details["group"] = r.Group
	}
	return details
}

func notFound(r *Resource, name string) *Error {
	return &Error{Code: http.StatusNotFound, Reason: "NotFound", Message: fmt.Sprintf("%s %q not found", r.Qualified(), name), Details: detailsOf(r, name)}
}

func alreadyExists(r *Resource, name string) *Error {
	return &Error{Code: http.StatusConflict, Reason: "AlreadyExists", Message: fmt.Sprintf("%s %q already exists", r.Qualified(), name), Details: detailsOf(r, name)}
}

func conflict(r *Resource, name, why string) *Error {
	return &Error{Code: http.StatusConflict, Reason: "Conflict", Message: fmt.Sprintf("Operation cannot be fulfilled on %s %q: %s", r.Qualified(), name, why), Details: detailsOf(r, name)}
}

func modified(r *Resource, name string) *Error {
	return conflict(r, name, "the object has been modified; please apply your changes to the latest version and try again")
}

func badRequest(format string, args ...any) *Error {
	return &Error{Code: http.StatusBadRequest, Reason: "BadRequest", Message: fmt.Sprintf(format, args...)}
}

const reasonUndecodable = "Undecodable"

func invalid(r *Resource, name string, causes []Cause) *Error {
	for _, c := range causes {
		if c.Reason == reasonUndecodable {
			return badRequest("%s in version %q cannot be handled as a %s: %s", r.Kind, r.Version, r.Kind, c.Message)
		}
	}
	texts := make([]string, 0, len(causes))
	list := make([]any, 0, len(causes))
	for _, c := range causes {
		texts = append(texts, c.Field+": "+c.Message)
		list = append(list, map[string]any{"reason": c.Reason, "message": c.Message, "field": c.Field})
	}
	text := strings.Join(texts, ", ")
	if len(texts) > 1 {
		text = "[" + text + "]"
	}
	details := detailsOf(r, name)
	details["kind"] = r.Kind
	details["causes"] = list
	return &Error{Code: http.StatusUnprocessableEntity, Reason: "Invalid", Message: fmt.Sprintf("%s %q is invalid: %s", r.qualifiedKind(), name, text), Details: details}
}

func pathNotFound() *Error {
	return &Error{Code: http.StatusNotFound, Reason: "NotFound", Message: "the server could not find the requested resource", Details: map[string]any{}}
}

func methodNotAllowed() *Error {
	return &Error{Code: http.StatusMethodNotAllowed, Reason: "MethodNotAllowed", Message: "the server does not allow this method on the requested resource", Details: map[string]any{}}
}
