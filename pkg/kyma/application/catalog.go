// Package application registers services in the Application custom resource, which every Kyma since 2.0
// reads: one write for all of them, and Secrets for what Kyma's gateway adds to each call.
package application

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// The defaults of Options.
const (
	DefaultGateway  = "http://central-application-gateway.kyma-system:8080"
	DefaultParallel = 8
)

// Options say which Application to write, for whom and where.
type Options struct {
	// Client talks to the cluster.
	Client *kube.Client
	// Application is the name of the resource.
	Application string
	// Instance owns the services: it is the LabelInstance of those that may be deleted, and names their Secrets.
	Instance string
	// CredentialsNamespace is where Kyma's gateway reads Secrets: kyma-system, or kyma-integration up to Kyma 2.9.
	CredentialsNamespace string
	// Gateway is the address of Kyma's gateway without a path; empty means DefaultGateway.
	Gateway string
	// Parallel bounds how many Secrets are read or written at once; 0 means DefaultParallel.
	Parallel int
	// Logger gets what an operator should know but no error tells; nil discards it.
	Logger *slog.Logger
}

// Catalog is a registration.Catalog on an Application. It is safe for concurrent use; writes of one Catalog
// should follow one another.
type Catalog struct {
	*Owner
	options Options

	mu       sync.Mutex
	done     bool                // the last look at the Application found nothing to clean up
	encodes  bool                // the gateway re-encodes addresses of OData services
	prepared map[string]prepared // Secrets that Prepare wrote, by name
}

var (
	_ registration.Catalog          = (*Catalog)(nil)
	_ registration.ApplicationOwner = (*Catalog)(nil)
	_ registration.Preparer         = (*Catalog)(nil)
	_ registration.WriteForeseer    = (*Catalog)(nil)
	_ registration.Noter            = (*Catalog)(nil)
)

// New returns a Catalog. It makes no call. The error is a *registration.ConfigError.
func New(options Options) (*Catalog, error) {
	if problems := validation.IsDNS1123Subdomain(options.Application); len(problems) > 0 {
		return nil, &registration.ConfigError{What: fmt.Sprintf("application name %q cannot be used", options.Application), Next: "use lower-case letters, digits and dashes"}
	}
	if options.Instance == "" || options.CredentialsNamespace == "" {
		return nil, &registration.ConfigError{What: "the instance and the namespace of the credentials are needed", Next: "set --instance and --credentials-namespace"}
	}
	if options.Gateway == "" {
		options.Gateway = DefaultGateway
	}
	if options.Parallel <= 0 {
		options.Parallel = DefaultParallel
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return &Catalog{Owner: NewOwner(options.Client, options.Application), options: options}, nil
}

// Name implements registration.Catalog.
func (c *Catalog) Name() string { return "application" }

// URL implements registration.Catalog.
func (c *Catalog) URL(s registration.Service) string {
	if s.API == nil {
		return ""
	}
	return c.options.Gateway + "/" + c.options.Application + "/" + registration.URLSegment(s.DisplayName)
}

// List implements registration.Catalog. A service of this installation counts as changed where its entry is
// not as it was written, or where a Secret that it refers to is gone or holds other values.
func (c *Catalog) List(ctx context.Context) ([]registration.Registered, error) {
	object, err := c.get(ctx)
	c.remember(object)
	if err != nil {
		return nil, err
	}
	c.setDone(len(unused(object, c.options.Instance)) == 0 && len(reservations(object)) == 0)
	c.setEncodes(keepsEncoding(object, c.options.Instance))
	services := servicesOf(object)
	changed := c.changedSecrets(ctx, services)
	found := make([]registration.Registered, 0, len(services))
	for _, service := range services {
		labels := service.labels()
		if labels[registration.LabelInstance] == c.options.Instance && (labels[labelEntry] != service.digest() || anyIn(service.secrets(), changed)) {
			delete(labels, registration.LabelHash)
		}
		delete(labels, labelEntry)
		found = append(found, registration.Registered{ID: service.text("id"), Identifier: service.text("identifier"), DisplayName: service.text("displayName"), Labels: labels})
	}
	return found, nil
}

// Apply implements registration.Catalog: Secrets first, then the Application in one write, then the removal
// of Secrets that nothing refers to any more. Without changes it only does the last, where an interrupted
// run left some behind.
func (c *Catalog) Apply(ctx context.Context, changes []registration.Change) []error {
	if len(changes) == 0 {
		if c.dropPrepared(ctx); !c.isDone() {
			c.clean(ctx)
		}
		return nil
	}
	items := make([]*item, len(changes))
	for i, change := range changes {
		items[i] = newItem(change)
	}
	if err := c.apply(ctx, items); err != nil {
		for _, item := range items {
			item.fail(err)
		}
	}
	errs := make([]error, len(items))
	for i, item := range items {
		if errs[i] = item.err; item.err == nil && item.change.Action == registration.Update && !item.changed() {
			errs[i] = registration.ErrUnchanged
		}
	}
	return errs
}

func (c *Catalog) apply(ctx context.Context, items []*item) error {
	object, err := c.last(ctx)
	if err != nil {
		return err
	}
	if object, err = c.nameSecrets(ctx, object, items); err != nil {
		return err
	}
	merge(c.options, object.DeepCopy(), items) // finds what must be refused before any Secret is written
	written := append(c.writeSecrets(ctx, object, items), c.takePrepared()...)
	if !slices.ContainsFunc(items, func(item *item) bool { return item.err == nil }) {
		c.removeUnreferenced(ctx, written, object)
		return nil
	}
	object, err = c.client.ModifyFrom(ctx, kube.Application(c.options.Application), kube.Present(object), func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if err := c.check(current); err != nil {
			return nil, err
		}
		if !merge(c.options, current, items) {
			return nil, nil
		}
		return current, nil
	})
	if err != nil {
		return err
	}
	c.setEncodes(keepsEncoding(object, c.options.Instance))
	c.removeUnreferenced(ctx, written, object)
	c.cleanUp(ctx, object)
	return nil
}

