//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// rule is a rule of a Role.
type rule struct {
	APIGroups     []string `json:"apiGroups"`
	Resources     []string `json:"resources"`
	ResourceNames []string `json:"resourceNames,omitempty"`
	Verbs         []string `json:"verbs"`
}

// role is a Role or ClusterRole of a Job's account.
type role struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Rules    []rule
}

// lacking is how logs and reports speak of a permission that is not there.
const lacking = `this account may not`

// TestRights takes every single permission from the registration Job: it must fail, or its report must say what it could
// not do. What is not its own is out of reach.
func TestRights(t *testing.T) {
	s := newSuite(t)
	y := s.system(t, "c4c")
	r := s.newRelease(t, y, "rights", "narrow", map[string]string{"application_name": "narrow"})
	r.install(t, map[string]any{"registration": map[string]any{"reconcile": map[string]any{"schedule": "0 0 1 1 *"}}})

	t.Run("what is not the Job's own is out of reach", func(t *testing.T) {
		s.applyObject(t, map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "foreign", "namespace": "kyma-system", "labels": map[string]any{"e2e": "foreign"}}, "stringData": map[string]string{"password": "theirs"}})
		s.applyObject(t, map[string]any{"apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": "foreign"}, "spec": map[string]any{"description": "theirs"}})
		defer s.kubectl(t, "-n", "kyma-system", "delete", "secret/foreign", "application/foreign")
		for _, job := range []string{"reconcile", "apply"} {
			as := "--as=system:serviceaccount:" + r.namespace + ":" + r.name + "-" + job
			own := s.kubectl(t, "get", "application", "narrow", as, "-o", "name")
			assert.NotEmpty(t, own)
			for _, args := range [][]string{
				{"-n", "kyma-system", "get", "secret", "foreign"}, {"-n", "kyma-system", "get", "secrets"}, {"-n", "kyma-system", "delete", "secret", "foreign"},
				{"-n", "kyma-system", "patch", "secret", "foreign", "-p", "{}"}, {"-n", "default", "get", "secrets"}, {"-n", r.namespace, "get", "secrets"}, {"-n", r.namespace, "get", "secret", r.name + "-credentials"},
				{"get", "application", "foreign"}, {"get", "applications"}, {"patch", "application", "foreign", "--type=merge", "-p", `{"spec":{"description":"ours"}}`}, {"delete", "application", "foreign"},
				{"get", "nodes"}, {"-n", r.namespace, "get", "pods"}, {"-n", r.namespace, "create", "token", r.name + "-" + job},
			} {
				_, err := s.try(t.Context(), nil, append(append([]string{"kubectl"}, args...), as)...)
				if assert.Error(t, err, "%s: %v", job, args) {
					assert.Regexp(t, "[Ff]orbidden", err.Error(), "%s: %v", job, args)
				}
			}
		}
	})

	account := r.name + "-reconcile"
	for _, one := range r.roles(t, account) {
		single := atoms(one.Rules)
		for i, rule := range single {
			t.Run(fmt.Sprintf("%s %s %s %s", rule.Verbs[0], rule.Resources[0], one.Metadata.Namespace, short(rule.ResourceNames)), func(t *testing.T) {
				r.setting(t, rule.Verbs[0])
				r.patchRules(t, one, slices.Delete(slices.Clone(single), i, i+1))
				defer r.patchRules(t, one, one.Rules)
				succeeded, said := r.runReconcile(t)
				assert.True(t, r.names(said, account, one.Metadata.Namespace, rule), "nothing is said of what it may not do (succeeded: %v): %s", succeeded, said)
				report.right("reconcile", one.Metadata.Namespace, rule, succeeded)
			})
		}
	}
	succeeded, said := r.runReconcile(t)
	require.True(t, succeeded, "with all its permissions it works again: %s", said)
	assert.NotRegexp(t, lacking, said, "with all its permissions it lacks none")
	r.registered(t, "basic_password")
	r.uninstall(t)
}

// phase is a Job or a pod that Helm runs for a moment, with an account of its own.
type phase struct {
	account, kind, name string
	// scenes make a run need its permissions.
	scenes []func(t *testing.T, r *release)
	// goesOn: it may not fail, whatever it lacks.
	goesOn bool
}

