package charts_test

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1beta1 "k8s.io/api/networking/v1beta1"
)

// hostOf is the host that an APIRule claims, whatever its version.
func hostOf(t *testing.T, o object) string {
	t.Helper()
	switch o.GetAPIVersion() {
	case "gateway.kyma-project.io/v2":
		var rule apiRuleV2
		strictInto(t, o, &rule)
		return rule.Spec.Hosts[0]
	case "gateway.kyma-project.io/v1beta1":
		return o.text(t, "spec", "host")
	}
	return o.text(t, "spec", "service", "host")
}

// The kind of exposure follows from what the cluster has, newest first, and can be chosen.
func TestExposureType(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		cluster cluster
		values  values
		want    string // kind and API version, or nothing
	}{
		{"no cluster: a current Kyma is assumed", cluster{}, nil, "APIRule gateway.kyma-project.io/v2"},
		{"current Kyma still lists v1beta1, which it refuses", clusters["kyma today"], nil, "APIRule gateway.kyma-project.io/v2"},
		{"Kyma 2.6 to 2.20", clusters["kyma 2.7"], nil, "APIRule gateway.kyma-project.io/v1beta1"},
		{"Kyma 1.6 to 2.5", clusters["kyma 1.6"], nil, "APIRule gateway.kyma-project.io/v1alpha1"},
		{"a cluster without Kyma", clusters["no kyma"], nil, ""},
		{"named on the command line of helm template", cluster{}, values{"capabilities": values{"apiVersions": []any{"gateway.kyma-project.io/v1beta1/APIRule"}}}, "APIRule gateway.kyma-project.io/v1beta1"},
		{"chosen", clusters["kyma today"], values{"exposure": values{"type": "apirule-v1beta1"}}, "APIRule gateway.kyma-project.io/v1beta1"},
		{"chosen, oldest", clusters["kyma today"], values{"exposure": values{"type": "apirule-v1alpha1"}}, "APIRule gateway.kyma-project.io/v1alpha1"},
		{"chosen, without Kyma", clusters["no kyma"], values{"exposure": values{"type": "ingress"}}, "Ingress networking.k8s.io/v1"},
		{"old ingress", clusters["kyma 1.6"], values{"exposure": values{"type": "ingress"}}, "Ingress networking.k8s.io/v1beta1"},
		{"chosen, none", clusters["kyma today"], values{"exposure": values{"type": "none"}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := install(form().with(tt.values))
			in.cluster = tt.cluster
			os := render(t, in)
			var exposed []string
			for _, o := range os {
				if o.GetKind() == "APIRule" || o.GetKind() == "Ingress" {
					exposed = append(exposed, o.GetKind()+" "+o.GetAPIVersion())
					assert.Equal(t, "my-c4c-webhook", o.GetName())
				}
			}
			callback := env(t, os.pods(t)["Job my-c4c-apply"].Spec.Containers[0])["KC_CALLBACK_URL"]
			if tt.want == "" {
				assert.Empty(t, exposed)
				assert.Empty(t, callback)
				return
			}
			assert.Equal(t, []string{tt.want}, exposed)
			assert.Equal(t, "https://my-c4c-webhook-team-a.kyma.example.com", callback)
		})
	}
}

func TestAPIRuleV2(t *testing.T) {
	t.Parallel()
	var rule apiRuleV2
	strictInto(t, render(t, install(form())).find(t, "APIRule", "my-c4c-webhook"), &rule)
	assert.Equal(t, []string{"my-c4c-webhook-team-a.kyma.example.com"}, rule.Spec.Hosts)
	assert.Equal(t, "kyma-system/kyma-gateway", rule.Spec.Gateway)
	assert.Equal(t, service{Name: "my-c4c-gateway", Port: 80}, rule.Spec.Service)
	require.Len(t, rule.Spec.Rules, 1)
	assert.Equal(t, "/c4c", rule.Spec.Rules[0].Path)
	assert.Equal(t, []string{"POST"}, rule.Spec.Rules[0].Methods)
}

func TestAPIRuleOfAnotherGateway(t *testing.T) {
	t.Parallel()
	over := form().with(values{"exposure": values{"gateway": "edge/public", "hosts": values{"webhook": "events.example.org"}}})
	for name, want := range map[string]string{"kyma today": "edge/public", "kyma 2.7": "edge/public", "kyma 1.24": "public.edge.svc.cluster.local"} {
		rule := render(t, install(over).on(name)).find(t, "APIRule", "my-c4c-webhook")
		assert.Equal(t, want, rule.text(t, "spec", "gateway"), name)
		assert.Equal(t, "events.example.org", hostOf(t, rule), name)
	}
}

