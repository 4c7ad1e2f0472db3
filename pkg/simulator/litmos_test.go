package simulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const litmosKey = "apikey: sample-api-key-0123"

func litmosParams() map[string]string {
	return map[string]string{"system_url": "https://api.litmos.com/v1.svc", "apikey": "sample-api-key-0123", "source": "kyma"}
}

func newAccount(t *testing.T, changes ...string) (account simulator.Notifier, api string) {
	t.Helper()
	system, address := newSystem(t, "litmos", with(litmosParams(), changes...))
	require.Contains(t, system.Hosts(), "api.litmos.com:443")
	return system.(simulator.Notifier), address + "/v1.svc"
}

func TestLitmosNeedsAddressAndKey(t *testing.T) {
	t.Parallel()
	refused(t, "litmos", litmosParams(), "system_url", "")
	refused(t, "litmos", litmosParams(), "apikey", "")
	refused(t, "litmos", litmosParams(), "simulator_rate_limit", "-1")
}

func TestLitmosDemandsKeyAndSource(t *testing.T) {
	t.Parallel()
	_, api := newAccount(t)
	for _, test := range []struct {
		name, path, header string
		status             int
		want               string
	}{
		{"key in the header", "/users?source=kyma&format=json", litmosKey, 200, `"UserName":"ada@example.com"`},
		{"key in the query", "/users?source=kyma&format=json&apikey=sample-api-key-0123", "X: y", 200, `"UserName"`},
		{"no key", "/users?source=kyma", "X: y", 401, "API key"},
		{"another key", "/users?source=kyma", "apikey: other", 401, "API key"},
		{"no source", "/users?format=json", litmosKey, 400, "source is required"},
		{"a long source", "/users?source=" + strings.Repeat("k", 51), litmosKey, 400, "longer than 50"},
		{"XML unless JSON is asked for", "/users/ixdJ7vKRHXw1?source=kyma", litmosKey, 200, "<User><AccessLevel>Learner</AccessLevel>"},
		{"a list of XML", "/teams?source=kyma", litmosKey, 200, "<Teams><Team>"},
		{"by name", "/users/grace@example.com?source=kyma&format=json", litmosKey, 200, `"LastName":"Hopper"`},
		{"nobody", "/users/nobody?source=kyma", litmosKey, 404, "no such User"},
		{"an unknown path", "/none?source=kyma", litmosKey, 404, ""},
		{"a wrong number", "/users?source=kyma&limit=x", litmosKey, 400, "limit is no number"},
	} {
		got := get(t, api+test.path, test.header)
		assert.Equal(t, test.status, got.status, test.name)
		assert.Contains(t, got.body, test.want, test.name)
	}
	assert.Equal(t, 404, get(t, strings.TrimSuffix(api, "/v1.svc")+"/users?source=kyma", litmosKey).status, "the base path is part of the address")
}

func TestLitmosLists(t *testing.T) {
	t.Parallel()
	_, api := newAccount(t)
	for query, want := range map[string]string{"": "Ada Grace Alan", "&limit=1": "Ada", "&start=1": "Grace Alan", "&start=9": "", "&search=AL": "Alan"} {
		names := []string{}
		for _, user := range list(t, get(t, api+"/users?source=kyma&format=json"+query, litmosKey).body) {
			names = append(names, user["FirstName"].(string))
		}
		assert.Equal(t, want, strings.Join(names, " "), query)
	}
	for _, path := range []string{"users/details", "courses", "courses/1OSfeMpo7wk1", "courses/1OSfeMpo7wk1/modules", "users/ixdJ7vKRHXw1/courses", "teams/jYwT3pGx4Vs1/users", "learningpaths", "sessions/future", "achievements", "results/details"} {
		assert.Equal(t, 200, get(t, api+"/"+path+"?source=kyma&format=json", litmosKey).status, path)
	}
}

func TestLitmosLimitsCalls(t *testing.T) {
	t.Parallel()
	_, api := newAccount(t, "simulator_rate_limit", "2")
	for _, want := range []int{200, 200, 503} {
		assert.Equal(t, want, get(t, api+"/users?source=kyma", litmosKey).status)
	}
}

