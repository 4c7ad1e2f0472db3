package subscription_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

// both are the webhooks of perTopic with a key.
func both(key string) []string {
	return []string{"orders/created " + address + " " + key, "orders/paid " + address + " " + key}
}

func TestWebhooksAreRegisteredOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic)
	report, rows := f.run(t)
	assert.Equal(t, []string{"registered orders/created", "registered orders/paid"}, rows)
	assert.Equal(t, both(sharedKey), f.shop.registered())
	assert.Equal(t, 4, report.Writes, "two webhooks, and the state before and after")
	first := report.Items[0]
	assert.Equal(t, address, first.Callback)
	assert.Equal(t, []string{"orders/created"}, first.Topics)
	assert.Equal(t, []string{"order.created.v1"}, first.Types)
	assert.Equal(t, "1", first.ID)

	_, rows = f.run(t)
	assert.Equal(t, []string{"unchanged orders/created", "unchanged orders/paid"}, rows)
	f.settled(t)
}

func TestOthersAreNeverTouched(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic)
	f.options.Policy = registration.Sync
	f.shop.add(hook{URL: foreign, Topic: "orders/created", key: "x"})
	f.shop.add(hook{URL: address + "/other", Topic: "orders/created", key: "x"})
	f.shop.add(hook{URL: address + "2", Topic: "orders/paid", key: "x"})
	others := f.shop.registered()
	_, rows := f.run(t)
	assert.Equal(t, []string{"registered orders/created", "registered orders/paid"}, rows)
	assert.Subset(t, f.shop.registered(), others)
	f.settled(t)

	removal := registration.NewRemoval("shop", "ns/shop")
	subscription.Remove(t.Context(), f.options, f.deps, removal)
	assert.Equal(t, []string{"webhook orders/created", "webhook orders/paid"}, removal.Removed)
	assert.Equal(t, others, f.shop.registered())
}

func TestAddressesAreComparedAndNotSpelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic)
	f.run(t)
	f.shop.hooks[0].URL = "HTTPS://Shop-Webhook.kyma.example.com:443/shop/"
	f.settled(t)
}

func TestWhatChangedIsMadeAnew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, f *fixture)
		rows   []string
		reason string
		writes int
	}{
		{"a rotated key", func(t *testing.T, f *fixture) { f.set(t, "shared_key=another-key") },
			[]string{"updated orders/created", "updated orders/paid"}, "a key changed", 4},
		{"another parameter", func(t *testing.T, f *fixture) { f.set(t, "note=other") },
			[]string{"updated orders/created", "updated orders/paid"}, "definition or parameters changed", 4},
		{"removed at the system", func(_ *testing.T, f *fixture) { f.shop.hooks = f.shop.hooks[1:] },
			[]string{"registered orders/created", "unchanged orders/paid"}, "", 1},
		{"switched off at the system", func(_ *testing.T, f *fixture) { off := false; f.shop.hooks[0].Active = &off },
			[]string{"updated orders/created", "unchanged orders/paid"}, "it is switched off", 2},
		{"registered by hand", func(_ *testing.T, f *fixture) {
			f.shop.add(hook{URL: address, Topic: "orders/created", key: "x"})
		}, []string{"unchanged orders/created", "unchanged orders/paid", "deleted orders/created"}, "", 1},
		{"another host", func(_ *testing.T, f *fixture) { f.options.CallbackURL = "https://other.kyma.example.com" },
			[]string{"updated orders/created", "updated orders/paid"}, "it calls an old address", 4},
		{"a lost state", func(_ *testing.T, f *fixture) { f.state.data = subscription.StateData{} },
			[]string{"updated orders/created", "updated orders/paid"}, "no record of how it was made", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, perTopic)
			f.run(t)
			before := f.shop.writes
			tt.change(t, f)
			report, rows := f.run(t)
			assert.Equal(t, tt.rows, rows)
			assert.Equal(t, tt.reason, report.Items[0].Reason)
			assert.Equal(t, tt.writes, f.shop.writes-before)
			assert.Len(t, f.shop.hooks, 2)
			callback := strings.TrimRight(f.options.CallbackURL, "/") + "/shop"
			for _, h := range f.shop.registered() {
				assert.Contains(t, h, callback)
				assert.Contains(t, h, f.values["shared_key"])
			}
			f.settled(t)
			assert.Equal(t, []string{callback}, f.state.data.Callbacks, "an old address that nothing calls is forgotten")
		})
	}
}

