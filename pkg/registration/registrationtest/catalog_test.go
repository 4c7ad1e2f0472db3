package registrationtest_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

func TestTheCatalogInMemoryFulfilsTheContract(t *testing.T) {
	t.Parallel()
	registrationtest.TestCatalog(t, func(*testing.T) registrationtest.Harness {
		catalog := &registrationtest.Catalog{}
		return registrationtest.Harness{
			Catalog:   func(string) registration.Catalog { return catalog },
			Missing:   func(string) registration.Catalog { return &registrationtest.Catalog{Missing: true} },
			Ownerless: true,
		}
	})
}

func TestTheApplicationInMemory(t *testing.T) {
	t.Parallel()
	catalog := &registrationtest.Catalog{Missing: true}
	require.NoError(t, catalog.CreateApplication(t.Context()))
	catalog.Add(registration.Registered{ID: "x"})
	removed, err := catalog.RemoveApplication(t.Context())
	require.NoError(t, err)
	assert.False(t, removed, "somebody uses it")
	catalog.Apply(t.Context(), []registration.Change{{Action: registration.Delete, Registered: &registration.Registered{ID: "x"}}})
	removed, err = catalog.RemoveApplication(t.Context())
	require.NoError(t, err)
	assert.True(t, removed)
}

func TestTheStateInMemory(t *testing.T) {
	t.Parallel()
	state := &registrationtest.State{}
	want := registration.StateData{Key: secret.New("key"), Digests: map[string]string{"a": "b"}}
	require.NoError(t, state.Save(t.Context(), want))
	got, err := state.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.Equal(t, 1, state.Saves())
	state.SaveError = errors.New("no")
	assert.Error(t, state.Save(t.Context(), want))
}
