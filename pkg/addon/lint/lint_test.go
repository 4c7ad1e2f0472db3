package lint_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/cache"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint/charts"
)

func options() lint.Options {
	return charts.Options()
}

func run(t testing.TB, repo *addon.Repository) *lint.Report {
	t.Helper()
	return runWith(t, repo, nil)
}

func runWith(t testing.TB, repo *addon.Repository, remembered lint.Cache) *lint.Report {
	t.Helper()
	o := options()
	o.Cache = remembered
	names, err := repo.Names()
	require.NoError(t, err)
	report, err := lint.Run(context.Background(), lint.Target{Repository: repo, Names: names}, o)
	require.NoError(t, err)
	return report
}

// The repository that every fixture starts from is the passing fixture of every rule.
func TestAValidRepositoryIsClean(t *testing.T) {
	t.Parallel()
	report := run(t, addontest.Repository(t))
	assert.Empty(t, report.Findings)
	assert.Equal(t, 1, report.Addons)
	assert.Len(t, lint.Rules(), report.Rules)
}

// Each fixture breaks one thing. Its first line names the one rule that must say so, and nothing else
// may. After it stands what is put right before: "link" the links, "index" the indexes, "fix" all that Fix can. What a rule calls
// fixable is repaired by Fix.
func TestEachFixtureTriggersExactlyItsRule(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("examples/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	// What was found before in the valid repository must not hide what is broken since.
	remembered := cache.Open(t.TempDir())
	require.Empty(t, runWith(t, addontest.Repository(t), remembered).Findings)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			require.NoError(t, err)
			first, _, _ := strings.Cut(string(archive.Comment), "\n")
			words := strings.Fields(first)
			if slices.Contains(words, "archive") {
				return // the tests of archives make it
			}
			repo := addontest.Repository(t)
			addontest.Extract(t, repo.Dir(), archive)
			if slices.Contains(words, "link") {
				_, err := repo.Link(addontest.Name)
				require.NoError(t, err)
			}
			if slices.Contains(words, "fix") {
				_, err := lint.Fix(repo, []string{addontest.Name})
				require.NoError(t, err)
			}
			if slices.Contains(words, "index") {
				addons, _ := repo.LoadAll()
				_, err = repo.WriteIndexes(addons)
				require.NoError(t, err)
			}

			report := runWith(t, repo, remembered)
			if strings.HasSuffix(file, ".passes.txtar") {
				assert.Empty(t, report.Findings)
				return
			}
			require.NotEmpty(t, report.Findings)
			for _, f := range report.Findings {
				assert.Equal(t, words[0], f.Rule, "%s:%d: %s", f.Path, f.Line, f.Message)
				assert.NotEmpty(t, f.Message)
				assert.NotEmpty(t, f.Next)
				if f.Line > 0 {
					data, err := os.ReadFile(filepath.Join(repo.Dir(), f.Path))
					require.NoError(t, err, "a finding with a line names a file that can be opened")
					assert.LessOrEqual(t, f.Line, strings.Count(string(data), "\n")+1)
				}
			}
			if report.Findings[0].Fixable {
				names, err := repo.Names()
				require.NoError(t, err)
				changed, err := lint.Fix(repo, names)
				require.NoError(t, err)
				assert.NotEmpty(t, changed)
				assert.Empty(t, runWith(t, repo, remembered).Findings, "after Fix")
				changed, err = lint.Fix(repo, names)
				require.NoError(t, err)
				assert.Empty(t, changed, "nothing is left to repair")
			}
		})
	}
}

func TestEveryRuleHasAFixture(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("examples/*.txtar")
	require.NoError(t, err)
	covered := map[string]bool{}
	for _, file := range files {
		id, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".txtar"), "-")
		archive, err := txtar.ParseFile(file)
		require.NoError(t, err)
		covered[id] = covered[id] || !strings.Contains(string(archive.Comment), "archive")
	}
	for _, archive := range archives(t) {
		covered[archive.rule] = true
	}
	seen := map[string]bool{}
	for _, rule := range lint.Rules() {
		assert.Regexp(t, `^[A-Z]{3}[0-9]{3}$`, rule.ID)
		assert.True(t, covered[rule.ID], "%s has no failing fixture", rule.ID)
		assert.False(t, seen[rule.ID], "%s is there twice", rule.ID)
		seen[rule.ID] = true
		assert.Contains(t, []lint.Severity{lint.Error, lint.Warning, lint.Info}, rule.Severity, rule.ID)
		assert.Contains(t, lint.Suites(), rule.Suite, rule.ID)
		for _, text := range []string{rule.Summary, rule.Effect, rule.Next} {
			assert.NotEmpty(t, text, rule.ID)
			assert.NotRegexp(t, `\.$`, text, rule.ID)
		}
	}
}