// Where no domain is given, the newer APIRules take a short host; the others and an Ingress need a full one.
func TestShortHosts(t *testing.T) {
	t.Parallel()
	short := form().with(values{"cluster_domain": ""})
	for _, on := range []string{"kyma today", "kyma 2.7"} {
		os := render(t, install(short).on(on))
		assert.Equal(t, "my-c4c-webhook-team-a", hostOf(t, os.find(t, "APIRule", "my-c4c-webhook")))
		// The Job is told the short host: it is what the instructions to people can name.
		assert.Equal(t, "https://my-c4c-webhook-team-a", env(t, os.pods(t)["Job my-c4c-apply"].Spec.Containers[0])["KC_CALLBACK_URL"])
	}
	for _, in := range []installation{install(short).on("kyma 1.6"), install(short.with(values{"exposure": values{"type": "ingress"}})).on("no kyma")} {
		_, err := tryRender(t, in)
		assert.ErrorContains(t, err, "needs a full host name for webhook: set cluster_domain, exposure.domain or exposure.hosts.webhook")
	}
}

func TestHostsAreThoseOfDeliveries(t *testing.T) {
	t.Parallel()
	_, err := tryRender(t, install(form().with(values{"exposure": values{"hosts": values{"webhok": "events.example.org"}}})))
	assert.ErrorContains(t, err, "exposure.hosts.webhok: this connector has no such delivery: it has webhook")
}

func TestHostsHaveAtMost63Characters(t *testing.T) {
	t.Parallel()
	in := install(form())
	in.release, in.namespace = longest, strings.Repeat("n", 63)
	host := hostOf(t, render(t, in).find(t, "APIRule", longest+"-webhook"))
	label, domain, _ := strings.Cut(host, ".")
	assert.LessOrEqual(t, len(label), 63)
	assert.Equal(t, "kyma.example.com", domain)
}

func TestIngress(t *testing.T) {
	t.Parallel()
	over := form().with(values{"exposure": values{"type": "ingress", "ingress": values{"className": "nginx", "tlsSecret": "cert", "annotations": values{"a": "b"}}}})

	current := into[networkingv1.Ingress](t, render(t, install(over).on("no kyma")).find(t, "Ingress", "my-c4c-webhook"))
	assert.Equal(t, "nginx", *current.Spec.IngressClassName)
	assert.Equal(t, map[string]string{"a": "b"}, current.Annotations)
	assert.Equal(t, []networkingv1.IngressTLS{{Hosts: []string{"my-c4c-webhook-team-a.kyma.example.com"}, SecretName: "cert"}}, current.Spec.TLS)
	path := current.Spec.Rules[0].HTTP.Paths[0]
	assert.Equal(t, networkingv1.PathTypeExact, *path.PathType)
	assert.Equal(t, "/c4c", path.Path)
	assert.Equal(t, "my-c4c-gateway", path.Backend.Service.Name)

	old := into[networkingv1beta1.Ingress](t, render(t, install(over).on("kyma 1.6")).find(t, "Ingress", "my-c4c-webhook"))
	assert.Nil(t, old.Spec.IngressClassName)
	assert.Equal(t, map[string]string{"a": "b", "kubernetes.io/ingress.class": "nginx"}, old.Annotations)
	assert.Nil(t, old.Spec.Rules[0].HTTP.Paths[0].PathType)
	assert.Equal(t, "my-c4c-gateway", old.Spec.Rules[0].HTTP.Paths[0].Backend.ServiceName)
}

// variety is a definition with everything that a gateway can be asked for.
//
//go:embed testdata/engines/connector.yaml
var variety string

func varietyOf(v values) installation {
	in := install(values{"system_url": "https://system.example.com:8443/api", "cluster_domain": "kyma.example.com"}.with(v))
	in.definition = variety
	return in
}

