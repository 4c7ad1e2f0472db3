//go:build e2e

package e2e

import (
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

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// connectors are all connectors, with the parameter that must arrive in Kyma's Secrets.
var connectors = map[string]string{
	"c4c": "basic_password", "cdp": "user_key", "github": "token", "litmos": "apikey", "marketing": "basic_password",
	"openconnectors": "user_secret", "qualtrics": "api_key",
}

// chosen are the connectors that E2E_CONNECTORS names, separated by commas; all of them without it.
func chosen(t *testing.T) []string {
	t.Helper()
	all := slices.Sorted(maps.Keys(connectors))
	names := os.Getenv("E2E_CONNECTORS")
	if names == "" {
		return all
	}
	list := strings.Split(names, ",")
	for _, name := range list {
		require.Contains(t, all, name, "E2E_CONNECTORS")
	}
	return list
}

// TestConnectors installs the packaged chart by Helm and, beside it, the packaged add-on as the broker does, and lets the
// system send to both.
func TestConnectors(t *testing.T) {
	s := newSuite(t)
	for _, name := range chosen(t) {
		t.Run(name, func(t *testing.T) {
			y := s.system(t, name)
			row := report.connector(name)
			byHelm := s.newRelease(t, y, name+"-a", "shop", nil)
			started := time.Now()
			byHelm.install(t, nil)
			row.install = time.Since(started)

			other := map[string]string{"application_name": y.params["application_name"] + "-b"}
			if y.definition.Deliveries[0].MQTT != nil { // one host for each instance
				other["mqtt_host"], other["auth_host"] = "mqtt2."+clusterDomain, "auth2."+clusterDomain
			}
			if name == "openconnectors" { // each looks after instances of its own
				other["filter_tags"] = "kyma-b"
				other["new_instance"] = strings.ReplaceAll(y.params["new_instance"], "our-hubspot", "their-hubspot")
			}
			byBroker := s.newRelease(t, y, name+"-b", "store", other)
			started = time.Now()
			byBroker.provision(t, "default")
			row.provision = time.Since(started)

			t.Run("the Applications have the APIs, with credentials where Kyma looks for them", func(t *testing.T) {
				row.apis = byHelm.registered(t, connectors[name])
				byBroker.registered(t, connectors[name])
			})
			t.Run("what the system sends arrives in JetStream", func(t *testing.T) {
				byHelm.connect(t)
				if len(y.definition.Webhooks) > 0 { // it sends to both
					row.events = y.fire(t, byHelm, byBroker)
					return
				}
				row.events = y.fire(t, byHelm)
				byBroker.connect(t)
				row.events += y.fire(t, byBroker)
			})
			if len(y.definition.Relay) > 0 {
				t.Run("what Kyma publishes arrives at the system", func(t *testing.T) { row.relayed = byHelm.relay(t) })
			}
			t.Run("helm test succeeds, and shows what it found", func(t *testing.T) {
				out, err := exec.CommandContext(t.Context(), s.program, "helm", "test", byHelm.name, "-n", byHelm.namespace, "--timeout", "2m").CombinedOutput()
				byHelm.explain(t, string(out), err)
				assert.Regexp(t, `calls: [1-9]\d* of [1-9]\d* answer \(through Kyma's gateway\)`, string(out), "what verify says; it fails where one does not")
				assert.Contains(t, string(out), "target: ok", "what the event gateway's check says")
			})
			t.Run("an uninstallation unregisters and leaves nothing", func(t *testing.T) {
				started := time.Now()
				byHelm.uninstall(t)
				row.uninstall = time.Since(started)
				byBroker.registered(t, connectors[name]) // the other one is not touched
				if len(y.definition.Webhooks) > 0 {
					y.deliver(t, byBroker) // and the system sends to that one only, or a delivery would fail
				}
			})
			t.Run("an uninstallation neither needs the system nor waits for it", func(t *testing.T) {
				s.kubectl(t, "-n", systemsSpace, "scale", "deployment/"+name, "--replicas=0")
				s.kubectl(t, "-n", systemsSpace, "wait", "--for=delete", "pod", "-l", "system="+name, "--timeout=60s")
				started := time.Now()
				said := byBroker.uninstall(t)
				row.down, row.left = time.Since(started), "nothing"
				if len(y.definition.Webhooks) > 0 { // whoever cleans up there must know
					assert.Regexp(t, `left: webhooks.* at the system: .*remove at the system .+ call https://`, said)
					row.left = "nothing; the webhooks that the system still has are named"
				}
				s.kubectl(t, "-n", systemsSpace, "scale", "deployment/"+name, "--replicas=1")
				s.rollout(t, systemsSpace+"/"+name)
			})
		})
	}
}

// provision installs the packaged add-on as Helm Broker does. Its plan is changed as that of a repository of one's own:
// it knows our images, and where the system is.
func (r *release) provision(t *testing.T, plan string) {
	t.Helper()
	packed, err := filepath.Glob(filepath.Join(root, "bin/e2e/dist", r.system.name+"-connector-*.tgz"))
	require.NoError(t, err)
	require.Len(t, packed, 1, "make e2e packs the add-ons")
	repository := t.TempDir()
	addon := filepath.Join(repository, "addons", strings.TrimSuffix(filepath.Base(packed[0]), ".tgz"))
	require.NoError(t, os.MkdirAll(addon, 0o750))
	require.NoError(t, exec.CommandContext(t.Context(), "tar", "-xzf", packed[0], "-C", addon).Run())
	file := filepath.Join(addon, "plans", plan, "values.yaml")
	values := map[string]any{}
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &values))
	maps.Copy(values, r.s.own(r.system))
	data, err = yaml.Marshal(values)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, data, 0o600))
	kubeconfig := strings.TrimSpace(r.s.run(t, nil, "kubeconfig"))
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin/e2e/addonctl"), "provision", r.system.name+"-connector", "--repo", repository, "--plan", plan, "--install",
		"--kubeconfig", kubeconfig, "--namespace", r.namespace, "--release", r.name, "--params", yamlFile(t, r.filledIn()))
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+t.TempDir()) // or what the cluster can do is kept in the home directory
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("addonctl provision: %w: %s", err, out)
	}
	r.explain(t, string(out), err)
}

// relay publishes an event as a workload does, and returns how many records the system then has.
func (r *release) relay(t *testing.T) int {
	t.Helper()
	names := strings.Split(r.form["relay_types"], ",")
	name, version, _ := strings.Cut(names[0], ".v")
	eventually(t, time.Minute, func() string {
		if ready := r.s.kubectl(t, "-n", r.namespace, "get", "subscriptions", "-o", "jsonpath={.items[*].status.ready}"); ready != "true" {
			return "the relay's Subscription is not ready: " + ready
		}
		return ""
	})
	code := fmt.Sprintf("order-%d", time.Now().UnixNano())
	r.s.proxied(t, "kyma-system", "eventing-publisher-proxy", "/"+r.form["relay_source"]+"/v1/events", map[string]any{
		"event-type": name, "event-type-version": "v" + version, "event-time": time.Now().UTC().Format(time.RFC3339), "data": map[string]any{"orderCode": code, "total": 42.5},
	}, nil)
	records := 0
	eventually(t, time.Minute, func() string {
		var ingested []simulator.Ingested
		r.s.proxied(t, systemsSpace, r.system.name, "/ingested", nil, &ingested)
		if records = len(ingested); !strings.Contains(text(ingested), code) {
			return "the system has not got the event: " + text(ingested)
		}
		return ""
	})
	return records
}
