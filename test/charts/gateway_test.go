package charts_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The buffer decides what kind of workload the gateway is.
func TestBuffers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		buffer   values
		workload string
		env      map[string]string
	}{
		{"none", nil, "Deployment", map[string]string{"KC_BUFFER": "none"}},
		{"disk", values{"type": "disk"}, "StatefulSet", map[string]string{"KC_BUFFER": "disk", "KC_BUFFER_DIR": "/var/lib/connector"}},
		{"jetstream", values{"type": "jetstream", "jetstream": values{"url": "nats://nats:4222"}}, "Deployment", map[string]string{"KC_BUFFER": "jetstream", "KC_BUFFER_URL": "nats://nats:4222"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			os := render(t, install(form().with(values{"buffer": tt.buffer, "gateway": values{"replicas": 2}})))
			for _, kind := range []string{"Deployment", "StatefulSet"} {
				assert.Equal(t, kind == tt.workload, os.has(kind, "my-c4c-gateway"), kind)
			}
			pod := os.pods(t)[tt.workload+" my-c4c-gateway"]
			for _, c := range containers(pod) {
				got := env(t, c)
				assert.Subset(t, got, tt.env, c.Name)
				for _, name := range []string{"KC_BUFFER_DIR", "KC_BUFFER_URL"} {
					assert.Equal(t, tt.env[name], got[name], c.Name)
				}
				buffers := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "buffer" && !m.ReadOnly })
				assert.Equal(t, tt.workload == "StatefulSet", buffers, c.Name)
			}
		})
	}
}

// The operator says whether payloads are checked; otherwise the definition does.
func TestPayloadsAreValidatedAsTheOperatorSays(t *testing.T) {
	t.Parallel()
	for value, want := range map[any]string{"warn": "warn", "reject": "reject", "off": "off", false: "off", "": ""} {
		os := render(t, install(form().with(values{"gateway": values{"validatePayload": value}})))
		for _, c := range containers(os.pods(t)["Deployment my-c4c-gateway"]) {
			assert.Equal(t, want, env(t, c)["KC_VALIDATE_PAYLOAD"], "%s: %v", c.Name, value)
		}
	}
}

// On disk, each replica has a claim of its own, which outlives the release: it may hold events.
func TestDiskBuffer(t *testing.T) {
	t.Parallel()
	os := render(t, install(form().with(values{"buffer": values{"type": "disk", "disk": values{"size": "7Gi", "storageClass": "fast"}}, "gateway": values{"replicas": 2}})).on("kyma today"))
	set := into[appsv1.StatefulSet](t, os.find(t, "StatefulSet", "my-c4c-gateway"))
	assert.EqualValues(t, 2, *set.Spec.Replicas)
	assert.Equal(t, appsv1.ParallelPodManagement, set.Spec.PodManagementPolicy)
	assert.Equal(t, appsv1.RetainPersistentVolumeClaimRetentionPolicyType, set.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted)
	require.Len(t, set.Spec.VolumeClaimTemplates, 1)
	claim := set.Spec.VolumeClaimTemplates[0].Spec
	assert.Equal(t, "7Gi", claim.Resources.Requests.Storage().String())
	assert.Equal(t, "fast", *claim.StorageClassName)
	assert.EqualValues(t, 65532, *set.Spec.Template.Spec.SecurityContext.FSGroup, "the volume has to be writable")

	set = into[appsv1.StatefulSet](t, render(t, install(form().with(values{"buffer": values{"type": "disk"}}))).find(t, "StatefulSet", "my-c4c-gateway"))
	assert.Nil(t, set.Spec.VolumeClaimTemplates[0].Spec.StorageClassName, "the cluster's default class")
}

