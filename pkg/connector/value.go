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
	out, err := v.program.Eval(in)
	if err != nil {
		return "", err
	}
	s, ok := out.(string)
	if !ok {
		return "", fmt.Errorf("expression %q gives %T, not a string", v.text, out)
	}
	return s, nil
}

// Bool evaluates to a boolean. An unset value gives fallback.
func (v Value) Bool(in expression.Input, fallback bool) (bool, error) {
	if !v.set {
		return fallback, nil
	}
	if v.program == nil {
		return strconv.ParseBool(v.text)
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

// Any evaluates to any JSON value; a literal is a string, an unset value nil.
func (v Value) Any(in expression.Input) (any, error) {
	if !v.set {
		return nil, nil
	}
	if v.program == nil {
		return v.text, nil
	}
	return v.program.Eval(in)
}

func (v *Value) compile(scope expression.Scope, kind expression.Kind) error {
	source, ok := strings.CutPrefix(v.text, "=")
	if !ok {
		return nil
	}
	program, err := expression.Compile(source, scope, kind)
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
		*v = Value{text: string(data), set: true}
	default:
		return fmt.Errorf("want a text or an expression, not %s", data)
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(v.text) }

// UnmarshalJSON implements json.Unmarshaler: a list, or a single value.
func (l *ValueList) UnmarshalJSON(data []byte) error {
	return unmarshalOneOrMany(data, (*[]Value)(l))
}

// UnmarshalJSON implements json.Unmarshaler: a list, or a single object.
func (l *AuthList) UnmarshalJSON(data []byte) error {
	return unmarshalOneOrMany(data, (*[]Auth)(l))
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

// MarshalJSON implements json.Marshaler.
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

// UnmarshalJSON implements json.Unmarshaler.
func (t *Template) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &t.root) }

// MarshalJSON implements json.Marshaler.
func (t Template) MarshalJSON() ([]byte, error) { return json.Marshal(t.root) }
