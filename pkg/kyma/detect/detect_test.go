package detect_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/detect"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube/kubetest"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// counted notes how often each question is asked.
type counted struct {
	detect.Cluster
	mu    sync.Mutex
	asked map[string]int
}

func (c *counted) count(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[key]++
}

func (c *counted) Get(ctx context.Context, ref kube.Ref) (*unstructured.Unstructured, error) {
	c.count(ref.String())
	return c.Cluster.Get(ctx, ref)
}

func (c *counted) Versions(ctx context.Context, group string) ([]string, error) {
	c.count(group)
	return c.Cluster.Versions(ctx, group)
}

func (c *counted) Resources(ctx context.Context, group, version string) ([]string, error) {
	c.count(group + "/" + version)
	return c.Cluster.Resources(ctx, group, version)
}

// TestNothingIsAskedTwice looks at the calls of every kind of run.
func TestNothingIsAskedTwice(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]detect.Options{
		"auto":        {},
		"application": {Backend: detect.Application},
		"registry":    {Backend: detect.ApplicationRegistry},
		"given":       {Backend: detect.Application, CredentialsNamespace: "kyma-system", PublishURL: "http://publisher/publish", EventPrefix: "sap.kyma.custom"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := kubetest.New(simulator.KymaOptions{})
			require.NoError(t, err)
			t.Cleanup(server.Close)
			client, err := kube.NewForConfig(server.Config(), kube.Options{})
			require.NoError(t, err)
			cluster := &counted{Cluster: client, asked: map[string]int{}}
			options.Application = "shop"
			_, err = detect.Run(t.Context(), cluster, options)
			require.NoError(t, err)
			for question, times := range cluster.asked {
				assert.Equal(t, 1, times, question)
			}
			if name == "given" {
				assert.Equal(t, map[string]int{"eventing.kyma-project.io": 1, "services kyma-system/central-application-gateway": 1}, cluster.asked, "what is known is not asked for")
			}
		})
	}
}

// served is what a cluster's API server knows: resources by group and version, objects by resource and name.
type served struct {
	resources map[string][]string // "group/version" -> resources
	objects   map[string]string   // "services kyma-system/name" -> JSON
	forbidden bool                // no object may be read
	unlisted  bool                // none may be listed
	broken    bool                // discovery fails
}

func (s served) Get(_ context.Context, ref kube.Ref) (*unstructured.Unstructured, error) {
	if s.forbidden {
		return nil, status(ref, http.StatusForbidden, "Forbidden")
	}
	text, ok := s.objects[ref.String()]
	if !ok {
		return nil, status(ref, http.StatusNotFound, "NotFound")
	}
	object := &unstructured.Unstructured{}
	return object, json.Unmarshal([]byte(text), &object.Object)
}

func (s served) List(_ context.Context, ref kube.Ref, selector string) ([]unstructured.Unstructured, error) {
	if s.forbidden || s.unlisted {
		return nil, status(ref, http.StatusForbidden, "Forbidden")
	}
	var found []unstructured.Unstructured
	for name := range s.objects {
		if full, ok := strings.CutPrefix(name, "services kyma-integration/"); ok && selector == "application=shop,app=shop-event-service" && strings.Contains(full, "event-service") {
			found = append(found, unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": full}}})
		}
	}
	return found, nil
}

func (s served) Versions(_ context.Context, group string) ([]string, error) {
	if s.broken {
		return nil, errors.New("the cluster gave no answer")
	}
	var versions []string
	for path := range s.resources {
		if version, ok := strings.CutPrefix(path, group+"/"); ok {
			versions = append(versions, version)
		}
	}
	return versions, nil
}

func (s served) Resources(_ context.Context, group, version string) ([]string, error) {
	if s.broken {
		return nil, errors.New("the cluster gave no answer")
	}
	return s.resources[group+"/"+version], nil
}

// status is the error that the client makes of a refusal.
func status(ref kube.Ref, code int, reason string) error {
	server, err := kubetest.New(simulator.KymaOptions{})
	if err != nil {
		return err
	}
	defer server.Close()
	server.SetFault(func(kubetest.Call, bool) http.HandlerFunc { return kubetest.Status(code, reason, "no") })
	client, err := kube.NewForConfig(server.Config(), kube.Options{})
	if err != nil {
		return err
	}
	_, err = client.Get(context.Background(), ref)
	return err
}

// registry answers for the Application Registry: a status, or an error.
type registry struct {
	status int
	err    error
}

func (r registry) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.String() != "http://application-registry-external-api.kyma-integration.svc.cluster.local:8081/v1/health" {
		return nil, errors.New("unexpected call of " + request.URL.String())
	}
	if r.err != nil {
		return nil, r.err
	}
	return &http.Response{StatusCode: r.status, Body: io.NopCloser(strings.NewReader(""))}, nil
}