// A rollout never takes a replica away before another is ready, and a drained node never takes two.
func TestAvailability(t *testing.T) {
	t.Parallel()
	os := render(t, install(form()).on("kyma today"))
	deployment := into[appsv1.Deployment](t, os.find(t, "Deployment", "my-c4c-gateway"))
	assert.Equal(t, intstr.FromInt32(0), *deployment.Spec.Strategy.RollingUpdate.MaxUnavailable)
	assert.Equal(t, intstr.FromInt32(1), *deployment.Spec.Strategy.RollingUpdate.MaxSurge)
	budget := into[policyv1.PodDisruptionBudget](t, os.find(t, "PodDisruptionBudget", "my-c4c-gateway"))
	assert.Equal(t, intstr.FromInt32(1), *budget.Spec.MaxUnavailable)
	pod := deployment.Spec.Template
	assert.Subset(t, pod.Labels, budget.Spec.Selector.MatchLabels)
	require.Len(t, pod.Spec.TopologySpreadConstraints, 2)
	for _, spread := range pod.Spec.TopologySpreadConstraints {
		assert.Equal(t, corev1.ScheduleAnyway, spread.WhenUnsatisfiable)
		assert.Subset(t, pod.Labels, spread.LabelSelector.MatchLabels)
	}
	assert.False(t, render(t, install(form().with(values{"podDisruptionBudget": values{"enabled": false}}))).has("PodDisruptionBudget", "my-c4c-gateway"))
}

func TestGatewayPod(t *testing.T) {
	t.Parallel()
	pod := render(t, install(form()).on("kyma today")).pods(t)["Deployment my-c4c-gateway"]

	require.Len(t, pod.Spec.InitContainers, 1)
	check := pod.Spec.InitContainers[0]
	assert.Equal(t, []string{"check"}, check.Args, "the configuration, and not the target, which may be down")

	require.Len(t, pod.Spec.Containers, 1)
	serve := pod.Spec.Containers[0]
	assert.Equal(t, []string{"serve"}, serve.Args)
	assert.Equal(t, check.Image, serve.Image)
	assert.Equal(t, check.VolumeMounts, serve.VolumeMounts)
	assert.Subset(t, env(t, serve), map[string]string{"KC_LISTEN": ":8080", "KC_ADMIN_LISTEN": ":8081", "KC_SINK_KIND": "kyma"})
	assert.NotContains(t, env(t, serve), "KC_RELAY_LISTEN", "there is no relay")
	for _, probe := range []*corev1.Probe{serve.StartupProbe, serve.LivenessProbe, serve.ReadinessProbe} {
		assert.Equal(t, "http-admin", probe.HTTPGet.Port.StrVal)
	}
	assert.Equal(t, "/readyz", serve.ReadinessProbe.HTTPGet.Path)
	assert.Equal(t, "/healthz", serve.LivenessProbe.HTTPGet.Path)
	assert.EqualValues(t, 45, *pod.Spec.TerminationGracePeriodSeconds)

	assert.Equal(t, "true", pod.Labels["sidecar.istio.io/inject"])
	assert.Equal(t, "true", pod.Annotations["sidecar.istio.io/inject"])
	assert.Equal(t, "allowed", pod.Labels["networking.kyma-project.io/from-ingressgateway"])
	var proxy map[string]any
	require.NoError(t, json.Unmarshal([]byte(pod.Annotations["proxy.istio.io/config"]), &proxy))
	assert.Equal(t, map[string]any{"holdApplicationUntilProxyStarts": true, "terminationDrainDuration": "30s"}, proxy)
	assert.Equal(t, "8081", pod.Annotations["prometheus.io/port"])
}

// Settings that old versions of Istio would refuse are left out there.
func TestOldIstio(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"kyma 1.6", "kyma 1.24", "kyma 2.7"} {
		pod := render(t, install(form()).on(on)).pods(t)["Deployment my-c4c-gateway"]
		assert.NotContains(t, pod.Annotations, "proxy.istio.io/config", on)
		assert.Equal(t, "true", pod.Annotations["sidecar.istio.io/inject"], on)
	}
}

func TestWithoutMesh(t *testing.T) {
	t.Parallel()
	os := render(t, install(form().with(values{"mesh": values{"enabled": false}})))
	for name, pod := range os.pods(t) {
		assert.Equal(t, "false", pod.Labels["sidecar.istio.io/inject"], name)
	}
}

