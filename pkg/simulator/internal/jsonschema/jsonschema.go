// Package jsonschema checks values against the few keywords of JSON Schema that the models of event data
// use: type, required, properties, additionalProperties, items, enum, minLength, minimum and pattern.
package jsonschema

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
)

// Check lists what is wrong with a value, each with its path; both are as encoding/json decodes them.
func Check(schema map[string]any, value any) []string { return check(schema, value, "$") }

func check(schema map[string]any, value any, path string) []string {
	if allowed := types(schema["type"]); len(allowed) > 0 && !slices.ContainsFunc(allowed, func(t string) bool { return is(value, t) }) {
		return []string{fmt.Sprintf("%s: not of type %v", path, schema["type"])}
	}
	problems := []string{}
	if enum, ok := schema["enum"].([]any); ok && !slices.ContainsFunc(enum, func(e any) bool { return reflect.DeepEqual(e, value) }) {
		problems = append(problems, path+": none of the values that are allowed")
	}
	switch v := value.(type) {
	case map[string]any:
		problems = append(problems, checkObject(schema, v, path)...)
	case []any:
		if items, ok := schema["items"].(map[string]any); ok {
			for i, item := range v {
				problems = append(problems, check(items, item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	case string:
		if least, ok := schema["minLength"].(float64); ok && float64(len([]rune(v))) < least {
			problems = append(problems, fmt.Sprintf("%s: shorter than %v", path, least))
		}
		if pattern, ok := schema["pattern"].(string); ok {
			if expression, err := regexp.Compile(pattern); err != nil || !expression.MatchString(v) {
				problems = append(problems, path+": does not match "+pattern)
			}
		}
	case float64:
		if least, ok := schema["minimum"].(float64); ok && v < least {
			problems = append(problems, fmt.Sprintf("%s: less than %v", path, least))
		}
	}
	return problems
}

func checkObject(schema, object map[string]any, path string) []string {
	problems := []string{}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := object[fmt.Sprint(name)]; !ok {
			problems = append(problems, fmt.Sprintf("%s.%v: missing", path, name))
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		property, known := properties[name].(map[string]any)
		switch {
		case known:
			problems = append(problems, check(property, object[name], path+"."+name)...)
		case schema["additionalProperties"] == false:
			problems = append(problems, path+"."+name+": not part of the model")
		}
	}
	return problems
}

// types are the values of the keyword type, which is a text or a list.
func types(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		list := []string{}
		for _, t := range v {
			list = append(list, fmt.Sprint(t))
		}
		return list
	}
	return nil
}

func is(value any, kind string) bool {
	switch v := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case []any:
		return kind == "array"
	default:
		return kind == "object"
	}
}
