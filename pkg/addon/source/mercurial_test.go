package source_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/addon/source"
)

// TestMercurialItself reads a repository that Mercurial made and serves.
func TestMercurialItself(t *testing.T) {
	if _, err := exec.LookPath("hg"); err != nil {
		t.Skip("NOT TESTED HERE, since hg is not installed: install mercurial")
	}
	t.Setenv("HGRCPATH", "") // nobody's own settings
	repository := filepath.Join(t.TempDir(), "repository")
	hg := func(args ...string) string {
		out, err := exec.Command("hg", append([]string{"--cwd", repository}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s: %s", args, out)
		return strings.TrimSpace(string(out))
	}
	commit := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(repository, "addons/index.yaml"), []byte(text), 0o600))
		hg("commit", "--addremove", "--user", "a", "--message", text)
	}
	require.NoError(t, os.MkdirAll(filepath.Join(repository, "addons/a-1.0.0"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(repository, "shared.yaml"), []byte("name: a\n"), 0o600))
	require.NoError(t, os.Symlink("../../shared.yaml", filepath.Join(repository, "addons/a-1.0.0/meta.yaml")))
	hg("init")
	commit("first")
	first := hg("log", "--rev", ".", "--template", "{node|short}")
	hg("bookmark", "--inactive", "marked")
	hg("tag", "--user", "a", "v1.0.0")
	commit("newest of default")
	hg("branch", "stable")
	commit("newest of stable")

	plain := serve(t, repository)
	target, err := url.Parse(plain)
	require.NoError(t, err)
	const password = `a #%;="b`
	proxy := httputil.NewSingleHostReverseProxy(target)
	guarded := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, given, _ := r.BasicAuth(); name != "me" || given != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="repository"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	certificate := certified(t, "localhost")
	guarded.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	guarded.StartTLS()
	t.Cleanup(guarded.Close)
	authority := filepath.Join(t.TempDir(), "authority.pem")
	require.NoError(t, os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o600))
	t.Setenv("SSL_CERT_FILE", authority)
	secure := func(password string) string {
		return strings.Replace(guarded.URL, "https://127.0.0.1", "https://"+url.UserPassword("me", password).String()+"@localhost", 1)
	}

	open := func(t *testing.T, address string) (source.Repository, error) {
		t.Helper()
		l, err := source.Parse("hg::" + address)
		require.NoError(t, err)
		return source.Open(t.Context(), l, source.Options{Dir: t.TempDir()})
	}
	for address, want := range map[string]string{
		plain + "//addons/index.yaml":                             "newest of default",
		plain + "//addons/index.yaml?rev=stable":                  "newest of stable",
		plain + "//addons/index.yaml?rev=v1.0.0":                  "first",
		plain + "//addons/index.yaml?rev=marked":                  "first",
		plain + "//addons/index.yaml?rev=" + first:                "first",
		"file://" + repository + "//addons/index.yaml?rev=stable": "newest of stable",
		secure(password) + "//addons/index.yaml?rev=stable":       "newest of stable",
	} {
		r, err := open(t, address)
		if !assert.NoError(t, err, address) {
			continue
		}
		data, err := r.Index(t.Context())
		assert.NoError(t, err, address)
		assert.Equal(t, want, string(data), address)
		tree, err := r.Addon(t.Context(), "a", "1.0.0")
		require.NoError(t, err, address)
		if assert.Len(t, tree.Files(), 1, address) {
			assert.Equal(t, "name: a\n", string(tree.Files()[0].Data), "%s: links are links", address)
		}
		require.NoError(t, r.Close())
	}
	for address, want := range map[string]string{
		plain + "//addons/index.yaml?rev=gone":              "rev=gone: hg: abort: unknown revision 'gone'",
		"file://" + repository + "-none//addons/index.yaml": "not found",
		secure("wrong-secret") + "//addons/index.yaml":      "authorization failed",
	} {
		_, err := open(t, address)
		assert.ErrorContains(t, err, want, address)
		assert.NotContains(t, err.Error(), "wrong-secret")
	}
}

// serve lets Mercurial serve a repository, and gives back the address.
func serve(t *testing.T, repository string) string {
	t.Helper()
	cmd := exec.Command("hg", "serve", "--repository", repository, "--address", "127.0.0.1", "--port", "0", "--print-url")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	address, err := url.Parse(strings.TrimSpace(line))
	require.NoError(t, err)
	return "http://127.0.0.1:" + address.Port()
}

// certified is a certificate for a host, signed by itself: hg compares names, never addresses.
func certified(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
