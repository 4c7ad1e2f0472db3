// Package jsonref walks the references of a document before a schema library sees it: a library would open
// files and addresses, or never return.
package jsonref

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxNodes bounds a schema with every reference written out, as validation visits it, and what the walk
// itself visits.
const maxNodes = 20_000

// localRef is a reference within the document, in plain characters.
var localRef = regexp.MustCompile(`^#(/[A-Za-z0-9_.~$-]+)*$`)

// Error is a reference that a document must not have.
type Error struct {
	At   string // JSON pointer
	What string
}

// Error implements error.
func (e *Error) Error() string { return e.At + ": " + e.What }

func newError(at, format string, args ...any) error {
	return &Error{At: at, What: fmt.Sprintf(format, args...)}
}

// Check walks the document and everything that its references lead to. Each has to lead to another part of
// the document, and none back to where it is. The keywords named by bases give a part an address of its own;
// they are refused. The error is an *Error.
func Check(document any, bases ...string) error {
	w := walker{document: document, bases: bases, open: map[string]bool{}, cost: map[string]int{}}
	_, err := w.schema("#", document)
	return err
}

type walker struct {
	document any
	bases    []string
	open     map[string]bool // the targets that lead to where the walk is
	cost     map[string]int  // of the targets that have been walked
	visits   int
}

// schema walks a node in the position of a schema and returns how many nodes it stands for.
func (w *walker) schema(at string, node any) (int, error) {
	if w.visits++; w.visits > 5*maxNodes {
		return 0, newError(at, "too many references into the same parts; make it simpler")
	}
	total := 1
	add := func(n int, err error) error {
		total += n
		if err == nil && total > maxNodes {
			err = newError(at, "more than %d schemas with all references written out; make it simpler", maxNodes)
		}
		return err
	}
	switch n := node.(type) {
	case []any:
		for i, item := range n {
			if err := add(w.schema(at+"/"+strconv.Itoa(i), item)); err != nil {
				return 0, err
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(n)) {
			if err := add(w.keyword(at, key, n[key])); err != nil {
				return 0, err
			}
		}
	}
	return total, nil
}

func (w *walker) keyword(at, key string, value any) (int, error) {
	child := at + "/" + Escape(key)
	if _, isText := value.(string); isText && slices.Contains(w.bases, key) {
		return 0, newError(child, "changes what references mean; remove it")
	}
	switch key {
	case "enum", "const", "default", "examples":
		return 1, nil // values, not schemas
	case "$ref":
		ref, isText := value.(string)
		if !isText || !localRef.MatchString(ref) {
			return 0, newError(child, "%v is no reference within the document; use #/definitions/… or #/components/…", value)
		}
		return w.follow(child, ref)
	case "properties", "patternProperties", "dependencies", "dependentSchemas", "definitions", "$defs", "channels", "messages", "schemas":
		named, isMap := value.(map[string]any)
		if !isMap {
			break
		}
		total := 1
		for _, name := range slices.Sorted(maps.Keys(named)) {
			n, err := w.schema(child+"/"+Escape(name), named[name])
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	}
	return w.schema(child, value)
}

func (w *walker) follow(at, ref string) (int, error) {
	if n, done := w.cost[ref]; done {
		return n, nil
	}
	if w.open[ref] || strings.HasPrefix(at, ref+"/") {
		return 0, newError(at, "%s leads back to itself; write the levels out", ref)
	}
	target, err := w.resolve(ref)
	if err != nil {
		return 0, newError(at, "%s", err)
	}
	w.open[ref] = true
	n, err := w.schema(ref, target)
	delete(w.open, ref)
	if err != nil {
		return 0, err
	}
	w.cost[ref] = n
	return n, nil
}

func (w *walker) resolve(ref string) (any, error) {
	node, found := Find(w.document, ref)
	if !found {
		return nil, fmt.Errorf("%s leads nowhere; add what it names", ref)
	}
	return node, nil
}

// Find is what a pointer such as #/definitions/a leads to in a document.
func Find(document any, pointer string) (any, bool) {
	node := document
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(pointer, "#"), "/"), "/") {
		if part == "" {
			continue
		}
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		var found bool
		switch n := node.(type) {
		case map[string]any:
			node, found = n[part]
		case []any:
			if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(n) {
				node, found = n[i], true
			}
		}
		if !found {
			return nil, false
		}
	}
	return node, true
}

// Escape makes a segment of a JSON pointer of a name.
func Escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}
