package lint

import (
	"fmt"
	"maps"
	"slices"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// xrefRules compare what one file says with what another reads.
func xrefRules() []Rule {
	return []Rule{
		{
			ID: "XRF001", Severity: Warning, Suite: SuiteChart,
			Summary: "each value of the chart's values.yaml is read by a template, or changes something that is rendered",
			Effect:  "whoever sets it waits for something that never happens",
			Next:    "read it in a template, or remove it",
			addon: func(c *addonContext) []problem {
				if c.parsed == nil {
					return nil
				}
				return c.unread()
			},
		},
		{
			ID: "XRF002", Severity: Warning, Suite: SuiteChart,
			Summary: "each value that a template names is declared in values.yaml or values.schema.json",
			Effect:  "nobody knows that it can be set; a misspelt one is always empty",
			Next:    "add it to values.yaml with its default, or correct the name",
			addon: func(c *addonContext) []problem {
				x := c.xref()
				var problems []problem
				for _, u := range x.uses {
					if !x.knows(u.path) {
						problems = append(problems, problem{path: c.chartFile(u.file), line: u.line, message: fmt.Sprintf(".Values.%s is not declared%s", u.name, x.nearest(u.path))})
					}
				}
				return unique(problems)
			},
		},
		{
			ID: "XRF003", Severity: Warning, Suite: SuiteChart,
			Summary: "each value of a plan is one that the chart knows",
			Effect:  "the plan is not what it says: Helm takes any value",
			Next:    "correct the name, or declare it in the chart's values.yaml",
			plan: func(p *planContext) []problem {
				x, d := p.xref(), p.document(p.file(addon.ValuesFile))
				if p.addonContext.parsed == nil || len(x.declared) == 0 {
					return nil
				}
				var problems []problem
				for _, l := range leaves(d.root(), nil) {
					if !x.knows(l.path) && !x.reads(l.path) && !p.refused() {
						problems = append(problems, problem{path: d.name, line: l.line, message: fmt.Sprintf("the chart does not know %s%s", l.name(), x.nearest(l.path))})
					}
				}
				return problems
			},
		},
		{
			ID: "SCH010", Severity: Warning, Suite: SuiteChart,
			Summary: "each field of the form is a value that the chart knows",
			Effect:  "what the user enters is ignored",
			Next:    "declare the field in the chart's values.yaml and read it in a template, or take it out of the form",
			plan: func(p *planContext) []problem {
				x := p.xref()
				var problems []problem
				for _, name := range slices.Sorted(maps.Keys(p.fields())) {
					if p.addonContext.parsed != nil && !x.knows([]string{name}) && !x.reads([]string{name}) && !p.refused() {
						problems = append(problems, p.inForm("#/properties/"+name, "the chart does not know %s", name)...)
					}
				}
				return problems
			},
		},
		{
			ID: "XRF004", Severity: Warning, Suite: SuiteDefinition,
			Summary: "each parameter of the definition is read by it, or by a template",
			Effect:  "the form asks for something that nobody needs",
			Next:    "use it, as =param(\"name\"), or remove it",
			addon:   func(c *addonContext) []problem { return c.unusedParameters() },
		},
		{
			ID: "XRF005", Severity: Error, Suite: SuiteSecurity,
			Summary: "a parameter that serves as password, token or key is of kind secret",
			Effect:  "the form does not hide it (format: password), and it lands in a ConfigMap",
			Next:    "write kind: secret, then run addonctl lint --fix",
			addon:   func(c *addonContext) []problem { return c.bareSecrets() },
		},
	}
}

// refused says whether the values do not fit the chart's schema, which another rule reports.
func (p *planContext) refused() bool {
	for _, r := range p.render() {
		if r.err != nil {
			return true
		}
	}
	return false
}
