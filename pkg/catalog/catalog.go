// Package catalog reads event catalogs: AsyncAPI 2 documents that have a channel for each event type, with
// the schema of its payload and examples.
package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonref"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonschema"
)

// Catalog is a document whose references have been walked. It is not safe for concurrent use; what it
// compiles is.
type Catalog struct {
	document []byte
	root     map[string]any
	set      *jsonschema.Set
	compiled map[string]*jsonschema.Schema
}

// Message is what a channel carries.
type Message struct {
	// At is where it is in the document, a JSON pointer.
	At string
	// Payload is the schema of the payload, nil where there is none; PayloadAt is where it is.
	Payload   any
	PayloadAt string
	Examples  []Example
}

// Example is an example of a message.
type Example struct {
	// At is where its payload is.
	At string
	// Payload is JSON, nil where the example has none.
	Payload json.RawMessage
}

// Of reads the catalog of a definition; nil where it has none.
func Of(d *connector.Definition) (*Catalog, error) {
	if d.Events == nil {
		return nil, nil
	}
	document, err := d.Document(d.Events.Catalog)
	if err != nil {
		return nil, err
	}
	c, err := Parse(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Events.Catalog, err)
	}
	return c, nil
}

// Parse reads a JSON document. A reference that is not local, or leads back to itself, is a *jsonref.Error.
func Parse(document []byte) (*Catalog, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var root map[string]any
	if err := decoder.Decode(&root); err != nil || root == nil {
		return nil, errors.New("the event catalog is no JSON object")
	}
	if err := jsonref.Check(root, "$id"); err != nil {
		return nil, err
	}
	return &Catalog{document: document, root: root, compiled: map[string]*jsonschema.Schema{}}, nil
}

// Document is the catalog as JSON.
func (c *Catalog) Document() []byte { return c.document }

// Version is the version of AsyncAPI, such as 2.0.0.
func (c *Catalog) Version() string {
	version, _ := c.root["asyncapi"].(string)
	return version
}

// InfoVersion is the version of the catalog itself, empty where it has none.
func (c *Catalog) InfoVersion() string {
	info, _ := c.root["info"].(map[string]any)
	version, _ := info["version"].(string)
	return version
}

// Channels are the names of the channels: event types with their versions.
func (c *Catalog) Channels() []string {
	channels, _ := c.root["channels"].(map[string]any)
	return slices.Sorted(maps.Keys(channels))
}

// Schemas are the named schemas.
func (c *Catalog) Schemas() map[string]any {
	components, _ := c.root["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	return schemas
}

// ChannelAt is where a channel is in the document.
func ChannelAt(channel string) string { return "#/channels/" + jsonref.Escape(channel) }

// Summary is what the channel says that happened.
func (c *Catalog) Summary(channel string) string {
	_, operation := c.object(ChannelAt(channel), "subscribe")
	summary, _ := operation["summary"].(string)
	return summary
}

// Message is what a channel carries. It is an error where there is no channel of that name, no message, or
// more than one.
func (c *Catalog) Message(channel string) (*Message, error) {
	at, message := c.object(ChannelAt(channel), "subscribe", "message")
	if message == nil {
		return nil, errors.New("there is no message: add subscribe.message")
	}
	if message["oneOf"] != nil {
		return nil, errors.New("there are several messages: give each event type a channel of its own")
	}
	m := &Message{At: at}
	if message["payload"] != nil {
		m.Payload, m.PayloadAt = message["payload"], at+"/payload"
	}
	examples, _ := message["examples"].([]any)
	for i, value := range examples {
		e := Example{At: at + "/examples/" + strconv.Itoa(i)}
		if example, ok := value.(map[string]any); ok {
			if payload, has := example["payload"]; has {
				e.At += "/payload"
				e.Payload, _ = json.Marshal(payload) // cannot fail: it was decoded
			}
		}
		m.Examples = append(m.Examples, e)
	}
	return m, nil
}

// object follows names and references; the object is nil where there is none.
func (c *Catalog) object(at string, names ...string) (string, map[string]any) {
	for i := 0; ; i++ {
		node, _ := jsonref.Find(c.root, at)
		object, _ := node.(map[string]any)
		for ref, ok := object["$ref"].(string); ok; ref, ok = object["$ref"].(string) {
			at = ref // it leads somewhere, and not back: Parse looked
			node, _ = jsonref.Find(c.root, at)
			object, _ = node.(map[string]any)
		}
		if object == nil || i == len(names) {
			return at, object
		}
		at += "/" + names[i]
	}
}

// Schema compiles the schema of a channel's payload. Channels with the same payload have the same schema.
func (c *Catalog) Schema(channel string) (*jsonschema.Schema, error) {
	m, err := c.Message(channel)
	if err != nil {
		return nil, err
	}
	if m.Payload == nil {
		return nil, errors.New("the message has no payload")
	}
	if known := c.compiled[m.PayloadAt]; known != nil {
		return known, nil
	}
	if format := c.format(m.At); format != "" {
		return nil, fmt.Errorf("the payload is described by %s: want JSON Schema", format)
	}
	if c.set == nil {
		if c.set, err = jsonschema.NewSet(c.document); err != nil {
			return nil, err
		}
	}
	compiled, err := c.set.Compile(m.PayloadAt)
	if err != nil {
		return nil, err
	}
	c.compiled[m.PayloadAt] = compiled
	return compiled, nil
}

// format is the language that a payload is described in where it is not JSON Schema.
func (c *Catalog) format(at string) string {
	_, message := c.object(at)
	format, _ := message["schemaFormat"].(string)
	name, _, _ := strings.Cut(cmp.Or(format, "application/schema"), ";")
	if strings.HasPrefix(name, "application/schema") || strings.HasPrefix(name, "application/vnd.aai.asyncapi") {
		return ""
	}
	return name
}

// Undescribed are the members of payloads that nothing describes: neither a description of their own, nor
// that of the schema that they refer to. Each is the pointer to a member, in order.
func (c *Catalog) Undescribed() []string {
	found, seen := map[string]bool{}, map[string]bool{}
	for _, channel := range c.Channels() {
		if m, err := c.Message(channel); err == nil && m.Payload != nil {
			c.undescribed(m.PayloadAt, seen, found)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func (c *Catalog) undescribed(at string, seen, found map[string]bool) {
	at, schema := c.object(at)
	if schema == nil || seen[at] {
		return
	}
	seen[at] = true
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		below := at + "/properties/" + jsonref.Escape(name)
		_, target := c.object(below)
		own, _ := property.(map[string]any)
		if own["description"] == nil && target["description"] == nil {
			found[below] = true
		}
		c.undescribed(below, seen, found)
	}
	for _, keyword := range []string{"items", "additionalProperties", "if", "then", "else", "not"} {
		c.undescribed(at+"/"+keyword, seen, found)
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf", "items"} {
		list, _ := schema[keyword].([]any)
		for i := range list {
			c.undescribed(at+"/"+keyword+"/"+strconv.Itoa(i), seen, found)
		}
	}
}

// Members are the names of all members that schemas describe.
func (c *Catalog) Members() map[string]bool {
	names := map[string]bool{}
	members(c.root, names)
	return names
}

func members(node any, names map[string]bool) {
	switch n := node.(type) {
	case []any:
		for _, item := range n {
			members(item, names)
		}
	case map[string]any:
		if properties, ok := n["properties"].(map[string]any); ok {
			for name := range properties {
				names[name] = true
			}
		}
		for _, child := range n {
			members(child, names)
		}
	}
}
