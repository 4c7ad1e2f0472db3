package simulator

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// maxRegistration bounds a request; the real registry has no limit but the memory of its pod (96 MiB).
const maxRegistration = 64 << 20

// registry is the Application Registry of Kyma 1.24: a REST API that writes into the Application
// resource, Secrets and Services.
type registry struct {
	kyma *Kyma

	mu     sync.Mutex
	writes map[string][]*registryWrite // in progress, by Application
	specs  map[string]storedSpecs      // by service id
}

// storedSpecs is what the asset store keeps of one service.
type storedSpecs struct {
	API, Events   json.RawMessage
	Documentation *serviceDocumentation
}

func (s storedSpecs) empty() bool {
	return len(s.API) == 0 && len(s.Events) == 0 && s.Documentation == nil
}

// registryWrite is one write in progress.
type registryWrite struct {
	started time.Time
	// loses: another write to the Application was in progress when this one began. It will make its
	// Services and Secrets and then fail on the conflict.
	loses bool
	// overlapped: there was another one at the same time, before or after. The work takes so long then
	// that nobody gets an answer.
	overlapped bool
}

func newRegistry(k *Kyma) *registry {
	return &registry{kyma: k, writes: map[string][]*registryWrite{}, specs: map[string]storedSpecs{}}
}

// ServeHTTP implements http.Handler.
func (g *registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.URL.Path == "/v1/health" && r.Method == http.MethodGet {
		w.WriteHeader(http.StatusOK)
		return
	}
	if len(path) < 3 || path[1] != "v1" || path[2] != "metadata" {
		writeRegistryError(w, registryErrorf(http.StatusNotFound, "Requested resource could not be found."))
		return
	}
	application, rest := path[0], path[3:]
	var routes map[string]func()
	switch {
	case len(rest) == 0:
		routes = map[string]func(){http.MethodGet: func() { http.Redirect(w, r, r.URL.Path+"/api.yaml", http.StatusMovedPermanently) }}
	case len(rest) == 1 && rest[0] == "api.yaml":
		routes = map[string]func(){http.MethodGet: func() {
			_, _ = io.WriteString(w, "swagger: '2.0'\ninfo: {title: Application Registry, version: 2018.06.22}\npaths: {}\n")
		}}
	case len(rest) == 1 && rest[0] == "services":
		routes = map[string]func(){
			http.MethodGet:  func() { g.serveList(w, application) },
			http.MethodPost: func() { g.serveWrite(w, r, application, "") },
		}
	case len(rest) == 2 && rest[0] == "services":
		routes = map[string]func(){
			http.MethodGet:    func() { g.serveGet(w, application, rest[1]) },
			http.MethodPut:    func() { g.serveWrite(w, r, application, rest[1]) },
			http.MethodDelete: func() { g.serveDelete(w, application, rest[1]) },
		}
	default:
		writeRegistryError(w, registryErrorf(http.StatusNotFound, "Requested resource could not be found."))
		return
	}
	serve, ok := routes[r.Method]
	if !ok {
		writeRegistryError(w, registryErrorf(http.StatusMethodNotAllowed, "Method not allowed."))
		return
	}
	serve()
}

