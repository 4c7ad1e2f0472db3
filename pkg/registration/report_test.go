package registration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/golden"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// everyOutcome is a run in which something of everything happens, with manual steps.
func everyOutcome(t *testing.T) *registration.Report {
	t.Helper()
	const parts = `
apis:
  - {id: new, name: New, kind: odata, path: /new/, csrf: true}
  - {id: old, name: Old, kind: rest, path: /old, description: Changed}
  - {id: same, name: Same, kind: rest, path: /same}
  - {id: "off", name: "Off", kind: odata, path: /off/, whenDisabled: create a communication arrangement}
  - {id: refused, name: Refused, kind: odata, path: /refused/}
events: {name: Events, catalog: events/asyncapi.yaml}
deliveries:
  - name: webhook
    http: {path: /orders}
    verify: {basic: {username: '=param("event_user")', password: '=param("event_password")'}}
    event: {type: '=body("type")', version: v1, id: '=body("id")', data: '=json("data")'}
manual:
  - id: consumer
    title: Let the shop send events
    steps: [Settings > Events > Add, '="Endpoint: " + callback', '="User: " + param("event_user")', '="Password: read it with: " + secretRef("event_password")']
`
	f := newFixture(t, parts, "event_user=shop", "event_password=3vent-pa55word")
	f.system.on("/new/", answer(200, serviceDocument))
	f.system.on("/old", answer(200, "{}"))
	f.system.on("/same", answer(200, "{}"))
	f.system.on("/off/", answer(403, ""))
	f.system.on("/refused/", answer(401, ""))
	before := f.options.Definition
	f.options.Definition = define(t, `apis: [{id: old, name: Old, kind: rest, path: /old}, {id: same, name: Same, kind: rest, path: /same}, {id: gone, name: Gone, kind: rest, path: /old}]`)
	require.True(t, f.run(t).OK)

	f.options.Definition = before
	f.options.CallbackURL = "https://shop.kyma.example.com/"
	f.options.SecretRef = func(name string) string { return "kubectl get secret generated -o jsonpath={.data." + name + "}" }
	f.options.Detected = []registration.Detection{{What: "backend", Value: "memory", Why: "this is a test"}}
	report := f.run(t)
	assertNoSecrets(t, f, report)
	// Addresses and ports of test servers change.
	for i := range report.Services {
		s := &report.Services[i]
		s.Target = strings.ReplaceAll(s.Target, f.system.URL, "https://shop.example")
		s.Reason = strings.ReplaceAll(s.Reason, f.system.URL, "https://shop.example")
	}
	return report
}

func TestReportFormats(t *testing.T) {
	t.Parallel()
	report := everyOutcome(t)
	var text, machine bytes.Buffer
	require.NoError(t, report.WriteText(&text))
	require.NoError(t, report.WriteJSON(&machine))
	status, err := report.Status()
	require.NoError(t, err)
	golden.Assert(t, "report.txt", text.Bytes())
	golden.Assert(t, "report.json", machine.Bytes())
	golden.Assert(t, "termination.txt", []byte(report.TerminationMessage()))
	golden.Assert(t, "status.json", []byte(status["report.json"]))
	golden.Assert(t, "status.txt", []byte(status["report"]))
}

func TestJSONKeysThatOthersRelyOn(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, healthy(t).run(t).WriteJSON(&out))
	var report map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &report))
	for _, key := range []string{"ok", "backend", "detected", "application", "apis", "writes", "services", "events", "manual"} {
		assert.Contains(t, report, key)
		assert.NotNil(t, report[key], "%s is never null", key)
	}
	for _, key := range []string{"registered", "updated", "unchanged", "skipped", "failed"} {
		assert.Contains(t, report["apis"], key)
	}
}

