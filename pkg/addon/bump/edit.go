package bump

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3" // tells where a value is, so that the rest of the file stays as it is
)

// setVersion replaces the value of the key version at the top of a YAML file, and nothing else: comments, order
// and quotes stay.
func setVersion(data []byte, to string) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("is no YAML object; write one")
	}
	value := find(document.Content[0], "version")
	if value == nil || value.Kind != yaml.ScalarNode {
		return nil, errors.New("has no version; add a line such as version: 1.2.3")
	}
	old, quoted := value.Value, to
	switch value.Style {
	case yaml.DoubleQuotedStyle:
		old, quoted = `"`+old+`"`, `"`+to+`"`
	case yaml.SingleQuotedStyle:
		old, quoted = "'"+old+"'", "'"+to+"'"
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	line, column := lines[value.Line-1], value.Column-1
	if !bytes.HasPrefix(line[min(column, len(line)):], []byte(old)) {
		return nil, fmt.Errorf("line %d: the version is written in a way that cannot be replaced; write version: %s", value.Line, value.Value)
	}
	lines[value.Line-1] = append(append(append([]byte{}, line[:column]...), quoted...), line[column+len(old):]...)
	after := bytes.Join(lines, nil)
	return after, check(data, after, to)
}

// check makes sure that only the version is another one.
func check(before, after []byte, to string) error {
	var was, is map[string]any
	if err := errors.Join(yaml.Unmarshal(before, &was), yaml.Unmarshal(after, &is)); err != nil {
		return err
	}
	was["version"] = to
	if !reflect.DeepEqual(was, is) {
		return errors.New("the version cannot be replaced without changing something else; write it on a line of its own")
	}
	return nil
}

func find(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// line is the entry of a changelog.
func line(key, from, to, message string) string {
	text := fmt.Sprintf("- `%s` %s (before: %s)", key, to, from)
	if message = strings.Join(strings.Fields(message), " "); message != "" {
		text += ": " + strings.TrimSuffix(message, ".")
	}
	return text + "."
}

// The headings that a new entry goes under.
const (
	unreleased = "## Unreleased"
	changed    = "### Changed"
)

// withLine adds an entry at the end of the section Changed of what is not released yet, and makes what of that is
// missing.
func withLine(changelog []byte, entry string) []byte {
	if len(bytes.TrimSpace(changelog)) == 0 {
		return []byte("# Changelog\n\n" + unreleased + "\n\n" + changed + "\n\n" + entry + "\n")
	}
	lines := strings.Split(strings.TrimRight(string(changelog), "\n"), "\n")
	top, end := section(lines, 0, len(lines), "## ", isUnreleased)
	if top < 0 {
		at, _ := section(lines, 0, len(lines), "## ", func(string) bool { return true })
		if at < 0 {
			at = len(lines)
			lines = append(lines, "")
			at++
		}
		return join(lines[:at], []string{unreleased, "", changed, "", entry, ""}, lines[at:])
	}
	under, below := section(lines, top+1, end, "### ", func(l string) bool { return strings.EqualFold(strings.TrimSpace(l), changed) })
	if under < 0 {
		at := afterText(lines, top, end)
		return join(lines[:at], []string{"", changed, "", entry}, lines[at:])
	}
	at := afterText(lines, under, below)
	if at == under+1 {
		return join(lines[:at], []string{"", entry}, lines[at:])
	}
	return join(lines[:at], []string{entry}, lines[at:])
}

func isUnreleased(l string) bool {
	return strings.EqualFold(strings.Trim(strings.TrimPrefix(l, "##"), " []"), "unreleased")
}

// section finds the first heading of a level that is wanted, and where its section ends.
func section(lines []string, from, to int, level string, wanted func(string) bool) (start, end int) {
	start = -1
	for i := from; i < to; i++ {
		if !strings.HasPrefix(lines[i], level) {
			continue
		}
		if start >= 0 {
			return start, i
		}
		if wanted(lines[i]) {
			start = i
		}
	}
	return start, to
}

// afterText is the line after the last one of a section that is not empty.
func afterText(lines []string, start, end int) int {
	for end > start+1 && strings.TrimSpace(lines[end-1]) == "" {
		end--
	}
	return end
}

func join(parts ...[]string) []byte {
	var all []string
	for _, p := range parts {
		all = append(all, p...)
	}
	return []byte(strings.TrimRight(strings.Join(all, "\n"), "\n") + "\n")
}
