package detect

import (
	"context"
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube"
)

// ahead asks a cluster at once what is going to be asked one after the other, and keeps the answers.
type ahead struct {
	Cluster

	mu      sync.Mutex
	answers map[string]func() (any, error)
	refused map[string]string // objects that somebody wanted to see and this account may not, with what to do
}

// lookAhead asks for everything that a detection needs in any case.
func lookAhead(ctx context.Context, cluster Cluster, o Options) *ahead {
	a := &ahead{Cluster: cluster, answers: map[string]func() (any, error){}, refused: map[string]string{}}
	var versions, groups []string
	var refs []kube.Ref
	if (o.Backend == "" || o.Backend == Auto) && o.RegistryURL == "" {
		groups = append(groups, applicationGroup, operatorGroup)
	}
	if o.Backend != ApplicationRegistry && o.RegistryURL == "" && o.CredentialsNamespace == "" {
		refs = append(refs, gatewayDeployment())
	}
	if !o.Removal {
		if o.Subscriptions == "" {
			versions = append(versions, eventingGroup)
		}
		if o.PublishURL == "" {
			versions = append(versions, knativeGroup)
		}
		if o.GatewayURL == "" {
			refs = append(refs, service(systemNamespace, applicationGateway))
		}
		if o.PublishURL == "" || o.EventPrefix == "" {
			refs = append(refs, eventingModule())
		}
	}
	for _, group := range versions {
		a.ask("versions "+group, func() (any, error) { return cluster.Versions(ctx, group) })
	}
	for _, group := range groups {
		a.ask("resources "+group, func() (any, error) { return cluster.Resources(ctx, group, "v1alpha1") })
	}
	for _, ref := range refs {
		a.ask("get "+ref.String(), func() (any, error) { return cluster.Get(ctx, ref) })
	}
	return a
}

// ask makes a call in the background.
func (a *ahead) ask(key string, call func() (any, error)) {
	answer := sync.OnceValues(call)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[key] = answer
	go func() { _, _ = answer() }()
}

// known returns the answer to a call, where it was asked for.
func (a *ahead) known(key string) (answer any, err error, asked bool) { //nolint:revive // an error is an answer here
	a.mu.Lock()
	call := a.answers[key]
	a.mu.Unlock()
	if call == nil {
		return nil, nil, false
	}
	answer, err = call()
	return answer, err, true
}

// Get implements Cluster.
func (a *ahead) Get(ctx context.Context, ref kube.Ref) (*unstructured.Unstructured, error) {
	var object *unstructured.Unstructured
	answer, err, asked := a.known("get " + ref.String())
	if asked {
		object, _ = answer.(*unstructured.Unstructured)
	} else {
		object, err = a.Cluster.Get(ctx, ref)
	}
	if kube.IsForbidden(err) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.refused[ref.String()] = next(err)
	}
	return object, err
}

// notAllowed names what this account may not see, in an order that does not change, and says what to do about the first.
func (a *ahead) notAllowed() (list []string, next string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list = slices.Sorted(maps.Keys(a.refused))
	if len(list) > 0 {
		next = a.refused[list[0]]
	}
	return list, next
}

// Versions implements Cluster.
func (a *ahead) Versions(ctx context.Context, group string) ([]string, error) {
	if answer, err, asked := a.known("versions " + group); asked {
		versions, _ := answer.([]string)
		return versions, err
	}
	return a.Cluster.Versions(ctx, group)
}

// Resources implements Cluster. All resources that Kyma is known by have one version.
func (a *ahead) Resources(ctx context.Context, group, version string) ([]string, error) {
	if answer, err, asked := a.known("resources " + group); asked {
		resources, _ := answer.([]string)
		return resources, err
	}
	return a.Cluster.Resources(ctx, group, version)
}
