package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/kube"
)

// Generation says which Kyma is simulated.
type Generation string

// The generations.
const (
	// Old is Kyma 1.24: Application Registry, one gateway per Application, Secrets in kyma-integration,
	// event types with the prefix sap.kyma.custom, Subscription v1alpha1.
	Old Generation = "old"
	// Current is Kyma of today: Application resource, central Application Gateway, Secrets in kyma-system,
	// Subscription v1alpha2, APIRule v2.
	Current Generation = "current"
)

// Parts of Kyma, as faults and calls name them.
const (
	PartRegistry   = "registry"
	PartKubernetes = "kubernetes"
	PartPublisher  = "publisher"
	PartGateway    = "gateway"
)

// Namespaces in which Kyma's own parts live.
const (
	systemNamespace      = "kyma-system"
	integrationNamespace = "kyma-integration"
)

// KymaOptions say what NewKyma makes. The zero value is a current Kyma without Applications.
type KymaOptions struct {
	// Generation is Old or Current; empty means Current.
	Generation Generation
	// Knative makes an Old one a Kyma of 1.11 to 1.17: workloads subscribe by Knative's Triggers, and each of
	// Applications has an event service instead of the one publisher.
	Knative bool
	// Applications exist from the start.
	Applications []string
	// Namespaces exist besides those that Kyma and Kubernetes bring.
	Namespaces []string
	// Token, if set, is the bearer token that the Kubernetes API demands.
	Token string
	// Latency is added to every request to every part.
	Latency time.Duration
	// RegistryWork is how long one write to the Application Registry takes at least; 0 means 5 ms. A second
	// write to the same Application in that time loses, as with the real one.
	RegistryWork time.Duration
	// RegistryWriteTimeout is after how long the Application Registry can no longer answer, though it
	// finishes the work; 0 means the real 10 s.
	RegistryWriteTimeout time.Duration
	// NoSpecificationStore takes away the asset store (Rafter) of the Application Registry: whatever has
	// a specification then fails with 500.
	NoSpecificationStore bool
	// NoTokenParameters makes the Application Registry one of Kyma before 1.9, which ignores requestParameters of OAuth
	// credentials without a word.
	NoTokenParameters bool
	// SystemClient is what the Application Registry fetches specifications with and the Application
	// Gateway calls systems with; nil means a client with a time-out of 20 s.
	SystemClient *http.Client
	// GatewayCache is how long the Application Gateway goes on with what it has read of an Application and
	// its Secrets. The real one does for 5 minutes each; 0 means that changes are seen at once.
	GatewayCache time.Duration
	// SinkClient delivers events to the sinks of Subscriptions; nil means that they are only recorded.
	SinkClient *http.Client
	// RedeliverAfter is the wait before a refused delivery is repeated (0 means the real 30 s), at most
	// MaxDeliveries times in all (0 means the real 100).
	RedeliverAfter time.Duration
	MaxDeliveries  int
}

func (o KymaOptions) withDefaults() KymaOptions {
	if o.Generation == "" {
		o.Generation = Current
	}
	if o.RegistryWork == 0 {
		o.RegistryWork = 5 * time.Millisecond
	}
	if o.RegistryWriteTimeout == 0 {
		o.RegistryWriteTimeout = 10 * time.Second
	}
	if o.SystemClient == nil {
		o.SystemClient = &http.Client{Timeout: 20 * time.Second}
	}
	if o.RedeliverAfter == 0 {
		o.RedeliverAfter = 30 * time.Second
	}
	if o.MaxDeliveries == 0 {
		o.MaxDeliveries = 100
	}
	return o
}

// Published is one event that the publisher took, as its subscribers see it.
type Published struct {
	// Event has the type and source as they are delivered. Type is the full CloudEvents type, version
	// included; Version is always empty.
	Event event.Event
	// Subject is what the event backend knows it by, such as "kyma.demo.order.created.v1".
	Subject string
	// Legacy says that it came by the legacy route, which publishes each event twice on a current Kyma.
	Legacy bool
	// Subscriptions are the namespaced names of those that get it. Empty means that nobody wanted it: the
	// publisher accepted it, and it was dropped.
	Subscriptions []string
}

