package charts_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	everyVariant(t, func(t *testing.T, in installation, os objects) {
		for name, pod := range os.pods(t) {
			checked := pod.DeepCopy()
			if in.cluster.kube == "v1.15.12" {
				// The profile is an annotation there, which the check, being younger, does not know.
				assert.Equal(t, "runtime/default", pod.Annotations["seccomp.security.alpha.kubernetes.io/pod"], name)
				assert.Nil(t, pod.Spec.SecurityContext.SeccompProfile, name)
				checked.Spec.SecurityContext.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
			}
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(
				api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &checked.ObjectMeta, &checked.Spec))
			assert.True(t, result.Allowed, "%s: %s", name, result.ForbiddenDetail())
			for _, c := range containers(pod) {
				assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, "%s %s", name, c.Name)
				assert.NotEmpty(t, c.Resources.Requests, "%s %s", name, c.Name)
				assert.NotEmpty(t, c.Resources.Limits, "%s %s", name, c.Name)
			}
			assert.False(t, *pod.Spec.EnableServiceLinks, name)
		}
	})
}

// Secrets go where they may: into a Secret, or into the pods as a mount of one.
func TestSecretsStayInSecrets(t *testing.T) {
	t.Parallel()
	markers := values{"basic_password": "marker-of-basic-password", "event_password": "marker-of-event-password"}
	for _, hooks := range []bool{true, false} {
		rel, err := tryRender(t, install(form().with(markers).with(values{"registration": values{"hooks": hooks}, "metrics": values{"serviceMonitor": values{"enabled": true}}})))
		require.NoError(t, err)
		found := 0
		for _, o := range parse(t, rel) {
			for name, marker := range markers {
				encoded := base64.StdEncoding.EncodeToString([]byte(marker.(string)))
				if o.GetKind() == "Secret" {
					assert.Equal(t, encoded, o.text(t, "data", name))
					found++
					continue
				}
				assert.NotContains(t, o.raw, marker, o.id())
				assert.NotContains(t, o.raw, encoded, o.id())
			}
		}
		assert.Equal(t, len(markers), found)
		assert.NotContains(t, rel.Info.Notes, "marker-of")
	}
}

// A changed secret changes nothing but the Secret: no digest of it in a name or an annotation, where it could be guessed.
func TestNoDigestOfSecrets(t *testing.T) {
	t.Parallel()
	for _, hooks := range []bool{true, false} {
		base := form().with(values{"registration": values{"hooks": hooks}})
		before := render(t, install(base))
		after := render(t, install(base.with(values{"basic_password": "another"})))
		require.Equal(t, before.ids(), after.ids())
		var changed []string
		for i := range before {
			if before[i].raw != after[i].raw {
				changed = append(changed, before[i].id())
			}
		}
		assert.Equal(t, []string{"Secret /my-c4c-credentials"}, changed)
	}
}

func TestOnlyJobsHaveAToken(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, _ installation, os objects) {
		for name, pod := range os.pods(t) {
			job := slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == "registration-job" })
			assert.Equal(t, job, *pod.Spec.AutomountServiceAccountToken, name)
			assert.True(t, os.has("ServiceAccount", pod.Spec.ServiceAccountName), "%s runs as %q", name, pod.Spec.ServiceAccountName)
		}
		for _, account := range os.ofKind("ServiceAccount") {
			assert.Equal(t, false, account.Object["automountServiceAccountToken"], account.id())
		}
		for _, binding := range slices.Concat(os.ofKind("RoleBinding"), os.ofKind("ClusterRoleBinding")) {
			for _, subject := range into[rbacv1.RoleBinding](t, binding).Subjects {
				assert.NotContains(t, subject.Name, "gateway", "the gateway has no rights at all")
			}
		}
	})
}

