package sandbox

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/provision"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

func manifest(apiVersion, kind, name, rest string) provision.Manifest {
	return provision.Manifest{
		Source: name + ".yaml", APIVersion: apiVersion, Kind: kind, Name: name,
		Content: []byte("apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {name: " + name + "}\n" + rest),
	}
}

func TestManifestsAreReadStrictly(t *testing.T) {
	t.Parallel()
	objects, err := decode([]provision.Manifest{
		manifest("v1", "Service", "gw", "spec: {selector: {a: b}, ports: [{name: http, port: 80, targetPort: http}]}"),
		manifest("apps/v1", "Deployment", "gw", "spec: {selector: {}, template: {spec: {containers: []}}}"),
		manifest("policy/v1", "PodDisruptionBudget", "gw", "spec: {}"),
		manifest("batch/v1beta1", "CronJob", "reconcile", "spec: {schedule: '* * * * *', jobTemplate: {spec: {template: {spec: {containers: []}}}}}"),
	}, "ns")
	require.NoError(t, err)
	assert.Len(t, objects.apply, 4)
	assert.Len(t, objects.services, 1)
	assert.Equal(t, "ns", objects.deployments[0].Namespace)
	assert.Len(t, objects.cronJobs, 1)

	_, err = decode([]provision.Manifest{manifest("batch/v1", "Job", "apply", "spec: {backofLimit: 1}")}, "ns")
	require.ErrorContains(t, err, "manifest Job apply (apply.yaml): ")
	require.ErrorContains(t, err, "backofLimit")
}

func TestAnExposureLetsThroughWhatItsRulesSay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		manifest        provision.Manifest
		host            string
		allowed, denied []string
	}{
		{
			"APIRule v2", manifest("gateway.kyma-project.io/v2", "APIRule", "hook", `
spec: {hosts: [hook.example.com], service: {name: gw, port: 80}, rules: [{path: /hook, methods: [POST]}, {path: "/hook/{**}", methods: [POST]}, {path: "/one/{*}/end", methods: [GET]}]}`),
			"hook.example.com",
			[]string{"POST /hook", "POST /hook/", "POST /hook/a/b", "GET /one/x/end"},
			[]string{"GET /hook", "POST /hooks", "POST /", "GET /one/x/y/end", "GET /one//end"},
		},
		{
			"APIRule v1beta1", manifest("gateway.kyma-project.io/v1beta1", "APIRule", "hook", `
spec: {host: hook.example.com, service: {name: gw, port: 80}, rules: [{path: "/hook(/.*)?", methods: [POST]}]}`),
			"hook.example.com", []string{"POST /hook", "POST /hook/a"}, []string{"GET /hook", "POST /hookx", "POST /x/hook"},
		},
		{
			"APIRule v1alpha1", manifest("gateway.kyma-project.io/v1alpha1", "APIRule", "hook", `
spec: {service: {host: hook.example.com, name: gw, port: 80}, rules: [{path: "/.*", methods: [POST]}]}`),
			"hook.example.com", []string{"POST /hook", "POST /"}, []string{"GET /hook"},
		},
		{
			"Ingress", manifest("networking.k8s.io/v1", "Ingress", "hook", `
spec: {rules: [{host: hook.example.com, http: {paths: [
  {path: /hook, pathType: Prefix, backend: {service: {name: gw, port: {name: http}}}},
  {path: /exact, pathType: Exact, backend: {service: {name: gw, port: {name: http}}}}]}}]}`),
			"hook.example.com", []string{"POST /hook", "GET /hook/a", "POST /exact"}, []string{"POST /hooks", "POST /exact/a"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			objects, err := decode([]provision.Manifest{tt.manifest}, "ns")
			require.NoError(t, err)
			require.Len(t, objects.exposures, 1)
			e := objects.exposures[0]
			assert.Equal(t, tt.host, e.host)
			assert.Equal(t, "gw", e.service)
			reached := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
			status := func(call string) int {
				method, path, _ := strings.Cut(call, " ")
				answer := httptest.NewRecorder()
				e.handler(reached).ServeHTTP(answer, httptest.NewRequest(method, path, nil))
				return answer.Code
			}
			for _, call := range tt.allowed {
				assert.Equal(t, http.StatusAccepted, status(call), call)
			}
			for _, call := range tt.denied {
				assert.Equal(t, http.StatusNotFound, status(call), call)
			}
		})
	}
}

