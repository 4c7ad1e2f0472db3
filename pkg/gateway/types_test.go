package gateway_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// New events are counted by the types of the catalog; a type that a sender makes up adds no label.
func TestAcceptedEventsAreCountedByType(t *testing.T) {
	t.Parallel()
	set := telemetry.NewMetrics(gateway.MetricsPrefix)
	metrics := gateway.NewMetrics(set)
	metrics.KnowTypes([]string{"A.B.v1", "A.C.v1"})
	var kept *gateway.Record
	take := func(duplicates []bool, types ...string) {
		buffer := keeping(&kept, duplicates)
		p := gateway.NewPipeline(gateway.PipelineOptions{Metrics: metrics, Sink: &gatewaytest.Sink{}, Buffer: &buffer})
		var items []mapping.Item
		for _, name := range types {
			e := newEvent(name)
			e.Type = name
			items = append(items, mapping.Item{Outcome: mapping.Accepted, Event: e})
		}
		p.Take(context.Background(), gateway.NewRoute("webhook", gateway.Stages{}), &gateway.Delivery{}, result(mapping.Accepted, "", items...))
	}
	take(nil, "A.B", "A.B", "Made.Up", "Also.Made.Up")
	take([]bool{true}, "A.B")
	var text strings.Builder
	set.Write(&text)
	for _, want := range []string{
		`kyma_connectors_gateway_event_types_total{type="A.B.v1"} 2`,
		`kyma_connectors_gateway_event_types_total{type="A.C.v1"} 0`,
		`kyma_connectors_gateway_event_types_total{type="other"} 2`,
	} {
		assert.Contains(t, text.String(), want+"\n")
	}
	assert.NotContains(t, text.String(), "Made")
}
