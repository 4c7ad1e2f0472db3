package schemas_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/xeipuuv/gojsonschema"

	"github.com/kyma-connectors/kyma-connectors/schemas"
)

func TestEverySchemaIsOne(t *testing.T) {
	t.Parallel()
	for _, name := range []string{schemas.Connector, schemas.AddonMeta, schemas.PlanMeta, schemas.DocsMeta, schemas.Index, schemas.Kyma} {
		data, err := schemas.Read(name)
		require.NoError(t, err, name)
		loader := gojsonschema.NewSchemaLoader()
		loader.Validate = true
		loader.AutoDetect = true
		_, err = loader.Compile(gojsonschema.NewBytesLoader(data))
		assert.NoError(t, err, name)
	}
}
