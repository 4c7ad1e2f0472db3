package simulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cloudeventshttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// binaryEvent are the headers of an event in binary mode.
func binaryEvent(source, eventType string) []string {
	return []string{"Ce-Specversion: 1.0", "Ce-Id: 42", "Ce-Source: " + source, "Ce-Type: " + eventType, "Content-Type: application/json"}
}

func TestWhatThePublisherTakes(t *testing.T) {
	t.Parallel()
	binary := func(more ...string) []string {
		return append([]string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: shop", "Ce-Type: order.created.v1"}, more...)
	}
	structured := []string{"Content-Type: application/cloudevents+json; charset=utf-8"}
	for _, test := range []struct {
		name    string
		headers []string
		body    string
		status  int
		text    string // of the answer; empty: no body
	}{
		{"binary", binary("Content-Type: application/json"), `{"a":1}`, 204, ""},
		{"binary without data", binary(), ``, 204, ""},
		{"binary text", binary("Content-Type: text/plain"), `hello`, 204, ""},
		{"version 0.3", append(binary()[1:], "Ce-Specversion: 0.3"), `{}`, 204, ""},
		{"structured", structured, `{"specversion":"1.0","id":"1","source":"shop","type":"order.created.v1","data":{"a":1}}`, 204, ""},
		{"structured with Base64", structured, `{"specversion":"1.0","id":"1","source":"shop","type":"a.b","datacontenttype":"text/plain","data_base64":"aGk="}`, 204, ""},
		{"one segment", []string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: shop", "Ce-Type: created"}, `{}`, 204, ""},
		{"odd source", []string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: de mo/x-y", "Ce-Type: created"}, `{}`, 204, ""},
		{"extension", binary("Ce-Traceparent: 00-1-2-01"), `{}`, 204, ""},

		{"plain JSON", []string{"Content-Type: application/json"}, `{}`, 400, "unknown Message encoding"},
		{"batch", []string{"Content-Type: application/cloudevents-batch+json"}, `[]`, 400, "unknown Message encoding"},
		{"version 0.2", append(binary()[1:], "Ce-Specversion: 0.2"), `{}`, 400, "unknown Message encoding"},
		{"no id", append([]string{binary()[0]}, binary()[2:]...), `{}`, 400, "id: MUST be a non-empty string"},
		{"no source", append(append([]string{}, binary()[:2]...), binary()[3]), `{}`, 400, "source: REQUIRED"},
		{"no type", binary()[:3], `{}`, 400, "type: MUST be a non-empty string"},
		{"time", binary("Ce-Time: yesterday"), `{}`, 400, "time"},
		{"name of an extension", binary("Ce-My_ext: x"), `{}`, 400, "bad key"},
		{"structured without version", structured, `{"id":"1","source":"shop","type":"a.b"}`, 400, "specversion"},
		{"structured, unknown version", structured, `{"specversion":"2.0","id":"1","source":"shop","type":"a.b"}`, 400, "specversion"},
		{"structured, extension with an object", structured, `{"specversion":"1.0","id":"1","source":"shop","type":"a.b","x":{}}`, 400, "x"},
		{"structured, no JSON", structured, `{`, 400, "JSON"},
		{"structured, text data that is none", structured, `{"specversion":"1.0","id":"1","source":"s","type":"a.b","datacontenttype":"text/plain","data":{}}`, 400, "expected a string"},
		{"empty segment", []string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: shop", "Ce-Type: a..b"}, `{}`, 400, "empty segments"},
		{"type of removed characters", []string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: shop", "Ce-Type: />*"}, `{}`, 400, "empty segments"},
		{"short prefixed type", []string{"Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: shop", "Ce-Type: sap.kyma.custom.shop.created"}, `{}`, 400, "invalid format"},
		{"data that is no JSON", binary("Content-Type: application/json"), `{`, 400, ""},
		{"data that is no JSON, no type", binary(), `{`, 400, ""},
		{"one byte too large", binary(), `"` + strings.Repeat("x", 65535) + `"`, 400, "http: request body too large"},
		{"as large as can be", binary(), `"` + strings.Repeat("x", 65534) + `"`, 204, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			kyma := newKyma(t, simulator.KymaOptions{})
			got := do(t, request(t, http.MethodPost, serve(t, kyma.Publisher())+"/publish", test.body, test.headers...))
			assert.Equal(t, test.status, got.status, got.body)
			if test.text == "" {
				assert.Empty(t, got.body)
			}
			assert.Contains(t, got.body, test.text)
			if test.status == 204 {
				assert.Equal(t, 1, kyma.Counts().Accepted)
			} else {
				assert.Equal(t, 1, kyma.Counts().Refused)
			}

			// The publisher reads events with the official SDK: it must agree, except on what only the backend finds out.
			if strings.Contains(test.text, "segments") || strings.Contains(test.text, "format") || strings.Contains(test.text, "too large") || test.status == 400 && test.text == "" {
				return
			}
			message := cloudeventshttp.NewMessageFromHttpRequest(request(t, http.MethodPost, "http://x/", test.body, test.headers...))
			event, err := binding.ToEvent(t.Context(), message)
			if err == nil {
				err = event.Validate()
			}
			assert.Equal(t, test.status == 204, err == nil, "the SDK says: %v", err)
		})
	}
}

func TestPublisherPaths(t *testing.T) {
	t.Parallel()
	url := serve(t, newKyma(t, simulator.KymaOptions{}).Publisher())
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/healthz", 200}, {"POST", "/readyz", 200},
		{"GET", "/publish", 405}, {"PUT", "/shop/v1/events", 405}, {"POST", "/shop/v1/events/subscribed", 405},
		{"POST", "/shop/v2/events", 404}, {"POST", "/shop/events", 404}, {"GET", "/", 404},
	} {
		assert.Equal(t, test.status, do(t, request(t, test.method, url+test.path, "")).status, "%s %s", test.method, test.path)
	}
}

func TestEventsWithoutSubscriptionAreAcceptedAndDropped(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}})
	url := serve(t, kyma.Publisher()) + "/publish"
	publish := func() {
		require.Equal(t, 204, do(t, request(t, "POST", url, `{}`, binaryEvent("shop", "order.created.v1")...)).status)
	}

	publish()
	assert.True(t, kyma.Events()[0].Dropped(), "204 says nothing of delivery")

	require.NoError(t, kyma.Subscribe("team", "orders", "shop", "order.created.v1", "order.deleted.v1"))
	publish()
	assert.Equal(t, []string{"team/orders"}, kyma.Events()[1].Subscriptions)
	assert.True(t, kyma.Events()[0].Dropped(), "what came before is not delivered later")

	client := kubeClient(t, kyma).Resource(subscriptions).Namespace("team")
	require.NoError(t, client.Delete(t.Context(), "orders", metav1.DeleteOptions{}))
	publish()
	assert.True(t, kyma.Events()[2].Dropped())
	assert.Equal(t, simulator.KymaCounts{Accepted: 3, Subscribed: 1, Dropped: 2, KubernetesWrites: 1}, kyma.Counts())
}

