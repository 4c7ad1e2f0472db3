package appregistry_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// run does with the Catalog what a run of the registration does, and returns how many changes it planned.
func (c *cluster) run(ctx context.Context, desired ...*registration.Service) (int, error) {
	current, err := c.List(ctx)
	if err != nil {
		return 0, err
	}
	services, digests := []registration.Service{}, map[string]string{}
	for _, service := range desired {
		services = append(services, *service)
		digests[service.ID] = "same"
	}
	plan := registration.MakePlan(registration.PlanInput{Instance: instance, Policy: registration.Sync, Current: current,
		Desired: registration.Desired{Services: services}, Before: digests, After: digests})
	var changes []registration.Change
	for _, step := range plan.Steps {
		changes = append(changes, step.Change)
	}
	return len(changes), errors.Join(c.Apply(ctx, changes)...)
}

// TestInterruptedRunsConverge ends a run at each of its writes, once before and once after the write took
// effect, and expects the next run to end where an undisturbed one does.
func TestInterruptedRunsConverge(t *testing.T) {
	t.Parallel()
	first := []*registration.Service{api(1, withSpec), api(2, oauthWith("one")), api(3)}
	second := []*registration.Service{api(1, withSpec, hash("hash-2")), api(2, oauthWith("two"), hash("hash-2")), api(4)}
	phases := map[string][][]*registration.Service{
		"install":   {first},
		"upgrade":   {first, second},
		"uninstall": {first, {}},
	}
	for name, runs := range phases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := runs[len(runs)-1]
			prepare := func() *cluster {
				c := start(t, simulator.KymaOptions{})
				for _, desired := range runs[:len(runs)-1] {
					_, err := c.run(t.Context(), desired...)
					require.NoError(t, err)
				}
				return c
			}
			for n := 0; ; n++ {
				killed := false
				for _, after := range []bool{false, true} {
					c := prepare()
					ctx, kill := context.WithCancel(t.Context())
					left := n
					c.cut = func(method string, done bool) bool {
						if method == http.MethodGet || done != after || ctx.Err() != nil {
							return ctx.Err() != nil
						}
						if left--; left >= 0 {
							return false
						}
						kill()
						return true
					}
					_, err := c.run(ctx, last...)
					killed = ctx.Err() != nil
					kill()
					require.Equal(t, killed, err != nil, "%v", err)
					c.cut = nil
					_, err = c.run(t.Context(), last...)
					require.NoError(t, err)
					listed := c.list(t)
					require.Len(t, listed, len(last), "killed at write %d, after: %v", n, after)
					for _, service := range last {
						assert.Equal(t, service.Labels[registration.LabelHash], listed[service.Identifier].Labels[registration.LabelHash])
						if service.API.Credentials.OAuth != nil {
							tenant := service.API.Credentials.OAuth.Headers["x-tenant"][0].Reveal()
							assert.Contains(t, c.secret(t, "shop-"+listed[service.Identifier].ID), tenant)
						}
					}
					assert.Zero(t, c.Counts().Orphans)
					planned, err := c.run(t.Context(), last...)
					require.NoError(t, err)
					assert.Zero(t, planned, "a further run has nothing to do")
				}
				if !killed {
					assert.Greater(t, n, 2, "each write was reached")
					return
				}
			}
		})
	}
}
