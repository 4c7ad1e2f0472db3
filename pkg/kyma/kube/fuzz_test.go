package kube

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FuzzState reads Secrets with a state that somebody may have changed.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"data":{"key":"MDE=","digests":"eyJhIjoiYiJ9"}}`))
	f.Add([]byte(`{"data":{"key":"MDE=","digests":"!"}}`))
	f.Add([]byte(`{"data":{"key":1}}`))
	f.Add([]byte(`{"data":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		object := &unstructured.Unstructured{}
		if json.Unmarshal(data, &object.Object) != nil || object.Object == nil {
			return
		}
		if state, ok := readState(object); ok && (state.Key.Empty() || state.Digests == nil) {
			t.Errorf("%s: half a state", data)
		}
	})
}

// FuzzQuote: what an API server says becomes one short line.
func FuzzQuote(f *testing.F) {
	f.Add("services is forbidden")
	f.Add("\x00\r\n\xff" + strings.Repeat("ü", 1000))
	f.Fuzz(func(t *testing.T, text string) {
		got := quote(text)
		if len(got) > maxQuoted+len("…") || strings.ContainsAny(got, "\r\n\x00") || utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
