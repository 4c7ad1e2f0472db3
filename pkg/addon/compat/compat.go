// Package compat compares two versions of an add-on with the eyes of those who use it: what they entered in the
// form, what their systems send and call, what runs in their cluster. It says what of that still works, and which
// version is due.
package compat

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// Level is how much a change means to users, in the words of Semantic Versioning.
type Level string

// The levels, lowest first.
const (
	None  Level = "none"
	Patch Level = "patch" // nothing new, nothing gone
	Minor Level = "minor" // something new or different; what worked still works
	Major Level = "major" // something that worked does not any more
)

func (l Level) rank() int { return slices.Index([]Level{None, Patch, Minor, Major}, l) }

// Area is the part of an add-on that a change is about.
type Area string

// The areas, in the order of a report.
const (
	AreaCatalog    Area = "catalog"    // what the Service Catalog shows
	AreaForm       Area = "form"       // the fields of a plan
	AreaDefinition Area = "definition" // parameters, APIs, events, deliveries
	AreaManifests  Area = "manifests"  // what a plan renders to
	AreaFiles      Area = "files"      // any other file
)

// Change is one difference.
type Change struct {
	Level Level `json:"level"`
	Area  Area  `json:"area"`
	// Plan is empty where the change is about the add-on as a whole.
	Plan string `json:"plan,omitempty"`
	// Where is the field, the object or the file.
	Where string `json:"where"`
	What  string `json:"what"`
}

// Report compares two versions of one add-on.
type Report struct {
	Key  string `json:"key"`
	From string `json:"from"`
	To   string `json:"to"`
	// Status is unchanged, changed, added or removed.
	Status  Status   `json:"status"`
	Changes []Change `json:"changes"`
	// Due is the part of the version that must be raised. Before 1.0.0 the second number stands for the first, and
	// the third for the second.
	Due Level `json:"due"`
	// Want is the lowest version that does; empty where nothing is due.
	Want string `json:"want,omitempty"`
	// Enough says that To is as high as it must be.
	Enough bool `json:"enough"`
}

// Status is what became of an add-on.
type Status string

// What can become of an add-on.
const (
	Unchanged Status = "unchanged"
	Changed   Status = "changed"
	Added     Status = "added"
	Removed   Status = "removed"
)

// Compare compares two versions of an add-on. An error means that one of them cannot be read; versions of
// different add-ons can be compared.
func Compare(before, after *addon.Addon) (*Report, error) {
	c := &comparison{before: before, after: after}
	c.catalog()
	if err := c.plans(); err != nil {
		return nil, err
	}
	if err := c.definition(); err != nil {
		return nil, err
	}
	c.files()
	r := &Report{Key: after.Key, From: before.Version, To: after.Version, Status: Unchanged, Changes: c.sorted(), Due: None}
	for _, change := range r.Changes {
		r.Status = Changed
		if change.Level.rank() > r.Due.rank() {
			r.Due = change.Level
		}
	}
	return r, r.judge()
}

// judge works out which version is due.
func (r *Report) judge() error {
	from, err := semver.StrictNewVersion(r.From)
	if err != nil {
		return fmt.Errorf("%s: version %q: want three numbers such as 1.2.3", r.Key, r.From)
	}
	to, err := semver.StrictNewVersion(r.To)
	if err != nil {
		return fmt.Errorf("%s: version %q: want three numbers such as 1.2.3", r.Key, r.To)
	}
	if from.Major() == 0 {
		r.Due = map[Level]Level{None: None, Patch: Patch, Minor: Patch, Major: Minor}[r.Due]
	}
	want := *from
	switch r.Due {
	case Patch:
		want = from.IncPatch()
	case Minor:
		want = from.IncMinor()
	case Major:
		want = from.IncMajor()
	}
	if r.Due != None {
		r.Want = want.String()
	}
	r.Enough = !to.LessThan(&want)
	return nil
}

// CompareAll compares two repositories, add-on by add-on. A removed add-on needs no version; that its instances
// have to be removed first is said in its only change.
func CompareAll(before, after []*addon.Addon) ([]*Report, error) {
	old := map[string]*addon.Addon{}
	for _, a := range before {
		old[a.Key] = a
	}
	reports := []*Report{}
	for _, a := range after {
		b, found := old[a.Key]
		delete(old, a.Key)
		if !found {
			reports = append(reports, &Report{Key: a.Key, To: a.Version, Status: Added, Changes: []Change{}, Due: None, Enough: true})
			continue
		}
		r, err := Compare(b, a)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	for _, b := range old {
		reports = append(reports, &Report{Key: b.Key, From: b.Version, Status: Removed, Due: None, Enough: true, Changes: []Change{{
			Level: Major, Area: AreaCatalog, Where: b.Key,
			What: "is gone: a broker can no longer delete its instances, so they have to be removed before it reads the new index",
		}}})
	}
	slices.SortFunc(reports, func(a, b *Report) int { return strings.Compare(a.Key, b.Key) })
	return reports, nil
}

type comparison struct {
	before, after *addon.Addon
	changes       []Change
}

func (c *comparison) add(level Level, area Area, plan, where, format string, args ...any) {
	c.changes = append(c.changes, Change{level, area, plan, where, fmt.Sprintf(format, args...)})
}

// sorted is what was found: the worst first.
func (c *comparison) sorted() []Change {
	areas := []Area{AreaCatalog, AreaForm, AreaDefinition, AreaManifests, AreaFiles}
	slices.SortFunc(c.changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(b.Level.rank(), a.Level.rank()), cmp.Compare(slices.Index(areas, a.Area), slices.Index(areas, b.Area)),
			strings.Compare(a.Plan, b.Plan), strings.Compare(a.Where, b.Where), strings.Compare(a.What, b.What))
	})
	return append([]Change{}, slices.Compact(c.changes)...)
}

