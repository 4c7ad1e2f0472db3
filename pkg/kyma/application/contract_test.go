package application_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/application"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube/kubetest"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

func TestContract(t *testing.T) {
	t.Parallel()
	registrationtest.TestCatalog(t, func(t *testing.T) registrationtest.Harness {
		system := &registrationtest.System{}
		c := startWith(t, simulator.KymaOptions{Applications: []string{"shop"}, SystemClient: &http.Client{Transport: system}})
		return registrationtest.Harness{
			Kyma: &registrationtest.Kyma{
				Workload: c.Kyma().Handler(), Cluster: c.Kyma().KubeAPI(), System: system, Application: "shop", SecretsNamespace: "kyma-system",
				LoseAnswer: func(*testing.T) {
					var lost atomic.Bool // the call may be repeated while the one whose answer is lost still ends
					c.SetFault(func(call kubetest.Call, done bool) http.HandlerFunc {
						if !done || !call.Write() || call.Path != appPath || !lost.CompareAndSwap(false, true) {
							return nil
						}
						return kubetest.Cut
					})
				},
			},
			Catalog: func(instance string) registration.Catalog { return c.catalog(t, instance) },
			Missing: func(instance string) registration.Catalog {
				catalog, err := application.New(application.Options{Client: c.client, Application: "missing", Instance: instance, CredentialsNamespace: "kyma-system"})
				require.NoError(t, err)
				return catalog
			},
		}
	})
}
