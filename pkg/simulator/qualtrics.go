package simulator

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// maxQualtricsSubscriptions bounds the event subscriptions of a brand.
const maxQualtricsSubscriptions = 1000

// qualtrics is a brand at Qualtrics: version 3 of its API behind a token, every answer in an envelope, and
// event subscriptions that post forms.
type qualtrics struct {
	*qualtricsEvents
	host     string
	token    string
	brand    string
	admin    bool
	pageSize int
	faults   Faults
	calls    callLog
}

// newQualtrics needs system_url and api_key. simulator_brand is the id of the brand (default: the first
// part of the host), simulator_page_size the size of a page (default 100), and simulator_brand_admin=no
// makes the key that of a user who may not manage subscriptions.
func newQualtrics(params map[string]string) (System, error) {
	host, err := hostOf(params["system_url"])
	if err != nil {
		return nil, err
	}
	if err := needed(params, "api_key"); err != nil {
		return nil, err
	}
	size, err := numberOf(params, "simulator_page_size", 100)
	if err != nil {
		return nil, err
	}
	admin, err := choiceOf(params, "simulator_brand_admin", "yes", "no")
	if err != nil {
		return nil, err
	}
	name, _, _ := strings.Cut(host, ".")
	brand := cmp.Or(params["simulator_brand"], name)
	return &qualtrics{
		host: host, token: params["api_key"], brand: brand, admin: admin == "yes", pageSize: size,
		qualtricsEvents: newQualtricsEvents(brand),
	}, nil
}

// Hosts implements System.
func (q *qualtrics) Hosts() map[string]http.Handler {
	return map[string]http.Handler{q.host: part{name: PartAPI, handler: q.signedIn(q.routes()), faults: &q.faults, calls: &q.calls}}
}

// Faults implements System.
func (q *qualtrics) Faults() *Faults { return &q.faults }

// Calls implements System.
func (q *qualtrics) Calls() []Call { return q.calls.list("") }

// signedIn lets nobody in without the token.
func (q *qualtrics) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Api-Token")
		switch {
		case token == "":
			q.fail(w, http.StatusUnauthorized, "ATP_2", "Expected authorization in headers, but none provided.")
		case !same(token, q.token):
			q.fail(w, http.StatusUnauthorized, "AUTH_6", "Unrecognized X-API-TOKEN.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (q *qualtrics) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /API/v3/whoami", q.whoAmI)
	for name, elements := range qualtricsData(q.brand) {
		mux.HandleFunc("GET /API/v3/"+name, func(w http.ResponseWriter, r *http.Request) { q.page(w, r, elements) })
		mux.HandleFunc("GET /API/v3/"+name+"/{id}", func(w http.ResponseWriter, r *http.Request) {
			i := slices.IndexFunc(elements, func(e map[string]any) bool { return e["id"] == r.PathValue("id") })
			if i < 0 {
				q.notFound(w, r)
				return
			}
			q.answer(w, elements[i])
		})
	}
	for _, path := range []string{"/API/v3/eventsubscriptions", "/API/v3/eventsubscriptions/{$}"} {
		mux.HandleFunc("GET "+path, q.admins(q.listSubscriptions))
		mux.HandleFunc("POST "+path, q.admins(q.subscribe))
	}
	mux.HandleFunc("GET /API/v3/eventsubscriptions/{id}", q.admins(q.getSubscription))
	mux.HandleFunc("DELETE /API/v3/eventsubscriptions/{id}", q.admins(q.deleteSubscription))
	mux.HandleFunc("/API/v3/eventsubscriptions/{id}", func(w http.ResponseWriter, _ *http.Request) {
		q.fail(w, http.StatusMethodNotAllowed, "REQ_1", "The requested method is not supported by this resource.")
	})
	mux.HandleFunc("/", q.notFound)
	return mux
}

