package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

const (
	requestSuffix = ".http"
	goldenSuffix  = ".golden.json"
	paramsFile    = "params.yaml"
	readmeFile    = "README.md"
)

func definitionRules() []Rule {
	return []Rule{
		{
			ID: "DEF001", Severity: Error, Suite: SuiteDefinition,
			Summary: "the connector definition loads",
			Effect:  "neither the registration job nor the gateway starts",
			Next:    "correct what is named",
			addon: func(c *addonContext) []problem {
				_, err := c.definition()
				if err == nil || errors.Is(err, errUnloaded) {
					return nil
				}
				name := c.chartFile(path.Join(addon.DefinitionDir, connector.FileName))
				var several connector.Problems
				if errors.As(err, &several) {
					var problems []problem
					for _, p := range several {
						problems = append(problems, problem{path: name, message: p.Error()})
					}
					return problems
				}
				return []problem{{path: name, message: oneLine(err)}}
			},
		},
		{
			ID: "DEF002", Severity: Error, Suite: SuiteDefinition, Fixable: true,
			Summary: "the form of each plan is the one that the definition's parameters make",
			Effect:  "the form asks for something that nobody reads, or lets a value through that the job refuses",
			Next:    "change the definition, then run addonctl lint --fix",
			plan: func(p *planContext) []problem {
				d, err := p.definition()
				if err != nil {
					return nil
				}
				want, err := form.Generate(parametersOf(p.addonContext.parsed, d))
				if err != nil || bytes.Equal(want, p.schema) {
					return nil
				}
				return []problem{{path: p.file(addon.CreateSchema), message: "differs from the definition's parameters" + difference(p.schema, want)}}
			},
		},
		{
			ID: "DEF003", Severity: Error, Suite: SuiteDefinition, Fixable: true,
			Summary: "values.yaml and values.schema.json of the chart know the definition's parameters",
			Effect:  "the chart refuses what the form asks for, and readers do not know what can be set",
			Next:    "run addonctl lint --fix",
			addon: func(c *addonContext) []problem {
				d, err := c.definition()
				if err != nil {
					return nil
				}
				var problems []problem
				for _, follows := range parameterFiles() {
					name := c.chartFile(follows.file)
					is, found := c.tree.Read(name)
					if !found && follows.optional {
						continue
					}
					want, err := follows.write(is, parametersOf(c.parsed, d))
					switch {
					case err != nil:
						problems = append(problems, problem{path: name, message: oneLine(err)})
					case !bytes.Equal(is, want):
						problems = append(problems, problem{path: name, message: "the parameters differ from the definition's"})
					}
				}
				return problems
			},
		},
		{
			ID: "DEF004", Severity: Error, Suite: SuiteDefinition,
			Summary: "each sample has a request and an expected result, and the sample parameters fit the definition",
			Effect:  "nothing can be tried or tested with the samples",
			Next:    "add what is missing: <case>.http, <case>.golden.json, params.yaml",
			addon:   func(c *addonContext) []problem { return c.checkSamples() },
		},
		{
			ID: "DEF005", Severity: Warning, Suite: SuiteDefinition,
			Summary: "each delivery over HTTP has a sample",
			Effect:  "nobody knows whether the mapping fits what the system really sends",
			Next:    "record a delivery as samples/<case>.http with its <case>.golden.json",
			addon: func(c *addonContext) []problem {
				d, err := c.definition()
				if err != nil {
					return nil
				}
				var problems []problem
				for _, delivery := range d.Deliveries {
					if delivery.HTTP != nil && !c.hasSample(delivery.HTTP.Path) {
						problems = append(problems, problem{path: c.chartFile(addon.SamplesDir), message: fmt.Sprintf("no sample for the delivery %s at %s", delivery.Name, delivery.HTTP.Path)})
					}
				}
				return problems
			},
		},
		{
			ID: "DEF006", Severity: Warning, Suite: SuiteDefinition, Fixable: true,
			Summary: "tables of parameters, APIs, events and values in documents and in the chart's README are those that the definition and values.yaml make",
			Effect:  "readers look for fields and events that do not exist, and do not find those that do",
			Next:    "run addonctl lint --fix",
			addon:   func(c *addonContext) []problem { return c.checkTables() },
		},
	}
}

