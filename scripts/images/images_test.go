package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// binaries builds a small program for both platforms.
func binaries(t *testing.T, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(source, []byte("package main\n\nfunc main() { println(`hello`) }\n"), 0o600))
	for _, arch := range []string{"amd64", "arm64"} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "linux_"+arch, "hello"), source)
		cmd.Env = append(os.Environ(), append([]string{"GOOS=linux", "GOARCH=" + arch, "CGO_ENABLED=0", "GOFLAGS="}, env...)...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return dir
}

func buildHello(t *testing.T, bin, registry string, more ...string) (out string) {
	t.Helper()
	out = t.TempDir()
	args := append([]string{"build", "-binaries", bin, "-out", out, "-registry", registry, "-version", "1.2.3",
		"-revision", "abc", "-source", "https://example.com/sources", "-created", "1700000000"}, more...)
	require.NoError(t, run(context.Background(), append(args, "hello"), io.Discard))
	return out
}

func TestTheSameSourcesInTwoPlacesGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	one := sums(t, buildHello(t, binaries(t), "example.com/x"))
	two := sums(t, buildHello(t, binaries(t), "example.com/x"))
	assert.Equal(t, one, two)
	assert.Contains(t, one, "hello/index.json")
	assert.Contains(t, one, "hello_1.2.3_linux_arm64.tar")
}