// admins lets only brand administrators through.
func (q *qualtrics) admins(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !q.admin {
			q.fail(w, http.StatusForbidden, "AUTHZ_1", "You must be a brand administrator to use this call.")
			return
		}
		next(w, r)
	}
}

func (q *qualtrics) whoAmI(w http.ResponseWriter, _ *http.Request) {
	accountType := "UT_STANDARD"
	if q.admin {
		accountType = "UT_BRANDADMIN"
	}
	q.answer(w, map[string]any{
		"brandId": q.brand, "userId": "UR_3fnAz35QcyKPA3j", "userName": "integration#" + q.brand, "accountType": accountType,
		"firstName": "Kyma", "lastName": "Integration", "email": "integration@example.com",
	})
}

func (q *qualtrics) listSubscriptions(w http.ResponseWriter, r *http.Request) {
	elements := []map[string]any{}
	for _, s := range q.subscriptions.list() {
		elements = append(elements, s.view())
	}
	q.page(w, r, elements)
}

func (q *qualtrics) getSubscription(w http.ResponseWriter, r *http.Request) {
	for _, s := range q.subscriptions.list() {
		if s.id == r.PathValue("id") {
			q.answer(w, s.view())
			return
		}
	}
	q.notFound(w, r)
}

func (q *qualtrics) deleteSubscription(w http.ResponseWriter, r *http.Request) {
	if !q.subscriptions.remove(r.PathValue("id")) {
		q.notFound(w, r)
		return
	}
	q.write(w, http.StatusOK, map[string]any{"meta": q.meta(http.StatusOK)})
}

func (q *qualtrics) subscribe(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Topics         string `json:"topics"`
		PublicationURL string `json:"publicationUrl"`
		Encrypt        bool   `json:"encrypt"`
		SharedKey      string `json:"sharedKey"`
	}
	err := readJSON(r, &request)
	switch {
	case err != nil:
		q.fail(w, http.StatusBadRequest, "REQ_2", "The request body is not valid JSON of this resource.")
	case !qualtricsSubscribable(request.Topics):
		q.fail(w, http.StatusBadRequest, "EVT_1", "Invalid topic: "+strconv.Quote(request.Topics))
	case !webAddress(request.PublicationURL):
		q.fail(w, http.StatusBadRequest, "EVT_2", "Invalid publicationUrl.")
	case request.Encrypt && request.SharedKey == "":
		q.fail(w, http.StatusBadRequest, "EVT_3", "A sharedKey is needed to encrypt.")
	case request.Encrypt:
		q.fail(w, http.StatusNotImplemented, "EVT_4", "Encrypted messages are not simulated.")
	default:
		s := q.subscriptions.add(request.Topics, request.PublicationURL, request.SharedKey)
		if s == nil {
			q.fail(w, http.StatusBadRequest, "EVT_5", "There are too many subscriptions.")
			return
		}
		q.answer(w, map[string]any{"id": s.id})
	}
}

// page answers with one page of a list and the address of the next.
func (q *qualtrics) page(w http.ResponseWriter, r *http.Request, elements []map[string]any) {
	offset := 0
	if text := r.URL.Query().Get("offset"); text != "" {
		var err error
		if offset, err = strconv.Atoi(text); err != nil || offset < 0 {
			q.fail(w, http.StatusBadRequest, "REQ_3", "Invalid offset.")
			return
		}
	}
	rest := elements[min(offset, len(elements)):]
	var next any
	if len(rest) > q.pageSize {
		rest = rest[:q.pageSize]
		next = origin(r) + r.URL.Path + "?" + url.Values{"offset": {strconv.Itoa(offset + q.pageSize)}}.Encode()
	}
	q.answer(w, map[string]any{"elements": rest, "nextPage": next})
}

func (q *qualtrics) answer(w http.ResponseWriter, result any) {
	q.write(w, http.StatusOK, map[string]any{"result": result, "meta": q.meta(http.StatusOK)})
}

