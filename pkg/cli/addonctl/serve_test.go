package addonctl

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/testlog"
)

// serving is a running addonctl serve.
type serving struct {
	served
	end  context.CancelFunc
	code chan int
	err  *testlog.Buffer
}

func startServe(t *testing.T, args ...string) *serving {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	s := &serving{end: end, code: make(chan int, 1), err: &testlog.Buffer{}}
	reader, writer := io.Pipe()
	go func() {
		code := Main(ctx, append([]string{"serve", "--listen", "127.0.0.1:0", "--output", "json"}, args...), func(string) string { return "" }, cli.Streams{Out: writer, Err: s.err})
		_ = writer.Close()
		s.code <- code
	}()
	t.Cleanup(end)
	require.NoError(t, json.NewDecoder(bufio.NewReader(reader)).Decode(&s.served), "%s", s.err)
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	return s
}

func (s *serving) stop(t *testing.T) {
	t.Helper()
	s.end()
	select {
	case code := <-s.code:
		assert.Zero(t, code, "%s", s.err)
	case <-time.After(time.Minute):
		t.Fatal("does not end")
	}
}

func get(t *testing.T, client *http.Client, address string) (int, string) {
	t.Helper()
	answer, err := client.Get(address)
	require.NoError(t, err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(data)
}

func TestServeATreeAndWatchIt(t *testing.T) {
	t.Parallel()
	dir := addontest.Repository(t).Dir()
	s := startServe(t, dir, "--watch", "--watch-interval", "5ms")
	assert.Equal(t, 1, s.Addons)
	status, index := get(t, http.DefaultClient, s.Index)
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, index, "Connects the demo system.")
	status, _ = get(t, http.DefaultClient, s.URL+"/healthz")
	assert.Equal(t, http.StatusOK, status)

	meta := filepath.Join(dir, "addons", addontest.Name, "meta.yaml")
	before, err := os.ReadFile(meta)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(meta, []byte("not: enough\n"), 0o600))
	require.Eventually(t, func() bool { return strings.Contains(s.err.String(), "what was there before stays: ") }, time.Minute, 5*time.Millisecond)
	_, same := get(t, http.DefaultClient, s.Index)
	assert.Equal(t, index, same)

	require.NoError(t, os.WriteFile(meta, bytes.ReplaceAll(before, []byte("Connects"), []byte("Reaches")), 0o600))
	require.Eventually(t, func() bool {
		_, now := get(t, http.DefaultClient, s.Index)
		return strings.Contains(now, "Reaches the demo system.")
	}, time.Minute, 5*time.Millisecond)
	s.stop(t)
}

func TestServeABuiltRepositoryByHTTPS(t *testing.T) {
	t.Parallel()
	dist := filepath.Join(t.TempDir(), "dist")
	addons, err := addontest.Repository(t).LoadAll()
	require.NoError(t, err)
	tree, err := addon.Dist(addons)
	require.NoError(t, err)
	require.NoError(t, addon.WriteDist(dist, tree))

	borrowed := httptest.NewTLSServer(http.NotFoundHandler())
	defer borrowed.Close()
	certificate := borrowed.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	keys := t.TempDir()
	addontest.Write(t, keys, "tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})))
	addontest.Write(t, keys, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))

	s := startServe(t, dist, "--tls-cert", filepath.Join(keys, "tls.crt"), "--tls-key", filepath.Join(keys, "tls.key"))
	assert.True(t, strings.HasPrefix(s.URL, "https://"), s.URL)
	status, archive := get(t, borrowed.Client(), s.URL+"/"+addontest.Name+".tgz")
	assert.Equal(t, http.StatusOK, status)
	want, _ := tree.Read(addontest.Name + ".tgz")
	assert.Equal(t, string(want), archive)
	s.stop(t)
}
