package appregistry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/appregistry"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const instance = "sales/shop-connector"

// cluster is a simulated Kyma 1.24, a Catalog on its registry, and what that logs and sends.
type cluster struct {
	*simulator.Kyma
	*appregistry.Catalog
	log *bytes.Buffer

	mu     sync.Mutex
	bodies []map[string]any
	// cut is asked about each call before (done false) and after it took effect; true ends the connection.
	cut func(method string, done bool) bool
}

func start(t *testing.T, options simulator.KymaOptions, more ...func(*appregistry.Options)) *cluster {
	t.Helper()
	options.Generation = simulator.Old
	if options.Applications == nil {
		options.Applications = []string{"shop"}
	}
	options.RegistryWork = time.Millisecond
	kyma, err := simulator.NewKyma(options)
	require.NoError(t, err)
	t.Cleanup(kyma.Close)
	c := &cluster{Kyma: kyma, log: &bytes.Buffer{}}
	registry := kyma.Registry()
	var cutting sync.Mutex // a request that is repeated may overtake what is left of the one whose answer was lost
	cut := func(method string, done bool) bool {
		cutting.Lock()
		defer cutting.Unlock()
		return c.cut(method, done)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		var decoded map[string]any
		if json.Unmarshal(body, &decoded) == nil {
			c.mu.Lock()
			c.bodies = append(c.bodies, decoded)
			c.mu.Unlock()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if c.cut == nil {
			registry.ServeHTTP(w, r)
			return
		}
		if cut(r.Method, false) {
			panic(http.ErrAbortHandler)
		}
		answer := httptest.NewRecorder()
		registry.ServeHTTP(answer, r)
		if cut(r.Method, true) {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	catalogOptions := appregistry.Options{
		URL: server.URL + "/shop/v1/metadata", Application: "shop", Instance: instance,
		HTTP:   httpclient.New(httpclient.Options{Timeout: 2 * time.Second, Retry: httpclient.Retry{Attempts: 3, Base: time.Millisecond, Max: time.Millisecond}}),
		Settle: 50 * time.Millisecond, Poll: 5 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(c.log, nil)),
	}
	for _, change := range more {
		change(&catalogOptions)
	}
	c.Catalog, err = appregistry.New(catalogOptions)
	require.NoError(t, err)
	return c
}

func (c *cluster) fault(t *testing.T, fault simulator.Fault) {
	t.Helper()
	fault.Part = simulator.PartRegistry
	_, err := c.Faults().Add(fault)
	require.NoError(t, err)
}

func (c *cluster) list(t *testing.T) map[string]registration.Registered {
	t.Helper()
	services, err := c.List(t.Context())
	require.NoError(t, err)
	found := map[string]registration.Registered{}
	for _, service := range services {
		require.NotContains(t, found, service.Identifier, "registered twice")
		found[service.Identifier] = service
	}
	return found
}

func (c *cluster) apply(t *testing.T, action registration.Action, services ...*registration.Service) []error {
	t.Helper()
	var changes []registration.Change
	listed := map[string]registration.Registered{}
	if action != registration.Create {
		listed = c.list(t)
	}
	for _, service := range services {
		change := registration.Change{Action: action, Service: service}
		if action != registration.Create {
			registered := listed[service.Identifier]
			change.Registered = &registered
		}
		if action == registration.Delete {
			change.Service = nil
		}
		changes = append(changes, change)
	}
	errs := c.Apply(t.Context(), changes)
	require.Len(t, errs, len(changes))
	return errs
}

func (c *cluster) posts() int {
	n := 0
	for _, call := range c.Calls(simulator.PartRegistry) {
		if call.Method == http.MethodPost {
			n++
		}
	}
	return n
}

func api(n int, more ...func(*registration.Service)) *registration.Service {
	s := &registration.Service{
		ID: fmt.Sprintf("00000000-0000-5000-8000-%012d", n), Identifier: fmt.Sprintf("shop/api-%d", n), DisplayName: fmt.Sprintf("Shop - API %d", n),
		Provider: "Shop Inc.", Description: "An API",
		Labels: map[string]string{registration.LabelInstance: instance, registration.LabelHash: "hash-1"},
		API: &registration.API{
			Kind: connector.KindREST, TargetURL: "https://shop.example.com/api",
			Credentials: registration.Credentials{Basic: &registration.BasicCredentials{Username: "user-1", Password: secret.New("passw0rd/of+user")}},
		},
	}
	for _, change := range more {
		change(s)
	}
	return s
}

func hash(value string) func(*registration.Service) {
	return func(s *registration.Service) { s.Labels[registration.LabelHash] = value }
}

func withSpec(s *registration.Service) {
	s.API.Specification = registration.Inline(json.RawMessage(`{"openapi":"3.0.0"}`))
}

func oauthWith(tenant string) func(*registration.Service) {
	return func(s *registration.Service) {
		s.API.Credentials = registration.Credentials{OAuth: &registration.OAuthCredentials{TokenURL: "https://shop.example.com/token", ClientID: "client", ClientSecret: secret.New("s3cret"),
			Headers: map[string][]secret.Text{"x-tenant": {secret.New(tenant)}}, Query: map[string][]secret.Text{"q": {secret.New("1")}}}}
	}
}

func TestWhatTheRegistryIsTold(t *testing.T) {
	t.Parallel()
	odata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.URL.Path != "/odata/$metadata" || user+password != "user-1passw0rd/of+user" || r.Header.Get("X-Api-Key") != "k3y" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `<edmx:Edmx/>`)
	}))
	t.Cleanup(odata.Close)
	base := map[string]any{"provider": "Shop Inc.", "name": "Shop - API 1", "description": "An API", "identifier": "shop/api-1",
		"labels": map[string]any{"kyma-connectors.io/instance": instance, "kyma-connectors.io/hash": "hash-1"}}
	parameters := map[string]any{"headers": map[string]any{"X-Api-Key": []any{"k3y"}}, "queryParameters": map[string]any{"site": []any{"a", "b"}}}
	tests := map[string]struct {
		service *registration.Service
		want    map[string]any // besides base
	}{
		"basic, with a document": {api(1, withSpec), map[string]any{"api": map[string]any{
			"targetUrl": "https://shop.example.com/api", "spec": map[string]any{"openapi": "3.0.0"},
			"credentials": map[string]any{"basic": map[string]any{"username": "user-1", "password": "passw0rd/of+user"}},
		}}},
		"OData, with everything": {api(1, func(s *registration.Service) {
			s.API.Kind, s.API.TargetURL = connector.KindOData, odata.URL+"/odata"
			s.API.SpecificationURL, s.API.SpecificationAuth, s.API.CSRFTokenURL = odata.URL+"/odata/$metadata", true, odata.URL+"/odata/"
			s.API.Headers = map[string][]secret.Text{"x-api-KEY": {secret.New("k3y")}}
			s.API.Query = map[string][]secret.Text{"site": {secret.New("a"), secret.New("b")}}
		}), map[string]any{"api": map[string]any{
			"targetUrl": odata.URL + "/odata", "apiType": "odata", "specificationUrl": odata.URL + "/odata/$metadata",
			"credentials":              map[string]any{"basic": map[string]any{"username": "user-1", "password": "passw0rd/of+user", "csrfInfo": map[string]any{"tokenEndpointURL": odata.URL + "/odata/"}}},
			"specificationCredentials": map[string]any{"basic": map[string]any{"username": "user-1", "password": "passw0rd/of+user"}},
			"requestParameters":        parameters, "specificationRequestParameters": parameters,
		}}},
		"OData without a specification": {api(1, func(s *registration.Service) {
			s.API.Kind = connector.KindOData
			s.API.Credentials = registration.Credentials{}
		}),
			map[string]any{"api": map[string]any{"targetUrl": "https://shop.example.com/api"}}},
		"OAuth": {api(1, oauthWith("t")), map[string]any{"api": map[string]any{
			"targetUrl": "https://shop.example.com/api",
			"credentials": map[string]any{"oauth": map[string]any{"url": "https://shop.example.com/token", "clientId": "client", "clientSecret": "s3cret",
				"requestParameters": map[string]any{"headers": map[string]any{"X-Tenant": []any{"t"}}, "queryParameters": map[string]any{"q": []any{"1"}}}}},
		}}},
		"events": {api(1, func(s *registration.Service) { s.API, s.Events = nil, json.RawMessage(`{"asyncapi":"2.0.0"}`) }),
			map[string]any{"events": map[string]any{"spec": map[string]any{"asyncapi": "2.0.0"}}}},
		"no description": {api(1, withSpec, func(s *registration.Service) { s.Description = ""; s.API.Credentials = registration.Credentials{} }),
			map[string]any{"description": "Shop - API 1", "api": map[string]any{"targetUrl": "https://shop.example.com/api", "spec": map[string]any{"openapi": "3.0.0"}}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, simulator.KymaOptions{})
			require.NoError(t, c.apply(t, registration.Create, test.service)[0])
			require.Len(t, c.bodies, 1)
			want := map[string]any{}
			for _, part := range []map[string]any{base, test.want} {
				for key, value := range part {
					want[key] = value
				}
			}
			assert.Equal(t, want, c.bodies[0])
			assert.Len(t, c.list(t), 1)
		})
	}
}

