//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// system is a simulated system that runs as a pod, with the connector that is for it.
type system struct {
	name       string // such as c4c
	definition *connector.Definition
	params     map[string]string // of the connector's samples
	address    string            // of its Service
}

// systems are those that run.
var systems = map[string]*system{}

// system starts the simulator of a system that has the parameters of the connector's samples.
func (s *suite) system(t *testing.T, name string) *system {
	t.Helper()
	if known, ok := systems[name]; ok {
		return known
	}
	chart := filepath.Join(root, "charts", name+"-connector")
	definition, err := connector.LoadFile(os.DirFS(filepath.Join(chart, "files")), "connector.yaml")
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(chart, "samples/params.yaml"))
	require.NoError(t, err)
	params := map[string]string{}
	require.NoError(t, yaml.Unmarshal(data, &params))
	simulated, err := simulator.NewSystem(name, params)
	require.NoError(t, err)
	defer simulated.Close()
	hosts := []string{}
	for host := range simulated.Hosts() {
		host, _, _ = strings.Cut(host, ":")
		hosts = append(hosts, host)
	}
	s.systemParams(t, name, params)
	s.certificate(t, systemsSpace, name+"-tls", hosts...)
	s.apply(t, s.manifest(t, "system.yaml", map[string]any{"Name": name, "Namespace": systemsSpace, "System": name, "Registry": s.registry, "Tag": tag}))
	s.rollout(t, systemsSpace+"/"+name)
	address := s.address(t, systemsSpace, name)
	for _, host := range hosts {
		s.zones[host] = address
	}
	s.publishNames(t)
	systems[name] = &system{name: name, definition: definition, params: params, address: address}
	return systems[name]
}

// systemParams says what the simulator knows, when it starts next.
func (s *suite) systemParams(t *testing.T, name string, params map[string]string) {
	t.Helper()
	text, err := json.Marshal(params)
	require.NoError(t, err)
	s.applyObject(t, map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name + "-params", "namespace": systemsSpace},
		"stringData": map[string]string{"params.json": string(text)},
	})
}

// form is what somebody fills in: the parameters of the samples, without those that are generated if nobody does.
func (y *system) form(more map[string]string) map[string]string {
	form := maps.Clone(y.params)
	for name, p := range y.definition.Parameters {
		if p.Generate != nil {
			delete(form, name)
		}
	}
	maps.Copy(form, more)
	return form
}

// release is an installed connector.
type release struct {
	s         *suite
	system    *system
	namespace string
	name      string
	form      map[string]string
	before    string // what the namespace held before
}

// own are the values that let a connector run here: our images, a system with a private address and authority.
func (s *suite) own(y *system) map[string]any {
	return map[string]any{
		"images": map[string]any{"registry": s.registry, "tag": tag, "registrationJob": map[string]any{"digest": ""}, "eventGateway": map[string]any{"digest": ""}},
		"system": map[string]any{"allowAddresses": []string{y.address}, "trust": map[string]any{"configMap": "authorities"}},
	}
}

// chart is the packaged chart.
func (s *suite) chart(t *testing.T, name string) string {
	t.Helper()
	charts, err := filepath.Glob(filepath.Join(root, "bin/e2e/dist/charts", name+"-connector-*.tgz"))
	require.NoError(t, err)
	require.Len(t, charts, 1, "make e2e packs the charts")
	return charts[0]
}

// valuesFile writes the values of a release: ours, the form's and more, which win.
func (r *release) valuesFile(t *testing.T, more map[string]any) string {
	t.Helper()
	values := r.s.own(r.system)
	maps.Copy(values, r.filledIn())
	maps.Copy(values, more)
	return yamlFile(t, values)
}

// filledIn is the form as values: a box that is ticked is no text.
func (r *release) filledIn() map[string]any {
	values := map[string]any{}
	for name, value := range r.form {
		values[name] = value
		if r.system.definition.Parameters[name].Kind == connector.KindBoolean {
			values[name] = value == "true"
		}
	}
	return values
}

