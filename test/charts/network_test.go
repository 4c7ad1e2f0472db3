package charts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
)

// In a namespace that denies everything, each pod has a policy that says what it may, both ways.
func TestEveryPodHasANetworkPolicy(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, _ installation, os objects) {
		var policies []networkingv1.NetworkPolicy
		for _, o := range os.ofKind("NetworkPolicy") {
			policy := into[networkingv1.NetworkPolicy](t, o)
			assert.ElementsMatch(t, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, policy.Spec.PolicyTypes)
			assert.NotEmpty(t, policy.Spec.Egress)
			policies = append(policies, policy)
		}
		for name, pod := range os.pods(t) {
			found := 0
			for _, policy := range policies {
				selects := true
				for key, value := range policy.Spec.PodSelector.MatchLabels {
					selects = selects && pod.Labels[key] == value
				}
				if selects {
					found++
				}
			}
			assert.Equal(t, 1, found, "%s", name)
		}
	})
}

// ports are those that a policy opens, with the peers that they are open to: "any", or the names of namespaces and apps.
func ports[R any](rules []R, of func(R) ([]networkingv1.NetworkPolicyPeer, []networkingv1.NetworkPolicyPort)) map[int][]string {
	out := map[int][]string{}
	for _, rule := range rules {
		peers, open := of(rule)
		var names []string
		for _, peer := range peers {
			name := ""
			if peer.NamespaceSelector != nil {
				name = peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"]
				if name == "" {
					name = "*"
				}
			}
			if peer.PodSelector != nil {
				name += "/" + peer.PodSelector.MatchLabels["app"] + peer.PodSelector.MatchLabels["app.kubernetes.io/name"]
			}
			names = append(names, name)
		}
		if len(peers) == 0 {
			names = []string{"any"}
		}
		for _, port := range open {
			out[port.Port.IntValue()] = names
		}
	}
	return out
}

func ingress(p networkingv1.NetworkPolicy) map[int][]string {
	return ports(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) ([]networkingv1.NetworkPolicyPeer, []networkingv1.NetworkPolicyPort) {
		return r.From, r.Ports
	})
}

func egress(p networkingv1.NetworkPolicy) map[int][]string {
	return ports(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) ([]networkingv1.NetworkPolicyPeer, []networkingv1.NetworkPolicyPort) {
		return r.To, r.Ports
	})
}

func TestNetworkOfTheGateway(t *testing.T) {
	t.Parallel()
	of := func(in installation) networkingv1.NetworkPolicy {
		return into[networkingv1.NetworkPolicy](t, render(t, in).find(t, "NetworkPolicy", "my-c4c-gateway"))
	}
	anywhere := []string{"any"}
	kyma := []string{"kyma-system", "kyma-integration"}

	policy := of(install(form()).on("kyma today"))
	assert.Equal(t, map[int][]string{8080: {"istio-system/istio-ingressgateway"}, 8081: {"*/prometheus", "/c4c-connector"}}, ingress(policy), "metrics are for Prometheus, and for helm test")
	assert.Equal(t, map[int][]string{53: anywhere, 8053: anywhere, 8080: kyma, 8081: kyma, 15012: {"istio-system"}}, egress(policy), "not the system, not the API server")

	relay := of(varietyOf(nil).on("kyma today"))
	assert.Equal(t, []string{"/", "kyma-system"}, ingress(relay)[8082], "this namespace and Kyma's dispatcher")
	assert.Equal(t, anywhere, egress(relay)[443], "the relay calls the system")
	assert.Equal(t, anywhere, egress(relay)[8443], "at the port that the form names")

	old := of(install(form()).on("kyma 1.6"))
	assert.Equal(t, []string{"*/istio-ingressgateway"}, ingress(old)[8080], "namespaces have no label with their name yet")

	open := of(install(form().with(values{"exposure": values{"type": "ingress"}})).on("no kyma"))
	assert.Equal(t, anywhere, ingress(open)[8080])
	narrow := of(install(form().with(values{"exposure": values{"type": "ingress"}, "networkPolicy": values{
		"publicFrom":  []any{values{"namespaceSelector": values{"matchLabels": values{"kubernetes.io/metadata.name": "ingress-nginx"}}}},
		"metricsFrom": []any{values{"namespaceSelector": values{"matchLabels": values{"kubernetes.io/metadata.name": "monitoring"}}}},
	}})).on("no kyma"))
	assert.Equal(t, map[int][]string{8080: {"ingress-nginx"}, 8081: {"monitoring", "/c4c-connector"}}, ingress(narrow))
	closed := of(install(form().with(values{"exposure": values{"type": "none"}})))
	assert.NotContains(t, ingress(closed), 8080)

	withoutMesh := of(install(form().with(values{"mesh": values{"enabled": false}})))
	assert.NotContains(t, egress(withoutMesh), 15012)
}

