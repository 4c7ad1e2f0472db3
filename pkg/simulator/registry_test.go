package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

var services = schema.GroupVersionResource{Version: "v1", Resource: "services"}

// registryOf serves the Application Registry of an old cluster with the Application "shop" and returns
// the address of its services.
func registryOf(t *testing.T, o simulator.KymaOptions) (kyma *simulator.Kyma, url string) {
	t.Helper()
	o.Generation, o.Applications = simulator.Old, []string{"shop"}
	kyma = newKyma(t, o)
	return kyma, serve(t, kyma.Registry()) + "/shop/v1/metadata/services"
}

// register registers a service and returns its id.
func register(t *testing.T, url, body string) string {
	t.Helper()
	got := post(t, url, "application/json", body)
	require.Equal(t, http.StatusOK, got.status, got.body)
	var created struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(got.body), &created))
	require.NotEmpty(t, created.ID)
	return created.ID
}

// servicesOf reads the services of the Application "shop".
func servicesOf(t *testing.T, client dynamic.Interface) []any {
	t.Helper()
	app, err := client.Resource(applications).Get(t.Context(), "shop", metav1.GetOptions{})
	require.NoError(t, err)
	list, _, err := unstructured.NestedSlice(app.Object, "spec", "services")
	require.NoError(t, err)
	return list
}

const ordersAPI = `{"provider":"SAP","name":"Orders","description":"All orders.","identifier":"orders-1","labels":{"a":"b","connected-app":"mine"},
	"api":{"targetUrl":"https://shop.example.com/base","credentials":{"basic":{"username":"me","password":"secret","csrfInfo":{"tokenEndpointURL":"https://shop.example.com/token"}}},
	"requestParameters":{"headers":{"X-Tenant":["7"]},"queryParameters":{"client":["100"]}}}}`

func TestTheRegistryWritesIntoTheCluster(t *testing.T) {
	t.Parallel()
	kyma, url := registryOf(t, simulator.KymaOptions{})
	client := kubeClient(t, kyma)
	id := register(t, url, ordersAPI)
	name := "shop-" + id

	service := servicesOf(t, client)[0].(map[string]any)
	assert.Equal(t, id, service["id"])
	assert.Regexp(t, `^orders-[0-9a-f]{5}$`, service["name"], "the name is generated")
	assert.Equal(t, "Orders", service["displayName"])
	assert.Equal(t, "All orders.", service["description"], "the description stands in for the short one")
	assert.Equal(t, map[string]any{"a": "b", "connected-app": "shop"}, service["labels"], "the registry overwrites connected-app")
	assert.Equal(t, map[string]any{
		"type": "API", "targetUrl": "https://shop.example.com/base", "specificationUrl": "", "apiType": "",
		"gatewayUrl": "http://" + name + ".kyma-integration.svc.cluster.local", "accessLabel": name,
		"requestParametersSecretName": "params-" + name,
		"credentials":                 map[string]any{"type": "Basic", "secretName": name, "csrfInfo": map[string]any{"tokenEndpointURL": "https://shop.example.com/token"}},
	}, service["entries"].([]any)[0])

	secret, err := client.Resource(secrets).Namespace("kyma-integration").Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"username": "bWU=", "password": "c2VjcmV0"}, secret.Object["data"])
	assert.Equal(t, "shop", secret.GetOwnerReferences()[0].Name)
	assert.Equal(t, map[string]string{"app": "shop", "serviceId": id}, secret.GetLabels())
	params, err := client.Resource(secrets).Namespace("kyma-integration").Get(t.Context(), "params-"+name, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"headers": "eyJYLVRlbmFudCI6WyI3Il19", "queryParameters": "eyJjbGllbnQiOlsiMTAwIl19"}, params.Object["data"])
	_, err = client.Resource(services).Namespace("kyma-integration").Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)

	require.NoError(t, client.Resource(applications).Delete(t.Context(), "shop", metav1.DeleteOptions{}))
	_, err = client.Resource(secrets).Namespace("kyma-integration").Get(t.Context(), name, metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "the Application owns it all: %v", err)
}

