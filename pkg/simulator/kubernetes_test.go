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
	"k8s.io/client-go/dynamic/dynamicinformer"
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
	if o.SystemClient == nil {
		o.SystemClient = nearby()
	}
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
	client, err := dynamic.NewForConfig(&rest.Config{Host: serve(t, kyma.KubeAPI()), QPS: 1000, Burst: 1000, WarningHandler: rest.NoWarnings{}})
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

func TestApplicationsAreCheckedAgainstTheirSchema(t *testing.T) {
	t.Parallel()
	apps := kubeClient(t, newKyma(t, simulator.KymaOptions{})).Resource(applications)
	for _, test := range []struct {
		name, spec, want string
	}{
		{"service without name", `{"services":[{"id":"1","displayName":"a","providerDisplayName":"p","description":"d","entries":[]}]}`,
			`spec.services[0].name: Required value`},
		{"unknown entry type", `{"services":[{"id":"1","name":"a","displayName":"a","providerDisplayName":"p","description":"d","entries":[{"type":"Rest"}]}]}`,
			`spec.services[0].entries[0].type: Unsupported value: "Rest": supported values: "API", "Events"`},
		{"csrf without url", `{"services":[{"id":"1","name":"a","displayName":"a","providerDisplayName":"p","description":"d","entries":[{"type":"API","credentials":{"type":"Basic","secretName":"s","csrfInfo":{}}}]}]}`,
			`spec.services[0].entries[0].credentials.csrfInfo.tokenEndpointURL: Required value`},
		{"wrong type", `{"skipVerify":"yes"}`, `spec.skipVerify in body must be of type boolean: "string"`},
		{"access label", `{"accessLabel":"-x"}`, `spec.accessLabel in body should match`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := parse(t, minimalApplication)
			var spec map[string]any
			require.NoError(t, json.Unmarshal([]byte(test.spec), &spec))
			o.Object["spec"] = spec
			_, err := apps.Create(t.Context(), o, metav1.CreateOptions{})
			require.True(t, apierrors.IsInvalid(err), "%v", err)
			assert.Contains(t, err.Error(), `Application.applicationconnector.kyma-project.io "shop" is invalid: `)
			assert.Contains(t, err.Error(), test.want)
		})
	}
}

func TestWhatTheApplicationSchemaDoesNotKnowIsPrunedWithoutAnError(t *testing.T) {
	t.Parallel()
	const withTypos = `{"apiVersion":"applicationconnector.kyma-project.io/v1alpha1","kind":"Application","metadata":{"name":"shop"},
		"spec":{"services":[{"id":"1","name":"a","displayName":"a","providerDisplayName":"p","description":"d","entries":[
			{"type":"API","oauthUrl":"https://x","credentialsSecretName":"s"}]}],"colour":"red"},"status":{"installationStatus":{"status":"x"}}}`
	kyma := newKyma(t, simulator.KymaOptions{})
	apps := kubeClient(t, kyma).Resource(applications)

	created, err := apps.Create(t.Context(), parse(t, withTypos), metav1.CreateOptions{})
	require.NoError(t, err)
	services, _, err := unstructured.NestedSlice(created.Object, "spec", "services")
	require.NoError(t, err)
	assert.Equal(t, []any{map[string]any{"type": "API"}}, services[0].(map[string]any)["entries"])
	assert.NotContains(t, created.Object["spec"], "colour")
	assert.Equal(t, true, created.Object["spec"].(map[string]any)["encodeUrl"], "the default of encodeUrl is true")
	assert.Contains(t, created.Object, "status", "an Application has no status subresource")

	t.Run("the answer warns", func(t *testing.T) {
		resp := post(t, serve(t, kyma.KubeAPI())+"/apis/applicationconnector.kyma-project.io/v1alpha1/applications?dryRun=All", "application/json",
			strings.Replace(withTypos, `"shop"`, `"shop2"`, 1))
		assert.Equal(t, http.StatusCreated, resp.status)
		assert.Contains(t, resp.header.Values("Warning"), `299 - "unknown field \"spec.colour\""`)
		_, err := apps.Get(t.Context(), "shop2", metav1.GetOptions{})
		assert.True(t, apierrors.IsNotFound(err), "a dry run writes nothing")
	})
	t.Run("strict validation refuses", func(t *testing.T) {
		_, err := apps.Update(t.Context(), func() *unstructured.Unstructured {
			o := created.DeepCopy()
			o.Object["spec"].(map[string]any)["colour"] = "red"
			return o
		}(), metav1.UpdateOptions{FieldValidation: "Strict"})
		assert.True(t, apierrors.IsBadRequest(err), "%v", err)
		assert.ErrorContains(t, err, `unknown field "spec.colour"`)
	})
	t.Run("an old cluster keeps everything", func(t *testing.T) {
		old := kubeClient(t, newKyma(t, simulator.KymaOptions{Generation: simulator.Old})).Resource(applications)
		created, err := old.Create(t.Context(), parse(t, withTypos), metav1.CreateOptions{})
		require.NoError(t, err)
		assert.Equal(t, "red", created.Object["spec"].(map[string]any)["colour"])
		assert.NotContains(t, created.Object["spec"], "encodeUrl")
	})
}