func TestNetworkOfOtherSinks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values values
		want   []int
	}{
		{"a port", values{"sink": values{"kind": "cloudevents", "url": "http://broker.example.com:9000/a:1"}}, []int{9000}},
		{"https", values{"sink": values{"kind": "cloudevents", "url": "https://broker.example.com/a"}}, []int{443}},
		{"http, whose Service may stand for another port", values{"sink": values{"kind": "cloudevents", "url": "http://broker.ns"}}, []int{80, 8080}},
		{"NATS", values{"sink": values{"kind": "nats", "url": "nats://a:4223,nats://b"}}, []int{4222, 4223}},
		{"JetStream as the buffer", values{"buffer": values{"type": "jetstream", "jetstream": values{"url": "nats://nats:4222"}}}, []int{4222}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			policy := into[networkingv1.NetworkPolicy](t, render(t, install(form().with(tt.values))).find(t, "NetworkPolicy", "my-c4c-gateway"))
			for _, port := range tt.want {
				assert.Equal(t, []string{"any"}, egress(policy)[port])
			}
		})
	}
}

func TestNetworkOfTheJobs(t *testing.T) {
	t.Parallel()
	over := form().with(values{"system_url": "https://c4c.internal.example.com:8443/tenant"})
	os := render(t, install(over).on("kyma today"))
	anywhere := []string{"any"}
	kyma := []string{"kyma-system", "kyma-integration"}

	registration := into[networkingv1.NetworkPolicy](t, os.find(t, "NetworkPolicy", "my-c4c-registration"))
	assert.Empty(t, registration.Spec.Ingress, "nobody calls a Job")
	assert.Equal(t, map[int][]string{53: anywhere, 8053: anywhere, 443: anywhere, 6443: anywhere, 8443: anywhere, 8080: kyma, 8081: kyma}, egress(registration))

	prepare := into[networkingv1.NetworkPolicy](t, os.find(t, "NetworkPolicy", "my-c4c-prepare"))
	assert.Equal(t, map[int][]string{53: anywhere, 8053: anywhere, 443: anywhere, 6443: anywhere}, egress(prepare), "the API server only")

	check := into[networkingv1.NetworkPolicy](t, os.find(t, "NetworkPolicy", "my-c4c-test"))
	assert.Equal(t, []string{"istio-system"}, egress(check)[15012])
}

// TestNetworkOfTheJobsThatCatchUp: what posts events to the gateway's public address comes through where that is in
// the cluster itself.
func TestNetworkOfTheJobsThatCatchUp(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, in installation, all objects) {
		data, err := os.ReadFile(filepath.Join(in.chart, "files", "connector.yaml"))
		require.NoError(t, err)
		wanted := strings.Contains(string(data), "catchUp:") || strings.Contains(fmt.Sprint(in.values), ":8443")
		for _, o := range all.ofKind("NetworkPolicy") {
			if policy := into[networkingv1.NetworkPolicy](t, o); strings.HasSuffix(policy.Name, "-registration") {
				_, open := egress(policy)[8443]
				assert.Equal(t, wanted, open)
			}
		}
	})
}

func TestNetworkPoliciesAreExtended(t *testing.T) {
	t.Parallel()
	rule := func(port int) []any { return []any{values{"ports": []any{values{"port": port}}}} }
	os := render(t, install(form().with(values{"networkPolicy": values{"extraIngress": rule(7001), "extraEgress": rule(7002)}})))
	for _, name := range []string{"my-c4c-gateway", "my-c4c-registration", "my-c4c-test", "my-c4c-prepare"} {
		_, open := egress(into[networkingv1.NetworkPolicy](t, os.find(t, "NetworkPolicy", name)))[7002]
		assert.True(t, open, name)
	}
	assert.Contains(t, ingress(into[networkingv1.NetworkPolicy](t, os.find(t, "NetworkPolicy", "my-c4c-gateway"))), 7001)

	require.Empty(t, render(t, install(form().with(values{"networkPolicy": values{"enabled": false}}))).ofKind("NetworkPolicy"))
}
