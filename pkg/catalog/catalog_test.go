package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/catalog"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonref"
)

const orders = `{
	"asyncapi": "2.6.0", "info": {"title": "Orders", "version": "1.4"},
	"channels": {
		"order.created.v1": {"subscribe": {"summary": "An order came in.", "message": {"$ref": "#/components/messages/order"}}},
		"order.paid.v1": {"subscribe": {"message": {"$ref": "#/components/messages/order"}}},
		"order.lost.v1": {"subscribe": {"message": {"payload": {"type": "object", "properties": {"why": {"type": "string"}}}, "examples": [{"name": "none"}, {"payload": {"why": "a mouse"}}]}}},
		"order.several.v1": {"subscribe": {"message": {"oneOf": [{"payload": {}}]}}},
		"order.xml.v1": {"subscribe": {"message": {"schemaFormat": "application/raml+yaml;version=1.0", "payload": {}}}},
		"order.silent.v1": {"publish": {"message": {"payload": {}}}}
	},
	"components": {
		"messages": {"order": {"schemaFormat": "application/vnd.aai.asyncapi;version=2.6.0", "payload": {"$ref": "#/components/schemas/order"}}},
		"schemas": {
			"order": {"type": "object", "required": ["code"], "properties": {
				"code": {"type": "string"}, "lines": {"type": "array", "description": "Lines.", "items": {"$ref": "#/components/schemas/line"}},
				"first": {"$ref": "#/components/schemas/line"}}},
			"line": {"description": "A line.", "allOf": [{"properties": {"sku": {"type": "string"}}}]}
		}
	}
}`

func TestChannelsAndMessages(t *testing.T) {
	t.Parallel()
	c, err := catalog.Parse([]byte(orders))
	require.NoError(t, err)
	assert.Equal(t, "2.6.0", c.Version())
	assert.Equal(t, "1.4", c.InfoVersion())
	assert.Equal(t, []string{"order.created.v1", "order.lost.v1", "order.paid.v1", "order.several.v1", "order.silent.v1", "order.xml.v1"}, c.Channels())
	assert.Equal(t, "An order came in.", c.Summary("order.created.v1"))
	assert.Empty(t, c.Summary("order.paid.v1"))

	m, err := c.Message("order.created.v1")
	require.NoError(t, err)
	assert.Equal(t, "#/components/messages/order", m.At)
	assert.Equal(t, "#/components/messages/order/payload", m.PayloadAt)
	assert.Empty(t, m.Examples)

	m, err = c.Message("order.lost.v1")
	require.NoError(t, err)
	require.Len(t, m.Examples, 2)
	assert.Nil(t, m.Examples[0].Payload)
	assert.JSONEq(t, `{"why": "a mouse"}`, string(m.Examples[1].Payload))
	assert.Equal(t, "#/channels/order.lost.v1/subscribe/message/examples/1/payload", m.Examples[1].At)

	for channel, want := range map[string]string{
		"order.several.v1": "several messages", "order.silent.v1": "no message", "order.unknown.v1": "no message",
	} {
		_, err = c.Message(channel)
		require.ErrorContains(t, err, want, channel)
		_, err = c.Schema(channel)
		assert.ErrorContains(t, err, want, channel)
	}
	_, err = c.Schema("order.xml.v1")
	assert.ErrorContains(t, err, "application/raml+yaml: want JSON Schema")
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	c, err := catalog.Parse([]byte(orders))
	require.NoError(t, err)
	created, err := c.Schema("order.created.v1")
	require.NoError(t, err)
	paid, err := c.Schema("order.paid.v1")
	require.NoError(t, err)
	assert.Same(t, created, paid, "compiled once")
	assert.Empty(t, created.Check([]byte(`{"code": "1", "lines": [{"sku": "a"}]}`)))
	assert.Equal(t, []string{"lines.0.sku is of type number, not string", "the document lacks code"}, created.Check([]byte(`{"lines": [{"sku": 1}]}`)))
	lost, err := c.Schema("order.lost.v1")
	require.NoError(t, err)
	assert.NotEmpty(t, lost.Check([]byte(`{"why": 1}`)))
}

func TestUndescribed(t *testing.T) {
	t.Parallel()
	c, err := catalog.Parse([]byte(orders))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"#/channels/order.lost.v1/subscribe/message/payload/properties/why",
		"#/components/schemas/line/allOf/0/properties/sku",
		"#/components/schemas/order/properties/code",
	}, c.Undescribed(), "a reference is described by what it leads to")
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`[]`:   "no JSON object",
		`null`: "no JSON object",
		`{`:    "no JSON object",
	} {
		_, err := catalog.Parse([]byte(document))
		assert.ErrorContains(t, err, want, document)
	}
	for _, ref := range []string{"http://127.0.0.1:1/order.json", "file:///etc/passwd", "orders.json#/a", "#/components/schemas/none", "#/components/schemas/order"} {
		_, err := catalog.Parse([]byte(strings.Replace(orders, `"code": {"type": "string"}`, `"code": {"$ref": "`+ref+`"}`, 1)))
		var wrong *jsonref.Error
		require.ErrorAs(t, err, &wrong, ref)
		assert.Equal(t, "#/components/schemas/order/properties/code/$ref", wrong.At)
	}
}

// TestEveryCatalogOfThisRepository: what the gateway compiles at its start can be compiled.
func TestEveryCatalogOfThisRepository(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("../../charts/*-connector/files")
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	for _, dir := range dirs {
		d, err := connector.Load(os.DirFS(dir))
		require.NoError(t, err, dir)
		c, err := catalog.Of(d)
		require.NoError(t, err, dir)
		require.NotNil(t, c, dir)
		require.Len(t, c.Channels(), len(d.EventTypes()), dir)
		for _, channel := range c.Channels() {
			_, err = c.Schema(channel)
			assert.NoError(t, err, "%s: %s", dir, channel)
		}
	}
	none, err := catalog.Of(&connector.Definition{})
	require.NoError(t, err)
	assert.Nil(t, none)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(orders))
	f.Add([]byte(`{"channels": {"a.v1": {"$ref": "#/channels/b.v1"}, "b.v1": {"subscribe": {"message": {"payload": {"$ref": "#/x"}}}}}, "x": {"not": {}}}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		c, err := catalog.Parse(data)
		if err != nil {
			return
		}
		c.Undescribed()
		for _, channel := range c.Channels() {
			if schema, err := c.Schema(channel); err == nil {
				schema.Check([]byte(`{}`))
			}
		}
	})
}
