package odata

import (
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"slices"
)

// create is POST to a set.
func (c *call) create(t *Set) *problem {
	values, p := c.readEntity()
	if p != nil {
		return p
	}
	if len(t.order) >= maxEntities {
		return problemf(http.StatusInsufficientStorage, "InsufficientStorage", "the simulated set is full")
	}
	key := t.NewKey()
	values[t.key()] = key // a value that the caller gives is ignored
	t.put(key, values)
	c.w.Header().Set("Location", c.uri(t, key))
	c.w.Header().Set("Etag", t.entities[key].etag())
	c.writeEntity(http.StatusCreated, t, key, t.entities[key])
	return nil
}

// change is PATCH (or MERGE), PUT or DELETE of one entity.
func (c *call) change(t *Set, key string, e *entity) *problem {
	if match := c.r.Header.Get("If-Match"); match != "" && match != "*" && match != e.etag() {
		return problemf(http.StatusPreconditionFailed, "PreconditionFailed", "the entity was changed by somebody else")
	}
	switch c.r.Method {
	case http.MethodDelete:
		delete(t.entities, key)
		t.order = slices.DeleteFunc(t.order, func(k string) bool { return k == key })
	case http.MethodPatch, "MERGE", http.MethodPut:
		values, p := c.readEntity()
		if p != nil {
			return p
		}
		if c.r.Method != http.MethodPut {
			merged := maps.Clone(e.values)
			maps.Copy(merged, values)
			values = merged
		}
		values[t.key()] = key
		e.values = values
		e.revision++
		c.w.Header().Set("Etag", e.etag())
	default:
		return methodNotAllowed()
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) readEntity() (map[string]any, *problem) {
	mediaType, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if mediaType != "application/json" {
		return nil, problemf(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "only application/json is simulated")
	}
	var values map[string]any
	if err := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxBody)).Decode(&values); err != nil || values == nil {
		return nil, problemf(http.StatusBadRequest, "BadRequest", "the payload is no JSON object")
	}
	return values, nil
}
