package simulator

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

const (
	// openConnectorsBase is what every path begins with.
	openConnectorsBase = "/elements/api-v2"
	// openConnectorsAccount is the id of the one account.
	openConnectorsAccount = 4711
	// maxOpenConnectorsInstances bounds the instances of the account.
	maxOpenConnectorsInstances = 1000
)

// openConnectors is an account of SAP Open Connectors: instances of connectors ("elements"), one API for
// all of them behind a header that is put together from up to three secrets, and notifications.
type openConnectors struct {
	host, organization, user string
	faults                   Faults
	calls                    callLog
	outbox                   *outbox

	mu        sync.Mutex
	nextID    int
	instances []*ocInstance
	events    []*ocEvent // oldest first
	policy    string     // what happens after a failure: "retry" or "queue"
	delivered string     // the status of an event that was delivered
	allTags   bool       // a listing by several tags wants all of them
}

// ocInstance is one instance of an element.
type ocInstance struct {
	id      int
	name    string
	token   string
	tags    []string
	element ocElement
	created time.Time
	config  []ocSetting
	objects map[string][]map[string]any // by resource
	// subscription brings the notifications, nil while events are off.
	subscription *ocSubscription
}

// ocSetting is one entry of an instance's configuration.
type ocSetting struct {
	id         int
	key, value string
}

// newOpenConnectors needs host_name, organization_secret and user_secret. The two instances that a
// connector is to find are tagged with simulator_instance_tags, filter_tags or "kyma"; a third one is not. Unverified facts have switches:
// simulator_delivered_status (default NOTIFIED) is the status of an event that was delivered, simulator_tags "all"
// lists the instances that have all tags that were asked for instead of one of them.
func newOpenConnectors(params map[string]string) (System, error) {
	value := func(name, older string) string { return cmp.Or(params[name], params[older]) }
	known := map[string]string{
		"host_name": value("host_name", "hostName"), "organization_secret": value("organization_secret", "organizationSecret"),
		"user_secret": value("user_secret", "userSecret"),
	}
	if err := needed(known, "host_name", "organization_secret", "user_secret"); err != nil {
		return nil, err
	}
	host, err := hostOf("https://" + known["host_name"])
	if err != nil || strings.Contains(known["host_name"], "/") {
		return nil, errors.New("parameter host_name: give a host without https:// and path")
	}
	c := &openConnectors{host: host, organization: known["organization_secret"], user: known["user_secret"], nextID: 164194, policy: ocRetry,
		delivered: cmp.Or(params["simulator_delivered_status"], "NOTIFIED"), allTags: params["simulator_tags"] == "all"}
	c.outbox = newOutbox(sending{subscribed: true, retryAfter: 8 * time.Second, factor: 8, maxWait: 32768 * time.Second, attempts: 6, tried: c.tried, exhausted: c.exhausted})
	tags := listOf(cmp.Or(params["simulator_instance_tags"], value("filter_tags", "filterTags")))
	if len(tags) == 0 {
		tags = []string{"kyma"}
	}
	elements := ocElements()
	c.add("my-hubspot", tags, elements[0])
	c.add("my-c4c", tags, elements[1])
	c.add("not-for-kyma", []string{"other"}, elements[2])
	return c, nil
}

// add adds an instance; the caller holds the lock, or nobody else knows the account yet.
func (c *openConnectors) add(name string, tags []string, element ocElement) *ocInstance {
	c.nextID++
	i := &ocInstance{
		id: c.nextID, name: name, token: randomText(43) + "=", tags: slices.Clone(tags), element: element, created: time.Now().UTC(),
		objects: element.objects(),
	}
	for _, s := range []ocSetting{
		{key: ocEnabled, value: "false"}, {key: ocVendorType, value: "polling"}, {key: ocCallback}, {key: ocSignatureKey},
		{key: ocInterval, value: "15"}, {key: ocPoller, value: element.poller()}, {key: "username", value: "integration"}, {key: "password", value: "secret"},
	} {
		i.set(s.key, s.value, c)
	}
	c.instances = append(c.instances, i)
	return i
}

