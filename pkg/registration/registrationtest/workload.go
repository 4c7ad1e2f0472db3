package registrationtest

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// Kyma is what surrounds a Catalog: it shows what became of a registration for those who rely on it.
type Kyma struct {
	// Workload takes the calls of workloads, by host as the cluster knows it.
	Workload http.Handler
	// Cluster is the Kubernetes API.
	Cluster http.Handler
	// System is where Kyma's gateway and registry make their calls.
	System *System
	// Application is the name of the test's Application, SecretsNamespace where Kyma's gateway reads Secrets.
	Application, SecretsNamespace string
	// LoseAnswer lets the next write of the Catalog take effect, and its answer get lost.
	LoseAnswer func(t *testing.T)
}

// System is an external system that takes every call and remembers it. It gives out tokens and CSRF tokens, and never
// leaves the process.
type System struct {
	mu    sync.Mutex
	calls []*http.Request
}

// RoundTrip implements http.RoundTripper.
func (s *System) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	call := r.Clone(r.Context())
	call.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	answer := &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(`{"access_token":"an-access-t0ken","expires_in":3600}`))}
	if r.Header.Get("X-Csrf-Token") == "fetch" {
		answer.Header.Set("X-Csrf-Token", "a-csrf-t0ken")
	}
	return answer, nil
}

// take returns the calls so far and forgets them.
func (s *System) take() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// call is a workload's call below a service; it returns what reached the system.
func (k *Kyma) call(t *testing.T, c registration.Catalog, s registration.Service, path string) (reached *http.Request, before []*http.Request) {
	t.Helper()
	k.System.take()
	answer := httptest.NewRecorder()
	k.Workload.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, c.URL(s)+path, nil))
	require.Equal(t, http.StatusOK, answer.Code, "%s: %s", s.DisplayName, answer.Body)
	calls := k.System.take()
	require.NotEmpty(t, calls)
	return calls[len(calls)-1], calls[:len(calls)-1]
}

// do makes a call to the cluster.
func (k *Kyma) do(t *testing.T, method, path string, object any) map[string]any {
	t.Helper()
	body, err := json.Marshal(object)
	require.NoError(t, err)
	request := httptest.NewRequest(method, path, bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	k.Cluster.ServeHTTP(answer, request)
	require.Less(t, answer.Code, 300, "%s %s: %s", method, path, answer.Body)
	var result map[string]any
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &result))
	return result
}

func (k *Kyma) path() string {
	return "/apis/applicationconnector.kyma-project.io/v1alpha1/applications/" + k.Application
}

// stored are the services of the Application, by display name.
func (k *Kyma) stored(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	spec, _ := k.do(t, http.MethodGet, k.path(), nil)["spec"].(map[string]any)
	services, _ := spec["services"].([]any)
	for _, item := range services {
		service := item.(map[string]any)
		require.NotContains(t, found, service["displayName"])
		found[service["displayName"].(string)] = service
	}
	return found
}

// secrets are the names of the Secrets that a service refers to.
func secrets(service map[string]any) (names []string) {
	for _, item := range service["entries"].([]any) {
		entry := item.(map[string]any)
		credentials, _ := entry["credentials"].(map[string]any)
		for _, name := range []any{credentials["secretName"], entry["requestParametersSecretName"]} {
			if text, _ := name.(string); text != "" {
				names = append(names, text)
			}
		}
	}
	return names
}

// all are the names of the Secrets where Kyma's gateway reads them.
func (k *Kyma) all(t *testing.T) (names []string) {
	t.Helper()
	list := k.do(t, http.MethodGet, "/api/v1/namespaces/"+k.SecretsNamespace+"/secrets", nil)
	items, _ := list["items"].([]any)
	for _, item := range items {
		names = append(names, item.(map[string]any)["metadata"].(map[string]any)["name"].(string))
	}
	return names
}

