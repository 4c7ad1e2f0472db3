// Package kube is the small Kubernetes client of the registration: a few calls on objects as they come,
// JSON only, with errors that say what to do. It never prints what a Secret holds.
package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

const (
	// callTimeout is the deadline of one call where Options sets none.
	callTimeout = 30 * time.Second
	// maxAnswer bounds the body of one answer of the API server in bytes.
	maxAnswer = 64 << 20
	// pageSize is the number of objects asked for at once when listing.
	pageSize = 500
	// noRateLimit switches client-go's own limit of 5 requests a second off: callers bound how many calls they
	// make at once, and the API server has a fairness of its own.
	noRateLimit = -1

	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// Options say which cluster to talk to and how.
type Options struct {
	// Kubeconfig is a file; empty means the cluster that this process runs in.
	Kubeconfig string
	// Timeout is the deadline of one call; 0 means 30 seconds.
	Timeout time.Duration
	// UserAgent names this program to the API server.
	UserAgent string
	// Logger gets the API server's warnings; nil discards them.
	Logger *slog.Logger
}

// Client makes calls to one cluster. It is safe for concurrent use.
type Client struct {
	dynamic   dynamic.Interface
	rest      rest.Interface
	namespace string
	writes    atomic.Int64
}

// Ref names one object. Namespace is empty for objects of the cluster.
type Ref struct {
	Resource  schema.GroupVersionResource
	Namespace string
	Name      string
}

// String is "secrets kyma-system/name".
func (r Ref) String() string {
	switch {
	case r.Name == "" && r.Namespace == "":
		return r.Resource.Resource
	case r.Namespace == "":
		return r.Resource.Resource + " " + r.Name
	case r.Name == "":
		return r.Resource.Resource + " in namespace " + r.Namespace
	}
	return r.Resource.Resource + " " + r.Namespace + "/" + r.Name
}

// Secret names a Secret.
func Secret(namespace, name string) Ref {
	return Ref{Resource: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, Namespace: namespace, Name: name}
}

// ConfigMap names a ConfigMap.
func ConfigMap(namespace, name string) Ref {
	return Ref{Resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, Namespace: namespace, Name: name}
}

// Application names a Kyma Application.
func Application(name string) Ref {
	return Ref{Resource: schema.GroupVersionResource{Group: "applicationconnector.kyma-project.io", Version: "v1alpha1", Resource: "applications"}, Name: name}
}

// New connects to the cluster of a kubeconfig file, or to the one that this process runs in. It makes no call.
func New(options Options) (*Client, error) {
	if options.Kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, &registration.ConfigError{What: "this process does not run in a cluster, so it does not know which one to use", Next: "name a kubeconfig file with --kubeconfig", Err: err}
		}
		namespace, err := os.ReadFile(namespaceFile)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("read the namespace of this pod: %w", err)
		}
		return newClient(config, strings.TrimSpace(string(namespace)), options)
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: options.Kubeconfig}, &clientcmd.ConfigOverrides{})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, &registration.ConfigError{What: "kubeconfig " + options.Kubeconfig + " cannot be used", Next: "name a readable kubeconfig file that has a current context", Err: err}
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, &registration.ConfigError{What: "kubeconfig " + options.Kubeconfig + " cannot be used", Next: "set a current context", Err: err}
	}
	return newClient(config, namespace, options)
}

// NewForConfig connects with a configuration made elsewhere. It makes no call.
func NewForConfig(config *rest.Config, options Options) (*Client, error) {
	return newClient(rest.CopyConfig(config), metav1.NamespaceDefault, options)
}

func newClient(config *rest.Config, namespace string, options Options) (*Client, error) {
	config.QPS = noRateLimit
	config.Timeout = options.Timeout
	if config.Timeout == 0 {
		config.Timeout = callTimeout
	}
	if options.UserAgent != "" {
		config.UserAgent = options.UserAgent
	}
	config.WarningHandler = rest.NoWarnings{}
	if options.Logger != nil {
		config.WarningHandlerWithContext = warnings{options.Logger}
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bounded{next} })
	config = dynamic.ConfigFor(config)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, &registration.ConfigError{What: "the cluster's connection settings cannot be used", Next: "check certificates and proxy in the kubeconfig", Err: err}
	}
	objects, err := dynamic.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, &registration.ConfigError{What: "the cluster's address cannot be used", Next: "check the server in the kubeconfig", Err: err}
	}
	config.GroupVersion = &schema.GroupVersion{}
	raw, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, &registration.ConfigError{What: "the cluster's address cannot be used", Next: "check the server in the kubeconfig", Err: err}
	}
	return &Client{dynamic: objects, rest: raw, namespace: namespace}, nil
}

// Writes is the number of objects that were made, changed or deleted so far.
func (c *Client) Writes() int { return int(c.writes.Load()) }

