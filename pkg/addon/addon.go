// Package addon is the add-on as Helm Broker knows it: reading it from a directory or an archive,
// packing it, listing it in an index, linking it to its chart.
package addon

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/Masterminds/semver/v3"
	node "go.yaml.in/yaml/v3" // keeps the order of keys

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/safeyaml"
)

// The names that Helm Broker looks for in an add-on.
const (
	MetaFile     = "meta.yaml"
	PlansDir     = "plans"
	ChartDir     = "chart"
	DocsDir      = "docs"
	ValuesFile   = "values.yaml"
	BindFile     = "bind.yaml"
	CreateSchema = "create-instance-schema.json"
	UpdateSchema = "update-instance-schema.json"
	BindSchema   = "bind-instance-schema.json"
)

// MaxSchema is the size in bytes that a form schema must stay below.
const MaxSchema = 64 << 10

// DefinitionDir is where a connector's chart keeps its definition, SamplesDir where it keeps recorded
// deliveries.
const (
	DefinitionDir = "files"
	SamplesDir    = "samples"
)

// Addon is a complete add-on. It is immutable and safe for concurrent use.
type Addon struct {
	// Key and Version name the directory or archive: <Key>-<Version>. An index lists the add-on by them.
	Key     string
	Version string
	Meta    Meta
	// Plans in the order of their directories.
	Plans []Plan
	// Docs is nil where the add-on has no docs/meta.yaml.
	Docs *DocsMeta
	// ChartName is the name of the directory in chart/, Chart its content.
	ChartName string
	Chart     Tree
	// Tree is everything, as it is packed.
	Tree Tree

	parameterNames func() []string
}

// Plan is one plan of an add-on.
type Plan struct {
	// Dir is the plan's directory in plans/.
	Dir  string
	Meta PlanMeta
	// Values override the chart's.
	Values map[string]any
	// CreateSchema describes the form; empty where the plan takes no parameters.
	CreateSchema []byte
	// Bind is the template of the credentials; empty where there is none.
	Bind []byte
}

// Parse makes an add-on of its files, as strictly as Helm Broker. name is that of its directory or
// archive. The error names every problem.
func Parse(name string, tree Tree) (*Addon, error) {
	key, version, err := SplitName(name)
	return parse(Addon{Key: key, Version: version, Tree: tree}, name, semver.StrictNewVersion, CheckYAML, err)
}

// ParseEntry is Parse for the entry of an index, as lenient about versions as Helm Broker: it takes 1.0 and
// v1.0.0 too, and the last of two equal keys.
func ParseEntry(key, version string, tree Tree) (*Addon, error) {
	return parse(Addon{Key: key, Version: version, Tree: tree}, key+"-"+version, semver.NewVersion, safeyaml.Aliases, nil)
}

// parse fills in what follows from the tree. wrong is what is wrong with the name.
func parse(parsed Addon, name string, readVersion func(string) (*semver.Version, error), check func([]byte) error, wrong error) (*Addon, error) {
	a, tree := &parsed, parsed.Tree
	var problems []error
	if wrong != nil {
		problems = append(problems, wrong)
	}
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if err := checkFiles(tree, check); err != nil {
		return nil, fmt.Errorf("%s: %w", name, errors.Join(append(problems, err)...))
	}
	if data, found := tree.Read(MetaFile); !found {
		fail("%s is missing; every add-on needs one", MetaFile)
	} else if err := readYAML(data, &a.Meta); err != nil {
		fail("%s: %w", MetaFile, err)
	} else if missing := a.Meta.missing(); len(missing) > 0 {
		fail("%s: %s missing; fill in", MetaFile, strings.Join(missing, ", "))
	} else if _, err := readVersion(a.Meta.Version); err != nil {
		fail("%s: version %q: want three numbers such as 1.2.3", MetaFile, a.Meta.Version)
	}
	dirs, _ := tree.Entries(PlansDir)
	if len(dirs) == 0 {
		fail("%s holds no plan; add a directory with a %s", PlansDir, MetaFile)
	}
	for _, dir := range dirs {
		plan, err := parsePlan(dir, tree.Sub(path.Join(PlansDir, dir)))
		if err != nil {
			problems = append(problems, err)
		}
		a.Plans = append(a.Plans, plan)
	}
	if data, found := tree.Read(path.Join(DocsDir, MetaFile)); found && len(strings.TrimSpace(string(data))) > 0 {
		a.Docs = &DocsMeta{}
		if err := readYAML(data, a.Docs); err != nil {
			fail("%s/%s: %w", DocsDir, MetaFile, err)
		} else if len(a.Docs.Docs) != 1 {
			fail("%s/%s: docs has %d entries; want exactly one", DocsDir, MetaFile, len(a.Docs.Docs))
		}
	}
	switch charts, _ := tree.Entries(ChartDir); len(charts) {
	case 0:
		fail("%s holds no chart directory; run addonctl link", ChartDir)
	case 1:
		a.ChartName, a.Chart = charts[0], tree.Sub(path.Join(ChartDir, charts[0]))
	default:
		fail("%s holds several directories (%s); Helm Broker takes exactly one", ChartDir, strings.Join(charts, ", "))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s: %w", name, errors.Join(problems...))
	}
	a.parameterNames = sync.OnceValue(a.readParameterNames)
	return a, nil
}

