// Package lint checks add-ons against what Helm Broker does with them. A rule is a value with a function;
// rules.go is the list of all rules. A finding is a value too: formats are somebody else's business.
package lint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// Severity says how bad a finding is.
type Severity string

// The severities, worst first.
const (
	Error   Severity = "error"   // Helm Broker fails, or loses something
	Warning Severity = "warning" // it works, but wrongly or misleadingly
	Info    Severity = "info"    // advice
)

// Severities lists all severities, worst first.
func Severities() []Severity { return []Severity{Error, Warning, Info} }

// AtLeast says whether s is as bad as threshold or worse.
func (s Severity) AtLeast(threshold Severity) bool { return s.rank() <= threshold.rank() }

func (s Severity) rank() int { return slices.Index(Severities(), s) }

// Suite groups rules.
type Suite string

// The suites.
const (
	SuiteLoad       Suite = "load"       // the broker loads and stores the add-on
	SuiteOSB        Suite = "osb"        // the catalog shows what the author meant
	SuiteChart      Suite = "chart"      // the chart renders and installs
	SuiteSecurity   Suite = "security"   // secrets stay where they belong
	SuiteDefinition Suite = "definition" // connector definition, form and chart agree
	SuiteHelm       Suite = "helm"       // Helm's own linter
)

// Suites lists all suites.
func Suites() []Suite {
	return []Suite{SuiteLoad, SuiteOSB, SuiteChart, SuiteSecurity, SuiteDefinition, SuiteHelm}
}

// Rule is one thing that has to hold. Exactly one of the functions is set; it returns what does not hold.
type Rule struct {
	// ID never changes its meaning.
	ID       string
	Severity Severity
	Suite    Suite
	// Summary says what has to hold, Effect what happens otherwise.
	Summary string
	Effect  string
	// Next says what to do.
	Next string
	// Fixable says that Fix repairs it.
	Fixable bool

	repository func(*repository) []problem
	addon      func(*addonContext) []problem
	plan       func(*planContext) []problem
	archive    func(*archiveContext) []problem
	runner     bool // the runner finds it
}

// Finding is one violation of a rule.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Suite    Suite    `json:"suite"`
	// Addon is the add-on's directory name; empty where the finding is about the repository.
	Addon string `json:"addon,omitempty"`
	// Path is relative to the repository, or that of an archive.
	Path string `json:"path"`
	// Line counts from 1; 0 where the finding is about the file as a whole.
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
	Next    string `json:"next"`
	Fixable bool   `json:"fixable,omitempty"`
}

// problem is what a rule finds; the runner makes a Finding of it.
type problem struct {
	path    string // relative to the add-on's directory, or to the repository in a repository rule
	line    int
	message string
	here    bool   // at path itself, not at what a link there leads to
	severe  bool   // an error, whatever the rule says
	next    string // what to do, where that is not what the rule says
}

// Target is what to check.
type Target struct {
	// Repository may be nil where only paths are checked.
	Repository *addon.Repository
	// Names are directories in addons/. With all of them, the rules about the repository run too.
	Names []string
	// Paths are add-on directories elsewhere and archives.
	Paths []string
}

// Options says how to check.
type Options struct {
	// Suites to run; all where it is empty.
	Suites []Suite
	// Disable lists rules that do not run.
	Disable []string
	// Suppressions come on top of those that stand in the files.
	Suppressions []*Suppression
	// Charts loads charts for rendering.
	Charts ChartLoader
	// Kubernetes judges rendered objects; nil means that nobody does.
	Kubernetes Kubernetes
	// HelmLint runs Helm's linter over a chart with values and returns what it says. The tree is what the chart was
	// loaded from, name what its directory is called.
	HelmLint func(chart Chart, name string, tree addon.Tree, values map[string]any) ([]string, error)
	// Cache remembers what was found about add-ons of a repository; nil means nobody does.
	Cache Cache

	shared *shared // by the add-ons of a run
}

// Report is the result of a run.
type Report struct {
	// Findings in the order of path, line and rule.
	Findings []Finding `json:"findings"`
	// Addons and Rules count what was checked.
	Addons int `json:"addons"`
	Rules  int `json:"rules"`
	// Suppressed counts the findings that suppressions left out.
	Suppressed int `json:"suppressed"`
}

// Count counts the findings of a severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Worst says whether a finding is as bad as the threshold or worse.
func (r *Report) Worst(threshold Severity) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity.AtLeast(threshold) })
}

