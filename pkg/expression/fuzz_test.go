package expression_test

import (
	"encoding/json"
	"testing"

	"github.com/kyma-connectors/kyma-connectors/pkg/expression"
)

// FuzzCompileAndEval: no expression and no body make the language panic or hang, and a program gives what
// its kind says.
func FuzzCompileAndEval(f *testing.F) {
	f.Add(`strip(first(body("type"), body("event-type")), ["sap."], [".v1"])`, []byte(`{"type":"sap.a.v1"}`))
	f.Add(`{"a": json("n"), "b": [capture(body("x"), "(a+)+$")]}`, []byte(`{"n":1e999,"x":"aaaaaaaaaaaaaaaaaaaaaaaa!"}`))
	f.Add(`any(json("l"), # matches "^a") ? content : need(body(""))`, []byte(`{"l":["a"]}`))
	f.Fuzz(func(t *testing.T, source string, body []byte) {
		in := expression.Input{RawBody: body, Content: body}
		for _, kind := range []expression.Kind{expression.String, expression.Bool, expression.List, expression.Any} {
			program, err := expression.Compile(source, expression.Event, kind)
			if err != nil {
				continue
			}
			out, err := program.Eval(in)
			if err != nil {
				continue
			}
			ok := true
			switch kind {
			case expression.String:
				_, ok = out.(string)
			case expression.Bool:
				_, ok = out.(bool)
			case expression.List:
				_, ok = out.([]string)
			case expression.Any:
				data, err := program.EvalJSON(in)
				ok = err != nil || !json.Valid(body) || json.Valid(data)
			}
			if !ok {
				t.Fatalf("%s gives %T as %s", source, out, kind)
			}
		}
	})
}