func TestSystemsThatTakeNoSecondWebhook(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic)
	f.shop.oneOnly = true
	f.run(t)
	f.set(t, "shared_key=another-key")
	_, rows := f.run(t)
	assert.Equal(t, []string{"updated orders/created", "updated orders/paid"}, rows)
	assert.Equal(t, both("another-key"), f.shop.registered())
	f.settled(t)
}

func TestOneWebhookForAllTopics(t *testing.T) {
	t.Parallel()
	f := newFixture(t, together)
	f.shop.add(hook{URL: address, Topics: []string{"orders/paid"}, Label: "ns/other", key: "x"})
	_, rows := f.run(t)
	assert.Equal(t, []string{"registered all events"}, rows)
	const other = "orders/paid " + address + " x"
	assert.Equal(t, []string{"orders/created+orders/paid " + address + " " + sharedKey, other}, f.shop.registered(), "a webhook with another label is somebody else's")
	f.settled(t)

	f.shop.hooks[1].Topics = []string{"orders/paid"}
	report, rows := f.run(t)
	assert.Equal(t, []string{"updated all events"}, rows)
	assert.Equal(t, "it asks for other topics", report.Items[0].Reason)
	f.set(t, "shared_key=another-key")
	_, rows = f.run(t)
	assert.Equal(t, []string{"updated all events"}, rows)
	assert.Equal(t, []string{"orders/created+orders/paid " + address + " another-key", other}, f.shop.registered())
	assert.Equal(t, 2, f.shop.hooks[1].ID, "it is changed, not made anew")
	f.settled(t)
}

func TestDynamicMode(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic, "mode=dynamic")
	step := func(wait time.Duration, want ...string) *registration.WebhooksReport {
		t.Helper()
		f.now = f.now.Add(wait)
		report, rows := f.run(t)
		assert.Equal(t, want, rows)
		return report
	}
	report := step(0, "skipped orders/created", "skipped orders/paid")
	assert.Equal(t, "nobody subscribes to its events", report.Items[0].Reason)
	assert.Empty(t, f.shop.registered())

	f.subscribers.demands["order.created.v1"] = subscription.Pending
	report = step(0, "skipped orders/created", "skipped orders/paid")
	assert.Equal(t, "the Subscription to its events is not ready yet", report.Items[0].Reason)

	f.subscribers.demands["order.created.v1"] = subscription.Ready
	step(0, "registered orders/created", "skipped orders/paid")
	f.settled(t)

	f.subscribers.demands["order.created.v1"] = subscription.Pending // the subscriber restarts
	step(10*time.Hour, "unchanged orders/created", "skipped orders/paid")

	delete(f.subscribers.demands, "order.created.v1")
	report = step(0, "left orders/created", "skipped orders/paid")
	assert.Contains(t, report.Items[0].Reason, "it is removed after 1h0m0s")
	f.settled(t)
	step(59*time.Minute, "left orders/created", "skipped orders/paid")

	f.subscribers.demands["order.created.v1"] = subscription.Ready // and is back in time
	step(0, "unchanged orders/created", "skipped orders/paid")
	delete(f.subscribers.demands, "order.created.v1")
	step(2*time.Hour, "left orders/created", "skipped orders/paid")
	step(time.Hour, "deleted orders/created", "skipped orders/paid")
	assert.Empty(t, f.shop.registered())
	f.settled(t)

	none := time.Duration(0)
	f.options.Grace = &none
	f.subscribers.demands["order.paid.v1"] = subscription.Ready
	step(0, "skipped orders/created", "registered orders/paid")
	delete(f.subscribers.demands, "order.paid.v1")
	step(0, "skipped orders/created", "deleted orders/paid")
}

