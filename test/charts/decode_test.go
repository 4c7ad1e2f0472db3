package charts_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// Every object is what its kind allows: no unknown field, no wrong type, nothing twice.
func TestObjectsDecodeStrictly(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, _ installation, os objects) {
		strict := kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, kubejson.SerializerOptions{Yaml: true, Strict: true})
		for _, o := range os {
			kind := o.GetAPIVersion() + "/" + o.GetKind()
			if custom, ok := customKinds[kind]; ok {
				strictInto(t, o, custom())
				continue
			}
			_, _, err := strict.Decode([]byte(o.raw), nil, nil)
			assert.NoError(t, err, o.raw)
		}
	})
}

// The strict decoder finds what it is for.
func TestStrictDecodingFails(t *testing.T) {
	t.Parallel()
	rule := "apiVersion: gateway.kyma-project.io/v2\nkind: APIRule\nmetadata: {name: a}\nspec: {hosts: [a.example.com], gateways: a/b}\n"
	o, ok := parseOne(t, rule)
	require.True(t, ok)
	assert.Error(t, decodeStrictly(o, &apiRuleV2{}))
}

func strictInto(t *testing.T, o object, into validator) {
	t.Helper()
	require.NoError(t, decodeStrictly(o, into), o.raw)
	into.validate(t)
}

func decodeStrictly(o object, into any) error {
	asJSON, err := yaml.YAMLToJSONStrict([]byte(o.raw))
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(asJSON))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// validator is a custom kind with the rules that its definition or its controller checks.
type validator interface{ validate(t *testing.T) }

// customKinds are the kinds that Kubernetes itself does not know, written from their definitions.
var customKinds = map[string]func() validator{
	"gateway.kyma-project.io/v2/APIRule":             func() validator { return &apiRuleV2{} },
	"gateway.kyma-project.io/v1beta1/APIRule":        func() validator { return &apiRuleV1beta1{} },
	"gateway.kyma-project.io/v1alpha1/APIRule":       func() validator { return &apiRuleV1alpha1{} },
	"security.istio.io/v1/AuthorizationPolicy":       func() validator { return &authorizationPolicy{} },
	"security.istio.io/v1beta1/AuthorizationPolicy":  func() validator { return &authorizationPolicy{} },
	"monitoring.coreos.com/v1/ServiceMonitor":        func() validator { return &serviceMonitor{} },
	"monitoring.coreos.com/v1/PrometheusRule":        func() validator { return &prometheusRule{} },
	"eventing.kyma-project.io/v1alpha2/Subscription": func() validator { return &subscriptionV1alpha2{} },
	"eventing.kyma-project.io/v1alpha1/Subscription": func() validator { return &subscriptionV1alpha1{} },
}

