package compat_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/compat"
)

const (
	home       = "addons/" + addontest.Name + "/"
	formFile   = home + "plans/default/create-instance-schema.json"
	definition = "charts/demo-connector/files/connector.yaml"
	templates  = "charts/common/templates/_all.tpl"
)

// repository is a repository that a test changes after its add-on was loaded.
type repository struct {
	t    *testing.T
	repo *addon.Repository
}

func (r repository) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.repo.Dir(), name))
	require.NoError(r.t, err)
	return string(data)
}

func (r repository) replace(name, from, to string) {
	r.t.Helper()
	before := r.read(name)
	require.Contains(r.t, before, from, name)
	addontest.Write(r.t, r.repo.Dir(), name, strings.Replace(before, from, to, 1))
}

// field changes one field of the form; nil removes a keyword, a nil change the field.
func (r repository) field(name string, change map[string]any) {
	r.form(func(form map[string]any) {
		properties := form["properties"].(map[string]any)
		if change == nil {
			delete(properties, name)
			return
		}
		field, _ := properties[name].(map[string]any)
		if field == nil {
			field = map[string]any{}
		}
		for keyword, value := range change {
			field[keyword] = value
			if value == nil {
				delete(field, keyword)
			}
		}
		properties[name] = field
	})
}

func (r repository) form(change func(map[string]any)) {
	r.t.Helper()
	var form map[string]any
	require.NoError(r.t, json.Unmarshal([]byte(r.read(formFile)), &form))
	change(form)
	data, err := json.Marshal(form)
	require.NoError(r.t, err)
	addontest.Write(r.t, r.repo.Dir(), formFile, string(data))
}

func compare(t *testing.T, prepare, change func(repository)) *compat.Report {
	t.Helper()
	r := repository{t, addontest.Repository(t)}
	if prepare != nil {
		prepare(r)
	}
	before, err := r.repo.Load(addontest.Name)
	require.NoError(t, err)
	if change != nil {
		change(r)
	}
	after, err := r.repo.Load(addontest.Name)
	require.NoError(t, err)
	report, err := compat.Compare(before, after)
	require.NoError(t, err)
	return report
}

func has(r *compat.Report, level compat.Level, area compat.Area, where, what string) bool {
	for _, c := range r.Changes {
		if c.Level == level && c.Area == area && strings.Contains(c.Where, where) && strings.Contains(c.What, what) {
			return true
		}
	}
	return false
}

func TestTheSameIsUnchanged(t *testing.T) {
	t.Parallel()
	r := compare(t, nil, nil)
	assert.Equal(t, compat.Unchanged, r.Status)
	assert.Empty(t, r.Changes)
	assert.True(t, r.Enough)
	assert.Equal(t, compat.None, r.Due)
}

