// Package openapi describes a webhook by an OpenAPI 3.0 document, for systems that make their calls of one.
// It is made of the definition and its event catalog; no parameter has any part in it, so that it cannot hold
// a secret.
package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
)

// FileName is where the document is served, below the webhook's path.
const FileName = "openapi.json"

// object is a JSON object.
type object = map[string]any

// Description is the document of one webhook, but for the address of its server.
type Description struct {
	// Path is where the document is served.
	Path string
	body []byte // begins with a brace
}

// JSON is the document; an empty server, such as https://gateway.example.com, is left out.
func (d *Description) JSON(server string) []byte {
	out := []byte(`{"openapi":"3.0.3",`)
	if server != "" {
		out = append(out, `"servers":[{"url":`...)
		out = append(out, quote(server)...)
		out = append(out, `}],`...)
	}
	return append(out, d.body[1:]...)
}

func quote(text string) []byte {
	out, _ := json.Marshal(text) // cannot fail for a text
	return out
}

// Describe describes the webhook of a delivery.
func Describe(d *connector.Definition, delivery *connector.Delivery) (*Description, error) {
	if delivery.HTTP == nil {
		return nil, fmt.Errorf("delivery %q: it has no webhook to be described", delivery.Name)
	}
	c, err := readCatalog(d)
	if err != nil {
		return nil, err
	}
	b := builder{definition: d, delivery: delivery, catalog: c}
	document := object{
		"info": object{
			"title": d.Metadata.DisplayName + " - " + b.title(), "version": c.version(),
			"description": "Takes events and hands them to Kyma. An event that comes again with the same content is known and not handed on twice.",
		},
		"paths": b.paths(),
		"components": object{
			"schemas": b.schemas(), "securitySchemes": b.securitySchemes(),
		},
	}
	body, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("delivery %q: http.openapi: %w", delivery.Name, err)
	}
	return &Description{Path: strings.TrimRight(delivery.HTTP.Path, "/") + "/" + FileName, body: body}, nil
}

type builder struct {
	definition *connector.Definition
	delivery   *connector.Delivery
	catalog    events
}

func (b *builder) title() string {
	if b.definition.Events != nil {
		return b.definition.Events.Name
	}
	return b.delivery.Name
}

// answerSchema is what the gateway answers with; the name does not come from a catalog.
const answerSchema = "GatewayAnswer"

func (b *builder) schemas() object {
	schemas := b.catalog.schemas()
	schemas[answerSchema] = object{
		"type": "object", "required": []string{"outcome"}, "description": "What became of a request",
		"properties": object{
			"outcome": object{"type": "string", "description": "accepted, duplicate, rejected, …"},
			"events":  object{"type": "array", "items": object{"type": "string"}, "description": "Ids of the events"},
			"error":   object{"type": "string", "description": "What is wrong"},
		},
	}
	return schemas
}

// paths has one operation for each event type where the path says which type it is, and one for all
// otherwise.
func (b *builder) paths() object {
	base := strings.TrimRight(b.delivery.HTTP.Path, "/")
	var parameters []object
	if b.delivery.Verify.PathToken != nil {
		base += "/{token}"
		parameters = append(parameters, object{"name": "token", "in": "path", "required": true, "schema": object{"type": "string"}, "description": "The secret part of the address"})
	}
	paths := object{}
	if !b.typeInPath() {
		paths[cmp.Or(base, "/")] = object{"post": b.operation("sendEvent", "Send an event", b.types(), parameters)}
		return paths
	}
	for _, t := range b.types() {
		path := base + "/" + t.Name
		if _, there := paths[path]; !there { // of several versions the first is named
			paths[path] = object{"post": b.operation(operationID(t.Name), cmp.Or(t.Summary, "Send "+t.Name), []connector.EventType{t}, parameters)}
		}
	}
	return paths
}

// typeInPath says whether the segment after the path is the event's type.
func (b *builder) typeInPath() bool {
	return b.delivery.HTTP.Subpaths && strings.ReplaceAll(b.delivery.Event.Type.Source(), " ", "") == "=path(1)"
}

// types are the event types that the webhook takes.
func (b *builder) types() []connector.EventType {
	named := map[string]bool{}
	if t := b.delivery.Event.Type; t.IsSet() && !t.IsExpression() {
		named[t.Source()] = true
	}
	for _, rule := range b.delivery.Types {
		named[rule.Type] = true
	}
	version := b.delivery.Event.Version
	return slices.DeleteFunc(slices.Clone(b.definition.EventTypes()), func(t connector.EventType) bool {
		return len(named) > 0 && !named[t.Name] || version.IsSet() && !version.IsExpression() && version.Source() != t.Version
	})
}