func TestLifeOfAService(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	first, second := api(1, withSpec), api(2)
	for _, err := range c.apply(t, registration.Create, first, second) {
		require.NoError(t, err)
	}
	listed := c.list(t)
	require.Len(t, listed, 2)
	one := listed["shop/api-1"]
	assert.Equal(t, "Shop - API 1", one.DisplayName)
	assert.Equal(t, "hash-1", one.Labels[registration.LabelHash])
	assert.Equal(t, "http://shop-"+one.ID+".kyma-integration.svc.cluster.local", c.URL(*first))

	require.NoError(t, c.apply(t, registration.Update, api(1, hash("hash-2"), func(s *registration.Service) { s.DisplayName = "Renamed" }))[0])
	updated := c.list(t)["shop/api-1"]
	assert.Equal(t, one.ID, updated.ID)
	assert.Equal(t, "Renamed", updated.DisplayName)
	assert.Equal(t, "hash-2", updated.Labels[registration.LabelHash])

	require.NoError(t, c.apply(t, registration.Delete, first)[0])
	assert.NotContains(t, c.list(t), "shop/api-1")
	assert.Empty(t, c.Apply(t.Context(), nil))
	assert.Zero(t, c.Counts().Orphans)
}

func TestAddressesOfServices(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	assert.Empty(t, c.URL(*api(1)), "not known before it is registered")
	require.NoError(t, c.apply(t, registration.Create, api(1))[0])
	assert.Contains(t, c.URL(*api(1)), "http://shop-")
	assert.Empty(t, c.URL(registration.Service{Events: json.RawMessage(`{}`)}))

	central := start(t, simulator.KymaOptions{}, func(o *appregistry.Options) { o.Gateway = "http://central-application-gateway.kyma-system:8080" })
	assert.Equal(t, "http://central-application-gateway.kyma-system:8080/shop/shop-api-1", central.URL(*api(1)))
}

