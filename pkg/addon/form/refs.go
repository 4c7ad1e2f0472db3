package form

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

// RefError is a reference that a form must not have.
type RefError struct {
	At   string // JSON pointer
	What string
}

// Error implements error.
func (e *RefError) Error() string { return e.At + ": " + e.What }

func refError(at, format string, args ...any) error {
	return &RefError{At: at, What: fmt.Sprintf(format, args...)}
}

// checkRefs walks the schema and everything that its references lead to. A schema library must not see a
// document before: it would open files and addresses, or never return.
func checkRefs(document any) error {
	w := refWalker{document: document, open: map[string]bool{}, cost: map[string]int{}}
	_, err := w.schema("#", document)
	return err
}

type refWalker struct {
	document any
	open     map[string]bool // the targets that lead to where the walk is
	cost     map[string]int  // of the targets that have been walked
	visits   int
}

// schema walks a node in the position of a schema and returns how many nodes it stands for.
func (w *refWalker) schema(at string, node any) (int, error) {
	if w.visits++; w.visits > 5*maxNodes {
		return 0, refError(at, "too many references into the same parts; make the form simpler")
	}
	total := 1
	add := func(n int, err error) error {
		total += n
		if err == nil && total > maxNodes {
			err = refError(at, "more than %d schemas with all references written out; make the form simpler", maxNodes)
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

func (w *refWalker) keyword(at, key string, value any) (int, error) {
	child := at + "/" + escapePointer(key)
	switch key {
	case "enum", "const", "default", "examples":
		return 1, nil // values, not schemas
	case "id", "$id":
		if _, isText := value.(string); isText {
			return 0, refError(child, "changes what references mean; remove it")
		}
	case "$ref":
		ref, isText := value.(string)
		if !isText || !localRef.MatchString(ref) {
			return 0, refError(child, "%v is no reference within the schema; use #/definitions/…", value)
		}
		return w.follow(child, ref)
	case "properties", "patternProperties", "dependencies", "definitions":
		named, isMap := value.(map[string]any)
		if !isMap {
			break
		}
		total := 1
		for _, name := range slices.Sorted(maps.Keys(named)) {
			n, err := w.schema(child+"/"+escapePointer(name), named[name])
			if err != nil {
				return 0, err
			}
			total += n
		}
		return total, nil
	}
	return w.schema(child, value)
}

func (w *refWalker) follow(at, ref string) (int, error) {
	if n, done := w.cost[ref]; done {
		return n, nil
	}
	if w.open[ref] || strings.HasPrefix(at, ref+"/") {
		return 0, refError(at, "%s leads back to itself; write the levels out", ref)
	}
	target, err := w.resolve(ref)
	if err != nil {
		return 0, refError(at, "%s", err)
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

func (w *refWalker) resolve(ref string) (any, error) {
	node := w.document
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
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
			return nil, fmt.Errorf("%s leads nowhere; add it to definitions", ref)
		}
	}
	return node, nil
}

func escapePointer(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}
