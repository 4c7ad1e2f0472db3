package simulator_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// shop is a system that demands Basic auth and, below /guarded, a CSRF token with its cookie.
type shop struct {
	*httptest.Server
	mu       sync.Mutex
	password string
	seen     []string
	status   int
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{password: "secret"}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	s.seen = append(s.seen, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(body)))
	user, password, _ := r.BasicAuth()
	cookie, _ := r.Cookie("sess")
	switch {
	case user != "me" || password != s.password:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Header.Get("X-Csrf-Token") == "fetch":
		http.SetCookie(w, &http.Cookie{Name: "sess", Value: "abc"})
		w.Header().Set("X-Csrf-Token", "TOK123")
	case strings.HasPrefix(r.URL.Path, "/guarded") && (r.Header.Get("X-Csrf-Token") != "TOK123" || cookie == nil || cookie.Value != "abc"):
		w.WriteHeader(http.StatusForbidden)
	case s.status != 0:
		w.WriteHeader(s.status)
	default:
		fmt.Fprintf(w, "reached %s, tenant %s", r.RequestURI, r.Header.Get("X-Tenant"))
	}
}

func (s *shop) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

func (s *shop) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// registered makes an Application "demo" with services, given as JSON, and the Secret "credentials".
func registered(t *testing.T, kyma *simulator.Kyma, spec string) {
	t.Helper()
	client := kubeClient(t, kyma)
	_, err := client.Resource(secrets).Namespace("kyma-system").Create(t.Context(), parse(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"credentials"},"stringData":{"username":"me","password":"secret"}}`), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = client.Resource(secrets).Namespace("kyma-system").Create(t.Context(), parse(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"params"},"stringData":{"headers":"{\"X-Tenant\":[\"7\"]}","queryParameters":"{\"client\":[\"100\"]}"}}`), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = client.Resource(applications).Create(t.Context(), parse(t, `{"apiVersion":"applicationconnector.kyma-project.io/v1alpha1","kind":"Application","metadata":{"name":"demo"},"spec":`+spec+`}`), metav1.CreateOptions{})
	require.NoError(t, err)
}

// api is one service as an Application has it; entry are further members of its API entry.
func api(displayName, target, entry string) string {
	id := strings.ToLower(displayName)
	return fmt.Sprintf(`{"id":%q,"name":"whatever","displayName":%q,"providerDisplayName":"p","description":"d","entries":[{"type":"API","targetUrl":%q%s}]}`, id, displayName, target, entry)
}

const basic = `,"credentials":{"type":"Basic","secretName":"credentials"}`

