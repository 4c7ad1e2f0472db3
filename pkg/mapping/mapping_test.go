package mapping_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// mapper makes a mapper from what a definition says below a delivery.
func mapper(t testing.TB, delivery string) *mapping.Mapper {
	t.Helper()
	definition := `
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: acme, displayName: ACME, provider: ACME, product: ACME}
parameters:
  password: {kind: secret, title: Password}
application: acme-app
system: {url: "https://acme.example.com"}
deliveries:
  - name: webhook
    verify: {basic: {username: me, password: =param("password")}}
` + indent(delivery)
	d, err := connector.Load(fstest.MapFS{"connector.yaml": {Data: []byte(definition)}})
	require.NoError(t, err)
	params, err := d.ResolveParams(map[string]string{"password": "p"})
	require.NoError(t, err)
	m, err := mapping.New(d, &d.Deliveries[0], params.Input())
	require.NoError(t, err)
	return m
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}

func jsonDelivery(body string) mapping.Delivery {
	return mapping.Delivery{Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
}

const plain = `
http: {path: /acme}
ignore: =body("type") == "ping"
reject: =body("forged") == "yes"
event:
  type: =body("type")
  version: =body("version")
  id: =body("id")
  source: =body("source")
  subject: =body("subject")
  time: =body("time")
  data: =json("data")
`

func TestMapAccepts(t *testing.T) {
	t.Parallel()
	m := mapper(t, plain)
	for name, tc := range map[string]struct {
		body string
		want event.Event
	}{
		"everything": {
			`{"type":"order.created","version":"v2","id":"1","source":"/shop","subject":"o-1","time":"2020-09-21T17:25:38.123456789+02:00","data":{"z":1,"a":12345678901234567890, "f":1.10}}`,
			event.Event{ID: "1", Type: "order.created", Version: "v2", Source: "/shop", Subject: "o-1",
				Time: time.Date(2020, 9, 21, 15, 25, 38, 123456789, time.UTC), Data: []byte(`{"z":1,"a":12345678901234567890, "f":1.10}`)},
		},
		"defaults: version v1, the application as source, no time": {
			`{"type":"order.created","id":"1","data":[]}`,
			event.Event{ID: "1", Type: "order.created", Version: "v1", Source: "acme-app", Data: []byte(`[]`)},
		},
		"no data": {
			`{"type":"order.created","id":"1","time":null}`,
			event.Event{ID: "1", Type: "order.created", Version: "v1", Source: "acme-app"},
		},
		"a number as id": {
			`{"type":"order.created","id":4513,"data":"text"}`,
			event.Event{ID: "4513", Type: "order.created", Version: "v1", Source: "acme-app", Data: []byte(`"text"`)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := m.Map(jsonDelivery(tc.body))
			require.Equal(t, mapping.Accepted, result.Outcome, result.Reason)
			require.Len(t, result.Events, 1)
			assert.Equal(t, tc.want, result.Events[0])
			assert.Equal(t, result.Events[0], result.Items[0].Event)
		})
	}
}

func TestMapRefuses(t *testing.T) {
	t.Parallel()
	m := mapper(t, plain)
	for name, tc := range map[string]struct {
		body    string
		outcome mapping.Outcome
		reason  string
	}{
		"a ping":                     {`{"type":"ping"}`, mapping.Ignored, "ignore"},
		"forged":                     {`{"type":"a.b","id":"1","forged":"yes"}`, mapping.Rejected, "reject: the definition refuses it"},
		"no type":                    {`{"id":"1"}`, mapping.Rejected, "event.type: event type is empty"},
		"a type that Kyma changes":   {`{"id":"1","type":"pull_request.opened"}`, mapping.Rejected, "characters other than"},
		"a type with empty segments": {`{"id":"1","type":"a..b"}`, mapping.Rejected, "empty segment"},
		"no id":                      {`{"type":"a.b"}`, mapping.Rejected, "event.id: is empty"},
		"null as id":                 {`{"type":"a.b","id":null}`, mapping.Rejected, "event.id: is empty"},
		"an endless id":              {`{"type":"a.b","id":"` + strings.Repeat("x", 3000) + `"}`, mapping.Rejected, "longer than 2048 bytes"},
		"a line break in the id":     {`{"type":"a.b","id":"a\r\nX-Header: b"}`, mapping.Rejected, "control characters"},
		"an unusable version":        {`{"type":"a.b","id":"1","version":"v1.0"}`, mapping.Rejected, "event.version"},
		"no time":                    {`{"type":"a.b","id":"1","time":"yesterday"}`, mapping.Malformed, "event.time: want a time such as"},
		"a time without zone":        {`{"type":"a.b","id":"1","time":"2019-05-06T01:13:19.533"}`, mapping.Malformed, "event.time"},
		"a year too far":             {`{"type":"a.b","id":"1","time":"9999-12-31T23:59:59-01:00"}`, mapping.Malformed, "out of range"},
		"not JSON":                   {`id=1`, mapping.Malformed, "not valid JSON"},
		"JSON that is cut off":       {`{"type":"a.b","id":"1"`, mapping.Malformed, "not valid JSON"},
		"two documents":              {`{"type":"a.b","id":"1"}{}`, mapping.Malformed, "not valid JSON"},
		"not UTF-8":                  {"{\"type\":\"a.b\",\"id\":\"\xff\"}", mapping.Malformed, "not valid JSON"},
		"nested too deeply":          {strings.Repeat("[", 100000) + strings.Repeat("]", 100000), mapping.Malformed, "not valid JSON"},
		"nothing":                    {``, mapping.Malformed, "there is no content"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := m.Map(jsonDelivery(tc.body))
			assert.Equal(t, tc.outcome, result.Outcome)
			assert.Contains(t, result.Reason, tc.reason)
			assert.Empty(t, result.Events)
			assert.Len(t, result.Items, 1)
		})
	}
}

