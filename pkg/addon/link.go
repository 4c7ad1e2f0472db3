package addon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// LinkChange is one difference between an add-on's chart directory and what it should hold.
type LinkChange struct {
	// Path is relative to the repository.
	Path string
	// Kind is what is wrong.
	Kind LinkProblem
	// Target is where the link should lead; empty where there should be none.
	Target string
}

// LinkProblem says what is wrong with a link.
type LinkProblem string

// What can be wrong with a link.
const (
	LinkMissing  LinkProblem = "is missing"                     // an entry of the chart has no link
	LinkElse     LinkProblem = "leads elsewhere"                // outside the repository, absolute, or to another chart
	LinkDangling LinkProblem = "leads nowhere"                  // the chart's entry is gone
	LinkFile     LinkProblem = "is a file that holds a path"    // as a checkout without symbolic links makes it
	LinkForeign  LinkProblem = "is no link but content its own" // never touched
)

// String says what is wrong where.
func (c LinkChange) String() string { return c.Path + " " + string(c.Kind) }

// CheckLinks compares addons/<name>/chart/<chart>/ with charts/<chart>/: a real directory with a relative
// link for each entry. An add-on that has no chart in charts/ keeps its own one: there is nothing to link.
func (r *Repository) CheckLinks(name string) ([]LinkChange, error) {
	root, err := r.Root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	plan, err := planLinks(root, name)
	return plan.changes, err
}

// Link makes the links of addons/<name>/chart/<chart>/ and repairs those that are wrong. It returns what
// it changed. It never removes content: that is an error that names what is in the way.
func (r *Repository) Link(name string) ([]LinkChange, error) {
	root, err := r.Root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	plan, err := planLinks(root, name)
	if err != nil {
		return nil, err
	}
	for _, c := range plan.changes {
		if c.Kind == LinkForeign {
			return nil, fmt.Errorf("%s %s; move it to %s, or remove it", c.Path, c.Kind, plan.source)
		}
	}
	if len(plan.changes) > 0 {
		if err := root.MkdirAll(plan.dir, 0o755); err != nil {
			return nil, err
		}
	}
	for _, c := range plan.changes {
		if c.Kind != LinkMissing {
			if err := root.Remove(c.Path); err != nil {
				return nil, err
			}
		}
		if c.Target != "" {
			if err := root.Symlink(filepath.FromSlash(c.Target), c.Path); err != nil {
				return nil, fmt.Errorf("%w; this file system may not know symbolic links", err)
			}
		}
	}
	return plan.changes, nil
}

type linkPlan struct {
	source  string // charts/<chart>
	dir     string // addons/<name>/chart/<chart>
	changes []LinkChange
}

func planLinks(root *os.Root, name string) (linkPlan, error) {
	key, _, err := SplitName(name)
	if err != nil {
		return linkPlan{}, err
	}
	p := linkPlan{source: path.Join(ChartsDir, key), dir: path.Join(AddonsDir, name, ChartDir, key)}
	wanted, err := chartEntries(root, p.source)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	up := strings.Repeat("../", strings.Count(p.dir, "/")+1)
	present, err := presentEntries(root, p.dir)
	if err != nil {
		return p, err
	}
	for _, entry := range wanted {
		at, target := path.Join(p.dir, entry), up+path.Join(p.source, entry)
		if !slices.Contains(present, entry) {
			p.changes = append(p.changes, LinkChange{Path: at, Kind: LinkMissing, Target: target})
		} else if kind := linkKind(root, at, target); kind != "" {
			p.changes = append(p.changes, LinkChange{Path: at, Kind: kind, Target: target})
		}
	}
	for _, entry := range present {
		if slices.Contains(wanted, entry) {
			continue
		}
		c := LinkChange{Path: path.Join(p.dir, entry), Kind: LinkForeign}
		if _, err := root.Readlink(c.Path); err == nil {
			c.Kind = LinkElse
			if _, err := root.Stat(c.Path); errors.Is(err, fs.ErrNotExist) {
				c.Kind = LinkDangling
			}
		}
		p.changes = append(p.changes, c)
	}
	return p, nil
}

// linkKind says what is wrong with the entry at, which should be a link to target.
func linkKind(root *os.Root, at, target string) LinkProblem {
	is, err := root.Readlink(at)
	if err == nil {
		if filepath.ToSlash(is) != target {
			return LinkElse
		}
		return ""
	}
	if info, err := root.Lstat(at); err == nil && info.Mode().IsRegular() && info.Size() < 4096 {
		if data, err := root.ReadFile(at); err == nil && strings.TrimSpace(filepath.ToSlash(string(data))) == target {
			return LinkFile
		}
	}
	return LinkForeign
}

// chartEntries lists what of the chart in dir is linked: everything that its .helmignore leaves in.
func chartEntries(root *os.Root, dir string) ([]string, error) {
	data, err := root.ReadFile(path.Join(dir, ignoreFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	rules, err := parseIgnore(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !rules.ignores(e.Name(), e.IsDir()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// presentEntries lists what lies in dir, which may not exist yet. A dir that is a link itself would count
// as a file in Helm Broker.
func presentEntries(root *os.Root, dir string) ([]string, error) {
	for at := dir; at != "."; at = path.Dir(at) {
		if _, err := root.Readlink(at); err == nil {
			return nil, fmt.Errorf("%s is a link, which Helm Broker takes for a file; remove it and run addonctl link", at)
		}
	}
	names, err := readNames(root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}
