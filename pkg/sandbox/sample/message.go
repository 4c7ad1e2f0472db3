package sample

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// A message that came by MQTT over WebSocket is recorded as the request that opened the connection, with the
// message as its body and two headers more. The Authorization is that of the token request (Basic: client id
// and secret), because a recorded token would have expired.
const (
	topicHeader   = "Mqtt-Topic"
	qualityHeader = "Mqtt-Qos"
)

// qualities are the qualities of service by what the header says.
func qualities() map[string]simulator.Quality {
	return map[string]simulator.Quality{
		"": simulator.AtLeastOnce, "0": simulator.AtMostOnce, "1": simulator.AtLeastOnce, "2": simulator.ExactlyOnce,
	}
}

// Message says whether the delivery is a message that came by MQTT over WebSocket.
func (r Request) Message() bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") && r.Header.Get(topicHeader) != ""
}

// Publish sends the message to the MQTT server at endpoint, such as "wss://host/". Where it carries client
// credentials and there is a tokenEndpoint, it gets itself a token first. The answer has the status that
// HTTP would have: 202 for one that was acknowledged, 503 for one that was not; otherwise the one with
// which the token or the connection was refused.
func (r Request) Publish(ctx context.Context, client *http.Client, endpoint, tokenEndpoint string) (Answer, error) {
	quality, ok := qualities()[r.Header.Get(qualityHeader)]
	if !ok {
		return Answer{}, fmt.Errorf("header %s: want 0, 1 or 2", qualityHeader)
	}
	p := simulator.Publication{
		Endpoint: strings.TrimSuffix(endpoint, "/") + r.Target, Authorization: r.Header.Get("Authorization"),
		Client: client, Topic: r.Header.Get(topicHeader), Payload: r.Body, Quality: quality,
	}
	if user, password, basic := (&http.Request{Header: r.Header}).BasicAuth(); basic && tokenEndpoint != "" {
		p.TokenEndpoint, p.User, p.Password = tokenEndpoint, user, password
	}
	status, err := simulator.Publish(ctx, p)
	if err != nil {
		return Answer{}, fmt.Errorf("send the message: %w", err)
	}
	return Answer{Status: status}, nil
}

// client is the proof of a client that gets its tokens from the delivery's own endpoint.
func client(t *connector.TokenEndpoint) *scheme {
	return &scheme{presented: authorization, stamp: noStamp, proofs: func(_ Request, p *connector.Params) ([]string, error) {
		id, err := t.Client.ID.Text(p.Input())
		if err != nil || id == "" {
			return nil, err
		}
		return each(t.Client.Secrets, p, func(secret string) (string, error) {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret)), nil
		})
	}}
}

// Topic is the topic of a message that came by MQTT, and its quality of service.
func (r Request) Topic() (string, simulator.Quality) {
	return r.Header.Get(topicHeader), qualities()[r.Header.Get(qualityHeader)]
}
