package event_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	sdk "github.com/cloudevents/sdk-go/v2/event"
	sdkhttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/event"
)

// The official SDK is the oracle: what we write it must read, what it writes we must read.

func samples() map[string]event.Event {
	minimal := event.Event{ID: "1", Source: "/s", Type: "a.b", Version: "v1"}
	text := sample()
	text.DataContentType, text.Data = "text/plain; charset=utf-8", []byte("line 1\n\"line\" 2\\\t\u2028é\x01")
	binary := sample()
	binary.DataContentType, binary.Data = "application/octet-stream", []byte{0, 0xff, 0xfe}
	odd := sample()
	odd.Extensions = nil
	odd.ID, odd.Subject = `quote " backslash \ percent % <&>`, "Grüße, 世界 🎉"
	return map[string]event.Event{"sample": sample(), "minimal": minimal, "text": text, "binary": binary, "odd": odd}
}

func TestSDKReadsStructured(t *testing.T) {
	t.Parallel()
	for name, e := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			encoded := e.AppendStructured(nil)
			require.True(t, json.Valid(encoded), string(encoded))
			got := sdk.New()
			require.NoError(t, json.Unmarshal(encoded, &got))
			require.NoError(t, got.Validate())
			assertSame(t, e, got)
		})
	}
}

func TestSDKReadsBinary(t *testing.T) {
	t.Parallel()
	for name, e := range samples() {
		if !e.Plain() {
			continue // the SDK does not decode what the HTTP binding encodes: see TestBinaryEncodesValues
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			e.SetHeader(header)
			got, err := binding.ToEvent(context.Background(), sdkhttp.NewMessage(header, io.NopCloser(bytes.NewReader(e.Data))))
			require.NoError(t, err)
			require.NoError(t, got.Validate())
			assertSame(t, e, *got)
		})
	}
}

func assertSame(t *testing.T, want event.Event, got sdk.Event) {
	t.Helper()
	assert.Equal(t, want.ID, got.ID())
	assert.Equal(t, want.Source, got.Source())
	assert.Equal(t, want.FullType(), got.Type())
	assert.Equal(t, want.Subject, got.Subject())
	assert.True(t, want.Time.Equal(got.Time()), "%s %s", want.Time, got.Time())
	if len(want.Data) > 0 {
		assert.Equal(t, want.ContentType(), got.DataContentType())
		assert.Equal(t, string(want.Data), string(got.Data()))
	}
	extensions := map[string]string{}
	for name, value := range got.Extensions() {
		extensions[name], _ = value.(string)
	}
	if len(want.Extensions) > 0 || len(extensions) > 0 {
		assert.Equal(t, want.Extensions, extensions)
	}
}

func TestReadsSDK(t *testing.T) {
	t.Parallel()
	for name, e := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			theirs := toSDK(t, e)
			structured, err := json.Marshal(theirs)
			require.NoError(t, err)
			got, err := event.ParseStructured(structured)
			require.NoError(t, err)
			assertEqualEvents(t, e, got)

			header := http.Header{}
			e.SetHeader(header)
			got, err = event.ParseBinary(header, e.Data)
			require.NoError(t, err)
			assertEqualEvents(t, e, got)

			got, err = event.ParseStructured(e.AppendStructured(nil))
			require.NoError(t, err)
			assertEqualEvents(t, e, got)
		})
	}
}

func toSDK(t testing.TB, e event.Event) sdk.Event {
	t.Helper()
	out := sdk.New()
	out.SetID(e.ID)
	out.SetSource(e.Source)
	out.SetType(e.FullType())
	if e.Subject != "" {
		out.SetSubject(e.Subject)
	}
	if !e.Time.IsZero() {
		out.SetTime(e.Time)
	}
	for name, value := range e.Extensions {
		out.SetExtension(name, value)
	}
	if len(e.Data) > 0 {
		if e.IsJSON() {
			require.NoError(t, out.SetData(e.ContentType(), e.Data))
		} else {
			require.NoError(t, out.SetData(e.ContentType(), []byte(e.Data)))
		}
	}
	require.NoError(t, out.Validate())
	return out
}

func assertEqualEvents(t *testing.T, want, got event.Event) {
	t.Helper()
	assert.True(t, want.Time.Equal(got.Time))
	want.Time, got.Time = time.Time{}, time.Time{}
	if len(want.Data) > 0 && want.IsJSON() {
		assert.JSONEq(t, string(want.Data), string(got.Data))
		want.Data, got.Data = nil, nil
		want.DataContentType, got.DataContentType = want.ContentType(), got.ContentType()
	}
	assert.Equal(t, want, got)
}

func TestBinaryEncodesValues(t *testing.T) {
	t.Parallel()
	header := http.Header{}
	event.Event{ID: `a b"c%d`, Source: "/s", Type: "a.b", Subject: "€ \U0001F600"}.SetHeader(header)
	assert.Equal(t, "a%20b%22c%25d", header.Get("ce-id"))
	assert.Equal(t, "%E2%82%AC%20%F0%9F%98%80", header.Get("ce-subject"), "the example of the HTTP binding")
}

