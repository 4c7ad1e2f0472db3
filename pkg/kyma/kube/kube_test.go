package kube_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube/kubetest"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const secretPath = "/api/v1/namespaces/apps/secrets/made"

func start(t *testing.T) (*kubetest.Server, *kube.Client) {
	t.Helper()
	server, err := kubetest.New(simulator.KymaOptions{Namespaces: []string{"apps", "a", "b"}})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	client, err := kube.NewForConfig(server.Config(), kube.Options{UserAgent: "test"})
	require.NoError(t, err)
	return server, client
}

func put(t *testing.T, server *kubetest.Server, path, object string) {
	t.Helper()
	require.NoError(t, server.Put(path, object))
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	shop := kube.Application("shop")
	tests := map[string]struct {
		fault     http.HandlerFunc
		ref       kube.Ref
		want      []string
		permanent bool
		retry     bool
	}{
		"forbidden": {kubetest.Status(403, "Forbidden", `secrets "x" is forbidden: User "system:serviceaccount:a:b" cannot get`), kube.Secret("kyma-system", "x"),
			[]string{
				"may not get secrets kyma-system/x", "allow the verb get on secrets to the service account a/b",
				"kubectl auth can-i get secrets/x -n kyma-system --as system:serviceaccount:a:b shows it",
			}, true, false},
		"forbidden to somebody": {kubetest.Status(403, "Forbidden", `applications "shop" is forbidden: User "jo@example.com" cannot get`), shop,
			[]string{"allow the verb get on applications.applicationconnector.kyma-project.io to the user jo@example.com", "--as jo@example.com shows it"}, true, false},
		"forbidden in the cluster": {kubetest.Status(403, "Forbidden", "no"), shop,
			[]string{"may not get applications shop", "to this account", "can-i get applications.applicationconnector.kyma-project.io/shop shows"}, true, false},
		"unauthorized":       {kubetest.Status(401, "Unauthorized", "Unauthorized"), shop, []string{"does not accept this account's credentials", "renew the token"}, true, false},
		"invalid":            {kubetest.Status(422, "Invalid", "spec.services[0].id: Required value"), shop, []string{"refuses to get applications shop", "spec.services[0].id"}, true, false},
		"invalid secret":     {kubetest.Status(422, "Invalid", "data[a]: Invalid value: hunter2"), kube.Secret("a", "b"), []string{"unprocessable entity (422)"}, true, false},
		"too large":          {kubetest.Status(413, "RequestEntityTooLarge", "limit is 3145728"), shop, []string{"too large", "fewer APIs"}, true, false},
		"too large for etcd": {kubetest.Status(500, "InternalError", "etcdserver: request is too large"), shop, []string{"too large"}, true, false},
		"broken":             {kubetest.Status(500, "InternalError", "etcd is away"), shop, []string{"etcd is away (500)"}, false, true},
		"conflict":           {kubetest.Status(409, "Conflict", "modified"), shop, []string{"somebody else changed it"}, false, false},
		"not JSON": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hunter2") }, shop,
			[]string{"get applications shop"}, false, true},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for range 65 {
				_, _ = w.Write(chunk)
			}
		}, shop, []string{"larger than 64 MiB"}, false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := start(t)
			server.SetFault(func(kubetest.Call, bool) http.HandlerFunc { return test.fault })
			_, err := client.Get(t.Context(), test.ref)
			require.Error(t, err)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), "hunter2")
			var config *registration.ConfigError
			assert.Equal(t, test.permanent, errors.As(err, &config), "permanent: %v", err)
			assert.Equal(t, test.retry, kube.IsRetryable(err), "retry: %v", err)
		})
	}
}

func TestUnreachableCluster(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	ref := kube.Secret("apps", "made")
	server.SetFault(func(kubetest.Call, bool) http.HandlerFunc { return kubetest.Cut })
	_, err := client.Create(t.Context(), ref, kube.NewSecret(ref, map[string]secret.Text{"a": secret.New("hunter2")}, nil))
	require.ErrorContains(t, err, "create secrets apps/made: the cluster gave no answer")
	assert.True(t, kube.IsRetryable(err))
	server.Close()
	_, err = client.Get(t.Context(), ref)
	require.ErrorContains(t, err, "connection refused")
	assert.True(t, kube.IsRetryable(err))
}

