package connector_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/connector"
)

const c4cFiles = "../../charts/c4c-connector/files"

func TestLoadC4C(t *testing.T) {
	t.Parallel()
	d, err := connector.Load(os.DirFS(c4cFiles))
	require.NoError(t, err)
	params, err := d.ReadParams("../../charts/c4c-connector/samples/params.yaml")
	require.NoError(t, err)
	auth, err := d.SelectAuth(d.System.Auth, params)
	require.NoError(t, err)
	require.Equal(t, []string{"basic_user", "basic_password"}, auth.Parameters())
}
