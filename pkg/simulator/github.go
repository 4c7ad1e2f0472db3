package simulator

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Values of GitHub's API.
const (
	githubVersion     = "2022-11-28"
	githubPageSize    = 30
	githubMaxPageSize = 100
	githubDocs        = "https://docs.github.com/rest"
)

// github is GitHub's REST API for one organization with one repository, as far as a connector needs it:
// webhooks of both, their deliveries, and the limits on calls.
type github struct {
	*githubHooks
	host   string
	prefix string // of every path; empty at github.com
	token  string
	scopes []string
	faults Faults
	calls  callLog

	mu        sync.Mutex
	limit     int
	used      int
	countedAt time.Time // when the current hour began
}

// newGithub needs token and owner. Without a repository, the organization has one called "simulated", which a
// connector of the whole organization hears of. system_url is https://api.github.com if it
// is empty. simulator_scopes are the token's scopes (default "repo,admin:org_hook"), simulator_rate_limit
// is how many calls an hour are answered (default 5000), and simulator_content_type=form sends forms whatever a webhook
// asks for.
func newGithub(params map[string]string) (System, error) {
	address := cmp.Or(params["system_url"], "https://api.github.com")
	host, err := hostOf(address)
	if err != nil {
		return nil, err
	}
	if err := needed(params, "token", "owner"); err != nil {
		return nil, err
	}
	limit, err := numberOf(params, "simulator_rate_limit", 5000)
	if err != nil {
		return nil, err
	}
	kind, err := choiceOf(params, "simulator_content_type", "asked", "form")
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("parameter system_url: %w", err)
	}
	g := &github{
		host: host, prefix: strings.TrimSuffix(base.Path, "/"), token: params["token"], limit: limit,
		scopes:      listOf(cmp.Or(params["simulator_scopes"], "repo,admin:org_hook")),
		githubHooks: newGithubHooks(strings.TrimSuffix(address, "/"), params["owner"], cmp.Or(params["repository"], "simulated")),
	}
	g.forms = kind == "form"
	return g, nil
}

// Hosts implements System.
func (g *github) Hosts() map[string]http.Handler {
	handler := http.StripPrefix(g.prefix, g.signedIn(g.limited(g.routes())))
	return map[string]http.Handler{g.host: part{name: PartAPI, handler: handler, faults: &g.faults, calls: &g.calls}}
}

// Faults implements System.
func (g *github) Faults() *Faults { return &g.faults }

// Calls implements System.
func (g *github) Calls() []Call { return g.calls.list("") }

// signedIn lets nobody in without the token, which comes after "Bearer" or "token".
func (g *github) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Github-Media-Type", "github.v3; format=json")
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		version := r.Header.Get("X-Github-Api-Version")
		switch {
		case r.Header.Get("User-Agent") == "":
			githubFail(w, http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.")
		case scheme == "":
			githubFail(w, http.StatusUnauthorized, "Requires authentication")
		case !strings.EqualFold(scheme, "bearer") && !strings.EqualFold(scheme, "token") || !same(token, g.token):
			githubFail(w, http.StatusUnauthorized, "Bad credentials")
		case version != "" && version != githubVersion:
			githubFail(w, http.StatusBadRequest, "The API version is not supported: "+version)
		default:
			w.Header().Set("X-Oauth-Scopes", strings.Join(g.scopes, ", "))
			w.Header().Set("X-Github-Api-Version-Selected", githubVersion)
			next.ServeHTTP(w, r)
		}
	})
}

