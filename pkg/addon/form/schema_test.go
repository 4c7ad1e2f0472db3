package form

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRefusesWhatWouldHarmASchemaLibrary(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ schema, want string }{
		"not UTF-8":                  {"{\"title\": \"\xff\"}", "not UTF-8"},
		"reference to an address":    {`{"properties": {"a": {"$ref": "http://127.0.0.1:1/x"}}}`, "no reference within the document"},
		"reference to a file":        {`{"properties": {"a": {"$ref": "file:///etc/passwd"}}}`, "no reference within the document"},
		"relative reference":         {`{"properties": {"a": {"$ref": "other.json#/a"}}}`, "no reference within the document"},
		"escaped reference":          {`{"properties": {"a": {"$ref": "#/%2e"}}}`, "no reference within the document"},
		"reference that is no text":  {`{"properties": {"a": {"$ref": 1}}}`, "no reference within the document"},
		"reference to nowhere":       {`{"properties": {"a": {"$ref": "#/definitions/b"}}}`, "leads nowhere"},
		"reference to itself":        {`{"properties": {"a": {"$ref": "#/properties/a"}}}`, "leads back to itself"},
		"reference to the root":      {`{"properties": {"a": {"$ref": "#"}}}`, "leads back to itself"},
		"cycle over two definitions": {`{"properties": {"a": {"$ref": "#/definitions/b"}}, "definitions": {"b": {"$ref": "#/definitions/c"}, "c": {"not": {"$ref": "#/definitions/b"}}}}`, "leads back to itself"},
		"cycle into a parent":        {`{"properties": {"a": {"$ref": "#/definitions/b/items"}}, "definitions": {"b": {"items": {"not": {"$ref": "#/definitions/b"}}}}}`, "leads back to itself"},
		"base address":               {`{"id": "http://127.0.0.1:1/", "properties": {"a": {"$ref": "#/definitions/b"}}, "definitions": {"b": {}}}`, "changes what references mean"},
		"hidden behind an example":   {`{"properties": {"a": {"$ref": "#/properties/b/default"}, "b": {"default": {"$ref": "http://127.0.0.1:1/"}}}}`, "no reference within the document"},
		"same key twice":             {`{"properties": {"a": {}, "a": {}}}`, "#/properties/a: occurs twice"},
		"nested too deeply":          {strings.Repeat(`{"not": `, 100) + `{}` + strings.Repeat(`}`, 100), "levels deep"},
		"other draft":                {`{"$schema": "http://json-schema.org/draft-07/schema#"}`, "forms are http://json-schema.org/draft-04/schema#"},
		"no schema":                  {`{"properties": {"a": {"type": "text"}}}`, "not a valid draft-04 schema"},
		"too large":                  {`{"title": "` + strings.Repeat("x", maxSchema) + `"}`, "takes less than"},
		"list":                       {`[]`, "not a JSON object"},
		"null":                       {`null`, "not a JSON object"},
		"empty":                      {``, "empty"},
		"cut off":                    {`{"a": [1,`, "not JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(test.schema))
			require.Error(t, err)
			assert.Contains(t, err.Error(), test.want)
		})
	}
}

func TestParseRefusesSchemasThatGrowByReference(t *testing.T) {
	t.Parallel()
	// Each definition uses the next one twice: forty of them stand for a trillion schemas.
	var b strings.Builder
	b.WriteString(`{"allOf": [{"$ref": "#/definitions/d0"}], "definitions": {`)
	for i := range 40 {
		fmt.Fprintf(&b, `"d%d": {"allOf": [{"$ref": "#/definitions/d%d"}, {"$ref": "#/definitions/d%d"}]},`, i, i+1, i+1)
	}
	b.WriteString(`"d40": {}}}`)
	_, err := Parse([]byte(b.String()))
	require.Error(t, err)
	assert.Contains(t, err.Error(), "with all references written out")
}

func TestParseAcceptsSharedDefinitions(t *testing.T) {
	t.Parallel()
	schema, err := Parse([]byte(`{
		"$schema": "http://json-schema.org/draft-04/schema#",
		"type": "object",
		"properties": {"id": {"type": "string"}, "$ref": {"type": "string"}, "a": {"$ref": "#/definitions/host"}, "b": {"$ref": "#/definitions/host"}, "c": {"default": {"id": "x"}}},
		"definitions": {"host": {"type": "string", "pattern": "^[a-z.]+$"}}
	}`))
	require.NoError(t, err)
	problems, err := schema.Check(map[string]any{"a": "x.y", "b": "X"})
	require.NoError(t, err)
	assert.Equal(t, []Problem{{"b", "does not match pattern '^[a-z.]+$'"}}, problems)
}