func TestWritesFollowOneAnother(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			errs := c.Apply(t.Context(), []registration.Change{{Action: registration.Create, Service: api(n)}, {Action: registration.Create, Service: api(n + 100)}})
			assert.NoError(t, errors.Join(errs...))
		})
	}
	group.Wait()
	assert.Len(t, c.list(t), 16)
	assert.Equal(t, 16, c.posts(), "the registry would have lost parallel ones")
}

func TestLostAnswersMakeNoDuplicates(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault simulator.Fault
		posts int
	}{
		"the work was done":                   {simulator.Fault{Method: "POST", Cut: simulator.CutAfter, Times: 1}, 1},
		"the work was not done":               {simulator.Fault{Method: "POST", Cut: simulator.CutBefore, Times: 1}, 2},
		"too busy":                            {simulator.Fault{Method: "POST", Status: 503, Times: 1}, 2},
		"too many calls":                      {simulator.Fault{Method: "POST", Status: 429, Times: 2}, 3},
		"broken":                              {simulator.Fault{Method: "POST", Status: 500, Times: 2}, 3},
		"the list fails too":                  {simulator.Fault{Method: "GET", Status: 503, Times: 2}, 1},
		"the answer makes no sense":           {simulator.Fault{Method: "POST", Truncate: 3, Times: 1}, 1},
		"the answer is later than the client": {simulator.Fault{Method: "POST", Latency: 400 * time.Millisecond, Times: 1}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, simulator.KymaOptions{}, func(o *appregistry.Options) {
				if test.fault.Latency > 0 {
					o.HTTP = httpclient.New(httpclient.Options{Timeout: 200 * time.Millisecond})
					o.Settle = time.Second
				}
			})
			c.fault(t, test.fault)
			require.NoError(t, c.apply(t, registration.Create, api(1))[0])
			assert.Len(t, c.list(t), 1)
			if test.posts > 0 {
				assert.Equal(t, test.posts, c.posts())
			}
			assert.NotEmpty(t, c.URL(*api(1)))
		})
	}
}

