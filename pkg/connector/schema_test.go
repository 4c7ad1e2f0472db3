package connector_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/schemas"
)

// TestSchemaAndTypesAgree walks the Go types and the JSON Schema side by side: the same fields, the same
// required ones, the same types, everywhere.
func TestSchemaAndTypesAgree(t *testing.T) {
	t.Parallel()
	data, err := schemas.Read(schemas.Connector)
	require.NoError(t, err)
	var root map[string]any
	require.NoError(t, json.Unmarshal(data, &root))
	c := &comparison{definitions: root["definitions"].(map[string]any), used: map[string]bool{}, seen: map[reflect.Type]bool{}}
	c.compare("", reflect.TypeFor[connector.Definition](), root)
	assert.Empty(t, c.differences)
	for name := range c.definitions {
		assert.True(t, c.used[name] || name == "call", "definitions.%s is used nowhere", name)
	}
}

// TestComparisonFindsDifferences makes sure that the test above can fail.
func TestComparisonFindsDifferences(t *testing.T) {
	t.Parallel()
	type inner struct {
		Name string `json:"name"`
	}
	type outer struct {
		Number int              `json:"number,omitempty"`
		Inner  *inner           `json:"inner,omitempty"`
		List   []string         `json:"list,omitempty"`
		Map    map[string]inner `json:"map,omitempty"`
	}
	const right = `{"type":"object","additionalProperties":false,"properties":{"number":{"type":"integer"},
		"inner":{"type":"object","additionalProperties":false,"required":["name"],"properties":{"name":{"type":"string"}}},
		"list":{"type":"array","items":{"type":"string"}},
		"map":{"type":"object","additionalProperties":{"type":"object","additionalProperties":false,"required":["name"],"properties":{"name":{"type":"string"}}}}}}`
	differences := func(schema string) []string {
		var root map[string]any
		require.NoError(t, json.Unmarshal([]byte(schema), &root))
		c := &comparison{seen: map[reflect.Type]bool{}}
		c.compare("", reflect.TypeFor[outer](), root)
		return c.differences
	}
	require.Empty(t, differences(right))
	for old, wrong := range map[string]string{
		`"number":{"type":"integer"}`:                     `"number":{"type":"string"}`,
		`"number":{"type":"integer"},`:                    ``,
		`"required":["name"]`:                             `"required":[]`,
		`"list":{"type":"array","items":{"type":"string"`: `"list":{"type":"array","items":{"type":"integer"`,
		`"type":"object","additionalProperties":false,"p`: `"type":"object","p`,
		`{"name":{"type":"string"}}`:                      `{"name":{"type":"string"},"more":{}}`,
	} {
		assert.NotEmpty(t, differences(strings.Replace(right, old, wrong, 1)), "%s -> %s", old, wrong)
	}
}

type comparison struct {
	definitions map[string]any
	used        map[string]bool
	seen        map[reflect.Type]bool
	differences []string
}

func (c *comparison) differ(path, format string, args ...any) {
	c.differences = append(c.differences, path+": "+fmt.Sprintf(format, args...))
}

// named are the types that read themselves; their shape is a definition of the schema by that name.
var named = map[reflect.Type]string{
	reflect.TypeFor[connector.Value]():     "value",
	reflect.TypeFor[connector.ValueList](): "valueList",
	reflect.TypeFor[connector.AuthList]():  "authList",
	reflect.TypeFor[connector.Template]():  "template",
	reflect.TypeFor[connector.Duration]():  "duration",
	reflect.TypeFor[connector.Size]():      "size",

	reflect.TypeFor[connector.WebhooksList](): "webhooksList",
}

// members are the definitions of the items of lists for which a single item may be written.
var members = map[reflect.Type]string{
	reflect.TypeFor[connector.AuthList]():     "auth",
	reflect.TypeFor[connector.WebhooksList](): "webhooks",
}

func (c *comparison) compare(path string, t reflect.Type, schema map[string]any) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	ref, _ := schema["$ref"].(string)
	name := strings.TrimPrefix(ref, "#/definitions/")
	if want, ok := named[t]; ok {
		if name != want {
			c.differ(path, "want $ref to %s, not %v", want, schema)
		}
		if member, ok := members[t]; ok {
			c.compare(path, t.Elem(), map[string]any{"$ref": "#/definitions/" + member})
		}
		c.use(want)
		return
	}
	if name != "" {
		c.use(name)
		target, ok := c.definitions[name].(map[string]any)
		if !ok {
			c.differ(path, "definitions.%s does not exist", name)
			return
		}
		schema = target
	}
	switch t.Kind() {
	case reflect.Struct:
		c.compareStruct(path, t, schema)
	case reflect.Slice:
		c.wantType(path, schema, "array")
		items, _ := schema["items"].(map[string]any)
		c.compare(path+"[]", t.Elem(), items)
	case reflect.Map:
		c.wantType(path, schema, "object")
		items, _ := schema["additionalProperties"].(map[string]any)
		c.compare(path+".*", t.Elem(), items)
	case reflect.String:
		c.wantType(path, schema, "string")
	case reflect.Bool:
		c.wantType(path, schema, "boolean")
	case reflect.Int:
		c.wantType(path, schema, "integer")
	default:
		c.differ(path, "the test does not know %s", t)
	}
}

func (c *comparison) use(name string) {
	if c.used != nil {
		c.used[name] = true
	}
}

func (c *comparison) wantType(path string, schema map[string]any, want string) {
	if schema["type"] != want {
		c.differ(path, "want type %s, not %v", want, schema["type"])
	}
}

func (c *comparison) compareStruct(path string, t reflect.Type, schema map[string]any) {
	if c.seen[t] && c.definitions != nil {
		return
	}
	c.seen[t] = true
	c.wantType(path, schema, "object")
	if schema["additionalProperties"] != false {
		c.differ(path, "additionalProperties is not false")
	}
	properties, _ := schema["properties"].(map[string]any)
	var fields, required []string
	for _, f := range flatten(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields = append(fields, tag)
		if options != "omitempty" {
			required = append(required, tag)
		}
		property, ok := properties[tag].(map[string]any)
		if !ok {
			c.differ(path, "the schema has no property %s", tag)
			continue
		}
		c.compare(path+"."+tag, f.Type, property)
	}
	for property := range properties {
		if !slices.Contains(fields, property) {
			c.differ(path, "the type has no field %s", property)
		}
	}
	var listed []string
	for _, name := range asList(schema["required"]) {
		listed = append(listed, fmt.Sprint(name))
	}
	slices.Sort(listed)
	slices.Sort(required)
	if !slices.Equal(listed, required) {
		c.differ(path, "required is %v in the schema, %v in the type", listed, required)
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

// flatten lists the exported fields of a struct, those of embedded structs in their place.
func flatten(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Anonymous:
			out = append(out, flatten(f.Type)...)
		case f.IsExported():
			out = append(out, f)
		}
	}
	return out
}
