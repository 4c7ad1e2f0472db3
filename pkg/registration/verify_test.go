package registration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// kymasGateway answers for Kyma's gateway; paths are those behind the service's name.
type kymasGateway struct {
	answer http.HandlerFunc
	err    error
	called []string
}

func (g *kymasGateway) RoundTrip(r *http.Request) (*http.Response, error) {
	g.called = append(g.called, r.Method+" "+r.URL.String())
	if g.err != nil {
		return nil, g.err
	}
	recorder := httptest.NewRecorder()
	g.answer(recorder, r)
	return recorder.Result(), nil
}

func (g *kymasGateway) client() *httpclient.Client {
	return httpclient.New(httpclient.Options{Transport: g, Retry: httpclient.Retry{Attempts: 1}})
}

// verifying is a fixture whose one API is registered, and that verifies through a gateway.
func verifying(t *testing.T, parts string, params ...string) (*fixture, *kymasGateway) {
	t.Helper()
	f := newFixture(t, parts, params...)
	f.system.on("/a/", answer(200, serviceDocument))
	f.system.on("/a/health", answer(200, `{}`))
	f.system.on("/health", answer(200, `{}`))
	require.True(t, f.run(t).OK)
	g := &kymasGateway{answer: answer(200, serviceDocument)}
	f.options.Verify, f.deps.Gateway = true, g.client()
	return f, g
}

const oneAPI = "apis: [{id: a, name: A, kind: odata, path: /a/}]\n"

func TestVerifyCallsThroughTheGateway(t *testing.T) {
	t.Parallel()
	f, g := verifying(t, oneAPI)
	report := f.run(t)
	assert.True(t, report.OK)
	assert.Zero(t, report.ExitCode(registration.FailOnAny))
	assert.Equal(t, []string{"GET http://gateway.example/app/acme-shop-a/"}, g.called)
	assert.Equal(t, &registration.CallReport{Via: registration.ViaGateway, Method: "GET", URL: "http://gateway.example/app/acme-shop-a/", Status: 200, Answers: true}, row(t, report, "a").Call)
	assert.Equal(t, &registration.Verification{Called: 1, ThroughGateway: 1, Answering: 1, Dropped: []registration.DroppedReport{}}, report.Verified)
	var text strings.Builder
	require.NoError(t, report.WriteText(&text))
	assert.Contains(t, text.String(), "200     Acme Shop - A  GET http://gateway.example/app/acme-shop-a/\n")
	assert.Contains(t, report.Summary(), "calls: 1 of 1 answer (through Kyma's gateway)")

	f.options.Verify = false
	assert.Nil(t, f.run(t).Verified, "apply calls nothing")
	assert.Len(t, g.called, 1)
}

// What a workload sends is what the definition probes, seen from the API's target.
func TestVerifyCallsWhereTheProbeDoes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ api, want string }{
		"below the API":      {"path: /a/, probe: {path: /a/health}", "GET http://gateway.example/app/acme-shop-a/health"},
		"with a query":       {`path: /a/, probe: {path: "/a/health?deep=1"}`, "GET http://gateway.example/app/acme-shop-a/health?deep=1"},
		"elsewhere":          {"path: /a/, probe: {path: /health}", "GET http://gateway.example/app/acme-shop-a/"},
		"with another verb":  {"path: /a/, probe: {path: /a/health, method: POST}", "POST http://gateway.example/app/acme-shop-a/health"},
		"with a colon in it": {"path: /a, probe: {path: '/a/x:y/z'}", "GET http://gateway.example/app/acme-shop-a/x%3Ay/z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "apis: [{id: a, name: A, kind: rest, "+tt.api+"}]\n")
			for _, path := range []string{"/a/health", "/health", "/a/x:y/z"} {
				f.system.on(path, answer(200, `{}`))
			}
			require.True(t, f.run(t).OK)
			g := &kymasGateway{answer: answer(200, `{}`)}
			f.options.Verify, f.deps.Gateway = true, g.client()
			report := f.run(t)
			assert.True(t, report.OK, "%+v", report.Services)
			assert.Equal(t, []string{tt.want}, g.called)
		})
	}
}

// gatewaySays answers as the gateway does when it is at fault itself.
func gatewaySays(status int, text string) http.HandlerFunc {
	return answer(status, fmt.Sprintf(`{"code":%d,"error":%q}`, status, text))
}

func targetSays(gateway, system int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Target-System-Status", strconv.Itoa(system))
		w.WriteHeader(gateway)
		_, _ = io.WriteString(w, "secret words of the system")
	}
}