func TestCheckNamesEveryProblemWithoutItsValue(t *testing.T) {
	t.Parallel()
	schema, err := Parse([]byte(`{
		"type": "object", "additionalProperties": false, "required": ["url", "password", "size"],
		"properties": {
			"url": {"type": "string", "pattern": "^https://.+$", "examples": ["https://example.com"]},
			"password": {"type": "string", "format": "password", "minLength": 8},
			"size": {"type": "integer"},
			"kind": {"enum": ["a", "b"]}
		}}`))
	require.NoError(t, err)
	problems, err := schema.Check(map[string]any{"url": "ftp://leak-1", "password": "leak-2", "kind": "leak-3", "other": "leak-4"})
	require.NoError(t, err)
	assert.Equal(t, []Problem{
		{"kind", `must be one of the following: "a", "b"`},
		{"other", "is no field of the form"},
		{"password", "string length must be greater than or equal to 8"},
		{"size", "is required and has no value"},
		{"url", "does not match pattern '^https://.+$'; for example https://example.com"},
	}, problems)

	problems, err = schema.Check(map[string]any{"url": "https://x", "password": "long enough", "size": 3})
	require.NoError(t, err)
	assert.Empty(t, problems)
	assert.Equal(t, [][]string{{"password"}}, schema.Secrets())
	assert.Equal(t, []string{"kind", "password", "size", "url"}, schema.Names())
	assert.Equal(t, []string{"password", "size", "url"}, schema.Required())
}

func TestCheckAcceptsNoParameters(t *testing.T) {
	t.Parallel()
	schema, err := Parse([]byte(`{"type": "object"}`))
	require.NoError(t, err)
	problems, err := schema.Check(nil)
	require.NoError(t, err)
	assert.Empty(t, problems)
	_, err = schema.Check(map[string]any{"a": func() {}})
	assert.ErrorContains(t, err, "cannot be written as JSON")
}

func TestSampleFillsRequiredFields(t *testing.T) {
	t.Parallel()
	schema, err := Parse([]byte(`{
		"type": "object",
		"required": ["default", "example", "enum", "integer", "exclusive", "boolean", "list", "object", "pattern", "range", "uri", "host", "mail", "long", "plain"],
		"properties": {
			"default": {"type": "string", "default": "d", "examples": ["e"]},
			"example": {"type": "string", "examples": ["e"], "enum": ["a", "e"]},
			"enum": {"enum": ["a"]},
			"integer": {"type": "integer", "minimum": 5},
			"exclusive": {"type": "integer", "minimum": -1, "exclusiveMinimum": true},
			"boolean": {"type": "boolean"},
			"list": {"type": "array"},
			"object": {"type": "object"},
			"pattern": {"type": "string", "pattern": "^[a-z]{3}(-(x|y)+)?\\.[^a-z]\\S$"},
			"range": {"type": "string", "pattern": "^[#-%].$"},
			"uri": {"type": "string", "format": "uri"},
			"host": {"type": "string", "format": "hostname"},
			"mail": {"type": "string", "format": "email"},
			"long": {"type": "string", "minLength": 10},
			"plain": {"type": "string"},
			"optional": {"type": "string"},
			"suggested": {"type": "string", "examples": ["s"]}
		}}`))
	require.NoError(t, err)
	sample, err := schema.Sample()
	require.NoError(t, err)
	assert.Equal(t, map[string]any{
		"default": "d", "example": "e", "enum": "a", "integer": 5.0, "exclusive": 0.0, "boolean": false,
		"list": []any{}, "object": map[string]any{}, "pattern": "aaa.Aa", "range": "#x",
		"uri": "https://example.com", "host": "example.com", "mail": "user@example.com", "long": "xxxxxxxxxx", "plain": "sample",
	}, sample)

	full, err := schema.FullSample()
	require.NoError(t, err)
	assert.Equal(t, "s", full["suggested"])
	assert.NotContains(t, full, "optional")
	delete(full, "suggested")
	assert.Equal(t, sample, full)

	schema, err = Parse([]byte(`{"required": ["a"], "properties": {"a": {"type": "string", "pattern": "^\\bx\\B$"}}}`))
	require.NoError(t, err)
	_, err = schema.Sample()
	assert.ErrorContains(t, err, "give the field examples")
}

