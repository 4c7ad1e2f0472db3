package subscription_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// withCatchUp lists what each webhook could not deliver.
const withCatchUp = `
webhooks:
  each: all
  list: {get: /hooks, items: hooks, next: next, id: id, callback: url, topic: topics, label: label}
  create: {post: /hooks, json: {url: =callback, topics: '=split(topic, ",")', key: =param("shared_key"), note: =param("note"), label: =label}, id: hook.id}
  update: {patch: ="/hooks/" + id, json: {url: =callback, topics: '=split(topic, ",")', key: =param("shared_key"), note: =param("note")}}
  delete: {delete: ="/hooks/" + id}
  recreateWhen: [shared_key]
  catchUp:
    enabled: =param("register") == "true"
    list: {get: ="/hooks/" + id + "/events", items: events, id: id, undelivered: =item("ok") == "no", orderBy: at, limit: 300}
    headers: {X-Webhook: =id}
    json: {kind: created, id: =item("id")}
`

// outage is a system whose gateway was away: the events that it lists, and what the gateway is sent at last.
type outage struct {
	*fixture
	// events are lines such as: a 10:00 no.
	events []string
	// posted are the ids of what the gateway got; answer decides about each.
	posted []string
	answer func(id string) int
	seen   []*http.Request
}

func newOutage(t *testing.T, params ...string) *outage {
	t.Helper()
	o := &outage{fixture: newFixture(t, withCatchUp, params...), answer: func(string) int { return http.StatusAccepted }}
	o.shop.before = func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/events") {
			return
		}
		list := []map[string]string{}
		for _, line := range o.events {
			f := strings.Fields(line)
			list = append(list, map[string]string{"id": f[0], "at": f[1], "ok": f[2]})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"events": list})
	}
	o.deps.HTTP = clientOver(o)
	o.options.Parallel = 2
	return o
}

// RoundTrip implements http.RoundTripper: the gateway, and the way to the system.
func (o *outage) RoundTrip(r *http.Request) (*http.Response, error) {
	if "https://"+r.URL.Host != gateway {
		return o.shop.Client().Transport.RoundTrip(r)
	}
	var body struct{ ID, Kind string }
	raw, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil {
		return nil, err
	}
	status := o.answer(body.ID)
	if status == http.StatusAccepted {
		o.posted = append(o.posted, body.ID)
	}
	o.seen = append(o.seen, r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func TestCatchUp(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.events = []string{"old 08:00 no"}
	report, rows := o.run(t)
	assert.Equal(t, []string{"registered all events"}, rows)
	assert.Empty(t, o.posted, "what was there before the webhook is not ours")
	assert.Empty(t, report.Notes)

	o.events = []string{"c 10:03 no", "b 10:02 yes", "a 10:01 no", "old 08:00 no"}
	report, _ = o.run(t)
	assert.Equal(t, []string{"a", "c"}, o.posted, "the oldest first, and only what was not delivered")
	assert.Equal(t, []string{"webhooks: events that the system could not deliver were fetched: 2 taken by the gateway"}, report.Notes)
	assert.Equal(t, 3, report.Writes, "two events and the state")
	first := o.seen[0]
	assert.Equal(t, "POST "+address, first.Method+" "+first.URL.String())
	assert.Equal(t, "1", first.Header.Get("X-Webhook"))
	signature, err := o.options.Definition.Deliveries[0].Verify.HMAC.Sign(sharedKey, `{"id":"a","kind":"created"}`)
	require.NoError(t, err)
	assert.Equal(t, signature, first.Header.Get("X-Signature"), "signed as the system signs")
	assert.Empty(t, first.Header.Get("X-Key"), "the system's credentials are not for the gateway")

	o.settled(t)
	o.set(t, "note=other")
	_, rows = o.run(t)
	assert.Equal(t, []string{"updated all events"}, rows)
	assert.Len(t, o.posted, 2, "a webhook that changed remembers what is done")

	o.events = []string{"d 10:04 no"}
	o.run(t)
	assert.Equal(t, []string{"a", "c", "d"}, o.posted)
	assert.Equal(t, []string{"d"}, o.state.data.Webhooks["/all"].CaughtUp.Settled, "what is not listed any more is forgotten")
}

func TestCatchUpWithAGatewayThatIsAway(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		class  registration.Class
		reason string
	}{
		http.StatusServiceUnavailable: {registration.ClassUnreachable, "answered 503"},
		http.StatusUnauthorized:       {registration.ClassUnauthorized, "refuses the credentials"},
		http.StatusNotFound:           {registration.ClassMisconfigured, "there is nothing at this address"},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			o := newOutage(t)
			o.run(t)
			o.events = []string{"a 1 no", "b 2 no", "c 3 no"}
			o.answer = func(id string) int {
				if id == "b" {
					return status
				}
				return http.StatusAccepted
			}
			report, rows := o.run(t)
			assert.Equal(t, []string{"unchanged all events", "failed all events: missed events"}, rows)
			assert.Equal(t, want.class, report.Items[1].Class)
			assert.Contains(t, report.Items[1].Reason, want.reason)
			assert.Equal(t, []string{"a"}, o.posted, "nothing overtakes what cannot be delivered")

			o.answer = func(string) int { return http.StatusAccepted }
			_, rows = o.run(t)
			assert.Equal(t, []string{"unchanged all events"}, rows)
			assert.Equal(t, []string{"a", "b", "c"}, o.posted)
			o.settled(t)
		})
	}
}

