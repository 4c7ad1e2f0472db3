package lint

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

const (
	chartFile  = "Chart.yaml"
	schemaFile = "values.schema.json"
	// maxStored is what the broker's storage takes of a chart, in bytes.
	maxStored = 3 << 19
	// maxRelease is what Kubernetes takes of a Secret, in bytes.
	maxRelease = 1 << 20
)

// random finds template functions whose result differs from render to render.
var (
	random       = regexp.MustCompile(`\b(randAlphaNum|randAlpha|randNumeric|randAscii|randBytes|randInt|genPrivateKey|genCA|genCAWithKey|genSelfSignedCert|genSelfSignedCertWithKey|genSignedCert|genSignedCertWithKey|uuidv4|now|htpasswd|bcrypt|shuffle)\b`)
	knownDialect = regexp.MustCompile(`^https?://json-schema\.org/draft-0[467]/schema#?$`)
	action       = regexp.MustCompile(`(?s)\{\{-?\s*(/\*.*?\*/|.*?)\s*-?\}\}`)
	anyQuote     = regexp.MustCompile("(?s)\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`")
)

func chartRules() []Rule {
	return []Rule{
		{
			ID: "CHT001", Severity: Error, Suite: SuiteLoad,
			Summary: "chart/ holds exactly one directory",
			Effect:  "the broker does not load the add-on",
			Next:    "run addonctl link, or remove what is too much",
			addon: func(c *addonContext) []problem {
				if dirs, _ := c.tree.Entries(addon.ChartDir); c.readErr == nil && len(dirs) != 1 {
					return []problem{{path: addon.ChartDir, message: fmt.Sprintf("%d directories", len(dirs))}}
				}
				return nil
			},
		},
		{
			ID: "CHT002", Severity: Error, Suite: SuiteLoad,
			Summary: "the chart loads, with a name and a version of three numbers",
			Effect:  "the broker does not load the add-on",
			Next:    "correct the file that is named",
			addon: func(c *addonContext) []problem {
				_, err := c.chart()
				if c.parsed != nil && c.document(c.chartFile(chartFile)).err() != nil {
					return nil // another rule says what is wrong with the YAML
				}
				if err != nil && !errors.Is(err, errUnloaded) {
					return []problem{{path: c.chartFile(chartFile), message: err.Error()}}
				}
				meta := c.document(c.chartFile(chartFile))
				if _, err := semver.StrictNewVersion(meta.text("version")); meta.root() != nil && err != nil {
					return []problem{meta.problem([]string{"version"}, "version %q is not one of three numbers", meta.text("version"))}
				}
				return nil
			},
		},
		{
			ID: "CHT003", Severity: Warning, Suite: SuiteChart,
			Summary: "the chart has the name of its directory and apiVersion v2",
			Effect:  "Helm's tools complain or read it as a chart of Helm 2",
			Next:    "give both the same name; write apiVersion: v2",
			addon: func(c *addonContext) []problem {
				meta := c.document(c.chartFile(chartFile))
				if meta.root() == nil {
					return nil
				}
				var problems []problem
				if name := meta.text("name"); name != "" && name != c.parsed.ChartName {
					problems = append(problems, meta.problem([]string{"name"}, "name %s is not that of the directory, %s", name, c.parsed.ChartName))
				}
				if version := meta.text("apiVersion"); version != "v2" {
					problems = append(problems, meta.problem([]string{"apiVersion"}, "apiVersion is %q", version))
				}
				return problems
			},
		},
		{
			ID: "CHT004", Severity: Error, Suite: SuiteChart,
			Summary: "charts of the same name and version have the same content",
			Effect:  "the broker keeps one of them for all add-ons, and removing one add-on removes the chart of the other",
			Next:    "raise the version of one chart",
			repository: func(r *repository) []problem {
				var problems []problem
				first := map[string]*addonContext{}
				for _, c := range r.addons {
					if c.parsed == nil {
						continue
					}
					meta := c.document(c.chartFile(chartFile))
					id := meta.text("name") + " " + meta.text("version")
					if other, taken := first[id]; taken && other.parsed.Chart.Hash() != c.parsed.Chart.Hash() {
						problems = append(problems, problem{path: path.Join(c.at, c.chartFile(chartFile)), line: meta.line("version"), message: fmt.Sprintf("%s has another chart %s", other.at, id)})
						continue
					}
					first[id] = c
				}
				return problems
			},
		},
		{
			ID: "CHT005", Severity: Error, Suite: SuiteChart,
			Summary: "every dependency of the chart lies in charts/",
			Effect:  "the add-on loads, and every instance fails with \"no template\"",
			Next:    "put it there; a relative link to a chart of the repository is enough",
			addon: func(c *addonContext) []problem {
				meta := c.document(c.chartFile(chartFile))
				if meta.root() == nil {
					return nil
				}
				var problems []problem
				for i, d := range meta.dependencies() {
					at := []string{"dependencies", strconv.Itoa(i)}
					versions := c.dependency(d.name)
					switch fits := func(version string) bool { return compatible(d.version, version) }; {
					case len(versions) == 0:
						problems = append(problems, meta.problem(at, "the dependency %s is not in charts/", d.name))
					case !slices.ContainsFunc(versions, fits):
						p := meta.problem(at, "the dependency %s is in charts/ with version %s, not %s: its condition, tags and alias do not count", d.name, versions[0], d.version)
						p.next = "write a range that the version in charts/ is in"
						problems = append(problems, p)
					}
				}
				return problems
			},
		},
		{
			ID: "CHT006", Severity: Error, Suite: SuiteChart,
			Summary: "the chart is no library",
			Effect:  "nothing is installed",
			Next:    "write type: application",
			addon: func(c *addonContext) []problem {
				meta := c.document(c.chartFile(chartFile))
				if meta.text("type") == "library" {
					return []problem{meta.problem([]string{"type"}, "type is library")}
				}
				return nil
			},
		},
		{
			ID: "VAL002", Severity: Error, Suite: SuiteChart,
			Summary: "the values of each plan and a sample of its form fit the chart's values.schema.json, with addonsRepositoryURL added, for the broker's Helm and for a new one",
			Effect:  "every instance fails: the broker always adds addonsRepositoryURL",
			Next:    "correct the plan's values or the schema",
			plan: func(p *planContext) []problem {
				for _, r := range p.render() {
					if errors.Is(r.err, ErrValues) {
						return []problem{{path: p.file(addon.ValuesFile), message: strings.ReplaceAll(oneLine(r.err), ErrValues.Error()+": "+ErrValues.Error(), ErrValues.Error())}}
					}
				}
				if all := p.render(); len(all) > 0 && all[0].err == nil {
					if what := p.olderHelm(all[0]); what != "" {
						return []problem{{path: p.file(addon.ValuesFile), message: "Helm before 3.18.5, which the broker has, refuses them: " + what}}
					}
				}
				return nil
			},
		},
		{
			ID: "CHT007", Severity: Error, Suite: SuiteChart,
			Summary: "each plan renders under a release name of 53 characters, from the oldest to the newest Kyma, with valid names and labels, none twice",
			Effect:  "instances fail, or objects overwrite each other",
			Next:    "correct the template; cut names with trunc and keep them apart by a hash",
			plan: func(p *planContext) []problem {
				for _, r := range p.render() {
					if errors.Is(r.err, ErrValues) {
						return nil
					}
					if r.err != nil {
						return []problem{p.renderProblem(r)}
					}
					if problems := p.checkObjects(r); len(problems) > 0 {
						return problems
					}
				}
				return nil
			},
		},
		{
			ID: "CHT008", Severity: Error, Suite: SuiteChart,
			Summary: "objects of the whole cluster carry the release's name, and no other object names a namespace of its own (roles may, where a value says which)",
			Effect:  "a second instance fails, since the object belongs to the first",
			Next:    "put the release's name into the object's; leave metadata.namespace out",
			plan:    func(p *planContext) []problem { return p.checkScope() },
		},
		{
			ID: "CHT009", Severity: Error, Suite: SuiteChart,
			Summary: "the chart is small enough for the broker's storage, and each release of it for a Secret",
			Effect:  "the add-on is missing from the catalog, or no instance can be made: Helm keeps chart and manifests in a Secret",
			Next:    "leave out what the cluster does not need, with .helmignore",
			addon: func(c *addonContext) []problem {
				if c.parsed != nil && c.parsed.Chart.Size()*4/3 > maxStored {
					return []problem{{path: c.chartFile(""), message: fmt.Sprintf("about %d bytes as stored, of at most %d", c.parsed.Chart.Size()*4/3, maxStored)}}
				}
				for _, p := range c.plans {
					for _, r := range p.render() {
						if size := releaseSize(c, r); size > maxRelease {
							return []problem{{path: c.chartFile(""), message: fmt.Sprintf("plan %s: about %d bytes as a release, of at most %d", path.Base(p.dir), size, maxRelease)}}
						}
					}
				}
				return nil
			},
		},
		{
			ID: "CHT011", Severity: Warning, Suite: SuiteChart,
			Summary: "the chart brings no crds/, and its kubeVersion takes versions with a suffix",
			Effect:  "Helm installs definitions once, and never again; a cluster whose version has a suffix, such as v1.33.1-gke.100, is refused at the installation",
			Next:    "expect definitions in the cluster, and leave out objects of kinds that it lacks; write kubeVersion as >=1.21.0-0",
			addon: func(c *addonContext) []problem {
				var problems []problem
				if c.parsed != nil && len(c.parsed.Chart.Sub("crds").Files()) > 0 {
					problems = append(problems, problem{path: c.chartFile("crds"), message: "there are definitions of resources"})
				}
				meta := c.document(c.chartFile(chartFile))
				if version := meta.text("kubeVersion"); version != "" && refusesSuffixes(version) {
					problems = append(problems, meta.problem([]string{"kubeVersion"}, "kubeVersion %s refuses versions with a suffix", version))
				}
				return problems
			},
		},
		{
			ID: "CHT012", Severity: Warning, Suite: SuiteChart,
			Summary: "templates give the same result every time",
			Effect:  "an upgrade, or a binding, makes other passwords than those in use",
			Next:    "let a hook generate the value once",
			addon: func(c *addonContext) []problem {
				if c.parsed == nil {
					return nil
				}
				var problems []problem
				for name, data := range c.parsed.Chart.All() {
					if !strings.HasPrefix(name, "templates/") && !strings.Contains(name, "/templates/") {
						continue
					}
					for _, f := range c.options.shared.random.of(data, randomness) {
						problems = append(problems, problem{path: c.chartFile(name), line: f.line, message: f.message})
					}
				}
				return problems
			},
		},
		{
			ID: "CHT013", Severity: Warning, Suite: SuiteChart,
			Summary: "values.schema.json is draft-07 or older",
			Effect:  "the broker's Helm validates with fewer keywords than a new Helm, or fails",
			Next:    "write $schema: http://json-schema.org/draft-07/schema#",
			addon: func(c *addonContext) []problem {
				d := c.document(c.chartFile(schemaFile))
				if knownDialect.MatchString(c.options.shared.heads.of(d.data, readHead).dialect) || d.root() == nil {
					return nil
				}
				if dialect := d.text("$schema"); !knownDialect.MatchString(dialect) {
					return []problem{d.problem([]string{"$schema"}, "$schema is %q", dialect)}
				}
				return nil
			},
		},
		{
			ID: "CHT015", Severity: Warning, Suite: SuiteChart, Fixable: true,
			Summary: "add-on and chart have the same version",
			Effect:  "an index that serves Helm Broker and Helm shows two versions of one thing",
			Next:    "raise both together",
			addon: func(c *addonContext) []problem {
				meta := c.document(c.chartFile(chartFile))
				if version := meta.text("version"); c.parsed != nil && version != c.parsed.Version {
					if _, err := semver.StrictNewVersion(version); err == nil {
						return []problem{meta.problem([]string{"version"}, "version %s is not that of the add-on, %s", version, c.parsed.Version)}
					}
				}
				return nil
			},
		},
		{
			ID: "CHT016", Severity: Warning, Suite: SuiteChart,
			Summary: "no dependency lies in charts/ twice, as directory and as archive",
			Effect:  "which one is used is left to chance",
			Next:    "remove the archive and Chart.lock; helm dependency build made them",
			addon: func(c *addonContext) []problem {
				if c.parsed == nil {
					return nil
				}
				dirs, files := c.parsed.Chart.Entries(addon.ChartsDir)
				var problems []problem
				for _, file := range files {
					name, _, err := addon.SplitName(strings.TrimSuffix(file, addon.ArchiveSuffix))
					if err == nil && slices.Contains(dirs, name) {
						problems = append(problems, problem{path: c.chartFile(path.Join(addon.ChartsDir, file)), message: fmt.Sprintf("%s is there as a directory too", name)})
					}
				}
				return problems
			},
		},
		{
			ID: helmID, Severity: Warning, Suite: SuiteHelm,
			Summary: "Helm's own linter has nothing to say, where no other rule has",
			Effect:  "what Helm says",
			Next:    "do what Helm says",
			plan: func(p *planContext) []problem {
				if p.options.HelmLint == nil || len(p.render()) == 0 || p.render()[0].err != nil {
					return nil
				}
				chart, err := p.chart()
				if err != nil {
					return nil
				}
				messages, err := p.options.HelmLint(chart, p.addonContext.parsed.ChartName, p.addonContext.parsed.Chart, p.render()[0].values)
				if err != nil {
					messages = append(messages, err.Error())
				}
				var problems []problem
				for _, m := range messages {
					problems = append(problems, problem{path: p.chartFile(chartFile), message: oneLine(errors.New(m))})
				}
				return problems
			},
		},
	}
}

