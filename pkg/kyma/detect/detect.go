// Package detect finds out what kind of Kyma a cluster is: where APIs are registered, where their
// credentials belong and where events are published. It asks the cluster, never for a version number, and
// says of each answer why it believes it. Every answer can be given instead.
package detect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// The backends.
const (
	Auto                = "auto"
	ApplicationRegistry = "application-registry"
	Application         = "application"
	// None is what is found where there is no Application Connector; nobody can ask for it.
	None = "none"
)

// The kinds of publish targets, as the event gateway names its sinks.
const (
	PublishCloudEvents = "kyma"
	PublishLegacy      = "kyma-legacy"
)

// Namespaces and names of Kyma's parts.
const (
	systemNamespace      = "kyma-system"
	integrationNamespace = "kyma-integration"
	applicationGateway   = "central-application-gateway"
	applicationRegistry  = "application-registry-external-api"
	applicationGroup     = "applicationconnector.kyma-project.io"
	operatorGroup        = "operator.kyma-project.io"
	eventingGroup        = "eventing.kyma-project.io"
	knativeGroup         = "eventing.knative.dev"
)

// Cluster is what Run asks; *kube.Client is one.
type Cluster interface {
	Get(ctx context.Context, ref kube.Ref) (*unstructured.Unstructured, error)
	List(ctx context.Context, ref kube.Ref, selector string) ([]unstructured.Unstructured, error)
	Versions(ctx context.Context, group string) ([]string, error)
	Resources(ctx context.Context, group, version string) ([]string, error)
}

// Options are what is known already: what is set is not asked for.
type Options struct {
	// Application is the name of the Application.
	Application string
	// Backend is Auto, ApplicationRegistry or Application; empty means Auto.
	Backend string
	// RegistryURL is the address of the Application Registry for the Application, up to /v1/metadata. Given
	// with Auto it means that the registry is to be used.
	RegistryURL string
	// CredentialsNamespace is where Kyma's gateway reads Secrets.
	CredentialsNamespace string
	// GatewayURL is the address of the central gateway.
	GatewayURL string
	// PublishURL is where events are published.
	PublishURL string
	// Subscriptions is the version of the Subscription resource, one of SubscriptionVersions.
	Subscriptions string
	// EventPrefix is what prefixed event types begin with.
	EventPrefix string
	// Removal looks only for what has to be known for removing: the backend, and the namespace of the credentials.
	Removal bool
	// HTTP asks the registry for its health; nil means a client with defaults.
	HTTP *httpclient.Client
}

// Result is what was found.
type Result struct {
	// Backend is ApplicationRegistry, Application or None.
	Backend string
	// RegistryURL is set for the backend ApplicationRegistry.
	RegistryURL string
	// CredentialsNamespace is set for the backend Application.
	CredentialsNamespace string
	// Gateway is the address of Kyma's central gateway; empty where each service has an address of its own.
	Gateway string
	// GatewayMissing says that there certainly is no central gateway: nobody can call what is registered. GatewayExpected
	// says that there should be one, because the Application Connector is installed.
	GatewayMissing, GatewayExpected bool
	// Publish is where events are published. Its URL is empty where that is not known.
	Publish Publish
	// Subscriptions is the version of the Subscription resource; empty where there is none.
	Subscriptions string
	// SubscribeBy is how a workload subscribes to an event, as the registration's report shows it.
	SubscribeBy string
	// EventPrefix is what prefixed event types begin with; empty means the usual one.
	EventPrefix string
	// Findings say what was found and why it is believed, in the order of the steps.
	Findings []registration.Detection
}

// PrefixedTypes says that events reach their subscribers by types with a prefix: where there is a publisher, and Subscriptions
// are of the older version (Kyma 1.21 to 2.11).
func (r *Result) PrefixedTypes() bool {
	return r.Subscriptions == SubscriptionsV1Alpha1 && r.Publish.Kind != PublishLegacy
}

// Publish is a publish target.
type Publish struct {
	// Kind is PublishCloudEvents or PublishLegacy.
	Kind string
	URL  string
}