// TestRightsOfHooks takes every single permission from the accounts of Helm's hooks, which exist only while one runs. What
// Helm would make for a hook is made once, so that each run is a Job and no installation.
func TestRightsOfHooks(t *testing.T) {
	s := newSuite(t)
	y := s.system(t, "c4c")
	generated := map[string]any{} // the Secret, as it was installed
	registered := func(t *testing.T, r *release) {
		t.Helper()
		s.applyObject(t, generated)
		succeeded, said := r.runReconcile(t)
		require.True(t, succeeded, said)
	}
	foreign := func(t *testing.T, r *release) { // something is left
		t.Helper()
		registered(t, r)
		s.kubectl(t, "-n", r.namespace, "label", "--overwrite", "secret", r.name+"-generated", "app.kubernetes.io/managed-by=somebody")
	}
	t.Run("each", func(t *testing.T) {
		for _, p := range []phase{
			{account: "prepare", kind: "Job", name: "prepare", scenes: []func(t *testing.T, r *release){
				func(t *testing.T, r *release) {
					t.Helper()
					s.kubectl(t, "-n", r.namespace, "delete", "secret", r.name+"-generated", "--ignore-not-found")
				},
				func(t *testing.T, r *release) {
					t.Helper()
					s.applyObject(t, map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": r.name + "-generated", "namespace": r.namespace}, "data": map[string]string{"event_user": ""}})
					s.kubectl(t, "-n", r.namespace, "patch", "secret", r.name+"-generated", "--type=merge", "-p", `{"data":{"event_user":"","event_password":""}}`)
				},
			}},
			{account: "test", kind: "Pod", name: "test-registration", scenes: []func(t *testing.T, r *release){func(*testing.T, *release) {}}},
			{account: "delete", kind: "Job", name: "delete", goesOn: true, scenes: []func(t *testing.T, r *release){registered, foreign, func(t *testing.T, r *release) {
				t.Helper()
				foreign(t, r)
				s.kubectl(t, "-n", r.namespace, "delete", "configmap", r.name+"-status", "--ignore-not-found")
			}}},
		} {
			name := "slim" + p.account // what is left of one is not what is left of another
			r := s.newRelease(t, y, "rights-"+p.account, name, map[string]string{"application_name": name})
			t.Run(p.account, func(t *testing.T) {
				t.Parallel()
				r.install(t, map[string]any{"registration": map[string]any{"reconcile": map[string]any{"schedule": "0 0 1 1 *"}}})
				if p.account == "delete" {
					s.get(t, &generated, "-n", r.namespace, "secret", r.name+"-generated")
					meta := generated["metadata"].(map[string]any)
					generated["metadata"] = map[string]any{"name": meta["name"], "namespace": meta["namespace"], "labels": meta["labels"]}
				}
				spec, remove := r.hook(t, p)
				r.eachRight(t, p, spec)
				if p.account == "delete" {
					registered(t, r)
				}
				succeeded, said := r.runJob(t, spec)
				require.True(t, succeeded, "with all its permissions it works again: %s", said)
				remove()
				r.uninstall(t)
			})
		}
	})
}

// hook makes everything that a hook needs, and returns it as the specification of a Job.
func (r *release) hook(t *testing.T, p phase) (spec map[string]any, remove func()) {
	t.Helper()
	var hooks []map[string]any
	for text := range strings.SplitSeq(r.s.helm(t, "get", "hooks", r.name, "-n", r.namespace), "\n---\n") {
		var object map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text), &object))
		hooks = append(hooks, object)
	}
	annotation := func(object map[string]any) string {
		event, _, _ := unstructured.NestedString(object, "metadata", "annotations", "helm.sh/hook")
		return event
	}
	at := slices.IndexFunc(hooks, func(o map[string]any) bool {
		name, _, _ := unstructured.NestedString(o, "metadata", "name")
		return o["kind"] == p.kind && name == r.name+"-"+p.name
	})
	require.GreaterOrEqual(t, at, 0, "the chart has no %s %s", p.kind, p.name)
	own := filepath.Join(t.TempDir(), "hook.yaml")
	var b strings.Builder
	for _, object := range hooks {
		if object["kind"] != "Job" && object["kind"] != "Pod" && annotation(object) == annotation(hooks[at]) {
			if meta := object["metadata"].(map[string]any); meta["namespace"] == nil && !strings.HasPrefix(object["kind"].(string), "Cluster") {
				meta["namespace"] = r.namespace
			}
			text, err := yaml.Marshal(object)
			require.NoError(t, err)
			b.WriteString("---\n" + string(text))
		}
	}
	require.NoError(t, os.WriteFile(own, []byte(b.String()), 0o600))
	r.s.kubectl(t, "apply", "-f", own)
	spec = hooks[at]["spec"].(map[string]any)
	if p.kind == "Pod" {
		spec = map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": hooks[at]["metadata"].(map[string]any)["labels"]}, "spec": spec}}
	}
	return spec, func() { r.s.kubectl(t, "delete", "-f", own) }
}

