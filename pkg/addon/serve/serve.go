// Package serve is a built repository of add-ons behind HTTP, as Helm Broker and Helm read it.
package serve

import (
	"bytes"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
)

// HealthPath answers 200 as long as the server runs.
const HealthPath = "/healthz"

// Handler serves the files of one repository, which can be replaced while it serves. It is safe for
// concurrent use. A request sees either the old repository or the new one.
type Handler struct {
	current atomic.Pointer[map[string]file]
}

type file struct {
	data []byte
	tag  string
}

// New serves a repository, as addon.Dist makes it.
func New(dist addon.Tree) *Handler {
	h := &Handler{}
	h.Replace(dist)
	return h
}

// Replace serves another repository from now on.
func (h *Handler) Replace(dist addon.Tree) {
	files := map[string]file{}
	for name, data := range dist.All() {
		files["/"+name] = file{data: data, tag: `"` + addon.Digest(data) + `"`}
	}
	h.current.Store(&files)
}

// ServeHTTP implements http.Handler: GET and HEAD, ranges and validation by ETag. Archives go out as they
// are, never with a Content-Encoding: a client would unpack them on the way and Helm Broker fail.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this repository can only be read", http.StatusMethodNotAllowed)
		return
	}
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	if r.URL.Path == HealthPath {
		header.Set("Content-Type", "text/plain; charset=utf-8")
		header.Set("Cache-Control", "no-store")
		fmt.Fprintln(w, "ok")
		return
	}
	f, found := (*h.current.Load())[r.URL.Path]
	if !found {
		http.Error(w, "there is no such file in this repository; its index is /"+addon.IndexFile, http.StatusNotFound)
		return
	}
	header.Set("Content-Type", contentType(r.URL.Path))
	header.Set("Cache-Control", "no-cache") // ask again, by ETag
	header.Set("ETag", f.tag)
	http.ServeContent(w, r, path.Base(r.URL.Path), time.Time{}, bytes.NewReader(f.data))
}

func contentType(name string) string {
	switch {
	case strings.HasSuffix(name, addon.ArchiveSuffix):
		return "application/gzip"
	case strings.HasSuffix(name, ".yaml"):
		return "application/yaml"
	default:
		return "text/plain; charset=utf-8"
	}
}
