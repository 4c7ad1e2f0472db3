package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

func TestFaultsHappenToTheRequestsTheyAreMeantFor(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{})
	url := serve(t, kyma.Publisher())
	add := func(f simulator.Fault) int {
		id, err := kyma.Faults().Add(f)
		require.NoError(t, err)
		return id
	}
	publish := func() answer {
		return do(t, request(t, http.MethodPost, url+"/publish", `{}`, binaryEvent("shop", "a.b.v1")...))
	}

	add(simulator.Fault{Part: simulator.PartPublisher, Method: "POST", Path: "^/publish$", Skip: 1, Times: 2, Status: 429, RetryAfter: 7})
	assert.Equal(t, 204, publish().status, "the first is let through")
	for range 2 {
		got := publish()
		assert.Equal(t, 429, got.status)
		assert.Equal(t, "7", got.header.Get("Retry-After"))
		assert.Empty(t, got.body)
	}
	assert.Equal(t, 204, publish().status, "the fault is used up")
	assert.Equal(t, 200, get(t, url+"/healthz").status)
	assert.Equal(t, 2, kyma.Faults().List()[0].Hits)
	assert.Equal(t, 2, kyma.Counts().Accepted, "who was refused did nothing")
	assert.Equal(t, 2, kyma.Counts().Refused)

	other := add(simulator.Fault{Part: simulator.PartRegistry, Status: 500})
	every := add(simulator.Fault{Status: 503, Body: `{"a":1}`, ContentType: "application/json"})
	got := publish()
	assert.Equal(t, 503, got.status)
	assert.Equal(t, `{"a":1}`, got.body)
	assert.Equal(t, "application/json", got.header.Get("Content-Type"))
	assert.True(t, kyma.Faults().Remove(every))
	assert.False(t, kyma.Faults().Remove(every))
	assert.Equal(t, 204, publish().status)
	assert.True(t, kyma.Faults().Remove(other))
	kyma.Faults().Clear()
	assert.Empty(t, kyma.Faults().List())
}

func TestKindsOfFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault simulator.Fault
		check func(t *testing.T, got answer, err error, kyma *simulator.Kyma)
	}{
		{"cut before the work", simulator.Fault{Cut: simulator.CutBefore}, func(t *testing.T, _ answer, err error, kyma *simulator.Kyma) {
			require.Error(t, err)
			assert.Zero(t, kyma.Counts().Accepted)
			assert.Equal(t, 1, kyma.Counts().Refused)
			assert.Zero(t, kyma.Calls(simulator.PartPublisher)[0].Status)
		}},
		{"cut after the work", simulator.Fault{Cut: simulator.CutAfter}, func(t *testing.T, _ answer, err error, kyma *simulator.Kyma) {
			require.Error(t, err)
			assert.Equal(t, 1, kyma.Counts().Accepted)
		}},
		{"login page", simulator.Fault{LoginPage: true}, func(t *testing.T, got answer, err error, _ *simulator.Kyma) {
			require.NoError(t, err)
			assert.Equal(t, 200, got.status)
			assert.Contains(t, got.header.Get("Content-Type"), "text/html")
			assert.Contains(t, got.body, "<form")
		}},
		{"latency", simulator.Fault{Latency: time.Millisecond}, func(t *testing.T, got answer, err error, kyma *simulator.Kyma) {
			require.NoError(t, err)
			assert.Equal(t, 200, got.status)
			assert.Equal(t, 1, kyma.Counts().Accepted)
		}},
		{"latency and status", simulator.Fault{Latency: time.Millisecond, Status: 504}, func(t *testing.T, got answer, err error, _ *simulator.Kyma) {
			require.NoError(t, err)
			assert.Equal(t, 504, got.status)
		}},
		{"truncated", simulator.Fault{Truncate: 5}, func(t *testing.T, got answer, err error, _ *simulator.Kyma) {
			require.Error(t, err)
			assert.Equal(t, 200, got.status)
			assert.Equal(t, `{"eve`, got.body)
		}},
		{"dripping", simulator.Fault{Drip: time.Microsecond}, func(t *testing.T, got answer, err error, _ *simulator.Kyma) {
			require.NoError(t, err)
			assert.Contains(t, got.body, `"event-id"`)
		}},
		{"dripping and truncated", simulator.Fault{Drip: time.Microsecond, Truncate: 5}, func(t *testing.T, got answer, err error, _ *simulator.Kyma) {
			require.Error(t, err)
			assert.Equal(t, `{"eve`, got.body)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			kyma := newKyma(t, simulator.KymaOptions{})
			_, err := kyma.Faults().Add(test.fault)
			require.NoError(t, err)
			got, err := try(request(t, http.MethodPost, serve(t, kyma.Publisher())+"/shop/v1/events", legacyOrder))
			test.check(t, got, err, kyma)
		})
	}
}

