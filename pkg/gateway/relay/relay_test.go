package relay_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/relay"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

var _ gateway.Sink = (*relay.Relay)(nil)

func TestFormats(t *testing.T) {
	t.Parallel()
	const to = `to: {post: /v1/orders, query: {tags: =params("tags")}, batch: {count: 4, bytes: 1KiB, age: 10ms}}`
	one, two := `{"n": 1}`, "{\n\"n\": 2}"
	for name, test := range map[string]struct {
		to     string
		events []string
		calls  []string
		bodies []string
	}{
		"a list":                   {to, []string{one, two}, []string{"POST /v1/orders?tags=a&tags=b"}, []string{"[" + one + "," + two + "]"}},
		"a list of one":            {to, []string{one}, []string{"POST /v1/orders?tags=a&tags=b"}, []string{"[" + one + "]"}},
		"one at a path of its own": {`to: {post: /v1/orders, single: /v1/order, batch: {age: 1ms}}`, []string{one}, []string{"POST /v1/order"}, []string{one}},
		"several, though":          {`to: {post: /v1/orders, single: /v1/order, batch: {count: 2}}`, []string{one, two}, []string{"POST /v1/orders"}, []string{"[" + one + "," + two + "]"}},
		"no batch":                 {`to: {post: /v1/orders}`, []string{one}, []string{"POST /v1/orders"}, []string{"[" + one + "]"}},
		"lines":                    {`to: {post: /v1/lines, format: lines, batch: {count: 2}}`, []string{one, two}, []string{"POST /v1/lines"}, []string{"{\"n\":1}\n{\"n\":2}\n"}},
		"single documents":         {`to: {post: /v1/order, format: single}`, []string{two}, []string{"POST /v1/order"}, []string{two}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			r := newRelay(t, s, to, test.to)
			// In order, so that the body is known: an event is added before the next one begins.
			events := make([]event.Event, len(test.events))
			for i, data := range test.events {
				events[i] = order(fmt.Sprint(i), data)
			}
			for _, err := range publish(t, r, events...) {
				assert.Nil(t, err)
			}
			assert.Equal(t, test.calls, s.called())
			if len(test.events) == 1 {
				assert.Equal(t, test.bodies, s.bodies)
			} else {
				assert.Len(t, s.bodies[0], len(test.bodies[0]), "the same documents, in any order")
			}
			assert.Len(t, s.taken(), len(test.events))
			assert.Contains(t, r.metrics(), fmt.Sprintf(`results_total{result="sent"} %d`, len(test.events)))
			assert.Contains(t, r.metrics(), `calls_total{result="ok"} 1`)
			assert.Contains(t, r.metrics(), fmt.Sprintf(`call_events_sum %d`, len(test.events)))
		})
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	e := order("id-1", `{"code":"A1","lines":[{"sku":"x"}]}`)
	e.Subject, e.Time = "A1", time.Date(2024, 5, 6, 7, 8, 9, 0, time.FixedZone("", 3600))
	text := order("id-2", "some text")
	text.DataContentType = "text/plain"
	for name, test := range map[string]struct {
		data   string
		event  event.Event
		want   string
		reason string
	}{
		"the data itself":      {`=data`, e, string(e.Data), ""},
		"a part of it":         {`=json("lines.0")`, e, `{"sku":"x"}`, ""},
		"made of everything":   {`'={"i": id, "t": type, "v": version, "s": source, "b": subject, "at": time, "c": body("code"), "u": param("tags")}'`, e, `{"at":"2024-05-06T06:08:09Z","b":"A1","c":"A1","i":"id-1","s":"shop","t":"order.created","u":"a,b","v":"v1"}`, ""},
		"a text":               {`'={"text": data}'`, text, `{"text":"some text"}`, ""},
		"a text as it is":      {`=data`, text, "", "map.data: is no JSON document"},
		"nothing":              {`=data`, order("id", ""), "", "map.data: is empty"},
		"what has to be there": {`'={"c": need(body("codes"))}'`, e, "", `map.data: body("codes") is empty`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			r := newRelay(t, s, `map: {data: =data}`, "map: {data: "+test.data+"}")
			check, sent := gateway.AsPublishError(r.Check(test.event)), publish(t, r, test.event)[0]
			if test.reason == "" {
				assert.Nil(t, check)
				assert.Nil(t, sent)
				assert.Equal(t, []string{test.want}, s.taken())
				return
			}
			for _, err := range []*gateway.PublishError{check, sent} {
				require.NotNil(t, err)
				assert.True(t, err.Permanent)
				assert.Equal(t, gateway.ReasonMapping, err.Reason)
				assert.Contains(t, err.Error(), test.reason)
			}
			assert.Empty(t, s.called())
		})
	}
}

func TestADocumentThatFitsNoCallIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := newRelay(t, s)
	fits := order("1", `{"x":"`+strings.Repeat("x", 1024-3-8)+`"}`)
	require.NoError(t, r.Check(fits))
	assert.Nil(t, publish(t, r, fits)[0])
	large := fits
	large.Data = append([]byte(" "), large.Data...)
	err := gateway.AsPublishError(r.Check(large))
	require.NotNil(t, err)
	assert.Equal(t, gateway.ReasonTooLarge, err.Reason)
	assert.EqualError(t, err, "the document takes 1025 bytes, a call at most 1024")
}

// TestAnswers: one event, and what an answer means for it.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status    int
		body      string
		after     string
		replace   []string
		reason    gateway.Reason
		permanent bool
		wait      time.Duration
		detail    string
	}{
		"taken":                      {status: 200, body: `{"error":0}`},
		"taken, without a word":      {status: 200},
		"taken, the usual way":       {status: 204, replace: []string{`success: =status == 200 and response("error") in ["", "0"]`, ""}},
		"not what success says":      {status: 201, reason: gateway.ReasonInvalid, permanent: true},
		"an error in a good answer":  {status: 200, body: `{"error":400009}`, reason: gateway.ReasonInvalid, permanent: true, detail: "answers 200 (400009)"},
		"one that passes":            {status: 200, body: `{"error":429}`, replace: []string{"    code:", "    retry: =response(\"error\") == \"429\"\n    code:"}, reason: gateway.ReasonUnavailable},
		"a code that tells too much": {status: 400, body: `{"error":"no such customer: Ada"}`, reason: gateway.ReasonInvalid, permanent: true, detail: "answers 400"},
		"wrong":                      {status: 400, reason: gateway.ReasonInvalid, permanent: true},
		"not processable":            {status: 422, reason: gateway.ReasonInvalid, permanent: true},
		"too large":                  {status: 413, reason: gateway.ReasonTooLarge, permanent: true},
		"throttled":                  {status: 429, after: "7", reason: gateway.ReasonThrottled, wait: 7 * time.Second},
		"broken":                     {status: 500, reason: gateway.ReasonUnavailable},
		"overloaded":                 {status: 503, after: "3", reason: gateway.ReasonUnavailable, wait: 3 * time.Second},
		"no space":                   {status: 507, reason: gateway.ReasonFull},
		"wrong password":             {status: 401, reason: gateway.ReasonUnauthorized},
		"not allowed":                {status: 403, reason: gateway.ReasonUnauthorized},
		"nothing there":              {status: 404, reason: gateway.ReasonNotFound},
		"moved":                      {status: 302, reason: gateway.ReasonMisconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if test.after != "" {
					w.Header().Set("Retry-After", test.after)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			t.Cleanup(server.Close)
			r := newRelay(t, &shop{Server: server}, test.replace...)
			err := publish(t, r, order("1", `{}`))[0]
			if test.reason == "" {
				assert.Nil(t, err)
				return
			}
			require.NotNil(t, err)
			assert.Equal(t, test.reason, err.Reason)
			assert.Equal(t, test.permanent, err.Permanent)
			assert.Equal(t, test.wait, err.RetryAfter)
			assert.Contains(t, err.Detail, "POST "+server.URL+"/v1/orders answers ")
			if test.detail != "" {
				assert.True(t, strings.HasSuffix(err.Detail, test.detail), err.Detail)
			}
			result := "failed"
			if test.permanent {
				result = "rejected"
			}
			assert.Contains(t, r.metrics(), `results_total{result="`+result+`"} 1`)
		})
	}
}

