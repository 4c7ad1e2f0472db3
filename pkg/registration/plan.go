package registration

import (
	"fmt"
	"slices"
)

// Policy says which changes a run may make.
type Policy string

// The policies.
const (
	// Upsert creates and updates; it never deletes.
	Upsert Policy = "upsert"
	// Sync deletes too: services of this installation that are not desired any more.
	Sync Policy = "sync"
	// CreateOnly leaves what exists as it is.
	CreateOnly Policy = "create-only"
)

// Policies are all policies, for usage texts.
func Policies() []Policy { return []Policy{Upsert, Sync, CreateOnly} }

// Desired is what should be registered.
type Desired struct {
	Services []Service
	// Keep holds the ids of services whose state at the system is unknown: they are never deleted.
	Keep []string
	// Incomplete says why the list of services may lack some; nothing is deleted then.
	Incomplete string
}

// Plan is the difference between what is registered and what should be. Steps, Unchanged, Skipped and
// Conflicts together hold every desired service exactly once.
type Plan struct {
	Steps     []Step
	Unchanged []Service
	// Skipped are desired services that the policy leaves as they are.
	Skipped []Verdict
	// Conflicts are desired services that cannot be registered beside what is there.
	Conflicts []Verdict
	// Leftover are services of this installation that are not desired any more and stay.
	Leftover []Leftover
}

// Step is a change and the reason for it.
type Step struct {
	Change
	Reason string
}

// Verdict is a service that is not registered, and why.
type Verdict struct {
	Service Service
	Reason  string
}

// Leftover is a registered service that stays although it is not desired, and why.
type Leftover struct {
	Registered Registered
	Reason     string
}

// PlanInput is everything that a plan depends on.
type PlanInput struct {
	Instance string
	Policy   Policy
	Current  []Registered
	Desired  Desired
	// Before are the digests of the credentials as they were applied, by service id, After those of the
	// desired services. A nil Before means that nothing is known of what was applied.
	Before, After map[string]string
	// WithoutState says why Before is nil.
	WithoutState string
}

// MakePlan compares. It is pure: equal input gives equal output.
func MakePlan(in PlanInput) Plan {
	var plan Plan
	matches, free := in.match()
	deletions := in.leftovers(free, &plan)
	segments := in.takenSegments(free, deletions)
	for i, want := range in.Desired.Services {
		if reason := in.conflict(want, matches[i], segments); reason != "" {
			plan.Conflicts = append(plan.Conflicts, Verdict{want, reason})
			continue
		}
		segments[URLSegment(want.DisplayName)] = fmt.Sprintf("%q of this connector", want.DisplayName)
		in.compare(want, matches[i], &plan)
	}
	// Deletions come first: they make room for names.
	plan.Steps = append(deletions, plan.Steps...)
	return plan
}

// match finds for each desired service the registered one, nil where there is none: by id, which the
// Application keeps, or by identifier, which the Application Registry keeps. The rest is free.
func (in PlanInput) match() (matches []*Registered, free []*Registered) {
	byID, byIdentifier := map[string]*Registered{}, map[string]*Registered{}
	for i := range in.Current {
		r := &in.Current[i]
		byID[r.ID] = r
		if r.Identifier != "" {
			byIdentifier[r.Identifier] = r
		}
	}
	matched := map[*Registered]bool{}
	for _, want := range in.Desired.Services {
		have := byID[want.ID]
		if have == nil {
			have = byIdentifier[want.Identifier]
		}
		matches = append(matches, have)
		matched[have] = true
	}
	for i := range in.Current {
		if r := &in.Current[i]; !matched[r] {
			free = append(free, r)
		}
	}
	return matches, free
}

func (in PlanInput) owned(r Registered) bool { return r.Labels[LabelInstance] == in.Instance }

// leftovers decides about services of this installation that nobody asked for.
func (in PlanInput) leftovers(free []*Registered, plan *Plan) []Step {
	var deletions []Step
	for _, r := range free {
		switch {
		case !in.owned(*r), slices.Contains(in.Desired.Keep, r.ID), slices.Contains(in.Desired.Keep, r.Identifier):
			// What is kept is reported where it was probed.
		case in.Desired.Incomplete != "":
			plan.Leftover = append(plan.Leftover, Leftover{*r, "stays as it is: " + in.Desired.Incomplete})
		case in.Policy != Sync:
			plan.Leftover = append(plan.Leftover, Leftover{*r, fmt.Sprintf("not wanted any more; policy %s never deletes", in.Policy)})
		default:
			deletions = append(deletions, Step{Change{Action: Delete, Registered: r}, "not wanted any more"})
		}
	}
	return deletions
}

// takenSegments are the URL segments of services that this plan does not touch, and who has them.
func (in PlanInput) takenSegments(free []*Registered, deletions []Step) map[string]string {
	deleted := map[*Registered]bool{}
	for _, step := range deletions {
		deleted[step.Registered] = true
	}
	taken := map[string]string{}
	for _, r := range free {
		if deleted[r] {
			continue
		}
		taken[URLSegment(r.DisplayName)] = fmt.Sprintf("%q of %s", r.DisplayName, ownerOf(*r))
	}
	return taken
}

// ownerOf names the installation that a registered service belongs to.
func ownerOf(r Registered) string {
	if owner := r.Labels[LabelInstance]; owner != "" {
		return owner
	}
	return "another owner"
}

func (in PlanInput) conflict(want Service, have *Registered, segments map[string]string) string {
	if have != nil && !in.owned(*have) {
		return fmt.Sprintf("a service with the same id belongs to %s: remove it, or give this installation another name with --instance", ownerOf(*have))
	}
	segment := URLSegment(want.DisplayName)
	if segment == "" {
		return fmt.Sprintf("the name %q has no letter from a to z and no digit, so that Kyma could not address it: change the name in the definition", want.DisplayName)
	}
	if holder, taken := segments[segment]; taken {
		return fmt.Sprintf("the address %q is taken by %s, and Kyma serves neither of two services with one address: rename or remove one", segment, holder)
	}
	return ""
}

func (in PlanInput) compare(want Service, have *Registered, plan *Plan) {
	if have == nil {
		plan.Steps = append(plan.Steps, Step{Change{Action: Create, Service: &want}, ""})
		return
	}
	reason := in.difference(want, *have)
	switch {
	case reason == "":
		plan.Unchanged = append(plan.Unchanged, want)
	case in.Policy == CreateOnly:
		plan.Skipped = append(plan.Skipped, Verdict{want, fmt.Sprintf("%s; policy %s leaves it as it is", reason, CreateOnly)})
	default:
		plan.Steps = append(plan.Steps, Step{Change{Action: Update, Service: &want, Registered: have}, reason})
	}
}

// difference says why the registered service is not what it should be; empty where it is.
func (in PlanInput) difference(want Service, have Registered) string {
	switch {
	case have.Labels[LabelHash] == "":
		return "changed by others"
	case have.Labels[LabelHash] != want.Labels[LabelHash]:
		return "definition or parameters changed"
	case have.DisplayName != want.DisplayName:
		return "renamed by others"
	case !hasCredentials(want):
		return ""
	case in.Before == nil:
		return "credentials cannot be compared: " + in.WithoutState
	case in.Before[want.ID] == "":
		return "no record of the credentials"
	case in.Before[want.ID] != in.After[want.ID]:
		return "credentials changed"
	}
	return ""
}
