package addonctl

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// What a form can choose, and what could not be verified about a system, is tried in each of its positions.
func TestTryConnectorsWithOtherParameters(t *testing.T) {
	t.Parallel()
	all := func(r *sandbox.Report) bool {
		return r.Notifications.Sent > 1 && r.Notifications.Delivered == r.Notifications.Sent
	}
	none := func(r *sandbox.Report) bool { return r.Notifications.Sent == 0 }
	for name, tt := range map[string]struct {
		addon         string
		parameters    map[string]string
		notifications func(*sandbox.Report) bool
	}{
		"Qualtrics with what is wanted":           {"qualtrics-connector", map[string]string{"webhook_mode": "dynamic"}, all},
		"Qualtrics with subscriptions by others":  {"qualtrics-connector", map[string]string{"webhook_mode": "none"}, none},
		"GitHub with an organization":             {"github-connector", map[string]string{"repository": ""}, all},
		"GitHub with what is wanted":              {"github-connector", map[string]string{"webhook_mode": "dynamic"}, all},
		"GitHub with some events":                 {"github-connector", map[string]string{"events": "push, issues"}, all},
		"GitHub with a webhook by others":         {"github-connector", map[string]string{"webhook_mode": "none"}, none},
		"GitHub with an enterprise server":        {"github-connector", map[string]string{"system_url": "https://github.example.com/api/v3"}, all},
		"Litmos with another region":              {"litmos-connector", map[string]string{"system_url": "https://api.litmoseu.com/v1.svc"}, all},
		"Litmos with credentials of the operator": {"litmos-connector", map[string]string{"event_user": "me", "event_password": "my-event-password", "event_token": "a-token-of-more-than-32-characters"}, all},
		"Open Connectors with webhooks":           {"openconnectors-connector", map[string]string{"vendor_type": "webhooks", "poller_configuration": ""}, all},
		"Open Connectors with the other spelling": {"openconnectors-connector", map[string]string{"vendor_type": "webhook"}, all},
		"Open Connectors with all instances":      {"openconnectors-connector", map[string]string{"filter_tags": ""}, all},
		"Open Connectors without events":          {"openconnectors-connector", map[string]string{"receive_events": "false"}, none},
		"CDP with signed requests":                {"cdp-connector", map[string]string{"secret": "", "signing_secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"}, all},
		"CDP with tokens":                         {"cdp-connector", map[string]string{"secret": "", "private_key": privateKey(t)}, all},
		"CDP without events of Kyma":              {"cdp-connector", map[string]string{"relay_types": "", "relay_source": ""}, all},
		"CDP with events of its own Application":  {"cdp-connector", map[string]string{"relay_source": "", "purpose_ids": ""}, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := sandbox.Try(t.Context(), *newTrialWith(t, tt.addon, tt.parameters))
			assert.True(t, report.OK, report.Problems)
			assert.True(t, tt.notifications(report), report.Notifications)
		})
	}
}

// What could not be verified about a system is a line of its definition that takes either: here the simulator does it
// the other way than it does by itself.
func TestTryConnectorsWithWhatIsNotVerified(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		addon      string
		simulated  map[string]string
		parameters map[string]string
	}{
		"C4C by the older path":                           {"c4c-connector", map[string]string{"simulator_paths": "byd"}, nil},
		"C4C by the newer path":                           {"c4c-connector", map[string]string{"simulator_paths": "c4c"}, nil},
		"C4C by a path of its own":                        {"c4c-connector", map[string]string{"odata_path": "/sap/c4c/odata/v2/other/"}, map[string]string{"odata_path": "/sap/c4c/odata/v2/other/"}},
		"C4C with its catalog of services":                {"c4c-connector", nil, map[string]string{"discover_services": "true"}},
		"C4C without a catalog of services":               {"c4c-connector", map[string]string{"simulator_catalog": "no"}, map[string]string{"discover_services": "true"}},
		"Qualtrics with a brand with a dash":              {"qualtrics-connector", map[string]string{"simulator_brand": "acme-corp"}, nil},
		"Qualtrics with small pages":                      {"qualtrics-connector", map[string]string{"simulator_page_size": "3"}, nil},
		"CDP that takes what does not fit its model":      {"cdp-connector", map[string]string{"simulator_schema_check": "count"}, nil},
		"CDP that shows its model as an object":           {"cdp-connector", map[string]string{"simulator_schema_form": "object"}, nil},
		"CDP that answers nothing":                        {"cdp-connector", map[string]string{"simulator_success_body": "empty"}, nil},
		"CDP that takes two events together":              {"cdp-connector", map[string]string{"simulator_batch_limit": "2"}, nil},
		"Open Connectors that wants all tags":             {"openconnectors-connector", map[string]string{"simulator_tags": "all", "simulator_instance_tags": "kyma"}, map[string]string{"filter_tags": "kyma,other"}},
		"Open Connectors with another word for delivered": {"openconnectors-connector", map[string]string{"simulator_delivered_status": "CONSUMED"}, map[string]string{"delivered_statuses": "CONSUMED"}},
		"Litmos that spells as its console":               {"litmos-connector", map[string]string{"simulator_spelling": "title"}, nil},
		"GitHub with forms":                               {"github-connector", map[string]string{"simulator_content_type": "form"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trial := newTrialWith(t, tt.addon, tt.parameters)
			maps.Copy(trial.Parameters, tt.simulated)
			report := sandbox.Try(t.Context(), *trial)
			assert.True(t, report.OK, report.Problems)
			assert.Positive(t, report.APIs.Registered)
			assert.Equal(t, report.Notifications.Sent, report.Notifications.Delivered)
			assert.Positive(t, report.Notifications.Delivered)
		})
	}
}

