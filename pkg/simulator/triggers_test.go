package simulator_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// In Kyma 1.11 to 1.17 an event reaches those whose Trigger names its source, type and version.
func TestTriggersDecideWhoGetsAnEvent(t *testing.T) {
	t.Parallel()
	_, err := simulator.NewKyma(simulator.KymaOptions{Knative: true})
	require.ErrorContains(t, err, "only an old Kyma has Knative")
	kyma, err := simulator.NewKyma(simulator.KymaOptions{Generation: simulator.Old, Knative: true, Applications: []string{"shop"}, Namespaces: []string{"apps"}})
	require.NoError(t, err)
	t.Cleanup(kyma.Close)
	require.NoError(t, kyma.Subscribe("apps", "mail", "shop", "Order.Created.v1", "Order.Deleted.v1"))
	require.NoError(t, kyma.Subscribe("apps", "other", "another", "Order.Created.v1"))

	const host = "http://shop-event-service.kyma-integration:8081"
	call := func(method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		kyma.Handler().ServeHTTP(w, httptest.NewRequest(method, host+path, strings.NewReader(body)))
		return w
	}
	publish := func(eventType, version string) int {
		return call("POST", "/shop/v1/events", `{"event-type":"`+eventType+`","event-type-version":"`+version+`","event-time":"2026-01-01T00:00:00Z","data":{"a":1}}`).Code
	}
	for _, e := range [][2]string{{"Order.Created", "v1"}, {"Order.Created", "v2"}, {"Order.Paid", "v1"}} {
		assert.Equal(t, http.StatusOK, publish(e[0], e[1]), "whoever wants it")
	}
	events := kyma.Events()
	require.Len(t, events, 3)
	assert.Equal(t, []string{"apps/mail"}, events[0].Subscriptions)
	assert.Equal(t, "shop", events[0].Event.Source)
	assert.Equal(t, "Order.Created", events[0].Event.Type, "the version is an attribute of its own")
	assert.True(t, events[1].Dropped(), "another version")
	assert.True(t, events[2].Dropped())
	assert.JSONEq(t, `{"eventsInfo":[{"name":"Order.Created","version":"v1"},{"name":"Order.Deleted","version":"v1"}]}`,
		call("GET", "/shop/v1/events/subscribed", "").Body.String())
	w := httptest.NewRecorder()
	kyma.Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://eventing-event-publisher-proxy.kyma-system/healthz", nil))
	assert.Equal(t, http.StatusBadGateway, w.Code, "there is no publisher yet")
}
