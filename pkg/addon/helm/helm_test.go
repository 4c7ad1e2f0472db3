package helm

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	"sigs.k8s.io/yaml"
)

func files(m map[string]string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for name := range maps.Keys(m) {
			if !yield(name, []byte(m[name])) {
				return
			}
		}
	}
}

func demo() map[string]string {
	return map[string]string{
		"Chart.yaml":                 "apiVersion: v2\nname: demo\nversion: 1.0.0\ntype: application\nicon: https://example.com/x.svg\ndescription: d\ndependencies:\n- {name: sub, version: 1.0.0, condition: sub.enabled}\n",
		"values.yaml":                "list: [1, 2]\nsub: {enabled: true, name: default}\nmap: {a: 1, b: 2}\n",
		"values.schema.json":         `{"type": "object", "properties": {"map": {"$ref": "#/definitions/m"}}, "definitions": {"m": {"type": "object"}}}`,
		"charts/sub/Chart.yaml":      "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
		"charts/sub/values.yaml":     "name: sub\n",
		"charts/sub/templates/a.yml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Values.name }}}\n",
		"templates/_helpers.tpl":     `{{ define "n" }}{{ .Release.Name }}{{ end }}`,
		"templates/NOTES.txt":        "installed {{ .Release.Name }}",
		"templates/all.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ include "n" . }}}
spec: {selector: {matchLabels: {a: b}}, list: {{ toJson .Values.list }}, map: {{ toJson .Values.map }}, kube: {{ .Capabilities.KubeVersion.Version }}, rule: {{ .Capabilities.APIVersions.Has "gateway.kyma-project.io/v2/APIRule" }}, upgrade: {{ .Release.IsUpgrade }}, found: {{ len (lookup "v1" "Secret" "a" "b") }}}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ include "n" . }}}
`,
		"templates/hook.yaml": `apiVersion: batch/v1
kind: Job
metadata:
  name: apply
  annotations: {helm.sh/hook: "post-install,post-upgrade", helm.sh/hook-weight: "5", helm.sh/hook-delete-policy: hook-succeeded}
---
apiVersion: batch/v1
kind: Job
metadata: {name: prepare, annotations: {helm.sh/hook: pre-install}}
`,
	}
}

func load(t testing.TB, m map[string]string) *Chart {
	t.Helper()
	c, err := Load(files(m))
	require.NoError(t, err)
	return c
}

func TestRender(t *testing.T) {
	t.Parallel()
	c := load(t, demo())
	request := Request{Release: "rel", Namespace: "ns", Values: map[string]any{"list": []any{3}, "map": map[string]any{"b": 3}}}
	got, err := c.Render(request)
	require.NoError(t, err)

	require.Len(t, got.Manifests, 3)
	assert.Equal(t, []string{"Secret", "ConfigMap", "Deployment"}, []string{got.Manifests[0].Kind, got.Manifests[1].Kind, got.Manifests[2].Kind}, "the order of installation")
	deployment := got.Manifests[2]
	assert.Equal(t, "apps/v1", deployment.APIVersion)
	assert.Equal(t, "rel", deployment.Name)
	assert.Equal(t, "demo/templates/all.yaml", deployment.Source)
	assert.Contains(t, string(deployment.Content), `list: [3], map: {"a":1,"b":3}, kube: v1.33.0, rule: false, upgrade: false, found: 0`)
	assert.Equal(t, "default", got.Manifests[1].Name, "values of the chart win over those of its dependency")
	assert.Equal(t, "installed rel", got.Notes)

	require.Len(t, got.Hooks, 2)
	var object any
	require.NoError(t, yaml.Unmarshal(got.Hooks[0].Content, &object))
	assert.Equal(t, Hook{
		Manifest: Manifest{Source: "demo/templates/hook.yaml", APIVersion: "batch/v1", Kind: "Job", Name: "apply", Content: got.Hooks[0].Content, Object: object},
		Events:   []string{"post-install", "post-upgrade"}, Weight: 5, DeletePolicies: []string{"hook-succeeded"},
	}, got.Hooks[0])
	assert.Equal(t, []string{"before-hook-creation"}, got.Hooks[1].DeletePolicies)

	again, err := c.Render(request)
	require.NoError(t, err)
	assert.Equal(t, got, again, "rendering leaves the chart as it was")
}

func TestRenderLeavesNoTraceInTheChart(t *testing.T) {
	t.Parallel()
	c := load(t, demo())
	without, err := c.Render(Request{Release: "a", Namespace: "ns", Values: map[string]any{"sub": map[string]any{"enabled": false}}})
	require.NoError(t, err)
	assert.Len(t, without.Manifests, 2, "a disabled dependency renders nothing")
	with, err := c.Render(Request{Release: "a", Namespace: "ns"})
	require.NoError(t, err)
	assert.Len(t, with.Manifests, 3)
}

func TestRenderTellsTheChartOfTheCluster(t *testing.T) {
	t.Parallel()
	got, err := load(t, demo()).Render(Request{Release: "rel", Namespace: "ns", Capabilities: Capabilities{KubeVersion: "1.16.0", APIVersions: []string{"gateway.kyma-project.io/v2/APIRule"}}})
	require.NoError(t, err)
	assert.Contains(t, string(got.Manifests[2].Content), "kube: v1.16.0, rule: true, upgrade: false")
}

func TestRenderErrors(t *testing.T) {
	t.Parallel()
	c := load(t, demo())
	_, err := c.Render(Request{Release: strings.Repeat("x", 54), Namespace: "ns"})
	assert.ErrorContains(t, err, "at most 53")
	_, err = c.Render(Request{Release: "rel", Capabilities: Capabilities{KubeVersion: "new"}})
	assert.ErrorContains(t, err, `kubernetes version "new"`)
	_, err = c.Render(Request{Release: "rel", Values: map[string]any{"map": 1}})
	assert.ErrorIs(t, err, ErrValues)
	assert.ErrorContains(t, err, "map")

	old := demo()
	old["Chart.yaml"] += "kubeVersion: '<1.20.0'\n"
	_, err = load(t, old).Render(Request{Release: "rel"})
	assert.ErrorContains(t, err, "wants Kubernetes <1.20.0")

	broken := demo()
	broken["templates/all.yaml"] = "a: [\n"
	_, err = load(t, broken).Render(Request{Release: "rel"})
	assert.ErrorContains(t, err, "demo/templates/all.yaml")
	broken["templates/all.yaml"] = `{{ fail "no" }}`
	_, err = load(t, broken).Render(Request{Release: "rel"})
	assert.ErrorContains(t, err, "demo/templates/all.yaml:1:3")
}

func TestLoadFetchesNothing(t *testing.T) {
	t.Parallel()
	var called bool
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	t.Cleanup(server.Close)
	for _, schema := range []string{
		`{"properties": {"a": {"$ref": "` + server.URL + `"}}}`,
		`{"properties": {"a": {"$ref": "file:///etc/passwd"}}}`,
		`{"$schema": "` + server.URL + `/?://json-schema.org/"}`,
		`{"$schema": "https://json-schema.org/unknown/schema"}`,
		`{"$defs": {"enum": {"$ref": "` + server.URL + `"}}}`,
		`{"properties": {"a": {"$ref": "#/properties/a"}}}`,
		`{"$ref": "#"}`,
		`{"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"items": {"$ref": "#/$defs/b"}}}}`,
		`{"properties": {"a": {"$dynamicRef": "other.json"}}}`,
		`{"properties": {"a": {"$recursiveRef": "#"}}}`,
		`{"$schema": "` + server.URL + `"}`,
		`{`,
	} {
		for _, at := range []string{"values.schema.json", "charts/sub/values.schema.json"} {
			m := demo()
			m[at] = schema
			_, err := Load(files(m))
			assert.ErrorContains(t, err, "values.schema.json", schema)
		}
	}
	assert.False(t, called)
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	_, err := Load(files(map[string]string{"values.yaml": "a: 1"}))
	assert.ErrorContains(t, err, "Chart.yaml")
}

