package lint

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/schemas"
)

var (
	uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	// oncePerCluster is a promise that provisionOnlyOnce does not keep.
	oncePerCluster = regexp.MustCompile(`(?i)\b(once|only one instance|one instance|a single instance)\s+(per|in the|in a|in each|for the|for each)\s+cluster\b`)

	namePattern = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
)

func metaRules() []Rule {
	return []Rule{
		{
			ID: "MET001", Severity: Error, Suite: SuiteLoad,
			Summary: "meta.yaml is there and has id, name, version, description and displayName",
			Effect:  "the broker does not load the add-on, and drops all others of the same configuration",
			Next:    "fill in what is missing",
			addon:   func(c *addonContext) []problem { return missing(c.meta, c.readErr, "version") },
		},
		{
			ID: "MET002", Severity: Error, Suite: SuiteLoad,
			Summary: "the version is one of three numbers",
			Effect:  "the broker shows 1.0.0 where 1.0 was asked for, or loads nothing",
			Next:    "write the version of the directory, such as 1.2.3",
			addon: func(c *addonContext) []problem {
				version := c.meta.text("version")
				if version == "" {
					return nil
				}
				if _, err := semver.StrictNewVersion(version); err != nil {
					return []problem{c.meta.problem([]string{"version"}, "version %q is not one of three numbers", version)}
				}
				return nil
			},
		},
		{
			ID: "IDX005", Severity: Warning, Suite: SuiteLoad, Fixable: true,
			Summary: "the version in meta.yaml is that of the directory, which the index names",
			Effect:  "the broker shows another version than the one that was asked for",
			Next:    "write the version of the directory; addonctl bump changes both",
			addon: func(c *addonContext) []problem {
				version := c.meta.text("version")
				if _, err := semver.StrictNewVersion(version); err != nil {
					return nil
				}
				if _, dir, err := addon.SplitName(c.name); err == nil && dir != version {
					return []problem{c.meta.problem([]string{"version"}, "version %s is not that of the directory, %s", version, dir)}
				}
				return nil
			},
		},
		{
			ID: "MET003", Severity: Error, Suite: SuiteLoad,
			Summary: "tags is one text, separated by commas",
			Effect:  "the broker cannot read the file",
			Next:    "write tags: one, two",
			addon: func(c *addonContext) []problem {
				if node := c.meta.at("tags"); node != nil && node.Kind != yaml.ScalarNode {
					return []problem{c.meta.problem([]string{"tags"}, "tags is not a text")}
				}
				return nil
			},
		},
		{
			ID: "MET004", Severity: Warning, Suite: SuiteOSB,
			Summary: "there is at least one tag",
			Effect:  "the catalog lists one empty tag",
			Next:    "add tags",
			addon: func(c *addonContext) []problem {
				node := c.meta.at("tags")
				if c.meta.root() != nil && (node == nil || node.Kind == yaml.ScalarNode && strings.Trim(node.Value, ", ") == "") {
					return []problem{c.meta.problem([]string{"tags"}, "no tags")}
				}
				return nil
			},
		},
		{
			ID: "MET005", Severity: Warning, Suite: SuiteLoad,
			Summary: "meta.yaml of add-on and plans holds known keys with values of their kind",
			Effect:  "the broker drops an unknown key without a word: a misspelt bindable means false; with a value of another kind it loads nothing (an error)",
			Next:    "correct the key, or remove it",
			addon: func(c *addonContext) []problem {
				problems := c.shape(c.meta, schemas.AddonMeta, "id", "name", "version", "description", "displayName", "tags", "labels", "requires", "planUpdatable")
				for _, p := range c.plans {
					problems = append(problems, c.shape(p.meta, schemas.PlanMeta, "id", "name", "description", "displayName")...)
				}
				return problems
			},
		},
		{
			ID: "MET006", Severity: Warning, Suite: SuiteOSB,
			Summary: "labels are texts in quotes where YAML could read something else, and not those of the broker",
			Effect:  "y, on and numbers become other texts; local and provisionOnlyOnce are overwritten",
			Next:    "put the value in quotes, or choose another label",
			addon: func(c *addonContext) []problem {
				var problems []problem
				for _, e := range c.meta.entries("labels") {
					path := []string{"labels", e.key}
					switch {
					case e.key == "local" || e.key == "provisionOnlyOnce":
						problems = append(problems, c.meta.problem(path, "the label %s is overwritten by the broker", e.key))
					case e.node.Kind != yaml.ScalarNode:
						problems = append(problems, c.meta.problem(path, "the label %s is not a text", e.key))
					case e.node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && (e.node.Tag != "!!str" || slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(e.node.Value))):
						problems = append(problems, c.meta.problem(path, "the label %s: %s is not a text to every reader", e.key, e.node.Value))
					}
				}
				return problems
			},
		},
		{
			ID: "MET008", Severity: Warning, Suite: SuiteOSB,
			Summary: "ids are UUIDs in lower case",
			Effect:  "other ids are escaped or hashed on their way into the cluster",
			Next:    "make a new UUID, or correct the slip; an id that is in use stays",
			addon: func(c *addonContext) []problem {
				var problems []problem
				for _, d := range c.metas() {
					if id := d.text("id"); id != "" && !uuidPattern.MatchString(id) {
						problems = append(problems, d.problem([]string{"id"}, "id %q is no UUID in lower case", id))
					}
				}
				return problems
			},
		},
		{
			ID: "MET009", Severity: Error, Suite: SuiteOSB,
			Summary: "no two add-ons have the same name, and names have at most 63 characters",
			Effect:  "the catalog refuses to choose between offerings of one name, such as two versions of an add-on",
			Next:    "keep one version; older ones stay available as tags and archives",
			repository: func(r *repository) []problem {
				problems := sameInRepository(r, "name")
				for _, c := range r.addons {
					if name := c.meta.text("name"); len(name) > 63 {
						p := c.meta.problem([]string{"name"}, "the name has %d characters", len(name))
						p.next = "choose a shorter name"
						p.path = path.Join(c.at, p.path)
						problems = append(problems, p)
					}
				}
				return problems
			},
		},
		{
			ID: "MET010", Severity: Error, Suite: SuiteOSB,
			Summary: "the first six characters of the names of add-on and plans are lower-case letters, digits, dots and -",
			Effect:  "the broker makes the release's name of them, which Helm then refuses",
			Next:    "choose such a name",
			addon: func(c *addonContext) []problem {
				var problems []problem
				for _, d := range c.metas() {
					if name := d.text("name"); name != "" && !fitsRelease(name) {
						problems = append(problems, d.problem([]string{"name"}, "name %q cannot be part of a release's name", name))
					}
				}
				return problems
			},
		},
		{
			ID: "MET011", Severity: Warning, Suite: SuiteOSB,
			Summary: "names are lower-case letters, digits and -; descriptions have at most 255 characters",
			Effect:  "older platforms refuse the catalog, or cut the text",
			Next:    "choose such a name, shorten the text; longDescription takes more",
			addon: func(c *addonContext) []problem {
				var problems []problem
				for _, d := range c.metas() {
					if name := d.text("name"); name != "" && fitsRelease(name) && !namePattern.MatchString(name) {
						problems = append(problems, d.problem([]string{"name"}, "name %q is not made of lower-case letters, digits and -", name))
					}
					if n := len([]rune(d.text("description"))); n > 255 {
						problems = append(problems, d.problem([]string{"description"}, "the description has %d characters", n))
					}
				}
				return problems
			},
		},
		{
			ID: "MET012", Severity: Warning, Suite: SuiteOSB,
			Summary: "requires is left out",
			Effect:  "the broker's storage loses it",
			Next:    "remove it",
			addon: func(c *addonContext) []problem {
				if node := c.meta.at("requires"); node != nil && (len(node.Content) > 0 || c.meta.text("requires") != "") {
					return []problem{c.meta.problem([]string{"requires"}, "requires is lost in the broker")}
				}
				return nil
			},
		},
		{
			ID: "MET013", Severity: Warning, Suite: SuiteOSB,
			Summary: "nothing promises updates: neither planUpdatable nor an update-instance-schema.json",
			Effect:  "users try what the broker cannot do: it has no route for updates",
			Next:    "remove it, and say in the docs that a change needs a new instance",
			addon: func(c *addonContext) []problem {
				var problems []problem
				if text := c.meta.text("planUpdatable"); text != "" && text != "false" {
					problems = append(problems, c.meta.problem([]string{"planUpdatable"}, "the broker cannot update instances"))
				}
				for _, p := range c.plans {
					if _, found := p.tree.Read(p.file(addon.UpdateSchema)); found {
						problems = append(problems, problem{path: p.file(addon.UpdateSchema), message: "the broker cannot update instances"})
					}
				}
				return problems
			},
		},
		{
			ID: "MET007", Severity: Error, Suite: SuiteOSB,
			Summary:    "no two add-ons have the same id, and no two plans",
			Effect:     "the broker refuses the whole configuration, and drops add-ons that worked before",
			Next:       "make a new UUID for the one that is not in use yet",
			repository: func(r *repository) []problem { return append(sameInRepository(r, "id"), samePlanIDs(r)...) },
		},
		{
			ID: "MET014", Severity: Info, Suite: SuiteOSB,
			Summary: "bindingsRetrievable is left out",
			Effect:  "the broker says true whatever it is",
			Next:    "remove it",
			addon: func(c *addonContext) []problem {
				if c.meta.at("bindingsRetrievable") != nil {
					return []problem{c.meta.problem([]string{"bindingsRetrievable"}, "bindingsRetrievable is not read")}
				}
				return nil
			},
		},
		{
			ID: "MET016", Severity: Warning, Suite: SuiteOSB,
			Summary: "nobody is told that provisionOnlyOnce means once in a cluster",
			Effect:  "it means once in a namespace: a second instance in another one is made, and meets the names of the first",
			Next:    "say that it holds for the namespace",
			addon: func(c *addonContext) []problem {
				if c.meta.text("provisionOnlyOnce") != "true" {
					return nil
				}
				var problems []problem
				for _, f := range c.tree.Files() {
					name := f.Path
					if base := path.Base(name); base != addon.MetaFile && !isDocument(name) {
						continue
					}
					if at := oncePerCluster.FindIndex(f.Data); at != nil {
						problems = append(problems, problem{path: name, line: strings.Count(string(f.Data[:at[0]]), "\n") + 1, message: "provisionOnlyOnce holds for a namespace, not for the cluster"})
					}
				}
				return problems
			},
		},
		{
			ID: "MET018", Severity: Warning, Suite: SuiteSecurity,
			Summary: "an icon in a data URL is a small, well-formed SVG or a PNG, without scripts and references to elsewhere",
			Effect:  "the catalog shows a broken picture, or runs and loads what it should not",
			Next:    "export a plain SVG of at most 32 KiB",
			addon: func(c *addonContext) []problem {
				if what := wrongIcon(c.meta.text("imageURL")); what != "" {
					return []problem{c.meta.problem([]string{"imageURL"}, "the icon %s", what)}
				}
				return nil
			},
		},
		{
			ID: "MET015", Severity: Warning, Suite: SuiteOSB,
			Summary: "imageURL is an https address or an image in a data URL, the other addresses are https",
			Effect:  "a console shows no icon, or warns about mixed content",
			Next:    "write an https address; for the icon, data:image/svg+xml;base64,… needs no server",
			addon: func(c *addonContext) []problem {
				var problems []problem
				for _, key := range []string{"documentationURL", "supportURL", "imageURL"} {
					value := c.meta.text(key)
					if value == "" || hasPrefixFold(value, "https://") || key == "imageURL" && strings.HasPrefix(value, "data:image/") {
						continue
					}
					problems = append(problems, c.meta.problem([]string{key}, "%s is no https address", key))
				}
				return problems
			},
		},
		{
			ID: "MET017", Severity: Warning, Suite: SuiteOSB,
			Summary: "the name is that of the directory",
			Effect:  "the catalog shows another name than the index and the directory",
			Next:    "give both the same name",
			addon: func(c *addonContext) []problem {
				name := c.meta.text("name")
				if key, _, err := addon.SplitName(c.name); err == nil && namePattern.MatchString(name) && key != name {
					return []problem{c.meta.problem([]string{"name"}, "name %s is not that of the directory, %s", name, key)}
				}
				return nil
			},
		},
	}
}

