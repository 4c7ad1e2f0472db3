package simulator

import (
	"net/http"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
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

// KymaOptions say what NewKyma makes. The zero value is a current Kyma without Applications.
type KymaOptions struct {
	// Generation is Old or Current; empty means Current.
	Generation Generation
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
	// SystemClient is what the Application Registry fetches specifications with and the Application
	// Gateway calls systems with; nil means a client with a time-out of 20 s.
	SystemClient *http.Client
	// SinkClient delivers events to the sinks of Subscriptions; nil means that they are only recorded.
	SinkClient *http.Client
	// RedeliverAfter is the wait before a refused delivery is repeated (0 means the real 30 s), at most
	// MaxDeliveries times in all (0 means the real 100).
	RedeliverAfter time.Duration
	MaxDeliveries  int
}

// Published is one event that the publisher took, as its subscribers see it.
type Published struct {
	// Event has the type and source as they are delivered. Type is the full CloudEvents type, version
	// included; Version is always empty.
	Event event.Event
	// Subject is what the event backend knows it by, such as "kyma.demo.order.created.v1".
	Subject string
	// Legacy says that it came by the legacy route, which publishes each event twice.
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
	// Accepted events are Subscribed (somebody gets them) plus Dropped. An event by the legacy route counts once.
	Accepted, Subscribed, Dropped int
	// Refused are requests to publish that were answered with 4xx or 5xx.
	Refused int
	// Delivered and Undelivered are deliveries to sinks: done, and given up.
	Delivered, Undelivered int
}

// Kyma is one simulated cluster. Its methods may be called while it serves.
type Kyma struct {
	options KymaOptions
	faults  Faults
	calls   callLog

	mu        sync.Mutex
	published []Published
}

// NewKyma makes a cluster. Close it at the end.
func NewKyma(o KymaOptions) *Kyma {
	if o.Generation == "" {
		o.Generation = Current
	}
	return &Kyma{options: o}
}

// Close stops deliveries that are still being tried and waits for their end.
func (k *Kyma) Close() {}

// Registry is the Application Registry; its paths begin with /{application}/v1/metadata. It answers 404
// for everything in a current Kyma, which has none.
func (k *Kyma) Registry() http.Handler { return k.part(PartRegistry, http.NotFoundHandler()) }

// KubeAPI is the Kubernetes API.
func (k *Kyma) KubeAPI() http.Handler { return k.part(PartKubernetes, http.NotFoundHandler()) }

// Publisher is the event publisher: /publish, /{application}/v1/events,
// /{application}/v1/events/subscribed, /healthz and /readyz.
func (k *Kyma) Publisher() http.Handler { return k.part(PartPublisher, http.NotFoundHandler()) }

// ApplicationGateway is what a workload calls registered APIs through: /{application}/{service}/{path}.
func (k *Kyma) ApplicationGateway() http.Handler { return k.part(PartGateway, http.NotFoundHandler()) }

// Hosts lists every in-cluster host and port of this generation with its handler. Names that depend on
// Applications and services are there for those that exist at the time of the call; Handler needs no list.
func (k *Kyma) Hosts() map[string]http.Handler { return map[string]http.Handler{} }

// Handler serves every in-cluster host by the request's Host header; hosts that nobody serves answer 502.
func (k *Kyma) Handler() http.Handler { return http.NotFoundHandler() }

// Faults is what goes wrong; the parts are PartRegistry, PartKubernetes, PartPublisher and PartGateway.
func (k *Kyma) Faults() *Faults { return &k.faults }

// Calls returns the latest requests to a part, or to all parts if it is empty.
func (k *Kyma) Calls(part string) []Call { return k.calls.list(part) }

// Events returns every event that was accepted, in order, wanted or not.
func (k *Kyma) Events() []Published {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Published{}, k.published...)
}

// Counts returns what happened so far.
func (k *Kyma) Counts() KymaCounts { return KymaCounts{} }

// Subscribe makes a ready Subscription (and the Service that is its sink, if it is missing) for events of
// a source, which is the name of the Application, and types such as "Account.Root.Created.v1".
func (k *Kyma) Subscribe(namespace, name, source string, types ...string) error { return nil }

func (k *Kyma) part(name string, handler http.Handler) http.Handler {
	return part{name: name, handler: handler, faults: &k.faults, calls: &k.calls, latency: k.options.Latency}
}
