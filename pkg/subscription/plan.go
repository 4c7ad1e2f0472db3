package subscription

import (
	"fmt"
	"slices"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
)

// Demand says whether somebody in the cluster wants the events of a webhook.
type Demand int

// The demands, by urgency.
const (
	// Nobody subscribes to them.
	Nobody Demand = iota
	// Pending: somebody subscribes, but does not receive events yet.
	Pending
	// Ready: somebody receives them.
	Ready
)

// Wanted is one webhook as it should be.
type Wanted struct {
	// Key identifies it within its section: the topic, "all", or the id of the instance.
	Key string
	// Name is what people call it.
	Name string
	// Topics are what it asks for, Types the full event types that it brings.
	Topics, Types []string
	// Demand counts in dynamic mode only.
	Demand Demand
	// Digest covers the request that makes it, Recreate the parameters whose change needs a new one.
	Digest, Recreate string
	// Proof covers what the system proves itself with: the first of the keys that the gateway takes. Besides says that it
	// takes another one, too.
	Proof   string
	Besides bool

	item []byte
}

// Registered is one webhook at the system that calls this installation or, of an instance, anybody.
type Registered struct {
	// ID is the system's; Key says which webhook it is.
	ID, Key string
	// Topics are what it asks for; nil where the system does not tell.
	Topics []string
	// Foreign: its callback is somebody else's. It is never touched.
	Foreign bool
	// Current: it calls the present address, not an older one.
	Current bool
	// Active: it works.
	Active bool
}

// Action is what a Step does.
type Action string

// The actions. Replace makes a new webhook and deletes the old ones.
const (
	Create  Action = "create"
	Update  Action = "update"
	Replace Action = "replace"
	Delete  Action = "delete"
)

// Step is one change at the system, and the reason for it.
type Step struct {
	Action Action
	// Wanted is nil for the deletion of what is not wanted any more.
	Wanted *Wanted
	// Old are the webhooks that Update changes (the first one), and that Replace and Delete remove.
	Old    []Registered
	Reason string
}

// Verdict is a wanted webhook that is left as it is, and why.
type Verdict struct {
	Wanted Wanted
	// Old is what there is; nil where there is nothing.
	Old    *Registered
	Class  registration.Class
	Reason string
	Next   string
}

// Leftover is a webhook that stays although it is not wanted.
type Leftover struct {
	Registered Registered
	Reason     string
}

// Plan is the difference between what is registered and what should be. Steps, Unchanged, Skipped, Waiting
// and Conflicts together hold every wanted webhook once.
type Plan struct {
	Steps     []Step
	Unchanged []Verdict
	// Skipped are not registered, and rightly so.
	Skipped []Verdict
	// Waiting are registered, wanted by nobody, and not removed yet.
	Waiting []Verdict
	// Conflicts cannot be registered beside what is there.
	Conflicts []Verdict
	Leftover  []Leftover
	// Unwanted are the times at which a demand was missed first, by key.
	Unwanted map[string]time.Time
}

// PlanInput is everything that a plan depends on.
type PlanInput struct {
	Policy  registration.Policy
	Dynamic bool
	Now     time.Time
	Grace   time.Duration
	Wanted  []Wanted
	Current []Registered
	// Records are what is known of the webhooks, by key. WithoutRecords says that nothing is known: then
	// what cannot be compared counts as equal.
	Records        map[string]Record
	WithoutRecords bool
	// Incomplete says why Wanted may lack some; nothing is deleted for being unwanted then.
	Incomplete string
	// CanUpdate and CanDelete say what the system can do; Overwrites, that creating one that exists changes it.
	CanUpdate, CanDelete, Overwrites bool
}

// MakePlan compares. It is pure: equal input gives equal output.
func MakePlan(in PlanInput) Plan {
	plan := Plan{Unwanted: map[string]time.Time{}}
	have := map[string][]Registered{}
	for _, r := range in.Current {
		have[r.Key] = append(have[r.Key], r)
	}
	wanted := map[string]bool{}
	for _, w := range in.Wanted {
		wanted[w.Key] = true
		in.decide(w, have[w.Key], &plan)
	}
	for _, r := range in.Current {
		if !wanted[r.Key] && !r.Foreign {
			in.leftover(r, &plan)
		}
	}
	return plan
}

