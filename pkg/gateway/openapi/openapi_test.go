package openapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	openapi_v3 "github.com/google/gnostic-models/openapiv3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/openapi"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/golden"
)

const definition = `apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: acme, displayName: ACME, provider: ACME, product: ACME Shop}
parameters:
  user: {kind: text, title: User, generate: {length: 8}}
  password: {kind: secret, title: Password, generate: {length: 32}}
application: acme
system: {url: "https://acme.example.com"}
events: {name: Shop Events, catalog: asyncapi.yaml}
deliveries:
  - name: action
    http: {path: /acme, subpaths: true, openapi: publish}
    verify: {basic: {username: =param("user"), password: =param("password")}}
    event: {type: =path(1), version: v1, id: '=hash(path(1), content)', data: =content}
`

const catalog = `asyncapi: 2.6.0
info: {title: ACME, version: "2.1"}
channels:
  order.created.v1:
    subscribe:
      summary: An order was placed.
      message: {$ref: '#/components/messages/order'}
  order.created.v2: {subscribe: {message: {payload: {type: string}}}}
  customer.profile.updated.v1: {subscribe: {message: {payload: {type: object, properties: {id: {type: string}}}}}}
components:
  messages:
    order:
      contentType: application/json
      payload: {$ref: '#/components/schemas/order'}
      examples: [{payload: {code: A1, lines: []}}]
  schemas:
    order:
      type: object
      required: [code]
      properties:
        code: {type: string, const: A1, examples: [A1]}
        total: {type: [number, "null"], exclusiveMinimum: 0}
        lines: {type: array, items: {$ref: '#/components/schemas/line'}}
    line: {type: object, patternProperties: {^x: {}}, additionalProperties: false}
`

func load(t *testing.T, replace ...string) *connector.Definition {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, definition+catalog, replace[i])
	}
	changed := strings.NewReplacer(replace...)
	d, err := connector.Load(fstest.MapFS{"connector.yaml": {Data: []byte(changed.Replace(definition))}, "asyncapi.yaml": {Data: []byte(changed.Replace(catalog))}})
	require.NoError(t, err)
	return d
}

// describe makes the document, which another reader of OpenAPI has to find right.
func describe(t *testing.T, d *connector.Definition) map[string]any {
	t.Helper()
	description, err := openapi.Describe(d, &d.Deliveries[0])
	require.NoError(t, err)
	document := description.JSON("https://gateway.example.com")
	_, err = openapi_v3.ParseDocument(document)
	require.NoError(t, err, string(document))
	var out map[string]any
	require.NoError(t, json.Unmarshal(document, &out))
	return out
}

func TestOneOperationForEachType(t *testing.T) {
	t.Parallel()
	document := describe(t, load(t))
	text, err := json.MarshalIndent(document, "", "  ")
	require.NoError(t, err)
	golden.Assert(t, "acme.json", append(text, '\n'))
}

// TestTheOracleFindsMistakes: the other reader is strict enough to be worth asking.
func TestTheOracleFindsMistakes(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{
		`{"openapi":"3.0.3","info":{"title":"x"},"paths":{}}`,
		`{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{"/x":{"post":{"responses":{"200":{}}}}}}`,
		`{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{},"components":{"schemas":{"a":{"const":1}}}}`,
	} {
		_, err := openapi_v3.ParseDocument([]byte(wrong))
		assert.Error(t, err, wrong)
	}
}

func TestOneOperationForAll(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		replace []string
		path    string
		media   string
		schema  string
		secured string
	}{
		"types of a table": {
			[]string{"subpaths: true, ", "", "event: {type: =path(1), version: v1", "types: [{when: =body(\"x\") == \"1\", type: order.created}]\n    event: {version: v1"},
			"/acme", "application/json", `{"$ref":"#/components/schemas/order"}`, `[{"basic":[]}]`,
		},
		"a type of an expression": {
			[]string{"type: =path(1)", `type: =body("type")`}, "/acme", "application/json",
			`{"anyOf":[{"properties":{"id":{"type":"string"}},"type":"object"},{"$ref":"#/components/schemas/order"}]}`, `[{"basic":[]}]`,
		},
		"data made of the body": {
			[]string{"type: =path(1)", "type: order.created", "data: =content", `data: =json("order")`}, "/acme", "application/json", `{"type":"object"}`, `[{"basic":[]}]`,
		},
		"forms": {
			[]string{"type: =path(1)", "type: order.created", "openapi: publish", "openapi: publish, accepts: [form]"}, "/acme", "application/x-www-form-urlencoded", `{}`, `[{"basic":[]}]`,
		},
		"a token": {
			[]string{"type: =path(1)", "type: order.created", `{basic: {username: =param("user"), password: =param("password")}}`, `{bearer: {tokens: [=param("password")]}}`},
			"/acme", "application/json", `{"$ref":"#/components/schemas/order"}`, `[{"bearer":[]}]`,
		},
		"a secret address": {
			[]string{"subpaths: true, ", "", "type: =path(1)", "type: order.created", `{basic: {username: =param("user"), password: =param("password")}}`, `{pathToken: {tokens: [=param("password")]}}`},
			"/acme/{token}", "application/json", `{"$ref":"#/components/schemas/order"}`, `null`,
		},
		"a signature": {
			[]string{"type: =path(1)", "type: order.created", `{basic: {username: =param("user"), password: =param("password")}}`, `{standardWebhooks: {secrets: [=param("password")]}}`},
			"/acme", "application/json", `{"$ref":"#/components/schemas/order"}`, `null`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			paths := describe(t, load(t, test.replace...))["paths"].(map[string]any)
			require.Len(t, paths, 1)
			require.Contains(t, paths, test.path)
			post := paths[test.path].(map[string]any)["post"].(map[string]any)
			content := post["requestBody"].(map[string]any)["content"].(map[string]any)
			require.Contains(t, content, test.media)
			assert.JSONEq(t, test.schema, text(t, content[test.media].(map[string]any)["schema"]))
			assert.JSONEq(t, test.secured, text(t, post["security"]))
			assert.Equal(t, strings.Contains(test.path, "{"), post["parameters"] != nil)
		})
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

