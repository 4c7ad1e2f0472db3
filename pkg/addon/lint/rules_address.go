package lint

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
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
				if a.getter == "file" || a.getter == "" {
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
	getter, rest string // the getter is empty for http
}

var (
	indexPath = regexp.MustCompile(`[^:]//[^?]+\.ya?ml$`)
	commitRef = regexp.MustCompile(`ref=[0-9a-f]{40}\b`)
	addressed = regexp.MustCompile("\\b(?:(git|hg|s3|file)::|(http://[^\\s\"'`)<>]+/)index\\.ya?ml)([^\\s\"'`)<>]*)")
)

// maxDocuments bounds the documents that are looked at.
const maxDocuments = 10000

// eachAddress makes a rule of a check of one address.
func eachAddress(check func(address) string) func(*repository) []problem {
	return func(r *repository) []problem {
		var problems []problem
		for _, a := range r.addresses() {
			if message := check(a); message != "" {
				problems = append(problems, problem{path: a.file, line: a.line, message: message})
			}
		}
		return problems
	}
}

// addresses are those in the repository's Markdown documents. Examples with an ellipsis do not count.
func (r *repository) addresses() []address {
	root, err := r.Root()
	if err != nil {
		return nil
	}
	defer root.Close()
	var out []address
	n := 0
	_ = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error { // what cannot be read is not told to anybody
		switch {
		case err != nil:
			return nil
		case e.IsDir() && name != "." && (strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules" || e.Name() == "testdata"):
			return fs.SkipDir
		case e.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		if n++; n > maxDocuments {
			return fs.SkipAll
		}
		info, err := e.Info()
		if err != nil || info.Size() > maxDocument || !info.Mode().IsRegular() || strings.HasPrefix(name, "docs/reference/rules/") {
			return nil
		}
		data, err := root.ReadFile(name)
		if err != nil {
			return nil
		}
		line := 0
		for text := range strings.Lines(string(data)) {
			line++
			for _, m := range addressed.FindAllStringSubmatch(text, -1) {
				rest := strings.TrimRight(m[2]+m[3], ".,;:")
				if !strings.Contains(rest, "…") && !strings.Contains(rest, "...") && rest != "" && !strings.Contains(rest, "localhost") && !strings.Contains(rest, "127.0.0.1") {
					out = append(out, address{name, line, m[1], rest})
				}
			}
		}
		return nil
	})
	return out
}
