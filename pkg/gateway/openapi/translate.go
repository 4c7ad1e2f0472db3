package openapi

import (
	"encoding/json"
	"strings"
)

// kept are the keywords that mean the same in JSON Schema and in OpenAPI 3.0.
var kept = []string{
	"title", "description", "default", "format", "enum", "required", "pattern", "multipleOf", "maximum", "minimum", "maxLength", "minLength",
	"maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "readOnly", "writeOnly", "deprecated", "nullable", "example",
}

// translate makes an OpenAPI 3.0 schema of a JSON Schema. What OpenAPI cannot say is left out, so that the
// result allows more, never less.
func translate(schema any) any {
	s, ok := schema.(object)
	if !ok {
		if schema == false {
			return object{"not": object{}}
		}
		return object{}
	}
	if ref, ok := s["$ref"].(string); ok {
		if strings.HasPrefix(ref, "#/components/schemas/") {
			return object{"$ref": ref}
		}
		return object{}
	}
	out := object{}
	for _, key := range kept {
		if value, ok := s[key]; ok {
			out[key] = value
		}
	}
	if value, ok := s["const"]; ok {
		out["enum"] = []any{value}
	}
	if examples, ok := s["examples"].([]any); ok && len(examples) > 0 {
		out["example"] = examples[0]
	}
	translateType(s["type"], out)
	translateBound(s, out, "minimum", "exclusiveMinimum")
	translateBound(s, out, "maximum", "exclusiveMaximum")
	translateNested(s, out)
	return out
}

// translateType knows lists of types, which OpenAPI 3.0 does not.
func translateType(value any, out object) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var types []any
	for _, t := range list {
		switch t {
		case "null":
			out["nullable"] = true
		case nil:
		default:
			types = append(types, t)
		}
	}
	switch len(types) {
	case 0:
	case 1:
		out["type"] = types[0]
	default:
		alternatives := make([]any, len(types))
		for i, t := range types {
			alternatives[i] = object{"type": t}
		}
		out["anyOf"] = alternatives
	}
}

// translateBound knows bounds that are excluded, which are numbers in newer drafts.
func translateBound(s, out object, bound, exclusive string) {
	switch value := s[exclusive].(type) {
	case bool:
		out[exclusive] = value
	case float64, json.Number:
		out[bound], out[exclusive] = value, true
	}
}

// translateNested goes down into the schemas that a schema consists of. A negation would forbid more where
// what it negates allows more, so there is none; for the same reason one of several becomes any of them.
func translateNested(s, out object) {
	if properties, ok := s["properties"].(object); ok {
		translated := object{}
		for name, property := range properties {
			translated[name] = translate(property)
		}
		out["properties"] = translated
	}
	switch items := s["items"].(type) {
	case object, bool:
		out["items"] = translate(items)
	default:
		if out["type"] == "array" {
			out["items"] = object{}
		}
	}
	if _, patterns := s["patternProperties"]; !patterns { // they would count as additional
		switch more := s["additionalProperties"].(type) {
		case bool:
			out["additionalProperties"] = more
		case object:
			out["additionalProperties"] = translate(more)
		}
	}
	var all []any
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		list, ok := s[key].([]any)
		if !ok {
			continue
		}
		translated := make([]any, len(list))
		for i, item := range list {
			translated[i] = translate(item)
		}
		if key == "allOf" {
			all = append(all, translated...)
		} else {
			all = append(all, object{"anyOf": translated})
		}
	}
	if types, ok := out["anyOf"]; ok {
		delete(out, "anyOf")
		all = append(all, object{"anyOf": types})
	}
	switch len(all) {
	case 0:
	case 1:
		if alternatives, ok := all[0].(object)["anyOf"]; ok {
			out["anyOf"] = alternatives
			return
		}
		fallthrough
	default:
		out["allOf"] = all
	}
}