// Every mount has its volume, every volume its object; the definition lies there with the documents that it names.
func TestMounts(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, in installation, os objects) {
		pods := os.pods(t)
		for name, pod := range pods {
			volumes := map[string]corev1.Volume{}
			for _, v := range pod.Spec.Volumes {
				volumes[v.Name] = v
			}
			for _, c := range containers(pod) {
				for _, m := range c.VolumeMounts {
					if m.Name == "buffer" && strings.HasPrefix(name, "StatefulSet") {
						continue
					}
					require.Contains(t, volumes, m.Name, "%s %s", name, c.Name)
				}
				places := env(t, c)["KC_PARAMS"]
				for _, place := range strings.Split(places, ",") {
					if places == "" {
						break
					}
					assert.True(t, slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == place && m.ReadOnly }), "%s: %s", name, place)
				}
			}
			for _, v := range pod.Spec.Volumes {
				if v.ConfigMap == nil {
					continue
				}
				held := os.find(t, "ConfigMap", v.ConfigMap.Name)
				data, _ := held.Object["data"].(map[string]any)
				for _, item := range v.ConfigMap.Items {
					assert.Contains(t, data, item.Key, "%s %s", name, v.Name)
				}
				if v.Name != "definition" {
					continue
				}
				var paths []string
				for _, item := range v.ConfigMap.Items {
					paths = append(paths, item.Path)
				}
				var want []string
				for _, file := range load(t, in.chart).Files {
					if rest, ok := strings.CutPrefix(file.Name, "files/"); ok {
						want = append(want, rest)
						assert.Equal(t, string(file.Data), data[strings.ReplaceAll(rest, "/", "__")], rest)
					}
				}
				assert.ElementsMatch(t, want, paths)
			}
		}
	})
}

// The gateway starts anew when its configuration changes.
func TestChecksum(t *testing.T) {
	t.Parallel()
	of := func(v values) string {
		return render(t, install(v)).pods(t)["Deployment my-c4c-gateway"].Annotations["kyma-connectors.io/checksum"]
	}
	assert.NotEmpty(t, of(form()))
	assert.Equal(t, of(form()), of(form().with(values{"registration": values{"timeout": "3m"}})))
	assert.NotEqual(t, of(form()), of(form().with(values{"basic_user": "another"})))
}

func TestSink(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, cluster string
		sink          values
		kind, url     string
	}{
		{"current Kyma", "kyma today", nil, "kyma", ""},
		{"offline", "offline", nil, "kyma", ""},
		{"Kyma with the first eventing", "kyma 2.7", nil, "kyma-legacy", ""},
		{"Kyma before that", "kyma 1.6", nil, "auto", ""},
		{"no Kyma", "no kyma", nil, "auto", ""},
		{"chosen", "kyma today", values{"kind": "cloudevents", "url": "http://broker.example.com"}, "cloudevents", "http://broker.example.com"},
	}
	for _, tt := range tests {
		pods := render(t, install(form().with(values{"sink": tt.sink})).on(tt.cluster)).pods(t)
		for _, name := range []string{"Deployment my-c4c-gateway", "Pod my-c4c-test-gateway"} {
			for _, c := range containers(pods[name]) {
				got := env(t, c)
				assert.Equal(t, tt.kind, got["KC_SINK_KIND"], "%s: %s", tt.name, name)
				assert.Equal(t, tt.url, got["KC_SINK_URL"], "%s: %s", tt.name, name)
			}
		}
	}
}

// Flags that the chart does not know are set by their variables, for one binary.
func TestFlagsOfOneBinary(t *testing.T) {
	t.Parallel()
	pods := render(t, install(form().with(values{
		"extraEnv":     values{"A": "all"},
		"gateway":      values{"env": values{"KC_LOG_LEVEL": "debug", "A": "gateway", "KC_SINK_KIND": "kyma-legacy"}},
		"registration": values{"env": values{"KC_VERBOSE": true}},
	}))).pods(t)
	serve := env(t, pods["Deployment my-c4c-gateway"].Spec.Containers[0])
	apply := env(t, pods["Job my-c4c-apply"].Spec.Containers[0])
	assert.Subset(t, serve, map[string]string{"KC_LOG_LEVEL": "debug", "A": "gateway", "KC_SINK_KIND": "kyma-legacy"}, "what the operator sets replaces what the chart would")
	assert.Subset(t, apply, map[string]string{"KC_VERBOSE": "true", "A": "all"})
	assert.NotContains(t, apply, "KC_LOG_LEVEL")
	assert.NotContains(t, serve, "KC_VERBOSE")
}

