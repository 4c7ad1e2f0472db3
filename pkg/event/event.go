// Package event is the event that every other part hands on: a CloudEvent 1.0 whose type is kept in
// two parts, name and version, because Kyma's legacy route and its event type names need them apart.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// SpecVersion is the CloudEvents version that this package writes.
const SpecVersion = "1.0"

// Event is one event ready to be published. Data is the payload as bytes, passed through unchanged.
type Event struct {
	// ID identifies the event at its source. A sender's retry carries the same ID.
	ID string `json:"id"`
	// Source is the CloudEvents source; on Kyma sinks the name of the Application replaces it.
	Source string `json:"source"`
	// Type is the name without version, such as "Account.Root.Created".
	Type string `json:"type"`
	// Version is the event type version, such as "v1". It may be empty for sinks that need none.
	Version string `json:"version,omitempty"`
	// Subject is what the event is about, such as the id of a business object. Optional.
	Subject string `json:"subject,omitempty"`
	// Time is when it happened, as the sender says. The zero time means that the sender did not say.
	Time time.Time `json:"time,omitzero"`
	// DataContentType is the media type of Data. Empty means application/json.
	DataContentType string `json:"datacontenttype,omitempty"`
	// Data is the payload. For a JSON content type it is valid JSON.
	Data json.RawMessage `json:"data,omitempty"`
	// Extensions are further CloudEvents attributes; names are lower-case letters and digits.
	Extensions map[string]string `json:"extensions,omitempty"`
}

// FullType is the CloudEvents type: name and version, joined by a dot.
func (e Event) FullType() string {
	if e.Version == "" {
		return e.Type
	}
	return e.Type + "." + e.Version
}

// ContentType is the media type of Data, with the default filled in.
func (e Event) ContentType() string {
	if e.DataContentType == "" {
		return "application/json"
	}
	return e.DataContentType
}

// Validate checks what CloudEvents 1.0 demands: id, source and type are not empty, extension names are
// lower-case alphanumerics.
func (e Event) Validate() error {
	switch {
	case e.ID == "":
		return errors.New("event has no id")
	case e.Source == "":
		return errors.New("event has no source")
	case e.Type == "":
		return errors.New("event has no type")
	}
	for name := range e.Extensions {
		if !validAttribute(name) {
			return fmt.Errorf("event extension %q: use lower-case letters and digits only", name)
		}
	}
	return nil
}

func validAttribute(name string) bool {
	if name == "" {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
