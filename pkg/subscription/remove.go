package subscription

import (
	"context"

	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// Remove deletes all webhooks of the installation at the system, and says in the removal what became of
// them. It goes on after a failure. Where it is known that no webhook was ever made it still looks, but a system
// that cannot be asked then leaves nothing behind.
func Remove(ctx context.Context, options Options, deps Dependencies, removal *registration.Removal) {
	r := newRun(options, deps)
	for _, s := range r.beginRemoval(ctx, removal) {
		s.remove(ctx, removal)
	}
}

// unasked notes that the system could not be asked about something, and what is on record of it.
func (r *run) unasked(removal *registration.Removal, what string, f system.Finding, record StateData) {
	if r.nothingMade() {
		r.Log.Info("the system could not be asked about webhooks, but none was ever made", "reason", f.Reason)
		return
	}
	removal.Failed(what, &registration.ConfigError{What: f.Reason, Next: "remove at the system " + record.Describe()})
}

// beginRemoval prepares the sections of which there may be something at the system.
func (r *run) beginRemoval(ctx context.Context, removal *registration.Removal) []*section {
	if len(r.Definition.Webhooks) == 0 {
		return nil
	}
	r.load(ctx)
	var sections []*section
	for i := range r.Definition.Webhooks {
		s := &section{run: r, w: &r.Definition.Webhooks[i], rows: map[string]int{}, unknown: map[string]system.Finding{}}
		enabled, err := s.w.Enabled.Bool(r.in, true)
		if (err != nil || !enabled) && len(s.records()) == 0 {
			continue
		}
		if s.addressForRemoval() {
			sections = append(sections, s)
		}
	}
	if len(sections) == 0 {
		return nil
	}
	var f system.Finding
	if r.system, f = system.New(r.Definition, r.Params, r.HTTP); f.OK() {
		r.auth, f = r.system.Authorize(nil, r.in)
	}
	if f.OK() {
		return sections
	}
	r.unasked(removal, "webhooks at the system", f, r.loaded)
	return nil
}

// addressForRemoval finds the addresses by which webhooks are known as ours: the present one or, where nobody
// says it any more, those on record.
func (s *section) addressForRemoval() bool {
	delivery := s.Definition.CallbackOf(s.w)
	var f system.Finding
	if s.callback, f = newCallback(s.CallbackURL, delivery, s.loaded.Callbacks, s.in); f.OK() {
		return true
	}
	for _, known := range s.loaded.Callbacks {
		if s.callback, f = newCallback(trimPath(known, delivery.HTTP.Path), delivery, s.loaded.Callbacks, s.in); f.OK() {
			return true
		}
	}
	return false
}

func (s *section) remove(ctx context.Context, removal *registration.Removal) {
	instances, ok := s.instances(ctx)
	if !ok {
		s.unasked(removal, s.name()+" at the system", s.failure(), s.record(""))
		return
	}
	if f := s.list(ctx, instances); !f.OK() {
		s.unasked(removal, s.name()+" at the system", f, s.record(""))
		return
	}
	for id, f := range s.unknown {
		s.unasked(removal, "webhook of "+id, f, s.record(id))
	}
	raw := map[string][]byte{}
	for _, i := range instances {
		raw[i.id] = i.raw
	}
	for _, old := range s.current {
		if old.Foreign {
			continue
		}
		what := "webhook " + nameOf(old)
		if s.w.First {
			what = s.name()
		}
		f := system.Misconfigured("", "the system has no way to delete it")
		if s.w.Delete != nil {
			f = s.delete(ctx, old, raw[old.Key])
		}
		if !f.OK() {
			removal.Failed(what, &registration.ConfigError{What: f.Reason, Next: "remove at the system " + shownID(nameOf(old), old.ID)})
			continue
		}
		removal.Done(what)
	}
}

// failure is the last one that was reported.
func (s *section) failure() system.Finding {
	row := s.report.Items[len(s.report.Items)-1]
	return system.Finding{Class: row.Class, Reason: row.Reason, Next: row.Next}
}

// record is what is known of a section's webhooks, or of the one of an instance.
func (s *section) record(instance string) StateData {
	records := s.records()
	if instance != "" {
		records = map[string]Record{instance: records[instance]}
	}
	return StateData{Callbacks: []string{s.callback.shown}, Webhooks: records}
}
