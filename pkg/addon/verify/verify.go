// Package verify checks a built repository of add-ons, as a web server has it, the way those who fetch from it
// will: the digests, the index, every archive as Helm Broker unpacks it, every package as Helm loads it.
package verify

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/helm"
)

// The limits of a built repository.
const (
	maxFiles = 10_000
	maxSums  = 2 << 20
	maxTotal = 1 << 30
)

const rebuild = "build the repository again with addonctl build"

// Problem is one thing that is wrong.
type Problem struct {
	// File is relative to the repository.
	File    string `json:"file"`
	Message string `json:"message"`
	// Next says what to do.
	Next string `json:"next"`
}

// String says what is wrong where.
func (p Problem) String() string { return p.File + ": " + p.Message + "; " + p.Next }

// Addon is one archive that could be loaded.
type Addon struct {
	Name   string   `json:"name"`
	Plans  []string `json:"plans"`
	Digest string   `json:"digest"`
}

// Report is what a check found.
type Report struct {
	Files    int       `json:"files"`
	Addons   []Addon   `json:"addons"`
	Problems []Problem `json:"problems"`
}

// Dist checks the built repository in a directory. The tree holds every file whose digest is right, for
// those who go on with what was checked. An error means that there is no such repository; what is wrong with
// it is in the report.
func Dist(dir string) (*Report, addon.Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, addon.Tree{}, err
	}
	defer root.Close()
	sums, err := read(root, addon.SumsFile, maxSums)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, addon.Tree{}, fmt.Errorf("%s holds no %s, so addonctl build did not make it; name the directory that it made (dist)", dir, addon.SumsFile)
	}
	if err != nil {
		return nil, addon.Tree{}, err
	}
	c := &checker{root: root, files: map[string][]byte{}, report: &Report{Addons: []Addon{}, Problems: []Problem{}}}
	if err := c.digests(sums); err != nil {
		return nil, addon.Tree{}, err
	}
	c.index()
	slices.SortFunc(c.report.Problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Message, b.Message))
	})
	files := []addon.File{{Path: addon.SumsFile, Data: sums}}
	for name, data := range c.files {
		files = append(files, addon.File{Path: name, Data: data})
	}
	tree, err := addon.NewTree(files)
	return c.report, tree, err
}

type checker struct {
	root   *os.Root
	files  map[string][]byte // whose digest is right
	total  int64
	report *Report
}

func (c *checker) fail(file, next, format string, args ...any) {
	c.report.Problems = append(c.report.Problems, Problem{File: file, Message: fmt.Sprintf(format, args...), Next: next})
}

// digests compares what is there with what SHA256SUMS lists.
func (c *checker) digests(sums []byte) error {
	listed := map[string]bool{addon.SumsFile: true}
	for line := range strings.Lines(string(sums)) {
		digest, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if raw, err := hex.DecodeString(digest); !ok || err != nil || len(raw) != 32 || !fs.ValidPath(name) || listed[name] {
			c.fail(addon.SumsFile, rebuild, "the line %q is no digest with the name of a file of its own", strings.TrimSpace(line))
			continue
		}
		listed[name] = true
		if len(listed) > maxFiles {
			return fmt.Errorf("%s lists more than %d files", addon.SumsFile, maxFiles)
		}
		c.file(name, digest)
	}
	seen := 0
	return fs.WalkDir(c.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if seen++; seen > 2*maxFiles {
			return fmt.Errorf("more than %d files", 2*maxFiles)
		}
		if !listed[name] {
			c.fail(name, "remove it, or "+rebuild, "is not listed in %s, so nothing says that it belongs here", addon.SumsFile)
		}
		return nil
	})
}

func (c *checker) file(name, digest string) {
	info, err := c.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no regular file")
	}
	var data []byte
	if err == nil {
		data, err = read(c.root, name, addon.DefaultLimits().Archive)
	}
	if c.total += int64(len(data)); err == nil && c.total > maxTotal {
		err = fmt.Errorf("goes beyond %d bytes for the whole repository", maxTotal)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.fail(name, rebuild, "is missing")
	case err != nil:
		c.fail(name, rebuild, "cannot be read: %v", err)
	case addon.Digest(data) != strings.ToLower(digest):
		c.fail(name, "fetch it again, or "+rebuild, "is not what was built: its digest is %s", addon.Digest(data))
	default:
		c.files[name] = data
		c.report.Files++
	}
}

