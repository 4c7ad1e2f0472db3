package tracing_test

import (
	"compress/gzip"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/telemetry"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/tracing"
)

// TestSpansArriveAsTheyWereMade: OpenTelemetry's own types read what is sent.
func TestSpansArriveAsTheyWereMade(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	exports := make(chan *collector.ExportTraceServiceRequest, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/traces", r.URL.Path)
		assert.Equal(t, "Bearer a,b", r.Header.Get("Authorization"))
		unzipped, err := gzip.NewReader(r.Body)
		if !assert.NoError(t, err) {
			return
		}
		data, err := io.ReadAll(unzipped)
		assert.NoError(t, err)
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var export collector.ExportTraceServiceRequest
		assert.NoError(t, proto.Unmarshal(data, &export))
		assert.Empty(t, export.ProtoReflect().GetUnknown())
		exports <- &export
	}))
	t.Cleanup(server.Close)
	certificate := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	env := map[string]string{
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": server.URL + "/traces", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20a%2Cb, ,x=y", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_CERTIFICATE": certificate, "OTEL_EXPORTER_OTLP_TIMEOUT": "20000",
	}
	tracer, err := tracing.New(t.Context(), func(name string) string { return env[name] }, "service", "v1.2.3", telemetry.Discard())
	require.NoError(t, err)
	const parent = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
	ctx, outer := tracer.Start(tracing.Context{Parent: "00-" + parent + "-01", State: "a=1"}.In(t.Context()), "outer", tracing.Server)
	_, inner := tracer.Start(ctx, "inner", tracing.Internal)
	inner.Text("text", "größe")
	inner.Number("number", -3)
	inner.Fail("reason")
	inner.End()
	outer.End()
	require.NoError(t, tracer.Close())

	export := <-exports
	require.Len(t, export.GetResourceSpans(), 1)
	of := export.GetResourceSpans()[0]
	named := map[string]string{}
	for _, a := range of.GetResource().GetAttributes() {
		named[a.GetKey()] = a.GetValue().GetStringValue()
	}
	assert.Equal(t, "service", named["service.name"])
	assert.Equal(t, "v1.2.3", named["service.version"])
	require.Len(t, of.GetScopeSpans(), 1)
	assert.NotEmpty(t, of.GetScopeSpans()[0].GetScope().GetName())
	spans := of.GetScopeSpans()[0].GetSpans()
	require.Len(t, spans, 2)
	first, last := spans[0], spans[1]
	assert.Equal(t, "inner", first.GetName())
	assert.Equal(t, traces.Span_SPAN_KIND_INTERNAL, first.GetKind())
	assert.Equal(t, last.GetSpanId(), first.GetParentSpanId())
	assert.Equal(t, last.GetTraceId(), first.GetTraceId())
	assert.Equal(t, "a=1", first.GetTraceState())
	assert.True(t, proto.Equal(&traces.Status{Code: traces.Status_STATUS_CODE_ERROR, Message: "reason"}, first.GetStatus()))
	want := []*common.KeyValue{
		{Key: "text", Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: "größe"}}},
		{Key: "number", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: -3}}},
	}
	require.Len(t, first.GetAttributes(), len(want))
	for i := range want {
		assert.True(t, proto.Equal(want[i], first.GetAttributes()[i]))
	}
	assert.Equal(t, uint32(traces.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)|1, first.GetFlags())
	assert.Equal(t, uint32(traces.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK|traces.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)|1, last.GetFlags())
	assert.Equal(t, traces.Span_SPAN_KIND_SERVER, last.GetKind())
	assert.Nil(t, last.GetStatus())
	assert.LessOrEqual(t, last.GetStartTimeUnixNano(), first.GetStartTimeUnixNano())
	assert.GreaterOrEqual(t, last.GetEndTimeUnixNano(), first.GetEndTimeUnixNano())
}

func TestSettingsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct{ name, value, want string }{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT: want an address"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://user:hidden@x", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: want an address"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "hidden", "OTEL_EXPORTER_OTLP_HEADERS: want name=value"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=%zzhidden", "OTEL_EXPORTER_OTLP_HEADERS: want name=value"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a b=hidden", "OTEL_EXPORTER_OTLP_HEADERS: want name=value"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", `"zstd": want gzip or none`},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", `"10s": want milliseconds`},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT "0": want milliseconds`},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", empty, "has no certificates"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", empty + ".absent", "no such file"},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", empty, "OTEL_EXPORTER_OTLP_CLIENT_KEY"},
	} {
		env := map[string]string{"OTEL_TRACES_EXPORTER": "otlp", c.name: c.value}
		_, err := tracing.New(t.Context(), func(name string) string { return env[name] }, "x", "v0", telemetry.Discard())
		require.ErrorContains(t, err, c.want, c.value)
		assert.NotContains(t, err.Error(), "hidden")
	}
}
