package registrationjob

import (
	"testing"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli/clitest"
)

func TestEveryCommandHasExamples(t *testing.T) {
	t.Parallel()
	clitest.Documented(t, newRoot(func(string) string { return "" }, cli.Streams{}))
}
