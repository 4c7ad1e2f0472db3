package lint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// Cache remembers what rules found, by all that it follows from. It is safe for concurrent use.
type Cache interface {
	Get(key string) ([]byte, bool)
	Put(key string, result []byte)
}

// addon runs the rules of one add-on, or recalls what they found in the same content.
func (r *runner) addon(c *addonContext) {
	defer c.forget()
	key := r.key(c)
	if key == "" {
		r.keep(r.judge(c))
		return
	}
	var found []Finding
	if data, known := r.options.Cache.Get(key); known && json.Unmarshal(data, &found) == nil {
		r.keep(found)
		return
	}
	found = r.judge(c)
	r.keep(found)
	if data, err := json.Marshal(found); err == nil {
		r.options.Cache.Put(key, data)
	}
}

func (r *runner) keep(found []Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.findings = append(r.findings, found...)
}

// key names all that the findings about an add-on follow from, besides the program itself: empty where they are
// not to be remembered. A rule of an add-on that reads anything else has to add it here.
func (r *runner) key(c *addonContext) string {
	if r.options.Cache == nil || c.repo == nil || c.readErr != nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "lint %q %q %q\n", c.name, c.at, c.chartAt)
	for _, rule := range r.rules {
		fmt.Fprintf(&b, "%s ", rule.ID)
	}
	fmt.Fprintf(&b, "\n%t %t %t\n", r.options.Charts != nil, r.options.HelmLint != nil, r.options.Kubernetes != nil)
	fmt.Fprintf(&b, "%s\n", c.tree.Hash())
	// The links to the chart are followed in the tree.
	if _, _, err := addon.SplitName(c.name); err == nil {
		changes, err := c.repo.CheckLinks(c.name)
		fmt.Fprintf(&b, "%q %v\n", changes, err)
	}
	pages, err := r.pages()
	if err != nil {
		return ""
	}
	fmt.Fprintf(&b, "%s\n", pages)
	return b.String()
}

// systemPages is a digest of the pages about systems, which belong to no add-on.
func systemPages(repo *addon.Repository) (string, error) {
	root, err := repo.Root()
	if err != nil {
		return "", err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), systemDocs)
	if err != nil {
		return "none", nil //nolint:nilerr // a rule that reads one finds none, either
	}
	var all bytes.Buffer
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, err := root.ReadFile(path.Join(systemDocs, e.Name()))
		fmt.Fprintf(&all, "%q %v %q\n", e.Name(), err != nil, data)
	}
	sum := sha256.Sum256(all.Bytes())
	return hex.EncodeToString(sum[:]), nil
}