var noSuchHost = registry{err: &net.DNSError{Err: "no such host", IsNotFound: true}}

const (
	applications = "applicationconnector.kyma-project.io/v1alpha1"
	operator     = "operator.kyma-project.io/v1alpha1"
	newEvents    = "eventing.kyma-project.io/v1alpha2"
	oldEvents    = "eventing.kyma-project.io/v1alpha1"
	gateway      = "services kyma-system/central-application-gateway"
	deployment   = "deployments kyma-system/central-application-gateway"
	registryName = "services kyma-integration/application-registry-external-api"
	integration  = "namespaces kyma-integration"
)

func started(arguments string) string {
	return `{"spec": {"template": {"spec": {"containers": [{"name": "proxy"}, {"name": "gateway", "args": ` + arguments + `}]}}}}`
}

func TestEveryKymaIsRecognised(t *testing.T) {
	t.Parallel()
	const (
		registryURL = "http://application-registry-external-api.kyma-integration.svc.cluster.local:8081/shop/v1/metadata"
		gatewayURL  = "http://central-application-gateway.kyma-system:8080"
	)
	apps := []string{"applications"}
	tests := map[string]struct {
		cluster  served
		registry registry
		want     detect.Result
	}{
		"Kyma 1.6": {
			served{resources: map[string][]string{applications: apps, oldEvents: {"subscriptions"}, "eventing.knative.dev/v1alpha1": {"triggers"}},
				objects: map[string]string{registryName: "{}", integration: "{}", "services kyma-integration/app-shop-event-service": "{}", "services kyma-system/event-publish-service": "{}"}},
			registry{status: 200},
			detect.Result{Backend: "application-registry", RegistryURL: registryURL, Subscriptions: "v1alpha1", SubscribeBy: "event-bus",
				Publish: detect.Publish{Kind: "kyma-legacy", URL: "http://app-shop-event-service.kyma-integration:8081/shop/v1/events"}},
		},
		"Kyma 1.20 with an event service and a publisher": {
			served{resources: map[string][]string{applications: apps, oldEvents: {"subscriptions"}, "eventing.knative.dev/v1": {"triggers"}},
				objects: map[string]string{registryName: "{}", "services kyma-integration/shop-event-service": "{}", "services kyma-system/eventing-event-publisher-proxy": "{}"}},
			registry{status: 200},
			detect.Result{Backend: "application-registry", RegistryURL: registryURL, Subscriptions: "v1alpha1", SubscribeBy: "trigger",
				Publish: detect.Publish{Kind: "kyma-legacy", URL: "http://shop-event-service.kyma-integration:8081/shop/v1/events"}},
		},
		"Kyma 1.14, seen by the Job's account, which may look for names only": {
			served{unlisted: true, resources: map[string][]string{applications: apps, oldEvents: {"subscriptions"}, "eventing.knative.dev/v1alpha1": {"triggers"}},
				objects: map[string]string{registryName: "{}", "services kyma-integration/shop-event-service": "{}"}},
			registry{status: 200},
			detect.Result{Backend: "application-registry", RegistryURL: registryURL, Subscriptions: "v1alpha1", SubscribeBy: "trigger",
				Publish: detect.Publish{Kind: "kyma-legacy", URL: "http://shop-event-service.kyma-integration:8081/shop/v1/events"}},
		},
		"Kyma 1.24": {
			served{resources: map[string][]string{applications: apps, oldEvents: {"subscriptions"}},
				objects: map[string]string{registryName: "{}", integration: "{}", "services kyma-system/eventing-event-publisher-proxy": "{}"}},
			registry{status: 200},
			detect.Result{Backend: "application-registry", RegistryURL: registryURL, Subscriptions: "v1alpha1",
				Publish: detect.Publish{Kind: "kyma", URL: "http://eventing-event-publisher-proxy.kyma-system/publish"}},
		},
		"Kyma 2.2": {
			served{resources: map[string][]string{applications: apps, oldEvents: {"subscriptions"}},
				objects: map[string]string{registryName: "{}", gateway: "{}", "services kyma-system/eventing-publisher-proxy": "{}"}},
			registry{status: 200},
			detect.Result{Backend: "application-registry", RegistryURL: registryURL, Gateway: gatewayURL, Subscriptions: "v1alpha1",
				Publish: detect.Publish{Kind: "kyma", URL: "http://eventing-publisher-proxy.kyma-system/publish"}},
		},
		"Kyma 2.5": {
			served{resources: map[string][]string{applications: apps, oldEvents: {"subscriptions"}}, objects: map[string]string{gateway: "{}", integration: "{}"}},
			noSuchHost,
			detect.Result{Backend: "application", CredentialsNamespace: "kyma-integration", Gateway: gatewayURL, Subscriptions: "v1alpha1"},
		},
		"Kyma 2.9, as its gateway says": {
			served{resources: map[string][]string{applications: apps}, objects: map[string]string{gateway: "{}", deployment: started(`["-applicationSecretsNamespace", "kyma-integration"]`)}},
			noSuchHost,
			detect.Result{Backend: "application", CredentialsNamespace: "kyma-integration", Gateway: gatewayURL},
		},
		"Kyma 2.14, upgraded": {
			served{resources: map[string][]string{applications: apps, oldEvents: {"subscriptions"}, newEvents: {"subscriptions"}},
				objects: map[string]string{gateway: "{}", integration: "{}", deployment: started(`["--proxyPort=8080", "--applicationSecretsNamespace=kyma-system"]`)}},
			noSuchHost,
			detect.Result{Backend: "application", CredentialsNamespace: "kyma-system", Gateway: gatewayURL, Subscriptions: "v1alpha2"},
		},
		"Kyma by modules": {
			served{resources: map[string][]string{applications: apps, operator: {"applicationconnectors", "eventings"}, newEvents: {"subscriptions"}},
				objects: map[string]string{gateway: "{}", "eventings kyma-system/eventing": `{"spec": {"backend": {"config": {"eventTypePrefix": "my.prefix"}}}, "status": {"publisherService": "custom-publisher-proxy.kyma-system"}}`}},
			registry{err: errors.New("must not be asked")},
			detect.Result{Backend: "application", CredentialsNamespace: "kyma-system", Gateway: gatewayURL, Subscriptions: "v1alpha2", EventPrefix: "my.prefix",
				Publish: detect.Publish{Kind: "kyma", URL: "http://custom-publisher-proxy.kyma-system/publish"}},
		},
		"Kyma by modules, seen by an account without rights": {
			served{resources: map[string][]string{applications: apps, operator: {"applicationconnectors"}, newEvents: {"subscriptions"}}, forbidden: true},
			registry{err: errors.New("must not be asked")},
			detect.Result{Backend: "application", CredentialsNamespace: "kyma-system", Gateway: gatewayURL, Subscriptions: "v1alpha2"},
		},
		"Kyma 2.12, seen by an account without rights": {
			served{resources: map[string][]string{applications: apps, newEvents: {"subscriptions"}}, forbidden: true},
			noSuchHost,
			detect.Result{Backend: "application", CredentialsNamespace: "kyma-system", Gateway: gatewayURL, Subscriptions: "v1alpha2"},
		},
		"Kyma 1.24, seen by an account without rights": {
			served{resources: map[string][]string{applications: apps, oldEvents: {"subscriptions"}}, forbidden: true},
			registry{status: 200},
			detect.Result{Backend: "application-registry", RegistryURL: registryURL, Subscriptions: "v1alpha1"},
		},
		"without Eventing": {
			served{resources: map[string][]string{applications: apps, operator: {"applicationconnectors"}}, objects: map[string]string{"eventings kyma-system/eventing": `{"status": {"publisherService": "odd"}}`}},
			noSuchHost,
			detect.Result{Backend: "application", CredentialsNamespace: "kyma-system", Gateway: gatewayURL, GatewayMissing: true, GatewayExpected: true},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := detect.Run(t.Context(), test.cluster, detect.Options{Application: "shop", HTTP: client(test.registry)})
			require.NoError(t, err)
			for _, finding := range got.Findings {
				assert.NotEmpty(t, finding.Value, "%+v", finding)
				assert.NotEmpty(t, finding.Why, "%+v", finding)
			}
			assert.GreaterOrEqual(t, len(got.Findings), 4, "each step is reported")
			last := got.Findings[len(got.Findings)-1]
			assert.Equal(t, test.cluster.forbidden, last.What == "rights", "what this account may not see is said, and only that")
			if test.cluster.forbidden {
				assert.Contains(t, last.Why, "may not get ")
				assert.Contains(t, last.Why, "services kyma-system/central-application-gateway")
			}
			got.Findings = nil
			if test.want.SubscribeBy == "" {
				test.want.SubscribeBy = test.want.Subscriptions
			}
			assert.Equal(t, test.want, *got)
		})
	}
}

