package addonctl

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// deliver sends one delivery the way that it takes in.
func (o *sendOptions) deliver(ctx context.Context, client *http.Client, d *connector.Definition, to *connector.Params, r sample.Request) (sample.Answer, error) {
	delivery := sample.Delivery(d, r)
	if delivery == nil || delivery.MQTT == nil {
		return r.Send(ctx, client, o.url)
	}
	gateway, err := url.Parse(o.url)
	if err != nil {
		return sample.Answer{}, err
	}
	host, err := delivery.MQTT.Host.Text(to.Input())
	if err != nil {
		return sample.Answer{}, fmt.Errorf("host of delivery %q: %w", delivery.Name, err)
	}
	tokenEndpoint := ""
	if t := delivery.Token; t != nil {
		tokenHost, err := t.Host.Text(to.Input())
		if err != nil {
			return sample.Answer{}, fmt.Errorf("host of the token endpoint of delivery %q: %w", delivery.Name, err)
		}
		tokenEndpoint = gateway.Scheme + "://" + tokenHost + t.Path
	}
	return r.Publish(ctx, toGateway(gateway), "ws"+gateway.Scheme[len("http"):]+"://"+host, tokenEndpoint)
}

// toGateway is a client that connects to the gateway whatever host it is to call: a gateway tells MQTT and
// token endpoints apart by their hosts, which need not be known to this machine.
func toGateway(gateway *url.URL) *http.Client {
	port := cmp.Or(gateway.Port(), map[string]string{"http": "80", "https": "443"}[gateway.Scheme])
	address := net.JoinHostPort(gateway.Hostname(), port)
	dialer := &net.Dialer{Timeout: sendTimeout}
	return &http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
		},
	}
}