func TestWithoutAnAnswerItIsRepeated(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(server.Close)
	err := publish(t, newRelay(t, &shop{Server: server}), order("1", `{}`))[0]
	require.NotNil(t, err)
	assert.False(t, err.Permanent)
	assert.Equal(t, gateway.ReasonConnection, err.Reason)

	gone := httptest.NewTLSServer(http.NotFoundHandler())
	gone.Close()
	err = publish(t, newRelay(t, &shop{Server: gone}), order("1", `{}`))[0]
	require.NotNil(t, err)
	assert.False(t, err.Permanent)
}

// TestABadDocumentDoesNotSpoilItsBatch: halves, down to the one that the system does not want.
func TestABadDocumentDoesNotSpoilItsBatch(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := newRelay(t, s)
	errs := publish(t, r, order("1", `{"n":1}`), order("2", `{"bad":true}`), order("3", `{"n":3}`), order("4", `{"n":4}`))
	require.NotNil(t, errs[1])
	assert.True(t, errs[1].Permanent)
	assert.Contains(t, errs[1].Detail, "answers 400 (2)")
	for _, i := range []int{0, 2, 3} {
		assert.Nil(t, errs[i])
	}
	assert.ElementsMatch(t, []string{`{"n":1}`, `{"n":3}`, `{"n":4}`}, s.taken(), "each of them once")
	assert.Len(t, s.called(), 5, "the four, two halves, and the bad half in two")
}

func TestABatchThatIsTooLargeIsHalved(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.most = 1
	r := newRelay(t, s)
	for _, err := range publish(t, r, order("1", `1`), order("2", `2`), order("3", `3`), order("4", `4`)) {
		require.NotNil(t, err, "a number is no order")
		assert.True(t, err.Permanent)
	}
	s.set(func(s *shop) { s.most, s.calls = 2, nil })
	r = newRelay(t, s)
	four := []event.Event{order("1", `{"n":1}`), order("2", `{"n":2}`), order("3", `{"n":3}`), order("4", `{"n":4}`)}
	for _, err := range publish(t, r, four...) {
		assert.Nil(t, err)
	}
	assert.Len(t, s.called(), 3)
	assert.Len(t, s.taken(), 4)
	for _, err := range publish(t, r, four...) {
		assert.Nil(t, err)
	}
	assert.Len(t, s.called(), 5, "it is known now that two are enough")
	assert.Len(t, s.taken(), 8)
}

func TestASystemThatGoesAwayInTheMiddleIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.answers = []int{413, 503}
	r := newRelay(t, s)
	for _, err := range publish(t, r, order("1", `{}`), order("2", `{}`), order("3", `{}`), order("4", `{}`)) {
		require.NotNil(t, err)
		assert.False(t, err.Permanent, "all of them come again")
	}
	assert.Len(t, s.called(), 2, "the second half was not tried")
	assert.Empty(t, s.taken())
}

func TestNewParametersCountFromTheNextCall(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := newRelay(t, s)
	s.set(func(s *shop) { s.token = "not-the-password" })
	assert.Equal(t, gateway.ReasonUnauthorized, publish(t, r, order("1", `{}`))[0].Reason)
	s.set(func(s *shop) { s.token = "" })

	d, params := load(t, s)
	in := params.Input()
	in.Lists = map[string][]string{"types": {"other.v1"}, "tags": nil}
	swap, err := r.Prepare(in, r.caller)
	require.NoError(t, err)
	swap()
	assert.Nil(t, publish(t, r, order("1", `{}`))[0])
	assert.Equal(t, "POST /v1/orders", s.called()[1], "an empty parameter is no part of the query")
	assert.Equal(t, "/relay", d.Relay[0].From.Path)
}

