package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// messaging is where messages go by MQTT over WebSocket, and where their senders get tokens; the latter is
// empty where there are none.
func (t *trial) messaging(delivery *connector.Delivery) (endpoint, tokenEndpoint string, err error) {
	base, err := t.sandbox.network.entrance(http.MethodGet, "/")
	if err != nil {
		return "", "", err
	}
	endpoint = "ws" + strings.TrimPrefix(base, "http")
	if delivery.Token == nil {
		return endpoint, "", nil
	}
	base, err = t.sandbox.network.entrance(http.MethodPost, delivery.Token.Path)
	return endpoint, base + delivery.Token.Path, err
}

// notifyByMessages lets the simulated system connect with what the instructions say, send every event that
// it knows in both formats, and come back after the connection was cut.
func (t *trial) notifyByMessages(ctx context.Context, notifier simulator.Notifier, delivery *connector.Delivery) error {
	consumer, err := t.consumer(delivery)
	if err != nil {
		return err
	}
	for _, older := range []bool{false, true} {
		consumer.Legacy, consumer.Messaging.TokenInBody = older, older
		if err := notifier.Connect(consumer); err != nil {
			return err
		}
		for i, name := range notifier.Types() {
			if channel, ok := notifier.(simulator.Channel); ok && i == 1 {
				channel.Disconnect()
			}
			if err := t.fire(ctx, notifier, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// consumer is what an administrator enters in the system, whom the report has to tell all of it.
func (t *trial) consumer(delivery *connector.Delivery) (simulator.Consumer, error) {
	endpoint, tokenEndpoint, err := t.messaging(delivery)
	if err != nil {
		return simulator.Consumer{}, err
	}
	if host := strings.TrimPrefix(endpoint, "wss://"); len(t.status.Manual) > 0 && !t.instructed(host) {
		return simulator.Consumer{}, fmt.Errorf("the registration's report does not tell to enter the host %s", host)
	}
	if len(t.status.Manual) > 0 && !t.instructed(tokenEndpoint) {
		return simulator.Consumer{}, fmt.Errorf("the registration's report does not tell to enter the token endpoint %s", tokenEndpoint)
	}
	client, in := delivery.Token.Client, t.own.Input()
	if len(client.Secrets) == 0 {
		return simulator.Consumer{}, errors.New("the token endpoint knows no secret")
	}
	id, err := client.ID.Text(in)
	if err != nil {
		return simulator.Consumer{}, err
	}
	password, err := client.Secrets[0].Text(in)
	if err != nil {
		return simulator.Consumer{}, err
	}
	return simulator.Consumer{
		Endpoint: endpoint, User: id, Password: password, Client: t.client, RetryAfter: poll,
		Messaging: &simulator.Messaging{TokenEndpoint: tokenEndpoint},
	}, nil
}
