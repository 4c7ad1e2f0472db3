package appregistry_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// TestRegistriesThatForgetPartOfTheTokenCall: before Kyma 1.9 the registry takes headers and further fields of the token
// call, and forgets them without a word.
func TestRegistriesThatForgetPartOfTheTokenCall(t *testing.T) {
	t.Parallel()
	for name, forgets := range map[string]bool{"before Kyma 1.9": true, "since": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, simulator.KymaOptions{NoTokenParameters: forgets})
			plain, one, two := api(1), api(2, oauthWith("a-tenant")), api(3, oauthWith("another-tenant"))
			for _, err := range c.apply(t, registration.Create, plain, one, two) {
				require.NoError(t, err)
			}
			before := len(c.Calls(simulator.PartRegistry))
			all, each := c.Notes(t.Context(), []registration.Service{*plain, *one, *two})
			assert.Empty(t, all)
			assert.Equal(t, 1, len(c.Calls(simulator.PartRegistry))-before, "a registry does the same with all of them")
			if !forgets {
				assert.Empty(t, each)
				return
			}
			assert.Len(t, each, 2)
			assert.Contains(t, each[one.ID], "of Kyma before 1.9")
			assert.Equal(t, each[one.ID], each[two.ID])

			_, each = c.Notes(t.Context(), []registration.Service{*plain})
			assert.Empty(t, each, "who has none does not miss them")
		})
	}
}