func TestForms(t *testing.T) {
	t.Parallel()
	field := func(name string, change map[string]any) func(repository) {
		return func(r repository) { r.field(name, change) }
	}
	size := func(change map[string]any) func(repository) {
		return field("size", change)
	}
	number := map[string]any{"type": "integer", "title": "Size", "description": "d", "minimum": 2, "maximum": 9, "default": 4}
	choice := map[string]any{"type": "string", "title": "Size", "description": "d", "enum": []any{"a", "b"}}
	for name, test := range map[string]struct {
		prepare, change func(repository)
		level           compat.Level
		where, what     string
	}{
		"a field is gone":                 {nil, field("event_token", nil), compat.Major, "event_token", "is gone"},
		"a new field":                     {nil, size(number), compat.Minor, "size", "is new"},
		"a new field that is required":    {nil, func(r repository) { r.field("replicas", number); r.form(required("replicas")) }, compat.Major, "replicas", "is new and required"},
		"required now":                    {nil, func(r repository) { r.form(required("event_token")) }, compat.Major, "event_token", "is required now"},
		"not required any more":           {func(r repository) { r.form(required("event_token")) }, func(r repository) { r.form(optional("event_token")) }, compat.Minor, "event_token", "is not required any more"},
		"another type":                    {size(number), size(map[string]any{"type": "string", "minimum": nil, "maximum": nil, "default": nil}), compat.Major, "size", `type "integer" becomes "string"`},
		"a wider type":                    {size(number), size(map[string]any{"type": "number"}), compat.Minor, "size", "takes more"},
		"a narrower type":                 {size(map[string]any{"type": "number", "title": "Size", "description": "d"}), size(map[string]any{"type": "integer"}), compat.Major, "size", "whole numbers only"},
		"a choice less":                   {size(choice), size(map[string]any{"enum": []any{"a"}}), compat.Major, "size", `no longer takes "b"`},
		"a choice more":                   {size(choice), size(map[string]any{"enum": []any{"a", "b", "c"}}), compat.Minor, "size", `takes "c" too`},
		"a choice now":                    {nil, field("event_token", map[string]any{"enum": []any{"x"}}), compat.Major, "event_token", `takes some values only: "x"`},
		"no choice any more":              {size(choice), size(map[string]any{"enum": nil}), compat.Minor, "size", "takes any value"},
		"another default":                 {size(number), size(map[string]any{"default": 5}), compat.Minor, "size", "the default 4 becomes 5"},
		"no default":                      {size(number), size(map[string]any{"default": nil}), compat.Minor, "size", "has no default any more"},
		"no default of a required field":  {func(r repository) { r.field("replicas", number); r.form(required("replicas")) }, field("replicas", map[string]any{"default": nil}), compat.Major, "replicas", "and is required"},
		"a higher minimum":                {size(number), size(map[string]any{"minimum": 3}), compat.Major, "size", "takes less: minimum is 3 now"},
		"a lower minimum":                 {size(number), size(map[string]any{"minimum": 1}), compat.Minor, "size", "takes more: minimum is 1 now"},
		"a lower maximum":                 {size(number), size(map[string]any{"maximum": 5}), compat.Major, "size", "takes less: maximum is 5 now"},
		"a higher maximum":                {size(number), size(map[string]any{"maximum": 99}), compat.Minor, "size", "takes more: maximum is 99 now"},
		"a new maximum":                   {nil, field("event_token", map[string]any{"maxLength": 4}), compat.Major, "event_token", "maxLength is 4 now"},
		"no maximum":                      {size(number), size(map[string]any{"maximum": nil}), compat.Minor, "size", "maximum (9) does not hold any more"},
		"another pattern":                 {nil, field("system_url", map[string]any{"pattern": "^https://demo"}), compat.Major, "system_url", `which refuses "https://`},
		"a pattern now":                   {nil, field("event_token", map[string]any{"pattern": "^[a-z]+$"}), compat.Major, "event_token", `must match the pattern "^[a-z]+$", which refuses ""`},
		"a wider pattern":                 {field("event_token", map[string]any{"pattern": "^[a-z]{8}$"}), field("event_token", map[string]any{"pattern": "^[a-z0-9]{8,9}$"}), compat.Minor, "event_token", "takes more"},
		"the same pattern in other words": {field("event_token", map[string]any{"pattern": "^(a|b)$"}), field("event_token", map[string]any{"pattern": "^[ab]$"}), compat.Patch, "event_token", "takes the same"},
		"a pattern that nobody follows":   {field("event_token", map[string]any{"pattern": "^[a-z]$"}), field("event_token", map[string]any{"pattern": "\\b[a-z]\\b"}), compat.Major, "event_token", "may refuse"},
		"no pattern":                      {nil, field("system_url", map[string]any{"pattern": nil}), compat.Minor, "system_url", "no pattern any more"},
		"another format":                  {nil, field("event_token", map[string]any{"format": "email"}), compat.Major, "event_token", "must have the format"},
		"hidden now":                      {size(choice), size(map[string]any{"format": "password"}), compat.Patch, "size", "shown as a secret now"},
		"another title":                   {nil, field("event_token", map[string]any{"title": "Token"}), compat.Patch, "event_token", "title"},
		"a limit in a list": {
			field("tags", map[string]any{"type": "array", "items": map[string]any{"type": "string"}}),
			field("tags", map[string]any{"items": map[string]any{"type": "string", "maxLength": 3}}), compat.Major, "tags[]", "maxLength is 3 now",
		},
		"a field of an object": {
			field("proxy", map[string]any{"type": "object", "properties": map[string]any{"host": map[string]any{"type": "string"}}}),
			field("proxy", map[string]any{"properties": map[string]any{}}), compat.Major, "proxy.host", "is gone",
		},
		"through a reference": {
			func(r repository) {
				r.form(func(f map[string]any) { f["definitions"] = map[string]any{"s": map[string]any{"type": "string"}} })
				r.field("size", map[string]any{"$ref": "#/definitions/s"})
			},
			func(r repository) {
				r.form(func(f map[string]any) {
					f["definitions"] = map[string]any{"s": map[string]any{"type": "string", "minLength": 2}}
				})
			}, compat.Major, "size", "minLength is 2 now",
		},
		"through a reference in a choice": {
			func(r repository) {
				r.form(func(f map[string]any) { f["definitions"] = map[string]any{"s": map[string]any{"type": "string"}} })
				r.field("size", map[string]any{"oneOf": []any{map[string]any{"$ref": "#/definitions/s"}}})
			},
			func(r repository) {
				r.form(func(f map[string]any) {
					f["definitions"] = map[string]any{"s": map[string]any{"type": "string", "minLength": 2}}
				})
			}, compat.Major, "size", "oneOf is another one",
		},
		"another alternative": {
			field("event_token", map[string]any{"anyOf": []any{map[string]any{"pattern": "^a"}}}),
			field("event_token", map[string]any{"anyOf": []any{map[string]any{"pattern": "^a"}, map[string]any{"pattern": "^b"}}}), compat.Minor, "event_token", "anyOf has another choice",
		},
		"no alternatives any more": {
			field("event_token", map[string]any{"anyOf": []any{map[string]any{"pattern": "^a"}}}),
			field("event_token", map[string]any{"anyOf": nil}), compat.Minor, "event_token", "anyOf does not hold any more",
		},
		"an alternative less": {
			field("event_token", map[string]any{"anyOf": []any{map[string]any{"pattern": "^a"}, map[string]any{"pattern": "^b"}}}),
			field("event_token", map[string]any{"anyOf": []any{map[string]any{"pattern": "^a"}}}), compat.Major, "event_token", "anyOf is another one",
		},
		"finer steps":   {size(map[string]any{"type": "integer", "title": "Size", "description": "d", "multipleOf": 10}), size(map[string]any{"multipleOf": 5}), compat.Minor, "size", "takes more: multipleOf is 5"},
		"coarser steps": {size(map[string]any{"type": "integer", "title": "Size", "description": "d", "multipleOf": 5}), size(map[string]any{"multipleOf": 10}), compat.Major, "size", "multipleOf is 10 now"},
		"open now":      {nil, func(r repository) { r.form(func(f map[string]any) { f["additionalProperties"] = true }) }, compat.Minor, "(form)", "takes other fields now"},
		"closed now":    {func(r repository) { r.form(func(f map[string]any) { f["additionalProperties"] = true }) }, func(r repository) { r.form(func(f map[string]any) { f["additionalProperties"] = false }) }, compat.Major, "(form)", "takes no other fields"},
		"another condition": {nil, func(r repository) {
			r.form(func(f map[string]any) { f["not"] = map[string]any{"required": []any{"nothing"}} })
		}, compat.Major, "(form)", "not is another one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := compare(t, test.prepare, test.change)
			assert.True(t, has(r, test.level, compat.AreaForm, test.where, test.what), "%+v", r.Changes)
			for _, c := range r.Changes {
				if c.Area == compat.AreaForm && test.level != compat.Major {
					assert.NotEqual(t, compat.Major, c.Level, "%+v", c)
				}
			}
			assert.False(t, r.Enough, "the version was not raised")
		})
	}
}