func TestDynamicModeOfOneWebhookForAllTopics(t *testing.T) {
	t.Parallel()
	f := newFixture(t, together, "mode=dynamic")
	topics := func() []string {
		if len(f.shop.hooks) == 0 {
			return nil
		}
		return f.shop.hooks[0].Topics
	}
	step := func(wait time.Duration, want string, has ...string) {
		t.Helper()
		f.now = f.now.Add(wait)
		_, rows := f.run(t)
		assert.Equal(t, []string{want + " all events"}, rows)
		assert.Equal(t, has, topics())
		f.settled(t)
	}
	f.subscribers.demands["order.created.v1"] = subscription.Ready
	step(0, "registered", "orders/created")
	f.subscribers.demands["order.paid.v1"] = subscription.Pending
	step(0, "unchanged", "orders/created")
	f.subscribers.demands["order.paid.v1"] = subscription.Ready
	step(0, "updated", "orders/created", "orders/paid")
	delete(f.subscribers.demands, "order.created.v1")
	step(0, "unchanged", "orders/created", "orders/paid")
	step(time.Hour, "updated", "orders/paid")
	delete(f.subscribers.demands, "order.paid.v1")
	step(0, "left", "orders/paid")
	step(time.Hour, "deleted")
	step(0, "skipped")
}

func TestNobodyKnowsWhatIsWanted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic, "mode=dynamic")
	f.subscribers.demands["order.created.v1"] = subscription.Ready
	f.run(t)
	have := f.shop.registered()
	for name, tt := range map[string]struct {
		err    error
		class  registration.Class
		reason string
	}{
		"for good": {&registration.ConfigError{What: "this account may not list subscriptions", Next: "give it the right"}, registration.ClassRefused, "this account may not list subscriptions"},
		"for now":  {errors.New("the API server is busy"), registration.ClassWrite, "the API server is busy"},
	} {
		f.subscribers.err = tt.err
		report, rows := f.run(t)
		assert.Equal(t, []string{"failed webhooks"}, rows, name)
		assert.Equal(t, tt.class, report.Items[0].Class)
		assert.Contains(t, report.Items[0].Reason, tt.reason)
		assert.Equal(t, have, f.shop.registered(), "what is registered stays")
	}
	f.subscribers.err, f.subscribers.note = nil, "this account may not list subscriptions"
	report, _ := f.run(t)
	assert.Equal(t, []string{f.subscribers.note}, report.Notes, "what was answered in another way is said")
	f.deps.Subscribers = nil
	report, _ = f.run(t)
	assert.Contains(t, report.Items[0].Reason, "nobody can be asked")
	f.set(t, "mode=sometimes")
	report, _ = f.run(t)
	assert.Equal(t, "the mode is neither static nor dynamic", report.Items[0].Reason)
	assert.Equal(t, `check the parameter "mode"`, report.Items[0].Next)
}

