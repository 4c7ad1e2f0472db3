package lint

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/xeipuuv/gojsonschema"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// olderHelm says why the values of a plan are refused by the JSON Schema library of the broker's Helm (before 3.18.5), which
// judges formats and a few other things differently; empty where it takes them. Rendering has made sure that the schema
// refers to nothing elsewhere.
func (p *planContext) olderHelm(r rendering) string {
	schema, found := p.addonContext.parsed.Chart.Read(schemaFile)
	if !found || !knownDialect.MatchString(p.options.shared.heads.of(schema, readHead).dialect) {
		return "" // another rule says so
	}
	data, _ := p.addonContext.parsed.Chart.Read(addon.ValuesFile)
	var values map[string]any
	if yaml.Unmarshal(data, &values) != nil {
		return ""
	}
	older := p.older.of(schema, compileOlder)
	if older.err != nil {
		return oneLine(older.err)
	}
	result, err := older.compiled.Validate(gojsonschema.NewGoLoader(addon.MergeValues(values, r.values)))
	if err != nil {
		return oneLine(err)
	}
	var problems []string
	for _, e := range result.Errors() {
		// Descriptions of some kinds quote the value, which may be a secret of the form.
		problems = append(problems, e.Field()+": "+strings.ReplaceAll(e.Type(), "_", " "))
	}
	slices.Sort(problems)
	return strings.Join(slices.Compact(problems), "; ")
}

// schemaHead is what a values.schema.json says of itself and of the values at the top.
type schemaHead struct {
	dialect    string
	properties []string
}

// readHead is empty where the schema is no JSON, which Helm says.
func readHead(schema []byte) (h schemaHead) {
	var top, properties map[string]json.RawMessage
	_ = json.Unmarshal(schema, &top)
	_ = json.Unmarshal(top["$schema"], &h.dialect)
	_ = json.Unmarshal(top["properties"], &properties)
	h.properties = slices.Sorted(maps.Keys(properties))
	return h
}

type olderSchema struct {
	compiled *gojsonschema.Schema
	err      error
}

func compileOlder(schema []byte) (s olderSchema) {
	s.compiled, s.err = gojsonschema.NewSchema(gojsonschema.NewBytesLoader(schema))
	return s
}