func TestLargeReportsFit(t *testing.T) {
	t.Parallel()
	report := &registration.Report{}
	for i := range 10_000 {
		outcome := registration.OutcomeRegistered
		if i%3 == 0 {
			outcome = registration.OutcomeFailed
		}
		report.Services = append(report.Services, registration.ServiceReport{
			ID: fmt.Sprint(i), Name: fmt.Sprintf("API %d ü", i), Outcome: outcome, Reason: strings.Repeat("long ", 20),
		})
	}
	message := report.TerminationMessage()
	assert.LessOrEqual(t, len(message), 4096)
	assert.True(t, strings.HasSuffix(message, "…\n"))
	status, err := report.Status()
	require.NoError(t, err)
	assert.Less(t, len(status["report.json"])+len(status["report"])+len(status["summary"]), 1<<20, "fits a ConfigMap")
	assert.Contains(t, status["report.json"], "only failures are listed")
	assert.Contains(t, status["report.json"], `"failed": 3334`, "the counts stay")
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	row := func(outcome registration.Outcome, class registration.Class, kind string) registration.ServiceReport {
		return registration.ServiceReport{Outcome: outcome, Class: class, Kind: kind}
	}
	active := row(registration.OutcomeUnchanged, "", "odata")
	disabled := row(registration.OutcomeSkipped, registration.ClassDisabled, "odata")
	retry := row(registration.OutcomeFailed, registration.ClassUnreachable, "odata")
	config := row(registration.OutcomeFailed, registration.ClassUnauthorized, "odata")
	events := row(registration.OutcomeUnchanged, "", "events")
	brokenEvents := row(registration.OutcomeFailed, registration.ClassMisconfigured, "events")
	tests := []struct {
		name              string
		services          []registration.ServiceReport
		any, all, onlyCfg int
	}{
		{"all well", []registration.ServiceReport{active, events}, 0, 0, 0},
		{"disabled is no failure", []registration.ServiceReport{active, disabled}, 0, 0, 0},
		{"one may work later", []registration.ServiceReport{active, retry}, 1, 0, 0},
		{"one never works", []registration.ServiceReport{active, config}, 2, 0, 2},
		{"mixed", []registration.ServiceReport{active, config, retry}, 1, 0, 2},
		{"nothing works, for good", []registration.ServiceReport{config, events}, 2, 2, 2},
		{"nothing works yet", []registration.ServiceReport{retry, events}, 1, 1, 0},
		{"nothing works, mixed", []registration.ServiceReport{retry, config}, 1, 1, 2},
		{"only the events fail", []registration.ServiceReport{active, brokenEvents}, 2, 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			report := &registration.Report{Services: tt.services}
			assert.Equal(t, tt.any, report.ExitCode(registration.FailOnAny), "any")
			assert.Equal(t, tt.all, report.ExitCode(registration.FailOnAll), "all")
			assert.Equal(t, tt.onlyCfg, report.ExitCode(registration.FailOnConfig), "config")
		})
	}
}

func TestManualStepsNameTheAddressAsFarAsItIsKnown(t *testing.T) {
	t.Parallel()
	parts := `
deliveries:
  - name: webhook
    http: {path: /shop}
    verify: {basic: {username: '=param("event_user")', password: '=param("event_password")'}}
    event: {type: '=body("type")', version: v1, id: '=body("id")', data: '=json("data")'}
manual:
  - id: events
    title: Let the shop send events
    steps: ['=callback']
  - id: others
    title: What nobody has to do here
    enabled: '=param("event_user") != "shop"'
    steps: [Nothing]
`
	for callback, want := range map[string]string{
		"https://shop.kyma.example.com/": "https://shop.kyma.example.com/shop",
		"https://shop-webhook-prod":      "https://shop-webhook-prod.<the cluster's domain>/shop",
		"":                               "https://<the gateway's host>/shop",
	} {
		t.Run(callback, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, parts, "event_user=shop", "event_password=3vent-pa55word")
			f.options.CallbackURL = callback
			report := f.run(t)
			require.Len(t, report.Manual, 1)
			assert.Equal(t, []string{want}, report.Manual[0].Steps)
		})
	}
}