func TestCatchUpLeavesOutWhatTheGatewayRefusesForGood(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.run(t)
	o.events = []string{"a 1 no", "b 2 no"}
	o.answer = func(id string) int {
		return map[string]int{"a": http.StatusUnprocessableEntity, "b": http.StatusNoContent}[id]
	}
	report, rows := o.run(t)
	assert.Equal(t, []string{"unchanged all events"}, rows)
	assert.Equal(t, []string{"webhooks: events that the system could not deliver were fetched: 1 taken by the gateway, 1 refused for good"}, report.Notes)
	asked := len(o.seen)
	o.settled(t)
	assert.Len(t, o.seen, asked)
}

func TestCatchUpIsBounded(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.run(t)
	for i := range 250 {
		o.events = append(o.events, fmt.Sprintf("e%03d %03d no", i, i))
	}
	slices.Reverse(o.events)
	o.run(t)
	assert.Len(t, o.posted, 200)
	o.run(t)
	assert.Len(t, o.posted, 250)
	assert.True(t, slices.IsSorted(o.posted))
	o.settled(t)
}

func TestCatchUpOnlyWhereItMay(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.run(t)
	o.events = []string{"a 1 no"}
	before := o.state.data.Webhooks["/all"]

	o.options.DryRun = true
	report, _ := o.run(t)
	assert.Equal(t, []string{"webhooks: events that the system could not deliver would be fetched: 1"}, report.Notes)
	o.options.DryRun, o.options.Verify = false, true
	o.run(t)
	o.options.Verify = false
	o.set(t, "register=false")
	o.run(t)
	o.set(t, "register=true")
	o.deps.State = nil
	report, _ = o.run(t)
	assert.Len(t, report.Notes, 1, "without records nobody knows what is done")
	assert.Empty(t, o.posted)
	assert.Equal(t, before, o.state.data.Webhooks["/all"])
}

func TestCatchUpWithAListThatFails(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.run(t)
	serve := o.shop.before
	o.shop.before = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		serve(w, r)
	}
	report, rows := o.run(t)
	assert.Equal(t, []string{"unchanged all events", "failed all events: missed events"}, rows)
	assert.Contains(t, report.Items[1].Reason, "what the system could not deliver is still missing: ")
	assert.NotNil(t, o.state.data.Webhooks["/all"].CaughtUp)
}

// TestInstanceOfOurOwn: an instance is made with its events on, changed with the parameters, and removed with
// the installation.
func TestInstanceOfOurOwn(t *testing.T) {
	t.Parallel()
	const vendor = `"username": "ada@example.com", "password": "v3ndor-pass"`
	for _, kind := range []string{"polling", "webhooks", "webhook"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := simulate(t, "openconnectors", map[string]string{
				"host_name": "example.com", "filter_tags": "kyma,crm", "vendor_type": kind, "poll_interval_minutes": "7",
				"new_instance": `{"name": "ours", "element": {"key": "hubspotcrm"}, "configuration": {` + vendor + `}}`,
			})
			var bodies []map[string]any
			s.deps.HTTP = clientOver(roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/instances") {
					raw, err := io.ReadAll(r.Body)
					require.NoError(t, err)
					var body map[string]any
					require.NoError(t, json.Unmarshal(raw, &body))
					bodies = append(bodies, body)
					r.Body = io.NopCloser(strings.NewReader(string(raw)))
				}
				return s.world.RoundTrip(r)
			}))

			s.options.Phase = subscription.BeforeAPIs
			assert.Equal(t, []string{"registered new-instance"}, s.run(t))
			s.options.Phase = subscription.AfterAPIs
			rows := s.run(t)
			assert.Contains(t, strings.Join(rows, "\n"), "ours", "it is one of the instances at once")
			s.options.Phase = ""
			for _, row := range s.run(t) {
				assert.True(t, strings.HasPrefix(row, "unchanged "), row)
			}

			require.Len(t, bodies, 1)
			want := map[string]any{
				"username": "ada@example.com", "password": "v3ndor-pass",
				"event.notification.enabled": true, "event.vendor.type": kind, "event.notification.callback.url": gateway + "/openconnectors",
				"event.notification.signature.key": "sample-signature-key",
			}
			if kind == "polling" {
				want["event.poller.refresh_interval"] = "7"
				configuration := bodies[0]["configuration"].(map[string]any)
				assert.Contains(t, configuration["event.poller.configuration"], "contacts")
				want["event.poller.configuration"] = configuration["event.poller.configuration"]
			}
			assert.Equal(t, map[string]any{
				"name": "ours", "element": map[string]any{"key": "hubspotcrm"}, "tags": []any{"kyma", "crm", "kyma-connectors:ns/openconnectors"}, "configuration": want,
			}, bodies[0])

			values := map[string]string{}
			for name := range s.options.Definition.Parameters {
				if s.options.Params.Has(name) {
					values[name] = s.options.Params.Input().Params[name]
				}
			}
			values["filter_tags"], values["new_instance"] = "kyma,crm", strings.Replace(values["new_instance"], "ours", "renamed", 1)
			changed, err := s.options.Definition.ResolveParams(values)
			require.NoError(t, err)
			s.options.Params = changed
			assert.Contains(t, s.run(t), "updated new-instance definition or parameters changed")
			assert.Len(t, bodies, 1, "it is changed, not made anew")

			removal := registration.NewRemoval("x", s.options.Instance)
			subscription.Remove(t.Context(), s.options, s.deps, removal)
			assert.Contains(t, removal.Removed, "webhooks new-instance")
			assert.Empty(t, removal.Left)
		})
	}
}

// roundTrip is a function as a transport.
type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