// Two releases never share a stream, and servers that ask who comes get an answer.
func TestJetStream(t *testing.T) {
	t.Parallel()
	jetstream := form().with(values{"buffer": values{"type": "jetstream", "jetstream": values{"url": "nats://a:4222,nats://b:4222", "replicas": 3, "size": "256Mi"}}, "nats": values{"credentialsSecret": "nats-user"}})
	pods := render(t, install(jetstream)).pods(t)
	for _, name := range []string{"Deployment my-c4c-gateway", "Pod my-c4c-test-gateway"} {
		pod := pods[name]
		assert.True(t, slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Secret != nil && v.Secret.SecretName == "nats-user" }), name)
		for _, c := range containers(pod) {
			assert.Subset(t, env(t, c), map[string]string{"KC_BUFFER_STREAM": "team-a-my-c4c", "KC_BUFFER_REPLICAS": "3", "KC_BUFFER_MAX_BYTES": "256MiB", "KC_NATS_CREDENTIALS": "/etc/connector/nats/nats.creds"}, name)
			assert.True(t, slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/etc/connector/nats" && m.ReadOnly }), name)
		}
	}
}

// The relay has a port and a Service of its own.
func TestRelay(t *testing.T) {
	t.Parallel()
	os := render(t, varietyOf(nil))
	pod := os.pods(t)["Deployment my-c4c-gateway"]
	assert.Equal(t, ":8082", env(t, pod.Spec.Containers[0])["KC_RELAY_LISTEN"])
	relay := into[corev1.Service](t, os.find(t, "Service", "my-c4c-relay"))
	assert.Equal(t, "http-relay", relay.Spec.Ports[0].TargetPort.StrVal)
	public := into[corev1.Service](t, os.find(t, "Service", "my-c4c-gateway"))
	require.Len(t, public.Spec.Ports, 2)
	assert.Equal(t, "http", public.Spec.Ports[0].TargetPort.StrVal)
	assert.Equal(t, "http-admin", public.Spec.Ports[1].TargetPort.StrVal)
	for _, service := range []corev1.Service{relay, public} {
		assert.Subset(t, pod.Labels, service.Spec.Selector)
	}
	assert.False(t, render(t, install(form())).has("Service", "my-c4c-relay"))
}

// Services select the gateway's pods and no others.
func TestServicesSelectTheGateway(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, _ installation, os objects) {
		for _, o := range os.ofKind("Service") {
			selector := into[corev1.Service](t, o).Spec.Selector
			for name, pod := range os.pods(t) {
				selected := true
				for key, value := range selector {
					selected = selected && pod.Labels[key] == value
				}
				assert.Equal(t, strings.HasSuffix(name, "-gateway") && !strings.HasPrefix(name, "Pod "), selected, "%s selects %s", o.id(), name)
			}
		}
	})
}

func TestServiceMonitor(t *testing.T) {
	t.Parallel()
	os := render(t, install(form().with(values{"metrics": values{"serviceMonitor": values{"enabled": true, "labels": values{"release": "prometheus"}}}})))
	o := os.find(t, "ServiceMonitor", "my-c4c-gateway")
	assert.Equal(t, "prometheus", o.GetLabels()["release"])
	var monitor serviceMonitor
	strictInto(t, o, &monitor)
	metrics := os.find(t, "Service", "my-c4c-metrics")
	assert.Subset(t, metrics.GetLabels(), monitor.Spec.Selector.MatchLabels)
	service := into[corev1.Service](t, metrics)
	assert.Equal(t, monitor.Spec.Endpoints[0].Port, service.Spec.Ports[0].Name)
	assert.Equal(t, "http-admin", service.Spec.Ports[0].TargetPort.StrVal)
	assert.Empty(t, render(t, install(form())).ofKind("ServiceMonitor"))
}

