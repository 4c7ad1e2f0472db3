package subscription

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
	"github.com/kyma-connectors/kyma-connectors/pkg/system"
)

// A webhook of a listing may name millions of topics; they are not all kept.
func TestTopicsAreBounded(t *testing.T) {
	t.Parallel()
	for item, want := range map[string]int{
		`{"topics":["a","b"]}`: 2,
		`{"topics":"a"}`:       1,
		`{"topics":[]}`:        0,
		`{"topics":[1` + strings.Repeat(",1", 1_000_000) + `]}`: maxTopics,
	} {
		e := &system.Evaluator{}
		e.In.Item = []byte(item)
		assert.Len(t, (&section{}).topicsIn(e, connector.Literal("topics")), want)
	}
}
