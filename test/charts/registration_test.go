package charts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/release"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Each parameter is in one place only, and the place follows from its kind and from who gives it.
func TestParametersHaveOnePlace(t *testing.T) {
	t.Parallel()
	const job = "Job my-c4c-apply"
	places := func(os objects) string { return env(t, os.pods(t)[job].Spec.Containers[0])["KC_PARAMS"] }
	keys := func(os objects, kind, name string) []string {
		data, _ := os.find(t, kind, name).Object["data"].(map[string]any)
		return sortedKeys(data)
	}

	t.Run("the form", func(t *testing.T) {
		t.Parallel()
		os := render(t, install(form()))
		assert.Equal(t, "/etc/connector/params/generated,/etc/connector/params/config,/etc/connector/params/secret", places(os))
		assert.Equal(t, []string{"application_name", "basic_user", "cluster_domain", "discover_services", "system_url"}, keys(os, "ConfigMap", "my-c4c-config"))
		assert.Equal(t, []string{"basic_password"}, keys(os, "Secret", "my-c4c-credentials"))
		assert.True(t, os.has("Job", "my-c4c-prepare"))
	})
	t.Run("nothing left to generate", func(t *testing.T) {
		t.Parallel()
		os := render(t, install(form().with(values{"event_user": "u", "event_password": "p"})))
		assert.Equal(t, "/etc/connector/params/config,/etc/connector/params/secret", places(os))
		assert.Equal(t, []string{"basic_password", "event_password"}, keys(os, "Secret", "my-c4c-credentials"))
		for _, o := range os {
			assert.NotContains(t, o.GetName(), "prepare")
			assert.NotContains(t, o.raw, "secretName: my-c4c-generated", "%s mounts what nobody makes", o.id())
		}
	})
	t.Run("one given, one generated", func(t *testing.T) {
		t.Parallel()
		os := render(t, install(form().with(values{"event_user": "u"})))
		assert.Equal(t, "event_user", env(t, os.pods(t)["Job my-c4c-prepare"].Spec.Containers[0])["KC_PROVIDED"])
	})
	t.Run("a Secret of the operator", func(t *testing.T) {
		t.Parallel()
		v := form().with(values{"credentials": values{"existingSecret": "kept", "keys": values{"basic_user": "username", "event_password": "events"}}})
		delete(v, "basic_user")
		delete(v, "basic_password")
		os := render(t, install(v))
		assert.Equal(t, "/etc/connector/params/generated,/etc/connector/params/config,/etc/connector/params/existing", places(os))
		assert.False(t, os.has("Secret", "my-c4c-credentials"))
		pod := os.pods(t)[job]
		existing := pod.Spec.Volumes[slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "existing" })]
		assert.Equal(t, "kept", existing.Secret.SecretName)
		assert.Equal(t, []corev1.KeyToPath{
			{Key: "basic_password", Path: "basic_password"}, // required, so it needs no entry
			{Key: "username", Path: "basic_user"},
			{Key: "events", Path: "event_password"},
		}, existing.Secret.Items)
		assert.NotContains(t, keys(os, "ConfigMap", "my-c4c-config"), "basic_user")
		assert.Equal(t, "event_password", env(t, os.pods(t)["Job my-c4c-prepare"].Spec.Containers[0])["KC_PROVIDED"])
	})
	t.Run("both", func(t *testing.T) {
		t.Parallel()
		v := form().with(values{"event_password": "typed in", "credentials": values{"existingSecret": "kept"}})
		delete(v, "basic_password")
		assert.Equal(t, "/etc/connector/params/generated,/etc/connector/params/config,/etc/connector/params/secret,/etc/connector/params/existing", places(render(t, install(v))))
	})
}