// There is no management of webhooks by API, and no signature: user and password are part of the address.
func TestLitmosSignsInWithWhatTheAddressSays(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	account, _ := newAccount(t)
	require.NoError(t, account.Connect(simulator.Consumer{Client: nearby(), Endpoint: strings.Replace(inbox.URL, "http://", "http://litmos:event-pw@", 1) + "/litmos"}))
	at := time.Date(2019, 5, 6, 1, 13, 19, 533_000_000, time.UTC)
	require.NoError(t, account.Fire(t.Context(), simulator.Notification{Type: "achievement.earned", Time: at, Entity: "U1", Root: "C1"}))
	d := inbox.got()[0]
	assert.Equal(t, "/litmos", d.path)
	assert.Equal(t, "Basic bGl0bW9zOmV2ZW50LXB3", d.header.Get("Authorization"))
	assert.JSONEq(t, `{"id":4513,"created":"2019-05-06T01:13:19.533","type":"achievement.earned","object":"event","data":{
		"userId":"U1","userName":"ada@example.com","firstName":"Ada","lastName":"Lovelace","courseId":"C1","title":"Safety","code":"SAF-1",
		"achievementDate":"2019-05-06T01:13:19.533","compliantTilldate":null,"result":"Completed","type":"Course Completed","achievementId":77,"certificateId":"c-77"}}`, d.body)
	assert.Equal(t, []simulator.Outbound{{ID: "4513", Type: "achievement.earned", State: simulator.Delivered, Attempts: 1, Status: 202}}, account.Monitor())
}

func TestLitmosEventsOfEveryKind(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	account, _ := newAccount(t)
	require.NoError(t, account.Connect(simulator.Consumer{Client: nearby(), Endpoint: inbox.URL}))
	for i, name := range account.Types() {
		require.NoError(t, account.Fire(t.Context(), simulator.Notification{ID: fmt.Sprint(i + 1), Type: name, Extra: map[string]any{"note": "x"}}))
		body := object(t, inbox.got()[i].body)
		assert.Equal(t, name, body["type"])
		assert.EqualValues(t, i+1, body["id"])
		assert.Equal(t, "x", body["data"].(map[string]any)["note"])
		assert.NotContains(t, body["created"], "Z", "the time zone is not said")
	}
	for want, n := range map[string]simulator.Notification{
		"choose one of achievement.earned": {Type: "Achievement.Earned"},
		"is no number":                     {Type: "session.created", ID: "abc"},
		"cannot be written as JSON":        {Type: "session.created", Extra: map[string]any{"x": func() {}}},
	} {
		assert.ErrorContains(t, account.Fire(t.Context(), n), want)
	}
}

func TestLitmosRepeatsWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{200: simulator.Delivered, 201: simulator.Delivered, 202: simulator.Delivered, 204: simulator.Failed, 302: simulator.Failed, 500: simulator.Failed} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			inbox := newInbox(t)
			inbox.answer(status)
			account, _ := newAccount(t)
			require.NoError(t, account.Connect(simulator.Consumer{Client: nearby(), Endpoint: inbox.URL, RetryAfter: time.Millisecond, MaxAttempts: 3}))
			require.NoError(t, account.Fire(t.Context(), simulator.Notification{Type: "session.created"}))
			eventually(t, func() bool { return states(account)[0] == want })
			if want == simulator.Failed {
				require.Len(t, inbox.got(), 3)
				assert.Equal(t, inbox.got()[0].body, inbox.got()[2].body, "the same event with the same id")
				inbox.answer(http.StatusOK)
				require.NoError(t, account.Resend(t.Context(), "4513"))
			}
		})
	}
}

func TestLitmosHidesThePasswordOfTheAddress(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	inbox.Close()
	account, _ := newAccount(t)
	require.NoError(t, account.Connect(simulator.Consumer{Client: nearby(), Endpoint: strings.Replace(inbox.URL, "http://", "http://litmos:event-pw@", 1), MaxAttempts: 1}))
	require.NoError(t, account.Fire(t.Context(), simulator.Notification{Type: "session.created"}))
	assert.NotEmpty(t, account.Monitor()[0].Error)
	assert.NotContains(t, account.Monitor()[0].Error, "event-pw")
}
