package described_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/described"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/proxy"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

const head = `
apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: shop, displayName: Shop, description: Tells of orders., provider: Acme, product: Acme Shop}
parameters:
  system_url: {kind: url, title: System URL, description: Address., required: true, example: "https://shop.example.com"}
  application_name: {kind: resourceName, title: Application Name, description: Name., required: true, example: shop}
  user: {kind: text, title: User, description: User.}
  password: {kind: secret, title: Password, description: Password.}
  webhook_key: {kind: secret, title: Key, description: Signs., generate: {length: 40}}
application: =param("application_name")
`

const document = `{"openapi": "3.0.3", "paths": {
  "/orders": {"get": {"responses": {"200": {"content": {"application/json": {"example": [{"id": "1"}]}}}}}, "post": {"requestBody": {"required": true, "content": {"application/json": {}}}, "responses": {"201": {}}}},
  "/orders/{id}": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"type": "object", "properties": {"id": {"type": "string"}}}}}}}}}
}}`

const secured = `{"openapi": "3.0.3", "security": [{"key": []}], "paths": {"/orders": {"get": {"responses": {"200": {"description": "Done"}}}}},
  "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}}`

func load(t *testing.T, rest string) *connector.Definition {
	t.Helper()
	d, err := connector.Load(fstest.MapFS{"connector.yaml": {Data: []byte(head + rest)}, "api.json": {Data: []byte(document)}, "secured.json": {Data: []byte(secured)}})
	require.NoError(t, err)
	return d
}

func values(changes map[string]string) map[string]string {
	all := map[string]string{"system_url": "https://shop.example.com/base", "application_name": "shop", "user": "kyma", "password": "c2VjcmV0", "webhook_key": "a-key-that-nobody-knows"}
	maps.Copy(all, changes)
	return all
}

// open makes the described system and a client of everything that it serves.
func open(t *testing.T, d *connector.Definition, system map[string]string, samples ...sample.Sample) (*described.System, *http.Client) {
	t.Helper()
	s, err := described.New(d, system, described.Samples{Deliveries: samples, Params: values(nil)})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	p, err := proxy.Start(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	p.HandleAll(s.Hosts)
	return s, p.Client()
}

// status calls the system as the product does, signed in with the values.
func status(t *testing.T, d *connector.Definition, values map[string]string, client *http.Client, path string) (int, string) {
	t.Helper()
	params, err := d.ResolveParams(values)
	require.NoError(t, err)
	calls := httpclient.New(httpclient.Options{Transport: client.Transport})
	c, f := system.New(d, params, calls)
	require.True(t, f.OK(), f)
	auth, f := c.Authorize(nil, params.Input())
	require.True(t, f.OK(), f)
	address, err := c.Resolve(path)
	require.NoError(t, err)
	answer, f := c.Do(t.Context(), auth, httpclient.Request{Method: http.MethodGet, URL: address}, c.Hints(auth))
	if !f.OK() {
		return http.StatusUnauthorized, f.Reason // no token was given
	}
	return answer.Status, string(answer.Body)
}

// What the product signs in with is let in, with the right values and no others: of every kind that a definition
// knows.
func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	key, certificate := keyPair(t)
	otherKey, otherCertificate := keyPair(t)
	for name, tt := range map[string]struct {
		auth         string
		right, wrong map[string]string
	}{
		"basic":                   {`{basic: {username: =param("user"), password: =param("password")}}`, nil, map[string]string{"password": "other"}},
		"key in a header":         {`{apiKey: {header: X-Key, value: =param("password")}}`, nil, map[string]string{"password": "other"}},
		"key in the query":        {`{apiKey: {query: key, value: =param("password")}}`, nil, map[string]string{"password": "other"}},
		"headers":                 {`{header: {Authorization: '="Token " + param("password")', X-User: =param("user")}}`, nil, map[string]string{"user": "other"}},
		"query":                   {`{query: {user: =param("user"), key: =param("password")}}`, nil, map[string]string{"user": "other"}},
		"client credentials":      {`{oauth2: {tokenUrl: "https://auth.example.com/token", clientId: =param("user"), clientSecret: =param("password"), scopes: [read, write]}}`, nil, map[string]string{"password": "other"}},
		"credentials in the form": {`{oauth2: {tokenUrl: '=param("system_url") + "/token"', clientId: =param("user"), clientSecret: =param("password"), style: body}}`, nil, map[string]string{"password": "other"}},
		"another grant":           {`{oauth2: {tokenUrl: "https://auth.example.com/token", form: {grant_type: password, username: =param("user"), password: =param("password")}}}`, nil, map[string]string{"password": "other"}},
		"own tokens":              {`{jwt: {algorithm: RS256, keyId: =param("user"), key: =param("password"), lifetime: 5m, claims: {iss: =param("user"), jti: =nonce}}}`, map[string]string{"password": key}, map[string]string{"password": otherKey}},
		"own tokens of another":   {`{jwt: {algorithm: RS256, key: =param("password"), claims: {iss: =param("user")}}}`, map[string]string{"password": key}, map[string]string{"password": key, "user": "other"}},
		"signed calls":            {`{signed: {userKey: =param("user"), secret: =param("password")}}`, nil, map[string]string{"password": "b3RoZXI="}},
		"a client certificate":    {`{clientCertificate: {certificate: =param("user"), key: =param("password")}}`, map[string]string{"user": certificate, "password": key}, map[string]string{"user": otherCertificate, "password": otherKey}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := load(t, `
system: {url: =param("system_url"), auth: `+tt.auth+`}
apis:
  - {id: rest, name: API, kind: openapi, path: /api, specification: {file: api.json}, probe: {path: /api/orders}}
`)
			_, client := open(t, d, values(tt.right))
			code, body := status(t, d, values(tt.right), client, "/api/orders?limit=1")
			assert.Equal(t, http.StatusOK, code, body)
			assert.JSONEq(t, `[{"id":"1"}]`, body)
			code, body = status(t, d, values(tt.wrong), client, "/api/orders")
			assert.Equal(t, http.StatusUnauthorized, code, body)
			answer, err := client.Get("https://shop.example.com/base/api/orders")
			require.NoError(t, err)
			_ = answer.Body.Close()
			assert.Equal(t, http.StatusUnauthorized, answer.StatusCode, "without anything")
		})
	}
}

