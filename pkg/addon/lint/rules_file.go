package lint

import (
	"fmt"
	"unicode/utf8"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// fileRules are about every YAML file that the broker reads.
func fileRules() []Rule {
	return []Rule{
		{
			ID: "DIR001", Severity: Error, Suite: SuiteLoad,
			Summary: "an add-on's directory or archive is called <name>-<version>",
			Effect:  "no index can name it, so that it is never found",
			Next:    "rename it to <name>-<version>, with a version of three numbers",
			addon: func(c *addonContext) []problem {
				if _, _, err := addon.SplitName(c.name); err != nil {
					return []problem{{message: fmt.Sprintf("%q is no <name>-<version>", c.name)}}
				}
				return nil
			},
		},
		{
			ID: "YML001", Severity: Error, Suite: SuiteLoad,
			Summary: "YAML files are valid, in UTF-8, no key occurs twice, aliases stay small, and those of the broker and of Helm hold one document",
			Effect:  "the broker refuses the file, the last of several keys and the first of several documents win without a word, or aliases fill its memory",
			Next:    "correct the file",
			addon: func(c *addonContext) []problem {
				var problems []problem
				for _, f := range c.tree.Files() {
					if !addon.IsYAML(f.Path) {
						continue
					}
					d := c.document(f.Path)
					switch {
					case !utf8.Valid(f.Data):
						problems = append(problems, problem{path: f.Path, message: "is not UTF-8"})
					case d.err() != nil:
						problems = append(problems, d.unreadable())
					case len(d.same()) > 0:
						problems = append(problems, d.twice()...)
					case d.second() > 0:
						problems = append(problems, problem{path: f.Path, line: d.second(), message: "another document begins, which nobody reads"})
					default:
						if err := addon.CheckYAML(f.Data); err != nil {
							problems = append(problems, problem{path: f.Path, message: err.Error()})
						}
					}
				}
				return problems
			},
		},
	}
}
