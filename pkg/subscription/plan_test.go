package subscription_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/subscription"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// describe writes a plan as one line per decision.
func describe(p subscription.Plan) []string {
	lines := []string{}
	ids := func(list []subscription.Registered) string {
		out := []string{}
		for _, r := range list {
			out = append(out, r.ID)
		}
		return strings.Join(out, " ")
	}
	for _, s := range p.Steps {
		key := "-"
		if s.Wanted != nil {
			key = s.Wanted.Key
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s %s [%s] %s", s.Action, key, ids(s.Old), s.Reason), " "))
	}
	verdicts := func(what string, list []subscription.Verdict) {
		for _, v := range list {
			lines = append(lines, strings.TrimRight(what+" "+v.Wanted.Key+" "+v.Reason, " "))
		}
	}
	verdicts("unchanged", p.Unchanged)
	verdicts("skipped", p.Skipped)
	verdicts("waiting", p.Waiting)
	verdicts("conflict", p.Conflicts)
	for _, l := range p.Leftover {
		lines = append(lines, "leftover "+l.Registered.ID+" "+l.Reason)
	}
	return lines
}

func TestPlans(t *testing.T) {
	t.Parallel()
	wanted := func(change ...func(*subscription.Wanted)) []subscription.Wanted {
		w := subscription.Wanted{Key: "order", Topics: []string{"order"}, Digest: "d1", Recreate: "r1", Demand: subscription.Ready}
		for _, c := range change {
			c(&w)
		}
		return []subscription.Wanted{w}
	}
	have := func(change ...func(*subscription.Registered)) subscription.Registered {
		r := subscription.Registered{ID: "1", Key: "order", Topics: []string{"order"}, Current: true, Active: true}
		for _, c := range change {
			c(&r)
		}
		return r
	}
	list := func(all ...subscription.Registered) []subscription.Registered { return all }
	made := func(id, digest, recreate string) map[string]subscription.Record {
		return map[string]subscription.Record{"order": {ID: id, Digest: digest, Recreate: recreate}}
	}
	since := func(ago time.Duration) map[string]subscription.Record {
		return map[string]subscription.Record{"order": {ID: "1", Digest: "d1", Recreate: "r1", UnwantedSince: now.Add(-ago)}}
	}
	demand := func(d subscription.Demand) func(*subscription.Wanted) {
		return func(w *subscription.Wanted) { w.Demand = d }
	}
	const missed = "waiting order nobody subscribes to its events since 2026-05-01T12:00:00Z; it is removed after 1h0m0s"
	id := func(id string) func(*subscription.Registered) {
		return func(r *subscription.Registered) { r.ID = id }
	}
	old := func(r *subscription.Registered) { r.Current = false }
	good := made("1", "d1", "r1")
	tests := []struct {
		name string
		in   subscription.PlanInput
		want []string
	}{
		{"nothing is there", subscription.PlanInput{Wanted: wanted()}, []string{"create order []"}},
		{"all is as it should be", subscription.PlanInput{Wanted: wanted(), Current: list(have()), Records: good}, []string{"unchanged order"}},
		{"the order of topics does not matter", subscription.PlanInput{
			Wanted:  wanted(func(w *subscription.Wanted) { w.Topics = []string{"a", "b"} }),
			Current: list(have(func(r *subscription.Registered) { r.Topics = []string{"b", "a"} })), Records: good}, []string{"unchanged order"}},
		{"topics that the system does not tell", subscription.PlanInput{Wanted: wanted(), Records: good,
			Current: list(have(func(r *subscription.Registered) { r.Topics = nil }))}, []string{"unchanged order"}},

		{"a key changed", subscription.PlanInput{Wanted: wanted(), Current: list(have()), Records: made("1", "d0", "r0"), CanDelete: true, CanUpdate: true}, []string{"replace order [1] a key changed"}},
		{"something else changed", subscription.PlanInput{Wanted: wanted(), Current: list(have()), Records: made("1", "d0", "r1"), CanDelete: true, CanUpdate: true}, []string{"update order [1] definition or parameters changed"}},
		{"it cannot be updated", subscription.PlanInput{Wanted: wanted(), Current: list(have()), Records: made("1", "d0", "r1"), CanDelete: true}, []string{"replace order [1] definition or parameters changed"}},
		{"making it anew changes it", subscription.PlanInput{Wanted: wanted(), Current: list(have()), Records: made("1", "d0", "r0"), CanDelete: true, Overwrites: true}, []string{"replace order [] a key changed"}},
		{"it cannot even be deleted", subscription.PlanInput{Wanted: wanted(), Current: list(have()), Records: made("1", "d0", "r1")}, []string{"conflict order definition or parameters changed; it cannot be changed"}},
		{"other topics", subscription.PlanInput{Wanted: wanted(), Current: list(have(func(r *subscription.Registered) { r.Topics = []string{"order", "more"} })), Records: good, CanUpdate: true},
			[]string{"update order [1] it asks for other topics"}},
		{"switched off at the system", subscription.PlanInput{Wanted: wanted(), Current: list(have(func(r *subscription.Registered) { r.Active = false })), Records: good, CanUpdate: true},
			[]string{"update order [1] it is switched off"}},
		{"it calls an address that was ours", subscription.PlanInput{Wanted: wanted(), Current: list(have(old)), Records: good, CanDelete: true}, []string{"replace order [1] it calls an old address"}},
		{"no record", subscription.PlanInput{Wanted: wanted(), Current: list(have()), CanDelete: true}, []string{"replace order [1] no record of how it was made"}},
		{"a record of another one", subscription.PlanInput{Wanted: wanted(), Current: list(have()), Records: made("0", "d1", "r1"), CanDelete: true}, []string{"replace order [1] no record of how it was made"}},
		{"an update where no key can change", subscription.PlanInput{Wanted: wanted(func(w *subscription.Wanted) { w.Recreate = "" }), Current: list(have()), CanUpdate: true, CanDelete: true},
			[]string{"update order [1] no record of how it was made"}},
		{"an update does not do where the key may be another", subscription.PlanInput{Wanted: wanted(), Current: list(have()), CanUpdate: true, CanDelete: true}, []string{"replace order [1] no record of how it was made"}},
		{"no state at all", subscription.PlanInput{Wanted: wanted(), Current: list(have()), WithoutRecords: true, CanDelete: true}, []string{"unchanged order"}},

		{"registered twice", subscription.PlanInput{Wanted: wanted(), Current: list(have(id("9")), have()), Records: good, CanDelete: true}, []string{"delete - [9] registered twice", "unchanged order"}},
		{"twice, and none on record", subscription.PlanInput{Wanted: wanted(), Current: list(have(id("8"), old), have()), CanDelete: true},
			[]string{"delete - [8] registered twice", "replace order [1] no record of how it was made"}},
		{"somebody else's instance", subscription.PlanInput{Wanted: wanted(), Current: list(have(func(r *subscription.Registered) { r.Foreign = true })), CanDelete: true, CanUpdate: true},
			[]string{"conflict order its events go to another address already, which is left alone"}},

		{"not wanted any more", subscription.PlanInput{Current: list(have()), CanDelete: true}, []string{"leftover 1 not wanted any more; policy upsert never deletes"}},
		{"not wanted any more, with sync", subscription.PlanInput{Policy: registration.Sync, Current: list(have()), CanDelete: true}, []string{"delete - [1] not wanted any more"}},
		{"never after an incomplete listing", subscription.PlanInput{Policy: registration.Sync, Current: list(have()), CanDelete: true, Incomplete: "half of it"}, []string{"leftover 1 not deleted: half of it"}},
		{"no way to delete", subscription.PlanInput{Policy: registration.Sync, Current: list(have())}, []string{"leftover 1 not wanted any more; it cannot be deleted"}},
		{"somebody else's is not ours to delete", subscription.PlanInput{Policy: registration.Sync, Current: list(have(func(r *subscription.Registered) { r.Foreign = true })), CanDelete: true}, []string{}},
		{"create-only changes nothing", subscription.PlanInput{Policy: registration.CreateOnly, Wanted: wanted(), Current: list(have(), have(id("9"))), Records: made("1", "d0", "r1"), CanDelete: true, CanUpdate: true},
			[]string{"skipped order definition or parameters changed; policy create-only leaves it as it is"}},

		{"nobody wants it", subscription.PlanInput{Dynamic: true, Wanted: wanted(demand(subscription.Nobody))}, []string{"skipped order nobody subscribes to its events"}},
		{"somebody will want it", subscription.PlanInput{Dynamic: true, Wanted: wanted(demand(subscription.Pending))}, []string{"skipped order the Subscription to its events is not ready yet"}},
		{"somebody wants it", subscription.PlanInput{Dynamic: true, Wanted: wanted()}, []string{"create order []"}},
		{"a Subscription that is not ready for a while", subscription.PlanInput{Dynamic: true, Wanted: wanted(demand(subscription.Pending)), Current: list(have()), Records: good}, []string{"unchanged order"}},
		{"nobody wants it any more", subscription.PlanInput{Dynamic: true, Wanted: wanted(demand(subscription.Nobody)), Current: list(have()), Records: good, CanDelete: true}, []string{missed}},
		{"for a part of the time of grace", subscription.PlanInput{Dynamic: true, Wanted: wanted(demand(subscription.Nobody)), Current: list(have()), Records: since(59 * time.Minute), CanDelete: true},
			[]string{"waiting order nobody subscribes to its events since 2026-05-01T11:01:00Z; it is removed after 1h0m0s"}},
		{"for all of it", subscription.PlanInput{Dynamic: true, Wanted: wanted(demand(subscription.Nobody)), Current: list(have(), have(id("9"))), Records: since(time.Hour), CanDelete: true},
			[]string{"delete order [1 9] nobody subscribes to its events any more"}},
		{"for all of it, with create-only", subscription.PlanInput{Policy: registration.CreateOnly, Dynamic: true, Wanted: wanted(demand(subscription.Nobody)), Current: list(have()), Records: since(2 * time.Hour), CanDelete: true},
			[]string{"waiting order nobody subscribes to its events; policy create-only leaves it as it is"}},
		{"since nobody knows when", subscription.PlanInput{Dynamic: true, WithoutRecords: true, Wanted: wanted(demand(subscription.Nobody)), Current: list(have()), CanDelete: true},
			[]string{"waiting order nobody subscribes to its events; it is not removed, because nobody knows since when"}},
		{"for all of it, and no way to delete", subscription.PlanInput{Dynamic: true, Wanted: wanted(demand(subscription.Nobody)), Current: list(have()), Records: since(2 * time.Hour)},
			[]string{"waiting order nobody subscribes to its events; it cannot be removed"}},
		{"demand does not matter in static mode", subscription.PlanInput{Wanted: wanted(demand(subscription.Nobody))}, []string{"create order []"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.in.Policy == "" {
				tt.in.Policy = registration.Upsert
			}
			tt.in.Now, tt.in.Grace = now, time.Hour
			plan := subscription.MakePlan(tt.in)
			assert.Equal(t, tt.want, describe(plan))
			assert.Equal(t, describe(plan), describe(subscription.MakePlan(tt.in)), "equal input gives an equal plan")
		})
	}
}

func TestPlanRemembersWhenSomebodyWasMissedFirst(t *testing.T) {
	t.Parallel()
	first := now.Add(-10 * time.Minute)
	plan := subscription.MakePlan(subscription.PlanInput{
		Policy: registration.Upsert, Dynamic: true, Now: now, Grace: time.Hour, CanDelete: true,
		Wanted:  []subscription.Wanted{{Key: "a"}, {Key: "b"}, {Key: "c"}, {Key: "d", Demand: subscription.Ready}},
		Current: []subscription.Registered{{ID: "1", Key: "a", Current: true, Active: true}, {ID: "2", Key: "b", Current: true, Active: true}},
		Records: map[string]subscription.Record{"b": {ID: "2", UnwantedSince: first}},
	})
	assert.Equal(t, map[string]time.Time{"a": now, "b": first}, plan.Unwanted)
}
