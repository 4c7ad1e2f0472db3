package registrationjob

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReadCounted(t *testing.T) {
	t.Parallel()
	assert.Equal(t, map[string]int64{"A.B.v1": 5, "other": 1}, readCounted([]byte(`# HELP x y
kyma_connectors_gateway_events_total{route="webhook",outcome="accepted"} 9
kyma_connectors_gateway_event_types_total{type="A.B.v1"} 3
kyma_connectors_gateway_event_types_total{pod="b",type="A.B.v1"} 2
kyma_connectors_gateway_event_types_total{type="other"} 1
kyma_connectors_gateway_event_types_total{type="never"} 0
kyma_connectors_gateway_event_types_total{type="broken"} many
kyma_connectors_gateway_event_types_total{type=`)))
	assert.Empty(t, readCounted([]byte("<html>")))
}
