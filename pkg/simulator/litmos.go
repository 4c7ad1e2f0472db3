package simulator

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of Litmos's API.
const (
	litmosPageSize  = 100
	litmosMaxPage   = 1000
	litmosMaxSource = 50
)

// litmos is an account of SAP Litmos: an API behind a key, which also demands to know who is calling, and
// webhooks that an administrator enters.
type litmos struct {
	*litmosEvents
	host   string
	prefix string
	key    string
	faults Faults
	calls  callLog

	mu        sync.Mutex
	limit     int
	used      int
	countedAt time.Time // when the current minute began
}

// newLitmos needs system_url and apikey; simulator_rate_limit is how many calls a minute are answered (the
// real number is 100, the default). simulator_spelling=lower or title is how events are spelled but for the first, which
// could not be verified.
func newLitmos(params map[string]string) (System, error) {
	host, err := hostOf(params["system_url"])
	if err != nil {
		return nil, err
	}
	if err := needed(params, "apikey"); err != nil {
		return nil, err
	}
	limit, err := numberOf(params, "simulator_rate_limit", 100)
	if err != nil {
		return nil, err
	}
	spelling, err := choiceOf(params, "simulator_spelling", "lower", "title")
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(params["system_url"])
	if err != nil {
		return nil, fmt.Errorf("parameter system_url: %w", err)
	}
	return &litmos{host: host, prefix: strings.TrimSuffix(base.Path, "/"), key: params["apikey"], limit: limit, litmosEvents: newLitmosEvents(spelling == "title")}, nil
}

// Hosts implements System.
func (l *litmos) Hosts() map[string]http.Handler {
	handler := http.StripPrefix(l.prefix, l.signedIn(l.limited(l.routes())))
	return map[string]http.Handler{l.host: part{name: PartAPI, handler: handler, faults: &l.faults, calls: &l.calls}}
}

// Faults implements System.
func (l *litmos) Faults() *Faults { return &l.faults }

// Calls implements System.
func (l *litmos) Calls() []Call { return l.calls.list("") }

