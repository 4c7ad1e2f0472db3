package lint

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/plainyaml"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/safeyaml"
)

// maxDocument bounds a YAML document in bytes.
const maxDocument = 1 << 20

// document is a YAML (or JSON) file with the lines of its keys.
type document struct {
	name  string
	data  []byte
	found bool
	// What it says is read once: without lines where texts are all that is asked for.
	read  func() *parsedYAML
	plain func() map[string]any // nil where that cannot be had
}

// parsedYAML is what the content of a YAML file says. Nobody changes it.
type parsedYAML struct {
	root *yaml.Node // nil where the file is missing, empty or not YAML
	err  error
	same []*yaml.Node // keys that occur twice
}

func newDocument(name string, data []byte, found bool) *document {
	return documentBy(parseYAML, name, data, found)
}

func documentBy(parse func([]byte) *parsedYAML, name string, data []byte, found bool) *document {
	return &document{
		name: name, data: data, found: found,
		read: sync.OnceValue(func() *parsedYAML {
			if !found {
				return &parsedYAML{}
			}
			return parse(data)
		}),
		plain: sync.OnceValue(func() map[string]any {
			if !found || len(data) > maxDocument {
				return nil
			}
			object, plain := plainyaml.Parse(string(data))
			if !plain {
				return nil
			}
			return object
		}),
	}
}

// documentOf is a part of another document.
func documentOf(root *yaml.Node) *document {
	return &document{read: func() *parsedYAML { return &parsedYAML{root: root} }, plain: func() map[string]any { return nil }}
}

func (d *document) root() *yaml.Node   { return d.read().root }
func (d *document) err() error         { return d.read().err }
func (d *document) same() []*yaml.Node { return d.read().same }

// second is the line where a second document with content begins, in a file of which the broker and Helm read the first; else 0.
func (d *document) second() int {
	switch path.Base(d.name) {
	case addon.MetaFile, addon.ValuesFile, chartFile:
	default:
		return 0
	}
	if !bytes.Contains(d.data, []byte("\n---")) {
		return 0
	}
	var first, second yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(d.data))
	if decoder.Decode(&first) != nil || decoder.Decode(&second) != nil || len(second.Content) == 0 || second.Content[0].Tag == "!!null" {
		return 0
	}
	return second.Content[0].Line
}

func parseYAML(data []byte) *parsedYAML {
	p := &parsedYAML{}
	if len(bytes.TrimSpace(data)) == 0 {
		return p
	}
	if len(data) > maxDocument {
		p.err = fmt.Errorf("larger than %d bytes", maxDocument)
		return p
	}
	var root yaml.Node
	if p.err = yaml.Unmarshal(data, &root); p.err != nil || len(root.Content) == 0 {
		return p
	}
	if p.err = safeyaml.Aliases(data); p.err != nil {
		return p
	}
	p.root = root.Content[0]
	p.duplicates(p.root)
	return p
}

func (p *parsedYAML) duplicates(node *yaml.Node) {
	seen := map[string]bool{}
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			if seen[child.Value] {
				p.same = append(p.same, child)
			}
			seen[child.Value] = true
			continue
		}
		p.duplicates(child)
	}
}

// twice are the keys that occur twice, as problems.
func (d *document) twice() []problem {
	var problems []problem
	for _, key := range d.same() {
		problems = append(problems, problem{path: d.name, line: key.Line, message: fmt.Sprintf("the key %q occurs twice", key.Value)})
	}
	return problems
}

// entry is a key of a mapping with its value.
type entry struct {
	key  string
	line int
	node *yaml.Node
}

// entries lists the keys of the mapping at path, in the order of the file.
func (d *document) entries(path ...string) []entry {
	return entriesOf(d.at(path...))
}

func entriesOf(node *yaml.Node) []entry {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	var out []entry
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], named(node.Content[i+1])
		if key.Tag == "!!merge" {
			out = append(out, merged(value)...)
			continue
		}
		out = append(out, entry{key: key.Value, line: key.Line, node: value})
	}
	return out
}

// merged are the entries that a merge key (<<) brings along.
func merged(node *yaml.Node) []entry {
	if node.Kind != yaml.SequenceNode {
		return entriesOf(node)
	}
	var out []entry
	for _, item := range slices.Backward(node.Content) { // the first of them wins
		out = append(out, entriesOf(named(item))...)
	}
	return out
}

// named is what an alias stands for.
func named(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// at is the node at path (keys, and numbers for items of lists), nil where there is none.
func (d *document) at(path ...string) *yaml.Node {
	node := d.root()
	for _, key := range path {
		var next *yaml.Node
		if i, err := strconv.Atoi(key); err == nil && node != nil && node.Kind == yaml.SequenceNode && i >= 0 && i < len(node.Content) {
			next = named(node.Content[i])
		}
		for _, e := range entriesOf(node) {
			if e.key == key {
				next = e.node
			}
		}
		if next == nil {
			return nil
		}
		node = next
	}
	return node
}

// line is the line of the node at path, or of the nearest thing above it.
func (d *document) line(path ...string) int {
	for ; len(path) > 0; path = path[:len(path)-1] {
		if node := d.at(path...); node != nil {
			return node.Line
		}
	}
	return 0
}

// text is the scalar at path, empty where there is none or null.
func (d *document) text(path ...string) string {
	if text, sure := textIn(d.plain(), path); sure {
		return text
	}
	if node := d.at(path...); node != nil && node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		return node.Value
	}
	return ""
}

// textIn is text, for what is read without lines. sure is false where the text is not known from that, as of numbers.
func textIn(object map[string]any, path []string) (text string, sure bool) {
	for i, key := range path {
		value, found := object[key]
		if below, ok := value.(map[string]any); ok && i < len(path)-1 {
			object = below
			continue
		}
		text, sure = value.(string)
		return text, object != nil && (sure && i == len(path)-1 || !found)
	}
	return "", false
}

// unreadable says why the document cannot be read, at the line that the reader names.
func (d *document) unreadable() problem {
	p := problem{path: d.name, message: strings.TrimPrefix(oneLine(d.err()), "yaml: ")}
	if m := lineFirst.FindStringSubmatch(p.message); m != nil {
		p.line, _ = strconv.Atoi(m[1])
		p.message = m[2]
	}
	return p
}

var lineFirst = regexp.MustCompile(`^line (\d+): (.*)$`)

// problem makes a problem at the line of path.
func (d *document) problem(path []string, format string, args ...any) problem {
	return problem{path: d.name, line: d.line(path...), message: fmt.Sprintf(format, args...)}
}

// pointer turns a JSON pointer such as #/properties/a into a path.
func pointer(p string) []string {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(p, "#"), "/"), "/")
	for i := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(parts[i], "~1", "/"), "~0", "~")
	}
	return parts
}