func TestFaultsOverHTTP2(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{})
	client, url := serveHTTP2(t, kyma.Publisher())
	resp, err := client.Do(request(t, http.MethodGet, url+"/healthz", ""))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 2, resp.ProtoMajor)

	_, err = kyma.Faults().Add(simulator.Fault{Cut: simulator.CutAfter})
	require.NoError(t, err)
	_, err = client.Do(request(t, http.MethodPost, url+"/shop/v1/events", legacyOrder))
	assert.Error(t, err)
	assert.Equal(t, 1, kyma.Counts().Accepted)
}

func TestFaultsThatCannotBe(t *testing.T) {
	t.Parallel()
	for want, fault := range map[string]simulator.Fault{
		"it does nothing":              {Part: simulator.PartRegistry},
		"is not a regular expression":  {Path: "(", Status: 500},
		"cut is \"never\"":             {Cut: "never"},
		"status 42":                    {Status: 42},
		"choose one of":                {Status: 500, Cut: simulator.CutBefore},
		"need a status":                {Latency: time.Second, RetryAfter: 3},
		"no body to truncate or drip":  {Cut: simulator.CutAfter, Truncate: 3},
		"durations cannot be negative": {Latency: -1},
	} {
		_, err := (&simulator.Faults{}).Add(fault)
		assert.ErrorContains(t, err, want)
	}
}

func TestFaultsBySomebodyWithACommandLine(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{})
	url := serve(t, kyma.Publisher())

	got := post(t, url+"/_faults", "application/json", `{"path":"/publish","status":503,"times":2,"latency":"1ms","retryAfter":3}`)
	assert.Equal(t, http.StatusCreated, got.status)
	assert.JSONEq(t, `{"id":1}`, got.body)
	assert.Equal(t, 503, post(t, url+"/publish", "text/plain", "x").status)
	assert.JSONEq(t, `{"faults":[{"id":1,"path":"/publish","status":503,"times":2,"latency":"1ms","retryAfter":3,"hits":1}]}`, get(t, url+"/_faults").body)

	for _, body := range []string{`{`, `{"statuss":500}`, `{"status":500,"latency":"soon"}`, `{"status":500,"drip":"x"}`, `{}`} {
		got := post(t, url+"/_faults", "application/json", body)
		assert.Equal(t, http.StatusBadRequest, got.status, body)
		assert.Contains(t, got.body, `"error"`)
	}

	assert.Equal(t, 404, do(t, request(t, http.MethodDelete, url+"/_faults/9", "")).status)
	assert.Equal(t, 204, do(t, request(t, http.MethodDelete, url+"/_faults/1", "")).status)
	post(t, url+"/_faults", "application/json", `{"cut":"before"}`)
	assert.Equal(t, 204, do(t, request(t, http.MethodDelete, url+"/_faults", "")).status)
	assert.Equal(t, 200, get(t, url+"/healthz").status)
	for _, call := range kyma.Calls("") {
		assert.False(t, strings.HasPrefix(call.Path, "/_faults"), "the control route is no call of Kyma's")
	}
}

func TestEveryPartHasFaultsAndRemembersCalls(t *testing.T) {
	t.Parallel()
	kyma := newKyma(t, simulator.KymaOptions{Generation: simulator.Old, Applications: []string{"shop"}})
	handlers := map[string]http.Handler{
		simulator.PartRegistry: kyma.Registry(), simulator.PartKubernetes: kyma.KubeAPI(),
		simulator.PartPublisher: kyma.Publisher(), simulator.PartGateway: kyma.ApplicationGateway(),
	}
	for part, handler := range handlers {
		id, err := kyma.Faults().Add(simulator.Fault{Part: part, Status: 418})
		require.NoError(t, err)
		assert.Equal(t, 418, get(t, serve(t, handler)+"/x").status, part)
		assert.Equal(t, []simulator.Call{{Part: part, Method: "GET", Path: "/x", Status: 418}}, kyma.Calls(part))
		require.True(t, kyma.Faults().Remove(id))
	}
	assert.Len(t, kyma.Calls(""), len(handlers))

	client := kubeClient(t, kyma)
	_, err := client.Resource(applications).Get(t.Context(), "shop", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Zero(t, kyma.Counts().KubernetesWrites, "reading is no write")
	require.NoError(t, client.Resource(applications).Delete(t.Context(), "shop", metav1.DeleteOptions{}))
	assert.Equal(t, 1, kyma.Counts().KubernetesWrites)
}
