package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"
)

// StructuredContentType is the media type of the structured mode.
const StructuredContentType = "application/cloudevents+json"

// AppendStructured appends the event in the structured mode: one JSON object with the payload inside.
// JSON data is put in as it is; text becomes a string, anything else base64. Attributes come in a fixed
// order, so that equal events give equal bytes.
func (e Event) AppendStructured(b []byte) []byte {
	b = append(b, `{"specversion":"`+SpecVersion+`"`...)
	b = appendAttribute(b, "id", e.ID)
	b = appendAttribute(b, "source", e.Source)
	b = appendAttribute(b, "type", e.FullType())
	if e.Subject != "" {
		b = appendAttribute(b, "subject", e.Subject)
	}
	if !e.Time.IsZero() {
		b = append(b, `,"time":"`...)
		b = e.Time.UTC().AppendFormat(b, time.RFC3339Nano)
		b = append(b, '"')
	}
	for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
		b = appendAttribute(b, name, e.Extensions[name])
	}
	if len(e.Data) > 0 {
		b = appendAttribute(b, "datacontenttype", e.ContentType())
		b = e.appendData(b)
	}
	return append(b, '}')
}

func (e Event) appendData(b []byte) []byte {
	switch {
	case e.IsJSON():
		return append(append(b, `,"data":`...), e.Data...)
	case utf8.Valid(e.Data):
		return appendString(append(b, `,"data":`...), string(e.Data))
	default:
		b = append(b, `,"data_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, e.Data)
		return append(b, '"')
	}
}

func appendAttribute(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendString(b, value)
}

// appendString appends a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// ParseStructured reads an event in the structured mode. Attributes that are numbers or booleans become
// their text.
func ParseStructured(data []byte) (Event, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return Event{}, errors.New("the event is not a JSON object") // err may quote it
	}
	if got := string(members["specversion"]); got != `"`+SpecVersion+`"` {
		return Event{}, fmt.Errorf("want CloudEvents %s, not %s", SpecVersion, shorten(got))
	}
	var e Event
	for name, raw := range members {
		if name == "data" || name == "data_base64" || string(raw) == "null" {
			continue
		}
		value, err := attributeText(raw)
		if err != nil {
			return Event{}, fmt.Errorf("event attribute %s %w", shorten(name), err)
		}
		if err := e.set(name, value); err != nil {
			return Event{}, err
		}
	}
	if err := e.parseData(members); err != nil {
		return Event{}, err
	}
	return e, e.Validate()
}

func (e *Event) parseData(members map[string]json.RawMessage) error {
	data, encoded := members["data"], members["data_base64"]
	switch {
	case encoded != nil && data != nil:
		return errors.New("the event has both data and data_base64")
	case encoded != nil:
		var decoded []byte
		if err := json.Unmarshal(encoded, &decoded); err != nil {
			return errors.New("the event's data_base64 is not base64")
		}
		e.Data = decoded
	case data == nil || string(data) == "null":
	case e.IsJSON():
		e.Data = data
	case data[0] == '"':
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return errors.New("the event's data is not a string")
		}
		e.Data = json.RawMessage(text)
	default:
		e.Data = data
	}
	return nil
}

func attributeText(raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' {
		return "", errors.New("is neither a text, a number nor a boolean")
	}
	if raw[0] != '"' {
		return string(raw), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}