func TestAbsenceIsToldApart(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	_, err := client.Get(t.Context(), kube.Application("shop"))
	assert.True(t, kube.IsNotFound(err))
	assert.False(t, kube.IsNotServed(err), "the resource is there, the object is not")

	server.SetFault(func(kubetest.Call, bool) http.HandlerFunc { return kubetest.NotServed })
	_, err = client.Get(t.Context(), kube.Application("shop"))
	assert.True(t, kube.IsNotServed(err))
	assert.ErrorContains(t, err, "does not serve applications.applicationconnector.kyma-project.io")
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	versions, err := client.Versions(t.Context(), "eventing.kyma-project.io")
	require.NoError(t, err)
	assert.Equal(t, []string{"v1alpha2"}, versions)
	resources, err := client.Resources(t.Context(), "eventing.kyma-project.io", "v1alpha2")
	require.NoError(t, err)
	assert.Contains(t, resources, "subscriptions")

	versions, err = client.Versions(t.Context(), "eventing.knative.dev")
	require.NoError(t, err)
	assert.Empty(t, versions, "a group that is not served is no error")

	server.SetFault(func(kubetest.Call, bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"versions": [{"version": "v1"}, {"version": "v2"}], "preferredVersion": {"version": "v2"}}`)
		}
	})
	versions, err = client.Versions(t.Context(), "gateway.kyma-project.io")
	require.NoError(t, err)
	assert.Equal(t, []string{"v2", "v1"}, versions, "the preferred one first")

	server.SetFault(func(kubetest.Call, bool) http.HandlerFunc { return kubetest.Status(403, "Forbidden", "no") })
	_, err = client.Resources(t.Context(), "eventing.kyma-project.io", "v1alpha2")
	assert.ErrorContains(t, err, "may not get /apis/eventing.kyma-project.io/v1alpha2")
}

func TestListFindsLabelledObjectsOfOneOrAllNamespaces(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	put(t, server, "/api/v1/namespaces/a/secrets/one", `{"metadata": {"labels": {"owner": "me"}}}`)
	put(t, server, "/api/v1/namespaces/b/secrets/two", `{"metadata": {"labels": {"owner": "me"}}}`)
	put(t, server, "/api/v1/namespaces/b/secrets/three", `{}`)
	for namespace, want := range map[string]int{"": 2, "b": 1} {
		found, err := client.List(t.Context(), kube.Secret(namespace, ""), "owner=me")
		require.NoError(t, err)
		assert.Len(t, found, want)
	}
}

// add returns a Change that adds a key to a Secret and counts its calls.
func add(key string, calls *int) kube.Change {
	return func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		*calls++
		if current == nil {
			return kube.NewSecret(kube.Secret("apps", "made"), map[string]secret.Text{key: secret.New("1")}, nil), nil
		}
		data, err := kube.SecretData(current)
		if err != nil || !data[key].Empty() {
			return nil, err
		}
		data[key] = secret.New("1")
		kube.SetSecretData(current, data)
		return current, nil
	}
}

func TestModifyConverges(t *testing.T) {
	t.Parallel()
	onceAt := func(method string, after bool, handler http.HandlerFunc) kubetest.Fault {
		left := 1
		return func(call kubetest.Call, done bool) http.HandlerFunc {
			if call.Method != method || done != after || left == 0 {
				return nil
			}
			left--
			return handler
		}
	}
	tests := map[string]struct {
		fault  kubetest.Fault
		exists bool
		writes int
	}{
		"create":                     {nil, false, 1},
		"update":                     {nil, true, 1},
		"create again after a 503":   {onceAt("POST", false, kubetest.Status(503, "ServiceUnavailable", "busy")), false, 2},
		"create whose answer is cut": {onceAt("POST", true, kubetest.Cut), false, 1},
		"update whose answer is cut": {onceAt("PUT", true, kubetest.Cut), true, 1},
		"conflict":                   {onceAt("PUT", false, kubetest.Status(409, "Conflict", "modified")), true, 2},
		"somebody else created it":   {onceAt("POST", false, kubetest.Status(409, "AlreadyExists", "exists")), false, 2},
		"gone between get and put":   {onceAt("PUT", false, kubetest.Status(404, "NotFound", "gone")), true, 2},
		"get is cut":                 {onceAt("GET", false, kubetest.Cut), true, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := start(t)
			known := kube.Absent()
			if test.exists {
				put(t, server, secretPath, `{"data": {"old": "MQ=="}}`)
				known = kube.Known{}
			}
			server.SetFault(test.fault)
			calls := 0
			object, err := client.ModifyFrom(t.Context(), kube.Secret("apps", "made"), known, add("new", &calls))
			require.NoError(t, err)
			assert.Equal(t, "MQ==", object.Object["data"].(map[string]any)["new"])
			assert.Len(t, server.Writes(), test.writes)
			assert.Equal(t, "MQ==", server.Object(secretPath)["data"].(map[string]any)["new"])
		})
	}
}

func TestModifyMergesWithOthers(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	put(t, server, secretPath, `{"data": {"old": "MQ=="}}`)
	first := true
	server.Meanwhile(func(call kubetest.Call) {
		if first && call.Method == http.MethodPut {
			first = false
			put(t, server, call.Path, `{"data": {"old": "MQ==", "theirs": "Mg=="}}`)
		}
	})
	calls := 0
	_, err := client.Modify(t.Context(), kube.Secret("apps", "made"), add("ours", &calls))
	require.NoError(t, err)
	assert.Equal(t, 2, calls)
	assert.Equal(t, map[string]any{"old": "MQ==", "theirs": "Mg==", "ours": "MQ=="}, server.Object(secretPath)["data"])
}

func TestModifyGivesUp(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	ref, calls := kube.Secret("apps", "made"), 0
	server.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
		if call.Write() {
			return kubetest.Status(404, "NotFound", `namespaces "apps" not found`)
		}
		return nil
	})
	_, err := client.Modify(t.Context(), ref, add("a", &calls))
	require.ErrorContains(t, err, "namespace apps does not exist")
	assert.Equal(t, 1, calls, "a repetition cures nothing")

	refused := errors.New("not ours")
	_, err = client.Modify(t.Context(), ref, func(*unstructured.Unstructured) (*unstructured.Unstructured, error) { return nil, refused })
	require.ErrorIs(t, err, refused)

	ctx, cancel := context.WithCancel(t.Context())
	server.SetFault(func(kubetest.Call, bool) http.HandlerFunc {
		cancel()
		return kubetest.Status(503, "ServiceUnavailable", "busy")
	})
	calls = 0
	_, err = client.Modify(ctx, ref, add("a", &calls))
	require.Error(t, err)
	assert.Zero(t, calls)
}

func TestRemove(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	ref := kube.Secret("apps", "made")
	mine := func(object *unstructured.Unstructured) bool { return object.GetLabels()["owner"] == "me" }

	removed, err := client.Remove(t.Context(), ref, mine)
	require.NoError(t, err)
	assert.False(t, removed, "nothing was there")

	put(t, server, secretPath, `{"metadata": {"labels": {"owner": "somebody"}}}`)
	removed, err = client.Remove(t.Context(), ref, mine)
	require.NoError(t, err)
	assert.False(t, removed, "it is not ours")
	assert.NotNil(t, server.Object(secretPath))

	put(t, server, secretPath, `{"metadata": {"labels": {"owner": "me"}}}`)
	cut := true
	server.SetFault(func(call kubetest.Call, done bool) http.HandlerFunc {
		if call.Method == http.MethodDelete && done && cut {
			cut = false
			return kubetest.Cut
		}
		return nil
	})
	removed, err = client.Remove(t.Context(), ref, mine)
	require.NoError(t, err)
	assert.True(t, removed, "the answer was lost, the object is gone")
	assert.Nil(t, server.Object(secretPath))
}

func TestDeleteMindsWhatWasRead(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	ref := kube.Secret("apps", "made")
	put(t, server, secretPath, `{}`)
	object, err := client.Get(t.Context(), ref)
	require.NoError(t, err)
	put(t, server, secretPath, `{"data": {"theirs": "MQ=="}}`)
	assert.True(t, kube.IsConflict(client.Delete(t.Context(), ref, object)))
	require.NoError(t, client.Delete(t.Context(), ref, nil))
}

func TestConnectionSettings(t *testing.T) {
	t.Parallel()
	server, _ := start(t)
	put(t, server, "/apis/applicationconnector.kyma-project.io/v1alpha1/applications/shop", `{"apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application"}`)
	directory := t.TempDir()
	good := filepath.Join(directory, "good")
	require.NoError(t, os.WriteFile(good, []byte(`
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "`+server.URL()+`"}}]
contexts: [{name: c, context: {cluster: c, namespace: shop}}]
current-context: c
`), 0o600))
	client, err := kube.New(kube.Options{Kubeconfig: good})
	require.NoError(t, err)
	assert.Equal(t, "shop", client.Namespace())
	_, err = client.Get(t.Context(), kube.Application("shop"))
	require.NoError(t, err)

	broken := filepath.Join(directory, "broken")
	require.NoError(t, os.WriteFile(broken, []byte("token: [hunter2"), 0o600))
	for _, path := range []string{filepath.Join(directory, "absent"), broken} {
		_, err = kube.New(kube.Options{Kubeconfig: path})
		var config *registration.ConfigError
		require.ErrorAs(t, err, &config)
		assert.ErrorContains(t, err, path)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestRefsReadLikeSentences(t *testing.T) {
	t.Parallel()
	pods := schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	for want, ref := range map[string]kube.Ref{
		"secrets a/b":         kube.Secret("a", "b"),
		"applications shop":   kube.Application("shop"),
		"pods":                {Resource: pods},
		"pods in namespace a": {Resource: pods, Namespace: "a"},
	} {
		assert.Equal(t, want, ref.String())
	}
}
