package form

import (
	"fmt"
	"math"
	"regexp/syntax"
	"strings"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonref"
)

// Sample makes the smallest parameters that the form accepts: its required fields, with their default,
// example or first allowed value where there is one. It fails where no value can be guessed.
func (s *Schema) Sample() (map[string]any, error) {
	return s.checked(s.sample(s.Required()))
}

// FullSample is Sample with every field that has a default, an example or a list of values.
func (s *Schema) FullSample() (map[string]any, error) {
	names := s.Required()
	for _, name := range s.Names() {
		property, _ := s.properties()[name].(map[string]any)
		for _, keyword := range []string{"default", "examples", "enum"} {
			if _, ok := property[keyword]; ok {
				names = append(names, name)
			}
		}
	}
	return s.checked(s.sample(names))
}

func (s *Schema) sample(names []string) map[string]any {
	sample, m := map[string]any{}, &maker{Schema: s, left: maxSample}
	for _, name := range names {
		property, _ := s.properties()[name].(map[string]any)
		sample[name] = m.value(property, 0)
	}
	return sample
}

func (s *Schema) checked(sample map[string]any) (map[string]any, error) {
	problems, err := s.Check(sample)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("no sample value fits %w; give the field examples with one that does", problems[0])
	}
	return sample, nil
}

// maxSampleDepth bounds how deep a sample looks into a field.
const maxSampleDepth = 16

// maker makes samples.
type maker struct {
	*Schema
	left int // values that it may still make
}

func (s *maker) value(property map[string]any, depth int) any {
	if ref, ok := property["$ref"].(string); ok {
		property = s.resolve(ref)
	}
	if value, ok := property["default"]; ok {
		return value
	}
	for _, keyword := range []string{"examples", "enum"} {
		if list, _ := property[keyword].([]any); len(list) > 0 {
			return list[0]
		}
	}
	if s.left--; s.left < 0 || depth > maxSampleDepth {
		return nil
	}
	switch property["type"] {
	case "integer", "number":
		return sampleNumber(property)
	case "boolean":
		return false
	case "array":
		items, _ := property["items"].(map[string]any)
		sample := []any{}
		for range number(property, "minItems", 0) {
			if s.left <= 0 {
				break
			}
			sample = append(sample, s.value(items, depth+1))
		}
		return sample
	case "object":
		return s.object(property, depth)
	case nil:
		for _, keyword := range []string{"oneOf", "anyOf", "allOf"} {
			if list, _ := property[keyword].([]any); len(list) > 0 {
				first, _ := list[0].(map[string]any)
				return s.value(first, depth+1)
			}
		}
	}
	return sampleString(property)
}

func (s *maker) object(property map[string]any, depth int) map[string]any {
	sample := map[string]any{}
	required, _ := property["required"].([]any)
	fields, _ := property["properties"].(map[string]any)
	for _, item := range required {
		name, _ := item.(string)
		field, _ := fields[name].(map[string]any)
		sample[name] = s.value(field, depth+1)
	}
	return sample
}

// resolve is what a reference within the form leads to; nil for nothing.
func (s *Schema) resolve(ref string) map[string]any {
	found, _ := jsonref.Find(s.document, ref)
	node, _ := found.(map[string]any)
	return node
}

// maxRepeat bounds the tries to make a text as long as it has to be, and no longer.
const maxRepeat = 64

// maxSample bounds what is made: the bytes of a text, and the values of a form.
const maxSample = 64 << 10

func number(property map[string]any, keyword string, otherwise int) int {
	if n, ok := property[keyword].(float64); ok {
		return int(n)
	}
	return otherwise
}

func sampleNumber(property map[string]any) float64 {
	step, found := property["multipleOf"].(float64)
	if !found || step <= 0 {
		step = 1
	}
	least, bounded := property["minimum"].(float64)
	most, limited := property["maximum"].(float64)
	if !bounded && limited && most <= 0 {
		n := math.Floor(most/step) * step
		if exclusive, _ := property["exclusiveMaximum"].(bool); exclusive && n == most {
			n -= step
		}
		return n
	}
	n := math.Ceil(least/step) * step
	if exclusive, _ := property["exclusiveMinimum"].(bool); exclusive && n == least {
		n += step
	}
	return n
}

func sampleString(property map[string]any) string {
	least := min(number(property, "minLength", 0), maxSample)
	if pattern, ok := property["pattern"].(string); ok {
		if parsed, err := syntax.Parse(pattern, syntax.Perl); err == nil {
			text := sampleText(parsed, 1)
			for n := 2; len([]rune(text)) < least && n <= maxRepeat; n++ {
				text = sampleText(parsed, n)
			}
			if len([]rune(text)) < least {
				text = sampleText(parsed, least)
			}
			return text
		}
	}
	if text, known := map[any]string{
		"uri": "https://example.com", "hostname": "example.com", "email": "user@example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "date-time": "2020-01-01T00:00:00Z",
	}[property["format"]]; known {
		return text
	}
	text := "sample"
	if len(text) < least {
		text = strings.Repeat("x", least)
	}
	return text[:min(max(number(property, "maxLength", len(text)), 0), len(text))]
}

// sampleText makes a short text that matches the expression, where that takes no looking back. What may be repeated without end
// is repeated n times, or not at all where n is 1 and nothing will do.
func sampleText(re *syntax.Regexp, n int) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		return string(sampleRune(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "x"
	case syntax.OpCapture:
		return sampleText(re.Sub[0], n)
	case syntax.OpPlus:
		return strings.Repeat(sampleText(re.Sub[0], 1), n)
	case syntax.OpStar:
		return strings.Repeat(sampleText(re.Sub[0], 1), n-1)
	case syntax.OpRepeat:
		times := max(re.Min, n-1)
		if re.Max >= 0 {
			times = min(times, re.Max)
		}
		return strings.Repeat(sampleText(re.Sub[0], 1), times)
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(sampleText(sub, n))
		}
		return b.String()
	case syntax.OpAlternate:
		return sampleText(re.Sub[0], n)
	default: // ?, anchors: nothing
		return ""
	}
}

// sampleRune picks a letter or digit of the class where there is one.
func sampleRune(ranges []rune) rune {
	for _, wish := range []rune{'a', 'A', '0', '1', 'x'} {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= wish && wish <= ranges[i+1] {
				return wish
			}
		}
	}
	if len(ranges) == 0 {
		return 'x'
	}
	return ranges[0]
}