func TestSlowWorkAfterALostAnswer(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{RegistryWriteTimeout: time.Nanosecond})
	require.NoError(t, c.apply(t, registration.Create, api(1))[0], "the registry never answers a write, but does it")
	assert.Equal(t, 1, c.posts())
	assert.Len(t, c.list(t), 1)
}

func TestDeletionAndUpdateAreRepeated(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"cut before": {Cut: simulator.CutBefore, Times: 1},
		"cut after":  {Cut: simulator.CutAfter, Times: 1},
		"busy":       {Status: 503, Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, simulator.KymaOptions{})
			require.NoError(t, c.apply(t, registration.Create, api(1))[0])
			fault.Method = http.MethodPut
			c.fault(t, fault)
			require.NoError(t, c.apply(t, registration.Update, api(1, hash("hash-2")))[0])
			assert.Equal(t, "hash-2", c.list(t)["shop/api-1"].Labels[registration.LabelHash])
			fault.Method = http.MethodDelete
			c.fault(t, fault)
			require.NoError(t, c.apply(t, registration.Delete, api(1))[0])
			assert.Empty(t, c.list(t))
		})
	}
}

func TestSomebodyElseWasFaster(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	require.NoError(t, c.apply(t, registration.Create, api(1))[0])
	require.NoError(t, c.apply(t, registration.Create, api(1, hash("hash-2")))[0], "a POST that meets our own service becomes a PUT")
	assert.Equal(t, "hash-2", c.list(t)["shop/api-1"].Labels[registration.LabelHash])

	gone := c.list(t)["shop/api-1"]
	require.NoError(t, c.apply(t, registration.Delete, api(1))[0])
	require.NoError(t, c.Apply(t.Context(), []registration.Change{{Action: registration.Update, Service: api(1), Registered: &gone}})[0], "a PUT that meets nothing becomes a POST")
	assert.Len(t, c.list(t), 1)

	theirs := api(2, func(s *registration.Service) { s.Labels[registration.LabelInstance] = "other/one" })
	require.NoError(t, c.apply(t, registration.Create, theirs)[0])
	err := c.apply(t, registration.Create, api(2))[0]
	assertConfig(t, err, `the identifier "shop/api-2" is taken by a service of somebody else`)
	assertConfig(t, c.apply(t, registration.Delete, theirs)[0], "it belongs to somebody else")
	assert.Equal(t, "other/one", c.list(t)["shop/api-2"].Labels[registration.LabelInstance])
}

