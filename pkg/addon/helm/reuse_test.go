package helm

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
)

// A template whose text is remembered must write what Helm writes whatever changes between two renderings: its values,
// the release, the cluster.

// asPart makes a chart whose template is included, with its context and in a list, alone and in another part.
func asPart(source string) map[string]string {
	m := snippet(`{{ include "part" . }}|{{ include "listed" (list . "a" 1) }}|{{ include "outer" . }}|{{ include "part" . }}`)
	m["templates/_part.tpl"] = `{{ define "part" }}` + source + `{{ end }}{{ define "listed" }}{{ index . 1 }}{{ include "part" (index . 0) }}{{ end }}` +
		`{{ define "outer" }}{{ .Values.t }}{{ include "part" . }}{{ .Release.Namespace }}{{ end }}`
	return m
}

type renderedOnce struct {
	values  string
	release chartutil.ReleaseOptions
	cluster string
}

// renderings are many, of which each differs from the one before in something.
func renderings() []renderedOnce {
	first := chartutil.ReleaseOptions{Name: "r", Namespace: "n", IsInstall: true, Revision: 1}
	other, upgraded := first, first
	other.Name, other.Namespace = "s", "m"
	upgraded.IsInstall, upgraded.IsUpgrade, upgraded.Revision = false, true, 2
	out := []renderedOnce{{"{}", first, "none"}}
	for _, values := range []string{
		"t: other", "n: 6", "n: 5.0", "n: '5'", "n: null", "f: 3", "empty: full", "good: false", "bad: true", "list: [b]", "list: [b, a, 4]", "list: [a, b, 3]", "list: []", "list: null", "null_: some",
		"map: {b: 2}", "map: {a: {c: [x, {y: w}]}}", "map: {a: null}", "map: {z: 1}", "sub: {own: x}", "missing: {deep: 1}", "none: {deep: {deeper: 1}}", "none: a", "global: {g: 2}", "added: before",
	} {
		out = append(out, renderedOnce{values, first, "none"}, renderedOnce{"{}", first, "none"})
	}
	for cluster := range clusters() {
		out = append(out, renderedOnce{"{}", first, cluster})
	}
	return append(out, renderedOnce{"{}", other, "none"}, renderedOnce{"{}", upgraded, "old"}, renderedOnce{"t: other", first, "none"})
}

func TestTextsAreReusedWhereHelmWritesTheSame(t *testing.T) {
	t.Parallel()
	own := []string{
		`{{ $_ := set .Values.map "b" (add 1 (int .Values.map.b)) }}{{ .Values.map.b }}`,
		`{{ $m := deepCopy .Values.map }}{{ $_ := set $m "x" 1 }}{{ toYaml $m }}{{ $l := dict "m" .Values.map }}{{ range $k, $v := $l.m }}{{ $k }}{{ $v }}{{ end }}`,
		`{{ $v := default .Values.sub .Values.missing }}{{ $_ := set $v "own" "new" }}{{ .Values.sub.own }}`,
		`{{ with .Values.map }}{{ if hasKey . "z" }}z{{ end }}{{ len . }}{{ end }}{{ if .Values.list }}{{ first .Values.list }}{{ end }}{{ get (first (list .Values.map)) "b" }}`,
		`{{ .Chart.Name }}{{ .Chart.AppVersion }}{{ .Release.Name }}{{ .Capabilities.KubeVersion.Version }}{{ .Capabilities.APIVersions.Has "gateway.kyma-project.io/v2/APIRule" }}{{ len .Capabilities.APIVersions }}`,
		`{{ $a := .Capabilities.APIVersions }}{{ range $v := list "a" "networking.k8s.io/v1/Ingress" }}{{ if $a.Has $v }}{{ $v }}{{ end }}{{ end }}{{ semverCompare ">=1.20" .Capabilities.KubeVersion.Version }}`,
		`{{ $both := list .Values.map .Values.map }}{{ (index $both 0).b }}{{ $_ := set (index $both 1) "b" 9 }}{{ (index $both 0).b }}`,
		`{{ .Files.Get "files/a.txt" }}{{ tpl "{{ .Values.t }}" . }}{{ (fromYaml (toYaml .Values)).t }}{{ .Values.map | toJson }}{{ typeOf .Values.n }}{{ kindOf .Values.list }}`,
	}
	loader := NewLoader()
	for _, source := range append(own, snippets()...) {
		if strings.Contains(source, "define") {
			continue
		}
		t.Run(source[:min(len(source), 40)], func(t *testing.T) {
			t.Parallel()
			c, err := loader.Load(files(asPart(source)))
			require.NoError(t, err)
			sure := 0
			for i, r := range renderings() {
				if rendersAsHelm(t, c, r, fmt.Sprint(i, r)) {
					sure++
				}
			}
			require.Positive(t, sure)
		})
	}
}

// rendersAsHelm compares both engines where this one is sure.
func rendersAsHelm(t *testing.T, c *Chart, r renderedOnce, what string) bool {
	var values map[string]any
	if yaml.Unmarshal([]byte(r.values), &values) != nil {
		return false
	}
	v, err := c.with(values)
	if err != nil {
		return false
	}
	set := v.set()
	if set == nil {
		return false
	}
	capabilities, err := clusters()[r.cluster].resolve()
	require.NoError(t, err)
	got, err := v.renderWith(set, r.release, capabilities, false)
	if errors.Is(err, engine.ErrUnsure) {
		return false
	}
	require.NoError(t, err, what)
	want, err := helmengine.Render(v.chart, v.top(r.release, capabilities))
	require.NoError(t, err, "this engine is sure, and Helm fails: "+what)
	require.Equal(t, want, got, what)
	return true
}

func FuzzReuse(f *testing.F) {
	for _, source := range snippets() {
		f.Add(source, "t: other", "map: {b: 2}")
	}
	f.Add(`{{ range $k, $v := .Values.map }}{{ $_ := set $.Values $k $v }}{{ end }}{{ .Values.b }}`, "map: {}", "list: [{a: b}]")
	f.Fuzz(func(t *testing.T, source, first, second string) {
		if different.MatchString(source) || strings.ContainsAny(source, "\x00") || strings.Contains(source, "define") || len(first)+len(second) > 1<<10 || strings.Contains(first+second, "&") {
			return
		}
		c, err := Load(files(asPart(source)))
		if err != nil {
			return
		}
		release := chartutil.ReleaseOptions{Name: "r", Namespace: "n", IsInstall: true, Revision: 1}
		for _, values := range []string{"{}", first, second, "{}", first} {
			for _, cluster := range []string{"none", "old"} {
				rendersAsHelm(t, c, renderedOnce{values, release, cluster}, values)
			}
		}
	})
}
