package connector

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// dataLink is the link by which Kubernetes swaps a mounted volume's content at once.
const dataLink = "..data"

// ReadValues reads parameter values from the given places without checking them; later places win. In a
// directory, files that are no parameters of this connector are left alone, because an operator's Secret
// may hold more; in a YAML file an unknown name is an error. Each file may hold up to 1 MiB.
func (d *Definition) ReadValues(places ...string) (map[string]string, error) {
	values := map[string]string{}
	var problems Problems
	for _, place := range places {
		info, err := os.Stat(place)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			problems.add(place, "mount it, or correct --params", "there is no such directory or file to read parameters from")
		case err != nil:
			problems.add(place, "make it readable", "cannot be read: %s", bare(err))
		case info.IsDir():
			problems = append(problems, d.readDirectory(place, values)...)
		default:
			problems = append(problems, d.readYAML(place, values)...)
		}
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return values, nil
}

// readDirectory reads a mounted volume, or a directory of the same shape. Through the link ..data it
// sees one state of the volume, even while Kubernetes puts a new one in place.
func (d *Definition) readDirectory(place string, values map[string]string) Problems {
	var problems Problems
	const next = "wait for the volume, or check that its ConfigMap or Secret exists"
	entries, err := os.ReadDir(place)
	if err != nil {
		problems.add(place, "make it readable", "cannot be read: %s", bare(err))
		return problems
	}
	if len(entries) == 0 {
		problems.add(place, next, "is empty: nothing is mounted here yet")
		return problems
	}
	dir := place
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), "..") }) {
		dir, err = filepath.EvalSymlinks(filepath.Join(place, dataLink))
		if err != nil {
			problems.add(place, next, "is a half-written mount: its link %s leads nowhere", dataLink)
			return problems
		}
		if entries, err = os.ReadDir(dir); err != nil {
			problems.add(place, next, "is a half-written mount: its %s cannot be read: %s", dataLink, bare(err))
			return problems
		}
	}
	for _, entry := range entries {
		name := entry.Name()
		if _, known := d.Parameters[name]; !known || strings.HasPrefix(name, ".") {
			continue
		}
		data, err := readBounded(filepath.Join(dir, name))
		if err != nil {
			problems.add(parameterPath(name), next, "its file in %s cannot be read: %s", place, bare(err))
			continue
		}
		value := trimLineBreak(string(data))
		if value == "" && d.Parameters[name].Kind == KindSecret {
			problems.add(parameterPath(name), "put the value in, or remove the key", "its file in %s is empty: a secret needs a value", place)
			continue
		}
		values[name] = value
	}
	return problems
}

// readYAML reads a mapping of names to scalars or lists of scalars. Scalars are taken as they are written,
// so that 0123 stays 0123.
func (d *Definition) readYAML(place string, values map[string]string) Problems {
	var problems Problems
	data, err := readBounded(place)
	if err != nil {
		problems.add(place, "make it readable", "cannot be read: %s", bare(err))
		return problems
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		problems.add(place, "correct the file", "is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return problems
	}
	if len(document.Content) == 0 {
		return problems // comments only
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		problems.add(place, "write one parameter per line, as in system_url: https://system.example.com", "is not a list of parameters")
		return problems
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		name, where := key.Value, fmt.Sprintf("%s:%d: %s", place, key.Line, parameterPath(key.Value))
		if _, known := d.Parameters[name]; !known {
			problems.add(where, "remove it"+didYouMean(name, maps.Keys(d.Parameters)), "this connector has no such parameter")
			continue
		}
		if seen[name] {
			problems.add(where, "remove one", "is given twice")
			continue
		}
		seen[name] = true
		value, given, ok := scalarText(node)
		switch {
		case !ok:
			problems.add(where, "", "want a text, a number, true, false or a list of them")
		case given:
			values[name] = value
		}
	}
	return problems
}

// scalarText is the text of a scalar, or of a list of scalars; given is false for null.
func scalarText(node *yaml.Node) (value string, given, ok bool) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.ScalarNode:
		return node.Value, node.ShortTag() != "!!null", true
	case yaml.SequenceNode:
		items := make([]string, 0, len(node.Content))
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return "", false, false
			}
			items = append(items, item.Value)
		}
		return strings.Join(items, "\n"), true, true
	default:
		return "", false, false
	}
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxValue+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxValue {
		return nil, errors.New("it is larger than 1 MiB")
	}
	return data, nil
}

// trimLineBreak drops the one line break that editors and `echo` put at the end of a file.
func trimLineBreak(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}

// bare is an error without the path, which the message has already.
func bare(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