// Host is the address without a path; empty where it is not known.
func (p Publish) Host() string {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// The versions of the Subscription resource, and that there is none.
const (
	SubscriptionsV1Alpha2 = "v1alpha2"
	SubscriptionsV1Alpha1 = "v1alpha1"
	SubscriptionsNone     = "none"
)

// SubscriptionVersions are all values of Options.Subscriptions.
func SubscriptionVersions() []string {
	return []string{SubscriptionsV1Alpha2, SubscriptionsV1Alpha1, SubscriptionsNone}
}

type detector struct {
	Options
	cluster  Cluster
	result   *Result
	eventing *unstructured.Unstructured // the Eventing module; nil where there is none
}

// Run finds everything out. The cluster may be nil where Options name a registry: then only what is given is
// known. Errors say what to do; a *registration.ConfigError does not go away by itself.
func Run(ctx context.Context, cluster Cluster, options Options) (*Result, error) {
	if options.HTTP == nil {
		options.HTTP = httpclient.New(httpclient.Options{Retry: httpclient.Retry{Attempts: 2}})
	}
	d := &detector{Options: options, cluster: cluster, result: &Result{}}
	var ahead *ahead
	if cluster != nil {
		ahead = lookAhead(ctx, cluster, options)
		d.cluster = ahead
	}
	if err := d.backend(ctx); err != nil {
		return nil, err
	}
	if cluster == nil {
		d.given()
		return d.result, nil
	}
	if options.Removal {
		if d.result.Backend == Application {
			d.credentialsNamespace(ctx)
		}
		d.rights(ahead)
		return d.result, nil
	}
	if d.result.Backend != None {
		d.gateway(ctx)
	}
	if d.result.Backend == Application {
		d.credentialsNamespace(ctx)
	}
	d.subscriptions(ctx)
	d.triggers(ctx)
	d.readEventing(ctx)
	d.eventPrefix()
	d.publish(ctx)
	d.subscribeBy(ctx)
	d.rights(ahead)
	return d.result, nil
}

// rights says what this account may not look at.
func (d *detector) rights(ahead *ahead) {
	if list, next := ahead.notAllowed(); len(list) > 0 {
		d.found(registration.DetectedRights, "incomplete", "this account may not get %s, so that what stands above had to be found out without; next: %s", strings.Join(list, ", "), next)
	}
}

func (d *detector) found(what, value, why string, args ...any) {
	d.result.Findings = append(d.result.Findings, registration.Detection{What: what, Value: value, Why: fmt.Sprintf(why, args...)})
}

// backend decides where to register.
func (d *detector) backend(ctx context.Context) error {
	const what = "backend"
	switch d.Backend {
	case ApplicationRegistry:
		d.useRegistry(what, "it was asked for")
		return nil
	case Application:
		if d.cluster == nil {
			return noCluster()
		}
		d.result.Backend = Application
		d.found(what, Application, "it was asked for")
		return nil
	case "", Auto:
	default:
		return &registration.ConfigError{What: fmt.Sprintf("backend %q is not known", d.Backend), Next: "use auto, application-registry or application"}
	}
	if d.RegistryURL != "" {
		d.useRegistry(what, "the address of a registry was given")
		return nil
	}
	if d.cluster == nil {
		return noCluster()
	}
	resources, err := d.cluster.Resources(ctx, applicationGroup, "v1alpha1")
	if err != nil {
		return err
	}
	if !slices.Contains(resources, "applications") {
		d.result.Backend = None
		d.found(what, None, "the cluster knows no Applications: Kyma's Application Connector is not installed")
		return nil
	}
	use, why, err := d.registryAnswers(ctx)
	if err != nil {
		return err
	}
	if use {
		d.useRegistry(what, why)
		return nil
	}
	d.result.Backend = Application
	d.found(what, Application, "%s", why)
	return nil
}

func noCluster() error {
	return &registration.ConfigError{What: "no cluster is known to register in", Next: "run inside the cluster, or set --kubeconfig or --registry-url"}
}

func (d *detector) useRegistry(what, why string) {
	d.result.Backend = ApplicationRegistry
	d.result.RegistryURL = d.RegistryURL
	if d.result.RegistryURL == "" {
		d.result.RegistryURL = registryBase + "/" + d.Application + "/v1/metadata"
	}
	d.found(what, ApplicationRegistry, "%s", why)
}

const registryBase = "http://" + applicationRegistry + "." + integrationNamespace + ".svc.cluster.local:8081"

// registryAnswers says whether the cluster has an Application Registry that works. One that exists and does
// not work is an error: another backend would register everything a second time.
func (d *detector) registryAnswers(ctx context.Context) (use bool, why string, err error) {
	if d.modular(ctx) {
		return false, "Kyma is installed by modules, none of which has an Application Registry", nil
	}
	_, err = d.cluster.Get(ctx, service(integrationNamespace, applicationRegistry))
	exists := err == nil
	switch {
	case kube.IsNotFound(err):
		return false, "the cluster knows Applications and has no Application Registry", nil
	case err != nil && !kube.IsForbidden(err):
		return false, "", err
	}
	answer, err := d.HTTP.Do(ctx, httpclient.Request{URL: registryBase + "/v1/health"})
	if err == nil && answer.Status == http.StatusOK {
		return true, "the cluster has an Application Registry, and it is healthy", nil
	}
	if exists {
		return false, "", unhealthy(answer, err)
	}
	var unresolved *net.DNSError
	if errors.As(err, &unresolved) && unresolved.IsNotFound || isKind(err, httpclient.Refused) || err == nil && answer.Status < http.StatusInternalServerError {
		return false, "the cluster knows Applications, and no Application Registry answers (this account may not look for its Service)", nil
	}
	return false, "", unhealthy(answer, err)
}

// modular says that the Application Connector is a module of its own, as in every Kyma after 2.20.
func (d *detector) modular(ctx context.Context) bool {
	modules, err := d.cluster.Resources(ctx, operatorGroup, "v1alpha1")
	return err == nil && slices.Contains(modules, "applicationconnectors")
}

func unhealthy(answer *httpclient.Response, err error) error {
	const what = "the Application Registry is not healthy"
	var unresolved *net.DNSError
	switch {
	case errors.As(err, &unresolved) && unresolved.IsNotFound:
		return &registration.ConfigError{
			What: "the cluster has an Application Registry that cannot be reached from here",
			Next: "run inside the cluster, or make it reachable (kubectl -n kyma-integration port-forward svc/" + applicationRegistry + " 8081) and set --registry-url",
		}
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: it answers %d; choose --backend application if it is not to be used", what, answer.Status)
}

func isKind(err error, kind httpclient.Kind) bool {
	var failed *httpclient.Error
	return errors.As(err, &failed) && failed.Kind == kind
}

// given takes over what needs no cluster.
func (d *detector) given() {
	if d.GatewayURL != "" {
		d.gateway(context.Background())
	}
	if d.Subscriptions != "" {
		d.subscriptions(context.Background())
	}
	if d.PublishURL != "" {
		d.publish(context.Background())
	}
	d.eventPrefix()
}

// gateway finds the central gateway, by which workloads call registered APIs.
func (d *detector) gateway(ctx context.Context) {
	const what = "gateway"
	if d.GatewayURL != "" {
		d.result.Gateway = strings.TrimRight(d.GatewayURL, "/")
		d.found(what, d.result.Gateway, "it was given")
		return
	}
	address := "http://" + applicationGateway + "." + systemNamespace + ":8080"
	_, err := d.cluster.Get(ctx, service(systemNamespace, applicationGateway))
	switch {
	case err == nil:
		d.result.Gateway = address
		d.found(what, address, "its Service exists")
	case d.result.Backend == Application:
		d.result.Gateway = address
		why := "its Service does not exist yet: APIs can be called once Kyma's Application Connector module is installed"
		d.result.GatewayMissing = kube.IsNotFound(err)
		d.result.GatewayExpected = d.result.GatewayMissing && d.modular(ctx)
		if !d.result.GatewayMissing {
			why = "this is where it is in every Kyma that has one; its Service could not be looked for (" + short(err) + ")"
		}
		d.found(what, address, "%s", why)
	case kube.IsNotFound(err):
		d.found(what, "one per service", "there is no central gateway")
	default:
		d.found(what, "one per service", "whether there is a central gateway could not be found out (%s)", short(err))
	}
}

// credentialsNamespace finds out where the central gateway reads Secrets.
func (d *detector) credentialsNamespace(ctx context.Context) {
	set := func(namespace, why string, args ...any) {
		d.result.CredentialsNamespace = namespace
		d.found("credentials namespace", namespace, why, args...)
	}
	if d.CredentialsNamespace != "" {
		set(d.CredentialsNamespace, "it was given")
		return
	}
	deployment, err := d.cluster.Get(ctx, gatewayDeployment())
	if namespace := argument(deployment, "applicationSecretsNamespace"); err == nil && namespace != "" {
		set(namespace, "the central gateway is started with it")
		return
	}
	if d.modular(ctx) {
		set(systemNamespace, "Kyma is installed by modules")
		return
	}
	_, err = d.cluster.Get(ctx, kube.Ref{Resource: schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, Name: integrationNamespace})
	switch {
	case err == nil:
		set(integrationNamespace, "the namespace exists, as up to Kyma 2.9; in a later one that was upgraded, give %s", systemNamespace)
	case kube.IsNotFound(err):
		set(systemNamespace, "there is no namespace %s", integrationNamespace)
	default:
		set(systemNamespace, "nothing else could be found out (%s); up to Kyma 2.9 give %s", short(err), integrationNamespace)
	}
}

// argument finds a flag of the containers of a Deployment: "--name=value", "-name=value" or in two parts.
func argument(deployment *unstructured.Unstructured, name string) string {
	if deployment == nil {
		return ""
	}
	containers, _, _ := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	for _, item := range containers {
		container, _ := item.(map[string]any)
		for _, field := range []string{"command", "args"} {
			arguments, _, _ := unstructured.NestedStringSlice(container, field)
			for i, given := range arguments {
				flag, value, inOne := strings.Cut(strings.TrimLeft(given, "-"), "=")
				switch {
				case flag != name || !strings.HasPrefix(given, "-"):
				case inOne:
					return value
				case i+1 < len(arguments):
					return arguments[i+1]
				}
			}
		}
	}
	return ""
}

// subscriptions finds out how workloads subscribe to events.
func (d *detector) subscriptions(ctx context.Context) {
	const what = "subscriptions"
	if d.Subscriptions != "" {
		if d.Subscriptions != SubscriptionsNone {
			d.result.Subscriptions = d.Subscriptions
		}
		d.found(what, d.Subscriptions, "it was given")
		return
	}
	versions, err := d.cluster.Versions(ctx, eventingGroup)
	switch {
	case err != nil:
		d.found(what, "unknown", "the cluster did not say (%s)", short(err))
	case slices.Contains(versions, SubscriptionsV1Alpha2):
		d.result.Subscriptions = SubscriptionsV1Alpha2
		d.found(what, SubscriptionsV1Alpha2, "the cluster serves it: event types are named as they are published")
	case slices.Contains(versions, SubscriptionsV1Alpha1):
		d.result.Subscriptions = SubscriptionsV1Alpha1
		d.found(what, SubscriptionsV1Alpha1, "the cluster serves nothing newer: event types carry a prefix and the name of the Application")
	default:
		d.found(what, SubscriptionsNone, "the cluster serves no Subscriptions: events have no consumer until Kyma's Eventing module is installed")
	}
}

// triggers says where workloads subscribe by Knative's Triggers. Where Subscriptions v1alpha2 are served, Kyma has left
// Knative behind: Triggers of somebody else get none of its events.
func (d *detector) triggers(ctx context.Context) {
	if d.Subscriptions != "" || d.result.Subscriptions == SubscriptionsV1Alpha2 || !d.hasKnative(ctx) {
		return
	}
	d.found("triggers", "counted", "the cluster serves Knative's eventing, whose Triggers are what workloads subscribe by in Kyma 1.11 to 1.22")
}

// subscribeBy decides what a workload has to apply: before the first event publisher proxy the same resource had
// another form, and Knative took its place for a while.
func (d *detector) subscribeBy(ctx context.Context) {
	legacy := d.result.Publish.Kind == PublishLegacy
	switch {
	case d.Subscriptions != "" || d.result.Subscriptions == SubscriptionsV1Alpha2:
		d.result.SubscribeBy = d.result.Subscriptions
	case legacy && d.hasEventBus(ctx):
		d.result.SubscribeBy = registration.SubscribeEventBus
	case d.hasKnative(ctx) && (legacy || d.result.Subscriptions == ""):
		d.result.SubscribeBy = registration.SubscribeTrigger
	case legacy:
		d.result.SubscribeBy = registration.SubscribeEventBus
	default:
		d.result.SubscribeBy = d.result.Subscriptions
	}
}

// hasEventBus says whether events go by the event bus, which has a publisher of its own (Kyma 1.4 to 1.10).
func (d *detector) hasEventBus(ctx context.Context) bool {
	_, err := d.cluster.Get(ctx, service(systemNamespace, "event-publish-service"))
	return err == nil
}

// readEventing reads the Eventing module.
func (d *detector) readEventing(ctx context.Context) {
	if d.PublishURL != "" && d.EventPrefix != "" {
		return
	}
	if eventing, err := d.cluster.Get(ctx, eventingModule()); err == nil {
		d.eventing = eventing
	}
}

// eventPrefix finds out what prefixed event types begin with.
func (d *detector) eventPrefix() {
	const what = "event prefix"
	if d.EventPrefix != "" {
		d.result.EventPrefix = d.EventPrefix
		d.found(what, d.EventPrefix, "it was given")
		return
	}
	if d.eventing == nil {
		return
	}
	if prefix, _, _ := unstructured.NestedString(d.eventing.Object, "spec", "backend", "config", "eventTypePrefix"); prefix != "" {
		d.result.EventPrefix = prefix
		d.found(what, prefix, "the Eventing resource names it")
	}
}

// publish finds out where events are published.
func (d *detector) publish(ctx context.Context) {
	const what = "publish target"
	set := func(kind, address, why string) {
		d.result.Publish = Publish{Kind: kind, URL: address}
		d.found(what, address, "%s", why)
	}
	if d.PublishURL != "" {
		kind := PublishCloudEvents
		if u, err := url.Parse(d.PublishURL); err == nil && strings.HasSuffix(u.Path, "/v1/events") {
			kind = PublishLegacy
		}
		set(kind, d.PublishURL, "it was given")
		return
	}
	if d.hasKnative(ctx) {
		if name := d.eventService(ctx); name != "" {
			set(PublishLegacy, d.eventServiceURL(name), "Knative is installed, and the Application has an event service")
			return
		}
	}
	if name, namespace := d.publisherOfEventing(); name != "" {
		set(PublishCloudEvents, "http://"+name+"."+namespace+"/publish", "the Eventing resource names it")
		return
	}
	for _, name := range []string{"eventing-publisher-proxy", "eventing-event-publisher-proxy"} {
		if _, err := d.cluster.Get(ctx, service(systemNamespace, name)); err == nil {
			set(PublishCloudEvents, "http://"+name+"."+systemNamespace+"/publish", "its Service exists")
			return
		}
	}
	if name := d.eventService(ctx); name != "" {
		set(PublishLegacy, d.eventServiceURL(name), "the Application has an event service")
		return
	}
	d.found(what, "unknown", "no publisher was found, or this account may not look for it; the event gateway looks for itself")
}

func (d *detector) hasKnative(ctx context.Context) bool {
	versions, err := d.cluster.Versions(ctx, knativeGroup)
	return err == nil && len(versions) > 0
}

// publisherOfEventing is the name and namespace of the publisher's Service, as the Eventing module tells them.
func (d *detector) publisherOfEventing() (name, namespace string) {
	if d.eventing == nil {
		return "", ""
	}
	eventing := d.eventing
	full, _, _ := unstructured.NestedString(eventing.Object, "status", "publisherService")
	name, namespace, found := strings.Cut(full, ".")
	if !found || name == "" || namespace == "" {
		return "", ""
	}
	return name, namespace
}

// eventService finds the event service of the Application (Kyma 1); its name changed twice, its labels did not. An account
// that may not list Services looks for the names.
func (d *detector) eventService(ctx context.Context) string {
	services, err := d.cluster.List(ctx, service(integrationNamespace, ""), "application="+d.Application+",app="+d.Application+"-event-service")
	if err == nil {
		if len(services) == 0 {
			return ""
		}
		return services[0].GetName()
	}
	for _, name := range []string{d.Application + "-event-service", "app-" + d.Application + "-event-service", d.Application + "-event-service-external-api"} {
		if _, err := d.cluster.Get(ctx, service(integrationNamespace, name)); err == nil {
			return name
		}
	}
	return ""
}

func (d *detector) eventServiceURL(name string) string {
	return "http://" + name + "." + integrationNamespace + ":8081/" + d.Application + "/v1/events"
}

func gatewayDeployment() kube.Ref {
	return kube.Ref{Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, Namespace: systemNamespace, Name: applicationGateway}
}

func eventingModule() kube.Ref {
	return kube.Ref{Resource: schema.GroupVersionResource{Group: operatorGroup, Version: "v1alpha1", Resource: "eventings"}, Namespace: systemNamespace, Name: "eventing"}
}

func service(namespace, name string) kube.Ref {
	return kube.Ref{Resource: schema.GroupVersionResource{Version: "v1", Resource: "services"}, Namespace: namespace, Name: name}
}

// next is an error's advice.
func next(err error) string {
	var config *registration.ConfigError
	if errors.As(err, &config) {
		return config.Next
	}
	return ""
}

// short is an error without its advice: the finding stands without it.
func short(err error) string {
	var config *registration.ConfigError
	if errors.As(err, &config) {
		return config.What
	}
	return err.Error()
}
