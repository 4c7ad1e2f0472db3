package provision_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/form"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
)

const instance = "11111111-2222-4333-8444-555555555555"

func parameters() map[string]any {
	return map[string]any{"system_url": "https://demo.example.com", "api_key": "top-secret-key", "application_name": "demo"}
}

func load(t testing.TB, changes ...func(dir string)) *addon.Addon {
	t.Helper()
	repo := addontest.Repository(t)
	for _, change := range changes {
		change(repo.Dir())
	}
	a, err := repo.Load(addontest.Name)
	require.NoError(t, err)
	return a
}

func TestRenderDoesWhatTheBrokerDoes(t *testing.T) {
	t.Parallel()
	release, err := provision.Render(load(t), provision.Request{
		Plan: "default", Parameters: parameters(), InstanceID: instance, RepositoryURL: "https://example.com/index.yaml",
	})
	require.NoError(t, err)
	assert.Equal(t, "hb-demo-c-defaul-"+instance, release.Name)
	assert.Equal(t, "default", release.Namespace)
	assert.Equal(t, "default", release.Plan)
	assert.Equal(t, map[string]any{
		"replicas": float64(1), "system_url": "https://demo.example.com", "api_key": "top-secret-key",
		"application_name": "demo", "addonsRepositoryURL": "https://example.com/index.yaml",
	}, release.Values)
	var kinds []string
	for _, m := range release.Manifests {
		kinds = append(kinds, m.Kind+" "+m.Name)
	}
	assert.Equal(t, []string{
		"NetworkPolicy hb-demo-c-defaul-" + instance + "-gateway",
		"Secret hb-demo-c-defaul-" + instance + "-credentials",
		"ConfigMap hb-demo-c-defaul-" + instance + "-config",
		"Deployment hb-demo-c-defaul-" + instance + "-gateway",
	}, kinds)
}

func TestRenderOfTheArchiveIsThatOfTheDirectory(t *testing.T) {
	t.Parallel()
	a := load(t)
	data, err := a.Pack()
	require.NoError(t, err)
	tree, err := addon.ReadArchive(bytes.NewReader(data), addon.DefaultLimits())
	require.NoError(t, err)
	packed, err := addon.Parse(a.Name(), tree)
	require.NoError(t, err)
	request := provision.Request{Parameters: parameters(), InstanceID: instance}
	want, err := provision.Render(a, request)
	require.NoError(t, err)
	got, err := provision.Render(packed, request)
	require.NoError(t, err)
	assert.Equal(t, want.Manifests, got.Manifests)
}

func TestRenderRefusesParametersThatDoNotFit(t *testing.T) {
	t.Parallel()
	given := map[string]any{"system_url": "http://leaked", "api_key": 12345678, "colour": "leaked"}
	_, err := provision.Render(load(t), provision.Request{Parameters: given})
	var wrong *provision.ParameterError
	require.ErrorAs(t, err, &wrong)
	var names []string
	for _, p := range wrong.Problems {
		names = append(names, p.Parameter)
	}
	assert.Equal(t, []string{"api_key", "application_name", "colour", "system_url"}, names)
	assert.ErrorContains(t, err, "parameters do not fit the form of demo-connector-0.1.0, plan default: ")
	assert.ErrorContains(t, err, "application_name: is required and has no value")
	assert.NotContains(t, err.Error(), "leaked")
	assert.NotContains(t, err.Error(), "12345678")
}

func TestRenderNeedsAFormForParameters(t *testing.T) {
	t.Parallel()
	remove := func(dir string) { addontest.Write(t, dir, "addons/demo-connector-0.1.0/plans/bare/meta.yaml", bare) }
	a := load(t, remove)
	_, err := provision.Render(a, provision.Request{Plan: "bare", Parameters: parameters()})
	assert.ErrorContains(t, err, "plan bare takes no parameters")
	release, err := provision.Render(a, provision.Request{Plan: "bare"})
	require.NoError(t, err)
	assert.Equal(t, "bare", release.Plan)
	release, err = provision.Render(a, provision.Request{Parameters: parameters()})
	require.NoError(t, err)
	assert.Equal(t, "default", release.Plan, "the plan of that name where none is asked for")
	_, err = provision.Render(a, provision.Request{Plan: "gold"})
	assert.ErrorContains(t, err, "choose one of bare, default")
}

