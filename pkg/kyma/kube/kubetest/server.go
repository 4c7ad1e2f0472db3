// Package kubetest is an API server for tests: it keeps objects as they come, with uid and resourceVersion,
// refuses stale writes, and fails where the test tells it to. It knows no schemas, no watches and no rights.
package kubetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sort"
	"strconv"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
)

// Object is one object as JSON.
type Object = map[string]any

// Fault decides what becomes of a call before (done false) and after (done true) it took effect: nil lets it
// go on; the function given answers instead. Cut and Status make such functions.
type Fault func(call Call, done bool) http.HandlerFunc

// Call is one request that the server got. Path is that of the object, or of the collection.
type Call struct {
	Method, Path string
}

// Write says whether the call changes anything.
func (c Call) Write() bool { return c.Method != http.MethodGet }

// String is "PUT /api/v1/…".
func (c Call) String() string { return c.Method + " " + c.Path }

// Server is the API server. Its methods are safe for concurrent use.
type Server struct {
	mu       sync.Mutex
	objects  map[string]Object // by path
	served   map[string][]Object
	version  int
	fault    Fault
	calls    []Call
	onUpdate func(path string)
	server   *httptest.Server
}

// New starts a server that serves Applications besides the core resources. The caller closes it.
func New() *Server {
	s := &Server{objects: map[string]Object{}, served: map[string][]Object{}}
	s.Serve("applicationconnector.kyma-project.io", "v1alpha1", "applications")
	s.server = httptest.NewServer(s)
	return s
}

// Close stops the server.
func (s *Server) Close() { s.server.Close() }

// Config is how to connect to it.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.server.URL} }

// URL is its address.
func (s *Server) URL() string { return s.server.URL }

// Serve adds a resource to the API. Without any name the whole group disappears.
func (s *Server) Serve(group, version string, resources ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(resources) == 0 {
		for path := range s.served {
			if strings.HasPrefix(path, "/apis/"+group+"/") {
				delete(s.served, path)
			}
		}
		return
	}
	path := "/apis/" + group + "/" + version
	for _, name := range resources {
		s.served[path] = append(s.served[path], Object{"name": name})
	}
}

