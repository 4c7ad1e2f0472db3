package lint

import (
	"cmp"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// loadRules catch what no other rule has a name for.
func loadRules() []Rule {
	return []Rule{
		{
			ID: "ADD001", Severity: Error, Suite: SuiteLoad,
			Summary: "the add-on loads",
			Effect:  "the broker does not load it, and drops all others of the same configuration",
			Next:    "correct what is named",
			addon: func(c *addonContext) []problem {
				err := cmp.Or(c.readErr, c.parseErr)
				if err == nil && c.archive != nil {
					err = c.archive.err
				}
				if err == nil || c.failed { // what is only a warning is no reason
					return nil
				}
				message := strings.TrimPrefix(oneLine(err), c.name+": ")
				if file, what, found := strings.Cut(message, ": "); found {
					if _, is := c.tree.Read(file); is {
						return []problem{{path: file, message: what}}
					}
				}
				return []problem{{message: message}}
			},
		},
	}
}

// linkRules are about the links from an add-on to its chart.
func linkRules() []Rule {
	rule := func(id string, kind addon.LinkProblem, summary, effect, next string, fixable bool) Rule {
		return Rule{
			ID: id, Severity: Error, Suite: SuiteLoad, Summary: summary, Effect: effect, Next: next, Fixable: fixable,
			addon: func(c *addonContext) []problem { return c.links(kind) },
		}
	}
	const link = "run addonctl link"
	return []Rule{
		rule("LNK001", addon.LinkMissing, "each entry of the chart has a link in the add-on", "parts of the chart are missing in the broker", link, true),
		rule("LNK002", addon.LinkElse, "links are relative and lead to the add-on's own chart", "the broker reads another file, or one that only exists on this machine", link, true),
		rule("LNK003", addon.LinkDangling, "no link leads nowhere", "the broker does not load the chart", link, true),
		rule("LNK004", addon.LinkFile, "links are links", "a checkout without symbolic links made files of them, and the chart is not one any more", "check out with core.symlinks=true, then run addonctl link", true),
		rule("LNK005", addon.LinkForeign, "an add-on whose chart is in charts/ holds links only", "the add-on and the chart in charts/ differ", "move the file to the chart, or remove it", false),
	}
}

func (c *addonContext) links(kind addon.LinkProblem) []problem {
	if c.repo == nil {
		return nil
	}
	if _, _, err := addon.SplitName(c.name); err != nil {
		return nil
	}
	changes, err := c.repo.CheckLinks(c.name)
	if err != nil && kind == addon.LinkElse {
		return []problem{{path: addon.ChartDir, message: oneLine(err)}}
	}
	var problems []problem
	for _, change := range changes {
		if change.Kind == kind {
			problems = append(problems, problem{path: strings.TrimPrefix(change.Path, c.at+"/"), message: string(change.Kind), here: true})
		}
	}
	return problems
}
