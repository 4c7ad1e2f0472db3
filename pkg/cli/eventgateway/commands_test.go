package eventgateway_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	code, out, errs := run(t, "check", "--connector", c4c, "--params", c4cParams)
	assert.Zero(t, code, errs)
	assert.Equal(t, "configuration: ok (SAP Cloud for Customer, application c4c, deliveries: 1, relays: 0)\n", out)

	sink := newTarget(t)
	code, out, errs = run(t, "check", "--connector", c4c, "--params", c4cParams, "--sink", "--sink-kind", "kyma", "--sink-url", sink.URL)
	assert.Zero(t, code, errs)
	assert.Contains(t, out, "target: ok (kyma)\n")
	assert.Empty(t, sink.taken(), "nothing is published")

	sink.answer(http.StatusServiceUnavailable)
	code, _, errs = run(t, "check", "--connector", c4c, "--params", c4cParams, "--sink", "--sink-kind", "kyma", "--sink-url", sink.URL)
	assert.Equal(t, 1, code, "worth another try")
	assert.Contains(t, errs, "error: target (kyma): "+sink.URL)

	g := serve(t, "--connector", c4c, "--params", c4cParams)
	code, out, errs = run(t, "check", "--connector", c4c, "--params", c4cParams, "--gateway-url", g.admin)
	assert.Zero(t, code, errs)
	assert.Contains(t, out, "gateway: ready\n")
}

func TestFlagsComeFromTheEnvironmentToo(t *testing.T) {
	t.Parallel()
	code, _, errs := runWith(t, map[string]string{"KC_CONNECTOR": c4c, "KC_PARAMS": c4cParams, "KC_BUFFER": "disk", "KC_BUFFER_DIR": "/does/not/matter/here"}, "check")
	assert.Zero(t, code, errs)
	code, _, errs = runWith(t, map[string]string{"KC_CONNECTOR": c4c, "KC_PARAMS": c4cParams, "KC_BUFFER": "tape"}, "check")
	assert.Equal(t, 2, code)
	assert.Equal(t, "error: --buffer \"tape\": want none, disk or jetstream\n", errs)
}

// TestCheckLooksAtWhatTracesNeed: what would keep the gateway from starting keeps its init container from ending well. The
// collector itself is not asked.
func TestCheckLooksAtWhatTracesNeed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		env  map[string]string
		want string
	}{
		"a collector that is away":   {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}},
		"an address that is none":    {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: want an address"},
		"a protocol that we lack":    {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "want http/protobuf"},
		"headers that are none":      {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_HEADERS": "hidden-value"}, "OTEL_EXPORTER_OTLP_HEADERS: want name=value"},
		"certificates that are away": {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.crt"}, "no such file"},
		"another exporter":           {map[string]string{"OTEL_TRACES_EXPORTER": "jaeger"}, "want otlp or none"},
		"wrong, and switched off":    {env: map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "jaeger"}},
	} {
		for _, command := range []string{"check", "serve"} {
			if tt.want == "" && command == "serve" {
				continue // it would serve
			}
			code, out, errs := runWith(t, tt.env, command, "--connector", c4c, "--params", c4cParams)
			if tt.want == "" {
				assert.Zero(t, code, "%s: %s", name, errs)
				assert.Contains(t, out, "configuration: ok")
				continue
			}
			assert.Equal(t, 2, code, "%s, %s", command, name)
			assert.Contains(t, errs, tt.want, "%s, %s", command, name)
			assert.NotContains(t, errs, "hidden-value")
		}
	}
}

