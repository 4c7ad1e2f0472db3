package simulator

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// Limits of webhooks at GitHub.
const (
	maxGithubHooks      = 20 // for one event of one target
	maxGithubDeliveries = 1000
	maxGithubPayload    = 25 << 20
)

// githubTarget is what webhooks belong to.
type githubTarget struct {
	kind  string // "repository" or "organization"
	name  string
	id    int
	url   string
	view  map[string]any
	hooks []*githubHook
}

// githubHook is one webhook.
type githubHook struct {
	target     *githubTarget
	id         int
	active     bool
	events     []string
	config     githubConfig
	created    time.Time
	updated    time.Time
	last       map[string]any
	deliveries []*githubDelivery // newest first
}

// githubConfig is where and how a webhook is delivered.
type githubConfig struct {
	URL         string `json:"url"`
	ContentType string `json:"content_type"`
	Secret      string `json:"secret"`
	InsecureSSL any    `json:"insecure_ssl"` // a text or a number
}

// githubDelivery is one attempt to deliver.
type githubDelivery struct {
	id                        int
	guid, event, action       string
	at                        time.Time
	redelivery                bool
	url                       string
	payload                   []byte
	requestHeader, respHeader http.Header
	respBody                  []byte
	took                      time.Duration
	code                      int
	status                    string
}

// githubHooks are the webhooks of an organization and its repository, and what they send. Nothing is ever
// repeated, but by redelivery through the API.
type githubHooks struct {
	outbox       *outbox
	organization *githubTarget
	repository   *githubTarget

	// forms: every delivery is a form.
	forms  bool
	serial atomic.Int64 // numbers what happens
	mutex  sync.Mutex   // guards the hooks
	nextID int
}

func newGithubHooks(api, owner, repository string) *githubHooks {
	account := map[string]any{"login": owner, "id": 9919, "type": "Organization", "html_url": "https://github.com/" + owner}
	g := &githubHooks{nextID: 12345678, organization: &githubTarget{
		kind: "organization", name: owner, id: 9919, url: api + "/orgs/" + owner,
		view: map[string]any{"login": owner, "id": 9919, "url": api + "/orgs/" + owner, "description": "A simulated organization"},
	}}
	name := owner + "/" + repository
	g.repository = &githubTarget{kind: "repository", name: name, id: 1296269, url: api + "/repos/" + name, view: map[string]any{
		"id": 1296269, "name": repository, "full_name": name, "private": true, "owner": account, "default_branch": "main",
		"html_url": "https://github.com/" + name, "url": api + "/repos/" + name,
	}}
	g.serial.Store(1346)
	g.outbox = newOutbox(sending{subscribed: true, attempts: 1, tried: g.tried})
	return g
}

// Connect implements Notifier.
func (g *githubHooks) Connect(consumer Consumer) error { return g.outbox.connect(consumer) }

// Monitor implements Notifier.
func (g *githubHooks) Monitor() []Outbound { return g.outbox.monitor() }

// Resend implements Notifier; id is the GUID of a delivery.
func (g *githubHooks) Resend(ctx context.Context, id string) error { return g.outbox.resend(ctx, id) }

// Close implements System.
func (g *githubHooks) Close() { g.outbox.close() }

// find returns the hook of a path; the caller holds the mutex.
func (t *githubTarget) find(id string) *githubHook {
	for _, h := range t.hooks {
		if strconv.Itoa(h.id) == id {
			return h
		}
	}
	return nil
}

// withHook finds the hook in the path and runs next while nobody else changes hooks.
func (g *githubHooks) withHook(next func(w http.ResponseWriter, r *http.Request, h *githubHook)) githubHandler {
	return func(w http.ResponseWriter, r *http.Request, target *githubTarget) {
		g.mutex.Lock()
		defer g.mutex.Unlock()
		h := target.find(r.PathValue("hook"))
		if h == nil {
			githubNotFound(w, r)
			return
		}
		next(w, r, h)
	}
}

func (g *githubHooks) listHooks(w http.ResponseWriter, r *http.Request, target *githubTarget) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	views := []map[string]any{}
	for _, h := range githubPage(w, r, target.hooks) {
		views = append(views, h.view())
	}
	writeJSON(w, http.StatusOK, views)
}

