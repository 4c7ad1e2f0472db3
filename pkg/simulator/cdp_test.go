package simulator_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const (
	cdpQuery  = "?userKey=TESTKEY1&secret=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	dataEvent = "/api/businessunits/4_sampleBusinessUnit/applications/HOxmZ9IsampleApplicat/dataevents/HOxmZ9IsampleDataEven"
)

func cdpParams() map[string]string {
	return map[string]string{
		"system_url": "https://cdp.eu5-prod.gigya.com", "business_unit_id": "4_sampleBusinessUnit", "application_id": "HOxmZ9IsampleApplicat",
		"data_event_id": "HOxmZ9IsampleDataEven", "user_key": "TESTKEY1", "secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
	}
}

func newPlatform(t *testing.T, changes ...string) (system simulator.System, url string) {
	t.Helper()
	system, address := newSystem(t, "cdp", with(cdpParams(), changes...))
	require.Contains(t, system.Hosts(), "cdp.eu5-prod.gigya.com:443")
	return system, address
}

// privateKey makes an RSA key and its PEM text.
func privateKey(t *testing.T) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

func TestCDPNeedsItsParameters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"system_url", "business_unit_id", "application_id", "data_event_id", "user_key", "secret"} {
		refused(t, "cdp", cdpParams(), name, "")
	}
	for name, value := range map[string]string{
		"private_key": "no PEM", "signing_secret": "no Base64!", "simulator_schema": "[", "simulator_schema_check": "x",
		"simulator_schema_form": "x", "simulator_success_body": "x", "simulator_batch_limit": "x",
	} {
		refused(t, "cdp", cdpParams(), name, value)
	}
	refused(t, "cdp", cdpParams(), "private_key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
}

func TestCDPLetsInByThreeWays(t *testing.T) {
	t.Parallel()
	key, text := privateKey(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for _, privateKey := range []string{text, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))} {
		_, address := newPlatform(t, "private_key", privateKey)
		const path = "/api/businessunits"
		assert.Equal(t, 200, get(t, address+path+cdpQuery).status, "user key and secret")

		query := fmt.Sprintf("nonce=%d&timestamp=%d&userKey=TESTKEY1", 42, time.Now().UnixMilli())
		base := "GET&" + url.QueryEscape(address+path) + "&" + url.QueryEscape(query)
		secret, err := base64.StdEncoding.DecodeString(cdpParams()["secret"])
		require.NoError(t, err)
		mac := hmac.New(sha1.New, secret)
		mac.Write([]byte(base))
		signature := url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		assert.Equal(t, 200, get(t, address+path+"?"+query+"&sig="+signature).status, "a signed request")
		assert.Contains(t, get(t, address+path+"?"+query+"&sig="+signature).body, `"errorCode":403004`, "but only once")

		part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
		token := part(`{"alg":"RS256","typ":"JWT","kid":"TESTKEY1"}`) + "." + part(fmt.Sprintf(`{"iat":%d,"jti":"1"}`, time.Now().Unix()))
		digest := sha256.Sum256([]byte(token))
		signed, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		require.NoError(t, err)
		token += "." + base64.RawURLEncoding.EncodeToString(signed)
		assert.Equal(t, 200, get(t, address+path, "Authorization: Bearer "+token).status, "a token")
		assert.Equal(t, 403, get(t, address+path, "Authorization: Bearer "+token[:len(token)-8]+"AAAAAAAA").status)
	}
	_, address := newPlatform(t)
	for query, status := range map[string]int{"": 401, "?userKey=OTHER&secret=x": 403, "?userKey=TESTKEY1&secret=x": 403} {
		got := get(t, address+"/api/businessunits"+query)
		assert.Equal(t, status, got.status, query)
		body := object(t, got.body)
		assert.NotZero(t, body["errorCode"], query)
		assert.NotEmpty(t, got.header.Get("X-Callid"))
		assert.Equal(t, got.header.Get("X-Callid"), body["callId"])
	}
	assert.NotContains(t, get(t, address+"/api/businessunits"+cdpQuery+"&sig=x&timestamp=1&nonce=1").body, cdpParams()["secret"])
}

