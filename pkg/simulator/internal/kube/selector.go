package kube

import (
	"fmt"
	"slices"
	"strings"
)

// selector says which objects a list or watch is about.
type selector struct {
	labels []requirement
	fields []requirement
}

type requirement struct {
	key    string
	op     string // "=", "!=", "in", "notin", "exists", "!"
	values []string
}

func (q requirement) matches(value string, present bool) bool {
	switch q.op {
	case "=", "in":
		return present && slices.Contains(q.values, value)
	case "!=", "notin":
		return !present || !slices.Contains(q.values, value)
	case "exists":
		return present
	default:
		return !present
	}
}

func (s selector) matches(o Object) bool {
	labels := o.Labels()
	for _, q := range s.labels {
		value, present := labels[q.key]
		if !q.matches(value, present) {
			return false
		}
	}
	for _, q := range s.fields {
		if !q.matches(o.Text("metadata", strings.TrimPrefix(q.key, "metadata.")), true) {
			return false
		}
	}
	return true
}

func parseSelector(labels, fields string) (selector, *Error) {
	var s selector
	for _, term := range splitTerms(labels) {
		q, ok := parseRequirement(term)
		if !ok {
			return s, badRequest("unable to parse requirement: %q is no label selector", term)
		}
		s.labels = append(s.labels, q)
	}
	for _, term := range splitTerms(fields) {
		q, ok := parseRequirement(term)
		if !ok || q.op != "=" && q.op != "!=" {
			return s, badRequest("invalid field selector %q", term)
		}
		if q.key != "metadata.name" && q.key != "metadata.namespace" {
			return s, badRequest("field label not supported: %s", q.key)
		}
		s.fields = append(s.fields, q)
	}
	return s, nil
}

// splitTerms splits at commas outside of parentheses.
func splitTerms(text string) []string {
	var terms []string
	depth, start := 0, 0
	for i, c := range text {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			terms = append(terms, text[start:i])
			start = i + 1
		}
	}
	if rest := text[start:]; rest != "" || len(terms) > 0 {
		terms = append(terms, rest)
	}
	return terms
}

func parseRequirement(term string) (requirement, bool) {
	term = strings.TrimSpace(term)
	if open := strings.IndexByte(term, '('); open >= 0 && strings.HasSuffix(term, ")") {
		words := strings.Fields(term[:open])
		if len(words) != 2 || words[1] != "in" && words[1] != "notin" || !validLabelKey(words[0]) {
			return requirement{}, false
		}
		var values []string
		for value := range strings.SplitSeq(term[open+1:len(term)-1], ",") {
			values = append(values, strings.TrimSpace(value))
		}
		return requirement{key: words[0], op: words[1], values: values}, true
	}
	for _, operator := range []string{"!=", "==", "="} {
		if key, value, ok := strings.Cut(term, operator); ok {
			op := "="
			if operator == "!=" {
				op = "!="
			}
			key, value = strings.TrimSpace(key), strings.TrimSpace(value)
			return requirement{key: key, op: op, values: []string{value}}, validLabelKey(key) && validLabelValue(value)
		}
	}
	if key, negated := strings.CutPrefix(term, "!"); negated {
		return requirement{key: strings.TrimSpace(key), op: "!"}, validLabelKey(strings.TrimSpace(key))
	}
	return requirement{key: term, op: "exists"}, validLabelKey(term)
}

// checkLabels says what is wrong with labels.
func checkLabels(labels map[string]string) []Cause {
	var causes []Cause
	for key, value := range labels {
		if !validLabelKey(key) {
			causes = append(causes, Invalid("metadata.labels", key, "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"))
		}
		if !validLabelValue(value) {
			causes = append(causes, Invalid("metadata.labels", value, "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character, and must be no more than 63 bytes"))
		}
	}
	slices.SortFunc(causes, func(a, b Cause) int { return strings.Compare(a.Message, b.Message) })
	return causes
}

func validLabelValue(value string) bool { return value == "" || validWord(value, 63, true) }

func validLabelKey(key string) bool {
	prefix, name, found := strings.Cut(key, "/")
	if !found {
		return validWord(key, 63, true)
	}
	return validSubdomain(prefix) && validWord(name, 63, true)
}

func validSubdomain(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !validWord(label, 253, false) {
			return false
		}
	}
	return true
}

// validWord says whether s is alphanumeric at both ends and alphanumeric or '-' inside; free also allows
// capitals, '_' and '.'.
func validWord(s string, limit int, free bool) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alphanumeric := c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || free && c >= 'A' && c <= 'Z'
		inside := i > 0 && i < len(s)-1 && (c == '-' || free && (c == '_' || c == '.'))
		if !alphanumeric && !inside {
			return false
		}
	}
	return true
}

func nameCause(r *Resource, name string) []Cause {
	if name == "" {
		return []Cause{Required("metadata.name", "name or generateName is required")}
	}
	if r.LabelName && !validWord(name, 63, false) || !validSubdomain(name) {
		return []Cause{Invalid("metadata.name", name, fmt.Sprintf("a lowercase RFC 1123 %s must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character", map[bool]string{true: "label", false: "subdomain"}[r.LabelName]))}
	}
	return nil
}
