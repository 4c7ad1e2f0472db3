package helm

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chartutil"
	helmengine "helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm/engine"
)

// What this project's engine renders has to be what Helm's renders, byte for byte.

// clusters are those that charts are rendered for, from the oldest to the newest.
func clusters() map[string]Capabilities {
	return map[string]Capabilities{
		"none":  {},
		"plain": {KubeVersion: "1.33.0", APIVersions: []string{"networking.k8s.io/v1/Ingress", "apps/v1/Deployment"}},
		"old": {KubeVersion: "1.15.0", APIVersions: []string{
			"gateway.kyma-project.io/v1alpha1/APIRule", "networking.istio.io/v1alpha3/VirtualService", "extensions/v1beta1/Ingress", "apps/v1/Deployment",
		}},
		"current": {KubeVersion: "1.33.0", APIVersions: []string{
			"gateway.kyma-project.io/v2/APIRule", "security.istio.io/v1/AuthorizationPolicy", "eventing.kyma-project.io/v1alpha2/Subscription",
			"operator.kyma-project.io/v1alpha1/ApplicationConnector", "monitoring.coreos.com/v1/ServiceMonitor", "apps/v1/Deployment",
		}},
	}
}

// valuesOf are all values that this repository has for a chart: those of its plans, and of its ci/.
func valuesOf(t *testing.T, chartName string) map[string]map[string]any {
	files, err := filepath.Glob(filepath.Join("../../../charts", chartName, "ci", "*.yaml"))
	require.NoError(t, err)
	plans, err := filepath.Glob(filepath.Join("../../../addons", chartName+"-*", "plans", "*", "values.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, plans)
	out := map[string]map[string]any{"none": nil}
	for _, file := range append(files, plans...) {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		values := map[string]any{}
		require.NoError(t, yaml.Unmarshal(data, &values))
		out[file] = values
	}
	return out
}

func TestEveryChartRendersAsHelmRendersIt(t *testing.T) {
	t.Parallel()
	loader := NewLoader()
	for name, m := range realCharts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := loader.Load(files(m))
			require.NoError(t, err)
			rendered, all, names := 0, valuesOf(t, name), slices.Sorted(maps.Keys(clusters()))
			for i, from := range slices.Sorted(maps.Keys(all)) {
				v, err := c.with(all[from])
				require.NoError(t, err)
				require.NotNil(t, v.set(), "the templates can be prepared")
				cluster := names[i%len(names)] // one for each values is enough: others have the others
				if compare(t, v, clusters()[cluster], i == 0, fmt.Sprint(from, " in ", cluster)) {
					rendered++
				}
			}
			assert.Greater(t, rendered, 1, "most renderings succeed")
		})
	}
}

// compare renders with both engines, and says whether this one was sure. It has to be where Helm succeeds.
func compare(t *testing.T, v *valued, in Capabilities, lint bool, what string) bool {
	capabilities, err := in.resolve()
	require.NoError(t, err)
	release := chartutil.ReleaseOptions{Name: "hb-system-defaul-0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", Namespace: "some", Revision: 1, IsInstall: true}
	want, helmErr := helmengine.Engine{LintMode: lint}.Render(v.chart, v.top(release, capabilities))
	got, err := v.renderWith(v.set(), release, capabilities, lint)
	if helmErr != nil {
		require.ErrorIs(t, err, engine.ErrUnsure, what)
		_, err = v.render(release, capabilities, lint)
		assert.EqualError(t, err, helmErr.Error(), "the error is Helm's")
		return false
	}
	require.NoError(t, err, what)
	require.Equal(t, want, got, what)
	return true
}