func TestSubjectsOfEvents(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, source, eventType string
		subject, delivered      string
	}{
		{"standard", "shop", "Account.Root.Created.v1", "kyma.shop.Account.Root.Created.v1", "Account.Root.Created.v1"},
		{"hyphens stay", "my-app", "order.created.v1", "kyma.my-app.order.created.v1", "order.created.v1"},
		{"characters with a meaning are removed", "de mo/x-y", "or/der>.cre*ated.v1", "kyma.de%20mox-y.order.created.v1", "or/der>.cre*ated.v1"},
		{"dots of the source are removed", "a.b", "c.d", "kyma.ab.c.d", "c.d"},
		{"a labelled Application", "labelled", "order.created.v1", "kyma.web-shop.order.created.v1", "order.created.v1"},
		{"prefixed", "any", "sap.kyma.custom.my-app.Account.Root.Created.v1", "kyma.sap.kyma.custom.myapp.AccountRoot.Created.v1", "sap.kyma.custom.myapp.AccountRoot.Created.v1"},
		{"prefixed, a labelled Application", "any", "sap.kyma.custom.labelled.order.created.v1", "kyma.sap.kyma.custom.webshop.order.created.v1", "sap.kyma.custom.webshop.order.created.v1"},
		{"prefixed, odd characters", "any", "sap.kyma.custom.shop.pull_request.opened.v1", "kyma.sap.kyma.custom.shop.pullrequest.opened.v1", "sap.kyma.custom.shop.pullrequest.opened.v1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			kyma := newKyma(t, simulator.KymaOptions{})
			app := parse(t, strings.Replace(minimalApplication, `"name":"shop"`, `"name":"labelled","labels":{"Application-Type":"web-shop"}`, 1))
			_, err := kubeClient(t, kyma).Resource(applications).Create(t.Context(), app, metav1.CreateOptions{})
			require.NoError(t, err)
			require.Equal(t, 204, do(t, request(t, "POST", serve(t, kyma.Publisher())+"/publish", `{}`, binaryEvent(test.source, test.eventType)...)).status)
			assert.Equal(t, test.subject, kyma.Events()[0].Subject)
			assert.Equal(t, test.delivered, kyma.Events()[0].Event.Type)
		})
	}
}