// serveWrite is POST (no id) and PUT.
func (g *registry) serveWrite(w http.ResponseWriter, r *http.Request, application, id string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRegistration))
	if err != nil {
		writeRegistryError(w, registryErrorf(http.StatusBadRequest, "Failed to read request body, %s", err))
		return
	}
	var details serviceDetails
	if err := json.Unmarshal(body, &details); err != nil {
		writeRegistryError(w, registryErrorf(http.StatusBadRequest, "Failed to unmarshal request body, %s", err))
		return
	}
	if g.kyma.options.NoTokenParameters && details.API != nil && details.API.Credentials != nil && details.API.Credentials.OAuth != nil {
		details.API.Credentials.OAuth.RequestParameters = nil
	}
	if problem := details.check(); problem != nil {
		writeRegistryError(w, problem)
		return
	}
	// The work goes on when the caller has left, as in the real one.
	ctx := context.WithoutCancel(r.Context())
	write := g.begin(application)
	var answer any
	var problem *registryError
	if id == "" {
		answer, problem = g.create(ctx, write, application, details)
	} else {
		answer, problem = g.replace(ctx, write, application, id, details)
	}
	if !g.end(application, write) {
		cut(w)
		return
	}
	if problem != nil {
		writeRegistryError(w, problem)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (g *registry) serveDelete(w http.ResponseWriter, application, id string) {
	write := g.begin(application)
	problem := g.remove(write, application, id)
	if !g.end(application, write) {
		cut(w)
		return
	}
	if problem != nil {
		writeRegistryError(w, problem)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// begin notes a write that starts.
func (g *registry) begin(application string) *registryWrite {
	g.mu.Lock()
	defer g.mu.Unlock()
	others := g.writes[application]
	write := &registryWrite{started: time.Now(), overlapped: len(others) > 0}
	for _, other := range others {
		other.overlapped = true
		write.loses = write.loses || !other.loses
	}
	g.writes[application] = append(others, write)
	return write
}

// end notes that it is over and says whether the caller can still be answered.
func (g *registry) end(application string, write *registryWrite) bool {
	if rest := g.kyma.options.RegistryWork - time.Since(write.started); rest > 0 {
		wait(context.Background(), rest)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	remaining := []*registryWrite{}
	for _, other := range g.writes[application] {
		if other != write {
			remaining = append(remaining, other)
		}
	}
	g.writes[application] = remaining
	return !write.overlapped && time.Since(write.started) < g.kyma.options.RegistryWriteTimeout
}

// application reads the Application.
func (g *registry) application(name string) (kube.Object, *registryError) {
	app, err := g.kyma.cluster.Get(g.kyma.resources.applications, "", name)
	if err != nil {
		return nil, registryErrorf(http.StatusNotFound, "Application %s not found", name)
	}
	return app, nil
}

func (g *registry) serveList(w http.ResponseWriter, application string) {
	app, problem := g.application(application)
	if problem != nil {
		writeRegistryError(w, problem)
		return
	}
	list := []any{}
	for _, item := range app.List("spec", "services") {
		list = append(list, baseDetails(object(item), true))
	}
	writeJSON(w, http.StatusOK, list)
}

func (g *registry) serveGet(w http.ResponseWriter, application, id string) {
	app, problem := g.application(application)
	if problem != nil {
		writeRegistryError(w, problem)
		return
	}
	service, _ := findService(app, id)
	if service == nil {
		writeRegistryError(w, registryErrorf(http.StatusNotFound, "Service with ID %s not found", id))
		return
	}
	if g.kyma.options.NoSpecificationStore && !g.stored(id).empty() {
		writeRegistryError(w, registryErrorf(http.StatusInternalServerError, ""))
		return
	}
	writeJSON(w, http.StatusOK, g.details(service))
}

// orphans counts access Services whose service no Application has.
func (g *registry) orphans() int {
	if g.kyma.options.Generation != Old {
		return 0
	}
	known := map[string]bool{}
	for _, app := range g.kyma.cluster.List(g.kyma.resources.applications, "") {
		for _, item := range app.List("spec", "services") {
			known[object(item).Text("id")] = true
		}
	}
	count := 0
	for _, service := range g.kyma.cluster.List(g.kyma.resources.services, integrationNamespace) {
		if id := service.Labels()["serviceId"]; id != "" && !known[id] {
			count++
		}
	}
	return count
}

func findService(app kube.Object, id string) (kube.Object, int) {
	for i, item := range app.List("spec", "services") {
		if service := object(item); service.Text("id") == id {
			return service, i
		}
	}
	return nil, -1
}

func writeRegistryError(w http.ResponseWriter, err *registryError) { writeJSON(w, err.Code, err) }
