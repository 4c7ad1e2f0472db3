package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/mqtt"
)

// publisherID is what a client of Publish calls itself.
const publisherID = "publisher"

// Publication is one message that is sent by MQTT over WebSocket, on a connection of its own.
type Publication struct {
	// Endpoint begins with wss:// or ws://.
	Endpoint string
	// TokenEndpoint is the URL that gives access tokens to User and Password. Without it, Authorization is the
	// header of that name.
	TokenEndpoint, User, Password string
	Authorization                 string
	// Client makes the connections; nil means a client with a time-out of 10 s.
	Client  *http.Client
	Topic   string
	Payload []byte
	Quality Quality
}

// Publish sends the message and waits until it is acknowledged, at most 10 s. The status says what came of it
// as HTTP would: 202 where it was acknowledged (or, with AtMostOnce, sent), 503 where it was not; otherwise
// the status with which the token endpoint or the upgrade was refused. An error means that there was no answer.
func Publish(ctx context.Context, p Publication) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, channelAckTimeout)
	defer cancel()
	consumer := Consumer{
		Endpoint: p.Endpoint, User: p.User, Password: p.Password, Client: cmp.Or(p.Client, &http.Client{Timeout: outboundTimeout}),
		Messaging: &Messaging{TokenEndpoint: p.TokenEndpoint, Subprotocol: "mqtt", KeepAlive: channelKeepAlive},
	}
	authorization := p.Authorization
	if p.TokenEndpoint != "" {
		token, _, err := fetchToken(ctx, consumer)
		if err != nil {
			return refusedBy(err)
		}
		authorization = "Bearer " + token
	}
	conn, err := dialMQTT(ctx, ctx, consumer, authorization, publisherID)
	if err != nil {
		return refusedBy(err)
	}
	defer conn.Close()
	message := &mqtt.Message{Topic: p.Topic, Payload: p.Payload, QoS: p.Quality.level(), ID: 1}
	if err := conn.Publish(ctx, message); err != nil {
		if ctx.Err() == nil && conn.Err() != nil {
			return http.StatusServiceUnavailable, nil // it was told to come back
		}
		return 0, fmt.Errorf("publish: %w", err)
	}
	return http.StatusAccepted, nil
}

func refusedBy(err error) (int, error) {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.status, nil
	}
	return 0, err
}

// level is the number that the protocol has for it.
func (q Quality) level() byte {
	return map[Quality]byte{AtMostOnce: 0, AtLeastOnce: 1, ExactlyOnce: 2}[q]
}