func TestTheApplicationTypeIsReplacedForPublishersOnly(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}})
	app := parse(t, strings.Replace(minimalApplication, `"name":"shop"`, `"name":"shop","labels":{"application-type":"web"}`, 1))
	_, err := kubeClient(t, kyma).Resource(applications).Create(t.Context(), app, metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, kyma.Subscribe("team", "by-name", "shop", "order.created.v1"))
	require.NoError(t, kyma.Subscribe("team", "by-label", "web", "order.created.v1"))
	require.Equal(t, 204, do(t, request(t, "POST", serve(t, kyma.Publisher())+"/publish", `{}`, binaryEvent("shop", "order.created.v1")...)).status)
	assert.Equal(t, []string{"team/by-label"}, kyma.Events()[0].Subscriptions)
	assert.Equal(t, "shop", kyma.Events()[0].Event.Source, "but it is delivered with its own source")
}

func TestEventsKeepTheirAttributes(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{})
	url := serve(t, kyma.Publisher()) + "/publish"
	require.Equal(t, 204, do(t, request(t, "POST", url, `{"a": 1}`, append(binaryEvent("shop", "a.b.v1"), "Ce-Time: 2026-01-02T03:04:05.123Z", "Ce-Subject: 7", "Ce-Originsource: /x")...)).status)
	require.Equal(t, 204, do(t, request(t, "POST", url, "plain", "Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: s", "Ce-Type: a.b", "Content-Type: text/plain")).status)

	got := kyma.Events()[0].Event
	assert.Equal(t, "42", got.ID)
	assert.Equal(t, "7", got.Subject)
	assert.Equal(t, `{"a": 1}`, string(got.Data), "byte for byte")
	assert.True(t, got.Time.Equal(time.Date(2026, 1, 2, 3, 4, 5, 123_000_000, time.UTC)))
	assert.Equal(t, map[string]string{"originsource": "/x"}, got.Extensions)
	assert.Equal(t, `"plain"`, string(kyma.Events()[1].Event.Data), "what is not JSON is stored as a JSON text")
}

const legacyOrder = `{"event-type":"order.created","event-type-version":"v1","event-id":"31109198-4d69-4ae0-972d-76117f3748c8","event-time":"2026-01-02T03:04:05Z","data":{"n":1}}`

