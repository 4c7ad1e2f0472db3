// Package rbac_test asks Kubernetes' own RBAC authorizer about the roles of every chart: that they suffice for what
// the Jobs do, that nothing foreign can be read or changed with them, and that the sandbox decides as Kubernetes does.
package rbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/kubernetes/pkg/registry/rbac/validation"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/access"
)

const root = "../.."

// kubernetes decides as a cluster does in which the objects are.
type kubernetes struct{ *rbac.RBACAuthorizer }

func newKubernetes(t *testing.T, objects []access.Object) kubernetes {
	t.Helper()
	var (
		roles               []*rbacv1.Role
		roleBindings        []*rbacv1.RoleBinding
		clusterRoles        []*rbacv1.ClusterRole
		clusterRoleBindings []*rbacv1.ClusterRoleBinding
	)
	for _, o := range objects {
		switch o.Kind {
		case "Role":
			roles = append(roles, &rbacv1.Role{ObjectMeta: o.ObjectMeta, Rules: o.Rules})
		case "RoleBinding":
			roleBindings = append(roleBindings, &rbacv1.RoleBinding{ObjectMeta: o.ObjectMeta, RoleRef: o.RoleRef, Subjects: o.Subjects})
		case "ClusterRole":
			clusterRoles = append(clusterRoles, &rbacv1.ClusterRole{ObjectMeta: o.ObjectMeta, Rules: o.Rules})
		case "ClusterRoleBinding":
			clusterRoleBindings = append(clusterRoleBindings, &rbacv1.ClusterRoleBinding{ObjectMeta: o.ObjectMeta, RoleRef: o.RoleRef, Subjects: o.Subjects})
		default:
			require.Failf(t, "unknown kind", "%s", o.Kind)
		}
	}
	_, static := validation.NewTestRuleResolver(roles, roleBindings, clusterRoles, clusterRoleBindings)
	return kubernetes{rbac.New(static, static, static, static)}
}

// allows asks for one request.
func (k kubernetes) allows(t *testing.T, r access.Request) bool {
	t.Helper()
	resource, subresource, _ := strings.Cut(r.Resource, "/")
	decision, _, err := k.Authorize(context.Background(), authorizer.AttributesRecord{
		User: serviceaccount.UserInfo(r.Account.Namespace, r.Account.Name, ""),
		Verb: r.Verb, APIGroup: r.Group, APIVersion: "v1", Resource: resource, Subresource: subresource, Namespace: r.Namespace, Name: r.Name, ResourceRequest: true,
	})
	if decision != authorizer.DecisionAllow {
		return false
	}
	require.NoError(t, err)
	return true
}

// binaries builds the programs that the sandbox runs.
func binaries(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, "./cmd/addonctl", "./cmd/registration-job", "./cmd/event-gateway")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return dir
}

// used runs an add-on in the sandbox from its installation to its removal, and returns what its accounts asked for.
func used(t *testing.T, bin, addon, kyma string) access.Used {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	file := filepath.Join(t.TempDir(), "rights.json")
	try := exec.CommandContext(ctx, filepath.Join(bin, "addonctl"), "try", addon, "--kyma", kyma, "--once", "--rights", file)
	try.Dir = root
	output, err := try.CombinedOutput()
	require.NoError(t, err, "%s", output)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var out access.Used
	require.NoError(t, json.Unmarshal(data, &out))
	return out
}

func accounts(u access.Used) []access.Account {
	var all []access.Account
	for _, r := range u.Requests {
		if !slices.Contains(all, r.Account) {
			all = append(all, r.Account)
		}
	}
	return all
}

