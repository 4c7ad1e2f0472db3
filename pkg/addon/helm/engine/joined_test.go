package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestJoinedIsWhatFmtPrints(t *testing.T) {
	t.Parallel()
	for _, call := range []struct {
		format string
		args   []any
		simple bool
	}{
		{"", nil, true}, {"text", nil, true}, {"%s", []any{"a"}, true}, {"\n%s\n", []any{"a\nb"}, true}, {"%s-%s.%s", []any{"a", "%s", ""}, true}, {"%sx%sé", []any{"é", "\xff"}, true},
		{"%s", nil, false}, {"%s", []any{"a", "b"}, false}, {"text", []any{"a"}, false}, {"%s %d", []any{"a", 1}, false}, {"%d", []any{1}, false}, {"%s", []any{1}, false},
		{"%s", []any{nil}, false}, {"100%%", nil, false}, {"%", nil, false}, {"%5s", []any{"a"}, false}, {"%[1]s", []any{"a"}, false}, {"%v", []any{"a"}, false},
	} {
		printed, simple := joined(call.format, call.args)
		assert.Equal(t, call.simple, simple, "%q", call.format)
		if simple {
			assert.Equal(t, fmt.Sprintf(call.format, call.args...), printed, "%q", call.format)
		}
	}
}
