//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// message is one event in JetStream, as Kyma's consumers get it.
type message struct {
	Sequence uint64 `json:"sequence"`
	Subject  string `json:"subject"`
	Event    struct {
		ID     string          `json:"id"`
		Source string          `json:"source"`
		Type   string          `json:"type"`
		Data   json.RawMessage `json:"data"`
	} `json:"event"`
}

func (s *suite) messages(t *testing.T, after uint64) (list []message) {
	t.Helper()
	s.proxied(t, "kyma-system", "eventing-publisher-proxy", fmt.Sprintf("/messages?after=%d", after), nil, &list)
	return list
}

func last(list []message) uint64 {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1].Sequence
}

// system starts the simulator of a system that has the parameters of a connector's samples.
func (s *suite) system(t *testing.T, name, connector string, hosts ...string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "charts", connector, "samples/params.yaml"))
	require.NoError(t, err)
	params := map[string]string{}
	require.NoError(t, yaml.Unmarshal(data, &params))
	text, err := json.Marshal(params)
	require.NoError(t, err)
	s.applyObject(t, map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name + "-params", "namespace": systemsSpace},
		"stringData": map[string]string{"params.json": string(text)},
	})
	s.certificate(t, systemsSpace, hosts...)
	s.apply(t, s.manifest(t, "system.yaml", map[string]any{"Name": name, "Namespace": systemsSpace, "System": name, "Registry": s.registry, "Tag": tag}))
	s.rollout(t, systemsSpace+"/"+name)
	for _, host := range hosts {
		s.zones[host] = s.address(t, systemsSpace, name)
	}
	return params
}

func TestC4C(t *testing.T) {
	s := newSuite(t)
	const namespace, release = "team-a", "shop"
	params := s.system(t, "c4c", "c4c-connector", "my123456.crm.ondemand.com")
	s.publishNames(t)
	s.restricted(t, namespace)
	charts, err := filepath.Glob(filepath.Join(root, "bin/e2e/dist/charts/c4c-connector-*.tgz"))
	require.NoError(t, err)
	require.Len(t, charts, 1, "make e2e packs the charts")

	values := map[string]any{
		"images":     map[string]any{"registry": s.registry, "tag": tag, "registrationJob": map[string]any{"digest": ""}, "eventGateway": map[string]any{"digest": ""}},
		"system":     map[string]any{"allowAddresses": []string{s.zones["my123456.crm.ondemand.com"]}, "trust": map[string]any{"configMap": "authorities"}},
		"system_url": params["system_url"], "basic_user": params["basic_user"], "basic_password": params["basic_password"],
		"application_name": params["application_name"], "cluster_domain": clusterDomain,
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	text, err := yaml.Marshal(values)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	out, err := s.try(t.Context(), nil, "helm", "install", release, charts[0], "-n", namespace, "-f", file, "--wait", "--timeout", "4m")
	if err != nil {
		for _, args := range [][]string{{"get", "pods,jobs,events"}, {"describe", "pods"}, {"logs", "-l", "app.kubernetes.io/instance=" + release, "--tail=50", "--all-containers"}} {
			more, _ := s.try(t.Context(), nil, append([]string{"kubectl", "-n", namespace}, args...)...)
			t.Log(more)
		}
		require.NoError(t, err)
	}
	t.Log(out)

	t.Run("the Application has the APIs, with credentials where Kyma looks for them", func(t *testing.T) {
		var application struct {
			Spec struct {
				Services []struct {
					DisplayName string
					Entries     []struct {
						Type, TargetURL string
						Credentials     struct{ Type, SecretName string }
					}
				}
			}
		}
		s.get(t, &application, "application", params["application_name"])
		require.NotEmpty(t, application.Spec.Services)
		apis := 0
		for _, service := range application.Spec.Services {
			for _, entry := range service.Entries {
				if entry.Type != "API" {
					continue
				}
				apis++
				assert.Equal(t, "Basic", entry.Credentials.Type, service.DisplayName)
				var secret struct{ Data map[string]string }
				s.get(t, &secret, "-n", "kyma-system", "secret", entry.Credentials.SecretName)
				for key, want := range map[string]string{"username": params["basic_user"], "password": params["basic_password"]} {
					got, err := base64.StdEncoding.DecodeString(secret.Data[key])
					require.NoError(t, err)
					assert.Equal(t, want, string(got), key)
				}
			}
		}
		assert.Positive(t, apis)
	})

	t.Run("a delivery of the system arrives in JetStream", func(t *testing.T) {
		var generated struct{ Data map[string]string }
		s.get(t, &generated, "-n", namespace, "secret", release+"-generated")
		field := func(name string) string {
			value, err := base64.StdEncoding.DecodeString(generated.Data[name])
			require.NoError(t, err)
			require.NotEmpty(t, value, name)
			return string(value)
		}
		var rules struct {
			Items []struct {
				Spec struct{ Hosts []string }
			}
		}
		s.get(t, &rules, "-n", namespace, "apirules")
		require.Len(t, rules.Items, 1)
		s.proxied(t, systemsSpace, "c4c", "/connect", map[string]any{
			"Endpoint": "https://" + rules.Items[0].Spec.Hosts[0] + "/c4c", "User": field("event_user"), "Password": field("event_password"),
		}, nil)
		var types []string
		s.proxied(t, systemsSpace, "c4c", "/types", nil, &types)
		before := last(s.messages(t, 0))
		for n, eventType := range types {
			s.proxied(t, systemsSpace, "c4c", "/fire", map[string]any{"ID": fmt.Sprintf("e2e-%d-%d", time.Now().UnixNano(), n), "Type": eventType}, nil)
		}
		eventually(t, 30*time.Second, func() string {
			got := s.messages(t, before)
			if len(got) < len(types) {
				return fmt.Sprintf("%d of %d events arrived: %v", len(got), len(types), s.kubectl(t, "get", "--raw", "/api/v1/namespaces/systems/services/http:c4c:9000/proxy/monitor"))
			}
			return ""
		})
		for _, m := range s.messages(t, before) {
			assert.Equal(t, params["application_name"], m.Event.Source)
			assert.Contains(t, m.Subject, "kyma."+params["application_name"]+".")
		}
	})

	t.Run("helm test succeeds", func(t *testing.T) { s.helm(t, "test", release, "-n", namespace, "--timeout", "2m") })

	t.Run("an uninstallation unregisters and leaves nothing", func(t *testing.T) {
		s.helm(t, "uninstall", release, "-n", namespace, "--timeout", "4m")
		assert.Empty(t, s.kubectl(t, "get", "applications", "-o", "name"), "the Job had made it")
		assert.Empty(t, s.kubectl(t, "-n", "kyma-system", "get", "secrets", "-o", "name"))
		// What the namespace had before, and what Kubernetes gives every namespace.
		const kept = "configmap/authorities configmap/kube-root-ca.crt networkpolicy.networking.k8s.io/deny-all serviceaccount/default"
		eventually(t, time.Minute, func() string { // the gateway may take its time to end
			left := s.kubectl(t, "-n", namespace, "get", "all,configmaps,secrets,apirules,networkpolicies,poddisruptionbudgets,serviceaccounts,roles,rolebindings,persistentvolumeclaims", "-o", "name")
			if left = strings.Join(strings.Fields(left), " "); left != kept {
				return "left in the namespace: " + left
			}
			return ""
		})
		assert.NotContains(t, s.kubectl(t, "get", "clusterroles,clusterrolebindings", "-o", "name"), release+"-")
	})
}
