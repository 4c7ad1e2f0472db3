// Package event is the event that every other part hands on: a CloudEvent 1.0 whose type is kept in
// two parts, name and version, because Kyma's legacy route and its event type names need them apart.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
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
	// Data is the payload. For a JSON content type it is valid JSON. Empty means that there is none.
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

// IsJSON says whether Data is a JSON document, by its media type.
func (e Event) IsJSON() bool {
	if e.DataContentType == "" || e.DataContentType == "application/json" {
		return true
	}
	media, _, _ := strings.Cut(e.DataContentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

// MaxAttribute is the number of bytes that an attribute's value may have: receivers take attributes as
// HTTP headers, which they bound.
const MaxAttribute = 2048

// Validate checks what CloudEvents 1.0 demands: id, source and type are not empty, values are text without
// control characters of at most MaxAttribute bytes, extension names are lower-case letters and digits and
// no names of the specification.
func (e Event) Validate() error {
	for _, attribute := range []struct {
		name, value string
		required    bool
	}{
		{"id", e.ID, true},
		{"source", e.Source, true},
		{"type", e.Type, true},
		{"version", e.Version, false},
		{"subject", e.Subject, false},
		{"datacontenttype", e.DataContentType, false},
	} {
		if attribute.required && attribute.value == "" {
			return fmt.Errorf("event has no %s", attribute.name)
		}
		if err := checkValue(attribute.name, attribute.value); err != nil {
			return err
		}
	}
	if _, err := url.Parse(e.Source); err != nil {
		return errors.New("event source is no URI reference")
	}
	if y := e.Time.UTC().Year(); !e.Time.IsZero() && (y < 1 || y > 9999) {
		return errors.New("event time is out of range")
	}
	for name, value := range e.Extensions {
		if !validAttribute(name) || reserved(name) {
			return fmt.Errorf("event extension %q: use lower-case letters and digits, and no name of CloudEvents itself", name)
		}
		if err := checkValue("extension "+name, value); err != nil {
			return err
		}
	}
	return nil
}

func checkValue(name, value string) error {
	switch {
	case len(value) > MaxAttribute:
		return fmt.Errorf("event %s is longer than %d bytes", name, MaxAttribute)
	case !utf8.ValidString(value):
		return fmt.Errorf("event %s is not valid UTF-8", name)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("event %s has control characters", name)
	default:
		return nil
	}
}

func validAttribute(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// reserved are the attributes of the specification, which no extension may be called.
func reserved(name string) bool {
	switch name {
	case "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data":
		return true
	default:
		return false
	}
}
