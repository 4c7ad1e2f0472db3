package asyncapi_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/schemas/asyncapi"
)

func TestEachVersionHasItsSchema(t *testing.T) {
	t.Parallel()
	for minor := range 7 {
		version := fmt.Sprintf("2.%d.0", minor)
		data, err := asyncapi.Read(version)
		require.NoError(t, err)
		compiler := jsonschema.NewCompiler()
		require.NoError(t, compiler.AddResource("file:///schema.json", parse(t, data)))
		schema, err := compiler.Compile("file:///schema.json")
		require.NoError(t, err, version)
		document := func(version, payload string) any {
			return parse(t, fmt.Appendf(nil, `{"asyncapi": %q, "info": {"title": "t", "version": "1"}, "channels": {"a.b.v1": {"subscribe": {"message": {"payload": %s}}}}}`, version, payload))
		}
		assert.NoError(t, schema.Validate(document(version, `{"type": "object"}`)), version)
		assert.Error(t, schema.Validate(document("2.7.0", `{"type": "object"}`)), version)
		assert.Error(t, schema.Validate(document(version, `{"type": "sometimes"}`)), version)
	}
}

func parse(t *testing.T, data []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err)
	return value
}

func TestOtherVersionsHaveNone(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2.7.0", "3.0.0", "", "../asyncapi/2.0.0", "*"} {
		_, err := asyncapi.Read(version)
		assert.ErrorContains(t, err, "use one from 2.0.0 to 2.6.0", version)
	}
}
