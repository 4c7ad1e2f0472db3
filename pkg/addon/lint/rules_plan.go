package lint

import (
	"fmt"
	"path"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

func planRules() []Rule {
	return []Rule{
		{
			ID: "PLN001", Severity: Error, Suite: SuiteLoad,
			Summary: "there is at least one plan, and each has a meta.yaml with id, name, description and displayName",
			Effect:  "the broker does not load the add-on",
			Next:    "add plans/<name>/meta.yaml, or fill in what is missing",
			addon: func(c *addonContext) []problem {
				if c.readErr != nil {
					return nil
				}
				if len(c.plans) == 0 {
					return []problem{{path: addon.PlansDir, message: "no plan"}}
				}
				var problems []problem
				for _, p := range c.plans {
					problems = append(problems, missing(p.meta, nil)...)
				}
				return problems
			},
		},
		{
			ID: "PLN002", Severity: Error, Suite: SuiteOSB,
			Summary: "no two plans have the same id",
			Effect:  "the broker drops one of them without a word",
			Next:    "make a new UUID for the plan that is not in use yet",
			addon:   func(c *addonContext) []problem { return sameText(c.plans, "id") },
		},
		{
			ID: "PLN003", Severity: Warning, Suite: SuiteOSB,
			Summary: "a plan's name is that of its directory",
			Effect:  "people look for the plan in the wrong place",
			Next:    "rename the directory or the plan",
			plan: func(p *planContext) []problem {
				if name := p.meta.text("name"); name != "" && namePattern.MatchString(name) && name != path.Base(p.dir) {
					return []problem{p.meta.problem([]string{"name"}, "name %s is not that of the directory", name)}
				}
				return nil
			},
		},
		{
			ID: "PLN004", Severity: Error, Suite: SuiteLoad,
			Summary: "a plan that is bindable has a bind.yaml",
			Effect:  "the broker does not load the add-on",
			Next:    "add bind.yaml, or set bindable: false",
			plan: func(p *planContext) []problem {
				if own := p.parsed.Bindable; own != nil && *own && !p.hasBind() {
					return []problem{p.meta.problem([]string{"bindable"}, "the plan is bindable and has no %s", addon.BindFile)}
				}
				return nil
			},
		},
		{
			ID: "PLN005", Severity: Error, Suite: SuiteOSB,
			Summary: "a plan that is bindable because its add-on is has a bind.yaml",
			Effect:  "the broker hands out empty credentials",
			Next:    "add bind.yaml, or set bindable: false in the add-on's meta.yaml",
			plan: func(p *planContext) []problem {
				if p.parsed.Bindable == nil && p.addonBindable() && !p.hasBind() {
					return []problem{p.meta.problem(nil, "the plan is bindable, as its add-on, and has no %s", addon.BindFile)}
				}
				return nil
			},
		},
		{
			ID: "PLN006", Severity: Warning, Suite: SuiteOSB,
			Summary: "plans say bindable: true, not false, in an add-on that has both kinds",
			Effect:  "the broker's storage loses the false, and the plan becomes bindable",
			Next:    "set bindable: false in the add-on's meta.yaml and true in its bindable plans",
			plan: func(p *planContext) []problem {
				if own := p.parsed.Bindable; own != nil && !*own && p.addonBindable() {
					return []problem{p.meta.problem([]string{"bindable"}, "bindable: false is lost, since the add-on is bindable")}
				}
				return nil
			},
		},
		{
			ID: "PLN007", Severity: Info, Suite: SuiteOSB,
			Summary: "free is left out",
			Effect:  "the broker's storage loses it, and the Service Catalog shows every plan as one that costs",
			Next:    "leave it out; where it matters, say in the description what the plan costs",
			plan: func(p *planContext) []problem {
				if p.meta.at("free") != nil {
					return []problem{p.meta.problem([]string{"free"}, "free: %s is lost", p.meta.text("free"))}
				}
				return nil
			},
		},
		{
			ID: "VAL001", Severity: Error, Suite: SuiteLoad,
			Summary: "values.yaml of a plan is a map",
			Effect:  "the broker does not load the add-on",
			Next:    "write key: value",
			plan: func(p *planContext) []problem {
				if d := p.document(p.file(addon.ValuesFile)); p.values == nil && d.err() == nil {
					return []problem{{path: d.name, line: d.line(), message: "the file holds no map"}}
				}
				return nil
			},
		},
	}
}

func (p *planContext) addonBindable() bool { return p.addonContext.meta.text("bindable") == "true" }

func (p *planContext) hasBind() bool {
	_, found := p.tree.Read(p.file(addon.BindFile))
	return found
}

// sameText finds plans that have the same text under a key.
func sameText(plans []*planContext, key string) []problem {
	var problems []problem
	first := map[string]string{}
	for _, p := range plans {
		text := p.meta.text(key)
		if text == "" {
			continue
		}
		if other, taken := first[text]; taken {
			problems = append(problems, p.meta.problem([]string{key}, "%s", fmt.Sprintf("%s has the same %s", other, key)))
			continue
		}
		first[text] = p.dir
	}
	return problems
}