// Dropped says that no Subscription wanted the event.
func (p Published) Dropped() bool { return len(p.Subscriptions) == 0 }

// KymaCounts count what happened since the start.
type KymaCounts struct {
	// RegistryWrites and KubernetesWrites are requests that changed, or tried to change, something.
	RegistryWrites, KubernetesWrites int
	// Orphans are access Services that no service of an Application refers to.
	Orphans int
	// Accepted requests to publish are Subscribed (somebody gets the event) or Dropped.
	Accepted, Subscribed, Dropped int
	// Refused are requests to publish that were answered with 4xx or 5xx, or not at all.
	Refused int
	// Delivered and Undelivered are deliveries to sinks: done, and given up.
	Delivered, Undelivered int
}

// Kyma is one simulated cluster. Its methods may be called while it serves.
type Kyma struct {
	options   KymaOptions
	faults    Faults
	calls     callLog
	cluster   *kube.Server
	resources resources
	registry  *registry
	publisher *publisher
	gateway   *gateway

	mu     sync.Mutex
	counts KymaCounts
	routes routing
}

// NewKyma makes a cluster. It is an error if an Application or a namespace has a name that Kubernetes
// refuses. Close it at the end.
func NewKyma(o KymaOptions) (*Kyma, error) {
	if o.Knative && o.Generation != Old {
		return nil, errors.New("only an old Kyma has Knative")
	}
	k := &Kyma{options: o.withDefaults(), resources: newResources(o.Generation, o.Knative)}
	version := "v1.36.3"
	if o.Generation == Old {
		version = "v1.20.7"
	} else {
		k.resources.subscriptions.Control = judge
	}
	k.cluster = kube.New(kube.Options{Resources: k.resources.all(), Version: version, Token: o.Token})
	k.registry = newRegistry(k)
	k.publisher = newPublisher(k)
	k.gateway = newGateway(k)
	return k, k.furnish()
}

// furnish makes the objects that a fresh cluster has.
func (k *Kyma) furnish() error {
	namespaces := append([]string{"default", "kube-system", "istio-system", systemNamespace}, k.options.Namespaces...)
	if k.options.Generation == Old {
		namespaces = append(namespaces, integrationNamespace)
	}
	seen := map[string]bool{}
	for _, name := range namespaces {
		if seen[name] {
			continue
		}
		seen[name] = true
		if _, err := k.cluster.Create(k.cluster.Namespaces(), kube.Object{"metadata": map[string]any{"name": name}}); err != nil {
			return err
		}
	}
	type item struct {
		resource *kube.Resource
		object   kube.Object
	}
	items := []item{
		{k.resources.services, serviceObject(systemNamespace, "central-application-gateway", 8080, 8082)},
		{k.resources.services, serviceObject(systemNamespace, "eventing-publisher-proxy", 80)},
		{k.resources.deployments, kube.Object{
			"metadata": map[string]any{"name": "central-application-gateway", "namespace": systemNamespace},
			"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
				"name": "central-application-gateway", "args": []any{"--proxyPort=8080", "--proxyPortCompass=8082", "--applicationSecretsNamespace=" + systemNamespace},
			}}}}},
		}},
	}
	if k.options.Generation == Old {
		items = []item{
			{k.resources.services, serviceObject(integrationNamespace, "application-registry-external-api", 8081)},
		}
		if !k.options.Knative {
			items = append(items, item{k.resources.services, serviceObject(systemNamespace, "eventing-event-publisher-proxy", 80)})
		}
	} else {
		items = append(items, item{k.resources.eventings, kube.Object{
			"apiVersion": k.resources.eventings.APIVersion(), "kind": k.resources.eventings.Kind,
			"metadata": map[string]any{"name": "eventing", "namespace": systemNamespace},
			"spec":     map[string]any{"backend": map[string]any{"type": "NATS", "config": map[string]any{"eventTypePrefix": typePrefix}}},
			"status":   map[string]any{"state": "Ready", "publisherService": "eventing-publisher-proxy." + systemNamespace},
		}})
	}
	for _, name := range k.options.Applications {
		items = append(items, item{k.resources.applications, k.applicationObject(name)})
		if k.options.Knative {
			items = append(items, item{k.resources.services, eventServiceObject(name)})
		}
	}
	for _, item := range items {
		if _, err := k.cluster.Create(item.resource, item.object); err != nil {
			return err
		}
	}
	return nil
}

