package lint

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// bindLine finds a line of bind.yaml in an error of Helm's, which renders it as a template of that name.
var bindLine = regexp.MustCompile(`/bindTmpl:(\d+)`)

// bindProblem is what keeps bind.yaml from being rendered: at its line, or in the template that Helm names.
func (p *planContext) bindProblem(err error) problem {
	out := p.inTemplate(p.file(addon.BindFile), err)
	out.message = fmt.Sprintf("plan %s: %s", path.Base(p.dir), oneLine(err))
	if m := bindLine.FindStringSubmatch(err.Error()); m != nil {
		out.path = p.file(addon.BindFile)
		out.line, _ = strconv.Atoi(m[1])
	}
	return out
}

func bindRules() []Rule {
	return []Rule{
		{
			ID: "BND001", Severity: Error, Suite: SuiteOSB,
			Summary: "bind.yaml of a bindable plan renders as the broker renders it for a binding: without the cluster's versions, with dependencies as they lie there, and with all templates of the chart",
			Effect:  "instances work, and every binding fails",
			Next:    "take the version from .Values with a default, guard what is required, and give dependencies no alias",
			plan: func(p *planContext) []problem {
				for _, b := range p.bindings() {
					switch {
					case b.err != nil:
						return []problem{p.bindProblem(b.err)}
					case b.document.err() != nil:
						return []problem{{path: p.file(addon.BindFile), message: "the result is no YAML: " + oneLine(b.document.err())}}
					}
				}
				return nil
			},
		},
		{
			ID: "BND002", Severity: Error, Suite: SuiteOSB,
			Summary: "a rendered bind.yaml holds credential and credentialFrom only, each entry with a name and one value or one reference",
			Effect:  "the broker drops what it does not know, and credentials are missing in the binding",
			Next:    "write credential: [{name, value}] or [{name, valueFrom: {secretKeyRef: {name, key}}}], credentialFrom: [{secretRef: {name}}]",
			plan:    eachBinding(misshapenBinding),
		},
		{
			ID: "BND003", Severity: Error, Suite: SuiteOSB,
			Summary: "no two credentials of a binding have the same name",
			Effect:  "every binding fails",
			Next:    "rename one of them",
			plan: eachBinding(func(p *planContext, b binding) []problem {
				var problems []problem
				seen := map[string]bool{}
				for i := range b.credentials() {
					name := b.document.text("credential", strconv.Itoa(i), "name")
					if name != "" && seen[name] {
						problems = append(problems, p.inBind(name, "there are two credentials %s", name))
					}
					seen[name] = true
				}
				return problems
			}),
		},
		{
			ID: "BND004", Severity: Error, Suite: SuiteOSB,
			Summary: "each Secret, ConfigMap, Service, key and path that bind.yaml names is one that the plan renders, in the release's namespace",
			Effect:  "every binding fails, or waits for something that never comes",
			Next:    "correct the name or the key; what a Job makes at run time has to be rendered empty first",
			plan:    eachBinding(danglingBinding),
		},
		{
			ID: "BND005", Severity: Warning, Suite: SuiteOSB,
			Summary: "name in credentialFrom is indented below secretRef or configMapRef",
			Effect:  "the reference is empty, and the credentials are missing; the broker's own documentation has this slip",
			Next:    "indent name by two more blanks",
			plan: eachBinding(func(p *planContext, b binding) []problem {
				var problems []problem
				for _, item := range b.list("credentialFrom") {
					if slipped(item) {
						problems = append(problems, p.inBind("credentialFrom", "name stands beside %s, not below it", entriesOf(item)[0].key))
					}
				}
				return problems
			}),
		},
		{
			ID: "BND006", Severity: Warning, Suite: SuiteOSB,
			Summary: "a plan that is not bindable has no bind.yaml",
			Effect:  "nobody can bind, although somebody described how",
			Next:    "set bindable: true, or remove the file",
			plan: func(p *planContext) []problem {
				if p.hasBind() && !p.bindable() {
					return []problem{{path: p.file(addon.BindFile), message: "the plan is not bindable"}}
				}
				return nil
			},
		},
	}
}

// bindable says whether the broker lets users bind to instances of the plan.
func (p *planContext) bindable() bool {
	if own := p.parsed.Bindable; own != nil {
		return *own
	}
	return p.addonBindable()
}

// binding is a plan's bind.yaml, rendered with the values of a rendering.
type binding struct {
	rendering
	document *document
	err      error
}

