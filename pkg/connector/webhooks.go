package connector

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Method is the call's HTTP method and path; the method is empty where the definition sets none or several.
func (c Call) Method() (method string, path Value) {
	n := 0
	for _, m := range []struct {
		name string
		path Value
	}{{"GET", c.Get}, {"POST", c.Post}, {"PUT", c.Put}, {"PATCH", c.Patch}, {"DELETE", c.Delete}} {
		if m.path.IsSet() {
			method, path = m.name, m.path
			n++
		}
	}
	if n != 1 {
		return "", Value{}
	}
	return method, path
}

func (c Call) validate(at string, problems *Problems) {
	method, path := c.Method()
	if method == "" {
		problems.add(at, "", "want exactly one of get, post, put, patch, delete")
	}
	literalPath(problems, at, path)
	if c.JSON != nil && c.Form != nil {
		problems.add(at, "", "want at most one of json and form")
	}
}

// Callback is the delivery that the system calls: the one that the first of the webhooks names, or the only
// one by HTTP. It is nil where there is none.
func (d *Definition) Callback() *Delivery {
	if len(d.Webhooks) == 0 {
		return d.CallbackOf(&Webhooks{})
	}
	return d.CallbackOf(&d.Webhooks[0])
}

// CallbackOf is the delivery that webhooks call: the one that they name, or the only one by HTTP. It is nil
// where there is none.
func (d *Definition) CallbackOf(w *Webhooks) *Delivery {
	var found *Delivery
	for i := range d.Deliveries {
		delivery := &d.Deliveries[i]
		if delivery.HTTP == nil {
			continue
		}
		if w.Delivery != "" {
			if delivery.Name == w.Delivery {
				return delivery
			}
			continue
		}
		if found != nil {
			return nil
		}
		found = delivery
	}
	return found
}

// Topic is what a webhook may ask for, and the full event types that it brings.
type Topic struct {
	Name  string
	Types []string
	// Enabled is the definition's switch.
	Enabled Value
}

// TopicsOf are the topics of webhooks: their own or those of the delivery's types, each once.
func (d *Definition) TopicsOf(w *Webhooks) []Topic {
	var topics []Topic
	add := func(name string, enabled Value, types []string) {
		i := slices.IndexFunc(topics, func(t Topic) bool { return t.Name == name })
		if i < 0 {
			topics = append(topics, Topic{Name: name, Enabled: enabled})
			i = len(topics) - 1
		}
		for _, full := range types {
			if !slices.Contains(topics[i].Types, full) {
				topics[i].Types = append(topics[i].Types, full)
			}
		}
	}
	for _, topic := range w.Topics {
		var types []string
		for _, name := range topic.Types {
			types = append(types, d.fullTypes(name)...)
		}
		add(topic.Topic, topic.Enabled, types)
	}
	if delivery := d.CallbackOf(w); delivery != nil && len(w.Topics) == 0 {
		for _, rule := range delivery.Types {
			if rule.Topic != "" {
				add(rule.Topic, Value{}, d.fullTypes(rule.Type))
			}
		}
	}
	return topics
}

// fullTypes are the event types of a name in all their versions. A name that is in no catalog has version v1,
// one with an asterisk at its end stands for what begins so.
func (d *Definition) fullTypes(name string) []string {
	prefix, any := strings.CutSuffix(name, "*")
	var full []string
	for _, t := range d.eventTypes {
		if t.Name == name || any && strings.HasPrefix(t.Name, prefix) {
			full = append(full, t.FullType())
		}
	}
	if len(full) == 0 && !any {
		full = append(full, EventType{Name: name, Version: "v1"}.FullType())
	}
	return full
}

func (d *Definition) validateWebhooks(problems *Problems) {
	unique(problems, "webhooks", "name", d.Webhooks, func(w Webhooks) string { return w.Name })
	for i := range d.Webhooks {
		path := "webhooks"
		if len(d.Webhooks) > 1 {
			path = fmt.Sprintf("webhooks[%d]", i)
			if d.Webhooks[i].Name == "" {
				problems.add(path+".name", "add it: several webhooks have to be told apart", "is missing")
			}
		}
		d.Webhooks[i].validate(path, d, problems)
		d.validateNeighbours(path, i, problems)
	}
}

// validateNeighbours wants a label where two webhooks call one address: each would take those of the other for
// its own.
func (d *Definition) validateNeighbours(path string, i int, problems *Problems) {
	w := &d.Webhooks[i]
	if w.List == nil || w.List.Label.IsSet() || w.Each == EachInstance {
		return
	}
	for j := range d.Webhooks {
		if i != j && d.CallbackOf(w) == d.CallbackOf(&d.Webhooks[j]) {
			problems.add(path+".list.label", "write label into what create sends, and say here where the listing has it", "is missing: the webhooks %q call the same address", d.Webhooks[j].Name)
			return
		}
	}
}