// A key that the system gets before running gateways know it would be refused. Where they take the former one besides, there
// is time to wait; elsewhere one of the two is refused in any case.
func TestAChangedKeyIsLetInFirst(t *testing.T) {
	t.Parallel()
	two := strings.Replace(header, `keys: [=param("shared_key")]`, `keys: [=param("shared_key"), =param("previous_key")]`, 1)
	two = strings.Replace(two, "  shared_key: {", "  previous_key: {kind: secret, title: Previous Key}\n  shared_key: {", 1)
	for name, webhooks := range map[string]string{"replaced": perTopic, "updated": together} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixtureWith(t, two, webhooks)
			waited := []time.Duration{}
			have := []string{}
			f.deps.Wait = func(_ context.Context, d time.Duration) {
				waited = append(waited, d)
				have = f.shop.registered()
			}
			f.options.ProofsKnown = f.now.Add(time.Minute)
			run := func(waits []time.Duration, params ...string) {
				t.Helper()
				f.set(t, params...)
				waited = []time.Duration{}
				f.run(t)
				assert.Equal(t, waits, waited, "%s", params)
			}
			none, once := []time.Duration{}, []time.Duration{time.Minute}
			run(none) // there is none yet
			before := f.shop.registered()
			run(none)
			run(once, "shared_key=second-k3y", "previous_key="+sharedKey)
			assert.Equal(t, before, have, "the system has got nothing until then")
			assert.NotEqual(t, before, f.shop.registered(), "and then the new one")
			run(none)
			delete(f.values, "previous_key")
			run(none)
			run(none, "shared_key=third-k3y")
			f.now = f.now.Add(2 * time.Minute)
			run(none, "shared_key=fourth-k3y", "previous_key=third-k3y")
		})
	}
}

func TestAddressWithAToken(t *testing.T) {
	t.Parallel()
	withToken := strings.Replace(header, `{hmac: {algorithm: sha256, encoding: hex, keys: [=param("shared_key")], message: =rawBody, signature: =header("X-Signature")}}`, `{pathToken: {tokens: [=param("path_token")]}}`, 1)
	f := newFixtureWith(t, withToken, strings.Replace(perTopic, "recreateWhen: [shared_key]", "", 1), "path_token="+pathToken)
	report, _ := f.run(t)
	assert.Equal(t, address, report.Items[0].Callback, "the token is not shown")
	assert.Contains(t, f.shop.registered()[0], address+"/"+pathToken)
	f.settled(t)

	f.shop.add(hook{URL: address + "/a/b", Topic: "orders/paid"})
	f.set(t, "path_token=another-t0ken")
	report, rows := f.run(t)
	assert.Equal(t, []string{"updated orders/created", "updated orders/paid"}, rows)
	assert.Equal(t, "it calls an old address", report.Items[0].Reason)
	require.Len(t, f.shop.registered(), 3, "what is further below is somebody else's")
	f.settled(t)
}

func TestGatewayThatNobodyCouldReach(t *testing.T) {
	t.Parallel()
	for callback, want := range map[string]string{
		"":                                "the gateway's public address is not known",
		"http://shop.kyma.example.com":    "does not look like https://host",
		"https://shop-webhook":            "lacks the cluster's domain",
		"https://u:pa55@shop.example.com": "does not look like https://host",
	} {
		f := newFixture(t, perTopic)
		f.options.CallbackURL = callback
		report, rows := f.run(t)
		assert.Equal(t, []string{"failed webhooks"}, rows)
		assert.Equal(t, registration.ClassMisconfigured, report.Items[0].Class)
		assert.Contains(t, report.Items[0].Reason, want)
		assert.NotContains(t, report.Items[0].Reason, "pa55")
		assert.Zero(t, f.shop.writes)
	}
}