func assertConfig(t *testing.T, err error, want string) {
	t.Helper()
	require.ErrorContains(t, err, want)
	var config *registration.ConfigError
	require.ErrorAs(t, err, &config)
}

func TestParametersOfATokenCallAreStored(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	require.NoError(t, c.apply(t, registration.Create, api(1, oauthWith("one")))[0])
	require.NoError(t, c.apply(t, registration.Update, api(1, oauthWith("two"), hash("hash-2")))[0])
	registered := c.list(t)["shop/api-1"]
	assert.Equal(t, "hash-2", registered.Labels[registration.LabelHash])
	assert.Contains(t, c.secret(t, "shop-"+registered.ID), "two", "the registry overlooks a change of these alone")
}

// secret returns what a Secret of the registry holds, as JSON.
func (c *cluster) secret(t *testing.T, name string) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	c.KubeAPI().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/api/v1/namespaces/kyma-integration/secrets/"+name, nil))
	require.Equal(t, http.StatusOK, recorder.Code)
	var object struct{ Data map[string][]byte }
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &object))
	return fmt.Sprintf("%s", object.Data)
}

func TestUnreadableSpecificationIsReplaced(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	require.NoError(t, c.apply(t, registration.Create, api(1, withSpec), api(2))[1])
	before := c.list(t)
	// What the registry does where the asset of one service is broken.
	c.fault(t, simulator.Fault{Path: before["shop/api-1"].ID, Method: http.MethodPut, Status: 500, Body: `{"code":500,"error":"Internal error."}`})
	c.fault(t, simulator.Fault{Path: before["shop/api-1"].ID, Method: http.MethodGet, Status: 500, Body: `{"code":500,"error":"Internal error."}`})
	require.NoError(t, c.apply(t, registration.Update, api(1, withSpec, hash("hash-2")))[0])
	after := c.list(t)
	assert.NotEqual(t, before["shop/api-1"].ID, after["shop/api-1"].ID)
	assert.Equal(t, "hash-2", after["shop/api-1"].Labels[registration.LabelHash])
	assert.Contains(t, c.log.String(), "deleted and registered anew")

	c.Faults().Clear()
	c.fault(t, simulator.Fault{Method: http.MethodPut, Status: 500})
	err := c.apply(t, registration.Update, api(2, hash("hash-2")))[0]
	require.ErrorContains(t, err, "the Application Registry failed (500)")
	assert.Equal(t, before["shop/api-2"].ID, c.list(t)["shop/api-2"].ID, "a registry that just fails is no reason to delete")
}

func TestRegistryThatCannotStoreSpecifications(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{NoSpecificationStore: true})
	errs := c.apply(t, registration.Create, api(1, withSpec), api(2), api(3, func(s *registration.Service) { s.API, s.Events = nil, json.RawMessage(`{}`) }))
	require.ErrorContains(t, errs[0], `"Shop - API 1" can be called, but was registered without its specification`)
	require.NoError(t, errs[1])
	require.ErrorContains(t, errs[2], "failed (500)")
	listed := c.list(t)
	assert.Len(t, listed, 2)
	assert.NotContains(t, listed["shop/api-1"].Labels, registration.LabelHash, "the next run tries again")
	assert.NotEmpty(t, c.URL(*api(1)))
}

