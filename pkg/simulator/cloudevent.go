package simulator

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	mediaStructured = "application/cloudevents+json"
	mediaBatch      = "application/cloudevents-batch+json"
)

// readCloudEvent reads an event in binary or structured mode. Its errors are the texts that callers of
// the publisher get to see.
func readCloudEvent(r *http.Request) (arrival, error) {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case mediaType == mediaStructured:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return arrival{}, err
		}
		return readStructured(body)
	case mediaType == mediaBatch, !knownVersion(r.Header.Get("Ce-Specversion")):
		return arrival{}, errors.New("unknown Message encoding")
	default:
		return readBinary(r)
	}
}

func knownVersion(version string) bool { return version == "1.0" || version == "0.3" }

func readBinary(r *http.Request) (arrival, error) {
	var a arrival
	attributes := map[string]string{}
	for name, values := range r.Header {
		if attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-"); ok {
			attributes[attribute] = values[0]
		}
	}
	a.DataContentType = r.Header.Get("Content-Type")
	if err := a.setAttributes(attributes); err != nil {
		return a, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return a, err
	}
	a.setData(body)
	return a, a.check()
}

func readStructured(body []byte) (arrival, error) {
	var a arrival
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return a, fmt.Errorf("the event is no JSON object: %w", err)
	}
	attributes := map[string]string{}
	for name, raw := range members {
		if name == "data" || name == "data_base64" {
			continue
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return a, err
		}
		switch v := value.(type) {
		case nil:
		case map[string]any, []any:
			return a, fmt.Errorf("%s: an attribute cannot be an object or an array", name)
		case string:
			attributes[name] = v
		default:
			attributes[name] = string(raw)
		}
	}
	if _, ok := attributes["specversion"]; !ok {
		return a, errors.New("specversion: no specversion")
	}
	if !knownVersion(attributes["specversion"]) {
		return a, errors.New("specversion: unknown value: " + attributes["specversion"])
	}
	a.DataContentType = attributes["datacontenttype"]
	delete(attributes, "datacontenttype")
	if err := a.setAttributes(attributes); err != nil {
		return a, err
	}
	if err := a.setMember(members); err != nil {
		return a, err
	}
	return a, a.check()
}

// setMember takes the data of a structured event.
func (a *arrival) setMember(members map[string]json.RawMessage) error {
	if encoded, ok := members["data_base64"]; ok {
		var text string
		if err := json.Unmarshal(encoded, &text); err != nil {
			return fmt.Errorf("data_base64: %w", err)
		}
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("data_base64: %w", err)
		}
		a.setData(data)
		return nil
	}
	data := members["data"]
	if data == nil || a.isJSON() {
		a.setData(data)
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("unexpected data payload for media type %q, expected a string: %w", a.DataContentType, err)
	}
	a.setData([]byte(text))
	return nil
}

// setAttributes takes the attributes apart from the data and its media type.
func (a *arrival) setAttributes(attributes map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		switch strings.ToLower(name) {
		case "specversion", "dataschema", "schemaurl", "datacontentencoding":
		case "id":
			a.ID = value
		case "type":
			a.Type = value
		case "source":
			source, err := url.Parse(value)
			if err != nil {
				return fmt.Errorf("source: %w", err)
			}
			a.Source = source.String() // a space becomes %20
		case "subject":
			a.Subject = value
		case "time":
			at, err := time.Parse(time.RFC3339Nano, value)
			if err != nil {
				return fmt.Errorf("time: cannot convert %q to a timestamp: not in RFC3339 format", value)
			}
			a.Time = at
		default:
			if keepRunes(name, isAlphanumeric) != name || name == "" {
				return errors.New("bad key, CloudEvents attribute names MUST consist of lower-case letters ('a' to 'z'), upper-case letters ('A' to 'Z') or digits ('0' to '9') from the ASCII character set")
			}
			if a.Extensions == nil {
				a.Extensions = map[string]string{}
			}
			a.Extensions[strings.ToLower(name)] = value
		}
	}
	return nil
}

// setData takes the data. The backend stores what is not JSON as a JSON string.
func (a *arrival) setData(data []byte) {
	a.encodable = true
	switch {
	case len(data) == 0:
	case a.isJSON():
		a.encodable = json.Valid(data)
		a.Data = data
	default:
		a.Data, _ = json.Marshal(string(data)) // a string can always be encoded
	}
}

func (a *arrival) isJSON() bool {
	mediaType, _, _ := mime.ParseMediaType(a.DataContentType)
	return a.DataContentType == "" || mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json")
}

// check demands what CloudEvents demands.
func (a *arrival) check() error {
	var problems []string
	if strings.TrimSpace(a.ID) == "" {
		problems = append(problems, "id: MUST be a non-empty string\n")
	}
	if strings.TrimSpace(a.Source) == "" {
		problems = append(problems, "source: REQUIRED\n")
	}
	if strings.TrimSpace(a.Type) == "" {
		problems = append(problems, "type: MUST be a non-empty string\n")
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, ""))
	}
	return nil
}
