package lint

import (
	"fmt"
	"path"
	"regexp"

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
				if d.root == nil {
					return nil
				}
				n := 0
				if node := d.at("docs"); node != nil {
					n = len(node.Content)
				}
				if n != 1 {
					return []problem{d.problem([]string{"docs"}, "docs has %d entries", n)}
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
				problems := shape(d, schemas.DocsMeta)
				var meta addon.DocsMeta
				if len(problems) > 0 || d.root == nil || yaml.Unmarshal(d.data, &meta) != nil {
					return problems
				}
				for _, docs := range meta.Docs {
					if len(docs.Template.Sources) == 0 || docs.Template.DisplayName == "" || docs.Template.Description == "" {
						problems = append(problems, d.problem([]string{"docs"}, "the template needs displayName, description and sources"))
					}
					for _, source := range docs.Template.Sources {
						if message := c.checkSource(source); message != "" {
							problems = append(problems, d.problem([]string{"docs"}, "source %s: %s", source.Name, message))
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
			Next:    "add docs/meta.yaml with a source for them",
			addon: func(c *addonContext) []problem {
				if d := c.document(name); len(c.tree.Sub(addon.DocsDir).Files()) > 0 && !d.found {
					return []problem{{path: addon.DocsDir, message: "there are documents and no meta.yaml"}}
				}
				return nil
			},
		},
	}
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
