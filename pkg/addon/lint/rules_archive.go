package lint

import (
	"fmt"
	"path"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

const repack = "pack it with addonctl package"

func archiveRules() []Rule {
	return []Rule{
		{
			ID: "TGZ001", Severity: Error, Suite: SuiteLoad, Next: repack,
			Summary: "the root of an archive is the content of the add-on",
			Effect:  "the broker looks for meta.yaml in the root and does not find it",
			archive: func(a *archiveContext) []problem {
				var problems []problem
				for _, e := range a.entries {
					name := path.Clean(e.Name)
					if name == addon.MetaFile {
						return nil
					}
					if path.Base(name) == addon.MetaFile && strings.Count(name, "/") == 1 {
						problems = append(problems, problem{message: fmt.Sprintf("everything lies in the directory %s", path.Dir(name))})
					}
				}
				if len(problems) > 1 { // those of plans and docs, without one in the root: another rule's business
					return nil
				}
				return problems
			},
		},
		{
			ID: "TGZ002", Severity: Error, Suite: SuiteLoad, Next: repack,
			Summary: "an archive has an entry for each directory, before its files",
			Effect:  "the broker does not make directories by itself and stops with \"no such file or directory\"",
			archive: func(a *archiveContext) []problem {
				made := map[string]bool{".": true}
				for _, e := range a.entries {
					name := path.Clean(e.Name)
					if e.Dir {
						made[name] = true
					} else if e.File && !outside(e.Name) && !made[path.Dir(name)] {
						return []problem{{message: fmt.Sprintf("no entry for the directory %s comes before %s", path.Dir(name), name)}}
					}
				}
				return nil
			},
		},
		{
			ID: "TGZ003", Severity: Error, Suite: SuiteLoad, Next: repack,
			Summary: "an archive holds files and directories only",
			Effect:  "the broker skips links and everything else without a word, so that parts of the chart are missing",
			archive: func(a *archiveContext) []problem {
				var problems []problem
				for _, e := range a.entries {
					if !e.Dir && !e.File {
						problems = append(problems, problem{message: fmt.Sprintf("%s is neither a file nor a directory", e.Name)})
					}
				}
				return problems
			},
		},
		{
			ID: "TGZ004", Severity: Error, Suite: SuiteLoad, Next: repack,
			Summary: "names in an archive are relative, and the owner may read what they name",
			Effect:  "the broker has no guard against names that leave its directory",
			archive: func(a *archiveContext) []problem {
				var problems []problem
				for _, e := range a.entries {
					switch {
					case outside(e.Name):
						problems = append(problems, problem{message: fmt.Sprintf("%s leaves the add-on", e.Name)})
					case e.Mode&0o400 == 0:
						problems = append(problems, problem{message: fmt.Sprintf("%s cannot be read by its owner", e.Name)})
					}
				}
				return problems
			},
		},
		{
			ID: "TGZ005", Severity: Warning, Suite: SuiteLoad, Next: repack,
			Summary: "an archive has no times and owners",
			Effect:  "two builds of one version differ, so that digests prove nothing",
			archive: func(a *archiveContext) []problem {
				for _, e := range a.entries {
					if !e.Plain {
						return []problem{{message: fmt.Sprintf("%s carries an owner or a time", e.Name)}}
					}
				}
				return nil
			},
		},
	}
}

// outside says whether a name could leave the directory that an archive is unpacked in.
func outside(name string) bool {
	return path.IsAbs(name) || strings.Contains("/"+name+"/", "/../")
}