// set sets one value of the configuration.
func (i *ocInstance) set(key, value string, c *openConnectors) {
	for n := range i.config {
		if i.config[n].key == key {
			i.config[n].value = value
			return
		}
	}
	c.nextID++
	i.config = append(i.config, ocSetting{id: c.nextID, key: key, value: value})
}

func (i *ocInstance) setting(key string) string {
	for _, s := range i.config {
		if s.key == key {
			return s.value
		}
	}
	return ""
}

// Hosts implements System.
func (c *openConnectors) Hosts() map[string]http.Handler {
	return map[string]http.Handler{c.host: part{name: PartAPI, handler: c.signedIn(c.routes()), faults: &c.faults, calls: &c.calls}}
}

// Faults implements System.
func (c *openConnectors) Faults() *Faults { return &c.faults }

// Calls implements System.
func (c *openConnectors) Calls() []Call { return c.calls.list("") }

// Close implements System.
func (c *openConnectors) Close() { c.outbox.close() }

// ocHeader takes the header apart: "User x, Organization y, Element z", in any order.
func ocHeader(r *http.Request) map[string]string {
	parts := map[string]string{}
	for _, piece := range strings.Split(r.Header.Get("Authorization"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(piece), " ")
		parts[name] = strings.TrimSpace(value)
	}
	return parts
}

// signedIn lets in who has the user's secret and that of the organization or the token of an instance; if
// both are there, both have to be right. It knows no other parts, so that a misspelled one is not overlooked.
func (c *openConnectors) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := ocHeader(r)
		organization, byOrganization := header["Organization"]
		_, byElement := header["Element"]
		unknown := slices.ContainsFunc(slices.Collect(maps.Keys(header)), func(part string) bool {
			return part != "User" && part != "Organization" && part != "Element"
		})
		wrong := unknown || !same(header["User"], c.user) || !byOrganization && !byElement ||
			byOrganization && !same(organization, c.organization) || byElement && c.instanceOf(r) == nil
		if wrong {
			ocFail(w, http.StatusUnauthorized, "Invalid Organization or User secret, or invalid Element token provided.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// instanceOf is the instance whose token a request has, or nil.
func (c *openConnectors) instanceOf(r *http.Request) *ocInstance {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.instances {
		if same(i.token, ocHeader(r)["Element"]) {
			return i
		}
	}
	return nil
}

func (c *openConnectors) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, handler http.HandlerFunc) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+openConnectorsBase+path, handler)
	}
	// What concerns the account needs the organization's secret.
	account := func(pattern string, handler http.HandlerFunc) {
		handle(pattern, func(w http.ResponseWriter, r *http.Request) {
			if _, ok := ocHeader(r)["Organization"]; !ok {
				ocFail(w, http.StatusUnauthorized, "Invalid Organization or User secret, or invalid Element token provided.")
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			handler(w, r)
		})
	}
	account("GET /instances", c.listInstances)
	account("POST /instances", c.createInstance)
	account("GET /instances/{id}", c.withInstance(func(w http.ResponseWriter, _ *http.Request, i *ocInstance) { writeJSON(w, http.StatusOK, i.view()) }))
	account("PATCH /instances/{id}", c.withInstance(c.changeInstance))
	account("DELETE /instances/{id}", c.withInstance(c.deleteInstance))
	account("GET /instances/events", func(w http.ResponseWriter, r *http.Request) { c.listEvents(w, r, nil) })
	account("GET /instances/{id}/{what}", c.ofInstance)
	account("PATCH /instances/{id}/configuration/{setting}", c.withInstance(c.changeSetting))
	account("GET /elements/{key}/configuration", c.elementSettings)
	account("GET /notifications/subscriptions", c.listSubscriptions)
	account("GET /notifications/subscriptions/deliveries", c.listDeliveries)
	account("PUT /notifications/subscriptions/deliveries", c.redeliver)
	account("GET /accounts/{account}/settings", c.settings)
	account("POST /accounts/{account}/settings", c.settings)
	account("PATCH /accounts/{account}/settings", c.settings)
	for _, prefix := range []string{"", "/hubs/{hub}"} {
		handle("GET "+prefix+"/{resource}", c.listObjects)
		handle("GET "+prefix+"/{resource}/{object}", c.getObject)
	}
	mux.HandleFunc("/", ocNotFound)
	return mux
}

