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
func (s Subscribers) Demands(ctx context.Context, full []string) (demands map[string]subscription.Demand, note string, err error) {
	types, hidden, err := s.types(ctx)
	if errors.Is(err, ErrUnknown) {
		return nil, "", &registration.ConfigError{What: err.Error(), Next: "choose the mode static in the form or the definition"}
	}
	if err != nil {
		return nil, "", err
	}
	demands = map[string]subscription.Demand{}
	for _, name := range Select(types, full, false) {
		demands[name] = subscription.Pending
	}
	for _, name := range Select(types, full, true) {
		demands[name] = subscription.Ready
	}
	if hidden != nil {
		note = "who subscribes to which events is known from Kyma's publisher only, which does not tell whether a Subscription is ready: " + hidden.Error()
	}
	return demands, note, nil
}

// types asks one source after the other. The error is the first, which tells most; where a later source knows all the
// same, hidden is what an earlier one was not allowed.
func (s Subscribers) types(ctx context.Context) (types []Type, hidden *registration.ConfigError, err error) {
	for _, source := range s {
		found, failed := source.Types(ctx)
		if failed == nil {
			return found, hidden, nil
		}
		if err == nil {
			err = failed
		}
		var config *registration.ConfigError
		switch {
		case errors.Is(failed, ErrUnknown):
		case !errors.As(failed, &config):
			return nil, nil, err
		case hidden == nil:
			hidden = config
		}
	}
	if err == nil {
		err = ErrUnknown
	}
	return nil, nil, err
}
