package application_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/application"
	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/kube/kubetest"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// job is what a run of the registration does with a Catalog.
type job struct {
	*cluster
	digests map[string]string // of the credentials, as the last complete run left them
}

func (j *job) run(ctx context.Context, desired ...*registration.Service) error {
	services := make([]registration.Service, len(desired))
	digests := map[string]string{}
	for i, service := range desired {
		services[i] = *service
		services[i].Labels = map[string]string{registration.LabelInstance: instance, registration.LabelHash: fmt.Sprint(service.DisplayName, len(service.API.Headers))}
		digests[service.ID] = service.API.Credentials.Basic.Password.Reveal()
	}
	current, err := j.List(ctx)
	if errors.Is(err, registration.ErrNoApplication) && len(desired) > 0 {
		err = j.CreateApplication(ctx)
	}
	if err != nil && !errors.Is(err, registration.ErrNoApplication) {
		return err
	}
	plan := registration.MakePlan(registration.PlanInput{Instance: instance, Policy: registration.Sync, Current: current,
		Desired: registration.Desired{Services: services}, Before: j.digests, After: digests})
	changes := make([]registration.Change, len(plan.Steps))
	for i, step := range plan.Steps {
		changes[i] = step.Change
	}
	if len(changes) > 0 {
		j.Prepare(ctx, changes[0])
	}
	errs := slices.DeleteFunc(j.Apply(ctx, changes), func(err error) bool { return errors.Is(err, registration.ErrUnchanged) })
	if err := errors.Join(errs...); err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	j.digests = digests
	if len(desired) == 0 {
		_, err = j.RemoveApplication(ctx)
		return err
	}
	return nil
}

// snapshot is everything that a run leaves behind and that does not differ from cluster to cluster.
func (j *job) snapshot(t *testing.T) any {
	t.Helper()
	held := map[string]any{}
	for _, name := range j.Names(secrets) {
		held[name] = j.secret(t, name)
	}
	object := j.Object(appPath)
	if object == nil {
		return []any{held}
	}
	meta := object["metadata"].(map[string]any)
	return []any{held, object["spec"], meta["labels"], meta["annotations"]}
}

// TestInterruptedRunsConverge ends a run at each of its writes, once before and once after the write took
// effect, and expects the next run to end where an undisturbed one does.
func TestInterruptedRunsConverge(t *testing.T) {
	t.Parallel()
	first := []*registration.Service{api(1, headers, odata), api(2, sharing("system")), api(3, sharing("system"))}
	second := []*registration.Service{api(1, odata, password("n3w-password")), api(2, sharing("system"), password("n3w-password"))}
	numbered := []*registration.Service{api(1, sharing(""), headers), api(2, sharing("")), api(3, sharing("system"))}
	phases := map[string][][]*registration.Service{
		"install":                    {first},
		"install with numbers":       {numbered},
		"shrink and grow numbers":    {numbered, {numbered[1], api(4, sharing(""), headers), api(5, sharing(""))}},
		"rotate, shrink and rename":  {first, append(second, api(4, named("Shop - API 3"), headers))},
		"uninstall":                  {first, {}},
		"install after an uninstall": {first, {}, second},
	}
	for name, runs := range phases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prepare := func() *job {
				j := &job{cluster: start(t), digests: map[string]string{}}
				for _, desired := range runs[:len(runs)-1] {
					require.NoError(t, j.run(t.Context(), desired...))
				}
				j.Calls()
				return j
			}
			last := runs[len(runs)-1]
			undisturbed := prepare()
			require.NoError(t, undisturbed.run(t.Context(), last...))
			writes := len(undisturbed.Writes())
			require.NotZero(t, writes)
			want := undisturbed.snapshot(t)
			require.NoError(t, undisturbed.run(t.Context(), last...))
			require.Empty(t, undisturbed.Writes(), "a second run has nothing to do")

			for n := range writes {
				for _, after := range []bool{false, true} {
					j := prepare()
					ctx, kill := context.WithCancel(t.Context())
					left := n
					j.SetFault(func(call kubetest.Call, done bool) http.HandlerFunc {
						if ctx.Err() == nil && (!call.Write() || done != after) {
							return nil
						}
						if left--; left >= 0 {
							return nil
						}
						kill()
						return kubetest.Cut
					})
					require.Error(t, j.run(ctx, last...), "write %d, after: %v", n, after)
					j.SetFault(nil)
					require.NoError(t, j.run(t.Context(), last...))
					assert.Equal(t, want, j.snapshot(t), "killed at write %d, after: %v", n, after)
					j.Calls()
					require.NoError(t, j.run(t.Context(), last...))
					assert.Empty(t, j.Writes())
				}
			}
		})
	}
}

