// Package openapi is as much of OpenAPI as it takes to answer in a system's name: it finds the operation that a
// request means, and makes the answer that the document shows or describes. It knows version 3, and version 2,
// which was called Swagger.
package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Document is an OpenAPI document. It is immutable and safe for concurrent use.
type Document struct {
	root  map[string]any
	paths []template
}

// template is a path such as /users/{id}.
type template struct {
	segments []string
	item     map[string]any
}

// Operation is what a path does by one method.
type Operation struct {
	document *Document
	raw      map[string]any
}

// methods are the methods that a path of a document may have.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch"}

// Parse reads a document in JSON.
func Parse(data []byte) (*Document, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	d := &Document{}
	if err := decoder.Decode(&d.root); err != nil {
		return nil, fmt.Errorf("no JSON object: %w", err)
	}
	if d.root["openapi"] == nil && d.root["swagger"] == nil {
		return nil, errors.New("no OpenAPI document: it has neither openapi nor swagger at its root")
	}
	paths, _ := d.root["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if item := d.object(paths[path]); item != nil {
			d.paths = append(d.paths, template{segments: split(path), item: item})
		}
	}
	return d, nil
}

func split(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

// Find returns the operation of a request; path is what follows the address of the API. Where the path is known
// but not by this method, allowed are its methods; where it is not known at all, both results are empty.
func (d *Document) Find(method, path string) (operation *Operation, allowed []string) {
	best := -1
	for _, t := range d.paths {
		literal := t.match(split(path))
		if literal < 0 || literal < best {
			continue
		}
		if literal > best {
			best, operation, allowed = literal, nil, nil
		}
		for _, name := range methods {
			raw := d.object(t.item[name])
			if raw == nil {
				continue
			}
			allowed = append(allowed, strings.ToUpper(name))
			if strings.EqualFold(name, method) || operation == nil && name == "get" && method == "HEAD" {
				operation = &Operation{document: d, raw: raw}
			}
		}
	}
	if operation != nil {
		return operation, nil
	}
	return nil, allowed
}

// match says how many segments of a path are those of the template literally; -1 where the path is another one.
func (t template) match(path []string) int {
	if len(path) != len(t.segments) {
		return -1
	}
	literal := 0
	for i, want := range t.segments {
		open := strings.IndexByte(want, '{')
		shut := strings.LastIndexByte(want, '}')
		switch {
		case want == path[i]:
			literal++
		case open < 0 || shut < open,
			len(path[i]) <= len(want[:open])+len(want[shut+1:]),
			!strings.HasPrefix(path[i], want[:open]), !strings.HasSuffix(path[i], want[shut+1:]):
			return -1
		}
	}
	return literal
}

// NeedsJSON says whether a request has to have a JSON document as its body.
func (o *Operation) NeedsJSON() bool {
	body := o.document.object(o.raw["requestBody"])
	required, _ := body["required"].(bool)
	content, _ := body["content"].(map[string]any)
	return required && jsonContent(content) != nil
}

// Answer is the answer of success: the lowest status of 2xx (200 where the document names none) and the body
// that it shows as an example, or one made of its schema. The body is empty where none is described.
func (o *Operation) Answer() (status int, contentType string, body []byte) {
	responses, _ := o.raw["responses"].(map[string]any)
	status, response := 200, o.document.object(responses["default"])
	for _, code := range slices.Sorted(maps.Keys(responses)) {
		if n, err := strconv.Atoi(strings.ReplaceAll(strings.ToUpper(code), "X", "0")); err == nil && n/100 == 2 {
			status, response = n, o.document.object(responses[code])
			break
		}
	}
	if status == 204 || status == 205 {
		return status, "", nil
	}
	value, ok := o.document.shown(response)
	if !ok {
		return status, "", nil
	}
	body, err := json.Marshal(value)
	if err != nil {
		return status, "", nil // what JSON gave is JSON again
	}
	return status, "application/json", body
}

// shown is the body of a response: its example, or one made of its schema.
func (d *Document) shown(response map[string]any) (any, bool) {
	if examples, ok := response["examples"].(map[string]any); ok { // version 2
		if media := jsonContent(examples); media != nil {
			return media, true
		}
	}
	media := response // version 2 has the schema here
	if content, ok := response["content"].(map[string]any); ok {
		media = d.object(jsonContent(content))
	}
	if example, ok := media["example"]; ok {
		return example, true
	}
	examples, _ := media["examples"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		if value, ok := d.object(examples[name])["value"]; ok {
			return value, true
		}
	}
	if schema, ok := media["schema"]; ok {
		return d.example(schema, 0), true
	}
	return nil, false
}

// jsonContent is the member of a map by content type that is JSON, nil where there is none.
func jsonContent(content map[string]any) any {
	for _, name := range slices.Sorted(maps.Keys(content)) {
		media, _, _ := strings.Cut(strings.ToLower(name), ";")
		if media = strings.TrimSpace(media); media == "application/json" || strings.HasSuffix(media, "+json") || media == "*/*" {
			return content[name]
		}
	}
	return nil
}

// maxReferences bounds how many references are followed one after the other.
const maxReferences = 32

// object is a value as an object, references within the document followed; nil where it is none.
func (d *Document) object(value any) map[string]any {
	for range maxReferences {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		reference, ok := object["$ref"].(string)
		if !ok {
			return object
		}
		value = d.lookup(reference)
	}
	return nil
}

// lookup is the value that a reference such as #/components/schemas/User means; nil where there is none.
func (d *Document) lookup(reference string) any {
	pointer, ok := strings.CutPrefix(reference, "#/")
	if !ok {
		return nil
	}
	var at any = d.root
	for _, name := range strings.Split(pointer, "/") {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[name]
	}
	return at
}