func TestBinaryDecodesLeniently(t *testing.T) {
	t.Parallel()
	header := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Source": {"/s"}, "Ce-Type": {"a.b.v1"}, "Ce-Id": {"50% %zz %41 %ff"}, "Ce-Empty": {}}
	e, err := event.ParseBinary(header, nil)
	require.NoError(t, err)
	assert.Equal(t, "50% %zz %41 %ff", e.ID, "what decodes to no text is left as it is")
	assert.Equal(t, "v1", e.Version)
}

func TestParseStructuredRefuses(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`[]`:                                 "not a JSON object",
		`{`:                                  "not a JSON object",
		`{"id":"1","source":"s","type":"a"}`: "want CloudEvents 1.0",
		`{"specversion":"0.3","id":"1","source":"s","type":"a"}`:                           "want CloudEvents 1.0",
		`{"specversion":"1.0","source":"s","type":"a"}`:                                    "has no id",
		`{"specversion":"1.0","id":"1","source":"s","type":"a","time":"x"}`:                "not in RFC 3339",
		`{"specversion":"1.0","id":"1","source":"s","type":"a","x":{}}`:                    "neither a text",
		`{"specversion":"1.0","id":"1","source":"s","type":"a","my_ext":"x"}`:              "my_ext",
		`{"specversion":"1.0","id":"1","source":"s","type":"a","data":1,"data_base64":""}`: "both data",
		`{"specversion":"1.0","id":"1","source":"s","type":"a","data_base64":"%"}`:         "not base64",
	} {
		_, err := event.ParseStructured([]byte(body))
		assert.ErrorContains(t, err, want, body)
	}
}

func TestParseBinaryRefuses(t *testing.T) {
	t.Parallel()
	_, err := event.ParseBinary(http.Header{}, nil)
	require.ErrorContains(t, err, "want CloudEvents 1.0")
	_, err = event.ParseBinary(http.Header{"Ce-Specversion": {"1.0"}, "Ce-Time": {"now"}}, nil)
	require.ErrorContains(t, err, "not in RFC 3339")
}

// FuzzStructured compares our encoder with the SDK's reader, and our reader with our encoder.
func FuzzStructured(f *testing.F) {
	f.Add("1", "/s", "a.b", "v1", "subject", "application/json", []byte(`{"a":1}`), int64(1600701938))
	f.Add("\"\\", "s", "T.Root.Created", "", "ü\u2028", "text/plain", []byte("x\x00"), int64(0))
	f.Fuzz(func(t *testing.T, id, source, name, version, subject, contentType string, data []byte, seconds int64) {
		e := event.Event{ID: id, Source: source, Type: name, Version: version, Subject: subject, DataContentType: contentType, Data: data, Time: time.Unix(seconds, 0)}
		if e.Validate() != nil || (len(data) > 0 && e.IsJSON() && !json.Valid(data)) {
			return
		}
		encoded := e.AppendStructured(nil)
		if !json.Valid(encoded) {
			t.Fatalf("no JSON: %q", encoded)
		}
		theirs := sdk.New()
		if err := json.Unmarshal(encoded, &theirs); err != nil {
			return // the SDK asks more of a source or a content type than CloudEvents does
		}
		if theirs.ID() != id || theirs.Type() != e.FullType() || theirs.Subject() != subject {
			t.Fatalf("the SDK reads something else from %s: %s", encoded, theirs)
		}
		ours, err := event.ParseStructured(encoded)
		if err != nil {
			t.Fatalf("%v: %s", err, encoded)
		}
		if ours.ID != id || ours.Source != source || ours.FullType() != e.FullType() || !ours.Time.Equal(e.Time) {
			t.Fatalf("%+v is not %+v", ours, e)
		}
	})
}

// FuzzParse: no bytes make the readers panic, and what they accept is valid.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"s","type":"a.v1","data":{"a":[1]}}`), "1%41", "a.b.v1")
	f.Fuzz(func(t *testing.T, body []byte, id, name string) {
		if e, err := event.ParseStructured(body); err == nil && e.Validate() != nil {
			t.Fatalf("accepted %s", body)
		}
		header := http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {id}, "Ce-Type": {name}, "Ce-Source": {"/s"}}
		if e, err := event.ParseBinary(header, body); err == nil && e.Validate() != nil {
			t.Fatalf("accepted %v", header)
		}
	})
}

func BenchmarkStructured(b *testing.B) {
	e := sample()
	b.Run("ours", func(b *testing.B) {
		buffer := make([]byte, 0, 1024)
		b.ReportAllocs()
		for b.Loop() {
			buffer = e.AppendStructured(buffer[:0])
		}
	})
	b.Run("sdk", func(b *testing.B) {
		theirs := toSDK(b, e)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(theirs); err != nil {
				b.Fatal(err)
			}
		}
	})
}
