package connector_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// charts are where the definitions of the connectors are.
const charts = "../../charts/"

// TestConnectorsLoad: one schema carries systems that differ in everything.
func TestConnectorsLoad(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob(charts + "*-connector")
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			d, err := connector.Load(os.DirFS(filepath.Join(dir, "files")))
			require.NoError(t, err)
			params, err := d.ReadParams(filepath.Join(dir, "samples/params.yaml"))
			require.NoError(t, err)
			auth, err := d.SelectAuth(d.System.Auth, params)
			require.NoError(t, err)
			assert.NotEmpty(t, auth.Parameters())
			application, err := d.Application.Text(params.Input())
			require.NoError(t, err)
			assert.Equal(t, strings.TrimSuffix(filepath.Base(dir), "-connector"), application)
			assert.NotEmpty(t, d.EventTypes())
		})
	}
}

func TestAlternativesOfAuth(t *testing.T) {
	t.Parallel()
	const dir = charts + "cdp-connector/"
	d, err := connector.Load(os.DirFS(dir + "files"))
	require.NoError(t, err)
	values, err := d.ReadValues(dir + "samples/params.yaml")
	require.NoError(t, err)
	params, err := d.ResolveParams(values)
	require.NoError(t, err)
	auth, err := d.SelectAuth(d.System.Auth, params)
	require.NoError(t, err)
	assert.NotNil(t, auth.Query, "without a private key the key and the secret go with the query")

	values["private_key"] = "-----BEGIN PRIVATE KEY-----\n…"
	params, err = d.ResolveParams(values)
	require.NoError(t, err)
	auth, err = d.SelectAuth(d.System.Auth, params)
	require.NoError(t, err)
	assert.NotNil(t, auth.JWT)

	types, err := d.Relay[0].From.Types.List(params.Input())
	require.NoError(t, err)
	assert.Equal(t, []string{"order.created.v1", "order.paid.v1"}, types)
}

func TestRequestOfAWebhook(t *testing.T) {
	t.Parallel()
	const dir = charts + "openconnectors-connector/"
	d, err := connector.Load(os.DirFS(dir + "files"))
	require.NoError(t, err)
	values, err := d.ReadValues(dir + "samples/params.yaml")
	require.NoError(t, err)
	values["poller_configuration"] = `{"hubspotcrm": {"contacts": {"url": "/contacts", "idField": "id"}}}`
	params, err := d.ResolveParams(values)
	require.NoError(t, err)
	in := params.Input()
	in.Item = []byte(`{"id":164195,"name":"my-hubspot","token":"element-token","element":{"name":"HubSpot","key":"hubspotcrm"}}`)
	in.Vars = map[string]string{"callback": "https://gateway.kyma.example.com/openconnectors", "id": "164195"}
	create := d.Webhooks[1].Create
	method, path := create.Method()
	assert.Equal(t, "PATCH", method)
	text, err := path.Text(in)
	require.NoError(t, err)
	assert.Equal(t, "/instances/164195", text)
	body, err := create.JSON.JSON(in)
	require.NoError(t, err)
	assert.JSONEq(t, `{"configuration":{
		"event.notification.enabled": true,
		"event.vendor.type": "polling",
		"event.notification.callback.url": "https://gateway.kyma.example.com/openconnectors",
		"event.notification.signature.key": "sample-signature-key",
		"event.poller.refresh_interval": "5",
		"event.poller.configuration": {"contacts": {"url": "/contacts", "idField": "id"}}}}`, string(body))
	header, err := d.APIs[0].Auth[0].Header["Authorization"].Text(in)
	require.NoError(t, err)
	assert.Equal(t, "User sample-user-secret, Organization sample-organization-secret, Element element-token", header)
}