// The definition and the OpenAPI document are two witnesses of how the system is called: where they disagree, one is
// wrong.
func TestTheDocumentKnowsHowToSignIn(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]int{"X-Key": http.StatusOK, "X-Other": http.StatusUnauthorized} {
		d := load(t, `
system: {url: =param("system_url"), auth: {apiKey: {header: `+header+`, value: =param("password")}}}
apis:
  - {id: rest, name: API, kind: openapi, path: /api, specification: {file: secured.json}, probe: {path: /api/orders}}
`)
		_, client := open(t, d, values(nil))
		code, body := status(t, d, values(nil), client, "/api/orders")
		assert.Equal(t, want, code, body)
		if want != http.StatusOK {
			assert.Contains(t, body, "the OpenAPI document wants the header X-Key")
		}
	}
}

// keyPair is an RSA key with a certificate, in the one line that a form leaves of it.
func keyPair(t *testing.T) (key, certificate string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kyma"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	line := func(kind string, der []byte) string {
		return strings.TrimSpace(strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})), "\n", " "))
	}
	return line("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(private)), line("CERTIFICATE", der)
}

// What the definition says of the APIs is there, and nothing else.
func TestWhatIsServed(t *testing.T) {
	t.Parallel()
	d := load(t, `
system: {url: =param("system_url"), auth: {basic: {username: =param("user"), password: =param("password")}}}
apis:
  - {id: rest, name: API, kind: openapi, path: ['=param("user") == "x" ? "/x" : ""', /api], specification: {file: api.json}, requestParameters: {headers: {X-Key: =param("webhook_key"), Accept: text/plain}}}
  - {id: open, name: Open, kind: rest, path: /open, auth: {none: {}}, specification: {path: /open/spec}, probe: {path: /open/health, method: HEAD, status: [204]}}
  - {id: odata, name: Data, kind: odata, path: /odata, csrf: true, specification: {metadata: true}, entitySets: [OrderCollection]}
  - {id: public, name: Public, kind: openapi, path: /public, specification: {url: "https://docs.example.com/spec.json"}}
  - {id: gone, name: Gone, kind: rest, path: /off, enabled: "false"}
  - {name: =item("name"), kind: rest, path: =item("path"), discover: {get: /catalog, items: d.results, id: =item("id")}}
`)
	_, client := open(t, d, values(nil))
	for _, tt := range []struct {
		method, path, key, body string
		status                  int
		want                    string
	}{
		{"GET", "/api/orders", "a-key-that-nobody-knows", "", 200, `[{"id":"1"}]`},
		{"GET", "/api/orders/7", "a-key-that-nobody-knows", "", 200, `{"id":"text"}`},
		{"GET", "/api/orders", "", "", 401, "X-Key is missing or wrong"},
		{"POST", "/api/orders", "a-key-that-nobody-knows", `{"id":"2"}`, 201, ""},
		{"POST", "/api/orders", "a-key-that-nobody-knows", `{"id":`, 400, "no JSON document"},
		{"PUT", "/api/orders", "a-key-that-nobody-knows", "", 405, "does not take PUT"},
		{"GET", "/api", "a-key-that-nobody-knows", "", 200, "{}"},
		{"GET", "/api/customers", "a-key-that-nobody-knows", "", 404, "nothing at this path"},
		{"HEAD", "/open/health", "", "", 204, ""},
		{"GET", "/open/spec", "", "", 200, `"title":"Shop"`},
		{"GET", "/odata/", "", "", 200, "OrderCollection"},
		{"GET", "/odata/$metadata", "", "", 200, `EntityType Name="Order"`},
		{"POST", "/odata/OrderCollection", "", "{}", 403, "CSRF token"},
		{"GET", "/off", "", "", 404, "nothing"},
		{"GET", "/catalog", "", "", 200, `{"d":{"results":[]}}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "https://shop.example.com/base"+tt.path, strings.NewReader(tt.body))
		require.NoError(t, err)
		req.SetBasicAuth("kyma", "c2VjcmV0")
		req.Header.Set("X-Key", tt.key)
		answer, err := client.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		require.NoError(t, err)
		assert.Equal(t, tt.status, answer.StatusCode, "%s %s: %s", tt.method, tt.path, body)
		assert.Contains(t, string(body), tt.want, "%s %s", tt.method, tt.path)
	}
	answer, err := client.Get("https://docs.example.com/spec.json")
	require.NoError(t, err)
	_ = answer.Body.Close()
	assert.Equal(t, http.StatusOK, answer.StatusCode, "public documents need no credentials")
}

const deliveries = `
system: {url: =param("system_url"), auth: {none: {}}}
deliveries:
  - name: hook
    http: {path: /shop, subpaths: true}
    verify: {hmac: {algorithm: sha256, encoding: hex, keys: [=param("webhook_key")], message: =rawBody, signature: =header("X-Signature")}}
    types:
      - {when: '=body("type") == "created"', type: order.created, topic: created}
      - {when: '=body("type") == "paid"', type: order.paid, topic: paid}
    event: {version: v1, id: ID, data: =json()}
`

// recorded is a sample, signed with the samples' key.
func recorded(t *testing.T, d *connector.Definition, target, body, eventType string) sample.Sample {
	t.Helper()
	params, err := d.ResolveParams(values(nil))
	require.NoError(t, err)
	r := sample.Request{Method: http.MethodPost, Target: target, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}
	unsigned, err := simulatorSign(r, "a-key-that-nobody-knows")
	require.NoError(t, err)
	_, signed, err := sample.Sign(d, unsigned, params, params, time.Now())
	require.NoError(t, err)
	require.True(t, signed)
	return sample.Sample{Name: eventType, Request: unsigned, Golden: sample.Golden{Outcome: sample.Accepted, Status: 202, Events: []sample.Event{{ID: "x", Type: eventType, Version: "v1"}}}}
}

func simulatorSign(r sample.Request, key string) (sample.Request, error) {
	req, err := http.NewRequest(http.MethodPost, "https://gateway.example.com"+r.Target, http.NoBody)
	if err != nil {
		return r, err
	}
	req.Header = r.Header
	_, err = simulator.Sign(req, r.Body, simulator.Scheme{HMAC: &simulator.HMACScheme{Algorithm: "sha256", Encoding: "hex", Key: key, Header: "X-Signature"}})
	return r, err
}

// Each time something is sent it is a new delivery, for this installation: its ids are new, its proof is right.
func TestWhatIsSentIsNew(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ id, body string }{
		"an id of the body":       {`=body("id")`, `{"id":"evt-0001","type":"created","of":"evt-00011"}`},
		"a number":                {`=body("id")`, `{"id":42,"type":"created","amount":142}`},
		"a UUID":                  {`=body("id")`, `{"id":"0d1a26e6-7d8f-4eaf-8f6b-a5c57fc3c7d9","type":"created"}`},
		"an id made of the bytes": {`=hash(content)`, `{"type":"created"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := load(t, strings.Replace(deliveries, "id: ID", "id: '"+tt.id+"'", 1))
			s, _ := open(t, d, values(nil), recorded(t, d, "/shop/sub?x=1", tt.body, "order.created"))
			require.Equal(t, []string{"order.created.v1"}, s.Types())
			own, err := d.ResolveParams(values(map[string]string{"webhook_key": "another-key"}))
			require.NoError(t, err)

			var mu sync.Mutex
			attempts, bodies := 0, map[string]bool{}
			gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				again, err := simulatorSign(sample.Request{Target: "/", Header: http.Header{}, Body: body}, "another-key")
				mu.Lock()
				defer mu.Unlock()
				attempts++
				switch {
				case err != nil || r.URL.RequestURI() != "/shop/sub?x=1" || r.Header.Get("X-Signature") != again.Header.Get("X-Signature"):
					w.WriteHeader(http.StatusUnauthorized)
				case attempts == 1:
					w.WriteHeader(http.StatusServiceUnavailable)
				default:
					bodies[string(body)] = true
				}
			}))
			t.Cleanup(gateway.Close)
			require.NoError(t, s.Connect(simulator.Consumer{Endpoint: gateway.URL + "/shop", RetryAfter: time.Millisecond, Renew: func(r simulator.Recorded) (simulator.Recorded, error) {
				return s.Renew(r, own, time.Now())
			}}))
			for range 3 {
				require.NoError(t, s.Fire(t.Context(), simulator.Notification{Type: "order.created.v1"}))
			}
			delivered := func() bool {
				for _, sent := range s.Monitor() {
					if sent.State != simulator.Delivered {
						return false
					}
				}
				return true
			}
			require.Eventually(t, delivered, 5*time.Second, time.Millisecond, "%v", s.Monitor())
			mu.Lock()
			defer mu.Unlock()
			assert.Equal(t, 4, attempts, "the first one was repeated")
			assert.Len(t, bodies, 3)
			for body := range bodies {
				assert.NotEqual(t, tt.body, body)
				assert.Equal(t, strings.Contains(tt.body, "evt-00011"), strings.Contains(body, "evt-00011"), "what only looks like the id stays")
			}
		})
	}
}