// eachRight takes away one permission after the other. One that nothing is said of in any scene is one that nobody needs, or
// one whose lack nobody would notice.
func (r *release) eachRight(t *testing.T, p phase, spec map[string]any) {
	t.Helper()
	for _, scene := range p.scenes {
		scene(t, r)
		succeeded, said := r.runJob(t, spec)
		require.True(t, succeeded, "with all its permissions it works: %s", said)
		require.NotRegexp(t, lacking, said, "with all its permissions it lacks none")
	}
	account := r.name + "-" + p.account
	for _, one := range r.roles(t, account) {
		single := atoms(one.Rules)
		for i, rule := range single {
			t.Run(fmt.Sprintf("%s %s %s %s", rule.Verbs[0], rule.Resources[0], one.Metadata.Namespace, short(rule.ResourceNames)), func(t *testing.T) {
				named, last := false, ""
				for _, scene := range p.scenes {
					scene(t, r)
					r.patchRules(t, one, slices.Delete(slices.Clone(single), i, i+1))
					succeeded, said := r.runJob(t, spec)
					r.patchRules(t, one, one.Rules)
					if p.goesOn {
						assert.True(t, succeeded, "nobody may be kept from removing a release: %s", said)
					}
					if named, last = r.names(said, account, one.Metadata.Namespace, rule), said; named {
						report.right(p.account, one.Metadata.Namespace, rule, succeeded)
						break
					}
				}
				assert.True(t, named, "nothing is said of what it may not do: %s", last)
			})
		}
	}
}

// names says whether a Job named the permission that it lacks, and whom to give it to.
func (r *release) names(said, account, namespace string, right rule) bool {
	where := regexp.QuoteMeta(right.Resources[0])
	if namespace != "" {
		where += " " + regexp.QuoteMeta(namespace) + "/"
	}
	return regexp.MustCompile(lacking+" "+right.Verbs[0]+` [^;(]*`+where).MatchString(said) &&
		strings.Contains(said, "to the service account "+r.namespace+"/"+account+" (kubectl auth can-i "+right.Verbs[0]+" ")
}

// atoms are the rules as single permissions.
func atoms(rules []rule) (single []rule) {
	for _, r := range rules {
		for _, resource := range r.Resources {
			for _, verb := range r.Verbs {
				single = append(single, rule{APIGroups: r.APIGroups, Resources: []string{resource}, ResourceNames: r.ResourceNames, Verbs: []string{verb}})
			}
		}
	}
	return single
}

func short(names []string) string {
	if len(names) > 2 {
		return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
	}
	return strings.Join(names, ",")
}

// roles are those that are bound to an account of the release.
func (r *release) roles(t *testing.T, account string) (roles []role) {
	t.Helper()
	for _, kind := range []string{"rolebindings", "clusterrolebindings"} {
		var bindings struct {
			Items []struct {
				Metadata struct{ Namespace string }
				RoleRef  struct{ Kind, Name string }
				Subjects []struct{ Name, Namespace string }
			}
		}
		r.s.get(t, &bindings, kind, "--all-namespaces")
		for _, b := range bindings.Items {
			for _, subject := range b.Subjects {
				if subject.Name != account || subject.Namespace != r.namespace {
					continue
				}
				var one role
				r.s.get(t, &one, b.RoleRef.Kind, b.RoleRef.Name, "-n", b.Metadata.Namespace)
				roles = append(roles, one)
			}
		}
	}
	require.NotEmpty(t, roles, "roles of the account %s", account)
	return roles
}

