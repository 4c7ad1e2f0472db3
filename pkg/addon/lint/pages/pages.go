// Package pages makes the reference page of each rule of the linter, from the rule and its tested examples.
package pages

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint/examples"
)

// Index is the name of the page that lists all others.
const Index = "README.md"

// Mark stands in every page.
const Mark = `<!-- Made by "addonctl docs rules"; do not edit. -->`

const made = Mark + "\n\n"

// All returns the pages by their names.
func All() (map[string][]byte, error) {
	book, err := readExamples()
	if err != nil {
		return nil, err
	}
	rules := lint.Rules()
	slices.SortFunc(rules, func(a, b lint.Rule) int { return strings.Compare(a.ID, b.ID) })
	out := map[string][]byte{Index: index(rules)}
	for _, r := range rules {
		content, err := book.page(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.ID, err)
		}
		out[r.ID+".md"] = content
	}
	return out, nil
}

func index(rules []lint.Rule) []byte {
	var b bytes.Buffer
	b.WriteString("# The rules of addonctl lint\n\n" + made)
	b.WriteString("Each rule has a page with what breaks it, what does not, and what to do. An exception is made where it is needed: see `addonctl lint --help`.\n")
	for _, suite := range lint.Suites() {
		fmt.Fprintf(&b, "\n## %s: %s\n\n| rule | severity | what has to hold |\n| --- | --- | --- |\n", suite, suite.Purpose())
		for _, r := range rules {
			if r.Suite == suite {
				fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s |\n", r.ID, r.ID, r.Severity, strings.ReplaceAll(r.Summary, "|", `\|`))
			}
		}
	}
	return b.Bytes()
}

type book struct {
	repository *txtar.Archive
	examples   map[string]*txtar.Archive // by file
}

func readExamples() (*book, error) {
	b := &book{repository: txtar.Parse(examples.Repository), examples: map[string]*txtar.Archive{}}
	entries, err := examples.Files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		data, err := examples.Files.ReadFile(e.Name())
		if err != nil {
			return nil, err
		}
		b.examples[e.Name()] = txtar.Parse(data)
	}
	return b, nil
}

func (b *book) page(r lint.Rule) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s: %s\n\n%s", r.ID, r.Summary, made)
	fixable := "no"
	if r.Fixable {
		fixable = "yes, by `addonctl lint --fix`"
	}
	fmt.Fprintf(&out, "| severity | suite | repaired | source |\n| --- | --- | --- | --- |\n| %s | %s | %s | %s |\n\n", r.Severity, r.Suite, fixable, r.Source())
	fmt.Fprintf(&out, "## Why\n\nOtherwise: %s.\n\n## What to do\n\n%s.\n\n", r.Effect, upperFirst(r.Next))
	fails, passes, err := b.shown(r.ID)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&out, "## Fails\n\n%s\n## Passes\n\n%s", fails, passes)
	return out.Bytes(), nil
}

func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// shown are the examples of a rule as text: the first that fails, and what passes instead.
func (b *book) shown(id string) (fails, passes string, err error) {
	var names []string
	for name := range b.examples {
		if own, _, _ := strings.Cut(strings.TrimSuffix(name, ".txtar"), "-"); own == id {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", "", errors.New("there is no example that fails")
	}
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(strings.TrimSuffix(a, ".txtar"), strings.TrimSuffix(b, ".txtar"))
	})
	failing := b.examples[names[0]]
	if isArchive(failing) {
		return text(failing, "fails"), text(failing, "passes"), nil
	}
	var f, p strings.Builder
	for line := range strings.Lines(string(failing.Comment)) {
		change, instead := b.change(line)
		f.WriteString(change)
		p.WriteString(instead)
	}
	for _, file := range failing.Files {
		f.WriteString(shownFile(file))
		if is := find(b.repository, file.Name); is != nil {
			p.WriteString(shownFile(*is))
		}
	}
	if passing, found := b.examples[id+".passes.txtar"]; found {
		p.Reset()
		for line := range strings.Lines(string(passing.Comment)) {
			change, _ := b.change(line)
			p.WriteString(change)
		}
		for _, file := range passing.Files {
			p.WriteString(shownFile(file))
		}
	}
	if p.Len() == 0 {
		return "", "", fmt.Errorf("there is no example that passes; add %s.passes.txtar", id)
	}
	return f.String(), p.String(), nil
}

func isArchive(a *txtar.Archive) bool {
	first, _, _ := strings.Cut(string(a.Comment), "\n")
	return slices.Contains(strings.Fields(first), "archive")
}

func text(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return "```text\n" + string(f.Data) + "```\n"
		}
	}
	return ""
}
