package scaffold_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint/charts"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/scaffold"
)

// snapshot is everything below a directory: files with their content, links with their target.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			out[rel] = "-> " + target
			return err
		case e.IsDir():
			out[rel] = "directory"
			return nil
		}
		data, err := os.ReadFile(name)
		out[rel] = string(data)
		return err
	}))
	return out
}

// findings is what every rule has to say about a repository.
func findings(t *testing.T, dir string) []lint.Finding {
	t.Helper()
	repo, err := addon.OpenRepository(dir)
	require.NoError(t, err)
	names, err := repo.Names()
	require.NoError(t, err)
	report, err := lint.Run(context.Background(), lint.Target{Repository: repo, Names: names}, charts.Options())
	require.NoError(t, err)
	return report.Findings
}

// Whatever the name, the connector needs no editing: no rule has anything to say, not even by way of information.
func TestEveryNameMakesACleanConnector(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, o := range []scaffold.Options{
		{System: "3scale-connector"},
		{System: strings.Repeat("a", 32), Title: `Smith & Sons' "CRM": #1`, URL: "https://crm.example.com/tenant/"},
		{System: "x--y", Title: "Bücher Größe", Events: []string{"contact.created", "contact.merged.again", "Deal.Won", "something.else"}},
	} {
		made, err := scaffold.Write(dir, o)
		require.NoError(t, err)
		repo, err := addon.OpenRepository(dir)
		require.NoError(t, err)
		a, err := addon.Resolve(repo, made.Key)
		require.NoError(t, err)
		d, err := a.Definition()
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSuffix(o.System, scaffold.Suffix), d.Metadata.Name)
		assert.Len(t, d.EventTypes(), max(len(o.Events), 2))
		for _, page := range []string{"docs/systems/" + made.System + ".md", "addons/" + made.Addon + "/docs/" + made.Key + "/02-setup.md"} {
			content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(page)))
			require.NoError(t, err)
			assert.Contains(t, string(content), "| API Key | `api_key` | yes |", page)
			assert.NotContains(t, string(content), "[[")
		}
	}
	for _, f := range findings(t, dir) {
		t.Errorf("%s:%d: %s %s: %s", f.Path, f.Line, f.Severity, f.Rule, f.Message)
	}
}

// What YAML takes for a number, a boolean or nothing is still a name.
func TestNamesThatYAMLReadsInAnotherWay(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"123", "1e3", "on", "true", "null", "a"} {
		dir := t.TempDir()
		made, err := scaffold.Write(dir, scaffold.Options{System: name, Title: name})
		require.NoError(t, err)
		repo, err := addon.OpenRepository(dir)
		require.NoError(t, err)
		a, err := repo.Load(made.Addon)
		require.NoError(t, err)
		d, err := a.Definition()
		require.NoError(t, err)
		assert.Equal(t, name, d.Metadata.Name)
		assert.Equal(t, name, d.Metadata.Product)
		params, err := d.ReadParams(filepath.Join(dir, "charts", made.Key, "samples/params.yaml"))
		require.NoError(t, err)
		application, err := d.Application.Text(params.Input())
		require.NoError(t, err)
		assert.Equal(t, name, application)
	}
}

// The same options give the same bytes.
func TestTheSameTwice(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	o := scaffold.Options{System: "acme"}
	made, err := scaffold.Write(first, o)
	require.NoError(t, err)
	_, err = scaffold.Write(second, o)
	require.NoError(t, err)
	files := snapshot(t, first)
	assert.Equal(t, files, snapshot(t, second))
	for _, name := range made.Files {
		assert.Contains(t, files, filepath.FromSlash(name))
	}
	for name, content := range files {
		if content != "directory" {
			assert.Contains(t, made.Files, filepath.ToSlash(name))
		}
	}
}

// In a repository that has a library chart nothing of it changes but the indexes.
func TestAnotherConnectorInARepository(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := scaffold.Write(dir, scaffold.Options{System: "first"})
	require.NoError(t, err)
	assert.True(t, first.Library)
	before := snapshot(t, dir)
	made, err := scaffold.Write(dir, scaffold.Options{System: "acme"})
	require.NoError(t, err)
	assert.False(t, made.Library)
	after := snapshot(t, dir)
	for name, content := range before {
		if filepath.Base(name) == addon.IndexFile {
			assert.Contains(t, after[name], "acme-connector")
			assert.Contains(t, after[name], "first-connector")
			continue
		}
		assert.Equal(t, content, after[name], name)
	}
}

