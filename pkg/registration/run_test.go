package registration_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

const twoAPIs = `
apis:
  - {id: a, name: A, description: First, kind: odata, path: /a/, csrf: true}
  - {id: b, name: B, kind: openapi, path: /b, specification: {file: apis/orders.yaml}}
events: {name: Events, description: What happens, catalog: events/asyncapi.yaml}
`

// healthy is a fixture with twoAPIs, both of which answer.
func healthy(t *testing.T, params ...string) *fixture {
	t.Helper()
	f := newFixture(t, twoAPIs, params...)
	f.system.on("/a/", answer(200, serviceDocument))
	f.system.on("/b", answer(200, `{}`))
	return f
}

func TestASecondRunWritesNothing(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	first := f.run(t)
	assert.Equal(t, []string{"a registered", "b registered", "events registered"}, outcomes(first))
	assert.Equal(t, registration.Counts{Registered: 2}, first.APIs)
	assert.True(t, first.OK)
	assert.Equal(t, 4, first.Writes, "three services and the state")

	second := f.run(t)
	assert.Equal(t, []string{"a unchanged", "b unchanged", "events unchanged"}, outcomes(second))
	assert.Equal(t, registration.Counts{Unchanged: 2}, second.APIs)
	assert.Zero(t, second.Writes)
	assert.Equal(t, 3, f.catalog.Writes())
	assert.Equal(t, 1, f.state.Saves())
	assert.NotEmpty(t, row(t, second, "a").URL, "an unchanged API can be called too")
	assert.Empty(t, row(t, second, "events").URL, "nobody calls an event catalog")
	for _, path := range []string{"/a/", "/b"} {
		assert.Equal(t, 2, f.system.called(path), "one call for each API and run")
	}

	one, err := first.Status()
	require.NoError(t, err)
	two, err := second.Status()
	require.NoError(t, err)
	assert.Equal(t, one, two, "the status says how things are, so that it does not change either")
}

func TestWhatIsRegistered(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	require.True(t, f.run(t).OK)
	entries := f.catalog.Entries()
	require.Len(t, entries, 3)

	a := *entries[0].Service
	assert.Equal(t, "Acme Shop - A", a.DisplayName)
	assert.Equal(t, "Acme", a.Provider)
	assert.Equal(t, "First", a.Description)
	assert.Equal(t, instance+"/a", a.Identifier)
	assert.Equal(t, "430aba64-8b3a-5c87-95a1-c51f4906cbb0", a.ID, "ids depend on the Application, the installation and the API only")
	assert.Equal(t, instance, a.Labels[registration.LabelInstance])
	assert.Equal(t, "shop", a.Labels[registration.LabelConnector])
	assert.LessOrEqual(t, len(a.Labels[registration.LabelHash]), 63, "fits a label of Kubernetes")
	assert.Equal(t, f.system.URL+"/a/", a.API.TargetURL)
	assert.Equal(t, f.system.URL+"/a/", a.API.CSRFTokenURL)
	assert.Equal(t, user, a.API.Credentials.Basic.Username)
	assert.Equal(t, password, a.API.Credentials.Basic.Password.Reveal())

	b := *entries[1].Service
	assert.JSONEq(t, `{"openapi":"3.0.0","info":{"title":"Orders","version":"v1"},"paths":{}}`, content(t, b.API.Specification))
	assert.Equal(t, f.system.URL+"/b", b.API.TargetURL)
	assert.Equal(t, "B", b.Description, "a description is never empty")

	events := *entries[2].Service
	assert.Equal(t, "Acme Shop - Events", events.DisplayName)
	assert.Nil(t, events.API)
	assert.True(t, strings.HasPrefix(string(events.Events), "{"), "the catalog is a JSON object")
}