// What exists may be read and changed by name only; rights to delete are for those whose task it is.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, in installation, os objects) {
		sync := policyOf(t, in) == "sync"
		for _, o := range slices.Concat(os.ofKind("Role"), os.ofKind("ClusterRole")) {
			for _, rule := range into[rbacv1.Role](t, o).Rules {
				for _, list := range [][]string{rule.Verbs, rule.Resources, rule.APIGroups, rule.ResourceNames} {
					assert.NotContains(t, list, "*", o.id())
				}
				assert.Empty(t, rule.NonResourceURLs)
				sensitive := slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.Resources, "applications") || slices.Contains(rule.Resources, "configmaps")
				if sensitive && len(rule.ResourceNames) == 0 {
					assert.Equal(t, []string{"create"}, rule.Verbs, o.id())
				}
				if sensitive {
					assert.Subset(t, []string{"get", "create", "update", "delete"}, rule.Verbs, o.id())
				}
				if len(rule.ResourceNames) == 0 && !sensitive {
					assert.Subset(t, []string{"get", "list"}, rule.Verbs, o.id())
				}
				if o.GetKind() == "ClusterRole" {
					assert.NotContains(t, rule.Resources, "secrets", o.id())
				}
				if !sync && !strings.HasSuffix(o.GetName(), "-delete") {
					assert.NotContains(t, rule.Verbs, "delete", o.id())
				}
				if strings.HasSuffix(o.GetName(), "-test") {
					assert.Subset(t, []string{"get", "list"}, rule.Verbs, o.id())
				}
			}
		}
	})
}

// policyOf is what the values say or, where they say nothing, the definition.
func policyOf(t *testing.T, in installation) string {
	t.Helper()
	registration, _ := in.values["registration"].(map[string]any)
	if policy, _ := registration["policy"].(string); policy != "" {
		return policy
	}
	data, err := os.ReadFile(filepath.Join(in.chart, "files/connector.yaml"))
	require.NoError(t, err)
	var definition struct{ Policy string }
	require.NoError(t, yaml.Unmarshal(data, &definition))
	return definition.Policy
}

func TestRights(t *testing.T) {
	t.Parallel()
	os := render(t, install(form()))
	outside := "my-c4c-1c110ce8-"

	apply := into[rbacv1.Role](t, os.find(t, "Role", outside+"apply"))
	assert.Equal(t, "kyma-system", apply.Namespace)
	assert.Equal(t, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "update"}, ResourceNames: []string{"team-a.my-c4c.system", "team-a.my-c4c.system.params"}},
	}, apply.Rules)

	cluster := into[rbacv1.ClusterRole](t, os.find(t, "ClusterRole", outside+"apply"))
	assert.Contains(t, cluster.Rules, rbacv1.PolicyRule{APIGroups: []string{"applicationconnector.kyma-project.io"}, Resources: []string{"applications"}, Verbs: []string{"create"}})
	assert.Contains(t, cluster.Rules, rbacv1.PolicyRule{APIGroups: []string{"applicationconnector.kyma-project.io"}, Resources: []string{"applications"}, Verbs: []string{"get", "update"}, ResourceNames: []string{"shop"}})

	remove := into[rbacv1.Role](t, os.find(t, "Role", outside+"delete"))
	assert.Equal(t, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "delete"}, ResourceNames: []string{"team-a.my-c4c.system", "team-a.my-c4c.system.params"}},
	}, remove.Rules)
	assert.Equal(t, []rbacv1.PolicyRule{ // where something is registered is all that it looks for
		{APIGroups: []string{"applicationconnector.kyma-project.io"}, Resources: []string{"applications"}, Verbs: []string{"get", "update", "delete"}, ResourceNames: []string{"shop"}},
		{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"get"}, ResourceNames: []string{"application-registry-external-api"}},
	}, into[rbacv1.ClusterRole](t, os.find(t, "ClusterRole", outside+"delete")).Rules)
	assert.Equal(t, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}, ResourceNames: []string{"my-c4c-state"}},
	}, into[rbacv1.Role](t, os.find(t, "Role", "my-c4c-test")).Rules)

	prepare := into[rbacv1.Role](t, os.find(t, "Role", "my-c4c-prepare"))
	assert.Equal(t, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}},
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "update"}, ResourceNames: []string{"my-c4c-generated"}},
	}, prepare.Rules)
}

