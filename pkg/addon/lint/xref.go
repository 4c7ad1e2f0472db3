package lint

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// valueUse is a place in a template that reads a value.
type valueUse struct {
	name string   // as the template says
	path []string // from the values of the add-on's chart
	file string   // in the chart
	line int
}

// xref is what the templates of a chart read, and what its files declare.
type xref struct {
	uses []valueUse
	// whole: some template reads all values at once, so that the text of the templates does not tell which.
	whole bool
	// declared are the values of the chart, of those in it and of their schemas, as maps of maps. With open, there are others.
	declared map[string]any
	open     bool
	// templates are the texts of all templates.
	templates [][]byte
}

var valuesRead = regexp.MustCompile(`\.Values((?:\.[A-Za-z_][A-Za-z0-9_]*)*)`)

// readXref reads the templates as text: which branch is taken does not matter.
func readXref(c *addonContext) *xref {
	x := &xref{declared: map[string]any{"global": nil, addon.RepositoryURLValue: nil}}
	if c.parsed == nil {
		return x
	}
	places := map[string][][]string{}
	for name, data := range c.parsed.Chart.All() {
		dir, rest := chartOf(name)
		if _, known := places[dir]; !known {
			places[dir] = c.places(dir)
		}
		switch {
		case strings.HasPrefix(rest, "templates/"):
			x.read(name, places[dir], c.options.shared.read.of(data, readTemplate))
			x.templates = append(x.templates, data)
		case rest == addon.ValuesFile && bytes.Contains(data, []byte("{{")): // for the function tpl
			x.read(name, places[dir], c.options.shared.read.of(data, readTemplate))
		case rest == chartFile:
			x.declare(c, dir)
		}
	}
	return x
}

// readValues are the values of a file; none where it cannot be read, which another rule says.
func readValues(data []byte) map[string]any {
	var values map[string]any
	if yaml.Unmarshal(data, &values) != nil {
		return nil
	}
	return values
}

// isLibrary says whether a directory of the chart is a library, whose templates read the chart's own values.
func (c *addonContext) isLibrary(dir string) bool {
	return c.document(c.chartFile(path.Join(dir, chartFile))).text("type") == "library"
}

// templateReads is what a template reads of the values.
type templateReads struct {
	whole bool
	uses  []valueUse
}

// read takes up what a file of a chart reads whose values are at places.
func (x *xref) read(name string, places [][]string, reads templateReads) {
	x.whole = x.whole || reads.whole
	for _, u := range reads.uses {
		u.file, u.name = name, strings.Join(u.path, ".")
		for _, at := range places {
			u := u
			if u.path[0] != "global" {
				u.path = append(slices.Clone(at), u.path...)
			}
			x.uses = append(x.uses, u)
		}
	}
}

func readTemplate(data []byte) (x templateReads) {
	for _, at := range action.FindAllIndex(data, -1) {
		code := anyQuote.ReplaceAll(data[at[0]:at[1]], []byte(`""`))
		if strings.HasPrefix(strings.TrimLeft(string(code), "{- \t\n"), "/*") {
			continue
		}
		line := bytes.Count(data[:at[0]], []byte("\n")) + 1
		for _, m := range valuesRead.FindAllSubmatchIndex(code, -1) {
			if m[2] == m[3] {
				x.whole = true
				continue
			}
			x.uses = append(x.uses, valueUse{path: strings.Split(string(code[m[2]+1:m[3]]), "."), line: line + bytes.Count(code[:m[0]], []byte("\n"))})
		}
	}
	return x
}

// reads says whether a template names the value at path, something in it, or something that it is in.
func (x *xref) reads(at []string) bool {
	return slices.ContainsFunc(x.uses, func(u valueUse) bool {
		n := min(len(at), len(u.path))
		return slices.Equal(at[:n], u.path[:n])
	})
}