func TestOnlyWhatChangedIsUpdated(t *testing.T) {
	t.Parallel()
	t.Run("a rotated password", func(t *testing.T) {
		t.Parallel()
		f := healthy(t)
		require.True(t, f.run(t).OK)
		params, err := f.options.Definition.ResolveParams(map[string]string{"system_url": f.system.URL, "basic_user": user, "basic_password": "another"})
		require.NoError(t, err)
		f.options.Params = params
		report := f.run(t)
		assert.Equal(t, []string{"a failed unauthorized", "b failed unauthorized", "events unchanged"}, outcomes(report))
		assert.Contains(t, row(t, report, "a").Reason, "what is registered stays as it is")
		assert.Zero(t, report.Writes, "a wrong password replaces no good one")
	})
	t.Run("credentials that also work", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, `apis: [{id: a, name: A, kind: rest, path: /a, auth: {none: {}}, requestParameters: {headers: {X-Tenant: '=param("old_path")'}}}, {id: b, name: B, kind: rest, path: /b}]`, "old_path=one")
		open := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		f.system.Config.Handler = open
		require.True(t, f.run(t).OK)
		params, err := f.options.Definition.ResolveParams(map[string]string{"system_url": f.system.URL, "basic_user": user, "basic_password": password, "old_path": "two"})
		require.NoError(t, err)
		f.options.Params = params
		report := f.run(t)
		assert.Equal(t, []string{"a updated", "b unchanged"}, outcomes(report))
		assert.Equal(t, "credentials changed", row(t, report, "a").Reason)
		assert.Equal(t, 2, report.Writes, "the service and the state")
	})
	t.Run("somebody's change is taken back", func(t *testing.T) {
		t.Parallel()
		f := healthy(t)
		require.True(t, f.run(t).OK)
		f.catalog.Drift(f.catalog.Entries()[1].Registered.ID)
		assert.Equal(t, []string{"a unchanged", "b updated", "events unchanged"}, outcomes(f.run(t)))
	})
	t.Run("a removed service comes back", func(t *testing.T) {
		t.Parallel()
		f := healthy(t)
		require.True(t, f.run(t).OK)
		f.deps.Catalog = &registrationtest.Catalog{}
		assert.Equal(t, []string{"a registered", "b registered", "events registered"}, outcomes(f.run(t)))
	})
}

func TestWithoutStateCredentialsAreWrittenEachTime(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		state  registration.State
		reason string
	}{
		"none":       {nil, "no state Secret is given"},
		"unreadable": {&registrationtest.State{LoadError: errors.New("forbidden")}, "the state of the last run cannot be read"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy(t)
			f.deps.State = tt.state
			require.True(t, f.run(t).OK)
			report := f.run(t)
			assert.Equal(t, []string{"a updated", "b updated", "events unchanged"}, outcomes(report))
			assert.Contains(t, row(t, report, "a").Reason, tt.reason)
		})
	}
}

func TestAStateThatCannotBeSavedCostsOneMoreUpdate(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	f.state.SaveError = errors.New("forbidden")
	report := f.run(t)
	assert.True(t, report.OK)
	assert.Contains(t, strings.Join(report.Notes, "\n"), "the state could not be saved")
	f.state.SaveError = nil
	assert.Equal(t, 3, f.run(t).Writes, "both APIs and the state")
	assert.Zero(t, f.run(t).Writes)
}