// kymaTests are those of the contract that look at Kyma.
func kymaTests() map[string]func(*testing.T, Harness, *Kyma) {
	return map[string]func(*testing.T, Harness, *Kyma){
		"calls of workloads are signed in":             signsIn,
		"rotated credentials are what is called with":  callsWithTheNew,
		"an encoded slash in an OData key stays one":   keepsODataKeys,
		"credentials lie where Kyma looks, and go too": secretsOfTheApplication,
		"services that others made stay as they are":   foreignByHand,
		"an event catalog has no address":              eventEntries,
		"a taken name is known before anything":        takenName,
		"somebody else writes meanwhile":               writesMeanwhile,
		"the answer to a creation gets lost":           lostCreation,
		"the answer to a deletion gets lost":           lostDeletion,
		"nothing secret is in the Application":         nothingSecret,
	}
}

func signsIn(t *testing.T, h Harness, k *Kyma) {
	c := h.Catalog(ours)
	for _, s := range everyKind() {
		apply(t, c, create(s))
		if s.API == nil {
			continue
		}
		call, before := k.call(t, c, s, "/orders?top=1")
		assert.Equal(t, strings.TrimPrefix(s.API.TargetURL, "https://shop.example.com")+"/orders", call.URL.Path, s.DisplayName)
		assert.Equal(t, "1", call.URL.Query().Get("top"))
		user, password, basic := call.BasicAuth()
		token := call.Header.Get("X-Csrf-Token")
		switch credentials := s.API.Credentials; {
		case credentials.Basic != nil:
			assert.Equal(t, "user:"+contractSecrets[0].Reveal(), user+":"+password, s.DisplayName)
			assert.Equal(t, "a-csrf-t0ken", token, s.DisplayName)
			require.Len(t, before, 1)
			assert.Equal(t, s.API.CSRFTokenURL, before[0].URL.String())
		case credentials.OAuth != nil:
			assert.Equal(t, "Bearer an-access-t0ken", call.Header.Get("Authorization"))
			require.NotEmpty(t, before)
			asked := before[0]
			assert.Equal(t, "https://shop.example.com/token", asked.URL.Scheme+"://"+asked.URL.Host+asked.URL.Path)
			require.NoError(t, asked.ParseForm())
			assert.Equal(t, "client "+contractSecrets[1].Reveal(), asked.PostForm.Get("client_id")+" "+asked.PostForm.Get("client_secret"))
			assert.Equal(t, contractSecrets[2].Reveal(), asked.Header.Get("X-Tenant"))
			assert.Equal(t, contractSecrets[2].Reveal(), asked.URL.Query().Get("scope"))
		default:
			assert.False(t, basic, s.DisplayName)
			assert.Empty(t, call.Header.Get("Authorization")+token)
		}
		if len(s.API.Headers) > 0 {
			assert.Equal(t, contractSecrets[2].Reveal(), call.Header.Get("X-Api-Key"))
			assert.Equal(t, contractSecrets[2].Reveal(), call.URL.Query().Get("key"))
		}
	}
}

func callsWithTheNew(t *testing.T, h Harness, k *Kyma) {
	s, c := ExampleService(ours, "orders"), h.Catalog(ours)
	apply(t, c, create(s))
	old := find(t, c, s)
	api := *s.API
	api.Credentials.Basic = &registration.BasicCredentials{Username: "other", Password: secret.New("n3w-pa55word")}
	s.API = &api
	accepted(t, c.Apply(t.Context(), []registration.Change{{Action: registration.Update, Service: &s, Registered: &old}}))
	call, _ := k.call(t, c, s, "/x")
	user, password, _ := call.BasicAuth()
	assert.Equal(t, "other:n3w-pa55word", user+":"+password)

	without := api
	without.Credentials, without.CSRFTokenURL = registration.Credentials{}, ""
	s.API = &without
	accepted(t, c.Apply(t.Context(), []registration.Change{{Action: registration.Update, Service: &s, Registered: &old}}))
	call, _ = k.call(t, c, s, "/x")
	assert.Empty(t, call.Header.Get("Authorization"))
	assert.Empty(t, secrets(k.stored(t)[s.DisplayName]))
}

