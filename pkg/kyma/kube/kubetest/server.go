// Package kubetest serves a simulated cluster to tests and lets them interfere: fail a call before or after
// it took effect, change objects in between, look at what is stored and at what was called.
package kubetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
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

// Server is the API server of a simulated cluster. Its methods are safe for concurrent use.
type Server struct {
	kyma   *simulator.Kyma
	api    http.Handler
	server *httptest.Server

	mu        sync.Mutex
	fault     Fault
	meanwhile func(call Call)
	calls     []Call

	interfering sync.Mutex // held while a fault or what happens meanwhile is called
}

// New starts a cluster. The caller closes it.
func New(options simulator.KymaOptions) (*Server, error) {
	kyma, err := simulator.NewKyma(options)
	if err != nil {
		return nil, err
	}
	s := &Server{kyma: kyma, api: kyma.KubeAPI()}
	s.server = httptest.NewServer(s)
	return s, nil
}

// Close stops the server.
func (s *Server) Close() {
	s.server.Close()
	s.kyma.Close()
}

// Kyma is the simulated cluster itself.
func (s *Server) Kyma() *simulator.Kyma { return s.kyma }

// URL is the address of the API server.
func (s *Server) URL() string { return s.server.URL }

// Config is how to connect to it.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.server.URL} }

// SetFault makes calls fail; nil ends that. The function is not called twice at a time.
func (s *Server) SetFault(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// Meanwhile calls f before each call takes effect: for what somebody else does at that moment. It is not
// called twice at a time.
func (s *Server) Meanwhile(f func(call Call)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meanwhile = f
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

// Put stores an object at a path such as /api/v1/namespaces/ns/secrets/name, whatever is there. The name, and
// that of a namespace, follow from the path.
func (s *Server) Put(path, object string) error {
	var decoded Object
	if err := json.Unmarshal([]byte(object), &decoded); err != nil {
		return err
	}
	collection, name := path[:strings.LastIndex(path, "/")], path[strings.LastIndex(path, "/")+1:]
	meta, _ := decoded["metadata"].(Object)
	if meta == nil {
		meta = Object{}
		decoded["metadata"] = meta
	}
	meta["name"] = name
	delete(meta, "resourceVersion")
	method, target := http.MethodPost, collection
	if current := s.Object(path); current != nil {
		method, target = http.MethodPut, path
		meta["resourceVersion"] = current["metadata"].(Object)["resourceVersion"]
	}
	data, err := json.Marshal(decoded)
	if err != nil {
		return err
	}
	return s.call(method, target, data).err()
}

// Object returns what is stored at a path; nil where nothing is.
func (s *Server) Object(path string) Object {
	answer := s.call(http.MethodGet, path, nil)
	var object Object
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &object) != nil {
		return nil
	}
	return object
}

// Remove removes what is at a path.
func (s *Server) Remove(path string) error { return s.call(http.MethodDelete, path, nil).err() }

// Names returns the names of all objects of a collection, sorted.
func (s *Server) Names(collection string) []string {
	var list struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	_ = json.Unmarshal(s.call(http.MethodGet, collection, nil).Body.Bytes(), &list)
	names := []string{}
	for _, item := range list.Items {
		names = append(names, item.Metadata.Name)
	}
	sort.Strings(names)
	return names
}

type recorded struct{ *httptest.ResponseRecorder }

func (r recorded) err() error {
	if r.Code >= http.StatusBadRequest {
		return fmt.Errorf("status %d: %s", r.Code, r.Body)
	}
	return nil
}

// call reaches the cluster past faults and the record of calls.
func (s *Server) call(method, path string, body []byte) recorded {
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest(method, path, bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	s.api.ServeHTTP(recorder, request)
	return recorded{recorder}
}

// Cut closes the connection without an answer.
func Cut(w http.ResponseWriter, _ *http.Request) {
	if connection, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = connection.Close()
	}
}

// Status answers as the API server does when it refuses something about an object.
func Status(code int, reason, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(Object{"kind": "Status", "apiVersion": "v1", "metadata": Object{}, "status": "Failure",
			"message": message, "reason": reason, "code": code, "details": Object{"name": "named"}})
	}
}

// NotServed answers as the API server does for a resource that it does not know.
func NotServed(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "404 page not found", http.StatusNotFound)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	call := Call{Method: r.Method, Path: r.URL.Path}
	if call.Method == http.MethodPost {
		var named struct{ Metadata struct{ Name string } }
		_ = json.Unmarshal(body, &named)
		call.Path += "/" + named.Metadata.Name
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	fault, meanwhile := s.fault, s.meanwhile
	s.mu.Unlock()
	if instead := s.interfere(fault, call, false); instead != nil {
		instead(w, r)
		return
	}
	if meanwhile != nil {
		s.interfering.Lock()
		meanwhile(call)
		s.interfering.Unlock()
	}
	if fault == nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.api.ServeHTTP(w, r)
		return
	}
	recorder := httptest.NewRecorder()
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.api.ServeHTTP(recorder, r)
	if instead := s.interfere(fault, call, true); instead != nil {
		instead(w, r)
		return
	}
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(recorder.Body.Bytes())
}

func (s *Server) interfere(fault Fault, call Call, done bool) http.HandlerFunc {
	if fault == nil {
		return nil
	}
	s.interfering.Lock()
	defer s.interfering.Unlock()
	return fault(call, done)
}
