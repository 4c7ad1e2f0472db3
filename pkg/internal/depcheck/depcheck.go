// Package depcheck holds the table of who may import whom. Its test reads the source tree and fails on
// every import that the table does not allow.
package depcheck

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Module is the path of this module.
const Module = "github.com/kyma-connectors/kyma-connectors"

// Rule says what the packages at Package may import. Paths are relative to the module; a path that ends
// in "/..." stands for everything below it and for itself.
type Rule struct {
	Package string
	// Ours are the packages of this module that may be imported directly.
	Ours []string
	// Except takes packages out of Ours again.
	Except []string
	// Others are the third-party modules or packages that may be imported directly, with everything below
	// them; the standard library always may. "*" allows all that Never leaves.
	Others []string
	// Never are packages that must not be reached at all, not even through others of ours.
	Never []string
}

// Violation is one import that the rules do not allow.
type Violation struct {
	Package, Import, Reason string
}

// String names the package, the import and the reason.
func (v Violation) String() string {
	return fmt.Sprintf("%s imports %s: %s", v.Package, v.Import, v.Reason)
}

// Imports reads the imports of every package below the roots, tests left out: package -> imports.
func Imports(module string, roots ...string) (map[string][]string, error) {
	found := map[string]map[string]bool{}
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(module, root), func(file string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "testdata":
				return filepath.SkipDir
			case entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
				return nil
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			dir, err := filepath.Rel(module, filepath.Dir(file))
			if err != nil {
				return err
			}
			name := filepath.ToSlash(dir)
			if found[name] == nil {
				found[name] = map[string]bool{}
			}
			for _, spec := range parsed.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				found[name][imported] = true
			}
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	out := map[string][]string{}
	for name, set := range found {
		for imported := range set {
			out[name] = append(out[name], imported)
		}
		sort.Strings(out[name])
	}
	return out, nil
}

// Check compares imports with the rules. A package without a rule is a violation too: a new room needs a
// place in the plan.
func Check(rules []Rule, imports map[string][]string) []Violation {
	var out []Violation
	for _, name := range sortedKeys(imports) {
		rule, ok := ruleFor(rules, name)
		if !ok {
			out = append(out, Violation{name, "", "the package has no rule: add one to the table"})
			continue
		}
		for _, imported := range imports[name] {
			if reason := forbidden(rule, name, imported); reason != "" {
				out = append(out, Violation{name, imported, reason})
			}
		}
		for _, never := range rule.Never {
			if chain := reach(imports, name, never); chain != nil {
				out = append(out, Violation{name, never, "must not be reached, but is by " + strings.Join(chain, " -> ")})
			}
		}
	}
	return out
}

func forbidden(rule Rule, name, imported string) string {
	if ours, ok := relative(imported); ok {
		if ours == name || (matchesAny(rule.Ours, ours) && !matchesAny(rule.Except, ours)) {
			return ""
		}
		return "not among the packages it may import"
	}
	if !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		return "" // standard library
	}
	for _, allowed := range rule.Others {
		if allowed == "*" || imported == allowed || strings.HasPrefix(imported, allowed+"/") {
			return ""
		}
	}
	return "not among the libraries it may import"
}

// reach finds the shortest chain of our packages from name to the package never (or one below it).
func reach(imports map[string][]string, name, never string) []string {
	type step struct {
		name  string
		chain []string
	}
	seen := map[string]bool{name: true}
	for queue := []step{{name, []string{name}}}; len(queue) > 0; queue = queue[1:] {
		current := queue[0]
		for _, imported := range imports[current.name] {
			ours, isOurs := relative(imported)
			if (isOurs && matches(never, ours)) || imported == never || strings.HasPrefix(imported, never+"/") {
				return append(current.chain, imported)
			}
			if isOurs && !seen[ours] {
				seen[ours] = true
				queue = append(queue, step{ours, append(append([]string{}, current.chain...), ours)})
			}
		}
	}
	return nil
}

func relative(imported string) (string, bool) {
	if imported == Module {
		return ".", true
	}
	return strings.CutPrefix(imported, Module+"/")
}

// ruleFor picks the most specific rule.
func ruleFor(rules []Rule, name string) (Rule, bool) {
	best, found := Rule{}, false
	for _, rule := range rules {
		if matches(rule.Package, name) && (!found || len(rule.Package) > len(best.Package)) {
			best, found = rule, true
		}
	}
	return best, found
}

func matchesAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if matches(pattern, name) {
			return true
		}
	}
	return false
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
	return path.Clean(pattern) == name
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
