package kube

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// maxWatch is how long one watch lives unless the caller asks for less.
const maxWatch = 30 * time.Minute

// serveWatch streams changes until the caller leaves or the time is over.
func (s *Server) serveWatch(w http.ResponseWriter, r *http.Request, t target, sel selector) {
	limit := maxWatch
	if seconds, err := strconv.Atoi(r.URL.Query().Get("timeoutSeconds")); err == nil && seconds > 0 {
		limit = min(limit, time.Duration(seconds)*time.Second)
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()

	controller := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	encoder := json.NewEncoder(w)
	send := func(kind string, object Object) bool {
		return encoder.Encode(map[string]any{"type": kind, "object": object}) == nil && controller.Flush() == nil
	}
	if controller.Flush() != nil {
		return
	}

	since, ok := s.watchStart(r, t, sel, send)
	if !ok {
		return
	}
	for {
		changes, next, changed, gone := s.changesSince(since, t, sel)
		if gone {
			send("ERROR", (&Error{Code: http.StatusGone, Reason: "Expired", Message: "too old resource version: " + strconv.FormatUint(since, 10)}).status())
			return
		}
		for _, c := range changes {
			if !send(c.kind, c.object) {
				return
			}
		}
		since = next
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// watchStart sends the present objects where the caller wants them and says from which version on
// changes are to follow.
func (s *Server) watchStart(r *http.Request, t target, sel selector, send func(string, Object) bool) (uint64, bool) {
	initial := r.URL.Query().Get("sendInitialEvents") == "true"
	asked, err := strconv.ParseUint(r.URL.Query().Get("resourceVersion"), 10, 64)
	if err == nil && asked > 0 && !initial {
		return asked, true
	}
	list, version := s.list(t.resource, t.namespace, sel)
	for _, o := range list {
		if !send("ADDED", o) {
			return 0, false
		}
	}
	if !initial {
		return version, true
	}
	bookmark := Object{"apiVersion": t.resource.APIVersion(), "kind": t.resource.Kind, "metadata": map[string]any{
		"resourceVersion": strconv.FormatUint(version, 10),
		"annotations":     map[string]any{"k8s.io/initial-events-end": "true"},
	}}
	return version, send("BOOKMARK", bookmark)
}

// changesSince returns the changes after a version, the version they reach to, and what is closed at
// the next change. An object that a selector stops or begins to match is deleted or added for the watcher.
func (s *Server) changesSince(since uint64, t target, sel selector) (list []change, next uint64, changed <-chan struct{}, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log) > 0 && since+1 < s.log[0].version {
		return nil, since, s.changed, true
	}
	for _, c := range s.log {
		if c.version <= since || c.resource != t.resource || t.namespace != "" && c.object.Namespace() != t.namespace {
			continue
		}
		now := c.kind != "DELETED" && sel.matches(c.object)
		before := c.old != nil && sel.matches(c.old)
		switch {
		case now && before:
			c.kind = "MODIFIED"
		case now:
			c.kind = "ADDED"
		case before:
			c.kind = "DELETED"
		default:
			continue
		}
		list = append(list, c)
	}
	return list, s.version, s.changed, false
}
