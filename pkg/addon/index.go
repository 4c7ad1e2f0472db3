package addon

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/safeyaml"
)

// IndexFile is the name of every index.
const IndexFile = "index.yaml"

// maxIndex bounds an index in bytes.
const maxIndex = 8 << 20

// Index lists the add-ons of a repository, by key. Helm Broker finds an add-on at <key>-<version>
// beside the index.
type Index struct {
	APIVersion string                  `json:"apiVersion,omitempty"`
	Entries    map[string][]IndexEntry `json:"entries"`
}

// IndexEntry is one version of an add-on. URLs and Digest are for Helm: the package of the chart.
type IndexEntry struct {
	APIVersion  string   `json:"apiVersion,omitempty"`
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	AppVersion  string   `json:"appVersion,omitempty"`
	Description string   `json:"description,omitempty"`
	Digest      string   `json:"digest,omitempty"`
	URLs        []string `json:"urls,omitempty"`
}

// Flavour says where an index is read from.
type Flavour int

// The three indexes of a repository.
const (
	// GitIndex is addons/index.yaml, beside the add-ons' directories.
	GitIndex Flavour = iota
	// TopIndex is index.yaml in the top directory; its keys begin with addons/.
	TopIndex
)

// BuildIndex makes the index of add-ons in a checkout. It is a function of the add-ons alone: the order
// in which they are given does not matter.
func BuildIndex(flavour Flavour, addons []*Addon) *Index {
	index := &Index{APIVersion: "v1", Entries: map[string][]IndexEntry{}}
	for _, a := range addons {
		key := a.Key
		if flavour == TopIndex {
			key = path.Join(AddonsDir, key)
		}
		index.add(key, a.entry())
	}
	index.sort()
	return index
}

func (a *Addon) entry() IndexEntry {
	return IndexEntry{Name: a.Key, Version: a.Version, Description: a.Meta.Description}
}

func (i *Index) add(key string, e IndexEntry) { i.Entries[key] = append(i.Entries[key], e) }

// sort puts the newest version of each add-on first.
func (i *Index) sort() {
	for _, entries := range i.Entries {
		slices.SortFunc(entries, func(a, b IndexEntry) int {
			va, errA := semver.StrictNewVersion(a.Version)
			vb, errB := semver.StrictNewVersion(b.Version)
			if errA != nil || errB != nil {
				return strings.Compare(b.Version, a.Version)
			}
			return vb.Compare(va)
		})
	}
}

// Marshal writes the index as YAML: sorted, with quoted strings (Helm Broker would read an unquoted 1.10
// as 1.1), without a date.
func (i *Index) Marshal() []byte {
	var b bytes.Buffer
	b.WriteString("# Made by \"addonctl index\" from the add-ons; do not edit.\n")
	fmt.Fprintf(&b, "apiVersion: %s\n", yamlKey(i.APIVersion))
	if len(i.Entries) == 0 {
		b.WriteString("entries: {}\n")
		return b.Bytes()
	}
	b.WriteString("entries:\n")
	for _, key := range slices.Sorted(maps.Keys(i.Entries)) {
		fmt.Fprintf(&b, "  %s:\n", yamlKey(key))
		for _, e := range i.Entries[key] {
			e.marshal(&b)
		}
	}
	return b.Bytes()
}

// words are what YAML 1.1 reads as something else than text.
var words = regexp.MustCompile(`^(?i:|y|n|yes|no|on|off|true|false|null)$`)

// yamlKey quotes a key, or a value, that YAML would not read as plain text.
func yamlKey(key string) string {
	if words.MatchString(key) {
		return strconv.Quote(key)
	}
	for i, r := range key {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-_./", r)) {
			return strconv.Quote(key)
		}
	}
	return key
}

func (e IndexEntry) marshal(b *bytes.Buffer) {
	prefix := "    - "
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(b, "%s%s: %s\n", prefix, key, strconv.Quote(value))
			prefix = "      "
		}
	}
	line("name", e.Name)
	line("version", e.Version)
	line("apiVersion", e.APIVersion)
	line("appVersion", e.AppVersion)
	line("description", e.Description)
	line("digest", e.Digest)
	if len(e.URLs) > 0 {
		fmt.Fprintf(b, "%surls:\n", prefix)
		for _, u := range e.URLs {
			fmt.Fprintf(b, "        - %s\n", strconv.Quote(u))
		}
	}
}

// ParseIndex reads an index as strictly as Helm Broker needs it: a bad version would stop its controller.
// The error names every problem.
func ParseIndex(data []byte) (*Index, error) {
	if len(data) > maxIndex {
		return nil, fmt.Errorf("index larger than %d bytes", maxIndex)
	}
	if err := safeyaml.Check(data); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	var index Index
	if err := yaml.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("index: %w; want entries: with a list of versions for each add-on", err)
	}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(index.Entries)) {
		for n, e := range index.Entries[key] {
			if _, err := semver.StrictNewVersion(e.Version); err != nil {
				problems = append(problems, fmt.Errorf("index: entries.%s[%d]: version %q: want three numbers in quotes such as \"1.2.3\"", key, n, e.Version))
			}
		}
	}
	return &index, errors.Join(problems...)
}