// Values keep their text, whatever YAML makes of them; empty ones are left out.
func TestParameterTexts(t *testing.T) {
	t.Parallel()
	in := install(values{"system_url": "https://a.example.com", "text": "  12e3 ", "number": 1234567, "flag": true, "no_flag": false, "list": []any{"a", "b"}, "lines": "a\nb\n", "empty": "", "pem": "-----BEGIN\nx\n-----END\n"})
	in.definition = `
metadata: {displayName: Texts}
parameters:
  system_url: {kind: url}
  text: {kind: text}
  number: {kind: integer}
  flag: {kind: boolean}
  no_flag: {kind: boolean}
  list: {kind: list}
  lines: {kind: list}
  empty: {kind: text}
  absent: {kind: text}
  pem: {kind: secret}
application: texts
`
	os := render(t, in)
	assert.Equal(t, map[string]any{"system_url": "https://a.example.com", "text": "12e3", "number": "1234567", "flag": "true", "no_flag": "false", "list": "a\nb", "lines": "a\nb"},
		os.find(t, "ConfigMap", "my-c4c-config").Object["data"])
	secret := into[corev1.Secret](t, os.find(t, "Secret", "my-c4c-credentials"))
	assert.Equal(t, "-----BEGIN\nx\n-----END\n", string(secret.Data["pem"]))
}