func client(r registry) *httpclient.Client {
	return httpclient.New(httpclient.Options{Transport: r, Retry: httpclient.Retry{Attempts: 1}})
}

func TestWhatIsGivenIsNotAskedFor(t *testing.T) {
	t.Parallel()
	everything := served{resources: map[string][]string{applications: {"applications"}}, objects: map[string]string{registryName: "{}", integration: "{}"}}
	ask := func(cluster detect.Cluster, options detect.Options) *detect.Result {
		options.Application, options.HTTP = "shop", client(registry{status: 200})
		got, err := detect.Run(t.Context(), cluster, options)
		require.NoError(t, err)
		return got
	}
	got := ask(everything, detect.Options{Backend: "application", CredentialsNamespace: "mine", PublishURL: "http://publisher/publish",
		GatewayURL: "http://localhost:8080/", Subscriptions: "v1alpha2", EventPrefix: "mine"})
	assert.Equal(t, "http://localhost:8080", got.Gateway)
	assert.Equal(t, "v1alpha2", got.Subscriptions)
	assert.Equal(t, "mine", got.EventPrefix)
	assert.Equal(t, "http://publisher", got.Publish.Host())
	for _, finding := range got.Findings {
		assert.Contains(t, []string{"it was asked for", "it was given"}, finding.Why, finding.What)
	}
	assert.Empty(t, ask(everything, detect.Options{Backend: "application", Subscriptions: "none"}).Subscriptions)
	assert.Equal(t, "application", got.Backend)
	assert.Equal(t, "mine", got.CredentialsNamespace)
	assert.Equal(t, detect.Publish{Kind: "kyma", URL: "http://publisher/publish"}, got.Publish)
	assert.Contains(t, got.Findings, registration.Detection{What: "backend", Value: "application", Why: "it was asked for"})

	got = ask(nil, detect.Options{RegistryURL: "http://localhost:8081/shop/v1/metadata", GatewayURL: "http://localhost:8080", Subscriptions: "v1alpha1", PublishURL: "http://localhost/publish"})
	assert.Equal(t, "http://localhost:8080", got.Gateway, "what is given needs no cluster")
	assert.Equal(t, "v1alpha1", got.Subscriptions)
	assert.Equal(t, "http://localhost", got.Publish.Host())
	got = ask(nil, detect.Options{RegistryURL: "http://localhost:8081/shop/v1/metadata"})
	assert.Empty(t, got.Publish.Host())
	assert.Equal(t, "application-registry", got.Backend)
	assert.Equal(t, "http://localhost:8081/shop/v1/metadata", got.RegistryURL)

	got = ask(nil, detect.Options{Backend: "application-registry"})
	assert.Contains(t, got.RegistryURL, ":8081/shop/v1/metadata")

	got = ask(everything, detect.Options{Backend: "auto", PublishURL: "http://events:8081/shop/v1/events"})
	assert.Equal(t, "application-registry", got.Backend)
	assert.Equal(t, "kyma-legacy", got.Publish.Kind)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	old := served{resources: map[string][]string{applications: {"applications"}}, objects: map[string]string{registryName: "{}"}}
	hidden := served{resources: old.resources, forbidden: true}
	tests := map[string]struct {
		cluster   detect.Cluster
		registry  registry
		options   detect.Options
		want      string
		permanent bool
	}{
		"no cluster":                   {nil, noSuchHost, detect.Options{}, "set --kubeconfig or --registry-url", true},
		"no cluster for the resource":  {nil, noSuchHost, detect.Options{Backend: "application"}, "set --kubeconfig or --registry-url", true},
		"unknown backend":              {old, noSuchHost, detect.Options{Backend: "compass"}, "use auto, application-registry or application", true},
		"registry out of reach":        {old, noSuchHost, detect.Options{}, "port-forward svc/application-registry-external-api", true},
		"registry ill":                 {old, registry{status: 503}, detect.Options{}, "is not healthy: it answers 503", false},
		"registry silent":              {old, registry{err: context.DeadlineExceeded}, detect.Options{}, "is not healthy", false},
		"registry ill, Service hidden": {hidden, registry{status: 503}, detect.Options{}, "is not healthy", false},
		"cluster without an answer":    {served{broken: true}, noSuchHost, detect.Options{}, "the cluster gave no answer", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.options.Application, test.options.HTTP = "shop", client(test.registry)
			_, err := detect.Run(t.Context(), test.cluster, test.options)
			require.ErrorContains(t, err, test.want)
			var config *registration.ConfigError
			assert.Equal(t, test.permanent, errors.As(err, &config))
		})
	}
}