func TestWhatTheRegistryTellsOfAService(t *testing.T) {
	t.Parallel()
	_, url := registryOf(t, simulator.KymaOptions{})
	id := register(t, url, ordersAPI)

	list := get(t, url)
	assert.Equal(t, http.StatusOK, list.status)
	assert.Contains(t, list.header.Get("Content-Type"), "application/json")
	assert.JSONEq(t, `[{"id":"`+id+`","provider":"SAP","name":"Orders","description":"All orders.","identifier":"orders-1","labels":{"a":"b","connected-app":"shop"}}]`,
		list.body, "no api, no credentials")

	one := get(t, url+"/"+id)
	assert.JSONEq(t, `{"provider":"SAP","name":"Orders","description":"All orders.","identifier":"orders-1","labels":{"a":"b","connected-app":"shop"},
		"api":{"targetUrl":"https://shop.example.com/base","credentials":{"basic":{"username":"********","password":"********","csrfInfo":{"tokenEndpointURL":"https://shop.example.com/token"}}},
		"requestParameters":{"headers":{"X-Tenant":["7"]},"queryParameters":{"client":["100"]}}}}`, one.body, "secrets are masked, and there is no id")
	assert.Equal(t, 404, get(t, url+"/no-such-id").status)
}

func TestRegistrationsThatAreRefused(t *testing.T) {
	t.Parallel()
	_, url := registryOf(t, simulator.KymaOptions{})
	details := func(members string) string {
		return `{"provider":"p","name":"n","description":"d"` + members + `}`
	}
	for _, test := range []struct {
		name, body, want string
	}{
		{"not json", `{`, "Failed to unmarshal request body"},
		{"nothing", `{}`, "Description field cannot be empty.;Name field cannot be empty.;Provider field cannot be empty."},
		{"neither api nor events", details(``), "At least one of service definition attributes: 'api', 'events' have to be provided"},
		{"no target", details(`,"api":{}`), "targetUrl field cannot be empty."},
		{"target is no url", details(`,"api":{"targetUrl":"not a url"}`), "does not validate as url"},
		{"specification is text", details(`,"api":{"targetUrl":"https://x.com","spec":"openapi: 3.0.0"}`), "api.Spec is not a proper json object"},
		{"specification is a list", details(`,"api":{"targetUrl":"https://x.com","spec":[]}`), "api.Spec is not a proper json object"},
		{"events without specification", details(`,"events":{}`), "spec cannot be empty"},
		{"events as text", details(`,"events":{"spec":"asyncapi: 2.0.0"}`), "events.Spec is not a proper json object"},
		{"empty password", details(`,"api":{"targetUrl":"https://x.com","credentials":{"basic":{"username":"u"}}}`), "basic auth password field cannot be empty"},
		{"no token url", details(`,"api":{"targetUrl":"https://x.com","credentials":{"oauth":{"clientId":"c","clientSecret":"s"}}}`), "oauth url field cannot be empty"},
		{"two kinds of credentials", details(`,"api":{"targetUrl":"https://x.com","credentials":{"basic":{"username":"u","password":"p"},"certificateGen":{"commonName":"c"}}}`), "to many authentication methods provided"},
		{"csrf without url", details(`,"api":{"targetUrl":"https://x.com","credentials":{"basic":{"username":"u","password":"p","csrfInfo":{}}}}`), "tokenEndpointURL field cannot be empty"},
		{"label that is no text", details(`,"labels":{"a":1},"events":{"spec":{}}`), "Failed to unmarshal request body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := post(t, url, "application/json", test.body)
			assert.Equal(t, http.StatusBadRequest, got.status)
			var problem struct {
				Code  int
				Error string
			}
			require.NoError(t, json.Unmarshal([]byte(got.body), &problem))
			assert.Equal(t, http.StatusBadRequest, problem.Code)
			assert.Contains(t, problem.Error, test.want)
		})
	}
	t.Run("unknown fields are ignored", func(t *testing.T) {
		t.Parallel()
		register(t, url, details(`,"colour":"red","api":{"targetUrl":"https://x.com","requestParams":{}}`))
	})
}

