package eventgateway

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/testlog"
)

// Without space for a small file events go on; the file comes when there is space.
func TestManagementWaitsForSpace(t *testing.T) {
	t.Parallel()
	dir, logs := t.TempDir(), &testlog.Buffer{}
	inTheWay := filepath.Join(dir, manageFile, "something")
	require.NoError(t, os.MkdirAll(inTheWay, 0o700))

	m, err := newManagement(t.Context(), "127.0.0.1:0", dir, nil, nil, slog.New(slog.NewTextHandler(logs, nil)))
	require.NoError(t, err)
	assert.Contains(t, logs.String(), "cannot find this gateway")
	m.again = time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.run(ctx) }()

	require.NoError(t, os.RemoveAll(filepath.Join(dir, manageFile)))
	require.Eventually(t, func() bool {
		_, err := reachManagement(dir)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	stop()
	require.NoError(t, <-ended)
	assert.NoFileExists(t, filepath.Join(dir, manageFile))
}
