package simulator_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const (
	ocAccount = "Authorization: User user-secret, Organization organization-secret"
	polling   = `"event.notification.enabled":true,"event.vendor.type":"polling","event.poller.refresh_interval":"5","event.poller.configuration":{"contacts":{"url":"/contacts","idField":"id"}}`
	webhooks  = `"event.notification.enabled":true,"event.vendor.type":"webhook"`
)

func ocParams() map[string]string {
	return map[string]string{"host_name": "api.openconnectors.us2.ext.hana.ondemand.com", "organization_secret": "organization-secret", "user_secret": "user-secret", "filter_tags": "kyma, crm"}
}

func newConnectors(t *testing.T, changes ...string) (connectors simulator.Batcher, api string) {
	t.Helper()
	system, address := newSystem(t, "openconnectors", with(ocParams(), changes...))
	require.Contains(t, system.Hosts(), "api.openconnectors.us2.ext.hana.ondemand.com:443")
	connectors = system.(simulator.Batcher)
	require.NoError(t, connectors.Connect(simulator.Consumer{Client: nearby(), RetryAfter: time.Millisecond}))
	return connectors, address + "/elements/api-v2"
}

func ocCall(t *testing.T, method, address, body string) answer {
	t.Helper()
	return do(t, request(t, method, address, body, ocAccount, "Content-Type: application/json"))
}

// instances lists the instances with a tag.
func instances(t *testing.T, api, tag string) []map[string]any {
	t.Helper()
	return list(t, ocCall(t, "GET", api+"/instances?tags[]="+tag, "").body)
}

// turnOn turns on the events of the first instance, and returns its address.
func turnOn(t *testing.T, api, callback, settings string) string {
	t.Helper()
	address := fmt.Sprintf("%s/instances/%.0f", api, instances(t, api, "kyma")[0]["id"])
	body := fmt.Sprintf(`{"configuration":{%s,"event.notification.callback.url":%q,"event.notification.signature.key":"signature-key"}}`, settings, callback)
	got := ocCall(t, "PATCH", address, body)
	require.Equal(t, 200, got.status, got.body)
	return address
}

func TestOpenConnectorsNeedsItsParameters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"host_name", "organization_secret", "user_secret"} {
		refused(t, "openconnectors", ocParams(), name, "")
	}
	refused(t, "openconnectors", ocParams(), "host_name", "https://x y")
	system, err := simulator.NewSystem("openconnectors", map[string]string{"hostName": "api.example.com", "organizationSecret": "o", "userSecret": "u"})
	require.NoError(t, err, "the older names are known, too")
	system.Close()
}

func TestOpenConnectorsPutsTheHeaderTogether(t *testing.T) {
	t.Parallel()
	_, api := newConnectors(t)
	token := instances(t, api, "kyma")[0]["token"].(string)
	for _, test := range []struct {
		name, path, header string
		status             int
	}{
		{"account", "/instances", "User user-secret, Organization organization-secret", 200},
		{"in another order", "/instances", "Organization organization-secret,User user-secret", 200},
		{"nothing", "/instances", "", 401},
		{"another user", "/instances", "User x, Organization organization-secret", 401},
		{"another organization", "/instances", "User user-secret, Organization x", 401},
		{"user alone", "/instances", "User user-secret", 401},
		{"the account's things with the token of an instance", "/instances", "User user-secret, Element " + token, 401},
		{"an instance", "/contacts", "User user-secret, Organization organization-secret, Element " + token, 200},
		{"an instance without the organization", "/contacts", "User user-secret, Element " + token, 200},
		{"a token that there is not", "/contacts", "User user-secret, Organization organization-secret, Element x", 401},
		{"a misspelled part", "/instances", "User user-secret, Organization organization-secret, Elem " + token, 401},
		{"an instance without its token", "/contacts", "User user-secret, Organization organization-secret", 401},
		{"by the hub", "/hubs/crm/contacts/42", "User user-secret, Element " + token, 200},
		{"by another hub", "/hubs/finance/contacts", "User user-secret, Element " + token, 404},
		{"no such object", "/contacts/1", "User user-secret, Element " + token, 404},
		{"no such resource", "/opportunities", "User user-secret, Element " + token, 404},
		{"elsewhere", "/a/b/c", "User user-secret, Element " + token, 404},
	} {
		got := get(t, api+test.path, "Authorization: "+test.header)
		assert.Equal(t, test.status, got.status, test.name)
		if test.status != 200 {
			assert.NotEmpty(t, object(t, got.body)["message"], test.name)
		}
	}
}