const formPost = `
http: {path: /acme, accepts: [form]}
content: =form("MSG")
types:
  - {when: '=form("Topic") endsWith ".completed"', type: survey.completed}
  - {when: '=form("Topic") startsWith "any."', type: survey.other}
event: {version: v1, id: '=hash(type, content)', subject: '=need(body("ResponseID"))', data: =content}
`

func formDelivery(fields url.Values) mapping.Delivery {
	return mapping.Delivery{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}, Body: []byte(fields.Encode())}
}

func TestMapForm(t *testing.T) {
	t.Parallel()
	m := mapper(t, formPost)
	message := `{"Status": "Complete", "ResponseID":"R_1"}`
	result := m.Map(formDelivery(url.Values{"Topic": {"brand.completed"}, "MSG": {message}, "undefined": {""}}))
	require.Equal(t, mapping.Accepted, result.Outcome, result.Reason)
	assert.Equal(t, "survey.completed", result.Events[0].Type)
	assert.Equal(t, "R_1", result.Events[0].Subject)
	assert.Equal(t, message, string(result.Events[0].Data), "the payload is what was signed, byte for byte")
	again := m.Map(formDelivery(url.Values{"Topic": {"brand.completed"}, "MSG": {message}}))
	assert.Equal(t, result.Events[0].ID, again.Events[0].ID, "a repetition has the same id")

	first := m.Map(formDelivery(url.Values{"Topic": {"any.completed"}, "MSG": {message}}))
	assert.Equal(t, "survey.completed", first.Events[0].Type, "the first entry of types that matches wins")
	other := m.Map(formDelivery(url.Values{"Topic": {"any.thing"}, "MSG": {message}}))
	assert.NotEqual(t, result.Events[0].ID, other.Events[0].ID)

	for name, tc := range map[string]struct {
		delivery mapping.Delivery
		outcome  mapping.Outcome
		reason   string
	}{
		"unknown topic":   {formDelivery(url.Values{"Topic": {"x"}, "MSG": {message}}), mapping.Unknown, "no entry matches"},
		"no message":      {formDelivery(url.Values{"Topic": {"any.x"}}), mapping.Malformed, "there is no content"},
		"message no JSON": {formDelivery(url.Values{"Topic": {"any.x"}, "MSG": {"x"}}), mapping.Malformed, "not valid JSON"},
		"need finds none": {formDelivery(url.Values{"Topic": {"any.x"}, "MSG": {"{}"}}), mapping.Rejected, `event.subject: body("ResponseID") is empty`},
		"no form":         {mapping.Delivery{Body: []byte("%zz")}, mapping.Malformed, "the body is not a form"},
		"endless form":    {mapping.Delivery{Body: []byte(strings.Repeat("a=b&", 2000))}, mapping.Malformed, "more than 1000 fields"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := m.Map(tc.delivery)
			assert.Equal(t, tc.outcome, result.Outcome)
			assert.Contains(t, result.Reason, tc.reason)
		})
	}
}