// Run checks the target. An error means that checking was not possible; what is wrong with the target is
// in the report.
func Run(ctx context.Context, target Target, options Options) (*Report, error) {
	rules, err := chosen(options)
	if err != nil {
		return nil, err
	}
	options.shared = &shared{}
	if target.Repository != nil {
		target.Repository = target.Repository.Still()
	}
	r := &runner{rules: rules, options: options}
	r.pages = sync.OnceValues(func() (string, error) { return systemPages(target.Repository) })
	subjects, err := r.subjects(ctx, target)
	if err != nil {
		return nil, err
	}
	if err := r.addons(ctx, subjects); err != nil {
		return nil, err
	}
	if err := r.repository(target, subjects); err != nil {
		return nil, err
	}
	r.suppress(target, subjects)
	slices.SortFunc(r.findings, order)
	return &Report{Findings: append([]Finding{}, slices.Compact(r.findings)...), Addons: len(subjects), Rules: len(rules), Suppressed: r.suppressed}, nil
}

// chosen are the rules that the options leave.
func chosen(options Options) ([]Rule, error) {
	for _, s := range options.Suites {
		if !slices.Contains(Suites(), s) {
			return nil, fmt.Errorf("unknown suite %q; choose of %v", s, Suites())
		}
	}
	for _, id := range options.Disable {
		if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == id }) {
			return nil, fmt.Errorf("unknown rule %q; addonctl lint --list shows them", id)
		}
	}
	var rules []Rule
	for _, r := range Rules() {
		if (len(options.Suites) == 0 || slices.Contains(options.Suites, r.Suite)) && !slices.Contains(options.Disable, r.ID) {
			rules = append(rules, r)
		}
	}
	return rules, nil
}

type runner struct {
	rules   []Rule
	options Options

	pages func() (string, error) // see systemPages

	mu         sync.Mutex
	findings   []Finding
	suppressed int
}

// subjects reads what is to be checked, spread over the processors.
func (r *runner) subjects(ctx context.Context, target Target) ([]*addonContext, error) {
	subjects := make([]*addonContext, len(target.Names)+len(target.Paths))
	errs := make([]error, len(subjects))
	err := addon.Spread(ctx, len(subjects), func(i int) {
		if i < len(target.Names) {
			subjects[i] = newAddon(r.options, target.Repository, target.Names[i])
		} else {
			subjects[i], errs[i] = newFromPath(r.options, target.Paths[i-len(target.Names)])
		}
	})
	return subjects, errors.Join(append(errs, err)...)
}

// addons runs the rules of add-ons, archives and plans, spread over the processors.
func (r *runner) addons(ctx context.Context, subjects []*addonContext) error {
	return addon.Spread(ctx, len(subjects), func(i int) { r.addon(subjects[i]) })
}

// judge runs the rules of one add-on.
func (r *runner) judge(c *addonContext) (found []Finding) {
	for i := range r.rules {
		rule := &r.rules[i]
		add := func(problems []problem) {
			found = append(found, findings(c, rule, problems)...)
			c.failed = c.failed || slices.ContainsFunc(problems, func(p problem) bool { return p.severe || rule.Severity == Error })
		}
		switch {
		case rule.archive != nil && c.archive != nil:
			add(rule.archive(c.archive))
		case rule.addon != nil:
			add(rule.addon(c))
		case rule.plan != nil:
			for _, p := range c.plans {
				add(rule.plan(p))
			}
		}
	}
	return found
}

func (r *runner) repository(target Target, subjects []*addonContext) error {
	if target.Repository == nil {
		return nil
	}
	if !r.wholeRepository(target) {
		return nil // what is true of all add-ons cannot be said of some
	}
	c := &repository{Repository: target.Repository, addons: subjects[:len(target.Names)]}
	for i := range r.rules {
		rule := &r.rules[i]
		if rule.repository == nil {
			continue
		}
		problems := rule.repository(c)
		c.found = append(c.found, problems...)
		r.keep(findings(nil, rule, problems))
	}
	return nil
}

// findings makes findings of problems; c is nil where they are about the repository.
func findings(c *addonContext, rule *Rule, problems []problem) []Finding {
	var out []Finding
	for _, p := range problems {
		f := Finding{
			Rule: rule.ID, Severity: rule.Severity, Suite: rule.Suite, Path: p.path, Line: p.line,
			Message: p.message, Next: cmp.Or(p.next, rule.Next), Fixable: rule.Fixable,
		}
		if p.severe {
			f.Severity = Error
		}
		if c != nil {
			at := p.path
			if !p.here {
				at = c.located(at)
			}
			f.Addon, f.Path = c.name, filepath.ToSlash(filepath.Join(c.at, at))
		}
		out = append(out, f)
	}
	return out
}
