package lint

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/xeipuuv/gojsonschema"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/schemas"
)

// shape checks a document against one of the project's schemas. It reports unknown keys and values of the
// wrong kind, which keep the broker from loading the add-on where it cannot convert them; what is below the keys in except
// has rules of its own.
func (c *addonContext) shape(d *document, schema string, except ...string) []problem {
	if d.root() == nil {
		return nil
	}
	asJSON, err := yaml.YAMLToJSON(d.data)
	if err != nil {
		return nil // another rule's business
	}
	source, err := schemas.Read(schema)
	if err != nil {
		return []problem{{path: d.name, message: err.Error()}}
	}
	result, err := gojsonschema.Validate(gojsonschema.NewBytesLoader(source), gojsonschema.NewBytesLoader(asJSON))
	if err != nil {
		return []problem{{path: d.name, message: err.Error()}}
	}
	var problems []problem
	for _, e := range result.Errors() {
		at := strings.Split(strings.TrimPrefix(e.Context().String("/"), "(root)/"), "/")
		if at[0] == "(root)" {
			at = nil
		}
		if len(at) > 0 && slices.Contains(except, at[0]) {
			continue
		}
		switch e.Type() {
		case "additional_property_not_allowed":
			key, _ := e.Details()["property"].(string)
			problems = append(problems, problem{path: d.name, line: d.lineOfKey(at, key), message: fmt.Sprintf("the key %q is not known%s", key, didYouMean(key, names(source, at)))})
		case "invalid_type", "enum", "const":
			p := d.problem(at, "%s: %s", cmp.Or(strings.Join(at, "."), "the file"), strings.TrimPrefix(e.Description(), e.Field()+" "))
			p.severe, p.next = e.Type() == "invalid_type" && c.parseErr != nil, "write a value of that kind"
			problems = append(problems, p)
		}
	}
	return problems
}

// lineOfKey is the line of a key below path.
func (d *document) lineOfKey(path []string, key string) int {
	for _, e := range d.entries(path...) {
		if e.key == key {
			return e.line
		}
	}
	return d.line(path...)
}

// names are the keys that a schema allows at path.
func names(schema []byte, path []string) []string {
	var node struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Items      json.RawMessage            `json:"items"`
	}
	if json.Unmarshal(schema, &node) != nil {
		return nil
	}
	if len(path) == 0 {
		return slices.Sorted(maps.Keys(node.Properties))
	}
	if below, ok := node.Properties[path[0]]; ok {
		return names(below, path[1:])
	}
	if node.Items != nil {
		return names(node.Items, path[1:])
	}
	return nil
}

// didYouMean ends a message with the nearest name, if one is near.
func didYouMean(key string, names []string) string {
	best, distance := "", len(key)/3+1
	for _, name := range names {
		if d := editDistance(strings.ToLower(key), strings.ToLower(name)); d <= distance && (best == "" || d < distance) {
			best, distance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance is the Levenshtein distance in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
