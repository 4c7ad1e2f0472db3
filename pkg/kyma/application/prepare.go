package application

import (
	"context"
	"maps"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// prepared is a Secret that is there before the change that needs it is applied.
type prepared struct {
	data    map[string]secret.Text
	changed bool // it was written, not only found
}

// Prepare implements registration.Preparer: it writes the Secrets of the service, which most of the others share.
func (c *Catalog) Prepare(ctx context.Context, change registration.Change) {
	object := c.recall()
	if object == nil || c.check(object) != nil || change.Action == registration.Delete || needsNumber(change.Service) {
		return
	}
	i := newItem(change)
	if change.Service != nil && change.Service.API != nil {
		i.name = change.Service.API.SecretName
	}
	i.build(c.options)
	merge(c.options, object.DeepCopy(), []*item{i})
	written := c.writeSecrets(ctx, object, []*item{i})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prepared = map[string]prepared{}
	for _, w := range i.secrets.all() {
		for _, name := range written {
			if name == w.name {
				c.prepared[name] = prepared{w.data, i.newSecret}
			}
		}
	}
}

// isPrepared says whether Prepare has seen to a Secret, and whether it wrote it.
func (c *Catalog) isPrepared(w *wanted) (changed, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, found := c.prepared[w.name]
	return p.changed, found && maps.Equal(p.data, w.data)
}

// takePrepared returns the names of the Secrets that Prepare has seen to, and forgets them.
func (c *Catalog) takePrepared() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := sortedKeys(c.prepared)
	c.prepared = nil
	return names
}

// dropPrepared removes the Secrets that no service needs after all.
func (c *Catalog) dropPrepared(ctx context.Context) {
	names := c.takePrepared()
	if len(names) == 0 {
		return
	}
	if object, err := c.get(ctx); err == nil {
		c.removeUnreferenced(ctx, names, object)
	}
}
