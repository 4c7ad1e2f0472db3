package simulator_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

var (
	applications  = schema.GroupVersionResource{Group: "applicationconnector.kyma-project.io", Version: "v1alpha1", Resource: "applications"}
	subscriptions = schema.GroupVersionResource{Group: "eventing.kyma-project.io", Version: "v1alpha2", Resource: "subscriptions"}
	secrets       = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMaps    = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

// newKyma makes a cluster that ends with the test.
func newKyma(t *testing.T, o simulator.KymaOptions) *simulator.Kyma {
	t.Helper()
	kyma, err := simulator.NewKyma(o)
	require.NoError(t, err)
	t.Cleanup(kyma.Close)
	return kyma
}

// serve serves a handler until the test ends and returns its URL.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// kubeClient is a dynamic client-go client of a cluster.
func kubeClient(t *testing.T, kyma *simulator.Kyma) dynamic.Interface {
	t.Helper()
	client, err := dynamic.NewForConfig(&rest.Config{Host: serve(t, kyma.KubeAPI()), QPS: 1000, Burst: 1000})
	require.NoError(t, err)
	return client
}

// parse makes an object out of JSON.
func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	require.NoError(t, json.Unmarshal([]byte(text), &o.Object))
	return o
}

const minimalApplication = `{"apiVersion":"applicationconnector.kyma-project.io/v1alpha1","kind":"Application","metadata":{"name":"shop"},"spec":{}}`

func TestDiscoveryOfEachGeneration(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		generation simulator.Generation
		version    string
		has        []string
		hasNot     []string
	}{
		{
			name: "current", generation: simulator.Current, version: "v1.36.3",
			has:    []string{"applicationconnector.kyma-project.io/v1alpha1", "eventing.kyma-project.io/v1alpha2", "gateway.kyma-project.io/v2", "operator.kyma-project.io/v1alpha1", "apps/v1", "v1"},
			hasNot: []string{"eventing.kyma-project.io/v1alpha1"},
		},
		{
			name: "old", generation: simulator.Old, version: "v1.20.7",
			has:    []string{"applicationconnector.kyma-project.io/v1alpha1", "eventing.kyma-project.io/v1alpha1", "gateway.kyma-project.io/v1alpha1", "v1"},
			hasNot: []string{"eventing.kyma-project.io/v1alpha2", "operator.kyma-project.io/v1alpha1"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			kyma := newKyma(t, simulator.KymaOptions{Generation: test.generation})
			client, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: serve(t, kyma.KubeAPI())})
			require.NoError(t, err)

			version, err := client.ServerVersion()
			require.NoError(t, err)
			assert.Equal(t, test.version, version.GitVersion)

			_, lists, err := client.ServerGroupsAndResources()
			require.NoError(t, err)
			served := map[string][]string{}
			for _, list := range lists {
				for _, resource := range list.APIResources {
					served[list.GroupVersion] = append(served[list.GroupVersion], resource.Name)
				}
			}
			for _, groupVersion := range test.has {
				assert.Contains(t, served, groupVersion)
			}
			for _, groupVersion := range test.hasNot {
				assert.NotContains(t, served, groupVersion)
			}
			assert.Contains(t, served["v1"], "secrets")
			assert.Contains(t, served["applicationconnector.kyma-project.io/v1alpha1"], "applications")
		})
	}
}

func TestObjectsLiveAsInKubernetes(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	apps := kubeClient(t, newKyma(t, simulator.KymaOptions{})).Resource(applications)

	created, err := apps.Create(ctx, parse(t, minimalApplication), metav1.CreateOptions{})
	require.NoError(t, err)
	assert.NotEmpty(t, created.GetUID())
	assert.NotEmpty(t, created.GetResourceVersion())
	creation := created.GetCreationTimestamp()
	assert.False(t, creation.IsZero())
	assert.EqualValues(t, 1, created.GetGeneration())

	_, err = apps.Create(ctx, parse(t, minimalApplication), metav1.CreateOptions{})
	assert.True(t, apierrors.IsAlreadyExists(err), "%v", err)

	first, second := created.DeepCopy(), created.DeepCopy()
	require.NoError(t, unstructured.SetNestedField(first.Object, "one", "spec", "description"))
	updated, err := apps.Update(ctx, first, metav1.UpdateOptions{})
	require.NoError(t, err)
	assert.EqualValues(t, 2, updated.GetGeneration(), "a change of the spec is a new generation")

	require.NoError(t, unstructured.SetNestedField(second.Object, "two", "spec", "description"))
	_, err = apps.Update(ctx, second, metav1.UpdateOptions{})
	assert.True(t, apierrors.IsConflict(err), "who read an older version loses: %v", err)

	same, err := apps.Update(ctx, updated.DeepCopy(), metav1.UpdateOptions{})
	require.NoError(t, err)
	assert.Equal(t, updated.GetResourceVersion(), same.GetResourceVersion(), "a replacement by the same is no write")

	unversioned := updated.DeepCopy()
	unversioned.SetResourceVersion("")
	_, err = apps.Update(ctx, unversioned, metav1.UpdateOptions{})
	assert.True(t, apierrors.IsInvalid(err), "custom resources need the version: %v", err)

	require.NoError(t, apps.Delete(ctx, "shop", metav1.DeleteOptions{}))
	_, err = apps.Get(ctx, "shop", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err))
	assert.EqualError(t, err, `applications.applicationconnector.kyma-project.io "shop" not found`)
}

var _ = context.Background
var _ = strings.Split
var _ = time.Second
var _ = types.MergePatchType
var _ = watch.Added
var _ = subscriptions
var _ = secrets
var _ = configMaps
