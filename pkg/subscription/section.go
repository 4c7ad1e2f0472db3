package subscription

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/registration"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// maxText bounds what the system sends and a report shows.
const maxText = 120

// section is one entry of the definition's webhooks.
type section struct {
	*run
	w        *connector.Webhooks
	callback callback
	dynamic  bool
	topics   []connector.Topic
	wanted   []Wanted
	current  []Registered
	// incomplete says why wanted may lack some.
	incomplete string
	// unknown are the instances that nothing could be found out about.
	unknown map[string]system.Finding
	// used: something at the system calls the address, or may do so.
	used bool
	// unsettled: something may still call an old address.
	unsettled bool
	// rows are the indexes of the report's rows, by key.
	rows map[string]int

	mu sync.Mutex // guards the state while calls are made side by side
}

// name is what people call the section.
func (s *section) name() string {
	if s.w.Name != "" {
		return "webhooks " + s.w.Name
	}
	return "webhooks"
}

// key is that of a record of the section.
func (s *section) key(key string) string { return s.w.Name + "/" + key }

// row adds a row to the report.
func (s *section) row(row registration.WebhookReport) {
	row.Section, row.Callback = s.w.Name, s.callback.shown
	s.report.Items = append(s.report.Items, row)
}

// fail reports that nothing could be done about the section. What is registered stays as it is.
func (s *section) fail(f system.Finding) {
	s.unsettled = true
	s.row(registration.WebhookReport{Name: s.name(), Outcome: registration.OutcomeFailed, Class: f.Class, Reason: f.Reason, Next: f.Next})
}

// prepare evaluates what needs no call. It reports what is wrong, and says whether nothing is.
func (s *section) prepare() bool {
	s.rows, s.unknown = map[string]int{}, map[string]system.Finding{}
	var f system.Finding
	if s.callback, f = newCallback(s.CallbackURL, s.Definition.CallbackOf(s.w), s.loaded.Callbacks, s.in); !f.OK() {
		s.fail(f)
		return false
	}
	if s.callback.token {
		s.redact = append(s.redact, s.callback.full)
	}
	mode, err := s.w.Mode.Text(s.in)
	switch {
	case err != nil:
		s.fail(system.Misconfigured("correct the definition", "the mode cannot be evaluated: %v", err))
		return false
	case mode != "" && mode != connector.ModeStatic && mode != connector.ModeDynamic:
		s.fail(system.Misconfigured("check "+system.Named(s.w.Mode.Parameters(), "the mode in the definition"), "the mode is neither static nor dynamic"))
		return false
	}
	s.dynamic = mode == connector.ModeDynamic
	for _, topic := range s.Definition.TopicsOf(s.w) {
		enabled, err := topic.Enabled.Bool(s.in, true)
		if err != nil {
			s.fail(system.Misconfigured("correct the definition", "the topic %q cannot be evaluated: %v", topic.Name, err))
			return false
		}
		if enabled {
			s.topics = append(s.topics, topic)
		}
	}
	return true
}

// converge brings the section's webhooks to what they should be.
func (s *section) converge(ctx context.Context) {
	s.Log.Info("looking at webhooks", "webhooks", s.name(), "dynamic", s.dynamic)
	instances, ok := s.instances(ctx)
	if !ok {
		return
	}
	if f := s.list(ctx, instances); !f.OK() {
		s.fail(f)
		return
	}
	s.used = slices.ContainsFunc(s.current, func(r Registered) bool { return !r.Foreign })
	demands, f := s.demands(ctx)
	if !f.OK() {
		s.fail(f)
		return
	}
	if f := s.want(instances, demands); !f.OK() {
		s.fail(f)
		return
	}
	plan := MakePlan(PlanInput{
		Policy: s.Policy, Dynamic: s.dynamic, Now: s.Now(), Grace: s.grace(),
		Wanted: s.wanted, Current: s.current, Records: s.records(), WithoutRecords: !s.known, Incomplete: s.incomplete,
		CanUpdate: s.w.Update != nil, CanDelete: s.w.Delete != nil, Overwrites: s.overwrites(),
	})
	s.tell(plan)
	if s.DryRun || s.Verify {
		s.foresee(plan)
	} else {
		s.mark(plan)
		s.apply(ctx, plan.Steps)
	}
	s.resume(ctx)
	s.catchUp(ctx)
}

func (s *section) grace() time.Duration {
	switch {
	case s.Grace != nil:
		return *s.Grace
	case s.w.Grace > 0:
		return time.Duration(s.w.Grace)
	}
	return DefaultGrace
}