// What is refused leaves no trace.
func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	valid := func(change func(*scaffold.Options)) scaffold.Options {
		o := scaffold.Options{System: "acme"}
		change(&o)
		return o
	}
	for want, o := range map[string]scaffold.Options{
		`the system has no name; write it as lower-case letters, digits and dashes, such as acme`: {System: ""},
		`the system has no name`: {System: "connector"},
		`"Acme CRM" cannot name a chart and its objects; write lower-case letters, digits and dashes, with a letter or digit at both ends, such as acme-crm`: {System: "Acme CRM"},
		`"../x" cannot name a chart`:                             {System: "../x"},
		`"-" cannot name a chart`:                                {System: "-"},
		`has 33 characters; write at most 32`:                    {System: strings.Repeat("a", 33)},
		`the title has 61 bytes; write at most 60`:               valid(func(o *scaffold.Options) { o.Title = strings.Repeat("t", 61) }),
		`the title "=x" does not begin with a letter or digit`:   valid(func(o *scaffold.Options) { o.Title = "=x" }),
		`the title "書店" has no letter or digit of ASCII`:         valid(func(o *scaffold.Options) { o.Title = "書店" }),
		`the title "a|b" has characters that cannot be shown`:    valid(func(o *scaffold.Options) { o.Title = "a|b" }),
		`the address "http://acme.com" is not one`:               valid(func(o *scaffold.Options) { o.URL = "http://acme.com" }),
		`the address "https://u:p@acme.com" is not one`:          valid(func(o *scaffold.Options) { o.URL = "https://u:p@acme.com" }),
		`event type "a-b.c" has characters other than letters`:   valid(func(o *scaffold.Options) { o.Events = []string{"a-b.c"} }),
		`event type "created" has one part`:                      valid(func(o *scaffold.Options) { o.Events = []string{"created"} }),
		`event type "a.b.v1" ends in a version`:                  valid(func(o *scaffold.Options) { o.Events = []string{"a.b.v1"} }),
		`event types "a.b" and "A.b" differ in capitals only`:    valid(func(o *scaffold.Options) { o.Events = []string{"a.b", "A.b"} }),
		`samples/a-b-again.golden.json occurs twice; remove one`: valid(func(o *scaffold.Options) { o.Events = []string{"a.b", "a.b.again"} }),
	} {
		dir := t.TempDir()
		_, err := scaffold.Write(dir, o)
		require.ErrorContains(t, err, want)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, entries, want)
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	for _, taken := range []string{"charts/acme-connector/Chart.yaml", "docs/systems/acme.md", "addons/acme-connector-0.9.0/meta.yaml"} {
		dir := t.TempDir()
		addontest.Write(t, dir, taken, "mine")
		before := snapshot(t, dir)
		_, err := scaffold.Write(dir, scaffold.Options{System: "acme"})
		require.ErrorContains(t, err, "is there already; choose another name, or remove it first", taken)
		assert.Equal(t, before, snapshot(t, dir), taken)
	}
}

// What goes wrong in the middle is undone.
func TestWhatGoesWrongIsUndone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := scaffold.Write(dir, scaffold.Options{System: "first"})
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "docs/systems")))
	addontest.Write(t, dir, "docs/systems", "a file where the pages of the systems should be")
	before := snapshot(t, dir)
	_, err = scaffold.Write(dir, scaffold.Options{System: "acme"})
	require.Error(t, err)
	assert.Equal(t, before, snapshot(t, dir))
}

func TestALibraryThatIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addontest.Write(t, dir, "charts/common/Chart.yaml", "name: common\n")
	_, err := scaffold.Write(dir, scaffold.Options{System: "acme"})
	require.ErrorContains(t, err, "charts/common/Chart.yaml has no version")
	addontest.Write(t, dir, "charts/common/Chart.yaml", "name: common\nversion: 1.0.0\n")
	_, err = scaffold.Write(dir, scaffold.Options{System: "acme"})
	require.ErrorContains(t, err, "charts/common is not the library chart that connectors are made with: it has no values.schema.json")
}

func TestSeveralAreMadeTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, err := scaffold.WriteAll(dir, []scaffold.Options{{System: "one"}, {System: "two"}})
	require.NoError(t, err)
	require.Len(t, made, 2)
	assert.True(t, made[0].Library)
	assert.False(t, made[1].Library)
	for _, m := range made {
		assert.Contains(t, m.Files, "index.yaml", "both have a part in it")
		assert.Contains(t, m.Files, "addons/"+m.Addon+"/meta.yaml")
	}
	assert.NotContains(t, strings.Join(made[0].Files, "\n"), "two-connector")
	assert.Empty(t, findings(t, dir))

	before := snapshot(t, dir)
	_, err = scaffold.WriteAll(dir, []scaffold.Options{{System: "three"}, {System: "one"}})
	require.ErrorContains(t, err, "is there already")
	assert.Equal(t, before, snapshot(t, dir), "nothing is left of the one that could be made")
}