// releaseSize is about what Helm keeps of a release in a Secret, in bytes: chart, manifests and values as JSON, packed, in
// base64. It is 0 where that is small anyway.
func releaseSize(c *addonContext, r rendering) int {
	if c.parsed == nil || r.err != nil {
		return 0
	}
	size := c.parsed.Chart.Size()
	kept := struct {
		Chart    map[string][]byte
		Manifest []byte
		Config   map[string]any
	}{Chart: map[string][]byte{}, Config: r.values}
	for _, m := range r.manifests {
		size += int64(len(m.Content))
	}
	if size < maxRelease/2 { // even if nothing of it can be packed
		return 0
	}
	for _, m := range r.manifests {
		kept.Manifest = append(kept.Manifest, m.Content...)
	}
	for name, data := range c.parsed.Chart.All() {
		kept.Chart[name] = data
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if json.NewEncoder(w).Encode(kept) != nil || w.Close() != nil {
		return 0
	}
	return base64.StdEncoding.EncodedLen(packed.Len())
}

// dependencies are the names in a Chart.yaml.
func (d *document) dependencies() []dependency {
	list := d.at("dependencies")
	if list == nil {
		return nil
	}
	var out []dependency
	for i := range list.Content {
		at := strconv.Itoa(i)
		out = append(out, dependency{d.text("dependencies", at, "name"), d.text("dependencies", at, "version")})
	}
	return out
}

// dependency is what a chart depends on: a name and a range of versions.
type dependency struct{ name, version string }

// compatible says whether Helm takes a version for one of the range. An empty range or version says nothing.
func compatible(wanted, version string) bool {
	if wanted == "" || version == "" {
		return true
	}
	constraint, err := semver.NewConstraint(wanted)
	if err != nil {
		return false
	}
	v, err := semver.NewVersion(version)
	return err == nil && constraint.Check(v)
}

// dependency lists the versions of the charts of that name in the chart's charts/.
func (c *addonContext) dependency(name string) []string {
	dirs, files := c.parsed.Chart.Entries(addon.ChartsDir)
	var versions []string
	for _, dir := range dirs {
		if meta := c.document(c.chartFile(path.Join(addon.ChartsDir, dir, chartFile))); meta.text("name") == name {
			versions = append(versions, meta.text("version"))
		}
	}
	for _, file := range files {
		if key, version, err := addon.SplitName(strings.TrimSuffix(file, addon.ArchiveSuffix)); err == nil && key == name {
			versions = append(versions, version)
		}
	}
	return versions
}

// randomness finds functions in a template whose result differs from render to render.
func randomness(data []byte) []problem {
	var problems []problem
	for _, at := range action.FindAllIndex(data, -1) {
		code := anyQuote.ReplaceAll(data[at[0]:at[1]], nil)
		if strings.HasPrefix(strings.TrimLeft(string(code), "{- \t\n"), "/*") {
			continue
		}
		if function := random.Find(code); function != nil {
			line := strings.Count(string(data[:at[0]]), "\n") + 1
			problems = append(problems, problem{line: line, message: fmt.Sprintf("%s gives another result every time", function)})
		}
	}
	return problems
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// templateLine finds the place that Helm names in an error, such as demo/templates/a.yaml:3.
var templateLine = regexp.MustCompile(`\b([-.\w]+)/((?:charts/[-.\w]+/)*templates/[-.\w/]+)(?::(\d+))?`)

// renderProblem is what keeps a plan from being rendered.
func (p *planContext) renderProblem(r rendering) problem {
	out := p.inTemplate(p.file(addon.MetaFile), r.err)
	out.message = fmt.Sprintf("plan %s, for %s: %s", path.Base(p.dir), r.profile.name, oneLine(r.err))
	return out
}

// inTemplate is a problem at the template that Helm names in an error, last and with a line if it can; else at otherwise.
func (p *planContext) inTemplate(otherwise string, err error) problem {
	out := problem{path: otherwise}
	for _, m := range templateLine.FindAllStringSubmatch(err.Error(), -1) {
		if _, found := p.tree.Read(p.chartFile(m[2])); found && (m[3] != "" || out.line == 0) {
			out.path = p.chartFile(m[2])
			out.line, _ = strconv.Atoi(m[3])
		}
	}
	return out
}

// sourceProblem makes a problem at the template that an object comes from.
func (p *planContext) sourceProblem(m Manifest, format string, args ...any) problem {
	_, template, _ := strings.Cut(m.Source, "/")
	return problem{path: p.chartFile(template), message: fmt.Sprintf("plan %s: ", path.Base(p.dir)) + fmt.Sprintf(format, args...)}
}

// decode reads a manifest into the given shape, which nobody changes: it is shared.
func decode[T any](m Manifest) (T, error) {
	type result struct {
		value T
		err   error
	}
	if m.seen == nil {
		m.seen = newSeen(m)
	}
	found := once(m.seen, reflect.TypeFor[T](), func() (r result) {
		r.value, r.err = read[T](m.seen)
		return r
	})
	return found.value, found.err
}
