package simulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// A cluster in which one event is wanted, and the publisher fails once before it takes it.
func ExampleNewKyma() {
	kyma, err := simulator.NewKyma(simulator.KymaOptions{Namespaces: []string{"team"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer kyma.Close()
	if err := kyma.Subscribe("team", "orders", "shop", "order.created.v1"); err != nil {
		fmt.Println(err)
	}
	if _, err := kyma.Faults().Add(simulator.Fault{Part: simulator.PartPublisher, Status: http.StatusServiceUnavailable, Times: 1}); err != nil {
		fmt.Println(err)
	}
	server := httptest.NewServer(kyma.Publisher())
	defer server.Close()
	for range 2 {
		const order = `{"event-type":"order.created","event-type-version":"v1","event-time":"2026-01-02T03:04:05Z","data":{"n":1}}`
		resp, err := http.Post(server.URL+"/shop/v1/events", "application/json", strings.NewReader(order))
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Println(resp.Status)
	}
	for _, published := range kyma.Events() {
		fmt.Println(published.Event.Type, published.Subscriptions)
	}
	// Output:
	// 503 Service Unavailable
	// 200 OK
	// order.created.v1 [team/orders]
	// sap.kyma.custom.shop.order.created.v1 []
}