// metas are the meta.yaml of the add-on and of its plans.
func (c *addonContext) metas() []*document {
	out := []*document{c.meta}
	for _, p := range c.plans {
		out = append(out, p.meta)
	}
	return out
}

// hasPrefixFold is strings.HasPrefix for what has no upper and lower case, such as the scheme of an address.
func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// fitsRelease says whether the part of a name that the broker takes may be part of a release's name.
func fitsRelease(name string) bool {
	return strings.Trim(name[:min(len(name), 6)], "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

// sameInRepository finds add-ons that have the same text under a key.
func sameInRepository(r *repository, key string) []problem {
	var problems []problem
	first := map[string]string{}
	for _, c := range r.addons {
		text := c.meta.text(key)
		if text == "" {
			continue
		}
		if other, taken := first[text]; taken {
			p := c.meta.problem([]string{key}, "%s has the same %s", other, key)
			p.path = path.Join(c.at, p.path)
			problems = append(problems, p)
			continue
		}
		first[text] = c.at
	}
	return problems
}

// samePlanIDs finds plans of different add-ons that have the same id.
func samePlanIDs(r *repository) []problem {
	var problems []problem
	first := map[string]*addonContext{}
	for _, c := range r.addons {
		for _, p := range c.plans {
			id := p.meta.text("id")
			if id == "" {
				continue
			}
			if other, taken := first[id]; taken && other != c {
				found := p.meta.problem([]string{"id"}, "a plan of %s has the same id", other.at)
				found.path = path.Join(c.at, found.path)
				problems = append(problems, found)
			}
			first[id] = c
		}
	}
	return problems
}

// missing says which of the texts that every meta.yaml needs are missing.
func missing(d *document, readErr error, more ...string) []problem {
	switch {
	case readErr != nil || d.err() != nil:
		return nil
	case !d.found:
		return []problem{{path: d.name, message: "the file is missing"}}
	}
	var names []string
	for _, key := range append([]string{"id", "name", "description", "displayName"}, more...) {
		if strings.TrimSpace(d.text(key)) == "" {
			names = append(names, key)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []problem{{path: d.name, message: fmt.Sprintf("without %s", strings.Join(names, ", "))}}
}