type archiveFixture struct {
	rule, name string
	data       []byte
}

// archives are archives that the broker fails on, or reads otherwise than meant, by the rule that says so.
func archives(t testing.TB) []archiveFixture {
	t.Helper()
	a, err := addontest.Repository(t).Load(addontest.Name)
	require.NoError(t, err)
	packed, err := a.Pack()
	require.NoError(t, err)
	wrapped, err := addon.Pack(a.Tree, addontest.Name)
	require.NoError(t, err)
	return []archiveFixture{
		{"", "as packed", packed},
		{"TGZ001", "in a directory", wrapped},
		{"TGZ002", "without directories", repack(t, a, func(h *tar.Header) bool { return h.Typeflag != tar.TypeDir })},
		{"TGZ003", "with a link", repack(t, a, func(h *tar.Header) bool {
			if h.Name == "chart/demo-connector/.helmignore" {
				h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "../../../charts/demo-connector/.helmignore", 0
			}
			return true
		})},
		{"TGZ004", "out of the add-on", repack(t, a, func(h *tar.Header) bool {
			if h.Name == "docs/demo-connector.md" {
				h.Name = "docs/../../demo-connector.md"
			}
			return true
		})},
		{"TGZ004", "unreadable", repack(t, a, func(h *tar.Header) bool {
			if h.Name == "docs/demo-connector.md" {
				h.Mode = 0
			}
			return true
		})},
		{"TGZ005", "with times", repack(t, a, func(h *tar.Header) bool { h.ModTime = time.Unix(1_000_000_000, 0); return true })},
		{"TGZ005", "with owners", repack(t, a, func(h *tar.Header) bool { h.Uid, h.Uname = 1000, "me"; return true })},
		{"ADD001", "damaged", packed[:len(packed)-200]},
		{"ADD001", "too large", bomb(t)},
		{"REP003", "unpacked on its way", gunzip(t, packed)},
		{"REP003", "compressed twice", gzipped(t, packed)},
	}
}

// bomb is an archive of which little becomes much.
func bomb(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "meta.yaml", Mode: 0o644, Size: 6 << 20}))
	_, err := w.Write(make([]byte, 6<<20))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

func gunzip(t testing.TB, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	require.NoError(t, err)
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	return out
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// repack packs the add-on again with changed headers; entries for which change is false are left out.
func repack(t testing.TB, a *addon.Addon, change func(*tar.Header) bool) []byte {
	t.Helper()
	packed, err := a.Pack()
	require.NoError(t, err)
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if !change(h) {
			continue
		}
		require.NoError(t, w.WriteHeader(h))
		if h.Size > 0 {
			_, err = io.Copy(w, r)
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

func TestArchivesAreCheckedAsTheBrokerReadsThem(t *testing.T) {
	t.Parallel()
	for _, fixture := range archives(t) {
		t.Run(fixture.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), addontest.Name+".tgz")
			require.NoError(t, os.WriteFile(file, fixture.data, 0o600))
			report, err := lint.Run(context.Background(), lint.Target{Paths: []string{file}}, options())
			require.NoError(t, err)
			var rules []string
			for _, f := range report.Findings {
				assert.Equal(t, file, f.Path[:min(len(f.Path), len(file))])
				rules = append(rules, f.Rule)
			}
			if fixture.rule == "" {
				assert.Empty(t, report.Findings)
				return
			}
			assert.Contains(t, rules, fixture.rule)
			if fixture.rule != "TGZ001" { // there nothing is where it should be
				assert.Equal(t, []string{fixture.rule}, slices.Compact(rules))
			}
		})
	}
}

