package addonctl

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint/charts"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/lint/report"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

type lintOptions struct {
	noCache         *bool
	suites, disable []string
	failOn          string
	fix, list       bool
	output          lintFormat
}

// lintFormat is the value of lint's --output.
type lintFormat string

const (
	asSARIF         lintFormat = "sarif"
	asGitHubActions lintFormat = "github"
)

// String implements pflag.Value.
func (f *lintFormat) String() string { return string(*f) }

// Set implements pflag.Value.
func (f *lintFormat) Set(value string) error {
	if !slices.Contains([]lintFormat{lintFormat(asText), lintFormat(asJSON), asSARIF, asGitHubActions}, lintFormat(value)) {
		return fmt.Errorf("choose text, json, sarif or %s", asGitHubActions)
	}
	*f = lintFormat(value)
	return nil
}

// Type implements pflag.Value.
func (f *lintFormat) Type() string { return "format" }

// rulePages is where each rule has a page.
const rulePages = "https://github.com/kyma-connectors/kyma-connectors/blob/main/docs/reference/rules/"

func newLint(c *Context) *cobra.Command {
	o := &lintOptions{}
	cmd := &cobra.Command{
		Use:   "lint [ADDON...]",
		Short: "Check add-ons against what Helm Broker does with them",
		Long: `Check add-ons against what Helm Broker does with them: whether it loads and stores them without loss,
whether forms and catalog show what is meant, whether every plan renders, and whether connector
definition, form and chart agree. Without arguments, the whole repository is checked, with its indexes.

An exception stands where it is needed, with its reason: "# addonctl:ignore ID: reason" behind a line or
before it, "# addonctl:ignore-file ID: reason" for the whole file; comments of Markdown and of templates
do as well. The file .addonctl.yaml at the root of the repository holds what is so for every run:

  lint:
    failOn: warning
    disable: {MET004: our catalog shows no tags}
    ignore: [{rule: CHT010, path: charts/demo/templates/*, reason: the hook is short}]

Exit code 0: clean. 1: findings as bad as --fail-on, or worse. 2: the command line is wrong.`,
		Example: `  addonctl lint
  addonctl lint acme-connector --suite definition --fix
  addonctl lint dist/acme-connector-0.1.0.tgz --output json
  addonctl lint --output sarif >lint.sarif
  addonctl lint --list`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.list {
				return o.rules(c)
			}
			return o.run(cmd.Context(), c, args)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.suites, "suite", nil, "run the rules of these suites only: "+suites())
	f.StringSliceVar(&o.disable, "disable", nil, "do not run these rules")
	f.StringVar(&o.failOn, "fail-on", "", "the least bad finding that makes the exit code 1: error, warning or info; default: as .addonctl.yaml says, or warning")
	f.BoolVar(&o.fix, "fix", false, "repair what is mechanical first: links, indexes, versions, forms, values and tables from the definition")
	f.BoolVar(&o.list, "list", false, "list the rules")
	o.noCache = cacheFlag(cmd)
	o.output = lintFormat(asText)
	f.Var(&o.output, "output", "text; for machines: json, sarif (2.1.0), or "+string(asGitHubActions)+" (annotations of a workflow)")
	return cmd
}