func (q *qualtrics) notFound(w http.ResponseWriter, _ *http.Request) {
	q.fail(w, http.StatusNotFound, "RES_1", "The requested resource does not exist.")
}

func (q *qualtrics) fail(w http.ResponseWriter, status int, code, text string) {
	meta := q.meta(status)
	meta["error"] = map[string]any{"errorCode": code, "errorMessage": text}
	q.write(w, status, map[string]any{"meta": meta})
}

func (q *qualtrics) meta(status int) map[string]any {
	return map[string]any{"httpStatus": strconv.Itoa(status) + " - " + http.StatusText(status), "requestId": kube.NewUID()}
}

func (q *qualtrics) write(w http.ResponseWriter, status int, envelope any) {
	w.Header().Set("Content-Type", "application/json")
	writeJSON(w, status, envelope)
}

// qualtricsData are the resources that can be read, by their path.
func qualtricsData(brand string) map[string][]map[string]any {
	return map[string][]map[string]any{
		"surveys": {
			{"id": "SV_1AmkKSDmoZ4XlQx", "name": "Customer satisfaction", "ownerId": "UR_3fnAz35QcyKPA3j", "isActive": true, "lastModified": "2019-06-24T09:12:45Z"},
			{"id": "SV_22VlHYNeldrrrkp", "name": "Net promoter score", "ownerId": "UR_3fnAz35QcyKPA3j", "isActive": true, "lastModified": "2019-05-02T15:01:10Z"},
			{"id": "SV_cVn9uBwheR9hz01", "name": "Exit interview", "ownerId": "UR_3fnAz35QcyKPA3j", "isActive": false, "lastModified": "2019-01-17T11:30:00Z"},
		},
		"users":         {{"id": "UR_3fnAz35QcyKPA3j", "username": "integration#" + brand, "email": "integration@example.com", "firstName": "Kyma", "lastName": "Integration", "userType": "UT_BRANDADMIN", "divisionId": nil, "accountStatus": "active"}},
		"groups":        {{"id": "GR_0xQhy1oQJC0RmVT", "name": "Customer experience"}},
		"directories":   {{"id": "POOL_2bVaRKL7pc1nMqd", "name": "Default directory", "contactCount": 2}},
		"mailinglists":  {{"id": "CG_9zjOIpwuyWx8n1j", "name": "Customers", "category": "", "folder": ""}},
		"distributions": {{"id": "EMD_1CLWcd8jnbR3Z5j", "requestType": "Invite", "requestStatus": "Done", "sendDate": "2019-06-24T10:00:00Z"}},
	}
}

// qualtricsSubscription is one event subscription.
type qualtricsSubscription struct {
	id, topics, url, key string
	calls                int
}

// view is what can be read of it: never the shared key.
func (s qualtricsSubscription) view() map[string]any {
	return map[string]any{"id": s.id, "scope": "brand", "topics": s.topics, "publicationUrl": s.url, "encrypted": false, "successfulCalls": s.calls}
}

// qualtricsSubscriptions is the list of them.
type qualtricsSubscriptions struct {
	mu  sync.Mutex
	all []*qualtricsSubscription
}

func (l *qualtricsSubscriptions) list() []qualtricsSubscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]qualtricsSubscription, 0, len(l.all))
	for _, s := range l.all {
		list = append(list, *s)
	}
	return list
}

// add returns nil if there are too many.
func (l *qualtricsSubscriptions) add(topics, address, key string) *qualtricsSubscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) >= maxQualtricsSubscriptions {
		return nil
	}
	s := &qualtricsSubscription{id: "SUB_" + randomText(15), topics: topics, url: address, key: key}
	l.all = append(l.all, s)
	return s
}

func (l *qualtricsSubscriptions) remove(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.all)
	l.all = slices.DeleteFunc(l.all, func(s *qualtricsSubscription) bool { return s.id == id })
	return len(l.all) < before
}

func (l *qualtricsSubscriptions) called(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.all {
		if s.id == id {
			s.calls++
		}
	}
}