func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic)
	f.run(t)
	have := f.shop.registered()
	f.set(t, "register=false")
	f.options.Policy = registration.Sync
	report, rows := f.run(t)
	assert.Equal(t, []string{"skipped webhooks"}, rows)
	assert.Equal(t, `see the parameter "register"`, report.Items[0].Next)
	assert.Equal(t, have, f.shop.registered())

	removal := registration.NewRemoval("shop", "ns/shop")
	subscription.Remove(t.Context(), f.options, f.deps, removal)
	assert.Len(t, removal.Removed, 2, "what was made before it was switched off goes with the rest")

	fresh := newFixture(t, perTopic, "register=false")
	fresh.shop.add(hook{URL: address, Topic: "orders/created"})
	removal = registration.NewRemoval("shop", "ns/shop")
	subscription.Remove(t.Context(), fresh.options, fresh.deps, removal)
	assert.Empty(t, removal.Removed)
	assert.Empty(t, removal.Left)

	plain := newFixture(t, "")
	assert.Nil(t, subscription.Run(t.Context(), plain.options, plain.deps), "a definition without webhooks has no report of them")
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic)
	f.run(t)
	f.shop.add(hook{URL: address, Topic: "orders/old"})
	report, rows := f.run(t)
	assert.Equal(t, []string{"unchanged orders/created", "unchanged orders/paid", "left orders/old"}, rows)
	assert.Equal(t, "not wanted any more; policy upsert never deletes", report.Items[2].Reason)
	f.settled(t)

	f.options.Policy = registration.CreateOnly
	f.set(t, "shared_key=another-key")
	_, rows = f.run(t)
	assert.Equal(t, []string{"skipped orders/created", "skipped orders/paid", "left orders/old"}, rows)
	f.set(t, "shared_key="+sharedKey)

	f.options.Policy = registration.Sync
	_, rows = f.run(t)
	assert.Equal(t, []string{"unchanged orders/created", "unchanged orders/paid", "deleted orders/old"}, rows)
	assert.Equal(t, both(sharedKey), f.shop.registered())
	f.settled(t)
}

func TestDryRunAndVerifyWriteNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic)
	f.options.DryRun = true
	_, rows := f.run(t)
	assert.Equal(t, []string{"registered orders/created", "registered orders/paid"}, rows)
	f.options.DryRun, f.options.Verify = false, true
	report, rows := f.run(t)
	assert.Equal(t, []string{"failed orders/created", "failed orders/paid"}, rows)
	assert.Equal(t, registration.ClassMissing, report.Items[0].Class)
	assert.Equal(t, "run registration-job apply", report.Items[0].Next)
	assert.Zero(t, f.shop.writes+f.state.saves)

	f.options.Verify = false
	f.run(t)
	f.set(t, "shared_key=another-key")
	f.shop.add(hook{URL: address, Topic: "orders/old"})
	f.options.Verify, f.options.Policy = true, registration.Sync
	report, rows = f.run(t)
	assert.Equal(t, []string{"failed orders/created", "failed orders/paid", "left orders/old"}, rows)
	assert.Equal(t, "not registered as it should be: a key changed", report.Items[0].Reason)
	f.options.Verify, f.options.DryRun = false, true
	_, rows = f.run(t)
	assert.Equal(t, []string{"updated orders/created", "updated orders/paid", "deleted orders/old"}, rows)
	assert.Equal(t, 2, f.shop.writes)
}

func TestWithoutState(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic)
	f.deps.State = nil
	report, _ := f.run(t)
	assert.Contains(t, strings.Join(report.Notes, "\n"), "no state Secret is given")
	f.set(t, "shared_key=another-key")
	_, rows := f.run(t)
	assert.Equal(t, []string{"unchanged orders/created", "unchanged orders/paid"}, rows)

	f.deps.State, f.state.fail = f.state, errors.New("no right to read it")
	report, rows = f.run(t)
	assert.Equal(t, []string{"unchanged orders/created", "unchanged orders/paid"}, rows)
	assert.Contains(t, strings.Join(report.Notes, "\n"), "cannot be read")
	assert.Zero(t, f.state.saves, "what could not be read is not overwritten")
}

