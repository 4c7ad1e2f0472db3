package sample_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

func TestEventsForTheSystemAreReadInOrder(t *testing.T) {
	t.Parallel()
	list, err := sample.LoadRelayed(fstest.MapFS{
		"b.relayed.json": {Data: []byte(`{"event":{"id":"2","type":"order.paid","version":"v1"}}`)},
		"a.relayed.json": {Data: []byte(`{"event":{"id":"1","type":"order.created","version":"v1","data":{"code":"4711"}},"sent":{"orderCode":"4711"}}`)},
		"c.http":         {Data: []byte("no business of ours")},
	})
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, "a", list[0].Name)
	assert.Equal(t, "order.created.v1", list[0].Event.FullType())
	assert.JSONEq(t, `{"orderCode":"4711"}`, string(list[0].Sent))
	assert.Nil(t, list[1].Sent)
}

func TestEventsForTheSystemThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{"event":{"id":"1","type":"t"},"send":{}}`: `sample a.relayed.json: json: unknown field "send"`,
		`{"event":{"type":"t"}}`:                    "sample a.relayed.json: its event needs id and type",
		`{"event":{"id":"1"}}`:                      "sample a.relayed.json: its event needs id and type",
	} {
		_, err := sample.LoadRelayed(fstest.MapFS{"a.relayed.json": {Data: []byte(content)}})
		require.EqualError(t, err, want)
	}
}
