package application_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/application"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube/kubetest"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

const (
	instance = "sales/shop-connector"
	appPath  = "/apis/applicationconnector.kyma-project.io/v1alpha1/applications/shop"
	secrets  = "/api/v1/namespaces/kyma-system/secrets"
	kindLine = `"apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application"`
)

// cluster is a simulated cluster, a Catalog on it, and what that logs.
type cluster struct {
	*kubetest.Server
	*application.Catalog
	client *kube.Client
	log    *bytes.Buffer
}

func start(t *testing.T, applications ...string) *cluster {
	t.Helper()
	return startWith(t, simulator.KymaOptions{Applications: applications})
}

func startWith(t *testing.T, options simulator.KymaOptions) *cluster {
	t.Helper()
	server, err := kubetest.New(options)
	require.NoError(t, err)
	t.Cleanup(server.Close)
	client, err := kube.NewForConfig(server.Config(), kube.Options{})
	require.NoError(t, err)
	c := &cluster{Server: server, client: client, log: &bytes.Buffer{}}
	c.Catalog = c.catalog(t, instance)
	return c
}

func (c *cluster) catalog(t *testing.T, instance string) *application.Catalog {
	t.Helper()
	catalog, err := application.New(application.Options{
		Client: c.client, Application: "shop", Instance: instance, CredentialsNamespace: "kyma-system", Logger: slog.New(slog.NewTextHandler(c.log, nil)),
	})
	require.NoError(t, err)
	return catalog
}

func (c *cluster) put(t *testing.T, path, object string) {
	t.Helper()
	require.NoError(t, c.Put(path, object))
}

// secret returns what a Secret holds as text.
func (c *cluster) secret(t *testing.T, name string) map[string]string {
	t.Helper()
	object := c.Object(secrets + "/" + name)
	require.NotNil(t, object, "secret %s", name)
	data := map[string]string{}
	for key, value := range object["data"].(map[string]any) {
		text, err := base64.StdEncoding.DecodeString(value.(string))
		require.NoError(t, err)
		data[key] = string(text)
	}
	delete(data, "kyma-connectors.digest") // see TestDriftIsSeen
	return data
}

// services returns the stored services by display name.
func (c *cluster) services(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	spec := c.Object(appPath)["spec"].(map[string]any)
	list, _ := spec["services"].([]any)
	for _, service := range list {
		found[service.(map[string]any)["displayName"].(string)] = service.(map[string]any)
	}
	return found
}

func entry(service map[string]any) map[string]any {
	return service["entries"].([]any)[0].(map[string]any)
}

func uuid(n int) string { return fmt.Sprintf("00000000-0000-5000-8000-%012d", n) }

// api is a service with basic credentials; more changes it.
func api(n int, more ...func(*registration.Service)) *registration.Service {
	s := &registration.Service{
		ID: uuid(n), Identifier: fmt.Sprintf("shop/api-%d", n), DisplayName: fmt.Sprintf("Shop - API %d", n), Provider: "Shop Inc.", Description: "An API",
		Labels: map[string]string{registration.LabelInstance: instance, registration.LabelConnector: "shop", registration.LabelHash: "hash-1"},
		API: &registration.API{
			Kind: connector.KindREST, TargetURL: "https://shop.example.com/api", SecretName: uuid(n),
			Credentials: registration.Credentials{Basic: &registration.BasicCredentials{Username: "user-1", Password: secret.New("passw0rd-of-user-1")}},
		},
	}
	for _, change := range more {
		change(s)
	}
	return s
}

func named(name string) func(*registration.Service) {
	return func(s *registration.Service) { s.DisplayName = name }
}

func sharing(name string) func(*registration.Service) {
	return func(s *registration.Service) { s.API.SecretName = name }
}

func password(value string) func(*registration.Service) {
	return func(s *registration.Service) { s.API.Credentials.Basic.Password = secret.New(value) }
}

func headers(s *registration.Service) {
	s.API.Headers = map[string][]secret.Text{"x-api-KEY": {secret.New("k3y-in-a-header")}}
	s.API.Query = map[string][]secret.Text{"site": {secret.New("a"), secret.New("b")}}
}