func TestCDPTree(t *testing.T) {
	t.Parallel()
	_, address := newPlatform(t)
	for path, want := range map[string]string{
		"/api/businessunits":                                                         `[{"enabled":true,"id":"4_sampleBusinessUnit"`,
		"/api/businessunits/4_sampleBusinessUnit":                                    `"id":"4_sampleBusinessUnit"`,
		"/api/businessunits/4_sampleBusinessUnit/purposes":                           `"id":"personalization"`,
		"/api/businessunits/4_sampleBusinessUnit/applications":                       `"id":"HOxmZ9IsampleApplicat"`,
		"/api/businessunits/4_sampleBusinessUnit/applications/HOxmZ9IsampleApplicat": `"type":"Direct"`,
		strings.TrimSuffix(dataEvent, "/HOxmZ9IsampleDataEven"):                      `[{"dataType":0`,
		dataEvent:               `"schema":"{\"properties\":`,
		dataEvent + "/purposes": `[]`,
	} {
		got := get(t, address+path+cdpQuery)
		assert.Equal(t, 200, got.status, path)
		assert.Contains(t, got.body, want, path)
	}
	for _, path := range []string{"/api/businessunits/4_other", "/api/businessunits/4_sampleBusinessUnit/applications/other", dataEvent + "x/status", "/api/none"} {
		got := get(t, address+path+cdpQuery)
		assert.Equal(t, 404, got.status, path)
		assert.Contains(t, got.body, `"errorCode":404000`)
	}
	got := post(t, address+strings.TrimSuffix(dataEvent, "/HOxmZ9IsampleDataEven")+cdpQuery, "application/json", `{"name":"Another"}`)
	assert.Equal(t, 403, got.status, "a key for sending cannot administrate")
	assert.Contains(t, got.body, "403007")

	_, other := newPlatform(t, "simulator_schema_form", "object", "simulator_schema", `{"type":"object"}`)
	assert.Contains(t, get(t, other+dataEvent+cdpQuery).body, `"schema":{"type":"object"}`)
}

func TestCDPTakesEvents(t *testing.T) {
	t.Parallel()
	system, address := newPlatform(t, "purpose_ids", "newsletter")
	status := func() map[string]any { return object(t, get(t, address+dataEvent+"/status"+cdpQuery).body) }
	assert.Equal(t, "NOT_RUN_YET", status()["status"])

	got := post(t, address+dataEvent+"/event"+cdpQuery+"&purposeIds=marketing,newsletter", "application/json", `{"orderCode":"1", "total":10}`)
	require.Equal(t, 200, got.status, got.body)
	assert.EqualValues(t, 0, object(t, got.body)["errorCode"])
	got = post(t, address+dataEvent+"/events"+cdpQuery, "application/json", `[{"orderCode":"2"},{"orderCode":"3"}]`)
	require.Equal(t, 200, got.status, got.body)
	assert.Equal(t, "SUCCESS", status()["status"])
	assert.EqualValues(t, 3, status()["processedRecords"])
	assert.NotEmpty(t, status()["startTime"])

	ingested := system.(simulator.Ingester).Ingested()
	require.Len(t, ingested, 3)
	assert.Equal(t, simulator.Ingested{Target: "HOxmZ9IsampleDataEven", Purposes: []string{"marketing", "newsletter"}, Data: []byte(`{"orderCode":"1", "total":10}`)}, ingested[0])
	assert.JSONEq(t, `{"orderCode":"3"}`, string(ingested[2].Data))
}