// overwrites says whether making a webhook that exists changes it.
func (s *section) overwrites() bool {
	method, _ := s.w.Create.Method()
	return method == http.MethodPut || method == http.MethodPatch
}

// records are those of the section, by key.
func (s *section) records() map[string]Record {
	records := map[string]Record{}
	for key, record := range s.state.Webhooks {
		if rest, ok := strings.CutPrefix(key, s.key("")); ok {
			records[rest] = record
		}
	}
	return records
}

// instance is one discovered API.
type instance struct {
	id, name string
	raw      []byte
	index    int
}

// instances discovers the APIs that webhooks belong to; none where they belong to no API.
func (s *section) instances(ctx context.Context) (found []instance, ok bool) {
	if s.w.Each != connector.EachInstance {
		return nil, true
	}
	for i := range s.Definition.APIs {
		api := &s.Definition.APIs[i]
		if on, err := api.Enabled.Bool(s.in, true); api.Discover == nil || err != nil || !on {
			continue
		}
		items, absent, f := s.system.Discover(ctx, api)
		switch {
		case absent:
			s.incomplete = "the system has no listing of its APIs, so that it is unknown which are gone"
		case !f.OK() && len(items) == 0:
			s.fail(f)
			return nil, false
		case !f.OK():
			s.incomplete = "the listing of the system's APIs is incomplete"
			s.fail(f)
		}
		for _, item := range items {
			in := s.in
			in.Item, in.Index = item.Raw, item.Index
			if item.ID == "" {
				continue // registering the APIs reports that
			}
			name, err := api.Name.Text(in)
			if name = system.Printable(name, maxText); err != nil || name == "" {
				name = item.ID
			}
			found = append(found, instance{id: item.ID, name: name, raw: item.Raw, index: item.Index})
		}
	}
	return found, true
}

// demands asks who wants the events of the topics.
func (s *section) demands(ctx context.Context) (map[string]Demand, system.Finding) {
	if !s.dynamic {
		return nil, system.Finding{}
	}
	if s.Subscribers == nil {
		return nil, system.Misconfigured("run it with access to the cluster, or choose the mode static", "nobody can be asked which event types are subscribed to")
	}
	var types []string
	for _, topic := range s.topics {
		types = append(types, topic.Types...)
	}
	demands, note, err := s.Subscribers.Demands(ctx, types)
	if err != nil {
		return nil, findingOf(err)
	}
	if note != "" && !slices.Contains(s.report.Notes, note) {
		s.note("%s", note)
	}
	return demands, system.Finding{}
}

// want works out the webhooks that should be.
func (s *section) want(instances []instance, demands map[string]Demand) system.Finding {
	switch s.w.Each {
	case connector.EachTopic:
		for _, topic := range s.topics {
			s.add(Wanted{Key: topic.Name, Name: topic.Name, Topics: []string{topic.Name}, Types: topic.Types, Demand: demandOf(topic, demands)})
		}
	case connector.EachAll:
		if len(s.topics) > 0 || len(s.Definition.TopicsOf(s.w)) == 0 {
			name := "all events"
			if s.w.First {
				name = cmp.Or(s.w.Name, name)
			}
			s.add(s.together(Wanted{Key: "all", Name: name}, demands))
		}
	case connector.EachInstance:
		for _, i := range instances {
			if f, unknown := s.unknown[i.id]; unknown {
				s.row(registration.WebhookReport{Name: i.name, Instance: i.id, Outcome: registration.OutcomeFailed, Class: f.Class, Reason: f.Reason, Next: f.Next})
				continue
			}
			s.add(s.together(Wanted{Key: i.id, Name: i.name, item: i.raw}, demands))
		}
	}
	for i := range s.wanted {
		if f := s.sign(&s.wanted[i]); !f.OK() {
			return f
		}
	}
	return system.Finding{}
}

// add wants a webhook, and gives it a row.
func (s *section) add(w Wanted) {
	if _, double := s.rows[w.Key]; double {
		return
	}
	s.rows[w.Key] = len(s.report.Items)
	s.wanted = append(s.wanted, w)
	row := registration.WebhookReport{Name: w.Name, Topics: w.Topics, Types: w.Types}
	if s.w.Each == connector.EachInstance {
		row.Instance = w.Key
	}
	s.row(row)
}

func demandOf(topic connector.Topic, demands map[string]Demand) Demand {
	most := Nobody
	for _, full := range topic.Types {
		most = max(most, demands[full])
	}
	return most
}

