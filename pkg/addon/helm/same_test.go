package helm

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	"helm.sh/helm/v3/pkg/releaseutil"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
)

// What this package does instead of Helm, to be faster, has to give what Helm gives.

func TestLintSaysWhatHelmSays(t *testing.T) {
	t.Parallel()
	template := func(name, content string) map[string]string {
		m := demo()
		m["templates/"+name] = content
		return m
	}
	object := func(apiVersion, kind, name string) string {
		return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %q}\n", apiVersion, kind, name)
	}
	without := demo()
	delete(without, "values.yaml")
	missing := demo()
	missing["Chart.yaml"] += "dependencies: [{name: gone, version: 1.0.0}]\n"
	cases := map[string]map[string]string{
		"nothing":              demo(),
		"no values":            without,
		"a dependency":         missing,
		"a name":               template("x.yaml", object("v1", "ConfigMap", "Not_A_Name")),
		"a name of a service":  template("x.yaml", object("v1", "Service", "1.a")),
		"a namespace":          template("x.yaml", object("v1", "Namespace", "a.b")),
		"an account":           template("x.yaml", object("v1", "ServiceAccount", "A")),
		"a role":               template("x.yaml", object("rbac.authorization.k8s.io/v1", "Role", "a:b")+"---\n"+object("rbac.authorization.k8s.io/v1", "Role", "a/b")),
		"a request":            template("x.yaml", object("certificates.k8s.io/v1", "CertificateSigningRequest", "A/B")),
		"an API that is gone":  template("x.yaml", object("policy/v1beta1", "PodDisruptionBudget", "a")),
		"an unknown kind":      template("x.yaml", object("example.com/v1", "Thing", "a")),
		"no kind":              template("x.yaml", "a: b"),
		"no selector":          template("x.yaml", object("apps/v1", "Deployment", "a")),
		"a selector":           template("x.yaml", object("apps/v1", "Deployment", "a")+"spec: {selector: {matchLabels: {a: b}}}"),
		"a list":               template("x.yaml", "apiVersion: v1\nkind: List\nmetadata: {name: a}\nitems: [{metadata: {annotations: {helm.sh/resource-policy: keep}}}]"),
		"an extension":         template("x.json", "{}"),
		"an extension of YAML": template("x.yml", object("v1", "ConfigMap", "Not_A_Name")),
		"an indent":            template("x.yaml", "\n  a: b\n"),
		"no YAML":              template("x.yaml", "a: [\n---\n"+object("v1", "ConfigMap", "Not_A_Name")),
		"a list of texts":      template("x.yaml", "- a"),
		"empty documents":      template("x.yaml", "---\n---\n# none\n---\n"+object("v1", "ConfigMap", "B_A_D")),
		"a hook of Helm 2":     template("x.yaml", "metadata: {annotations: {\n\"helm.sh/hook\": crd-install}}"),
		"the time":             template("x.yaml", "{{/* .Release.Time */}}"),
		"a failure":            template("x.yaml", "{{ fail \"no\" }}"),
		"a wrong template":     template("x.yaml", "{{ if }}"),
		"an unknown include":   template("x.yaml", "{{ include \"none\" . }}"),
		"a schema":             with(demo(), "values.schema.json", `{"required": ["nowhere"]}`),
	}
	charts := map[string]map[string]string{}
	for name, files := range cases {
		charts[name] = files
	}
	for name, files := range realCharts(t) {
		charts[name] = files
	}
	for name, m := range charts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, values := range []map[string]any{nil, {"map": map[string]any{"a": "b"}}} {
				got, err := Lint("demo", files(m), values)
				require.NoError(t, err)
				want := lintOfHelm(t, m, values)
				assert.Equal(t, want, got)
				c, err := Load(files(m))
				if err != nil {
					continue
				}
				for range 2 { // what is remembered is the same
					got, err = c.Lint("demo", files(m), values)
					require.NoError(t, err)
					assert.Equal(t, want, got)
				}
			}
		})
	}
}

func with(m map[string]string, key, value string) map[string]string {
	m = maps.Clone(m)
	m[key] = value
	return m
}

func lintOfHelm(t *testing.T, m map[string]string, values map[string]any) []string {
	dir := filepath.Join(t.TempDir(), "demo")
	for name, content := range m {
		file := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
	}
	version, err := Capabilities{}.resolve()
	require.NoError(t, err)
	var messages []string
	for _, message := range lint.AllWithKubeVersion(dir, engine.Copy(values), "default", &version.KubeVersion).Messages {
		if message.Severity >= support.WarningSev {
			messages = append(messages, strings.NewReplacer(filepath.Dir(dir)+string(filepath.Separator), "", "rules.K8sYamlStruct", "helm.lintedObject").Replace(fmt.Sprintf("%s: %s", message.Path, message.Err)))
		}
	}
	return messages
}

