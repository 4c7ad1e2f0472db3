package mapping_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

const cloudEvents = `
http: {path: /acme, accepts: [json, cloudevents]}
ignore: =body("type") == "ping"
event:
  type: =body("type")
  id: =first(body("id"), hash(content))
  source: =body("source")
  time: =body("time")
  data: =json("data")
orderBy: =body("subject")
`

func batchDelivery(body string) mapping.Delivery {
	return mapping.Delivery{Header: http.Header{"Content-Type": {"application/cloudevents-batch+json; charset=utf-8"}}, Body: []byte(body)}
}

// TestMapBatch: each event of a batch is mapped as if it had come alone.
func TestMapBatch(t *testing.T) {
	t.Parallel()
	m := mapper(t, cloudEvents)
	const one = `{"specversion":"1.0","type":"order.created","id":"1","source":"/a","time":"2024-01-31T12:00:00Z","subject":"o-1","data":{"n": 1.0}}`
	result := m.Map(batchDelivery(`[` + one + `, {"type":"order.paid","source":"/a","data":{"n":2}}, {"type":"ping"}, {"type":"order.created","id":"1","source":"/b"}, ` + one + `]`))
	require.Equal(t, mapping.Accepted, result.Outcome, result.Reason)
	require.Len(t, result.Items, 5)
	require.Len(t, result.Events, 3)
	alone := m.Map(jsonDelivery(one))
	assert.Equal(t, alone.Items[0], result.Items[0])
	assert.Equal(t, time.Date(2024, 1, 31, 12, 0, 0, 0, time.UTC), result.Events[0].Time, "the sender's time")
	assert.Equal(t, `{"n": 1.0}`, string(result.Events[0].Data))
	assert.Equal(t, m.Map(jsonDelivery(`{"type":"order.paid","source":"/a","data":{"n":2}}`)).Events[0].ID, result.Events[1].ID, "the id is made of the event, not of the batch")
	assert.Equal(t, mapping.Ignored, result.Items[2].Outcome)
	assert.Equal(t, "/b", result.Events[2].Source, "the same id of another source is another event")
	assert.Equal(t, mapping.Item{Outcome: mapping.Ignored, Reason: "repeats item 0"}, result.Items[4])
}

func TestMapBatchRefuses(t *testing.T) {
	t.Parallel()
	m := mapper(t, cloudEvents)
	for name, tc := range map[string]struct {
		body    string
		outcome mapping.Outcome
		reason  string
		events  int
	}{
		"no JSON":        {`[`, mapping.Malformed, "not valid JSON", 0},
		"no list":        {`{"type":"a.b","id":"1"}`, mapping.Malformed, "the batch is no list", 0},
		"no events":      {`[]`, mapping.Ignored, "the batch is empty", 0},
		"no object":      {`["x",{"type":"a.b","id":"1"}]`, mapping.Rejected, "item 0: event.type", 1},
		"one is bad":     {`[{"type":"a.b","id":"1"},{"type":"a.b","id":"2","time":"x"}]`, mapping.Malformed, "item 1: event.time", 1},
		"the id is used": {`[{"type":"a.b","id":"1"},{"type":"a.c","id":"1"}]`, mapping.Rejected, "item 1: event.id is that of item 0", 1},
		"too many":       {`[` + strings.Repeat(`{},`, mapping.MaxItems) + `{}]`, mapping.Malformed, "more than 10000 items", 0},
	} {
		result := m.Map(batchDelivery(tc.body))
		assert.Equal(t, tc.outcome, result.Outcome, name)
		assert.Contains(t, result.Reason, tc.reason, name)
		assert.Len(t, result.Events, tc.events, name)
	}
	assert.Equal(t, mapping.Rejected, mapper(t, plain).Map(batchDelivery(`[{"type":"a.b","id":"1"}]`)).Outcome, "only where CloudEvents are accepted")
}

// TestMapBatchWithinSplit: where each event of a batch holds a list, all of them are split.
func TestMapBatchWithinSplit(t *testing.T) {
	t.Parallel()
	m := mapper(t, `
http: {path: /acme, accepts: [cloudevents]}
split: data.changes
event: {type: =item("type"), id: =body("id") + "-" + string(index), data: =itemJSON()}
`)
	result := m.Map(batchDelivery(`[{"id":"1","data":{"changes":[{"type":"a.b"},{"type":"a.c"}]}},{"id":"2","data":{"changes":[{"type":"a.d"}]}},{"id":"3","data":{}}]`))
	assert.Equal(t, mapping.Malformed, result.Outcome)
	assert.Equal(t, `item 3: split: there is no list at "data.changes"`, result.Reason)
	var ids []string
	for _, e := range result.Events {
		ids = append(ids, e.ID)
	}
	assert.Equal(t, []string{"1-0", "1-1", "2-0"}, ids)
}

// TestMapArrays: a body that is a list, always or now and then.
func TestMapArrays(t *testing.T) {
	t.Parallel()
	definition := func(split string) string {
		return "http: {path: /acme}\nsplit: '" + split + "'\n" + `event: {type: =item("type"), id: =item("id"), data: =itemJSON()}`
	}
	always, both := mapper(t, definition("@this")), mapper(t, definition("[@this]|@flatten"))
	list, one := jsonDelivery(`[{"type":"a.b","id":"1"},{"type":"a.c","id":"2"}]`), jsonDelivery(`{"type":"a.b","id":"1"}`)
	for _, m := range []*mapping.Mapper{always, both} {
		result := m.Map(list)
		require.Equal(t, mapping.Accepted, result.Outcome, result.Reason)
		assert.Len(t, result.Events, 2)
		assert.JSONEq(t, `{"type":"a.c","id":"2"}`, string(result.Events[1].Data))
	}
	assert.Equal(t, mapping.Malformed, always.Map(one).Outcome)
	result := both.Map(one)
	require.Equal(t, mapping.Accepted, result.Outcome, result.Reason)
	assert.Equal(t, "1", result.Events[0].ID)
}
