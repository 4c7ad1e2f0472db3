package subscribed_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube/kubetest"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/subscribed"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

func start(t *testing.T, generation simulator.Generation) (*kubetest.Server, *kube.Client) {
	t.Helper()
	server, err := kubetest.New(simulator.KymaOptions{Generation: generation, Applications: []string{"my-shop"}, Namespaces: []string{"apps"}})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	client, err := kube.NewForConfig(server.Config(), kube.Options{})
	require.NoError(t, err)
	return server, client
}

func put(t *testing.T, server *kubetest.Server, version, name, spec string) {
	t.Helper()
	require.NoError(t, server.Put("/apis/eventing.kyma-project.io/"+version+"/namespaces/apps/subscriptions/"+name,
		`{"apiVersion": "eventing.kyma-project.io/`+version+`", "kind": "Subscription", "spec": `+spec+`}`))
}

const sink = `"sink": "http://a.apps.svc.cluster.local"`

func TestSubscriptionsOfToday(t *testing.T) {
	t.Parallel()
	server, client := start(t, simulator.Current)
	put(t, server, "v1alpha2", "standard", `{`+sink+`, "source": "my-shop", "types": ["Order.Created.v1", "Order.Item.Added.v1"]}`)
	put(t, server, "v1alpha2", "exact", `{`+sink+`, "source": "", "typeMatching": "exact", "types": ["sap.kyma.custom.myshop.OrderItem.Removed.v1", "sap.kyma.custom.other.Order.Created.v1"]}`)
	put(t, server, "v1alpha2", "another", `{`+sink+`, "source": "other", "types": ["Order.Deleted.v1"]}`)
	put(t, server, "v1alpha2", "broken", `{`+sink+`, "source": "my-shop", "types": ["nodots"]}`)

	types, err := subscribed.Resources{Cluster: client, Application: "my-shop"}.Types(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, []subscribed.Type{
		{Name: "Order.Created.v1", Ready: true}, {Name: "Order.Item.Added.v1", Ready: true},
		{Name: "OrderItem.Removed.v1", Merged: true, Ready: true},
		{Name: "nodots"},
	}, types)
	known := []string{"Order.Created.v1", "Order.Item.Added.v1", "Order.Item.Removed.v1", "Order.Deleted.v1", "nodots"}
	assert.Equal(t, []string{"Order.Created.v1", "Order.Item.Added.v1", "Order.Item.Removed.v1", "nodots"}, subscribed.Select(types, known, false))
	assert.Equal(t, []string{"Order.Created.v1", "Order.Item.Added.v1", "Order.Item.Removed.v1"}, subscribed.Select(types, known, true))
}

func TestApplicationTypeReplacesTheSource(t *testing.T) {
	t.Parallel()
	server, client := start(t, simulator.Current)
	require.NoError(t, server.Put("/apis/applicationconnector.kyma-project.io/v1alpha1/applications/my-shop",
		`{"apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application", "metadata": {"labels": {"Application-Type": "commerce"}}, "spec": {}}`))
	put(t, server, "v1alpha2", "one", `{`+sink+`, "source": "my-shop", "types": ["Never.Delivered.v1"]}`)
	put(t, server, "v1alpha2", "two", `{`+sink+`, "source": "commerce", "types": ["Order.Created.v1"]}`)
	types, err := subscribed.Resources{Cluster: client, Application: "my-shop"}.Types(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []subscribed.Type{{Name: "Order.Created.v1", Ready: true}}, types)
}