func odata(s *registration.Service) {
	s.API.Kind = connector.KindOData
	s.API.SpecificationURL = s.API.TargetURL + "/$metadata"
	s.API.CSRFTokenURL = s.API.TargetURL + "/"
}

func create(services ...*registration.Service) []registration.Change {
	var changes []registration.Change
	for _, service := range services {
		changes = append(changes, registration.Change{Action: registration.Create, Service: service})
	}
	return changes
}

func update(services ...*registration.Service) []registration.Change {
	var changes []registration.Change
	for _, service := range services {
		changes = append(changes, registration.Change{Action: registration.Update, Service: service, Registered: &registration.Registered{ID: service.ID}})
	}
	return changes
}

func remove(services ...*registration.Service) []registration.Change {
	var changes []registration.Change
	for _, service := range services {
		changes = append(changes, registration.Change{Action: registration.Delete, Registered: &registration.Registered{ID: service.ID, DisplayName: service.DisplayName}})
	}
	return changes
}

func (c *cluster) apply(t *testing.T, changes []registration.Change) {
	t.Helper()
	for i, err := range c.Apply(t.Context(), changes) {
		if !errors.Is(err, registration.ErrUnchanged) {
			require.NoError(t, err, "change %d", i)
		}
	}
}

func TestServiceIsStoredAsKymaReadsIt(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.apply(t, create(api(1, odata, headers)))

	service := c.services(t)["Shop - API 1"]
	assert.Len(t, service["labels"], 4)
	delete(service, "labels")
	assert.Equal(t, map[string]any{
		"id": uuid(1), "identifier": "shop/api-1", "name": "shop-api-1-2bb77", "displayName": "Shop - API 1", "providerDisplayName": "Shop Inc.",
		"description": "An API", "longDescription": "An API", "tags": []any{},
		"entries": []any{map[string]any{
			"type": "API", "apiType": "ODATA", "targetUrl": "https://shop.example.com/api", "specificationUrl": "https://shop.example.com/api/$metadata",
			"centralGatewayUrl":           "http://central-application-gateway.kyma-system:8080/shop/shop-api-1",
			"requestParametersSecretName": "sales.shop-connector." + uuid(1) + ".params",
			"credentials": map[string]any{
				"type": "Basic", "secretName": "sales.shop-connector." + uuid(1),
				"csrfInfo": map[string]any{"tokenEndpointURL": "https://shop.example.com/api/"},
			},
		}},
	}, service)
	assert.Equal(t, map[string]string{"username": "user-1", "password": "passw0rd-of-user-1"}, c.secret(t, "sales.shop-connector."+uuid(1)))
	assert.Equal(t, map[string]string{"headers": `{"X-Api-Key":["k3y-in-a-header"]}`, "queryParameters": `{"site":["a","b"]}`}, c.secret(t, "sales.shop-connector."+uuid(1)+".params"))

	meta := c.Object(secrets + "/sales.shop-connector." + uuid(1))["metadata"].(map[string]any)
	assert.Equal(t, map[string]any{"app.kubernetes.io/managed-by": "kyma-connectors"}, meta["labels"])
	assert.Equal(t, map[string]any{"kyma-connectors.io/instance": instance}, meta["annotations"])
	owner := meta["ownerReferences"].([]any)[0].(map[string]any)
	assert.Equal(t, map[string]any{"apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application", "name": "shop",
		"uid": c.Object(appPath)["metadata"].(map[string]any)["uid"]}, owner)
}

