// Package safeyaml looks at a YAML document before a reader does that writes its aliases out: a few bytes can
// stand for gigabytes.
package safeyaml

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxExpanded bounds a document in bytes, with every alias written out. A larger document may double.
const maxExpanded = 4 << 20

// Check refuses invalid UTF-8, a key that occurs twice in a mapping, and aliases that lead back to themselves or
// grow too large. Everything else is left to the one who reads the document, syntax errors included.
func Check(data []byte) error { return check(data, true) }

// Aliases refuses what Check refuses of aliases alone.
func Aliases(data []byte) error {
	if !bytes.ContainsRune(data, '*') || !bytes.ContainsRune(data, '&') {
		return nil
	}
	return check(data, false)
}

func check(data []byte, strict bool) error {
	if strict && !utf8.Valid(data) {
		return errors.New("is not UTF-8; save it as UTF-8")
	}
	var root yaml.Node
	if yaml.Unmarshal(data, &root) != nil {
		return nil
	}
	w := walker{strict: strict, most: max(maxExpanded, 2*int64(len(data))), sizes: map[*yaml.Node]int64{}, open: map[*yaml.Node]bool{}}
	_, err := w.size(&root)
	return err
}

// walker sums up what nodes stand for.
type walker struct {
	strict bool
	most   int64
	sizes  map[*yaml.Node]int64 // of the targets of aliases
	open   map[*yaml.Node]bool  // the targets that lead to where the walk is
}

func (w *walker) size(n *yaml.Node) (int64, error) {
	if n.Kind == yaml.AliasNode {
		return w.alias(n)
	}
	if n.Anchor != "" && !w.open[n] {
		w.open[n] = true
		defer delete(w.open, n)
	}
	total := int64(len(n.Value)) + 8
	keys := map[string]bool{}
	for i, child := range n.Content {
		if w.strict && n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind == yaml.ScalarNode {
			if keys[child.Value] {
				return 0, fmt.Errorf("line %d: the key %q occurs twice; remove one", child.Line, child.Value)
			}
			keys[child.Value] = true
		}
		below, err := w.size(child)
		if err != nil {
			return 0, err
		}
		if total += below; total > w.most {
			return 0, fmt.Errorf("line %d: more than %d bytes with all aliases written out; use fewer aliases", child.Line, w.most)
		}
	}
	return total, nil
}

func (w *walker) alias(n *yaml.Node) (int64, error) {
	if n.Alias == nil || w.open[n.Alias] {
		return 0, fmt.Errorf("line %d: the alias *%s leads back to itself; write the levels out", n.Line, n.Value)
	}
	if size, known := w.sizes[n.Alias]; known {
		return size, nil
	}
	size, err := w.size(n.Alias)
	if err == nil {
		w.sizes[n.Alias] = size
	}
	return size, err
}