// Hooks: what must be there first comes first, and what is not needed any more goes.
func TestHooks(t *testing.T) {
	t.Parallel()
	os := render(t, install(form()).on("kyma today"))
	hooks := map[string]objects{}
	for _, o := range os {
		if o.hook == nil {
			continue
		}
		for _, event := range o.hook.Events {
			hooks[string(event)] = append(hooks[string(event)], o)
		}
		assert.Contains(t, o.hook.DeletePolicies, release.HookBeforeHookCreation, o.id())
	}
	assert.ElementsMatch(t, []string{"pre-install", "pre-upgrade", "pre-rollback", "post-install", "post-upgrade", "post-rollback", "pre-delete", "test"}, sortedKeys(hooks))

	job := map[string]string{"pre-install": "my-c4c-prepare", "pre-upgrade": "my-c4c-prepare", "pre-rollback": "my-c4c-prepare", "post-rollback": "my-c4c-apply", "post-install": "my-c4c-apply", "post-upgrade": "my-c4c-apply", "pre-delete": "my-c4c-delete"}
	for event, name := range job {
		jobs := hooks[event].ofKind("Job")
		require.Len(t, jobs, 1, event)
		assert.Equal(t, name, jobs[0].GetName())
		// What a removal left at the system is nowhere else to be read.
		shown := []release.HookOutputLogPolicy{release.HookOutputOnFailed}
		if event == "pre-delete" {
			shown = append(shown, release.HookOutputOnSucceeded)
		}
		assert.ElementsMatch(t, shown, jobs[0].hook.OutputLogPolicies, event)
		weights := map[string]int{}
		for _, o := range hooks[event] {
			weights[o.GetKind()] = o.hook.Weight
		}
		for kind, weight := range weights {
			if kind != "Job" {
				assert.Less(t, weight, weights["Job"], "%s: %s before the Job", event, kind)
			}
			if strings.HasSuffix(kind, "RoleBinding") {
				assert.Less(t, weights["Role"], weight, "%s: roles before bindings", event)
			}
		}
	}
	for event, list := range hooks {
		for _, o := range list {
			// Uninstalling does not remove hooks; what succeeded must be gone before.
			assert.Contains(t, o.hook.DeletePolicies, release.HookSucceeded, "%s: %s", event, o.id())
		}
	}
	// Before the installation nothing of the release exists yet.
	for _, event := range []string{"pre-install", "pre-upgrade"} {
		pod := hooks[event].pods(t)["Job my-c4c-prepare"]
		assert.True(t, hooks[event].has("ServiceAccount", pod.Spec.ServiceAccountName))
		for _, v := range pod.Spec.Volumes {
			assert.True(t, hooks[event].has("ConfigMap", v.ConfigMap.Name), v.Name)
		}
		assert.Len(t, hooks[event].ofKind("NetworkPolicy"), 1)
	}
	// Rights to remove exist only while the release is removed.
	assert.True(t, hooks["pre-delete"].has("Role", "my-c4c-delete"))
	// The gateway mounts nothing that comes after it.
	for _, v := range os.pods(t)["Deployment my-c4c-gateway"].Spec.Volumes {
		if v.Secret != nil {
			assert.Contains(t, []string{"my-c4c-generated", "my-c4c-credentials"}, v.Secret.SecretName)
		}
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	os := render(t, install(form()).on("kyma today"))
	job := into[batchv1.Job](t, os.find(t, "Job", "my-c4c-apply"))
	assert.EqualValues(t, 3, *job.Spec.BackoffLimit)
	assert.EqualValues(t, 280, *job.Spec.ActiveDeadlineSeconds, "helm install waits 300 seconds")
	assert.EqualValues(t, 3600, *job.Spec.TTLSecondsAfterFinished)
	require.Len(t, job.Spec.PodFailurePolicy.Rules, 2)
	assert.Equal(t, batchv1.PodFailurePolicyActionFailJob, job.Spec.PodFailurePolicy.Rules[0].Action)
	assert.Equal(t, []int32{2}, job.Spec.PodFailurePolicy.Rules[0].OnExitCodes.Values)
	assert.Equal(t, job.Spec.Template.Spec.Containers[0].Name, *job.Spec.PodFailurePolicy.Rules[0].OnExitCodes.ContainerName)
	assert.Equal(t, batchv1.PodFailurePolicyActionIgnore, job.Spec.PodFailurePolicy.Rules[1].Action)
	pod := job.Spec.Template
	assert.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy)
	assert.Equal(t, "false", pod.Labels["sidecar.istio.io/inject"])
	assert.Equal(t, "false", pod.Annotations["sidecar.istio.io/inject"])
	assert.Equal(t, map[string]string{
		"KC_CONNECTOR":             "/etc/connector/definition/connector.yaml",
		"KC_PARAMS":                "/etc/connector/params/generated,/etc/connector/params/config,/etc/connector/params/secret",
		"KC_INSTANCE":              "team-a/my-c4c",
		"KC_NAMESPACE":             "team-a",
		"KC_CREDENTIALS_NAMESPACE": "kyma-system",
		"KC_BACKEND":               "auto",
		"KC_FAIL_ON":               "all",
		"KC_PARALLEL":              "8",
		"KC_TIMEOUT":               "2m",
		"KC_CREATE_APPLICATION":    "true",
		"KC_STATUS_CONFIGMAP":      "my-c4c-status",
		"KC_STATE_SECRET":          "my-c4c-state",
		"KC_GENERATED_SECRET":      "my-c4c-generated",
		"KC_CREDENTIALS_SECRET":    "my-c4c-credentials",
		"KC_TERMINATION_LOG":       "/dev/termination-log",
		"KC_CALLBACK_URL":          "https://my-c4c-webhook-team-a.kyma.example.com",
	}, env(t, pod.Spec.Containers[0]))
	assert.Equal(t, []string{"apply"}, pod.Spec.Containers[0].Args)
	assert.Equal(t, []string{"delete"}, os.pods(t)["Job my-c4c-delete"].Spec.Containers[0].Args)
	assert.Equal(t, map[string]string{"KC_CONNECTOR": "/etc/connector/definition/connector.yaml", "KC_SECRET": "my-c4c-generated", "KC_NAMESPACE": "team-a"},
		env(t, os.pods(t)["Job my-c4c-prepare"].Spec.Containers[0]))
}

