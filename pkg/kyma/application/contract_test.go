package application_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/application"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	registrationtest.TestCatalog(t, func(t *testing.T) registrationtest.Harness {
		c := start(t, "shop")
		return registrationtest.Harness{
			Catalog: func(instance string) registration.Catalog { return c.catalog(t, instance) },
			Missing: func(instance string) registration.Catalog {
				catalog, err := application.New(application.Options{Client: c.client, Application: "missing", Instance: instance, CredentialsNamespace: "kyma-system"})
				require.NoError(t, err)
				return catalog
			},
		}
	})
}
