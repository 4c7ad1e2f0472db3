package charts_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/scaffold"
)

const root = "../../charts"

// scaffolds is a repository that "addonctl new" has started.
var scaffolds = filepath.Join(os.TempDir(), fmt.Sprintf("charts-test-%d", os.Getpid()))

// TestMain keeps Helm quiet: its loader logs every symbolic link.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	code := m.Run()
	_ = os.RemoveAll(scaffolds)
	os.Exit(code)
}

var newConnector = sync.OnceValues(func() (*scaffold.Result, error) {
	if err := os.Mkdir(scaffolds, 0o700); err != nil {
		return nil, err
	}
	return scaffold.Write(scaffolds, scaffold.Options{System: "made-up"})
})

// connectors are the directories of the connector charts, and of one that was just made.
func connectors(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "*-connector"))
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	made, err := newConnector()
	require.NoError(t, err)
	return append(dirs, filepath.Join(scaffolds, "charts", made.Key))
}

const c4c = root + "/c4c-connector"

// values is a set of chart values.
type values map[string]any

// with returns the values with others put over them; nil ones change nothing.
func (v values) with(over values) values {
	over = deepCopy(over)
	maps.DeleteFunc(over, func(_ string, value any) bool { return value == nil })
	return chartutil.CoalesceTables(over, deepCopy(v))
}

func deepCopy(v values) values {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var out values
	if err := json.Unmarshal(data, &out); err != nil {
		panic(err)
	}
	return out
}

// form fills in the required fields of the C4C form.
func form() values {
	return values{
		"system_url":       "https://my123456.crm.ondemand.com",
		"basic_user":       "_KYMA",
		"basic_password":   "odata-password",
		"application_name": "shop",
		"cluster_domain":   "kyma.example.com",
	}
}