// An operator who fills in no more than what is required, and one way to sign in, gets a working connector, too: short
// host names where the domain is not needed, generated credentials.
func TestTryConnectorsWithTheRequiredParametersOnly(t *testing.T) {
	t.Parallel()
	charts, err := filepath.Glob("../../../charts/*-connector")
	require.NoError(t, err)
	require.NotEmpty(t, charts)
	for _, chart := range charts {
		t.Run(filepath.Base(chart), func(t *testing.T) {
			t.Parallel()
			d, err := connector.Load(os.DirFS(filepath.Join(chart, "files")))
			require.NoError(t, err)
			params, err := d.ReadParams(filepath.Join(chart, "samples/params.yaml"))
			require.NoError(t, err)
			auth, err := d.SelectAuth(d.System.Auth, params)
			require.NoError(t, err)
			empty, required := map[string]string{}, 0
			for name, p := range d.Parameters {
				switch {
				case p.Required:
					required++
				case !slices.Contains(auth.Parameters(), name):
					empty[name] = ""
				}
			}
			assert.LessOrEqual(t, required, 4, "more is too much to ask for")
			report := sandbox.Try(t.Context(), *newTrialWith(t, filepath.Base(chart), empty))
			assert.True(t, report.OK, report.Problems)
			assert.Positive(t, report.Notifications.Delivered)
		})
	}
}

// newTrialWith is what the command would run with a file of parameters: the samples' own with changes, of which an
// empty one leaves the field empty.
func newTrialWith(t *testing.T, addon string, changes map[string]string) *sandbox.Trial {
	t.Helper()
	chart := filepath.Join("../../../charts", addon)
	d, err := connector.Load(os.DirFS(filepath.Join(chart, "files")))
	require.NoError(t, err)
	values, err := d.ReadValues(filepath.Join(chart, "samples/params.yaml"))
	require.NoError(t, err)
	maps.DeleteFunc(values, func(name, _ string) bool { return d.Parameters[name].Generate != nil })
	maps.Copy(values, changes)
	maps.DeleteFunc(values, func(_, value string) bool { return value == "" })
	data, err := yaml.Marshal(values)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "params.yaml")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	o := &tryOptions{addon: addon, plan: "default", kyma: string(simulator.Current), params: file, binDir: binaries(t), once: true}
	trial, err := o.trial(&Context{})
	require.NoError(t, err)
	return trial
}

// Each simulated system demands what the real one does: with any other secret than the form's, a trial fails and names
// the field.
func TestTryConnectorsWithAWrongSecret(t *testing.T) {
	t.Parallel()
	for _, addon := range connectors(t) {
		d, err := connector.Load(os.DirFS(filepath.Join("../../../charts", addon, "files")))
		require.NoError(t, err)
		params, err := d.ReadParams(filepath.Join("../../../charts", addon, "samples/params.yaml"))
		require.NoError(t, err)
		auth, err := d.SelectAuth(d.System.Auth, params)
		require.NoError(t, err)
		secrets := slices.DeleteFunc(auth.Parameters(), func(name string) bool { return d.Parameters[name].Kind != connector.KindSecret })
		require.NotEmpty(t, secrets, addon)
		for _, parameter := range secrets {
			t.Run(addon+"/"+parameter, func(t *testing.T) {
				t.Parallel()
				trial := newTrialWith(t, addon, nil)
				trial.Parameters[parameter] = "another" // the system's, which is not what the form was filled in with
				report := sandbox.Try(t.Context(), *trial)
				assert.False(t, report.OK)
				assert.Regexp(t, `(the system refuses the credentials|the user may not call it) \(next: .* the parameters? .*"`+parameter+`"`, strings.Join(report.Problems, "\n"))
			})
		}
	}
}

// A sender with another secret than the gateway's is refused, by every connector.
func TestTryConnectorsWithAWrongSender(t *testing.T) {
	t.Parallel()
	secrets := map[string][]string{
		"c4c-connector":            {"event_password"},
		"cdp-connector":            {"action_password"},
		"github-connector":         {"secret"},
		"litmos-connector":         {"event_password", "event_token"},
		"marketing-connector":      {"oauth_client_secret"},
		"openconnectors-connector": {"signature_key"},
		"qualtrics-connector":      {"shared_key"},
	}
	for _, addon := range connectors(t) {
		t.Run(addon, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, secrets[addon])
			trial := newTrialWith(t, addon, nil)
			for _, name := range secrets[addon] {
				require.NotEmpty(t, trial.SampleParams[name])
				trial.SampleParams[name] = strings.Repeat("another-secret", 3) // what the samples are not signed with, so that nobody signs them anew
			}
			accepted := slices.IndexFunc(trial.Samples, func(s sample.Sample) bool { return s.Golden.Outcome == sample.Accepted })
			require.GreaterOrEqual(t, accepted, 0)
			trial.Samples = trial.Samples[accepted : accepted+1] // more failures would shut out the system, too
			report := sandbox.Try(t.Context(), *trial)
			assert.False(t, report.OK)
			assert.Contains(t, strings.Join(report.Problems, "\n"), "401")
			assert.Zero(t, report.Events.Delivered)
		})
	}
}

// connectors are the add-ons that charts/ has.
func connectors(t *testing.T) []string {
	t.Helper()
	charts, err := filepath.Glob("../../../charts/*-connector")
	require.NoError(t, err)
	require.NotEmpty(t, charts)
	for i := range charts {
		charts[i] = filepath.Base(charts[i])
	}
	return charts
}

// privateKey is an RSA key in PEM form.
func privateKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}
