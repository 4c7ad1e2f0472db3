package simulator_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const githubToken = "Authorization: Bearer ghp_sample"

func githubParams() map[string]string {
	return map[string]string{"token": "ghp_sample", "owner": "acme", "repository": "shop"}
}

func newGithub(t *testing.T, changes ...string) (github simulator.Notifier, api string) {
	t.Helper()
	system, address := newSystem(t, "github", with(githubParams(), changes...))
	github = system.(simulator.Notifier)
	require.NoError(t, github.Connect(simulator.Consumer{Client: nearby()}))
	return github, address
}

// call calls GitHub's API with the right token.
func call(t *testing.T, method, address, body string) answer {
	t.Helper()
	return do(t, request(t, method, address, body, githubToken, "Accept: application/vnd.github+json", "X-GitHub-Api-Version: 2022-11-28"))
}

// hook creates a webhook and returns its address in the API.
func hook(t *testing.T, api, target, address, events, more string) string {
	t.Helper()
	body := fmt.Sprintf(`{"name":"web","active":true,"events":%s,"config":{"url":%q,"insecure_ssl":"0"%s}}`, events, address, more)
	got := call(t, "POST", api+target+"/hooks", body)
	require.Equal(t, 201, got.status, got.body)
	return fmt.Sprintf("%s%s/hooks/%.0f", api, target, object(t, got.body)["id"])
}

func TestGitHubNeedsTokenAndOwner(t *testing.T) {
	t.Parallel()
	refused(t, "github", githubParams(), "token", "")
	refused(t, "github", githubParams(), "owner", "")
	refused(t, "github", githubParams(), "system_url", "ftp://x")
	refused(t, "github", githubParams(), "simulator_rate_limit", "many")
	system, err := simulator.NewSystem("github", githubParams())
	require.NoError(t, err)
	defer system.Close()
	assert.Contains(t, system.Hosts(), "api.github.com:443", "the default")
}

func TestGitHubDemandsItsToken(t *testing.T) {
	t.Parallel()
	_, api := newGithub(t)
	for _, test := range []struct {
		name    string
		headers []string
		status  int
		want    string
	}{
		{"bearer", []string{"Authorization: Bearer ghp_sample"}, 200, `"full_name":"acme/shop"`},
		{"the old spelling", []string{"Authorization: token ghp_sample"}, 200, `"full_name"`},
		{"nothing", nil, 401, "Requires authentication"},
		{"another token", []string{"Authorization: Bearer ghp_other"}, 401, "Bad credentials"},
		{"another scheme", []string{"Authorization: Basic ghp_sample"}, 401, "Bad credentials"},
		{"no user agent", []string{"Authorization: Bearer ghp_sample", "User-Agent: "}, 403, "User-Agent"},
		{"another version", []string{"Authorization: Bearer ghp_sample", "X-GitHub-Api-Version: 1999-01-01"}, 400, "version is not supported"},
	} {
		got := get(t, api+"/repos/ACME/shop", test.headers...)
		assert.Equal(t, test.status, got.status, test.name)
		assert.Contains(t, got.body, test.want, test.name)
	}
	assert.Equal(t, 404, call(t, "GET", api+"/repos/acme/other", "").status)
	assert.Contains(t, call(t, "GET", api+"/orgs/acme", "").body, `"login":"acme"`)
	assert.Equal(t, 404, call(t, "GET", api+"/elsewhere", "").status)
}

func TestGitHubHidesWhatATokenMayNotDo(t *testing.T) {
	t.Parallel()
	_, api := newGithub(t, "simulator_scopes", "admin:repo_hook")
	assert.Equal(t, 200, call(t, "GET", api+"/repos/acme/shop/hooks", "").status)
	assert.Equal(t, 404, call(t, "GET", api+"/orgs/acme/hooks", "").status, "not 403")
	got := call(t, "GET", api+"/orgs/acme", "")
	assert.Equal(t, 200, got.status)
	assert.Equal(t, "admin:repo_hook", got.header.Get("X-Oauth-Scopes"))
}

func TestGitHubLimitsCalls(t *testing.T) {
	t.Parallel()
	_, api := newGithub(t, "simulator_rate_limit", "2")
	for _, remaining := range []string{"1", "0"} {
		got := call(t, "GET", api+"/repos/acme/shop", "")
		assert.Equal(t, 200, got.status)
		assert.Equal(t, remaining, got.header.Get("X-Ratelimit-Remaining"))
	}
	got := call(t, "GET", api+"/repos/acme/shop", "")
	assert.Equal(t, 403, got.status)
	assert.Contains(t, got.body, "API rate limit exceeded")
	assert.NotEmpty(t, got.header.Get("X-Ratelimit-Reset"))
	got = call(t, "GET", api+"/rate_limit", "")
	assert.Equal(t, 200, got.status, "to ask for the limit is free")
	assert.Contains(t, got.body, `"remaining":0`)
}

func TestGitHubHooksAreCreatedListedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"/repos/acme/shop", "/orgs/acme"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			_, api := newGithub(t)
			address := hook(t, api, target, "https://gateway.example.com/github", `["issues"]`, `,"content_type":"json","secret":"topsecret"`)
			hooks := list(t, call(t, "GET", api+target+"/hooks", "").body)
			require.Len(t, hooks, 1)
			assert.Equal(t, map[string]any{"url": "https://gateway.example.com/github", "content_type": "json", "insecure_ssl": "0", "secret": "********"}, hooks[0]["config"])
			assert.Equal(t, []any{"issues"}, hooks[0]["events"])
			assert.Equal(t, hooks[0]["id"], object(t, call(t, "GET", address, "").body)["id"])

			changed := call(t, "PATCH", address, `{"active":false,"add_events":["push","issues"],"config":{"url":"https://gateway.example.com/other"}}`)
			require.Equal(t, 200, changed.status, changed.body)
			assert.Equal(t, []any{"issues", "push"}, object(t, changed.body)["events"])
			assert.NotContains(t, changed.body, "secret", "the configuration is replaced as a whole")
			assert.Equal(t, []any{"push"}, object(t, call(t, "PATCH", address, `{"events":["push","fork"],"remove_events":["fork"]}`).body)["events"])
			assert.Equal(t, 422, call(t, "PATCH", address, `{"events":["fax"]}`).status)
			assert.Equal(t, 400, call(t, "PATCH", address, `{`).status)

			assert.Equal(t, 204, call(t, "DELETE", address, "").status)
			assert.Equal(t, 404, call(t, "DELETE", address, "").status)
			assert.Equal(t, "[]\n", call(t, "GET", api+target+"/hooks", "").body)
		})
	}
}

func TestGitHubRefusesHooks(t *testing.T) {
	t.Parallel()
	_, api := newGithub(t)
	hook(t, api, "/repos/acme/shop", "https://gateway.example.com/github", `["push"]`, "")
	for body, want := range map[string]string{
		`{"config":{"url":"https://gateway.example.com/github"}}`: "Hook already exists on this repository",
		`{"config":{}}`:                                            `"code":"missing_field"`,
		`{"config":{"url":"gateway"}}`:                             `"field":"url"`,
		`{"config":{"url":"https://x","content_type":"xml"}}`:      `"field":"content_type"`,
		`{"config":{"url":"https://x"},"events":["issues","fax"]}`: `"value":"fax"`,
		`{"config":{"url":"https://x"},"name":"email"}`:            `"field":"name"`,
	} {
		got := call(t, "POST", api+"/repos/acme/shop/hooks", body)
		assert.Equal(t, 422, got.status, body)
		assert.Contains(t, got.body, want, body)
	}
	assert.Equal(t, 400, call(t, "POST", api+"/repos/acme/shop/hooks", `{`).status)
	for i := range 20 {
		hook(t, api, "/repos/acme/shop", fmt.Sprintf("https://gateway.example.com/%d", i), `["issues"]`, "")
	}
	assert.Contains(t, call(t, "POST", api+"/repos/acme/shop/hooks", `{"config":{"url":"https://x"},"events":["issues"]}`).body, "cannot have more than 20 hooks")

	got := call(t, "GET", api+"/repos/acme/shop/hooks?per_page=10&page=2", "")
	assert.Len(t, list(t, got.body), 10)
	assert.Regexp(t, regexp.MustCompile(`page=1&per_page=10>; rel="prev", <.*page=3&per_page=10>; rel="next", <.*page=3.*>; rel="last"`), got.header.Get("Link"))
	assert.Len(t, list(t, call(t, "GET", api+"/repos/acme/shop/hooks?page=3&per_page=10", "").body), 1)
}

func hexMAC(t *testing.T, algorithm, key, text string) string {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(key))
	if algorithm == "sha1" {
		mac = hmac.New(sha1.New, []byte(key))
	}
	mac.Write([]byte(text))
	return algorithm + "=" + hex.EncodeToString(mac.Sum(nil))
}

