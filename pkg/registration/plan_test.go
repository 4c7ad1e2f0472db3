package registration_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

const instance = "default/orders"

// api is a desired service; the hash stands for its whole content.
func api(id, hash string) registration.Service {
	return registration.Service{
		ID: "id-" + id, Identifier: instance + "/" + id, DisplayName: "Product - " + id,
		Labels: map[string]string{registration.LabelInstance: instance, registration.LabelHash: hash},
		API:    &registration.API{Kind: connector.KindREST, TargetURL: "https://host/" + id},
	}
}

// secured is api with a password.
func secured(id, hash string) registration.Service {
	s := api(id, hash)
	s.API.Credentials.Basic = &registration.BasicCredentials{Username: "user", Password: secret.New("password")}
	return s
}

// registered is what a Catalog says about the service.
func registered(s registration.Service) registration.Registered {
	return registration.Registered{ID: s.ID, Identifier: s.Identifier, DisplayName: s.DisplayName, Labels: maps.Clone(s.Labels)}
}

func foreign(id, displayName string) registration.Registered {
	return registration.Registered{ID: id, DisplayName: displayName, Labels: map[string]string{registration.LabelInstance: "other/orders"}}
}

func with(r registration.Registered, change func(*registration.Registered)) registration.Registered {
	change(&r)
	return r
}

