package lint

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// withText returns a YAML file in which the plain or quoted text of one key at the root is another. Everything
// else stays as it is. Where there is no such key, nothing changes.
func withText(is []byte, key, text string) []byte {
	d := newDocument("", is, true)
	node := d.at(key)
	if node == nil || node.Kind != yaml.ScalarNode || node.Value == text || strings.Contains(node.Value, "\n") {
		return is
	}
	lines := bytes.SplitAfter(is, []byte("\n"))
	if node.Line > len(lines) || node.Column > len(lines[node.Line-1]) {
		return is
	}
	line := lines[node.Line-1]
	before, after := line[:node.Column-1], line[node.Column-1:]
	for _, quote := range []string{`"`, `'`, ""} {
		if old := quote + node.Value + quote; bytes.HasPrefix(after, []byte(old)) {
			lines[node.Line-1] = append(append(bytes.Clone(before), quote+text+quote...), after[len(old):]...)
			return bytes.Join(lines, nil)
		}
	}
	return is
}
