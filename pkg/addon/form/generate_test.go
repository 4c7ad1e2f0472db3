package form

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

func TestGenerate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		parameter connector.Parameter
		want      string
	}{
		"required url":      {connector.Parameter{Kind: connector.KindURL, Title: "URL", Required: true, Example: "https://x.example.com"}, `{"type":"string","title":"URL","format":"uri","pattern":"^https://[^\\s/?#@]+(/[^\\s?#]*)?$","examples":["https://x.example.com"]}`},
		"optional url":      {connector.Parameter{Kind: connector.KindURL}, `{"type":"string","pattern":"^(?:https://[^\\s/?#@]+(/[^\\s?#]*)?)?$"}`},
		"secret":            {connector.Parameter{Kind: connector.KindSecret, Required: true, Example: "never shown"}, `{"type":"string","format":"password","minLength":1}`},
		"optional secret":   {connector.Parameter{Kind: connector.KindSecret}, `{"type":"string","format":"password"}`},
		"text":              {connector.Parameter{Kind: connector.KindText, Description: "D"}, `{"type":"string","description":"D"}`},
		"pattern":           {connector.Parameter{Kind: connector.KindText, Required: true, Pattern: "a|b"}, `{"type":"string","pattern":"^(?:a|b)$"}`},
		"enum":              {connector.Parameter{Kind: connector.KindText, Enum: []string{"a", "b"}, Default: "a"}, `{"type":"string","enum":["a","b",""],"default":"a"}`},
		"boolean":           {connector.Parameter{Kind: connector.KindBoolean, Default: "false"}, `{"type":"boolean","default":false}`},
		"integer":           {connector.Parameter{Kind: connector.KindInteger, Default: "5", Enum: []string{"5", "10"}}, `{"type":"integer","enum":[5,10],"default":5}`},
		"list":              {connector.Parameter{Kind: connector.KindList, Pattern: "[a-z]+", Enum: []string{"a.", "b"}}, `{"type":"string","pattern":"^(?:\\s*(?:a\\.|b)(\\s*,\\s*(?:a\\.|b))*[\\s,]*)?$"}`},
		"required list":     {connector.Parameter{Kind: connector.KindList, Required: true}, `{"type":"string","pattern":"^\\s*(?:[^,]+)(\\s*,\\s*(?:[^,]+))*[\\s,]*$"}`},
		"required resource": {connector.Parameter{Kind: connector.KindResourceName, Required: true}, `{"type":"string","pattern":"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := Generate(Parameters{{"p", test.parameter}})
			require.NoError(t, err)
			var got struct{ Properties map[string]json.RawMessage }
			require.NoError(t, json.Unmarshal(data, &got))
			assert.JSONEq(t, test.want, string(got.Properties["p"]))

			// Every form is one that the broker keeps as it is and that a sample fits.
			lost, err := Lost(data)
			require.NoError(t, err)
			assert.Empty(t, lost)
			unstorable, err := Unstorable(data)
			require.NoError(t, err)
			assert.Empty(t, unstorable)
			schema, err := Parse(data)
			require.NoError(t, err)
			_, err = schema.Sample()
			assert.NoError(t, err)
			if !test.parameter.Required && test.parameter.Kind != connector.KindBoolean && test.parameter.Kind != connector.KindInteger {
				problems, err := schema.Check(map[string]any{"p": ""})
				require.NoError(t, err)
				assert.Empty(t, problems, "an optional field may stay empty")
			}
		})
	}
}

// A value that the form lets through must not be refused by the connector for its shape, and the reverse:
// otherwise the user learns of it only when the job fails.
func TestGenerateAgreesWithTheConnector(t *testing.T) {
	t.Parallel()
	values := map[connector.ParameterKind][]string{
		connector.KindURL:          {"https://my123456.crm.ondemand.com", "https://x:8443/a/b", "http://x", "https://u:p@x", "https://x/?q=1", "https://x/#f", "https://", "x", "https://x y"},
		connector.KindHostname:     {"kyma.example.com", "KYMA.example.com", "x", "https://x", "-x", "x..y", "x_y", "x."},
		connector.KindResourceName: {"c4c", "a.b-c", "C4C", "-a", "a_b", "a b"},
	}
	for kind, list := range values {
		definition := &connector.Definition{Parameters: map[string]connector.Parameter{"p": {Kind: kind, Required: true}}}
		data, err := Generate(Parameters{{"p", definition.Parameters["p"]}})
		require.NoError(t, err)
		schema, err := Parse(data)
		require.NoError(t, err)
		for _, value := range list {
			problems, err := schema.Check(map[string]any{"p": value})
			require.NoError(t, err)
			_, err = definition.ResolveParams(map[string]string{"p": value})
			assert.Equal(t, err == nil, len(problems) == 0, "%s %q: form says %v, connector says %v", kind, value, problems, err)
		}
	}
}

func TestGenerateKeepsTheOrder(t *testing.T) {
	t.Parallel()
	data, err := Generate(Parameters{{"z", connector.Parameter{Kind: connector.KindText, Required: true, Title: "<z>"}}, {"a", connector.Parameter{Kind: connector.KindText}}})
	require.NoError(t, err)
	assert.Equal(t, `{
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "additionalProperties": false,
  "required": [
    "z"
  ],
  "properties": {
    "z": {
      "type": "string",
      "title": "<z>",
      "minLength": 1
    },
    "a": {
      "type": "string"
    }
  }
}
`, string(data))
}

func TestValuesOfTheChart(t *testing.T) {
	t.Parallel()
	assert.Equal(t, Property{Type: "boolean", Title: "T"}, ValueProperty(connector.Parameter{Kind: connector.KindBoolean, Title: "T", Default: "true"}))
	assert.Equal(t, Property{Type: []string{"integer", "string"}}, ValueProperty(connector.Parameter{Kind: connector.KindInteger}))
	assert.Equal(t, Property{Type: "string"}, ValueProperty(connector.Parameter{Kind: connector.KindURL, Required: true}))
	assert.Equal(t, `true`, DefaultValue(connector.Parameter{Kind: connector.KindBoolean, Default: "true"}))
	assert.Equal(t, `5`, DefaultValue(connector.Parameter{Kind: connector.KindInteger, Default: "5"}))
	assert.Equal(t, `""`, DefaultValue(connector.Parameter{Kind: connector.KindInteger}))
	assert.Equal(t, `""`, DefaultValue(connector.Parameter{Kind: connector.KindSecret, Default: "never"}))
	assert.Equal(t, `"a: b"`, DefaultValue(connector.Parameter{Kind: connector.KindText, Default: "a: b"}))
}

func TestListsInTheForm(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		parameter   connector.Parameter
		good, wrong []string
	}{
		"any":          {connector.Parameter{}, []string{"", "a", "a b, c", "a,b,"}, []string{",a"}},
		"needed":       {connector.Parameter{Required: true}, []string{"a"}, []string{"", ","}},
		"of a pattern": {connector.Parameter{Pattern: "[a-z]+|9"}, []string{"", "a", "9, b ,c"}, []string{"a,B", "a b", "99"}},
		"of some":      {connector.Parameter{Enum: []string{"a.b", "c"}}, []string{"", "a.b", "c,a.b", "c, "}, []string{"axb", "a.b c", "d"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.parameter.Kind = connector.KindList
			pattern := regexp.MustCompile(formProperty(test.parameter).Pattern)
			for _, value := range test.good {
				assert.True(t, pattern.MatchString(value), "%q", value)
			}
			for _, value := range test.wrong {
				assert.False(t, pattern.MatchString(value), "%q", value)
			}
		})
	}
}