// snippet makes a chart with a template.
func snippet(source string) map[string]string {
	return map[string]string{
		"Chart.yaml":  "apiVersion: v2\nname: demo\nversion: 1.2.3+x\nappVersion: \"7\"\nkeywords: [a, b]\ndependencies:\n- {name: sub, version: 1.0.0, condition: sub.enabled}\n",
		"values.yaml": "n: 5\nf: 2.5\nt: text\nempty: \"\"\ngood: true\nbad: false\nlist: [b, a, 3]\nnull_: null\nmap: {b: 1, a: {c: [x, {y: z}]}, nothing: null}\nsub: {enabled: true, own: v}\nglobal: {g: 1}\n",
		"files/a.txt": "one\ntwo\n", "files/b.yaml": "k: {v: [1, null]}\n",
		"charts/sub/Chart.yaml":         "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
		"charts/sub/values.yaml":        "own: w\nother: 1\n",
		"charts/sub/templates/_l.tpl":   `{{ define "both" }}sub{{ end }}{{ define "sub.only" }}{{ .Values.own }}{{ end }}{{ define "blank" }}sub{{ end }}`,
		"charts/sub/templates/sub.yaml": `{{ .Values.own }} {{ .Values.global.g }} {{ .Chart.Name }} {{ .Chart.IsRoot }} {{ .Template.Name }} {{ .Template.BasePath }} {{ include "both" . }} {{ .Release.Name }} {{ set .Values "seen" 1 | len }}`,
		"templates/_l.tpl":              `{{ define "both" }}root{{ end }}{{ define "blank" }} {{ end }}{{ define "again" }}{{ if gt . 0 }}{{ . }}{{ include "again" (sub . 1 | int) }}{{ end }}{{ end }}{{ define "dollar" }}{{ $.t }}{{ range .list }}{{ . }}{{ $.n }}{{ end }}{{ end }}`,
		"templates/x.yaml":              source,
		"templates/y.yaml":              `{{ .Values.added }}{{ .Subcharts.sub.Values.seen }}{{ include "both" . }}{{ include "blank" . }}`,
	}
}

