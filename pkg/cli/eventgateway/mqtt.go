package eventgateway

import (
	"log/slog"
	"net/http"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/mqtt"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/token"
)

// withHosts adds to the webhooks what has a host of its own: MQTT deliveries and token endpoints. The
// services look after the sessions.
func (o *serveOptions) withHosts(s *setup, webhooks http.Handler, p *gateway.Pipeline, m *gateway.Metrics, logger *slog.Logger) (http.Handler, []gateway.Service, error) {
	r := newRouter(webhooks)
	var services []gateway.Service
	for i := range s.definition.Deliveries {
		delivery := &s.definition.Deliveries[i]
		if t := delivery.Token; t != nil {
			name := tokenName(delivery)
			if err := r.add(name, s.hosts[name], t.Path, token.NewEndpoint(s.tokens[i], p, m, o.forwardedHops)); err != nil {
				return nil, nil, err
			}
		}
		if delivery.MQTT == nil {
			continue
		}
		handler, err := mqtt.New(mqtt.Options{
			Route: s.routes[i], Pipeline: p, Metrics: m, Logger: logger,
			QoS: delivery.MQTT.QoS, MaxPacket: int64(delivery.MQTT.MaxPacket),
			MaxSessions: o.maxSessions, MaxBuffered: int64(o.maxBuffered), ForwardedHops: o.forwardedHops,
		})
		if err != nil {
			return nil, nil, err
		}
		if err := r.add(delivery.Name, s.hosts[delivery.Name], "", handler); err != nil {
			return nil, nil, err
		}
		services = append(services, gateway.Service{Name: "sessions of " + delivery.Name, Run: handler.Run})
	}
	if len(r.hosts) == 0 {
		return webhooks, nil, nil
	}
	return r, services, nil
}