// realCharts are those of this repository, with what they depend on.
func realCharts(t *testing.T) map[string]map[string]string {
	const top = "../../../charts"
	entries, err := os.ReadDir(top)
	require.NoError(t, err)
	out := map[string]map[string]string{}
	for _, e := range entries {
		if e.IsDir() && strings.HasSuffix(e.Name(), "-connector") {
			m := map[string]string{}
			readChart(t, filepath.Join(top, e.Name()), "", m)
			readChart(t, filepath.Join(top, "common"), "charts/common/", m)
			out[e.Name()] = m
		}
	}
	require.NotEmpty(t, out)
	return out
}

func readChart(t *testing.T, dir, prefix string, m map[string]string) {
	require.NoError(t, filepath.WalkDir(dir, func(file string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(file)
		m[prefix+filepath.ToSlash(name)] = string(data)
		return err
	}))
}

func TestSortDoesWhatHelmDoes(t *testing.T) {
	t.Parallel()
	hook := func(kind, name, annotations string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: %s\nmetadata: {name: %s, annotations: {%s}}\n", kind, name, annotations)
	}
	rendered := map[string]string{
		"a/z.yaml":     "# only a comment\n---\n" + hook("Job", "one", `helm.sh/hook: "pre-install, Post-Install", helm.sh/hook-weight: "-5"`) + "---\n" + hook("Zebra", "z", ""),
		"a/b.yaml":     hook("ConfigMap", "c", "a: b") + "---\n" + hook("Ape", "a", "") + "---\n" + hook("Namespace", "n", "") + "---\n" + hook("ConfigMap", "d", ""),
		"a/c.yaml":     hook("Job", "unknown", "helm.sh/hook: pre-lunch") + "---\n" + hook("Pod", "test", `helm.sh/hook: test-success, helm.sh/hook-weight: x, helm.sh/hook-delete-policy: "hook-succeeded, Hook-Failed"`),
		"a/_skip.yaml": "no",
		"a/empty.yaml": " \n",
		"a/d.yaml":     hook("Secret", "s", `helm.sh/hook: pre-delete`),
	}
	wantHooks, wantManifests, err := releaseutil.SortManifests(rendered, nil, releaseutil.InstallOrder)
	require.NoError(t, err)
	var h heads
	for range 2 { // what is remembered is the same
		hooks, manifests, err := h.sort(rendered)
		require.NoError(t, err)
		require.Len(t, manifests, len(wantManifests))
		for i, want := range wantManifests {
			got := manifests[i]
			assert.Equal(t, []string{want.Name, want.Content, want.Head.Kind, want.Head.Version}, []string{got.Source, string(got.Content), got.Kind, got.APIVersion})
		}
		require.Len(t, hooks, len(wantHooks))
		for i, want := range wantHooks {
			got := hooks[i]
			assert.Equal(t, []string{want.Path, want.Manifest, want.Kind, want.Name}, []string{got.Source, string(got.Content), got.Kind, got.Name})
			assert.Equal(t, want.Weight, got.Weight)
			assert.Equal(t, fmt.Sprint(want.Events), fmt.Sprint(got.Events))
			if len(want.DeletePolicies) > 0 {
				assert.Equal(t, fmt.Sprint(want.DeletePolicies), fmt.Sprint(got.DeletePolicies))
			} else {
				assert.Equal(t, []string{"before-hook-creation"}, got.DeletePolicies)
			}
		}
	}
	_, _, err = h.sort(map[string]string{"a.yaml": "a: &a " + strings.Repeat("x", 1<<19) + "\nb: [" + strings.Repeat("*a,", 50) + "]"})
	require.ErrorContains(t, err, "YAML parse error on a.yaml")
	require.ErrorContains(t, err, "with all aliases written out")
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	var h heads
	for i := range 40 {
		err := h.read(fmt.Sprintf("a: %d # %s", i, strings.Repeat("x", 1<<20))).err
		require.NoError(t, err)
		assert.LessOrEqual(t, h.size, maxRemembered)
		assert.LessOrEqual(t, len(h.known), 16)
	}
}

func FuzzSplit(f *testing.F) {
	for _, text := range []string{"", "---", "a\n---\nb", "---\n---\n", "a ---\n \r\n--- b\n\f---", "--- a\n----\n", "a\n\n---\n\n---\n\vb", "\u0085---\n\u00a0\n---"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		byNumber := releaseutil.SplitManifests(text)
		keys := slices.Collect(maps.Keys(byNumber))
		slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) })
		var want []string
		for _, key := range keys {
			want = append(want, byNumber[key])
		}
		if got := split(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, and Helm: %q", text, got, want)
		}
	})
}