func yamlFile(t *testing.T, v any) string {
	t.Helper()
	text, err := yaml.Marshal(v)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

// kinds are what a connector may have in its namespace.
const kinds = "all,configmaps,secrets,apirules,subscriptions,networkpolicies,poddisruptionbudgets,serviceaccounts,roles,rolebindings,persistentvolumeclaims"

// held lists what a namespace holds.
func (s *suite) held(t *testing.T, namespace string) string {
	t.Helper()
	return strings.Join(strings.Fields(s.kubectl(t, "-n", namespace, "get", kinds, "-o", "name")), " ")
}

// newRelease makes the namespace for a release, as a careful operator does.
func (s *suite) newRelease(t *testing.T, y *system, namespace, name string, form map[string]string) *release {
	t.Helper()
	s.restricted(t, namespace)
	eventually(t, time.Minute, func() string { // what Kubernetes puts into every namespace
		if held := s.held(t, namespace); !strings.Contains(held, "configmap/kube-root-ca.crt") || !strings.Contains(held, "serviceaccount/default") {
			return "the namespace is not ready: " + held
		}
		return ""
	})
	return &release{s: s, system: y, namespace: namespace, name: name, form: y.form(form), before: s.held(t, namespace)}
}

// install installs the packaged chart by Helm.
func (r *release) install(t *testing.T, more map[string]any) {
	t.Helper()
	out, err := r.s.try(t.Context(), nil, "helm", "install", r.name, r.s.chart(t, r.system.name), "-n", r.namespace, "-f", r.valuesFile(t, more), "--wait", "--timeout", "4m")
	r.explain(t, out, err)
}

// upgrade brings the release to what the form and the values say now.
func (r *release) upgrade(t *testing.T, more map[string]any) {
	t.Helper()
	out, err := r.s.try(t.Context(), nil, "helm", "upgrade", r.name, r.s.chart(t, r.system.name), "-n", r.namespace, "-f", r.valuesFile(t, more), "--wait", "--timeout", "4m")
	r.explain(t, out, err)
}

// explain fails the test with what the namespace tells, if there is an error.
func (r *release) explain(t *testing.T, out string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	t.Log(out)
	for _, args := range [][]string{{"get", "pods,jobs,events"}, {"describe", "pods"}, {"logs", "-l", "app.kubernetes.io/instance=" + r.name, "--tail=50", "--all-containers", "--prefix"}} {
		more, _ := r.s.try(t.Context(), nil, append([]string{"kubectl", "-n", r.namespace}, args...)...)
		t.Log(more)
	}
	require.NoError(t, err)
}

// secret reads a Secret.
func (s *suite) secret(t *testing.T, namespace, name string) map[string]string {
	t.Helper()
	var object struct{ Data map[string]string }
	s.get(t, &object, "-n", namespace, "secret", name)
	for key, value := range object.Data {
		text, err := base64.StdEncoding.DecodeString(value)
		require.NoError(t, err)
		object.Data[key] = string(text)
	}
	return object.Data
}

// application is Kyma's Application of a release.
func (r *release) application() string { return r.form["application_name"] }

// registered checks the Application and the Secrets that it names, and returns how many APIs it has. One of the Secrets
// must hold the parameter.
func (r *release) registered(t *testing.T, parameter string) (apis int) {
	t.Helper()
	var application struct {
		Spec struct {
			Services []struct {
				DisplayName string
				Entries     []struct {
					Type, TargetURL             string
					RequestParametersSecretName string
					Credentials                 struct{ Type, SecretName string }
				}
			}
		}
	}
	r.s.get(t, &application, "application", r.application())
	found, events := false, 0
	for _, service := range application.Spec.Services {
		for _, entry := range service.Entries {
			if entry.Type != "API" {
				events++
				continue
			}
			apis++
			for _, name := range []string{entry.Credentials.SecretName, entry.RequestParametersSecretName} {
				if name == "" {
					continue
				}
				for _, value := range r.s.secret(t, "kyma-system", name) {
					found = found || strings.Contains(value, r.form[parameter])
				}
			}
		}
	}
	assert.Positive(t, apis, "APIs of the Application")
	assert.Positive(t, events, "event catalogs of the Application")
	assert.True(t, found, "no Secret that the Application names holds the parameter %s", parameter)
	return apis
}

// value is a parameter that was given or generated.
func (r *release) value(t *testing.T, name string) string {
	t.Helper()
	if v := r.form[name]; v != "" {
		return v
	}
	v := r.s.secret(t, r.namespace, r.name+"-generated")[name]
	require.NotEmpty(t, v, name)
	return v
}

// hosts are those of the release's APIRules.
func (r *release) hosts(t *testing.T) (hosts []string) {
	t.Helper()
	var rules struct {
		Items []struct {
			Spec struct{ Hosts []string }
		}
	}
	r.s.get(t, &rules, "-n", r.namespace, "apirules")
	for _, rule := range rules.Items {
		hosts = append(hosts, rule.Spec.Hosts...)
	}
	slices.Sort(hosts)
	return hosts
}

// connect tells the system where its events go, as an administrator does who follows the report.
func (r *release) connect(t *testing.T) {
	t.Helper()
	c := map[string]any{}
	hosts := r.hosts(t)
	switch d := r.system.definition.Deliveries[0]; {
	case d.MQTT != nil:
		require.Len(t, hosts, 2)
		c["Endpoint"], c["TokenEndpoint"] = "wss://"+hosts[1], "https://"+hosts[0]+d.Token.Path
		c["User"], c["Password"] = r.value(t, "oauth_client_id"), r.value(t, "oauth_client_secret")
	case len(r.system.definition.Webhooks) == 0:
		require.Len(t, hosts, 1)
		c["Endpoint"] = "https://" + hosts[0] + d.HTTP.Path
		for _, prefix := range []string{"event", "action"} {
			if _, known := r.system.definition.Parameters[prefix+"_user"]; known {
				c["User"], c["Password"] = r.value(t, prefix+"_user"), r.value(t, prefix+"_password")
			}
		}
	}
	r.s.proxied(t, systemsSpace, r.system.name, "/connect", c, nil)
}

// fire lets the system send one event of each type, and returns how many arrived in JetStream: everything that it sent,
// and something for each of the releases that it sends to.
func (y *system) fire(t *testing.T, releases ...*release) (arrived int) {
	t.Helper()
	s := releases[0].s
	var types []string
	s.proxied(t, systemsSpace, y.name, "/types", nil, &types)
	require.NotEmpty(t, types)
	before, sent := last(s.messages(t, 0)), len(s.monitor(t, y))
	s.proxied(t, systemsSpace, y.name, "/fire", map[string]any{}, nil)
	eventually(t, time.Minute, func() string {
		news := s.monitor(t, y)[sent:]
		open := slices.DeleteFunc(slices.Clone(news), func(o simulator.Outbound) bool { return o.State == simulator.Delivered })
		counts := map[string]int{}
		arrived = 0
		for _, r := range releases {
			counts[r.application()] = 0
		}
		for _, m := range s.messages(t, before) {
			if _, known := counts[m.Event.Source]; known {
				counts[m.Event.Source]++
				arrived++
			}
		}
		for application, n := range counts {
			if n == 0 {
				return "nothing in JetStream for the Application " + application
			}
		}
		if len(open) > 0 || len(news) < len(types) || arrived < len(news) {
			return fmt.Sprintf("types: %d, sent: %d, in JetStream: %d, not delivered: %s", len(types), len(news), arrived, text(open))
		}
		return ""
	})
	return arrived
}

// deliver lets the system send one event of each type once more, which the gateway may know already, and waits until every
// delivery is answered well.
func (y *system) deliver(t *testing.T, r *release) {
	t.Helper()
	sent := len(r.s.monitor(t, y))
	r.s.proxied(t, systemsSpace, y.name, "/fire", map[string]any{}, nil)
	eventually(t, time.Minute, func() string {
		news := r.s.monitor(t, y)[sent:]
		open := slices.DeleteFunc(slices.Clone(news), func(o simulator.Outbound) bool { return o.State == simulator.Delivered })
		if len(open) > 0 || len(news) == 0 {
			return fmt.Sprintf("sent: %d, not delivered: %s", len(news), text(open))
		}
		return ""
	})
}

// monitor lists what a system has sent.
func (s *suite) monitor(t *testing.T, y *system) (list []simulator.Outbound) {
	t.Helper()
	s.proxied(t, systemsSpace, y.name, "/monitor", nil, &list)
	return list
}

func text(v any) string {
	data, _ := json.Marshal(v)
	return string(data[:min(len(data), 2000)])
}

// uninstall removes the release, and returns what Helm and the Job said. Nothing may be left of it.
func (r *release) uninstall(t *testing.T) (said string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), r.s.program, "helm", "uninstall", r.name, "-n", r.namespace, "--timeout", "4m").CombinedOutput()
	r.explain(t, string(out), err)
	r.gone(t)
	return string(out)
}

// gone waits until nothing is left of a release, wherever it may be.
func (r *release) gone(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, func() string { // the gateway may take its time to end
		var list []string
		for _, name := range strings.Fields(r.s.held(t, r.namespace)) {
			// Claims of a StatefulSet are kept by Kubernetes: they hold events that nobody has yet.
			if !slices.Contains(strings.Fields(r.before), name) && !strings.HasPrefix(name, "persistentvolumeclaim/") {
				list = append(list, name)
			}
		}
		names := r.s.kubectl(t, "get", "clusterroles,clusterrolebindings,applications", "-o", "name") +
			r.s.kubectl(t, "-n", "kyma-system", "get", "secrets,roles,rolebindings", "-o", "name")
		for _, name := range strings.Fields(names) {
			if strings.Contains(name, "/"+r.namespace+".") || strings.Contains(name, "/"+r.name+"-") || strings.HasSuffix(name, "/"+r.application()) {
				list = append(list, name)
			}
		}
		if len(list) > 0 {
			return "left: " + strings.Join(list, " ")
		}
		return ""
	})
}
