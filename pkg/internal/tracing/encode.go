package tracing

import (
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// encode makes an ExportTraceServiceRequest of spans that are all of one provider and one tracer. They have no
// events and no links.
func encode(spans []sdktrace.ReadOnlySpan) []byte {
	first := spans[0]
	resource := appendAttributes(nil, 1, first.Resource().Attributes())
	scope := appendText(nil, 1, first.InstrumentationScope().Name)
	scoped := appendBytes(nil, 1, scope)
	for _, s := range spans {
		scoped = appendBytes(scoped, 2, appendSpan(nil, s))
	}
	all := appendBytes(nil, 1, resource)
	all = appendBytes(all, 2, scoped)
	return appendBytes(nil, 1, all)
}

// The bits of a span's flags that say that something is known of its parent, and that it is another process's.
const (
	hasIsRemote = 0x100
	isRemote    = 0x200
)

func appendSpan(b []byte, s sdktrace.ReadOnlySpan) []byte {
	own, parent := s.SpanContext(), s.Parent()
	traceID, spanID := own.TraceID(), own.SpanID()
	b = appendBytes(b, 1, traceID[:])
	b = appendBytes(b, 2, spanID[:])
	b = appendText(b, 3, own.TraceState().String())
	flags := uint32(own.TraceFlags()) | hasIsRemote
	if parent.HasSpanID() {
		id := parent.SpanID()
		b = appendBytes(b, 4, id[:])
	}
	if parent.IsRemote() {
		flags |= isRemote
	}
	b = appendText(b, 5, s.Name())
	b = appendNumber(b, 6, kindNumber(s.SpanKind()))
	b = appendFixed64(b, 7, uint64(s.StartTime().UnixNano()))
	b = appendFixed64(b, 8, uint64(s.EndTime().UnixNano()))
	b = appendAttributes(b, 9, s.Attributes())
	if n := s.DroppedAttributes(); n > 0 {
		b = appendNumber(b, 10, uint64(n))
	}
	if status := s.Status(); status.Code != codes.Unset {
		number := uint64(1)
		if status.Code == codes.Error {
			number = 2
		}
		b = appendBytes(b, 15, appendNumber(appendText(nil, 2, status.Description), 3, number))
	}
	b = protowire.AppendTag(b, 16, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, flags)
}

func kindNumber(k trace.SpanKind) uint64 {
	switch k {
	case trace.SpanKindServer:
		return 2
	case trace.SpanKindClient:
		return 3
	case trace.SpanKindProducer:
		return 4
	case trace.SpanKindConsumer:
		return 5
	default:
		return 1
	}
}

func appendAttributes(b []byte, field protowire.Number, attributes []attribute.KeyValue) []byte {
	for _, a := range attributes {
		b = appendBytes(b, field, appendBytes(appendText(nil, 1, string(a.Key)), 2, appendValue(nil, a.Value)))
	}
	return b
}

// appendValue encodes numbers and truths as what they are, and everything else as text.
func appendValue(b []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.BOOL:
		return appendNumber(b, 2, protowire.EncodeBool(v.AsBool()))
	case attribute.INT64:
		return appendNumber(b, 3, uint64(v.AsInt64()))
	case attribute.FLOAT64:
		return appendFixed64(b, 4, math.Float64bits(v.AsFloat64()))
	default:
		return appendBytes(b, 1, []byte(v.String()))
	}
}

func appendBytes(b []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), value)
}

func appendText(b []byte, field protowire.Number, value string) []byte {
	if value == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), value)
}

func appendNumber(b []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), value)
}

func appendFixed64(b []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), value)
}