// operationID makes a name of a type, such as profileUpdated.
func operationID(name string) string {
	var out strings.Builder
	for i, segment := range strings.Split(name, ".") {
		if i > 0 && segment != "" {
			segment = strings.ToUpper(segment[:1]) + segment[1:]
		}
		out.WriteString(segment)
	}
	return out.String()
}

func (b *builder) operation(id, summary string, types []connector.EventType, parameters []object) object {
	op := object{
		"operationId": id, "summary": summary, "responses": b.responses(),
		"requestBody": object{"required": true, "content": b.content(types)},
	}
	if len(parameters) > 0 {
		op["parameters"] = parameters
	}
	if schemes := slices.Sorted(maps.Keys(b.securitySchemes())); len(schemes) > 0 {
		op["security"] = []object{{schemes[0]: []string{}}}
	} else if b.delivery.Verify.PathToken == nil {
		op["description"] = "Requests are signed; this document cannot say how."
	}
	return op
}

var mediaTypes = map[string]string{
	"json": "application/json", "form": "application/x-www-form-urlencoded", "cloudevents": "application/cloudevents+json", "any": "*/*",
}

func (b *builder) content(types []connector.EventType) object {
	accepts := b.delivery.HTTP.Accepts
	if len(accepts) == 0 {
		accepts = []string{"json"}
	}
	content := object{}
	for _, kind := range accepts {
		media := object{"schema": object{}}
		if kind == "json" {
			media = b.payload(types)
		}
		content[mediaTypes[kind]] = media
	}
	return content
}

// payload describes the body, where it is the event's data.
func (b *builder) payload(types []connector.EventType) object {
	anything := object{"schema": object{"type": "object"}}
	data := strings.ReplaceAll(b.delivery.Event.Data.Source(), " ", "")
	if !slices.Contains([]string{"=content", "=rawBody", "=json()"}, data) || b.delivery.Content.IsSet() || b.delivery.Split != "" {
		return anything
	}
	var schemas []any
	var media object
	for _, t := range types {
		m := b.catalog.message(t.FullType())
		media = object{"schema": m.schema}
		if m.example != nil {
			media["example"] = m.example
		}
		if !slices.ContainsFunc(schemas, func(s any) bool { return equal(s, m.schema) }) {
			schemas = append(schemas, m.schema)
		}
	}
	switch {
	case len(types) == 0:
		return anything
	case len(types) == 1:
		return media
	case len(schemas) == 1:
		return object{"schema": schemas[0]}
	default:
		return object{"schema": object{"anyOf": schemas}}
	}
}

func equal(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

// responses are those that a caller can do something about. Where outcomes share a status, the first names it.
func (b *builder) responses() object {
	responses := object{}
	for _, r := range []struct {
		outcome gateway.Outcome
		text    string
	}{
		{gateway.Accepted, "The event was taken"},
		{gateway.Duplicate, "The event was taken before"},
		{gateway.Malformed, "The event is not as it should be"},
		{gateway.Refused, "The credentials are wrong"},
		{gateway.TooLarge, "The event is too large"},
		{gateway.Unknown, "The type of the event is unknown"},
		{gateway.Limited, "Too many failed attempts: come again after the time in Retry-After"},
		{gateway.Unavailable, "Not at the moment: come again after the time in Retry-After"},
	} {
		status := r.outcome.Status(b.delivery.Respond)
		if _, named := responses[strconv.Itoa(status)]; named {
			continue
		}
		response := object{"description": r.text}
		if status != http.StatusNoContent {
			response["content"] = object{"application/json": object{"schema": object{"$ref": "#/components/schemas/" + answerSchema}}}
		}
		responses[strconv.Itoa(status)] = response
	}
	return responses
}

func (b *builder) securitySchemes() object {
	switch v := b.delivery.Verify; {
	case v.Basic != nil:
		return object{"basic": object{"type": "http", "scheme": "basic"}}
	case v.Bearer != nil:
		return object{"bearer": object{"type": "http", "scheme": "bearer"}}
	case v.JWT != nil:
		return object{"bearer": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
	default:
		return object{}
	}
}
