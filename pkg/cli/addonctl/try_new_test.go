package addonctl

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/scaffold"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox"
)

// newConnector is a new connector in a directory of its own, with texts of its definition replaced.
func newConnector(t *testing.T, o scaffold.Options, replace ...string) (addon string) {
	t.Helper()
	dir := t.TempDir()
	made, err := scaffold.Write(dir, o)
	require.NoError(t, err)
	file := filepath.Join(dir, "charts", made.Key, "files/connector.yaml")
	definition, err := os.ReadFile(file)
	require.NoError(t, err)
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, string(definition), replace[i])
	}
	require.NoError(t, os.WriteFile(file, []byte(strings.NewReplacer(replace...).Replace(string(definition))), 0o600))
	return filepath.Join(dir, "addons", made.Addon)
}

// tryNew prepares a trial of such a connector.
func tryNew(t *testing.T, addon, plan, kyma string) *sandbox.Trial {
	t.Helper()
	trial, err := (&tryOptions{addon: addon, plan: plan, kyma: kyma, binDir: binaries(t), once: true}).trial(&Context{})
	require.NoError(t, err)
	return trial
}

// A new connector works as it is, on every Kyma in every plan, against the system that its definition describes.
func TestTryANewConnector(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options    scaffold.Options
		plan, kyma string
	}{
		"as it is":         {scaffold.Options{System: "acme"}, "default", "current"},
		"in production":    {scaffold.Options{System: "acme"}, "production", "current"},
		"on an older Kyma": {scaffold.Options{System: "acme-crm", Events: []string{"contact.created", "Contact.Merged.again"}}, "production", "old"},
		"a long name":      {scaffold.Options{System: strings.Repeat("a", 32), URL: "https://acme.example.com/tenant"}, "default", "old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := sandbox.Try(t.Context(), *tryNew(t, newConnector(t, tt.options), tt.plan, tt.kyma))
			assert.True(t, report.OK, report.Problems)
			assert.Equal(t, 1, report.APIs.Registered)
			assert.Len(t, report.Calls, 1)
			assert.Equal(t, 2, report.Notifications.Delivered)
			assert.Equal(t, 2, report.Events.Accepted)
			assert.Equal(t, []int{1, 1, 1, 1, 1}, []int{report.Events.Duplicates, report.Events.Ignored, report.Events.Refused, report.Events.Malformed, report.Events.Unknown})
		})
	}
}

// The described system lets nobody in who has another key than it has issued.
func TestTryANewConnectorWithAWrongKey(t *testing.T) {
	t.Parallel()
	trial := tryNew(t, newConnector(t, scaffold.Options{System: "acme"}), "default", "current")
	trial.Parameters["api_key"] = "another" // the system's
	report := sandbox.Try(t.Context(), *trial)
	assert.False(t, report.OK)
	assert.Regexp(t, `the system refuses the credentials \(next: .* the parameters? .*"api_key"`, strings.Join(report.Problems, "\n"))
}

// webhooks are kept at the system by the registration, in place of what a person enters.
const webhooks = `webhooks:
  mode: MODE
  list: {get: /api/v1/hooks, items: hooks, id: id, callback: url, topic: topic}
  create: {post: /api/v1/hooks, json: {url: =callback, topic: =topic, key: =param("webhook_key")}, id: id}
  delete: {delete: ="/api/v1/hooks/" + id}
  recreateWhen: [webhook_key]
`

