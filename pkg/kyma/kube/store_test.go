package kube_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube/kubetest"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestEnsureSecretKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		held    string // the Secret before; empty: none
		written []string
		want    map[string]any
	}{
		"absent":        {"", []string{"password", "user"}, map[string]any{"user": encode("u1"), "password": encode("p1")}},
		"complete":      {`{"data": {"user": "dQ==", "password": "cA==", "more": ""}}`, nil, map[string]any{"user": "dQ==", "password": "cA==", "more": ""}},
		"one is absent": {`{"data": {"user": "dQ=="}}`, []string{"password"}, map[string]any{"user": "dQ==", "password": encode("p1")}},
		"one is empty":  {`{"data": {"user": "", "password": "cA=="}}`, []string{"user"}, map[string]any{"user": encode("u1"), "password": "cA=="}},
		"no data":       {`{}`, []string{"password", "user"}, map[string]any{"user": encode("u1"), "password": encode("p1")}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := start(t)
			if test.held != "" {
				put(t, server, secretPath, test.held)
			}
			ensure := func() []string {
				written, err := client.EnsureSecret(t.Context(), kube.Secret("apps", "made"),
					map[string]secret.Text{"user": secret.New("u1"), "password": secret.New("p1")}, map[string]string{"owner": "me"})
				require.NoError(t, err)
				return written
			}
			assert.ElementsMatch(t, test.written, ensure())
			assert.Equal(t, test.want, server.Object(secretPath)["data"])
			server.Calls()
			assert.Empty(t, ensure())
			assert.Empty(t, server.Writes(), "the second time there is nothing to do")
		})
	}
}

func TestBrokenSecretIsNotOverwritten(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`{"user": "%%%"}`, `{"user": 1}`} {
		server, client := start(t)
		server.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				assert.False(t, call.Write())
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "made"}, "data": `+data+`}`)
			}
		})
		_, err := client.EnsureSecret(t.Context(), kube.Secret("apps", "made"), map[string]secret.Text{"a": secret.New("b")}, nil)
		require.ErrorContains(t, err, "secret made cannot be read")
	}
}

func TestConfigMapIsWrittenOnlyWhenItChanges(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	ref, path := kube.ConfigMap("apps", "status"), "/api/v1/namespaces/apps/configmaps/status"
	labels := map[string]string{"owner": "me"}
	for i, data := range []map[string]string{{"a": "1"}, {"b": "2"}} {
		require.NoError(t, client.WriteConfigMap(t.Context(), ref, kube.Known{}, data, labels))
		assert.Len(t, server.Writes(), 1, "data %d", i)
		require.NoError(t, client.WriteConfigMap(t.Context(), ref, kube.Known{}, data, labels))
		assert.Empty(t, server.Writes())
		held, err := client.ReadConfigMap(t.Context(), ref)
		require.NoError(t, err)
		assert.Equal(t, data, held)
	}
	put(t, server, path, `{"metadata": {"labels": {"theirs": "1"}}, "data": {"b": "2"}}`)
	require.NoError(t, client.WriteConfigMap(t.Context(), ref, kube.Known{}, map[string]string{"b": "2"}, labels))
	assert.Equal(t, map[string]any{"theirs": "1", "owner": "me"}, server.Object(path)["metadata"].(map[string]any)["labels"])
}

func TestStateComesBack(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	store := kube.NewStateStore(client, "apps", "made", map[string]string{"owner": "me"})

	empty, err := store.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, registration.StateData{}, empty)

	saved := registration.StateData{Key: secret.New("k3y-of-the-digests"), Digests: map[string]string{"id": "digest"}}
	require.NoError(t, store.Save(t.Context(), saved))
	loaded, err := store.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, saved, loaded)
	server.Calls()
	require.NoError(t, store.Save(t.Context(), saved))
	assert.Empty(t, server.Writes(), "nothing changed")

	saved.Digests["id"] = "other"
	require.NoError(t, store.Save(t.Context(), saved))
	loaded, err = store.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, saved, loaded)
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", loaded, loaded, loaded), "k3y")

	require.NoError(t, store.Remove(t.Context()))
	require.NoError(t, store.Remove(t.Context()))
	assert.Nil(t, server.Object(secretPath))
}

func TestUnreadableStateIsForgotten(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]string{
		"no key":     `{"data": {"digests": "` + encode(`{"a":"b"}`) + `"}}`,
		"no digests": `{"data": {"key": "a2V5"}}`,
		"garbage":    `{"data": {"key": "a2V5", "digests": "` + encode("garbage") + `"}}`,
		"null":       `{"data": {"key": "a2V5", "digests": "` + encode("null") + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, client := start(t)
			put(t, server, secretPath, held)
			store := kube.NewStateStore(client, "apps", "made", nil)
			loaded, err := store.Load(t.Context())
			require.NoError(t, err)
			assert.Equal(t, registration.StateData{}, loaded)
			saved := registration.StateData{Key: secret.New("key"), Digests: map[string]string{"id": "digest"}}
			require.NoError(t, store.Save(t.Context(), saved))
			loaded, err = store.Load(t.Context())
			require.NoError(t, err)
			assert.Equal(t, saved, loaded)
		})
	}
}

func TestStateThatMayNotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	server.SetFault(func(kubetest.Call, bool) http.HandlerFunc { return kubetest.Status(403, "Forbidden", "no") })
	_, err := kube.NewStateStore(client, "apps", "made", nil).Load(t.Context())
	assert.ErrorContains(t, err, "may not get secrets apps/made")
}
