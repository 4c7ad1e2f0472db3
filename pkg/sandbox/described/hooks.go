package described

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// hooks describes webhooks that the registration keeps at the system. Those of discovered APIs have none to
// belong to: nothing is discovered here.
func (s *describer) hooks(w *connector.Webhooks, recorded []recording) (simulator.DescribedHooks, bool) {
	enabled, err := w.Enabled.Bool(s.in, true)
	s.keep("webhooks.enabled", err)
	delivery := s.definition.CallbackOf(w)
	if !enabled || w.Each == connector.EachInstance || w.Create == nil || delivery == nil {
		return simulator.DescribedHooks{}, false
	}
	out := simulator.DescribedHooks{ID: "id", Callback: "callback", Topic: "topic", Label: "label", Create: s.call(&w.Create.Call), CreatedID: w.Create.ID, Types: map[string][]string{}}
	if l := w.List; l != nil {
		out.List = s.call(&l.Call)
		out.Items = l.Items
		out.ID, out.Callback, out.Topic, out.Label = place(l.ID, "id"), place(l.Callback, "callback"), place(l.Topic, "topic"), place(l.Label, "label")
	}
	if w.Update != nil {
		out.Update = s.call(w.Update)
	}
	if w.Delete != nil {
		out.Delete = s.call(w.Delete)
	}
	for _, topic := range s.definition.TopicsOf(w) {
		for _, r := range recorded {
			if r.delivery == delivery && slices.Contains(topic.Types, r.fullType) {
				out.Types[topic.Name] = append(out.Types[topic.Name], r.Type)
			}
		}
	}
	return out, true
}

// call describes one call: what of it is the webhook's own is found by the expressions that name it.
func (s *describer) call(c *connector.Call) simulator.DescribedCall {
	in := s.in
	s.in.Vars = map[string]string{"id": "{id}", "callback": "https://callback.invalid/", "topic": "topic", "label": "label"}
	method, path := c.Method()
	out := simulator.DescribedCall{Method: method, Path: s.text(path, "webhooks")}
	s.in = in
	named := func(expression, place string) {
		switch {
		case !isExpression(expression):
		case out.Callback == "" && names(expression, "callback"):
			out.Callback = place
		case out.Topic == "" && names(expression, "topic"):
			out.Topic = place
		case out.Label == "" && names(expression, "label"):
			out.Label = place
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Form)) {
		named(c.Form[name].Source(), name)
	}
	if c.JSON != nil {
		var root any
		written, err := c.JSON.MarshalJSON()
		if err == nil {
			err = json.Unmarshal(written, &root)
		}
		s.keep("webhooks", err)
		eachText(root, "", named)
	}
	return out
}

// eachText calls do for each text in a document, with its place.
func eachText(node any, at string, do func(text, place string)) {
	join := func(name string) string {
		if at == "" {
			return name
		}
		return at + "." + name
	}
	switch node := node.(type) {
	case string:
		do(node, at)
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(node)) {
			eachText(node[name], join(name), do)
		}
	case []any:
		for i, item := range node {
			eachText(item, join(strconv.Itoa(i)), do)
		}
	}
}

func isExpression(text string) bool { return len(text) > 0 && text[0] == '=' }

// names says whether an expression names a variable, outside of its texts.
func names(expression, variable string) bool {
	bare := regexp.MustCompile(`"[^"]*"|'[^']*'`).ReplaceAllString(expression, `""`)
	return regexp.MustCompile(`(^|[^A-Za-z0-9_.])` + variable + `($|[^A-Za-z0-9_(])`).MatchString(bare)
}

var itemPath = regexp.MustCompile(`item\("([A-Za-z0-9_.]+)"\)`)

// place is where an item has what a value of the definition reads: the path that it is, or the first that its
// expression reads.
func place(v connector.Value, otherwise string) string {
	switch {
	case !v.IsSet():
		return otherwise
	case !v.IsExpression():
		return v.Source()
	}
	if found := itemPath.FindStringSubmatch(v.Source()); found != nil {
		return found[1]
	}
	return otherwise
}