// Other definitions find their systems, too: whoever signs in, and however the webhooks come about.
func TestTryOtherNewConnectors(t *testing.T) {
	t.Parallel()
	const auth = `{apiKey: {header: "X-Acme-Key", value: =param("api_key")}}`
	const verify = `      hmac:
        algorithm: sha256
        encoding: hex
        keys: [=param("webhook_key")]
        message: =rawBody
        signature: =header("X-Acme-Signature")
`
	const manual = "# What a person has to enter at the system."
	for name, tt := range map[string]struct {
		replace []string
		change  func(t *testing.T, addon string)
	}{
		"with tokens of an OAuth server": {replace: []string{auth, `{oauth2: {tokenUrl: "https://login.example.com/token", clientId: kyma, clientSecret: =param("api_key"), scopes: [read]}}`}, change: withScheme(`{"type": "http", "scheme": "bearer"}`)},
		"with calls that Kyma cannot sign": {replace: []string{
			auth, `{signed: {userKey: kyma, secret: =param("api_key")}}`,
		}, change: func(t *testing.T, addon string) {
			withScheme(`{"type": "mutualTLS"}`)(t, addon) // no document can describe such signatures
			replaceIn(t, filepath.Join(addon, "../../charts/acme-connector/samples/params.yaml"), "sample-api-key-0123456789", "c2FtcGxlLWFwaS1rZXk=")
		}},
		"with webhooks by the registration":   {replace: []string{manual, strings.Replace(webhooks, "MODE", "static", 1) + manual}},
		"with webhooks for what is wanted":    {replace: []string{manual, strings.Replace(webhooks, "MODE", "dynamic", 1) + manual}},
		"with ids made of what was delivered": {replace: []string{`id: =body("id")`, `id: =hash(content)`}, change: withoutIDs},
		"with a token in the address": {
			replace: []string{verify, "      pathToken: {tokens: [=param(\"webhook_key\")]}\n"}, change: withTokenInPath,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addon := newConnector(t, scaffold.Options{System: "acme"}, tt.replace...)
			if tt.change != nil {
				tt.change(t, addon)
			}
			report := sandbox.Try(t.Context(), *tryNew(t, addon, "default", "current"))
			assert.True(t, report.OK, report.Problems)
			assert.Positive(t, report.Notifications.Delivered)
			assert.Equal(t, report.Notifications.Sent, report.Notifications.Delivered)
		})
	}
}

// withScheme has the OpenAPI document ask for the way to sign in that the definition describes.
func withScheme(scheme string) func(t *testing.T, addon string) {
	return func(t *testing.T, addon string) {
		t.Helper()
		replaceIn(t, filepath.Join(addon, "../../charts/acme-connector/files/apis/acme.json"), `{"type": "apiKey", "in": "header", "name": "X-Acme-Key"}`, scheme)
	}
}

func replaceIn(t *testing.T, file, before, after string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(data), before, file)
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(data), before, after)), 0o600))
}

// withoutIDs makes golden files with the ids that the expression hash makes.
func withoutIDs(t *testing.T, addon string) {
	t.Helper()
	for _, name := range []string{"order-created", "order-cancelled"} {
		file := filepath.Join(addon, "../../charts/acme-connector/samples", name+".golden.json")
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var golden map[string]any
		require.NoError(t, json.Unmarshal(data, &golden))
		event := golden["events"].([]any)[0].(map[string]any)
		delivery, err := os.ReadFile(strings.TrimSuffix(file, ".golden.json") + ".http")
		require.NoError(t, err)
		_, body, _ := strings.Cut(string(delivery), "\n\n")
		sum := sha256.Sum256([]byte(strconv.Itoa(len(body)) + ":" + body))
		event["id"] = hex.EncodeToString(sum[:16])
		data, err = json.Marshal(golden)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, data, 0o600))
	}
}

// withTokenInPath makes samples that prove their sender by the last segment of their path.
func withTokenInPath(t *testing.T, addon string) {
	t.Helper()
	samples, err := filepath.Glob(filepath.Join(addon, "../../charts/acme-connector/samples/*.http"))
	require.NoError(t, err)
	for _, file := range samples {
		token := "sample-webhook-key-0123456789"
		if filepath.Base(file) == "forged.http" {
			token = "guessed"
		}
		replaceIn(t, file, "POST /acme ", "POST /acme/"+token+" ")
	}
}

// The definitions of real systems describe them well enough to be tried without their simulators: by every transport,
// with webhooks that an administrator enters and those that the registration makes.
func TestTryConnectorsAgainstWhatTheyDescribe(t *testing.T) {
	t.Parallel()
	for _, addon := range []string{"c4c-connector", "github-connector", "litmos-connector", "marketing-connector", "qualtrics-connector"} {
		t.Run(addon, func(t *testing.T) {
			t.Parallel()
			trial := newTrialWith(t, addon, nil)
			trial.System = "one that has no simulator"
			report := sandbox.Try(t.Context(), *trial)
			assert.True(t, report.OK, report.Problems)
			assert.Positive(t, report.Notifications.Delivered)
		})
	}
}
