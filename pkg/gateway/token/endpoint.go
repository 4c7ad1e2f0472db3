package token

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpserver"
)

// maxForm bounds a token request's body.
const maxForm = 8 << 10

// Endpoint serves token requests.
type Endpoint struct {
	route    *gateway.Route
	pipeline *gateway.Pipeline
	metrics  *gateway.Metrics
	hops     int
}

// NewEndpoint makes the endpoint. The route's verifier is an *Authority. Failed attempts are limited and
// counted by the pipeline; forwardedHops is how many proxies in front append to X-Forwarded-For.
func NewEndpoint(route *gateway.Route, p *gateway.Pipeline, m *gateway.Metrics, forwardedHops int) *Endpoint {
	return &Endpoint{route: route, pipeline: p, metrics: m, hops: forwardedHops}
}

// problem is an answer of RFC 6749, section 5.2.
type problem struct {
	status int
	Error  string `json:"error"`
	About  string `json:"error_description"`
}

func invalid(about string) *problem {
	return &problem{http.StatusBadRequest, "invalid_request", about}
}

// grant is the answer of RFC 6749, section 5.1.
type grant struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
}

// ServeHTTP implements http.Handler.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Pragma", "no-cache")
	if r.Method != http.MethodPost {
		header.Set("Allow", http.MethodPost)
		write(w, http.StatusMethodNotAllowed, problem{Error: "invalid_request", About: "use POST"})
		return
	}
	body, wrong := readRequest(w, r)
	if wrong != nil {
		write(w, wrong.status, wrong)
		return
	}
	d := &gateway.Delivery{Client: httpserver.ClientAddress(r, e.hops), Header: http.Header{"Authorization": r.Header.Values("Authorization")}, Body: body}
	if answer, ok := e.pipeline.Verify(r.Context(), e.route, d); !ok {
		e.refuse(w, answer)
		return
	}
	authority, ok := e.route.Stages().Verifier.(*Authority)
	if !ok {
		write(w, http.StatusInternalServerError, problem{Error: "server_error", About: "no tokens can be issued"})
		return
	}
	token, lifetime, err := authority.Issue()
	if err != nil {
		write(w, http.StatusInternalServerError, problem{Error: "server_error", About: "no tokens can be issued"})
		return
	}
	e.metrics.TokenIssued(e.route.Name)
	write(w, http.StatusOK, grant{AccessToken: token.Reveal(), TokenType: "Bearer", ExpiresIn: int64(lifetime / time.Second)})
}

// readRequest returns the form of a request for client credentials, or what is wrong with it.
func readRequest(w http.ResponseWriter, r *http.Request) ([]byte, *problem) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, invalid("the content type has to be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, invalid("the form is too large")
	case err != nil:
		return nil, invalid("the form is cut off")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalid("the body is no form")
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret"} {
		if len(form[name]) > 1 {
			return nil, invalid(name + " is there more than once")
		}
	}
	switch {
	case len(r.Header.Values("Authorization")) > 1, r.Header.Get("Authorization") != "" && form.Has("client_secret"):
		return nil, invalid("there are credentials in more than one place")
	case form.Get("grant_type") == "":
		return nil, invalid("grant_type is missing")
	case form.Get("grant_type") != "client_credentials":
		return nil, &problem{http.StatusBadRequest, "unsupported_grant_type", "want client_credentials"}
	}
	return body, nil
}

// refuse says why the client gets no token.
func (e *Endpoint) refuse(w http.ResponseWriter, a gateway.Answer) {
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(a.RetryAfter.Seconds()))))
	}
	if a.Outcome != gateway.Refused {
		write(w, a.Status, problem{Error: "temporarily_unavailable", About: a.Error})
		return
	}
	w.Header().Set("WWW-Authenticate", a.Challenge)
	write(w, http.StatusUnauthorized, problem{Error: "invalid_client", About: "the client's id or secret is missing or wrong"})
}

func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A client that is gone does not read its answer: nothing to do about it.
	_, _ = w.Write(body)
}
