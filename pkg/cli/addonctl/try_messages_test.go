package addonctl

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox"
)

// These tests try an add-on whose system sends its events by MQTT.

const messaging = "marketing-connector"

func TestTryByMQTT(t *testing.T) {
	const required = "system_url: https://my123456-api.s4hana.ondemand.com\nbasic_user: EXTFACTORY\nbasic_password: word-of-the-user\ncluster_domain: kyma.example.com\n"
	tests := []struct{ name, params, plan, kyma, host, tokenEndpoint string }{
		{"the required fields only", "", "default", "current", "mqtt.kyma.example.com", "https://auth.kyma.example.com/oauth/token"},
		{"on an old Kyma", "", "production", "old", "mqtt.kyma.example.com", "https://auth.kyma.example.com/oauth/token"},
		{"a second instance", "mqtt_host: mqtt2.kyma.example.com\nauth_host: auth2.kyma.example.com\n", "production", "current", "mqtt2.kyma.example.com", "https://auth2.kyma.example.com/oauth/token"},
		{"a client of one's own", "oauth_client_id: tenant-1\noauth_client_secret: a secret/with+signs\n", "default", "old", "mqtt.kyma.example.com", "https://auth.kyma.example.com/oauth/token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			file := filepath.Join(t.TempDir(), "params.yaml")
			require.NoError(t, os.WriteFile(file, []byte(required+tt.params), 0o600))
			o := &tryOptions{addon: messaging, plan: tt.plan, kyma: tt.kyma, params: file, binDir: binaries(t), once: true}
			trial, err := o.trial(&Context{})
			require.NoError(t, err)
			var manual string
			trial.Stay = func(_ context.Context, r *sandbox.Running, _ *sandbox.Report) { manual = strings.Join(r.Manual, "\n") }
			report := sandbox.Try(t.Context(), *trial)
			require.True(t, report.OK, report.Problems)
			assert.Equal(t, 29, report.APIs.Registered)
			assert.Positive(t, report.Events.Refused)
			assert.Positive(t, report.Events.Duplicates)
			assert.Equal(t, 12, report.Notifications.Delivered, "six types in two formats")
			assert.Contains(t, manual, "Host name: "+tt.host+"\n")
			assert.Contains(t, manual, "Token endpoint: "+tt.tokenEndpoint+"\n")
			assertNothingLeft(t)
		})
	}
}

func TestTryByMQTTNoticesWrongSecrets(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*sandbox.Trial)
		problem string
	}{
		{"the system knows another password", func(trial *sandbox.Trial) { trial.Parameters["basic_password"] = "another-password" }, "the system refuses the credentials"},
		{"the samples know another client secret", func(trial *sandbox.Trial) {
			trial.SampleParams["oauth_client_secret"] = "another-secret"
			trial.Samples = trial.Samples[:1] // more failures would shut out the system, too
		}, "the gateway answers 401"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			trial := newTrialOf(t, messaging, "default")
			tt.change(trial)
			report := sandbox.Try(t.Context(), *trial)
			assert.False(t, report.OK)
			assert.Contains(t, strings.Join(report.Problems, "\n"), tt.problem)
			assert.Empty(t, report.Left)
		})
	}
}

// While the sandbox is up, a person sends messages to its gateway on this machine.
func TestSendByMQTT(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	trial := newTrialOf(t, messaging, "default")
	trial.Samples = nil // none has been there before
	stayed := false
	trial.Stay = func(_ context.Context, r *sandbox.Running, _ *sandbox.Report) {
		stayed = true
		require.Len(t, r.Deliveries, 1)
		assert.Equal(t, "wss://mqtt.kyma.example.com", r.Deliveries[0].URL)
		args := []string{"send", messaging, "--url", r.Deliveries[0].Local}
		for _, dir := range r.ParamsDirs {
			args = append(args, "--params", dir)
		}
		send := func(more ...string) (int, string) {
			var out bytes.Buffer
			code := Main(t.Context(), append(args, more...), func(string) string { return "" }, cli.Streams{Out: &out, Err: &out})
			return code, out.String()
		}
		code, out := send()
		assert.Equal(t, cli.ExitOK, code, out)
		assert.Contains(t, out, "campaign-completed: 202 (as expected)")
		assert.Contains(t, out, "wrong-secret: 401 (as expected)")
	}
	report := sandbox.Try(t.Context(), *trial)
	encoded, err := json.Marshal(report.Problems)
	require.NoError(t, err)
	assert.True(t, report.OK, string(encoded))
	assert.True(t, stayed)
}