// snippets are what this engine is sure of.
func snippets() []string {
	return []string{
		"", "text", "{{/* comment */}}", "{{- 1 -}} a {{- 2 }}", `{{ "a\nb" }}{{ 'a' }}{{ 0x10 }}{{ 1e3 }}{{ 2.50 }}{{ true }}{{ 1_000 }}{{ -3 }}`,
		"{{ .Values.n }} {{ .Values.f }} {{ .Values.t }} {{ .Values.good }} {{ .Values.list }} {{ .Values.map }} {{ .Values.missing }} {{ .Values.null_ }}",
		"{{ .Release.Name }} {{ .Release.IsInstall }} {{ .Release.Revision }} {{ .Release.Service }} {{ .Release }}",
		"{{ .Chart.Name }} {{ .Chart.Version }} {{ .Chart.AppVersion }} {{ .Chart.Keywords }} {{ .Chart.IsRoot }} {{ range .Chart.Dependencies }}{{ .Name }}{{ .Version }}{{ end }}",
		"{{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.KubeVersion.Major }} {{ .Capabilities.KubeVersion.GitVersion }} {{ .Capabilities.APIVersions.Has \"v1\" }} {{ .Capabilities.HelmVersion.Version }}",
		"{{ $has := .Capabilities.APIVersions }}{{ $has.Has \"apps/v1/Deployment\" }}{{ if $has.Has \"no\" }}a{{ else }}b{{ end }}",
		"{{ .Files.Get \"files/a.txt\" }} {{ range $p, $b := .Files.Glob \"files/**\" }}{{ $p }} {{ $b }} {{ $b | toString }}{{ end }} {{ (.Files.Glob \"files/*\").AsConfig }} {{ .Files.Lines \"files/a.txt\" }} {{ len .Files }} {{ kindOf .Files }} {{ typeOf .Files }}",
		"{{ range $i, $x := .Values.list }}{{ $i }}={{ $x }},{{ end }}{{ range .Values.list }}{{ . }}{{ end }}{{ range $k, $v := .Values.map }}{{ $k }}={{ $v }};{{ end }}",
		"{{ range .Values.missing }}a{{ else }}none{{ end }}{{ range $x := list }}a{{ else }}{{ $x }}{{ end }}{{ range list 1 2 3 4 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if eq . 4 }}{{ break }}{{ end }}{{ . }}{{ end }}{{ range 3 }}{{ . }}{{ end }}",
		"{{ with .Values.map }}{{ .b }}{{ $.Values.t }}{{ end }}{{ with .Values.empty }}a{{ else }}b{{ end }}{{ with $x := .Values.n }}{{ $x }}{{ end }}{{ with .Values.bad }}{{ else with .Values.t }}{{ . }}{{ end }}",
		"{{ if and .Values.good .Values.t }}a{{ end }}{{ or .Values.bad .Values.empty \"z\" }}{{ and 1 0 }}{{ not .Values.bad }}{{ if .Values.empty }}a{{ else if .Values.n }}b{{ else }}c{{ end }}",
		"{{ $x := 1 }}{{ $x = 2 }}{{ if true }}{{ $x = 3 }}{{ $y := 4 }}{{ $y }}{{ end }}{{ $x }}{{ range list 5 6 }}{{ $x = . }}{{ end }}{{ $x }}",
		"{{ eq 1 1 }}{{ eq \"a\" \"b\" \"a\" }}{{ ne .Values.t \"text\" }}{{ lt 1 2 }}{{ le 2 2 }}{{ gt \"b\" \"a\" }}{{ ge 1 2 }}{{ eq true .Values.good }}{{ lt 1.5 .Values.f }}{{ eq .Values.null_ \"a\" }}",
		"{{ len .Values.list }}{{ len \"äb\" }}{{ len .Values.map }}{{ index .Values.list 0 }}{{ index .Values.map \"a\" \"c\" 1 \"y\" }}{{ index .Values \"t\" }}{{ index .Values.map \"none\" }}",
		"{{ print 1 2 \"a\" nil }}{{ println \"x\" }}{{ printf \"%s %d %v %q %05.1f\" .Values.t 3 .Values.list \"q\" .Values.f }}",
		"{{ include \"both\" . }}{{ include \"again\" 3 }}{{ include \"dollar\" .Values }}{{ template \"both\" . }}{{ template \"both\" }}{{ include \"blank\" . }}{{ include \"sub.only\" (dict \"Values\" (dict \"own\" 9)) }}",
		"{{ tpl \"{{ .Values.t }}{{ include \\\"both\\\" . }}{{ $.Values.n }}{{ .Values.none }}\" . }}{{ tpl .Values.t . }}",
		"{{ required \"r\" .Values.t }}{{ .Values.t | required \"r\" | quote }}",
		"{{ toYaml .Values.map }}{{ toJson .Values }}{{ fromYaml \"a: [1, x]\" }}{{ (fromYaml \"a: {b: 1}\").a.b }}{{ fromYaml \"a: b: c\" }}{{ fromYamlArray \"[1, a]\" }}{{ fromYamlArray \"{\" }}{{ fromJson \"{\\\"a\\\": 1}\" }}{{ fromJsonArray \"[1]\" }}{{ fromJson \"x\" }}{{ toYaml list }}{{ toYaml nil }}{{ (fromYaml \"a: {}\").b }}",
		"{{ $a := fromYaml \"x: {y: 1}\" }}{{ $_ := set $a.x \"y\" 2 }}{{ $b := fromYaml \"x: {y: 1}\" }}{{ $b.x.y }}{{ $a }}{{ $c := deepCopy $a }}{{ $_ := set $c.x \"y\" 3 }}{{ $a }}{{ $c }}",
		"{{ $_ := set .Values \"added\" \"later\" }}{{ .Values.added }}{{ $m := dict \"a\" 1 \"b\" (list 1 2) }}{{ $_ := unset $m \"a\" }}{{ $m }}{{ hasKey $m \"b\" }}{{ get $m \"none\" }}{{ pick $m \"b\" }}{{ omit .Values.map \"a\" }}{{ merge (dict \"x\" 1) .Values.map }}{{ mergeOverwrite (dict \"b\" 2) .Values.map }}",
		"{{ default \"d\" .Values.empty }}{{ default 1 .Values.n }}{{ .Values.none | default \"x\" | quote }}{{ coalesce nil \"\" \"c\" }}{{ ternary \"a\" \"b\" .Values.good }}{{ empty .Values.bad }}{{ kindIs \"map\" .Values.map }}{{ kindOf .Values }}{{ typeOf .Values }}{{ typeOf .Values.n }}{{ kindIs \"invalid\" .Values.none }}",
		"{{ quote 1 \"a\" nil }}{{ squote .Values.t }}{{ upper \"a\" }}{{ trunc 3 .Values.t }}{{ trunc -2 .Values.t }}{{ trimSuffix \"t\" .Values.t }}{{ replace \"t\" \"T\" .Values.t }}{{ contains \"ex\" .Values.t }}{{ nindent 2 \"a\\nb\" }}{{ indent 1 \"a\" }}{{ join \",\" .Values.list }}{{ splitList \",\" \"a,b\" }}{{ split \"/\" \"a/b\" }}{{ trim \" a \" }}{{ cat \"a\" 1 }}{{ repeat 2 \"ab\" }}{{ substr 1 2 \"abc\" }}",
		"{{ add 1 2 .Values.n }}{{ sub 5 3 }}{{ mul 2 3 }}{{ div 7 2 }}{{ mod 7 4 }}{{ max 1 5 3 }}{{ min 2 1 }}{{ int \"7\" }}{{ int64 3.9 }}{{ float64 \"1.5\" }}{{ add1 1 }}{{ until 3 }}{{ untilStep 1 7 2 }}{{ ceil 1.2 }}{{ round 1.256 2 }}{{ atoi \"4\" }}",
		"{{ list 1 \"a\" | first }}{{ last .Values.list }}{{ rest (list 1 2) }}{{ initial (list 1 2) }}{{ append (list 1) 2 }}{{ prepend (list 1) 0 }}{{ concat (list 1) (list 2) }}{{ has \"a\" .Values.list }}{{ without (list 1 2) 1 }}{{ uniq (list 1 1) }}{{ reverse (list 1 2) }}{{ sortAlpha (list \"b\" \"a\") }}{{ compact (list \"\" 1) }}{{ dig \"a\" \"none\" \"d\" .Values.map }}{{ slice (list 1 2 3) 1 }}",
		"{{ sha256sum \"a\" }}{{ b64enc \"a\" }}{{ b64dec \"YQ==\" }}{{ regexMatch \"^a\" \"abc\" }}{{ regexMatch \"[\" \"abc\" }}{{ regexFind \"b.\" \"abc\" }}{{ regexReplaceAll \"b\" \"abc\" \"${1}x\" }}{{ regexFindAll \".\" \"abc\" 2 }}{{ regexSplit \"b\" \"abc\" -1 }}{{ semverCompare \">=1.2\" \"1.3.0\" }}{{ (semver \"1.2.3\").Major }}{{ urlParse \"https://a/b\" }}",
		"{{ (index .Values.list 0) | upper }}{{ ((dict \"a\" (dict \"b\" 1)).a).b }}{{ (get .Values.map \"a\").c }}{{ $n := get (dict) \"x\" }}{{ $n }}{{ $z := .Values.none }}{{ $z.deep.deeper }}",
		"{{ lookup \"v1\" \"Secret\" \"a\" \"b\" }}{{ getHostByName \"localhost\" }}{{ base \"a/b\" }}{{ hello }}{{ .Template.Name }}",
	}
}