// A key of a webhook changes when running gateways know it; without a gateway of the release nobody has to.
func TestWebhookWait(t *testing.T) {
	t.Parallel()
	pods := render(t, varietyOf(nil)).pods(t)
	for pod, want := range map[string]string{"Job my-c4c-apply": "2m", "CronJob my-c4c-reconcile": "2m", "Job my-c4c-delete": ""} {
		assert.Equal(t, want, env(t, pods[pod].Spec.Containers[0])["KC_WEBHOOK_WAIT"], pod)
	}
	without := render(t, varietyOf(values{"gateway": values{"enabled": false}})).pods(t)
	assert.NotContains(t, env(t, without["Job my-c4c-apply"].Spec.Containers[0]), "KC_WEBHOOK_WAIT")
}

// The Job that cleans up starts even where somebody has cleaned up before it.
func TestDeleteNeedsNothing(t *testing.T) {
	t.Parallel()
	v := form().with(values{"event_password": "given", "credentials": values{"existingSecret": "kept"}})
	delete(v, "basic_password")
	pods := render(t, install(v)).pods(t)
	for name, want := range map[string]bool{"Job my-c4c-delete": true, "Job my-c4c-apply": false} {
		volumes := pods[name].Spec.Volumes
		require.Len(t, volumes, 5, "definition, generated, config, secret, existing")
		for _, volume := range volumes {
			optional := (*bool)(nil)
			if volume.Secret != nil {
				optional = volume.Secret.Optional
			} else {
				optional = volume.ConfigMap.Optional
			}
			assert.Equal(t, want, optional != nil && *optional, "%s: %s", name, volume.Name)
		}
	}
}

// The report names the Secret to read a value from only where that is plain.
func TestShownSecret(t *testing.T) {
	t.Parallel()
	shown := func(v values) string {
		return env(t, render(t, install(v)).pods(t)["Job my-c4c-apply"].Spec.Containers[0])["KC_CREDENTIALS_SECRET"]
	}
	kept := form()
	delete(kept, "basic_password")
	existing := func(keys values) values { return values{"credentials": values{"existingSecret": "kept", "keys": keys}} }
	assert.Equal(t, "my-c4c-credentials", shown(form()))
	assert.Equal(t, "kept", shown(kept.with(existing(values{"event_password": "event_password"}))))
	assert.Empty(t, shown(kept.with(existing(values{"basic_password": "password"}))), "the key has another name")
	assert.Empty(t, shown(kept.with(existing(values{})).with(values{"event_password": "given"})), "there are two")
}

func TestRegistryURL(t *testing.T) {
	t.Parallel()
	os := render(t, install(form().with(values{"registration": values{"backend": "application-registry", "registryUrl": "http://registry:8081/shop/v1/metadata"}})))
	for _, name := range []string{"Job my-c4c-apply", "Job my-c4c-delete", "CronJob my-c4c-reconcile"} {
		got := env(t, os.pods(t)[name].Spec.Containers[0])
		assert.Equal(t, "application-registry", got["KC_BACKEND"], name)
		assert.Equal(t, "http://registry:8081/shop/v1/metadata", got["KC_REGISTRY_URL"], name)
	}
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	schedule := func(in installation) string {
		return render(t, in).find(t, "CronJob", "my-c4c-reconcile").text(t, "spec", "schedule")
	}
	first, other := install(form()), install(form())
	other.namespace = "team-b"
	assert.Regexp(t, `^[1-5]?[0-9] \*/6 \* \* \*$`, schedule(first))
	assert.NotEqual(t, schedule(first), schedule(other), "not all at once")
	assert.Equal(t, "@daily", schedule(install(form().with(values{"registration": values{"reconcile": values{"schedule": "@daily"}}}))))
	assert.Equal(t, []string{"apply"}, render(t, first).pods(t)["CronJob my-c4c-reconcile"].Spec.Containers[0].Args, "the same run as at the installation")

	off := render(t, install(form().with(values{"registration": values{"reconcile": values{"enabled": false}}})))
	for _, o := range off {
		assert.NotContains(t, o.GetName(), "reconcile")
	}
}