func (r *release) patchRules(t *testing.T, one role, rules []rule) {
	t.Helper()
	patch, err := json.Marshal(map[string]any{"rules": rules})
	require.NoError(t, err)
	r.s.kubectl(t, "-n", one.Metadata.Namespace, "patch", one.Kind, one.Metadata.Name, "--type=merge", "-p", string(patch))
}

// setting makes the next run need a permission: to create, everything that earlier runs made must be gone; to update, it
// must be there and differ.
func (r *release) setting(t *testing.T, verb string) {
	t.Helper()
	r.s.kubectl(t, "delete", "application", r.application(), "--ignore-not-found")
	for _, name := range strings.Fields(r.s.kubectl(t, "-n", "kyma-system", "get", "secrets", "-o", "name")) {
		if strings.HasPrefix(name, "secret/"+r.namespace+".") {
			r.s.kubectl(t, "-n", "kyma-system", "delete", name)
		}
	}
	r.s.kubectl(t, "-n", r.namespace, "delete", "configmap/"+r.name+"-status", "secret/"+r.name+"-state", "--ignore-not-found")
	if verb == "create" {
		return
	}
	succeeded, said := r.runReconcile(t)
	require.True(t, succeeded, said)
	r.s.kubectl(t, "patch", "application", r.application(), "--type=merge", "-p", `{"spec":{"services":[]}}`)
	for _, name := range strings.Fields(r.s.kubectl(t, "-n", "kyma-system", "get", "secrets", "-o", "name")) {
		if strings.HasPrefix(name, "secret/"+r.namespace+".") {
			r.s.kubectl(t, "-n", "kyma-system", "patch", name, "--type=merge", "-p", `{"data":{"password":"ZHJpZnQ="}}`)
		}
	}
	r.s.kubectl(t, "-n", r.namespace, "patch", "configmap/"+r.name+"-status", "--type=merge", "-p", `{"data":{"report":"drift"}}`)
	r.s.kubectl(t, "-n", r.namespace, "patch", "secret/"+r.name+"-state", "--type=json", "-p", `[{"op":"remove","path":"/data"}]`)
}

// runReconcile runs the CronJob's Job.
func (r *release) runReconcile(t *testing.T) (succeeded bool, said string) {
	t.Helper()
	var cron struct {
		Spec struct {
			JobTemplate struct {
				Metadata json.RawMessage `json:"metadata"`
				Spec     map[string]any  `json:"spec"`
			} `json:"jobTemplate"`
		} `json:"spec"`
	}
	r.s.get(t, &cron, "-n", r.namespace, "cronjob", r.name+"-reconcile")
	return r.runJob(t, cron.Spec.JobTemplate.Spec)
}

// runJob runs a Job once, without repetitions, and returns what it and its report say.
func (r *release) runJob(t *testing.T, spec map[string]any) (succeeded bool, said string) {
	t.Helper()
	name := fmt.Sprintf("run-%d", time.Now().UnixNano())
	spec["backoffLimit"], spec["activeDeadlineSeconds"] = 0, 60
	r.s.applyObject(t, map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": name, "namespace": r.namespace}, "spec": spec})
	defer r.s.kubectl(t, "-n", r.namespace, "delete", "job", name, "--wait=false")
	ended := ""
	eventually(t, 90*time.Second, func() string {
		ended = r.s.kubectl(t, "-n", r.namespace, "get", "job", name, "-o", `jsonpath={range .status.conditions[?(@.status=="True")]}{.type} {end}`)
		if !strings.Contains(ended, "Complete") && !strings.Contains(ended, "Failed") {
			return "the Job has not ended: " + ended
		}
		return ""
	})
	logs, _ := r.s.try(t.Context(), nil, "kubectl", "-n", r.namespace, "logs", "job/"+name)
	report, _ := r.s.try(t.Context(), nil, "kubectl", "-n", r.namespace, "get", "configmap", r.name+"-status", "-o", "jsonpath={.data.report}")
	return strings.Contains(ended, "Complete"), logs + "\n" + report
}