func TestCDPRefusesEvents(t *testing.T) {
	t.Parallel()
	system, address := newPlatform(t)
	for _, test := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/event", `{"total":1}`, 400, "event 0: $.orderCode: missing"},
		{"/event", `{"orderCode":"1","email":"x"}`, 400, "$.email: does not match @"},
		{"/event", `[]`, 400, "event 0 is not a JSON object"},
		{"/event", `null`, 400, "event 0 is not a JSON object"},
		{"/event", `{`, 400, "not a JSON object"},
		{"/events", `{"orderCode":"1"}`, 400, "not a JSON array"},
		{"/events", `[{"orderCode":"1"},{}]`, 400, "event 1: $.orderCode: missing"},
		{"/events", "[" + strings.Repeat(`{"orderCode":"1"},`, 50) + `{"orderCode":"1"}]`, 413, "more than 50 events"},
		{"/event", `{"orderCode":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "larger than 1 MiB"},
	} {
		got := post(t, address+dataEvent+test.path+cdpQuery, "application/json", test.body)
		assert.Equal(t, test.status, got.status, test.want)
		assert.Contains(t, got.body, test.want)
		assert.NotZero(t, object(t, got.body)["errorCode"])
	}
	got := post(t, address+dataEvent+"/event"+cdpQuery+"&purposeIds=marketing,spam", "application/json", `{"orderCode":"1"}`)
	assert.Equal(t, 400, got.status)
	assert.Contains(t, got.body, "no such purpose: spam")
	assert.Empty(t, system.(simulator.Ingester).Ingested())
}

// It could not be verified whether the real endpoint checks events before it takes them.
func TestCDPMayCheckEventsLater(t *testing.T) {
	t.Parallel()
	system, address := newPlatform(t, "simulator_schema_check", "count", "simulator_success_body", "empty")
	got := post(t, address+dataEvent+"/events"+cdpQuery, "application/json", `[{"orderCode":"1"},{}]`)
	assert.Equal(t, 200, got.status)
	assert.JSONEq(t, `{}`, got.body)
	status := object(t, get(t, address+dataEvent+"/status"+cdpQuery).body)
	assert.Equal(t, "ERROR", status["status"])
	assert.EqualValues(t, 1, status["processedRecords"])
	assert.Equal(t, []any{"event 1: $.orderCode: missing"}, status["recordLogs"])
	assert.Len(t, system.(simulator.Ingester).Ingested(), 1)
}

func TestCDPHasFaults(t *testing.T) {
	t.Parallel()
	system, address := newPlatform(t)
	_, err := system.Faults().Add(simulator.Fault{Path: "/events$", Status: 429, RetryAfter: 7, Times: 1})
	require.NoError(t, err)
	got := post(t, address+dataEvent+"/events"+cdpQuery, "application/json", `[]`)
	assert.Equal(t, 429, got.status)
	assert.Equal(t, "7", got.header.Get("Retry-After"))
	assert.Equal(t, 200, post(t, address+dataEvent+"/events"+cdpQuery, "application/json", `[]`).status)
	assert.Len(t, system.Calls(), 2)
}

func TestCDPActionsCallARESTConnector(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	system, _ := newPlatform(t)
	platform := system.(simulator.Notifier)
	require.ErrorContains(t, platform.Fire(t.Context(), simulator.Notification{Type: "profile.updated"}), "no consumer is connected")
	require.NoError(t, platform.Connect(simulator.Consumer{Client: nearby(), Endpoint: inbox.URL + "/cdp", User: "cdp", Password: "action-pw"}))
	require.NoError(t, platform.Fire(t.Context(), simulator.Notification{ID: "c1", Type: "audience.member.added", Entity: "cust-1", Extra: map[string]any{"actionId": "a1"}}))
	d := inbox.got()[0]
	assert.Equal(t, "/cdp/audience.member.added", d.path)
	assert.Equal(t, "Basic Y2RwOmFjdGlvbi1wdw==", d.header.Get("Authorization"))
	assert.Equal(t, "application/json", d.header.Get("Content-Type"))
	assert.JSONEq(t, `{"callId":"c1","businessUnitId":"4_sampleBusinessUnit","applicationId":"HOxmZ9IsampleApplicat","actionId":"a1",
		"customer":{"id":"cust-1","primaryEmail":"ada@example.com"},"audience":{"id":"Lk9PoIuYtRewQaSdFgHjKl","name":"Gold customers"}}`, d.body)
	for _, name := range platform.Types() {
		require.NoError(t, platform.Fire(t.Context(), simulator.Notification{Type: name}))
	}
	assert.Len(t, inbox.got(), 6)

	assert.ErrorContains(t, platform.Fire(t.Context(), simulator.Notification{Type: "fax"}), "choose one of profile.updated")
	assert.ErrorContains(t, platform.Fire(t.Context(), simulator.Notification{Type: "profile.updated", Extra: map[string]any{"x": func() {}}}), "cannot be written as JSON")
	inbox.answer(500)
	require.NoError(t, platform.Connect(simulator.Consumer{Client: nearby(), Endpoint: inbox.URL, MaxAttempts: 1}))
	require.NoError(t, platform.Fire(t.Context(), simulator.Notification{ID: "c2", Type: "profile.updated"}))
	eventually(t, func() bool { return states(platform)[6] == simulator.Failed })
	inbox.answer(200)
	require.NoError(t, platform.Resend(t.Context(), "c2"))
}
