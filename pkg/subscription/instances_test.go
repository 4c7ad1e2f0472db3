package subscription_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// perInstance are webhooks that are a part of the configuration of discovered APIs.
const perInstance = `
apis:
  - name: =item("name")
    kind: rest
    discover: {get: /instances, items: items, next: next, id: =item("id"), include: =item("enabled") != "false"}
webhooks:
  each: instance
  list: {get: ="/instances/" + id, items: "[@this]", id: id, callback: config.event\.url, active: =item("config.event\\.on") == "true"}
  create: {patch: ="/instances/" + id, json: {config: {event.on: true, event.url: =callback, event.key: =param("shared_key"), event.name: =item("name")}}, id: id}
  delete: {patch: ="/instances/" + id, json: {config: {event.on: false, event.url: ""}}}
`

// account is a fake system of instances with a configuration; hidden ones are not listed.
type account struct {
	instances map[string]*inst
	writes    []string
}

type inst struct {
	name, enabled string
	hidden        bool
	config        map[string]any
}

func (a *account) serve(w http.ResponseWriter, r *http.Request) {
	view := func(id string) map[string]any {
		i := a.instances[id]
		shown := maps.Clone(i.config)
		delete(shown, "event.key")
		return map[string]any{"id": id, "name": i.name, "token": sharedKey + "-of-" + id, "enabled": i.enabled, "config": shown}
	}
	id := strings.TrimPrefix(r.URL.Path, "/instances/")
	switch {
	case r.URL.Path == "/instances":
		items := []any{}
		for _, id := range slices.Sorted(maps.Keys(a.instances)) {
			if !a.instances[id].hidden {
				items = append(items, view(id))
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
	case a.instances[id] == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPatch:
		var body struct{ Config map[string]any }
		_ = json.NewDecoder(r.Body).Decode(&body)
		if a.instances[id].config == nil {
			a.instances[id].config = map[string]any{}
		}
		maps.Copy(a.instances[id].config, body.Config)
		a.writes = append(a.writes, id)
		_ = json.NewEncoder(w).Encode(view(id))
	default:
		_ = json.NewEncoder(w).Encode(view(id))
	}
}

// configured lists "<id> <address> <key>" of the instances that send events.
func (a *account) configured() []string {
	out := []string{}
	for _, id := range slices.Sorted(maps.Keys(a.instances)) {
		if c := a.instances[id].config; c["event.on"] == true {
			out = append(out, fmt.Sprintf("%s %v %v", id, c["event.url"], c["event.key"]))
		}
	}
	return out
}

func newAccount(t *testing.T, webhooks string) (*fixture, *account) {
	t.Helper()
	f := newFixture(t, webhooks)
	a := &account{instances: map[string]*inst{"7": {name: "Seven"}, "8": {name: "Eight"}}}
	f.shop.before = a.serve
	return f, a
}

// quiet runs once more and wants nothing to be done.
func quiet(t *testing.T, f *fixture, a *account) {
	t.Helper()
	writes, saves := len(a.writes), f.state.saves
	f.run(t)
	assert.Len(t, a.writes, writes)
	assert.Equal(t, saves, f.state.saves)
}

func TestInstances(t *testing.T) {
	t.Parallel()
	f, a := newAccount(t, perInstance)
	a.instances["9"] = &inst{name: "Nine", config: map[string]any{"event.on": true, "event.url": foreign}}
	a.instances["10"] = &inst{name: "Ten", enabled: "false"}
	f.options.Policy = registration.Sync
	report, rows := f.run(t)
	assert.Equal(t, []string{"registered Seven", "registered Eight", "failed Nine"}, rows)
	assert.Equal(t, "7", report.Items[0].Instance)
	assert.Equal(t, registration.ClassConflict, report.Items[2].Class)
	assert.Equal(t, []string{"7 " + address + " " + sharedKey, "8 " + address + " " + sharedKey, "9 " + foreign + " <nil>"}, a.configured())
	quiet(t, f, a)

	f.set(t, "shared_key=another-key")
	_, rows = f.run(t)
	assert.Equal(t, []string{"updated Seven", "updated Eight", "failed Nine"}, rows)
	assert.Equal(t, []string{"7 " + address + " another-key", "8 " + address + " another-key", "9 " + foreign + " <nil>"}, a.configured())
	quiet(t, f, a)

	a.instances["7"].config["event.on"] = false
	_, rows = f.run(t)
	assert.Equal(t, []string{"updated Seven", "unchanged Eight", "failed Nine"}, rows)

	removal := registration.NewRemoval("shop", "ns/shop")
	subscription.Remove(t.Context(), f.options, f.deps, removal)
	assert.ElementsMatch(t, []string{"webhook 7", "webhook 8"}, removal.Removed)
	assert.Equal(t, []string{"9 " + foreign + " <nil>"}, a.configured())
}

func TestInstancesThatAreNotListedAnyMore(t *testing.T) {
	t.Parallel()
	f, a := newAccount(t, perInstance)
	f.run(t)
	a.instances["8"].hidden = true
	report, rows := f.run(t)
	assert.Equal(t, []string{"unchanged Seven", "left 8"}, rows)
	assert.Contains(t, report.Items[1].Reason, "policy upsert never deletes")
	quiet(t, f, a)

	f.options.Policy = registration.Sync
	_, rows = f.run(t)
	assert.Equal(t, []string{"unchanged Seven", "deleted 8"}, rows)
	assert.Equal(t, []string{"7 " + address + " " + sharedKey}, a.configured())
	_, rows = f.run(t)
	assert.Equal(t, []string{"unchanged Seven"}, rows)
	quiet(t, f, a)

	delete(a.instances, "7")
	_, rows = f.run(t)
	assert.Empty(t, rows, "what is gone with its instance needs no deletion")
	quiet(t, f, a)
	assert.Empty(t, f.state.data.Webhooks)
}

func TestInstancesAfterHalfAListing(t *testing.T) {
	t.Parallel()
	f, a := newAccount(t, perInstance)
	f.options.Policy = registration.Sync
	f.run(t)
	f.shop.before = func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case "/instances":
			_, _ = fmt.Fprint(w, `{"items":[{"id":"7","name":"Seven"}],"next":"/instances?page=2"}`)
		case "/instances?page=2":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			a.serve(w, r)
		}
	}
	_, rows := f.run(t)
	assert.Equal(t, []string{"failed webhooks", "unchanged Seven"}, rows)
	assert.Len(t, a.configured(), 2, "nothing is deleted")
	assert.Len(t, f.state.data.Webhooks, 2, "and nothing forgotten")

	f.shop.before = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/instances/7" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		a.serve(w, r)
	}
	report, rows := f.run(t)
	assert.Equal(t, []string{"failed Seven", "unchanged Eight"}, rows, "one that does not answer hides no other")
	assert.Equal(t, registration.ClassUnreachable, report.Items[0].Class)
	assert.Len(t, f.state.data.Webhooks, 2)
	f.shop.before = a.serve
	quiet(t, f, a)
}

func TestInstancesThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	before, after, _ := strings.Cut(perInstance, "  list:")
	_, after, _ = strings.Cut(after, "\n")
	f, a := newAccount(t, before+after)
	_, rows := f.run(t)
	assert.Equal(t, []string{"registered Seven", "registered Eight"}, rows)
	quiet(t, f, a)
	f.set(t, "shared_key=another-key")
	_, rows = f.run(t)
	assert.Equal(t, []string{"updated Seven", "updated Eight"}, rows)
	quiet(t, f, a)
	a.instances["8"].hidden = true
	f.options.Policy = registration.Sync
	_, rows = f.run(t)
	assert.Equal(t, []string{"unchanged Seven", "deleted 8"}, rows)
	quiet(t, f, a)
}