// Namespace is that of this pod, or of the kubeconfig's current context.
func (c *Client) Namespace() string { return c.namespace }

// Get returns an object.
func (c *Client) Get(ctx context.Context, ref Ref) (*unstructured.Unstructured, error) {
	object, err := c.resource(ref).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return nil, explain(err, "get", ref)
	}
	return object, nil
}

// List returns the objects of a resource in a namespace, or in all where ref.Namespace is empty. A label
// selector may be empty.
func (c *Client) List(ctx context.Context, ref Ref, selector string) ([]unstructured.Unstructured, error) {
	var items []unstructured.Unstructured
	next := ""
	for {
		page, err := c.resource(ref).List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: pageSize, Continue: next})
		if err != nil {
			return nil, explain(err, "list", ref)
		}
		items = append(items, page.Items...)
		if next = page.GetContinue(); next == "" {
			return items, nil
		}
	}
}

// Create makes an object; ref.Name is that of the object.
func (c *Client) Create(ctx context.Context, ref Ref, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	created, err := c.resource(ref).Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return nil, explain(err, "create", ref)
	}
	c.writes.Add(1)
	return created, nil
}

// Update replaces an object. Where the object has a resourceVersion and somebody else changed it since, the
// error is a conflict (IsConflict).
func (c *Client) Update(ctx context.Context, ref Ref, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	updated, err := c.resource(ref).Update(ctx, object, metav1.UpdateOptions{})
	if err != nil {
		return nil, explain(err, "update", ref)
	}
	c.writes.Add(1)
	return updated, nil
}

// Delete removes an object as it was read: where it was replaced or changed since, the error is a conflict.
// A nil object removes whatever has the name.
func (c *Client) Delete(ctx context.Context, ref Ref, object *unstructured.Unstructured) error {
	var options metav1.DeleteOptions
	if object != nil {
		uid, version := object.GetUID(), object.GetResourceVersion()
		options.Preconditions = &metav1.Preconditions{UID: pointer(uid), ResourceVersion: pointer(version)}
	}
	if err := c.resource(ref).Delete(ctx, ref.Name, options); err != nil {
		return explain(err, "delete", ref)
	}
	c.writes.Add(1)
	return nil
}

func pointer[T types.UID | string](value T) *T {
	if value == "" {
		return nil
	}
	return &value
}

// Versions returns the versions in which an API group is served, the preferred one first. A group that is
// not served has none.
func (c *Client) Versions(ctx context.Context, group string) ([]string, error) {
	var answer metav1.APIGroup
	if found, err := c.discover(ctx, "/apis/"+group, &answer); err != nil || !found {
		return nil, err
	}
	versions := make([]string, 0, len(answer.Versions))
	if answer.PreferredVersion.Version != "" {
		versions = append(versions, answer.PreferredVersion.Version)
	}
	for _, version := range answer.Versions {
		if version.Version != answer.PreferredVersion.Version {
			versions = append(versions, version.Version)
		}
	}
	return versions, nil
}

// Resources returns the names of the resources that an API group serves in one version, such as
// "applications". A group or version that is not served has none.
func (c *Client) Resources(ctx context.Context, group, version string) ([]string, error) {
	var answer metav1.APIResourceList
	if found, err := c.discover(ctx, "/apis/"+group+"/"+version, &answer); err != nil || !found {
		return nil, err
	}
	names := make([]string, 0, len(answer.APIResources))
	for _, resource := range answer.APIResources {
		names = append(names, resource.Name)
	}
	return names, nil
}

// discover reads one document of the API server's discovery.
func (c *Client) discover(ctx context.Context, path string, answer any) (found bool, err error) {
	data, err := c.rest.Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(ctx)
	switch {
	case IsNotFound(err):
		return false, nil
	case err != nil:
		return false, explain(err, "get", Ref{Resource: schema.GroupVersionResource{Resource: path}})
	}
	if err := decode(data, answer); err != nil {
		return false, fmt.Errorf("the cluster's answer to %s is not understood: %w", path, err)
	}
	return true, nil
}

func (c *Client) resource(ref Ref) dynamic.ResourceInterface {
	if ref.Namespace == "" {
		return c.dynamic.Resource(ref.Resource)
	}
	return c.dynamic.Resource(ref.Resource).Namespace(ref.Namespace)
}

// bounded limits the bodies of answers.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err == nil && response.StatusCode != http.StatusSwitchingProtocols {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxAnswer}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, &oversize{}
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= n
	return n, err
}

// oversize says that an answer exceeds maxAnswer.
type oversize struct{}

// Error implements error.
func (*oversize) Error() string {
	return fmt.Sprintf("the cluster's answer is larger than %d MiB", maxAnswer>>20)
}

// warnings logs what the API server warns of.
type warnings struct{ logger *slog.Logger }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if code == 299 && text != "" {
		w.logger.WarnContext(ctx, "the cluster warns", "warning", text)
	}
}