// index checks that the index lists what is there, and that all of it can be used.
func (c *checker) index() {
	data, found := c.files[addon.IndexFile]
	if !found {
		if !slices.ContainsFunc(c.report.Problems, func(p Problem) bool { return p.File == addon.IndexFile }) {
			c.fail(addon.IndexFile, rebuild, "is missing")
		}
		return
	}
	index, err := addon.ParseIndex(data)
	if err != nil {
		c.fail(addon.IndexFile, rebuild, "%v", err)
		return
	}
	indexed := map[string]bool{}
	ids := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(index.Entries)) {
		for _, e := range index.Entries[key] {
			name := key + "-" + e.Version
			if indexed[name+addon.ArchiveSuffix] {
				c.fail(addon.IndexFile, rebuild, "lists %s twice", name)
				continue
			}
			indexed[name+addon.ArchiveSuffix] = true
			for _, u := range e.URLs {
				indexed[path.Clean(u)] = true
			}
			a := c.archive(name)
			if a == nil {
				continue
			}
			if other, taken := ids[a.Meta.ID]; taken {
				c.fail(addon.IndexFile, "give each add-on an id of its own and list one version of it; "+rebuild,
					"lists %s and %s, which have the same id: Helm Broker would refuse the whole configuration", other, name)
			}
			ids[a.Meta.ID] = name
			c.chart(a, e)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if strings.HasSuffix(name, addon.ArchiveSuffix) && !indexed[name] {
			c.fail(name, rebuild, "is not in the index, so nobody will find it")
		}
	}
}

// archive loads an archive as Helm Broker does; nil if that fails.
func (c *checker) archive(name string) *addon.Addon {
	file := name + addon.ArchiveSuffix
	data, found := c.files[file]
	if !found {
		if !slices.ContainsFunc(c.report.Problems, func(p Problem) bool { return p.File == file }) {
			c.fail(file, rebuild, "is in the index and missing: Helm Broker would refuse the whole configuration")
		}
		return nil
	}
	tree, err := addon.ReadArchiveBytes(data)
	if err == nil {
		err = addon.CheckArchive(data)
	}
	if err != nil {
		c.fail(file, rebuild, "%v", err)
		return nil
	}
	a, err := addon.Parse(name, tree)
	if err != nil {
		c.fail(file, rebuild, "%v", err)
		return nil
	}
	if a.Meta.Name != a.Key || a.Meta.Version != a.Version {
		c.fail(file, rebuild, "holds %s %s", a.Meta.Name, a.Meta.Version)
	}
	if _, err := helm.Load(a.Chart.All()); err != nil {
		c.fail(file, rebuild, "its chart cannot be loaded: %v", err)
	}
	loaded := Addon{Name: name, Plans: []string{}, Digest: addon.Digest(data)}
	for _, p := range a.Plans {
		loaded.Plans = append(loaded.Plans, p.Meta.Name)
	}
	c.report.Addons = append(c.report.Addons, loaded)
	return a
}

// chart checks the Helm package of an add-on: the one that the index names, holding the same chart.
func (c *checker) chart(a *addon.Addon, e addon.IndexEntry) {
	if len(e.URLs) == 0 {
		c.fail(addon.IndexFile, rebuild, "names no Helm package of %s", a.Name())
		return
	}
	file := path.Clean(e.URLs[0])
	data, found := c.files[file]
	if !found {
		if !slices.ContainsFunc(c.report.Problems, func(p Problem) bool { return p.File == file }) {
			c.fail(file, rebuild, "is in the index as the chart of %s, and missing", a.Name())
		}
		return
	}
	if addon.Digest(data) != e.Digest {
		c.fail(file, rebuild, "is not what the index says: its digest is %s, there it is %s", addon.Digest(data), e.Digest)
	}
	packed, err := addon.ReadArchiveBytes(data)
	if err != nil {
		c.fail(file, rebuild, "%v", err)
		return
	}
	if !same(packed.Sub(a.ChartName), a.Chart) {
		c.fail(file, rebuild, "does not hold the same chart as %s", a.Name()+addon.ArchiveSuffix)
	}
}

func same(a, b addon.Tree) bool {
	return slices.EqualFunc(a.Files(), b.Files(), func(x, y addon.File) bool {
		return x.Path == y.Path && x.Executable == y.Executable && bytes.Equal(x.Data, y.Data)
	})
}

// read reads a regular file of at most that many bytes.
func read(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("is no regular file"))
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("is larger than %d bytes", most)
	}
	return data, err
}
