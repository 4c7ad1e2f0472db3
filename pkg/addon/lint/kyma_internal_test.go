package lint

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonschema"
	"github.com/kyma-connectors/kyma-connectors/schemas"
)

// TestKymaKinds: every schema compiles, takes an object that its definition takes, and refuses one with another field.
func TestKymaKinds(t *testing.T) {
	t.Parallel()
	data, err := schemas.Read(schemas.Kyma)
	require.NoError(t, err)
	var file struct {
		Definitions map[string]json.RawMessage `json:"definitions"`
	}
	require.NoError(t, json.Unmarshal(data, &file))
	const rule = `"path":"/a","methods":["POST"]`
	good := map[string]string{
		"gateway.kyma-project.io/v2/APIRule":             `{"hosts":["a.example.com"],"gateway":"a/b","service":{"name":"a","port":80},"rules":[{` + rule + `,"noAuth":true}]}`,
		"gateway.kyma-project.io/v2alpha1/APIRule":       `{"hosts":["a"],"gateway":"a/b","rules":[{"path":"/{**}","methods":["GET"],"noAuth":true,"service":{"name":"a","port":80}}]}`,
		"gateway.kyma-project.io/v1beta1/APIRule":        `{"host":"a","gateway":"a.b.svc.cluster.local","service":{"name":"a","port":80},"rules":[{` + rule + `,"accessStrategies":[{"handler":"allow"}]}]}`,
		"gateway.kyma-project.io/v1alpha1/APIRule":       `{"gateway":"a.b.svc.cluster.local","service":{"name":"a","port":80,"host":"a"},"rules":[{` + rule + `,"accessStrategies":[{"handler":"allow"}]}]}`,
		"eventing.kyma-project.io/v1alpha2/Subscription": `{"sink":"http://a.b.svc.cluster.local:80/x","source":"a","types":["a.b.v1"],"typeMatching":"standard","config":{"maxInFlightMessages":"5"}}`,
		"eventing.kyma-project.io/v1alpha1/Subscription": `{"sink":"http://a.b.svc.cluster.local","filter":{"filters":[{"eventSource":{"property":"source","type":"exact","value":""},"eventType":{"property":"type","value":"a"}}]}}`,
		"security.istio.io/v1/AuthorizationPolicy":       `{"selector":{"matchLabels":{"a":"b"}},"action":"ALLOW","rules":[{"from":[{"source":{"principals":["a"]}}],"to":[{"operation":{"ports":["8080"]}}]}]}`,
		"security.istio.io/v1beta1/AuthorizationPolicy":  `{}`,

		"applicationconnector.kyma-project.io/v1alpha1/Application":        `{"description":"a","encodeUrl":false,"services":[{"id":"a","name":"a","displayName":"a","providerDisplayName":"a","description":"a","entries":[{"type":"API","targetUrl":"https://a","credentials":{"type":"Basic","secretName":"a"}},{"type":"Events"}]}]}`,
		"applicationconnector.kyma-project.io/v1alpha1/ApplicationMapping": `{"services":[{"id":"a"}]}`,
		"applicationconnector.kyma-project.io/v1alpha1/EventActivation":    `{"sourceId":"a","displayName":"a"}`,
		"gateway.kyma-project.io/v1alpha2/Api":                             `{"hostname":"a","service":{"name":"a","port":80},"authentication":[{"type":"JWT","jwt":{"issuer":"https://a","jwksUri":"https://a"}}]}`,
		"addons.kyma-project.io/v1alpha1/AddonsConfiguration":              `{"reprocessRequest":1,"repositories":[{"url":"https://a/index.yaml","secretRef":{"name":"a","namespace":"b"}}]}`,
		"addons.kyma-project.io/v1alpha1/ClusterAddonsConfiguration":       `{"repositories":[]}`,
		"servicecatalog.k8s.io/v1beta1/ServiceInstance":                    `{"clusterServiceClassExternalName":"a","clusterServicePlanExternalName":"default","parameters":{"a":1},"parametersFrom":[{"secretKeyRef":{"name":"a","key":"b"}}]}`,
		"servicecatalog.k8s.io/v1beta1/ServiceBinding":                     `{"instanceRef":{"name":"a"},"secretName":"b"}`,
		"servicecatalog.k8s.io/v1beta1/ServiceBroker":                      `{"url":"http://a","authInfo":{"basic":{"secretRef":{"name":"a"}}}}`,
		"servicecatalog.k8s.io/v1beta1/ClusterServiceBroker":               `{"url":"http://a","relistBehavior":"Duration","relistDuration":"15m"}`,
		"servicecatalog.kyma-project.io/v1alpha1/ServiceBindingUsage":      `{"serviceBindingRef":{"name":"a"},"usedBy":{"kind":"deployment","name":"a"},"parameters":{"envPrefix":{"name":"A_"}}}`,
		"servicecatalog.kyma-project.io/v1alpha1/UsageKind":                `{"displayName":"a","labelsPath":"spec.template.metadata.labels","resource":{"group":"apps","version":"v1","kind":"deployment"}}`,
		"networking.istio.io/v1/Gateway":                                   `{"selector":{"istio":"ingressgateway"},"servers":[{"port":{"number":443,"name":"https","protocol":"HTTPS"},"tls":{"mode":"SIMPLE"},"hosts":["a"]}]}`,
		"networking.istio.io/v1beta1/Gateway":                              `{"servers":[]}`,
		"networking.istio.io/v1alpha3/Gateway":                             `{"servers":[]}`,
		"networking.istio.io/v1/VirtualService":                            `{"hosts":["a"],"gateways":["a/b"],"http":[{"match":[{"uri":{"prefix":"/"}}],"route":[{"destination":{"host":"a","port":{"number":80}},"weight":100}],"timeout":"3s"}]}`,
		"networking.istio.io/v1beta1/VirtualService":                       `{"hosts":["a"]}`,
		"networking.istio.io/v1alpha3/VirtualService":                      `{"hosts":["a"]}`,
		"security.istio.io/v1/PeerAuthentication":                          `{"selector":{"matchLabels":{"a":"b"}},"mtls":{"mode":"STRICT"},"portLevelMtls":{"8080":{"mode":"PERMISSIVE"}}}`,
		"security.istio.io/v1beta1/PeerAuthentication":                     `{}`,
	}
	var names []string
	for kind := range file.Definitions {
		if strings.Contains(kind, "/") {
			assert.Contains(t, good, kind)
			names = append(names, kind[strings.LastIndex(kind, "/")+1:])
		}
	}
	slices.Sort(names)
	assert.Equal(t, slices.Compact(names), kymaNames)
	for kind, spec := range good {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			kinds := &kymaKinds{compiled: map[string]*jsonschema.Schema{}}
			require.NotNil(t, kinds.compile(kind))
			at := strings.LastIndex(kind, "/")
			object := func(spec string) Manifest {
				return Manifest{Kind: kind[at+1:], Content: []byte(`{"apiVersion":"` + kind[:at] + `","kind":"` + kind[at+1:] + `","metadata":{"name":"a"},"spec":` + spec + `}`)}
			}
			assert.Empty(t, kinds.check(object(spec)))
			other := strings.Replace(strings.TrimSuffix(spec, "}")+`,"other":1}`, "{,", "{", 1)
			assert.NotEmpty(t, kinds.check(object(other)))
		})
	}
	eventBus := Manifest{Kind: "Subscription", Content: []byte(`{"apiVersion":"eventing.kyma-project.io/v1alpha1","kind":"Subscription","spec":{"event_type":"a","event_type_version":"v1","source_id":"a","endpoint":"http://a.b/c"}}`)}
	assert.Empty(t, (&kymaKinds{compiled: map[string]*jsonschema.Schema{}}).check(eventBus), "the one of Kyma before 1.17")
}