func required(name string) func(map[string]any) {
	return func(form map[string]any) { form["required"] = append(form["required"].([]any), name) }
}

func optional(name string) func(map[string]any) {
	return func(form map[string]any) {
		var kept []any
		for _, n := range form["required"].([]any) {
			if n != name {
				kept = append(kept, n)
			}
		}
		form["required"] = kept
	}
}

func TestEverythingElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change      func(repository)
		level       compat.Level
		area        compat.Area
		where, what string
	}{
		"the id": {func(r repository) { r.replace(home+"meta.yaml", "id: 2c9d4c3e", "id: 3c9d4c3e") }, compat.Major, compat.AreaCatalog, "id", "another service"},
		"a plan's id": {func(r repository) { r.replace(home+"plans/default/meta.yaml", "id: 7d0f8c55", "id: 8d0f8c55") },
			compat.Major, compat.AreaCatalog, "id", "another plan"},
		"a plan's name": {func(r repository) { r.replace(home+"plans/default/meta.yaml", "name: default", "name: small") },
			compat.Major, compat.AreaCatalog, "plan", "is gone"},
		"more than one instance": {func(r repository) { r.replace(home+"meta.yaml", "provisionOnlyOnce: true", "provisionOnlyOnce: false") },
			compat.Minor, compat.AreaCatalog, "provisionOnlyOnce", "false now"},
		"a text": {func(r repository) { r.replace(home+"meta.yaml", "description: Connects", "description: Reaches") }, compat.Patch, compat.AreaCatalog, "description", "reads differently"},
		"a selector": {func(r repository) {
			r.replace(templates, "matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}}", "matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}, a: b}")
		}, compat.Major, compat.AreaManifests, "Deployment release-gateway", "spec.selector.matchLabels.a: nothing becomes \"b\"; Kubernetes does not let it be changed"},
		"another image": {func(r repository) { r.replace(templates, "image: {{ .Values.image }}", "image: other:1") },
			compat.Patch, compat.AreaManifests, "Deployment release-gateway", `becomes "other:1"`},
		"the library chart": {func(r repository) {
			addontest.Write(r.t, r.repo.Dir(), "charts/common/templates/_more.tpl", "{{/* more */}}")
		},
			compat.Patch, compat.AreaFiles, "charts/common/templates/_more.tpl", "is new"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := compare(t, nil, test.change)
			assert.True(t, has(r, test.level, test.area, test.where, test.what), "%+v", r.Changes)
			assert.Equal(t, compat.Changed, r.Status)
		})
	}
}

