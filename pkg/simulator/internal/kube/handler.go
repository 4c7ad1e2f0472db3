package kube

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Limits of a real API server: of a request's body, and of an object in etcd.
const (
	maxBody   = 3 << 20
	maxObject = 3 << 19
)

// target is what a path addresses.
type target struct {
	resource        *Resource
	namespace, name string
	status          bool
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.options.Token != "" && r.Header.Get("Authorization") != "Bearer "+s.options.Token {
		writeError(w, &Error{Code: http.StatusUnauthorized, Reason: "Unauthorized", Message: "Unauthorized"})
		return
	}
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch path[0] {
	case "healthz", "livez", "readyz":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok")
		return
	case "version", "api", "apis":
	default:
		writeError(w, pathNotFound())
		return
	}
	if !acceptsJSON(r.Header.Get("Accept")) {
		writeError(w, &Error{Code: http.StatusNotAcceptable, Reason: "NotAcceptable", Message: "only the following media types are accepted: application/json"})
		return
	}
	if path[0] == "version" || path[0] == "api" && len(path) <= 2 || path[0] == "apis" && len(path) <= 3 {
		if r.Method != http.MethodGet {
			writeError(w, methodNotAllowed())
			return
		}
		s.serveDiscovery(w, path)
		return
	}
	t, ok := s.resolve(path)
	if !ok {
		writeError(w, pathNotFound())
		return
	}
	if err := s.serve(w, r, t); err != nil {
		writeError(w, err)
	}
}

// resolve finds what /api/v1/... or /apis/{group}/{version}/... addresses.
func (s *Server) resolve(path []string) (target, bool) {
	group, version, rest := "", path[1], path[2:]
	if path[0] == "apis" {
		group, version, rest = path[1], path[2], path[3:]
	}
	namespace := ""
	if len(rest) >= 3 && rest[0] == "namespaces" && (len(rest) > 3 || rest[2] != "status") {
		namespace, rest = rest[1], rest[2:]
	}
	t := target{namespace: namespace}
	for _, r := range s.resources {
		if r.Group == group && r.Version == version && r.Plural == rest[0] {
			t.resource = r
		}
	}
	if t.resource == nil || len(rest) > 3 || namespace != "" && !t.resource.Namespaced {
		return t, false
	}
	if len(rest) > 1 {
		t.name = rest[1]
	}
	if len(rest) == 3 {
		t.status = true
		if rest[2] != "status" || !t.resource.StatusSubresource {
			return t, false
		}
	}
	return t, t.name == "" || namespace != "" || !t.resource.Namespaced
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, t target) *Error {
	query := r.URL.Query()
	options := write{dryRun: query.Get("dryRun") == "All", strict: query.Get("fieldValidation") == "Strict", status: t.status, caller: true}
	switch {
	case r.Method == http.MethodGet && t.name != "":
		o, err := s.Get(t.resource, t.namespace, t.name)
		if err != nil {
			return notFound(t.resource, t.name)
		}
		writeObject(w, http.StatusOK, o)
		return nil
	case r.Method == http.MethodGet:
		return s.serveList(w, r, t)
	case r.Method == http.MethodPost && t.name == "":
		if t.resource.Namespaced && t.namespace == "" {
			return methodNotAllowed()
		}
		o, err := readObject(w, r, "application/json")
		if err != nil {
			return err
		}
		created, warnings, err := s.create(t.resource, t.namespace, o, options)
		if err != nil {
			return err
		}
		writeWarnings(w, query.Get("fieldValidation"), warnings)
		writeObject(w, http.StatusCreated, created)
		return nil
	case (r.Method == http.MethodPut || r.Method == http.MethodPatch) && t.name != "":
		return s.serveChange(w, r, t, options)
	case r.Method == http.MethodDelete && t.name != "" && !t.status:
		return s.serveDelete(w, r, t, options)
	default:
		return methodNotAllowed()
	}
}