func TestRights(t *testing.T) {
	t.Parallel()
	bin := binaries(t)
	addons, err := filepath.Glob(filepath.Join(root, "addons", "*", "meta.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, addons)
	for _, meta := range addons {
		name := filepath.Base(filepath.Dir(meta))
		for _, kyma := range []string{"current", "old"} {
			t.Run(name+"/"+kyma, func(t *testing.T) {
				t.Parallel()
				u := used(t, bin, filepath.Join("addons", name), kyma)
				k := newKubernetes(t, u.Objects)
				suffice(t, k, u)
				nothingForeign(t, k, u)
				nothingElse(t, k, u, name)
				sandboxAgrees(t, k, u)
			})
		}
	}
}

// suffice: everything that a run asked for is allowed, by Kubernetes as by the sandbox.
func suffice(t *testing.T, k kubernetes, u access.Used) {
	t.Helper()
	var jobs []string
	for _, r := range u.Requests {
		assert.True(t, r.Allowed, "the sandbox forbids %+v", r)
		assert.True(t, k.allows(t, r), "Kubernetes forbids %+v", r)
		if job := r.Account.Name[strings.LastIndex(r.Account.Name, "-")+1:]; !slices.Contains(jobs, job) {
			jobs = append(jobs, job)
		}
	}
	for _, job := range []string{"apply", "reconcile", "test", "delete"} {
		assert.Contains(t, jobs, job, "each Job has run")
	}
}

var (
	// touching are the verbs by which something that exists is read or changed.
	touching   = []string{"get", "list", "watch", "update", "patch", "delete", "deletecollection"}
	namespaces = []string{"sandbox", "kyma-system", "kyma-integration", "default", "kube-system", "another", ""}
)

// nothingForeign: no Secret, ConfigMap or Application of anybody else can be read or changed, and none can be
// listed, not even those of the namespace in which own ones are.
func nothingForeign(t *testing.T, k kubernetes, u access.Used) {
	t.Helper()
	foreign := []string{"foreign", "sh.helm.release.v1.try.v1", "another.try.system", "sandbox.another.system", "sandbox.try.system2", "try-state2", "istio-ca-secret", ""}
	for _, who := range accounts(u) {
		for _, verb := range touching {
			for _, namespace := range namespaces {
				for _, name := range foreign {
					for _, resource := range []string{"secrets", "configmaps"} {
						r := access.Request{Account: who, Verb: verb, Resource: resource, Namespace: namespace, Name: name}
						assert.False(t, k.allows(t, r), "%+v", r)
					}
				}
			}
			for _, name := range []string{"foreign", "commerce", ""} {
				for _, resource := range []string{"applications", "applications/status"} {
					r := access.Request{Account: who, Verb: verb, Group: "applicationconnector.kyma-project.io", Resource: resource, Name: name}
					assert.False(t, k.allows(t, r), "%+v", r)
				}
			}
		}
	}
}

// nothingElse: no way to more rights, no wildcard, and removing only where that is the task.
func nothingElse(t *testing.T, k kubernetes, u access.Used, addon string) {
	t.Helper()
	for _, o := range u.Objects {
		for _, rule := range o.Rules {
			for _, list := range [][]string{rule.Verbs, rule.APIGroups, rule.Resources, rule.ResourceNames, rule.NonResourceURLs} {
				for _, entry := range list {
					assert.NotContains(t, entry, "*", "%s %s", o.Kind, o.Name)
				}
			}
		}
		for _, subject := range o.Subjects {
			assert.Equal(t, rbacv1.ServiceAccountKind, subject.Kind, "%s: nobody but the Jobs' own accounts", o.Name)
			assert.Equal(t, "sandbox", subject.Namespace, o.Name)
		}
	}
	for _, who := range accounts(u) {
		for _, namespace := range namespaces {
			for _, r := range []access.Request{
				{Verb: "create", Resource: "pods"},
				{Verb: "create", Resource: "pods/exec", Name: "any"},
				{Verb: "create", Resource: "serviceaccounts/token", Name: "default"},
				{Verb: "impersonate", Resource: "serviceaccounts", Name: "default"},
				{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: "rolebindings"},
				{Verb: "bind", Group: "rbac.authorization.k8s.io", Resource: "clusterroles", Name: "cluster-admin"},
				{Verb: "escalate", Group: "rbac.authorization.k8s.io", Resource: "roles", Name: "any"},
				{Verb: "list", Resource: "services"},
				{Verb: "create", Group: "eventing.kyma-project.io", Resource: "subscriptions"},
				{Verb: "create", Group: "apps", Resource: "deployments"},
			} {
				r.Account, r.Namespace = who, namespace
				assert.False(t, k.allows(t, r), "%+v", r)
			}
		}
		if !strings.HasSuffix(who.Name, "-delete") && !removes(t, addon) {
			for _, r := range u.Requests {
				r.Account, r.Verb = who, "delete"
				assert.False(t, k.allows(t, r), "%+v", r)
			}
		}
		if strings.HasSuffix(who.Name, "-test") {
			for _, r := range u.Requests {
				for _, verb := range []string{"create", "update", "patch"} {
					r.Account, r.Verb = who, verb
					assert.False(t, k.allows(t, r), "verify only reads: %+v", r)
				}
			}
		}
	}
}

// removes says whether the connector's own values let its Jobs remove what the system does not list any more.
func removes(t *testing.T, addon string) bool {
	t.Helper()
	charts, err := filepath.Glob(filepath.Join(root, "addons", addon, "chart", "*", "values.yaml"))
	require.NoError(t, err)
	require.Len(t, charts, 1)
	data, err := os.ReadFile(charts[0])
	require.NoError(t, err)
	var values struct {
		Registration struct {
			Reconcile struct {
				AllowDelete bool `json:"allowDelete"`
			} `json:"reconcile"`
		} `json:"registration"`
	}
	require.NoError(t, yaml.Unmarshal(data, &values))
	return values.Registration.Reconcile.AllowDelete
}

// sandboxAgrees: for every account, verb, resource, namespace and name that the roles or the requests know, and some
// that they do not, the sandbox says what Kubernetes says.
func sandboxAgrees(t *testing.T, k kubernetes, u access.Used) {
	t.Helper()
	simulated := simulate(t, u.Objects)
	names, resources := []string{"", "foreign"}, [][2]string{{"", "pods"}, {"", "secrets/status"}}
	add := func(group, resource, name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if one := [2]string{group, resource}; !slices.Contains(resources, one) {
			resources = append(resources, one)
		}
	}
	for _, o := range u.Objects {
		for _, rule := range o.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					add(group, resource, "")
					for _, name := range rule.ResourceNames[:min(len(rule.ResourceNames), 6)] {
						add(group, resource, name)
					}
				}
			}
		}
	}
	asked, allowed := 0, 0
	for _, who := range append(accounts(u), access.Account{Namespace: "another", Name: "try-apply"}) {
		for _, resource := range resources {
			for _, verb := range append([]string{"create"}, touching...) {
				for _, namespace := range namespaces {
					for _, name := range names {
						r := access.Request{Account: who, Verb: verb, Group: resource[0], Resource: resource[1], Namespace: namespace, Name: name}
						asked++
						real := k.allows(t, r)
						if real {
							allowed++
						}
						if real != (simulated.Forbids(r) == "") {
							assert.Fail(t, "the sandbox disagrees", "%+v: Kubernetes allows it: %v", r, real)
						}
					}
				}
			}
		}
	}
	assert.Greater(t, allowed, 20)
	assert.Greater(t, asked, 20*allowed)
}

