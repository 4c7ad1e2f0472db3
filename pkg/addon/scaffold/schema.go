package scaffold

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// valuesSchema is the chart's values.schema.json: all groups of the library chart. The form's own fields are added
// from the definition.
func (w *writer) valuesSchema(files []addon.File) ([]byte, error) {
	name := path.Join(library, "values.schema.json")
	data, err := w.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		for _, f := range files {
			if f.Path == name {
				data, err = f.Data, nil
			}
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not the library chart that connectors are made with: it has no values.schema.json; move it away to get the right one", library)
	}
	if err != nil {
		return nil, err
	}
	var of struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(data, &of); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	properties := []member{
		{"addonsRepositoryURL", json.RawMessage(`{"description": "Set by Helm Broker for every add-on.", "type": "string"}`)},
		{"common", json.RawMessage(`{"description": "Defaults of the library chart.", "type": "object"}`)},
	}
	for _, name := range slices.Sorted(maps.Keys(of.Properties)) {
		properties = append(properties, member{name, of.Properties[name]})
	}
	var out bytes.Buffer
	out.WriteString(`{"$schema":"http://json-schema.org/draft-07/schema#","title":"Values of ` + w.result.Key + `","type":"object","additionalProperties":false,"properties":{`)
	for i, p := range properties {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(`"` + p.name + `":`)
		out.Write(p.value)
	}
	out.WriteString("}}")
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	pretty.WriteByte('\n')
	return pretty.Bytes(), nil
}

// member is one member of an object, in the order in which they are written.
type member struct {
	name  string
	value json.RawMessage
}