func TestTheGatewayCallsTheSystem(t *testing.T) {
	t.Parallel()
	system := newShop(t)
	guarded := `,"credentials":{"type":"Basic","secretName":"credentials","csrfInfo":{"tokenEndpointURL":"` + system.URL + `/token"}}`
	kyma := newKyma(t, simulator.KymaOptions{})
	registered(t, kyma, `{"services":[`+strings.Join([]string{
		api("Orders API", system.URL+"/base", basic),
		api("Guarded", system.URL+"/guarded", guarded),
		api("With parameters", system.URL+"/base?fixed=1", basic+`,"requestParametersSecretName":"params"`),
		api("Wrong type", system.URL, `,"credentials":{"type":"basic","secretName":"credentials"}`),
		api("No secret", system.URL, `,"credentials":{"type":"Basic","secretName":"missing"}`),
		api("Twice", system.URL, basic), strings.Replace(api("twice!", system.URL, basic), `"id":"twice!"`, `"id":"t2"`, 1),
		`{"id":"e","name":"e","displayName":"Events only","providerDisplayName":"p","description":"d","entries":[{"type":"Events"}]}`,
		api("Down", "http://127.0.0.1:1", basic),
	}, ",")+`]}`)
	url := serve(t, kyma.ApplicationGateway())

	for _, test := range []struct {
		name, path string
		status     int
		want       string
	}{
		{"by display name", "/demo/orders-api/items/1?x=y", 200, "reached /base/items/1?x=y"},
		{"without a path", "/demo/orders-api", 200, "reached /base,"},
		{"a trailing slash is lost", "/demo/orders-api/items/", 200, "reached /base/items,"},
		{"request parameters", "/demo/with-parameters/x?client=5", 200, "reached /base/x?client=5&fixed=1, tenant 7"},
		{"a slash in a key becomes a real one", "/demo/orders-api/a%2Fb", 200, "reached /base/a/b,"},
		{"quotes are encoded", "/demo/orders-api/Products('1')", 200, "reached /base/Products%28%271%27%29,"},
		{"a colon in the first segment loses the path", "/demo/orders-api/a:b/c", 200, "reached /base,"},
		{"a colon in a key is refused", "/demo/orders-api/Products(T='1:2')", 400, "failed to extract"},
		{"the name is not the display name", "/demo/whatever/x", 404, "service with name whatever not found"},
		{"the segment is compared as it is", "/demo/Orders-API/x", 404, "service with name Orders-API not found"},
		{"unknown application", "/nobody/orders-api/x", 404, "service with name orders-api not found"},
		{"only events", "/demo/events-only/x", 404, "not found"},
		{"two of one name", "/demo/twice/x", 400, "multiple services found"},
		{"too short", "/demo", 400, "path must contain Application and Service name"},
		{"secret missing", "/demo/no-secret/x", 500, "missing"},
		{"unknown type of credentials means none", "/demo/wrong-type/x", 401, ""},
		{"system down", "/demo/down/x", 502, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := get(t, url+test.path)
			assert.Equal(t, test.status, got.status, got.body)
			assert.Contains(t, got.body, test.want)
			if test.status == 400 || test.status == 404 || test.status == 500 {
				var problem struct {
					Code  int
					Error string
				}
				require.NoError(t, json.Unmarshal([]byte(got.body), &problem))
				assert.Equal(t, test.status, problem.Code)
			}
		})
	}

	t.Run("a CSRF token is fetched once", func(t *testing.T) {
		system.requests()
		assert.Equal(t, 200, post(t, url+"/demo/guarded/order", "text/plain", "hello").status)
		assert.Equal(t, 200, post(t, url+"/demo/guarded/order", "text/plain", "hello").status)
		assert.Equal(t, []string{"GET /token", "POST /guarded/order hello", "POST /guarded/order hello"}, system.requests())
	})
	t.Run("a refused call is sent twice", func(t *testing.T) {
		system.answer(http.StatusForbidden)
		assert.Equal(t, 403, post(t, url+"/demo/orders-api/order", "text/plain", "hello").status)
		system.answer(0)
		assert.Equal(t, []string{"POST /base/order hello", "POST /base/order hello"}, system.requests())
	})
	t.Run("a failing system looks like a bad gateway", func(t *testing.T) {
		system.answer(http.StatusServiceUnavailable)
		got := get(t, url+"/demo/orders-api/x")
		system.answer(0)
		assert.Equal(t, 502, got.status)
		assert.Equal(t, "503", got.header.Get("Target-System-Status"))
	})
	t.Run("the caller's token replaces the credentials", func(t *testing.T) {
		got := get(t, url+"/demo/orders-api/x", "Access-Token: Basic bWU6c2VjcmV0", "Authorization: Basic wrong")
		assert.Equal(t, 200, got.status)
	})
	t.Run("the token endpoint refuses", func(t *testing.T) {
		system.mu.Lock()
		system.password = "changed"
		system.mu.Unlock()
		got := post(t, url+"/demo/guarded/order", "text/plain", "hello")
		assert.Equal(t, 502, got.status)
		assert.Contains(t, got.body, "incorrect response code '401' while getting token")
	})
}

func TestKeysArriveAsSentWithoutEncodeURL(t *testing.T) {
	t.Parallel()
	system := newShop(t)
	kyma := newKyma(t, simulator.KymaOptions{})
	registered(t, kyma, `{"encodeUrl":false,"services":[`+api("Orders", system.URL+"/base", basic)+`]}`)
	got := get(t, serve(t, kyma.ApplicationGateway())+"/demo/orders/Products('a%2Fb')")
	assert.Contains(t, got.body, "reached /base/Products('a%2Fb'),")
}

func TestTheGatewayIsStaleWhereItCaches(t *testing.T) {
	t.Parallel()
	system := newShop(t)
	kyma := newKyma(t, simulator.KymaOptions{GatewayCache: time.Hour})
	registered(t, kyma, `{"services":[`+api("Orders", system.URL, basic)+`]}`)
	url := serve(t, kyma.ApplicationGateway()) + "/demo/orders/x"
	require.Equal(t, 200, get(t, url).status)
	require.NoError(t, kubeClient(t, kyma).Resource(applications).Delete(t.Context(), "demo", metav1.DeleteOptions{}))
	assert.Equal(t, 200, get(t, url).status, "the Application is gone, and calls still work")
}