// signedIn lets nobody in without the key, in the header or in the query, and without a source.
func (l *litmos) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		source := query.Get("source")
		switch {
		case !same(cmp.Or(r.Header.Get("Apikey"), query.Get("apikey")), l.key):
			http.Error(w, "The API key is missing or not valid.", http.StatusUnauthorized)
		case source == "":
			http.Error(w, "The parameter source is required.", http.StatusBadRequest)
		case len(source) > litmosMaxSource:
			http.Error(w, "The parameter source is longer than 50 characters.", http.StatusBadRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// limited counts calls, and refuses them when there were too many in this minute; the status could not be
// verified.
func (l *litmos) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		if time.Since(l.countedAt) >= time.Minute {
			l.countedAt, l.used = time.Now(), 0
		}
		l.used++
		exceeded := l.used > l.limit
		l.mu.Unlock()
		if exceeded {
			http.Error(w, "The limit of API calls per minute is exceeded.", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// litmosItem is one element of a list.
type litmosItem map[string]any

func (l *litmos) routes() http.Handler {
	users := []litmosItem{
		{"Id": "ixdJ7vKRHXw1", "UserName": "ada@example.com", "FirstName": "Ada", "LastName": "Lovelace", "Email": "ada@example.com", "AccessLevel": "Learner", "Active": true},
		{"Id": "5tGbQy2LmPs1", "UserName": "grace@example.com", "FirstName": "Grace", "LastName": "Hopper", "Email": "grace@example.com", "AccessLevel": "Administrator", "Active": true},
		{"Id": "kR9wVd3NzXc1", "UserName": "alan@example.com", "FirstName": "Alan", "LastName": "Turing", "Email": "alan@example.com", "AccessLevel": "Learner", "Active": false},
	}
	courses := []litmosItem{{"Id": "1OSfeMpo7wk1", "Code": "SAF-1", "Name": "Safety", "Active": true}, {"Id": "8hTbNq5RkLm1", "Code": "SAL-1", "Name": "Selling well", "Active": true}}
	teams := []litmosItem{{"Id": "jYwT3pGx4Vs1", "Name": "Sales"}}
	session := []litmosItem{{"Id": "Qm2vCx8KjHg1", "CourseId": "8hTbNq5RkLm1", "Name": "Selling well, live", "StartDate": "2019-06-01T09:00:00.000"}}
	achievements := []litmosItem{{"AchievementId": 77, "UserId": "ixdJ7vKRHXw1", "CourseId": "1OSfeMpo7wk1", "Title": "Safety", "AchievementDate": "2019-05-06T01:13:19.533"}}
	mux := http.NewServeMux()
	for _, route := range []struct {
		pattern, list, element string
		items                  []litmosItem
	}{
		{"/users", "Users", "User", users},
		{"/users/details", "Users", "User", users},
		{"/users/{id}/courses", "Courses", "Course", courses},
		{"/courses", "Courses", "Course", courses},
		{"/courses/{id}/modules", "Modules", "Module", []litmosItem{{"Id": "bN7cXz1LkJh1", "Code": "SAF-1-1", "Name": "At the desk"}}},
		{"/teams", "Teams", "Team", teams},
		{"/teams/{id}/users", "Users", "User", users[:1]},
		{"/learningpaths", "LearningPaths", "LearningPath", []litmosItem{{"Id": "wE4rTy6UiOp1", "Name": "Onboarding", "Active": true}}},
		{"/sessions/future", "Sessions", "Session", session},
		{"/achievements", "Achievements", "Achievement", achievements},
		{"/results/details", "Achievements", "Achievement", achievements},
	} {
		mux.HandleFunc("GET "+route.pattern, func(w http.ResponseWriter, r *http.Request) { litmosList(w, r, route.list, route.element, route.items) })
	}
	for pattern, items := range map[string][]litmosItem{"/users/{id}": users, "/courses/{id}": courses, "/teams/{id}": teams} {
		name := map[string]string{"/users/{id}": "User", "/courses/{id}": "Course", "/teams/{id}": "Team"}[pattern]
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
			for _, item := range items {
				if item["Id"] == r.PathValue("id") || item["UserName"] == r.PathValue("id") {
					litmosWrite(w, r, item, litmosXML(name, item))
					return
				}
			}
			http.Error(w, "There is no such "+name+".", http.StatusNotFound)
		})
	}
	return mux
}

// litmosList answers with a part of a list: limit, start and search say which.
func litmosList(w http.ResponseWriter, r *http.Request, name, element string, items []litmosItem) {
	query := r.URL.Query()
	numbers := map[string]int{"limit": litmosPageSize, "start": 0}
	for name := range numbers {
		if text := query.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				http.Error(w, "The parameter "+name+" is no number.", http.StatusBadRequest)
				return
			}
			numbers[name] = n
		}
	}
	found, search := []litmosItem{}, strings.ToLower(query.Get("search"))
	for _, item := range items {
		user, _ := item["UserName"].(string)
		name, _ := item["Name"].(string)
		if strings.Contains(strings.ToLower(user+name), search) {
			found = append(found, item)
		}
	}
	found = found[min(numbers["start"], len(found)):]
	found = found[:min(numbers["limit"], len(found), litmosMaxPage)]
	var list strings.Builder
	for _, item := range found {
		list.WriteString(litmosXML(element, item))
	}
	litmosWrite(w, r, found, "<"+name+">"+list.String()+"</"+name+">")
}

func litmosXML(name string, item litmosItem) string {
	var b strings.Builder
	b.WriteString("<" + name + ">")
	for _, key := range slices.Sorted(maps.Keys(item)) {
		b.WriteString("<" + key + ">")
		_ = xml.EscapeText(&b, []byte(fmt.Sprint(item[key]))) // a Builder takes everything
		b.WriteString("</" + key + ">")
	}
	b.WriteString("</" + name + ">")
	return b.String()
}

// litmosWrite answers in XML unless JSON was asked for.
func litmosWrite(w http.ResponseWriter, r *http.Request, value any, document string) {
	if r.URL.Query().Get("format") == "json" || strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		writeJSON(w, http.StatusOK, value)
		return
	}
	w.Header().Set("Content-Type", "application/xml; charset=utf-8")
	_, _ = w.Write([]byte(document))
}