func TestWithoutRegistration(t *testing.T) {
	t.Parallel()
	os := render(t, install(form().with(values{"registration": values{"enabled": false}})))
	assert.Len(t, os.ofKind("Job"), 1, "prepare only")
	assert.Empty(t, os.ofKind("CronJob"))
	assert.Empty(t, os.ofKind("ClusterRole"))
	assert.True(t, os.has("Deployment", "my-c4c-gateway"))
}

// Without hooks everything is a plain object: applied three times it makes no difference, and what changes
// gets a new name, since a Job cannot be changed.
func TestGitOps(t *testing.T) {
	t.Parallel()
	plain := form().with(values{"registration": values{"hooks": false}})
	jobs := func(v values) []string { return render(t, install(v)).ofKind("Job").names() }

	os := render(t, install(plain))
	for _, o := range os {
		assert.Nil(t, o.hook, o.id())
		for key := range o.GetAnnotations() {
			assert.NotContains(t, key, "helm.sh/hook", o.id())
		}
	}
	before := jobs(plain)
	require.Len(t, before, 2, "prepare and apply; nothing unregisters by itself")
	assert.Regexp(t, `^my-c4c-apply-[0-9a-f]{8}$`, before[0])
	assert.Regexp(t, `^my-c4c-prepare-[0-9a-f]{8}$`, before[1])
	for _, o := range os.ofKind("Job") {
		assert.Nil(t, into[batchv1.Job](t, o).Spec.TTLSecondsAfterFinished, "a Job that goes would be made again")
	}
	assert.NotEqual(t, before, jobs(plain.with(values{"basic_user": "another"})), "new configuration")
	assert.NotEqual(t, before, jobs(plain.with(values{"images": values{"tag": "9.9.9"}})), "new image")
	assert.Equal(t, before, jobs(plain.with(values{"gateway": values{"replicas": 3}})))
	assert.Empty(t, os.ofKind("Pod"))
	definition := os.pods(t)["Job "+before[1]].Spec.Volumes[0].ConfigMap.Name
	assert.Equal(t, "my-c4c-definition", definition, "the release's own will do")
}

func TestHelmTest(t *testing.T) {
	t.Parallel()
	os := render(t, install(form()).on("kyma today"))
	pods := os.pods(t)
	verify, check := pods["Pod my-c4c-test-registration"], pods["Pod my-c4c-test-gateway"]
	assert.Equal(t, []string{"verify"}, verify.Spec.Containers[0].Args)
	assert.Equal(t, "http://my-c4c-gateway.team-a:8081", env(t, verify.Spec.Containers[0])["KC_EVENT_GATEWAY_URL"], "which has counted what arrives")
	assert.Equal(t, []string{"check", "--sink"}, check.Spec.Containers[0].Args)
	for _, pod := range []corev1.PodTemplateSpec{verify, check} {
		assert.Equal(t, corev1.RestartPolicyNever, pod.Spec.RestartPolicy)
		assert.Equal(t, "true", pod.Labels["sidecar.istio.io/inject"], "Kyma's gateway takes calls from the mesh only")
		assert.Equal(t, "true", pod.Annotations["sidecar.istio.io/nativeSidecar"], "a sidecar that ends with its pod")
	}
	for _, on := range []string{"kyma 1.6", "kyma 2.7"} {
		assert.Equal(t, "false", render(t, install(form()).on(on)).pods(t)["Pod my-c4c-test-gateway"].Labels["sidecar.istio.io/inject"], on)
	}
	off := render(t, install(form().with(values{"tests": values{"enabled": false}})))
	assert.Empty(t, off.ofKind("Pod"))
	assert.False(t, off.has("ServiceAccount", "my-c4c-test"))
}