// catalog compares what the Service Catalog knows add-ons by, and shows.
func (c *comparison) catalog() {
	b, a := c.before.Meta, c.after.Meta
	identity := func(where, was, is, why string) {
		if was != is {
			c.add(Major, AreaCatalog, "", where, "%s becomes %s: %s", was, is, why)
		}
	}
	identity("id", b.ID, a.ID, "to the Service Catalog it is another service, and instances keep the old one")
	identity("name", b.Name, a.Name, "what names the service in a ServiceInstance no longer finds it")
	if b.Bindable && !a.Bindable {
		c.add(Major, AreaCatalog, "", "bindable", "is false now: there are no more credentials to bind")
	}
	if !b.Bindable && a.Bindable {
		c.add(Minor, AreaCatalog, "", "bindable", "is true now")
	}
	if !b.ProvisionOnlyOnce && a.ProvisionOnlyOnce {
		c.add(Major, AreaCatalog, "", "provisionOnlyOnce", "is true now: a namespace takes no second instance")
	}
	if b.ProvisionOnlyOnce && !a.ProvisionOnlyOnce {
		c.add(Minor, AreaCatalog, "", "provisionOnlyOnce", "is false now")
	}
	for _, text := range []struct{ where, was, is string }{
		{"displayName", b.DisplayName, a.DisplayName}, {"description", b.Description, a.Description}, {"longDescription", b.LongDescription, a.LongDescription},
		{"tags", b.Tags, a.Tags}, {"providerDisplayName", b.ProviderDisplayName, a.ProviderDisplayName}, {"imageURL", b.ImageURL, a.ImageURL},
		{"documentationURL", b.DocumentationURL, a.DocumentationURL}, {"supportURL", b.SupportURL, a.SupportURL}, {"labels", fmt.Sprint(b.Labels), fmt.Sprint(a.Labels)},
	} {
		if text.was != text.is {
			c.add(Patch, AreaCatalog, "", text.where, "reads differently")
		}
	}
}

// plans compares the plans of the same name: what they are, their form, what they render to.
func (c *comparison) plans() error {
	old := map[string]addon.Plan{}
	for _, p := range c.before.Plans {
		old[p.Meta.Name] = p
	}
	for _, p := range c.after.Plans {
		b, found := old[p.Meta.Name]
		delete(old, p.Meta.Name)
		if !found {
			c.add(Minor, AreaCatalog, p.Meta.Name, "plan", "is new")
			continue
		}
		c.plan(b, p)
		if err := c.form(b, p); err != nil {
			return err
		}
		if err := c.manifests(b, p); err != nil {
			return err
		}
	}
	for name := range old {
		c.add(Major, AreaCatalog, name, "plan", "is gone: its instances have no plan any more")
	}
	return nil
}

func (c *comparison) plan(b, a addon.Plan) {
	name := a.Meta.Name
	if b.Meta.ID != a.Meta.ID {
		c.add(Major, AreaCatalog, name, "id", "%s becomes %s: to the Service Catalog it is another plan, and instances keep the old one", b.Meta.ID, a.Meta.ID)
	}
	bindable := func(p addon.Plan, all bool) bool {
		if p.Meta.Bindable != nil {
			return *p.Meta.Bindable
		}
		return all
	}
	switch was, is := bindable(b, c.before.Meta.Bindable), bindable(a, c.after.Meta.Bindable); {
	case was && !is:
		c.add(Major, AreaCatalog, name, "bindable", "is false now: there are no more credentials to bind")
	case !was && is:
		c.add(Minor, AreaCatalog, name, "bindable", "is true now")
	}
	if b.Meta.Description != a.Meta.Description || b.Meta.DisplayName != a.Meta.DisplayName {
		c.add(Patch, AreaCatalog, name, "texts", "read differently")
	}
	if !bytes.Equal(b.Bind, a.Bind) {
		c.add(Patch, AreaCatalog, name, addon.BindFile, "is another one")
	}
}

// files compares every file, so that nothing that is packed changes without a version, the library chart's
// templates included. Versions themselves do not count.
func (c *comparison) files() {
	strip := func(a *addon.Addon) map[string]string {
		files := map[string]string{}
		for _, f := range a.Tree.Files() {
			text := string(f.Data)
			if name := f.Path; name == addon.MetaFile || name == addon.ChartDir+"/"+a.ChartName+"/Chart.yaml" {
				text = strings.ReplaceAll(text, "version: "+a.Version+"\n", "version: \n")
			}
			if f.Executable {
				text = "x" + text
			}
			files[f.Path] = text
		}
		return files
	}
	was, is := strip(c.before), strip(c.after)
	for name, text := range is {
		before, found := was[name]
		switch {
		case !found:
			c.add(Patch, AreaFiles, "", name, "is new")
		case before != text:
			c.add(Patch, AreaFiles, "", name, "is another one")
		}
	}
	for name := range was {
		if _, kept := is[name]; !kept {
			c.add(Patch, AreaFiles, "", name, "is gone")
		}
	}
}