// last returns the Application as List or CreateApplication left it, once, or else reads it: what is stale by
// then does no harm, because a write of it is refused.
func (c *Catalog) last(ctx context.Context) (*unstructured.Unstructured, error) {
	object := c.recall()
	c.remember(nil)
	if object == nil {
		return c.get(ctx)
	}
	return object, c.check(object)
}

// get reads the Application and refuses it where it belongs to somebody else.
func (c *Catalog) get(ctx context.Context) (*unstructured.Unstructured, error) {
	object, err := c.client.Get(ctx, kube.Application(c.options.Application))
	switch {
	case kube.IsNotServed(err):
		return nil, notServed(err)
	case kube.IsNotFound(err):
		object = nil
	case err != nil:
		return nil, err
	}
	return object, c.check(object)
}

func (c *Catalog) check(object *unstructured.Unstructured) error {
	if object == nil {
		return fmt.Errorf("application %s: %w", c.options.Application, registration.ErrNoApplication)
	}
	return refuseManaged(c.options.Application, object)
}

// managedBy names who else manages an Application; empty where nobody does.
func managedBy(object *unstructured.Unstructured) string {
	if data, found, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "compassMetadata"); found && data != nil {
		return "Compass"
	}
	return object.GetLabels()[labelManagedByKyma]
}

// clean finishes what an interrupted run left.
func (c *Catalog) clean(ctx context.Context) {
	object, err := c.get(ctx)
	if err == nil && len(reservations(object)) > 0 {
		object, err = c.client.Modify(ctx, kube.Application(c.options.Application), func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			if current == nil || !release(c.options, current, true) {
				return nil, nil
			}
			return current, nil
		})
	}
	if err != nil {
		if !errors.Is(err, registration.ErrNoApplication) {
			c.options.Logger.WarnContext(ctx, "cannot look for unused Secrets; the next run tries again", "error", err)
		}
		return
	}
	if object != nil {
		c.cleanUp(ctx, object)
	}
}

// cleanUp removes the Secrets that the Application lists as unused, and then takes them off the list.
func (c *Catalog) cleanUp(ctx context.Context, object *unstructured.Unstructured) {
	names := unused(object, c.options.Instance)
	gone := c.removeSecrets(ctx, names)
	if len(gone) > 0 {
		_, err := c.client.Modify(ctx, kube.Application(c.options.Application), func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			if current == nil || !forget(current, gone) {
				return nil, nil
			}
			return current, nil
		})
		if err != nil {
			c.options.Logger.WarnContext(ctx, "unused Secrets are removed but still listed at the Application; the next run tries again", "error", err)
			gone = nil
		}
	}
	c.setDone(len(gone) == len(names))
}

// removeUnreferenced removes those of the Secrets that this run wrote to which no service refers.
func (c *Catalog) removeUnreferenced(ctx context.Context, written []string, object *unstructured.Unstructured) {
	referenced := references(servicesOf(object))
	c.removeSecrets(ctx, slices.DeleteFunc(written, func(name string) bool { return referenced[name] }))
}

// Notes implements registration.Noter.
func (c *Catalog) Notes(context.Context, []registration.Service) (all []string, each map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.encodes {
		all = append(all, "the Application has encodeUrl: true, so that Kyma's gateway turns an encoded slash in an OData key into a real one; set spec.encodeUrl to false if nobody else relies on it")
	}
	return all, nil
}

func (c *Catalog) setEncodes(encodes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.encodes = encodes
}

func (c *Catalog) isDone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

func (c *Catalog) setDone(done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = done
}

func notServed(err error) error {
	return &registration.ConfigError{What: "the cluster does not know Applications", Next: "install Kyma's Application Connector module, or choose another cluster", Err: err}
}

func anyIn(names []string, set map[string]bool) bool {
	return slices.ContainsFunc(names, func(name string) bool { return set[name] })
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
