package lint

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The rules about suppressions. The runner itself finds what they report.
const (
	unfoundedID = "SUP001"
	unusedID    = "SUP002"
)

// suppressRules are found by the runner, once all others have run.
func suppressRules() []Rule {
	return []Rule{
		{
			ID: unfoundedID, Severity: Warning, Suite: SuiteLoad,
			Summary: "a suppression names rules that exist, and a reason",
			Effect:  "nobody knows any more whether it is still right; it does not count",
			Next:    "write addonctl:ignore ID: reason; addonctl lint --list shows the rules",
			runner:  true,
		},
		{
			ID: unusedID, Severity: Warning, Suite: SuiteLoad,
			Summary: "a suppression suppresses something",
			Effect:  "it hides the next finding there, which nobody has looked at",
			Next:    "remove it",
			runner:  true,
		},
	}
}

// Suppression is an exception from rules, with its reason.
type Suppression struct {
	Rules  []string
	Reason string
	// Path is the file that it holds for, relative to the repository; it may be a pattern as of path.Match.
	Path string
	// Line is the one that it holds for; 0 for all of the file.
	Line int

	at     int    // the line that it stands in
	file   string // that it stands in
	broken string // why it does not count
	used   map[string]bool
}

// A suppression in a file: behind what it is for, or alone in the line before. In Markdown and templates, it
// is a comment of theirs.
//
//	# addonctl:ignore MET013: updates are made by hand
//	# addonctl:ignore-file CHT010, SEC004: only for tests
//	<!-- addonctl:ignore DEF006: the table is shortened -->
//	{{- /* addonctl:ignore CHT012: the name only has to differ */}}
var (
	suppression = regexp.MustCompile(`^(.*?)(?:#|<!--|\{\{-?\s*/\*)\s*addonctl:ignore(-file)?\b(.*)$`)
	exception   = regexp.MustCompile(`^\s+([A-Za-z0-9]+(?:\s*,\s*[A-Za-z0-9]+)*)\s*(?::\s*(.*?))?\s*(?:-->|\*/\s*-?\}\})?\s*$`)
)

// mayHold says whether suppressions may stand in a file: most have none.
func mayHold(data []byte) bool { return bytes.Contains(data, []byte("addonctl:ignore")) }

// suppressions are those that stand in a file.
func suppressions(name string, data []byte) []*Suppression {
	if !mayHold(data) || !utf8.Valid(data) {
		return nil
	}
	var out []*Suppression
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		m := suppression.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil || strings.Count(m[1], "`")%2 == 1 { // quoted: about suppressions, not one
			continue
		}
		s := &Suppression{Path: name, file: name, at: n}
		switch {
		case m[2] != "":
		case strings.TrimSpace(m[1]) == "":
			s.Line = n + 1
		default:
			s.Line = n
		}
		if parts := exception.FindStringSubmatch(m[3]); parts == nil {
			s.broken = "want addonctl:ignore ID: reason"
		} else {
			s.Rules, s.Reason = regexp.MustCompile(`\s*,\s*`).Split(parts[1], -1), strings.TrimSpace(parts[2])
		}
		out = append(out, s)
	}
	return out
}

// judge says why a suppression does not count, if so.
func (s *Suppression) judge() {
	s.used = map[string]bool{}
	if s.broken != "" {
		return
	}
	for _, id := range s.Rules {
		if !known(id) {
			s.broken = fmt.Sprintf("there is no rule %s", id)
		}
		if id == unfoundedID || id == unusedID {
			s.broken = fmt.Sprintf("%s cannot be suppressed", id)
		}
	}
	if s.broken == "" && s.Reason == "" {
		s.broken = "there is no reason"
	}
}

func known(id string) bool {
	return slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == id })
}

// covers says whether the suppression holds for a finding.
func (s *Suppression) covers(f Finding) bool {
	if s.broken != "" || !slices.Contains(s.Rules, f.Rule) || s.Line != 0 && s.Line != f.Line {
		return false
	}
	matched, err := path.Match(s.Path, f.Path)
	return s.Path == f.Path || err == nil && matched
}

// suppress takes out the findings that are suppressed, and adds what is wrong with suppressions.
func (r *runner) suppress(target Target, subjects []*addonContext) {
	all := slices.Clone(r.options.Suppressions)
	for i := range all {
		copied := *all[i]
		all[i] = &copied
	}
	files := map[string]bool{}
	for _, c := range subjects {
		for _, f := range c.tree.Files() {
			if !mayHold(f.Data) {
				continue
			}
			name := filepath.ToSlash(filepath.Join(c.at, c.located(f.Path)))
			if !files[name] {
				files[name] = true
				all = append(all, suppressions(name, f.Data)...)
			}
		}
	}
	if target.Repository != nil {
		for _, f := range r.findings { // pages beside the add-ons
			if files[f.Path] {
				continue
			}
			files[f.Path] = true
			if data, err := target.Repository.File(f.Path); err == nil {
				all = append(all, suppressions(f.Path, data)...)
			}
		}
	}
	for _, s := range all {
		s.judge()
	}
	var left []Finding
	for _, f := range r.findings {
		covered := false
		for _, s := range all {
			if s.covers(f) {
				covered, s.used[f.Rule] = true, true
			}
		}
		if covered {
			r.suppressed++
		} else {
			left = append(left, f)
		}
	}
	r.findings = withoutEchoes(left)
	r.judgeSuppressions(all, target)
}

// helmID is the rule that hands on what Helm's linter says.
const helmID = "CHT014"

// withoutEchoes leaves out what Helm's linter says of an add-on of which other rules have something to say: mostly the same.
// What is suppressed is not said, so that it silences nobody.
func withoutEchoes(all []Finding) []Finding {
	said := map[string]bool{}
	for _, f := range all {
		said[f.Addon] = said[f.Addon] || f.Rule != helmID
	}
	return slices.DeleteFunc(all, func(f Finding) bool { return f.Rule == helmID && said[f.Addon] })
}

func (r *runner) judgeSuppressions(all []*Suppression, target Target) {
	whole := r.wholeRepository(target)
	for i := range r.rules {
		rule := &r.rules[i]
		for _, s := range all {
			at := problem{path: s.file, line: s.at}
			switch {
			case rule.ID == unfoundedID && s.broken != "":
				at.message = s.broken
				r.keep(findings(nil, rule, []problem{at}))
			case rule.ID == unusedID && s.broken == "":
				for _, id := range s.Rules {
					if !s.used[id] && r.runs(id, whole) && (whole || s.file == s.Path) {
						at.message = fmt.Sprintf("nothing breaks %s there", id)
						r.keep(findings(nil, rule, []problem{at}))
					}
				}
			}
		}
	}
}

// runs says whether a rule has been applied in full.
func (r *runner) runs(id string, whole bool) bool {
	return slices.ContainsFunc(r.rules, func(rule Rule) bool { return rule.ID == id && (rule.repository == nil || whole) })
}

// wholeRepository says whether all add-ons of a repository are checked.
func (r *runner) wholeRepository(target Target) bool {
	if target.Repository == nil {
		return false
	}
	names, err := target.Repository.Names()
	return err == nil && len(target.Names) >= len(names)
}

// order sorts findings by path, line and rule.
func order(a, b Finding) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Message, b.Message))
}