func TestSpecificationThatCannotBeDownloaded(t *testing.T) {
	t.Parallel()
	broken := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(broken.Close)
	c := start(t, simulator.KymaOptions{})
	err := c.apply(t, registration.Create, api(1, func(s *registration.Service) { s.API.SpecificationURL = broken.URL + "/spec" }))[0]
	require.ErrorContains(t, err, "could not download the specification")
	var config *registration.ConfigError
	assert.NotErrorAs(t, err, &config, "it may work later")
	assert.Equal(t, 2, c.posts(), "each in vain would leave a Secret behind")
	registered := c.list(t)["shop/api-1"]
	assert.NotContains(t, registered.Labels, registration.LabelHash, "the next run tries again")
	assert.NotEmpty(t, c.URL(*api(1)), "it can be called meanwhile")

	rotated := api(1, func(s *registration.Service) {
		s.API.SpecificationURL = broken.URL + "/spec"
		s.API.Credentials.Basic.Password = secret.New("n3w-passw0rd")
	})
	err = c.apply(t, registration.Update, rotated)[0]
	require.ErrorContains(t, err, "can be called, but was registered without its specification")
	assert.Equal(t, registered.ID, c.list(t)["shop/api-1"].ID)
	assert.Contains(t, c.secret(t, "shop-"+registered.ID), "n3w-passw0rd", "what else is new counts all the same")
}

// TestSuccessesThatNobodyOfTheRegistrySent: a login page in front of the registry, say.
func TestSuccessesThatNobodyOfTheRegistrySent(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	require.NoError(t, c.apply(t, registration.Create, api(1))[0])
	for _, method := range []string{http.MethodPost, http.MethodPut} {
		c.fault(t, simulator.Fault{Method: method, LoginPage: true})
	}
	require.ErrorContains(t, c.apply(t, registration.Update, api(1, hash("hash-2")))[0], "is no Application Registry")
	require.ErrorContains(t, c.apply(t, registration.Create, api(2))[0], "is no Application Registry")
	assert.Equal(t, 2, c.posts(), "it is not repeated")
	c.Faults().Clear()
	assert.Len(t, c.list(t), 1)
}

func TestBadGatewayOfAListingIsNoSpecification(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	_, err := c.Faults().Add(simulator.Fault{Part: simulator.PartRegistry, Method: http.MethodGet, Status: http.StatusBadGateway})
	require.NoError(t, err)
	_, err = c.List(t.Context())
	require.ErrorContains(t, err, "the Application Registry failed (502")
	assert.NotContains(t, err.Error(), "specification")
}

func TestMissingApplication(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{Applications: []string{"other"}})
	_, err := c.List(t.Context())
	require.ErrorIs(t, err, registration.ErrNoApplication)
	require.ErrorIs(t, c.Apply(t.Context(), []registration.Change{{Action: registration.Create, Service: api(1)}})[0], registration.ErrNoApplication)
}

func TestWhatTheRegistryCannotHold(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*registration.Service){
		"takes none": func(s *registration.Service) {
			s.API.Credentials = registration.Credentials{ClientCertificate: &registration.ClientCertificate{Certificate: "c", Key: secret.New("k")}}
		},
		"fetches CSRF tokens only with": func(s *registration.Service) {
			s.API.Credentials, s.API.CSRFTokenURL = registration.Credentials{}, "https://shop.example.com/"
		},
		"username or password is empty":          func(s *registration.Service) { s.API.Credentials.Basic.Password = secret.Text{} },
		"client id or client secret is empty":    func(s *registration.Service) { oauthWith("t")(s); s.API.Credentials.OAuth.ClientID = "" },
		"specification URL has credentials":      func(s *registration.Service) { s.API.SpecificationURL = "https://u:p@shop.example.com" },
		"Provider field cannot be empty":         func(s *registration.Service) { s.Provider = "" },
		"the specification is not a JSON object": func(s *registration.Service) { s.API.Specification = registration.Inline(json.RawMessage(`[]`)) },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			c := start(t, simulator.KymaOptions{})
			errs := c.apply(t, registration.Create, api(1, change), api(2))
			assertConfig(t, errs[0], want)
			require.NoError(t, errs[1], "one failing service does not hide the others")
		})
	}
	c := start(t, simulator.KymaOptions{})
	for _, change := range []registration.Change{{Action: registration.Create}, {Action: registration.Update}, {Action: registration.Delete}, {Action: registration.Update, Registered: &registration.Registered{ID: "1"}}} {
		assertConfig(t, c.Apply(t.Context(), []registration.Change{change})[0], "the change")
	}
}