// bindAll renders bind.yaml of a bindable plan for the values of each rendering.
func bindAll(p *planContext) []binding {
	template, found := p.tree.Read(p.file(addon.BindFile))
	if !found || !p.bindable() {
		return nil
	}
	chart, err := p.chart()
	if err != nil {
		return nil
	}
	var out []binding
	for _, r := range p.render() {
		// Without the cluster's versions, all profiles give the same; the newest has both samples.
		if r.err != nil || !strings.HasPrefix(r.profile.name, "current") {
			continue
		}
		text, err := chart.Bind(template, RenderRequest{Release: r.release, Namespace: r.namespace, Values: r.values})
		out = append(out, binding{rendering: r, err: err, document: newDocument(p.file(addon.BindFile), []byte(text), err == nil)})
	}
	return out
}

// eachBinding makes a rule of a check of one rendered bind.yaml.
func eachBinding(check func(*planContext, binding) []problem) func(*planContext) []problem {
	return func(p *planContext) []problem {
		var problems []problem
		for _, b := range p.bindings() {
			if b.err == nil && b.document.err() == nil {
				problems = append(problems, check(p, b)...)
			}
		}
		return unique(problems)
	}
}

// inBind makes a problem at the first line of bind.yaml that holds a text.
func (p *planContext) inBind(text, format string, args ...any) problem {
	data, _ := p.tree.Read(p.file(addon.BindFile))
	return problem{path: p.file(addon.BindFile), line: lineOf(data, text), message: fmt.Sprintf(format, args...)}
}

// lineOf is the first line that holds a text, 0 where none does.
func lineOf(data []byte, text string) int {
	if before, _, found := strings.Cut(string(data), text); found && text != "" {
		return strings.Count(before, "\n") + 1
	}
	return 0
}

func (b binding) list(key string) []*yaml.Node {
	if node := b.document.at(key); node != nil && node.Kind == yaml.SequenceNode {
		return node.Content
	}
	return nil
}

func (b binding) credentials() []*yaml.Node { return b.list("credential") }

func keysOf(node *yaml.Node) []string {
	var keys []string
	for _, e := range entriesOf(node) {
		keys = append(keys, e.key)
	}
	return keys
}

// slipped says whether name stands beside an empty reference.
func slipped(item *yaml.Node) bool {
	entries := entriesOf(item)
	return len(entries) == 2 && (entries[0].key == "secretRef" || entries[0].key == "configMapRef") && entries[0].node.Tag == "!!null" && entries[1].key == "name"
}

// references are the kinds that valueFrom can name, with the keys of a reference.
func references() map[string][]string {
	return map[string][]string{"secretKeyRef": {"name", "key"}, "configMapKeyRef": {"name", "key"}, "serviceRef": {"name", "jsonpath"}}
}

func misshapenBinding(p *planContext, b binding) []problem {
	var problems []problem
	fail := func(text, format string, args ...any) {
		problems = append(problems, p.inBind(text, format, args...))
	}
	if b.document.root() == nil {
		fail("", "the result is empty")
		return problems
	}
	for _, e := range b.document.entries() {
		switch {
		case e.key != "credential" && e.key != "credentialFrom":
			fail(e.key, "the key %q is not known%s", e.key, didYouMean(e.key, []string{"credential", "credentialFrom"}))
		case e.node.Kind != yaml.SequenceNode:
			fail(e.key, "%s is no list", e.key)
		}
	}
	for _, item := range b.credentials() {
		misshapenCredential(item, fail)
	}
	for _, item := range b.list("credentialFrom") {
		if slipped(item) {
			continue
		}
		for _, e := range entriesOf(item) {
			if e.key != "secretRef" && e.key != "configMapRef" {
				fail(e.key, "credentialFrom: the key %q is not known%s", e.key, didYouMean(e.key, []string{"secretRef", "configMapRef"}))
			} else if !slices.Equal(keysOf(e.node), []string{"name"}) {
				fail(e.key, "credentialFrom: %s needs name, and nothing else", e.key)
			}
		}
		if len(entriesOf(item)) != 1 {
			fail("credentialFrom", "credentialFrom: an entry has one of secretRef and configMapRef")
		}
	}
	return problems
}