func TestADefinitionWithoutACatalog(t *testing.T) {
	t.Parallel()
	document := describe(t, load(t, "events: {name: Shop Events, catalog: asyncapi.yaml}\n", "", "type: =path(1)", "type: order.created"))
	assert.Equal(t, "ACME - action", document["info"].(map[string]any)["title"])
	assert.Contains(t, document["paths"], "/acme")
	d := load(t)
	_, err := openapi.Describe(d, &connector.Delivery{Name: "mqtt", MQTT: &connector.MQTT{}})
	assert.ErrorContains(t, err, `delivery "mqtt": it has no webhook`)
}

// TestEveryConnector: whatever a connector's catalog holds becomes a document that others can read.
func TestEveryConnector(t *testing.T) {
	t.Parallel()
	charts, err := filepath.Glob("../../../charts/*-connector/files")
	require.NoError(t, err)
	require.NotEmpty(t, charts)
	for _, dir := range charts {
		d, err := connector.Load(os.DirFS(dir))
		require.NoError(t, err, dir)
		for i := range d.Deliveries {
			if d.Deliveries[i].HTTP == nil {
				continue
			}
			description, err := openapi.Describe(d, &d.Deliveries[i])
			require.NoError(t, err, dir)
			_, err = openapi_v3.ParseDocument(description.JSON(""))
			assert.NoError(t, err, dir)
		}
	}
}

func TestServing(t *testing.T) {
	t.Parallel()
	d := load(t)
	description, err := openapi.Describe(d, &d.Deliveries[0])
	require.NoError(t, err)
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for name, test := range map[string]struct {
		method, path, host, proto string
		options                   openapi.Options
		status                    int
		servers                   string
	}{
		"as it was asked":        {"GET", "/acme/openapi.json", "gateway.example.com:8080", "", openapi.Options{}, 200, `[{"url":"http://gateway.example.com:8080"}]`},
		"behind a proxy":         {"GET", "/acme/openapi.json", "gateway.example.com", "https", openapi.Options{Proxied: true}, 200, `[{"url":"https://gateway.example.com"}]`},
		"what anybody can write": {"GET", "/acme/openapi.json", "gateway.example.com", "https", openapi.Options{}, 200, `[{"url":"http://gateway.example.com"}]`},
		"an address of its own":  {"GET", "/acme/openapi.json", "x", "", openapi.Options{Server: "https://public.example.com/"}, 200, `[{"url":"https://public.example.com"}]`},
		"a host that is none":    {"GET", "/acme/openapi.json", `x"y`, "", openapi.Options{}, 200, `null`},
		"an event":               {"POST", "/acme/openapi.json", "x", "", openapi.Options{}, 418, ""},
		"another path":           {"GET", "/acme", "x", "", openapi.Options{}, 418, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest(test.method, test.path, http.NoBody)
			request.Host = test.host
			if test.proto != "" {
				request.Header.Set("X-Forwarded-Proto", test.proto)
			}
			recorder := httptest.NewRecorder()
			openapi.Handler(next, []*openapi.Description{description}, test.options).ServeHTTP(recorder, request)
			require.Equal(t, test.status, recorder.Code)
			if test.status != http.StatusOK {
				return
			}
			body, err := io.ReadAll(recorder.Body)
			require.NoError(t, err)
			var document map[string]any
			require.NoError(t, json.Unmarshal(body, &document))
			assert.JSONEq(t, test.servers, text(t, document["servers"]))
			assert.Equal(t, "application/json", recorder.Header().Get("Content-Type"))
		})
	}
	recorder := httptest.NewRecorder()
	openapi.Handler(next, nil, openapi.Options{}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/acme/openapi.json", http.NoBody))
	assert.Equal(t, http.StatusTeapot, recorder.Code, "nothing is published that the definition does not publish")
}
