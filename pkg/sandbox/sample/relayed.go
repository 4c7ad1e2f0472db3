package sample

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// relayedSuffix ends the files of events that go the other way: from Kyma to the system.
const relayedSuffix = ".relayed.json"

// Relayed is an event of Kyma and what the system must get of it.
type Relayed struct {
	// Name is the file's name without its suffix.
	Name string `json:"-"`
	// Event is published in Kyma. An empty Source is the Application that the relay listens to.
	Event Event `json:"event"`
	// Sent is the document that the system gets; without it, the system gets nothing.
	Sent json.RawMessage `json:"sent,omitempty"`
}

// LoadRelayed reads all events for the system of a directory, in the order of their names.
func LoadRelayed(dir fs.FS) ([]Relayed, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("read the samples: %w", err)
	}
	var out []Relayed
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), relayedSuffix)
		if !ok {
			continue
		}
		data, err := fs.ReadFile(dir, entry.Name())
		if err != nil {
			return nil, err
		}
		r := Relayed{Name: name}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil {
			return nil, fmt.Errorf("sample %s: %w", entry.Name(), err)
		}
		if r.Event.ID == "" || r.Event.Type == "" {
			return nil, fmt.Errorf("sample %s: its event needs id and type", entry.Name())
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Relayed) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