func TestCredentialsAreSpelledAsKymaReadsThem(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		credentials registration.Credentials
		entry       map[string]any // without secretName
		secret      map[string]string
	}{
		"OAuth": {
			registration.Credentials{OAuth: &registration.OAuthCredentials{TokenURL: "https://shop.example.com/token", ClientID: "client", ClientSecret: secret.New("s3cret"),
				Headers: map[string][]secret.Text{"x-tenant": {secret.New("t")}}, Query: map[string][]secret.Text{"q": {secret.New("1")}}}},
			map[string]any{"type": "OAuth", "authenticationUrl": "https://shop.example.com/token"},
			map[string]string{"clientId": "client", "clientSecret": "s3cret", "headers": `{"X-Tenant":["t"]}`, "queryParameters": `{"q":["1"]}`},
		},
		"certificate": {
			registration.Credentials{ClientCertificate: &registration.ClientCertificate{Certificate: "-----BEGIN CERTIFICATE", Key: secret.New("-----BEGIN KEY")}},
			map[string]any{"type": "CertificateGen"},
			map[string]string{"crt": "-----BEGIN CERTIFICATE", "key": "-----BEGIN KEY"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, "shop")
			c.apply(t, create(api(1, func(s *registration.Service) { s.API.Credentials = test.credentials })))
			test.entry["secretName"] = application.SecretName(instance, uuid(1))
			assert.Equal(t, test.entry, entry(c.services(t)["Shop - API 1"])["credentials"])
			assert.Equal(t, test.secret, c.secret(t, application.SecretName(instance, uuid(1))))
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		c := start(t, "shop")
		c.apply(t, create(api(1, func(s *registration.Service) { s.API.Credentials = registration.Credentials{} })))
		assert.NotContains(t, entry(c.services(t)["Shop - API 1"]), "credentials")
		assert.Empty(t, c.Names(secrets))
	})
	t.Run("events", func(t *testing.T) {
		t.Parallel()
		c := start(t, "shop")
		events := api(1, func(s *registration.Service) { s.API, s.Events = nil, json.RawMessage(`{"asyncapi": "2.0.0"}`) })
		c.apply(t, create(events))
		assert.Equal(t, map[string]any{"type": "Events"}, entry(c.services(t)["Shop - API 1"]))
		assert.Empty(t, c.Catalog.URL(*events))
	})
}

func TestOneWriteForAllServices(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	var services []*registration.Service
	for n := range 30 {
		services = append(services, api(n, sharing("system")))
	}
	c.Calls()
	c.apply(t, create(services...))
	assert.Equal(t, []kubetest.Call{
		{Method: "POST", Path: secrets + "/sales.shop-connector.system"},
		{Method: "PUT", Path: appPath},
	}, c.Writes(), "services with the same credentials share one Secret")
	assert.Len(t, c.services(t), 30)

	listed, err := c.List(t.Context())
	require.NoError(t, err)
	require.Len(t, listed, 30)
	assert.Equal(t, registration.Registered{ID: uuid(7), Identifier: "shop/api-7", DisplayName: "Shop - API 7", Labels: services[7].Labels}, listed[7])

	c.Calls()
	for _, err := range c.Apply(t.Context(), update(services...)) {
		require.ErrorIs(t, err, registration.ErrUnchanged)
	}
	assert.Empty(t, c.Writes(), "nothing changed")
}

func TestPreparedSecretsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	_, err := c.List(t.Context())
	require.NoError(t, err)
	changes := create(api(1, sharing("system")), api(2, sharing("system")), api(3, sharing("own")))
	c.Prepare(t.Context(), changes[0])
	c.apply(t, changes)
	assert.ElementsMatch(t, []kubetest.Call{
		{Method: "POST", Path: secrets + "/sales.shop-connector.system"},
		{Method: "POST", Path: secrets + "/sales.shop-connector.own"},
		{Method: "PUT", Path: appPath},
	}, c.Writes())

	// What is prepared and needed by nobody after all goes again, but not what was there before.
	_, err = c.List(t.Context())
	require.NoError(t, err)
	c.Prepare(t.Context(), create(api(4, sharing("late")))[0])
	require.Contains(t, c.Names(secrets), "sales.shop-connector.late")
	c.apply(t, nil)
	assert.NotContains(t, c.Names(secrets), "sales.shop-connector.late")
	assert.Contains(t, c.Names(secrets), "sales.shop-connector.system")

	// Nothing is written for what must be refused, or where a number has to be reserved first.
	_, err = c.List(t.Context())
	require.NoError(t, err)
	c.Calls()
	c.Prepare(t.Context(), create(api(6, named("Shop - API 1")))[0])
	c.Prepare(t.Context(), create(api(7, sharing("")))[0])
	c.Prepare(t.Context(), remove(api(1))[0])
	assert.Empty(t, c.Writes())
}

