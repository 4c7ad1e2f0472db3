package openapi

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTranslate(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]string{
		`true`:  `{}`,
		`false`: `{"not":{}}`,
		`{"$schema":"x","$id":"y","type":"string","minLength":1,"if":{},"x-a":1}`:     `{"type":"string","minLength":1}`,
		`{"$ref":"#/components/schemas/a","description":"d"}`:                         `{"$ref":"#/components/schemas/a"}`,
		`{"$ref":"#/definitions/a"}`:                                                  `{}`,
		`{"const":1,"examples":[2,3]}`:                                                `{"enum":[1],"example":2}`,
		`{"type":["string","null"]}`:                                                  `{"type":"string","nullable":true}`,
		`{"type":["string","number"]}`:                                                `{"anyOf":[{"type":"string"},{"type":"number"}]}`,
		`{"type":["string","number"],"oneOf":[{},{"minimum":1}]}`:                     `{"allOf":[{"anyOf":[{},{"minimum":1}]},{"anyOf":[{"type":"string"},{"type":"number"}]}]}`,
		`{"oneOf":[{"const":1},{"const":2}]}`:                                         `{"anyOf":[{"enum":[1]},{"enum":[2]}]}`,
		`{"allOf":[{"type":"object"}],"anyOf":[{}]}`:                                  `{"allOf":[{"type":"object"},{"anyOf":[{}]}]}`,
		`{"allOf":[{"type":"object"}]}`:                                               `{"allOf":[{"type":"object"}]}`,
		`{"not":{"type":"string"}}`:                                                   `{}`,
		`{"exclusiveMinimum":1,"maximum":5,"exclusiveMaximum":true}`:                  `{"minimum":1,"exclusiveMinimum":true,"maximum":5,"exclusiveMaximum":true}`,
		`{"type":"array"}`:                                                            `{"type":"array","items":{}}`,
		`{"type":"array","items":[{"type":"string"}]}`:                                `{"type":"array","items":{}}`,
		`{"type":"array","items":{"const":1}}`:                                        `{"type":"array","items":{"enum":[1]}}`,
		`{"properties":{"a":{"const":1},"b":true},"additionalProperties":false}`:      `{"properties":{"a":{"enum":[1]},"b":{}},"additionalProperties":false}`,
		`{"additionalProperties":{"const":1}}`:                                        `{"additionalProperties":{"enum":[1]}}`,
		`{"patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}`: `{}`,
	} {
		var parsed any
		require.NoError(t, json.Unmarshal([]byte(schema), &parsed))
		got, err := json.Marshal(translate(parsed))
		require.NoError(t, err)
		assert.JSONEq(t, want, string(got), schema)
	}
}
