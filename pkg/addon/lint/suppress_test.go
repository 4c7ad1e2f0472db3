package lint_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
)

func TestSuppressions(t *testing.T) {
	t.Parallel()
	const meta, chart = "addons/demo-connector-0.1.0/meta.yaml", "charts/demo-connector/"
	for name, c := range map[string]struct {
		file, before, after string
		want                []string // rules that are left
		suppressed          int
	}{
		"behind the line":    {meta, "bindable: false", "bindable: false\nplanUpdatable: true # addonctl:ignore MET013: we update by hand", nil, 1},
		"before the line":    {meta, "bindable: false", "bindable: false\n# addonctl:ignore MET013: we update by hand\nplanUpdatable: true", nil, 1},
		"for the whole file": {meta, "bindable: false", "# addonctl:ignore-file MET013, MET004: both\nbindable: false\nplanUpdatable: true\ntags2: x # addonctl:ignore MET005: ours", []string{"SUP002"}, 2},
		"at another line":    {meta, "bindable: false", "# addonctl:ignore MET013: too early\nbindable: false\nplanUpdatable: true", []string{"MET013", "SUP002"}, 0},
		"without a reason":   {meta, "bindable: false", "bindable: false\nplanUpdatable: true # addonctl:ignore MET013", []string{"MET013", "SUP001"}, 0},
		"of an unknown rule": {meta, "bindable: false", "bindable: false # addonctl:ignore XYZ999: why", []string{"SUP001"}, 0},
		"of itself":          {meta, "bindable: false", "bindable: false # addonctl:ignore SUP002: why", []string{"SUP001"}, 0},
		"of nothing":         {meta, "bindable: false", "bindable: false # addonctl:ignore MET013: why", []string{"SUP002"}, 0},
		"in a template": {
			chart + "templates/connector.yaml", "{{ include", "{{- /* addonctl:ignore CHT012: only for a test */}}\n{{- $x := randAlpha 3 }}\n{{ include", nil, 1,
		},
		"in Markdown": {
			"addons/demo-connector-0.1.0/docs/demo-connector.md", "# Demo", "<!-- addonctl:ignore-file DEF006: a part only -->\n<!-- parameters: begin (made from the definition by addonctl lint --fix) -->\n<!-- parameters: end -->\n# Demo", nil, 1,
		},
		"quoted in Markdown": {"addons/demo-connector-0.1.0/docs/demo-connector.md", "# Demo", "Write `# addonctl:ignore MET013: why`.\n\n# Demo", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			file := filepath.Join(repo.Dir(), c.file)
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, string(data), c.before)
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), c.before, c.after, 1)), 0o600))
			report := run(t, repo)
			var got []string
			for _, f := range report.Findings {
				got = append(got, f.Rule)
			}
			assert.ElementsMatch(t, c.want, got)
			assert.Equal(t, c.suppressed, report.Suppressed)
		})
	}
}

// What is suppressed says nothing, so that Helm's linter still does.
func TestHelmIsHeardBesideASuppression(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	const meta, chart = "addons/" + addontest.Name + "/meta.yaml", "charts/demo-connector/Chart.yaml"
	for file, change := range map[string][2]string{
		meta:  {"bindable: false", "bindable: false\nplanUpdatable: true # addonctl:ignore MET013: we update by hand"},
		chart: {"icon: ", "icon: nowhere # "},
	} {
		data, err := os.ReadFile(filepath.Join(repo.Dir(), file))
		require.NoError(t, err)
		addontest.Write(t, repo.Dir(), file, strings.Replace(string(data), change[0], change[1], 1))
	}
	report := run(t, repo)
	require.Len(t, report.Findings, 1)
	assert.Equal(t, "CHT014", report.Findings[0].Rule)
	assert.Equal(t, 1, report.Suppressed)
}

// What has not been looked at cannot be called unused.
func TestSuppressionsOfRulesThatDoNotRunAreNotUnused(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	addontest.Write(t, repo.Dir(), "addons/"+addontest.Name+"/docs/more.txt", "# addonctl:ignore-file MET013: why\n")
	target := lint.Target{Repository: repo, Names: []string{addontest.Name}}
	o := options()
	o.Disable = []string{"MET013"}
	report, err := lint.Run(context.Background(), target, o)
	require.NoError(t, err)
	assert.Empty(t, report.Findings)
	assert.Len(t, run(t, repo).Findings, 1)
}

func TestTheConfigurationOfARepository(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	config, err := lint.ReadConfig(repo)
	require.NoError(t, err)
	assert.Equal(t, &lint.Config{}, config, "none")

	const meta = "addons/" + addontest.Name + "/meta.yaml"
	data, err := os.ReadFile(filepath.Join(repo.Dir(), meta))
	require.NoError(t, err)
	addontest.Write(t, repo.Dir(), meta, strings.Replace(string(data), "tags: demo, events", "planUpdatable: true", 1))
	addontest.Write(t, repo.Dir(), lint.ConfigFile, `lint:
  failOn: error
  disable:
    MET004: our catalog shows no tags
  ignore:
    - {rule: MET013, path: addons/*/meta.yaml, reason: we update by hand}
    - {rule: MET013, path: addons/other/meta.yaml, reason: it is gone}
    - {rule: MET013, path: addons/*/meta.yaml}
`)
	config, err = lint.ReadConfig(repo)
	require.NoError(t, err)
	assert.Equal(t, lint.Error, config.FailOn)
	o := options()
	config.Apply(repo, &o)
	report, err := lint.Run(context.Background(), lint.Target{Repository: repo, Names: []string{addontest.Name}}, o)
	require.NoError(t, err)
	assert.Equal(t, 1, report.Suppressed)
	require.Len(t, report.Findings, 2)
	assert.Equal(t, []any{lint.ConfigFile, 7, "SUP002"}, []any{report.Findings[0].Path, report.Findings[0].Line, report.Findings[0].Rule})
	assert.Equal(t, []any{lint.ConfigFile, 8, "SUP001"}, []any{report.Findings[1].Path, report.Findings[1].Line, report.Findings[1].Rule})

	for content, want := range map[string]string{
		"lint: {disable: {XYZ001: why}}":  "there is no rule XYZ001",
		"lint: {disable: {MET004: \"\"}}": "give the reason",
		"lint: {failOn: never}":           `"never" is none of`,
		"lint: {disabel: {}}":             "disabel",
	} {
		addontest.Write(t, repo.Dir(), lint.ConfigFile, content)
		_, err = lint.ReadConfig(repo)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, lint.ConfigFile)
	}
}