// TestAnOutdatedListIsNoHarm has somebody else write between List and Apply.
func TestAnOutdatedListIsNoHarm(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	_, err := c.List(t.Context())
	require.NoError(t, err)
	other := c.catalog(t, "other/shop")
	theirs := api(9, named("Theirs"))
	theirs.Labels = map[string]string{registration.LabelInstance: "other/shop"}
	for _, err := range other.Apply(t.Context(), create(theirs)) {
		require.NoError(t, err)
	}
	c.apply(t, create(api(1)))
	assert.Len(t, c.services(t), 2)
}

func TestRotationWritesOnlyTheSecretsThatHoldIt(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.apply(t, create(api(1, sharing("system")), api(2, sharing("system")), api(3, sharing("own"))))
	c.Calls()
	before := c.Catalog.Writes()
	errs := c.Apply(t.Context(), update(api(1, sharing("system"), password("n3w-password")), api(2, sharing("system"), password("n3w-password")), api(3, sharing("own"))))
	assert.Equal(t, []error{nil, nil, registration.ErrUnchanged}, errs)
	assert.Equal(t, 1, c.Catalog.Writes()-before)
	assert.Equal(t, []kubetest.Call{{Method: "PUT", Path: secrets + "/sales.shop-connector.system"}}, c.Writes())
	assert.Equal(t, "n3w-password", c.secret(t, "sales.shop-connector.system")["password"])
}

const foreign = `{` + kindLine + `, "metadata": {"annotations": {"theirs": "1"}, "labels": {"theirs": "2"}}, "spec": {
	"description": "theirs", "encodeUrl": true, "skipVerify": true, "services": [
		{"id": "theirs", "name": "a", "displayName": "Theirs & \"more\" <x>", "providerDisplayName": "p", "description": "d", "labels": null, "entries": [
			{"type": "API", "targetUrl": "https://their.example.com", "credentials": {"type": "Basic", "secretName": "theirs"}}, {"type": "Events"}]},
		{"id": "` + "00000000-0000-5000-8000-000000000009" + `", "name": "b", "displayName": "Other", "providerDisplayName": "p", "description": "d", "labels": {"kyma-connectors.io/instance": "other/one"}, "entries": []}
	]}}`

func TestOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.put(t, appPath, foreign)
	spec := func() (others []any, rest map[string]any) {
		rest = c.Object(appPath)["spec"].(map[string]any)
		others = rest["services"].([]any)[:2]
		delete(rest, "services")
		return others, rest
	}
	services, rest := spec()

	c.apply(t, create(api(1, odata), api(2)))
	notes, _ := c.Notes(t.Context(), nil)
	require.Len(t, notes, 1)
	assert.Contains(t, notes[0], "encodeUrl: true")
	c.apply(t, append(update(api(1, headers)), remove(api(2))...))

	servicesNow, restNow := spec()
	assert.Equal(t, services, servicesNow)
	assert.Equal(t, rest, restNow)
	meta := c.Object(appPath)["metadata"].(map[string]any)
	assert.Equal(t, map[string]any{"theirs": "1"}, meta["annotations"])
	assert.Equal(t, map[string]any{"theirs": "2"}, meta["labels"])
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		application string // JSON instead of an empty Application
		changes     []registration.Change
		want        []string // per change: empty means accepted
	}{
		"same name twice":                     {"", create(api(1, named("Orders")), api(2, named("orders!"))), []string{"", `service "orders!" and service "Orders" would both be reached as "orders"`}},
		"name of another owner":               {foreign, create(api(1, named("theirs more x"))), []string{"would both be reached as"}},
		"id of another installation":          {foreign, create(api(9)), []string{`service "Other" exists already and belongs to the installation other/one`}},
		"deletion of another installation's":  {foreign, remove(api(9)), []string{`service "Other" is not deleted: it belongs to the installation other/one`}},
		"managed by Compass":                  {`{` + kindLine + `, "spec": {"compassMetadata": {"applicationId": "1"}}}`, create(api(1)), []string{"application shop belongs to Compass"}},
		"managed by its agent":                {`{` + kindLine + `, "metadata": {"labels": {"applicationconnector.kyma-project.io/managed-by": "compass-runtime-agent"}}, "spec": {}}`, create(api(1)), []string{"belongs to compass-runtime-agent"}},
		"invalid":                             {"", create(api(1, named("___")), api(2)), []string{"the display name needs", ""}},
		"CSRF without credentials":            {"", create(api(1, odata, func(s *registration.Service) { s.API.Credentials = registration.Credentials{} })), []string{"fetches CSRF tokens only with"}},
		"empty password":                      {"", create(api(1, password(""))), []string{"the password of the Basic credentials is empty"}},
		"bad name for a Secret":               {"", create(api(1, sharing("My API"))), []string{`"My API" cannot be part of a Secret's name`}},
		"different credentials in one Secret": {"", create(api(1, sharing("system")), api(2, sharing("system"), password("other-password"))), []string{"", "its credentials differ"}},
		"Secret of somebody else":             {"", create(api(1, sharing("taken")), api(2)), []string{"sales.shop-connector.taken exists already and was not made by this installation", ""}},
		"no service":                          {"", []registration.Change{{Action: registration.Update}, {Action: registration.Delete}}, []string{"has no service", "does not say which"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, "shop")
			if test.application != "" {
				c.put(t, appPath, test.application)
			}
			c.put(t, secrets+"/sales.shop-connector.taken", `{"data": {"theirs": "MQ=="}}`)
			before := len(c.services(t))
			errs := c.Apply(t.Context(), test.changes)
			require.Len(t, errs, len(test.want))
			accepted := 0
			for i, want := range test.want {
				if want == "" {
					require.NoError(t, errs[i])
					accepted++
					continue
				}
				require.ErrorContains(t, errs[i], want)
				var config *registration.ConfigError
				require.ErrorAs(t, errs[i], &config)
				assert.NotContains(t, errs[i].Error(), "passw0rd")
			}
			assert.Len(t, c.services(t), before+accepted)
			assert.Len(t, c.Names(secrets), 1+accepted, "no Secret is written for what is refused")
			assert.Equal(t, map[string]string{"theirs": "1"}, c.secret(t, "sales.shop-connector.taken"))
		})
	}
}

func TestNamesMayBeSwapped(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.apply(t, create(api(1, named("A")), api(2, named("B"))))
	c.apply(t, update(api(1, named("B")), api(2, named("A"))))
	assert.Equal(t, uuid(1), c.services(t)["B"]["id"])
	c.apply(t, append(create(api(3, named("A"))), remove(api(2))...))
	assert.Equal(t, uuid(3), c.services(t)["A"]["id"])
}

func TestServiceOfAnOlderKymaIsTakenOver(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.put(t, appPath, `{`+kindLine+`, "spec": {"services": [{"id": "random", "identifier": "shop/api-1", "name": "a", "displayName": "Old", "providerDisplayName": "p", "description": "d",
		"labels": {"kyma-connectors.io/instance": "`+instance+`"}, "entries": [{"type": "API", "credentials": {"type": "Basic", "secretName": "shop-random"}}]}]}}`)
	change := update(api(1))
	change[0].Registered.ID = "random"
	c.apply(t, change)
	services := c.services(t)
	require.Len(t, services, 1)
	assert.Equal(t, uuid(1), services["Shop - API 1"]["id"])
	assert.Nil(t, c.Object(appPath)["metadata"].(map[string]any)["annotations"], "a Secret that others made is not ours to remove")
}

func TestChangesOfOthersMeanwhileSurvive(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	interfered := false
	c.Meanwhile(func(call kubetest.Call) {
		if !interfered && call.Method == http.MethodPut && call.Path == appPath {
			interfered = true
			assert.NoError(t, c.Put(appPath, foreign))
		}
	})
	errs := c.Apply(t.Context(), create(api(1), api(2, named("theirs more x"))))
	require.NoError(t, errs[0])
	require.ErrorContains(t, errs[1], "would both be reached as", "the collision came up only meanwhile")
	assert.Len(t, c.services(t), 3)
	assert.Equal(t, []string{application.SecretName(instance, uuid(1))}, c.Names(secrets), "the refused one leaves no Secret")
}

