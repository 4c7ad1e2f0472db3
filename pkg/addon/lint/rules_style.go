package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// indentation is how far YAML is indented for each level.
const indentation = 2

// styleRules are about what people read: comments and layout.
func styleRules() []Rule {
	return []Rule{
		{
			ID: "CHT022", Severity: Warning, Suite: SuiteChart,
			Summary: "each value of the chart's values.yaml has a comment, or is in a group that has one",
			Effect:  "nobody knows what it is for without reading templates",
			Next:    "write before it what it is for, its unit, and what an empty one means",
			addon: func(c *addonContext) []problem {
				if c.parsed == nil {
					return nil
				}
				files := []string{addon.ValuesFile}
				dirs, _ := c.parsed.Chart.Entries(addon.ChartsDir)
				for _, dir := range dirs { // the values of a library are the chart's, too
					if at := path.Join(addon.ChartsDir, dir); c.isLibrary(at) {
						files = append(files, path.Join(at, addon.ValuesFile))
					}
				}
				var problems []problem
				for _, file := range files {
					d := c.document(c.chartFile(file))
					for _, v := range valuesOf(d.root()) {
						if v.comment == "" {
							problems = append(problems, problem{path: d.name, line: v.line, message: fmt.Sprintf("%s has no comment", v.name)})
						}
					}
				}
				return problems
			},
		},
		{
			ID: "YML002", Severity: Info, Suite: SuiteLoad,
			Summary: "YAML files are indented by two blanks, have no blanks and carriage returns at the end of lines, and end with one line break",
			Effect:  "changes are harder to read, and an editor that tidies up changes lines that nobody touched",
			Next:    "tidy the file",
			addon: func(c *addonContext) []problem {
				var problems []problem
				for _, f := range c.tree.Files() {
					if addon.IsYAML(f.Path) {
						problems = append(problems, untidy(c.document(f.Path))...)
					}
				}
				return problems
			},
		},
	}
}

// valueRow is a value of a chart, as tables show it.
type valueRow struct {
	name, initial, comment string
	line                   int
}

// valuesOf are the values of a values.yaml, in the order of the file. A value without a comment has that of its group.
func valuesOf(root *yaml.Node) []valueRow {
	var out []valueRow
	var walk func(node *yaml.Node, at []string, comment string)
	walk = func(node *yaml.Node, at []string, comment string) {
		if node == nil || node.Kind != yaml.MappingNode || len(node.Content) == 0 {
			if len(at) > 0 && node != nil {
				out = append(out, valueRow{strings.Join(at, "."), flow(node), comment, node.Line})
			}
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			own := comment
			for _, text := range []string{key.HeadComment, key.LineComment, value.LineComment} {
				if text = commentText(text); text != "" {
					own = text
					break
				}
			}
			walk(value, append(slices.Clone(at), key.Value), own)
		}
	}
	walk(root, nil, "")
	return out
}

// commentText is a comment without the signs that make it one, and without the lines around the parameters.
func commentText(comment string) string {
	var words []string
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(line)
		if line != blockBegin && line != blockEnd {
			words = append(words, strings.Fields(strings.TrimLeft(line, "# "))...)
		}
	}
	return strings.Join(words, " ")
}

// flow is a value in one line.
func flow(node *yaml.Node) string {
	var value any
	if node.Decode(&value) != nil {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(text)
}

// valueRows are the rows of a table of values.
func valueRows(values []byte) []string {
	rows := []string{"| value | default | what for |", "| --- | --- | --- |"}
	for _, v := range valuesOf(newDocument(addon.ValuesFile, values, true).root()) {
		rows = append(rows, fmt.Sprintf("| `%s` | `%s` | %s |", v.name, cell(v.initial), cell(v.comment)))
	}
	return rows
}

// untidy finds what differs from the layout that all files have.
func untidy(d *document) []problem {
	if d.root() == nil {
		return nil
	}
	var problems []problem
	say := func(line int, format string, args ...any) {
		problems = append(problems, problem{path: d.name, line: line, message: fmt.Sprintf(format, args...)})
	}
	literal := map[int]bool{} // lines of texts, whose blanks are their own
	var walk func(node *yaml.Node)
	walk = func(node *yaml.Node) {
		if node.Kind == yaml.ScalarNode && node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			for i := range strings.Count(node.Value, "\n") + 1 {
				literal[node.Line+1+i] = true
			}
		}
		for i, child := range node.Content {
			if step := stepTo(node, i); step != 0 && step != indentation {
				say(child.Line, "indented by %d blanks, not by %d", step, indentation)
			}
			if node.Kind != yaml.AliasNode {
				walk(child)
			}
		}
	}
	walk(d.root())
	lines := bytes.Split(d.data, []byte("\n"))
	for i, line := range lines {
		switch {
		case literal[i+1]:
		case bytes.HasSuffix(line, []byte("\r")):
			say(i+1, "the line ends with a carriage return")
		case len(line) > 0 && (line[len(line)-1] == ' ' || line[len(line)-1] == '\t'):
			say(i+1, "the line ends with blanks")
		}
	}
	switch last := len(lines) - 1; {
	case len(lines[last]) > 0:
		say(last+1, "the last line has no line break")
	case last > 1 && len(bytes.TrimSpace(lines[last-1])) == 0 && !literal[last]:
		say(last, "there are empty lines at the end")
	}
	return problems
}

// stepTo is how much further than its parent the i-th child of a node is indented; 0 where that is not to be judged: on
// the same line, in a flow, or for items of a list below their key, which may stand at its column.
func stepTo(node *yaml.Node, i int) int {
	child := node.Content[i]
	if node.Style&yaml.FlowStyle != 0 || child.Style&yaml.FlowStyle != 0 || child.Kind != yaml.MappingNode && child.Kind != yaml.SequenceNode {
		return 0
	}
	switch {
	case node.Kind == yaml.MappingNode && i%2 == 1 && child.Line > node.Content[i-1].Line:
		return child.Column - node.Content[i-1].Column
	case node.Kind == yaml.SequenceNode:
		return child.Column - node.Column
	default:
		return 0
	}
}