func TestLint(t *testing.T) {
	t.Parallel()
	messages, err := Lint("demo", files(demo()), nil)
	require.NoError(t, err)
	assert.Empty(t, messages)

	m := demo()
	m["templates/all.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}\n"
	messages, err = Lint("demo", files(m), nil)
	require.NoError(t, err)
	require.Len(t, messages, 1)
	assert.Contains(t, messages[0], "Not_A_Name")
	assert.NotContains(t, messages[0], os.TempDir())

	_, err = Lint("demo", files(map[string]string{"../../evil": "x"}), nil)
	assert.Error(t, err, "nothing is written outside the working directory")
}

func fakeClient(kube *kubefake.FailingKubeClient) *Client {
	config := &action.Configuration{
		Releases:     storage.Init(driver.NewMemory()),
		KubeClient:   kube,
		Capabilities: chartutil.DefaultCapabilities.Copy(),
		Log:          func(string, ...any) {},
	}
	return &Client{configure: func(string) (*action.Configuration, error) { return config, nil }}
}

func TestInstallThenUpgrade(t *testing.T) {
	t.Parallel()
	kube := &kubefake.FailingKubeClient{PrintingKubeClient: kubefake.PrintingKubeClient{Out: io.Discard}}
	client, c := fakeClient(kube), load(t, demo())
	in := Install{Release: "rel", Namespace: "ns", Timeout: time.Minute}
	got, err := client.Install(context.Background(), c, in)
	require.NoError(t, err)
	assert.Equal(t, &Result{Release: "rel", Namespace: "ns", Revision: 1, Notes: "installed rel"}, got)
	got, err = client.Install(context.Background(), c, in)
	require.NoError(t, err)
	assert.Equal(t, &Result{Release: "rel", Namespace: "ns", Revision: 2, Upgraded: true, Notes: "installed rel"}, got)
}

func TestInstallTellsWhatFailed(t *testing.T) {
	t.Parallel()
	kube := &kubefake.FailingKubeClient{PrintingKubeClient: kubefake.PrintingKubeClient{Out: io.Discard}, WaitError: errors.New("deployment rel is not ready")}
	_, err := fakeClient(kube).Install(context.Background(), load(t, demo()), Install{Release: "rel", Namespace: "ns", Timeout: time.Minute})
	assert.ErrorContains(t, err, "release rel in namespace ns: ")
	assert.ErrorContains(t, err, "deployment rel is not ready")
}

func TestNewClientUsesTheContextAsked(t *testing.T) {
	t.Parallel()
	kubeconfig := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(kubeconfig, []byte(`
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: one, context: {cluster: c}}]
current-context: one
`), 0o600))
	client := NewClient(Cluster{Kubeconfig: kubeconfig, Context: "two"}, slog.New(slog.DiscardHandler))
	_, err := client.Install(context.Background(), load(t, demo()), Install{Release: "rel", Namespace: "ns"})
	assert.ErrorContains(t, err, `context "two" does not exist`)
}
