package registration_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// simulation is a connector and the system that it is for, as it is simulated.
type simulation struct {
	system  simulator.System
	catalog *registrationtest.Catalog
	options registration.Options
	deps    registration.Dependencies
}

// simulate begins with the parameters of the connector's samples; $URL stands for the system's address. An empty
// value takes a parameter away.
func simulate(t *testing.T, name string, params map[string]string) *simulation {
	t.Helper()
	dir := filepath.Join("../../charts", name+"-connector", "files")
	samples := filepath.Join(dir, "../samples/params.yaml")
	d, err := connector.Load(os.DirFS(dir))
	require.NoError(t, err)
	values, err := d.ReadValues(samples)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	for key, value := range params {
		if values[key] = strings.NewReplacer("$URL", server.URL, "$HOST", u.Host).Replace(value); value == "" {
			delete(values, key)
		}
	}
	s := &simulation{catalog: &registrationtest.Catalog{}}
	s.system, err = simulator.NewSystem(name, values)
	require.NoError(t, err)
	t.Cleanup(s.system.Close)
	for _, handler := range s.system.Hosts() {
		server.Config.Handler = handler
	}
	maps.DeleteFunc(values, func(name, _ string) bool { return strings.HasPrefix(name, "simulator_") }) // no field of the form
	resolved, err := d.ResolveParams(values)
	require.NoError(t, err)
	s.options = registration.Options{Definition: d, Params: resolved, Instance: "ns/" + name, Policy: registration.Policy(d.Policy)}
	s.deps = registration.Dependencies{
		Catalog: s.catalog, State: &registrationtest.State{}, Log: slog.New(slog.DiscardHandler),
		HTTP: httpclient.New(httpclient.Options{Transport: server.Client().Transport, Timeout: 10 * time.Second, Retry: httpclient.Retry{Attempts: 1, Wait: func(context.Context, time.Duration) error { return nil }}}),
	}
	return s
}

// run registers, and looks for secrets in the report.
func (s *simulation) run(t *testing.T) *registration.Report {
	t.Helper()
	report := registration.Run(t.Context(), s.options, s.deps)
	secrettest.AssertNoLeak(t, fmt.Sprintf("%+v", report), s.options.Params.Secrets()...)
	return report
}

// TestSimulatedSignatures signs calls in three ways against a system that checks them.
func TestSimulatedSignatures(t *testing.T) {
	t.Parallel()
	key, _ := keyPair(t)
	const (
		signing  = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
		listener = "$URL/api/businessunits/4_sampleBusinessUnit/applications/HOxmZ9IsampleApplicat/dataevents/HPq2V8sampleDataEvent/event"
	)
	tests := map[string]struct {
		params map[string]string
		note   string
	}{
		"key and secret in the query": {map[string]string{}, ""},
		"a signed request":            {map[string]string{"signing_secret": signing, "secret": ""}, "registered without credentials"},
		"a signed token":              {map[string]string{"private_key": key}, `signs in by "query" instead of "jwt"`},
		"a signed token only":         {map[string]string{"private_key": key, "secret": ""}, "registered without credentials"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.params["listener_url"] = listener
			s := simulate(t, "cdp", tt.params)
			report := s.run(t)
			got := row(t, report, "ingest")
			require.Equal(t, registration.OutcomeRegistered, got.Outcome, "%+v", got)
			assert.Contains(t, got.Note, tt.note)
			assert.Zero(t, s.run(t).Writes)
		})
	}
	t.Run("a wrong key", func(t *testing.T) {
		t.Parallel()
		s := simulate(t, "cdp", map[string]string{"listener_url": listener, "private_key": key})
		other, _ := keyPair(t)
		values, err := s.options.Definition.ReadValues("../../charts/cdp-connector/samples/params.yaml")
		require.NoError(t, err)
		values["listener_url"], values["private_key"] = s.options.Params.Get("listener_url"), other
		s.options.Params, err = s.options.Definition.ResolveParams(values)
		require.NoError(t, err)
		assert.Equal(t, registration.ClassUnauthorized, row(t, s.run(t), "ingest").Class)
	})
}

