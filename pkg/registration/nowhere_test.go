package registration_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// TestNowhereToRegister: whether that is a failure depends on what the connector can do without, and on who asks.
func TestNowhereToRegister(t *testing.T) {
	t.Parallel()
	const (
		api      = "apis: [{id: a, name: A, kind: odata, path: /a/}]\n"
		delivery = `deliveries: [{name: d, http: {path: /d}, verify: {basic: {username: =param("event_user"), password: =param("event_password")}}, event: {id: =body("id"), type: x.created, version: v1, data: =json()}}]`
		off      = "apis: [{id: a, name: A, kind: odata, path: /a/, enabled: '=param(\"all\") == \"x\"'}]\n"
	)
	webhook := func(class registration.Class) *registration.WebhooksReport {
		outcome := registration.OutcomeRegistered
		if class != "" {
			outcome = registration.OutcomeFailed
		}
		return &registration.WebhooksReport{Items: []registration.WebhookReport{{Name: "w", Outcome: outcome, Class: class}}}
	}
	for name, tt := range map[string]struct {
		parts            string
		webhooks         *registration.WebhooksReport
		any, config, all int
	}{
		"APIs alone":                          {api, nil, 2, 2, 2},
		"APIs and events":                     {api + delivery, nil, 2, 2, 0},
		"APIs and a webhook":                  {api + delivery, webhook(""), 2, 2, 0},
		"APIs and a webhook that fails":       {api + delivery, webhook(registration.ClassUnreachable), 2, 2, 2},
		"no API that is wanted":               {off + delivery, nil, 0, 0, 0},
		"no API, and a webhook that fails":    {off + delivery, webhook(registration.ClassUnreachable), 1, 0, 1},
		"no API, and a webhook that may not":  {off + delivery, webhook(registration.ClassUnauthorized), 2, 2, 2},
		"neither APIs nor a webhook, nothing": {off, nil, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tt.parts, "event_user=e", "event_password=event-pa55word")
			f.deps.Catalog = registration.Nowhere{What: "there is no place", Next: "make one"}
			f.system.on("/a/", answer(200, serviceDocument))
			report := f.run(t)
			report.AddWebhooks(tt.webhooks)
			assert.Equal(t, []int{tt.any, tt.config, tt.all},
				[]int{report.ExitCode(registration.FailOnAny), report.ExitCode(registration.FailOnConfig), report.ExitCode(registration.FailOnAll)})
			assert.Equal(t, tt.any == 0, report.OK)
			assert.Contains(t, report.TerminationMessage(), "nothing is registered, because there is no place (next: make one)")
			assert.Zero(t, f.state.Saves())
			assert.Equal(t, registration.OutcomeSkipped, row(t, report, "a").Outcome)
			assert.Zero(t, report.Writes)
		})
	}
}