func TestRegistryPaths(t *testing.T) {
	t.Parallel()
	kyma, services := registryOf(t, simulator.KymaOptions{})
	base := strings.TrimSuffix(services, "/shop/v1/metadata/services")
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/v1/health", 200},
		{"GET", "/shop/v1/metadata", 301},
		{"GET", "/shop/v1/metadata/api.yaml", 200},
		{"GET", "/shop/v1/metadata/services", 200},
		{"GET", "/nobody/v1/metadata/services", 404},
		{"DELETE", "/nobody/v1/metadata/services/1", 404},
		{"DELETE", "/shop/v1/metadata/services/never-existed", 204},
		{"PUT", "/shop/v1/metadata/services", 405},
		{"POST", "/shop/v1/metadata/services/1", 405},
		{"GET", "/shop/v1/other", 404},
		{"GET", "/", 404},
	} {
		got := do(t, request(t, test.method, base+test.path, ""))
		assert.Equal(t, test.status, got.status, "%s %s", test.method, test.path)
	}
	got := get(t, base+"/nobody/v1/metadata/services")
	assert.JSONEq(t, `{"code":404,"error":"Application nobody not found"}`, got.body)

	assert.Equal(t, 404, get(t, serve(t, newKyma(t, simulator.KymaOptions{}).Registry())+"/v1/health").status, "a current Kyma has no registry")
	assert.Zero(t, kyma.Counts().Orphans)
}

func TestIdentifiersAreUniqueButNamesAreNot(t *testing.T) {
	t.Parallel()
	_, url := registryOf(t, simulator.KymaOptions{})
	const named = `{"provider":"p","name":"Orders","description":"d","events":{"spec":{}}}`
	assert.NotEqual(t, register(t, url, named), register(t, url, named), "the same twice makes two services")

	id := register(t, url, ordersAPI)
	got := post(t, url, "application/json", ordersAPI)
	assert.Equal(t, http.StatusConflict, got.status)
	assert.Contains(t, got.body, "Service with Identifier orders-1 already exists")

	other := register(t, url, strings.Replace(ordersAPI, "orders-1", "orders-2", 1))
	got = do(t, request(t, http.MethodPut, url+"/"+other, ordersAPI))
	assert.Equal(t, http.StatusOK, got.status, "PUT does not look at the identifier")
	assert.Contains(t, get(t, url+"/"+other).body, "orders-2", "and does not change it")
	assert.Contains(t, get(t, url+"/"+id).body, "orders-1")
}

