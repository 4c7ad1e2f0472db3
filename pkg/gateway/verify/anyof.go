package verify

import (
	"context"
	"errors"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// anyOf accepts what one of its schemes accepts.
type anyOf []gateway.Verifier

// newAnyOf fails where a single scheme cannot be made: one that is left out silently would surprise.
func newAnyOf(schemes []connector.Verify, params expression.Input, o Options) (gateway.Verifier, error) {
	out := make(anyOf, len(schemes))
	for i, scheme := range schemes {
		v, err := New(scheme, params, o)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// Verify implements gateway.Verifier. The refusal is that of the first scheme whose proof was there but wrong,
// else of the first scheme.
func (v anyOf) Verify(ctx context.Context, d *gateway.Delivery) error {
	var refused *gateway.Refusal
	for _, scheme := range v {
		err := scheme.Verify(ctx, d)
		var refusal *gateway.Refusal
		if !errors.As(err, &refusal) {
			return err // accepted, or nobody can tell now
		}
		if refused == nil || refused.Reason == reasonMissing && refusal.Reason != reasonMissing {
			refused = refusal
		}
	}
	return refused
}