func TestImages(t *testing.T) {
	t.Parallel()
	version := load(t, c4c).Metadata.AppVersion
	digest := "sha256:" + strings.Repeat("ab", 32)
	tests := []struct {
		name     string
		images   values
		job, gw  string
		policies corev1.PullPolicy
	}{
		{"default", nil, "ghcr.io/kyma-connectors/registration-job:" + version, "ghcr.io/kyma-connectors/event-gateway:" + version, corev1.PullIfNotPresent},
		{"mirror", values{"registry": "mirror.example.com/a/", "tag": "1.2.3", "pullPolicy": "Always"}, "mirror.example.com/a/registration-job:1.2.3", "mirror.example.com/a/event-gateway:1.2.3", corev1.PullAlways},
		{"digest", values{"eventGateway": values{"digest": digest}, "registrationJob": values{"tag": "edge"}}, "ghcr.io/kyma-connectors/registration-job:edge", "ghcr.io/kyma-connectors/event-gateway@" + digest, corev1.PullIfNotPresent},
		{"no registry", values{"registry": ""}, "registration-job:" + version, "event-gateway:" + version, corev1.PullIfNotPresent},
	}
	for _, tt := range tests {
		for name, pod := range render(t, install(form().with(values{"images": tt.images, "gateway": values{"replicas": 1}}))).pods(t) {
			for _, c := range containers(pod) {
				want := tt.gw
				if c.Name == "registration-job" {
					want = tt.job
				}
				assert.Equal(t, want, c.Image, "%s: %s", tt.name, name)
				assert.Equal(t, tt.policies, c.ImagePullPolicy)
			}
		}
	}
	pulled := render(t, install(form().with(values{"images": values{"pullSecrets": []any{"mirror"}}})))
	for name, pod := range pulled.pods(t) {
		assert.Equal(t, []corev1.LocalObjectReference{{Name: "mirror"}}, pod.Spec.ImagePullSecrets, name)
	}
}

// The registry is named once.
func TestRegistryIsNamedOnce(t *testing.T) {
	t.Parallel()
	const registry = "ghcr.io/"
	var found []string
	for _, dir := range append(connectors(t), filepath.Join(root, "common")) {
		c := load(t, dir)
		for _, file := range c.Raw {
			if n := strings.Count(string(file.Data), registry); n > 0 && !strings.HasPrefix(file.Name, "charts/") {
				found = append(found, filepath.Base(dir)+"/"+file.Name)
				assert.Equal(t, 1, n)
			}
		}
	}
	assert.Equal(t, []string{"common/values.yaml"}, found)
}

func TestPlacement(t *testing.T) {
	t.Parallel()
	pod := render(t, install(form().with(values{"gateway": values{
		"nodeSelector": values{"disk": "ssd"}, "priorityClassName": "high", "podAnnotations": values{"a": "b"},
		"tolerations": []any{values{"key": "dedicated", "operator": "Exists"}},
		"affinity":    values{"nodeAffinity": values{"requiredDuringSchedulingIgnoredDuringExecution": values{"nodeSelectorTerms": []any{values{"matchExpressions": []any{values{"key": "a", "operator": "Exists"}}}}}}},
	}}))).pods(t)["Deployment my-c4c-gateway"]
	assert.Equal(t, "ssd", pod.Spec.NodeSelector["disk"])
	assert.Equal(t, "high", pod.Spec.PriorityClassName)
	assert.Equal(t, "b", pod.Annotations["a"])
	assert.Equal(t, "dedicated", pod.Spec.Tolerations[0].Key)
	assert.NotNil(t, pod.Spec.Affinity.NodeAffinity)
}

// A definition that only registers has no gateway.
func TestNoGateway(t *testing.T) {
	t.Parallel()
	os := render(t, install(form().with(values{"gateway": values{"enabled": false}})))
	for _, o := range os {
		assert.NotContains(t, o.GetName(), "gateway", o.id())
	}
	assert.Empty(t, os.ofKind("APIRule"))
	assert.NotContains(t, env(t, os.pods(t)["Job my-c4c-apply"].Spec.Containers[0]), "KC_CALLBACK_URL")
}

func TestExtraEnvironment(t *testing.T) {
	t.Parallel()
	for name, pod := range render(t, install(form().with(values{"extraEnv": values{"HTTPS_PROXY": "http://proxy:3128", "N": 1}}))).pods(t) {
		for _, c := range containers(pod) {
			assert.Equal(t, "http://proxy:3128", env(t, c)["HTTPS_PROXY"], name)
			assert.Equal(t, "1", env(t, c)["N"], name)
		}
	}
}
