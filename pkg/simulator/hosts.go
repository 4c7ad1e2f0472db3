package simulator

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// Hosts lists every in-cluster host and port of this generation with its handler, each name in the forms
// that a cluster's DNS knows: name.namespace, name.namespace.svc and name.namespace.svc.cluster.local.
// Names that depend on Applications and services are there for those that exist at the time of the call;
// Handler needs no list.
func (k *Kyma) Hosts() map[string]http.Handler {
	hosts := map[string]http.Handler{}
	add := func(name, namespace string, port int, handler http.Handler) {
		for _, domain := range []string{"", ".svc", ".svc.cluster.local"} {
			hosts[fmt.Sprintf("%s.%s%s:%d", name, namespace, domain, port)] = handler
		}
	}
	if k.options.Generation != Old {
		add("central-application-gateway", systemNamespace, 8080, k.ApplicationGateway())
		add("central-application-gateway", systemNamespace, 8081, k.part(PartGateway, gatewayHealth()))
		add("eventing-publisher-proxy", systemNamespace, 80, k.Publisher())
		return hosts
	}
	add("application-registry-external-api", integrationNamespace, 8081, k.Registry())
	if !k.options.Knative {
		add("eventing-event-publisher-proxy", systemNamespace, 80, k.Publisher())
	}
	for _, app := range k.cluster.List(k.resources.applications, "") {
		eventService := k.part(PartPublisher, k.eventService())
		for _, name := range []string{app.Name() + "-event-service", "app-" + app.Name() + "-event-service", app.Name() + "-event-service-external-api"} {
			add(name, integrationNamespace, 8081, eventService)
		}
	}
	for _, service := range k.cluster.List(k.resources.services, integrationNamespace) {
		if id := service.Labels()["serviceId"]; id != "" {
			add(service.Name(), integrationNamespace, 80, k.part(PartGateway, k.gateway.forService(service.Labels()["app"], id)))
		}
	}
	return hosts
}

// Handler serves every in-cluster host by the request's Host header; port 80 may be left out. A host that
// nobody serves answers 502.
func (k *Kyma) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(host, "80")
		}
		handler, ok := k.Hosts()[strings.ToLower(host)]
		if !ok {
			http.Error(w, "nobody serves "+host+" in this cluster", http.StatusBadGateway)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// eventService is what took events for one Application before the publisher proxy did: the same legacy
// route, but for CloudEvents it redirects, and Go's client turns a redirected POST into a GET without body.
func (k *Kyma) eventService() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		switch {
		case r.URL.Path == "/v1/health":
			w.WriteHeader(http.StatusOK)
		case len(segments) == 3 && segments[1] == "v2" && segments[2] == "events":
			http.Redirect(w, r, "http://"+segments[0]+"."+integrationNamespace, http.StatusMovedPermanently)
		case r.URL.Path == "/publish":
			http.NotFound(w, r)
		default:
			k.publisher.ServeHTTP(w, r)
		}
	})
}

// Subscribe makes a ready Subscription for events of a source, which is the name of the Application, and
// types such as "Account.Root.Created.v1". Its sink is a Service of the same name, which need not exist.
// With Knative there is a Trigger for each type, named <name>-<n> from the second on.
func (k *Kyma) Subscribe(namespace, name, source string, types ...string) error {
	if k.options.Knative {
		return k.makeTriggers(namespace, name, source, types)
	}
	sink := "http://" + name + "." + namespace + ".svc.cluster.local"
	spec := map[string]any{"sink": sink, "source": source, "types": types}
	if k.options.Generation == Old {
		filters := []any{}
		for _, eventType := range types {
			filters = append(filters, map[string]any{
				"eventSource": map[string]any{"property": "source", "type": "exact", "value": ""},
				"eventType":   map[string]any{"property": "type", "type": "exact", "value": typePrefix + "." + cleanApplication(source) + "." + eventType},
			})
		}
		spec = map[string]any{"sink": sink, "filter": map[string]any{"filters": filters}}
	}
	resource := k.resources.subscriptions
	_, err := k.cluster.Create(resource, kube.Object{
		"apiVersion": resource.APIVersion(), "kind": resource.Kind,
		"metadata": map[string]any{"name": name, "namespace": namespace}, "spec": spec,
	})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}
