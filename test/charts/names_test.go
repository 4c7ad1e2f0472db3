package charts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation"
)

// longest is as long as Helm allows the name of a release to be.
const longest = "hb-c4c-co-defaul-6a64d7b0-6b1f-4b6a-a2ad-aaaaaaaaaaaa"

// Every name, label and host is valid for the longest name of a release, and each object has one of its own.
func TestNamesOfALongRelease(t *testing.T) {
	t.Parallel()
	require.Len(t, longest, 53)
	everyVariant(t, func(t *testing.T, in installation, _ objects) {
		in.release, in.namespace = longest, strings.Repeat("n", 63)
		seen := map[string]bool{}
		os := render(t, in)
		for _, o := range os {
			limit := 63
			switch o.GetKind() {
			case "CronJob", "StatefulSet":
				limit = 52
			}
			assert.LessOrEqual(t, len(o.GetName()), limit, o.id())
			assert.Empty(t, validation.IsDNS1123Label(o.GetName()), o.id())
			if o.GetKind() == "Service" {
				assert.Empty(t, validation.IsDNS1035Label(o.GetName()), o.id())
			}
			assert.False(t, seen[o.id()], "%s twice", o.id())
			seen[o.id()] = true
			for key, value := range o.GetLabels() {
				assert.Empty(t, validation.IsQualifiedName(key), o.id())
				assert.Empty(t, validation.IsValidLabelValue(value), "%s: %s", o.id(), key)
			}
		}
		for name, pod := range os.pods(t) {
			for key, value := range pod.Labels {
				assert.Empty(t, validation.IsValidLabelValue(value), "%s: %s", name, key)
			}
		}
	})
}

// Names that Helm takes and a Service would not.
func TestAwkwardReleaseNames(t *testing.T) {
	t.Parallel()
	names := map[string]string{}
	for _, release := range []string{"a.b", "a-b", "a-b.c", "a.b-c", "a.b.c", "1st", "r1st", "9", strings.Repeat("x", 53), strings.Repeat("x", 51) + ".y", strings.Repeat("x", 51) + ".z"} {
		in := install(form())
		in.release = release
		for _, service := range render(t, in).ofKind("Service") {
			assert.Empty(t, validation.IsDNS1035Label(service.GetName()), release)
			assert.Empty(t, names[service.GetName()], "%s and %s share a name", release, names[service.GetName()])
			names[service.GetName()] = release
		}
	}
}

// Two releases share nothing: not in one namespace, not with one name in two namespaces.
func TestReleasesSideBySide(t *testing.T) {
	t.Parallel()
	place := func(o object, in installation) string {
		clusterWide := strings.HasPrefix(o.GetKind(), "Cluster")
		if o.GetNamespace() == "" && !clusterWide {
			return o.GetKind() + " " + in.namespace + "/" + o.GetName()
		}
		return o.id()
	}
	everyVariant(t, func(t *testing.T, in installation, _ objects) {
		if !slices.Equal(in.cluster.apis, clusters["kyma today"].apis) {
			return // names do not depend on the cluster
		}
		delete(in.values, "exposure") // hosts that the values give are the operator's affair
		in.values["cluster_domain"] = "kyma.example.com"
		named := namedHosts(t, in.chart)
		seen, hosts := map[string]string{}, map[string]string{}
		for _, release := range []string{"one", "one-gateway", longest, longest[:52] + "b"} {
			for _, namespace := range []string{"team-a", strings.Repeat("n", 62) + "1", strings.Repeat("n", 62) + "2"} {
				in.release, in.namespace = release, namespace
				who := release + " in " + namespace
				for _, o := range render(t, in) {
					at := place(o, in)
					assert.Empty(t, seen[at], "%s: both %s and %s", at, seen[at], who)
					seen[at] = who
					if o.GetKind() != "APIRule" || slices.ContainsFunc(named, func(name string) bool { return strings.HasSuffix(o.GetName(), "-"+name) }) {
						continue
					}
					host := hostOf(t, o)
					assert.Empty(t, hosts[host], "%s: both %s and %s", host, hosts[host], who)
					hosts[host] = who
				}
			}
		}
	})
}

// namedHosts are the deliveries whose hosts the definition names: two releases do share them, unless their form fields
// say otherwise.
func namedHosts(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	for _, delivery := range readDefinition(t, dir).Deliveries {
		if delivery.MQTT != nil {
			names = append(names, delivery.Name, delivery.Name+"-token")
		}
	}
	return names
}

// A namespace or a name that YAML would take for a number, a boolean or nothing is still a text.
func TestTextsThatLookLikeSomethingElse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"123", "1e3", "true", "null", "on"} {
		in := install(form().with(values{
			"application_name": text, "extraEnv": values{"N": text}, "fullnameOverride": text,
			"credentials":  values{"existingSecret": text, "keys": values{"event_password": text}},
			"registration": values{"credentialsNamespace": text},
			"images":       values{"tag": text, "pullSecrets": []any{text}},
			"buffer":       values{"type": "disk", "disk": values{"storageClass": text}},
			"gateway":      values{"priorityClassName": text},
			"exposure":     values{"type": "ingress", "hosts": values{"webhook": text + ".example.com"}, "ingress": values{"className": text, "tlsSecret": text}},
		}))
		in.release, in.namespace = text, text
		for name, pod := range render(t, in).pods(t) {
			for _, c := range containers(pod) {
				assert.Equal(t, text, env(t, c)["N"], name)
				if c.Name == "registration-job" {
					assert.Equal(t, text, env(t, c)["KC_NAMESPACE"], name)
				}
			}
		}
	}
}

func TestFullnameOverride(t *testing.T) {
	t.Parallel()
	os := render(t, install(form().with(values{"fullnameOverride": "c4c"})))
	for _, o := range os {
		assert.True(t, strings.HasPrefix(o.GetName(), "c4c-"), o.id())
	}
}

// The same values give the same bytes, so that a GitOps tool has nothing to do.
func TestRenderingIsDeterministic(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, in installation, first objects) {
		second := render(t, in)
		require.Equal(t, first.ids(), second.ids())
		for i := range first {
			assert.Equal(t, first[i].raw, second[i].raw)
		}
	})
}

func TestLabels(t *testing.T) {
	t.Parallel()
	everyVariant(t, func(t *testing.T, in installation, os objects) {
		for _, o := range os {
			labels := o.GetLabels()
			for _, key := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "helm.sh/chart"} {
				assert.NotEmpty(t, labels[key], "%s: %s", o.id(), key)
			}
			assert.Equal(t, in.release, labels["app.kubernetes.io/instance"])
		}
	})
}

// A pod's labels hold no version: a new version of the chart alone starts nothing anew.
func TestPodsChangeOnlyWithWhatTheyAre(t *testing.T) {
	t.Parallel()
	for name, pod := range render(t, install(form())).pods(t) {
		if strings.HasPrefix(name, "Pod ") {
			continue
		}
		assert.NotContains(t, pod.Labels, "helm.sh/chart", name)
		assert.NotContains(t, pod.Labels, "app.kubernetes.io/version", name)
	}
}
