package application

import (
	"context"
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