// Ten APIs: one answers with errors, one is not enabled, one never answers. The others do not notice.
func TestOneFailureNeverHidesAnother(t *testing.T) {
	t.Parallel()
	var parts strings.Builder
	parts.WriteString("apis:\n")
	for i := range 10 {
		fmt.Fprintf(&parts, "  - {id: api-%d, name: API %d, kind: odata, path: /api-%d/, whenDisabled: enable it}\n", i, i, i)
	}
	f := newFixture(t, parts.String())
	for i := range 10 {
		f.system.on(fmt.Sprintf("/api-%d/", i), answer(200, serviceDocument))
	}
	f.system.on("/api-2/", answer(500, password))
	f.system.on("/api-4/", answer(403, password))
	f.system.on("/api-6/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	report := registration.Run(ctx, f.options, f.deps)

	assert.Equal(t, []string{
		"api-0 registered", "api-1 registered", "api-2 failed unreachable", "api-3 registered", "api-4 skipped disabled",
		"api-5 registered", "api-6 failed unreachable", "api-7 registered", "api-8 registered", "api-9 registered",
	}, outcomes(report))
	assert.Contains(t, row(t, report, "api-2").Reason, "answered 500")
	assert.Contains(t, row(t, report, "api-4").Next, "enable it")
	assert.Contains(t, row(t, report, "api-6").Reason, "the time for asking the system is over", "the time left is for writing")
	assert.Equal(t, 1, report.ExitCode(registration.FailOnAny))
	assert.Equal(t, 0, report.ExitCode(registration.FailOnAll))
	assert.Equal(t, 0, report.ExitCode(registration.FailOnConfig))
	assert.False(t, report.OK)
	assertNoSecrets(t, f, report)
}

func TestCallsAtTheSameTimeAreBounded(t *testing.T) {
	t.Parallel()
	var parts strings.Builder
	parts.WriteString("apis:\n")
	for i := range 20 {
		fmt.Fprintf(&parts, "  - {id: api-%d, name: API %d, kind: rest, path: /api}\n", i, i)
	}
	f := newFixture(t, parts.String())
	f.options.Parallel = 3
	var now, most atomic.Int32
	full := make(chan struct{})
	f.system.on("/api", func(_ http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == 3 {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		select { // hold the first calls until three are there
		case <-full:
		case <-r.Context().Done():
		}
	})
	require.True(t, f.run(t).OK)
	assert.EqualValues(t, 3, most.Load())
}

func TestPolicySync(t *testing.T) {
	t.Parallel()
	setUp := func(t *testing.T) *fixture {
		t.Helper()
		f := healthy(t)
		f.options.Policy = registration.Sync
		require.True(t, f.run(t).OK)
		f.catalog.Add(registration.Registered{ID: "mine", DisplayName: "Made by hand"})
		return f
	}
	ids := func(f *fixture) (out []string) {
		for _, e := range f.catalog.Entries() {
			out = append(out, e.Registered.DisplayName)
		}
		return out
	}
	t.Run("an API that the definition lost is deleted", func(t *testing.T) {
		t.Parallel()
		f := setUp(t)
		f.options.Definition = define(t, `apis: [{id: b, name: B, kind: openapi, path: /b, specification: {file: apis/orders.yaml}}]`)
		report := f.run(t)
		assert.Equal(t, []string{"b unchanged", "a deleted", "events deleted"}, outcomes(report))
		assert.Equal(t, []string{"Acme Shop - B", "Made by hand"}, ids(f))
	})
	t.Run("an API that fails is kept", func(t *testing.T) {
		t.Parallel()
		f := setUp(t)
		f.system.on("/a/", answer(500, ""))
		report := f.run(t)
		assert.Equal(t, []string{"a failed unreachable", "b unchanged", "events unchanged"}, outcomes(report))
		assert.Len(t, ids(f), 4)
	})
	t.Run("an API that the system took away is deleted", func(t *testing.T) {
		t.Parallel()
		f := setUp(t)
		f.options.Definition = define(t, strings.Replace(twoAPIs, "csrf: true", "csrf: true, whenDisabled: enable it", 1))
		f.system.on("/a/", http.NotFound)
		report := f.run(t)
		assert.Equal(t, []string{"a deleted disabled", "b unchanged", "events unchanged"}, outcomes(report))
	})
	t.Run("half a listing deletes nothing", func(t *testing.T) {
		t.Parallel()
		f := setUp(t)
		f.options.Definition = define(t, listing)
		f.system.on("/main/", answer(200, serviceDocument))
		f.system.on("/services", answer(500, ""))
		report := f.run(t)
		assert.Equal(t, []string{"main registered", "discovery failed unreachable", "a left", "b left", "events left"}, outcomes(report))
		assert.Contains(t, row(t, report, "a").Reason, "the listing of the system's APIs is incomplete")
	})
	t.Run("everything disabled is a wrong address, and deletes nothing", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, `apis: [{id: a, name: A, kind: odata, path: /a/, whenDisabled: enable it}]`)
		f.options.Policy = registration.Sync
		f.system.on("/a/", answer(200, serviceDocument))
		require.True(t, f.run(t).OK)
		f.system.on("/a/", http.NotFound)
		report := f.run(t)
		assert.Equal(t, []string{"a failed disabled"}, outcomes(report))
		assert.Contains(t, row(t, report, "a").Next, `check the parameter "system_url"`)
		assert.Equal(t, 2, report.ExitCode(registration.FailOnAll))
		assert.Len(t, f.catalog.Entries(), 1)
	})
}

func TestUpsertSaysWhatStays(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	require.True(t, f.run(t).OK)
	f.options.Definition = define(t, `apis: [{id: b, name: B, kind: openapi, path: /b, enabled: '=param("all") == "x"', specification: {file: apis/orders.yaml}}]`)
	report := f.run(t)
	assert.Equal(t, []string{"b skipped switched-off", "a left", "events left"}, outcomes(report))
	assert.Contains(t, row(t, report, "b").Reason, "it stays registered")
	assert.Contains(t, row(t, report, "a").Reason, "policy upsert never deletes")
	assert.Zero(t, report.Writes)
}

func TestCreateOnly(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	require.True(t, f.run(t).OK)
	f.options.Policy = registration.CreateOnly
	f.options.Definition = define(t, strings.Replace(twoAPIs, "First", "Changed", 1))
	report := f.run(t)
	assert.Equal(t, []string{"a skipped policy", "b unchanged", "events unchanged"}, outcomes(report))
	assert.Zero(t, report.Writes)
}

