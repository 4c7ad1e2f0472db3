package compat

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// definition compares the connector definitions of the two charts, where both have one.
func (c *comparison) definition() error {
	if !c.before.HasDefinition() || !c.after.HasDefinition() {
		if c.before.HasDefinition() {
			c.add(Major, AreaDefinition, "", connector.FileName, "is gone: it is no connector any more")
		}
		if c.after.HasDefinition() {
			c.add(Minor, AreaDefinition, "", connector.FileName, "is new")
		}
		return nil
	}
	if err := c.events(); err != nil {
		return err
	}
	was, err := document(c.before)
	if err != nil {
		return err
	}
	is, err := document(c.after)
	if err != nil {
		return err
	}
	for _, section := range []struct {
		name, key     string
		one           string // what an entry is called
		gone, changed Level
		goneWhy       string
	}{
		{"parameters", "", "parameter", Major, Minor, "values that users keep for it are refused"},
		{"apis", "id", "API", Major, Minor, "workloads that call it fail"},
		{"deliveries", "name", "delivery", Major, Minor, "the system's events have no way in"},
		{"relay", "name", "relay", Major, Minor, "the system gets these events no more"},
		{"webhooks", "name", "webhook", Minor, Minor, "it is no longer registered at the system"},
		{"manual", "title", "manual step", Patch, Patch, ""},
	} {
		before, after := entries(was[section.name], section.key), entries(is[section.name], section.key)
		for _, name := range slices.Sorted(maps.Keys(before)) {
			where := section.one + " " + name
			now, kept := after[name]
			switch {
			case !kept && section.goneWhy != "":
				c.add(section.gone, AreaDefinition, "", where, "is gone: %s", section.goneWhy)
			case !kept:
				c.add(section.gone, AreaDefinition, "", where, "is gone")
			case !reflect.DeepEqual(before[name], now):
				c.add(section.changed, AreaDefinition, "", where, "is another one: %s", fields(before[name], now))
			}
			if section.name == "deliveries" && kept {
				c.delivery(where, before[name], now)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(after)) {
			if _, known := before[name]; !known {
				c.add(min2(section.changed, Minor), AreaDefinition, "", section.one+" "+name, "is new")
			}
		}
	}
	for _, name := range []string{"application", "system", "policy"} {
		if !reflect.DeepEqual(was[name], is[name]) {
			c.add(Minor, AreaDefinition, "", name, "is another one: %s", fields(was[name], is[name]))
		}
	}
	return nil
}

func min2(a, b Level) Level {
	if a.rank() < b.rank() {
		return a
	}
	return b
}

// events compares the event catalogs: what workloads subscribe to.
func (c *comparison) events() error {
	before, err := c.before.Definition()
	if err != nil {
		return err
	}
	after, err := c.after.Definition()
	if err != nil {
		return err
	}
	is := map[string]bool{}
	for _, t := range after.EventTypes() {
		is[t.FullType()] = true
	}
	was := map[string]bool{}
	for _, t := range before.EventTypes() {
		was[t.FullType()] = true
		if !is[t.FullType()] {
			c.add(Major, AreaDefinition, "", "event type "+t.FullType(), "is gone: subscriptions to it get nothing")
		}
	}
	for name := range is {
		if !was[name] {
			c.add(Minor, AreaDefinition, "", "event type "+name, "is new")
		}
	}
	return nil
}

// delivery compares what the system was told: where to send, and how to prove who it is.
func (c *comparison) delivery(where string, was, is any) {
	b, _ := was.(map[string]any)
	a, _ := is.(map[string]any)
	for _, part := range []struct{ name, what string }{
		{"http", "the system may still send to the old address, or what is no longer taken"},
		{"mqtt", "the system may still connect as before"},
		{"token", "the system may still ask for tokens as before"},
		{"verify", "what the system sends may be refused until it is set up anew"},
	} {
		if !reflect.DeepEqual(b[part.name], a[part.name]) {
			c.add(Major, AreaDefinition, "", where, "%s is another one: %s", part.name, part.what)
		}
	}
}

func document(a *addon.Addon) (map[string]any, error) {
	file := path.Join(addon.DefinitionDir, connector.FileName)
	data, _ := a.Chart.Read(file)
	var out map[string]any
	if err := yaml.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", a.Name(), file, err)
	}
	return out, nil
}

// entries are the entries of a section by their key: a map as it is, a list by one of the fields of its entries
// (or their place), a single object as a list of one.
func entries(section any, key string) map[string]any {
	out := map[string]any{}
	switch s := section.(type) {
	case map[string]any:
		if key == "" {
			return s
		}
		return entries([]any{s}, key)
	case []any:
		for i, item := range s {
			m, _ := item.(map[string]any)
			name, ok := m[key].(string)
			if _, taken := out[name]; !ok || taken {
				name = fmt.Sprint(i + 1)
			}
			out[name] = item
		}
	}
	return out
}

// fields names the fields that differ.
func fields(was, is any) string {
	b, isMap := was.(map[string]any)
	a, stays := is.(map[string]any)
	if !isMap || !stays {
		return show(was) + " becomes " + show(is)
	}
	var names []string
	for name := range maps.Keys(b) {
		if !reflect.DeepEqual(b[name], a[name]) {
			names = append(names, name)
		}
	}
	for name := range maps.Keys(a) {
		if _, known := b[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return fmt.Sprintf("%v", names)
}
