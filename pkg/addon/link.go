package addon

import (
	"errors"
	"fmt"
	"io/fs"
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
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	defer v.root.Close()
	plan, err := planLinks(v, name)
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
	plan, err := planLinks(view{root, newTop()}, name)
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

func planLinks(v view, name string) (linkPlan, error) {
	key, _, err := SplitName(name)
	if err != nil {
		return linkPlan{}, err
	}
	p := linkPlan{source: path.Join(ChartsDir, key), dir: path.Join(AddonsDir, name, ChartDir, key)}
	wanted, err := chartEntries(v, p.source)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	up := strings.Repeat("../", strings.Count(p.dir, "/")+1)
	present, err := presentEntries(v, p.dir)
	if err != nil {
		return p, err
	}
	for _, entry := range wanted {
		c := LinkChange{Path: path.Join(p.dir, entry), Kind: LinkMissing, Target: up + path.Join(p.source, entry)}
		if i := slices.IndexFunc(present, func(is *place) bool { return is.name == entry }); i >= 0 {
			c.Kind = linkKind(v, present[i], c.Target)
		}
		if c.Kind != "" {
			p.changes = append(p.changes, c)
		}
	}
	for _, is := range present {
		if slices.Contains(wanted, is.name) {
			continue
		}
		c := LinkChange{Path: path.Join(p.dir, is.name), Kind: LinkForeign}
		if is.isLink() {
			c.Kind = LinkElse
			if _, err := v.follow(is); errors.Is(err, fs.ErrNotExist) {
				c.Kind = LinkDangling
			}
		}
		p.changes = append(p.changes, c)
	}
	return p, nil
}

// linkKind says what is wrong with what should be a link to target.
func linkKind(v view, is *place, target string) LinkProblem {
	switch {
	case is.isLink() && is.target == target:
		return ""
	case is.isLink():
		return LinkElse
	case is.kind.IsRegular():
		if data, err := v.read(is.path); err == nil && strings.TrimSpace(filepath.ToSlash(string(data))) == target {
			return LinkFile
		}
	}
	return LinkForeign
}

// chartEntries lists what of the chart in dir is linked: everything that its .helmignore leaves in.
func chartEntries(v view, dir string) ([]string, error) {
	data, err := v.read(path.Join(dir, ignoreFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	rules, err := parseIgnore(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	entries, err := v.list(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !rules.ignores(e.name, e.kind.IsDir()) {
			names = append(names, e.name)
		}
	}
	return names, nil
}

// presentEntries lists what lies in dir, which may not exist yet. A dir that is a link itself would count
// as a file in Helm Broker.
func presentEntries(v view, dir string) ([]*place, error) {
	for at := dir; at != "."; at = path.Dir(at) {
		if p, err := v.find(v.top, at, false); err == nil && p.isLink() {
			return nil, fmt.Errorf("%s is a link, which Helm Broker takes for a file; remove it and run addonctl link", at)
		}
	}
	entries, err := v.list(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}