func TestAnswersOfOtherServers(t *testing.T) {
	t.Parallel()
	const leak = `{"code":400,"error":"bad credentials user-1 passw0rd/of+user"}`
	tests := map[string]struct {
		status    int
		body      string
		list      string // part of the error of List; empty: none
		create    string
		permanent bool
	}{
		"login page":          {200, "<html>passw0rd", "is no Application Registry", "", true},
		"null":                {200, "null", "is no Application Registry", "", true},
		"not a list":          {200, `{"a":1}`, "is no Application Registry", "", true},
		"wrong address":       {404, `{"code":404,"error":"Requested resource could not be found."}`, "not that of an Application Registry", "not that of an Application Registry", true},
		"not let in":          {403, "RBAC: access denied", "does not let this caller in (403)", "does not let this caller in (403)", true},
		"too large":           {413, "<html>", "too large", "too large", true},
		"secret in the error": {400, leak, "refuses it", "refuses it (400)", true},
		"control characters":  {400, `{"code":400,"error":"a\u0000b\u001b[31m` + strings.Repeat("x", 400) + `"}`, "a b [31mxxx", "a b [31mxxx", true},
		"garbage":             {500, "\xff\xfe", "failed (500)", "failed (500)", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, simulator.KymaOptions{})
			c.fault(t, simulator.Fault{Status: test.status, Body: test.body})
			_, listErr := c.List(t.Context())
			errs := []error{listErr}
			require.ErrorContains(t, listErr, test.list)
			if test.create != "" {
				errs = append(errs, c.Apply(t.Context(), []registration.Change{{Action: registration.Create, Service: api(1)}})[0])
				require.ErrorContains(t, errs[1], test.create)
			}
			for _, err := range errs {
				var config *registration.ConfigError
				assert.Equal(t, test.permanent, errors.As(err, &config), "%v", err)
				assert.LessOrEqual(t, len(err.Error()), 600)
				assert.NotContains(t, err.Error(), "\x00")
			}
			if len(errs) > 1 {
				assert.NotContains(t, errs[1].Error(), "passw0rd")
			}
		})
	}
}

func TestSecretsInErrorsInAnyForm(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"passw0rd/of+user", "passw0rd%2Fof%2Buser", "dXNlci0xOnBhc3N3MHJkL29mK3VzZXI=", "cGFzc3cwcmQvb2YrdXNlcg=="} {
		c := start(t, simulator.KymaOptions{})
		c.fault(t, simulator.Fault{Status: 400, Body: `{"code":400,"error":"no: ` + form + `"}`})
		err := c.Apply(t.Context(), []registration.Change{{Action: registration.Create, Service: api(1)}})[0]
		require.Error(t, err)
		assert.NotContains(t, err.Error(), form)
		assert.NotContains(t, c.log.String(), form)
	}
}

func TestHugeAnswersAreCutOff(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := bytes.Repeat([]byte(" "), 1<<20)
		for range 40 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	catalog, err := appregistry.New(appregistry.Options{URL: server.URL, Application: "shop", Instance: instance})
	require.NoError(t, err)
	_, err = catalog.List(t.Context())
	require.ErrorContains(t, err, "larger than")
}

func TestUnreachableRegistry(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	quick := httpclient.New(httpclient.Options{Retry: httpclient.Retry{Attempts: 1}})
	for address, want := range map[string]string{
		server.URL:                    "connection refused",
		"http://registry.invalid":     "there is no Application Registry at http://registry.invalid",
		"http://u:passw0rd@host:port": "the registry's address cannot be used",
	} {
		catalog, err := appregistry.New(appregistry.Options{URL: address, Application: "shop", Instance: instance, HTTP: quick, Settle: time.Millisecond, Poll: time.Millisecond})
		require.NoError(t, err)
		_, err = catalog.List(t.Context())
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "passw0rd")
		require.Error(t, catalog.Apply(t.Context(), []registration.Change{{Action: registration.Create, Service: api(1)}})[0])
	}
}

