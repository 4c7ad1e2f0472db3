package addon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// SumsFile lists the SHA-256 digests of everything else that is distributed.
const SumsFile = "SHA256SUMS"

// Dist makes what a web server serves as a repository: the archive of each add-on, the Helm package of
// its chart, one index for Helm Broker and `helm repo add`, and the digests of all of them. It is a
// function of the add-ons alone.
func Dist(addons []*Addon) (Tree, error) { return DistWith(addons, Pack) }

// Packer packs a tree as Pack does, for instance by recalling what Pack made of the same tree.
type Packer func(tree Tree, prefix string) ([]byte, error)

// DistWith is Dist with another packer. It is called for several add-ons at once.
func DistWith(addons []*Addon, pack Packer) (Tree, error) {
	archives, charts, problems := make([][]byte, len(addons)), make([][]byte, len(addons)), make([]error, len(addons))
	if err := Spread(context.Background(), len(addons), func(i int) {
		if archives[i], problems[i] = pack(addons[i].Tree, ""); problems[i] == nil {
			charts[i], problems[i] = pack(addons[i].Chart, addons[i].ChartName)
		}
	}); err != nil {
		return Tree{}, err
	}
	index := &Index{APIVersion: "v1", Entries: map[string][]IndexEntry{}}
	files := map[string][]byte{}
	for i, a := range addons {
		archive, chart := archives[i], charts[i]
		if problems[i] != nil {
			return Tree{}, fmt.Errorf("%s: %w", a.Name(), problems[i])
		}
		entry, err := a.distEntry(chart)
		if err != nil {
			return Tree{}, fmt.Errorf("%s: %w", a.Name(), err)
		}
		if other, taken := files[entry.URLs[0]]; taken && !bytes.Equal(other, chart) {
			return Tree{}, fmt.Errorf("%s: another add-on has a different chart of the same name and version; Helm Broker would mix them up: give one another version", a.Name())
		}
		index.add(a.Key, entry)
		files[a.Name()+ArchiveSuffix] = archive
		files[entry.URLs[0]] = chart
	}
	index.sort()
	files[IndexFile] = index.Marshal()
	files[SumsFile] = sums(files)

	list := make([]File, 0, len(files))
	for name, data := range files {
		list = append(list, File{Path: name, Data: data})
	}
	return NewTree(list)
}

type chartMeta struct {
	APIVersion string `json:"apiVersion"`
	Name       string `json:"name"`
	Version    string `json:"version"`
	AppVersion string `json:"appVersion"`
}

func (a *Addon) distEntry(chart []byte) (IndexEntry, error) {
	var meta chartMeta
	data, _ := a.Chart.Read("Chart.yaml")
	if err := readYAML(data, &meta); err != nil || meta.Name == "" || meta.Version == "" {
		return IndexEntry{}, fmt.Errorf("%s/%s/Chart.yaml names no chart and version; fill in name and version", ChartDir, a.ChartName)
	}
	if strings.ContainsAny(meta.Name+meta.Version, `/\`) {
		return IndexEntry{}, fmt.Errorf("%s/%s/Chart.yaml: name and version make the name of a file; use no slashes", ChartDir, a.ChartName)
	}
	e := a.entry()
	e.APIVersion, e.AppVersion = meta.APIVersion, meta.AppVersion
	e.Digest = Digest(chart)
	e.URLs = []string{path.Join(ChartsDir, meta.Name+"-"+meta.Version+ArchiveSuffix)}
	return e, nil
}

// sums lists digests as sha256sum does.
func sums(files map[string][]byte) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "%s  %s\n", Digest(files[name]), name)
	}
	return b.Bytes()
}

// WriteDist replaces the directory dir by the tree, all at once: whoever looks sees the old one or the
// new one. A dir that holds something else than an earlier result is left alone, with an error.
func WriteDist(dir string, tree Tree) error {
	dir = filepath.Clean(dir)
	if err := checkReplaceable(dir); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // what it held is where it belongs, or of no value
	fresh, old := filepath.Join(work, "new"), filepath.Join(work, "old")
	for _, f := range tree.files {
		file := filepath.Join(fresh, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, f.Data, 0o644); err != nil {
			return err
		}
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		if back := os.Rename(old, dir); back != nil && !errors.Is(back, fs.ErrNotExist) {
			err = errors.Join(err, back)
		}
		return err
	}
	return nil
}

// checkReplaceable says why dir must not be replaced: it holds files that SHA256SUMS does not list.
func checkReplaceable(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no directory; choose another one with --out", dir)
	}
	known := map[string]bool{SumsFile: true}
	data, err := os.ReadFile(filepath.Join(dir, SumsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(data)) {
		if _, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok {
			known[name] = true
		}
	}
	return filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err == nil && !known[filepath.ToSlash(name)] {
			err = fmt.Errorf("%s was not made by addonctl build; move it away, or choose another directory with --out", file)
		}
		return err
	})
}
