package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/gateway/gatewaytest"
	"github.com/kyma-connectors/kyma-connectors/pkg/mapping"
)

// TestWhatASenderDoesNotHearOfIsKept: a refusal over MQTT tells nobody anything, so that what was refused
// would be lost without a word.
func TestWhatASenderDoesNotHearOfIsKept(t *testing.T) {
	t.Parallel()
	large := func(event.Event) error {
		return &gateway.PublishError{Reason: gateway.ReasonTooLarge, Permanent: true, Detail: "too large"}
	}
	tests := []struct {
		name    string
		stores  bool
		unknown bool // the definition keeps unknown types
		check   func(event.Event) error
		mapped  mapping.Result
		outcome gateway.Outcome
		kept    gateway.Reason
	}{
		{"malformed", true, false, nil, result(mapping.Malformed, "no JSON"), gateway.DeadLettered, gateway.ReasonMapping},
		{"rejected", true, false, nil, result(mapping.Rejected, "no id"), gateway.DeadLettered, gateway.ReasonMapping},
		{"too large for the sink", true, false, large, result(mapping.Accepted, "", accepted("a")), gateway.DeadLettered, gateway.ReasonTooLarge},
		{"unknown, and the definition keeps it", true, true, nil, result(mapping.Unknown, "no entry"), gateway.DeadLettered, gateway.ReasonUnknownType},
		{"unknown, and the definition refuses it", true, false, nil, result(mapping.Unknown, "no entry"), gateway.Unknown, ""},
		{"malformed, and nothing can be kept", false, false, nil, result(mapping.Malformed, "no JSON"), gateway.Malformed, ""},
		{"too large, and nothing can be kept", false, false, large, result(mapping.Accepted, "", accepted("a")), gateway.TooLarge, ""},
		{"ignored", true, false, nil, result(mapping.Ignored, ""), gateway.Ignored, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			route := gateway.NewRoute("mqtt", gateway.Stages{
				Verifier: gatewaytest.Verifier(nil),
				Mapper: gatewaytest.Mapper(func(d mapping.Delivery) mapping.Result {
					assert.Equal(t, "the/topic", d.Topic)
					return tt.mapped
				}),
			})
			route.Unheard, route.DeadLetterUnknown, route.RefuseUnknown = true, tt.unknown, !tt.unknown
			var kept *gateway.Record
			var buffer gateway.Buffer = &storing{Buffer: keeping(&kept, nil)}
			if !tt.stores {
				plain := keeping(&kept, nil)
				buffer = &plain
			}
			p := gateway.NewPipeline(gateway.PipelineOptions{Metrics: gatewaytest.Metrics(), Sink: &gatewaytest.Sink{CheckFunc: tt.check}, Buffer: buffer})
			answer := p.Handle(context.Background(), route, &gateway.Delivery{Topic: "the/topic", Body: []byte("raw")})
			assert.Equal(t, tt.outcome, answer.Outcome)
			if tt.kept == "" {
				assert.Nil(t, kept)
				return
			}
			assert.NotEmpty(t, answer.Error, "the log says why")
			require.NotNil(t, kept)
			assert.Equal(t, []byte("raw"), kept.Delivery.Body)
			assert.Equal(t, "the/topic", kept.Delivery.Topic, "needed to map it again")
			require.Len(t, kept.Entries, 1)
			require.NotNil(t, kept.Entries[0].Failure)
			assert.Equal(t, tt.kept, kept.Entries[0].Failure.Reason)
		})
	}
}

func TestVerifyingAlone(t *testing.T) {
	t.Parallel()
	route := gateway.NewRoute("mqtt", gateway.Stages{Verifier: gatewaytest.Verifier(func(d *gateway.Delivery) error {
		if d.Token != "right" {
			return &gateway.Refusal{Reason: "mismatch", Challenge: "Bearer"}
		}
		return nil
	})})
	now := time.Unix(1_700_000_000, 0)
	p := gateway.NewPipeline(gateway.PipelineOptions{Metrics: gatewaytest.Metrics(), Now: func() time.Time { return now }})

	_, ok := p.Verify(context.Background(), route, &gateway.Delivery{Client: "a", Token: "right"})
	assert.True(t, ok)
	answer, ok := p.Verify(context.Background(), route, &gateway.Delivery{Client: "a"})
	assert.False(t, ok)
	assert.Equal(t, gateway.Answer{Outcome: gateway.Refused, Status: 401, Challenge: "Bearer", Error: "credentials or signature: mismatch"}, answer)
	for range 30 {
		answer, ok = p.Verify(context.Background(), route, &gateway.Delivery{Client: "a"})
	}
	assert.False(t, ok)
	assert.Equal(t, 429, answer.Status, "who fails often waits")
	assert.Positive(t, answer.RetryAfter)
	_, ok = p.Verify(context.Background(), route, &gateway.Delivery{Client: "b", Token: "right"})
	assert.True(t, ok, "others do not")
}
