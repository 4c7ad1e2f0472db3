package jsonref_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/jsonref"
)

func parse(t *testing.T, text string) any {
	t.Helper()
	var document any
	require.NoError(t, json.Unmarshal([]byte(text), &document))
	return document
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ document, want string }{
		"local":                   {`{"a": {"$ref": "#/b"}, "b": {}}`, ""},
		"the same part twice":     {`{"a": [{"$ref": "#/b"}, {"$ref": "#/b"}], "b": {"$ref": "#/c"}, "c": {}}`, ""},
		"an escaped name":         {`{"a": {"$ref": "#/x~1y"}, "x/y": {}}`, ""},
		"a file":                  {`{"a": {"$ref": "b.json"}}`, "#/a/$ref: b.json is no reference within the document"},
		"an address":              {`{"a": {"$ref": "http://127.0.0.1:1/"}}`, "is no reference within the document"},
		"no text":                 {`{"a": {"$ref": {}}}`, "is no reference within the document"},
		"nowhere":                 {`{"a": {"$ref": "#/b"}}`, "#/b leads nowhere"},
		"itself":                  {`{"a": {"$ref": "#/a"}}`, "leads back to itself"},
		"a circle":                {`{"a": {"$ref": "#/b"}, "b": {"c": {"$ref": "#/a"}}}`, "leads back to itself"},
		"what it is part of":      {`{"a": {"b": {"$ref": "#/a"}}}`, "leads back to itself"},
		"a name that is no word":  {`{"properties": {"$ref": {"type": "string"}, "$id": {}}, "channels": {"examples": {"a": 1}}}`, ""},
		"a name behind channels":  {`{"channels": {"examples": {"$ref": "x"}}}`, "is no reference"},
		"a value":                 {`{"examples": [{"$ref": "x"}], "default": {"$ref": "x"}, "const": {"$ref": "x"}, "enum": [{"$ref": "x"}]}`, ""},
		"an address of its own":   {`{"a": {"$id": "http://127.0.0.1:1/"}}`, "#/a/$id: changes what references mean"},
		"grows with each level":   {bomb(), "with all references written out"},
		"an index":                {`{"a": {"$ref": "#/b/1"}, "b": [{}, {}]}`, ""},
		"an index that is no one": {`{"a": {"$ref": "#/b/2"}, "b": [{}, {}]}`, "leads nowhere"},
	} {
		err := jsonref.Check(parse(t, test.document), "$id")
		if test.want == "" {
			assert.NoError(t, err, name)
			continue
		}
		var ref *jsonref.Error
		require.ErrorAs(t, err, &ref, name)
		assert.ErrorContains(t, err, test.want, name)
	}
	assert.NoError(t, jsonref.Check(parse(t, `{"$id": "x"}`)), "only where it is asked for")
}

// bomb doubles twenty times.
func bomb() string {
	var b strings.Builder
	b.WriteString(`{`)
	for level := 'a'; level < 'u'; level++ {
		b.WriteString(`"` + string(level) + `": [{"$ref": "#/` + string(level+1) + `"}, {"$ref": "#/` + string(level+1) + `"}],`)
	}
	return b.String() + `"u": {}}`
}

func TestFind(t *testing.T) {
	t.Parallel()
	document := parse(t, `{"a/b": {"c~d": [10, 11]}}`)
	found, ok := jsonref.Find(document, "#/"+jsonref.Escape("a/b")+"/"+jsonref.Escape("c~d")+"/1")
	assert.True(t, ok)
	assert.InDelta(t, 11, found, 0)
	_, ok = jsonref.Find(document, "#/a")
	assert.False(t, ok)
	root, ok := jsonref.Find(document, "#")
	assert.True(t, ok)
	assert.Equal(t, document, root)
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}`))
	f.Add([]byte(bomb()))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var document any
		if json.Unmarshal(data, &document) == nil {
			_ = jsonref.Check(document, "$id")
		}
	})
}