func TestSystemThatDoesNotAnswerAsItShould(t *testing.T) {
	t.Parallel()
	only := func(method, path string, status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method == method && strings.HasPrefix(r.URL.RequestURI(), path) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			}
		}
	}
	tests := []struct {
		name   string
		before http.HandlerFunc
		rows   []string
		class  registration.Class
		reason string
	}{
		{"no listing", only("GET", "/hooks", 500, sharedKey), []string{"failed webhooks"}, registration.ClassUnreachable, "answered 500"},
		{"half a listing", only("GET", "/hooks?from=2", 429, ""), []string{"failed webhooks"}, registration.ClassUnreachable, "answered 429"},
		{"a login page", only("GET", "/hooks", 200, "<html>"+sharedKey), []string{"failed webhooks"}, registration.ClassMalformed, "a web page"},
		{"another list", only("GET", "/hooks", 200, `{"items":[]}`), []string{"failed webhooks"}, registration.ClassMalformed, `without the list "hooks"`},
		{"no right", only("GET", "/hooks", 403, ""), []string{"failed webhooks"}, registration.ClassUnauthorized, "the user may not call it"},
		{"a refusal", only("POST", "/hooks", 400, sharedKey), []string{"failed orders/created", "failed orders/paid"}, registration.ClassMisconfigured, "answered 400"},
		{"an overload", only("POST", "/hooks", 503, ""), []string{"failed orders/created", "failed orders/paid"}, registration.ClassUnreachable, "answered 503"},
		{"an answer without id", only("POST", "/hooks", 201, `{"id":"7"}`), []string{"failed orders/created", "failed orders/paid"}, registration.ClassMalformed, "no id at hook.id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, perTopic)
			f.options.Policy = registration.Sync
			for range 3 {
				f.shop.add(hook{URL: address, Topic: "orders/old"})
			}
			if strings.Contains(tt.rows[0], "orders") {
				f.shop.hooks = nil
			}
			have := f.shop.registered()
			f.shop.before = tt.before
			report, rows := f.run(t)
			assert.Equal(t, tt.rows, rows)
			assert.Equal(t, tt.class, report.Items[0].Class)
			assert.Contains(t, report.Items[0].Reason, tt.reason)
			assert.NotEmpty(t, report.Items[0].Next)
			assert.Equal(t, have, f.shop.registered(), "nothing is deleted, nothing made")
		})
	}
	t.Run("another key for the API", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, perTopic, "api_key=wrong-key-of-the-system")
		report, _ := f.run(t)
		assert.Equal(t, registration.ClassUnauthorized, report.Items[0].Class)
		assert.Equal(t, `check the parameter "api_key"`, report.Items[0].Next)
	})
	t.Run("one that fails hides no other", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, perTopic)
		f.run(t)
		f.set(t, "shared_key=another-key")
		f.shop.before = only("DELETE", "/hooks/1", 503, "")
		report, rows := f.run(t)
		assert.Equal(t, []string{"failed orders/created", "updated orders/paid"}, rows)
		assert.Contains(t, report.Items[0].Reason, "a new one was made, but the old one could not be deleted")
		f.shop.before = nil
		_, rows = f.run(t)
		assert.Equal(t, []string{"unchanged orders/created", "unchanged orders/paid", "deleted orders/created"}, rows)
		assert.Equal(t, both("another-key"), f.shop.registered())
		f.settled(t)
	})
}

// TestKilledAtEveryWrite ends the process before and after each write of a run that has everything to do, and
// runs it again: the end is the same as without the interruption.
func TestKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{perTopic, together} {
		prepare := func(t *testing.T) *fixture {
			t.Helper()
			f := newFixture(t, kind)
			f.options.Policy = registration.Sync
			f.run(t)
			f.shop.hooks = f.shop.hooks[:1]                                                              // one is gone
			f.shop.add(hook{URL: address, Topic: "orders/old", Topics: []string{"x"}, Label: "ns/shop"}) // one is too many
			f.shop.add(hook{URL: foreign, Topic: "orders/paid", Label: "ns/shop"})
			f.set(t, "shared_key=another-key") // and the key is another
			return f
		}
		undisturbed := prepare(t)
		undisturbed.shop.death = &death{at: 1 << 30}
		undisturbed.run(t)
		writes := undisturbed.shop.death.count
		want := undisturbed.shop.registered()
		require.Greater(t, writes, 2)
		for at := 1; at <= writes; at++ {
			for _, after := range []bool{false, true} {
				f := prepare(t)
				f.shop.death = &death{at: at, after: after}
				f.run(t)
				f.shop.death = nil
				f.run(t)
				assert.Equal(t, want, f.shop.registered(), "killed at write %d, done %v", at, after)
				f.run(t)
				f.settled(t)
				assert.Equal(t, want, f.shop.registered())
			}
		}
	}
}

func TestWhatWasMadeIsOnRecordWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t, perTopic)
	ctx, cancel := context.WithCancel(t.Context())
	f.shop.before = func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && f.shop.writes == 1 {
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that nobody waits any more
			cancel()
			<-r.Context().Done()
		}
	}
	report := subscription.Run(ctx, f.options, f.deps)
	assert.Equal(t, registration.ClassUnreachable, report.Items[1].Class)
	assert.Equal(t, 2, f.state.saves, "before and after")
	f.shop.before = nil
	_, rows := f.run(t)
	assert.Contains(t, rows, "unchanged orders/created", "it is not made again")
	f.settled(t)
}

func TestRemoval(t *testing.T) {
	t.Parallel()
	remove := func(f *fixture) *registration.Removal {
		removal := registration.NewRemoval("shop", "ns/shop")
		subscription.Remove(t.Context(), f.options, f.deps, removal)
		removal.Finish(func(s string) string { return s })
		return removal
	}
	t.Run("without the address, which is on record", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, perTopic)
		f.run(t)
		f.options.CallbackURL = ""
		assert.Len(t, remove(f).Removed, 2)
		assert.Empty(t, f.shop.registered())
	})
	t.Run("of nothing", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, perTopic)
		f.options.CallbackURL = ""
		f.shop.before = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }
		assert.True(t, remove(f).OK, "nobody has to be asked")
	})
	t.Run("of nothing, where nobody may sign in", func(t *testing.T) {
		t.Parallel()
		refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
		for _, kind := range []string{perTopic, together, perInstance} {
			f := newFixture(t, kind)
			f.shop.before = refuse
			f.run(t)
			removal := remove(f)
			assert.True(t, removal.OK, "no webhook was ever made: %+v", removal.Left)

			f.shop.before = nil
			if kind == perInstance {
				f, _ = newAccount(t, kind)
			}
			f.run(t)
			f.shop.before = refuse
			removal = remove(f)
			require.Len(t, removal.Left, 1, "the webhooks that were made are still there")
			assert.Contains(t, removal.Left[0].Reason, "401")
			assert.Contains(t, removal.Left[0].Next, "which call "+address, "who reads it can find them")
		}
	})
	t.Run("of what is not on record", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, perTopic)
		f.shop.add(hook{URL: address, Topic: "orders/paid", Label: "ns/shop"})
		f.shop.before = func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				w.WriteHeader(http.StatusForbidden)
			}
		}
		assert.Len(t, remove(f).Left, 1, "it is there, whatever the record says")
	})
	t.Run("that fails for one", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, perTopic)
		f.run(t)
		f.shop.before = func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete && r.URL.Path == "/hooks/1" {
				w.WriteHeader(http.StatusForbidden)
			}
		}
		removal := remove(f)
		assert.Equal(t, []string{"webhook orders/paid"}, removal.Removed)
		require.Len(t, removal.Left, 1)
		assert.Equal(t, "webhook orders/created", removal.Left[0].What)
		assert.Contains(t, removal.Left[0].Reason, "the user may not call it")
		assert.Equal(t, "remove at the system orders/created (id 1)", removal.Left[0].Next)
	})
	t.Run("that the system does not answer", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, perTopic)
		f.run(t)
		f.shop.before = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }
		removal := remove(f)
		require.Len(t, removal.Left, 1)
		assert.Equal(t, "webhooks at the system", removal.Left[0].What)
		assert.Equal(t, "remove at the system orders/created (id 1), orders/paid (id 2), which call "+address, removal.Left[0].Next)
	})
}