func TestReplacing(t *testing.T) {
	t.Parallel()
	kyma, url := registryOf(t, simulator.KymaOptions{})
	client := kubeClient(t, kyma)
	secret := func(name string) map[string]any {
		o, err := client.Resource(secrets).Namespace("kyma-integration").Get(t.Context(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		require.NoError(t, err)
		return o.Object["data"].(map[string]any)
	}
	put := func(id, body string) answer { return do(t, request(t, http.MethodPut, url+"/"+id, body)) }

	t.Run("an unknown service", func(t *testing.T) {
		assert.Equal(t, http.StatusNotFound, put("nope", ordersAPI).status)
	})
	t.Run("everything is replaced, and little is told", func(t *testing.T) {
		id := register(t, url, strings.Replace(ordersAPI, "orders-1", "replace", 1))
		got := put(id, `{"provider":"p","name":"Renamed","description":"d","api":{"targetUrl":"https://x.com"}}`)
		require.Equal(t, http.StatusOK, got.status)
		assert.JSONEq(t, `{"provider":"p","name":"Renamed","description":"d","identifier":"replace","labels":{"connected-app":"shop"}}`, got.body)
		assert.Nil(t, secret("shop-"+id), "omitted credentials delete the Secret")
		assert.Nil(t, secret("params-shop-"+id), "omitted request parameters too")
	})
	t.Run("a new password", func(t *testing.T) {
		id := register(t, url, strings.Replace(ordersAPI, "orders-1", "password", 1))
		require.Equal(t, http.StatusOK, put(id, strings.Replace(ordersAPI, `"secret"`, `"changed"`, 1)).status)
		assert.Equal(t, "Y2hhbmdlZA==", secret("shop-" + id)["password"])
	})
	t.Run("what was read is not to be put back", func(t *testing.T) {
		id := register(t, url, strings.Replace(ordersAPI, "orders-1", "stars", 1))
		require.Equal(t, http.StatusOK, put(id, get(t, url+"/"+id).body).status)
		assert.Equal(t, "KioqKioqKio=", secret("shop-" + id)["password"], "the stars are stored")
	})
	t.Run("request parameters of the token call alone are lost", func(t *testing.T) {
		oauth := func(scope string) string {
			return `{"provider":"p","name":"n","description":"d","api":{"targetUrl":"https://x.com","credentials":{"oauth":{"url":"https://x.com/token","clientId":"c","clientSecret":"s",
				"requestParameters":{"queryParameters":{"scope":["` + scope + `"]}}}}}}`
		}
		id := register(t, url, oauth("one"))
		before := secret("shop-" + id)
		require.Contains(t, before, "queryParameters")
		require.Equal(t, http.StatusOK, put(id, oauth("two")).status)
		assert.Equal(t, before, secret("shop-"+id))
	})
	t.Run("a certificate is only renewed for another name", func(t *testing.T) {
		generated := func(name string) string {
			return `{"provider":"p","name":"n","description":"d","api":{"targetUrl":"https://x.com","credentials":{"certificateGen":{"commonName":"` + name + `"}}}}`
		}
		id := register(t, url, generated("one"))
		before := secret("shop-" + id)
		require.Contains(t, before, "crt")
		require.Equal(t, http.StatusOK, put(id, generated("one")).status)
		assert.Equal(t, before, secret("shop-"+id))
		require.Equal(t, http.StatusOK, put(id, generated("two")).status)
		assert.NotEqual(t, before["crt"], secret("shop-" + id)["crt"])
		assert.Contains(t, get(t, url+"/"+id).body, `"commonName":"two"`)
	})
	t.Run("an empty common name means no credentials", func(t *testing.T) {
		id := register(t, url, `{"provider":"p","name":"n","description":"d","api":{"targetUrl":"https://x.com","credentials":{"certificateGen":{"commonName":""}}}}`)
		assert.Nil(t, secret("shop-"+id))
	})
	t.Run("deleting takes everything", func(t *testing.T) {
		id := register(t, url, strings.Replace(ordersAPI, "orders-1", "gone", 1))
		for range 2 {
			got := do(t, request(t, http.MethodDelete, url+"/"+id, ""))
			assert.Equal(t, http.StatusNoContent, got.status)
			assert.Empty(t, got.body)
		}
		assert.Nil(t, secret("shop-"+id))
		assert.Equal(t, http.StatusNotFound, get(t, url+"/"+id).status)
	})
	assert.Zero(t, kyma.Counts().Orphans)
}

func TestSpecificationsAreFetchedByTheRegistry(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	system := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path)
		mu.Unlock()
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path == "/private" && (user != "reader" || password != "pw" || r.Header.Get("X-Tenant") != "7"):
			http.Error(w, "no", http.StatusUnauthorized)
		case r.URL.Path == "/service/$metadata" && r.Header.Get("Authorization") != "":
			t.Error("the API's credentials are not used to fetch $metadata")
		case r.URL.Path == "/service/$metadata":
			fmt.Fprint(w, `<edmx:Edmx/>`)
		case r.URL.Path == "/closed/$metadata":
			http.Error(w, "no", http.StatusUnauthorized)
		case r.URL.Path == "/swagger":
			fmt.Fprint(w, `{"swagger":"2.0","host":"original","basePath":"/api"}`)
		default:
			fmt.Fprint(w, `{"openapi":"3.0.0"}`)
		}
	}))
	count := func(path string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range asked {
			if p == path {
				n++
			}
		}
		return n
	}
	body := func(api string) string {
		return `{"provider":"p","name":"n","description":"d","api":{` + strings.ReplaceAll(api, "SYSTEM", system) + `}}`
	}
	kyma, url := registryOf(t, simulator.KymaOptions{})
	spec := func(id string) string {
		var details struct {
			API struct{ Spec json.RawMessage }
		}
		require.NoError(t, json.Unmarshal([]byte(get(t, url+"/"+id).body), &details))
		return string(details.API.Spec)
	}

	assert.JSONEq(t, `{"openapi":"3.0.0"}`, spec(register(t, url, body(`"targetUrl":"SYSTEM","specificationUrl":"SYSTEM/open"`))))
	assert.JSONEq(t, `{"openapi":"3.0.0"}`, spec(register(t, url, body(`"targetUrl":"SYSTEM","specificationUrl":"SYSTEM/private",
		"specificationCredentials":{"basic":{"username":"reader","password":"pw"}},"specificationRequestParameters":{"headers":{"X-Tenant":["7"]}}`))))
	assert.JSONEq(t, `"<edmx:Edmx/>"`, spec(register(t, url, body(`"targetUrl":"SYSTEM/service/","apiType":"odata","credentials":{"basic":{"username":"u","password":"p"}}`))),
		"for OData it goes to $metadata by itself")
	id := register(t, url, body(`"targetUrl":"SYSTEM","specificationUrl":"SYSTEM/swagger"`))
	assert.JSONEq(t, `{"swagger":"2.0","host":"shop-`+id+`.kyma-integration.svc.cluster.local","basePath":"","schemes":["http"]}`, spec(id), "Swagger 2.0 is made to point to the gateway")
	register(t, url, body(`"targetUrl":"SYSTEM/none","apiType":"OData","spec":{}`))
	assert.Zero(t, count("/none/$metadata"), "a given specification suppresses the fetch")
	require.Zero(t, kyma.Counts().Orphans)

	got := post(t, url, "application/json", body(`"targetUrl":"SYSTEM/closed","apiType":"OData"`))
	assert.Equal(t, http.StatusBadGateway, got.status)
	assert.Contains(t, got.body, "failed with status 401")
	assert.Equal(t, 1, kyma.Counts().Orphans, "the access Service stays behind")
	assert.NotContains(t, get(t, url).body, "/closed", "and the service is not registered")
}