func TestDriftIsSeen(t *testing.T) {
	t.Parallel()
	both := []*registration.Service{api(1, headers), api(2, sharing("two"))}
	first := application.SecretName(instance, uuid(1))
	tests := map[string]func(*testing.T, *cluster){
		"entry changed": func(t *testing.T, c *cluster) {
			object := c.Object(appPath)
			entry(object["spec"].(map[string]any)["services"].([]any)[0].(map[string]any))["targetUrl"] = "https://elsewhere.example.com"
			text, err := json.Marshal(object)
			require.NoError(t, err)
			c.put(t, appPath, string(text))
		},
		"Secret gone": func(t *testing.T, c *cluster) { require.NoError(t, c.Remove(secrets+"/"+first)) },
		"key gone":    func(t *testing.T, c *cluster) { c.put(t, secrets+"/"+first, `{"data": {"username": "MQ=="}}`) },
		"value changed": func(t *testing.T, c *cluster) {
			object := c.Object(secrets + "/" + first)
			object["data"].(map[string]any)["password"] = "b3RoZXI="
			text, err := json.Marshal(object)
			require.NoError(t, err)
			c.put(t, secrets+"/"+first, string(text))
		},
		"parameters gone":      func(t *testing.T, c *cluster) { require.NoError(t, c.Remove(secrets+"/"+first+".params")) },
		"Secret was exchanged": func(t *testing.T, c *cluster) { c.put(t, secrets+"/"+first, `{"data": {}}`) },
	}
	for name, interfere := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, "shop")
			c.apply(t, create(both...))
			interfere(t, c)
			listed, err := c.List(t.Context())
			require.NoError(t, err)
			assert.NotContains(t, listed[0].Labels, registration.LabelHash, "it will be written anew")
			assert.Equal(t, "hash-1", listed[1].Labels[registration.LabelHash])
			assert.Equal(t, instance, listed[0].Labels[registration.LabelInstance])
		})
	}
	t.Run("a Secret that may not be read is no drift", func(t *testing.T) {
		t.Parallel()
		c := start(t, "shop")
		c.apply(t, create(both...))
		c.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
			if strings.HasPrefix(call.Path, secrets) {
				return kubetest.Status(403, "Forbidden", "no")
			}
			return nil
		})
		listed, err := c.List(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "hash-1", listed[0].Labels[registration.LabelHash])
	})
}

func TestMissingApplication(t *testing.T) {
	t.Parallel()
	c := start(t)
	_, err := c.List(t.Context())
	require.ErrorIs(t, err, registration.ErrNoApplication)
	require.ErrorIs(t, c.Apply(t.Context(), create(api(1)))[0], registration.ErrNoApplication)
	assert.Empty(t, c.Apply(t.Context(), nil))
	assert.Empty(t, c.Names(secrets))

	c.SetFault(func(kubetest.Call, bool) http.HandlerFunc { return kubetest.NotServed })
	_, err = c.List(t.Context())
	var config *registration.ConfigError
	require.ErrorAs(t, err, &config)
	assert.ErrorContains(t, err, "install Kyma's Application Connector module")
	assert.ErrorContains(t, c.CreateApplication(t.Context()), "install Kyma's Application Connector module")
}

func TestApplicationOfOurOwn(t *testing.T) {
	t.Parallel()
	c := start(t)
	require.NoError(t, c.CreateApplication(t.Context()))
	require.NoError(t, c.CreateApplication(t.Context()), "one that exists is no error")
	c.apply(t, create(api(1, odata, headers)))
	assert.Equal(t, false, c.Object(appPath)["spec"].(map[string]any)["encodeUrl"], "keys of OData entities stay as they are")
	assert.Empty(t, c.log.String())

	removed, err := c.RemoveApplication(t.Context())
	require.NoError(t, err)
	assert.False(t, removed, "it still holds a service")

	c.apply(t, remove(api(1)))
	assert.Empty(t, c.Names(secrets))
	removed, err = c.RemoveApplication(t.Context())
	require.NoError(t, err)
	assert.True(t, removed)
	removed, err = c.RemoveApplication(t.Context())
	require.NoError(t, err)
	assert.False(t, removed)
}