// TestSimulatedInstances registers what the system lists, each with a token of its own.
func TestSimulatedInstances(t *testing.T) {
	t.Parallel()
	s := simulate(t, "openconnectors", map[string]string{"host_name": "example.com"})
	assert.Equal(t, registration.Sync, s.options.Policy)
	report := s.run(t)
	require.Len(t, outcomes(report), 3)
	for i, entry := range s.catalog.Entries()[:2] {
		require.Equal(t, registration.OutcomeRegistered, report.Services[i].Outcome, "%+v", report.Services[i])
		api := entry.Service.API
		assert.Empty(t, api.SecretName)
		authorization := api.Headers["Authorization"][0].Reveal()
		user, token, ok := strings.Cut(authorization, ", Element ")
		require.True(t, ok)
		assert.Equal(t, "User sample-user-secret, Organization sample-organization-secret", user)
		secrettest.AssertNoLeak(t, fmt.Sprintf("%+v", report), secret.New(token))
		assert.True(t, strings.HasSuffix(api.SpecificationURL, "/docs?version=-1"), api.SpecificationURL)
		assert.True(t, api.SpecificationAuth)
	}
	assert.Zero(t, s.run(t).Writes)
	assert.Len(t, s.catalog.Entries(), 3, "a third instance has another tag")
}

// TestSimulatedTags: one of several tags is enough, whatever the system makes of a question for several of them.
func TestSimulatedTags(t *testing.T) {
	t.Parallel()
	for _, listing := range []string{"any", "all"} {
		for tags, want := range map[string]int{"kyma": 2, "kyma,other": 3, "nobody,other": 1, "nobody": 0, "": 3} {
			t.Run(listing+" "+tags, func(t *testing.T) {
				t.Parallel()
				s := simulate(t, "openconnectors", map[string]string{"host_name": "example.com", "filter_tags": tags, "simulator_tags": listing, "simulator_instance_tags": "kyma"})
				assert.Equal(t, want, s.run(t).APIs.Registered)
			})
		}
	}
}

func TestSimulatedKeys(t *testing.T) {
	t.Parallel()
	for name, params := range map[string]map[string]string{
		"litmos": {"system_url": "$URL/v1.svc"}, "github": {"system_url": "$URL"}, "qualtrics": {"system_url": "$URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := simulate(t, name, params)
			report := s.run(t)
			require.True(t, report.OK, "%+v", report.Services)
			assert.Zero(t, s.run(t).Writes)
		})
	}
}

// TestSimulatedArrangements registers the services that a tenant exposes; for each of the others the report says what
// exposes it.
func TestSimulatedArrangements(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"403", "404"} {
		t.Run(missing, func(t *testing.T) {
			t.Parallel()
			testArrangements(t, missing)
		})
	}
}

func testArrangements(t *testing.T, missing string) {
	t.Helper()
	s := simulate(t, "marketing", map[string]string{"system_url": "$URL", "simulator_enabled": "API_MKT_CONTACT_SRV,API_MKT_SCORE_SRV", "simulator_missing": missing})
	report := s.run(t)
	require.True(t, report.OK, "%+v", report.Services)
	assert.Equal(t, 2, report.APIs.Registered)
	assert.Equal(t, 27, report.APIs.Skipped)
	for id, next := range map[string]string{
		"campaigns": "SAP_COM_0204", "interactions": "SAP_COM_0206", "products": "SAP_COM_0171", "interaction-contacts": "SAP_COM_0207",
		"external-recommendations": "SAP_COM_0300", "master-data-import": "SAP_COM_0003", "offers": "SAP_COM_0306",
		"surveys": "whose inbound services hold CUAN_SURVEY_IMPORT_SRV",
	} {
		skipped := row(t, report, id)
		assert.Equal(t, registration.OutcomeSkipped, skipped.Outcome, id)
		assert.Contains(t, skipped.Next, next)
	}
	contacts := slices.IndexFunc(s.catalog.Entries(), func(e registrationtest.Entry) bool {
		return strings.Contains(e.Service.API.TargetURL, "API_MKT_CONTACT_SRV")
	})
	require.GreaterOrEqual(t, contacts, 0)
	api := s.catalog.Entries()[contacts].Service.API
	root := s.options.Params.Get("system_url") + "/sap/opu/odata/sap/API_MKT_CONTACT_SRV;v=0002/"
	assert.Equal(t, root, strings.TrimSuffix(api.TargetURL, "/")+"/", "the version is not escaped")
	assert.Equal(t, root, api.CSRFTokenURL)
	assert.Zero(t, s.run(t).Writes)
}
