package eventgateway

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// hostNames are the hosts of MQTT deliveries and token endpoints, by name.
type hostNames map[string]string

// tokenName is what a delivery's token endpoint is called.
func tokenName(d *connector.Delivery) string { return d.Name + "-token" }

func newHostNames(d *connector.Definition, params expression.Input) (hostNames, error) {
	names := hostNames{}
	add := func(name, what string, v connector.Value) error {
		host, err := v.Text(params)
		if err != nil {
			return fmt.Errorf("delivery %q: %s: %w", name, what, err)
		}
		if names[name] = normalHost(host); host == "" {
			return fmt.Errorf("delivery %q: %s: is empty", name, what)
		}
		return nil
	}
	for i := range d.Deliveries {
		delivery := &d.Deliveries[i]
		if delivery.MQTT != nil {
			if err := add(delivery.Name, "mqtt.host", delivery.MQTT.Host); err != nil {
				return nil, err
			}
		}
		if delivery.Token != nil {
			if err := add(tokenName(delivery), "token.host", delivery.Token.Host); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// hostFlags replace hosts of the definition.
type hostFlags struct{ overrides []string }

func (f *hostFlags) bind(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.overrides, "hosts", nil, "another host for an MQTT delivery or its token endpoint than the definition's, such as mqtt=mqtt.example.com or mqtt-token=auth.example.com; repeatable")
}

// apply puts the hosts in place that were given.
func (f *hostFlags) apply(names hostNames) error {
	for _, override := range f.overrides {
		name, host, _ := strings.Cut(override, "=")
		if _, known := names[name]; !known {
			return fmt.Errorf("--hosts %q: want NAME=HOST, where NAME is one of: %s", override, strings.Join(slices.Sorted(maps.Keys(names)), ", "))
		}
		if names[name] = normalHost(host); host == "" {
			return fmt.Errorf("--hosts %q: the host is empty", override)
		}
	}
	return nil
}

// normalHost is a host as it is compared: without a port, in lower case.
func normalHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// router sends requests to handlers by host and path. What has no host of its own goes to rest.
type router struct {
	hosts map[string]*site
	rest  http.Handler
}

// site is what is served on one host.
type site struct {
	paths map[string]http.Handler
	every http.Handler // for every other path
}

func newRouter(rest http.Handler) *router { return &router{hosts: map[string]*site{}, rest: rest} }

// add serves a path on a host, or every path where it is empty.
func (r *router) add(name, host, path string, handler http.Handler) error {
	s, ok := r.hosts[host]
	if !ok {
		s = &site{paths: map[string]http.Handler{}}
		r.hosts[host] = s
	}
	if path == "" && s.every != nil || s.paths[path] != nil {
		return fmt.Errorf("delivery %q: its host %s is another delivery's already: give each one of its own", name, host)
	}
	if path == "" {
		s.every = handler
	} else {
		s.paths[path] = handler
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (r *router) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	handler := r.rest
	if s := r.hosts[normalHost(request.Host)]; s != nil {
		if at := s.paths[request.URL.Path]; at != nil {
			handler = at
		} else if s.every != nil {
			handler = s.every
		}
	}
	handler.ServeHTTP(w, request)
}
