package jsonschema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonschema"
)

const model = `{"type":"object","required":["code"],"additionalProperties":false,"properties":{
	"code":{"type":"string","minLength":2,"pattern":"^[a-z]+$"},"status":{"enum":["new","paid"]},"total":{"type":["number","null"]},
	"mail":{"type":"string","format":"email"},"never":false,"lines":{"type":"array","items":{"type":"object","required":["sku"]}}}}`

func TestCheck(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.Compile([]byte(model))
	require.NoError(t, err)
	for document, want := range map[string][]string{
		`{"code":"ab","status":"new","total":null,"lines":[{"sku":"1"}]}`: nil,
		`{"code":"ab","total":1e400}`:                                     nil,
		`{}`:                                                              {"the document lacks code"},
		`{"code":"SECRET"}`:                                               {"code does not match ^[a-z]+$"},
		`{"code":"s"}`:                                                    {"code breaks the rule minLength"},
		`{"code":7}`:                                                      {"code is of type number, not string"},
		`{"code":"ab","status":"secret"}`:                                 {"status is none of the values that are allowed"},
		`{"code":"ab","total":"secret"}`:                                  {"total is of type string, not null or number"},
		`{"code":"ab","mail":"secret"}`:                                   {"mail has not the format email"},
		`{"code":"ab","never":"secret"}`:                                  {"never is not allowed"},
		`{"code":"ab","lines":[{"sku":"1"},{"n":"secret"}]}`:              {"lines.1 lacks sku"},
		`{"code":"ab","more":1}`:                                          {"the document has more than the schema knows: more"},
		`{"code":"ab","c":1,"b":2,"a":3,"d":4}`:                           {"the document has more than the schema knows: a, b, c, d"},
		`{`:                                                               {"the document is not valid JSON"},
		`{} {}`:                                                           {"the document is not valid JSON"},
		`"secret"`:                                                        {"the document is of type string, not object"},
	} {
		assert.Equal(t, want, schema.Check([]byte(document)), document)
		var value any
		if json.Unmarshal([]byte(document), &value) == nil {
			assert.Equal(t, want, schema.CheckValue(value), document)
		}
	}
}

func TestCheckTellsNoMoreThanAPersonReads(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.Compile([]byte(`{"items":{"type":"string"}}`))
	require.NoError(t, err)
	problems := schema.Check([]byte("[" + strings.Repeat("1,", 99) + "1]"))
	require.Len(t, problems, jsonschema.MaxProblems+1)
	assert.Equal(t, "and 90 more", problems[jsonschema.MaxProblems])
}

func TestASchemaMayReferToItself(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.Compile([]byte(`{"type":"object","properties":{"child":{"$ref":"#"}},"additionalProperties":false}`))
	require.NoError(t, err)
	assert.Empty(t, schema.Check([]byte(`{"child":{"child":{}}}`)))
	assert.Equal(t, []string{"child.child has more than the schema knows: x"}, schema.Check([]byte(`{"child":{"child":{"x":1}}}`)))

	circle, err := jsonschema.Compile([]byte(`{"allOf":[{"$ref":"#/definitions/a"}],"definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}}}`))
	require.NoError(t, err)
	assert.NotEmpty(t, circle.Check([]byte(`{}`)), "a circle ends")
}

func TestDrafts(t *testing.T) {
	t.Parallel()
	for _, draft := range []string{
		"http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-07/schema#",
		"https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema",
	} {
		schema, err := jsonschema.Compile([]byte(`{"$schema":"` + draft + `","required":["a"]}`))
		require.NoError(t, err, draft)
		assert.Equal(t, []string{"the document lacks a"}, schema.Check([]byte(`{}`)), draft)
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ schema, want string }{
		"no JSON":            {`{`, "no JSON document"},
		"no schema":          {`{"type":"sometimes"}`, "cannot be used"},
		"another file":       {`{"$ref":"file:///etc/passwd"}`, "is not read"},
		"another host":       {`{"$ref":"https://example.com/schema"}`, "is not read"},
		"unknown draft":      {`{"$schema":"https://example.com/schema"}`, "is not read"},
		"broken pattern":     {`{"pattern":"("}`, "cannot be used"},
		"nothing is there":   {`{"$ref":"#/definitions/x"}`, "cannot be used"},
		"larger than needed": {`{"title":"` + strings.Repeat("x", jsonschema.MaxSize) + `"}`, "larger than"},
	} {
		_, err := jsonschema.Compile([]byte(test.schema))
		require.ErrorContains(t, err, test.want, name)
		assert.NotContains(t, err.Error(), "\n", name)
		assert.Less(t, len(err.Error()), 400, name)
	}
}

// FuzzCheck: no schema and no document make it panic or hang.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(model), []byte(`{"code":"ab"}`))
	f.Add([]byte(`{"$ref":"#"}`), []byte(`1`))
	f.Add([]byte(`{"anyOf":[{"$ref":"#/a"}],"a":{"not":{"$ref":"#"}}}`), []byte(`[]`))
	f.Fuzz(func(_ *testing.T, schema, document []byte) {
		if compiled, err := jsonschema.Compile(schema); err == nil {
			compiled.Check(document)
		}
	})
}