type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string            `json:"name"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
}

type service struct {
	Name string `json:"name"`
	Port int    `json:"port"`
	Host string `json:"host"` // v1alpha1 only
}

type apiRuleV2 struct {
	header
	Spec struct {
		Hosts   []string `json:"hosts"`
		Gateway string   `json:"gateway"`
		Service service  `json:"service"`
		Rules   []struct {
			Path    string   `json:"path"`
			Methods []string `json:"methods"`
			NoAuth  bool     `json:"noAuth"`
		} `json:"rules"`
	} `json:"spec"`
}

var (
	pathV2       = regexp.MustCompile(`^((\/([A-Za-z0-9-._~!$&'()+,;=:@]|%[0-9a-fA-F]{2})*)|(\/\{\*{1,2}\}))+$|^\/\*$`)
	pathV1       = regexp.MustCompile(`^([0-9a-zA-Z./*()?!\\_-]+)`)
	hostName     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)
	nameSlash    = regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9-]+$`)
	nameDotted   = regexp.MustCompile(`^[a-z0-9-]+\.[a-z0-9-]+\.svc\.cluster\.local$`)
	knownMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)

func (r *apiRuleV2) validate(t *testing.T) {
	t.Helper()
	require.Len(t, r.Spec.Hosts, 1)
	assert.Regexp(t, hostName, r.Spec.Hosts[0])
	assert.Regexp(t, nameSlash, r.Spec.Gateway)
	assert.NotEmpty(t, r.Spec.Service.Name)
	assert.Empty(t, r.Spec.Service.Host)
	require.NotEmpty(t, r.Spec.Rules)
	seen := map[string]bool{}
	for _, rule := range r.Spec.Rules {
		assert.Regexp(t, pathV2, rule.Path)
		assert.NotEmpty(t, rule.Methods)
		assert.Subset(t, knownMethods, rule.Methods)
		assert.True(t, rule.NoAuth)
		assert.False(t, seen[rule.Path], "path %s twice", rule.Path)
		seen[rule.Path] = true
	}
}

type ruleV1 struct {
	Path             string   `json:"path"`
	Methods          []string `json:"methods"`
	AccessStrategies []struct {
		Handler string `json:"handler"`
	} `json:"accessStrategies"`
}

func validateV1(t *testing.T, rules []ruleV1) {
	t.Helper()
	require.NotEmpty(t, rules)
	for _, rule := range rules {
		assert.Regexp(t, pathV1, rule.Path)
		_, err := regexp.Compile(rule.Path)
		assert.NoError(t, err)
		assert.Subset(t, knownMethods, rule.Methods)
		require.Len(t, rule.AccessStrategies, 1)
		assert.Equal(t, "allow", rule.AccessStrategies[0].Handler)
	}
}

type apiRuleV1beta1 struct {
	header
	Spec struct {
		Host    string   `json:"host"`
		Gateway string   `json:"gateway"`
		Service service  `json:"service"`
		Rules   []ruleV1 `json:"rules"`
	} `json:"spec"`
}

func (r *apiRuleV1beta1) validate(t *testing.T) {
	t.Helper()
	assert.Regexp(t, hostName, r.Spec.Host)
	assert.Regexp(t, nameSlash, r.Spec.Gateway)
	assert.Empty(t, r.Spec.Service.Host)
	validateV1(t, r.Spec.Rules)
}

type apiRuleV1alpha1 struct {
	header
	Spec struct {
		Gateway string   `json:"gateway"`
		Service service  `json:"service"`
		Rules   []ruleV1 `json:"rules"`
	} `json:"spec"`
}

func (r *apiRuleV1alpha1) validate(t *testing.T) {
	t.Helper()
	assert.Regexp(t, hostName, r.Spec.Service.Host)
	assert.Contains(t, r.Spec.Service.Host, ".", "v1alpha1 does not complete hosts")
	assert.Regexp(t, nameDotted, r.Spec.Gateway)
	validateV1(t, r.Spec.Rules)
}

type authorizationPolicy struct {
	header
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Action string `json:"action"`
		Rules  []struct {
			From []struct {
				Source struct {
					Principals    []string `json:"principals"`
					NotPrincipals []string `json:"notPrincipals"`
					Namespaces    []string `json:"namespaces"`
				} `json:"source"`
			} `json:"from"`
			To []struct {
				Operation struct {
					Ports []string `json:"ports"`
				} `json:"operation"`
			} `json:"to"`
		} `json:"rules"`
	} `json:"spec"`
}

func (p *authorizationPolicy) validate(t *testing.T) {
	t.Helper()
	assert.Equal(t, "ALLOW", p.Spec.Action)
	assert.NotEmpty(t, p.Spec.Selector.MatchLabels)
	assert.NotEmpty(t, p.Spec.Rules)
}

type serviceMonitor struct {
	header
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

func (m *serviceMonitor) validate(t *testing.T) {
	t.Helper()
	assert.NotEmpty(t, m.Spec.Selector.MatchLabels)
	require.Len(t, m.Spec.Endpoints, 1)
}
