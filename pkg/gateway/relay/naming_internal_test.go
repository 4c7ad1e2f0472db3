package relay

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// TestTypesOfEveryKyma: one event, as the generations of Kyma deliver it.
func TestTypesOfEveryKyma(t *testing.T) {
	t.Parallel()
	n := newNaming([]string{"order.created.v1", "Account.Root.Created.v1", "pull_request.opened.v2", "plain"}, DefaultPrefix)
	for name, test := range map[string]struct {
		delivered event.Event
		want      string
	}{
		"as it was published":           {event.Event{Type: "order.created", Version: "v1"}, "order.created.v1"},
		"with the version beside it":    {event.Event{Type: "order.created", Extensions: map[string]string{"eventtypeversion": "v1"}}, "order.created.v1"},
		"exact":                         {event.Event{Type: "sap.kyma.custom.shop.order.created", Version: "v1"}, "order.created.v1"},
		"exact, segments joined":        {event.Event{Type: "sap.kyma.custom.shop.AccountRoot.Created", Version: "v1"}, "Account.Root.Created.v1"},
		"exact, segments as they are":   {event.Event{Type: "sap.kyma.custom.shop.Account.Root.Created", Version: "v1"}, "Account.Root.Created.v1"},
		"exact, characters removed":     {event.Event{Type: "sap.kyma.custom.shop.pullrequest.opened", Version: "v2"}, "pull_request.opened.v2"},
		"without a version":             {event.Event{Type: "plain"}, "plain"},
		"another version":               {event.Event{Type: "order.created", Version: "v2"}, ""},
		"another type":                  {event.Event{Type: "order.paid", Version: "v1"}, ""},
		"a longer type":                 {event.Event{Type: "re.order.created", Version: "v1"}, ""},
		"joined, but not exact":         {event.Event{Type: "AccountRoot.Created", Version: "v1"}, ""},
		"another prefix":                {event.Event{Type: "other.prefix.shop.order.created", Version: "v1"}, ""},
		"the prefix alone":              {event.Event{Type: "sap.kyma.custom"}, ""},
		"the prefix and an application": {event.Event{Type: "sap.kyma.custom.shop"}, ""},
	} {
		got, version, ok := n.find(test.delivered)
		assert.Equal(t, test.want != "", ok, name)
		assert.Equal(t, test.want, got+dotted(version), name)
	}
	_, _, ok := newNaming(nil, DefaultPrefix).find(event.Event{Type: "order.created", Version: "v1"})
	assert.False(t, ok, "no types: nothing is relayed")
	_, _, ok = newNaming([]string{""}, DefaultPrefix).find(event.Event{})
	assert.False(t, ok)
}
