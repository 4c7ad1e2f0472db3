package application

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FuzzApplication reads Applications as anybody may have written them.
func FuzzApplication(f *testing.F) {
	f.Add([]byte(`{"metadata":{"annotations":{"kyma-connectors.io/reserved-secrets":"{\"a\":\"item-0\"}"}},"spec":{"services":[{"id":"1","displayName":"x","labels":{"kyma-connectors.io/instance":"ns/x"},"entries":[{"type":"API","apiType":"odata","credentials":{"secretName":"s"},"requestParametersSecretName":"p"}]}]}}`))
	f.Add([]byte(`{"metadata":{"annotations":{"kyma-connectors.io/reserved-secrets":"[]"}},"spec":{"services":[1,null,{"labels":[],"entries":{}},{"entries":[null,1,{"credentials":1}]}]}}`))
	f.Add([]byte(`{"metadata":1,"spec":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		object := &unstructured.Unstructured{}
		if json.Unmarshal(data, &object.Object) != nil || object.Object == nil {
			return
		}
		for _, service := range servicesOf(object) {
			_, _, _, _ = service.text("id"), service.instance(), service.digest(), service.isOData()
			for _, name := range service.secrets() {
				if name == "" {
					t.Errorf("%s: a Secret without a name", data)
				}
			}
		}
		_, _ = unused(object, "ns/x"), reservations(object)
	})
}
