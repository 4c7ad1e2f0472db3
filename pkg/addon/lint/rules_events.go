package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/catalog"
	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonref"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
	"github.com/kyma-connectors/kyma-connectors/schemas/asyncapi"
)

func eventRules() []Rule {
	return []Rule{
		{
			ID: "EVT001", Severity: Error, Suite: SuiteDefinition,
			Summary: "the event catalog is valid by the JSON Schema of its AsyncAPI version, and its references stay in it and do not lead back to themselves",
			Effect:  "whoever reads the catalog refuses it, fetches something from elsewhere, or hangs",
			Next:    "correct what is named: the AsyncAPI specification of that version says what may stand there",
			addon:   func(c *addonContext) []problem { return c.events().problems },
		},
		{
			ID: "EVT002", Severity: Error, Suite: SuiteDefinition,
			Summary: "each channel of the event catalog has a summary, and one message with a payload schema and an example",
			Effect:  "nobody knows what to subscribe to and what arrives; the gateway cannot check payloads",
			Next:    "complete subscribe.summary, subscribe.message.payload and subscribe.message.examples[].payload",
			addon:   eachChannel(incompleteChannel),
		},
		{
			ID: "EVT003", Severity: Error, Suite: SuiteDefinition,
			Summary: "examples in the event catalog fit the schema of their payload",
			Effect:  "readers build on an event that never comes",
			Next:    "correct the example or the schema",
			addon:   eachChannel(wrongExamples),
		},
		{
			ID: "EVT004", Severity: Error, Suite: SuiteDefinition,
			Summary: "the events that samples become fit the payload schema of their type and version",
			Effect:  "the catalog promises something else than the system sends; a gateway that checks payloads refuses what is right",
			Next:    "correct the schema, or the sample where it is not what the system sends",
			addon:   func(c *addonContext) []problem { return c.misfitSamples() },
		},
		{
			ID: "EVT005", Severity: Warning, Suite: SuiteDefinition,
			Summary: "a connector with deliveries has an event catalog, with each event type that the mapping names",
			Effect:  "events arrive that nobody finds in the catalog, and whose payloads cannot be checked",
			Next:    "add a channel of that name to the catalog, or correct the mapping",
			addon:   func(c *addonContext) []problem { return c.uncataloguedTypes() },
		},
		{
			ID: "EVT006", Severity: Warning, Suite: SuiteDefinition,
			Summary: "the mapping can make each event type that the event catalog has",
			Effect:  "users subscribe to events that never come",
			Next:    "add the type to the mapping, or take the channel out of the catalog",
			addon:   func(c *addonContext) []problem { return c.unmappedTypes() },
		},
		{
			ID: "EVT007", Severity: Warning, Suite: SuiteDefinition,
			Summary: "each event type of the event catalog has a sample",
			Effect:  "nobody knows whether the catalog describes what the system really sends",
			Next:    "record a delivery that becomes such an event as a sample",
			addon:   func(c *addonContext) []problem { return c.unsampledTypes() },
		},
		{
			ID: "EVT008", Severity: Warning, Suite: SuiteDefinition,
			Summary: "each member of a payload has a description",
			Effect:  "readers have to guess what they get",
			Next:    "describe the member",
			addon:   func(c *addonContext) []problem { return c.undescribedMembers() },
		},
	}
}

// eventContext is the event catalog as rules see it.
type eventContext struct {
	definition *connector.Definition
	// catalog is nil where there is none, or where problems say what is wrong with it.
	catalog  *catalog.Catalog
	document *document
	problems []problem
}

