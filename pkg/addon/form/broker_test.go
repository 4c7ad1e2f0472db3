package form

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckLoadRefusesWhatTheBrokerCannotDecode(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"number with a fraction":     `{"properties": {"a": {"minimum": 0.5}}}`,
		"numeric exclusive minimum":  `{"properties": {"a": {"exclusiveMinimum": 3}}}`,
		"several types":              `{"properties": {"a": {"type": ["string", "null"]}}}`,
		"boolean as a schema":        `{"properties": {"a": true}}`,
		"list of item schemas":       `{"properties": {"a": {"items": [{}]}}}`,
		"additionalItems: false":     `{"properties": {"a": {"additionalItems": false}}}`,
		"dependencies that are list": `{"dependencies": {"a": ["b"]}}`,
		"no JSON":                    `{`,
	}
	for name, schema := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Error(t, CheckLoad([]byte(schema)))
		})
	}
	for schema, want := range map[string]LoadError{
		"{\n  \"properties\": {\n    \"a\": {\"minimum\": 0.5}}}": {3, "minimum: Helm Broker wants a whole number there, not number 0.5"},
		"{\n  \"properties\": {\"a\": {\"type\": [\"string\"]}}}": {2, "type: Helm Broker wants a text there, not array"},
		"{\n  \"properties\": {\n    \"a\":\n      true}}":        {4, "properties: Helm Broker wants an object there, not bool"},
		"[]":                {1, "the schema: Helm Broker wants an object there, not array"},
		"{\n  \"a\": 1,\n}": {3, "is no JSON: invalid character '}' looking for beginning of object key string"},
		"":                  {1, "is no JSON: unexpected end of JSON input"},
	} {
		var got *LoadError
		require.ErrorAs(t, CheckLoad([]byte(schema)), &got, schema)
		assert.Equal(t, want, *got, schema)
	}
	assert.NoError(t, CheckLoad([]byte(`{"type": "object", "properties": {"a": {"type": "string", "exclusiveMinimum": true}}}`)))
}

func TestLostNamesWhatTheBrokerDrops(t *testing.T) {
	t.Parallel()
	lost, err := Lost([]byte(`{
		"$schema": "http://json-schema.org/draft-04/schema#",
		"type": "object",
		"additionalProperties": false,
		"required": ["a"],
		"x-order": ["a"],
		"properties": {
			"a": {"type": "integer", "minimum": 0, "default": 0, "readOnly": true},
			"b/c": {"type": "string", "const": "x", "minLength": 0, "default": "", "format": "password"},
			"d": {"type": "boolean", "default": false},
			"e": {"Type": "string"}
		}
	}`))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"#/properties/a/minimum", "#/properties/a/readOnly",
		"#/properties/b~1c/const", "#/properties/b~1c/minLength",
		"#/properties/e/Type",
		"#/x-order",
	}, lost)
}

func TestUnstorableAgreesWithGob(t *testing.T) {
	t.Parallel()
	gob.Register(map[string]any{}) // the broker's instance storage does
	tests := []struct {
		schema string
		want   []string
	}{
		{`{"properties": {"a": {"default": []}}}`, []string{"#/properties/a/default"}},
		{`{"properties": {"a": {"default": {"b": [1]}}}}`, []string{"#/properties/a/default"}},
		{`{"properties": {"a": {"enum": ["x", ["y"]]}}}`, []string{"#/properties/a/enum/1"}},
		{`{"properties": {"a": {"examples": [["y"]]}}}`, []string{"#/properties/a/examples/0"}},
		{`{"allOf": [{"default": []}]}`, []string{"#/allOf/0/default"}},
		{`{"items": {"not": {"default": []}}}`, []string{"#/items/not/default"}},
		{`{"properties": {"a": null}}`, []string{"#/properties/a"}},
		{`{"definitions": {"a": {"default": []}}}`, []string{"#/definitions/a/default"}},
		{`{"properties": {"default": {"type": "array"}, "a": {"default": {"b": 1}, "enum": [1, "x", true], "examples": ["y"]}}}`, nil},
	}
	for _, test := range tests {
		t.Run(test.schema, func(t *testing.T) {
			t.Parallel()
			got, err := Unstorable([]byte(test.schema))
			require.NoError(t, err)
			assert.Equal(t, test.want, got)

			var schema brokerType
			require.NoError(t, json.Unmarshal([]byte(test.schema), &schema))
			err = gob.NewEncoder(&bytes.Buffer{}).Encode(schema)
			assert.Equal(t, len(test.want) > 0, err != nil, "gob says: %v", err)
		})
	}
}
