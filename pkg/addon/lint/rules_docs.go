package lint

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"

	nodes "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/schemas"
)

func docsRules() []Rule {
	name := path.Join(addon.DocsDir, addon.MetaFile)
	return []Rule{
		{
			ID: "DOC001", Severity: Error, Suite: SuiteLoad,
			Summary: "docs/meta.yaml, where it has content, has exactly one entry in docs",
			Effect:  "the broker does not load the add-on",
			Next:    "keep one entry, with all sources in it; or remove the file",
			addon: func(c *addonContext) []problem {
				d := c.document(name)
				if !d.found || d.err() != nil || len(bytes.TrimSpace(d.data)) == 0 {
					return nil
				}
				switch node := d.at("docs"); {
				case node == nil || node.Tag == "!!null":
					return []problem{d.problem([]string{"docs"}, "docs has 0 entries")}
				case node.Kind != nodes.SequenceNode:
					return []problem{d.problem([]string{"docs"}, "docs is no list")}
				case len(node.Content) != 1:
					return []problem{d.problem([]string{"docs"}, "docs has %d entries", len(node.Content))}
				}
				return nil
			},
		},
		{
			ID: "DOC002", Severity: Warning, Suite: SuiteOSB,
			Summary: "docs/meta.yaml says what the console understands, and its filters match a document",
			Effect:  "the console shows no documentation; the broker checks none of it",
			Next:    "correct the entry",
			addon: func(c *addonContext) []problem {
				d := c.document(name)
				problems := c.shape(d, schemas.DocsMeta)
				var meta addon.DocsMeta
				if len(problems) > 0 || d.root() == nil || yaml.Unmarshal(d.data, &meta) != nil {
					return problems
				}
				for i, docs := range meta.Docs {
					if len(docs.Template.Sources) == 0 || docs.Template.DisplayName == "" || docs.Template.Description == "" {
						problems = append(problems, d.problem([]string{"docs"}, "the template needs displayName, description and sources"))
					}
					for j, source := range docs.Template.Sources {
						if message := c.checkSource(source); message != "" {
							at := []string{"docs", strconv.Itoa(i), "template", "sources", strconv.Itoa(j), "filter"}
							problems = append(problems, d.problem(at, "source %s: %s", source.Name, message))
						}
					}
				}
				return problems
			},
		},
		{
			ID: "DOC003", Severity: Warning, Suite: SuiteOSB,
			Summary: "documents in docs/ are listed in docs/meta.yaml",
			Effect:  "they are never shown",
			Next:    "add a source for them to docs/meta.yaml, or let the filter of one match them",
			addon: func(c *addonContext) []problem {
				d := c.document(name)
				if len(c.tree.Sub(addon.DocsDir).Files()) > 0 && !d.found {
					return []problem{{path: addon.DocsDir, message: "there are documents and no meta.yaml"}}
				}
				return c.unlisted()
			},
		},
	}
}

// unlisted are documents that no source of docs/meta.yaml leads to.
func (c *addonContext) unlisted() []problem {
	if c.parsed == nil || c.parsed.Docs == nil {
		return nil
	}
	var filters []*regexp.Regexp
	for _, source := range c.parsed.Docs.Docs[0].Template.Sources {
		filter, err := regexp.Compile(source.Filter)
		if err != nil || source.URL != "" {
			return nil // what it leads to cannot be told
		}
		filters = append(filters, filter)
	}
	var problems []problem
	listed := false
	for _, f := range c.tree.Sub(addon.DocsDir).Files() {
		file := path.Join(addon.DocsDir, f.Path)
		switch {
		case path.Ext(file) != ".md":
		case slices.ContainsFunc(filters, func(r *regexp.Regexp) bool { return r.MatchString(file) }):
			listed = true
		default:
			problems = append(problems, problem{path: file, message: "no source in docs/meta.yaml leads to it"})
		}
	}
	if !listed {
		return nil // the sources are wrong, and another rule says so
	}
	return problems
}

// checkSource says what is wrong with a source of documents.
func (c *addonContext) checkSource(source addon.DocsSource) string {
	filter, err := regexp.Compile(source.Filter)
	if err != nil {
		return fmt.Sprintf("the filter is no regular expression: %s", err)
	}
	if source.URL != "" || source.Mode == "" {
		return ""
	}
	for _, f := range c.tree.Sub(addon.DocsDir).Files() {
		if filter.MatchString(path.Join(addon.DocsDir, f.Path)) && f.Path != addon.MetaFile {
			return ""
		}
	}
	return "the filter matches no document of the add-on"
}