// readEvents reads the catalog and validates it.
func readEvents(c *addonContext) *eventContext {
	e := &eventContext{}
	var err error
	if e.definition, err = c.definition(); err != nil || e.definition.Events == nil {
		return e
	}
	e.document = c.document(c.chartFile(path.Join(addon.DefinitionDir, e.definition.Events.Catalog)))
	read, err := catalog.Of(e.definition)
	if err != nil {
		var ref *jsonref.Error
		if errors.As(err, &ref) {
			e.add(ref.At, "%s", ref.Error())
		} else {
			e.add("#", "%s", oneLine(err))
		}
		return e
	}
	published, err := asyncapi.Read(read.Version())
	if err != nil {
		e.add("#/asyncapi", "%s", err)
		return e
	}
	schema := c.options.shared.schemas.of(published, compileSchema)
	if schema.err != nil {
		e.add("#/asyncapi", "%s", schema.err)
		return e
	}
	for _, p := range schema.compiled.Problems(read.Document()) {
		e.problems = append(e.problems, e.document.problem(p.Place, "AsyncAPI %s: %s", read.Version(), p))
	}
	if len(e.problems) == 0 {
		e.catalog = read
	}
	return e
}

// add notes a problem at a JSON pointer.
func (e *eventContext) add(at, format string, args ...any) {
	e.problems = append(e.problems, e.problem(at, format, args...))
}

func (e *eventContext) problem(at, format string, args ...any) problem {
	return e.document.problem(pointer(at), format, args...)
}

// eachChannel makes a rule of what is to be said about one channel.
func eachChannel(check func(e *eventContext, channel string) []problem) func(*addonContext) []problem {
	return func(c *addonContext) []problem {
		e := c.events()
		if e.catalog == nil {
			return nil
		}
		var problems []problem
		for _, channel := range e.catalog.Channels() {
			for _, p := range check(e, channel) {
				if !slices.Contains(problems, p) { // channels share messages
					problems = append(problems, p)
				}
			}
		}
		return problems
	}
}

func incompleteChannel(e *eventContext, channel string) []problem {
	at := catalog.ChannelAt(channel)
	var problems []problem
	if e.catalog.Summary(channel) == "" {
		problems = append(problems, e.problem(at, "%s: there is no summary", channel))
	}
	m, err := e.catalog.Message(channel)
	if err != nil {
		return append(problems, e.problem(at, "%s: %s", channel, err))
	}
	if described, isObject := m.Payload.(map[string]any); !isObject || len(described) == 0 {
		problems = append(problems, e.problem(m.At, "the message has no payload schema"))
	} else if _, err := e.catalog.Schema(channel); err != nil {
		problems = append(problems, e.problem(m.PayloadAt, "the payload's schema: %s", err))
	}
	if !slices.ContainsFunc(m.Examples, func(x catalog.Example) bool { return x.Payload != nil }) {
		problems = append(problems, e.problem(m.At, "the message has no example with a payload"))
	}
	return problems
}

func wrongExamples(e *eventContext, channel string) []problem {
	m, err := e.catalog.Message(channel)
	if err != nil {
		return nil
	}
	schema, err := e.catalog.Schema(channel)
	if err != nil {
		return nil
	}
	var problems []problem
	for _, example := range m.Examples {
		if example.Payload == nil {
			continue
		}
		for _, what := range schema.Check(example.Payload) {
			problems = append(problems, e.problem(example.At, "the example: %s", what))
		}
	}
	return problems
}

// sampled is an event that a sample becomes.
type sampled struct {
	file, fullType string
	data           json.RawMessage
}

func (c *addonContext) sampledEvents() []sampled {
	samples := c.parsed.Samples()
	_, files := samples.Entries(".")
	var out []sampled
	for _, name := range files {
		if !strings.HasSuffix(name, goldenSuffix) {
			continue
		}
		data, _ := samples.Read(name)
		var golden struct {
			Events []struct {
				Type, Version string
				Data          json.RawMessage
			} `json:"events"`
		}
		if json.Unmarshal(data, &golden) != nil {
			continue // another rule says so
		}
		for _, e := range golden.Events {
			full := event.Event{Type: e.Type, Version: e.Version}.FullType()
			out = append(out, sampled{file: c.chartFile(path.Join(addon.SamplesDir, name)), fullType: full, data: e.Data})
		}
	}
	return out
}

