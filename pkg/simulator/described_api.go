package simulator

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/odata"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/openapi"
)

// describedAPI answers in the name of one API.
type describedAPI struct {
	*DescribedAPI
	// path is where it begins at the host, without a slash at its end.
	path     string
	gates    []gate
	demanded *staticGate
	document *openapi.Document
	service  http.Handler // OData
	guard    odata.Guard
}

func (s *Described) newAPI(d *DescribedAPI) (*describedAPI, error) {
	a := &describedAPI{DescribedAPI: d, path: s.at(d.Path), demanded: &staticGate{d.Demanded.Headers, d.Demanded.Query}}
	for i := range d.Access {
		g, err := s.newGate(&d.Access[i])
		if err != nil {
			return nil, err
		}
		a.gates = append(a.gates, g)
	}
	if len(d.OpenAPI) > 0 {
		var err error
		if a.document, err = openapi.Parse(d.OpenAPI); err != nil {
			return nil, err
		}
	}
	if len(d.EntitySets) > 0 {
		service := &odata.Service{Name: "described"}
		for _, name := range d.EntitySets {
			entityType := strings.TrimSuffix(name, "Collection")
			if entityType == name {
				entityType += "Type"
			}
			service.Sets = append(service.Sets, &odata.Set{Name: name, EntityType: entityType, NewKey: objectID, Properties: []odata.Property{{Name: "Name"}}})
			if err := service.Add(name, map[string]any{"ObjectID": objectID(), "Name": "Example"}); err != nil {
				return nil, err
			}
		}
		a.service = service.At(a.path + "/")
	}
	return a, nil
}

// at is the path at the host of a path below the system's URL.
func (s *Described) at(path string) string {
	return strings.TrimRight(strings.TrimRight(s.base.Path, "/")+"/"+strings.Trim(path, "/"), "/")
}

// serve answers one request: a token endpoint, then the system's own webhooks and intakes, then the APIs.
func (s *Described) serve(w http.ResponseWriter, r *http.Request) {
	for _, t := range s.tokens {
		if t.serves(r) {
			t.ServeHTTP(w, r)
			return
		}
	}
	for address, document := range s.description.Documents {
		if u, err := url.Parse(address); err == nil && strings.EqualFold(u.Hostname(), withoutPort(r.Host)) && u.Path == r.URL.Path {
			writeBody(w, http.StatusOK, document)
			return
		}
	}
	if !strings.EqualFold(withoutPort(r.Host), s.base.Hostname()) {
		fail(w, http.StatusNotFound, "there is nothing at this path")
		return
	}
	api := s.apiOf(r.URL.Path)
	hook, intake := s.hookAt(r), s.intakeAt(r)
	if slices.ContainsFunc(s.description.Answers, func(p Page) bool { return p.is(r, s) }) {
		hook, intake = nil, nil
	}
	if hook != nil || intake != nil {
		api = s.rest // what an API demands besides is not theirs
	}
	problem := api.lets(r)
	if problem != "" && api != s.rest {
		// Several may begin at one address: then who calls tells them apart.
		for _, other := range s.apis {
			if other.path == api.path && other != s.rest && other.lets(r) == "" {
				api, problem = other, ""
				break
			}
		}
	}
	if problem != "" {
		if len(api.Access) > 0 && api.Access[0].basic() {
			w.Header().Set("Www-Authenticate", `Basic realm="simulated system"`)
		}
		fail(w, http.StatusUnauthorized, problem)
		return
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case hook != nil:
			hook(w, r)
		case intake != nil:
			s.take(w, r, intake)
		default:
			s.answer(w, r, api)
		}
	})
	if api.CSRF {
		api.guard.Wrap(answer).ServeHTTP(w, r)
		return
	}
	answer.ServeHTTP(w, r)
}

// apiOf is the API that a path at the host belongs to: the one with the longest path, whose document knows the
// rest where several begin at the same place.
func (s *Described) apiOf(path string) *describedAPI {
	var first *describedAPI
	for _, a := range s.apis {
		rest, below := strings.CutPrefix(path+"/", a.path+"/")
		if !below || first != nil && len(a.path) < len(first.path) {
			continue
		}
		if a.knows(rest, path, s) {
			return a
		}
		if first == nil {
			first = a
		}
	}
	for _, a := range s.apis {
		if a.shows(path, s) {
			return a // a page that is not below the API's own path, as the one that a probe asks for may be
		}
	}
	if first == nil { // outside of the system's URL
		return s.rest
	}
	return first
}

// shows says whether one of the API's pages is at a path.
func (a *describedAPI) shows(path string, s *Described) bool {
	return slices.ContainsFunc(a.Pages, func(p Page) bool { return s.at(p.Path) == strings.TrimRight(path, "/") })
}

func (a *describedAPI) knows(rest, path string, s *Described) bool {
	if a.shows(path, s) {
		return true
	}
	if a.document == nil {
		return false
	}
	_, allowed := a.document.Find("", rest)
	return len(allowed) > 0
}

