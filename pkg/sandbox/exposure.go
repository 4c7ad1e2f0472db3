package sandbox

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
)

// exposure is a public host and the Service behind it.
type exposure struct {
	object  string // for messages, such as "APIRule demo-webhook"
	host    string
	service string
	port    intstr.IntOrString
	rules   []exposureRule
}

// exposureRule lets some paths and methods through; no methods means all.
type exposureRule struct {
	path    *regexp.Regexp
	methods []string
}

// allows says whether a request passes.
func (e exposure) allows(method, path string) bool {
	for _, rule := range e.rules {
		if rule.path.MatchString(path) && (len(rule.methods) == 0 || slices.Contains(rule.methods, method)) {
			return true
		}
	}
	return false
}

// handler stands for the ingress gateway: what no rule lets through ends here.
func (e exposure) handler(service http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.allows(r.Method, r.URL.Path) {
			http.Error(w, fmt.Sprintf("%s has no rule for %s %s", e.object, r.Method, r.URL.Path), http.StatusNotFound)
			return
		}
		service.ServeHTTP(w, r)
	})
}

// apiRule has the fields of v1alpha1, v1beta1 and v2 that say what goes where.
type apiRule struct {
	Spec struct {
		Hosts   []string `json:"hosts"`
		Host    string   `json:"host"`
		Service struct {
			Name string `json:"name"`
			Port int32  `json:"port"`
			Host string `json:"host"`
		} `json:"service"`
		Rules []struct {
			Path    string   `json:"path"`
			Methods []string `json:"methods"`
		} `json:"rules"`
	} `json:"spec"`
}

func apiRuleExposure(m provision.Manifest) (exposure, error) {
	var rule apiRule
	if err := yaml.Unmarshal(m.Content, &rule); err != nil {
		return exposure{}, err
	}
	spec := rule.Spec
	hosts := append(append([]string{}, spec.Hosts...), spec.Host, spec.Service.Host)
	hosts = slices.DeleteFunc(hosts, func(h string) bool { return h == "" })
	if len(hosts) != 1 || spec.Service.Name == "" {
		return exposure{}, fmt.Errorf("want one host and one service, found %d hosts", len(hosts))
	}
	e := exposure{object: "APIRule " + m.Name, host: hosts[0], service: spec.Service.Name, port: intstr.FromInt32(spec.Service.Port)}
	v2 := strings.HasPrefix(strings.TrimPrefix(m.APIVersion, "gateway.kyma-project.io/"), "v2")
	for _, r := range spec.Rules {
		pattern := r.Path // older versions take regular expressions
		if v2 {
			pattern = templatePattern(r.Path)
		}
		path, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return exposure{}, fmt.Errorf("path %q: %w", r.Path, err)
		}
		e.rules = append(e.rules, exposureRule{path, r.Methods})
	}
	return e, nil
}

// templatePattern is a path of APIRule v2 as a regular expression: {*} is one segment, {**} any number.
func templatePattern(path string) string {
	if path == "/*" {
		return "/.*"
	}
	quoted := regexp.QuoteMeta(path)
	quoted = strings.ReplaceAll(quoted, regexp.QuoteMeta("{**}"), ".*")
	return strings.ReplaceAll(quoted, regexp.QuoteMeta("{*}"), "[^/]+")
}

func ingressExposures(ingress *networkingv1.Ingress) []exposure {
	var out []exposure
	for _, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			if path.Backend.Service == nil {
				continue
			}
			pattern := "^" + regexp.QuoteMeta(strings.TrimSuffix(path.Path, "/")) + "(/.*)?$"
			if path.PathType != nil && *path.PathType == networkingv1.PathTypeExact {
				pattern = "^" + regexp.QuoteMeta(path.Path) + "$"
			}
			port := intstr.FromInt32(path.Backend.Service.Port.Number)
			if name := path.Backend.Service.Port.Name; name != "" {
				port = intstr.FromString(name)
			}
			one := exposureRule{path: regexp.MustCompile(pattern)}
			if i := slices.IndexFunc(out, func(e exposure) bool {
				return e.host == rule.Host && e.service == path.Backend.Service.Name && e.port == port
			}); i >= 0 {
				out[i].rules = append(out[i].rules, one)
				continue
			}
			out = append(out, exposure{object: "Ingress " + ingress.Name, host: rule.Host, service: path.Backend.Service.Name, port: port, rules: []exposureRule{one}})
		}
	}
	return out
}
