package sandbox

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/described"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// newSystem makes the simulated system: the one of the connector's name or, where there is none, what the
// connector's definition and samples say of it.
func (t *trial) newSystem() (simulator.System, error) {
	if slices.Contains(simulator.Systems(), t.System) {
		return simulator.NewSystem(t.System, t.Parameters)
	}
	return described.New(t.Definition, t.Parameters, described.Samples{Deliveries: t.Samples, Params: t.SampleParams, Answers: t.Answers})
}

// renew makes a recorded delivery one that proves its sender to this installation.
func (t *trial) renew(r simulator.Recorded) (simulator.Recorded, error) {
	return t.sandbox.system.(*described.System).Renew(r, t.own, time.Now())
}

// notifyRecorded lets a described system send to a delivery what was recorded of it.
func (t *trial) notifyRecorded(ctx context.Context, system *described.System, delivery *connector.Delivery) error {
	types := system.TypesOf(delivery)
	if len(types) == 0 {
		return nil // said before, where the definition's deliveries all have none
	}
	consumer := simulator.Consumer{Client: t.client, Renew: t.renew}
	if delivery.HTTP != nil {
		base, err := t.sandbox.network.entrance(http.MethodPost, delivery.HTTP.Path)
		if err != nil {
			return err
		}
		if err := t.toldToEnter(base, delivery); err != nil {
			return err
		}
		consumer.Endpoint = base + delivery.HTTP.Path
	} else {
		endpoint, tokenEndpoint, err := t.messaging(delivery)
		if err != nil {
			return err
		}
		consumer.Endpoint, consumer.Messaging = endpoint, &simulator.Messaging{TokenEndpoint: tokenEndpoint}
		if delivery.Token != nil {
			signedIn, err := t.consumer(delivery)
			if err != nil {
				return err
			}
			consumer.User, consumer.Password = signedIn.User, signedIn.Password
		}
	}
	if err := system.Connect(consumer); err != nil {
		return err
	}
	return t.fireAll(ctx, system, types)
}