func suites() string {
	var names []string
	for _, s := range lint.Suites() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func (o *lintOptions) run(ctx context.Context, c *Context, args []string) error {
	target, err := o.target(c, args)
	if err != nil {
		return err
	}
	options, threshold, err := o.options(c, target)
	if err != nil {
		return cli.Config(err)
	}
	var fixed []string
	if o.fix {
		if fixed, err = o.repair(target); err != nil {
			return err
		}
	}
	report, err := lint.Run(ctx, target, options)
	if err != nil {
		return cli.Config(err)
	}
	if err := o.print(c, lintResult{Report: report, Fixed: fixed}); err != nil {
		return err
	}
	if report.Worst(threshold) {
		return &cli.ExitError{Code: cli.ExitRetry} // the report has said it
	}
	return nil
}

// options are those of the command line and of the repository.
func (o *lintOptions) options(c *Context, target lint.Target) (lint.Options, lint.Severity, error) {
	options := charts.Options()
	if remembered := c.cache(*o.noCache); remembered != nil {
		options.Cache = remembered
	}
	options.Disable = slices.Clone(o.disable)
	for _, s := range o.suites {
		options.Suites = append(options.Suites, lint.Suite(s))
	}
	threshold := lint.Severity(o.failOn)
	if target.Repository != nil {
		config, err := lint.ReadConfig(target.Repository)
		if err != nil {
			return options, "", err
		}
		config.Apply(target.Repository, &options)
		threshold = cmp.Or(threshold, config.FailOn)
	}
	threshold = cmp.Or(threshold, lint.Warning)
	if !slices.Contains(lint.Severities(), threshold) {
		return options, "", fmt.Errorf("--fail-on %s: choose error, warning or info", o.failOn)
	}
	return options, threshold, nil
}

func (o *lintOptions) print(c *Context, result lintResult) error {
	switch o.output {
	case asSARIF:
		return report.SARIF(c.Streams.Out, report.Tool{Version: cli.Version(), Pages: rulePages}, result.Findings)
	case asGitHubActions:
		return report.GitHubActions(c.Streams.Out, result.Findings)
	default:
		return c.print(format(o.output), result, func(w io.Writer) error { return result.text(c, w) })
	}
}

// target sorts the arguments: names and directories of the repository, and everything else.
func (o *lintOptions) target(c *Context, args []string) (lint.Target, error) {
	var target lint.Target
	repo, err := c.Repo()
	if err != nil {
		if len(args) == 0 || slices.ContainsFunc(args, func(ref string) bool { return !isPath(ref) }) {
			return target, err
		}
		target.Paths = args
		return target, nil
	}
	if len(args) == 0 {
		target.Repository = repo
		target.Names, err = repo.Names()
		return target, err
	}
	for _, ref := range args {
		name := c.inRepo(repo, ref)
		if isPath(name) {
			target.Paths = append(target.Paths, ref)
			continue
		}
		if name, err = repo.Find(name); err != nil {
			return target, cli.Config(err)
		}
		target.Repository = repo
		target.Names = append(target.Names, name)
	}
	return target, nil
}

func (o *lintOptions) repair(target lint.Target) ([]string, error) {
	if target.Repository == nil || len(target.Paths) > 0 {
		return nil, cli.Config(fmt.Errorf("--fix repairs add-ons in the repository only; leave other paths out"))
	}
	changed, err := lint.Fix(target.Repository, target.Names)
	return changed, cli.Config(err)
}

type lintResult struct {
	*lint.Report
	Fixed []string `json:"fixed,omitempty"`
}

// text groups the findings by file.
func (r lintResult) text(c *Context, w io.Writer) error {
	for _, name := range r.Fixed {
		fmt.Fprintf(w, "repaired %s\n", name)
	}
	file := ""
	for _, f := range r.Findings {
		if f.Path != file {
			file = f.Path
			fmt.Fprintf(w, "%s\n", c.paint(bold, file))
		}
		line := ""
		if f.Line > 0 {
			line = fmt.Sprint(f.Line)
		}
		next := f.Next
		if f.Fixable && !strings.Contains(next, "lint --fix") {
			next += " (or addonctl lint --fix)"
		}
		severity := c.paint(colourOf(f.Severity), fmt.Sprintf("%-7s", f.Severity))
		fmt.Fprintf(w, "  %4s  %s  %s  %s\n                        %s\n", line, severity, f.Rule, f.Message, next)
	}
	summary := fmt.Sprintf("%s, %d rules: %s, %s", count(r.Addons, "add-on"), r.Rules, count(r.Count(lint.Error), "error"), count(r.Count(lint.Warning), "warning"))
	if n := r.Count(lint.Info); n > 0 {
		summary += fmt.Sprintf(", %d of advice", n)
	}
	if r.Suppressed > 0 {
		summary += fmt.Sprintf(", %d suppressed", r.Suppressed)
	}
	_, err := fmt.Fprintln(w, summary)
	return err
}

func colourOf(s lint.Severity) string {
	switch s {
	case lint.Error:
		return red
	case lint.Warning:
		return yellow
	default:
		return cyan
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ruleInfo is what --list shows of a rule.
type ruleInfo struct {
	ID       string        `json:"id"`
	Severity lint.Severity `json:"severity"`
	Suite    lint.Suite    `json:"suite"`
	Summary  string        `json:"summary"`
	Effect   string        `json:"effect"`
	Next     string        `json:"next"`
	Fixable  bool          `json:"fixable,omitempty"`
}

func (o *lintOptions) rules(c *Context) error {
	var rules []ruleInfo
	for _, r := range lint.Rules() {
		rules = append(rules, ruleInfo{r.ID, r.Severity, r.Suite, r.Summary, r.Effect, r.Next, r.Fixable})
	}
	slices.SortFunc(rules, func(a, b ruleInfo) int { return strings.Compare(a.ID, b.ID) })
	if o.output == asSARIF || o.output == asGitHubActions {
		return cli.Config(fmt.Errorf("--list: the rules can be had as text or json, not as %s", o.output))
	}
	return c.print(format(o.output), rules, func(w io.Writer) error {
		for _, r := range rules {
			if _, err := fmt.Fprintf(w, "%s  %-7s  %-10s  %s\n", r.ID, r.Severity, r.Suite, r.Summary); err != nil {
				return err
			}
		}
		return nil
	})
}
