package kube_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// TestTwoStatesInOneSecret: services and webhooks keep their state beside each other.
func TestTwoStatesInOneSecret(t *testing.T) {
	t.Parallel()
	server, client := start(t)
	labels := map[string]string{"owner": "me"}
	services := kube.NewStateStore(client, "apps", "made", labels)
	webhooks := kube.NewWebhookStore(client, "apps", "made", labels)

	empty, err := webhooks.Load(t.Context())
	require.NoError(t, err)
	assert.Zero(t, empty)

	ofWebhooks := subscription.StateData{
		Key: secret.New("0123"), Callbacks: []string{"https://gw.example.com/shop"},
		Webhooks: map[string]subscription.Record{"/order": {ID: "7", Digest: "d", Recreate: "r", UnwantedSince: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
	}
	require.NoError(t, webhooks.Save(t.Context(), ofWebhooks))
	none, err := services.Load(t.Context())
	require.NoError(t, err)
	assert.Zero(t, none)
	ofServices := registration.StateData{Key: secret.New("4567"), Digests: map[string]string{"a": "b"}}
	require.NoError(t, services.Save(t.Context(), ofServices))

	for range 2 {
		gotWebhooks, err := webhooks.Load(t.Context())
		require.NoError(t, err)
		assert.Equal(t, ofWebhooks, gotWebhooks)
		gotServices, err := services.Load(t.Context())
		require.NoError(t, err)
		assert.Equal(t, ofServices, gotServices)

		server.Calls()
		require.NoError(t, webhooks.Save(t.Context(), ofWebhooks))
		require.NoError(t, services.Save(t.Context(), ofServices))
		assert.Empty(t, server.Writes(), "what is there already is not written")
	}
}

func TestWebhookStateThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`{"webhooks": "` + encode("{") + `"}`, `{"webhooks": "` + encode("{}") + `"}`, `{}`} {
		server, client := start(t)
		put(t, server, secretPath, `{"data": `+data+`}`)
		store := kube.NewWebhookStore(client, "apps", "made", nil)
		got, err := store.Load(t.Context())
		require.NoError(t, err)
		assert.Zero(t, got)
		require.NoError(t, store.Save(t.Context(), subscription.StateData{Key: secret.New("k")}))
		got, err = store.Load(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "k", got.Key.Reveal())
	}
}
