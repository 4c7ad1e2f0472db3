package lint

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// addressRules are about how the broker gets at add-ons: the addresses that documents tell, and the archives
// that arrive.
func addressRules() []Rule {
	return []Rule{
		{
			ID: "IDX008", Severity: Error, Suite: SuiteLoad,
			Summary: "an address of a Git or Mercurial repository in a document names the index in it, behind //",
			Effect:  "the broker answers \"index path needs to be provided\"",
			Next:    "write git::https://host/repository.git//addons/index.yaml?ref=main",
			repository: eachAddress(func(a address) string {
				if rest, _, _ := strings.Cut(a.rest, "?"); (a.getter == "git" || a.getter == "hg") && !indexPath.MatchString(rest) {
					return fmt.Sprintf("%s::%s names no index", a.getter, a.rest)
				}
				return ""
			}),
		},
		{
			ID: "REP001", Severity: Info, Suite: SuiteLoad,
			Summary: "an address of a repository in a document is one that the broker takes: https, git, hg or s3",
			Effect:  "the broker takes http in its development mode only, and files never",
			Next:    "serve the repository over https",
			repository: eachAddress(func(a address) string {
				if a.getter == "file" || a.getter == "" { // http
					return fmt.Sprintf("%s is refused", strings.TrimPrefix(a.getter+"::"+a.rest, "::"))
				}
				return ""
			}),
		},
		{
			ID: "REP002", Severity: Info, Suite: SuiteLoad,
			Summary: "an address with depth in a document names a branch or a tag",
			Effect:  "a clone of some depth cannot find a commit by its hash",
			Next:    "write ref=<branch or tag>, or leave depth out",
			repository: eachAddress(func(a address) string {
				if strings.Contains(a.rest, "depth=") && commitRef.MatchString(a.rest) {
					return fmt.Sprintf("%s::%s asks for a commit and a depth", a.getter, a.rest)
				}
				return ""
			}),
		},
		{
			ID: "REP004", Severity: Info, Suite: SuiteLoad,
			Summary: "an address of an index on a web server in a document has no query",
			Effect:  "the broker asks for the index by HEAD, then by GET, and for archives beside it without the query: an address that is signed for one request gives the index at best, and no archive",
			Next:    "let the server take user and password, as in https://{username}:{password}@host/index.yaml with a Secret",
			repository: eachAddress(func(a address) string {
				if index, query, found := strings.Cut(a.rest, "?"); found && query != "" && a.getter == secureWeb {
					return fmt.Sprintf("%s%s: the archives beside it are asked for without %s", secureWeb, index, namesOf(query))
				}
				return ""
			}),
		},
		{
			ID: "REP005", Severity: Info, Suite: SuiteLoad,
			Summary: "where a document tells the address of a repository, some document tells how the broker is made to read it again",
			Effect:  "people push a new version and wait: the broker looks once, and never again by itself",
			Next:    "say that spec.reprocessRequest of the configuration has to be raised after a change",
			repository: func(r *repository) []problem {
				told := r.told()
				if len(told.addresses) == 0 || told.again {
					return nil
				}
				return []problem{{path: told.addresses[0].file, line: told.addresses[0].line, message: "no document names reprocessRequest"}}
			},
		},
		{
			ID: "REP003", Severity: Error, Suite: SuiteLoad,
			Summary: "an archive is compressed once",
			Effect:  "the broker answers \"gzip: invalid header\": a server that sends Content-Encoding: gzip makes its client unpack the archive",
			Next:    "send archives as application/gzip, without Content-Encoding; addonctl serve does",
			archive: func(a *archiveContext) []problem {
				const magic, at = "ustar", 257
				if len(a.data) > at+len(magic) && string(a.data[at:at+len(magic)]) == magic {
					return []problem{{message: "is not compressed: it was unpacked on its way"}}
				}
				if unzipped, err := gzip.NewReader(bytes.NewReader(a.data)); err == nil {
					head := make([]byte, 2)
					if _, err := io.ReadFull(unzipped, head); err == nil && head[0] == 0x1f && head[1] == 0x8b {
						return []problem{{message: "is compressed twice"}}
					}
				}
				return nil
			},
		},
	}
}