func TestPublishedEventsAreComparedWithWhatIsExpected(t *testing.T) {
	t.Parallel()
	want := sample.Event{ID: "a1", Type: "Ticket.Root.Created", Version: "v1", Source: "/tenant/1", Subject: "s", Time: "2020-09-21T15:25:38Z", Data: json.RawMessage(`{"n":1.0,"a":[1]}`)}
	at, err := time.Parse(time.RFC3339, want.Time)
	require.NoError(t, err)
	base := simulator.Published{Event: event.Event{
		ID: "a1", Type: "Ticket.Root.Created.v1", Source: "app", Subject: "s", Time: at, Data: json.RawMessage(`{ "a": [1], "n": 1.0 }`),
		Extensions: map[string]string{"originsource": "/tenant/1"},
	}}
	tests := []struct {
		name       string
		change     func(*simulator.Published)
		same       bool
		difference string
	}{
		{"equal", func(*simulator.Published) {}, true, ""},
		{"another type", func(p *simulator.Published) { p.Event.Type = "Ticket.Root.Deleted.v1" }, false, ""},
		{"another id", func(p *simulator.Published) { p.Event.ID = "a2" }, false, ""},
		{"legacy: prefix and squeezed type, derived id", func(p *simulator.Published) {
			p.Legacy, p.Event.ID, p.Event.Subject, p.Event.Source = true, "fa163e16-4431-1edd-8eb8-351cf99ab8c7", "", "kyma"
			p.Event.Type = "sap.kyma.custom.app.TicketRoot.Created.v1"
		}, true, ""},
		{"another subject", func(p *simulator.Published) { p.Event.Subject = "t" }, true, `subject is "t", want "s"`},
		{"another source", func(p *simulator.Published) { p.Event.Source = "/tenant/1" }, true, "source is /tenant/1, want the application app"},
		{"origin lost", func(p *simulator.Published) { p.Event.Extensions = nil }, true, `extension originsource is "", want "/tenant/1"`},
		{"another time", func(p *simulator.Published) { p.Event.Time = at.Add(time.Second) }, true, "time is 2020-09-21T15:25:39Z, want 2020-09-21T15:25:38Z"},
		{"another number", func(p *simulator.Published) { p.Event.Data = json.RawMessage(`{"n":1,"a":[1]}`) }, true, `data is {"n":1,"a":[1]}, want {"n":1.0,"a":[1]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := base
			tt.change(&p)
			assert.Equal(t, tt.same, same(p, want))
			if tt.same {
				assert.Equal(t, tt.difference, difference(p, want, "app"))
			}
		})
	}
}

func TestTheWorkloadTakesCloudEventsInBothModes(t *testing.T) {
	t.Parallel()
	w := &workload{}
	send := func(contentType, id, body string) int {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		if id != "" {
			r.Header.Set("ce-id", id)
		}
		answer := httptest.NewRecorder()
		w.ServeHTTP(answer, r)
		return answer.Code
	}
	assert.Equal(t, http.StatusNoContent, send("application/json", "one", "{}"))
	assert.Equal(t, http.StatusNoContent, send("application/cloudevents+json; charset=utf-8", "", `{"id":"two"}`))
	assert.Equal(t, http.StatusBadRequest, send("application/json", "", "{}"))
	assert.True(t, w.got("one"))
	assert.True(t, w.got("two"))
	assert.False(t, w.got(""))
}