// together makes one webhook of all topics. In dynamic mode it asks for those that are wanted, and keeps for
// the time of grace those that it has and nobody wants any more.
func (s *section) together(w Wanted, demands map[string]Demand) Wanted {
	var has []string
	if at := slices.IndexFunc(s.current, func(r Registered) bool { return r.Key == w.Key }); at >= 0 {
		has = s.current[at].Topics
	}
	topics := s.topics
	if s.dynamic {
		topics = s.inDemand(w.Key, has, demands)
		for _, topic := range s.topics {
			w.Demand = max(w.Demand, demandOf(topic, demands))
		}
		if w.Demand == Nobody {
			topics = slices.DeleteFunc(slices.Clone(s.topics), func(t connector.Topic) bool { return has != nil && !slices.Contains(has, t.Name) })
		}
	}
	for _, topic := range topics {
		w.Topics = append(w.Topics, topic.Name)
		for _, full := range topic.Types {
			if !slices.Contains(w.Types, full) {
				w.Types = append(w.Types, full)
			}
		}
	}
	return w
}

// inDemand are the topics that a webhook for several of them asks for.
func (s *section) inDemand(key string, has []string, demands map[string]Demand) []connector.Topic {
	var topics []connector.Topic
	for _, topic := range s.topics {
		record := s.key(key + "#" + topic.Name)
		demand := demandOf(topic, demands)
		if demand != Nobody || !slices.Contains(has, topic.Name) {
			delete(s.state.Webhooks, record)
		}
		switch {
		case demand == Ready, demand == Pending && slices.Contains(has, topic.Name):
			topics = append(topics, topic)
		case demand == Nobody && slices.Contains(has, topic.Name):
			since := s.state.Webhooks[record].UnwantedSince
			if since.IsZero() {
				since = s.Now()
			}
			if since.Add(s.grace()).After(s.Now()) {
				s.state.Webhooks[record] = Record{UnwantedSince: since}
				topics = append(topics, topic)
				continue
			}
			delete(s.state.Webhooks, record)
		}
	}
	return topics
}

// sign fills the digests: what the webhook would be made with, and what would need a new one.
func (s *section) sign(w *Wanted) system.Finding {
	request, err := s.request(&s.w.Create.Call, s.values(*w, w.Key), w.item)
	if err != nil {
		return system.Misconfigured("correct the definition", "webhooks.create cannot be evaluated: %v", err)
	}
	w.Digest = digest(s.state.Key, request.Method, request.URL, request.Header, string(request.Body))
	if w.Proof, w.Besides, err = s.proof(); err != nil {
		return system.Misconfigured("correct the definition", "the verification of deliveries cannot be evaluated: %v", err)
	}
	if len(s.w.RecreateWhen) > 0 {
		values := map[string]string{}
		for _, name := range s.w.RecreateWhen {
			values[name] = s.in.Params[name]
		}
		w.Recreate = digest(s.state.Key, values)
	}
	return system.Finding{}
}

// proof is a digest of what the system is to prove itself with, and says whether the gateway takes another one besides. Of
// the keys that a definition lists, the first is the present one.
func (s *section) proof() (of string, besides bool, err error) {
	var present []string
	for _, scheme := range s.Definition.CallbackOf(s.w).Verify.Schemes() {
		var keys []connector.Value
		switch {
		case scheme.Basic != nil:
			keys = []connector.Value{scheme.Basic.Password}
		case scheme.Bearer != nil:
			keys = scheme.Bearer.Tokens
		case scheme.HMAC != nil:
			keys = scheme.HMAC.Keys
		case scheme.StandardWebhooks != nil:
			keys = scheme.StandardWebhooks.Secrets
		case scheme.PathToken != nil:
			keys = scheme.PathToken.Tokens
		}
		for i, key := range keys {
			text, err := key.Text(s.in)
			if err != nil {
				return "", false, err
			}
			if i == 0 {
				present = append(present, text)
			}
			besides = besides || i > 0 && text != ""
		}
	}
	return digest(s.state.Key, present), besides, nil
}

// values are the variables of a call about a webhook.
func (s *section) values(w Wanted, id string) map[string]string {
	return map[string]string{
		"id": id, "topic": strings.Join(w.Topics, ","), "callback": s.callback.full.Reveal(), "label": s.label(),
	}
}

// label names this installation at the system.
func (s *section) label() string { return s.Instance }
