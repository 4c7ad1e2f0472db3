package subscribed_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/subscribed"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// source answers as it is told, and counts.
type source struct {
	types []subscribed.Type
	err   error
	asked int
}

func (s *source) Types(context.Context) ([]subscribed.Type, error) { s.asked++; return s.types, s.err }

func TestDemands(t *testing.T) {
	t.Parallel()
	cluster := &source{types: []subscribed.Type{
		{Name: "Order.Created.v1", Ready: true}, {Name: "Order.Created.v1"}, {Name: "Order.Paid.v1"}, {Name: "OrderItem.Added.v1", Merged: true, Ready: true},
	}}
	demands, note, err := subscribed.Subscribers{cluster}.Demands(t.Context(), []string{"Order.Created.v1", "Order.Paid.v1", "Order.Item.Added.v1", "Order.Deleted.v1"})
	require.NoError(t, err)
	assert.Empty(t, note)
	assert.Equal(t, map[string]subscription.Demand{
		"Order.Created.v1": subscription.Ready, "Order.Paid.v1": subscription.Pending, "Order.Item.Added.v1": subscription.Ready,
	}, demands)
}

func TestDemandsOfTheNextSource(t *testing.T) {
	t.Parallel()
	forbidden := &registration.ConfigError{What: "this account may not list subscriptions", Next: "allow it"}
	busy := errors.New("the API server is busy")
	publisher := []subscribed.Type{{Name: "Order.Created.v1", Ready: true}}
	tests := map[string]struct {
		first, second error
		asked         int
		want          string
		note          string
	}{
		"the first knows":             {nil, nil, 0, "", ""},
		"the first may not look":      {forbidden, nil, 1, "", "this account may not list subscriptions (next: allow it)"},
		"the first does not know":     {subscribed.ErrUnknown, nil, 1, "", ""},
		"the first is busy":           {busy, nil, 0, "the API server is busy", ""},
		"none may, or answers":        {forbidden, busy, 1, "this account may not list subscriptions", ""},
		"none knows, so choose other": {subscribed.ErrUnknown, subscribed.ErrUnknown, 1, "choose the mode static", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := &source{types: publisher, err: tt.first}, &source{types: publisher, err: tt.second}
			demands, note, err := subscribed.Subscribers{first, second}.Demands(t.Context(), []string{"Order.Created.v1"})
			assert.Equal(t, tt.asked, second.asked)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, subscription.Ready, demands["Order.Created.v1"])
			if assert.Contains(t, note, tt.note); tt.note == "" {
				assert.Empty(t, note)
			}
		})
	}
	_, _, err := subscribed.Subscribers{}.Demands(t.Context(), nil)
	assert.Error(t, err)
}