func TestOlderSubscriptions(t *testing.T) {
	t.Parallel()
	server, client := start(t, simulator.Old)
	put(t, server, "v1alpha1", "filters", `{`+sink+`, "filter": {"filters": [
		{"eventSource": {"value": ""}, "eventType": {"property": "type", "type": "exact", "value": "custom.prefix.myshop.Order.Created.v1"}},
		{"eventSource": {"value": ""}, "eventType": {"property": "type", "type": "exact", "value": "custom.prefix.my-shop.Order.Item.Added.v1"}},
		{"eventType": {"value": "custom.prefix.other.Order.Created.v1"}}, {}]}}`)
	put(t, server, "v1alpha1", "event-bus", `{"event_type": "order.changed", "event_type_version": "v2", "source_id": "my-shop", "endpoint": "http://a.apps"}`)
	put(t, server, "v1alpha1", "event-bus-other", `{"event_type": "order.changed", "event_type_version": "v2", "source_id": "other", "endpoint": "http://a.apps"}`)
	types, err := subscribed.Resources{Cluster: client, Application: "my-shop", Prefix: "custom.prefix"}.Types(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, []subscribed.Type{
		{Name: "Order.Created.v1", Merged: true, Ready: true}, {Name: "Order.Item.Added.v1", Merged: true, Ready: true}, {Name: "order.changed.v2", Ready: true},
	}, types)
}

// In Kyma 1.11 to 1.22 workloads subscribe by Triggers. Since 2.12, those of a Knative of one's own get nothing of Kyma's.
func TestTriggers(t *testing.T) {
	t.Parallel()
	server, err := kubetest.New(simulator.KymaOptions{Generation: simulator.Old, Knative: true, Applications: []string{"my-shop"}, Namespaces: []string{"apps"}})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	client, err := kube.NewForConfig(server.Config(), kube.Options{})
	require.NoError(t, err)
	resources := subscribed.Resources{Cluster: client, Application: "my-shop"}
	trigger := func(name, spec string) {
		require.NoError(t, server.Put("/apis/eventing.knative.dev/v1alpha1/namespaces/apps/triggers/"+name,
			`{"apiVersion": "eventing.knative.dev/v1alpha1", "kind": "Trigger", "spec": `+spec+`}`))
	}
	trigger("one", `{"filter": {"attributes": {"source": "my-shop", "type": "Order.Created", "eventtypeversion": "v1"}}}`)
	trigger("all-versions", `{"filter": {"attributes": {"source": "my-shop", "type": "Order.Paid"}}}`)
	trigger("first-form", `{"filter": {"sourceAndType": {"source": "Any", "type": "Order.Sent"}}}`)
	trigger("another", `{"filter": {"attributes": {"source": "other", "type": "Order.Deleted", "eventtypeversion": "v1"}}}`)
	put(t, server, "v1alpha1", "event-bus", `{"event_type": "order.changed", "event_type_version": "v2", "source_id": "my-shop", "endpoint": "http://a.apps"}`)

	types, err := resources.Types(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, []subscribed.Type{
		{Name: "Order.Created.v1", Ready: true}, {Name: "Order.Paid", AnyVersion: true, Ready: true}, {Name: "Order.Sent", AnyVersion: true, Ready: true},
		{Name: "order.changed.v2", Ready: true},
	}, types)
	known := []string{"Order.Created.v1", "Order.Created.v2", "Order.Paid.v1", "Order.Sent.v3", "Order.Deleted.v1"}
	assert.Equal(t, []string{"Order.Created.v1", "Order.Paid.v1", "Order.Sent.v3"}, subscribed.Select(types, known, true))

	trigger("everything", `{"broker": "default"}`)
	types, err = resources.Types(t.Context())
	require.NoError(t, err)
	assert.Equal(t, known, subscribed.Select(types, known, true), "without a filter all events pass")

	resources.Version = "v1alpha2"
	_, err = resources.Types(t.Context())
	require.Error(t, err, "the version that was given is asked for")

	resources.Version = ""
	server.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
		if strings.HasSuffix(call.Path, "/triggers") {
			return kubetest.Status(403, "Forbidden", "no")
		}
		return nil
	})
	_, err = resources.Types(t.Context())
	require.ErrorContains(t, err, "this account may not list triggers", "half an answer is none")
}

