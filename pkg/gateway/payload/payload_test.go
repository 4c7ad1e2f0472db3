package payload_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/payload"
)

const definition = `
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: acme, displayName: ACME, provider: ACME, product: ACME}
parameters: {password: {kind: secret, title: Password}}
application: acme
system: {url: "https://acme.example.com"}
events: {name: Events, catalog: events/asyncapi.yaml}
deliveries:
  - name: webhook
    http: {path: /acme}
    verify: {basic: {username: me, password: =param("password")}}
    event: {type: =body("type"), version: =body("version"), id: =body("id"), data: =json("data")}
`

const events = `
asyncapi: 2.0.0
info: {title: Orders, version: "1"}
channels:
  order.created.v1:
    subscribe:
      summary: An order came in.
      message:
        payload:
          type: object
          required: [id, customer]
          additionalProperties: false
          properties:
            id: {type: string}
            customer: {type: object, additionalProperties: {type: string}, properties: {mail: {type: string, format: email}}}
            lines: {type: array, items: {type: object, properties: {sku: {type: string}}}}
`

func load(t testing.TB, catalog string) *connector.Definition {
	t.Helper()
	d, err := connector.Load(fstest.MapFS{"connector.yaml": {Data: []byte(definition)}, "events/asyncapi.yaml": {Data: []byte(catalog)}})
	require.NoError(t, err)
	return d
}

func order(data string) event.Event {
	return event.Event{ID: "1", Source: "acme", Type: "order.created", Version: "v1", Data: json.RawMessage(data)}
}

// TestCheck: what is said names the rule and the place, and nothing that only the payload has.
func TestCheck(t *testing.T) {
	t.Parallel()
	checker, err := payload.New(load(t, events))
	require.NoError(t, err)
	for data, want := range map[string]string{
		`{"id":"1","customer":{"mail":"ada@example.com"}}`: "",
		`{"id":"1","customer":{}}`:                         "",
		``:                                                 "the document is of type null, not object",
		`{"customer":{}}`:                                  "the document lacks id",
		`{"id":4711,"customer":{}}`:                        "id is of type number, not string",
		`{"id":"1","customer":{"ada@example.com":7,"4711":true}}`:            "customer.* is of type boolean, not string; customer.* is of type number, not string",
		`{"id":"1","customer":{},"ada@example.com":1}`:                       "the document has more than the schema knows",
		`{"id":"1","customer":{"mail":"ada"}}`:                               "customer.mail has not the format email",
		`{"id":"1","customer":{},"lines":[{"sku":"a"},{"sku":1},{"sku":2}]}`: "lines.*.sku is of type number, not string",
		`{"id":1,"customer":1,"lines":1,"x":1}`:                              "customer is of type number, not object; id is of type number, not string; lines is of type number, not array; and 1 more",
	} {
		problem, known := checker.Check(order(data))
		assert.True(t, known)
		assert.Equal(t, want, problem, data)
	}
}

func TestCheckKnowsWhatTheCatalogHas(t *testing.T) {
	t.Parallel()
	checker, err := payload.New(load(t, events))
	require.NoError(t, err)
	for name, change := range map[string]func(*event.Event){
		"another type":    func(e *event.Event) { e.Type = "order.paid" },
		"another version": func(e *event.Event) { e.Version = "v2" },
		"no JSON":         func(e *event.Event) { e.DataContentType = "text/plain" },
	} {
		e := order(`{}`)
		change(&e)
		problem, known := checker.Check(e)
		assert.False(t, known, name)
		assert.Empty(t, problem, name)
	}
}

func TestCheckTogether(t *testing.T) {
	t.Parallel()
	checker, err := payload.New(load(t, events))
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			problem, known := checker.Check(order(`{"id":"1","customer":{}}`))
			assert.True(t, known)
			assert.Empty(t, problem)
		})
	}
	all.Wait()
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ catalog, want string }{
		"no payload":    {strings.Split(events, "        payload:")[0] + "        name: order\n", "order.created.v1: the message has no payload"},
		"no schema":     {strings.Replace(events, "type: object", "type: thing", 1), "order.created.v1: the schema cannot be used"},
		"fetched":       {strings.Replace(events, "id: {type: string}", "id: {$ref: 'http://127.0.0.1:1/'}", 1), "no reference within the document"},
		"leads nowhere": {strings.Replace(events, "id: {type: string}", "id: {$ref: '#/none'}", 1), "leads nowhere"},
	} {
		_, err := payload.New(load(t, test.catalog))
		assert.ErrorContains(t, err, test.want, name)
	}
	_, err := payload.New(&connector.Definition{})
	assert.ErrorContains(t, err, "the definition has no event catalog")
}

// TestEveryConnector: the gateway can check what each connector of this repository brings.
func TestEveryConnector(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("../../../charts/*-connector/files")
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	for _, dir := range dirs {
		d, err := connector.Load(os.DirFS(dir))
		require.NoError(t, err)
		checker, err := payload.New(d)
		require.NoError(t, err, dir)
		for _, e := range d.EventTypes() {
			_, known := checker.Check(event.Event{Type: e.Name, Version: e.Version, Data: json.RawMessage(`{}`)})
			assert.True(t, known, e.FullType())
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	checker, err := payload.New(load(b, events))
	require.NoError(b, err)
	e := order(`{"id":"1","customer":{"mail":"ada@example.com"},"lines":[` + strings.Repeat(`{"sku":"a"},`, 70) + `{"sku":"b"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		checker.Check(e)
	}
}
