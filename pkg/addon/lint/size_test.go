package lint_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
)

// TestAReleaseHasToFitIntoASecret: what the broker's storage takes may still be too large for Helm, if it cannot be packed.
func TestAReleaseHasToFitIntoASecret(t *testing.T) {
	t.Parallel()
	letters := rand.New(rand.NewPCG(1, 2)) // the same letters every time
	text := make([]byte, 1_060_000)
	for i := range text {
		text[i] = byte(33 + letters.IntN(94))
	}
	repo := addontest.Repository(t)
	addontest.Write(t, repo.Dir(), "charts/demo-connector/samples/notes.txt", string(text))
	findings := run(t, repo).Findings
	require.Len(t, findings, 1)
	assert.Equal(t, "CHT009", findings[0].Rule)
	assert.Regexp(t, `^plan default: about 1\d{6} bytes as a release, of at most 1048576$`, findings[0].Message)
}