// lets says why a call is refused; empty where it is not.
func (a *describedAPI) lets(r *http.Request) (problem string) {
	if problem := a.demanded.refuses(r); problem != "" {
		return problem
	}
	for _, g := range a.gates {
		if problem = g.refuses(r); problem == "" {
			return ""
		}
	}
	return problem
}

// answer is what the operation of the document, a page or the OData service says.
func (s *Described) answer(w http.ResponseWriter, r *http.Request, a *describedAPI) {
	rest := strings.TrimPrefix(r.URL.Path, a.path)
	for _, p := range s.description.Answers {
		if p.is(r, s) {
			writeBody(w, p.Status, p.Body)
			return
		}
	}
	var allowed []string
	if a.document != nil {
		var operation *openapi.Operation
		if operation, allowed = a.document.Find(r.Method, rest); operation != nil {
			operate(w, r, operation)
			return
		}
	}
	for _, p := range a.Pages {
		if s.at(p.Path) != strings.TrimRight(r.URL.Path, "/") {
			continue
		}
		if p.is(r, s) {
			writeBody(w, max(p.Status, http.StatusOK), p.Body)
			return
		}
		allowed = append(allowed, p.Method)
	}
	switch {
	case len(allowed) > 0:
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		fail(w, http.StatusMethodNotAllowed, "this path does not take "+r.Method)
	case a.service != nil:
		a.service.ServeHTTP(w, r)
	default:
		fail(w, http.StatusNotFound, "there is nothing at this path")
	}
}

// is says whether the page is what a request asks for.
func (p Page) is(r *http.Request, s *Described) bool {
	return s.at(p.Path) == strings.TrimRight(r.URL.Path, "/") && (p.Method == r.Method || p.Method == http.MethodGet && r.Method == http.MethodHead)
}

// operate answers as an operation of the document does, if the request has the body that it needs.
// What the document says of signing in counts as well: a definition that says something else would not work with
// the real system.
func operate(w http.ResponseWriter, r *http.Request, operation *openapi.Operation) {
	if missing := operation.Missing(r); missing != "" {
		fail(w, http.StatusUnauthorized, "the OpenAPI document wants "+missing+", which this call does not have")
		return
	}
	if operation.NeedsJSON() {
		body, err := readBody(r, maxRequest)
		if err != nil || !json.Valid(body) {
			fail(w, http.StatusBadRequest, "the body is no JSON document")
			return
		}
	}
	status, contentType, body := operation.Answer()
	if contentType == "" {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", contentType)
	writeBody(w, status, body)
}

// writeBody answers with a JSON document; an empty one is an empty object.
func writeBody(w http.ResponseWriter, status int, body []byte) {
	if len(body) == 0 {
		body = []byte("{}")
	}
	writeJSON(w, status, json.RawMessage(body))
}

// fail is how a described system says no.
func fail(w http.ResponseWriter, status int, problem string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"status": status, "message": problem}})
}

// Intake takes events in.
type Intake struct {
	// Method and Path are the call; several events may come together there, Single is the path of one alone.
	Method, Path, Single string
	// Format is how several are joined: array (the default), lines or single.
	Format string
}

// intakeAt is the intake that a request is for, nil where it is for none.
func (s *Described) intakeAt(r *http.Request) *Intake {
	path := strings.TrimRight(r.URL.Path, "/")
	for i := range s.description.Intakes {
		in := &s.description.Intakes[i]
		if r.Method == in.Method && (s.at(in.Path) == path || in.Single != "" && s.at(in.Single) == path) {
			return in
		}
	}
	return nil
}

// take takes events in.
func (s *Described) take(w http.ResponseWriter, r *http.Request, in *Intake) {
	alone := in.Format == "single" || in.Single != "" && s.at(in.Single) == strings.TrimRight(r.URL.Path, "/")
	body, err := readBody(r, maxRequest)
	events, valid := eventsIn(body, in.Format, alone)
	if err != nil || !valid {
		fail(w, http.StatusBadRequest, "the body holds no JSON events")
		return
	}
	s.mu.Lock()
	for _, e := range events {
		s.ingested = append(s.ingested, Ingested{Target: in.Path, Data: e})
	}
	s.ingested = s.ingested[max(len(s.ingested)-maxOutbound, 0):]
	s.mu.Unlock()
	writeBody(w, http.StatusOK, nil)
}

// eventsIn are the events of a body.
func eventsIn(body []byte, format string, alone bool) (events []json.RawMessage, valid bool) {
	switch {
	case alone:
		return []json.RawMessage{body}, json.Valid(body)
	case format == "lines":
		for line := range strings.Lines(string(body)) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if !json.Valid([]byte(line)) {
				return nil, false
			}
			events = append(events, json.RawMessage(line))
		}
		return events, true
	default:
		return events, json.Unmarshal(body, &events) == nil
	}
}

// Ingested implements Ingester.
func (s *Described) Ingested() []Ingested {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ingested)
}