// unsures are what is left to Helm.
func unsures() []string {
	return []string{
		"{{ fail \"no\" }}", "{{ required \"r\" .Values.none }}", "{{ .Values.none.deep }}", "{{ index .Values.list 9 }}", "{{ eq 1 \"a\" }}", "{{ .Values.t.x }}", "{{ nope }}", "{{ if }}", "{{ index .none }}", "{{ index nil }}",
		"{{ include \"none\" . }}", "{{ .Capabilities.KubeVersion }}", "{{ $k := .Capabilities.KubeVersion }}{{ $k.String }}", "{{ .Capabilities }}", "{{ .Values.YAML }}", "{{ html \"<\" }}", "{{ call .Values.t }}",
		"{{ trunc \"a\" \"b\" }}", "{{ lower 1 }}", "{{ len 3 }}", "{{ range .Values.t }}{{ end }}", "{{ semverCompare \"x\" \"y\" }}", "{{ regexFind \"[\" \"a\" }}", "{{ .Values.t 1 }}", "{{ 1 | .Values.n }}",
		"{{ define \"loop\" }}{{ include \"loop\" . }}{{ end }}{{ include \"loop\" . }}", "{{ tpl \"{{ define \\\"own\\\" }}o{{ end }}{{ include \\\"own\\\" . }}\" . }}", "{{ tpl \"{{\" . }}", "{{ toToml .Values.map }}", "{{ toYamlPretty .Values.map }}",
		"{{ range $x := .Values.list }}{{ end }}{{ $e := 0 }}{{ range $e = .Values.list }}{{ end }}{{ $e }}", "{{ range list nil }}{{ .x }}{{ end }}", "{{ eq nil nil }}", "{{ get nil \"a\" }}", "{{ 1i }}", "{{ int64 1 | printf \"%d\" | trunc 1 | nil }}", "{{ . | mustToDate }}", "{{ dict \"a\" 1 | keys | nope }}",
	}
}