func (g *githubHooks) getHook(w http.ResponseWriter, _ *http.Request, h *githubHook) {
	writeJSON(w, http.StatusOK, h.view())
}

// view is what can be read of a hook: the secret only as asterisks.
func (h *githubHook) view() map[string]any {
	config := map[string]any{"url": h.config.URL, "content_type": h.config.ContentType, "insecure_ssl": h.config.InsecureSSL}
	if h.config.Secret != "" {
		config["secret"] = "********"
	}
	address := h.target.url + "/hooks/" + strconv.Itoa(h.id)
	view := map[string]any{
		"type": strings.ToUpper(h.target.kind[:1]) + h.target.kind[1:], "id": h.id, "name": "web", "active": h.active, "events": h.events, "config": config,
		"created_at": h.created.Format(time.RFC3339), "updated_at": h.updated.Format(time.RFC3339),
		"url": address, "ping_url": address + "/pings", "deliveries_url": address + "/deliveries",
	}
	if h.target.kind == "repository" {
		view["test_url"], view["last_response"] = address+"/test", h.last
	}
	return view
}

// githubHookRequest creates or changes a hook.
type githubHookRequest struct {
	Name         *string       `json:"name"`
	Active       *bool         `json:"active"`
	Events       []string      `json:"events"`
	AddEvents    []string      `json:"add_events"`
	RemoveEvents []string      `json:"remove_events"`
	Config       *githubConfig `json:"config"`
}