func keepsODataKeys(t *testing.T, h Harness, k *Kyma) {
	s, c := ExampleService(ours, "odata"), h.Catalog(ours)
	// Kyma knows an OData service by its description, which the registry fetches.
	s.API.Kind, s.API.Specification, s.API.SpecificationURL, s.API.SpecificationAuth = connector.KindOData, nil, s.API.TargetURL+"/$metadata", true
	k.System.take()
	apply(t, c, create(s))
	for _, fetched := range k.System.take() {
		user, password, _ := fetched.BasicAuth()
		assert.Equal(t, s.API.SpecificationURL, fetched.URL.String())
		assert.Equal(t, "user:"+contractSecrets[0].Reveal(), user+":"+password, "the specification is fetched with credentials, which are not in its address")
	}
	call, _ := k.call(t, c, s, "/Orders('a%2Fb')/Items")
	assert.Equal(t, "/odata/Orders('a%2Fb')/Items", call.URL.EscapedPath())
}

func secretsOfTheApplication(t *testing.T, h Harness, k *Kyma) {
	before := k.all(t)
	c := h.Catalog(ours)
	var all []registration.Change
	for _, s := range everyKind() {
		all = append(all, create(s))
	}
	apply(t, c, all...)
	uid := k.do(t, http.MethodGet, k.path(), nil)["metadata"].(map[string]any)["uid"]
	held := map[string]bool{}
	for name, service := range k.stored(t) {
		for _, secretName := range secrets(service) {
			held[secretName] = true
			meta := k.do(t, http.MethodGet, "/api/v1/namespaces/"+k.SecretsNamespace+"/secrets/"+secretName, nil)["metadata"].(map[string]any)
			owners, _ := meta["ownerReferences"].([]any)
			require.Len(t, owners, 1, name)
			owner := owners[0].(map[string]any)
			assert.Equal(t, []any{"Application", k.Application, uid}, []any{owner["kind"], owner["name"], owner["uid"]}, name)
		}
	}
	assert.GreaterOrEqual(t, len(held), 4)
	assert.ElementsMatch(t, append(slices.Collect(maps.Keys(held)), before...), k.all(t), "and there are no others")

	var deletions []registration.Change
	for _, s := range everyKind() {
		old := find(t, c, s)
		deletions = append(deletions, registration.Change{Action: registration.Delete, Registered: &old})
	}
	apply(t, h.Catalog(ours), deletions...)
	assert.ElementsMatch(t, before, k.all(t), "nothing is left of them")
}

// foreign is a service as somebody may have made it by hand, or another program.
func foreign() map[string]any {
	return map[string]any{
		"id": "hand-made", "name": "theirs", "displayName": "Theirs", "providerDisplayName": "They", "description": "", "tags": []any{"b", "a"},
		"entries": []any{
			map[string]any{"type": "API", "targetUrl": "https://theirs.example.com", "credentials": map[string]any{"type": "OAuth", "secretName": "theirs", "authenticationUrl": "https://theirs.example.com/token"}},
			map[string]any{"type": "Events"},
		},
	}
}

// add puts a service into the Application by hand.
func (k *Kyma) add(t *testing.T, service map[string]any) {
	t.Helper()
	object := k.do(t, http.MethodGet, k.path(), nil)
	spec, _ := object["spec"].(map[string]any)
	if spec == nil {
		spec = map[string]any{}
	}
	services, _ := spec["services"].([]any)
	spec["services"] = append(services, service)
	object["spec"] = spec
	k.do(t, http.MethodPut, k.path(), object)
}

func foreignByHand(t *testing.T, h Harness, k *Kyma) {
	k.add(t, foreign())
	before := k.stored(t)["Theirs"]
	unchanged := func(what string) {
		t.Helper()
		assert.Equal(t, before, k.stored(t)["Theirs"], what)
	}
	s, c := ExampleService(ours, "orders"), h.Catalog(ours)
	apply(t, c, create(s))
	unchanged("creation")
	old := find(t, c, s)
	s.Description = "Changed."
	apply(t, c, registration.Change{Action: registration.Update, Service: &s, Registered: &old})
	unchanged("update")
	apply(t, c, registration.Change{Action: registration.Delete, Registered: &old})
	unchanged("deletion")
	theirs := find(t, c, registration.Service{ID: "hand-made"})
	assert.Error(t, c.Apply(t.Context(), []registration.Change{{Action: registration.Delete, Registered: &theirs}})[0])
	unchanged("an attempt")
}