// What younger clusters know and older ones refuse.
func TestVersionsOfKubernetes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kube                              string
		cron, budget                      string
		failurePolicy, seccomp, retention bool
	}{
		{"v1.15.12", "batch/v1beta1", "policy/v1beta1", false, false, false},
		{"v1.18.20", "batch/v1beta1", "policy/v1beta1", false, false, false},
		{"v1.19.16", "batch/v1beta1", "policy/v1beta1", false, true, false},
		{"v1.21.14-gke.100", "batch/v1", "policy/v1", false, true, false},
		{"v1.25.16", "batch/v1", "policy/v1", false, true, false},
		{"v1.26.15", "batch/v1", "policy/v1", true, true, false},
		{"v1.27.16", "batch/v1", "policy/v1", true, true, true},
		{"v1.36.3", "batch/v1", "policy/v1", true, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.kube, func(t *testing.T) {
			t.Parallel()
			in := install(form().with(values{"buffer": values{"type": "disk"}}))
			in.cluster = cluster{kube: tt.kube, apis: clusters["kyma today"].apis}
			os := render(t, in)
			assert.Equal(t, tt.cron, os.ofKind("CronJob")[0].GetAPIVersion())
			assert.Equal(t, tt.budget, os.ofKind("PodDisruptionBudget")[0].GetAPIVersion())
			for _, o := range os {
				assert.Equal(t, tt.failurePolicy && o.GetKind() == "Job" || tt.failurePolicy && o.GetKind() == "CronJob", strings.Contains(o.raw, "podFailurePolicy"), o.id())
				assert.Equal(t, tt.retention && o.GetKind() == "StatefulSet", strings.Contains(o.raw, "persistentVolumeClaimRetentionPolicy"), o.id())
			}
			gateway := os.pods(t)["StatefulSet my-c4c-gateway"]
			known := tt.kube != "v1.15.12"
			assert.Equal(t, known, gateway.Spec.Containers[0].StartupProbe != nil)
			assert.Equal(t, known, gateway.Spec.TopologySpreadConstraints != nil)
			for name, pod := range os.pods(t) {
				assert.Equal(t, tt.seccomp, pod.Spec.SecurityContext.SeccompProfile != nil, name)
			}
		})
	}
	// What the operator says counts more than what is seen.
	over := install(form().with(values{"capabilities": values{"kubeVersion": "1.20"}})).on("kyma today")
	assert.Equal(t, "batch/v1beta1", render(t, over).ofKind("CronJob")[0].GetAPIVersion())
	// Helm's placeholder for "no cluster" is no Kubernetes 1.20.
	assert.Equal(t, "batch/v1", render(t, install(form())).ofKind("CronJob")[0].GetAPIVersion())
}

// The notes say where things are, and nothing secret.
func TestNotes(t *testing.T) {
	t.Parallel()
	rel, err := tryRender(t, install(form()))
	require.NoError(t, err)
	for _, want := range []string{
		"my-c4c connects SAP Cloud for Customer with Kyma.",
		"kubectl -n team-a get configmap my-c4c-status",
		"https://my-c4c-webhook-team-a.kyma.example.com/c4c",
		"kubectl -n team-a get secret my-c4c-generated",
		"helm test my-c4c -n team-a",
	} {
		assert.Contains(t, rel.Info.Notes, want)
	}
	rel, err = tryRender(t, install(form()).on("no kyma"))
	require.NoError(t, err)
	assert.Contains(t, rel.Info.Notes, "The gateway is not exposed")
}

// The definition in the ConfigMap is the chart's, byte for byte.
func TestDefinitionIsKept(t *testing.T) {
	t.Parallel()
	definition := render(t, install(form())).find(t, "ConfigMap", "my-c4c-definition").text(t, "data", "connector.yaml")
	var got, want map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(definition), &got))
	for _, file := range load(t, c4c).Files {
		if file.Name == "files/connector.yaml" {
			assert.Equal(t, string(file.Data), definition)
			require.NoError(t, yaml.Unmarshal(file.Data, &want))
		}
	}
	assert.Equal(t, want, got)
}