func TestVerifyTellsTheGatewayFromTheSystem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer http.HandlerFunc
		at     string
		status int
		class  registration.Class
		code   int
		reason string
	}{
		"the gateway does not know the API": {gatewaySays(404, "service with name acme-shop-a not found"), registration.AtGateway, 404, registration.ClassMissing, 1, "it does not know this API"},
		"two services of one name":          {gatewaySays(400, "multiple services found: a, b"), registration.AtGateway, 400, registration.ClassConflict, 2, "the same name"},
		"a path that it refuses":            {gatewaySays(400, "failed to extract API Identifier"), registration.AtGateway, 400, registration.ClassMisconfigured, 2, "does not take the path"},
		"a Secret is missing":               {gatewaySays(500, "failed to get secret x"), registration.AtGateway, 500, registration.ClassMissing, 1, "it cannot use the credentials"},
		"no token":                          {gatewaySays(502, "incorrect response code '403' while getting token"), registration.AtGateway, 502, registration.ClassUnauthorized, 2, "it gets no token"},
		"the system cannot be reached":      {answer(502, ""), registration.AtGateway, 502, registration.ClassUnreachable, 1, "gets no connection to the system"},
		"the system is slow":                {gatewaySays(504, "target timed out"), registration.AtGateway, 504, registration.ClassUnreachable, 1, "takes longer than the gateway waits"},
		"the gateway is down":               {answer(503, "no healthy upstream"), registration.AtGateway, 503, registration.ClassUnreachable, 1, "Kyma's gateway answered 503"},
		"the system fails":                  {targetSays(502, 500), registration.AtSystem, 500, registration.ClassUnreachable, 1, "answered 500"},
		"the system refuses":                {answer(401, `{"code":7,"error":"no"}`), registration.AtSystem, 401, registration.ClassUnauthorized, 2, "it refuses what Kyma's gateway signs in with"},
		"an error that looks like one":      {answer(404, `{"code":404,"error":"x","more":1}`), registration.AtSystem, 404, registration.ClassMisconfigured, 2, "answered 404"},
		"a login page":                      {answer(200, "<!doctype html><html></html>"), registration.AtSystem, 200, registration.ClassMalformed, 2, "answered 200"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, g := verifying(t, oneAPI)
			g.answer = tt.answer
			report := f.run(t)
			got := row(t, report, "a")
			assert.Equal(t, registration.OutcomeFailed, got.Outcome)
			assert.Equal(t, tt.class, got.Class)
			assert.Contains(t, got.Reason, tt.reason)
			assert.NotEmpty(t, got.Next)
			assert.NotContains(t, got.Reason+got.Next, "secret words", "nobody's body is quoted")
			assert.Equal(t, tt.at, got.Call.FailedAt)
			assert.Equal(t, tt.status, got.Call.Status)
			assert.Equal(t, tt.code, report.ExitCode(registration.FailOnAny))
			assert.Zero(t, report.Verified.Answering)
		})
	}
}

func TestVerifyWhereTheGatewayIsClosed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		answer http.HandlerFunc
		why    string
	}{
		"outside the cluster": {err: &net.DNSError{Err: "no such host", IsNotFound: true}, why: "its name is not known here"},
		"without a sidecar":   {err: errors.New("read: connection reset by peer"), why: "as it does to pods without a sidecar"},
		"by a policy":         {answer: answer(403, "RBAC: access denied"), why: "Istio does not let this pod call it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, g := verifying(t, oneAPI)
			g.err, g.answer = tt.err, tt.answer
			report := f.run(t)
			assert.True(t, report.OK, "the system answers")
			assert.Equal(t, registration.ViaSystem, row(t, report, "a").Call.Via)
			assert.Contains(t, strings.Join(report.Notes, "\n"), tt.why, "and nobody thinks that the gateway was called")
			assert.Contains(t, report.Summary(), "(the system itself)")
			assert.Zero(t, report.Verified.ThroughGateway)

			f.options.Via = registration.ViaGateway
			report = f.run(t)
			assert.Equal(t, registration.OutcomeFailed, row(t, report, "a").Outcome, "the gateway was asked for")
			assert.NotZero(t, report.ExitCode(registration.FailOnAny))
		})
	}
	for name, err := range map[string]error{"refused": syscall.ECONNREFUSED, "silent": context.DeadlineExceeded} {
		f, g := verifying(t, oneAPI)
		g.err = err
		report := f.run(t)
		assert.Equal(t, []string{"a failed unreachable"}, outcomes(report), "%s: a gateway that is down is no reason to look elsewhere", name)
		assert.Equal(t, 1, report.ExitCode(registration.FailOnAny))
	}
	f, g := verifying(t, oneAPI)
	f.options.Via = registration.ViaSystem
	assert.True(t, f.run(t).OK)
	assert.Empty(t, g.called)
}

