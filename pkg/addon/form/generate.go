package form

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// Property is the JSON Schema of one field.
type Property struct {
	Type        any      `json:"type"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Format      string   `json:"format,omitempty"`
	Pattern     string   `json:"pattern,omitempty"`
	MinLength   int      `json:"minLength,omitempty"`
	Enum        []any    `json:"enum,omitempty"`
	Default     any      `json:"default,omitempty"`
	Examples    []string `json:"examples,omitempty"`
}

type document struct {
	Schema               string     `json:"$schema"`
	Type                 string     `json:"type"`
	AdditionalProperties bool       `json:"additionalProperties"`
	Required             []string   `json:"required,omitempty"`
	Properties           properties `json:"properties"`
}

// properties are fields in the order in which a person reads them.
type properties []namedProperty

type namedProperty struct {
	name string
	Property
}

// MarshalJSON implements json.Marshaler.
func (ps properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, p := range ps {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := compact(p.name)
		if err != nil {
			return nil, err
		}
		property, err := compact(p.Property)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(property)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// The patterns of the kinds, in the syntax that JSON Schema and RE2 share. They let nothing through that
// the connector would refuse for its shape, and are looser where a pattern cannot tell.
const (
	urlPattern      = `https://[^\s/?#@]+(/[^\s?#]*)?`
	hostnamePattern = `[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*`
	namePattern     = `[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`
)

// Parameters are the parameters of a connector in the order of its definition.
type Parameters []NamedParameter

// NamedParameter is a parameter with its name.
type NamedParameter struct {
	Name string
	connector.Parameter
}

// Generate makes the form of a connector's parameters. The same parameters give the same bytes.
func Generate(parameters Parameters) ([]byte, error) {
	d := document{Schema: Draft, Type: "object"}
	for _, p := range parameters {
		d.Properties = append(d.Properties, namedProperty{p.Name, formProperty(p.Parameter)})
		if p.Required {
			d.Required = append(d.Required, p.Name)
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return out.Bytes(), err
}

func formProperty(p connector.Parameter) Property {
	out := Property{Type: "string", Title: p.Title, Description: p.Description}
	if p.Example != "" && p.Kind != connector.KindSecret {
		out.Examples = []string{p.Example}
	}
	pattern := p.Pattern
	switch p.Kind {
	case connector.KindBoolean:
		return Property{Type: "boolean", Title: p.Title, Description: p.Description, Default: p.Default == "true"}
	case connector.KindInteger:
		return Property{Type: "integer", Title: p.Title, Description: p.Description, Default: integer(p.Default), Enum: integers(p.Enum)}
	case connector.KindSecret:
		out.Format = "password"
	case connector.KindURL:
		if p.Required {
			out.Format = "uri"
		}
		pattern = or(pattern, urlPattern)
	case connector.KindHostname:
		pattern = or(pattern, hostnamePattern)
	case connector.KindResourceName:
		pattern = or(pattern, namePattern)
	case connector.KindList:
		pattern = listPattern(p)
	}
	if len(p.Enum) > 0 && p.Kind != connector.KindList {
		for _, value := range p.Enum {
			out.Enum = append(out.Enum, value)
		}
		if !p.Required && !slices.Contains(p.Enum, "") {
			out.Enum = append(out.Enum, "") // a field left empty counts as absent
		}
		pattern = ""
	}
	switch {
	case pattern != "":
		out.Pattern = whole(pattern, p.Required)
	case p.Required && len(out.Enum) == 0:
		out.MinLength = 1
	}
	if p.Default != "" {
		out.Default = p.Default
	}
	return out
}

// listPattern is that of a list in one line: items between commas, with any spaces around them.
func listPattern(p connector.Parameter) string {
	item := or(p.Pattern, `[^,]+`)
	if len(p.Enum) > 0 {
		quoted := make([]string, len(p.Enum))
		for i, value := range p.Enum {
			quoted[i] = regexp.QuoteMeta(value)
		}
		item = strings.Join(quoted, "|")
	}
	return fmt.Sprintf(`\s*(?:%[1]s)(\s*,\s*(?:%[1]s))*[\s,]*`, item)
}

// whole makes a pattern that the whole value must match; a field that is not required may be empty.
func whole(pattern string, required bool) string {
	if !required {
		return "^(?:" + pattern + ")?$"
	}
	if strings.Contains(pattern, "|") {
		return "^(?:" + pattern + ")$"
	}
	return "^" + pattern + "$"
}

func integer(text string) any {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil
	}
	return n
}

func integers(texts []string) []any {
	var out []any
	for _, text := range texts {
		if n := integer(text); n != nil {
			out = append(out, n)
		}
	}
	return out
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// ValueProperty is the JSON Schema of the parameter as a value of the chart: there every field may be
// empty, so that the chart can be looked at without parameters.
func ValueProperty(p connector.Parameter) Property {
	out := Property{Type: "string", Title: p.Title, Description: p.Description}
	switch p.Kind {
	case connector.KindBoolean:
		out.Type = "boolean"
	case connector.KindInteger:
		out.Type = []string{"integer", "string"}
	}
	return out
}

// DefaultValue is what the parameter is in the chart's values.yaml, written as YAML.
func DefaultValue(p connector.Parameter) string {
	switch p.Kind {
	case connector.KindBoolean:
		return strconv.FormatBool(p.Default == "true")
	case connector.KindInteger:
		if p.Default != "" {
			return p.Default
		}
	case connector.KindSecret:
		return `""`
	}
	return strconv.Quote(p.Default)
}

// compact writes JSON without escapes for HTML.
func compact(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(out.Bytes()), err
}
