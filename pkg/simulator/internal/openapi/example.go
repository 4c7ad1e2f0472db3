package openapi

import (
	"encoding/json"
	"maps"
	"slices"
)

// maxDepth bounds what is made of a schema that contains itself.
const maxDepth = 6

// formats are texts for the formats that a schema may name.
var formats = map[string]string{
	"date-time": "2026-01-02T03:04:05Z", "date": "2026-01-02", "time": "03:04:05Z", "duration": "PT1H",
	"uuid": "8f14e45f-ceea-467f-a0e6-1f0b4f3c2d10", "email": "ada@example.com", "uri": "https://example.com/1", "url": "https://example.com/1",
	"hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "byte": "dGV4dA==",
}

// example makes a value that a schema describes: what the schema shows, else the simplest thing that fits its
// type. Patterns are not minded.
func (d *Document) example(schema any, depth int) any {
	s := d.object(schema)
	if s == nil || depth > maxDepth {
		return map[string]any{}
	}
	if value, ok := shownIn(s); ok {
		return value
	}
	for _, combined := range []string{"oneOf", "anyOf"} {
		if list, ok := s[combined].([]any); ok && len(list) > 0 {
			return d.example(list[0], depth+1)
		}
	}
	switch kindOf(s) {
	case "object":
		return d.exampleObject(s, depth)
	case "array":
		if depth >= maxDepth || s["items"] == nil {
			return []any{}
		}
		return []any{d.example(s["items"], depth+1)}
	case "integer", "number":
		if least, ok := s["minimum"].(json.Number); ok {
			return least
		}
		return 1
	case "boolean":
		return true
	case "null":
		return nil
	case "string":
		return text(s)
	}
	return map[string]any{}
}

// shownIn is what a schema shows: an example, a constant, its default or its first choice.
func shownIn(s map[string]any) (any, bool) {
	for _, name := range []string{"example", "const", "default"} {
		if value, ok := s[name]; ok {
			return value, true
		}
	}
	for _, name := range []string{"examples", "enum"} {
		if list, ok := s[name].([]any); ok && len(list) > 0 {
			return list[0], true
		}
	}
	return nil, false
}

// kindOf is the type of a schema; where it says none, it follows from what else it says.
func kindOf(s map[string]any) string {
	switch kind := s["type"].(type) {
	case string:
		return kind
	case []any:
		for _, one := range kind {
			if name, ok := one.(string); ok && name != "null" {
				return name
			}
		}
		return "null"
	}
	switch {
	case s["properties"] != nil, s["allOf"] != nil:
		return "object"
	case s["items"] != nil:
		return "array"
	}
	return ""
}

func (d *Document) exampleObject(s map[string]any, depth int) any {
	out := map[string]any{}
	parts, _ := s["allOf"].([]any)
	for _, part := range parts {
		if object, ok := d.example(part, depth+1).(map[string]any); ok {
			maps.Copy(out, object)
		}
	}
	if depth >= maxDepth {
		return out
	}
	properties, _ := s["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if written, _ := d.object(properties[name])["writeOnly"].(bool); !written {
			out[name] = d.example(properties[name], depth+1)
		}
	}
	return out
}

// text is a text of the format and the length that a schema wants.
func text(s map[string]any) string {
	format, _ := s["format"].(string)
	if known, ok := formats[format]; ok {
		return known
	}
	out := "text"
	if least, ok := s["minLength"].(json.Number); ok {
		if n, err := least.Int64(); err == nil && n < 1000 {
			for int64(len(out)) < n {
				out += "x"
			}
		}
	}
	if most, ok := s["maxLength"].(json.Number); ok {
		if n, err := most.Int64(); err == nil && n >= 0 && n < int64(len(out)) {
			out = out[:n]
		}
	}
	return out
}
