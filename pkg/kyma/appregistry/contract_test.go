package appregistry_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/appregistry"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration/registrationtest"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

func TestContract(t *testing.T) {
	t.Parallel()
	registrationtest.TestCatalog(t, func(t *testing.T) registrationtest.Harness {
		var options appregistry.Options
		system := &registrationtest.System{}
		cluster := start(t, simulator.KymaOptions{SystemClient: &http.Client{Transport: system}}, func(o *appregistry.Options) { options = *o })
		catalog := func(change func(*appregistry.Options)) registration.Catalog {
			o := options
			change(&o)
			c, err := appregistry.New(o)
			require.NoError(t, err)
			return c
		}
		return registrationtest.Harness{
			Kyma: &registrationtest.Kyma{
				Workload: cluster.Handler(), Cluster: cluster.KubeAPI(), System: system, Application: "shop", SecretsNamespace: "kyma-integration",
				LoseAnswer: func(*testing.T) {
					lost := false
					cluster.cut = func(method string, done bool) bool {
						cuts := !lost && done && method != http.MethodGet
						lost = lost || cuts
						return cuts
					}
				},
			},
			Catalog: func(instance string) registration.Catalog {
				return catalog(func(o *appregistry.Options) { o.Instance = instance })
			},
			Missing: func(instance string) registration.Catalog {
				return catalog(func(o *appregistry.Options) {
					o.Instance = instance
					o.URL, o.Application = o.URL[:len(o.URL)-len("shop/v1/metadata")]+"missing/v1/metadata", "missing"
				})
			},
		}
	})
}