func TestEndOfTime(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the time of the run is over"))
	errs := c.Apply(ctx, []registration.Change{{Action: registration.Create, Service: api(1)}, {Action: registration.Create, Service: api(2)}})
	for _, err := range errs {
		require.ErrorContains(t, err, "the time of the run is over")
	}
	assert.Zero(t, c.posts())
}

func TestAddressOfTheRegistry(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{"", "/", "/services", "/services/"} {
		c := start(t, simulator.KymaOptions{}, func(o *appregistry.Options) { o.URL += suffix })
		assert.Empty(t, c.list(t))
	}
	assert.Equal(t, "http://application-registry-external-api.kyma-integration.svc.cluster.local:8081/shop/v1/metadata", appregistry.DefaultURL("shop"))
	_, err := appregistry.New(appregistry.Options{})
	assertConfig(t, err, "the application and the instance are needed")

	_, err = appregistry.New(appregistry.Options{URL: "http://registry.example:8081/other/v1/metadata/services", Application: "shop", Instance: instance})
	require.ErrorContains(t, err, `the registry's address is that of the application "other", but the application's parameter says "shop"`)
}

func TestCertificatesAreRefusedBeforehand(t *testing.T) {
	t.Parallel()
	catalog, err := appregistry.New(appregistry.Options{URL: "http://registry.example.com/shop/v1/metadata", Application: "shop", Instance: "sales/shop"})
	require.NoError(t, err)
	assert.Empty(t, catalog.Refuses(registration.Credentials{Basic: &registration.BasicCredentials{}}))
	assert.Contains(t, catalog.Refuses(registration.Credentials{ClientCertificate: &registration.ClientCertificate{}}), "makes client certificates of its own")
}

// TestOneSpecificationAtATime: of many services, the specification of the one that is being written is in memory.
func TestOneSpecificationAtATime(t *testing.T) {
	t.Parallel()
	c := start(t, simulator.KymaOptions{})
	const services = 20
	sent := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.bodies)
	}
	var changes []registration.Change
	for i := range services {
		read := 0
		document, err := registration.NewDocument(func() (json.RawMessage, error) {
			if read++; read > 1 { // the first time is to see what it is
				assert.Equal(t, i, sent(), "all before it are sent, and none after it is read")
			}
			return json.RawMessage(fmt.Sprintf(`{"openapi":"3.0.0","info":{"title":"%d"}}`, i)), nil
		})
		require.NoError(t, err)
		changes = append(changes, registration.Change{Action: registration.Create, Service: api(i, func(s *registration.Service) { s.API.Specification = document })})
	}
	for _, err := range c.Apply(t.Context(), changes) {
		require.NoError(t, err)
	}
	require.Len(t, c.bodies, services)
	for i, body := range c.bodies {
		spec := body["api"].(map[string]any)["spec"].(map[string]any)
		assert.Equal(t, fmt.Sprint(i), spec["info"].(map[string]any)["title"])
	}

	gone, err := registration.NewDocument(func() func() (json.RawMessage, error) {
		first := true
		return func() (json.RawMessage, error) {
			defer func() { first = false }()
			if first {
				return json.RawMessage(`{}`), nil
			}
			return nil, errors.New("no such file")
		}
	}())
	require.NoError(t, err)
	err = c.apply(t, registration.Create, api(99, func(s *registration.Service) { s.API.Specification = gone }))[0]
	var config *registration.ConfigError
	require.ErrorAs(t, err, &config)
	assert.ErrorContains(t, err, "cannot be read any more")
}
