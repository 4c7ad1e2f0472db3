package connector

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
	"sigs.k8s.io/yaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/safeyaml"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// EventType is one entry of the event catalog.
type EventType struct {
	// Name is the type without its version; Version the last part of the channel's name, such as "v1".
	Name, Version string
	// Summary says what happened.
	Summary string
}

// FullType is the channel's name: type and version.
func (t EventType) FullType() string { return t.Name + "." + t.Version }

// EventTypes are the entries of the event catalog, sorted by name; none where there is no catalog.
func (d *Definition) EventTypes() []EventType { return d.eventTypes }

// readCatalog reads and checks the AsyncAPI document.
func (d *Definition) readCatalog() Problems {
	var problems Problems
	if d.Events == nil {
		return nil
	}
	const path = "events.catalog"
	document, err := d.Document(d.Events.Catalog)
	if err != nil {
		problems.add(path, "", "%s", err)
		return problems
	}
	if version := gjson.GetBytes(document, "asyncapi").String(); !strings.HasPrefix(version, "2.") {
		problems.add(path, "write asyncapi: 2.6.0", "%s is no AsyncAPI 2 document", d.Events.Catalog)
		return problems
	}
	var catalog struct {
		Channels map[string]struct {
			Subscribe struct{ Summary string }
		}
	}
	if err := json.Unmarshal(document, &catalog); err != nil {
		problems.add(path, "", "%s: its channels cannot be read: %s", d.Events.Catalog, err)
		return problems
	}
	if len(catalog.Channels) == 0 {
		problems.add(path, "add a channel for each event type", "%s has no channels", d.Events.Catalog)
	}
	for _, channel := range sortedKeys(catalog.Channels) {
		name, version := event.SplitType(channel)
		if version == "" {
			problems.add(path, "call it "+channel+".v1", "%s: the channel %q does not end in a version", d.Events.Catalog, channel)
			continue
		}
		if err := event.CheckType(name); err != nil {
			problems.add(path, "choose a name of letters, digits and dots", "%s: the channel %q: %s", d.Events.Catalog, channel, err)
			continue
		}
		d.eventTypes = append(d.eventTypes, EventType{Name: name, Version: version, Summary: catalog.Channels[channel].Subscribe.Summary})
	}
	return problems
}

// Document reads a JSON or YAML document beside the definition, as JSON.
func (d *Definition) Document(name string) ([]byte, error) {
	data, err := d.File(name)
	if err != nil {
		return nil, err
	}
	if json.Valid(data) {
		return data, nil
	}
	if err := safeyaml.Aliases(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	converted, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, fmt.Errorf("%s is neither JSON nor YAML: %w", name, err)
	}
	return converted, nil
}