func TestTheApplication(t *testing.T) {
	t.Parallel()
	t.Run("is created where it is missing", func(t *testing.T) {
		t.Parallel()
		f := healthy(t)
		f.catalog.Missing, f.options.CreateApplication = true, true
		report := f.run(t)
		assert.True(t, report.OK)
		assert.Equal(t, 5, report.Writes)
		assert.Contains(t, report.Notes, "the Application was created")
	})
	t.Run("is not created where that is not allowed", func(t *testing.T) {
		t.Parallel()
		f := healthy(t)
		f.catalog.Missing = true
		report := f.run(t)
		assert.Equal(t, `the Application "orders" does not exist`, report.Error)
		assert.Contains(t, report.Next, "--create-application")
		assert.Equal(t, 2, report.ExitCode(registration.FailOnAll), "what stops a run always counts")
	})
	t.Run("may be refused", func(t *testing.T) {
		t.Parallel()
		f := healthy(t)
		f.catalog.ListError = &registration.ConfigError{What: "the Application is managed by Compass", Next: "choose another name"}
		report := f.run(t)
		assert.Equal(t, "the Application is managed by Compass", report.Error)
		assert.Equal(t, "choose another name", report.Next)
		assert.Equal(t, []string{"a failed refused", "b failed refused", "events failed refused"}, outcomes(report))
		assert.Equal(t, 2, report.ExitCode(registration.FailOnAny))
	})
	t.Run("may be unreachable", func(t *testing.T) {
		t.Parallel()
		f := healthy(t)
		f.catalog.ListError = errors.New("connection refused")
		report := f.run(t)
		assert.Equal(t, "connection refused", report.Error)
		assert.Equal(t, 1, report.ExitCode(registration.FailOnAny))
	})
}

func TestWritesThatFail(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	f.catalog.ApplyError = func(c registration.Change) error {
		switch {
		case strings.HasSuffix(c.Service.Identifier, "/a"):
			return errors.New("conflict")
		case strings.HasSuffix(c.Service.Identifier, "/b"):
			return &registration.ConfigError{What: "the name is too long", Next: "choose a shorter one"}
		}
		return nil
	}
	report := f.run(t)
	assert.Equal(t, []string{"a failed write", "b failed refused", "events registered"}, outcomes(report))
	assert.Equal(t, "choose a shorter one", row(t, report, "b").Next)
	assert.Equal(t, 1, report.ExitCode(registration.FailOnAny), "mixed failures are worth another try")
	assert.Equal(t, 1, report.ExitCode(registration.FailOnAll), "no API could be registered")
	assert.Equal(t, 2, report.ExitCode(registration.FailOnConfig))

	f.catalog.ApplyError = nil
	assert.Equal(t, []string{"a registered", "b registered", "events unchanged"}, outcomes(f.run(t)), "the next run repairs it")
	assert.Zero(t, f.run(t).Writes)
}

