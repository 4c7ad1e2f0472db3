package jsonschema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/jsonschema"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	const order = `{"type":"object","required":["code"],"additionalProperties":false,"properties":{
		"code":{"type":"string","minLength":2,"pattern":"^[A-Z]"},
		"status":{"enum":["new","paid"]},
		"total":{"type":["number","null"],"minimum":0},
		"count":{"type":"integer"},
		"paid":{"type":"boolean"},
		"lines":{"type":"array","items":{"type":"object","required":["sku"]}}}}`
	var schema map[string]any
	require.NoError(t, json.Unmarshal([]byte(order), &schema))
	for value, want := range map[string]string{
		`{"code":"A1"}`: "",
		`{"code":"A1","status":"paid","total":1.5,"count":2,"paid":true,"lines":[{"sku":"x"}]}`: "",
		`{"code":"A1","total":null}`:       "",
		`{}`:                               "$.code: missing",
		`[]`:                               "$: not of type object",
		`{"code":1}`:                       "$.code: not of type string",
		`{"code":"A"}`:                     "$.code: shorter than 2",
		`{"code":"a1"}`:                    "$.code: does not match ^[A-Z]",
		`{"code":"A1","status":"lost"}`:    "$.status: none of the values that are allowed",
		`{"code":"A1","total":-1}`:         "$.total: less than 0",
		`{"code":"A1","total":"1"}`:        "$.total: not of type [number null]",
		`{"code":"A1","count":1.5}`:        "$.count: not of type integer",
		`{"code":"A1","paid":"yes"}`:       "$.paid: not of type boolean",
		`{"code":"A1","lines":[{},{}]}`:    "$.lines[0].sku: missing, $.lines[1].sku: missing",
		`{"code":"A1","other":1,"more":1}`: "$.more: not part of the model, $.other: not part of the model",
	} {
		var decoded any
		require.NoError(t, json.Unmarshal([]byte(value), &decoded))
		assert.Equal(t, want, strings.Join(jsonschema.Check(schema, decoded), ", "), value)
	}
	assert.Empty(t, jsonschema.Check(nil, "whatever"), "no model, no demands")
}