func TestPatches(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client := kubeClient(t, newKyma(t, simulator.KymaOptions{Applications: []string{"shop"}, Namespaces: []string{"team"}}))
	apps := client.Resource(applications)

	patched, err := apps.Patch(ctx, "shop", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"1","b":"2"}},"spec":{"description":"new"}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a": "1", "b": "2"}, patched.GetLabels())
	patched, err = apps.Patch(ctx, "shop", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":null}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"b": "2"}, patched.GetLabels(), "null removes")

	_, err = apps.Patch(ctx, "shop", types.MergePatchType, []byte(`{"metadata":{"resourceVersion":"1"}}`), metav1.PatchOptions{})
	assert.True(t, apierrors.IsConflict(err), "a patch may insist on a version: %v", err)

	for _, kind := range []types.PatchType{types.StrategicMergePatchType, types.ApplyPatchType, types.JSONPatchType} {
		_, err = apps.Patch(ctx, "shop", kind, []byte(`{}`), metav1.PatchOptions{FieldManager: "test"})
		assert.True(t, apierrors.IsUnsupportedMediaType(err), "%s: %v", kind, err)
	}
}

func TestSecretsAndConfigMaps(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client := kubeClient(t, newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}}))
	secret := client.Resource(secrets).Namespace("team")

	created, err := secret.Create(ctx, parse(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"user":"me"},"data":{"password":"c2VjcmV0"}}`), metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"user": "bWU=", "password": "c2VjcmV0"}, created.Object["data"], "stringData becomes data")
	assert.NotContains(t, created.Object, "stringData")
	assert.Equal(t, "Opaque", created.Object["type"])

	changed := created.DeepCopy()
	changed.Object["type"] = "kubernetes.io/tls"
	_, err = secret.Update(ctx, changed, metav1.UpdateOptions{})
	assert.ErrorContains(t, err, "field is immutable")

	unversioned := created.DeepCopy()
	unversioned.SetResourceVersion("")
	_, err = secret.Update(ctx, unversioned, metav1.UpdateOptions{})
	assert.NoError(t, err, "built-in resources may be replaced without a version")

	for name, body := range map[string]struct{ object, want string }{
		"not base64":        {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"},"data":{"a":"%%%"}}`, "illegal base64 data"},
		"bad key":           {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"},"stringData":{"a/b":"1"}}`, "a valid config key"},
		"bad name":          {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"My Secret"}}`, "RFC 1123"},
		"no name":           {`{"apiVersion":"v1","kind":"Secret","metadata":{}}`, "name or generateName is required"},
		"bad label":         {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","labels":{"instance":"team/release"}}}`, `Invalid value: "team/release": a valid label`},
		"other namespace":   {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","namespace":"default"}}`, "does not match the namespace sent on the request"},
		"other kind":        {`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`, "does not match the expected kind"},
		"owner without uid": {`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"c"}]}}`, "uid must not be empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := secret.Create(ctx, parse(t, body.object), metav1.CreateOptions{})
			assert.ErrorContains(t, err, body.want)
		})
	}
	t.Run("namespace missing", func(t *testing.T) {
		t.Parallel()
		_, err := client.Resource(secrets).Namespace("nowhere").Create(ctx, parse(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}`), metav1.CreateOptions{})
		assert.EqualError(t, err, `namespaces "nowhere" not found`)
	})
	t.Run("config map values are text", func(t *testing.T) {
		t.Parallel()
		_, err := client.Resource(configMaps).Namespace("team").Create(ctx, parse(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":1}}`), metav1.CreateOptions{})
		assert.True(t, apierrors.IsBadRequest(err), "%v", err)
	})
	t.Run("an immutable secret stays", func(t *testing.T) {
		t.Parallel()
		created, err := secret.Create(ctx, parse(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"fixed"},"immutable":true,"stringData":{"a":"1"}}`), metav1.CreateOptions{})
		require.NoError(t, err)
		created.Object["data"] = map[string]any{"a": "Mg=="}
		_, err = secret.Update(ctx, created, metav1.UpdateOptions{})
		assert.ErrorContains(t, err, "immutable")
	})
}

func TestWhoIsOwnedGoesWithTheOwner(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client := kubeClient(t, newKyma(t, simulator.KymaOptions{Applications: []string{"shop", "other"}}))
	apps, secret := client.Resource(applications), client.Resource(secrets).Namespace("kyma-system")
	uid := func(name string) types.UID {
		app, err := apps.Get(ctx, name, metav1.GetOptions{})
		require.NoError(t, err)
		return app.GetUID()
	}
	owned := func(name string, owners ...types.UID) {
		o := parse(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"`+name+`"}}`)
		var references []metav1.OwnerReference
		for _, owner := range owners {
			references = append(references, metav1.OwnerReference{APIVersion: "applicationconnector.kyma-project.io/v1alpha1", Kind: "Application", Name: "any", UID: owner})
		}
		o.SetOwnerReferences(references)
		_, err := secret.Create(ctx, o, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	exists := func(name string) bool {
		_, err := secret.Get(ctx, name, metav1.GetOptions{})
		return err == nil
	}

	owned("of-shop", uid("shop"))
	owned("of-both", uid("shop"), uid("other"))
	owned("of-nobody", "11111111-2222-3333-4444-555555555555")
	assert.True(t, exists("of-shop"))
	assert.False(t, exists("of-nobody"), "an owner that does not exist costs the object")

	require.NoError(t, apps.Delete(ctx, "shop", metav1.DeleteOptions{}))
	assert.False(t, exists("of-shop"))
	assert.True(t, exists("of-both"), "one owner is left")

	orphan := metav1.DeletePropagationOrphan
	require.NoError(t, apps.Delete(ctx, "other", metav1.DeleteOptions{PropagationPolicy: &orphan}))
	assert.True(t, exists("of-both"))
}

func TestDeletionMayInsistOnAnObject(t *testing.T) {
	t.Parallel()
	apps := kubeClient(t, newKyma(t, simulator.KymaOptions{Applications: []string{"shop"}})).Resource(applications)
	other := types.UID("another")
	err := apps.Delete(t.Context(), "shop", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	assert.True(t, apierrors.IsConflict(err), "%v", err)
	err = apps.Delete(t.Context(), "nobody", metav1.DeleteOptions{})
	assert.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestListsAndSelectors(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client := kubeClient(t, newKyma(t, simulator.KymaOptions{Namespaces: []string{"one", "two"}}))
	for _, o := range []string{
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"one","labels":{"tier":"web","kyma-connectors.io/connector":"x"}}}`,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"one","labels":{"tier":"db"}}}`,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"two"}}`,
	} {
		object := parse(t, o)
		_, err := client.Resource(configMaps).Namespace(object.GetNamespace()).Create(ctx, object, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	for _, test := range []struct {
		namespace, labels, fields string
		want                      []string
	}{
		{"", "", "", []string{"a", "b", "c"}},
		{"one", "", "", []string{"a", "b"}},
		{"", "tier", "", []string{"a", "b"}},
		{"", "!tier", "", []string{"c"}},
		{"", "tier=web", "", []string{"a"}},
		{"", "tier==web,kyma-connectors.io/connector=x", "", []string{"a"}},
		{"", "tier!=web", "", []string{"b", "c"}},
		{"", "tier in (web, db)", "", []string{"a", "b"}},
		{"", "tier notin (db)", "", []string{"a", "c"}},
		{"", "", "metadata.name=b", []string{"b"}},
		{"", "", "metadata.namespace!=one", []string{"c"}},
	} {
		t.Run(test.namespace+" "+test.labels+" "+test.fields, func(t *testing.T) {
			t.Parallel()
			list, err := client.Resource(configMaps).Namespace(test.namespace).List(ctx, metav1.ListOptions{LabelSelector: test.labels, FieldSelector: test.fields})
			require.NoError(t, err)
			var names []string
			for _, item := range list.Items {
				names = append(names, item.GetName())
			}
			assert.Equal(t, test.want, names)
			assert.Equal(t, "ConfigMapList", list.GetKind())
			assert.NotEmpty(t, list.GetResourceVersion())
		})
	}
	for _, selector := range []metav1.ListOptions{{LabelSelector: "a b"}, {LabelSelector: "x in y"}, {FieldSelector: "data.a=b"}} {
		_, err := client.Resource(configMaps).List(ctx, selector)
		assert.True(t, apierrors.IsBadRequest(err), "%+v: %v", selector, err)
	}
}

func TestWatchesSeeEveryChange(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := kubeClient(t, newKyma(t, simulator.KymaOptions{Applications: []string{"shop"}}))
	apps := client.Resource(applications)

	list, err := apps.List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	watcher, err := apps.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion(), LabelSelector: "wanted=yes"})
	require.NoError(t, err)
	defer watcher.Stop()
	for _, step := range []struct {
		patch string
		want  watch.EventType
	}{
		{`{"metadata":{"labels":{"wanted":"yes"}}}`, watch.Added},
		{`{"spec":{"description":"new"}}`, watch.Modified},
		{`{"metadata":{"labels":{"wanted":"no"}}}`, watch.Deleted},
	} {
		_, err = apps.Patch(ctx, "shop", types.MergePatchType, []byte(step.patch), metav1.PatchOptions{})
		require.NoError(t, err)
		select {
		case event := <-watcher.ResultChan():
			assert.Equal(t, step.want, event.Type, step.patch)
		case <-ctx.Done():
			t.Fatal("no event came for " + step.patch)
		}
	}
}

func TestInformersOfClientGoWork(t *testing.T) {
	t.Parallel()
	client := kubeClient(t, newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}, Applications: []string{"shop"}}))
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	lister := factory.ForResource(applications).Lister()
	stop := make(chan struct{})
	defer factory.Shutdown()
	defer close(stop)
	factory.Start(stop)
	require.True(t, factory.WaitForCacheSync(stop)[applications])
	_, err := lister.Get("shop")
	require.NoError(t, err)

	_, err = client.Resource(applications).Create(t.Context(), parse(t, strings.Replace(minimalApplication, "shop", "later", 1)), metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Eventually(t, func() bool { _, err := lister.Get("later"); return err == nil }, 20*time.Second, 5*time.Millisecond)
}

func TestSubscriptionsAreJudgedByTheirController(t *testing.T) {
	t.Parallel()
	client := kubeClient(t, newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}})).Resource(subscriptions).Namespace("team")
	for _, test := range []struct {
		name, spec, problem string
	}{
		{"good", `{"sink":"http://a.team.svc.cluster.local","source":"shop","types":["order.created.v1"]}`, ""},
		{"exact", `{"sink":"http://a.team.svc.cluster.local/x","source":"","typeMatching":"exact","types":["sap.kyma.custom.shop.order.created.v1"]}`, ""},
		{"sink-elsewhere", `{"sink":"http://a.other.svc.cluster.local","source":"shop","types":["order.created.v1"]}`, "namespace of the Subscription"},
		{"sink-outside", `{"sink":"https://example.com","source":"shop","types":["order.created.v1"]}`, "svc.cluster.local"},
		{"one-segment", `{"sink":"http://a.team.svc.cluster.local","source":"shop","types":["created"]}`, "at least 2 segments"},
		{"prefixed", `{"sink":"http://a.team.svc.cluster.local","source":"shop","types":["sap.kyma.custom.shop.order.created.v1"]}`, "must not have the prefix"},
		{"twice", `{"sink":"http://a.team.svc.cluster.local","source":"shop","types":["a.b","a.b"]}`, "duplicates"},
		{"no-source", `{"sink":"http://a.team.svc.cluster.local","source":"","types":["a.b"]}`, "spec.source"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			created, err := client.Create(t.Context(), parse(t, `{"apiVersion":"eventing.kyma-project.io/v1alpha2","kind":"Subscription","metadata":{"name":"`+test.name+`"},"spec":`+test.spec+`,"status":{"ready":"claimed"}}`), metav1.CreateOptions{})
			require.NoError(t, err, "no webhook refuses it; the status tells")
			ready, _, err := unstructured.NestedBool(created.Object, "status", "ready")
			require.NoError(t, err)
			assert.Equal(t, test.problem == "", ready)
			conditions, _, err := unstructured.NestedSlice(created.Object, "status", "conditions")
			require.NoError(t, err)
			if test.problem != "" {
				assert.Contains(t, conditions[0].(map[string]any)["message"], test.problem)
			}
			assert.Equal(t, map[string]any{"maxInFlightMessages": "10"}, created.Object["spec"].(map[string]any)["config"])
		})
	}
}

func TestRequestsThatNeverReachAnObject(t *testing.T) {
	t.Parallel()
	url := serve(t, newKyma(t, simulator.KymaOptions{Token: "secret-token"}).KubeAPI())
	send := func(method, path, token, accept, contentType, body string) answer {
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		require.NoError(t, err)
		for name, value := range map[string]string{"Authorization": token, "Accept": accept, "Content-Type": contentType} {
			if value != "" {
				req.Header.Set(name, value)
			}
		}
		return do(t, req)
	}
	const good = "Bearer secret-token"
	for _, test := range []struct {
		name, method, path, token, accept, contentType, body string
		status                                               int
		reason                                               string
	}{
		{name: "no token", method: "GET", path: "/api", status: 401, reason: "Unauthorized"},
		{name: "wrong token", method: "GET", path: "/api", token: "Bearer x", status: 401, reason: "Unauthorized"},
		{name: "unknown path", method: "GET", path: "/foo", token: good, status: 404, reason: "NotFound"},
		{name: "unknown group", method: "GET", path: "/apis/example.com", token: good, status: 404, reason: "NotFound"},
		{name: "unknown resource", method: "GET", path: "/api/v1/pods", token: good, status: 404, reason: "NotFound"},
		{name: "cluster-wide read of one", method: "GET", path: "/api/v1/secrets/x", token: good, status: 404, reason: "NotFound"},
		{name: "cluster-wide create", method: "POST", path: "/api/v1/secrets", token: good, status: 405, reason: "MethodNotAllowed"},
		{name: "delete a collection", method: "DELETE", path: "/api/v1/namespaces/default/secrets", token: good, status: 405, reason: "MethodNotAllowed"},
		{name: "protobuf only", method: "GET", path: "/api/v1/secrets", token: good, accept: "application/vnd.kubernetes.protobuf", status: 406, reason: "NotAcceptable"},
		{name: "yaml body", method: "POST", path: "/api/v1/namespaces", token: good, contentType: "application/yaml", body: "kind: Namespace", status: 415, reason: "UnsupportedMediaType"},
		{name: "no json", method: "POST", path: "/api/v1/namespaces", token: good, contentType: "application/json", body: "{", status: 400, reason: "BadRequest"},
		{name: "far too large", method: "POST", path: "/api/v1/namespaces", token: good, body: `{"x":"` + strings.Repeat("x", 4<<20) + `"}`, status: 413, reason: "RequestEntityTooLarge"},
		{name: "too large for etcd", method: "POST", path: "/api/v1/namespaces", token: good, body: `{"x":"` + strings.Repeat("x", 2<<20) + `"}`, status: 500, reason: "InternalError"},
		{name: "resource version on creation", method: "POST", path: "/api/v1/namespaces", token: good, body: `{"metadata":{"name":"x","resourceVersion":"1"}}`, status: 500, reason: "InternalError"},
		{name: "kind missing", method: "POST", path: "/apis/applicationconnector.kyma-project.io/v1alpha1/applications", token: good, body: `{"metadata":{"name":"x"}}`, status: 400, reason: "BadRequest"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := send(test.method, test.path, test.token, test.accept, test.contentType, test.body)
			assert.Equal(t, test.status, got.status, got.body)
			var status metav1.Status
			require.NoError(t, json.Unmarshal([]byte(got.body), &status))
			assert.Equal(t, "Status", status.Kind)
			assert.Equal(t, metav1.StatusFailure, status.Status)
			assert.EqualValues(t, test.status, status.Code)
			assert.EqualValues(t, test.reason, status.Reason)
		})
	}
	assert.Equal(t, 200, send("GET", "/readyz", good, "", "", "").status)
}

func TestDeletingANamespaceEmptiesIt(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client := kubeClient(t, newKyma(t, simulator.KymaOptions{Namespaces: []string{"team"}}))
	_, err := client.Resource(secrets).Namespace("team").Create(ctx, parse(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}`), metav1.CreateOptions{})
	require.NoError(t, err)
	require.NoError(t, client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Delete(ctx, "team", metav1.DeleteOptions{}))
	_, err = client.Resource(secrets).Namespace("team").Get(ctx, "x", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestWhatDetectionReads(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	current := kubeClient(t, newKyma(t, simulator.KymaOptions{}))
	eventing, err := current.Resource(schema.GroupVersionResource{Group: "operator.kyma-project.io", Version: "v1alpha1", Resource: "eventings"}).Namespace("kyma-system").Get(ctx, "eventing", metav1.GetOptions{})
	require.NoError(t, err)
	service, _, err := unstructured.NestedString(eventing.Object, "status", "publisherService")
	require.NoError(t, err)
	assert.Equal(t, "eventing-publisher-proxy.kyma-system", service)

	deployment, err := current.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace("kyma-system").Get(ctx, "central-application-gateway", metav1.GetOptions{})
	require.NoError(t, err)
	text, err := json.Marshal(deployment.Object)
	require.NoError(t, err)
	assert.Contains(t, string(text), "--applicationSecretsNamespace=kyma-system")

	services := schema.GroupVersionResource{Version: "v1", Resource: "services"}
	_, err = current.Resource(services).Namespace("kyma-integration").Get(ctx, "application-registry-external-api", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err))
	old := kubeClient(t, newKyma(t, simulator.KymaOptions{Generation: simulator.Old}))
	_, err = old.Resource(services).Namespace("kyma-integration").Get(ctx, "application-registry-external-api", metav1.GetOptions{})
	assert.NoError(t, err)
}

func TestNamesThatKubernetesRefusesAreAnError(t *testing.T) {
	t.Parallel()
	_, err := simulator.NewKyma(simulator.KymaOptions{Applications: []string{"My Shop"}})
	assert.ErrorContains(t, err, `"My Shop"`)
	_, err = simulator.NewKyma(simulator.KymaOptions{Namespaces: []string{"a.b"}})
	assert.ErrorContains(t, err, `"a.b"`)
}
