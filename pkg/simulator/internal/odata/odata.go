// Package odata is an OData version 2 service in memory, as SAP systems offer it: service document,
// $metadata, entity sets with paging, single entities, writes with ETags, in JSON and Atom; and the guard
// that demands a CSRF token for writes.
package odata

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of what a service takes.
const (
	maxBody     = 1 << 20
	maxEntities = 20_000
)

// Property is one property of an entity type.
type Property struct {
	Name string
	// Type is an EDM type such as "Edm.String", which is also meant if it is empty.
	Type string
	// Attributes are further XML attributes in $metadata, such as ` c4c:value-help="X"`.
	Attributes string
}

// Set is one entity set.
type Set struct {
	Name       string
	EntityType string
	// Key is the name of the key property; empty means ObjectID.
	Key        string
	Properties []Property
	// NewKey makes the key of a created entity.
	NewKey func() string
	// ReadOnly refuses writes.
	ReadOnly bool

	entities map[string]*entity
	order    []string
}

type entity struct {
	values   map[string]any
	revision int
}

// Service is one service below one path.
type Service struct {
	// Name is the namespace of its types.
	Name string
	// Attributes are further XML attributes of the root of $metadata, such as namespaces.
	Attributes string
	// Flat answers a single entity as it is, without "results" around it.
	Flat bool
	// PageSize is after how many entities a client has to ask again; 0 means 1000.
	PageSize int
	Sets     []*Set

	mu sync.Mutex
}

// Add puts entities into a set; each needs its key. It is an error if there is no such set.
func (s *Service) Add(set string, entities ...map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	target := s.set(set)
	if target == nil {
		return fmt.Errorf("service %s has no entity set %s", s.Name, set)
	}
	for _, values := range entities {
		key, _ := values[target.key()].(string)
		if key == "" {
			return fmt.Errorf("an entity of %s has no %s", set, target.key())
		}
		target.put(key, values)
	}
	return nil
}

// key is the name of the key property.
func (t *Set) key() string { return cmp.Or(t.Key, "ObjectID") }

func (t *Set) put(key string, values map[string]any) {
	if t.entities == nil {
		t.entities = map[string]*entity{}
	}
	if _, ok := t.entities[key]; !ok {
		t.order = append(t.order, key)
	}
	t.entities[key] = &entity{values: values}
}

func (s *Service) set(name string) *Set {
	for _, t := range s.Sets {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// etag changes with every write.
func (e *entity) etag() string {
	changed := time.Date(2026, 1, 1, 0, 0, e.revision, 0, time.UTC)
	return `W/"datetimeoffset'` + changed.Format("2006-01-02T15:04:05.0000000Z") + `'"`
}

// problem is an answer other than success.
type problem struct {
	status  int
	code    string
	message string
}

func problemf(status int, code, format string, args ...any) *problem {
	return &problem{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// At serves the service below a path that ends with a slash.
func (s *Service) At(base string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := call{w: w, r: r, service: s, base: base, json: wantsJSON(r)}
		w.Header().Set("Dataserviceversion", "2.0")
		w.Header().Set("Cache-Control", "no-cache, no-store")
		if r.URL.Path+"/" == base {
			http.Redirect(w, r, base, http.StatusMovedPermanently)
			return
		}
		rest, below := strings.CutPrefix(r.URL.Path, base)
		if !below {
			c.fail(problemf(http.StatusNotFound, "005056A509B11EE1B9A8FEC11C21D78E", "Resource not found for the segment '%s'", r.URL.Path))
			return
		}
		if p := c.serve(strings.TrimSuffix(rest, "/")); p != nil {
			c.fail(p)
		}
	})
}

// wantsJSON says whether the answer is to be JSON; Atom is the default.
func wantsJSON(r *http.Request) bool {
	if format := r.URL.Query().Get("$format"); format != "" {
		return format == "json"
	}
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}

// call is one request.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	service *Service
	base    string
	json    bool
}

func (c *call) serve(path string) *problem {
	if p := c.checkQuery(); p != nil {
		return p
	}
	c.service.mu.Lock()
	defer c.service.mu.Unlock()
	if path != "" && path != "$metadata" {
		return c.serveSet(path)
	}
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		return methodNotAllowed()
	}
	if path == "" {
		c.writeDocument()
	} else {
		c.writeMetadata()
	}
	return nil
}

// checkQuery refuses system query options that are not simulated, as the standard demands.
func (c *call) checkQuery() *problem {
	for _, name := range slices.Sorted(maps.Keys(c.r.URL.Query())) {
		switch name {
		case "$format", "$top", "$skip", "$skiptoken", "$inlinecount":
		default:
			if strings.HasPrefix(name, "$") {
				return problemf(http.StatusNotImplemented, "NotImplemented", "the system query option %s is not simulated", name)
			}
		}
	}
	return nil
}

func methodNotAllowed() *problem {
	return problemf(http.StatusMethodNotAllowed, "MethodNotAllowed", "the method is not allowed here")
}

func (c *call) serveSet(path string) *problem {
	name, rest, _ := strings.Cut(path, "/")
	setName, key, hasKey := strings.Cut(name, "('")
	t := c.service.set(setName)
	if t == nil || hasKey && !strings.HasSuffix(key, "')") {
		return problemf(http.StatusNotFound, "005056A509B11EE1B9A8FEC11C21D78E", "Resource not found for the segment '%s'", name)
	}
	write := c.r.Method != http.MethodGet && c.r.Method != http.MethodHead
	if write && t.ReadOnly {
		return methodNotAllowed()
	}
	switch {
	case !hasKey && rest == "$count" && !write:
		c.w.Header().Set("Content-Type", "text/plain")
		_, _ = c.w.Write([]byte(strconv.Itoa(len(t.order))))
		return nil
	case rest != "":
		return problemf(http.StatusNotFound, "005056A509B11EE1B9A8FEC11C21D78E", "Resource not found for the segment '%s'", rest)
	case !hasKey && !write:
		return c.writePage(t)
	case !hasKey && c.r.Method == http.MethodPost:
		return c.create(t)
	case !hasKey:
		return methodNotAllowed()
	}
	key = strings.TrimSuffix(key, "')")
	e := t.entities[key]
	if e == nil {
		return problemf(http.StatusNotFound, "0050568D393C1ED3A9B3A5D0D5A6B5B5", "Resource not found for the segment '%s'", setName)
	}
	if !write {
		c.w.Header().Set("Etag", e.etag())
		c.writeEntity(http.StatusOK, t, key, e)
		return nil
	}
	return c.change(t, key, e)
}

// page works out which entities an answer has and where the next begin; 0 if it is the last page.
func (c *call) page(t *Set) (keys []string, next int, p *problem) {
	number := func(name string, or int) int {
		text := c.r.URL.Query().Get(name)
		if text == "" {
			return or
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			p = problemf(http.StatusBadRequest, "BadRequest", "%s is not a number: %s", name, text)
		}
		return n
	}
	size := c.service.PageSize
	if size == 0 {
		size = 1000
	}
	top := number("$top", -1)
	first := number("$skip", 0) + max(number("$skiptoken", 1)-1, 0)
	if p != nil {
		return nil, 0, p
	}
	first = min(first, len(t.order))
	keys = t.order[first:]
	if top >= 0 && top <= size {
		return keys[:min(top, len(keys))], 0, nil
	}
	if len(keys) <= size {
		return keys, 0, nil
	}
	return keys[:size], first + size + 1, nil
}