// ciValues are the value sets that a chart brings for its own tests.
func ciValues(t *testing.T, dir string) map[string]values {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "ci", "*-values.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "%s has no ci/*-values.yaml", dir)
	out := map[string]values{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var v values
		require.NoError(t, yaml.UnmarshalStrict(data, &v))
		out[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = v
	}
	return out
}

// cluster is what Helm sees of a cluster. The zero cluster is none: a render offline.
type cluster struct {
	kube string
	apis []string
}

// The clusters of the compatibility promise, from the oldest Kyma to the current one.
var clusters = map[string]cluster{
	"offline": {},
	"kyma 1.6": {"v1.15.12", []string{
		"applicationconnector.kyma-project.io/v1alpha1/Application", "gateway.kyma-project.io/v1alpha1/APIRule",
	}},
	"kyma 1.24": {"v1.19.16", []string{
		"applicationconnector.kyma-project.io/v1alpha1/Application", "gateway.kyma-project.io/v1alpha1/APIRule",
		"eventing.kyma-project.io/v1alpha1/Subscription", "security.istio.io/v1beta1/AuthorizationPolicy",
	}},
	"kyma 2.7": {"v1.24.6", []string{
		"applicationconnector.kyma-project.io/v1alpha1/Application", "gateway.kyma-project.io/v1alpha1/APIRule", "gateway.kyma-project.io/v1beta1/APIRule",
		"eventing.kyma-project.io/v1alpha1/Subscription", "security.istio.io/v1beta1/AuthorizationPolicy",
	}},
	"kyma today": {"v1.36.3", []string{
		"applicationconnector.kyma-project.io/v1alpha1/Application", "gateway.kyma-project.io/v1beta1/APIRule", "gateway.kyma-project.io/v2/APIRule",
		"eventing.kyma-project.io/v1alpha2/Subscription", "eventing.kyma-project.io/v1alpha1/Subscription",
		"operator.kyma-project.io/v1alpha1/ApplicationConnector",
		"security.istio.io/v1/AuthorizationPolicy", "security.istio.io/v1beta1/AuthorizationPolicy",
	}},
	"no kyma": {"v1.36.3", nil},
}

// installation is one release to render.
type installation struct {
	chart     string
	release   string
	namespace string
	values    values
	cluster   cluster
	// definition replaces the chart's own where it is not empty; the form of the chart's schema is then not asked.
	definition string
}

func install(v values) installation {
	return installation{chart: c4c, release: "my-c4c", namespace: "team-a", values: v}
}

func (i installation) on(name string) installation {
	i.cluster = clusters[name]
	return i
}

// rendered keeps the variants, which many tests look at: variant -> objects.
var rendered sync.Map

// everyVariant renders every chart with each of its ci values on every cluster, and lets check look at it.
func everyVariant(t *testing.T, check func(t *testing.T, in installation, os objects)) {
	t.Helper()
	for _, dir := range connectors(t) {
		for name, v := range ciValues(t, dir) {
			for on := range clusters {
				t.Run(filepath.Base(dir)+"/"+name+"/"+on, func(t *testing.T) {
					t.Parallel()
					in := installation{chart: dir, release: "my-release", namespace: "team-a", values: deepCopy(v)}.on(on)
					_, variant, _ := strings.Cut(t.Name(), "/")
					os, known := rendered.Load(variant)
					if !known {
						os, _ = rendered.LoadOrStore(variant, render(t, in))
					}
					check(t, in, os.(objects))
				})
			}
		}
	}
}

func load(t *testing.T, dir string) *chart.Chart {
	t.Helper()
	c, err := loader.Load(dir)
	require.NoError(t, err)
	return c
}

// tryRender renders without a cluster, as `helm template` does and as an installation on the cluster would.
func tryRender(t *testing.T, in installation) (*release.Release, error) {
	t.Helper()
	client := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	client.ClientOnly, client.DryRun = true, true
	client.ReleaseName, client.Namespace = in.release, in.namespace
	if in.cluster.kube != "" {
		version, err := chartutil.ParseKubeVersion(in.cluster.kube)
		require.NoError(t, err)
		client.KubeVersion = version
		// A live cluster lists kinds besides group versions.
		client.APIVersions = append(chartutil.VersionSet{"apps/v1/Deployment"}, in.cluster.apis...)
	}
	c := load(t, in.chart)
	if in.definition != "" {
		c.Schema = nil
		c.Files = []*chart.File{{Name: "files/connector.yaml", Data: []byte(in.definition)}}
	}
	return client.Run(c, deepCopy(in.values))
}

// object is a rendered object; hooks included.
type object struct {
	*unstructured.Unstructured
	raw  string
	hook *release.Hook
}

func (o object) id() string {
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}

// objects is what a release renders to.
type objects []object

func render(t *testing.T, in installation) objects {
	t.Helper()
	rel, err := tryRender(t, in)
	require.NoError(t, err)
	return parse(t, rel)
}

func parse(t *testing.T, rel *release.Release) objects {
	t.Helper()
	var out objects
	reader := kubeyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(rel.Manifest)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if o, ok := parseOne(t, string(doc)); ok {
			out = append(out, o)
		}
	}
	for _, hook := range rel.Hooks {
		o, ok := parseOne(t, hook.Manifest)
		require.True(t, ok)
		o.hook = hook
		out = append(out, o)
	}
	require.NotEmpty(t, out)
	return out
}

func parseOne(t *testing.T, doc string) (object, bool) {
	t.Helper()
	asJSON, err := yaml.YAMLToJSONStrict([]byte(doc))
	require.NoError(t, err, doc)
	if string(asJSON) == "null" {
		return object{}, false
	}
	o := object{Unstructured: &unstructured.Unstructured{}, raw: doc}
	require.NoError(t, o.UnmarshalJSON(asJSON), doc)
	return o, true
}

// find returns the only object of the kind and name.
func (os objects) find(t *testing.T, kind, name string) object {
	t.Helper()
	var found objects
	for _, o := range os {
		if o.GetKind() == kind && o.GetName() == name {
			found = append(found, o)
		}
	}
	require.Len(t, found, 1, "%s %s; there are: %v", kind, name, os.ids())
	return found[0]
}

func (os objects) has(kind, name string) bool {
	return slices.ContainsFunc(os, func(o object) bool { return o.GetKind() == kind && o.GetName() == name })
}

func (os objects) ofKind(kind string) objects {
	var out objects
	for _, o := range os {
		if o.GetKind() == kind {
			out = append(out, o)
		}
	}
	return out
}

func (os objects) names() []string {
	names := make([]string, 0, len(os))
	for _, o := range os {
		names = append(names, o.GetName())
	}
	slices.Sort(names)
	return names
}

func (os objects) ids() []string {
	ids := make([]string, 0, len(os))
	for _, o := range os {
		ids = append(ids, o.id())
	}
	return ids
}

// pods are the pods that the objects make, with the name of the object that makes them.
func (os objects) pods(t *testing.T) map[string]corev1.PodTemplateSpec {
	t.Helper()
	out := map[string]corev1.PodTemplateSpec{}
	for _, o := range os {
		path := map[string][]string{
			"Pod": {}, "Job": {"spec", "template"}, "Deployment": {"spec", "template"}, "StatefulSet": {"spec", "template"},
			"CronJob": {"spec", "jobTemplate", "spec", "template"},
		}[o.GetKind()]
		if path == nil {
			continue
		}
		template, found, err := unstructured.NestedMap(o.Object, path...)
		require.NoError(t, err)
		require.True(t, found, o.id())
		var pod corev1.PodTemplateSpec
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod))
		out[o.GetKind()+" "+o.GetName()] = pod
	}
	require.NotEmpty(t, out)
	return out
}

// containers are all containers of a pod.
func containers(pod corev1.PodTemplateSpec) []corev1.Container {
	return slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
}

// env is the environment of a container.
func env(t *testing.T, c corev1.Container) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, v := range c.Env {
		require.Nil(t, v.ValueFrom, "%s comes from elsewhere", v.Name)
		require.NotContains(t, out, v.Name, "set twice")
		out[v.Name] = v.Value
	}
	return out
}

// text reads a string field; it must be there.
func (o object) text(t *testing.T, path ...string) string {
	t.Helper()
	value, found, err := unstructured.NestedString(o.Object, path...)
	require.NoError(t, err)
	require.True(t, found, "%s has no %s", o.id(), strings.Join(path, "."))
	return value
}

// into converts the object to a typed one.
func into[T any](t *testing.T, o object) T {
	t.Helper()
	var out T
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &out))
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
