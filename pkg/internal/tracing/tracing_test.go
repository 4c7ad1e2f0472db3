package tracing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/tracing"
)

func TestTracesAreMadeWhereTheStandardVariablesSaySo(t *testing.T) {
	t.Parallel()
	const there = "http://127.0.0.1:4318"
	for _, c := range []struct {
		env map[string]string
		on  bool
		err string
	}{
		{nil, false, ""},
		{map[string]string{"OTEL_SERVICE_NAME": "x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, ""},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": there}, true, ""},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": there}, true, ""},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, ""},
		{map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": there}, false, ""},
		{map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": there}, false, ""},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": there, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, true, ""},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": there, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, true, ""},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": there, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, "want http/protobuf"},
		{map[string]string{"OTEL_TRACES_EXPORTER": "jaeger"}, false, "want otlp or none"},
	} {
		tracer, err := tracing.New(t.Context(), func(name string) string { return c.env[name] }, "test", "v0", telemetry.Discard())
		if c.err != "" {
			assert.ErrorContains(t, err, c.err, c.env)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.on, tracer != nil, c.env)
		assert.NoError(t, tracer.Close())
	}
}

func TestNothingIsMadeWithoutATracer(t *testing.T) { // alone, as it counts allocations
	var tracer *tracing.Tracer
	ctx := context.Background()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		in, span := tracer.Start(ctx, "verify", tracing.Internal)
		span.Text("a", "b")
		span.Number("c", 1)
		span.Fail("d")
		span.End()
		if span.On() || in != ctx || tracing.From(in) != (tracing.Context{}) {
			panic("a span without a tracer")
		}
	}))
}

func TestOnlyATraceContextIsPassedOn(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, c := range []struct{ given, want tracing.Context }{
		{tracing.Context{}, tracing.Context{}},
		{tracing.Context{Parent: parent}, tracing.Context{Parent: parent}},
		{tracing.Context{Parent: parent, State: "a=1,b=2"}, tracing.Context{Parent: parent, State: "a=1,b=2"}},
		{tracing.Context{Parent: parent, State: "no state"}, tracing.Context{Parent: parent}},
		{tracing.Context{State: "a=1"}, tracing.Context{}},
		{tracing.Context{Parent: parent[:54] + "!"}, tracing.Context{}},
		{tracing.Context{Parent: parent + "-more"}, tracing.Context{}},
		{tracing.Context{Parent: "ff" + parent[2:]}, tracing.Context{}},
		{tracing.Context{Parent: "00-00000000000000000000000000000000-b7ad6b7169203331-01"}, tracing.Context{}},
		{tracing.Context{Parent: "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"}, tracing.Context{}},
	} {
		assert.Equal(t, c.want, c.given.Valid(), c.given)
	}
	c := tracing.Context{Parent: parent, State: "a=1"}
	assert.Equal(t, c, tracing.From(c.In(t.Context())))
}

// FuzzValid: whatever comes, what is passed on is plain text that others understand, too.
func FuzzValid(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=1")
	f.Add("00-x", "\r\n")
	f.Add("00-00000000000000000000000000000001-0000000000000001-00", "\ta=0")
	f.Fuzz(func(t *testing.T, parent, state string) {
		valid := tracing.Context{Parent: parent, State: state}.Valid()
		assert.Equal(t, valid, valid.Valid())
		for _, r := range valid.Parent + valid.State {
			assert.True(t, r >= ' ' && r <= '~', "%q", valid)
		}
	})
}