func TestOAuthThroughTheGateway(t *testing.T) {
	t.Parallel()
	tokens := 0
	system := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			user, password, _ := r.BasicAuth()
			if user != "me" || password != "secret" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("client_secret") != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			tokens++
			fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":3600}`, tokens)
			return
		}
		fmt.Fprint(w, r.Header.Get("Authorization"))
	}))
	kyma := newKyma(t, simulator.KymaOptions{})
	registered(t, kyma, `{"services":[`+
		api("Orders", system, `,"credentials":{"type":"OAuth","secretName":"oauth","authenticationUrl":"`+system+`/token"}`)+`,`+
		api("Wrong", system, `,"credentials":{"type":"OAuth","secretName":"credentials","authenticationUrl":"`+system+`/token"}`)+`]}`)
	_, err := kubeClient(t, kyma).Resource(secrets).Namespace("kyma-system").Create(t.Context(), parse(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"oauth"},"stringData":{"clientId":"me","clientSecret":"secret"}}`), metav1.CreateOptions{})
	require.NoError(t, err)
	url := serve(t, kyma.ApplicationGateway())
	for range 2 {
		assert.Equal(t, "Bearer token-1", get(t, url+"/demo/orders/x").body, "a token is kept")
	}
	got := get(t, url+"/demo/wrong/x")
	assert.Equal(t, 502, got.status)
	assert.Contains(t, got.body, "incorrect response code '401' while getting token")
}

func TestHostsOfTheCurrentGeneration(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{})
	for _, host := range []string{
		"eventing-publisher-proxy.kyma-system:80", "eventing-publisher-proxy.kyma-system.svc:80", "eventing-publisher-proxy.kyma-system.svc.cluster.local:80",
		"central-application-gateway.kyma-system:8080", "central-application-gateway.kyma-system.svc.cluster.local:8081",
	} {
		assert.Contains(t, kyma.Hosts(), host)
	}
	assert.NotContains(t, kyma.Hosts(), "application-registry-external-api.kyma-integration:8081")

	url := serve(t, kyma.Handler())
	at := func(host, path string) int {
		req := request(t, http.MethodGet, url+path, "")
		req.Host = host
		return do(t, req).status
	}
	assert.Equal(t, 200, at("eventing-publisher-proxy.kyma-system", "/healthz"), "port 80 is meant")
	assert.Equal(t, 200, at("central-application-gateway.kyma-system:8081", "/v1/health"))
	assert.Equal(t, 502, at("eventing-event-publisher-proxy.kyma-system", "/healthz"), "the old name is gone")
}

func TestAWorkloadOfAnOldClusterCallsOneHostPerService(t *testing.T) {
	t.Parallel()
	system := newShop(t)
	kyma := newKyma(t, simulator.KymaOptions{Generation: simulator.Old, Applications: []string{"shop"}})
	url := serve(t, kyma.Handler())
	at := func(method, host, path, body string) answer {
		req := request(t, method, url+path, body)
		req.Host = host
		return do(t, req)
	}
	const registry = "application-registry-external-api.kyma-integration.svc.cluster.local:8081"
	got := at("POST", registry, "/shop/v1/metadata/services", `{"provider":"p","name":"Orders","description":"d","api":{"targetUrl":"`+system.URL+`/base","credentials":{"basic":{"username":"me","password":"secret"}}}}`)
	require.Equal(t, 200, got.status, got.body)
	var created struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(got.body), &created))

	got = at("GET", "shop-"+created.ID+".kyma-integration.svc.cluster.local", "/orders/1", "")
	assert.Equal(t, 200, got.status)
	assert.Contains(t, got.body, "reached /base/orders/1,")

	for _, host := range []string{"eventing-event-publisher-proxy.kyma-system", "shop-event-service.kyma-integration:8081", "app-shop-event-service.kyma-integration.svc:8081", "shop-event-service-external-api.kyma-integration.svc.cluster.local:8081"} {
		assert.Equal(t, 200, at("POST", host, "/shop/v1/events", legacyOrder).status, host)
	}
	got = at("POST", "shop-event-service.kyma-integration:8081", "/shop/v2/events", `{}`)
	assert.Equal(t, 301, got.status, "a redirect that costs a POST its body")
	assert.Equal(t, "http://shop.kyma-integration", got.header.Get("Location"))
	assert.Equal(t, 404, at("POST", "shop-event-service.kyma-integration:8081", "/publish", `{}`).status)
	assert.Equal(t, 200, at("GET", "shop-event-service.kyma-integration:8081", "/v1/health", "").status)
}