// address is one of a repository of add-ons that a document tells.
type address struct {
	file         string
	line         int
	getter, rest string // the getter is empty for http, and secureWeb for https
}

// secureWeb stands in the place of a getter where an address has none, being one of a web server.
const secureWeb = "https://"

var (
	indexPath = regexp.MustCompile(`[^:]//[^?]+\.ya?ml$`)
	commitRef = regexp.MustCompile(`ref=[0-9a-f]{40}\b`)
	addressed = regexp.MustCompile("\\b(?:(git|hg|s3|file)::|(https?://[^\\s\"'`)<>]+/index\\.ya?ml))([^\\s\"'`)<>]*)")
)

// maxDocuments bounds the documents that are looked at.
const maxDocuments = 10000

// eachAddress makes a rule of a check of one address.
func eachAddress(check func(address) string) func(*repository) []problem {
	return func(r *repository) []problem {
		var problems []problem
		for _, a := range r.told().addresses {
			if message := check(a); message != "" {
				problems = append(problems, problem{path: a.file, line: a.line, message: message})
			}
		}
		return problems
	}
}

// told is what the repository's documents tell.
type told struct {
	addresses []address // examples with an ellipsis do not count
	again     bool      // how the broker is made to read a repository again
}

// told reads the documents once.
func (r *repository) told() *told {
	if r.inDocuments == nil {
		r.inDocuments = &told{}
		r.documents(r.inDocuments.read)
	}
	return r.inDocuments
}

func (t *told) read(name string, data []byte) {
	t.again = t.again || bytes.Contains(data, []byte("reprocessRequest"))
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		if !strings.Contains(text, "::") && !strings.Contains(text, "/index.y") {
			continue // addressed is slow
		}
		for _, m := range addressed.FindAllStringSubmatch(text, -1) {
			getter, rest := m[1], strings.TrimRight(m[2]+m[3], ".,;:")
			if strings.HasPrefix(rest, secureWeb) && getter == "" {
				getter, rest = secureWeb, strings.TrimPrefix(rest, secureWeb)
			}
			if !strings.Contains(rest, "…") && !strings.Contains(rest, "...") && rest != "" && !strings.Contains(rest, "localhost") && !strings.Contains(rest, "127.0.0.1") {
				t.addresses = append(t.addresses, address{name, line, getter, rest})
			}
		}
	}
}

// documents hands out what tells people or the broker an address: texts, shell scripts, and manifests of the broker's own
// resources, but for the pages of rules. What cannot be read is not told to anybody.
func (r *repository) documents(look func(name string, data []byte)) {
	seen := 0
	enter := func(dir string) bool {
		name := path.Base(dir)
		return !strings.HasPrefix(name, ".") && name != "node_modules" && name != "testdata"
	}
	_ = r.Walk(enter, func(name string, read func() ([]byte, error)) bool { // somebody else says what is wrong
		if !tellsAddresses(name) || strings.HasPrefix(name, "docs/reference/rules/") {
			return true
		}
		seen++
		data, err := read()
		if err == nil && len(data) <= maxDocument && (!isYAML(name) || bytes.Contains(data, []byte("AddonsConfiguration"))) {
			look(name, data)
		}
		return seen < maxDocuments
	})
}

// tellsAddresses says whether a file may tell an address. YAML of charts and add-ons is looked at by other rules, as what it renders.
func tellsAddresses(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{".md", ".txt", ".rst", ".adoc", ".sh"}, path.Ext(name)) ||
		isYAML(name) && top != addon.ChartsDir && top != addon.AddonsDir
}

func isYAML(name string) bool { return path.Ext(name) == ".yaml" || path.Ext(name) == ".yml" }

// namesOf are the names of a query's parameters: the values may be secrets.
func namesOf(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "the query"
	}
	return strings.Join(slices.Sorted(maps.Keys(values)), ", ")
}