// TestNoApplicationConnector: there is nowhere to register, and all the rest is found out as ever. Where somebody asked
// for a backend, that is not given up.
func TestNoApplicationConnector(t *testing.T) {
	t.Parallel()
	cluster := served{resources: map[string][]string{"eventing.kyma-project.io/v1alpha2": {"subscriptions"}}, objects: map[string]string{"services kyma-system/eventing-publisher-proxy": "{}"}}
	run := func(options detect.Options) *detect.Result {
		options.Application, options.HTTP = "shop", client(noSuchHost)
		got, err := detect.Run(t.Context(), cluster, options)
		require.NoError(t, err)
		return got
	}
	got := run(detect.Options{})
	assert.Equal(t, detect.None, got.Backend)
	assert.Empty(t, got.Gateway+got.CredentialsNamespace)
	assert.False(t, got.GatewayMissing)
	assert.Equal(t, "http://eventing-publisher-proxy.kyma-system/publish", got.Publish.URL)
	assert.Equal(t, detect.SubscriptionsV1Alpha2, got.SubscribeBy)
	assert.Equal(t, "the cluster knows no Applications: Kyma's Application Connector is not installed", got.Findings[0].Why)
	assert.Equal(t, detect.Application, run(detect.Options{Backend: detect.Application}).Backend)

	_, err := detect.Run(t.Context(), cluster, detect.Options{Application: "shop", Backend: detect.None})
	require.ErrorContains(t, err, "use auto, application-registry or application")
}