// ofInstance shows what there is of an instance, or one event: the path of that looks the same.
func (c *openConnectors) ofInstance(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") == "events" {
		c.getEvent(w, r)
		return
	}
	show, ok := map[string]func(http.ResponseWriter, *http.Request, *ocInstance){
		"configuration": c.listSettings, "docs": c.document, "events": c.listEvents,
	}[r.PathValue("what")]
	if !ok {
		ocNotFound(w, r)
		return
	}
	c.withInstance(show)(w, r)
}

// withInstance finds the instance in the path.
func (c *openConnectors) withInstance(next func(w http.ResponseWriter, r *http.Request, i *ocInstance)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, i := range c.instances {
			if strconv.Itoa(i.id) == r.PathValue("id") {
				next(w, r, i)
				return
			}
		}
		ocFail(w, http.StatusNotFound, "No element instance found with ID "+r.PathValue("id"))
	}
}

// listInstances lists the instances that have one of the tags, or all of them.
func (c *openConnectors) listInstances(w http.ResponseWriter, r *http.Request) {
	tags := r.URL.Query()["tags[]"]
	views := []any{}
	for _, i := range c.instances {
		missing := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return slices.Contains(i.tags, tag) })
		if len(missing) == 0 || !c.allTags && len(missing) < len(tags) {
			views = append(views, i.view())
		}
	}
	writeJSON(w, http.StatusOK, views)
}

// view is an instance as it can be read; passwords and keys are asterisks.
func (i *ocInstance) view() map[string]any {
	config := map[string]any{}
	for _, s := range i.config {
		config[s.key] = s.shown()
	}
	view := map[string]any{
		"id": i.id, "name": i.name, "createdDate": i.created.Format(time.RFC3339), "token": i.token, "tags": i.tags,
		"element": i.element.view(), "elementId": i.element.id, "valid": true, "disabled": false, "configuration": config,
		"eventsEnabled": i.subscription != nil, "traceLoggingEnabled": false, "user": map[string]any{"id": 9001},
	}
	if i.subscription != nil {
		view["eventsNotificationCallbackUrl"], view["subscriptionId"] = i.subscription.url, i.subscription.id
	}
	return view
}

// shown is the value as it can be read.
func (s ocSetting) shown() any {
	switch {
	case s.value == "":
		return nil
	case s.key == ocSignatureKey || s.key == "password" || strings.HasSuffix(s.key, ".secret"):
		return "********"
	}
	return s.value
}

// ocRequest creates or changes an instance.
type ocRequest struct {
	Element struct {
		Key string `json:"key"`
	} `json:"element"`
	ProviderData  map[string]any `json:"providerData"`
	Name          string         `json:"name"`
	Tags          []string       `json:"tags"`
	Configuration map[string]any `json:"configuration"`
}