// TestAnExpiredTokenIsFetchedAgain: the system may take a token back before its time is over.
func TestAnExpiredTokenIsFetchedAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.token = "token-1"
	fetched := 0
	tokens := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched++
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":3600}`, fetched)
	}))
	t.Cleanup(tokens.Close)
	r := newRelay(t, s, `auth: {basic: {username: acme-user, password: =param("password")}}`,
		`auth: {oauth2: {tokenUrl: "`+tokens.URL+`", clientId: acme, clientSecret: =param("password")}}`)
	assert.Nil(t, publish(t, r, order("1", `{}`))[0])
	s.set(func(s *shop) { s.token = "token-2" })
	assert.Nil(t, publish(t, r, order("2", `{}`))[0])
	assert.Equal(t, 2, fetched)
	s.set(func(s *shop) { s.token = "token-x" })
	assert.Equal(t, gateway.ReasonUnauthorized, publish(t, r, order("3", `{}`))[0].Reason, "once only")
	assert.Equal(t, 3, fetched)
}

func TestReachable(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := newRelay(t, s)
	require.NoError(t, r.Reachable(t.Context()))
	assert.Equal(t, []string{"GET /"}, s.called())
	s.Close()
	assert.Error(t, r.Reachable(t.Context()))
	down := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	t.Cleanup(down.Close)
	assert.ErrorContains(t, newRelay(t, &shop{Server: down}).Reachable(t.Context()), "answers 503")
}

func TestADefinitionThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for old, changed := range map[string]string{
		`query: {tags: =params("tags")}`: `query: {x: =need(param("tags"))}`,
		`post: /v1/orders`:               `post: =need(param("tags"))`,
		`batch: {count: 4`:               `single: =need(param("tags")), batch: {count: 4`,
	} {
		d, _ := load(t, s, old, changed)
		_, err := relay.New(&d.Relay[0], expression.Input{}, nil, relay.Options{Metrics: gatewaytest.Metrics()})
		require.ErrorContains(t, err, `relay "orders": to.`)
		assert.ErrorContains(t, err, `param("tags") is empty`)
	}
	d, params := load(t, s, "password: =param(\"password\")", "password: \"\"")
	_, err := relay.NewCaller(d, params, httpclient.New(httpclient.Options{}))
	assert.ErrorContains(t, err, "user or password is empty")
}

func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	const payload = "payload-that-belongs-to-nobody-else"
	s := newShop(t)
	r := newRelay(t, s, `query: {tags: =params("tags")}`, `query: {key: =param("password")}`)
	said := func(err error) {
		require.Error(t, err)
		secrettest.AssertNoLeak(t, fmt.Sprintf("%v %+v %#v", err, err, err), secret.New(password), secret.New(payload))
	}
	s.set(func(s *shop) { s.answers = []int{400, 401, 500, 302} })
	for range 4 {
		said(publish(t, r, order("1", `{"x":"`+payload+`"}`))[0])
	}
	said(r.Check(order("1", payload)))
	s.Close()
	said(publish(t, r, order("1", `{"x":"`+payload+`"}`))[0])
	said(r.Reachable(t.Context()))
	secrettest.AssertNoLeak(t, r.metrics(), secret.New(password), secret.New(payload))
}

func TestTheEndIsBounded(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	d, params := load(t, &shop{Server: server})
	caller, err := relay.NewCaller(d, params, httpclient.New(httpclient.Options{Transport: server.Client().Transport, Retry: httpclient.Retry{Attempts: 1}}))
	require.NoError(t, err)
	r, err := relay.New(&d.Relay[0], params.Input(), caller, relay.Options{Timeout: 50 * time.Millisecond, Metrics: gatewaytest.Metrics()})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	failed := gateway.AsPublishError(r.Publish(ctx, order("1", `{}`)))
	require.NotNil(t, failed)
	assert.False(t, failed.Permanent)
	require.NoError(t, r.Close())
	assert.NoError(t, ctx.Err())
}
