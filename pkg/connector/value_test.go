package connector_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// load loads the definition acme with one part replaced.
func load(t *testing.T, old, replacement string) *connector.Definition {
	t.Helper()
	require.Contains(t, acme, old)
	d, err := connector.Load(directory(strings.Replace(acme, old, replacement, 1)))
	require.NoError(t, err)
	return d
}

func TestValueOfExpression(t *testing.T) {
	t.Parallel()
	d := load(t, "data: =json()", `data: '={"n": json("n"), "h": header("X-A")}'`)
	delivery := d.Deliveries[0]
	in := expression.Input{Content: []byte(`{"id":"1","n":1.50}`), Header: map[string][]string{"X-A": {"a"}, "X-Event": {"order"}}}

	matches, err := delivery.Types[0].When.Bool(in, false)
	require.NoError(t, err)
	assert.True(t, matches)

	data, err := delivery.Event.Data.JSON(in)
	require.NoError(t, err)
	assert.JSONEq(t, `{"n":1.50,"h":"a"}`, string(data))
	assert.Contains(t, string(data), "1.50", "numbers stay as they are written")
	value, err := delivery.Event.Data.Any(in)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"n": json.RawMessage("1.50"), "h": "a"}, value)

	assert.True(t, delivery.Event.Data.Uses("header", "form"))
	assert.False(t, delivery.Event.Data.Uses("form"))
	headers, queries := delivery.Event.Data.Reads()
	assert.Equal(t, []string{"X-A"}, headers)
	assert.Empty(t, queries)
	assert.True(t, delivery.Event.Data.IsExpression())

	_, err = delivery.Event.Data.Text(in)
	require.ErrorContains(t, err, "instead of a text")
	_, err = delivery.Event.Data.Bool(in, false)
	require.ErrorContains(t, err, "not true or false")
	_, err = delivery.Event.Data.List(in)
	require.ErrorContains(t, err, "not a list of texts")
}

func TestValueOfLiteralScalar(t *testing.T) {
	t.Parallel()
	d := load(t, "data: =json()", "data: 1.50")
	data, err := d.Deliveries[0].Event.Data.JSON(expression.Input{})
	require.NoError(t, err)
	assert.Equal(t, "1.5", string(data), "YAML's number")
	value, err := d.Deliveries[0].Event.Data.Any(expression.Input{})
	require.NoError(t, err)
	assert.Equal(t, json.RawMessage("1.5"), value)

	d = load(t, "success: =status < 300", "success: false")
	success, err := d.Relay[0].Success.Bool(expression.Input{}, true)
	require.NoError(t, err)
	assert.False(t, success)
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	d := load(t, "json: {url: =callback, key: =param(\"key\"), active: true}", `json: {list: [1, "=callback", [{id: "=id"}]], number: 12345678901234567890, text: plain}`)
	template := d.Webhooks[0].Create.JSON
	body, err := template.JSON(expression.Input{Vars: map[string]string{"callback": "c", "id": "i"}})
	require.NoError(t, err)
	assert.Equal(t, `{"list":[1,"c",[{"id":"i"}]],"number":12345678901234567890,"text":"plain"}`, string(body))

	d = load(t, "key: =param(\"key\"), active: true", `fixed: null, without: '=topic == "" ? nil : topic', list: ['=topic == "" ? nil : topic']`)
	body, err = d.Webhooks[0].Create.JSON.JSON(expression.Input{})
	require.NoError(t, err)
	assert.Equal(t, `{"fixed":null,"list":[null],"url":""}`, string(body), "a member whose expression gives null is left out")

	d = load(t, "key: =param(\"key\"), active: true", `deep: [{need: '=need(topic)'}]`)
	_, err = d.Webhooks[0].Create.JSON.JSON(expression.Input{})
	require.ErrorContains(t, err, "deep[0].need: topic is empty")
}

func TestDefinitionRoundTrip(t *testing.T) {
	t.Parallel()
	d := load(t, "active: true", "active: true")
	written, err := json.Marshal(d.Webhooks)
	require.NoError(t, err)
	assert.Contains(t, string(written), `"json":{"active":true,"key":"=param(\"key\")","url":"=callback"}`)
	written, err = json.Marshal(d.Relay[0].To.Batch)
	require.NoError(t, err)
	assert.JSONEq(t, `{"count":10,"bytes":65536,"age":"1s"}`, string(written))
	var batch connector.Batch
	require.NoError(t, json.Unmarshal(written, &batch))
	assert.Equal(t, *d.Relay[0].To.Batch, batch)
}

func TestCallback(t *testing.T) {
	t.Parallel()
	d := load(t, "title: Look", "title: Look")
	assert.Equal(t, "/acme", d.Callback().HTTP.Path)
	const second = `deliveries:
  - {name: other, http: {path: /other}, verify: {bearer: {tokens: [=param("key")]}}, event: {type: order.created, id: =body("id"), data: =json()}}
`
	definition := strings.Replace(acme, "deliveries:\n", second, 1)
	d, err := connector.Load(directory(strings.Replace(definition, "  mode: dynamic", "  topics: [{topic: order}]\n  delivery: other", 1)))
	require.NoError(t, err)
	assert.Equal(t, "/other", d.Callback().HTTP.Path)
}
