package application

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

const (
	// labelManagedBy marks what this product made.
	labelManagedBy, managedByUs = "app.kubernetes.io/managed-by", "kyma-connectors"
	// labelManagedByKyma marks an Application that somebody else writes.
	labelManagedByKyma = "applicationconnector.kyma-project.io/managed-by"
)

// Owner makes and removes an Application, whichever Catalog fills it.
type Owner struct {
	client *kube.Client
	name   string

	mu   sync.Mutex
	last *unstructured.Unstructured
}

var (
	_ registration.ApplicationOwner = (*Owner)(nil)
	_ registration.WriteCounter     = (*Owner)(nil)
)

// NewOwner returns the Owner of the named Application.
func NewOwner(client *kube.Client, name string) *Owner { return &Owner{client: client, name: name} }

// Writes implements registration.WriteCounter.
func (o *Owner) Writes() int { return o.client.Writes() }

// Refuse looks at the Application where another Catalog fills it, and returns an error where somebody else manages it,
// as a Catalog of this package does. unseen says why that could not be found out; one that does not exist is nobody's.
func (o *Owner) Refuse(ctx context.Context) (unseen, err error) {
	object, err := o.client.Get(ctx, kube.Application(o.name))
	switch {
	case kube.IsNotFound(err):
		return nil, nil
	case err != nil:
		return err, nil
	}
	return nil, refuseManaged(o.name, object)
}

// refuseManaged is the error for an Application that somebody else manages.
func refuseManaged(name string, object *unstructured.Unstructured) error {
	by := managedBy(object)
	if by == "" {
		return nil
	}
	return &registration.ConfigError{
		What: fmt.Sprintf("application %s belongs to %s, which would undo every change", name, by),
		Next: "choose the name of another Application, or register the API where that Application comes from",
	}
}

// CreateApplication implements registration.ApplicationOwner.
func (o *Owner) CreateApplication(ctx context.Context) error {
	object, err := o.client.ModifyFrom(ctx, kube.Application(o.name), kube.Absent(), func(current *unstructured.Unstructured) (*unstructured.Unstructured, error) {
		if current != nil {
			return nil, nil
		}
		return newApplication(o.name), nil
	})
	if kube.IsNotServed(err) {
		return notServed(err)
	}
	o.remember(object)
	return err
}

// newApplication is the Application that this product makes.
func newApplication(name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "applicationconnector.kyma-project.io/v1alpha1",
		"kind":       "Application",
		"spec":       map[string]any{"description": "Made by Kyma Connectors", "services": []any{}},
	}}
	object.SetName(name)
	object.SetLabels(map[string]string{labelManagedBy: managedByUs})
	return object
}

// remember keeps the Application as it was read or written last, nil for nothing.
func (o *Owner) remember(object *unstructured.Unstructured) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = object
}

// recall returns what was remembered. It may not be altered.
func (o *Owner) recall() *unstructured.Unstructured {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}

// RemoveApplication implements registration.ApplicationOwner.
func (o *Owner) RemoveApplication(ctx context.Context) (bool, error) {
	return o.client.Remove(ctx, kube.Application(o.name), func(current *unstructured.Unstructured) bool {
		return madeByUs(current) && len(servicesOf(current)) == 0 && managedBy(current) == ""
	})
}

func madeByUs(object *unstructured.Unstructured) bool {
	return object.GetLabels()[labelManagedBy] == managedByUs
}