// Whatever write a run ends at, the next one ends in the same state as an undisturbed one.
func TestARunThatWasKilledIsRepairedByTheNext(t *testing.T) {
	t.Parallel()
	undisturbed := healthy(t)
	require.True(t, undisturbed.run(t).OK)
	for killedAt := range 4 {
		f := healthy(t)
		ctx, kill := context.WithCancel(t.Context())
		writes := 0
		f.catalog.ApplyError = func(registration.Change) error {
			if writes == killedAt {
				kill()
				return context.Canceled
			}
			writes++
			return nil
		}
		if killedAt == 3 {
			f.state.SaveError = context.Canceled
		}
		registration.Run(ctx, f.options, f.deps)
		kill()
		f.catalog.ApplyError, f.state.SaveError = nil, nil
		report := f.run(t)
		assert.True(t, report.OK)
		assert.Len(t, f.catalog.Entries(), 3)
		assert.Zero(t, f.run(t).Writes)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	f.options.DryRun, f.options.CreateApplication, f.catalog.Missing = true, true, true
	report := f.run(t)
	assert.Equal(t, []string{"a registered", "b registered", "events registered"}, outcomes(report), "the plan")
	assert.True(t, report.DryRun)
	assert.Zero(t, report.Writes)
	assert.Zero(t, f.catalog.Writes())
	assert.Zero(t, f.state.Saves())
	assert.True(t, f.catalog.Missing)
}

// preparer notes what it is asked to prepare.
type preparer struct {
	*registrationtest.Catalog
	prepared []string
}

func (p *preparer) Prepare(_ context.Context, change registration.Change) {
	p.prepared = append(p.prepared, string(change.Action)+" "+change.Service.Identifier)
}

// TestTheFirstAPIIsPrepared has a Catalog begin while other APIs are still being probed.
func TestTheFirstAPIIsPrepared(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) (*fixture, *preparer) {
		t.Helper()
		f := healthy(t)
		f.system.on("/a/", answer(403, ""))
		p := &preparer{Catalog: f.catalog}
		f.deps.Catalog = p
		return f, p
	}
	t.Run("once, where it is new or changed", func(t *testing.T) {
		t.Parallel()
		f, p := start(t)
		f.catalog.Missing, f.options.CreateApplication = true, true
		report := f.run(t)
		assert.Equal(t, []string{"create " + instance + "/b"}, p.prepared)
		assert.False(t, f.catalog.Missing, "it needs the Application")
		assert.Contains(t, report.Notes, "the Application was created")
		assert.Equal(t, 4, report.Writes, "the Application, an API, the events and the state")
		f.run(t)
		assert.Len(t, p.prepared, 1, "nothing changed")
		f.catalog.Drift(f.catalog.Entries()[0].Registered.ID)
		f.run(t)
		assert.Equal(t, "update "+instance+"/b", p.prepared[1])
	})
	for name, change := range map[string]func(f *fixture){
		"not in a dry run":            func(f *fixture) { f.options.DryRun = true },
		"not by verify":               func(f *fixture) { f.options.Verify = true },
		"not without a list":          func(f *fixture) { f.catalog.ListError = errors.New("no") },
		"not without an Application":  func(f *fixture) { f.catalog.Missing = true },
		"not where none is active":    func(f *fixture) { f.system.on("/b", answer(403, "")) },
		"not where its name is taken": func(f *fixture) { f.catalog.Add(registration.Registered{ID: "x", DisplayName: "acme shop b"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, p := start(t)
			change(f)
			f.run(t)
			assert.Empty(t, p.prepared)
		})
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	f.options.Verify = true
	report := f.run(t)
	assert.Equal(t, []string{"a failed missing", "b failed missing", "events failed missing"}, outcomes(report))
	assert.Equal(t, 1, report.ExitCode(registration.FailOnAny))
	assert.Zero(t, f.catalog.Writes())

	f.options.Verify = false
	require.True(t, f.run(t).OK)
	f.options.Verify = true
	report = f.run(t)
	assert.Equal(t, []string{"a unchanged", "b unchanged", "events unchanged"}, outcomes(report))
	assert.Zero(t, report.ExitCode(registration.FailOnAny))

	f.deps.State = nil
	report = f.run(t)
	assert.True(t, report.OK, "credentials that cannot be compared are no failure")
	assert.Contains(t, strings.Join(report.Notes, ""), "whether credentials changed cannot be told")

	f.system.on("/a/", answer(401, ""))
	f.catalog.Drift(f.catalog.Entries()[1].Registered.ID)
	report = f.run(t)
	assert.Equal(t, []string{"a failed unauthorized", "b failed missing", "events unchanged"}, outcomes(report))
	assert.Equal(t, 3, f.catalog.Writes(), "it only reads")
}

func TestNameCollisionsAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	f.catalog.Add(registration.Registered{ID: "x", DisplayName: "acme shop a"})
	report := f.run(t)
	assert.Equal(t, []string{"a failed conflict", "b registered", "events registered"}, outcomes(report))
	assert.Equal(t, 2, report.ExitCode(registration.FailOnAny))
}

func TestBadSystemURLs(t *testing.T) {
	t.Parallel()
	for url, reason := range map[string]string{
		"https://":                     "has no host",
		"https://:443":                 "has no host",
		"https://kyma:hunter2-pw@host": "has credentials in it",
		"http://host":                  "does not begin with https://",
		"host":                         "does not begin with https://",
		"https://host?key=hunter2-pw":  "has a query",
		"https://host/%zz?hunter2-pw":  "cannot be parsed",
	} {
		f := newFixture(t, "apis: [{id: a, name: A, kind: odata, path: /a/}]\nevents: {name: Events, catalog: events/asyncapi.yaml}", "old_path="+url)
		f.options.Definition = defineWith(t, strings.Replace(header, `=param("system_url")`, `=param("old_path")`, 1),
			"apis: [{id: a, name: A, kind: odata, path: /a/}]\nevents: {name: Events, catalog: events/asyncapi.yaml}")
		report := f.run(t)
		got := row(t, report, "a")
		assert.Equal(t, registration.ClassMisconfigured, got.Class)
		assert.Contains(t, got.Reason, reason, "%s", url)
		assert.Contains(t, got.Next, `the parameter "old_path"`)
		assert.NotContains(t, got.Reason+got.Next, "hunter2")
		assert.Equal(t, registration.OutcomeRegistered, row(t, report, "events").Outcome, "the event catalog needs no system")
		assert.Equal(t, 2, report.ExitCode(registration.FailOnAll))
	}
}

func TestABadSystemURLFailsADiscoveryToo(t *testing.T) {
	t.Parallel()
	const parts = `apis: [{name: '=item("name")', kind: rest, path: /x, enabled: '=param("all") == "true"', discover: {get: /list, id: '=item("id")'}}]`
	for all, want := range map[string][]string{"true": {"discovery failed misconfigured"}, "false": {}} {
		f := newFixture(t, parts, "old_path=https://", "all="+all)
		f.options.Definition = defineWith(t, strings.Replace(header, `=param("system_url")`, `=param("old_path")`, 1), parts)
		assert.Equal(t, want, outcomes(f.run(t)))
	}
}

// Whatever goes wrong, and whoever repeats a secret: it is not repeated here.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	leaky := errors.New("sent " + password + " to the API server")
	tests := map[string]func(f *fixture){
		"a system that quotes the request": func(f *fixture) { f.system.on("/a/", answer(500, password)); f.system.on("/b", answer(400, password)) },
		"a login page with the password":   func(f *fixture) { f.system.on("/a/", answer(200, "<html>"+password)) },
		"a redirect with the password": func(f *fixture) {
			f.system.on("/a/", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "https://"+user+":"+password+"@login.example/"+password+"?p="+password)
				w.WriteHeader(http.StatusFound)
			})
		},
		"malformed JSON":                  func(f *fixture) { f.system.on("/a/", answer(200, `{"`+password)) },
		"a system that is gone":           func(f *fixture) { f.system.Close() },
		"an untrusted system":             func(f *fixture) { f.deps.HTTP = untrusting() },
		"a catalog that quotes":           func(f *fixture) { f.catalog.ListError = leaky },
		"a catalog that refuses":          func(f *fixture) { f.catalog.ListError = &registration.ConfigError{What: "bad", Next: "do", Err: leaky} },
		"a write that quotes":             func(f *fixture) { f.catalog.ApplyError = func(registration.Change) error { return leaky } },
		"a state that quotes on loading":  func(f *fixture) { f.state.LoadError = leaky },
		"a state that quotes on saving":   func(f *fixture) { f.state.SaveError = leaky },
		"nothing goes wrong":              func(*fixture) {},
		"nothing goes wrong, only a plan": func(f *fixture) { f.options.DryRun = true },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy(t)
			spoil(f)
			assertNoSecrets(t, f, f.run(t))
		})
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	const tokenAuth = `oauth2: {tokenUrl: '=param("system_url") + "/token"', clientId: client, clientSecret: '=param("api_key")', style: %s, scopes: [read, write], form: {resource: r}, headers: {X-Tenant: t}}`
	tests := []struct {
		name, auth string
		check      func(r *http.Request) bool
		registered func(t *testing.T, a *registration.API)
	}{
		{"basic", "", func(r *http.Request) bool { return r.Header.Get("Authorization") == basic }, nil},
		{"none", "none: {}", func(r *http.Request) bool { return r.Header.Get("Authorization") == "" }, func(t *testing.T, a *registration.API) {
			assert.Equal(t, registration.Credentials{}, a.Credentials)
		}},
		{"key in a header", `apiKey: {header: x-api-token, value: '=param("api_key")'}`,
			func(r *http.Request) bool { return r.Header.Get("X-Api-Token") == apiKey },
			func(t *testing.T, a *registration.API) { assert.Equal(t, apiKey, a.Headers["X-Api-Token"][0].Reveal()) }},
		{"key in the query", `apiKey: {query: key, value: '=param("api_key")'}`,
			func(r *http.Request) bool { return r.URL.Query().Get("key") == apiKey },
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, apiKey, a.Query["key"][0].Reveal())
				assert.NotContains(t, a.TargetURL, "key")
			}},
		{"composed header", `header: {Authorization: '="User " + param("api_key") + ", Org x"'}`,
			func(r *http.Request) bool { return r.Header.Get("Authorization") == "User "+apiKey+", Org x" },
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, "User "+apiKey+", Org x", a.Headers["Authorization"][0].Reveal())
			}},
		{"composed query", `query: {userKey: '=param("basic_user")', secret: '=param("api_key")'}`,
			func(r *http.Request) bool {
				return r.URL.Query().Get("secret") == apiKey && r.URL.Query().Get("userKey") == user
			},
			func(t *testing.T, a *registration.API) { assert.Len(t, a.Query, 2) }},
		{"client credentials, basic", fmt.Sprintf(tokenAuth, "basic"), func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer t0ken-of-basic" },
			func(t *testing.T, a *registration.API) {
				assert.Equal(t, "client", a.Credentials.OAuth.ClientID)
				assert.Equal(t, apiKey, a.Credentials.OAuth.ClientSecret.Reveal())
				assert.Equal(t, "read write", a.Credentials.OAuth.Query["scope"][0].Reveal())
				assert.Equal(t, "t", a.Credentials.OAuth.Headers["X-Tenant"][0].Reveal())
			}},
		{"client credentials, body", fmt.Sprintf(tokenAuth, "body"), func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer t0ken-of-body" }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			auth := ""
			if tt.auth != "" {
				auth = ", auth: {" + tt.auth + "}"
			}
			f := newFixture(t, "apis: [{id: a, name: A, kind: rest, path: /a"+auth+"}, {id: b, name: B, kind: rest, path: /a"+auth+"}]", "api_key="+apiKey)
			var fetched atomic.Int32
			f.system.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" {
					fetched.Add(1)
					serveToken(w, r)
					return
				}
				if !tt.check(r) {
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			report := f.run(t)
			assert.Equal(t, []string{"a registered", "b registered"}, outcomes(report))
			assert.LessOrEqual(t, fetched.Load(), int32(1), "one token serves all")
			if tt.registered != nil {
				tt.registered(t, f.catalog.Entries()[0].Service.API)
			}
			assertNoSecrets(t, f, report)
			assert.Zero(t, f.run(t).Writes)
		})
	}
}