func TestWithoutTheSpecificationStoreOnlyPlainAPIsCanBeRegistered(t *testing.T) {
	t.Parallel()
	_, url := registryOf(t, simulator.KymaOptions{NoSpecificationStore: true})
	register(t, url, `{"provider":"p","name":"n","description":"d","api":{"targetUrl":"https://x.com"}}`)
	got := post(t, url, "application/json", `{"provider":"p","name":"n","description":"d","events":{"spec":{"asyncapi":"2.0.0"}}}`)
	assert.Equal(t, http.StatusInternalServerError, got.status)
	assert.JSONEq(t, `{"code":500,"error":"Internal error."}`, got.body, "details are not told")
}

func TestParallelWritesLoseWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	system := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		fmt.Fprint(w, `{}`)
	}))
	t.Cleanup(system.Close)
	kyma, url := registryOf(t, simulator.KymaOptions{})
	client := kubeClient(t, kyma)

	first := make(chan error, 1)
	slow := request(t, http.MethodPost, url, `{"provider":"p","name":"first","description":"d","api":{"targetUrl":"https://x.com","specificationUrl":"`+system.URL+`"}}`)
	go func() {
		_, err := try(slow)
		first <- err
	}()
	<-entered // the first write is at work now, held up by the specification

	_, err := try(request(t, http.MethodPost, url, `{"provider":"p","name":"second","description":"d","api":{"targetUrl":"https://x.com"}}`))
	require.Error(t, err, "the second gets no answer")
	assert.Empty(t, servicesOf(t, client), "and is not registered")
	assert.Equal(t, 2, kyma.Counts().Orphans, "though both have made their Services by now")

	close(release)
	require.Error(t, <-first, "the first gets no answer either")
	stored := servicesOf(t, client)
	require.Len(t, stored, 1, "but it is registered")
	assert.Equal(t, "first", stored[0].(map[string]any)["displayName"])
	assert.Equal(t, 1, kyma.Counts().Orphans, "one Service is left behind for good")

	register(t, url, `{"provider":"p","name":"alone","description":"d","api":{"targetUrl":"https://x.com"}}`)
	assert.Len(t, servicesOf(t, client), 2, "one write at a time is fine")
}

