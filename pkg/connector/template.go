package connector

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// UnmarshalJSON implements json.Unmarshaler. Strings that begin with "=" become expressions.
func (t *Template) UnmarshalJSON(data []byte) error {
	var root any
	if err := decodeNumbers(data, &root); err != nil {
		return err
	}
	t.root = templateNode(root)
	return nil
}

func templateNode(node any) any {
	switch node := node.(type) {
	case map[string]any:
		for key := range node {
			node[key] = templateNode(node[key])
		}
	case []any:
		for i := range node {
			node[i] = templateNode(node[i])
		}
	case string:
		if strings.HasPrefix(node, "=") {
			return Value{text: node, set: true}
		}
	}
	return node
}

// MarshalJSON implements json.Marshaler: the template as written.
func (t Template) MarshalJSON() ([]byte, error) { return json.Marshal(t.root) }

// JSON fills the template in and returns the document. A member whose expression gives null is left out. The
// error names the place in the template.
func (t Template) JSON(in expression.Input) (json.RawMessage, error) {
	filled, err := fill(t.root, "", in)
	if err != nil {
		return nil, err
	}
	return json.Marshal(filled)
}

func fill(node any, path string, in expression.Input) (any, error) {
	switch node := node.(type) {
	case map[string]any:
		out := make(map[string]any, len(node))
		if err := spread(out, node[spreadMember], path, in); err != nil {
			return nil, err
		}
		for _, key := range sortedKeys(node) {
			if key == spreadMember {
				continue
			}
			filled, err := fill(node[key], joinPath(path, key), in)
			if err != nil {
				return nil, err
			}
			if _, expression := node[key].(Value); expression && filled == nil {
				continue
			}
			out[key] = filled
		}
		return out, nil
	case []any:
		out := make([]any, len(node))
		for i := range node {
			filled, err := fill(node[i], fmt.Sprintf("%s[%d]", path, i), in)
			if err != nil {
				return nil, err
			}
			out[i] = filled
		}
		return out, nil
	case Value:
		out, err := node.Any(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return out, nil
	default:
		return node, nil
	}
}

// spreadMember is the member of a template whose members take its place.
const spreadMember = "..."

// spread puts the members of the object in, which may be null.
func spread(out map[string]any, node any, path string, in expression.Input) error {
	filled, err := fill(node, joinPath(path, spreadMember), in)
	if err != nil || filled == nil {
		return err
	}
	members, ok := filled.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: it is no JSON object", joinPath(path, spreadMember))
	}
	maps.Copy(out, members)
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
