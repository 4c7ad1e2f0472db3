package registration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

// FuzzDocument reads specifications and event catalogs: OpenAPI 2 and 3 and AsyncAPI, as JSON or YAML.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(`{"swagger":"2.0","info":{"title":"x","version":"1"},"paths":{}}`))
	f.Add([]byte("openapi: 3.0.0\ninfo: &a {title: x}\npaths: {/x: *a}\n"))
	f.Add([]byte("asyncapi: 2.0.0\nchannels: {Order.Created.v1: {subscribe: {message: {payload: {type: object}}}}}\n"))
	f.Add([]byte("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"))
	f.Add([]byte("[1]"))
	f.Add([]byte("\xff\x00: {"))
	f.Fuzz(func(t *testing.T, data []byte) {
		document, err := jsonObjectOf("x", data)
		if err == nil && !jsonObject(document) {
			t.Errorf("%q became %q, which is no JSON object", data, document)
		}
	})
}

// FuzzSpecification: a document that counts as OpenAPI in JSON is an object with the version in it.
func FuzzSpecification(f *testing.F) {
	f.Add([]byte(`{"openapi":"3.0.0","paths":{"/a":[1,"x",null,{}]}}`))
	f.Add([]byte(`{"info":{"swagger":"2.0"},"x":"openapi"}`))
	f.Add([]byte("# YAML\nswagger: '2.0'\n"))
	f.Add([]byte("\xef\xbb\xbf<html>"))
	f.Add([]byte(`<Edmx><DataServices><Schema><EntityContainer><EntitySet/></EntityContainer></Schema></DataServices></Edmx>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range []connector.APIKind{connector.KindOData, connector.KindREST} {
			_ = readSpecification(kind, bytes.NewReader(data))
		}
		text := strings.TrimLeft(strings.TrimPrefix(string(data), "\xef\xbb\xbf"), " \t\r\n")
		if readSpecification(connector.KindOpenAPI, bytes.NewReader(data)) != nil || !strings.HasPrefix(text, "{") {
			return
		}
		assert.True(t, strings.Contains(text, `"openapi"`) || strings.Contains(text, `"swagger"`), "%q", data)
	})
}

// FuzzObject: what encoding/json takes for an object is one, with the same members; what it does not take is none, but for
// texts, into which the scanner does not look.
func FuzzObject(f *testing.F) {
	for _, document := range []string{`{}`, `{"a":1,"b":[true,null,-1.5e+3,"x\"y",{}],"c":{"d":[]}}`, `{"a":1,}`, `{,"a":1}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":[1,,2]}`, `{"a":tru}`, `{"a":[}]`, `{"a"`, `[1]`, "{\"a\":\"\n\"}"} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		names := map[string]bool{}
		is := scanObject(bufio.NewReader(bytes.NewReader(data)), func(name string) { names[name] = true })
		var members map[string]json.RawMessage
		err := json.NewDecoder(bytes.NewReader(data)).Decode(&members)
		long := bytes.Count(data, []byte("[")) >= maxNesting || len(data) > maxScalar
		if err == nil && members != nil && !long {
			assert.True(t, is, "%q", data)
			for name := range members {
				if !strings.ContainsAny(name, `"\`) && utf8.ValidString(name) && !bytes.Contains(data, []byte{'\\'}) && utf8.Valid(data) {
					assert.True(t, names[name], "%q: %q", data, name)
				}
			}
		}
		if is && err != nil {
			assert.Contains(t, string(data), `\`, "%q: %v", data, err) // an escape that is none
		}
	})
}

// FuzzURLSegment: what Kyma makes of names that systems choose can be a part of an address.
func FuzzURLSegment(f *testing.F) {
	f.Add("Acme Shop - Orders")
	f.Add(strings.Repeat("x ", 60))
	f.Add("\x00\xff--Ü_")
	f.Fuzz(func(t *testing.T, name string) {
		segment := URLSegment(name)
		assert.LessOrEqual(t, len(segment), maxSegment)
		assert.Equal(t, segment, url.PathEscape(segment))
	})
}

// FuzzReport: a report can be put out in all its forms, whatever texts are in it.
func FuzzReport(f *testing.F) {
	f.Add("Orders", "GET https://x answered 404", "check it")
	f.Add("\x1b[31m\r\n", "\xff\xfe", strings.Repeat("x", 5000))
	f.Add("a\u2028b\u202e", "%s%d", "{{.}}\n---\n")
	f.Fuzz(func(t *testing.T, name, reason, next string) {
		r := &Report{Connector: "shop", Application: name, Error: reason, Next: next, Services: []ServiceReport{
			{ID: name, Name: name, Kind: "odata", Outcome: OutcomeFailed, Class: ClassMalformed, Reason: reason, Next: next, URL: next, Target: reason},
			{ID: next, Name: next, Kind: eventsKind, Outcome: OutcomeRegistered, Note: name},
		}, Manual: []ManualReport{{ID: name, Title: reason, Steps: []string{next}}}, Notes: []string{reason}}
		r.count()
		var text, document strings.Builder
		assert.NoError(t, r.WriteText(&text))
		assert.NoError(t, r.WriteJSON(&document))
		assert.True(t, json.Valid([]byte(document.String())))
		assert.LessOrEqual(t, len(r.TerminationMessage()), 4096)
		status, err := r.Status()
		assert.NoError(t, err)
		for key, value := range status {
			if utf8.ValidString(name) && utf8.ValidString(reason) && utf8.ValidString(next) {
				assert.True(t, utf8.ValidString(value), key)
			}
		}
	})
}
