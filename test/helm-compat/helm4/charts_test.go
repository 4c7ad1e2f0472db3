// Package helm4_test renders every chart with every plan with Helm 4.
package helm4_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"
)

const root = "../../.."

// kyma is what Helm sees of a cluster with a current Kyma.
var kyma = common.VersionSet{
	"apps/v1/Deployment",
	"applicationconnector.kyma-project.io/v1alpha1/Application", "gateway.kyma-project.io/v1beta1/APIRule", "gateway.kyma-project.io/v2/APIRule",
	"eventing.kyma-project.io/v1alpha2/Subscription", "eventing.kyma-project.io/v1alpha1/Subscription",
	"operator.kyma-project.io/v1alpha1/ApplicationConnector",
	"security.istio.io/v1/AuthorizationPolicy", "security.istio.io/v1beta1/AuthorizationPolicy",
}

// onCluster is a current cluster; offline is what `helm template` works with.
func onCluster(t *testing.T) *common.Capabilities {
	t.Helper()
	version, err := common.ParseKubeVersion("v1.36.3")
	require.NoError(t, err)
	return &common.Capabilities{
		KubeVersion: *version,
		APIVersions: append(slices.Clone(common.DefaultVersionSet), kyma...),
	}
}

func offline() *common.Capabilities { return common.DefaultCapabilities }

type object struct {
	id   string
	data []byte
}

// render does what an installation does: coalesce, validate by the schema, render, sort out hooks.
func render(t *testing.T, c *chart.Chart, values map[string]any, capabilities *common.Capabilities) []object {
	t.Helper()
	require.NoError(t, chartutil.ProcessDependencies(c, values))
	options := common.ReleaseOptions{Name: "my-c4c", Namespace: "team-a", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, options, capabilities)
	require.NoError(t, err)
	files, err := engine.Render(c, all)
	require.NoError(t, err)
	for name := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, capabilities.APIVersions, releaseutil.InstallOrder)
	require.NoError(t, err)
	var objects []object
	add := func(doc string) {
		require.NotContains(t, doc, "<no value>")
		var content map[string]any
		require.NoError(t, yaml.UnmarshalStrict([]byte(doc), &content), doc)
		metadata, _ := content["metadata"].(map[string]any)
		require.NotEmpty(t, metadata["name"], doc)
		namespace, _ := metadata["namespace"].(string)
		data, err := json.Marshal(content)
		require.NoError(t, err)
		objects = append(objects, object{fmt.Sprintf("%v %s/%v", content["kind"], namespace, metadata["name"]), data})
	}
	for _, manifest := range manifests {
		add(manifest.Content)
	}
	for _, hook := range hooks {
		add(hook.Manifest)
	}
	require.NotEmpty(t, objects)
	return objects
}

func readValues(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	values := map[string]any{}
	require.NoError(t, yaml.UnmarshalStrict(data, &values))
	return values
}

func glob(t *testing.T, elements ...string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(append([]string{root}, elements...)...))
	require.NoError(t, err)
	require.NotEmpty(t, found, "nothing matches %v", elements)
	return found
}

func load(t *testing.T, dir string) *chart.Chart {
	t.Helper()
	c, err := loader.Load(dir)
	require.NoError(t, err)
	return c
}

// Every plan of every add-on renders, with what the form asks for filled in and with Helm Broker's own value.
func TestPlans(t *testing.T) {
	for _, file := range glob(t, "addons", "*", "plans", "*", "meta.yaml") {
		plan := filepath.Dir(file)
		addon := filepath.Dir(filepath.Dir(plan))
		t.Run(filepath.Base(addon)+"/"+filepath.Base(plan), func(t *testing.T) {
			charts, err := filepath.Glob(filepath.Join(addon, "chart", "*"))
			require.NoError(t, err)
			require.Len(t, charts, 1)
			values := map[string]any{"addonsRepositoryURL": "https://example.com/index.yaml"}
			if _, err := os.Stat(filepath.Join(plan, "values.yaml")); err == nil {
				values = util.CoalesceTables(values, readValues(t, filepath.Join(plan, "values.yaml")))
			}
			values = util.CoalesceTables(values, readValues(t, filepath.Join(root, "charts", filepath.Base(charts[0]), "ci", "default-values.yaml")))
			render(t, load(t, charts[0]), values, onCluster(t))
			render(t, load(t, charts[0]), values, offline())
		})
	}
}

// Every chart renders, and is clean for helm lint, with each of its ci values.
func TestCharts(t *testing.T) {
	for _, dir := range glob(t, "charts", "*-connector") {
		for _, file := range glob(t, "charts", filepath.Base(dir), "ci", "*-values.yaml") {
			t.Run(filepath.Base(dir)+"/"+filepath.Base(file), func(t *testing.T) {
				values := readValues(t, file)
				render(t, load(t, dir), values, onCluster(t))
				render(t, load(t, dir), values, offline())
				for _, message := range lint.RunAll(dir, values, "team-a").Messages {
					assert.Less(t, message.Severity, support.WarningSev, message.Error())
				}
			})
		}
	}
}

// The objects are those that Helm 3.22 makes, which the golden files record.
func TestObjectsAreTheSame(t *testing.T) {
	const golden = "../../charts/testdata/engines"
	definition, err := os.ReadFile(filepath.Join(golden, "connector.yaml"))
	require.NoError(t, err)
	for _, file := range glob(t, "test", "charts", "testdata", "engines", "*.values.yaml") {
		c := load(t, filepath.Join(root, "charts", "c4c-connector"))
		c.Schema = nil
		c.Files = []*common.File{{Name: "files/connector.yaml", Data: definition}}
		want, err := os.ReadFile(strings.TrimSuffix(file, ".values.yaml") + ".golden.txt")
		require.NoError(t, err)
		var lines []string
		for _, o := range render(t, c, readValues(t, file), onCluster(t)) {
			line := fmt.Sprintf("%s %x\n", o.id, sha256.Sum256(o.data))
			assert.Contains(t, string(want), line, "%s: %s", filepath.Base(file), o.data)
			lines = append(lines, line)
		}
		slices.Sort(lines)
		assert.Equal(t, string(want), strings.Join(lines, ""), filepath.Base(file))
	}
}