// What is about the definition is compared by what it is about, not by where it stands.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	r := compare(t, nil, func(r repository) {
		before := r.read(definition)
		at := strings.Index(before, "apis:")
		require.Positive(t, at)
		end := at + len("apis:") + strings.Index(before[at+len("apis:"):]+"\nz:", "\n"+firstKeyAfter(before[at+len("apis:"):]))
		addontest.Write(t, r.repo.Dir(), definition, before[:at]+before[min(end+1, len(before)):])
	})
	assert.True(t, has(r, compat.Major, compat.AreaDefinition, "API ", "workloads that call it fail"), "%+v", r.Changes)
	assert.Equal(t, compat.Minor, r.Due, "before 1.0.0 the second number stands for the first")
	assert.Equal(t, "0.2.0", r.Want)
}

// firstKeyAfter is the start of the next key at the top of a YAML text.
func firstKeyAfter(text string) string {
	for line := range strings.Lines(text) {
		if line[0] >= 'a' && line[0] <= 'z' {
			return strings.TrimSpace(line)
		}
	}
	return "z:"
}

// A secret that a user entered never shows, whatever the templates do with it.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	r := compare(t, func(r repository) {
		r.field("api_key", map[string]any{"examples": []any{"hunter2-hunter2"}})
	}, func(r repository) {
		r.replace(templates, "system_url: {{ .Values.system_url | quote }}", "system_url: {{ .Values.system_url | quote }}\n  leak: {{ .Values.api_key | quote }}")
	})
	assert.True(t, has(r, compat.Patch, compat.AreaManifests, "ConfigMap release-config", "data.leak"), "%+v", r.Changes)
	data, err := json.Marshal(r)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "hunter2")
}

