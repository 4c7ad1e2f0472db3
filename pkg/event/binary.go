package event

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// SetHeader writes the event's attributes as headers of the HTTP binary mode; Data is the body. Values are
// percent-encoded where the HTTP binding asks for it.
func (e Event) SetHeader(h http.Header) {
	values := make([]string, 0, 7+len(e.Extensions)) // of all headers together
	set := func(canonical, value string) {
		values = append(values, value)
		h[canonical] = values[len(values)-1 : len(values) : len(values)]
	}
	set("Ce-Specversion", SpecVersion)
	set("Ce-Id", encodeHeader(e.ID))
	set("Ce-Source", encodeHeader(e.Source))
	set("Ce-Type", encodeHeader(e.FullType()))
	if e.Subject != "" {
		set("Ce-Subject", encodeHeader(e.Subject))
	}
	if !e.Time.IsZero() {
		set("Ce-Time", e.Time.UTC().Format(time.RFC3339Nano))
	}
	for name, value := range e.Extensions {
		set(http.CanonicalHeaderKey("Ce-"+name), encodeHeader(value))
	}
	if len(e.Data) > 0 {
		set("Content-Type", e.ContentType())
	}
}

// Plain says whether no attribute needs percent-encoding in the binary mode. Receivers made with the
// CloudEvents SDK for Go, Kyma among them, do not decode it: send them the structured mode otherwise.
func (e Event) Plain() bool {
	for _, value := range []string{e.ID, e.Source, e.Type, e.Version, e.Subject} {
		if strings.ContainsFunc(value, encoded) {
			return false
		}
	}
	for _, value := range e.Extensions {
		if strings.ContainsFunc(value, encoded) {
			return false
		}
	}
	return true
}

// encoded are the characters that the HTTP binding percent-encodes.
func encoded(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '%' }

func encodeHeader(value string) string {
	if !strings.ContainsFunc(value, encoded) {
		return value
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if c := value[i]; c >= utf8.RuneSelf || encoded(rune(c)) {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// decodeHeader undoes encodeHeader. A % that begins no valid code stays, as the HTTP binding asks.
func decodeHeader(value string) string {
	if strings.IndexByte(value, '%') < 0 {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '%' && i+2 < len(value) && unhex(value[i+1]) >= 0 && unhex(value[i+2]) >= 0 {
			b.WriteByte(byte(unhex(value[i+1])<<4 | unhex(value[i+2])))
			i += 2
			continue
		}
		b.WriteByte(value[i])
	}
	if !utf8.ValidString(b.String()) {
		return value
	}
	return b.String()
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

// ParseBinary reads an event in the HTTP binary mode. The body is not copied.
func ParseBinary(h http.Header, body []byte) (Event, error) {
	if got := h.Get("Ce-Specversion"); got != SpecVersion {
		return Event{}, fmt.Errorf("want CloudEvents %s, not %s", SpecVersion, shorten(got))
	}
	var e Event
	for key, values := range h {
		name, found := strings.CutPrefix(key, "Ce-")
		if !found || len(values) == 0 {
			continue
		}
		if err := e.set(strings.ToLower(name), decodeHeader(values[0])); err != nil {
			return Event{}, err
		}
	}
	e.DataContentType = h.Get("Content-Type")
	if len(body) > 0 {
		e.Data = body
	}
	return e, e.Validate()
}

// set puts an attribute's value in its place.
func (e *Event) set(name, value string) error {
	switch name {
	case "specversion":
	case "id":
		e.ID = value
	case "source":
		e.Source = value
	case "type":
		e.Type, e.Version = SplitType(value)
	case "subject":
		e.Subject = value
	case "datacontenttype":
		e.DataContentType = value
	case "time":
		t, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return errors.New("event time is not in RFC 3339")
		}
		e.Time = t
	default:
		if e.Extensions == nil {
			e.Extensions = map[string]string{}
		}
		e.Extensions[name] = value
	}
	return nil
}