func (c *openConnectors) createInstance(w http.ResponseWriter, r *http.Request) {
	var request ocRequest
	if err := readJSON(r, &request); err != nil {
		ocFail(w, http.StatusBadRequest, "The request body is not valid JSON of an instance")
		return
	}
	n := slices.IndexFunc(ocElements(), func(e ocElement) bool { return e.key == request.Element.Key })
	settings, err := ocSettings(request.Configuration)
	switch {
	case n < 0:
		ocFail(w, http.StatusNotFound, "No element found with key "+strconv.Quote(request.Element.Key))
		return
	case request.Name == "":
		ocFail(w, http.StatusBadRequest, "Missing required field 'name'")
		return
	case err != nil:
		ocFail(w, http.StatusBadRequest, err.Error())
		return
	case len(c.instances) >= maxOpenConnectorsInstances:
		ocFail(w, http.StatusConflict, "There are too many instances")
		return
	}
	element := ocElements()[n]
	if element.oauth {
		for _, key := range []string{"oauth.callback.url", "oauth.api.key", "oauth.api.secret"} {
			if settings[key] == "" || request.ProviderData["code"] == nil {
				ocFail(w, http.StatusBadRequest, "An element with OAuth needs providerData.code and the configuration "+key)
				return
			}
		}
	}
	i := c.add(request.Name, request.Tags, element)
	c.configure(i, settings)
	writeJSON(w, http.StatusOK, i.view())
}

func (c *openConnectors) changeInstance(w http.ResponseWriter, r *http.Request, i *ocInstance) {
	var request ocRequest
	if err := readJSON(r, &request); err != nil {
		ocFail(w, http.StatusBadRequest, "The request body is not valid JSON of an instance")
		return
	}
	settings, err := ocSettings(request.Configuration)
	if err != nil {
		ocFail(w, http.StatusBadRequest, err.Error())
		return
	}
	i.name = cmp.Or(request.Name, i.name)
	if request.Tags != nil {
		i.tags = request.Tags
	}
	c.configure(i, settings)
	writeJSON(w, http.StatusOK, i.view())
}

func (c *openConnectors) deleteInstance(w http.ResponseWriter, _ *http.Request, i *ocInstance) {
	c.instances = slices.DeleteFunc(c.instances, func(other *ocInstance) bool { return other == i })
	writeJSON(w, http.StatusOK, map[string]any{})
}

func (s ocSetting) view() map[string]any {
	return map[string]any{"id": s.id, "key": s.key, "name": s.key, "propertyValue": s.shown()}
}

func (c *openConnectors) listSettings(w http.ResponseWriter, _ *http.Request, i *ocInstance) {
	views := []any{}
	for _, s := range i.config {
		views = append(views, s.view())
	}
	writeJSON(w, http.StatusOK, views)
}

func (c *openConnectors) changeSetting(w http.ResponseWriter, r *http.Request, i *ocInstance) {
	var request struct {
		PropertyValue any `json:"propertyValue"`
	}
	if err := readJSON(r, &request); err != nil {
		ocFail(w, http.StatusBadRequest, "The request body is not valid JSON of a configuration")
		return
	}
	for _, s := range i.config {
		if strconv.Itoa(s.id) != r.PathValue("setting") {
			continue
		}
		settings, err := ocSettings(map[string]any{s.key: request.PropertyValue})
		if err != nil {
			ocFail(w, http.StatusBadRequest, err.Error())
			return
		}
		c.configure(i, settings)
		s.value = i.setting(s.key)
		writeJSON(w, http.StatusOK, s.view())
		return
	}
	ocFail(w, http.StatusNotFound, "No configuration found with ID "+r.PathValue("setting"))
}

// elementSettings is the configuration that instances of an element begin with.
func (c *openConnectors) elementSettings(w http.ResponseWriter, r *http.Request) {
	for _, e := range ocElements() {
		if e.key == r.PathValue("key") {
			writeJSON(w, http.StatusOK, []any{
				map[string]any{"key": ocInterval, "name": "Refresh interval (mins)", "defaultValue": "15"},
				map[string]any{"key": ocPoller, "name": "Poller configuration", "defaultValue": e.poller()},
			})
			return
		}
	}
	ocFail(w, http.StatusNotFound, "No element found with key "+strconv.Quote(r.PathValue("key")))
}

