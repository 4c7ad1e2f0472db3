package lint

import (
	"fmt"
	"path"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// systemDocs is the directory of the repository that has a page for each system.
const systemDocs = "docs/systems"

// systemPage is the page of a definition's system.
func systemPage(d *connector.Definition) string { return path.Join(systemDocs, d.Metadata.Name+".md") }

// isDocument says whether a file of an add-on may hold tables.
func isDocument(name string) bool {
	return strings.HasPrefix(name, addon.DocsDir+"/") && path.Ext(name) == ".md"
}

// withTables writes the tables that follow from a definition into a Markdown document: between the lines
//
//	<!-- parameters: begin (made from the definition by addonctl lint --fix) -->
//	<!-- parameters: end -->
//
// and the same for events. A document without these lines stays as it is.
func withTables(document []byte, parameters form.Parameters, d *connector.Definition) ([]byte, error) {
	text := string(document)
	var err error
	for _, table := range []struct {
		name string
		rows func() []string
	}{
		{"parameters", func() []string { return parameterRows(parameters) }},
		{"events", func() []string { return eventRows(d) }},
	} {
		if text, err = withTable(text, table.name, table.rows); err != nil {
			return nil, err
		}
	}
	return []byte(text), nil
}

func withTable(text, name string, rows func() []string) (string, error) {
	begin := "<!-- " + name + ": begin (made from the definition by addonctl lint --fix) -->\n"
	end := "<!-- " + name + ": end -->\n"
	before, rest, found := strings.Cut(text, begin)
	if !found {
		return text, nil
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		return "", fmt.Errorf("the line %q is missing", strings.TrimSpace(end))
	}
	return before + begin + "\n" + strings.Join(rows(), "\n") + "\n\n" + end + after, nil
}

func parameterRows(parameters form.Parameters) []string {
	rows := []string{"| field | parameter | needed | what to enter |", "| --- | --- | --- | --- |"}
	for _, p := range parameters {
		needed := "no"
		if p.Required {
			needed = "yes"
		}
		what := cell(p.Description)
		if len(p.Enum) > 0 {
			choice := " One of `"
			if p.Kind == connector.KindList {
				choice = " Any of `"
			}
			what += choice + strings.Join(p.Enum, "`, `") + "`."
		}
		switch {
		case p.Default != "":
			what += " Default: `" + cell(p.Default) + "`."
		case p.Example != "":
			what += " For example `" + cell(p.Example) + "`."
		}
		rows = append(rows, fmt.Sprintf("| %s | `%s` | %s | %s |", cell(p.Title), p.Name, needed, what))
	}
	return rows
}

func eventRows(d *connector.Definition) []string {
	rows := []string{"| event type | what happened |", "| --- | --- |"}
	for _, t := range d.EventTypes() {
		rows = append(rows, fmt.Sprintf("| `%s` | %s |", t.FullType(), cell(t.Summary)))
	}
	return rows
}

// cell makes one line of a text, in which nothing ends the cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