// A hook is told at once that it exists, by an event that no one subscribes to.
func TestGitHubPings(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	_, api := newGithub(t)
	address := hook(t, api, "/repos/acme/shop", inbox.URL+"/github", `["issues"]`, `,"content_type":"json","secret":"topsecret"`)
	ping := inbox.wait(t, 1)[0]
	assert.Equal(t, "ping", ping.header.Get("X-GitHub-Event"))
	body := object(t, ping.body)
	assert.Contains(t, body, "zen")
	assert.Contains(t, address, fmt.Sprintf("/hooks/%.0f", body["hook_id"]))
	assert.Equal(t, "acme/shop", body["repository"].(map[string]any)["full_name"])

	assert.Equal(t, 204, call(t, "POST", address+"/pings", "").status)
	inbox.wait(t, 2)
	hook(t, api, "/orgs/acme", inbox.URL+"/org", `["*"]`, "")
	org := inbox.wait(t, 3)[2]
	assert.Equal(t, "organization", org.header.Get("X-GitHub-Hook-Installation-Target-Type"))
	assert.Empty(t, org.header.Get("X-Hub-Signature-256"), "without a secret nothing is signed")
}

func TestGitHubDeliversSignedEvents(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	github, api := newGithub(t)
	hook(t, api, "/repos/acme/shop", inbox.URL+"/json", `["issues"]`, `,"content_type":"json","secret":"topsecret"`)
	hook(t, api, "/orgs/acme", inbox.URL+"/form", `["*"]`, `,"secret":"other"`) // form is the default
	hook(t, api, "/repos/acme/shop", inbox.URL+"/push", `["push"]`, "")
	inbox.wait(t, 3)
	require.NoError(t, github.Fire(t.Context(), simulator.Notification{Type: "issues.opened", Entity: "42", Extra: map[string]any{"note": "1 + 1"}}))
	got := inbox.got()[3:]
	require.Len(t, got, 2)

	direct := got[0]
	assert.Equal(t, "/json", direct.path)
	assert.Equal(t, "application/json", direct.header.Get("Content-Type"))
	assert.Equal(t, "issues", direct.header.Get("X-GitHub-Event"))
	assert.Regexp(t, `^[0-9a-f-]{36}$`, direct.header.Get("X-GitHub-Delivery"))
	assert.Equal(t, "repository", direct.header.Get("X-GitHub-Hook-Installation-Target-Type"))
	assert.Equal(t, "1296269", direct.header.Get("X-GitHub-Hook-Installation-Target-ID"))
	assert.True(t, strings.HasPrefix(direct.header.Get("User-Agent"), "GitHub-Hookshot/"))
	assert.Equal(t, hexMAC(t, "sha256", "topsecret", direct.body), direct.header.Get("X-Hub-Signature-256"))
	assert.Equal(t, hexMAC(t, "sha1", "topsecret", direct.body), direct.header.Get("X-Hub-Signature"))
	body := object(t, direct.body)
	assert.Equal(t, "opened", body["action"])
	assert.EqualValues(t, 42, body["issue"].(map[string]any)["number"])
	assert.Equal(t, "1 + 1", body["note"])

	form := got[1]
	assert.Equal(t, "application/x-www-form-urlencoded", form.header.Get("Content-Type"))
	assert.Equal(t, hexMAC(t, "sha256", "other", form.body), form.header.Get("X-Hub-Signature-256"), "the form is signed as it is sent")
	values, err := url.ParseQuery(form.body)
	require.NoError(t, err)
	assert.JSONEq(t, direct.body, values.Get("payload"))
}

func TestGitHubEventsOfEveryKind(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	github, api := newGithub(t)
	hook(t, api, "/repos/acme/shop", inbox.URL, `["*"]`, `,"content_type":"json"`)
	inbox.wait(t, 1)
	for i, name := range github.Types() {
		require.NoError(t, github.Fire(t.Context(), simulator.Notification{Type: name}))
		d := inbox.got()[1+i]
		event, action, _ := strings.Cut(name, ".")
		assert.Equal(t, event, d.header.Get("X-GitHub-Event"))
		body := object(t, d.body)
		if action != "" {
			assert.Equal(t, action, body["action"], name)
		}
		for _, member := range []string{"repository", "organization", "sender"} {
			assert.Contains(t, body, member, name)
		}
	}
	require.NoError(t, github.Fire(t.Context(), simulator.Notification{Type: "pullrequest.opened"}), "as a catalog may call it")
	assert.Contains(t, inbox.got()[1+len(github.Types())].body, `"pull_request"`)
	assert.ErrorContains(t, github.Fire(t.Context(), simulator.Notification{Type: "issues.eaten"}), "choose one of push, issues.opened")
}

