package simulator_test

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const qualtricsToken = "X-API-TOKEN: aaaaaaaaaaaaaaaaaaaaaaaa"

func qualtricsParams() map[string]string {
	return map[string]string{"system_url": "https://my-brand.ca1.qualtrics.com", "api_key": "aaaaaaaaaaaaaaaaaaaaaaaa"}
}

// newBrand makes a brand at Qualtrics whose API is below url.
func newBrand(t *testing.T, changes ...string) (brand simulator.Notifier, api string) {
	t.Helper()
	system, address := newSystem(t, "qualtrics", with(qualtricsParams(), changes...))
	require.Contains(t, system.Hosts(), "my-brand.ca1.qualtrics.com:443")
	brand = system.(simulator.Notifier)
	require.NoError(t, brand.Connect(simulator.Consumer{Client: nearby()}))
	return brand, address + "/API/v3"
}

// subscribe subscribes an address to topics and returns the subscription's id.
func subscribe(t *testing.T, api, topics, address, key string) string {
	t.Helper()
	body := fmt.Sprintf(`{"topics":%q,"publicationUrl":%q,"encrypt":false,"sharedKey":%q}`, topics, address, key)
	got := do(t, request(t, "POST", api+"/eventsubscriptions/", body, qualtricsToken, "Content-Type: application/json"))
	require.Equal(t, 200, got.status, got.body)
	id := object(t, got.body)["result"].(map[string]any)["id"].(string)
	assert.Regexp(t, `^SUB_\w{15}$`, id)
	return id
}

func TestQualtricsNeedsAddressAndKey(t *testing.T) {
	t.Parallel()
	refused(t, "qualtrics", qualtricsParams(), "system_url", "")
	refused(t, "qualtrics", qualtricsParams(), "api_key", "")
	refused(t, "qualtrics", qualtricsParams(), "simulator_page_size", "0")
	refused(t, "qualtrics", qualtricsParams(), "simulator_brand_admin", "perhaps")
}

func TestQualtricsAnswersInEnvelopes(t *testing.T) {
	t.Parallel()
	_, api := newBrand(t)
	for _, test := range []struct {
		name, method, path, token string
		status                    int
		want                      string
	}{
		{"who am I", "GET", "/whoami", qualtricsToken, 200, `"brandId":"my-brand"`},
		{"a list", "GET", "/surveys", qualtricsToken, 200, `"nextPage":null`},
		{"one of a list", "GET", "/surveys/SV_1AmkKSDmoZ4XlQx", qualtricsToken, 200, `"result":{"id":"SV_1AmkKSDmoZ4XlQx"`},
		{"one that is not there", "GET", "/surveys/SV_none", qualtricsToken, 404, `"httpStatus":"404 - Not Found"`},
		{"an unknown resource", "GET", "/none", qualtricsToken, 404, "does not exist"},
		{"no token", "GET", "/whoami", "X: y", 401, `"httpStatus":"401 - Unauthorized"`},
		{"a wrong token", "GET", "/whoami", "X-API-TOKEN: b", 401, `"errorMessage":"Unrecognized X-API-TOKEN."`},
		{"a subscription cannot be changed", "PUT", "/eventsubscriptions/SUB_1", qualtricsToken, 405, "not supported"},
	} {
		got := do(t, request(t, test.method, api+test.path, "", test.token))
		assert.Equal(t, test.status, got.status, test.name)
		assert.Contains(t, got.body, test.want, test.name)
		assert.NotEmpty(t, object(t, got.body)["meta"].(map[string]any)["requestId"], test.name)
	}
}

func TestQualtricsSubscriptionsAreCreatedListedAndDeleted(t *testing.T) {
	t.Parallel()
	_, api := newBrand(t)
	id := subscribe(t, api, "surveyengine.completedResponse.*", "https://gateway.example.com/qualtrics", "kyma4ever")

	got := get(t, api+"/eventsubscriptions/", qualtricsToken)
	assert.JSONEq(t, fmt.Sprintf(`{"elements":[{"id":%q,"scope":"brand","topics":"surveyengine.completedResponse.*","publicationUrl":"https://gateway.example.com/qualtrics","encrypted":false,"successfulCalls":0}],"nextPage":null}`, id),
		mustMarshal(t, object(t, got.body)["result"]))
	assert.NotContains(t, got.body, "kyma4ever", "the shared key cannot be read back")
	assert.Contains(t, get(t, api+"/eventsubscriptions/"+id, qualtricsToken).body, `"topics":"surveyengine.completedResponse.*"`)

	deleted := do(t, request(t, "DELETE", api+"/eventsubscriptions/"+id, "", qualtricsToken))
	assert.Equal(t, 200, deleted.status)
	assert.NotContains(t, deleted.body, "result")
	assert.Equal(t, 404, do(t, request(t, "DELETE", api+"/eventsubscriptions/"+id, "", qualtricsToken)).status)
	assert.Equal(t, 404, get(t, api+"/eventsubscriptions/"+id, qualtricsToken).status)
}