func TestMakePlan(t *testing.T) {
	t.Parallel()
	type expectation struct{ steps, unchanged, skipped, conflicts, left []string }
	tests := []struct {
		name  string
		input registration.PlanInput
		want  expectation
	}{
		{
			"nothing there yet",
			registration.PlanInput{Desired: registration.Desired{Services: []registration.Service{api("a", "1"), api("b", "1")}}},
			expectation{steps: []string{"create id-a", "create id-b"}},
		}, {
			"nothing to do",
			registration.PlanInput{
				Current: []registration.Registered{registered(api("a", "1")), foreign("x", "Other")},
				Desired: registration.Desired{Services: []registration.Service{api("a", "1")}},
			},
			expectation{unchanged: []string{"id-a"}},
		}, {
			"another content",
			registration.PlanInput{
				Current: []registration.Registered{registered(api("a", "1"))},
				Desired: registration.Desired{Services: []registration.Service{api("a", "2")}},
			},
			expectation{steps: []string{"update id-a: definition or parameters changed"}},
		}, {
			"found by identifier, where the backend chooses the ids",
			registration.PlanInput{
				Current: []registration.Registered{with(registered(api("a", "1")), func(r *registration.Registered) { r.ID = "chosen" })},
				Desired: registration.Desired{Services: []registration.Service{api("a", "2")}},
			},
			expectation{steps: []string{"update id-a: definition or parameters changed"}},
		}, {
			"somebody changed it",
			registration.PlanInput{
				Current: []registration.Registered{with(registered(api("a", "1")), func(r *registration.Registered) { delete(r.Labels, registration.LabelHash) })},
				Desired: registration.Desired{Services: []registration.Service{api("a", "1")}},
			},
			expectation{steps: []string{"update id-a: changed by others"}},
		}, {
			"somebody renamed it",
			registration.PlanInput{
				Current: []registration.Registered{with(registered(api("a", "1")), func(r *registration.Registered) { r.DisplayName = "Mine" })},
				Desired: registration.Desired{Services: []registration.Service{api("a", "1")}},
			},
			expectation{steps: []string{"update id-a: renamed by others"}},
		}, {
			"the same credentials",
			registration.PlanInput{
				Current: []registration.Registered{registered(secured("a", "1"))},
				Desired: registration.Desired{Services: []registration.Service{secured("a", "1")}},
				Before:  map[string]string{"id-a": "x"}, After: map[string]string{"id-a": "x"},
			},
			expectation{unchanged: []string{"id-a"}},
		}, {
			"rotated credentials",
			registration.PlanInput{
				Current: []registration.Registered{registered(secured("a", "1"))},
				Desired: registration.Desired{Services: []registration.Service{secured("a", "1")}},
				Before:  map[string]string{"id-a": "x"}, After: map[string]string{"id-a": "y"},
			},
			expectation{steps: []string{"update id-a: credentials changed"}},
		}, {
			"credentials of which nothing was kept",
			registration.PlanInput{
				Current: []registration.Registered{registered(secured("a", "1"))},
				Desired: registration.Desired{Services: []registration.Service{secured("a", "1")}},
				Before:  map[string]string{}, After: map[string]string{"id-a": "y"},
			},
			expectation{steps: []string{"update id-a: no record of the credentials"}},
		}, {
			"no state: only services with credentials are written each time",
			registration.PlanInput{
				Current: []registration.Registered{registered(secured("a", "1")), registered(api("b", "1"))},
				Desired: registration.Desired{Services: []registration.Service{secured("a", "1"), api("b", "1")}},
				After:   map[string]string{"id-a": "y"}, WithoutState: "no Secret",
			},
			expectation{steps: []string{"update id-a: credentials cannot be compared: no Secret"}, unchanged: []string{"id-b"}},
		}, {
			"upsert never deletes",
			registration.PlanInput{Current: []registration.Registered{registered(api("gone", "1"))}},
			expectation{left: []string{"id-gone: not wanted any more; policy upsert never deletes"}},
		}, {
			"sync deletes what it owns, and only that",
			registration.PlanInput{
				Policy:  registration.Sync,
				Current: []registration.Registered{registered(api("gone", "1")), foreign("x", "Other"), {ID: "y", DisplayName: "By hand"}},
				Desired: registration.Desired{Services: []registration.Service{api("a", "1")}},
			},
			expectation{steps: []string{"delete id-gone: not wanted any more", "create id-a"}},
		}, {
			"sync keeps what could not be probed",
			registration.PlanInput{
				Policy:  registration.Sync,
				Current: []registration.Registered{registered(api("down", "1"))},
				Desired: registration.Desired{Keep: []string{"id-down"}},
			},
			expectation{},
		}, {
			"sync deletes nothing after half a listing",
			registration.PlanInput{
				Policy:  registration.Sync,
				Current: []registration.Registered{registered(api("gone", "1"))},
				Desired: registration.Desired{Incomplete: "half a listing"},
			},
			expectation{left: []string{"id-gone: stays as it is: half a listing"}},
		}, {
			"upsert does not say what half a listing cannot tell",
			registration.PlanInput{
				Policy:  registration.Upsert,
				Current: []registration.Registered{registered(api("gone", "1"))},
				Desired: registration.Desired{Incomplete: "half a listing"},
			},
			expectation{left: []string{"id-gone: stays as it is: half a listing"}},
		}, {
			"create-only leaves what exists",
			registration.PlanInput{
				Policy:  registration.CreateOnly,
				Current: []registration.Registered{registered(api("a", "1")), registered(api("b", "1"))},
				Desired: registration.Desired{Services: []registration.Service{api("a", "2"), api("b", "1"), api("c", "1")}},
			},
			expectation{
				steps: []string{"create id-c"}, unchanged: []string{"id-b"},
				skipped: []string{"id-a: definition or parameters changed; policy create-only leaves it as it is"},
			},
		}, {
			"an address that another owner has",
			registration.PlanInput{
				Current: []registration.Registered{foreign("x", "product: A!")},
				Desired: registration.Desired{Services: []registration.Service{api("a", "1"), api("b", "1")}},
			},
			expectation{
				steps:     []string{"create id-b"},
				conflicts: []string{`id-a: the address "product-a" is taken by "product: A!" of other/orders, and Kyma serves neither of two services with one address: rename or remove one`},
			},
		}, {
			"two of one's own with one address: the first stands",
			registration.PlanInput{Desired: registration.Desired{Services: []registration.Service{api("a b", "1"), api("a-b", "1")}}},
			expectation{
				steps:     []string{"create id-a b"},
				conflicts: []string{`id-a-b: the address "product-a-b" is taken by "Product - a b" of this connector, and Kyma serves neither of two services with one address: rename or remove one`},
			},
		}, {
			"an address becomes free by a deletion of the same run",
			registration.PlanInput{
				Policy:  registration.Sync,
				Current: []registration.Registered{with(registered(api("old", "1")), func(r *registration.Registered) { r.DisplayName = "Product - a" })},
				Desired: registration.Desired{Services: []registration.Service{api("a", "1")}},
			},
			expectation{steps: []string{"delete id-old: not wanted any more", "create id-a"}},
		}, {
			"the same id of another owner",
			registration.PlanInput{
				Current: []registration.Registered{with(registered(api("a", "1")), func(r *registration.Registered) { r.Labels[registration.LabelInstance] = "other/orders" })},
				Desired: registration.Desired{Services: []registration.Service{api("a", "1")}},
			},
			expectation{conflicts: []string{"id-a: a service with the same id belongs to other/orders: remove it, or give this installation another name with --instance"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.input.Instance = instance
			if tt.input.Policy == "" {
				tt.input.Policy = registration.Upsert
			}
			plan := registration.MakePlan(tt.input)
			var got expectation
			for _, s := range plan.Steps {
				text := string(s.Action) + " "
				if s.Service != nil {
					text += s.Service.ID
				} else {
					text += s.Registered.ID
				}
				if s.Reason != "" {
					text += ": " + s.Reason
				}
				got.steps = append(got.steps, text)
			}
			for _, s := range plan.Unchanged {
				got.unchanged = append(got.unchanged, s.ID)
			}
			for _, v := range plan.Skipped {
				got.skipped = append(got.skipped, v.Service.ID+": "+v.Reason)
			}
			for _, v := range plan.Conflicts {
				got.conflicts = append(got.conflicts, v.Service.ID+": "+v.Reason)
			}
			for _, l := range plan.Leftover {
				got.left = append(got.left, l.Registered.ID+": "+l.Reason)
			}
			assert.Equal(t, tt.want, got)
		})
	}
}