func (w *Webhooks) validate(path string, d *Definition, problems *Problems) {
	switch {
	case w.Delivery == "" && d.CallbackOf(w) == nil:
		problems.add(path+".delivery", "name the delivery that the system is to call", "there is not exactly one delivery by HTTP")
	case w.Delivery != "" && d.CallbackOf(w) == nil:
		problems.add(path+".delivery", "", "there is no delivery by HTTP called %q", w.Delivery)
	}
	if w.Each == EachInstance && !slices.ContainsFunc(d.APIs, func(a API) bool { return a.Discover != nil }) {
		problems.add(path+".each", "", "there is no API with discover, whose instances could have webhooks")
	}
	for _, name := range w.RecreateWhen {
		if _, known := d.Parameters[name]; !known {
			d.unknownParameter(problems, path+".recreateWhen", name)
		}
	}
	w.validateTopics(path, d, problems)
	w.validateSigned(path, d, problems)
	w.validateCalls(path, problems)
}

func (w *Webhooks) validateTopics(path string, d *Definition, problems *Problems) {
	if w.Mode.IsSet() && !w.Mode.IsExpression() && w.Mode.text != ModeStatic && w.Mode.text != ModeDynamic {
		problems.add(path+".mode", "", "want static, dynamic or an expression, not %q", w.Mode.text)
	}
	for i, topic := range w.Topics {
		for j, name := range topic.Types {
			if len(d.eventTypes) > 0 && !slices.ContainsFunc(d.fullTypes(name), d.inCatalog) {
				problems.add(fmt.Sprintf("%s.topics[%d].types[%d]", path, i, j), "choose one that the event catalog has"+didYouMean(name, d.typeNames()), "there is no event type %q", name)
			}
		}
	}
	topics := d.TopicsOf(w)
	dynamic := w.Mode.IsExpression() || w.Mode.text == ModeDynamic
	switch {
	case w.Each == EachTopic && len(topics) == 0:
		problems.add(path+".topics", "add them, or give the delivery a table of types with topics", "there is no topic that a webhook could ask for")
	case dynamic && !slices.ContainsFunc(topics, func(t Topic) bool { return len(t.Types) > 0 }):
		problems.add(path+".mode", "say in topics which topic brings which event types, or give the delivery a table of types with topics", "dynamic needs to know which topic brings which event type")
	}
}

func (d *Definition) inCatalog(full string) bool {
	return slices.ContainsFunc(d.eventTypes, func(t EventType) bool { return t.FullType() == full })
}

func (d *Definition) typeNames() func(yield func(string) bool) {
	names := map[string]bool{}
	for _, t := range d.eventTypes {
		names[t.Name] = true
	}
	return maps.Keys(names)
}

func (w *Webhooks) validateCalls(path string, problems *Problems) {
	if w.List == nil && w.Each != EachInstance {
		problems.add(path+".list", "add it", "is missing: without it nobody knows which webhooks there are")
	}
	if w.List != nil {
		w.List.validate(path+".list", problems)
		if !w.List.Callback.IsSet() && (!w.List.Label.IsSet() || w.Each == EachInstance) {
			problems.add(path+".list.callback", "add it", "is missing: it tells whose webhook it is")
		}
		if w.Each == EachTopic && !w.List.Topic.IsSet() {
			problems.add(path+".list.topic", "add it", "is missing: it tells which webhook is there")
		}
	}
	if w.Create != nil {
		w.Create.validate(path+".create", problems)
		if w.Create.ID == "" && w.Each != EachInstance {
			problems.add(path+".create.id", "add the path of the new webhook's id in the answer", "is missing")
		}
	}
	if w.Update != nil {
		w.Update.validate(path+".update", problems)
	}
	if w.Delete != nil {
		w.Delete.validate(path+".delete", problems)
	}
	w.validateCatchUp(path+".catchUp", problems)
	if w.Resume != nil {
		w.Resume.List.validate(path+".resume.list", problems)
		w.Resume.Call.validate(path+".resume.call", problems)
	}
	for _, call := range []struct {
		name string
		call *Call
	}{{"create", w.createCall()}, {"update", w.Update}, {"delete", w.Delete}, {"resume.call", w.resumeCall()}} {
		if call.call != nil && call.call.Get.IsSet() {
			problems.add(path+"."+call.name, "", "a GET changes nothing")
		}
	}
}

func (w *Webhooks) validateCatchUp(path string, problems *Problems) {
	if w.CatchUp == nil {
		return
	}
	w.CatchUp.List.validate(path+".list", problems)
	if w.List == nil {
		problems.add(path, "add list to the webhooks", "nobody could tell which webhooks there are")
	}
}

// validateSigned wants deliveries that can be made in the system's place.
func (w *Webhooks) validateSigned(path string, d *Definition, problems *Problems) {
	delivery := d.CallbackOf(w)
	if w.CatchUp != nil && delivery != nil && !delivery.Verify.signable() {
		problems.add(path+".catchUp", `let the first scheme of the delivery's verify be basic, pathToken or an hmac of rawBody in one header`, "nobody could sign in the system's place")
	}
}

func (w *Webhooks) createCall() *Call {
	if w.Create == nil {
		return nil
	}
	return &w.Create.Call
}

func (w *Webhooks) resumeCall() *Call {
	if w.Resume == nil {
		return nil
	}
	return &w.Resume.Call
}

// Uses says whether one of the call's values is an expression that uses one of the names, such as "id".
func (c Call) Uses(names ...string) bool {
	uses := false
	eachValue(reflect.ValueOf(&c).Elem(), place{}, func(_ place, v *Value) { uses = uses || v.Uses(names...) })
	return uses
}