const batch = `
http: {path: /acme}
split: message.events
ignore: =item("eventType") == "UNKNOWN"
event:
  type: =lower(item("objectType")) + "." + lower(item("eventType"))
  id: =need(body("message.eventId")) + "-" + string(index)
  time: =item("date")
  subject: =item("objectId")
  data: =itemJSON()
orderBy: =item("objectId")
`

func TestMapSplits(t *testing.T) {
	t.Parallel()
	result := mapper(t, batch).Map(jsonDelivery(`{"message":{"eventId":7,"events":[
		{"objectType":"Contacts","eventType":"CREATED","objectId":"1","date":"2020-02-01T10:00:00Z", "n":1.0},
		{"objectType":"Contacts","eventType":"UNKNOWN"},
		{"objectType":"Contacts","eventType":"DELETED","objectId":"2"}]}}`))
	require.Equal(t, mapping.Accepted, result.Outcome, result.Reason)
	require.Len(t, result.Events, 2)
	require.Len(t, result.Items, 3)
	assert.Equal(t, "7-0", result.Events[0].ID)
	assert.Equal(t, "contacts.created", result.Events[0].Type)
	assert.Equal(t, `{"objectType":"Contacts","eventType":"CREATED","objectId":"1","date":"2020-02-01T10:00:00Z", "n":1.0}`, string(result.Events[0].Data))
	assert.Equal(t, "1", result.Items[0].OrderKey)
	assert.Equal(t, mapping.Ignored, result.Items[1].Outcome)
	assert.Equal(t, "7-2", result.Events[1].ID)
}

func TestMapSplitKeepsTheMostSevereOutcome(t *testing.T) {
	t.Parallel()
	m := mapper(t, batch)
	for name, tc := range map[string]struct {
		body    string
		outcome mapping.Outcome
		reason  string
		events  int
	}{
		"one item has no type":  {`{"message":{"eventId":7,"events":[{"objectType":"a","eventType":"B"},{}]}}`, mapping.Rejected, "item 1: event.type", 1},
		"one item has no time":  {`{"message":{"eventId":7,"events":[{},{"objectType":"a","eventType":"B","date":"x"}]}}`, mapping.Malformed, "item 1: event.time", 0},
		"all items are ignored": {`{"message":{"eventId":7,"events":[{"eventType":"UNKNOWN"}]}}`, mapping.Ignored, "ignore", 0},
		"no items":              {`{"message":{"eventId":7,"events":[]}}`, mapping.Ignored, "the list is empty", 0},
		"no list":               {`{"message":{"eventId":7,"events":{}}}`, mapping.Malformed, `no list at "message.events"`, 0},
		"no id":                 {`{"message":{"events":[{"objectType":"a","eventType":"B"}]}}`, mapping.Rejected, `event.id: body("message.eventId") is empty`, 0},
		"too many": {`{"message":{"eventId":7,"events":[{}` + strings.Repeat(`,{}`, mapping.MaxItems) + `]}}`, mapping.Malformed,
			"more than 10000 items", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := m.Map(jsonDelivery(tc.body))
			assert.Equal(t, tc.outcome, result.Outcome)
			assert.Contains(t, result.Reason, tc.reason)
			assert.Len(t, result.Events, tc.events)
		})
	}
}