// What a field says of its value is kept by the sample, so that a form that says much is not refused.
func TestSampleFitsWhatIsSaidOfAValue(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]any{
		`{"type": "string", "maxLength": 3}`:                                        "sam",
		`{"type": "string", "pattern": "^[a-z]+$", "minLength": 4}`:                 "aaaa",
		`{"type": "string", "pattern": "^a*b{2,5}$", "minLength": 7}`:               "aaaabbbb",
		`{"type": "string", "pattern": "^a+$", "minLength": 100}`:                   strings.Repeat("a", 100),
		`{"type": "string", "format": "ipv4"}`:                                      "192.0.2.1",
		`{"type": "integer", "maximum": -2}`:                                        -2.0,
		`{"type": "integer", "minimum": 7, "multipleOf": 5}`:                        10.0,
		`{"type": "integer", "maximum": 0, "exclusiveMaximum": true}`:               -1.0,
		`{"type": "array", "minItems": 2, "items": {"type": "boolean"}}`:            []any{false, false},
		`{"type": "object", "required": ["b"], "properties": {"b": {"enum": [7]}}}`: map[string]any{"b": 7.0},
		`{"oneOf": [{"type": "integer", "minimum": 3}, {"type": "string"}]}`:        3.0,
		`{"$ref": "#/definitions/d"}`:                                               true,
	} {
		schema, err := Parse([]byte(`{"type": "object", "required": ["a"], "properties": {"a": ` + field + `}, "definitions": {"d": {"type": "boolean", "default": true}}}`))
		require.NoError(t, err, field)
		sample, err := schema.Sample()
		require.NoError(t, err, field)
		assert.Equal(t, want, sample["a"], field)
	}
	schema, err := Parse([]byte(`{"required": ["a"], "properties": {"a": {"type": "array", "minItems": 50000, "items": {"type": "array", "minItems": 50000}}}}`))
	require.NoError(t, err)
	_, err = schema.Sample()
	assert.ErrorContains(t, err, "no sample value fits", "what would be too much is not made")
}

func TestSecretsOfObjectsAreSecretsToo(t *testing.T) {
	t.Parallel()
	schema, err := Parse([]byte(`{"properties": {
		"auth": {"type": "object", "properties": {"user": {"type": "string"}, "password": {"$ref": "#/definitions/secret"}}},
		"token": {"type": "string", "format": "password"}
	}, "definitions": {"secret": {"type": "string", "format": "password"}}}`))
	require.NoError(t, err)
	assert.Equal(t, [][]string{{"auth", "password"}, {"token"}}, schema.Secrets())
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "properties": {"a": {"$ref": "#/definitions/b"}}, "definitions": {"b": {"type": "string", "pattern": "^a$"}}}`))
	f.Add([]byte(`{"allOf": [{"$ref": "#/definitions/a"}], "definitions": {"a": {"not": {"$ref": "#/definitions/a"}}}}`))
	f.Add([]byte(`{"required": ["a"], "properties": {"a": {"enum": [1, [2]], "default": null}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		schema, err := Parse(data)
		if err != nil {
			return
		}
		// What was accepted can be used, and the broker's view of it can be asked for.
		if _, err := schema.Check(map[string]any{"a": "x"}); err != nil {
			t.Fatal(err)
		}
		_, _ = schema.Sample()
		if CheckLoad(data) == nil {
			if _, err := Lost(data); err != nil {
				t.Fatal(err)
			}
			if _, err := Unstorable(data); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestConvertTurnsTextsIntoWhatTheFormAsksFor(t *testing.T) {
	t.Parallel()
	schema, err := Parse([]byte(`{"properties": {"flag": {"type": "boolean"}, "size": {"type": "integer"}, "text": {"type": "string"}}}`))
	require.NoError(t, err)
	given := map[string]any{"flag": "true", "size": "12", "text": "true", "other": "1"}
	assert.Equal(t, map[string]any{"flag": true, "size": int64(12), "text": "true", "other": "1"}, schema.Convert(given))
	assert.Equal(t, map[string]any{"flag": "maybe", "size": 3}, schema.Convert(map[string]any{"flag": "maybe", "size": 3}))
	assert.Equal(t, "true", given["flag"], "what was given stays as it was")
}