func TestOpenConnectorsListsInstancesByTags(t *testing.T) {
	t.Parallel()
	_, api := newConnectors(t)
	assert.Len(t, list(t, ocCall(t, "GET", api+"/instances", "").body), 3)
	assert.Len(t, list(t, ocCall(t, "GET", api+"/instances?tags[]=other&tags%5B%5D=crm", "").body), 3)
	assert.Empty(t, instances(t, api, "none"))
	found := instances(t, api, "kyma")
	require.Len(t, found, 2)
	assert.Equal(t, "my-hubspot", found[0]["name"])
	assert.Equal(t, []any{"kyma", "crm"}, found[0]["tags"])
	assert.Equal(t, "hubspotcrm", found[0]["element"].(map[string]any)["key"])
	assert.NotEqual(t, found[0]["token"], found[1]["token"])

	document := object(t, ocCall(t, "GET", fmt.Sprintf("%s/instances/%.0f/docs?version=-1", api, found[0]["id"]), "").body)
	assert.Equal(t, "2.0", document["swagger"])
	assert.Contains(t, document["paths"], "/contacts/{id}")
	assert.Equal(t, 404, ocCall(t, "GET", fmt.Sprintf("%s/instances/%.0f/none", api, found[0]["id"]), "").status)
}

func TestOpenConnectorsInstancesComeAndGo(t *testing.T) {
	t.Parallel()
	_, api := newConnectors(t)
	const oauth = `"oauth.callback.url":"https://x","oauth.api.key":"k","oauth.api.secret":"s"`
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"simple", `{"element":{"key":"hubspotcrm"},"name":"new","tags":["new"],"configuration":{` + polling + `,"event.notification.callback.url":"https://gateway.example.com"}}`, 200, `"eventsEnabled":true`},
		{"with OAuth", `{"element":{"key":"sfdc"},"name":"new","tags":["new"],"providerData":{"code":"c"},"configuration":{` + oauth + `}}`, 200, `"oauth.api.secret":"********"`},
		{"with OAuth, but no code", `{"element":{"key":"sfdc"},"name":"new","configuration":{` + oauth + `}}`, 400, "providerData.code"},
		{"unknown element", `{"element":{"key":"fax"},"name":"new"}`, 404, `No element found with key \"fax\"`},
		{"no name", `{"element":{"key":"hubspotcrm"}}`, 400, "'name'"},
		{"wrong configuration", `{"element":{"key":"hubspotcrm"},"name":"new","configuration":{"event.notification.enabled":"yes"}}`, 400, "neither true nor false"},
		{"no JSON", `x`, 400, "not valid JSON"},
	} {
		got := ocCall(t, "POST", api+"/instances", test.body)
		assert.Equal(t, test.status, got.status, test.name)
		assert.Contains(t, got.body, test.want, test.name)
	}
	found := instances(t, api, "new")
	require.Len(t, found, 2)
	address := fmt.Sprintf("%s/instances/%.0f", api, found[0]["id"])
	assert.Equal(t, 200, ocCall(t, "PATCH", address, `{"name":"renamed","tags":["old"]}`).status)
	assert.Contains(t, ocCall(t, "GET", address, "").body, `"name":"renamed"`)
	assert.Len(t, instances(t, api, "new"), 1)
	assert.Equal(t, 200, ocCall(t, "DELETE", address, "").status)
	for _, method := range []string{"GET", "PATCH", "DELETE"} {
		assert.Equal(t, 404, ocCall(t, method, address, "{}").status, method)
	}
}