// Without leave to create it, the Application must exist.
func TestApplicationIsNotCreatedWithoutLeave(t *testing.T) {
	t.Parallel()
	os := render(t, install(form().with(values{"registration": values{"createApplication": false}})))
	for _, rule := range into[rbacv1.ClusterRole](t, os.find(t, "ClusterRole", "my-c4c-1c110ce8-apply")).Rules {
		assert.NotContains(t, rule.Verbs, "create")
	}
	assert.Equal(t, "false", env(t, os.pods(t)["Job my-c4c-apply"].Spec.Containers[0])["KC_CREATE_APPLICATION"])
}

// With policy sync the apply Job may delete; the CronJob only where the operator says so.
func TestSync(t *testing.T) {
	t.Parallel()
	verbs := func(os objects, job string) []string {
		rules := into[rbacv1.Role](t, os.find(t, "Role", "my-c4c-1c110ce8-"+job)).Rules
		return rules[len(rules)-1].Verbs
	}
	policyOf := func(os objects, pod string) string { return env(t, os.pods(t)[pod].Spec.Containers[0])["KC_POLICY"] }

	usual := render(t, install(form()))
	assert.NotContains(t, verbs(usual, "apply"), "delete")
	assert.Empty(t, policyOf(usual, "Job my-c4c-apply"), "the definition decides")

	careful := render(t, install(form().with(values{"registration": values{"policy": "sync"}})))
	assert.Contains(t, verbs(careful, "apply"), "delete")
	assert.Equal(t, "sync", policyOf(careful, "Job my-c4c-apply"))
	assert.NotContains(t, verbs(careful, "reconcile"), "delete")
	assert.Equal(t, "upsert", policyOf(careful, "CronJob my-c4c-reconcile"))

	allowed := render(t, install(form().with(values{"registration": values{"policy": "sync", "reconcile": values{"allowDelete": true}}})))
	assert.Contains(t, verbs(allowed, "reconcile"), "delete")
	assert.Equal(t, "sync", policyOf(allowed, "CronJob my-c4c-reconcile"))

	// The definition's policy counts where the operator says nothing.
	in := varietyOf(nil)
	in.definition += "policy: sync\n"
	defined := render(t, in)
	assert.Contains(t, verbs(defined, "apply"), "delete")
	assert.Empty(t, policyOf(defined, "Job my-c4c-apply"))
	assert.Equal(t, "upsert", policyOf(defined, "CronJob my-c4c-reconcile"))
	in = varietyOf(values{"registration": values{"policy": "upsert"}})
	in.definition += "policy: sync\n"
	assert.NotContains(t, verbs(render(t, in), "apply"), "delete")
}

// In Kyma 1.11 to 1.22 Triggers are what workloads subscribe by, and each Application has an event service.
func TestTriggersAreSubscriptions(t *testing.T) {
	t.Parallel()
	triggers := rbacv1.PolicyRule{APIGroups: []string{"eventing.knative.dev"}, Resources: []string{"triggers"}, Verbs: []string{"list"}}
	in := varietyOf(nil)
	in.definition = strings.Replace(variety, "webhooks: {delivery: tree,", "webhooks: {delivery: tree, mode: dynamic,", 1)
	for name, want := range map[string]bool{"kyma 1.14": true, "kyma 1.24": false, "kyma today, and a Knative of one's own": false} {
		in.cluster = map[string]cluster{
			"kyma 1.14":                              {"v1.16.15", append(slices.Clone(clusters["kyma 1.6"].apis), "eventing.kyma-project.io/v1alpha1/Subscription", "eventing.knative.dev/v1alpha1/Trigger")},
			"kyma 1.24":                              clusters["kyma 1.24"],
			"kyma today, and a Knative of one's own": {"v1.36.3", append(slices.Clone(clusters["kyma today"].apis), "eventing.knative.dev/v1/Trigger")},
		}[name]
		os := render(t, in)
		for _, job := range []string{"apply", "reconcile", "test", "delete"} {
			rules := into[rbacv1.ClusterRole](t, os.find(t, "ClusterRole", "my-c4c-1c110ce8-"+job)).Rules
			if want && job != "delete" {
				assert.Contains(t, rules, triggers, "%s: %s", name, job)
			} else {
				assert.NotContains(t, rules, triggers, "%s: %s", name, job)
			}
			names := fmt.Sprint(rules)
			assert.Equal(t, !strings.Contains(name, "today") && job != "delete", strings.Contains(names, "-event-service"), "%s: %s", name, job)
		}
	}
}

