package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// maxEvent bounds an event that the workload takes.
const maxEvent = 1 << 20

// workload stands for the function or service that subscribed to the events: it remembers what it got.
type workload struct {
	mu  sync.Mutex
	ids []string
}

// ServeHTTP implements http.Handler: a CloudEvent in binary or structured mode.
func (w *workload) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxEvent))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	id := r.Header.Get("Ce-Id")
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents+json") {
		var structured struct{ ID string }
		if err := json.Unmarshal(body, &structured); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		id = structured.ID
	}
	if id == "" {
		http.Error(rw, "this is no CloudEvent", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids = append(w.ids, id)
	rw.WriteHeader(http.StatusNoContent)
}

// got says whether the event arrived.
func (w *workload) got(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.ids, id)
}
