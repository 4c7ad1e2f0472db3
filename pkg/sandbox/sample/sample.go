// Package sample is the recorded deliveries of a connector: reading them, signing them for another
// installation, sending them.
package sample

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/textproto"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// The names of files beside each other: <case>.http is the delivery, <case>.golden.json what becomes of it.
const (
	requestSuffix = ".http"
	goldenSuffix  = ".golden.json"
	// ParamsFile holds the parameters that the samples are signed with.
	ParamsFile = "params.yaml"
)

// Request is an HTTP request as it was recorded. The body is exactly what came.
type Request struct {
	Method string
	// Target is the path with the query, as sent.
	Target string
	Header http.Header
	Body   []byte
}

// Sample is a recorded delivery and what must become of it.
type Sample struct {
	// Name is the file's name without its suffix.
	Name    string
	Request Request
	Golden  Golden
}

// The outcomes of a delivery.
const (
	Accepted  = "accepted"
	Duplicate = "duplicate"
	Ignored   = "ignored"
	Refused   = "refused"
	Rejected  = "rejected"
	Malformed = "malformed"
	Unknown   = "unknown"
)

var outcomes = []string{Accepted, Duplicate, Ignored, Refused, Rejected, Malformed, Unknown}

// Golden is what must become of a delivery.
type Golden struct {
	// Outcome is one of the constants above.
	Outcome string `json:"outcome"`
	// Status is the HTTP status of the answer.
	Status int `json:"status"`
	// StatusUnstored, if set, is another one where the buffer keeps nothing: 503 for a message that is then not
	// acknowledged.
	StatusUnstored int `json:"statusUnstored,omitempty"`
	// Reason, if set, is a part of the answer's error text.
	Reason string `json:"reason,omitempty"`
	// Events are the events that come out.
	Events []Event `json:"events,omitempty"`
}

// Event is an event that a delivery must become. An empty Source is the name of the Application.
type Event struct {
	ID      string          `json:"id"`
	Source  string          `json:"source,omitempty"`
	Type    string          `json:"type"`
	Version string          `json:"version,omitempty"`
	Subject string          `json:"subject,omitempty"`
	Time    string          `json:"time,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// FullType is type and version, joined by a dot.
func (e Event) FullType() string {
	if e.Version == "" {
		return e.Type
	}
	return e.Type + "." + e.Version
}

// Load reads all samples of a directory, in the order of their names, which is the order they are sent in.
func Load(dir fs.FS) ([]Sample, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("read the samples: %w", err)
	}
	var out []Sample
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), requestSuffix)
		if !ok {
			continue
		}
		s, err := Read(dir, name)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Sample) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Read reads one sample by its name, without a suffix.
func Read(dir fs.FS, name string) (Sample, error) {
	s := Sample{Name: name}
	data, err := fs.ReadFile(dir, name+requestSuffix)
	if err != nil {
		return s, err
	}
	if s.Request, err = Parse(data); err != nil {
		return s, fmt.Errorf("sample %s: %w", name+requestSuffix, err)
	}
	data, err = fs.ReadFile(dir, name+goldenSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("sample %s has no %s that says what becomes of it", name, name+goldenSuffix)
	}
	if err != nil {
		return s, err
	}
	if s.Golden, err = parseGolden(data); err != nil {
		return s, fmt.Errorf("sample %s: %w", name+goldenSuffix, err)
	}
	return s, nil
}

func parseGolden(data []byte) (Golden, error) {
	var g Golden
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&g); err != nil {
		return g, err
	}
	switch {
	case !slices.Contains(outcomes, g.Outcome):
		return g, fmt.Errorf("outcome %q: choose one of %s", g.Outcome, strings.Join(outcomes, ", "))
	case g.Status < 200 || g.Status > 599:
		return g, fmt.Errorf("status %d is no HTTP status", g.Status)
	case g.Outcome == Accepted && len(g.Events) == 0:
		return g, errors.New("outcome accepted: list the events")
	case g.Outcome != Accepted && len(g.Events) > 0:
		return g, fmt.Errorf("outcome %s: no events come out", g.Outcome)
	}
	return g, nil
}

// Parse reads a raw HTTP/1.1 request: request line, headers, an empty line; everything after that is the
// body, byte for byte.
func Parse(data []byte) (Request, error) {
	head, body, found := bytes.Cut(data, []byte("\n\n"))
	if crlfHead, crlfBody, crlf := bytes.Cut(data, []byte("\r\n\r\n")); crlf && len(crlfHead) < len(head) {
		head, body, found = crlfHead, crlfBody, true
	}
	if !found {
		return Request{}, errors.New("no empty line ends the headers")
	}
	reader := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\n\n"))))
	line, err := reader.ReadLine()
	if err != nil {
		return Request{}, err
	}
	fields := strings.Fields(line)
	if len(fields) != 3 || !strings.HasPrefix(fields[1], "/") || fields[2] != "HTTP/1.1" {
		return Request{}, fmt.Errorf("first line %.80q: want METHOD /path HTTP/1.1", line)
	}
	header, err := reader.ReadMIMEHeader()
	if err != nil {
		return Request{}, fmt.Errorf("headers: %w", err)
	}
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Host"} {
		header.Del(name) // follow from where the sample is sent and what it holds
	}
	return Request{Method: fields[0], Target: fields[1], Header: http.Header(header), Body: bytes.Clone(body)}, nil
}

// Path is the target without the query.
func (r Request) Path() string {
	target, _, _ := strings.Cut(r.Target, "?")
	return path.Clean(target)
}

// Params reads the parameters that the samples are signed with. Values that are no text are written as
// JSON; those of a list are joined by commas.
func Params(dir fs.FS) (map[string]string, error) {
	data, err := fs.ReadFile(dir, ParamsFile)
	if err != nil {
		return nil, fmt.Errorf("read the parameters of the samples: %w", err)
	}
	var raw map[string]any
	if err := yaml.UnmarshalStrict(data, &raw); err != nil {
		return nil, fmt.Errorf("%s: %w", ParamsFile, err)
	}
	out := make(map[string]string, len(raw))
	for name, value := range raw {
		out[name] = text(value)
	}
	return out, nil
}

func text(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case []any:
		items := make([]string, len(value))
		for i, item := range value {
			items[i] = text(item)
		}
		return strings.Join(items, ",")
	case nil:
		return ""
	default:
		data, _ := json.Marshal(value) // what YAML gave is always JSON
		return string(data)
	}
}