// serveToken is a token endpoint that knows both styles.
func serveToken(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	style := "body"
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if name, pass, ok := r.BasicAuth(); ok {
		style, id, secret = "basic", name, pass
	}
	if id != "client" || secret != apiKey || r.PostForm.Get("grant_type") != "client_credentials" ||
		r.PostForm.Get("scope") != "read write" || r.PostForm.Get("resource") != "r" || r.Header.Get("X-Tenant") != "t" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintf(w, `{"access_token":"t0ken-of-%s","expires_in":3600}`, style)
}

func TestAuthenticationThatFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, auth string
		class      registration.Class
		reason     string
	}{
		{"a missing parameter", `apiKey: {header: X-Key, value: '=param("api_key")'}`, "misconfigured", `parameter "api_key"`},
		{"a key that is none", `jwt: {algorithm: RS256, key: '=param("basic_password")'}`, "misconfigured", "the private key is no PEM"},
		{"a secret that is none", `signed: {userKey: x, secret: '=param("basic_password")'}`, "misconfigured", "not base64"},
		{"a certificate", `clientCertificate: {certificate: x, key: '=param("basic_password")'}`, "misconfigured", "no pair"},
		{"a colon in the user", `basic: {username: 'a:b', password: '=param("basic_password")'}`, "misconfigured", "colon"},
		{"refused by the token endpoint", `oauth2: {tokenUrl: '=param("system_url") + "/token"', clientId: client, clientSecret: '=param("basic_password")'}`, "unauthorized", "/token answered"},
		{"no token", `oauth2: {tokenUrl: '=param("system_url") + "/empty"', clientId: client, clientSecret: '=param("basic_password")'}`, "malformed", "without an access token"},
		{"no token endpoint", `oauth2: {tokenUrl: '=param("system_url") + "/gone"', clientId: client, clientSecret: '=param("basic_password")'}`, "unreachable", "answered 503"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "apis: [{id: a, name: A, kind: rest, path: /a, auth: {"+tt.auth+"}}, {id: b, name: B, kind: rest, path: /b}]")
			f.system.on("/b", answer(200, ""))
			serve := f.system.Config.Handler
			f.system.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/token":
					serveToken(w, r)
				case "/empty":
					_, _ = fmt.Fprint(w, `{"error":"`+password+`"}`)
				case "/gone":
					w.WriteHeader(http.StatusServiceUnavailable)
				default:
					serve.ServeHTTP(w, r)
				}
			})
			report := f.run(t)
			got := row(t, report, "a")
			assert.Equal(t, tt.class, got.Class, "%+v", got)
			assert.Contains(t, got.Reason, tt.reason)
			assert.Equal(t, registration.OutcomeRegistered, row(t, report, "b").Outcome)
			assertNoSecrets(t, f, report)
		})
	}
}

