package connector

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// Literal is a value that is no expression.
func Literal(text string) Value { return Value{text: text, set: true} }

// IsSet says whether the definition has the value at all.
func (v Value) IsSet() bool { return v.set }

// Source is the value as written, with the leading "=" of an expression.
func (v Value) Source() string { return v.text }

// Parameters are the names of the parameters that the value reads.
func (v Value) Parameters() []string {
	if v.program == nil {
		return nil
	}
	return v.program.Parameters()
}

// Text evaluates to a string. An unset value is empty.
func (v Value) Text(in expression.Input) (string, error) {
	if v.program == nil {
		return v.text, nil
	}
	return v.program.EvalText(in)
}

// Bool evaluates to a boolean. An unset value gives fallback.
func (v Value) Bool(in expression.Input, fallback bool) (bool, error) {
	if !v.set {
		return fallback, nil
	}
	if v.program == nil {
		return v.text == "true", nil // loading made sure of the text
	}
	out, err := v.program.Eval(in)
	if err != nil {
		return false, err
	}
	b, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("expression %q gives %T, not true or false", v.text, out)
	}
	return b, nil
}

// Any evaluates to what json.Marshal takes; a literal is a string, or the number or boolean as it is
// written; an unset value nil.
func (v Value) Any(in expression.Input) (any, error) {
	if !v.set {
		return nil, nil
	}
	if v.program == nil {
		if v.scalar {
			return json.RawMessage(v.text), nil
		}
		return v.text, nil
	}
	return v.program.Eval(in)
}

// JSON evaluates to a JSON document. A literal is a string, or the number or boolean as it is written; an
// unset value is nil.
func (v Value) JSON(in expression.Input) (json.RawMessage, error) {
	switch {
	case !v.set:
		return nil, nil
	case v.program != nil:
		return v.program.EvalJSON(in)
	case v.scalar:
		return json.RawMessage(v.text), nil
	default:
		return json.Marshal(v.text)
	}
}

// List evaluates to a list of texts; a single text is a list of one, an unset value an empty list.
func (v Value) List(in expression.Input) ([]string, error) {
	switch {
	case !v.set:
		return nil, nil
	case v.program == nil:
		return []string{v.text}, nil
	}
	out, err := v.program.Eval(in)
	if err != nil {
		return nil, err
	}
	switch out := out.(type) {
	case []string:
		return out, nil
	case string:
		return []string{out}, nil
	default:
		return nil, fmt.Errorf("expression %q gives %T, not a list of texts", v.text, out)
	}
}

// List evaluates to the texts of all values, one after the other.
func (l ValueList) List(in expression.Input) ([]string, error) {
	var out []string
	for _, v := range l {
		texts, err := v.List(in)
		if err != nil {
			return nil, err
		}
		out = append(out, texts...)
	}
	return out, nil
}

// Uses says whether the value is an expression that uses one of the names, such as "item".
func (v Value) Uses(names ...string) bool { return v.program != nil && v.program.Uses(names...) }

// Reads returns the names of the request's headers and query parameters that the value reads.
func (v Value) Reads() (headers, queries []string) {
	if v.program == nil {
		return nil, nil
	}
	return v.program.Headers(), v.program.Queries()
}

// IsExpression says whether the value has to be evaluated; otherwise it is a literal or not set.
func (v Value) IsExpression() bool { return strings.HasPrefix(v.text, "=") }

// compile makes the program of an expression and checks the literal of a boolean.
func (v *Value) compile(scope expression.Scope, kind expression.Kind) error {
	source, ok := strings.CutPrefix(v.text, "=")
	if !ok {
		if kind == expression.Bool && v.text != "true" && v.text != "false" {
			return fmt.Errorf("want true, false or an expression, not %q", v.text)
		}
		return nil
	}
	program, err := expression.Compile(strings.TrimSpace(source), scope, kind)
	if err != nil {
		return err
	}
	v.program = program
	return nil
}

// UnmarshalJSON implements json.Unmarshaler: strings, numbers and booleans.
func (v *Value) UnmarshalJSON(data []byte) error {
	var raw any
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	switch raw := raw.(type) {
	case string:
		*v = Value{text: raw, set: true}
	case float64, bool:
		*v = Value{text: string(data), set: true, scalar: true}
	default:
		return fmt.Errorf("want a text or an expression, not %s", data)
	}
	return nil
}

// MarshalJSON implements json.Marshaler: the value as written.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.scalar {
		return []byte(v.text), nil
	}
	return json.Marshal(v.text)
}

// UnmarshalJSON implements json.Unmarshaler: a list, or a single value.
func (l *ValueList) UnmarshalJSON(data []byte) error {
	return unmarshalOneOrMany(data, (*[]Value)(l))
}

// UnmarshalJSON implements json.Unmarshaler: a list, or a single object.
func (l *AuthList) UnmarshalJSON(data []byte) error {
	return unmarshalOneOrMany(data, (*[]Auth)(l))
}

// UnmarshalJSON implements json.Unmarshaler: a list, or a single object.
func (l *WebhooksList) UnmarshalJSON(data []byte) error {
	return unmarshalOneOrMany(data, (*[]Webhooks)(l))
}

func unmarshalOneOrMany[T any](data []byte, out *[]T) error {
	if len(data) > 0 && data[0] == '[' {
		return unmarshalStrict(data, out)
	}
	var one T
	if err := unmarshalStrict(data, &one); err != nil {
		return err
	}
	*out = []T{one}
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("want a duration such as 5m, not %s", data)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("want a duration such as 5m, not %q", text)
	}
	*d = Duration(parsed)
	return nil
}

// MarshalJSON implements json.Marshaler: as Go writes it.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

var units = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Size) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	factor := int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, factor = rest, u.factor
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > (1<<62)/factor {
		return fmt.Errorf("want a number of bytes such as 256KiB, not %s", data)
	}
	*s = Size(n * factor)
	return nil
}