// TestLostAnswersAndConflicts fails each write once, in ways that the run itself gets over.
func TestLostAnswersAndConflicts(t *testing.T) {
	t.Parallel()
	faults := map[string]struct {
		answer http.HandlerFunc
		after  bool
	}{
		"busy":        {kubetest.Status(503, "ServiceUnavailable", "busy"), false},
		"too many":    {kubetest.Status(429, "TooManyRequests", "slow down"), false},
		"broken":      {kubetest.Status(500, "InternalError", "etcd leader changed"), true},
		"cut before":  {kubetest.Cut, false},
		"cut after":   {kubetest.Cut, true},
		"no sense":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, true},
		"conflicting": {kubetest.Status(409, "Conflict", "modified"), false},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, "shop")
			failed := map[kubetest.Call]bool{}
			c.SetFault(func(call kubetest.Call, done bool) http.HandlerFunc {
				if !call.Write() || done != fault.after || failed[call] || name == "conflicting" && call.Method == http.MethodPost {
					return nil
				}
				failed[call] = true
				return fault.answer
			})
			c.apply(t, create(api(1), api(2, sharing("system"))))
			c.apply(t, append(update(api(1, password("n3w-password"))), remove(api(2))...))
			assert.Equal(t, []string{application.SecretName(instance, uuid(1))}, c.Names(secrets))
			assert.Len(t, c.services(t), 1)
			assert.GreaterOrEqual(t, len(failed), 3)
		})
	}
}

// TestOneBrokenSecretDoesNotHideTheOthers leaves out what cannot be written and registers the rest.
func TestOneBrokenSecretDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	c := start(t, "shop")
	c.SetFault(func(call kubetest.Call, _ bool) http.HandlerFunc {
		if strings.HasSuffix(call.Path, uuid(2)) && call.Write() {
			return kubetest.Status(403, "Forbidden", "no")
		}
		return nil
	})
	errs := c.Apply(t.Context(), create(api(1), api(2, headers), api(3)))
	require.NoError(t, errs[0])
	require.ErrorContains(t, errs[1], "this account may not create secrets kyma-system/"+application.SecretName(instance, uuid(2)))
	require.NoError(t, errs[2])
	assert.Len(t, c.services(t), 2)
	assert.Len(t, c.Names(secrets), 2, "the half-written one is taken back")
}

// TestRegisteredServiceCanBeCalled calls the system through Kyma's gateway, with what was stored.
func TestRegisteredServiceCanBeCalled(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	system := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.Header.Set("Query", r.URL.RawQuery)
		got <- r.Header
	}))
	t.Cleanup(system.Close)
	c := start(t, "shop")
	service := api(1, headers, named("Shop - Orders (v2)"), func(s *registration.Service) {
		s.API.TargetURL = system.URL + "/base"
		s.API.Credentials.Basic.Password = secret.New("passw0rd")
	})
	c.apply(t, create(service))

	path, found := strings.CutPrefix(c.Catalog.URL(*service), "http://central-application-gateway.kyma-system:8080")
	require.True(t, found)
	answer := httptest.NewRecorder()
	c.Kyma().ApplicationGateway().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path+"/orders", nil))
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	header := <-got
	user, password, _ := (&http.Request{Header: header}).BasicAuth()
	assert.Equal(t, "user-1:passw0rd", user+":"+password)
	assert.Equal(t, "k3y-in-a-header", header.Get("X-Api-Key"))
	assert.Equal(t, "site=a&site=b", header.Get("Query"))
}
