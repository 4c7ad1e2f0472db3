package access_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/access"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

func manifest(kind, name, rest string) []byte {
	return []byte("apiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata: {name: " + name + "}\n" + rest)
}

func TestAServiceAccountMayDoWhatItsRolesSay(t *testing.T) {
	t.Parallel()
	a := access.New()
	for _, m := range []struct{ kind, name, rest string }{
		{"Role", "own", `rules: [{apiGroups: [""], resources: [secrets], verbs: [create]}, {apiGroups: [""], resources: [secrets], resourceNames: [state], verbs: [get, update]}]`},
		{"RoleBinding", "own", "roleRef: {kind: Role, name: own}\nsubjects: [{kind: ServiceAccount, name: job, namespace: ns}]"},
		{"ClusterRole", "apps", `rules: [{apiGroups: [applicationconnector.kyma-project.io], resources: [applications], verbs: ["*"]}]`},
		{"ClusterRoleBinding", "apps", "roleRef: {kind: ClusterRole, name: apps}\nsubjects: [{kind: ServiceAccount, name: job, namespace: ns}]"},
		{"ClusterRole", "reader", `rules: [{apiGroups: [""], resources: [configmaps], verbs: [list, watch]}]`},
		{"RoleBinding", "reader", "roleRef: {kind: ClusterRole, name: reader}\nsubjects: [{kind: ServiceAccount, name: job, namespace: ns}]"},
	} {
		require.NoError(t, a.Add(manifest(m.kind, m.name, m.rest), "ns"))
	}
	admin := secret.New("admin")
	seen := ""
	handler := a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen = r.Header.Get("Authorization") }), admin)
	call := func(token, request string) (int, string) {
		method, path, _ := strings.Cut(request, " ")
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		body, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		return w.Code, string(body)
	}
	job, other := a.Token("ns", "job").Reveal(), a.Token("other", "job").Reveal()

	for _, request := range []string{
		"POST /api/v1/namespaces/ns/secrets",
		"GET /api/v1/namespaces/ns/secrets/state",
		"PUT /api/v1/namespaces/ns/secrets/state",
		"GET /api/v1/namespaces/ns/configmaps?watch=true",
		"DELETE /apis/applicationconnector.kyma-project.io/v1alpha1/applications/demo",
		"GET /apis", "GET /apis/applicationconnector.kyma-project.io/v1alpha1", "GET /api/v1", "GET /version",
	} {
		status, _ := call(job, request)
		assert.Equal(t, http.StatusOK, status, request)
		assert.Equal(t, "Bearer admin", seen, "the API behind knows the administrator only")
	}
	for _, request := range []string{
		"GET /api/v1/namespaces/ns/secrets",
		"GET /api/v1/namespaces/ns/secrets/another",
		"DELETE /api/v1/namespaces/ns/secrets/state",
		"DELETE /api/v1/namespaces/ns/secrets",
		"POST /api/v1/namespaces/kyma-system/secrets",
		"GET /api/v1/configmaps",
		"PATCH /apis/applicationconnector.kyma-project.io/v1alpha1/applications/demo/status",
		"GET /api/v1/namespaces/ns",
		"GET /api/v1/namespaces/ns/status",
	} {
		status, _ := call(job, request)
		assert.Equal(t, http.StatusForbidden, status, request)
	}
	status, body := call(other, "GET /api/v1/namespaces/ns/secrets/state")
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, body, `secrets \"state\" is forbidden: User \"system:serviceaccount:other:job\" cannot get resource \"secrets\" in API group \"\" in the namespace \"ns\"`)
	status, _ = call("guess", "GET /version")
	assert.Equal(t, http.StatusUnauthorized, status)
	status, _ = call("admin", "DELETE /api/v1/namespaces/ns/secrets")
	assert.Equal(t, http.StatusOK, status)

	a.Remove(manifest("RoleBinding", "own", ""), "ns")
	status, _ = call(job, "GET /api/v1/namespaces/ns/secrets/state")
	assert.Equal(t, http.StatusForbidden, status, "a hook's rights go with it")
}

// What was asked for is remembered, with all the roles that there were: what an operator wants to know of an add-on.
func TestUsed(t *testing.T) {
	t.Parallel()
	a := access.New()
	require.NoError(t, a.Add(manifest("Role", "own", `rules: [{apiGroups: [""], resources: [secrets], resourceNames: [state], verbs: [get]}]`), "ns"))
	require.NoError(t, a.Add(manifest("RoleBinding", "own", "roleRef: {kind: Role, name: own}\nsubjects: [{kind: ServiceAccount, name: job, namespace: ns}]"), "ns"))
	require.NoError(t, a.Add([]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}"), "ns"), "not its business")
	require.Error(t, a.Add([]byte("{"), "ns"))
	handler := a.Handler(http.NotFoundHandler(), secret.New("admin"))
	token := a.Token("ns", "job").Reveal()
	for _, path := range []string{"/version", "/api/v1/namespaces/ns/secrets/state", "/api/v1/namespaces/ns/secrets/state", "/api/v1/namespaces/ns/secrets?fieldSelector=metadata.name%3Dstate"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	a.Remove(manifest("Role", "own", ""), "ns")
	used := a.Used()
	require.Len(t, used.Objects, 2)
	assert.Equal(t, "ns", used.Objects[0].Namespace)
	job := access.Account{Namespace: "ns", Name: "job"}
	assert.Equal(t, []access.Request{
		{Account: job, Verb: "get", Resource: "secrets", Namespace: "ns", Name: "state", Allowed: true},
		{Account: job, Verb: "list", Resource: "secrets", Namespace: "ns", Name: "state"},
	}, used.Requests)
}