const bare = "id: 8d0f8c55-58f5-4b43-8f0a-6b8f2d2c9e21\nname: bare\ndescription: d\ndisplayName: Bare\n"

func TestRenderRefusesAFormThatLooksOutside(t *testing.T) {
	t.Parallel()
	a := load(t, func(dir string) {
		addontest.Write(t, dir, "addons/demo-connector-0.1.0/plans/default/create-instance-schema.json", `{"properties": {"a": {"$ref": "file:///etc/passwd"}}}`)
	})
	_, err := provision.Render(a, provision.Request{})
	assert.ErrorContains(t, err, "plans/default/create-instance-schema.json: #/properties/a/$ref")
}

func TestErrorsOfTheChartHoldNoSecret(t *testing.T) {
	t.Parallel()
	a := load(t, func(dir string) {
		addontest.Write(t, dir, "charts/demo-connector/templates/connector.yaml", `{{ fail (printf "cannot use %s" .Values.api_key) }}`)
	})
	_, err := provision.Render(a, provision.Request{Parameters: parameters()})
	assert.ErrorContains(t, err, "cannot use <secret>")
	assert.NotContains(t, err.Error(), "top-secret-key")
}

func TestWriteMasksSecrets(t *testing.T) {
	t.Parallel()
	a := load(t, func(dir string) {
		addontest.Write(t, dir, "charts/demo-connector/templates/leak.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: leak\n  annotations: {helm.sh/hook: test}\ndata: {key: {{ .Values.api_key }}}\n")
	})
	release, err := provision.Render(a, provision.Request{Parameters: parameters(), InstanceID: instance})
	require.NoError(t, err)
	var masked, plain bytes.Buffer
	require.NoError(t, release.Write(&masked, false))
	require.NoError(t, release.Write(&plain, true))
	assert.NotContains(t, masked.String(), "top-secret-key")
	assert.Contains(t, masked.String(), "api_key: <secret>")
	assert.Contains(t, masked.String(), "data: {key: <secret>}", "wherever a chart puts it")
	assert.Contains(t, masked.String(), "# Source: demo-connector/templates/connector.yaml")
	assert.Equal(t, 2, strings.Count(plain.String(), "top-secret-key"))
}

func TestHooksForOrdersByWeight(t *testing.T) {
	t.Parallel()
	hook := func(name string, weight int, events ...string) provision.Hook {
		return provision.Hook{Manifest: provision.Manifest{Name: name}, Weight: weight, Events: events}
	}
	release := provision.Release{Hooks: []provision.Hook{hook("c", 5, "post-install"), hook("b", 0, "post-install", "test"), hook("a", 0, "post-install"), hook("d", -1, "test")}}
	var names []string
	for _, h := range release.HooksFor("post-install") {
		names = append(names, h.Name)
	}
	assert.Equal(t, []string{"a", "b", "c"}, names)
	assert.Len(t, release.HooksFor("test"), 2)
	assert.Empty(t, release.HooksFor("pre-delete"))
}

func TestReleaseName(t *testing.T) {
	t.Parallel()
	name, err := provision.ReleaseName("c4c-connector", "production", instance)
	require.NoError(t, err)
	assert.Equal(t, "hb-c4c-co-produc-"+instance, name)
	assert.LessOrEqual(t, len(name), provision.MaxRelease)
	name, err = provision.ReleaseName("a", "b", "")
	require.NoError(t, err)
	assert.Regexp(t, `^hb-a-b-[0-9a-f-]{36}$`, name)
	_, err = provision.ReleaseName("c4c-connector", "production", instance+"-and-more")
	assert.ErrorContains(t, err, "is no UUID")
}

func TestInstallReportsWithoutSecrets(t *testing.T) {
	t.Parallel()
	release, err := provision.Render(load(t), provision.Request{Parameters: parameters()})
	require.NoError(t, err)
	_, err = release.Install(context.Background(), helm.Cluster{Kubeconfig: filepath.Join(t.TempDir(), "top-secret-key")}, slog.New(slog.DiscardHandler))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "top-secret-key")
}

func TestParameterErrorListsEveryProblem(t *testing.T) {
	t.Parallel()
	err := &provision.ParameterError{Addon: "a-1.0.0", Plan: "p", Problems: []form.Problem{{Parameter: "x", What: "is odd"}, {Parameter: "y", What: "is even"}}}
	assert.EqualError(t, err, "parameters do not fit the form of a-1.0.0, plan p: x: is odd; y: is even")
}
