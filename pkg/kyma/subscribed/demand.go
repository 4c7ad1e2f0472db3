package subscribed

import (
	"context"
	"errors"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// Source says which event types are subscribed to; Resources and Endpoint are sources.
type Source interface {
	Types(ctx context.Context) ([]Type, error)
}

// Subscribers answers for webhooks who wants which event types. It asks the sources in their order until one
// of them knows; later ones are asked only where the earlier ones may not say, or cannot.
type Subscribers []Source

var _ subscription.Subscribers = Subscribers(nil)

// Demands implements subscription.Subscribers.
func (s Subscribers) Demands(ctx context.Context, full []string) (map[string]subscription.Demand, error) {
	types, err := s.types(ctx)
	if errors.Is(err, ErrUnknown) {
		return nil, &registration.ConfigError{What: err.Error(), Next: "choose the mode static in the form or the definition"}
	}
	if err != nil {
		return nil, err
	}
	demands := map[string]subscription.Demand{}
	for _, name := range Select(types, full, false) {
		demands[name] = subscription.Pending
	}
	for _, name := range Select(types, full, true) {
		demands[name] = subscription.Ready
	}
	return demands, nil
}

// types asks one source after the other. The first error is the one that tells most.
func (s Subscribers) types(ctx context.Context) ([]Type, error) {
	first := error(nil)
	for _, source := range s {
		types, err := source.Types(ctx)
		var config *registration.ConfigError
		switch {
		case err == nil:
			return types, nil
		case first == nil:
			first = err
		}
		if !errors.Is(err, ErrUnknown) && !errors.As(err, &config) {
			return nil, first
		}
	}
	if first == nil {
		first = ErrUnknown
	}
	return nil, first
}