// What is not ready gets no events yet.
func TestTriggersThatAreNotReady(t *testing.T) {
	t.Parallel()
	server, err := kubetest.New(simulator.KymaOptions{Generation: simulator.Old, Knative: true, Namespaces: []string{"apps"}})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	require.NoError(t, server.Kyma().Subscribe("apps", "mail", "my-shop", "Order.Created.v1"))
	client, err := kube.NewForConfig(server.Config(), kube.Options{})
	require.NoError(t, err)
	types, err := subscribed.Resources{Cluster: pending{client}, Application: "my-shop"}.Types(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []subscribed.Type{{Name: "Order.Created.v1"}}, types)
}

// pending is a cluster whose objects nobody has looked at yet.
type pending struct{ subscribed.Cluster }

func (p pending) List(ctx context.Context, ref kube.Ref, selector string) ([]unstructured.Unstructured, error) {
	objects, err := p.Cluster.List(ctx, ref, selector)
	for i := range objects {
		delete(objects[i].Object, "status")
	}
	return objects, err
}

func TestClusterThatDoesNotSay(t *testing.T) {
	t.Parallel()
	server, client := start(t, simulator.Current)
	resources := subscribed.Resources{Cluster: client, Application: "my-shop"}

	server.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
		if strings.Contains(call.Path, "eventing") {
			return kubetest.NotServed
		}
		return nil
	})
	_, err := resources.Types(t.Context())
	require.ErrorIs(t, err, subscribed.ErrUnknown)

	server.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
		if strings.HasSuffix(call.Path, "/subscriptions") {
			return kubetest.Status(403, "Forbidden", "no")
		}
		return nil
	})
	_, err = resources.Types(t.Context())
	require.ErrorContains(t, err, "this account may not list subscriptions")

	server.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
		if strings.Contains(call.Path, "/applications/") {
			return kubetest.Status(403, "Forbidden", "no")
		}
		return nil
	})
	types, err := resources.Types(t.Context())
	require.NoError(t, err, "an Application that may not be read has no application-type")
	assert.Empty(t, types)
}

func endpoint(t *testing.T, handler http.Handler) subscribed.Endpoint {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return subscribed.Endpoint{HTTP: httpclient.New(httpclient.Options{Timeout: 5 * time.Second, MaxBody: 1 << 20, Retry: httpclient.Retry{Attempts: 1}}), URL: server.URL + "/", Application: "my-shop"}
}

func TestPublisherSaysTheSame(t *testing.T) {
	t.Parallel()
	server, _ := start(t, simulator.Current)
	put(t, server, "v1alpha2", "standard", `{`+sink+`, "source": "my-shop", "types": ["Order.Created.v1"]}`)
	put(t, server, "v1alpha2", "exact", `{`+sink+`, "source": "", "typeMatching": "exact", "types": ["sap.kyma.custom.myshop.OrderItem.Added.v1"]}`)
	types, err := endpoint(t, server.Kyma().Publisher()).Types(t.Context())
	require.NoError(t, err)
	known := []string{"Order.Created.v1", "Order.Item.Added.v1", "Order.Deleted.v1"}
	assert.Equal(t, known[:2], subscribed.Select(types, known, true))
}

func TestPublishersThatDoNotSay(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	tests := map[string]struct {
		handler http.Handler
		want    string
		unknown bool
	}{
		"too old":       {answer(404, ""), "does not say which event types", true},
		"not allowed":   {answer(405, ""), "does not say which event types", true},
		"failing":       {answer(500, `{"code":500}`), "answers 500", false},
		"login page":    {answer(200, "<html>"), "is not understood", false},
		"another shape": {answer(200, `{"events":[]}`), "is not understood", false},
		"huge":          {answer(200, strings.Repeat(" ", 2<<20)), "larger than", false},
		"a type without a dot ends the connection": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { kubetest.Cut(w, r) }), "ask for subscribed event types", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := endpoint(t, test.handler).Types(t.Context())
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, test.unknown, errors.Is(err, subscribed.ErrUnknown))
		})
	}
	types, err := endpoint(t, answer(200, `{"eventsInfo":[]}`)).Types(t.Context())
	require.NoError(t, err)
	assert.Empty(t, types)
}
