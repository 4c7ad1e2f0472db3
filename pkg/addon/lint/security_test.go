package lint_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
)

// TestASecretIsFoundWhereItIs: the finding names the object and the place in it.
func TestASecretIsFoundWhereItIs(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"SEC001":            "plan default: ConfigMap more: data.note holds the secret api_key",
		"SEC001-base64":     "plan default: ConfigMap more: data.note holds in base64 the secret api_key",
		"SEC001-annotation": "plan default: Secret <release>-more: metadata.annotations.example.com/key holds the secret api_key",
		"SEC001-digest":     "plan default: ConfigMap <release>-more: metadata.annotations.checksum holds a digest of the secret api_key",
		"SEC001-argument":   "plan default: Deployment <release>-gateway: spec.template.spec.containers[gateway].args[1] holds the secret api_key",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			repo := addontest.Repository(t)
			archive, err := txtar.ParseFile("examples/" + file + ".txtar")
			require.NoError(t, err)
			addontest.Extract(t, repo.Dir(), archive)
			findings := run(t, repo).Findings
			require.NotEmpty(t, findings)
			assert.Equal(t, want, findings[0].Message)
		})
	}
}