// checkTables looks at the add-on's documents and at the page of its system.
func (c *addonContext) checkTables() []problem {
	d, err := c.definition()
	if err != nil {
		return nil
	}
	values, _ := c.parsed.Chart.Read(addon.ValuesFile)
	readme := c.chartFile(readmeFile)
	var problems []problem
	check := func(name string, is []byte) {
		want, err := withTables(is, parametersOf(c.parsed, d), d, values)
		switch {
		case err != nil:
			problems = append(problems, problem{path: name, message: oneLine(err)})
		case !bytes.Equal(is, want):
			problems = append(problems, problem{path: name, message: "a table differs from the definition"})
		}
	}
	for name, data := range c.tree.All() {
		if isDocument(name) || name == readme {
			check(name, data)
		}
	}
	if c.repo != nil {
		if data, err := os.ReadFile(filepath.Join(c.repo.Dir(), filepath.FromSlash(systemPage(d)))); err == nil {
			check(path.Join("..", "..", systemPage(d)), data)
		}
	}
	return problems
}

// difference names the fields in which two forms differ.
func difference(is, want []byte) string {
	var a, b struct {
		Properties map[string]any `json:"properties"`
		Required   []string       `json:"required"`
	}
	if json.Unmarshal(is, &a) != nil || json.Unmarshal(want, &b) != nil {
		return ""
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(addon.MergeValues(a.Properties, b.Properties))) {
		x, _ := json.Marshal(a.Properties[name])
		y, _ := json.Marshal(b.Properties[name])
		if !bytes.Equal(x, y) || slices.Contains(a.Required, name) != slices.Contains(b.Required, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return " in its layout"
	}
	return " in: " + strings.Join(names, ", ")
}

func (c *addonContext) checkSamples() []problem {
	d, err := c.definition()
	if err != nil {
		return nil
	}
	samples := c.parsed.Samples()
	var problems []problem
	fail := func(name, format string, args ...any) {
		problems = append(problems, problem{path: c.chartFile(path.Join(addon.SamplesDir, name)), message: fmt.Sprintf(format, args...)})
	}
	_, files := samples.Entries(".")
	for _, name := range files {
		if base, ok := strings.CutSuffix(name, requestSuffix); ok && !slices.Contains(files, base+goldenSuffix) {
			fail(name, "there is no %s", base+goldenSuffix)
		}
		base, ok := strings.CutSuffix(name, goldenSuffix)
		if !ok {
			continue
		}
		if !slices.Contains(files, base+requestSuffix) {
			fail(name, "there is no %s", base+requestSuffix)
		}
		if _, err := sample.Read(samples.FS(), base); err != nil && slices.Contains(files, base+requestSuffix) {
			fail(name, "%s", oneLine(err))
		}
	}
	data, found := samples.Read(paramsFile)
	if !found {
		fail(paramsFile, "the file is missing")
		return problems
	}
	var values map[string]string
	if err := readYAML(data, &values); err != nil {
		fail(paramsFile, "want texts by parameter: %s", oneLine(err))
		return problems
	}
	if _, err := d.ResolveParams(values); err != nil {
		fail(paramsFile, "%s", oneLine(err))
	}
	return problems
}

// hasSample says whether a recorded request goes to a path or below.
func (c *addonContext) hasSample(at string) bool {
	for name, data := range c.parsed.Samples().All() {
		words := strings.Fields(strings.SplitN(string(data), "\n", 2)[0])
		if !strings.HasSuffix(name, requestSuffix) || len(words) < 2 {
			continue
		}
		target, _, _ := strings.Cut(words[1], "?")
		if target == at || strings.HasPrefix(target, strings.TrimSuffix(at, "/")+"/") {
			return true
		}
	}
	return false
}
