package application_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube/kubetest"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// own is an API with credentials that nobody named, as discovered ones have.
func own(n int, more ...func(*registration.Service)) *registration.Service {
	return api(n, append([]func(*registration.Service){sharing("")}, more...)...)
}

// secretNames are the names of the Secrets by service.
func (c *cluster) secretNames(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for name, service := range c.services(t) {
		var names []string
		if credentials, ok := entry(service)["credentials"].(map[string]any); ok {
			names = append(names, strings.TrimPrefix(credentials["secretName"].(string), "sales.shop-connector."))
		}
		if parameters, ok := entry(service)["requestParametersSecretName"].(string); ok {
			names = append(names, strings.TrimPrefix(parameters, "sales.shop-connector."))
		}
		found[strings.TrimPrefix(name, "Shop - API ")] = strings.Join(names, " ")
	}
	return found
}

func (c *cluster) annotations() any {
	return c.Object(appPath)["metadata"].(map[string]any)["annotations"]
}

func TestSecretsThatNobodyNamedAreNumbered(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.Calls()
	open := func(s *registration.Service) { s.API.Credentials = registration.Credentials{} }
	c.apply(t, create(own(1), own(2, headers), own(3, open), api(4, sharing("system")), own(5)))
	assert.Equal(t, map[string]string{"1": "item-0", "2": "item-1 item-1.params", "3": "", "4": "system", "5": "item-2"}, c.secretNames(t))
	assert.Nil(t, c.annotations(), "what was reserved is in use")

	c.Calls()
	c.apply(t, update(own(5, headers), own(1)))
	assert.Equal(t, "item-2 item-2.params", c.secretNames(t)["5"], "a service keeps its number")
	assert.Len(t, c.Writes(), 2, "the new Secret and the Application: nothing has to be reserved")

	c.apply(t, append(remove(own(1)), create(own(6))...))
	assert.Equal(t, "item-3", c.secretNames(t)["6"], "a number that is in use is not given away in the same write")
	c.apply(t, create(own(7)))
	assert.Equal(t, "item-0", c.secretNames(t)["7"], "but later")
	assert.Len(t, c.Names(secrets), 7)
}

func TestInstallationsHaveNumbersOfTheirOwn(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	theirs := own(5, named("Theirs"), func(s *registration.Service) { s.Labels[registration.LabelInstance] = "other/one" })
	other := c.catalog(t, "other/one")
	require.NoError(t, other.Apply(t.Context(), create(theirs))[0])
	c.put(t, appPath, `{"apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
		"metadata": {"annotations": {"kyma-connectors.io/reserved-secrets": "{\"x\":\"other.one.item-0\",\"y\":\"sales.shop-connector.item-0\"}"}}, "spec": {}}`)
	c.apply(t, create(own(1)))
	assert.Equal(t, "item-1", c.secretNames(t)["1"], "item-0 is reserved for a service that is to come")
	assert.Equal(t, map[string]any{"kyma-connectors.io/reserved-secrets": `{"x":"other.one.item-0","y":"sales.shop-connector.item-0"}`}, c.annotations())
	c.apply(t, remove(own(1)))
	assert.Equal(t, map[string]any{"kyma-connectors.io/reserved-secrets": `{"x":"other.one.item-0"}`}, c.annotations(), "others are left alone")
}

// TestTwoRunsNeverShareANumber: another run reserves while this one is about to.
func TestTwoRunsNeverShareANumber(t *testing.T) {
	t.Parallel()
	const reserved = `{"y":"sales.shop-connector.item-0"}`
	c := start(t, "shop")
	once := false
	c.Meanwhile(func(call kubetest.Call) {
		if !once && call.Write() {
			once = true
			assert.NoError(t, c.Put(appPath, `{"apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
				"metadata": {"annotations": {"kyma-connectors.io/reserved-secrets": "{\"y\":\"sales.shop-connector.item-0\"}"}}, "spec": {}}`))
		}
	})
	c.apply(t, create(own(1)))
	assert.Equal(t, map[string]string{"1": "item-1"}, c.secretNames(t))
	assert.Equal(t, map[string]any{"kyma-connectors.io/reserved-secrets": reserved}, c.annotations(), "the other run still needs it")
	c.apply(t, remove(own(1)))
	assert.Nil(t, c.annotations())
}

func TestReservationsOfAnInterruptedRunAreGivenBack(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.put(t, appPath, `{"apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
		"metadata": {"annotations": {"kyma-connectors.io/reserved-secrets": "{\"x\":\"sales.shop-connector.item-3\"}"}}, "spec": {}}`)
	c.put(t, secrets+"/sales.shop-connector.item-3", `{"apiVersion": "v1", "kind": "Secret", "metadata": {"annotations": {"kyma-connectors.io/instance": "sales/shop-connector"}}, "data": {}}`)
	_, err := c.List(t.Context())
	require.NoError(t, err)
	c.apply(t, nil)
	assert.Nil(t, c.annotations())
	assert.Empty(t, c.Names(secrets))
	c.Calls()
	c.apply(t, nil)
	assert.Empty(t, c.Calls(), "nothing is left to do")
}

func TestMoreDiscoveredAPIsThanRights(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
		if strings.HasSuffix(call.Path, "item-1") {
			return kubetest.Status(403, "Forbidden", "no")
		}
		return nil
	})
	errs := c.Apply(t.Context(), create(own(1), own(2)))
	require.NoError(t, errs[0])
	require.ErrorContains(t, errs[1], "raise registration.discoveredApis")
}