// A delivery whose ids cannot be made new, or whose proof only somebody else can make, is not sent.
func TestWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	d := load(t, strings.Replace(deliveries, "id: ID", `id: '=hash(body("type"))'`, 1))
	s, _ := open(t, d, values(nil), recorded(t, d, "/shop", `{"type":"created"}`, "order.created"))
	assert.Empty(t, s.Types())
	d = load(t, strings.Replace(deliveries, "id: ID", `id: =body("id")`, 1))
	good := recorded(t, d, "/shop", `{"id":"evt-1","type":"created"}`, "order.created")
	good.Request.Header.Set("X-Signature", "forged")
	s, _ = open(t, d, values(nil), good)
	assert.Empty(t, s.Types())
	assert.ErrorContains(t, s.Fire(context.Background(), simulator.Notification{Type: "order.created.v1"}), "no delivery of type")
}

// Webhooks that the registration makes at the system are kept and called, with what they asked for.
func TestWebhooksAreKept(t *testing.T) {
	t.Parallel()
	for name, webhooks := range map[string]string{
		"one for each topic": `
  list: {get: /hooks, items: hooks, id: id, callback: url, topic: topic}
  create: {post: /hooks, json: {url: =callback, topic: =topic}, id: id}
  delete: {delete: ="/hooks/" + id}`,
		"one for all": `
  each: all
  list: {get: /hooks, id: =item("hook.id"), callback: config.address, topic: events}
  create: {post: /hooks, json: {config: {address: =callback}, events: '=split(topic, ",")'}, id: result.id}
  update: {put: ="/hooks/" + id, json: {config: {address: =callback}, events: '=split(topic, ",")'}}
  delete: {delete: ="/hooks/" + id}`,
		"a form": `
  list: {get: /hooks, id: id, callback: target, topic: kind}
  create: {post: /hooks, form: {address: =callback, what: =topic}, id: id}
  delete: {delete: ="/hooks/" + id}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := load(t, strings.Replace(deliveries, "id: ID", `id: =body("id")`, 1)+"webhooks:"+webhooks+"\n")
			s, client := open(t, d, values(nil),
				recorded(t, d, "/shop", `{"id":"evt-1","type":"created"}`, "order.created"), recorded(t, d, "/shop", `{"id":"evt-2","type":"paid"}`, "order.paid"))
			require.Equal(t, []string{"order.created.v1", "order.paid.v1"}, s.Types())
			received := make(chan string, 10)
			gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				received <- r.URL.Path + " " + string(body)
			}))
			t.Cleanup(gateway.Close)
			require.NoError(t, s.Connect(simulator.Consumer{}), "its own API subscribes: no endpoint is entered")
			fire := func(name string) int {
				require.NoError(t, s.Fire(t.Context(), simulator.Notification{Type: name}))
				return len(received)
			}
			assert.Zero(t, fire("order.created.v1"), "nobody asked")

			hooks := hooksOf{t, client, name == "a form"}
			id := hooks.create(gateway.URL+"/shop", "created")
			assert.Equal(t, 1, fire("order.created.v1"))
			assert.Contains(t, <-received, "/shop {")
			assert.Zero(t, fire("order.paid.v1"))
			assert.Contains(t, hooks.list(), gateway.URL+"/shop")
			assert.Equal(t, http.StatusNoContent, hooks.delete(id))
			assert.Equal(t, http.StatusNotFound, hooks.delete(id))
			assert.Zero(t, fire("order.created.v1"))
			assert.NotContains(t, hooks.list(), gateway.URL)
		})
	}
}

// hooksOf calls the API for webhooks of the three definitions above.
type hooksOf struct {
	t      *testing.T
	client *http.Client
	form   bool
}

func (h hooksOf) call(method, path, contentType, body string) (int, string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, "https://shop.example.com/base/hooks"+path, strings.NewReader(body))
	require.NoError(h.t, err)
	req.Header.Set("Content-Type", contentType)
	answer, err := h.client.Do(req)
	require.NoError(h.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	return answer.StatusCode, string(text)
}

func (h hooksOf) create(callback, topic string) (id string) {
	h.t.Helper()
	contentType, body := "application/json", `{"url":"`+callback+`","topic":"`+topic+`","config":{"address":"`+callback+`"},"events":["`+topic+`"]}`
	if h.form {
		contentType, body = "application/x-www-form-urlencoded", "address="+callback+"&what="+topic
	}
	status, text := h.call(http.MethodPost, "", contentType, body)
	require.Equal(h.t, http.StatusCreated, status, text)
	require.Contains(h.t, text, `"id":"1001"`)
	return "1001"
}

func (h hooksOf) list() string {
	h.t.Helper()
	status, text := h.call(http.MethodGet, "", "", "")
	require.Equal(h.t, http.StatusOK, status)
	return text
}

func (h hooksOf) delete(id string) int {
	h.t.Helper()
	status, _ := h.call(http.MethodDelete, "/"+id, "", "")
	return status
}

// What a relay sends is taken in.
func TestEventsAreTakenIn(t *testing.T) {
	t.Parallel()
	d := load(t, `
system: {url: =param("system_url"), auth: {none: {}}}
relay:
  - {name: out, from: {types: order.paid.v1, path: /out}, to: {post: /events, single: /event, batch: {count: 10}}, map: {data: =json()}}
  - {name: lines, from: {types: order.lost.v1, path: /lines}, to: {put: /lines, format: lines}, map: {data: =json()}}
`)
	s, client := open(t, d, values(nil))
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/events", `[{"n":1},{"n":2}]`, 200},
		{"POST", "/event", `{"n":3}`, 200},
		{"PUT", "/lines", "{\"n\":4}\n{\"n\":5}\n", 200},
		{"POST", "/events", `{"n":6}`, 400},
		{"PUT", "/lines", "{", 400},
		{"POST", "/lines", "{}", 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "https://shop.example.com/base"+tt.path, strings.NewReader(tt.body))
		require.NoError(t, err)
		answer, err := client.Do(req)
		require.NoError(t, err)
		_ = answer.Body.Close()
		assert.Equal(t, tt.status, answer.StatusCode, tt.path+tt.body)
	}
	var got []string
	for _, i := range s.Ingested() {
		got = append(got, string(i.Data))
	}
	assert.Equal(t, []string{`{"n":1}`, `{"n":2}`, `{"n":3}`, `{"n":4}`, `{"n":5}`}, got)
}

// What the definition does not say is answered as it was recorded: then there are APIs to discover, too, each with
// credentials of its own.
func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	d := load(t, `
system: {url: =param("system_url"), auth: {header: {Authorization: =param("user")}}}
apis:
  - name: =item("name")
    kind: rest
    path: ="/tenants/" + item("id")
    auth: {header: {Authorization: '=param("user") + " " + item("token")'}}
    discover: {get: "/tenants?all=true", items: list, id: =item("id"), include: =item("token") != ""}
`)
	s, err := described.New(d, values(nil), described.Samples{Params: values(nil), Answers: []sample.SystemAnswer{
		{Method: "GET", Path: "/tenants", Status: 200, JSON: []byte(`{"list":[{"id":"a","token":"one"},{"id":"b","token":"two"},{"id":"c"}]}`)},
		{Method: "POST", Path: "/tenants", Status: 202, JSON: []byte(`{"id":"d"}`)},
	}})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	handler := s.Hosts()["shop.example.com:443"]
	for _, tt := range []struct {
		method, path, authorization string
		status                      int
	}{
		{"GET", "/base/tenants", "kyma", 200},
		{"POST", "/base/tenants", "kyma", 202},
		{"GET", "/base/tenants", "other", 401},
		{"GET", "/base/tenants/a", "kyma one", 200},
		{"GET", "/base/tenants/a", "kyma two", 401},
		{"GET", "/base/tenants/b", "kyma two", 200},
		{"GET", "/base/tenants/c", "kyma ", 401},
		{"GET", "/base/tenants/c", "kyma", 404},
	} {
		r := httptest.NewRequest(tt.method, "https://shop.example.com"+tt.path, http.NoBody)
		r.Header.Set("Authorization", tt.authorization)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		assert.Equal(t, tt.status, w.Code, "%s %s as %q: %s", tt.method, tt.path, tt.authorization, w.Body)
	}
}

// Several APIs may have one address, and be told apart by who calls.
func TestAPIsOfOneAddress(t *testing.T) {
	t.Parallel()
	d := load(t, `
system: {url: =param("system_url")}
apis:
  - {id: one, name: One, kind: rest, path: /api, auth: {header: {X-Key: =param("user")}}}
  - {id: two, name: Two, kind: rest, path: /api, auth: {header: {X-Key: =param("password")}}}
`)
	s, err := described.New(d, values(nil), described.Samples{Params: values(nil)})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	for key, want := range map[string]int{"kyma": 200, "c2VjcmV0": 200, "other": 401} {
		r := httptest.NewRequest(http.MethodGet, "https://shop.example.com/base/api", http.NoBody)
		r.Header.Set("X-Key", key)
		w := httptest.NewRecorder()
		s.Hosts()["shop.example.com:443"].ServeHTTP(w, r)
		assert.Equal(t, want, w.Code, key)
	}
}