func misshapenCredential(item *yaml.Node, fail func(text, format string, args ...any)) {
	d := documentOf(item)
	name := d.text("name")
	if name == "" {
		fail("credential", "a credential has no name")
		return
	}
	for _, key := range keysOf(item) {
		if !slices.Contains([]string{"name", "value", "valueFrom"}, key) {
			fail(key, "credential %s: the key %q is not known%s", name, key, didYouMean(key, []string{"name", "value", "valueFrom"}))
			return
		}
	}
	from := d.entries("valueFrom")
	switch value := d.text("value"); {
	case value == "" && len(from) == 0:
		fail(name, "credential %s has neither a value nor valueFrom", name)
	case value != "" && len(from) > 0:
		fail(name, "credential %s has a value and valueFrom", name)
	case len(from) > 1:
		fail(name, "credential %s refers to several things", name)
	}
	for _, e := range from {
		want, known := references()[e.key]
		keys := keysOf(e.node)
		slices.Sort(keys)
		slices.Sort(want)
		if !known {
			fail(e.key, "credential %s: the key %q is not known%s", name, e.key, didYouMean(e.key, []string{"secretKeyRef", "configMapKeyRef", "serviceRef"}))
		} else if !slices.Equal(keys, want) {
			fail(name, "credential %s: %s needs %s", name, e.key, strings.Join(want, " and "))
		}
	}
}

// keyed is a rendered ConfigMap or Secret.
type keyed struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Data       map[string]json.RawMessage `json:"data"`
	StringData map[string]json.RawMessage `json:"stringData"`
	BinaryData map[string]json.RawMessage `json:"binaryData"`
}

// danglingBinding says what a bind.yaml names that is not rendered.
func danglingBinding(p *planContext, b binding) []problem {
	var problems []problem
	check := func(kind, name, key, jsonPath string) {
		if name == "" {
			return // another rule says so
		}
		m := b.find(kind, name)
		if m == nil {
			problems = append(problems, p.inBind(lineKey(key, jsonPath, strings.ToLower(kind[:1])+kind[1:]), "no %s %s is rendered%s", kind, name, b.others(kind)))
			return
		}
		o, err := decode[keyed](*m)
		if err != nil {
			return
		}
		_, inData := o.Data[key]
		_, inStrings := o.StringData[key]
		_, inBytes := o.BinaryData[key]
		if key != "" && !inData && !inStrings && !inBytes {
			problems = append(problems, p.inBind(key, "%s %s has no key %s", kind, name, key))
		}
		if jsonPath == "" || p.options.Kubernetes == nil {
			return
		}
		if hit, err := p.options.Kubernetes.JSONPath(m.Content, jsonPath); err != nil {
			problems = append(problems, p.inBind(jsonPath, "%s is no JSON path: %s", jsonPath, oneLine(err)))
		} else if !hit && !assigned(jsonPath) {
			problems = append(problems, p.inBind(jsonPath, "%s leads nowhere in %s %s", jsonPath, kind, name))
		}
	}
	for _, item := range b.credentials() {
		d := documentOf(item)
		check("Secret", d.text("valueFrom", "secretKeyRef", "name"), d.text("valueFrom", "secretKeyRef", "key"), "")
		check("ConfigMap", d.text("valueFrom", "configMapKeyRef", "name"), d.text("valueFrom", "configMapKeyRef", "key"), "")
		check("Service", d.text("valueFrom", "serviceRef", "name"), "", d.text("valueFrom", "serviceRef", "jsonpath"))
	}
	for _, item := range b.list("credentialFrom") {
		d := documentOf(item)
		check("Secret", d.text("secretRef", "name"), "", "")
		check("ConfigMap", d.text("configMapRef", "name"), "", "")
	}
	return problems
}

// assigned says whether a path of a Service leads to what only a cluster can fill in.
func assigned(jsonPath string) bool {
	return strings.Contains(jsonPath, ".status.") || strings.Contains(jsonPath, ".clusterIP") || strings.Contains(jsonPath, "nodePort") || strings.Contains(jsonPath, ".metadata.")
}

func lineKey(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// find is the rendered object of a kind and name in the release's namespace.
func (b binding) find(kind, name string) *Manifest {
	for i, m := range b.manifests {
		o, err := decode[keyed](m)
		if err == nil && m.Kind == kind && o.Metadata.Name == name && (o.Metadata.Namespace == "" || o.Metadata.Namespace == b.namespace) {
			return &b.manifests[i]
		}
	}
	return nil
}

// others lists what is rendered of a kind.
func (b binding) others(kind string) string {
	var names []string
	for _, m := range b.manifests {
		if m.Kind == kind && b.find(kind, m.Name) != nil {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("; there are %s", strings.Join(names, ", "))
}