func TestVersionsThatAreEnough(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		from, to string
		change   string
		due      compat.Level
		want     string
		enough   bool
	}{
		"a text needs a patch":      {"1.2.3", "1.2.4", "description", compat.Patch, "1.2.4", true},
		"a field needs a minor":     {"1.2.3", "1.2.4", "new field", compat.Minor, "1.3.0", false},
		"and more will do":          {"1.2.3", "2.0.0", "new field", compat.Minor, "1.3.0", true},
		"a lost field a major":      {"1.2.3", "1.3.0", "lost field", compat.Major, "2.0.0", false},
		"a lost field before 1.0.0": {"0.2.3", "0.3.0", "lost field", compat.Minor, "0.3.0", true},
		"a new field before 1.0.0":  {"0.2.3", "0.2.4", "new field", compat.Patch, "0.2.4", true},
		"a version alone":           {"1.2.3", "1.2.4", "", compat.None, "", true},
		"a version that goes back":  {"1.2.3", "1.2.2", "", compat.None, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := repository{t, addontest.Repository(t)}
			load := func(version string) *addon.Addon {
				tree, err := r.repo.Read(addontest.Name)
				require.NoError(t, err)
				files := append([]addon.File{}, tree.Files()...)
				for i := range files {
					if files[i].Path == "meta.yaml" || strings.HasSuffix(files[i].Path, "demo-connector/Chart.yaml") {
						files[i].Data = []byte(strings.Replace(string(files[i].Data), "\nversion: 0.1.0", "\nversion: "+version, 1))
					}
				}
				tree, err = addon.NewTree(files)
				require.NoError(t, err)
				a, err := addon.Parse(addontest.Key+"-"+version, tree)
				require.NoError(t, err)
				return a
			}
			before := load(test.from)
			switch test.change {
			case "description":
				r.replace(home+"meta.yaml", "description: Connects", "description: Reaches")
			case "new field":
				r.field("size", map[string]any{"type": "string"})
			case "lost field":
				r.field("event_token", nil)
			}
			report, err := compat.Compare(before, load(test.to))
			require.NoError(t, err)
			assert.Equal(t, test.due, report.Due, "%+v", report.Changes)
			assert.Equal(t, test.want, report.Want)
			assert.Equal(t, test.enough, report.Enough)
		})
	}
}

func TestRepositories(t *testing.T) {
	t.Parallel()
	a, err := addontest.Repository(t).Load(addontest.Name)
	require.NoError(t, err)
	reports, err := compat.CompareAll(nil, []*addon.Addon{a})
	require.NoError(t, err)
	require.Len(t, reports, 1)
	assert.Equal(t, compat.Added, reports[0].Status)
	reports, err = compat.CompareAll([]*addon.Addon{a}, nil)
	require.NoError(t, err)
	require.Len(t, reports, 1)
	assert.Equal(t, compat.Removed, reports[0].Status)
	assert.Contains(t, reports[0].Changes[0].What, "have to be removed before")
}

// A binding gives names, which workloads read: one less breaks them, one more does not.
func TestBindingsAreComparedByWhatTheyGive(t *testing.T) {
	t.Parallel()
	const plan = "addons/" + addontest.Name + "/plans/default/"
	bind := func(content string) func(repository) {
		return func(r repository) { addontest.Write(r.t, r.repo.Dir(), plan+"bind.yaml", content) }
	}
	const both = "credential:\n- {name: user, value: u}\n- {name: host, value: h}\ncredentialFrom:\n- secretRef: {name: \"{{ .Release.Name }}-a\"}\n"
	for name, test := range map[string]struct {
		after string
		level compat.Level
		what  string
	}{
		"one less":           {strings.Replace(both, "name: host", "name: hostname", 1), compat.Major, "no longer gives host"},
		"one more":           {strings.Replace(both, "credentialFrom", "- {name: port, value: p}\ncredentialFrom", 1), compat.Minor, "gives port, too"},
		"another object":     {strings.Replace(both, "-a", "-b", 1), compat.Major, "no longer gives all of secret release-a"},
		"another value only": {strings.Replace(both, "value: h", "value: k", 1), compat.Patch, "is another one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := compare(t, func(r repository) {
				r.replace(plan+"meta.yaml", "bindable: false", "bindable: true")
				bind(both)(r)
			}, bind(test.after))
			assert.True(t, has(r, test.level, compat.AreaCatalog, "bind.yaml", test.what), "%+v", r.Changes)
		})
	}
}
