package connector_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// TestDraftsLoad: one schema carries systems that differ in everything. The drafts become connectors.
func TestDraftsLoad(t *testing.T) {
	t.Parallel()
	drafts, err := filepath.Glob("testdata/drafts/*")
	require.NoError(t, err)
	require.NotEmpty(t, drafts)
	for _, dir := range drafts {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			d, err := connector.Load(os.DirFS(dir))
			require.NoError(t, err)
			params, err := d.ReadParams(filepath.Join(dir, "samples/params.yaml"))
			require.NoError(t, err)
			auth, err := d.SelectAuth(d.System.Auth, params)
			require.NoError(t, err)
			assert.NotEmpty(t, auth.Parameters())
			application, err := d.Application.Text(params.Input())
			require.NoError(t, err)
			assert.Equal(t, filepath.Base(dir), application)
			assert.NotEmpty(t, d.EventTypes())
		})
	}
}

func TestDraftAlternativesOfAuth(t *testing.T) {
	t.Parallel()
	d, err := connector.Load(os.DirFS("testdata/drafts/cdp"))
	require.NoError(t, err)
	values, err := d.ReadValues("testdata/drafts/cdp/samples/params.yaml")
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

func TestDraftWebhookRequests(t *testing.T) {
	t.Parallel()
	d, err := connector.Load(os.DirFS("testdata/drafts/openconnectors"))
	require.NoError(t, err)
	params, err := d.ReadParams("testdata/drafts/openconnectors/samples/params.yaml")
	require.NoError(t, err)
	in := params.Input()
	in.Item = []byte(`{"id":164195,"name":"my-hubspot","token":"element-token","element":{"name":"HubSpot"}}`)
	in.Vars = map[string]string{"callback": "https://gateway.kyma.example.com/openconnectors", "id": "164195"}
	method, path := d.Webhooks[0].Create.Method()
	assert.Equal(t, "PATCH", method)
	text, err := path.Text(in)
	require.NoError(t, err)
	assert.Equal(t, "/instances/164195", text)
	body, err := d.Webhooks[0].Create.JSON.JSON(in)
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
