package serve_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	helmcli "helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/downloader"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/repo"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/addontest"
	"github.com/kyma-connectors/kyma-connectors/pkg/addon/serve"
)

const archive = addontest.Name + addon.ArchiveSuffix

func dist(t *testing.T) addon.Tree {
	t.Helper()
	addons, err := addontest.Repository(t).LoadAll()
	require.NoError(t, err)
	tree, err := addon.Dist(addons)
	require.NoError(t, err)
	return tree
}

func call(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) []byte {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return data
}

func TestArchivesGoOutAsTheyAre(t *testing.T) {
	t.Parallel()
	tree := dist(t)
	want, _ := tree.Read(archive)
	r := call(serve.New(tree), http.MethodGet, "/"+archive, "Accept-Encoding", "gzip, br")
	assert.Equal(t, http.StatusOK, r.StatusCode)
	assert.Empty(t, r.Header.Get("Content-Encoding"), "Go's client would unpack it, and Helm Broker then fail")
	assert.Equal(t, "application/gzip", r.Header.Get("Content-Type"))
	assert.Equal(t, want, body(t, r))
}

func TestPartsAndUnchangedFiles(t *testing.T) {
	t.Parallel()
	tree := dist(t)
	h := serve.New(tree)
	whole, _ := tree.Read(archive)

	part := call(h, http.MethodGet, "/"+archive, "Range", "bytes=10-19")
	assert.Equal(t, http.StatusPartialContent, part.StatusCode)
	assert.Equal(t, whole[10:20], body(t, part))

	head := call(h, http.MethodHead, "/"+archive)
	assert.Equal(t, int64(len(whole)), head.ContentLength)
	assert.Empty(t, body(t, head))

	again := call(h, http.MethodGet, "/"+archive, "If-None-Match", head.Header.Get("ETag"))
	assert.Equal(t, http.StatusNotModified, again.StatusCode)
}

func TestOnlyWhatWasBuiltIsServed(t *testing.T) {
	t.Parallel()
	h := serve.New(dist(t))
	for target, want := range map[string]int{
		"/index.yaml": http.StatusOK, "/SHA256SUMS": http.StatusOK, "/charts/" + archive: http.StatusOK, "/healthz": http.StatusOK,
		"/": http.StatusNotFound, "/charts/": http.StatusNotFound, "/other.tgz": http.StatusNotFound, "/../SHA256SUMS": http.StatusNotFound,
	} {
		assert.Equal(t, want, call(h, http.MethodGet, target).StatusCode, target)
	}
	r := call(h, http.MethodPut, "/index.yaml")
	assert.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
	assert.Equal(t, "GET, HEAD", r.Header.Get("Allow"))
}

func TestAnotherRepositoryTakesThePlace(t *testing.T) {
	t.Parallel()
	h := serve.New(dist(t))
	before := call(h, http.MethodGet, "/index.yaml").Header.Get("ETag")
	other, err := addon.NewTree([]addon.File{{Path: "index.yaml", Data: []byte("entries: {}\n")}})
	require.NoError(t, err)
	h.Replace(other)
	after := call(h, http.MethodGet, "/index.yaml", "If-None-Match", before)
	assert.Equal(t, "entries: {}\n", string(body(t, after)))
	assert.Equal(t, http.StatusNotFound, call(h, http.MethodGet, "/"+archive).StatusCode)
}

// What `helm repo add`, `helm repo update` and `helm pull` do, with Helm's own code.
func TestHelmReadsIndexAndChart(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(serve.New(dist(t)))
	defer server.Close()
	dir := t.TempDir()
	settings := helmcli.New()
	settings.RepositoryConfig, settings.RepositoryCache = filepath.Join(dir, "repositories.yaml"), filepath.Join(dir, "cache")

	entry := &repo.Entry{Name: "connectors", URL: server.URL}
	repository, err := repo.NewChartRepository(entry, getter.All(settings))
	require.NoError(t, err)
	repository.CachePath = settings.RepositoryCache
	cached, err := repository.DownloadIndexFile()
	require.NoError(t, err)
	index, err := repo.LoadIndexFile(cached)
	require.NoError(t, err)
	listed, err := index.Get(addontest.Key, "0.1.0")
	require.NoError(t, err)
	assert.Equal(t, []string{"charts/" + archive}, listed.URLs)
	file := repo.NewFile()
	file.Add(entry)
	require.NoError(t, file.WriteFile(settings.RepositoryConfig, 0o600))

	pull := downloader.ChartDownloader{
		Out: io.Discard, Getters: getter.All(settings), RepositoryConfig: settings.RepositoryConfig, RepositoryCache: settings.RepositoryCache,
	}
	pulled, _, err := pull.DownloadTo("connectors/"+addontest.Key, "0.1.0", dir)
	require.NoError(t, err)
	data, err := os.ReadFile(pulled)
	require.NoError(t, err)
	assert.Equal(t, listed.Digest, addon.Digest(data))
	chart, err := loader.Load(pulled)
	require.NoError(t, err)
	assert.Equal(t, addontest.Key, chart.Name())
	assert.Len(t, chart.Dependencies(), 1, "the library came along")
}

func TestWatchTellsEveryChange(t *testing.T) {
	t.Parallel()
	dir := addontest.Repository(t).Dir()
	state := func() (string, error) { return serve.State(dir, addon.AddonsDir, addon.ChartsDir) }
	first, err := state()
	require.NoError(t, err)
	changes := make(chan struct{}, 16)
	go serve.Watch(t.Context(), time.Millisecond, first, state, func() { changes <- struct{}{} })
	wait := func(what string) {
		t.Helper()
		select {
		case <-changes:
		case <-time.After(30 * time.Second):
			t.Fatal("not noticed: " + what)
		}
	}
	values := "charts/demo-connector/values.yaml"
	for _, change := range []struct {
		what string
		do   func()
	}{
		{"a file written", func() { addontest.Write(t, dir, values, "a: 1\n") }},
		{"the same size later", func() {
			require.NoError(t, os.Chtimes(filepath.Join(dir, values), time.Time{}, time.Unix(1, 0)))
		}},
		{"a file removed", func() { require.NoError(t, os.Remove(filepath.Join(dir, values))) }},
		{"a link", func() { require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, values))) }},
	} {
		before, err := state()
		require.NoError(t, err)
		change.do()
		after, err := state()
		require.NoError(t, err)
		require.NotEqual(t, before, after, change.what)
		wait(change.what)
	}
}