func (k *Kyma) applicationObject(name string) kube.Object {
	return kube.Object{
		"apiVersion": k.resources.applications.APIVersion(), "kind": k.resources.applications.Kind,
		"metadata": map[string]any{"name": name},
		"spec":     map[string]any{"description": "Application " + name, "services": []any{}},
	}
}

func serviceObject(namespace, name string, ports ...int) kube.Object {
	list := []any{}
	for _, port := range ports {
		list = append(list, map[string]any{"name": fmt.Sprintf("http-%d", port), "port": port, "targetPort": port})
	}
	return kube.Object{
		"metadata": map[string]any{"name": name, "namespace": namespace, "labels": map[string]any{"app": name}},
		"spec":     map[string]any{"ports": list, "selector": map[string]any{"app": name}},
	}
}

// Close stops deliveries that are still being tried and waits for their end.
func (k *Kyma) Close() { k.publisher.close() }

// Registry is the Application Registry; its paths begin with /{application}/v1/metadata. A current Kyma
// has none: there it answers 404 to everything.
func (k *Kyma) Registry() http.Handler {
	if k.options.Generation == Old {
		return k.part(PartRegistry, k.registry)
	}
	return k.part(PartRegistry, http.NotFoundHandler())
}

// KubeAPI is the Kubernetes API.
func (k *Kyma) KubeAPI() http.Handler { return k.part(PartKubernetes, k.cluster) }

// Publisher is the event publisher: /publish, /{application}/v1/events,
// /{application}/v1/events/subscribed, /healthz and /readyz.
func (k *Kyma) Publisher() http.Handler { return k.part(PartPublisher, k.publisher) }

// ApplicationGateway is what a workload calls registered APIs through, by
// /{application}/{normalised display name}/{path}. An old Kyma has one host per service instead (see Hosts).
func (k *Kyma) ApplicationGateway() http.Handler { return k.part(PartGateway, k.gateway) }

// Faults is what goes wrong; the parts are PartRegistry, PartKubernetes, PartPublisher and PartGateway.
func (k *Kyma) Faults() *Faults { return &k.faults }

// Calls returns the latest requests to a part, or to all parts if it is empty.
func (k *Kyma) Calls(part string) []Call { return k.calls.list(part) }

// Events returns every event that was accepted, in order, wanted or not.
func (k *Kyma) Events() []Published { return k.publisher.events() }

// Counts returns what happened so far.
func (k *Kyma) Counts() KymaCounts {
	k.mu.Lock()
	counts := k.counts
	k.mu.Unlock()
	k.publisher.count(&counts)
	counts.Orphans = k.registry.orphans()
	return counts
}

func (k *Kyma) part(name string, handler http.Handler) http.Handler {
	return part{name: name, handler: handler, faults: &k.faults, calls: &k.calls, latency: k.options.Latency, after: k.count}
}

// count counts one request after it was answered.
func (k *Kyma) count(c Call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	reading := c.Method == http.MethodGet || c.Method == http.MethodHead
	switch {
	case reading:
	case c.Part == PartRegistry:
		k.counts.RegistryWrites++
	case c.Part == PartKubernetes:
		k.counts.KubernetesWrites++
	case c.Part == PartPublisher && (c.Status == 0 || c.Status >= 400):
		k.counts.Refused++
	}
}

// secretsNamespace is where the Application Gateway looks for Secrets.
func (k *Kyma) secretsNamespace() string {
	if k.options.Generation == Old {
		return integrationNamespace
	}
	return systemNamespace
}
