package addon

import (
	"fmt"
	"path"
	"strings"
)

// ignoreFile lists what is no part of a chart, in Helm's syntax.
const ignoreFile = ".helmignore"

// ignoreRules are Helm's: the first rule that matches decides, "!x" ignores everything that is not x.
type ignoreRules []ignoreRule

type ignoreRule struct {
	pattern string
	negate  bool
	dirOnly bool
	base    bool // only the last part of the path is compared
}

func parseIgnore(data []byte) (ignoreRules, error) {
	var rules ignoreRules
	for line := range strings.SplitSeq(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		rule := strings.TrimSpace(line)
		if rule == "" || strings.HasPrefix(rule, "#") {
			continue
		}
		if strings.Contains(rule, "**") {
			return nil, fmt.Errorf("%s: %q: double stars are not supported by Helm; name each level", ignoreFile, rule)
		}
		if _, err := path.Match(rule, "abc"); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", ignoreFile, rule, err)
		}
		var r ignoreRule
		rule, r.negate = strings.CutPrefix(rule, "!")
		rule, r.dirOnly = strings.CutSuffix(rule, "/")
		r.base = !strings.Contains(rule, "/")
		r.pattern = strings.TrimPrefix(rule, "/")
		rules = append(rules, r)
	}
	return append(rules, ignoreRule{pattern: "templates/.?*"}), nil
}

func (rules ignoreRules) ignores(name string, isDir bool) bool {
	for _, r := range rules {
		subject := name
		if r.base {
			subject = path.Base(name)
		}
		matches, _ := path.Match(r.pattern, subject) // the pattern was checked when it was parsed
		switch {
		case r.negate && ((r.dirOnly && !isDir) || !matches):
			return true
		case !r.negate && matches && (isDir || !r.dirOnly):
			return true
		}
	}
	return false
}

// ignoreChart leaves out what the .helmignore of the chart in the directory at names. As in Helm, the one of the chart itself
// counts, not those of its dependencies.
func ignoreChart(tree Tree, at string) (Tree, error) {
	data, _ := tree.Read(path.Join(at, ignoreFile))
	rules, err := parseIgnore(data)
	if err != nil {
		return Tree{}, err
	}
	kept := make([]File, 0, len(tree.files))
	ignoredDirs := map[string]bool{}
	for _, f := range tree.files {
		name, inChart := strings.CutPrefix(f.Path, at+"/")
		if !inChart || !rules.ignores(name, false) && !rules.ignoresAbove(name, ignoredDirs) {
			kept = append(kept, f)
		}
	}
	return Tree{files: kept}, nil
}

// ignoresAbove says whether a directory above name is ignored; known remembers the answers.
func (rules ignoreRules) ignoresAbove(name string, known map[string]bool) bool {
	dir := path.Dir(name)
	if dir == "." {
		return false
	}
	if answer, ok := known[dir]; ok {
		return answer
	}
	known[dir] = rules.ignores(dir, true) || rules.ignoresAbove(dir, known)
	return known[dir]
}