func TestOpenConnectorsChecksTheConfigurationOfEvents(t *testing.T) {
	t.Parallel()
	_, api := newConnectors(t)
	address := turnOn(t, api, "https://gateway.example.com/openconnectors", polling)
	view := object(t, ocCall(t, "GET", address, "").body)
	assert.Equal(t, true, view["eventsEnabled"])
	assert.Equal(t, "https://gateway.example.com/openconnectors", view["eventsNotificationCallbackUrl"])
	config := view["configuration"].(map[string]any)
	assert.Equal(t, "********", config["event.notification.signature.key"])
	assert.Equal(t, "5", config["event.poller.refresh_interval"])
	assert.Equal(t, `{"contacts":{"idField":"id","url":"/contacts"}}`, config["event.poller.configuration"], "an object is kept as text")
	assert.Equal(t, "integration", config["username"], "what was not named stays")

	for setting, want := range map[string]string{
		`"event.callback.url":"https://x"`:                                                                                   "there is no such key",
		`"event.vendor.type":"polled"`:                                                                                       "neither polling nor webhooks",
		`"event.notification.callback.url":"gateway"`:                                                                        "no http or https URL",
		`"event.poller.refresh_interval":0`:                                                                                  "number of minutes",
		`"event.poller.refresh_interval":"x"`:                                                                                "number of minutes",
		`"event.poller.configuration":"x"`:                                                                                   "no JSON object of resources",
		`"event.poller.configuration":{"a":{"idField":"id"}}`:                                                                "needs url and idField",
		`"event.poller.configuration":{"a":{"url":"/a","idField":"id","dates":{}}}`:                                          "unknown field",
		`"event.poller.configuration":{"a":{"url":"/a","idField":"id","datesConfiguration":{"changed":"x"}}}`:                "has no field changed",
		`"event.poller.refresh_interval":10`:                                                                                 "",
		`"event.vendor.type":"webhooks","event.objects":"contacts","event.poller.urls":"a|b"`:                                "",
		`"event.poller.configuration":"{\"a\":{\"url\":\"/a\",\"idField\":\"\",\"pageSize\":20}}"`:                           "",
		`"event.poller.configuration":{"a":{"url":"/a","idField":"id","datesConfiguration":{"updatedDateField":"changed"}}}`: "",
	} {
		got := ocCall(t, "PATCH", address, `{"configuration":{`+setting+`}}`)
		assert.Contains(t, got.body, want, setting)
		assert.Equal(t, want == "", got.status == 200, setting)
	}
	assert.Equal(t, 400, ocCall(t, "PATCH", address, `x`).status)
}

func TestOpenConnectorsChangesSingleSettings(t *testing.T) {
	t.Parallel()
	_, api := newConnectors(t)
	address := turnOn(t, api, "https://gateway.example.com/openconnectors", polling)
	for _, setting := range list(t, ocCall(t, "GET", address+"/configuration", "").body) {
		one := fmt.Sprintf("%s/configuration/%.0f", address, setting["id"])
		switch setting["key"] {
		case "event.poller.refresh_interval":
			assert.Contains(t, ocCall(t, "PATCH", one, `{"propertyValue":"7"}`).body, `"propertyValue":"7"`)
			assert.Equal(t, 400, ocCall(t, "PATCH", one, `{"propertyValue":"x"}`).status)
			assert.Equal(t, 400, ocCall(t, "PATCH", one, `x`).status)
		case "event.notification.enabled":
			assert.Equal(t, 200, ocCall(t, "PATCH", one, `{"propertyValue":false}`).status)
		}
	}
	assert.Contains(t, ocCall(t, "GET", address, "").body, `"eventsEnabled":false`)
	assert.Equal(t, 404, ocCall(t, "PATCH", address+"/configuration/1", `{"propertyValue":"7"}`).status)

	defaults := list(t, ocCall(t, "GET", api+"/elements/sapc4ccrm/configuration", "").body)
	poller := object(t, defaults[1]["defaultValue"].(string))
	assert.Contains(t, poller, "opportunities")
	assert.Equal(t, "ObjectID", poller["leads"].(map[string]any)["idField"])
	assert.Equal(t, 404, ocCall(t, "GET", api+"/elements/fax/configuration", "").status)
}

