package mapping_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox/sample"
)

// files are where a system's definition and its samples are.
func files(name string) (definition, samples string) {
	chart := "../../charts/" + name + "-connector/"
	return chart + "files", chart + "samples/"
}

func connectorOf(t *testing.T, name string) (*connector.Definition, *connector.Params, *mapping.Mapper) {
	t.Helper()
	definition, samples := files(name)
	d, err := connector.Load(os.DirFS(definition))
	require.NoError(t, err)
	params, err := d.ReadParams(samples + "params.yaml")
	require.NoError(t, err)
	m, err := mapping.New(d, &d.Deliveries[0], params.Input())
	require.NoError(t, err)
	return d, params, m
}

// TestSignedExpressions: what the definitions say is signed, and where the signature is, fits recorded
// deliveries. The Qualtrics one is a real capture.
func TestSignedExpressions(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		algorithm func() hash.Hash
		decode    func(string) ([]byte, error)
		sample    string
	}{
		"qualtrics":      {sha512.New, hex.DecodeString, "completed-response"},
		"openconnectors": {sha256.New, base64.StdEncoding.DecodeString, "batch-polled"},
		"github":         {sha256.New, hex.DecodeString, "issue-opened-as-form"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _, m := connectorOf(t, name)
			_, samples := files(name)
			data, err := os.ReadFile(samples + tc.sample + ".http")
			require.NoError(t, err)
			request, err := sample.Parse(data)
			require.NoError(t, err)
			in, err := m.Input(mapping.Delivery{Header: request.Header, Body: request.Body})
			require.NoError(t, err)

			schemes := d.Deliveries[0].Verify.Schemes()
			i := slices.IndexFunc(schemes, func(v connector.Verify) bool { return v.HMAC != nil })
			require.GreaterOrEqual(t, i, 0)
			scheme := schemes[i].HMAC
			key, err := scheme.Keys[0].Text(in)
			require.NoError(t, err)
			message, err := scheme.Message.Text(in)
			require.NoError(t, err)
			signature, err := scheme.Signature.Text(in)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(signature, scheme.Prefix))
			want, err := tc.decode(strings.TrimPrefix(signature, scheme.Prefix))
			require.NoError(t, err)
			mac := hmac.New(tc.algorithm, []byte(key))
			mac.Write([]byte(message))
			assert.Equal(t, want, mac.Sum(nil))
		})
	}
}

func TestMapMQTT(t *testing.T) {
	t.Parallel()
	_, _, m := connectorOf(t, "marketing")
	for name, tc := range map[string]struct {
		body, kind, id, subject string
		at                      time.Time
	}{
		"older payload": {
			`{"eventType":"BO.MarketingPermission.Changed","cloudEventsVersion":"0.1","source":"https://example.com","eventID":"e-1",
			"eventTime":"2019-06-26T13:28:11.000Z","data":{"KEY":[{"MARKETINGPERMISSIONUUID":"4caad296-e0c5-491e-98ac-0ed118f9474e"}],"CONTACTPERMISSION":"Y"}}`,
			"bo.marketingpermission.changed", "e-1", "4caad296-e0c5-491e-98ac-0ed118f9474e", time.Date(2019, 6, 26, 13, 28, 11, 0, time.UTC),
		},
		"CloudEvents payload": {
			`{"specversion":"1.0","type":"sap.s4.beh.marketingcampaign.v1.MarketingCampaign.Completed.v1","source":"/default/sap.s4","id":"e-2",
			"time":"2022-06-26T13:28:11Z","data":{"KEY":[{"CAMPAIGN":"c-1"}]}}`,
			"bo.marketingcampaign.completed", "e-2", "c-1", time.Date(2022, 6, 26, 13, 28, 11, 0, time.UTC),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result := m.Map(mapping.Delivery{Topic: "EXTFACTORY/whatever", Body: []byte(tc.body)})
			require.Equal(t, mapping.Accepted, result.Outcome, result.Reason)
			e := result.Events[0]
			assert.Equal(t, tc.kind, e.Type)
			assert.Equal(t, tc.id, e.ID)
			assert.Equal(t, tc.subject, e.Subject)
			assert.Equal(t, tc.at, e.Time)
		})
	}
	without := []byte(`{"eventType":"BO.Interaction.Created","data":{"KEY":[]}}`)
	first, again := m.Map(mapping.Delivery{Body: without}), m.Map(mapping.Delivery{Body: without})
	require.Equal(t, mapping.Accepted, first.Outcome, first.Reason)
	assert.Equal(t, first.Events[0].ID, again.Events[0].ID, "without an id of the sender, the content makes one")
}