func TestAWarningDoesNotHideThatAnArchiveCannotBeRead(t *testing.T) {
	t.Parallel()
	for what, name := range map[string]string{"occurs twice": "meta.yaml", "no UTF-8 text": "\xff\xfe.txt"} {
		var out bytes.Buffer
		zipped := gzip.NewWriter(&out)
		w := tar.NewWriter(zipped)
		for _, file := range []string{"meta.yaml", name} {
			require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: file, Mode: 0o644, Uname: "me", Format: tar.FormatGNU}))
		}
		require.NoError(t, w.Close())
		require.NoError(t, zipped.Close())
		file := filepath.Join(t.TempDir(), addontest.Name+".tgz")
		require.NoError(t, os.WriteFile(file, out.Bytes(), 0o600))
		report, err := lint.Run(context.Background(), lint.Target{Paths: []string{file}}, options())
		require.NoError(t, err)
		require.Len(t, report.Findings, 2)
		assert.Equal(t, "ADD001", report.Findings[0].Rule)
		assert.Contains(t, report.Findings[0].Message, what)
		assert.Equal(t, "TGZ005", report.Findings[1].Rule)
	}
}

func TestADirectoryOutsideOfARepositoryIsChecked(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	dir := filepath.Join(repo.Dir(), "addons", addontest.Name)
	report, err := lint.Run(context.Background(), lint.Target{Paths: []string{dir}}, options())
	require.NoError(t, err)
	assert.Empty(t, report.Findings)

	addontest.Write(t, repo.Dir(), "addons/"+addontest.Name+"/plans/default/values.yaml", "- no map\n")
	report, err = lint.Run(context.Background(), lint.Target{Paths: []string{dir}}, options())
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	assert.Equal(t, filepath.ToSlash(dir)+"/plans/default/values.yaml", report.Findings[0].Path)
	_, err = lint.Run(context.Background(), lint.Target{Paths: []string{dir + "x"}}, options())
	assert.Error(t, err)
}

func TestSuitesAndDisabledRules(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	addontest.Write(t, repo.Dir(), "index.yaml", "entries: []\n")
	target := lint.Target{Repository: repo, Names: []string{addontest.Name}}
	with := func(change func(*lint.Options)) (*lint.Report, error) {
		o := options()
		change(&o)
		return lint.Run(context.Background(), target, o)
	}
	report, err := with(func(o *lint.Options) { o.Suites = []lint.Suite{lint.SuiteChart, lint.SuiteSecurity} })
	require.NoError(t, err)
	assert.Empty(t, report.Findings)
	assert.Less(t, report.Rules, len(lint.Rules()))
	report, err = with(func(o *lint.Options) { o.Suites = []lint.Suite{lint.SuiteLoad} })
	require.NoError(t, err)
	assert.Len(t, report.Findings, 1)
	report, err = with(func(o *lint.Options) { o.Disable = []string{"IDX001"} })
	require.NoError(t, err)
	for _, f := range report.Findings {
		assert.NotEqual(t, "IDX001", f.Rule)
	}
	_, err = with(func(o *lint.Options) { o.Suites = []lint.Suite{"all"} })
	assert.ErrorContains(t, err, `unknown suite "all"`)
	_, err = with(func(o *lint.Options) { o.Disable = []string{"IDX999"} })
	assert.ErrorContains(t, err, `unknown rule "IDX999"`)
}

func TestSomeAddonsSayNothingOfTheRepository(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	addontest.Write(t, repo.Dir(), "addons/other-1.0.0/meta.yaml", "")
	report, err := lint.Run(context.Background(), lint.Target{Repository: repo, Names: []string{addontest.Name}}, options())
	require.NoError(t, err)
	assert.Empty(t, report.Findings, "the index of an add-on that is not checked is none of this run's business")
}

func TestTwoVersionsOfAnAddonAreRefused(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	dir := repo.Dir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "addons/demo-connector-0.2.0"), os.DirFS(filepath.Join(dir, "addons", addontest.Name))))
	var rules []string
	for _, f := range run(t, repo).Findings {
		rules = append(rules, f.Rule)
	}
	assert.Contains(t, rules, "MET007", "the same id")
	assert.Contains(t, rules, "MET009", "the same name")
}

func TestRunStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	repo := addontest.Repository(t)
	_, err := lint.Run(ctx, lint.Target{Repository: repo, Names: []string{addontest.Name}}, options())
	assert.ErrorIs(t, err, context.Canceled)
}

