// Package webhook is the HTTP transport: it routes requests to deliveries, reads their bodies within
// limits, and writes the answers.
package webhook

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// DefaultMaxBody is the limit of a body where the definition names none: 64 KiB.
const DefaultMaxBody = 64 << 10

// Route is one webhook of the definition.
type Route struct {
	Route *gateway.Route
	// Path is where deliveries arrive, such as "/acme". With Subpaths, paths below it belong to it too.
	Path     string
	Subpaths bool
	// TokenInPath says that the first segment after Path is the secret that the delivery is verified by.
	TokenInPath bool
	// Accepts lists content types: json, form, cloudevents, any. Empty means json.
	Accepts []string
	// MaxBody bounds the body in bytes, also after decompression. 0 means DefaultMaxBody.
	MaxBody int64
	// AnswerGet is the status of a GET; 0 means that GET is not allowed.
	AnswerGet int
}

// Options are what the handler is made of. A zero value means the default that is named.
type Options struct {
	Routes   []Route
	Pipeline *gateway.Pipeline
	// MaxInFlight bounds requests that are handled at the same time; default 1024.
	MaxInFlight int
	// MaxBuffered bounds the bytes of bodies held at the same time; default 16 MiB.
	MaxBuffered int64
	// ForwardedHops is how many proxies in front append to X-Forwarded-For. With 0 the header is ignored:
	// anybody can write it.
	ForwardedHops int
}

// Handler serves webhooks.
type Handler struct {
	routes      []Route
	pipeline    *gateway.Pipeline
	maxInFlight int64
	maxBuffered int64
	hops        int

	inFlight, buffered atomic.Int64
	unmatched          *gateway.Route
}

// New makes the handler. Paths that exclude one another are an error.
func New(o Options) (*Handler, error) {
	h := &Handler{
		pipeline: o.Pipeline, maxInFlight: int64(o.MaxInFlight), maxBuffered: o.MaxBuffered, hops: o.ForwardedHops,
		unmatched: gateway.NewRoute("unmatched", gateway.Stages{}),
	}
	if h.maxInFlight <= 0 {
		h.maxInFlight = 1024
	}
	if h.maxBuffered <= 0 {
		h.maxBuffered = 16 << 20
	}
	for _, r := range o.Routes {
		if !strings.HasPrefix(r.Path, "/") || strings.Contains(r.Path, "//") || strings.ContainsAny(r.Path, "?#%") {
			return nil, fmt.Errorf("delivery %q: http.path %q: want a plain path such as /events", r.Route.Name, r.Path)
		}
		r.Path = strings.TrimSuffix(r.Path, "/")
		if r.MaxBody <= 0 {
			r.MaxBody = DefaultMaxBody
		}
		if r.MaxBody > h.maxBuffered {
			return nil, fmt.Errorf("delivery %q: http.maxBody of %d bytes: the gateway holds at most %d bytes of bodies: lower one or raise the other", r.Route.Name, r.MaxBody, h.maxBuffered)
		}
		if len(r.Accepts) == 0 {
			r.Accepts = []string{"json"}
		}
		for _, other := range h.routes {
			if other.Path == r.Path {
				return nil, fmt.Errorf("deliveries %q and %q have the same http.path %q: give each one of its own", other.Route.Name, r.Route.Name, r.Path)
			}
		}
		h.routes = append(h.routes, r)
	}
	// The longest path first, so that the most specific route wins.
	slices.SortStableFunc(h.routes, func(a, b Route) int { return len(b.Path) - len(a.Path) })
	return h, nil
}

// InFlight is the number of requests being handled.
func (h *Handler) InFlight() int64 { return h.inFlight.Load() }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	route, rest := h.find(r.URL.EscapedPath())
	if route == nil {
		h.answer(w, h.unmatched, gateway.Answer{Outcome: gateway.NotFound, Error: "no delivery has this path"}, start)
		return
	}
	switch {
	case r.Method == http.MethodPost:
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && route.AnswerGet != 0:
		w.WriteHeader(route.AnswerGet)
		return
	default:
		w.Header().Set("Allow", http.MethodPost)
		h.answer(w, route.Route, gateway.Answer{Outcome: gateway.NotAllowed, Error: "use POST"}, start)
		return
	}
	if h.inFlight.Add(1) > h.maxInFlight {
		h.inFlight.Add(-1)
		h.answer(w, route.Route, overload(), start)
		return
	}
	defer h.inFlight.Add(-1)

	delivery, problem, release := h.read(w, r, route, rest)
	defer release()
	if problem != nil {
		h.answer(w, route.Route, *problem, start)
		return
	}
	gateway.WriteAnswer(w, h.pipeline.Handle(r.Context(), route.Route, delivery))
}

func overload() gateway.Answer {
	return gateway.Answer{Outcome: gateway.Unavailable, RetryAfter: time.Second, Error: "more deliveries than can be taken at once: try again later"}
}

// find returns the route of a path and what of the path is left.
func (h *Handler) find(path string) (*Route, []string) {
	path = strings.TrimSuffix(path, "/")
	for i := range h.routes {
		r := &h.routes[i]
		rest, ok := strings.CutPrefix(path, r.Path)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		if rest == "" {
			return r, nil
		}
		segments := strings.Split(rest[1:], "/")
		if !r.Subpaths && (!r.TokenInPath || len(segments) > 1) {
			continue
		}
		for i, s := range segments {
			unescaped, err := url.PathUnescape(s)
			if err != nil {
				return nil, nil
			}
			segments[i] = unescaped
		}
		return r, segments
	}
	return nil, nil
}

// answer is for what the transport decides by itself.
func (h *Handler) answer(w http.ResponseWriter, route *gateway.Route, a gateway.Answer, start time.Time) {
	h.pipeline.Answered(route, &a, start)
	gateway.WriteAnswer(w, a)
}