func (g *githubHooks) createHook(w http.ResponseWriter, r *http.Request, target *githubTarget) {
	var request githubHookRequest
	if err := readJSON(r, &request); err != nil {
		githubFail(w, http.StatusBadRequest, "Problems parsing JSON")
		return
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	now := time.Now().UTC()
	h := &githubHook{
		target: target, active: request.Active == nil || *request.Active, events: request.Events, created: now, updated: now,
		last: map[string]any{"code": nil, "status": "unused", "message": nil},
	}
	if len(h.events) == 0 {
		h.events = []string{"push"}
	}
	if request.Config != nil {
		h.config = *request.Config
	}
	if request.Name != nil && *request.Name != "web" {
		githubFail(w, http.StatusUnprocessableEntity, "Validation Failed", map[string]any{"resource": "Hook", "field": "name", "code": "invalid"})
		return
	}
	if problem := h.check(); problem != nil {
		githubFail(w, http.StatusUnprocessableEntity, "Validation Failed", problem)
		return
	}
	g.nextID++
	h.id = g.nextID
	target.hooks = append(target.hooks, h)
	w.Header().Set("Location", target.url+"/hooks/"+strconv.Itoa(h.id))
	writeJSON(w, http.StatusCreated, h.view())
	g.ping(h)
}

func (g *githubHooks) changeHook(w http.ResponseWriter, r *http.Request, h *githubHook) {
	var request githubHookRequest
	if err := readJSON(r, &request); err != nil {
		githubFail(w, http.StatusBadRequest, "Problems parsing JSON")
		return
	}
	changed := *h
	changed.updated = time.Now().UTC()
	if request.Active != nil {
		changed.active = *request.Active
	}
	if request.Events != nil {
		changed.events = request.Events
	}
	for _, event := range request.AddEvents {
		if !slices.Contains(changed.events, event) {
			changed.events = append(slices.Clone(changed.events), event)
		}
	}
	changed.events = slices.DeleteFunc(slices.Clone(changed.events), func(e string) bool { return slices.Contains(request.RemoveEvents, e) })
	if request.Config != nil {
		changed.config = *request.Config // as a whole: a secret that is not given again is gone
	}
	if problem := changed.check(); problem != nil {
		githubFail(w, http.StatusUnprocessableEntity, "Validation Failed", problem)
		return
	}
	*h = changed
	writeJSON(w, http.StatusOK, h.view())
}

// check fills what is left open and says what GitHub would refuse, or nil.
func (h *githubHook) check() map[string]any {
	h.config.ContentType = cmp.Or(h.config.ContentType, "form")
	if h.config.InsecureSSL == nil {
		h.config.InsecureSSL = "0"
	}
	custom := func(text string) map[string]any {
		return map[string]any{"resource": "Hook", "code": "custom", "message": text}
	}
	switch {
	case h.config.URL == "":
		return map[string]any{"resource": "Hook", "field": "url", "code": "missing_field"}
	case !webAddress(h.config.URL):
		return map[string]any{"resource": "Hook", "field": "url", "code": "invalid"}
	case h.config.ContentType != "json" && h.config.ContentType != "form":
		return map[string]any{"resource": "Hook", "field": "content_type", "code": "invalid"}
	}
	for _, event := range h.events {
		if event != "*" && !slices.Contains(githubEventNames(), event) {
			return map[string]any{"resource": "Hook", "field": "events", "code": "invalid", "value": event}
		}
	}
	counts := map[string]int{}
	for _, other := range h.target.hooks {
		if other.id == h.id {
			continue
		}
		if other.config.URL == h.config.URL {
			return custom("Hook already exists on this " + h.target.kind)
		}
		for _, event := range other.events {
			counts[event]++
		}
	}
	for _, event := range h.events {
		if counts[event] >= maxGithubHooks {
			return custom("The " + strconv.Quote(event) + " event cannot have more than 20 hooks")
		}
	}
	return nil
}

func (g *githubHooks) deleteHook(w http.ResponseWriter, _ *http.Request, h *githubHook) {
	h.target.hooks = slices.DeleteFunc(h.target.hooks, func(other *githubHook) bool { return other == h })
	w.WriteHeader(http.StatusNoContent)
}

func (g *githubHooks) pingHook(w http.ResponseWriter, _ *http.Request, h *githubHook) {
	g.ping(h)
	w.WriteHeader(http.StatusNoContent)
}

// ping sends the first event of every hook, in the background; the caller holds the mutex.
func (g *githubHooks) ping(h *githubHook) {
	payload := map[string]any{"zen": "Keep it logically awesome.", "hook_id": h.id, "hook": h.view()}
	g.surround(payload, h.target)
	body, err := json.Marshal(payload)
	if err != nil {
		return // it was made of texts and numbers
	}
	m := g.message(h, kube.NewUID(), "ping", "", body, false)
	g.outbox.background(func(ctx context.Context) { g.send(ctx, m) })
}

// surround adds what every payload has.
func (g *githubHooks) surround(payload map[string]any, target *githubTarget) {
	if target == g.repository {
		payload["repository"] = g.repository.view
	}
	payload["organization"] = g.organization.view
	payload["sender"] = map[string]any{"login": "octocat", "id": 583231, "type": "User", "html_url": "https://github.com/octocat"}
}

// message writes one delivery down and makes what is sent; the caller holds the mutex.
func (g *githubHooks) message(h *githubHook, guid, event, action string, payload []byte, redelivery bool) message {
	body, contentType := payload, "application/json"
	if h.config.ContentType == "form" || g.forms {
		body, contentType = []byte("payload="+url.QueryEscape(string(payload))), "application/x-www-form-urlencoded"
	}
	header := http.Header{
		"Accept": {"*/*"}, "User-Agent": {"GitHub-Hookshot/044aadd"}, "X-Github-Event": {event}, "X-Github-Delivery": {guid},
		"X-Github-Hook-Id": {strconv.Itoa(h.id)}, "X-Github-Hook-Installation-Target-Type": {h.target.kind},
		"X-Github-Hook-Installation-Target-Id": {strconv.Itoa(h.target.id)},
	}
	if h.config.Secret != "" {
		signed := &http.Request{Header: header}
		for name, algorithm := range map[string]string{"X-Hub-Signature": "sha1", "X-Hub-Signature-256": "sha256"} {
			// The algorithm and the encoding are known, so that signing cannot fail.
			_, _ = Sign(signed, body, Scheme{HMAC: &HMACScheme{Algorithm: algorithm, Encoding: "hex", Key: h.config.Secret, Header: name, Prefix: algorithm + "="}})
		}
	}
	g.nextID++
	d := &githubDelivery{
		id: g.nextID, guid: guid, event: event, action: action, at: time.Now().UTC(), redelivery: redelivery,
		url: h.config.URL, payload: payload, requestHeader: header, status: "pending",
	}
	h.deliveries = append([]*githubDelivery{d}, h.deliveries[:min(len(h.deliveries), maxGithubDeliveries-1)]...)
	return message{
		id: guid, kind: strings.TrimSuffix(event+"."+action, "."), subscription: strconv.Itoa(h.id), endpoint: h.config.URL,
		contentType: contentType, header: header, body: body, tag: d,
	}
}

// send delivers; a failure to do so is only seen in the list of deliveries.
func (g *githubHooks) send(ctx context.Context, m message) {
	if err := g.outbox.send(ctx, m); err != nil {
		g.tried(&outboundEvent{message: m}, attempt{err: err})
	}
}

// tried notes how a delivery ended.
func (g *githubHooks) tried(e *outboundEvent, a attempt) {
	d, ok := e.message.tag.(*githubDelivery)
	if !ok {
		return
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	d.code, d.respHeader, d.respBody, d.took = a.status, a.header, a.body, a.took
	switch {
	case errors.Is(a.err, context.DeadlineExceeded):
		d.status = "timed out"
	case a.err != nil:
		d.status = "failed to connect to host"
	case a.status/100 == 2:
		d.status = "OK"
	default:
		d.status = "Invalid HTTP Response: " + strconv.Itoa(a.status)
	}
	for _, target := range []*githubTarget{g.organization, g.repository} {
		for _, h := range target.hooks {
			if slices.Contains(h.deliveries, d) {
				h.last = map[string]any{"code": d.code, "status": strings.ToLower(cmp.Or(http.StatusText(d.code), "connection_error")), "message": d.status}
			}
		}
	}
}

func (g *githubHooks) listDeliveries(w http.ResponseWriter, r *http.Request, h *githubHook) {
	views := []map[string]any{}
	for _, d := range githubPage(w, r, h.deliveries) {
		views = append(views, d.view())
	}
	writeJSON(w, http.StatusOK, views)
}

func (h *githubHook) delivery(r *http.Request) *githubDelivery {
	i := slices.IndexFunc(h.deliveries, func(d *githubDelivery) bool { return strconv.Itoa(d.id) == r.PathValue("delivery") })
	if i < 0 {
		return nil
	}
	return h.deliveries[i]
}

func (g *githubHooks) getDelivery(w http.ResponseWriter, r *http.Request, h *githubHook) {
	d := h.delivery(r)
	if d == nil {
		githubNotFound(w, r)
		return
	}
	view := d.view()
	view["url"] = d.url
	view["request"] = map[string]any{"headers": flatHeader(d.requestHeader), "payload": json.RawMessage(d.payload)}
	view["response"] = map[string]any{"headers": flatHeader(d.respHeader), "payload": string(d.respBody)}
	writeJSON(w, http.StatusOK, view)
}

func flatHeader(header http.Header) map[string]string {
	flat := map[string]string{}
	for name, values := range header {
		flat[name] = strings.Join(values, ", ")
	}
	return flat
}

// redeliver sends a delivery again: with the same GUID and body, to where the hook leads now.
func (g *githubHooks) redeliver(w http.ResponseWriter, r *http.Request, h *githubHook) {
	d := h.delivery(r)
	if d == nil {
		githubNotFound(w, r)
		return
	}
	m := g.message(h, d.guid, d.event, d.action, bytes.Clone(d.payload), true)
	g.outbox.background(func(ctx context.Context) { g.send(ctx, m) })
	writeJSON(w, http.StatusAccepted, map[string]any{})
}

func (d *githubDelivery) view() map[string]any {
	view := map[string]any{
		"id": d.id, "guid": d.guid, "delivered_at": d.at.Format(time.RFC3339), "redelivery": d.redelivery, "duration": d.took.Seconds(),
		"status": d.status, "status_code": d.code, "event": d.event, "action": nil, "installation_id": nil, "repository_id": nil,
	}
	if d.action != "" {
		view["action"] = d.action
	}
	return view
}