func TestFindingsAreInOrderAndSayWhere(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	addontest.Write(t, repo.Dir(), "addons/"+addontest.Name+"/meta.yaml", strings.Join([]string{
		"id: 1", "name: demo-connector", "version: 0.1.0", "description: d", "displayName: D", "bindabel: true", "docmentationURL: x", "",
	}, "\n"))
	report := run(t, repo)
	var got []string
	for _, f := range report.Findings {
		if f.Path == "addons/demo-connector-0.1.0/meta.yaml" {
			got = append(got, fmt.Sprintf("%d %s %s", f.Line, f.Rule, f.Message))
		}
	}
	assert.Equal(t, []string{
		`0 MET004 no tags`,
		`1 MET008 id "1" is no UUID in lower case`,
		`6 MET005 the key "bindabel" is not known; did you mean "bindable"?`,
		`7 MET005 the key "docmentationURL" is not known; did you mean "documentationURL"?`,
	}, got)
	assert.Equal(t, 4, report.Count(lint.Warning)-2, "and two indexes that differ")
	assert.True(t, report.Worst(lint.Warning))
	assert.False(t, report.Worst(lint.Error))
}

func TestSeverities(t *testing.T) {
	t.Parallel()
	assert.True(t, lint.Error.AtLeast(lint.Warning))
	assert.True(t, lint.Warning.AtLeast(lint.Warning))
	assert.False(t, lint.Info.AtLeast(lint.Warning))
}

// What the broker does not load is an error, also where the rule that has the words for it only warns.
func TestAValueOfAnotherKindIsAnErrorWhereItIsNotLoaded(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	const meta = "addons/" + addontest.Name + "/meta.yaml"
	data, err := os.ReadFile(filepath.Join(repo.Dir(), meta))
	require.NoError(t, err)
	addontest.Write(t, repo.Dir(), meta, strings.Replace(string(data), "bindable: false", `bindable: "false"`, 1))
	findings := run(t, repo).Findings
	require.Len(t, findings, 1)
	assert.Equal(t, lint.Finding{
		Rule: "MET005", Severity: lint.Error, Suite: lint.SuiteLoad, Addon: addontest.Name, Path: meta, Line: 12,
		Message: "bindable: Invalid type. Expected: boolean, given: string", Next: "write a value of that kind",
	}, findings[0])

	// Nor does a warning hide what no rule has words for.
	broken := strings.NewReplacer("tags: demo, events\n", "", "  connected-app: \"demo\"", "  - demo").Replace(string(data))
	addontest.Write(t, repo.Dir(), meta, broken)
	var rules []string
	for _, f := range run(t, repo).Findings {
		assert.Equal(t, meta, f.Path)
		rules = append(rules, f.Rule)
	}
	assert.ElementsMatch(t, []string{"MET004", "ADD001"}, rules)
}