// TestAGatewayThatIsMissing is only certain where the cluster says so.
func TestAGatewayThatIsMissing(t *testing.T) {
	t.Parallel()
	const gateway = "services kyma-system/central-application-gateway"
	with := map[string][]string{applications: {"applications"}}
	module := map[string][]string{applications: {"applications"}, operator: {"applicationconnectors"}}
	for name, test := range map[string]struct {
		cluster           served
		options           detect.Options
		missing, expected bool
	}{
		"not there":                {served{resources: with}, detect.Options{}, true, false},
		"not there, but installed": {served{resources: module}, detect.Options{}, true, true},
		"there":                    {served{resources: module, objects: map[string]string{gateway: "{}"}}, detect.Options{}, false, false},
		"not to be seen":           {served{resources: module, forbidden: true}, detect.Options{}, false, false},
		"given":                    {served{resources: module}, detect.Options{GatewayURL: "http://gateway:8080"}, false, false},
		"an old Kyma":              {served{resources: with, objects: map[string]string{registryName: "{}"}}, detect.Options{Backend: detect.ApplicationRegistry}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.options.Application, test.options.HTTP = "shop", client(noSuchHost)
			got, err := detect.Run(t.Context(), test.cluster, test.options)
			require.NoError(t, err)
			assert.Equal(t, test.missing, got.GatewayMissing)
			assert.Equal(t, test.expected, got.GatewayExpected)
		})
	}
}

// Triggers count where Kyma brings its events by them.
func TestKnativeIsSaid(t *testing.T) {
	t.Parallel()
	cluster := served{resources: map[string][]string{applications: {"applications"}, oldEvents: {"subscriptions"}, "eventing.knative.dev/v1": {"triggers"}}, objects: map[string]string{registryName: "{}"}}
	why := func() map[string]string {
		got, err := detect.Run(t.Context(), cluster, detect.Options{Application: "shop", HTTP: client(registry{status: 200})})
		require.NoError(t, err)
		said := map[string]string{}
		for _, finding := range got.Findings {
			said[finding.What] = finding.Value
		}
		return said
	}
	assert.Equal(t, "counted", why()["triggers"])
	cluster.resources[newEvents] = []string{"subscriptions"}
	assert.NotContains(t, why(), "triggers", "a Knative of one's own beside a younger Kyma")
}

func TestSimulatedClustersAreRecognised(t *testing.T) {
	t.Parallel()
	for generation, want := range map[simulator.Generation]string{simulator.Old: "application-registry", simulator.Current: "application"} {
		t.Run(string(generation), func(t *testing.T) {
			t.Parallel()
			server, err := kubetest.New(simulator.KymaOptions{Generation: generation, Applications: []string{"shop"}})
			require.NoError(t, err)
			t.Cleanup(server.Close)
			cluster, err := kube.NewForConfig(server.Config(), kube.Options{})
			require.NoError(t, err)
			got, err := detect.Run(t.Context(), cluster, detect.Options{Application: "shop", HTTP: client(registry{status: 200})})
			require.NoError(t, err)
			assert.Equal(t, want, got.Backend)
			assert.Equal(t, "kyma", got.Publish.Kind)
			assert.NotEmpty(t, got.Subscriptions)
		})
	}
}