// SetFault makes calls fail; nil ends that.
func (s *Server) SetFault(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// BeforeUpdate calls f before each update, outside the server's lock: for what somebody else does meanwhile.
func (s *Server) BeforeUpdate(f func(path string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onUpdate = f
}

// Calls returns the calls so far and forgets them.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// Writes returns the changing calls so far and forgets all calls.
func (s *Server) Writes() []Call {
	var writes []Call
	for _, call := range s.Calls() {
		if call.Write() {
			writes = append(writes, call)
		}
	}
	return writes
}

// Put stores an object at a path such as /api/v1/namespaces/ns/secrets/name, whatever is there. Kind,
// version, namespace and name follow from the path.
func (s *Server) Put(path, object string) {
	var decoded Object
	if err := json.Unmarshal([]byte(object), &decoded); err != nil {
		panic(fmt.Sprintf("object for %s: %v", path, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := split(path)
	meta := metadata(decoded)
	meta["name"] = at.name
	if at.namespace != "" {
		meta["namespace"] = at.namespace
	}
	decoded["apiVersion"] = at.base[strings.Index(at.base[1:], "/")+2:]
	decoded["kind"] = strings.ToUpper(at.resource[:1]) + strings.TrimSuffix(at.resource[1:], "s")
	s.store(path, decoded)
}

// Object returns a copy of what is stored at a path; nil where nothing is.
func (s *Server) Object(path string) Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[path] == nil {
		return nil
	}
	return clone(s.objects[path])
}

// Remove removes what is at a path.
func (s *Server) Remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, path)
}

// Paths returns the paths of all objects below a prefix, sorted.
func (s *Server) Paths(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for path := range s.objects {
		if strings.HasPrefix(path, prefix) {
			paths = append(paths, path)
		}
	}
	sort.Strings(paths)
	return paths
}

// Cut closes the connection without an answer.
func Cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// Status answers as the API server does when it refuses.
func Status(code int, reason, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answerStatus(w, code, reason, message, "named") }
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := Call{Method: r.Method, Path: r.URL.Path}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err != nil {
		answerStatus(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "limit is 16 MiB", "")
		return
	}
	if call.Method == http.MethodPost {
		var named struct{ Metadata struct{ Name string } }
		_ = json.Unmarshal(body, &named)
		call.Path += "/" + named.Metadata.Name
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	fault, meanwhile := s.fault, s.onUpdate
	s.mu.Unlock()
	if fault != nil {
		if instead := fault(call, false); instead != nil {
			instead(w, r)
			return
		}
	}
	if meanwhile != nil && call.Method == http.MethodPut {
		meanwhile(call.Path)
	}
	code, answer := s.handle(r, call, body)
	if fault != nil {
		if instead := fault(call, true); instead != nil {
			instead(w, r)
			return
		}
	}
	write(w, code, answer)
}

func (s *Server) handle(r *http.Request, call Call, body []byte) (int, Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := split(call.Path)
	name := at.name
	if answer := s.discovery(call.Path); call.Method == http.MethodGet && answer != nil {
		return http.StatusOK, answer
	}
	if !s.known(at) {
		return http.StatusNotFound, status(http.StatusNotFound, "NotFound", "the server could not find the requested resource", "")
	}
	current := s.objects[call.Path]
	switch call.Method {
	case http.MethodGet:
		if name == "" {
			return http.StatusOK, s.list(at, r.URL.Query().Get("labelSelector"))
		}
		if current == nil {
			return http.StatusNotFound, status(http.StatusNotFound, "NotFound", fmt.Sprintf("%q not found", name), name)
		}
		return http.StatusOK, clone(current)
	case http.MethodPost, http.MethodPut:
		var object Object
		if json.Unmarshal(body, &object) != nil {
			return http.StatusBadRequest, status(http.StatusBadRequest, "BadRequest", "the object is not JSON", name)
		}
		return s.write(call, object, current, name)
	case http.MethodDelete:
		if current == nil {
			return http.StatusNotFound, status(http.StatusNotFound, "NotFound", fmt.Sprintf("%q not found", name), name)
		}
		var options struct {
			Preconditions struct{ UID, ResourceVersion string }
		}
		_ = json.Unmarshal(body, &options)
		meta := metadata(current)
		for want, have := range map[string]any{options.Preconditions.UID: meta["uid"], options.Preconditions.ResourceVersion: meta["resourceVersion"]} {
			if want != "" && want != have {
				return http.StatusConflict, status(http.StatusConflict, "Conflict", "the precondition failed", name)
			}
		}
		delete(s.objects, call.Path)
		return http.StatusOK, Object{"apiVersion": "v1", "kind": "Status", "status": "Success"}
	}
	return http.StatusMethodNotAllowed, status(http.StatusMethodNotAllowed, "MethodNotAllowed", "method not allowed", name)
}

func (s *Server) write(call Call, object, current Object, name string) (int, Object) {
	meta := metadata(object)
	if call.Method == http.MethodPost {
		if current != nil {
			return http.StatusConflict, status(http.StatusConflict, "AlreadyExists", fmt.Sprintf("%q already exists", name), name)
		}
		delete(meta, "uid")
		return http.StatusCreated, s.store(call.Path, object)
	}
	if current == nil {
		return http.StatusNotFound, status(http.StatusNotFound, "NotFound", fmt.Sprintf("%q not found", name), name)
	}
	if version, set := meta["resourceVersion"]; set && version != metadata(current)["resourceVersion"] {
		return http.StatusConflict, status(http.StatusConflict, "Conflict", "the object has been modified", name)
	}
	return http.StatusOK, s.store(call.Path, object)
}

// store keeps an object with a new version; its uid stays.
func (s *Server) store(path string, object Object) Object {
	s.version++
	meta := metadata(object)
	meta["resourceVersion"] = strconv.Itoa(s.version)
	if current := s.objects[path]; current != nil {
		meta["uid"] = metadata(current)["uid"]
	} else if meta["uid"] == nil {
		meta["uid"] = fmt.Sprintf("00000000-0000-4000-8000-%012d", s.version)
	}
	s.objects[path] = clone(object)
	return object
}

func (s *Server) list(collection address, selector string) Object {
	items := []any{}
	for path, object := range s.objects {
		at := split(path)
		inside := at.base == collection.base && at.resource == collection.resource && (collection.namespace == "" || at.namespace == collection.namespace)
		if inside && selected(object, selector) {
			items = append(items, clone(object))
		}
	}
	return Object{"apiVersion": "v1", "kind": "List", "metadata": Object{}, "items": items}
}

func selected(object Object, selector string) bool {
	labels, _ := metadata(object)["labels"].(Object)
	for _, pair := range strings.FieldsFunc(selector, func(r rune) bool { return r == ',' }) {
		key, value, _ := strings.Cut(pair, "=")
		if labels[key] != value {
			return false
		}
	}
	return true
}

// discovery answers /apis/<group> and /apis/<group>/<version>.
func (s *Server) discovery(path string) Object {
	if resources, ok := s.served[path]; ok {
		list := make([]any, 0, len(resources))
		for _, resource := range resources {
			list = append(list, resource)
		}
		return Object{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": strings.TrimPrefix(path, "/apis/"), "resources": list}
	}
	var versions []string
	for served := range s.served {
		if version, found := strings.CutPrefix(served, path+"/"); found {
			versions = append(versions, version)
		}
	}
	if len(versions) == 0 {
		return nil
	}
	sort.Sort(sort.Reverse(sort.StringSlice(versions)))
	list := make([]any, 0, len(versions))
	for _, version := range versions {
		list = append(list, Object{"version": version})
	}
	return Object{"kind": "APIGroup", "apiVersion": "v1", "versions": list, "preferredVersion": Object{"version": versions[0]}}
}

// known says whether a resource is served. Core resources and apps always are.
func (s *Server) known(at address) bool {
	if at.base == "/api/v1" || at.base == "/apis/apps/v1" {
		return true
	}
	for _, resource := range s.served[at.base] {
		if resource["name"] == at.resource {
			return true
		}
	}
	return false
}

// address is a path in its parts.
type address struct{ base, namespace, resource, name string }

func split(path string) address {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	length := 3 // apis, group, version
	if parts[0] == "api" {
		length = 2
	}
	if len(parts) < length {
		return address{}
	}
	at, rest := address{base: "/" + strings.Join(parts[:length], "/")}, parts[length:]
	if len(rest) > 2 && rest[0] == "namespaces" {
		at.namespace, rest = rest[1], rest[2:]
	}
	if len(rest) > 0 {
		at.resource = rest[0]
	}
	if len(rest) > 1 {
		at.name = rest[1]
	}
	return at
}

func metadata(object Object) Object {
	meta, ok := object["metadata"].(Object)
	if !ok {
		meta = Object{}
		object["metadata"] = meta
	}
	return meta
}

func clone(object Object) Object {
	data, _ := json.Marshal(object)
	var copied Object
	_ = json.Unmarshal(data, &copied)
	return copied
}

func status(code int, reason, message, name string) Object {
	answer := Object{"kind": "Status", "apiVersion": "v1", "metadata": Object{}, "status": "Failure", "message": message, "reason": reason, "code": code}
	if name != "" {
		answer["details"] = Object{"name": name}
	}
	return answer
}

func answerStatus(w http.ResponseWriter, code int, reason, message, name string) {
	write(w, code, status(code, reason, message, name))
}

func write(w http.ResponseWriter, code int, answer Object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}
