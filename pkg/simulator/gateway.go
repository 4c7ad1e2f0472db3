package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// maxProxied bounds a proxied body, which is held in memory because a call may be sent twice.
const maxProxied = 32 << 20

// gateway is the central Application Gateway: it finds a registered API by Application and display name,
// signs in to the system and forwards the call.
type gateway struct {
	kyma *Kyma

	mu      sync.Mutex
	objects map[string]cachedObject
	csrf    map[string]csrfToken   // by token URL, for ever
	tokens  map[string]accessToken // by token URL and client
}

type cachedObject struct {
	object kube.Object
	until  time.Time
}

type csrfToken struct {
	token   string
	cookies []*http.Cookie
}

type accessToken struct {
	token string
	until time.Time // zero: for ever
}

func newGateway(k *Kyma) *gateway {
	return &gateway{kyma: k, objects: map[string]cachedObject{}, csrf: map[string]csrfToken{}, tokens: map[string]accessToken{}}
}

// gatewayError is an answer of the gateway itself.
type gatewayError struct {
	Code int    `json:"code"`
	Text string `json:"error"`
}

// Error implements error.
func (e *gatewayError) Error() string { return e.Text }

func gatewayErrorf(code int, format string, args ...any) *gatewayError {
	return &gatewayError{Code: code, Text: fmt.Sprintf(format, args...)}
}

func gatewayHealth() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/health" {
			http.NotFound(w, r)
		}
	})
}

// ServeHTTP implements http.Handler for /{application}/{service}/{path}.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	if len(segments) < 2 {
		writeGatewayError(w, gatewayErrorf(http.StatusBadRequest, "path must contain Application and Service name"))
		return
	}
	app, err := g.read(g.kyma.resources.applications, "", segments[0])
	var entry kube.Object
	if err == nil {
		entry, err = apiEntry(app, func(service kube.Object) bool { return normalizedName(service.Text("displayName")) == segments[1] })
	}
	if err != nil {
		if err.Code == http.StatusNotFound {
			err = gatewayErrorf(http.StatusNotFound, "service with name %s not found", segments[1])
		}
		writeGatewayError(w, err)
		return
	}
	// A colon makes Go's parser take what is before it for a scheme: an error, or the path is just lost.
	path, failed := url.Parse(strings.Join(segments[2:], "/"))
	if failed != nil {
		writeGatewayError(w, gatewayErrorf(http.StatusBadRequest, "failed to extract API Identifier from path"))
		return
	}
	if encode, set := app.At("spec", "encodeUrl").(bool); encode || !set {
		path.RawPath = "" // decoded and encoded again: %2F arrives as a slash
	}
	g.forward(w, r, entry, path)
}

// forService is the gateway of older versions: one host for each service.
func (g *gateway) forService(application, id string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		app, err := g.read(g.kyma.resources.applications, "", application)
		var entry kube.Object
		if err == nil {
			entry, err = apiEntry(app, func(service kube.Object) bool { return service.Text("id") == id })
		}
		if err != nil {
			writeGatewayError(w, err)
			return
		}
		g.forward(w, r, entry, &url.URL{Path: strings.Trim(r.URL.Path, "/"), RawPath: strings.Trim(r.URL.RawPath, "/")})
	})
}