// signature is the Base64 text of a keyed digest.
func signature(algorithm func() hash.Hash, key, body string) string {
	mac := hmac.New(algorithm, []byte(key))
	mac.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestOpenConnectorsNotifies(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	connectors, api := newConnectors(t)
	address := turnOn(t, api, inbox.URL+"/openconnectors", polling)
	at := time.Date(2020, 2, 1, 10, 0, 0, 0, time.UTC)
	require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{ID: "123456789", Type: "contacts.created", Entity: "42", Time: at, Extra: map[string]any{"email": "a@b.c"}}))
	d := inbox.got()[0]
	assert.Equal(t, "/openconnectors", d.path)
	assert.NotEmpty(t, d.header.Get("Elements-Webhook-Id"))
	assert.Equal(t, "sha256="+signature(sha256.New, "signature-key", d.body), d.header.Get("Elements-Webhook-Signature"))
	message := object(t, d.body)["message"].(map[string]any)
	assert.EqualValues(t, 123456789, message["eventId"])
	assert.Equal(t, "my-hubspot", message["instanceName"])
	assert.Equal(t, message["instanceId"], message["instance_id"])
	assert.JSONEq(t, `[{"date":"2020-02-01T10:00:00Z","elementKey":"hubspotcrm","eventType":"CREATED","hubKey":"crm","objectId":"42","objectType":"contacts",
		"newObject":{"id":"42","name":"Ada Lovelace","email":"a@b.c"}}]`, mustMarshal(t, message["events"]))
	assert.Equal(t, "contacts", message["raw"].(map[string]any)["objectType"])

	event := object(t, ocCall(t, "GET", api+"/instances/events/123456789", "").body)
	assert.Equal(t, "NOTIFIED", event["status"])
	assert.Contains(t, event["providerData"], `"contacts":[{`)
	assert.Len(t, event["notifiedData"], 1)
	assert.Equal(t, 404, ocCall(t, "GET", api+"/instances/events/1", "").status)
	assert.Len(t, list(t, ocCall(t, "GET", address+"/events?pageSize=1", "").body), 1)
	assert.Equal(t, 400, ocCall(t, "GET", address+"/events?pageSize=x", "").status)

	require.NoError(t, connectors.Connect(simulator.Consumer{Client: nearby(), Legacy: true}))
	require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{ID: "1088", Type: "contacts.UPDATED"}))
	older := inbox.got()[1]
	assert.Equal(t, "sha1="+signature(sha1.New, "signature-key", older.body), older.header.Get("Elements-Webhook-Signature"))
	assert.EqualValues(t, 1088, object(t, older.body)["eventId"])
	assert.Contains(t, object(t, older.body), "response")
}

func TestOpenConnectorsNoticesWhatItIsToldToWatch(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	connectors, api := newConnectors(t)
	assert.Contains(t, connectors.Types(), "opportunities.UPDATED", "what could be turned on")
	require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{Type: "contacts.CREATED"}), "nobody has turned events on")
	turnOn(t, api, inbox.URL, polling)
	assert.Equal(t, []string{"contacts.CREATED", "contacts.UPDATED"}, connectors.Types())
	for _, name := range []string{"accounts.CREATED", "contacts.DELETED", "contacts.UNKNOWN"} {
		require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{Type: name}))
	}
	require.Len(t, inbox.got(), 1, "polling does not notice what was deleted")
	assert.Contains(t, inbox.got()[0].body, `"eventType":"UNKNOWN"`)

	address := turnOn(t, api, inbox.URL, webhooks)
	assert.Contains(t, connectors.Types(), "accounts.DELETED")
	require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{Type: "accounts.DELETED", Root: address[strings.LastIndex(address, "/")+1:]}))
	require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{Type: "accounts.DELETED", Root: "1"}))
	assert.Len(t, inbox.got(), 2)
	turnOn(t, api, inbox.URL, webhooks+`,"event.objects":"contacts"`)
	assert.Equal(t, []string{"contacts.CREATED", "contacts.UPDATED", "contacts.DELETED"}, connectors.Types())

	for want, n := range map[string]simulator.Notification{
		"no instance has the resource":   {Type: "faxes.CREATED"},
		"is not a resource with CREATED": {Type: "contacts.eaten"},
		"is no number":                   {Type: "contacts.CREATED", ID: "x"},
		"cannot be written as JSON":      {Type: "contacts.CREATED", Extra: map[string]any{"x": func() {}}},
	} {
		assert.ErrorContains(t, connectors.Fire(t.Context(), n), want)
	}
}

// What happens together comes together, in portions: 10 events where changes are polled, 20 where the
// vendor sends them. Each portion repeats everything in "raw".
func TestOpenConnectorsNotifiesInPortions(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string][]int{polling: {10, 10, 3}, webhooks: {20, 3}} {
		inbox := newInbox(t)
		connectors, api := newConnectors(t)
		turnOn(t, api, inbox.URL, settings)
		changes := []simulator.Notification{}
		for i := range 23 {
			changes = append(changes, simulator.Notification{Type: "contacts.UPDATED", Entity: fmt.Sprint(i)})
		}
		require.NoError(t, connectors.FireTogether(t.Context(), changes))
		portions, ids := []int{}, map[any]bool{}
		for _, d := range inbox.got() {
			message := object(t, d.body)["message"].(map[string]any)
			portions = append(portions, len(message["events"].([]any)))
			ids[message["eventId"]] = true
			assert.Len(t, message["raw"].(map[string]any)["contacts"], 23)
		}
		assert.Equal(t, want, portions)
		assert.Len(t, ids, len(want), "each has an id of its own")
	}
}