func TestEventCatalogs(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	report := f.run(t)
	require.Len(t, report.Events, 2)
	assert.Equal(t, "Order.Created.v1", report.Events[0].Type)
	assert.Equal(t, "An order was created", report.Events[0].Summary)
	assert.Equal(t, map[string]any{
		"apiVersion": "eventing.kyma-project.io/v1alpha2",
		"kind":       "Subscription",
		"metadata":   map[string]any{"name": "order-created-v1", "namespace": "my-namespace"},
		"spec": map[string]any{
			"sink": "http://my-service.my-namespace.svc.cluster.local", "source": "orders", "types": []string{"Order.Created.v1"},
			"typeMatching": "standard", "config": map[string]string{"maxInFlightMessages": "10"},
		},
	}, report.Events[0].Subscription)
}

func TestSubscriptionsOfOldKymas(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	f.options.SubscriptionVersion = registration.SubscribeV1Alpha1
	f.options.Definition = defineFiles(t, strings.Replace(header, "application: orders", "application: my-orders", 1), twoAPIs, map[string]string{
		"events/asyncapi.yaml": strings.Replace(catalog, "Order.Created.v1", "Order.Item.Created.v2", 1),
	})
	report := f.run(t)
	assert.Equal(t, map[string]any{
		"apiVersion": "eventing.kyma-project.io/v1alpha1",
		"kind":       "Subscription",
		"metadata":   map[string]any{"name": "order-item-created-v2", "namespace": "my-namespace"},
		"spec": map[string]any{
			"sink": "http://my-service.my-namespace.svc.cluster.local", "protocol": "", "protocolsettings": map[string]any{},
			"filter": map[string]any{"filters": []map[string]any{{
				"eventSource": map[string]any{"property": "source", "type": "exact", "value": ""},
				"eventType":   map[string]any{"property": "type", "type": "exact", "value": "sap.kyma.custom.myorders.OrderItem.Created.v2"},
			}}},
		},
	}, report.Events[1].Subscription, "%v", report.Events)
}