func TestPushedIsWhatWasBuilt(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	where := strings.TrimPrefix(server.URL, "http://") + "/team/x"
	out := buildHello(t, binaries(t), where)
	var printed bytes.Buffer
	require.NoError(t, run(context.Background(), []string{"push", "-out", out, "-registry", where, "-version", "1.2.3", "hello"}, &printed))

	ref, err := name.ParseReference(where + "/hello:1.2.3")
	require.NoError(t, err)
	index, err := remote.Index(ref)
	require.NoError(t, err)
	require.NoError(t, validate.Index(index), "every blob must have the digest that its manifest names")
	digest, err := index.Digest()
	require.NoError(t, err)
	assert.Equal(t, digest.String()+"  "+ref.String()+"\n", printed.String())
	digests, err := os.ReadFile(filepath.Join(out, "digests.json"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"hello": "`+digest.String()+`"}`, string(digests))

	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 2)
	for i, arch := range []string{"amd64", "arm64"} {
		assert.Equal(t, &v1.Platform{OS: "linux", Architecture: arch}, manifest.Manifests[i].Platform)
	}
	img, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "arm64"}))
	require.NoError(t, err)
	file, err := img.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, "arm64", file.Architecture)
	assert.Equal(t, nonRoot, file.Config.User)
	assert.Equal(t, []string{"/hello"}, file.Config.Entrypoint)
	assert.Contains(t, file.Config.Env, "PATH=/", "kubectl exec finds the program by its name")
	assert.Equal(t, map[string]string{
		"org.opencontainers.image.title":    "hello",
		"org.opencontainers.image.version":  "1.2.3",
		"org.opencontainers.image.revision": "abc",
		"org.opencontainers.image.source":   "https://example.com/sources",
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.created":  "2023-11-14T22:13:20Z",
	}, file.Config.Labels)
	layers, err := img.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	content, err := layers[0].Uncompressed()
	require.NoError(t, err)
	defer content.Close()
	files := tar.NewReader(content)
	header, err := files.Next()
	require.NoError(t, err)
	assert.Equal(t, "hello", header.Name)
	assert.Equal(t, fs.FileMode(0o755), header.FileInfo().Mode())
	_, err = files.Next()
	assert.ErrorIs(t, err, io.EOF, "the binary alone")
}

func TestArchiveIsReadByDockersReader(t *testing.T) {
	t.Parallel()
	out := buildHello(t, binaries(t), "example.com/x", "-platforms", "amd64")
	tag, err := name.NewTag("example.com/x/hello:1.2.3")
	require.NoError(t, err)
	img, err := tarball.ImageFromPath(filepath.Join(out, "hello_1.2.3_linux_amd64.tar"), &tag)
	require.NoError(t, err)
	file, err := img.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, "amd64", file.Architecture)
	layers, err := img.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	id, err := layers[0].DiffID()
	require.NoError(t, err)
	assert.Equal(t, file.RootFS.DiffIDs[0], id)
}

func TestPinWritesDigestsAndNothingElse(t *testing.T) {
	t.Parallel()
	out := buildHello(t, binaries(t), "example.com/x")
	digests, err := os.ReadFile(filepath.Join(out, "digests.json"))
	require.NoError(t, err)
	digest := strings.Split(string(digests), `"`)[3]
	values := filepath.Join(t.TempDir(), "values.yaml")
	text := "# a comment\nimages:\n  hello: {repository: hello, tag: \"\", digest: \"%s\"} # stays\n  other: {repository: hello-too, digest: \"\"}\n"
	for _, before := range []string{"", "sha256:old"} {
		require.NoError(t, os.WriteFile(values, []byte(strings.Replace(text, "%s", before, 1)), 0o600))
		require.NoError(t, run(context.Background(), []string{"pin", "-out", out, "-values", values}, io.Discard))
		got, err := os.ReadFile(values)
		require.NoError(t, err)
		assert.Equal(t, strings.Replace(text, "%s", digest, 1), string(got))
	}
	require.NoError(t, os.WriteFile(values, []byte("images: {}\n"), 0o600))
	assert.ErrorContains(t, run(context.Background(), []string{"pin", "-out", out, "-values", values}, io.Discard), "0 lines hold the digest of hello")
}

// The release pins the library chart's values.
func TestTheChartsValuesCanBePinned(t *testing.T) {
	t.Parallel()
	values := filepath.Join(t.TempDir(), "values.yaml")
	content, err := os.ReadFile("../../charts/common/values.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(values, content, 0o600))
	out := t.TempDir()
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	require.NoError(t, os.WriteFile(filepath.Join(out, "digests.json"), []byte(`{"registration-job": "`+digest+`", "event-gateway": "`+digest+`"}`), 0o600))
	require.NoError(t, run(context.Background(), []string{"pin", "-out", out, "-values", values}, io.Discard))
	pinned, err := os.ReadFile(values)
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(string(pinned), digest))
	assert.Equal(t, string(content), strings.ReplaceAll(string(pinned), digest, ""))
}

func TestWhatCannotRunIsRefused(t *testing.T) {
	t.Parallel()
	good := binaries(t)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no such binary":     {[]string{"build", "-binaries", good, "-registry", "r.io/x", "-version", "1", "other"}, "other"},
		"wrong architecture": {[]string{"build", "-binaries", swapped(t, good), "-registry", "r.io/x", "-version", "1", "hello"}, "want amd64"},
		"unknown platform":   {[]string{"build", "-binaries", good, "-platforms", "mips", "-registry", "r.io/x", "-version", "1", "hello"}, "want amd64 or arm64"},
		"version is no tag":  {[]string{"build", "-binaries", good, "-registry", "r.io/x", "-version", "a b", "hello"}, "a b"},
		"no registry":        {[]string{"build", "-version", "1", "hello"}, "-registry is missing"},
		"nothing built":      {[]string{"push", "-registry", "r.io/x", "-version", "1", "hello"}, "make images"},
		"no version":         {[]string{"push", "-registry", "r.io/x", "hello"}, "-version is missing"},
		"no names":           {[]string{"push", "-registry", "r.io/x", "-version", "1"}, "name the images"},
		"no command":         {nil, "build, push or pin"},
		"unknown command":    {[]string{"pull"}, "pull"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := tc.args
			if len(args) > 1 {
				args = append([]string{args[0], "-out", t.TempDir()}, args[1:]...)
			}
			assert.ErrorContains(t, run(context.Background(), args, io.Discard), tc.want)
		})
	}
}

func TestDynamicBinaryIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "linux_amd64"), 0o755))
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "linux_amd64", "hello"), "-buildmode=pie", "-ldflags=-linkmode=internal", filepath.Join(binaries(t), "main.go"))
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	err = run(context.Background(), []string{"build", "-binaries", dir, "-out", t.TempDir(), "-platforms", "amd64", "-registry", "r.io/x", "-version", "1", "hello"}, io.Discard)
	assert.ErrorContains(t, err, "CGO_ENABLED=0")
}

// swapped is dir with the architectures' binaries exchanged.
func swapped(t *testing.T, dir string) string {
	t.Helper()
	out := t.TempDir()
	for _, pair := range [][2]string{{"amd64", "arm64"}, {"arm64", "amd64"}} {
		require.NoError(t, os.MkdirAll(filepath.Join(out, "linux_"+pair[0]), 0o755))
		content, err := os.ReadFile(filepath.Join(dir, "linux_"+pair[1], "hello"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(out, "linux_"+pair[0], "hello"), content, 0o755))
	}
	return out
}

// sums are the digests of all files below dir.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		all[path] = hex.EncodeToString(sum[:])
		return nil
	}))
	return all
}