func eventEntries(t *testing.T, h Harness, k *Kyma) {
	kinds := everyKind()
	events, c := kinds[len(kinds)-1], h.Catalog(ours)
	apply(t, c, create(events))
	assert.Empty(t, c.URL(events))
	entries := k.stored(t)[events.DisplayName]["entries"].([]any)
	require.Len(t, entries, 1)
	assert.Equal(t, "Events", entries[0].(map[string]any)["type"])
	assert.Empty(t, secrets(k.stored(t)[events.DisplayName]))
}

func takenName(t *testing.T, h Harness, k *Kyma) {
	theirs := foreign()
	theirs["displayName"] = "SHOP of default/orders, Orders"
	k.add(t, theirs)
	mine, free := ExampleService(ours, "orders"), ExampleService(ours, "invoices")
	plan := registration.MakePlan(registration.PlanInput{
		Instance: ours, Policy: registration.Upsert, Current: list(t, h.Catalog(ours)), Desired: registration.Desired{Services: []registration.Service{mine, free}},
	})
	require.Len(t, plan.Conflicts, 1)
	assert.Equal(t, mine.ID, plan.Conflicts[0].Service.ID)
	require.Len(t, plan.Steps, 1)
	assert.Equal(t, free.ID, plan.Steps[0].Service.ID)
}

func writesMeanwhile(t *testing.T, h Harness, k *Kyma) {
	c := h.Catalog(ours)
	list(t, c)
	k.add(t, foreign())
	theirs := ExampleService(theirs, "orders")
	apply(t, h.Catalog("other/orders"), create(theirs))
	s := ExampleService(ours, "orders")
	apply(t, c, create(s))
	assert.ElementsMatch(t, []string{"Theirs", theirs.DisplayName, s.DisplayName}, slices.Collect(maps.Keys(k.stored(t))))
}

// repeatedly applies a change again where it failed, as runs that follow one another do.
func repeatedly(t *testing.T, h Harness, change func() registration.Change) {
	t.Helper()
	for range 3 {
		c := h.Catalog(ours)
		if c.Apply(t.Context(), []registration.Change{change()})[0] == nil {
			return
		}
	}
}

func lostCreation(t *testing.T, h Harness, k *Kyma) {
	s := ExampleService(ours, "orders")
	k.LoseAnswer(t)
	repeatedly(t, h, func() registration.Change {
		services, err := h.Catalog(ours).List(t.Context())
		require.NoError(t, err)
		if i := slices.IndexFunc(services, func(r registration.Registered) bool { return r.Identifier == s.Identifier }); i >= 0 {
			return registration.Change{Action: registration.Update, Service: &s, Registered: &services[i]}
		}
		return create(s)
	})
	stored := k.stored(t)
	require.Len(t, stored, 1, "registered once")
	assert.ElementsMatch(t, secrets(stored[s.DisplayName]), k.all(t), "no Secret is left over")
	c := h.Catalog(ours)
	assertListed(t, c, s)
	call, _ := k.call(t, c, s, "/x")
	assert.Equal(t, "/orders/x", call.URL.Path)
}

func lostDeletion(t *testing.T, h Harness, k *Kyma) {
	s := ExampleService(ours, "orders")
	apply(t, h.Catalog(ours), create(s))
	old := find(t, h.Catalog(ours), s)
	k.LoseAnswer(t)
	repeatedly(t, h, func() registration.Change { return registration.Change{Action: registration.Delete, Registered: &old} })
	assert.Empty(t, k.stored(t))
	apply(t, h.Catalog(ours))
	assert.Empty(t, k.all(t))
}

func nothingSecret(t *testing.T, h Harness, k *Kyma) {
	var all []registration.Change
	for _, s := range everyKind() {
		all = append(all, create(s))
	}
	apply(t, h.Catalog(ours), all...)
	text, err := json.Marshal(k.do(t, http.MethodGet, k.path(), nil))
	require.NoError(t, err)
	for _, value := range contractSecrets {
		assert.NotContains(t, string(text), value.Reveal())
	}
}