// Only what the definition's deliveries name is exposed; the relay never is.
func TestExposedPaths(t *testing.T) {
	t.Parallel()
	type exposed map[string][]string // path -> methods
	post := []string{"POST"}
	wantV2 := map[string]exposed{
		"my-c4c-exact":      {"/exact": {"POST", "GET", "HEAD"}},
		"my-c4c-tree":       {"/tree": post, "/tree/{**}": post, "/tree/openapi.json": {"GET"}},
		"my-c4c-token":      {"/token": post, "/token/{*}": post},
		"my-c4c-any":        {"/any": post, "/any/{*}": post},
		"my-c4c-mqtt":       {"/{**}": {"GET"}},
		"my-c4c-mqtt-token": {"/oauth/token": post},
	}
	wantV1 := map[string]exposed{
		"my-c4c-exact":      {"/exact": {"POST", "GET", "HEAD"}},
		"my-c4c-tree":       {"/tree(/.*)?": post, "/tree/openapi.json": {"GET"}},
		"my-c4c-token":      {"/token(/[^/]*)?": post},
		"my-c4c-any":        {"/any(/[^/]*)?": post},
		"my-c4c-mqtt":       {"/.*": {"GET"}},
		"my-c4c-mqtt-token": {"/oauth/token": post},
	}
	for on, want := range map[string]map[string]exposed{"kyma today": wantV2, "kyma 2.7": wantV1, "kyma 1.6": wantV1} {
		got := map[string]exposed{}
		for _, o := range render(t, varietyOf(nil).on(on)).ofKind("APIRule") {
			paths := exposed{}
			if o.GetAPIVersion() == "gateway.kyma-project.io/v2" {
				var rule apiRuleV2
				strictInto(t, o, &rule)
				for _, r := range rule.Spec.Rules {
					paths[r.Path] = r.Methods
				}
			} else {
				var rule apiRuleV1beta1
				if o.GetAPIVersion() == "gateway.kyma-project.io/v1alpha1" {
					var old apiRuleV1alpha1
					strictInto(t, o, &old)
					rule.Spec.Rules = old.Spec.Rules
				} else {
					strictInto(t, o, &rule)
				}
				for _, r := range rule.Spec.Rules {
					paths[r.Path] = r.Methods
				}
			}
			got[o.GetName()] = paths
			assert.NotContains(t, o.raw, "relay")
		}
		assert.Equal(t, want, got, on)
	}
}

func TestHostsOfTheDefinition(t *testing.T) {
	t.Parallel()
	os := render(t, varietyOf(nil))
	assert.Equal(t, "mqtt.kyma.example.com", hostOf(t, os.find(t, "APIRule", "my-c4c-mqtt")))
	assert.Equal(t, "auth.kyma.example.com", hostOf(t, os.find(t, "APIRule", "my-c4c-mqtt-token")))

	os = render(t, varietyOf(values{"exposure": values{"hosts": values{"mqtt": "mqtt2.example.com", "mqtt-token": "auth2.example.com"}}}))
	assert.Equal(t, "mqtt2.example.com", hostOf(t, os.find(t, "APIRule", "my-c4c-mqtt")))
	assert.Equal(t, "auth2.example.com", hostOf(t, os.find(t, "APIRule", "my-c4c-mqtt-token")))
}

// The gateway tells MQTT and its token endpoint apart by host, so that it has to know another one than the
// definition's; the hosts of webhooks do not matter to it.
func TestTheGatewayKnowsItsHosts(t *testing.T) {
	t.Parallel()
	hosts := func(v values) (serve, check string) {
		spec := render(t, varietyOf(v)).pods(t)["Deployment my-c4c-gateway"].Spec
		return env(t, spec.Containers[0])["KC_HOSTS"], env(t, spec.InitContainers[0])["KC_HOSTS"]
	}
	serve, check := hosts(nil)
	assert.Empty(t, serve+check)
	serve, check = hosts(values{"exposure": values{"hosts": values{"mqtt-token": "auth2.example.com", "mqtt": "mqtt2.example.com", "tree": "tree.example.com"}}})
	assert.Equal(t, "mqtt=mqtt2.example.com,mqtt-token=auth2.example.com", serve)
	assert.Equal(t, serve, check)
}

