package sandbox

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// What charts are told of the cluster is what the simulated cluster is.
func TestCapabilitiesAreThoseOfTheSimulatedKyma(t *testing.T) {
	t.Parallel()
	for _, generation := range []simulator.Generation{simulator.Current, simulator.Old} {
		t.Run(string(generation), func(t *testing.T) {
			t.Parallel()
			kyma, err := simulator.NewKyma(simulator.KymaOptions{Generation: generation})
			require.NoError(t, err)
			t.Cleanup(kyma.Close)
			api := httptest.NewServer(kyma.KubeAPI())
			t.Cleanup(api.Close)
			c := newCluster(api.URL, secret.Text{}, api.Client())

			version, kinds := Capabilities(generation)
			status, answer, err := c.call(t.Context(), "GET", "/version", nil)
			require.NoError(t, err)
			require.Equal(t, 200, status)
			var served struct{ GitVersion string }
			require.NoError(t, json.Unmarshal(answer, &served))
			assert.Equal(t, "v"+version, served.GitVersion)

			var kymas int
			for _, name := range kinds {
				if !strings.Contains(name, ".kyma-project.io/") {
					continue
				}
				kymas++
				i := strings.LastIndexByte(name, '/')
				_, err := c.collection(t.Context(), name[:i], name[i+1:], "default")
				assert.NoError(t, err, name)
			}
			assert.GreaterOrEqual(t, kymas, 3)
		})
	}
}