func TestApplicationOfOthersIsNotRemoved(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	require.NoError(t, c.CreateApplication(t.Context()))
	removed, err := c.RemoveApplication(t.Context())
	require.NoError(t, err)
	assert.False(t, removed)
	assert.NotNil(t, c.Object(appPath))
}

func TestAccountWithoutRightToDelete(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.apply(t, create(api(1, headers), api(2)))
	c.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
		if call.Method == http.MethodDelete {
			return kubetest.Status(403, "Forbidden", "no")
		}
		return nil
	})
	c.apply(t, append(update(api(1)), remove(api(2))...))
	assert.Len(t, c.services(t), 1, "the services change all the same")
	assert.Len(t, c.Names(secrets), 3, "the Secrets stay until somebody may delete them")
	assert.Contains(t, c.log.String(), "may not delete secrets")

	c.SetFault(nil)
	_, err := c.List(t.Context())
	require.NoError(t, err)
	c.apply(t, nil)
	assert.Equal(t, []string{application.SecretName(instance, uuid(1))}, c.Names(secrets))
	assert.Nil(t, c.Object(appPath)["metadata"].(map[string]any)["annotations"])
	c.Calls()
	c.apply(t, nil)
	assert.Empty(t, c.Calls(), "nothing is left to do")
}

func TestAnotherInstallationsSecretsAreNotRemoved(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	other := c.catalog(t, "other/one")
	theirs := api(5, named("Theirs"), sharing("system"), func(s *registration.Service) { s.Labels[registration.LabelInstance] = "other/one" })
	require.NoError(t, other.Apply(t.Context(), create(theirs))[0])
	c.apply(t, create(api(1, sharing("system"))))
	c.apply(t, remove(api(1)))
	assert.Equal(t, []string{"other.one.system"}, c.Names(secrets))
	assert.Len(t, c.services(t), 1)
}

func TestSharedSecretGoesWithItsLastService(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.apply(t, create(api(1, sharing("system")), api(2, sharing("system"))))
	c.apply(t, remove(api(1)))
	assert.Equal(t, []string{"sales.shop-connector.system"}, c.Names(secrets))
	c.apply(t, remove(api(2)))
	assert.Empty(t, c.Names(secrets))
}

func TestNothingSecretIsPrintedOrStoredInTheOpen(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.SetFault(func(call kubetest.Call, done bool) http.HandlerFunc {
		if strings.HasPrefix(call.Path, secrets) && call.Write() && !done {
			return kubetest.Status(422, "Invalid", `data: Invalid value: "passw0rd-of-user-1"`)
		}
		return nil
	})
	service := api(1, headers)
	errs := c.Apply(t.Context(), create(service))
	require.Error(t, errs[0])
	c.SetFault(nil)
	c.apply(t, create(service))
	object, err := json.Marshal(c.Object(appPath))
	require.NoError(t, err)
	all := fmt.Sprintf("%v %+v %#v %s %s", errs, service, service.API, c.log, object)
	for _, value := range []string{"passw0rd", "k3y-in"} {
		assert.NotContains(t, all, value)
		assert.NotContains(t, all, base64.StdEncoding.EncodeToString([]byte(value))[:7])
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for want, options := range map[string]application.Options{
		`application name "Shop!" cannot be used`: {Application: "Shop!", Instance: "a", CredentialsNamespace: "b"},
		"the instance and the namespace":          {Application: "shop"},
	} {
		_, err := application.New(options)
		var config *registration.ConfigError
		require.ErrorAs(t, err, &config)
		assert.ErrorContains(t, err, want)
	}
}

func TestSecretNames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "sales.shop-connector.system", application.SecretName("sales/shop-connector", "system"))
	assert.Equal(t, "sales.shop-connector.system.params", application.ParametersName("sales/shop-connector", "system"))
	for _, instance := range []string{"Not/Lower_Case!", strings.Repeat("long/", 60)} {
		name := application.SecretName(instance, "system")
		assert.Regexp(t, `^kyma-connectors-[0-9a-f]{20}\.system$`, name)
	}
}
