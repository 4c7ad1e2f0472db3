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
// and the same for apis, events and values, which are those of the chart's values.yaml with their comments. A document without these lines stays as it is.
func withTables(document []byte, parameters form.Parameters, d *connector.Definition, values []byte) ([]byte, error) {
	text := string(document)
	var err error
	for _, table := range []struct {
		name string
		rows func() []string
	}{
		{"parameters", func() []string { return parameterRows(parameters) }},
		{"apis", func() []string { return apiRows(d) }},
		{"events", func() []string { return eventRows(d) }},
		{"values", func() []string { return valueRows(values) }},
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

// Tables are the parameters, the APIs and the event types of an add-on's definition, as Markdown.
func Tables(a *addon.Addon) ([]byte, error) {
	d, err := a.Definition()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, section := range []struct {
		title string
		rows  []string
	}{{"Parameters", parameterRows(parametersOf(a, d))}, {"APIs", apiRows(d)}, {"Events", eventRows(d)}} {
		if len(section.rows) > 2 { // more than the head
			fmt.Fprintf(&b, "## %s\n\n%s\n\n", section.title, strings.Join(section.rows, "\n"))
		}
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

func apiRows(d *connector.Definition) []string {
	rows := []string{"| API | kind | path | what it is for |", "| --- | --- | --- | --- |"}
	for _, api := range d.APIs {
		name, what := cell(api.Name.Source()), cell(api.Description.Source())
		if api.Name.IsExpression() {
			name = "`" + name + "`"
		}
		if api.Description.IsExpression() {
			what = "`" + what + "`"
		}
		if api.Discover != nil {
			name, what = "each that the system lists", strings.TrimSpace(what+" Listed by `"+cell(api.Discover.Get.Source())+"`.")
		} else if name == "" {
			name = "`" + api.ID + "`"
		}
		var paths []string
		for _, p := range api.Paths {
			paths = append(paths, "`"+cell(p.Source())+"`")
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |", name, api.Kind, strings.Join(paths, " or "), what))
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
