package connector_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

func TestTopics(t *testing.T) {
	t.Parallel()
	const types = `asyncapi: 2.0.0
channels:
  order.created.v1: {}
  order.created.v2: {}
  order.paid.v1: {}
  customer.created.v1: {}
`
	topics := func(t *testing.T, old, new string) []string {
		t.Helper()
		files := directory(strings.Replace(acme, old, new, 1))
		files["events/asyncapi.yaml"].Data = []byte(types)
		d, err := connector.Load(files)
		require.NoError(t, err)
		var out []string
		for _, topic := range d.TopicsOf(&d.Webhooks[0]) {
			out = append(out, topic.Name+": "+strings.Join(topic.Types, " "))
		}
		return out
	}
	t.Run("of the table of types, in all versions", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, []string{"order: order.created.v1 order.created.v2"}, topics(t, "title: Look", "title: Look"))
	})
	t.Run("one topic may bring several types", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, []string{"order: order.created.v1 order.created.v2 order.paid.v1"},
			topics(t, "topic: order}", "topic: order}\n      - {when: =true, type: order.paid, topic: order}\n      - {when: =true, type: customer.created}"))
	})
	t.Run("of a list", func(t *testing.T) {
		t.Parallel()
		assert.Equal(t, []string{"orders: order.created.v1 order.created.v2 order.paid.v1", "all: customer.created.v1"},
			topics(t, "  mode: dynamic", `  topics: [{topic: orders, types: ["order.*"]}, {topic: all, types: [customer.created]}]`))
	})
}

func TestSeveralWebhooks(t *testing.T) {
	t.Parallel()
	before, after, ok := strings.Cut(acme, "webhooks:\n")
	require.True(t, ok)
	one, rest, ok := strings.Cut(after, "relay:\n")
	require.True(t, ok)
	_, err := connector.Load(directory(before + "webhooks:\n- name: first\n" + one + "- name: second\n" + one + "relay:\n" + rest))
	require.ErrorContains(t, err, `webhooks[0].list.label: is missing: the webhooks "second" call the same address`)
	item := "- name: first\n" + strings.Replace(one, "topic: topic}", "topic: topic, label: name}", 1)
	d, err := connector.Load(directory(before + "webhooks:\n" + item + strings.Replace(item, "first", "second", 1) + "relay:\n" + rest))
	require.NoError(t, err)
	require.Len(t, d.Webhooks, 2)
	assert.Equal(t, "second", d.Webhooks[1].Name)
	assert.Equal(t, "/acme", d.CallbackOf(&d.Webhooks[1]).HTTP.Path)
	assert.Equal(t, "/acme", d.Callback().HTTP.Path)
}