func TestSnippetsRenderAsHelmRendersThem(t *testing.T) {
	t.Parallel()
	loader := NewLoader()
	for _, source := range snippets() {
		v := valuedOf(t, loader, source)
		for range 2 { // what is remembered is the same
			assert.True(t, compare(t, v, Capabilities{}, false, source), source)
		}
		assert.True(t, compare(t, v, Capabilities{}, true, source), source)
	}
}

func valuedOf(t *testing.T, loader *Loader, source string) *valued {
	c, err := loader.Load(files(snippet(source)))
	require.NoError(t, err)
	v, err := c.with(nil)
	require.NoError(t, err)
	return v
}

func TestWhatIsUnusualIsLeftToHelm(t *testing.T) {
	t.Parallel()
	loader := NewLoader()
	for _, source := range unsures() {
		v := valuedOf(t, loader, source)
		capabilities, err := Capabilities{}.resolve()
		require.NoError(t, err)
		if set := v.set(); set != nil {
			_, err = v.renderWith(set, chartutil.ReleaseOptions{Name: "r"}, capabilities, false)
			require.ErrorIs(t, err, engine.ErrUnsure, source)
		}
		want, wantErr := helmengine.Render(v.chart, v.top(chartutil.ReleaseOptions{Name: "r"}, capabilities))
		got, err := v.render(chartutil.ReleaseOptions{Name: "r"}, capabilities, false)
		if wantErr != nil {
			assert.EqualError(t, err, wantErr.Error(), source)
			continue
		}
		require.NoError(t, err, source)
		assert.Equal(t, want, got, source)
	}
}

// different matches what gives another result every time, and what takes too long.
var different = regexp.MustCompile(`rand|now|date|Date|ago|unixEpoch|uuid|shuffle|gen[A-Z]|htpasswd|bcrypt|encrypt|derive|build|keys|values|pluck|%[^sdvq]|[0-9]{4}|until|repeat|seq|wrap|indent|e[0-9]|recurs`)

func FuzzRender(f *testing.F) {
	for _, source := range append(snippets(), unsures()...) {
		f.Add(source)
	}
	common := os.DirFS("../../../charts/common/templates")
	names, err := fs.Glob(common, "*.tpl")
	require.NoError(f, err)
	for _, name := range names {
		data, err := fs.ReadFile(common, name)
		require.NoError(f, err)
		f.Add(string(data))
	}
	loader := NewLoader()
	f.Fuzz(func(t *testing.T, source string) {
		if different.MatchString(source) || strings.Contains(source, "\x00") {
			return
		}
		c, err := loader.Load(files(snippet(source)))
		if err != nil {
			return
		}
		v, err := c.with(nil)
		require.NoError(t, err)
		set := v.set()
		if set == nil {
			return
		}
		capabilities, err := Capabilities{}.resolve()
		require.NoError(t, err)
		release := chartutil.ReleaseOptions{Name: "r", Namespace: "n", IsInstall: true, Revision: 1}
		got, err := v.renderWith(set, release, capabilities, false)
		if errors.Is(err, engine.ErrUnsure) {
			return
		}
		require.NoError(t, err)
		want, err := helmengine.Render(v.chart, v.top(release, capabilities))
		require.NoError(t, err, "this engine is sure, and Helm fails")
		require.Equal(t, want[path.Join("demo", "templates/x.yaml")], got[path.Join("demo", "templates/x.yaml")])
		require.Equal(t, want, got)
	})
}

func TestOneChartRendersManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	c, err := Load(files(snippet(`{{ $_ := set .Values.map "m" .Values.m }}{{ toYaml .Values.map }}{{ (.Files.Glob "files/*").AsConfig }}{{ include "dollar" .Values }}`)))
	require.NoError(t, err)
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() {
			v, err := c.with(map[string]any{"m": i % 3})
			if !assert.NoError(t, err) {
				return
			}
			capabilities, err := Capabilities{}.resolve()
			if !assert.NoError(t, err) {
				return
			}
			got, err := v.renderWith(v.set(), chartutil.ReleaseOptions{Name: "r"}, capabilities, false)
			if assert.NoError(t, err) {
				assert.Contains(t, got["demo/templates/x.yaml"], fmt.Sprintf("\nm: %d", i%3))
			}
			assert.NotContains(t, v.values["map"], "m", "a template changes its own values only")
		})
	}
	wait.Wait()
}