// knows says whether the value at path is declared: by itself, or as part of something whose content is open.
func (x *xref) knows(at []string) bool {
	if x.open {
		return true
	}
	node := x.declared
	for _, key := range at {
		value, found := node[key]
		if !found {
			return false
		}
		below, isMap := value.(map[string]any)
		if !isMap || len(below) == 0 {
			return true
		}
		node = below
	}
	return true
}

// nearest ends a message about an unknown path with the nearest name of those that are declared where it leaves them.
func (x *xref) nearest(at []string) string {
	node := x.declared
	for _, key := range at {
		below, isMap := node[key].(map[string]any)
		if !isMap {
			return didYouMean(key, slices.Sorted(maps.Keys(node)))
		}
		node = below
	}
	return ""
}

// leaves are the paths of all values that hold no others, in their order.
func leaves(node *yaml.Node, at []string) []leaf {
	var out []leaf
	for _, e := range entriesOf(node) {
		below := append(slices.Clone(at), e.key)
		if e.node.Kind == yaml.MappingNode && len(e.node.Content) > 0 {
			out = append(out, leaves(e.node, below)...)
		} else {
			out = append(out, leaf{below, e.node, e.line})
		}
	}
	return out
}

type leaf struct {
	path []string
	node *yaml.Node
	line int
}

func (l leaf) name() string { return strings.Join(l.path, ".") }

// other is a value of the same kind that differs; nil where none can be told.
func (l leaf) other(marker string) any {
	switch {
	case l.node.Kind != yaml.ScalarNode:
		return nil
	case l.node.Tag == "!!str":
		return marker
	case l.node.Tag == "!!bool":
		return l.node.Value != "true"
	case l.node.Tag == "!!int":
		return 7341
	default:
		return nil
	}
}

// unread are the values of the chart's values.yaml that change nothing. What no template names is set to
// something else, and the chart rendered again.
func (c *addonContext) unread() []problem {
	x := c.xref()
	d := c.document(c.chartFile(addon.ValuesFile))
	dependencies := map[string]bool{} // they may read more than is seen here
	for _, d := range c.chartMeta("").Dependencies {
		if len(c.dependency(d.Name)) == 0 {
			return nil // nobody knows what it reads
		}
		dependencies[cmp.Or(d.Alias, d.Name)] = true
	}
	dirs, _ := c.parsed.Chart.Entries(addon.ChartsDir)
	for _, dir := range dirs {
		dependencies[dir] = true
	}
	parameters := map[string]connector.Parameter{} // another rule looks at these
	if definition, err := c.definition(); err == nil {
		parameters = definition.Parameters
	}
	var open []leaf
	for _, l := range leaves(d.root(), nil) {
		if _, isParameter := parameters[l.path[0]]; isParameter {
			continue
		}
		if !x.reads(l.path) && !dependencies[l.path[0]] && l.path[0] != "global" && l.path[0] != "tags" {
			open = append(open, l)
		}
	}
	if x.whole {
		open = c.withoutEffect(open)
	}
	var problems []problem
	for _, l := range open {
		problems = append(problems, problem{path: d.name, line: l.line, message: fmt.Sprintf("no template reads %s", l.name())})
	}
	return problems
}

// withoutEffect leaves the values whose change changes nothing that the first plan renders.
func (c *addonContext) withoutEffect(open []leaf) []leaf {
	if len(open) == 0 || len(c.plans) == 0 {
		return nil
	}
	renderings := c.plans[0].render()
	chart, err := c.chart()
	if err != nil || len(renderings) == 0 || slices.ContainsFunc(renderings, func(r rendering) bool { return r.err != nil }) {
		return nil // another rule says why
	}
	r := renderings[len(renderings)-2] // the newest cluster, with all fields
	text := func(manifests []Manifest) string {
		var b strings.Builder
		for _, m := range manifests {
			b.Write(m.Content)
		}
		return b.String()
	}
	render := func(change map[string]any) (string, bool) {
		manifests, err := chart.Render(RenderRequest{
			Release: r.release, Namespace: r.namespace, Values: addon.MergeValues(r.values, change), KubeVersion: r.profile.kubeVersion, APIVersions: r.profile.apiVersions,
		})
		return text(manifests), err == nil
	}
	before := text(r.manifests)
	all := map[string]any{}
	for i, l := range open {
		if l.node.Tag == "!!str" && l.node.Kind == yaml.ScalarNode {
			all = addon.MergeValues(all, nested(l.path, leafMarker(i)))
		}
	}
	marked, rendered := render(all)
	var out []leaf
	for i, l := range open {
		if rendered && l.node.Tag == "!!str" && holds(marked, leafMarker(i)) {
			continue
		}
		other := l.other(leafMarker(i))
		if other == nil {
			continue
		}
		if after, ok := render(nested(l.path, other)); ok && after == before {
			out = append(out, l)
		}
	}
	return out
}