func mustMarshal(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

func TestQualtricsListsPageByPage(t *testing.T) {
	t.Parallel()
	_, api := newBrand(t, "simulator_page_size", "2")
	for range 5 {
		subscribe(t, api, "threesixty.created", "https://gateway.example.com/qualtrics", "k")
	}
	ids, pages := map[any]bool{}, 0
	for next := api + "/eventsubscriptions/"; next != ""; pages++ {
		result := object(t, get(t, next, qualtricsToken).body)["result"].(map[string]any)
		for _, element := range result["elements"].([]any) {
			ids[element.(map[string]any)["id"]] = true
		}
		next, _ = result["nextPage"].(string)
	}
	assert.Len(t, ids, 5)
	assert.Equal(t, 3, pages)
	assert.Equal(t, 400, get(t, api+"/eventsubscriptions/?offset=x", qualtricsToken).status)
}

func TestQualtricsRefusesSubscriptions(t *testing.T) {
	t.Parallel()
	_, api := newBrand(t)
	for body, want := range map[string]int{
		`not JSON`: 400,
		`{"topics":["a"],"publicationUrl":"https://x"}`:                                                                         400, // topics is one text
		`{"topics":"surveyengine.unknown","publicationUrl":"https://x"}`:                                                        400,
		`{"topics":"surveyengine.completedResponse","publicationUrl":"https://x"}`:                                              400, // of a survey, or of all by *
		`{"topics":"threesixty.created","publicationUrl":"gateway"}`:                                                            400,
		`{"topics":"threesixty.created","publicationUrl":"https://x","encrypt":true}`:                                           400,
		`{"topics":"threesixty.created","publicationUrl":"https://x","encrypt":true,"sharedKey":"0123456789abcdef"}`:            501,
		`{"topics":"surveyengine.completedResponse.SV_1","publicationUrl":"https://x","encrypt":false,"sharedKey":"kyma4ever"}`: 200,
		`{"topics":"*","publicationUrl":"https://x"}`:                                                                           200,
	} {
		got := do(t, request(t, "POST", api+"/eventsubscriptions/", body, qualtricsToken))
		assert.Equal(t, want, got.status, body)
	}
	_, other := newBrand(t, "simulator_brand_admin", "no")
	got := get(t, other+"/eventsubscriptions/", qualtricsToken)
	assert.Equal(t, 403, got.status)
	assert.Contains(t, got.body, "brand administrator")
	assert.Equal(t, 200, get(t, other+"/whoami", qualtricsToken).status, "the key works for everything else")
}

// Each delivery is a form, signed over the text of MSG as it is after decoding.
func TestQualtricsPostsSignedForms(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	brand, api := newBrand(t, "simulator_brand", "sapdevelopment")
	id := subscribe(t, api, "surveyengine.completedResponse.SV_1AmkKSDmoZ4XlQx", inbox.URL, "kyma4ever")
	at := time.Date(2019, 6, 25, 14, 58, 25, 0, time.UTC)
	for range 4 {
		require.NoError(t, brand.Fire(t.Context(), simulator.Notification{Type: "surveyengine.completedResponse", Root: "SV_1AmkKSDmoZ4XlQx", Entity: "R_0B7IcnXszjEUHLP", Time: at}))
	}
	require.NoError(t, brand.Fire(t.Context(), simulator.Notification{Type: "surveyengine.completedResponse", Root: "SV_other"}))

	first, spaces := map[string]bool{}, map[bool]bool{}
	require.Len(t, inbox.got(), 4, "the other survey is not subscribed to")
	for _, d := range inbox.got() {
		assert.Equal(t, "application/x-www-form-urlencoded", d.header.Get("Content-Type"))
		form, err := url.ParseQuery(d.body)
		require.NoError(t, err)
		assert.Len(t, form, 4)
		assert.Contains(t, form, "undefined", "a field without a meaning")
		assert.Equal(t, "sapdevelopment.surveyengine.completedResponse.SV_1AmkKSDmoZ4XlQx", form.Get("Topic"))
		assert.JSONEq(t, `{"Status":"Complete","SurveyID":"SV_1AmkKSDmoZ4XlQx","ResponseID":"R_0B7IcnXszjEUHLP","CompletedDate":"2019-06-25 07:58:25","BrandID":"sapdevelopment"}`, form.Get("MSG"))
		mac := hmac.New(sha512.New, []byte("kyma4ever"))
		mac.Write([]byte(form.Get("MSG")))
		assert.Equal(t, hex.EncodeToString(mac.Sum(nil)), form.Get("HMAC"))
		name, _, _ := strings.Cut(d.body, "=")
		first[name] = true
		spaces[strings.Contains(d.body, "%20")] = true
	}
	assert.Len(t, first, 4, "the order of the fields varies")
	assert.Len(t, spaces, 2, "so does how spaces are written")
	assert.Contains(t, get(t, api+"/eventsubscriptions/"+id, qualtricsToken).body, `"successfulCalls":4`)
}

func TestQualtricsSendsOncePerSubscription(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	brand, api := newBrand(t)
	all := subscribe(t, api, "*", inbox.URL+"/all", "a")
	some := subscribe(t, api, "threesixty.*", inbox.URL+"/some", "b")
	subscribe(t, api, "threesixty.created", inbox.URL+"/other", "")
	require.NoError(t, brand.Fire(t.Context(), simulator.Notification{ID: "1", Type: "threesixty.person.statusChanged"}))
	assert.Equal(t, []simulator.Outbound{
		{ID: "1", Type: "threesixty.person.statusChanged", Subscription: all, State: simulator.Delivered, Attempts: 1, Status: 202},
		{ID: "1", Type: "threesixty.person.statusChanged", Subscription: some, State: simulator.Delivered, Attempts: 1, Status: 202},
	}, brand.Monitor())
	require.Len(t, inbox.got(), 2)
	assert.NotEqual(t, inbox.got()[0].body, inbox.got()[1].body, "each has a key of its own")

	require.NoError(t, brand.Fire(t.Context(), simulator.Notification{Type: "threesixty.created"}))
	unsigned := inbox.got()[4]
	assert.Equal(t, "/other", unsigned.path)
	assert.NotContains(t, unsigned.body, "HMAC", "without a shared key nothing is signed")
}

func TestQualtricsHasTenTopics(t *testing.T) {
	t.Parallel()
	required := map[string]string{
		"surveyengine.completedResponse":     "SurveyID Status ResponseID CompletedDate",
		"controlpanel.activateSurvey":        "SurveyID Status",
		"controlpanel.deactivateSurvey":      "SurveyID Status",
		"threesixty.created":                 "SurveyID ThreeSixtyID Workflow",
		"threesixty.statusChanged":           "ThreeSixtyID Status",
		"threesixty.person.statusChanged":    "ThreeSixtyID SubjectID Status",
		"threesixty.nominationCreated":       "SurveyID ThreeSixtyID SubjectID EvaluatorID EvaluatorEmail EvaluationURL Relationship",
		"threesixty.nominationRemoved":       "SurveyID ThreeSixtyID SubjectID EvaluatorID Relationship",
		"threesixty.evaluationStatusChanged": "SurveyID ThreeSixtyID SubjectID EvaluatorID Status SessionID ResponseID Relationship Unsolicited",
		"threesixty.reportReady":             "ThreeSixtyID SubjectID ReportURL",
	}
	inbox := newInbox(t)
	brand, api := newBrand(t)
	subscribe(t, api, "*", inbox.URL, "k")
	assert.Len(t, brand.Types(), 10)
	for i, name := range brand.Types() {
		require.NoError(t, brand.Fire(t.Context(), simulator.Notification{Type: name, Extra: map[string]any{"X": 1}}))
		form, err := url.ParseQuery(inbox.got()[i].body)
		require.NoError(t, err)
		names := []string{"BrandID", "X"}
		for name := range object(t, form.Get("MSG")) {
			if name != "BrandID" && name != "X" {
				names = append(names, name)
			}
		}
		assert.ElementsMatch(t, append(strings.Fields(required[name]), "BrandID", "X"), names, name)
	}
	assert.ErrorContains(t, brand.Fire(t.Context(), simulator.Notification{Type: "fax.received"}), "choose one of surveyengine.completedResponse")
	assert.ErrorContains(t, brand.Fire(t.Context(), simulator.Notification{Type: "threesixty.created", Extra: map[string]any{"X": func() {}}}), "cannot be written as JSON")
}

func TestQualtricsDoesNotRepeatUnlessToldTo(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	inbox.answer(http.StatusServiceUnavailable)
	brand, api := newBrand(t)
	id := subscribe(t, api, "threesixty.created", inbox.URL, "k")
	require.NoError(t, brand.Fire(t.Context(), simulator.Notification{ID: "1", Type: "threesixty.created"}))
	eventually(t, func() bool { return brand.Monitor()[0].State == simulator.Failed })
	assert.Len(t, inbox.got(), 1)
	assert.Contains(t, get(t, api+"/eventsubscriptions/"+id, qualtricsToken).body, `"successfulCalls":0`)

	require.NoError(t, brand.Connect(simulator.Consumer{Client: nearby(), MaxAttempts: 1000, RetryAfter: time.Millisecond}))
	require.NoError(t, brand.Fire(t.Context(), simulator.Notification{ID: "2", Type: "threesixty.created"}))
	inbox.wait(t, 3)
	inbox.answer(200)
	eventually(t, func() bool { return brand.Monitor()[1].State == simulator.Delivered })
	require.NoError(t, brand.Resend(t.Context(), "1"))

	brand, _ = newBrand(t)
	assert.ErrorContains(t, brand.Connect(simulator.Consumer{Endpoint: inbox.URL}), "leave the endpoint empty")
	brand.Close()
	assert.ErrorContains(t, brand.Fire(t.Context(), simulator.Notification{Type: "threesixty.created"}), "no consumer is connected")
}