func simulate(t *testing.T, objects []access.Object) *access.Access {
	t.Helper()
	simulated := access.New()
	for _, o := range objects {
		data, err := json.Marshal(o)
		require.NoError(t, err)
		require.NoError(t, simulated.Add(data, "unused"))
	}
	return simulated
}

// What no chart has, the sandbox decides as Kubernetes does, too.
func TestSandboxAgreesOnOtherRoles(t *testing.T) {
	t.Parallel()
	var objects []access.Object
	for i, rule := range []string{
		`{"apiGroups":["*"],"resources":["*"],"verbs":["get"]}`,
		`{"apiGroups":[""],"resources":["secrets"],"verbs":["*"],"resourceNames":["own"]}`,
		`{"apiGroups":["apps"],"resources":["*/scale"],"verbs":["update"]}`,
		`{"apiGroups":["apps"],"resources":["deployments/status"],"verbs":["patch"]}`,
	} {
		for _, kind := range []string{"", "Cluster"} {
			name := fmt.Sprintf("%srole-%d", strings.ToLower(kind), i)
			who := fmt.Sprintf("account-%s%d", strings.ToLower(kind), i)
			for _, document := range []string{
				fmt.Sprintf(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"%sRole","metadata":{"name":%q,"namespace":"a"},"rules":[%s]}`, kind, name, rule),
				fmt.Sprintf(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"%sRoleBinding","metadata":{"name":%q,"namespace":"a"},"roleRef":{"kind":"%sRole","name":%q},"subjects":[{"kind":"ServiceAccount","name":%q,"namespace":"a"}]}`, kind, name, kind, name, who),
				// A role of the cluster, for one namespace.
				fmt.Sprintf(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"%s-local","namespace":"a"},"roleRef":{"kind":"%sRole","name":%q},"subjects":[{"kind":"ServiceAccount","name":"local-%s","namespace":"a"}]}`, name, kind, name, who),
			} {
				var o access.Object
				require.NoError(t, json.Unmarshal([]byte(document), &o))
				if strings.HasPrefix(o.Kind, "Cluster") {
					o.Namespace = ""
				}
				objects = append(objects, o)
			}
		}
	}
	k, simulated := newKubernetes(t, objects), simulate(t, objects)
	allowed := 0
	for i := range 4 {
		for _, who := range []string{"account-", "account-cluster", "local-account-", "local-account-cluster"} {
			for _, verb := range []string{"get", "list", "create", "update", "patch", "delete"} {
				for _, resource := range [][2]string{{"", "secrets"}, {"", "secrets/status"}, {"apps", "deployments"}, {"apps", "deployments/scale"}, {"apps", "deployments/status"}} {
					for _, namespace := range []string{"a", "b", ""} {
						for _, name := range []string{"own", "another", ""} {
							r := access.Request{Account: access.Account{Namespace: "a", Name: fmt.Sprintf("%s%d", who, i)}, Verb: verb, Group: resource[0], Resource: resource[1], Namespace: namespace, Name: name}
							real := k.allows(t, r)
							if real {
								allowed++
							}
							assert.Equal(t, real, simulated.Forbids(r) == "", "%+v", r)
						}
					}
				}
			}
		}
	}
	assert.Greater(t, allowed, 50)
}

// What a request asks for, the sandbox reads as Kubernetes does.
func TestSandboxReadsRequestsAsKubernetesDoes(t *testing.T) {
	t.Parallel()
	factory := request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}
	for _, line := range []string{
		"GET /api/v1/namespaces/a/secrets/x", "HEAD /api/v1/namespaces/a/secrets/x", "PUT /api/v1/namespaces/a/secrets/x", "PATCH /api/v1/namespaces/a/secrets/x",
		"DELETE /api/v1/namespaces/a/secrets/x", "DELETE /api/v1/namespaces/a/secrets", "POST /api/v1/namespaces/a/secrets", "GET /api/v1/namespaces/a/secrets",
		"GET /api/v1/secrets", "GET /api/v1/secrets?watch=true", "GET /api/v1/secrets?watch=1", "GET /api/v1/namespaces/a/secrets?labelSelector=b%3Dc",
		"GET /api/v1/namespaces/a/secrets?fieldSelector=metadata.name%3Dx", "DELETE /api/v1/namespaces/a/secrets?fieldSelector=metadata.name%3Dx",
		"POST /api/v1/namespaces/a/secrets?fieldSelector=metadata.name%3Dx",
		"GET /api/v1/namespaces", "GET /api/v1/namespaces/a", "PUT /api/v1/namespaces/a/finalize", "GET /api/v1/namespaces/a/status", "POST /api/v1/namespaces",
		"GET /apis/apps/v1/namespaces/a/deployments/x", "PATCH /apis/apps/v1/namespaces/a/deployments/x/status", "PUT /apis/apps/v1/namespaces/a/deployments/x/scale",
		"GET /apis/applicationconnector.kyma-project.io/v1alpha1/applications/x", "GET /apis/applicationconnector.kyma-project.io/v1alpha1/applications",
		"POST /api/v1/namespaces/a/serviceaccounts/x/token",
		"GET /version", "GET /api", "GET /api/v1", "GET /apis", "GET /apis/apps", "GET /apis/apps/v1",
	} {
		method, target, _ := strings.Cut(line, " ")
		r := httptest.NewRequest(method, target, http.NoBody)
		info, err := factory.NewRequestInfo(r)
		require.NoError(t, err, line)
		want := access.Request{}
		if info.IsResourceRequest {
			want = access.Request{Verb: info.Verb, Group: info.APIGroup, Resource: info.Resource, Namespace: info.Namespace, Name: info.Name}
			if info.Subresource != "" {
				want.Resource += "/" + info.Subresource
			}
		}
		assert.Equal(t, want, access.RequestOf(access.Account{}, r), line)
	}
}