// Where webhooks follow the Subscriptions of the cluster, the Jobs may list them, and only then; helm test looks for
// events that nobody gets.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{
		"webhooks: {delivery: tree, create: {post: /hooks}}":                                                                      false,
		"webhooks: {delivery: tree, mode: static, create: {post: /hooks}}":                                                        false,
		"webhooks: {delivery: tree, mode: dynamic, create: {post: /hooks}}":                                                       true,
		"webhooks: {delivery: tree, mode: '=param(\"application_name\")', create: {post: /hooks}}":                                true,
		"webhooks: [{delivery: tree, mode: static, create: {post: /hooks}}, {delivery: tree, mode: dynamic, create: {post: /b}}]": true,
	}
	for webhooks, want := range tests {
		in := varietyOf(nil)
		in.definition = strings.Replace(variety, "webhooks: {delivery: tree, create: {post: /hooks}}", webhooks, 1)
		os := render(t, in)
		for job, may := range map[string]bool{"apply": want, "reconcile": want, "test": true, "delete": false} {
			rules := into[rbacv1.ClusterRole](t, os.find(t, "ClusterRole", "my-c4c-1c110ce8-"+job)).Rules
			rule := rbacv1.PolicyRule{APIGroups: []string{"eventing.kyma-project.io"}, Resources: []string{"subscriptions"}, Verbs: []string{"list"}}
			if may {
				assert.Contains(t, rules, rule, "%s: %s", webhooks, job)
			} else {
				assert.NotContains(t, rules, rule, "%s: %s", webhooks, job)
			}
		}
		assert.Equal(t, "https://my-c4c-tree-team-a.kyma.example.com", env(t, os.pods(t)["Job my-c4c-delete"].Spec.Containers[0])["KC_CALLBACK_URL"], "webhooks are taken back, too")
	}
}

// Secrets of credentials that Kyma's gateway uses: one of the system, one for each API with its own, and as many for
// discovered APIs with their own as the operator allows.
func TestNamesOfSecrets(t *testing.T) {
	t.Parallel()
	in := varietyOf(values{"registration": values{"discoveredApis": 2}})
	in.definition = strings.Replace(variety, "deliveries:", "  - {discover: {get: /list, id: a}, auth: {none: {}}}\n  - {discover: {get: /list, id: b}}\ndeliveries:", 1)
	rules := into[rbacv1.Role](t, render(t, in).find(t, "Role", "my-c4c-1c110ce8-apply")).Rules
	var want []string
	for _, name := range []string{"system", "two", "three", "item-0", "item-1"} {
		want = append(want, "team-a.my-c4c."+name, "team-a.my-c4c."+name+".params")
	}
	assert.Equal(t, want, rules[1].ResourceNames)
}

// The Role lies where Kyma's gateway reads Secrets, and the Job is told the same place.
func TestCredentialsNamespace(t *testing.T) {
	t.Parallel()
	tests := []struct {
		cluster string
		given   string
		want    string
	}{
		{"offline", "", "kyma-system"},
		{"kyma today", "", "kyma-system"},
		{"no kyma", "", "kyma-system"},
		{"kyma 1.6", "", "kyma-integration"},
		{"kyma 1.24", "", "kyma-integration"},
		{"kyma 2.7", "", "kyma-integration"},
		{"kyma 2.7", "kyma-system", "kyma-system"},
	}
	for _, tt := range tests {
		os := render(t, install(form().with(values{"registration": values{"credentialsNamespace": tt.given}})).on(tt.cluster))
		for _, job := range []string{"apply", "reconcile", "delete", "test"} {
			assert.Equal(t, tt.want, os.find(t, "Role", "my-c4c-1c110ce8-"+job).GetNamespace(), tt.cluster)
			assert.Equal(t, tt.want, os.find(t, "RoleBinding", "my-c4c-1c110ce8-"+job).GetNamespace(), tt.cluster)
		}
		assert.Equal(t, tt.want, env(t, os.pods(t)["Job my-c4c-apply"].Spec.Containers[0])["KC_CREDENTIALS_NAMESPACE"], tt.cluster)
	}
}
