package lint

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// index is a file that lists the repository's add-ons, with the directory that its keys refer to.
type index struct{ file, base string }

func indexes() []index {
	return []index{{path.Join(addon.AddonsDir, addon.IndexFile), addon.AddonsDir}, {addon.IndexFile, "."}}
}

// listed is an entry of an index.
type listed struct {
	file, key, name string
	version         *yaml.Node
	line            int
	dir             string // that the broker would look for
}

// sound says whether the entry has a version that the broker can read.
func (l listed) sound() bool {
	if l.version == nil || l.version.Tag != "!!str" {
		return false
	}
	_, err := semver.StrictNewVersion(l.version.Value)
	return err == nil
}

func indexRules() []Rule {
	const write = "run addonctl index"
	return []Rule{
		{
			ID: "IDX001", Severity: Error, Suite: SuiteLoad, Fixable: true, Next: write,
			Summary: "addons/index.yaml and index.yaml list versions by add-on: entries, a map of lists",
			Effect:  "the broker cannot read the repository",
			repository: func(r *repository) []problem {
				var problems []problem
				for _, index := range indexes() {
					d := r.index(index.file)
					if !d.found {
						problems = append(problems, problem{path: index.file, message: "the file cannot be read"})
						continue
					}
					entries := d.at("entries")
					if d.err() != nil {
						problems = append(problems, d.unreadable())
						continue
					}
					if entries == nil || entries.Kind != yaml.MappingNode {
						problems = append(problems, problem{path: index.file, line: d.line("entries"), message: "entries is no map"})
						continue
					}
					for _, e := range d.entries("entries") {
						if e.node.Kind != yaml.SequenceNode {
							problems = append(problems, problem{path: index.file, line: e.line, message: fmt.Sprintf("entries of %s are no list", e.key)})
						}
					}
				}
				return problems
			},
		},
		{
			ID: "IDX003", Severity: Error, Suite: SuiteLoad, Fixable: true, Next: write,
			Summary: "each version in an index has three numbers and is a text",
			Effect:  "the broker's controller stops, again and again; an unquoted 1.10 is read as 1.1",
			repository: eachListed(func(r *repository, l listed) string {
				switch {
				case l.version == nil || l.version.Tag != "!!str":
					return "the version is no text"
				case !l.sound():
					return fmt.Sprintf("version %q is not one of three numbers", l.version.Value)
				}
				return ""
			}),
		},
		{
			ID: "IDX004", Severity: Error, Suite: SuiteLoad, Fixable: true, Next: write,
			Summary: "key and version of each entry name a directory",
			Effect:  "the broker fails to fetch the add-on, and drops all others of the same configuration",
			repository: eachListed(func(r *repository, l listed) string {
				if !l.sound() {
					return ""
				}
				switch info, err := os.Lstat(filepath.Join(r.Dir(), filepath.FromSlash(l.dir))); {
				case err == nil && info.Mode()&os.ModeSymlink != 0:
					return fmt.Sprintf("%s is a link, which addonctl and other tools pass over; make it a directory", l.dir)
				case err != nil || !info.IsDir():
					return fmt.Sprintf("there is no directory %s", l.dir)
				}
				return ""
			}),
		},
		{
			ID: "IDX002", Severity: Error, Suite: SuiteLoad, Fixable: true, Next: write,
			Summary: "the name of an entry is the last part of its key, which is what the broker goes by",
			Effect:  "people and tools see another name than the broker",
			repository: eachListed(func(_ *repository, l listed) string {
				if l.name != path.Base(l.key) {
					return fmt.Sprintf("name %q is not that of the key %s", l.name, l.key)
				}
				return ""
			}),
		},
		{
			ID: "IDX006", Severity: Warning, Suite: SuiteLoad, Fixable: true, Next: write,
			Summary: "nothing is listed twice",
			Effect:  "the last of two keys wins; the same version twice is a conflict of ids",
			repository: func(r *repository) []problem {
				var problems []problem
				for _, index := range indexes() {
					problems = append(problems, r.index(index.file).twice()...)
				}
				seen := map[string]bool{}
				for _, l := range r.listed() {
					if id := l.file + l.dir; seen[id] {
						problems = append(problems, problem{path: l.file, line: l.line, message: fmt.Sprintf("%s is listed twice", l.dir)})
					} else {
						seen[id] = true
					}
				}
				return problems
			},
		},
		{
			ID: "IDX007", Severity: Warning, Suite: SuiteLoad, Fixable: true, Next: write,
			Summary: "each add-on is listed in both indexes",
			Effect:  "the broker does not know of the add-on",
			repository: func(r *repository) []problem {
				var problems []problem
				for _, index := range indexes() {
					if r.troubled(index.file) {
						continue
					}
					var dirs []string
					for _, l := range r.listed() {
						if l.file == index.file {
							dirs = append(dirs, l.dir)
						}
					}
					for _, c := range r.addons {
						if _, _, err := addon.SplitName(c.name); err == nil && !slices.Contains(dirs, c.at) {
							problems = append(problems, problem{path: index.file, message: fmt.Sprintf("%s is not listed", c.at)})
						}
					}
				}
				return problems
			},
		},
		{
			ID: "IDX009", Severity: Warning, Suite: SuiteLoad, Fixable: true, Next: write,
			Summary: "the indexes are what addonctl index makes of the add-ons",
			Effect:  "what people read in the index is not true of the add-on",
			repository: func(r *repository) []problem {
				var addons []*addon.Addon
				for _, c := range r.addons {
					if c.parsed == nil {
						return nil
					}
					addons = append(addons, c.parsed)
				}
				changed, err := r.IndexDrift(addons)
				if err != nil {
					return nil
				}
				var problems []problem
				for _, name := range changed {
					if !r.troubled(name) {
						problems = append(problems, problem{path: name, message: "differs from the add-ons"})
					}
				}
				return problems
			},
		},
	}
}

// eachListed makes a rule of a check of one entry.
func eachListed(check func(*repository, listed) string) func(*repository) []problem {
	return func(r *repository) []problem {
		var problems []problem
		for _, l := range r.listed() {
			if message := check(r, l); message != "" {
				problems = append(problems, problem{path: l.file, line: l.line, message: message})
			}
		}
		return problems
	}
}

// index is one of the indexes, read once.
func (r *repository) index(file string) *document {
	d, known := r.indexes[file]
	if !known {
		data, err := r.File(file)
		d = newDocument(file, data, err == nil)
		if r.indexes == nil {
			r.indexes = map[string]*document{}
		}
		r.indexes[file] = d
	}
	return d
}

// listed are the entries of all indexes that can be read.
func (r *repository) listed() []listed {
	if r.inIndexes == nil {
		r.inIndexes = r.readIndexes()
	}
	return r.inIndexes
}

func (r *repository) readIndexes() []listed {
	var out []listed
	for _, index := range indexes() {
		for _, e := range r.index(index.file).entries("entries") {
			if e.node.Kind != yaml.SequenceNode {
				continue
			}
			for _, item := range e.node.Content {
				l := listed{file: index.file, key: e.key, line: item.Line}
				for _, f := range entriesOf(item) {
					switch f.key {
					case "name":
						l.name = f.node.Value
					case "version":
						l.version = f.node
						l.dir = strings.TrimPrefix(path.Join(index.base, e.key+"-"+f.node.Value), "./")
					}
				}
				out = append(out, l)
			}
		}
	}
	return out
}
