package openapi_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator/internal/openapi"
)

const document = `{
  "openapi": "3.0.3",
  "paths": {
    "/users": {
      "get": {"responses": {"default": {"description": "Failure"}, "200": {"content": {"application/json; charset=utf-8": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/User"}}}}}}},
      "post": {"requestBody": {"required": true, "content": {"application/json": {}}}, "responses": {"201": {"content": {"application/json": {"example": {"id": "shown"}}}}}}
    },
    "/users/{id}": {
      "get": {"responses": {"200": {"$ref": "#/components/responses/User"}}},
      "delete": {"responses": {"204": {"description": "Gone"}}}
    },
    "/users/me": {"get": {"responses": {"2XX": {"content": {"application/json": {"examples": {"b": {"value": {"id": "second"}}, "a": {"value": {"id": "first"}}}}}}}}},
    "/files/{name}.json": {"get": {"responses": {"200": {"description": "Nothing is said of the body"}}}},
    "/tree": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}}}}},
    "/loop": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Loop"}}}}}}}
  },
  "components": {
    "responses": {"User": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}}},
    "schemas": {
      "User": {"allOf": [
        {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}},
        {"properties": {
          "name": {"type": "string", "example": "Ada"}, "password": {"type": "string", "writeOnly": true}, "age": {"type": "integer", "minimum": 18},
          "role": {"enum": ["admin", "user"]}, "active": {"type": "boolean"}, "since": {"type": ["null", "string"], "format": "date"},
          "code": {"type": "string", "minLength": 6}, "key": {"type": "string", "maxLength": 2}, "none": {"type": ["null"]},
          "tags": {"items": {"const": "t"}}, "any": {"oneOf": [{"type": "number"}, {"type": "string"}]}
        }}
      ]},
      "Tree": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}},
      "Loop": {"$ref": "#/components/schemas/Loop"}
    }
  }
}`

const user = `{"id":"8f14e45f-ceea-467f-a0e6-1f0b4f3c2d10","name":"Ada","age":18,"role":"admin","active":true,"since":"2026-01-02","code":"textxx","key":"te","none":null,"tags":["t"],"any":1}`

func TestAnswersFollowFromTheDocument(t *testing.T) {
	t.Parallel()
	d, err := openapi.Parse([]byte(document))
	require.NoError(t, err)
	for request, want := range map[[2]string]struct {
		status int
		body   string
	}{
		{"GET", "/users"}:             {200, "[" + user + "]"},
		{"GET", "/users/"}:            {200, "[" + user + "]"},
		{"HEAD", "/users"}:            {200, "[" + user + "]"},
		{"POST", "/users"}:            {201, `{"id":"shown"}`},
		{"GET", "/users/4711"}:        {200, user},
		{"GET", "/users/me"}:          {200, `{"id":"first"}`},
		{"DELETE", "/users/4711"}:     {204, ""},
		{"GET", "/files/report.json"}: {200, ""},
	} {
		operation, _ := d.Find(request[0], request[1])
		require.NotNil(t, operation, request)
		status, contentType, body := operation.Answer()
		assert.Equal(t, want.status, status, request)
		if want.body == "" {
			assert.Empty(t, body, request)
			assert.Empty(t, contentType, request)
			continue
		}
		assert.Equal(t, "application/json", contentType)
		assert.JSONEq(t, want.body, string(body), request)
	}
}

func TestWhatTheDocumentDoesNotHave(t *testing.T) {
	t.Parallel()
	d, err := openapi.Parse([]byte(document))
	require.NoError(t, err)
	for _, path := range []string{"/", "/teams", "/users/1/2", "/files/report.xml", "/files/.json"} {
		operation, allowed := d.Find("GET", path)
		assert.Nil(t, operation, path)
		assert.Empty(t, allowed, path)
	}
	operation, allowed := d.Find("PATCH", "/users")
	assert.Nil(t, operation)
	assert.Equal(t, []string{"GET", "POST"}, allowed)
}

func TestBodiesThatAreNeeded(t *testing.T) {
	t.Parallel()
	d, err := openapi.Parse([]byte(document))
	require.NoError(t, err)
	post, _ := d.Find("POST", "/users")
	assert.True(t, post.NeedsJSON())
	get, _ := d.Find("GET", "/users")
	assert.False(t, get.NeedsJSON())
}

// A schema that contains itself has no end; an example of it has.
func TestSchemasThatContainThemselves(t *testing.T) {
	t.Parallel()
	d, err := openapi.Parse([]byte(document))
	require.NoError(t, err)
	tree, _ := d.Find("GET", "/tree")
	_, _, body := tree.Answer()
	assert.Less(t, len(body), 500)
	assert.Contains(t, string(body), `{"children":[{"children":[`)
	loop, _ := d.Find("GET", "/loop")
	_, _, body = loop.Answer()
	assert.JSONEq(t, `{}`, string(body))
}

func TestSwagger(t *testing.T) {
	t.Parallel()
	d, err := openapi.Parse([]byte(`{"swagger": "2.0", "paths": {
	  "/a": {"get": {"responses": {"200": {"schema": {"$ref": "#/definitions/A"}}}}},
	  "/b": {"get": {"responses": {"200": {"examples": {"application/json": {"b": 2}}, "schema": {"$ref": "#/definitions/A"}}}}}
	}, "definitions": {"A": {"type": "object", "properties": {"a": {"type": "integer"}}}}}`))
	require.NoError(t, err)
	for path, want := range map[string]string{"/a": `{"a":1}`, "/b": `{"b":2}`} {
		operation, _ := d.Find("GET", path)
		require.NotNil(t, operation)
		_, _, body := operation.Answer()
		assert.JSONEq(t, want, string(body))
	}
}

func TestWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`[]`:       "no JSON object",
		`{"a": 1}`: "neither openapi nor swagger",
	} {
		_, err := openapi.Parse([]byte(content))
		assert.ErrorContains(t, err, want)
	}
}