func leafMarker(i int) string { return fmt.Sprintf("lint-value-%d-here", i) }

// nested makes maps of a path.
func nested(at []string, value any) map[string]any {
	if len(at) == 1 {
		return map[string]any{at[0]: value}
	}
	return map[string]any{at[0]: nested(at[1:], value)}
}

// unused are the definition's parameters that nothing in it reads.
func (c *addonContext) unusedParameters() []problem {
	d, err := c.definition()
	if err != nil {
		return nil
	}
	document := c.document(c.chartFile(path.Join(addon.DefinitionDir, connector.FileName)))
	var problems []problem
	for _, name := range slices.Sorted(maps.Keys(d.Parameters)) {
		if !bytes.Contains(document.data, []byte(`param("`+name+`")`)) && !bytes.Contains(document.data, []byte(`param('`+name+`')`)) && !c.namesParameter(document, name) {
			problems = append(problems, document.problem([]string{"parameters", name}, "nothing reads the parameter %s", name))
		}
	}
	return problems
}

// namesParameter says whether something besides the parameters' own part has the name of a parameter as its text,
// or a template of the chart reads it.
func (c *addonContext) namesParameter(d *document, name string) bool {
	for _, e := range d.entries() {
		if e.key != "parameters" && holdsText(e.node, name) {
			return true
		}
	}
	return slices.ContainsFunc(c.xref().templates, func(template []byte) bool { return bytes.Contains(template, []byte(name)) })
}

func holdsText(node *yaml.Node, text string) bool {
	if node.Kind == yaml.ScalarNode && (node.Value == text || strings.Contains(node.Value, `"`+text+`"`)) {
		return true
	}
	return slices.ContainsFunc(node.Content, func(n *yaml.Node) bool { return holdsText(n, text) })
}

var (
	secretKey = regexp.MustCompile(`(?i)^(password|passwords|secret|secrets|clientSecret|token|tokens|privateKey|key|keys)$`)
	paramRead = regexp.MustCompile(`^=\s*param\(["']([^"']+)["']\)$`)
)

// bareSecrets are parameters that serve as a secret and are of another kind.
func (c *addonContext) bareSecrets() []problem {
	d, err := c.definition()
	if err != nil {
		return nil
	}
	document := c.document(c.chartFile(path.Join(addon.DefinitionDir, connector.FileName)))
	var problems []problem
	var walk func(node *yaml.Node, key, above string)
	walk = func(node *yaml.Node, key, above string) {
		if m := paramRead.FindStringSubmatch(node.Value); node.Kind == yaml.ScalarNode && m != nil {
			p, known := d.Parameters[m[1]]
			if secret := secretKey.MatchString(key) || key == "value" && above == "apiKey"; known && secret && p.Kind != connector.KindSecret {
				problems = append(problems, problem{path: document.name, line: node.Line, message: fmt.Sprintf("%s serves as %s, and is no parameter of kind secret", m[1], key)})
			}
		}
		for _, e := range entriesOf(node) {
			walk(e.node, e.key, key)
		}
		if node.Kind == yaml.SequenceNode {
			for _, item := range node.Content {
				walk(item, key, above)
			}
		}
	}
	for _, part := range []string{"system", "deliveries"} {
		if node := document.at(part); node != nil {
			walk(node, part, "")
		}
	}
	return problems
}
