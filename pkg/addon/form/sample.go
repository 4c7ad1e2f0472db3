package form

import (
	"fmt"
	"math"
	"regexp/syntax"
	"strings"
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
	sample := map[string]any{}
	for _, name := range names {
		property, _ := s.properties()[name].(map[string]any)
		sample[name] = sampleValue(property)
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

func sampleValue(property map[string]any) any {
	if value, ok := property["default"]; ok {
		return value
	}
	for _, keyword := range []string{"examples", "enum"} {
		if list, _ := property[keyword].([]any); len(list) > 0 {
			return list[0]
		}
	}
	switch property["type"] {
	case "integer", "number":
		least, _ := property["minimum"].(float64)
		if exclusive, _ := property["exclusiveMinimum"].(bool); exclusive {
			least++
		}
		return math.Ceil(least)
	case "boolean":
		return false
	case "array":
		return []any{}
	case "object":
		return map[string]any{}
	}
	if pattern, ok := property["pattern"].(string); ok {
		if parsed, err := syntax.Parse(pattern, syntax.Perl); err == nil {
			return sampleText(parsed)
		}
	}
	switch property["format"] {
	case "uri":
		return "https://example.com"
	case "hostname":
		return "example.com"
	case "email":
		return "user@example.com"
	}
	text := "sample"
	if least, _ := property["minLength"].(float64); len(text) < int(least) {
		text = strings.Repeat("x", min(int(least), maxSchema))
	}
	return text
}

// sampleText makes a short text that matches the expression, where that takes no looking back.
func sampleText(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		return string(sampleRune(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "x"
	case syntax.OpCapture, syntax.OpPlus:
		return sampleText(re.Sub[0])
	case syntax.OpRepeat:
		return strings.Repeat(sampleText(re.Sub[0]), re.Min)
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(sampleText(sub))
		}
		return b.String()
	case syntax.OpAlternate:
		return sampleText(re.Sub[0])
	default: // *, ?, anchors: nothing
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