func (c *addonContext) misfitSamples() []problem {
	e := c.events()
	if e.catalog == nil {
		return nil
	}
	var problems []problem
	for _, s := range c.sampledEvents() {
		schema, err := e.catalog.Schema(s.fullType)
		if err != nil {
			continue // not in the catalog, or another rule says why
		}
		data := s.data
		if len(data) == 0 {
			data = json.RawMessage("null")
		}
		for _, what := range schema.Check(data) {
			problems = append(problems, problem{path: s.file, message: fmt.Sprintf("%s: %s", s.fullType, what)})
		}
	}
	return problems
}

// made are the event types that a delivery can make; an empty name or version is one that the definition
// does not name.
func made(d *connector.Delivery) (names []string, version string) {
	for _, rule := range d.Types {
		names = append(names, rule.Type)
	}
	if t := d.Event.Type; len(names) == 0 {
		names = []string{""}
		if t.IsSet() && !t.IsExpression() {
			names = []string{t.Source()}
		}
	}
	version = mapping.DefaultVersion
	if v := d.Event.Version; v.IsExpression() {
		version = ""
	} else if v.IsSet() {
		version = v.Source()
	}
	return names, version
}

// fits says whether a type of the catalog is one that a delivery makes.
func fits(t connector.EventType, name, version string) bool {
	return (name == "" || name == t.Name) && (version == "" || version == t.Version)
}

// uncataloguedTypes looks at what the definition can be loaded with: a type that it names together with its
// version has to be in the catalog anyway.
func (c *addonContext) uncataloguedTypes() []problem {
	d, err := c.definition()
	if err != nil {
		return nil
	}
	definition := c.document(c.chartFile(path.Join(addon.DefinitionDir, connector.FileName)))
	var problems []problem
	for i := range d.Deliveries {
		delivery, at := &d.Deliveries[i], []string{"deliveries", strconv.Itoa(i)}
		if d.Events == nil {
			problems = append(problems, definition.problem(at, "delivery %s brings events, and there is no event catalog", delivery.Name))
			continue
		}
		names, version := made(delivery)
		for _, name := range names {
			if !slices.ContainsFunc(d.EventTypes(), func(t connector.EventType) bool { return fits(t, name, version) }) {
				problems = append(problems, definition.problem(at, "delivery %s makes %s, which the event catalog does not have", delivery.Name, name))
			}
		}
	}
	return problems
}

func (c *addonContext) unmappedTypes() []problem {
	e := c.events()
	if e.catalog == nil {
		return nil
	}
	var problems []problem
	for _, t := range e.definition.EventTypes() {
		if !e.mapped(t) {
			problems = append(problems, e.problem(catalog.ChannelAt(t.FullType()), "no delivery makes %s", t.FullType()))
		}
	}
	return problems
}

// mapped says whether a delivery can make a type.
func (e *eventContext) mapped(t connector.EventType) bool {
	return slices.ContainsFunc(e.definition.Deliveries, func(d connector.Delivery) bool {
		names, version := made(&d)
		return slices.ContainsFunc(names, func(name string) bool { return fits(t, name, version) })
	})
}

func (c *addonContext) unsampledTypes() []problem {
	e := c.events()
	if e.catalog == nil {
		return nil
	}
	events := c.sampledEvents()
	if len(events) == 0 {
		return nil // other rules want samples at all
	}
	var problems []problem
	for _, t := range e.definition.EventTypes() {
		if e.mapped(t) && !slices.ContainsFunc(events, func(s sampled) bool { return s.fullType == t.FullType() }) {
			problems = append(problems, e.problem(catalog.ChannelAt(t.FullType()), "no sample becomes %s", t.FullType()))
		}
	}
	return problems
}

func (c *addonContext) undescribedMembers() []problem {
	e := c.events()
	if e.catalog == nil {
		return nil
	}
	var problems []problem
	for _, name := range e.catalog.Undescribed() {
		problems = append(problems, e.problem(name, "the member %s has no description", strings.TrimPrefix(name[strings.LastIndex(name, "/"):], "/")))
	}
	return problems
}