func parsePlan(dir string, tree Tree) (Plan, error) {
	p := Plan{Dir: dir}
	at := path.Join(PlansDir, dir)
	data, found := tree.Read(MetaFile)
	if !found {
		return p, fmt.Errorf("%s/%s is missing; every plan needs one", at, MetaFile)
	}
	if err := readYAML(data, &p.Meta); err != nil {
		return p, fmt.Errorf("%s/%s: %w", at, MetaFile, err)
	}
	if missing := p.Meta.missing(); len(missing) > 0 {
		return p, fmt.Errorf("%s/%s: %s missing; fill in", at, MetaFile, strings.Join(missing, ", "))
	}
	if data, found := tree.Read(ValuesFile); found {
		if err := readYAML(data, &p.Values); err != nil {
			return p, fmt.Errorf("%s/%s: %w", at, ValuesFile, err)
		}
	}
	p.CreateSchema, _ = tree.Read(CreateSchema)
	if len(p.CreateSchema) >= MaxSchema {
		return p, fmt.Errorf("%s/%s: %d bytes; Helm Broker takes less than %d", at, CreateSchema, len(p.CreateSchema), MaxSchema)
	}
	if p.Bind, found = tree.Read(BindFile); !found && p.Meta.Bindable != nil && *p.Meta.Bindable {
		return p, fmt.Errorf("%s/%s is missing, although the plan is bindable; add it or set bindable to false", at, BindFile)
	}
	return p, nil
}

func (m *Meta) missing() []string {
	return missing([]field{{"id", m.ID}, {"name", m.Name}, {"version", m.Version}, {"description", m.Description}, {"displayName", m.DisplayName}})
}

func (m *PlanMeta) missing() []string {
	return missing([]field{{"id", m.ID}, {"name", m.Name}, {"description", m.Description}, {"displayName", m.DisplayName}})
}

type field struct{ name, value string }

func missing(fields []field) []string {
	var names []string
	for _, f := range fields {
		if f.value == "" {
			names = append(names, f.name)
		}
	}
	return names
}

// Name is that of the add-on's directory: <Key>-<Version>.
func (a *Addon) Name() string { return a.Key + "-" + a.Version }

// Plan returns the plan of that name or directory.
func (a *Addon) Plan(name string) (*Plan, error) {
	var names []string
	for i := range a.Plans {
		if p := &a.Plans[i]; p.Meta.Name == name || p.Dir == name {
			return p, nil
		}
		names = append(names, a.Plans[i].Meta.Name)
	}
	return nil, fmt.Errorf("%s has no plan %q; choose one of %s", a.Name(), name, strings.Join(names, ", "))
}

// Definition loads the connector definition that the add-on's chart holds.
func (a *Addon) Definition() (*connector.Definition, error) {
	if !a.HasDefinition() {
		return nil, fmt.Errorf("%s: the chart has no %s/%s; only a connector has a definition", a.Name(), DefinitionDir, connector.FileName)
	}
	d, err := connector.Load(a.Chart.Sub(DefinitionDir).FS())
	if err != nil {
		return nil, fmt.Errorf("%s: chart/%s/%s: %w", a.Name(), a.ChartName, DefinitionDir, err)
	}
	return d, nil
}

// ParameterNames are the names of the definition's parameters, in the order of the file; empty where there
// is no definition that can be read.
func (a *Addon) ParameterNames() []string { return a.parameterNames() }

func (a *Addon) readParameterNames() []string {
	data, _ := a.Chart.Read(path.Join(DefinitionDir, connector.FileName))
	var file struct {
		Parameters node.Node `yaml:"parameters"`
	}
	if node.Unmarshal(data, &file) != nil || file.Parameters.Kind != node.MappingNode {
		return nil
	}
	var names []string
	for i := 0; i < len(file.Parameters.Content); i += 2 {
		names = append(names, file.Parameters.Content[i].Value)
	}
	return names
}

// HasDefinition says whether the chart holds a connector definition.
func (a *Addon) HasDefinition() bool {
	_, found := a.Chart.Read(path.Join(DefinitionDir, connector.FileName))
	return found
}

// Samples are the recorded deliveries that travel with the chart, empty where there are none.
func (a *Addon) Samples() Tree { return a.Chart.Sub(SamplesDir) }

// Pack makes the archive that a repository serves as <Name>.tgz. See the function Pack.
func (a *Addon) Pack() ([]byte, error) { return Pack(a.Tree, "") }

// PackChart makes the Helm package of the add-on's chart.
func (a *Addon) PackChart() ([]byte, error) { return Pack(a.Chart, a.ChartName) }

// SplitName splits the name of an add-on's directory into key and version.
func SplitName(name string) (key, version string, err error) {
	for i := range len(name) {
		if name[i] != '-' {
			continue
		}
		if v, err := semver.StrictNewVersion(name[i+1:]); err == nil && i > 0 {
			return name[:i], v.Original(), nil
		}
	}
	return "", "", fmt.Errorf("%q: want <name>-<version> with a version of three numbers such as c-1.2.3", name)
}