// document describes the API of one instance.
func (c *openConnectors) document(w http.ResponseWriter, r *http.Request, i *ocInstance) {
	paths := map[string]any{}
	operation := func(summary string) map[string]any {
		return map[string]any{"get": map[string]any{"summary": summary, "produces": []string{"application/json"}, "parameters": []any{
			map[string]any{"name": "Authorization", "in": "header", "required": true, "type": "string"},
		}, "responses": map[string]any{"200": map[string]any{"description": "OK"}}}}
	}
	for _, resource := range i.element.resources {
		paths["/"+resource] = operation("Search for " + resource)
		paths["/"+resource+"/{id}"] = operation("Retrieve one of " + resource)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"swagger": "2.0", "info": map[string]any{"title": i.element.key, "version": "api-v2"}, "host": r.Host,
		"basePath": openConnectorsBase, "schemes": []string{"https"}, "paths": paths,
	})
}

// listObjects reads from the system behind an instance, whose token is needed.
func (c *openConnectors) listObjects(w http.ResponseWriter, r *http.Request) {
	objects, ok := c.objects(w, r)
	if ok {
		writeJSON(w, http.StatusOK, objects)
	}
}

func (c *openConnectors) getObject(w http.ResponseWriter, r *http.Request) {
	objects, ok := c.objects(w, r)
	if !ok {
		return
	}
	for _, object := range objects {
		if object["id"] == r.PathValue("object") {
			writeJSON(w, http.StatusOK, object)
			return
		}
	}
	ocFail(w, http.StatusNotFound, "No object found with ID "+r.PathValue("object"))
}

func (c *openConnectors) objects(w http.ResponseWriter, r *http.Request) ([]map[string]any, bool) {
	i := c.instanceOf(r)
	if i == nil {
		ocFail(w, http.StatusUnauthorized, "Invalid Organization or User secret, or invalid Element token provided.")
		return nil, false
	}
	objects, ok := i.objects[r.PathValue("resource")]
	if hub := r.PathValue("hub"); !ok || hub != "" && hub != i.element.hub {
		ocFail(w, http.StatusNotFound, "No such resource of element "+i.element.key+": "+r.URL.Path)
		return nil, false
	}
	return objects, true
}

func ocNotFound(w http.ResponseWriter, r *http.Request) {
	ocFail(w, http.StatusNotFound, "No such resource: "+r.Method+" "+r.URL.Path)
}

func ocFail(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]any{"requestId": strings.ReplaceAll(kube.NewUID(), "-", "")[:24], "message": text})
}

// ocElement is a kind of connector.
type ocElement struct {
	id             int
	key, name, hub string
	resources      []string
	oauth          bool
	idField        string
	updated        string
	created        string
}

func ocElements() []ocElement {
	return []ocElement{
		{id: 1234, key: "hubspotcrm", name: "HubSpot CRM", hub: "crm", resources: []string{"contacts", "accounts"}, idField: "id", updated: "lastmodifieddate", created: "createdate"},
		{id: 2345, key: "sapc4ccrm", name: "SAP Cloud for Customer CRM", hub: "crm", resources: []string{"accounts", "contacts", "leads", "opportunities"}, idField: "ObjectID", updated: "ChangedOn", created: "CreatedOn"},
		{id: 23, key: "sfdc", name: "Salesforce Sales Cloud", hub: "crm", resources: []string{"accounts", "leads"}, oauth: true, idField: "Id", updated: "LastModifiedDate", created: "CreatedDate"},
	}
}

func (e ocElement) view() map[string]any {
	return map[string]any{"id": e.id, "name": e.name, "key": e.key, "hub": e.hub, "description": "Connects to " + e.name + "."}
}

func (e ocElement) objects() map[string][]map[string]any {
	objects := map[string][]map[string]any{}
	for _, resource := range e.resources {
		objects[resource] = []map[string]any{{"id": "42", "name": fmt.Sprintf("The first of the %s", resource)}, {"id": "43", "name": "Another one"}}
	}
	return objects
}