// apiEntry finds the one API entry of the services that match.
func apiEntry(app kube.Object, matches func(kube.Object) bool) (kube.Object, *gatewayError) {
	var found []kube.Object
	var names []string
	for _, item := range app.List("spec", "services") {
		service := object(item)
		if !matches(service) {
			continue
		}
		for _, item := range service.List("entries") {
			if entry := object(item); entry.Text("type") == "API" {
				found = append(found, entry)
				names = append(names, fmt.Sprintf("service.ID: '%s', service.DisplayName: '%s', entry.Name: '%s'", service.Text("id"), service.Text("displayName"), entry.Text("name")))
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, gatewayErrorf(http.StatusNotFound, "service not found")
	case 1:
		return found[0], nil
	default:
		return nil, gatewayErrorf(http.StatusBadRequest, "multiple services found: %s", strings.Join(names, " | "))
	}
}

func object(item any) kube.Object {
	m, _ := item.(map[string]any)
	return m
}

// read reads an object, or what was read of it a while ago.
func (g *gateway) read(resource *kube.Resource, namespace, name string) (kube.Object, *gatewayError) {
	id := resource.Plural + "/" + namespace + "/" + name
	g.mu.Lock()
	defer g.mu.Unlock()
	if cached, ok := g.objects[id]; ok && time.Now().Before(cached.until) {
		return cached.object, nil
	}
	o, err := g.kyma.cluster.Get(resource, namespace, name)
	if err != nil {
		return nil, gatewayErrorf(http.StatusNotFound, "%s", err)
	}
	if g.kyma.options.GatewayCache > 0 {
		g.objects[id] = cachedObject{object: o, until: time.Now().Add(g.kyma.options.GatewayCache)}
	}
	return o, nil
}

// secret reads the values of a Secret.
func (g *gateway) secret(name string) (map[string]string, *gatewayError) {
	o, err := g.read(g.kyma.resources.secrets, g.kyma.secretsNamespace(), name)
	if err != nil {
		return nil, gatewayErrorf(http.StatusInternalServerError, "failed to get secret %s: %s", name, err.Text)
	}
	return secretValues(o), nil
}

// forward sends the call, once more if the system says 401 or 403, and hands out the answer.
func (g *gateway) forward(w http.ResponseWriter, r *http.Request, entry kube.Object, path *url.URL) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxProxied))
	if err != nil {
		writeGatewayError(w, gatewayErrorf(http.StatusBadRequest, "the body cannot be read: %s", err))
		return
	}
	var resp *http.Response
	for try := 1; try <= 2; try++ {
		req, err := g.request(r, entry, path, body)
		if err == nil {
			err = g.signIn(req, entry, try > 1)
		}
		if err != nil {
			var answer *gatewayError
			if !errors.As(err, &answer) {
				answer = gatewayErrorf(http.StatusInternalServerError, "%s", err)
			}
			writeGatewayError(w, answer)
			return
		}
		if resp, err = g.client().Do(req); err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
			break
		}
	}
	for name, values := range resp.Header {
		if name != "Connection" && name != "Transfer-Encoding" {
			w.Header()[name] = values
		}
	}
	status := resp.StatusCode
	if status >= 500 {
		w.Header().Set("Target-System-Status", strconv.Itoa(status))
		status = http.StatusBadGateway
	}
	w.WriteHeader(status)
	_, _ = io.Copy(w, resp.Body)
}

// client calls systems without following redirects.
func (g *gateway) client() *http.Client {
	client := *g.kyma.options.SystemClient
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func (g *gateway) request(r *http.Request, entry kube.Object, path *url.URL, body []byte) (*http.Request, error) {
	target, err := url.Parse(entry.Text("targetUrl"))
	if err != nil || target.Host == "" {
		return nil, gatewayErrorf(http.StatusInternalServerError, "failed to parse target url '%s'", entry.Text("targetUrl"))
	}
	address := *target
	address.Path, address.RawPath = joinPaths(target.Path, path.Path), joinPaths(target.Path, path.RawPath)
	if path.RawPath == "" {
		address.RawPath = ""
	}
	address.RawQuery = strings.Trim(target.RawQuery+"&"+r.URL.RawQuery, "&")
	req, err := http.NewRequestWithContext(r.Context(), r.Method, address.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = r.Header.Clone()
	for _, name := range []string{"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "Content-Length"} {
		req.Header.Del(name)
	}
	if name := entry.Text("requestParametersSecretName"); name != "" {
		values, err := g.secret(name)
		if err != nil {
			return nil, err
		}
		return req, addParameters(req, values)
	}
	return req, nil
}

func joinPaths(base, path string) string {
	if path == "" {
		return base
	}
	return strings.TrimSuffix(base, "/") + "/" + strings.TrimPrefix(path, "/")
}

// addParameters adds what is not there yet.
func addParameters(req *http.Request, values map[string]string) error {
	var headers, query map[string][]string
	for text, into := range map[string]*map[string][]string{values["headers"]: &headers, values["queryParameters"]: &query} {
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			return gatewayErrorf(http.StatusInternalServerError, "failed to read request parameters: %s", err)
		}
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header.Set("User-Agent", "")
	}
	for name, list := range headers {
		if _, ok := req.Header[name]; !ok {
			req.Header[name] = list
		}
	}
	present := req.URL.Query()
	for name, list := range query {
		if !present.Has(name) {
			present[name] = list
		}
	}
	req.URL.RawQuery = present.Encode()
	return nil
}

func writeGatewayError(w http.ResponseWriter, err *gatewayError) { writeJSON(w, err.Code, err) }