func (in PlanInput) decide(w Wanted, have []Registered, plan *Plan) {
	if i := slices.IndexFunc(have, func(r Registered) bool { return r.Foreign }); i >= 0 {
		plan.Conflicts = append(plan.Conflicts, Verdict{Wanted: w, Old: &have[i], Class: registration.ClassConflict,
			Reason: "its events go to another address already, which is left alone",
			Next:   "remove that address at the system, or leave this one out"})
		return
	}
	if in.Dynamic && (w.Demand == Nobody || w.Demand == Pending && len(have) == 0) {
		in.unwanted(w, have, plan)
		return
	}
	if len(have) == 0 {
		plan.Steps = append(plan.Steps, Step{Action: Create, Wanted: &w})
		return
	}
	keep, others := in.choose(w, have)
	reason, renew := in.difference(w, keep)
	if len(others) > 0 && in.CanDelete && in.Policy != registration.CreateOnly {
		plan.Steps = append(plan.Steps, Step{Action: Delete, Old: others, Reason: "registered twice"})
	}
	switch {
	case reason == "":
		plan.Unchanged = append(plan.Unchanged, Verdict{Wanted: w, Old: &keep})
	case in.Policy == registration.CreateOnly:
		plan.Skipped = append(plan.Skipped, Verdict{Wanted: w, Old: &keep, Class: registration.ClassPolicy,
			Reason: fmt.Sprintf("%s; policy %s leaves it as it is", reason, in.Policy)})
	case in.CanUpdate && !renew:
		plan.Steps = append(plan.Steps, Step{Action: Update, Wanted: &w, Old: []Registered{keep}, Reason: reason})
	case in.Overwrites:
		plan.Steps = append(plan.Steps, Step{Action: Replace, Wanted: &w, Reason: reason})
	case in.CanDelete:
		plan.Steps = append(plan.Steps, Step{Action: Replace, Wanted: &w, Old: []Registered{keep}, Reason: reason})
	default:
		plan.Conflicts = append(plan.Conflicts, Verdict{Wanted: w, Old: &keep, Class: registration.ClassConflict,
			Reason: reason + "; it cannot be changed", Next: "remove it at the system, and run this again"})
	}
}

// choose takes one of several webhooks that do the same: the one that is on record, else one that calls the
// present address.
func (in PlanInput) choose(w Wanted, have []Registered) (keep Registered, others []Registered) {
	best := slices.IndexFunc(have, func(r Registered) bool { return r.ID == in.Records[w.Key].ID })
	if best < 0 {
		best = max(0, slices.IndexFunc(have, func(r Registered) bool { return r.Current }))
	}
	others = slices.Clone(have)
	return have[best], slices.Delete(others, best, best+1)
}

// difference says why a webhook is not what it should be; empty where it is. renew says that only a new one
// will do.
func (in PlanInput) difference(w Wanted, have Registered) (reason string, renew bool) {
	record, known := in.Records[w.Key]
	known = known && record.ID == have.ID && record.Digest != ""
	renew = !in.WithoutRecords && w.Recreate != "" && (!known || record.Recreate != w.Recreate)
	switch {
	case !have.Current:
		return "it calls an old address", renew
	case have.Topics != nil && w.Topics != nil && !sameSet(have.Topics, w.Topics):
		return "it asks for other topics", renew
	case !have.Active:
		return "it is switched off", renew
	case in.WithoutRecords:
		return "", false
	case !known:
		return "no record of how it was made", renew
	case record.Recreate != w.Recreate:
		return "a key changed", true
	case record.Digest != w.Digest:
		return "definition or parameters changed", renew
	}
	return "", false
}

// unwanted decides about a webhook whose events nobody receives.
func (in PlanInput) unwanted(w Wanted, have []Registered, plan *Plan) {
	if len(have) == 0 {
		v := Verdict{Wanted: w, Class: registration.ClassUnwanted, Reason: "nobody subscribes to its events",
			Next: "it is registered when there is a Subscription"}
		if w.Demand == Pending {
			v.Reason, v.Next = "the Subscription to its events is not ready yet", "look at the status of the Subscription; this is tried again with the next run"
		}
		plan.Skipped = append(plan.Skipped, v)
		return
	}
	since := in.Records[w.Key].UnwantedSince
	if since.IsZero() {
		since = in.Now
	}
	due := !since.Add(in.Grace).After(in.Now)
	if due && in.CanDelete && in.Incomplete == "" && in.Policy != registration.CreateOnly {
		plan.Steps = append(plan.Steps, Step{Action: Delete, Wanted: &w, Old: have, Reason: "nobody subscribes to its events any more"})
		return
	}
	plan.Unwanted[w.Key] = since
	v := Verdict{Wanted: w, Old: &have[0], Class: registration.ClassUnwanted,
		Reason: fmt.Sprintf("nobody subscribes to its events since %s; it is removed after %s", since.UTC().Format(time.RFC3339), in.Grace)}
	switch {
	case in.WithoutRecords:
		v.Reason = "nobody subscribes to its events; it is not removed, because nobody knows since when"
	case in.Policy == registration.CreateOnly:
		v.Reason = fmt.Sprintf("nobody subscribes to its events; policy %s leaves it as it is", in.Policy)
	case !in.CanDelete:
		v.Reason, v.Next = "nobody subscribes to its events; it cannot be removed", "remove it at the system"
	}
	plan.Waiting = append(plan.Waiting, v)
}

// leftover decides about a webhook of this installation that nobody asked for.
func (in PlanInput) leftover(r Registered, plan *Plan) {
	switch {
	case in.Policy != registration.Sync:
		plan.Leftover = append(plan.Leftover, Leftover{r, fmt.Sprintf("not wanted any more; policy %s never deletes", in.Policy)})
	case in.Incomplete != "":
		plan.Leftover = append(plan.Leftover, Leftover{r, "not deleted: " + in.Incomplete})
	case !in.CanDelete:
		plan.Leftover = append(plan.Leftover, Leftover{r, "not wanted any more; it cannot be deleted"})
	default:
		plan.Steps = append(plan.Steps, Step{Action: Delete, Old: []Registered{r}, Reason: "not wanted any more"})
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