func TestMapSplitWithRepeatedIDs(t *testing.T) {
	t.Parallel()
	m := mapper(t, `
http: {path: /acme}
split: events
event: {type: a.b, id: =item("id"), data: =itemJSON()}
`)
	repeated := m.Map(jsonDelivery(`{"events":[{"id":"1"},{"id":"1"}]}`))
	assert.Equal(t, mapping.Accepted, repeated.Outcome)
	assert.Len(t, repeated.Events, 1)
	assert.Equal(t, "repeats item 0", repeated.Items[1].Reason)

	different := m.Map(jsonDelivery(`{"events":[{"id":"1"},{"id":"1","x":2}]}`))
	assert.Equal(t, mapping.Rejected, different.Outcome, "an event must not vanish because its id is not its own")
	assert.Contains(t, different.Reason, "item 1: event.id is that of item 0")
}

func TestMapIgnoresBeforeSplitting(t *testing.T) {
	t.Parallel()
	m := mapper(t, `
http: {path: /acme}
split: events
ignore: =body("ping") == "true"
event: {type: a.b, id: =item("id"), data: =itemJSON()}
`)
	assert.Equal(t, mapping.Ignored, m.Map(jsonDelivery(`{"ping":true}`)).Outcome)
}

func TestMapText(t *testing.T) {
	t.Parallel()
	m := mapper(t, `
http: {path: /acme, accepts: [any], subpaths: true}
event: {type: =path(1) + ".arrived", id: =header("X-Id"), data: =rawBody, dataContentType: =contentType}
`)
	result := m.Map(mapping.Delivery{Header: http.Header{"Content-Type": {"text/plain"}, "X-Id": {"1"}}, Path: []string{"note"}, Body: []byte("not JSON")})
	require.Equal(t, mapping.Accepted, result.Outcome, result.Reason)
	assert.Equal(t, "not JSON", string(result.Events[0].Data))
	assert.Equal(t, "text/plain", result.Events[0].ContentType())
	assert.Equal(t, "note.arrived", result.Events[0].Type)

	broken := m.Map(mapping.Delivery{Header: http.Header{"Content-Type": {"application/json"}, "X-Id": {"1"}}, Path: []string{"note"}, Body: []byte("not JSON")})
	assert.Equal(t, mapping.Malformed, broken.Outcome)
}

func TestReduceKeepsWhatAReplayNeeds(t *testing.T) {
	t.Parallel()
	m := mapper(t, `
http: {path: /acme, subpaths: true}
event: {type: =header("x-event") + "." + path(1), id: =query("id"), data: =json()}
`)
	delivery := mapping.Delivery{
		Header: http.Header{"Authorization": {"Basic c2VjcmV0"}, "X-Event": {"push"}, "Content-Type": {"application/json"}},
		Query:  url.Values{"id": {"1"}, "token": {"secret"}},
		Path:   []string{"main"},
		Body:   []byte(`{"a":1}`),
	}
	reduced := m.Reduce(delivery)
	assert.Equal(t, http.Header{"X-Event": {"push"}, "Content-Type": {"application/json"}}, reduced.Header)
	assert.Equal(t, url.Values{"id": {"1"}}, reduced.Query)
	want := m.Map(delivery)
	require.Equal(t, mapping.Accepted, want.Outcome, want.Reason)
	assert.Equal(t, want, m.Map(reduced))
}

func BenchmarkMap(b *testing.B) {
	m := mapper(b, plain)
	delivery := jsonDelivery(`{"type":"order.created","version":"v2","id":"fa163e16-4431-1edd-8eb8-351cf99ab8c7","subject":"o-1","time":"2020-09-21T15:25:38Z","data":{"root-entity-id":"00163E5FA59C1ED8B3B9643A4B63D2AF","entity-id":"00163E5FA59C1ED8B3B95BE1CB795280"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if m.Map(delivery).Outcome != mapping.Accepted {
			b.Fatal("not accepted")
		}
	}
}