// TestBadConfigurationIsNamed checks that whatever is wrong shows at once, with the parameter and the next
// step, for check and for serve alike.
func TestBadConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	definition, err := os.ReadFile(c4c)
	require.NoError(t, err)
	catalog, err := os.ReadFile(filepath.Join(filepath.Dir(c4c), "events", "asyncapi.yaml"))
	require.NoError(t, err)
	changed := func(old, fresh string) string {
		text := strings.Replace(string(definition), old, fresh, 1)
		require.NotEqual(t, string(definition), text, old)
		dir := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "events"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "events", "asyncapi.yaml"), catalog, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "connector.yaml"), []byte(text), 0o600))
		return filepath.Join(dir, "connector.yaml")
	}
	without := func(name string) string {
		values := c4cValues("top-secret-value")
		delete(values, name)
		return mount(t, values)
	}
	half := t.TempDir()
	require.NoError(t, os.Symlink("..nowhere", filepath.Join(half, "..data")))
	tests := []struct {
		name string
		args []string
		err  []string
	}{
		{"no definition", nil, []string{"--connector is missing"}},
		{"definition not there", []string{"--connector", "nowhere.yaml"}, []string{"there is no file nowhere.yaml"}},
		{"unknown field", []string{"--connector", changed("csrf: true", "csfr: true"), "--params", c4cParams}, []string{"csfr"}},
		{"missing secret", []string{"--connector", c4c, "--params", without("event_password")}, []string{`"event_password"`, "prepare"}},
		{"empty secret", []string{"--connector", c4c, "--params", mount(t, c4cValues(""))}, []string{`"event_password"`, "empty"}},
		{"half-written mount", []string{"--connector", c4c, "--params", half}, []string{"half-written", "..data"}},
		{"mount not there", []string{"--connector", c4c, "--params", "/nowhere"}, []string{"/nowhere", "mount it"}},
		{"bad sink", []string{"--connector", c4c, "--params", c4cParams, "--sink-kind", "kafka"}, []string{`sink kind "kafka": want one of`}},
		{"bad sink address", []string{"--connector", c4c, "--params", c4cParams, "--sink-kind", "cloudevents", "--sink-url", "broker"}, []string{"--sink-url: want an absolute"}},
		{"bad mode", []string{"--connector", c4c, "--params", c4cParams, "--sink-mode", "xml"}, []string{`--sink-mode "xml"`}},
		{"structured for Kyma", []string{"--connector", c4c, "--params", c4cParams, "--sink-mode", "structured"}, []string{"only for --sink-kind cloudevents or nats"}},
		{"disk without directory", []string{"--connector", c4c, "--params", c4cParams, "--buffer", "disk"}, []string{"--buffer-dir"}},
		{"jetstream without address", []string{"--connector", c4c, "--params", c4cParams, "--buffer", "jetstream"}, []string{"--buffer-url"}},
	}
	for _, tt := range tests {
		for _, command := range []string{"check", "serve"} {
			t.Run(tt.name+"/"+command, func(t *testing.T) {
				t.Parallel()
				args := append([]string{command}, tt.args...)
				if command == "serve" {
					args = append(args, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
				}
				code, _, errs := run(t, args...)
				assert.Equal(t, 2, code)
				for _, want := range tt.err {
					assert.Contains(t, errs, want)
				}
				secrettest.AssertNoLeak(t, errs, secret.New("top-secret-value"), secret.New("sample-odata-password"))
			})
		}
	}
	t.Run("address in use", func(t *testing.T) {
		t.Parallel()
		g := serve(t, "--connector", c4c, "--params", c4cParams)
		code, _, errs := run(t, "serve", "--connector", c4c, "--params", c4cParams, "--listen", strings.TrimPrefix(g.public, "http://"), "--admin-listen", "127.0.0.1:0")
		assert.Equal(t, 2, code)
		assert.Contains(t, errs, "choose another address")
	})
	t.Run("management on a public address", func(t *testing.T) {
		t.Parallel()
		code, _, errs := run(t, "serve", "--connector", c4c, "--params", c4cParams, "--buffer", "disk", "--buffer-dir", t.TempDir(), "--manage-listen", ":8083")
		assert.Equal(t, 2, code)
		assert.Contains(t, errs, "want a loopback address")
	})
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	dir, sink := t.TempDir(), newTarget(t)
	sink.answer(http.StatusBadRequest)
	args := []string{"--connector", c4c, "--params", c4cParams, "--buffer", "disk", "--buffer-dir", dir, "--sink-kind", "cloudevents", "--sink-url", sink.URL}
	g := serve(t, args...)
	for _, id := range []string{"a", "b", "c"} {
		require.Equal(t, http.StatusAccepted, g.deliver(t, id, c4cPassword).status)
	}
	deadletters := func(args ...string) (int, string, string) {
		return run(t, append([]string{"deadletters", "--buffer-dir", dir}, args...)...)
	}
	type summary struct {
		ID      string `json:"id"`
		Reason  string `json:"reason"`
		EventID string `json:"eventId"`
	}
	list := func() (out []summary) {
		code, text, errs := deadletters("list", "--output", "json")
		require.Zero(t, code, errs)
		require.NoError(t, json.Unmarshal([]byte(text), &out))
		return out
	}
	require.Eventually(t, func() bool { return len(list()) == 3 }, patience, time.Millisecond)
	byEvent := map[string]string{}
	for _, l := range list() {
		assert.Equal(t, "invalid", l.Reason)
		byEvent[l.EventID] = l.ID
	}

	code, out, _ := deadletters("list")
	assert.Zero(t, code)
	assert.Contains(t, out, "answers 400")
	assert.NotContains(t, out, "payload-of-")

	code, out, _ = deadletters("show", byEvent["a"])
	assert.Zero(t, code)
	assert.Contains(t, out, "payload-of-a", "payloads are shown to who asks for one")
	assert.NotContains(t, strings.ToLower(out), "authorization")
	code, _, errs := deadletters("show", "000000009999")
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "no such dead letter")

	code, out, _ = deadletters("replay", "--all", "--remap", "--dry-run")
	assert.Zero(t, code)
	assert.Equal(t, 3, strings.Count(out, "would requeue"))
	assert.Contains(t, out, "Account.Root.Created.v1 a from c4c")
	require.Len(t, list(), 3)

	code, out, _ = deadletters("drop", byEvent["b"])
	assert.Zero(t, code)
	assert.Equal(t, byEvent["b"]+": dropped\n", out)

	sink.answer(http.StatusNoContent)
	code, _, errs = deadletters("replay", byEvent["a"])
	assert.Zero(t, code, errs)
	sink.arrived(t, 1)
	assert.Equal(t, []string{"a"}, sink.ids())

	assert.Zero(t, g.stop())
	require.Len(t, list(), 1, "without a gateway, the command opens the buffer itself")
	code, _, errs = deadletters("replay", "--all")
	assert.Zero(t, code, errs)
	code, _, errs = deadletters("drop")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "name dead letters, or ask for all")
	serve(t, args...)
	sink.arrived(t, 2)
	assert.Equal(t, []string{"a", "c"}, sink.ids())
}