// Where Kyma cannot sign in, the system asks whoever calls: that is as it should be.
func TestVerifyOfAnAPIWithoutCredentials(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `apis: [{id: a, name: A, kind: rest, path: /a/, auth: {signed: {userKey: =param("basic_user"), secret: =param("api_key")}}}]`, "api_key=c2VjcmV0LW9mLXNpZ25lZA==")
	f.system.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	require.True(t, f.run(t).OK)
	g := &kymasGateway{answer: answer(401, "")}
	f.options.Verify, f.deps.Gateway = true, g.client()
	report := f.run(t)
	got := row(t, report, "a")
	assert.Equal(t, registration.OutcomeUnchanged, got.Outcome, got.Reason)
	assert.Contains(t, got.Call.Note, "registered without credentials")
	g.answer = gatewaySays(404, "service not found")
	assert.Equal(t, []string{"a failed missing"}, outcomes(f.run(t)), "but the gateway has to know it")
}

func TestEventsWithoutASubscription(t *testing.T) {
	t.Parallel()
	f, _ := verifying(t, oneAPI+"events: {name: Events, catalog: events/asyncapi.yaml}\n")
	report := f.run(t)
	report.AddWebhooks(&registration.WebhooksReport{Items: []registration.WebhookReport{
		{Name: "created", Outcome: registration.OutcomeUnchanged, Types: []string{"Order.Created.v1"}},
		{Name: "paid", Outcome: registration.OutcomeUnchanged, Types: []string{"Order.Paid.v1"}},
		{Name: "lost", Outcome: registration.OutcomeSkipped, Types: []string{"Order.Lost.v1"}},
	}})
	report.AddSubscribed(map[string]registration.Subscribed{"Order.Paid.v1": registration.SubscribedReady, "Order.Created.v1": registration.SubscribedPending}, nil)
	assert.Equal(t, []registration.DroppedReport{
		{Type: "Order.Created.v1", Arrives: registration.ArrivesByWebhook, Subscribed: registration.SubscribedPending},
		{Type: "Order.Deleted.v1", Arrives: registration.ArrivesPerhaps, Subscribed: registration.SubscribedNobody},
	}, report.Verified.Dropped)
	assert.Equal(t, registration.SubscribedPending, report.Events[0].Subscribed)
	assert.Zero(t, report.ExitCode(registration.FailOnAny), "it is for the reader to decide whether somebody should subscribe")
	var text strings.Builder
	require.NoError(t, report.WriteText(&text))
	assert.Contains(t, text.String(), "Events that a webhook sends, and that no ready Subscription wants; Kyma drops them: 1\n  Order.Created.v1 (a Subscription is not ready yet)\n")
	assert.Contains(t, text.String(), "where the system sends them, Kyma drops them: 1\n  Order.Deleted.v1\n")

	report.AddSubscribed(nil, map[string]int64{"Order.Deleted.v1": 3})
	assert.Equal(t, registration.DroppedReport{Type: "Order.Deleted.v1", Arrives: registration.ArrivesCounted, Count: 3, Subscribed: registration.SubscribedNobody}, report.Verified.Dropped[0], "what was seen comes first")
}

// TestVerifyWithoutAGateway: where it should be there, nothing works; where it may be missing, a note says what answered.
func TestVerifyWithoutAGateway(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		expected bool
		via      registration.Via
		code     int
		note     string
	}{
		"it should be there":                  {true, registration.ViaAuto, 1, ""},
		"it should be there, and was chosen":  {true, registration.ViaGateway, 1, ""},
		"it may be missing":                   {false, registration.ViaAuto, 0, "the cluster has no Application Gateway"},
		"it may be missing, and was chosen":   {false, registration.ViaGateway, 1, ""},
		"it should be there, and nobody asks": {true, registration.ViaSystem, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, g := verifying(t, oneAPI)
			f.options.GatewayMissing, f.options.GatewayExpected, f.options.Via = true, tt.expected, tt.via
			report := f.run(t)
			assert.Empty(t, g.called)
			assert.Equal(t, tt.code, report.ExitCode(registration.FailOnAny))
			assert.Equal(t, tt.code == 0, report.OK)
			assert.Contains(t, strings.Join(report.Notes, "\n"), tt.note)
			if tt.code != 0 {
				assert.Contains(t, row(t, report, "a").Reason, "no workload can call")
				assert.Equal(t, registration.AtGateway, row(t, report, "a").Call.FailedAt)
			}
		})
	}
}
