package expression

import (
	"net/http"
	"testing"

	"github.com/expr-lang/expr/vm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDirectCallsGiveWhatTheMachineGives compares the short way with the general one.
func TestDirectCallsGiveWhatTheMachineGives(t *testing.T) {
	t.Parallel()
	in := Input{
		Params:  map[string]string{"key": "k"},
		Header:  http.Header{"X-Type": {"order"}},
		Path:    []string{"a", "b"},
		RawBody: []byte(`{"id":7,"a":{"b":[1,"x"]},"n":null}`), Content: []byte(`{"id":7,"a":{"b":[1,"x"]},"n":null}`),
	}
	tests := []struct {
		source string
		kind   Kind
		direct bool
	}{
		{`body("id")`, String, true},
		{`body("a")`, String, true},
		{`body("n")`, String, true},
		{`body("none")`, String, true},
		{`body()`, String, true},
		{`header("x-type")`, String, true},
		{`param("key")`, String, true},
		{`content`, String, true},
		{`contentType`, String, true},
		{`json("a.b")`, Any, true},
		{`json()`, Any, true},
		{`path(1)`, String, false},
		{`lower(header("x-type"))`, String, false},
		{`hash(content, header("x-type"))`, String, false},
		{`body("id") == "7"`, Bool, false},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			t.Parallel()
			p, err := Compile(tt.source, Delivery, tt.kind)
			require.NoError(t, err)
			assert.Equal(t, tt.direct, p.direct != nil)
			got, err := p.Eval(in)
			require.NoError(t, err)
			want, err := vm.Run(p.code, &in)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			if tt.kind == String {
				assert.Equal(t, tt.direct, p.read != nil)
				text, err := p.EvalText(in)
				require.NoError(t, err)
				assert.Equal(t, want, text)
			}
		})
	}
}
