package expression

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Input is what an expression sees. The zero value has nothing: every string is empty. Its maps and bytes
// must not change as long as a result of an evaluation is in use, because results may share their memory.
type Input struct {
	// Params are the resolved parameters, lists joined by commas.
	Params map[string]string
	// Lists are the parameters of kind list.
	Lists map[string][]string
	// SecretRef says where to read a parameter: the text that secretRef gives.
	SecretRef func(name string) string
	// Header, Form, Query and Path (segments after the delivery's path) belong to the request.
	Header http.Header
	Form   url.Values
	Query  url.Values
	Path   []string
	// RawBody is the body as received; Content what the definition selects from it (or the body itself).
	// For a relayed event, Content is its data.
	RawBody []byte
	Content []byte
	// Item is one element of a split or a listing; Index its position from 0.
	Item  []byte
	Index int
	// Vars are the scope's named strings: id, topic, type, version, callback, label, source, subject, time, nonce, eventTypes.
	Vars map[string]string
	// Status and Answer belong to a response of the system.
	Status int
	Answer []byte
}

// Format implements fmt.Formatter without what the input holds: secrets and payloads.
func (Input) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "input") }

// LogValue implements slog.LogValuer without what the input holds.
func (Input) LogValue() slog.Value { return slog.StringValue("input") }

// text is the string at a path: empty where it is absent or null, a number as it is written, JSON for an
// object or a list. The empty path is the whole document.
func text(data []byte, path string) string {
	r := lookup(data, path)
	switch r.Type {
	case gjson.Null:
		return ""
	case gjson.Number, gjson.JSON:
		if r.Raw != "" {
			return r.Raw
		}
	}
	return r.String()
}

// value is the value at a path, nil where it is absent or null.
func value(data []byte, path string) (any, error) {
	r := lookup(data, path)
	if r.Type == gjson.JSON && TooDeep(bytesOf(r.Raw)) {
		return nil, fmt.Errorf("the document is nested more than %d levels deep", MaxDepth)
	}
	return r.Value(), nil
}

// MaxDepth is the number of levels that a document may be nested: what makes values of it needs stack for
// each one.
const MaxDepth = 500

// TooDeep says whether a JSON document is nested more than MaxDepth levels deep.
func TooDeep(data []byte) bool {
	if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) <= MaxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '[', '{':
			if depth++; depth > MaxDepth {
				return true
			}
		case ']', '}':
			depth--
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		}
	}
	return false
}

// raw is the JSON at a path as it is written, null where it is absent.
func raw(data []byte, path string) json.RawMessage {
	if path == "" {
		if len(data) == 0 {
			return json.RawMessage("null")
		}
		return data
	}
	// gjson's Get, unlike GetBytes, returns a part of what it is given where it can.
	if r := gjson.Get(stringOf(data), path); r.Raw != "" {
		return bytesOf(r.Raw)
	}
	return json.RawMessage("null")
}

func lookup(data []byte, path string) gjson.Result {
	if path == "" {
		return gjson.ParseBytes(data)
	}
	return gjson.GetBytes(data, path)
}

// stringOf and bytesOf look at the same memory as another type: a body is passed through expressions
// without a copy of it for each of them. Input says that nobody may change it.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