// GitHub never repeats; what was missed is listed, and can be delivered again.
func TestGitHubRedeliversOnlyOnDemand(t *testing.T) {
	t.Parallel()
	inbox := newInbox(t)
	github, api := newGithub(t)
	address := hook(t, api, "/repos/acme/shop", inbox.URL, `["issues"]`, `,"content_type":"json","secret":"topsecret"`)
	eventually(t, func() bool { return strings.Join(states(github), "") == simulator.Delivered })
	inbox.answer(http.StatusServiceUnavailable)
	require.NoError(t, github.Fire(t.Context(), simulator.Notification{ID: "72d3162e-cc78-11e3-81ab-4c9367dc0958", Type: "issues.opened"}))
	eventually(t, func() bool { return states(github)[1] == simulator.Failed })
	assert.Len(t, inbox.got(), 2)

	eventually(t, func() bool { return !strings.Contains(call(t, "GET", address+"/deliveries", "").body, `"pending"`) })
	deliveries := list(t, call(t, "GET", address+"/deliveries", "").body)
	require.Len(t, deliveries, 2, "newest first")
	missed := deliveries[0]
	assert.Equal(t, "issues", missed["event"])
	assert.Equal(t, "opened", missed["action"])
	assert.Equal(t, "Invalid HTTP Response: 503", missed["status"])
	assert.Equal(t, false, missed["redelivery"])
	assert.Equal(t, "ping", deliveries[1]["event"])
	assert.Equal(t, "OK", deliveries[1]["status"])
	one := fmt.Sprintf("%s/deliveries/%.0f", address, missed["id"])
	details := object(t, call(t, "GET", one, "").body)
	assert.Equal(t, "issues", details["request"].(map[string]any)["headers"].(map[string]any)["X-Github-Event"])
	assert.Equal(t, 503.0, object(t, call(t, "GET", address, "").body)["last_response"].(map[string]any)["code"])

	inbox.answer(200)
	assert.Equal(t, 202, call(t, "POST", one+"/attempts", "").status)
	again := inbox.wait(t, 3)[2]
	assert.Equal(t, "72d3162e-cc78-11e3-81ab-4c9367dc0958", again.header.Get("X-GitHub-Delivery"), "the GUID stays")
	assert.Equal(t, inbox.got()[1].body, again.body)
	eventually(t, func() bool { return states(github)[2] == simulator.Delivered })
	deliveries = list(t, call(t, "GET", address+"/deliveries?per_page=1", "").body)
	require.Len(t, deliveries, 1)
	assert.Equal(t, true, deliveries[0]["redelivery"])

	assert.Equal(t, 404, call(t, "GET", address+"/deliveries/1", "").status)
	assert.Equal(t, 404, call(t, "POST", address+"/deliveries/1/attempts", "").status)
	require.NoError(t, github.Resend(t.Context(), "72d3162e-cc78-11e3-81ab-4c9367dc0958"), "so does the button")
}

func TestGitHubWithoutAWayOut(t *testing.T) {
	t.Parallel()
	system, address := newSystem(t, "github", githubParams())
	made := hook(t, address, "/repos/acme/shop", "https://gateway.example.com", `["push"]`, "")
	eventually(t, func() bool {
		return strings.Contains(call(t, "GET", made+"/deliveries", "").body, "failed to connect to host")
	})
	github := system.(simulator.Notifier)
	assert.ErrorContains(t, github.Fire(t.Context(), simulator.Notification{Type: "push"}), "no consumer is connected")
	assert.ErrorContains(t, github.Connect(simulator.Consumer{Endpoint: "https://x"}), "leave the endpoint empty")

	inbox := newInbox(t)
	inbox.Close()
	require.NoError(t, github.Connect(simulator.Consumer{Client: nearby(), MaxAttempts: 2, RetryAfter: time.Millisecond}))
	hook(t, address, "/repos/acme/shop", inbox.URL, `["push"]`, "")
	require.NoError(t, github.Fire(t.Context(), simulator.Notification{Type: "push"}))
	eventually(t, func() bool { return strings.Join(states(github), " ") == "failed failed failed" })

	alone, address := newGithub(t, "repository", "")
	heard := newInbox(t)
	hook(t, address, "/orgs/acme", heard.URL, `["push"]`, "")
	require.NoError(t, alone.Fire(t.Context(), simulator.Notification{Type: "push"}))
	eventually(t, func() bool { return strings.Join(states(alone), " ") == "delivered delivered" })
}