func TestOfManyParallelWritesSomeSurvive(t *testing.T) {
	t.Parallel()
	kyma, url := registryOf(t, simulator.KymaOptions{RegistryWork: 50 * time.Millisecond})
	var wg sync.WaitGroup
	answers := make(chan answer, 20)
	for i := range 20 {
		req := request(t, http.MethodPost, url, fmt.Sprintf(`{"provider":"p","name":"n%d","description":"d","api":{"targetUrl":"https://x.com"}}`, i))
		wg.Go(func() {
			if got, err := try(req); err == nil {
				answers <- got
			}
		})
	}
	wg.Wait()
	close(answers)
	for got := range answers {
		assert.Equal(t, http.StatusOK, got.status, "who gets an answer was alone")
	}
	stored := len(servicesOf(t, kubeClient(t, kyma)))
	assert.NotZero(t, stored)
	assert.Equal(t, 20-stored, kyma.Counts().Orphans)
}

func TestAWriteThatTakesTooLongIsDoneButNotAnswered(t *testing.T) {
	t.Parallel()
	kyma, url := registryOf(t, simulator.KymaOptions{RegistryWriteTimeout: time.Nanosecond})
	_, err := try(request(t, http.MethodPost, url, ordersAPI))
	require.Error(t, err)
	assert.Len(t, servicesOf(t, kubeClient(t, kyma)), 1, "so whoever repeats without an identifier makes a duplicate")
	assert.Equal(t, 200, get(t, url).status, "reading is quick enough")
	assert.Equal(t, 1, kyma.Counts().RegistryWrites)
}

func TestNamesThatTheRegistryMakes(t *testing.T) {
	t.Parallel()
	const long = "a-very-long-application-name-indeed"
	kyma := newKyma(t, simulator.KymaOptions{Generation: simulator.Old, Applications: []string{long}})
	client := kubeClient(t, kyma)
	id := register(t, serve(t, kyma.Registry())+"/"+long+"/v1/metadata/services", `{"provider":"p","name":"___","description":"d","api":{"targetUrl":"https://x.com"}}`)
	app, err := client.Resource(applications).Get(t.Context(), long, metav1.GetOptions{})
	require.NoError(t, err)
	stored, _, err := unstructured.NestedSlice(app.Object, "spec", "services")
	require.NoError(t, err)
	assert.Regexp(t, `^[0-9a-f]{5}$`, stored[0].(map[string]any)["name"], "nothing is left of the display name")
	_, err = client.Resource(services).Namespace("kyma-integration").Get(t.Context(), "a-very-long-application-na-"+id, metav1.GetOptions{})
	assert.NoError(t, err, "63 characters, a UUID included")
}