// limited counts calls, and refuses them when there were too many in this hour.
func (g *github) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		free := r.URL.Path == "/rate_limit"
		g.mu.Lock()
		if time.Since(g.countedAt) >= time.Hour {
			g.countedAt, g.used = time.Now(), 0
		}
		exceeded := !free && g.used >= g.limit
		if !free && !exceeded {
			g.used++
		}
		used, reset := g.used, g.countedAt.Add(time.Hour).Unix()
		g.mu.Unlock()
		for name, value := range map[string]int{"Limit": g.limit, "Remaining": g.limit - used, "Used": used, "Reset": int(reset)} {
			w.Header().Set("X-Ratelimit-"+name, strconv.Itoa(value))
		}
		switch {
		case exceeded:
			githubFail(w, http.StatusForbidden, "API rate limit exceeded for user ID 1.")
		case free:
			core := map[string]any{"limit": g.limit, "remaining": g.limit - used, "used": used, "reset": reset}
			writeJSON(w, http.StatusOK, map[string]any{"resources": map[string]any{"core": core}, "rate": core})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (g *github) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /repos/{owner}/{repo}", g.ofRepository("", func(w http.ResponseWriter, _ *http.Request, _ *githubTarget) {
		writeJSON(w, http.StatusOK, g.repository.view)
	}))
	mux.HandleFunc("GET /orgs/{owner}", g.ofOrganization("", func(w http.ResponseWriter, _ *http.Request, _ *githubTarget) {
		writeJSON(w, http.StatusOK, g.organization.view)
	}))
	for _, route := range []struct {
		pattern string
		handler githubHandler
	}{
		{"GET /%s/hooks", g.listHooks},
		{"POST /%s/hooks", g.createHook},
		{"GET /%s/hooks/{hook}", g.withHook(g.getHook)},
		{"PATCH /%s/hooks/{hook}", g.withHook(g.changeHook)},
		{"DELETE /%s/hooks/{hook}", g.withHook(g.deleteHook)},
		{"POST /%s/hooks/{hook}/pings", g.withHook(g.pingHook)},
		{"GET /%s/hooks/{hook}/deliveries", g.withHook(g.listDeliveries)},
		{"GET /%s/hooks/{hook}/deliveries/{delivery}", g.withHook(g.getDelivery)},
		{"POST /%s/hooks/{hook}/deliveries/{delivery}/attempts", g.withHook(g.redeliver)},
	} {
		mux.HandleFunc(fmt.Sprintf(route.pattern, "repos/{owner}/{repo}"), g.ofRepository("repo,admin:repo_hook", route.handler))
		mux.HandleFunc(fmt.Sprintf(route.pattern, "orgs/{owner}"), g.ofOrganization("admin:org_hook", route.handler))
	}
	mux.HandleFunc("/", githubNotFound)
	return mux
}

// githubHandler serves something that belongs to a repository or an organization.
type githubHandler func(w http.ResponseWriter, r *http.Request, target *githubTarget)

// ofRepository serves the one repository; others, and tokens with none of the scopes, see 404.
func (g *github) ofRepository(scopes string, next githubHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		known := strings.EqualFold(r.PathValue("owner")+"/"+r.PathValue("repo"), g.repository.name)
		g.serve(w, r, known, scopes, g.repository, next)
	}
}

// ofOrganization is ofRepository for the one organization.
func (g *github) ofOrganization(scopes string, next githubHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g.serve(w, r, strings.EqualFold(r.PathValue("owner"), g.organization.name), scopes, g.organization, next)
	}
}

func (g *github) serve(w http.ResponseWriter, r *http.Request, known bool, scopes string, target *githubTarget, next githubHandler) {
	allowed := scopes == "" || slices.ContainsFunc(listOf(scopes), func(s string) bool { return slices.Contains(g.scopes, s) })
	if !known || !allowed {
		githubNotFound(w, r)
		return
	}
	next(w, r, target)
}

func githubNotFound(w http.ResponseWriter, _ *http.Request) {
	githubFail(w, http.StatusNotFound, "Not Found")
}

func githubFail(w http.ResponseWriter, status int, text string, errs ...any) {
	body := map[string]any{"message": text, "documentation_url": githubDocs, "status": strconv.Itoa(status)}
	if len(errs) > 0 {
		body["errors"] = errs
	}
	writeJSON(w, status, body)
}

// githubPage cuts one page out of a list and writes the links to others.
func githubPage[T any](w http.ResponseWriter, r *http.Request, all []T) []T {
	query := r.URL.Query()
	size, err := strconv.Atoi(query.Get("per_page"))
	if err != nil || size < 1 {
		size = githubPageSize
	}
	size = min(size, githubMaxPageSize)
	number, err := strconv.Atoi(query.Get("page"))
	if err != nil || number < 1 {
		number = 1
	}
	last := max((len(all)+size-1)/size, 1)
	links := []string{}
	link := func(page int, rel string) {
		query.Set("page", strconv.Itoa(page))
		links = append(links, fmt.Sprintf("<%s%s?%s>; rel=%q", origin(r), r.URL.Path, query.Encode(), rel))
	}
	if number > 1 {
		link(number-1, "prev")
	}
	if number < last {
		link(number+1, "next")
		link(last, "last")
	}
	if len(links) > 0 {
		w.Header().Set("Link", strings.Join(links, ", "))
	}
	first := min((number-1)*size, len(all))
	return all[first:min(first+size, len(all))]
}