func TestOpenConnectorsDeactivatesASubscription(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	inbox.answer(http.StatusServiceUnavailable)
	connectors, api := newConnectors(t)
	turnOn(t, api, inbox.URL, polling)
	deliveries := api + "/notifications/subscriptions/deliveries?where=" + url.QueryEscape("channel='webhook' and status='queued'")
	mine := deliveries + url.QueryEscape(" and config.url='"+inbox.URL+"'")
	active := func() any {
		return list(t, ocCall(t, "GET", api+"/notifications/subscriptions", "").body)[0]["active"]
	}
	require.Equal(t, true, active())

	require.NoError(t, connectors.Connect(simulator.Consumer{Client: nearby(), RetryAfter: time.Microsecond}))
	require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{ID: "1", Type: "contacts.CREATED"}))
	eventually(t, func() bool { return states(connectors)[0] == simulator.Queued })
	assert.Len(t, inbox.got(), 6, "five retries")
	assert.Equal(t, false, active())
	require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{ID: "2", Type: "contacts.CREATED"}))
	assert.Len(t, inbox.got(), 6, "later events are queued at once")
	assert.Len(t, list(t, ocCall(t, "GET", mine, "").body), 2)
	assert.Empty(t, list(t, ocCall(t, "GET", deliveries+url.QueryEscape(" and config.url='https://x'"), "").body))
	assert.Contains(t, ocCall(t, "GET", api+"/instances/events", "").body, `"status":"DISPATCHED"`, "the events API has what was missed")

	inbox.answer(200)
	assert.Equal(t, 400, ocCall(t, "PUT", api+"/notifications/subscriptions/deliveries", "").status)
	assert.Len(t, list(t, ocCall(t, "PUT", mine, "").body), 2)
	eventually(t, func() bool { return strings.Join(states(connectors), " ") == "delivered delivered" })
	assert.Equal(t, true, active())
	assert.Empty(t, list(t, ocCall(t, "GET", deliveries, "").body))
	require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{Type: "contacts.CREATED"}))
	assert.Len(t, inbox.got(), 9)
}

func TestOpenConnectorsMayQueueAtOnce(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	inbox.answer(http.StatusServiceUnavailable)
	connectors, api := newConnectors(t)
	turnOn(t, api, inbox.URL, polling)
	settings := api + "/accounts/4711/settings"
	assert.JSONEq(t, `{"notification.webhook.failure.policy":"retry"}`, ocCall(t, "GET", settings, "").body)
	assert.Equal(t, 400, ocCall(t, "PATCH", settings, `{"notification.webhook.failure.policy":"forget"}`).status)
	assert.Equal(t, 404, ocCall(t, "PATCH", api+"/accounts/1/settings", `{"notification.webhook.failure.policy":"queue"}`).status)
	assert.Equal(t, 200, ocCall(t, "PATCH", settings, `{"notification.webhook.failure.policy":"queue"}`).status)
	require.NoError(t, connectors.Fire(t.Context(), simulator.Notification{ID: "1", Type: "contacts.CREATED"}))
	eventually(t, func() bool { return states(connectors)[0] == simulator.Queued })
	assert.Len(t, inbox.got(), 1)
	inbox.answer(200)
	require.NoError(t, connectors.Resend(t.Context(), "1"))
}

func TestOpenConnectorsKeepsASubscriptionWhoseAddressStays(t *testing.T) {
	t.Parallel()
	_, api := newConnectors(t)
	address := turnOn(t, api, "https://gateway.example.com/a", polling)
	subscription := func() any {
		return object(t, ocCall(t, "GET", address, "").body)["subscriptionId"]
	}
	first := subscription()
	turnOn(t, api, "https://gateway.example.com/a", polling)
	assert.Equal(t, first, subscription())
	turnOn(t, api, "https://gateway.example.com/b", polling)
	assert.NotEqual(t, first, subscription())
	assert.Contains(t, ocCall(t, "PATCH", address, `{"configuration":{"event.notification.enabled":false}}`).body, `"eventsEnabled":false`)
	assert.Nil(t, subscription())
	var none []json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(ocCall(t, "GET", api+"/notifications/subscriptions", "").body), &none))
	assert.Empty(t, none)
}