func TestTheLegacyRoute(t *testing.T) {
	t.Parallel()
	without := func(member string) string {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(legacyOrder), &m))
		delete(m, member)
		body, err := json.Marshal(m)
		require.NoError(t, err)
		return string(body)
	}
	with := func(member string, value any) string {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(legacyOrder), &m))
		m[member] = value
		body, err := json.Marshal(m)
		require.NoError(t, err)
		return string(body)
	}
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"complete", legacyOrder, 200, `{"event-id":"31109198-4d69-4ae0-972d-76117f3748c8","status":"","reason":""}`},
		{"empty object as data", with("data", map[string]any{}), 200, ""},
		{"odd version", with("event-type-version", "v1.0 beta"), 200, ""},
		{"nothing", "", 400, `{"status":400,"type":"bad_payload_syntax","message":"Bad payload syntax","moreInfo":"Bad payload syntax"}`},
		{"no type", without("event-type"), 400, missing("event-type")},
		{"no version", without("event-type-version"), 400, missing("event-type-version")},
		{"no time", without("event-time"), 400, missing("event-time")},
		{"no data", without("data"), 400, missing("data")},
		{"data null", with("data", nil), 400, missing("data")},
		{"data empty text", with("data", ""), 400, missing("data")},
		{"version of other characters", with("event-type-version", "--"), 400, invalid("event-type-version")},
		{"time", with("event-time", "2026-01-02"), 400, invalid("event-time")},
		{"id", with("event-id", "42"), 400, invalid("event-id")},
		{"too large", with("data", strings.Repeat("x", 70_000)), 413, `{"status":413,"type":"request_body_too_large","message":"Request body too large","moreInfo":"http: request body too large"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			kyma := newKyma(t, simulator.KymaOptions{})
			got := post(t, serve(t, kyma.Publisher())+"/shop/v1/events", "application/json", test.body)
			assert.Equal(t, test.status, got.status, got.body)
			if test.want != "" {
				assert.JSONEq(t, test.want, got.body)
			}
		})
	}
	t.Run("not JSON", func(t *testing.T) {
		t.Parallel()
		got := post(t, serve(t, newKyma(t, simulator.KymaOptions{}).Publisher())+"/shop/v1/events", "application/json", "<xml/>")
		assert.Equal(t, 400, got.status)
		assert.Contains(t, got.body, "bad_payload_syntax")
	})
}

func missing(field string) string {
	return `{"status":400,"type":"validation_violation","message":"Missing field","details":[{"field":"` + field + `","type":"missing_field","message":"Missing field"}]}`
}

func invalid(field string) string {
	return `{"status":400,"type":"validation_violation","message":"Invalid field","details":[{"field":"` + field + `","type":"invalid_field","message":"Invalid field"}]}`
}

func TestALegacyEventBecomesTwoMessages(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}})
	url := serve(t, kyma.Publisher()) + "/my-shop/v1/events"
	require.NoError(t, kyma.Subscribe("team", "standard", "my-shop", "order.created.v1"))
	_, err := kubeClient(t, kyma).Resource(subscriptions).Namespace("team").Create(t.Context(), parse(t, `{"apiVersion":"eventing.kyma-project.io/v1alpha2","kind":"Subscription","metadata":{"name":"exact"},
		"spec":{"sink":"http://a.team.svc.cluster.local","source":"","typeMatching":"exact","types":["sap.kyma.custom.myshop.order.created.v1"]}}`), metav1.CreateOptions{})
	require.NoError(t, err)

	require.Equal(t, 200, post(t, url, "application/json", legacyOrder).status)
	events := kyma.Events()
	require.Len(t, events, 2)
	assert.Equal(t, "kyma.my-shop.order.created.v1", events[0].Subject)
	assert.Equal(t, "order.created.v1", events[0].Event.Type)
	assert.Equal(t, "my-shop", events[0].Event.Source)
	assert.Equal(t, []string{"team/standard"}, events[0].Subscriptions)
	assert.Equal(t, "kyma.sap.kyma.custom.myshop.order.created.v1", events[1].Subject)
	assert.Equal(t, "kyma", events[1].Event.Source)
	assert.Equal(t, []string{"team/exact"}, events[1].Subscriptions)
	assert.Equal(t, map[string]string{"eventtypeversion": "v1"}, events[0].Event.Extensions)
	assert.Equal(t, events[0].Event.ID, events[1].Event.ID, "with an id, both have it")
	assert.Equal(t, 1, kyma.Counts().Accepted, "for the caller it is one")

	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(legacyOrder), &m))
	delete(m, "event-id")
	m["event-type"] = "Account.Root.Created"
	body, err := json.Marshal(m)
	require.NoError(t, err)
	got := post(t, url, "application/json", string(body))
	events = kyma.Events()
	assert.NotEqual(t, events[2].Event.ID, events[3].Event.ID, "without, each has its own")
	assert.Contains(t, got.body, events[3].Event.ID, "and the caller is told the second")
	assert.Equal(t, "kyma.sap.kyma.custom.myshop.AccountRoot.Created.v1", events[3].Subject, "more than two segments are joined")
}

func TestAnOldPublisherKnowsOnlyPrefixedTypes(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{Generation: simulator.Old, Namespaces: []string{"team"}})
	url := serve(t, kyma.Publisher())
	require.NoError(t, kyma.Subscribe("team", "orders", "my-shop", "order.created.v1"))
	require.Equal(t, 200, post(t, url+"/my-shop/v1/events", "application/json", legacyOrder).status)
	require.Equal(t, 204, do(t, request(t, "POST", url+"/publish", `{}`, binaryEvent("my-shop", "order.created.v1")...)).status)
	require.Equal(t, 204, do(t, request(t, "POST", url+"/publish", `{}`, binaryEvent("my-shop", "sap.kyma.custom.myshop.order.created.v1")...)).status)
	events := kyma.Events()
	require.Len(t, events, 3, "the legacy route publishes once")
	assert.Equal(t, "sap.kyma.custom.myshop.order.created.v1", events[0].Subject)
	assert.Equal(t, []string{"team/orders"}, events[0].Subscriptions)
	assert.True(t, events[1].Dropped(), "a type without prefix is taken, and nobody can subscribe to it")
	assert.Equal(t, []string{"team/orders"}, events[2].Subscriptions)
}

func TestSubscribedTypes(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}})
	url := serve(t, kyma.Publisher()) + "/shop/v1/events/subscribed"
	assert.JSONEq(t, `{"eventsInfo":[]}`, get(t, url).body, "the Application need not exist")

	require.NoError(t, kyma.Subscribe("team", "one", "shop", "order.created.v1", "Account.Root.Created.v1"))
	require.NoError(t, kyma.Subscribe("team", "two", "shop", "order.created.v1"))
	require.NoError(t, kyma.Subscribe("team", "other", "another", "order.deleted.v1"))
	assert.JSONEq(t, `{"eventsInfo":[{"name":"Account.Root.Created","version":"v1"},{"name":"order.created","version":"v1"}]}`, get(t, url).body)

	require.NoError(t, kyma.Subscribe("team", "no-dot", "shop", "created"), "the controller marks it, but it is there")
	_, err := try(request(t, http.MethodGet, url, ""))
	assert.Error(t, err, "a type without a dot crashes the answer")

	old := newKyma(t, simulator.KymaOptions{Generation: simulator.Old, Namespaces: []string{"team"}})
	require.NoError(t, old.Subscribe("team", "one", "shop", "order.created.v1"))
	assert.JSONEq(t, `{"eventsInfo":[{"name":"order.created","version":"v1"}]}`, get(t, serve(t, old.Publisher())+"/shop/v1/events/subscribed").body)
}

func TestSinksGetEventsAtLeastOnce(t *testing.T) {
	t.Parallel()
	type delivery struct {
		header http.Header
		body   string
	}
	var mu sync.Mutex
	var got []delivery
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, delivery{r.Header, string(body)})
		if len(got) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(sink.Close)
	kyma := newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}, RedeliverAfter: time.Millisecond, SinkClient: to(sink)})
	require.NoError(t, kyma.Subscribe("team", "orders", "shop", "order.created.v1"))
	require.Equal(t, 204, do(t, request(t, "POST", serve(t, kyma.Publisher())+"/publish", `{"n":1}`, append(binaryEvent("shop", "order.created.v1"), "Ce-Time: 2026-01-02T03:04:05Z", "Ce-Subject: 7")...)).status)

	require.Eventually(t, func() bool { return kyma.Counts().Delivered == 1 }, 20*time.Second, time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, got, 3, "what is not answered with 2xx comes again")
	assert.Equal(t, `{"n":1}`, got[2].body)
	for name, want := range map[string]string{"Ce-Type": "order.created.v1", "Ce-Source": "shop", "Ce-Id": "42", "Ce-Subject": "7", "Ce-Time": "2026-01-02T03:04:05Z", "Content-Type": "application/json"} {
		assert.Equal(t, want, got[2].header.Get(name), name)
	}
}

func TestSinksThatNeverTakeAnEvent(t *testing.T) {
	t.Parallel()
	sink := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(sink.Close)
	kyma := newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}, RedeliverAfter: time.Millisecond, MaxDeliveries: 3, SinkClient: to(sink)})
	require.NoError(t, kyma.Subscribe("team", "orders", "shop", "order.created.v1"))
	require.Equal(t, 204, do(t, request(t, "POST", serve(t, kyma.Publisher())+"/publish", `{}`, binaryEvent("shop", "order.created.v1")...)).status)
	require.Eventually(t, func() bool { return kyma.Counts().Undelivered == 1 }, 20*time.Second, time.Millisecond)
}

// to is a client whose every call goes to one server.
func to(server *httptest.Server) *http.Client {
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.URL.Host, r.URL.Scheme = strings.TrimPrefix(server.URL, "http://"), "http"
		return direct.RoundTrip(r)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