// A host may have a form field of its own, which is used where it is filled in.
func TestAHostThatTheFormMayGive(t *testing.T) {
	t.Parallel()
	in := func(v values) installation {
		out := varietyOf(v)
		out.definition = strings.Replace(out.definition, `'="mqtt." + param("cluster_domain")'`, `'=first(param("mqtt_host"), "mqtt." + param("cluster_domain"))'`, 1)
		out.definition = strings.Replace(out.definition, "\nparameters:\n", "\nparameters:\n  mqtt_host: {kind: hostname, title: MQTT host}\n", 1)
		require.NotEqual(t, variety, out.definition)
		return out
	}
	assert.Equal(t, "mqtt.kyma.example.com", hostOf(t, render(t, in(nil)).find(t, "APIRule", "my-c4c-mqtt")))
	assert.Equal(t, "events.example.org", hostOf(t, render(t, in(values{"mqtt_host": "events.example.org"})).find(t, "APIRule", "my-c4c-mqtt")))
}

// A system that is told where to call needs a full address, of the delivery that its webhooks are for.
func TestCallbackURL(t *testing.T) {
	t.Parallel()
	callback := func(v values) string {
		return env(t, render(t, varietyOf(v)).pods(t)["Job my-c4c-apply"].Spec.Containers[0])["KC_CALLBACK_URL"]
	}
	assert.Equal(t, "https://my-c4c-tree-team-a.kyma.example.com", callback(nil))
	assert.Equal(t, "https://tree.example.com", callback(values{"exposure": values{"hosts": values{"tree": "tree.example.com"}}}))
	assert.Equal(t, "https://elsewhere.example.com", callback(values{"exposure": values{"type": "none", "callbackUrl": "https://elsewhere.example.com/"}}))

	_, err := tryRender(t, varietyOf(values{"cluster_domain": "", "exposure": values{"hosts": values{"mqtt": "a.b", "mqtt-token": "c.d"}}}))
	assert.ErrorContains(t, err, "the system has to be told a full address for its webhooks: set cluster_domain, exposure.domain or exposure.callbackUrl")
}

// What the APIRule does not let in and has to: metrics, and the relay for Kyma. Nobody but Istio's ingress
// gateway reaches the public port, and it reaches no other.
func TestAuthorizationPolicies(t *testing.T) {
	t.Parallel()
	const ingress = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
	ports := func(policy authorizationPolicy) map[string]string {
		out := map[string]string{}
		for _, rule := range policy.Spec.Rules {
			who := "anybody"
			if len(rule.From) > 0 {
				source := rule.From[0].Source
				who = strings.Join(source.Principals, ",") + strings.Join(source.Namespaces, ",")
				if len(source.NotPrincipals) > 0 {
					who = "not " + strings.Join(source.NotPrincipals, ",")
				}
			}
			for _, port := range rule.To[0].Operation.Ports {
				out[port] = who
			}
		}
		return out
	}
	tests := []struct {
		name, cluster string
		values        values
		version       string
		want          map[string]string
	}{
		{"APIRule v2 lets in from outside", "kyma today", nil, "v1", map[string]string{"8081": "not " + ingress, "8082": "kyma-system,team-a"}},
		{"APIRule v1beta1 does not", "kyma 2.7", nil, "v1beta1", map[string]string{"8080": ingress, "8081": "not " + ingress, "8082": "kyma-system,team-a"}},
		{"Ingress", "kyma today", values{"exposure": values{"type": "ingress"}}, "v1", map[string]string{"8080": "anybody", "8081": "not " + ingress, "8082": "kyma-system,team-a"}},
		{"not exposed", "kyma today", values{"exposure": values{"type": "none", "callbackUrl": "https://a.example.com"}}, "v1", map[string]string{"8080": "anybody", "8081": "not " + ingress, "8082": "kyma-system,team-a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			os := render(t, varietyOf(tt.values).on(tt.cluster))
			o := os.find(t, "AuthorizationPolicy", "my-c4c-gateway")
			assert.Equal(t, "security.istio.io/"+tt.version, o.GetAPIVersion())
			var policy authorizationPolicy
			strictInto(t, o, &policy)
			assert.Equal(t, tt.want, ports(policy))
			assert.Subset(t, os.pods(t)["Deployment my-c4c-gateway"].Labels, policy.Spec.Selector.MatchLabels)
		})
	}
	for _, on := range []string{"kyma 1.6", "no kyma"} {
		assert.Empty(t, render(t, varietyOf(values{"exposure": values{"callbackUrl": "https://a.example.com"}}).on(on)).ofKind("AuthorizationPolicy"), on)
	}
	assert.Empty(t, render(t, varietyOf(values{"mesh": values{"enabled": false}}).on("kyma today")).ofKind("AuthorizationPolicy"))
}