// A finding names the file and the line that somebody has to change.
func TestFindingsAreWhereTheFaultIs(t *testing.T) {
	t.Parallel()
	const chart = "charts/demo-connector/"
	for name, c := range map[string]struct {
		file, content string
		want          lint.Finding
	}{
		"a template that does not render": {
			chart + "templates/more.yaml", "# One\n{{ .Values.replicas.least }}\n", lint.Finding{Rule: "CHT007", Path: chart + "templates/more.yaml", Line: 2},
		},
		"a template of the library": {
			"charts/common/templates/_more.tpl", "{{ define \"x\" }}\n{{ if }}\n", lint.Finding{Rule: "CHT007", Path: chart + "charts/common/templates/_more.tpl", Line: 2},
		},
		"a template that does not render for a binding": {
			chart + "templates/more.yaml", "# One\n{{ if semverCompare \">1.2-0\" .Capabilities.KubeVersion.Version }}\n{{ end }}\n", lint.Finding{Rule: "BND001", Path: chart + "templates/more.yaml", Line: 2},
		},
		"a bind.yaml that does not render": {
			"addons/" + addontest.Name + "/plans/default/bind.yaml", "credential:\n- name: {{ fail \"no\" }}\n", lint.Finding{Rule: "BND001", Path: "addons/" + addontest.Name + "/plans/default/bind.yaml", Line: 2},
		},
		"a link that is missing": {
			chart + "README.md", "# Demo\n", lint.Finding{Rule: "LNK001", Path: "addons/" + addontest.Name + "/chart/demo-connector/README.md"},
		},
		"YAML that cannot be read": {
			"addons/index.yaml", "apiVersion: v1\nentries: [\n", lint.Finding{Rule: "IDX001", Path: "addons/index.yaml", Line: 2},
		},
		"a form that the broker does not read": {
			"addons/" + addontest.Name + "/plans/default/create-instance-schema.json", "{\n \"type\":\n [\"object\"]}\n",
			lint.Finding{Rule: "SCH002", Path: "addons/" + addontest.Name + "/plans/default/create-instance-schema.json", Line: 3},
		},
		"a filter of documents": {
			"addons/" + addontest.Name + "/docs/meta.yaml", "docs:\n- template:\n    displayName: D\n    description: D\n    sources:\n    - {type: markdown, name: d,\n       mode: package,\n       filter: (}\n",
			lint.Finding{Rule: "DOC002", Path: "addons/" + addontest.Name + "/docs/meta.yaml", Line: 8},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			if c.want.Rule == "BND001" {
				plan := filepath.Join(repo.Dir(), "addons", addontest.Name, "plans", "default")
				data, err := os.ReadFile(filepath.Join(plan, "meta.yaml"))
				require.NoError(t, err)
				addontest.Write(t, plan, "meta.yaml", strings.Replace(string(data), "bindable: false", "bindable: true", 1))
				addontest.Write(t, plan, "bind.yaml", "credential:\n- {name: a, value: b}\n")
			}
			addontest.Write(t, repo.Dir(), c.file, c.content)
			for _, f := range run(t, repo).Findings {
				if f.Rule == c.want.Rule {
					assert.Equal(t, c.want, lint.Finding{Rule: f.Rule, Path: f.Path, Line: f.Line}, f.Message)
					return
				}
			}
			assert.Fail(t, "not found")
		})
	}
}

func TestAnUnknownKeyIsFoundAtItsLineAndCompared(t *testing.T) {
	t.Parallel()
	repo := addontest.Repository(t)
	addontest.Write(t, repo.Dir(), "addons/"+addontest.Name+"/docs/meta.yaml", "docs:\n- template:\n    displayName: D\n    descripton: d\n    sources: []\n")
	findings := run(t, repo).Findings
	require.NotEmpty(t, findings)
	assert.Equal(t, 4, findings[0].Line)
	assert.Equal(t, `the key "descripton" is not known; did you mean "description"?`, findings[0].Message)
}

// What a Job, or anything else that is no pod of the release's own, may make in the cluster need not be rendered; nor what is optional.
func TestWhatIsMadeInTheClusterIsNotMissed(t *testing.T) {
	t.Parallel()
	const before = "          image: {{ .Values.image }}\n"
	variable := func(reference string) string {
		return before + "          env:\n            - {name: KEY, valueFrom: {secretKeyRef: {name: \"{{ .Release.Name }}-made\", key: key" + reference + "}}}\n" +
			"            - {name: SYSTEM, valueFrom: {configMapKeyRef: {name: \"{{ .Release.Name }}-config\", key: system_url}}}\n"
	}
	const certificate = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: \"{{ .Release.Name }}\"}\nspec: {secretName: \"{{ .Release.Name }}-made\"}\n"
	for name, test := range map[string]struct {
		reference, more string
		want            []string
	}{
		"nobody makes it": {"", "", []string{"CHT025"}},
		"it is optional":  {", optional: true", "", nil},
		"something may":   {"", certificate, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			const library = "charts/common/templates/_all.tpl"
			data, err := os.ReadFile(filepath.Join(repo.Dir(), library))
			require.NoError(t, err)
			require.Contains(t, string(data), before)
			addontest.Write(t, repo.Dir(), library, strings.Replace(string(data), before, variable(test.reference), 1))
			addontest.Write(t, repo.Dir(), "charts/demo-connector/templates/more.yaml", test.more)
			var rules []string
			for _, f := range run(t, repo).Findings {
				rules = append(rules, f.Rule)
			}
			assert.Equal(t, test.want, rules)
		})
	}
}
