package application

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// ForeseeWrites implements registration.WriteForeseer: it goes the way of Apply on a copy.
func (c *Catalog) ForeseeWrites(ctx context.Context, changes []registration.Change) (int, error) {
	object, err := c.last(ctx)
	switch {
	case errors.Is(err, registration.ErrNoApplication):
		object = newApplication(c.options.Application)
	case err != nil:
		return 0, err
	}
	copied := object.DeepCopy()
	items := make([]*item, len(changes))
	for i, change := range changes {
		items[i] = newItem(change)
	}
	writes := 0
	if len(changes) == 0 { // what an interrupted run has begun
		if len(reservations(copied)) > 0 && release(c.options, copied, true) {
			writes++
		}
		removals, err := c.foreseeRemovals(ctx, copied)
		return writes + removals, err
	}
	if assign(c.options.Instance, copied, items) {
		writes++
	}
	for _, item := range items {
		item.build(c.options)
	}
	if merge(c.options, copied, items) {
		writes++
	}
	wanted := map[string]map[string]secret.Text{}
	for _, item := range items {
		if item.err == nil {
			for _, w := range item.secrets.all() {
				wanted[w.name] = w.data
			}
		}
	}
	secrets, err := c.foreseeSecrets(ctx, object, wanted)
	if err != nil {
		return 0, err
	}
	removals, err := c.foreseeRemovals(ctx, copied)
	return writes + secrets + removals, err
}

// foreseeSecrets counts the Secrets that are not as they should be.
func (c *Catalog) foreseeSecrets(ctx context.Context, application *unstructured.Unstructured, wanted map[string]map[string]secret.Text) (int, error) {
	return c.count(ctx, sortedKeys(wanted), func(name string, current *unstructured.Unstructured) bool {
		return current == nil || !holds(current, wanted[name], application)
	})
}

// foreseeRemovals counts the Secrets that nothing refers to any more, and the write that forgets them.
func (c *Catalog) foreseeRemovals(ctx context.Context, object *unstructured.Unstructured) (int, error) {
	names := unused(object, c.options.Instance)
	if len(names) == 0 {
		return 0, nil
	}
	removed, err := c.count(ctx, names, func(_ string, current *unstructured.Unstructured) bool { return current != nil && c.owns(current) })
	return removed + 1, err
}

// count reads Secrets and counts those for which counts holds; it gets nil for one that does not exist.
func (c *Catalog) count(ctx context.Context, names []string, counts func(name string, current *unstructured.Unstructured) bool) (int, error) {
	var n atomic.Int64
	errs := c.each(names, func(name string) error {
		current, err := c.client.Get(ctx, kube.Secret(c.options.CredentialsNamespace, name))
		if kube.IsNotFound(err) {
			current, err = nil, nil
		}
		if err == nil && counts(name, current) {
			n.Add(1)
		}
		return err
	})
	return int(n.Load()), errors.Join(errs...)
}

// holds says whether a Secret is as it should be.
func holds(current *unstructured.Unstructured, data map[string]secret.Text, application *unstructured.Unstructured) bool {
	held, err := kube.SecretData(current)
	return err == nil && maps.Equal(held, data) && slices.EqualFunc(current.GetOwnerReferences(), ownedBy(application), sameOwner)
}