func TestEventTypesThatKymaRefuses(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	f.options.Definition = defineFiles(t, header, twoAPIs, map[string]string{
		"events/asyncapi.yaml": "asyncapi: 2.0.0\ninfo: {title: x, version: v1}\nchannels: {sap.kyma.custom.order.created.v1: {subscribe: {message: {payload: {type: object}}}}}\n",
	})
	report := f.run(t)
	assert.Equal(t, []string{"a registered", "b registered", "events failed misconfigured"}, outcomes(report))
	assert.Contains(t, row(t, report, "events").Reason, "which Kyma refuses")
}

func TestListsBecomeRepeatedParameters(t *testing.T) {
	t.Parallel()
	const parts = `
apis:
  - name: =item("name")
    kind: rest
    path: ="/x/" + item("id")
    requestParameters: {query: {tag: '=item("id")'}}
    discover: {get: /instances, query: {"tags[]": '=params("tags")'}, id: '=item("id")'}
`
	f := newFixture(t, "")
	f.options.Definition = defineWith(t, strings.Replace(header, "  all:", "  tags: {kind: list, title: Tags}\n  all:", 1), parts)
	params, err := f.options.Definition.ResolveParams(map[string]string{"system_url": f.system.URL, "basic_user": user, "basic_password": password, "tags": "one,two"})
	require.NoError(t, err)
	f.options.Params = params
	f.system.on("/instances", func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, []string{"one", "two"}, r.URL.Query()["tags[]"])
		answer(200, `[{"id":7,"name":"Seven"}]`)(w, r)
	})
	f.system.on("/x/7", func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "7", r.URL.Query().Get("tag"))
	})
	assert.Equal(t, []string{"7 registered"}, outcomes(f.run(t)))
	assert.Equal(t, "7", f.catalog.Entries()[0].Service.API.Query["tag"][0].Reveal())
}

// assertNoSecrets looks for every secret, in every form, in everything that a run puts out.
func assertNoSecrets(t *testing.T, f *fixture, report *registration.Report) {
	t.Helper()
	var out strings.Builder
	require.NoError(t, report.WriteText(&out))
	require.NoError(t, report.WriteJSON(&out))
	status, err := report.Status()
	require.NoError(t, err)
	fmt.Fprint(&out, status, report.TerminationMessage(), f.logs.String())
	fmt.Fprintf(&out, "%+v %#v", report, report)
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	secrettest.AssertNoLeak(t, out.String(), secret.New(password), secret.New(apiKey), secret.New(basic), secret.New("t0ken-of"))
}