func TestSalvageCommand(t *testing.T) {
	t.Parallel()
	dir, out, sink := t.TempDir(), t.TempDir(), newTarget(t)
	sink.answer(http.StatusServiceUnavailable)
	args := func(dir string) []string {
		return []string{"--connector", c4c, "--params", c4cParams, "--buffer", "disk", "--buffer-dir", dir, "--sink-kind", "cloudevents", "--sink-url", sink.URL}
	}
	g := serve(t, args(dir)...)
	require.Equal(t, http.StatusAccepted, g.deliver(t, "a", c4cPassword).status)
	assert.Zero(t, g.stop())

	path := filepath.Join(dir, "events.db")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	copy(data, make([]byte, 8192))
	require.NoError(t, os.WriteFile(path, data, 0o600))
	code, _, errs := run(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args(dir)...)...)
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "event-gateway buffer salvage --buffer-dir "+dir)

	code, text, errs := run(t, "buffer", "salvage", "--buffer-dir", dir, "--out", out)
	assert.Zero(t, code, errs)
	assert.Contains(t, text, "recovered 1 deliveries")
	sink.answer(http.StatusNoContent)
	serve(t, args(out)...)
	sink.arrived(t, 1)
	assert.Equal(t, []string{"a"}, sink.ids())

	code, _, errs = run(t, "buffer", "salvage", "--buffer-dir", dir)
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "--out")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, text, errs := run(t, "version")
	assert.Zero(t, code, errs)
	assert.Equal(t, cli.Version()+"\n", text)
}