func (s *Server) serveList(w http.ResponseWriter, r *http.Request, t target) *Error {
	query := r.URL.Query()
	sel, err := parseSelector(query.Get("labelSelector"), query.Get("fieldSelector"))
	if err != nil {
		return err
	}
	if watch, _ := strconv.ParseBool(query.Get("watch")); watch {
		s.serveWatch(w, r, t, sel)
		return nil
	}
	items, version := s.list(t.resource, t.namespace, sel)
	writeObject(w, http.StatusOK, map[string]any{
		"apiVersion": t.resource.APIVersion(), "kind": t.resource.Kind + "List",
		"metadata": map[string]any{"resourceVersion": strconv.FormatUint(version, 10)}, "items": items,
	})
	return nil
}

func (s *Server) serveChange(w http.ResponseWriter, r *http.Request, t target, options write) *Error {
	mediaType := "application/json"
	if r.Method == http.MethodPatch {
		mediaType = "application/merge-patch+json"
	}
	body, err := readObject(w, r, mediaType)
	if err != nil {
		return err
	}
	change := func(Object) Object { return body }
	if r.Method == http.MethodPatch {
		change = func(present Object) Object {
			patched, _ := mergePatch(map[string]any(present.Copy()), map[string]any(body)).(map[string]any)
			return patched
		}
	}
	updated, warnings, err := s.update(t.resource, t.namespace, t.name, change, options)
	if err != nil {
		return err
	}
	writeWarnings(w, r.URL.Query().Get("fieldValidation"), warnings)
	writeObject(w, http.StatusOK, updated)
	return nil
}

func (s *Server) serveDelete(w http.ResponseWriter, r *http.Request, t target, options write) *Error {
	var wanted deleteOptions
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &wanted)
	}
	if err != nil {
		return badRequest("the delete options cannot be read: %v", err)
	}
	if policy := r.URL.Query().Get("propagationPolicy"); policy != "" {
		wanted.PropagationPolicy = policy
	}
	options.dryRun = options.dryRun || len(wanted.DryRun) > 0
	gone, failed := s.delete(t.resource, t.namespace, t.name, wanted, options)
	if failed != nil {
		return failed
	}
	details := detailsOf(t.resource, t.name)
	details["uid"] = gone.UID()
	writeObject(w, http.StatusOK, Object{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Success", "details": details})
	return nil
}

// readObject reads a JSON object of one media type.
func readObject(w http.ResponseWriter, r *http.Request, accepted string) (Object, *Error) {
	contentType := r.Header.Get("Content-Type")
	mediaType, _, err := mime.ParseMediaType(contentType)
	if contentType != "" && err != nil || contentType == "" && r.Method == http.MethodPatch || contentType != "" && mediaType != accepted {
		return nil, &Error{Code: http.StatusUnsupportedMediaType, Reason: "UnsupportedMediaType", Message: "the body of the request was in an unknown format - accepted media types include: " + accepted}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &Error{Code: http.StatusRequestEntityTooLarge, Reason: "RequestEntityTooLarge", Message: "Request entity too large: limit is " + strconv.Itoa(maxBody)}
	case err != nil:
		return nil, badRequest("the body cannot be read: %v", err)
	case len(body) > maxObject:
		return nil, &Error{Code: http.StatusInternalServerError, Reason: "InternalError", Message: "etcdserver: request is too large"}
	}
	var o Object
	if err := json.Unmarshal(body, &o); err != nil || o == nil {
		return nil, badRequest("couldn't get version/kind; json parse error: %v", err)
	}
	return o, nil
}

func acceptsJSON(accept string) bool {
	if accept == "" {
		return true
	}
	for part := range strings.SplitSeq(accept, ",") {
		mediaType, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		if mediaType == "application/json" || mediaType == "*/*" || mediaType == "application/*" {
			return true
		}
	}
	return false
}

func writeWarnings(w http.ResponseWriter, validation string, warnings []string) {
	if validation == "Ignore" {
		return
	}
	for _, warning := range warnings {
		w.Header().Add("Warning", "299 - "+strconv.Quote(warning))
	}
}

func writeError(w http.ResponseWriter, err *Error) { writeObject(w, err.Code, err.status()) }

func writeObject(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "the object cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
