package subscribed

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// FuzzSubscription reads Subscriptions of all forms.
func FuzzSubscription(f *testing.F) {
	f.Add([]byte(`{"spec":{"source_id":"shop","event_type":"Order.Created","event_type_version":"v1"}}`))
	f.Add([]byte(`{"spec":{"filter":{"filters":[{"eventType":{"value":"sap.kyma.custom.shop.Order.Created.v1"}},1,null]}},"status":{"ready":true}}`))
	f.Add([]byte(`{"spec":{"source":"shop","types":["Order.Created.v1",""],"typeMatching":"standard"}}`))
	f.Add([]byte(`{"spec":{"types":[1],"typeMatching":"exact"},"status":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		object := &unstructured.Unstructured{}
		if json.Unmarshal(data, &object.Object) != nil || object.Object == nil {
			return
		}
		types := Resources{Application: "shop"}.typesOf(object, "shop")
		for _, each := range types {
			if each.Name == "" {
				t.Errorf("%s: a type without a name", data)
			}
			_ = each.Matches("Order.Created.v1")
		}
	})
}

type constant string

func (c constant) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(c)))}, nil
}

// FuzzEndpoint reads what publishers answer.
func FuzzEndpoint(f *testing.F) {
	f.Add(`{"eventsInfo":[{"name":"Order.Created","version":"v1"}]}`)
	f.Add(`{"eventsInfo":null}`)
	f.Add(`{"eventsInfo":[{"name":1}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		endpoint := Endpoint{URL: "http://publisher", Application: "shop", HTTP: httpclient.New(httpclient.Options{Transport: constant(body), Retry: httpclient.Retry{Attempts: 1}})}
		types, err := endpoint.Types(t.Context())
		if (err == nil) != (types != nil) {
			t.Errorf("%q: %v, %v", body, types, err)
		}
	})
}
