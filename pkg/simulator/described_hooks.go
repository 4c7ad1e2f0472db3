package simulator

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// DescribedHooks are webhooks that a described system keeps: what is created is listed as it was sent, with an id.
type DescribedHooks struct {
	// List, Create, Update and Delete are the calls; those that are missing have no method.
	List, Create, Update, Delete DescribedCall
	// Items is where the list is in the answer of List; empty means that the answer is the list.
	Items string
	// ID, Callback, Topic and Label are where an item has these; CreatedID where the answer of Create has the id.
	ID, Callback, Topic, Label, CreatedID string
	// Types are what is fired for each topic. Without any topic, everything is.
	Types map[string][]string
}

// DescribedCall is one call about webhooks. Places are members of JSON documents or fields of forms, joined by
// dots.
type DescribedCall struct {
	Method string
	// Path is below the system's URL; {id} stands for the webhook's id.
	Path string
	// Callback, Topic and Label are where the body has these.
	Callback, Topic, Label string
}

// describedHooks are webhooks with what was made of them.
type describedHooks struct {
	*DescribedHooks

	mu    sync.Mutex
	last  int
	items map[string]map[string]any // by id
}

// wantedHook is a webhook that is to be called.
type wantedHook struct{ id, callback string }

func newDescribedHooks(d *DescribedHooks) *describedHooks {
	return &describedHooks{DescribedHooks: d, items: map[string]map[string]any{}}
}

// hookAt is what serves a request about webhooks, nil where it is about none.
func (s *Described) hookAt(r *http.Request) http.HandlerFunc {
	for _, h := range s.hooks {
		for _, call := range []struct {
			DescribedCall
			serve func(w http.ResponseWriter, r *http.Request, id string)
		}{{h.Create, h.create}, {h.List, h.list}, {h.Update, h.update}, {h.Delete, h.remove}} {
			if id, ok := call.matches(r, s); ok {
				return func(w http.ResponseWriter, r *http.Request) { call.serve(w, r, id) }
			}
		}
	}
	return nil
}

// matches says whether a request is this call, and the id in its path.
func (c DescribedCall) matches(r *http.Request, s *Described) (id string, ok bool) {
	if c.Method == "" || r.Method != c.Method {
		return "", false
	}
	path, _, _ := strings.Cut(c.Path, "?")
	before, after, has := strings.Cut(s.at(path), "{id}")
	is := strings.TrimRight(r.URL.Path, "/")
	if !has {
		return "", is == before
	}
	if !strings.HasPrefix(is, before) || !strings.HasSuffix(is, after) || len(is) <= len(before)+len(after) {
		return "", false
	}
	id = is[len(before) : len(is)-len(after)]
	return id, !strings.Contains(id, "/")
}

func (h *describedHooks) list(w http.ResponseWriter, _ *http.Request, _ string) {
	h.mu.Lock()
	list := []any{}
	for _, id := range slices.Sorted(maps.Keys(h.items)) {
		list = append(list, h.items[id])
	}
	var answer any = list
	if h.Items != "" && h.Items != "@this" {
		object := map[string]any{}
		put(object, h.Items, list)
		answer = object
	}
	body, err := json.Marshal(answer)
	h.mu.Unlock()
	if err != nil {
		fail(w, http.StatusInternalServerError, "the list cannot be written")
		return
	}
	writeBody(w, http.StatusOK, body)
}

func (h *describedHooks) create(w http.ResponseWriter, r *http.Request, _ string) {
	item, problem := h.read(r, h.Create)
	if problem != "" {
		fail(w, http.StatusBadRequest, problem)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	id := strconv.Itoa(1000 + h.last)
	put(item, h.ID, id)
	h.items[id] = item
	answer := maps.Clone(item)
	if h.CreatedID != "" {
		put(answer, h.CreatedID, id)
	}
	writeJSON(w, http.StatusCreated, answer)
}

func (h *describedHooks) update(w http.ResponseWriter, r *http.Request, id string) {
	item, problem := h.read(r, h.Update)
	if problem != "" {
		fail(w, http.StatusBadRequest, problem)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.items[id] == nil {
		fail(w, http.StatusNotFound, "there is no such webhook")
		return
	}
	changed := maps.Clone(h.items[id])
	maps.Copy(changed, item)
	put(changed, h.ID, id)
	h.items[id] = changed
	writeJSON(w, http.StatusOK, changed)
}

func (h *describedHooks) remove(w http.ResponseWriter, _ *http.Request, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.items[id] == nil {
		fail(w, http.StatusNotFound, "there is no such webhook")
		return
	}
	delete(h.items, id)
	w.WriteHeader(http.StatusNoContent)
}

// read makes an item of a body: all that was sent, and callback, topic and label where the list has them.
func (h *describedHooks) read(r *http.Request, call DescribedCall) (item map[string]any, problem string) {
	body, err := readBody(r, maxRequest)
	if err != nil {
		return nil, "the body is too large"
	}
	item = map[string]any{}
	if form, err := url.ParseQuery(string(body)); strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && err == nil {
		for name, values := range form {
			item[name] = values[0]
		}
	} else if json.Unmarshal(body, &item) != nil {
		return nil, "the body is neither a JSON object nor a form"
	}
	callback, _ := at(item, call.Callback).(string)
	if call.Callback != "" && !webAddress(callback) {
		return nil, "the webhook has no address to call: " + call.Callback
	}
	for _, place := range []struct{ sent, listed string }{{call.Callback, h.Callback}, {call.Topic, h.Topic}, {call.Label, h.Label}} {
		if value := at(item, place.sent); value != nil && place.listed != "" {
			put(item, place.listed, value)
		}
	}
	return item, ""
}

// wanting are the webhooks that asked for a type.
func (s *Described) wanting(name string) []wantedHook {
	var wanted []wantedHook
	for _, h := range s.hooks {
		h.mu.Lock()
		for _, id := range slices.Sorted(maps.Keys(h.items)) {
			callback, _ := at(h.items[id], h.Callback).(string)
			if callback != "" && h.wants(h.items[id], name) {
				wanted = append(wanted, wantedHook{id, callback})
			}
		}
		h.mu.Unlock()
	}
	return wanted
}

// wants says whether one of the webhook's topics brings the type.
func (h *describedHooks) wants(item map[string]any, name string) bool {
	var topics []string
	switch value := at(item, h.Topic).(type) {
	case string:
		topics = listOf(value)
	case []any:
		for _, one := range value {
			if topic, ok := one.(string); ok {
				topics = append(topics, topic)
			}
		}
	}
	if len(h.Types) == 0 || len(topics) == 0 {
		return true
	}
	return slices.ContainsFunc(topics, func(topic string) bool { return slices.Contains(h.Types[topic], name) })
}

// at is the value at a place, nil where there is none.
func at(object map[string]any, place string) any {
	var value any = object
	for _, name := range strings.Split(place, ".") {
		switch above := value.(type) {
		case map[string]any:
			value = above[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(above) {
				return nil
			}
			value = above[i]
		default:
			return nil
		}
	}
	return value
}

// put sets the value at a place, and makes what is missing above it.
func put(object map[string]any, place string, value any) {
	names := strings.Split(place, ".")
	for _, name := range names[:len(names)-1] {
		below, ok := object[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			object[name] = below
		}
		object = below
	}
	object[names[len(names)-1]] = value
}
