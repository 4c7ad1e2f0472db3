package httpclient_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/httpclient"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{certificate, key}
}

func (a *authority) sign(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	change(template)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestUntrustedServers: what is wrong with the other side's TLS is said in our words: a certificate may hold any
// text.
func TestUntrustedServers(t *testing.T) {
	t.Parallel()
	const sentinel = "s3ntinel"
	known, unknown := newAuthority(t), newAuthority(t)
	as := func(a *authority, change func(*x509.Certificate)) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{a.sign(t, func(c *x509.Certificate) {
			c.Subject.CommonName, c.DNSNames = sentinel, append(c.DNSNames, sentinel+".example.com")
			change(c)
		})}}
	}
	unchanged := func(*x509.Certificate) {}
	strict := as(known, unchanged)
	strict.ClientAuth = tls.RequireAnyClientCert
	old := as(known, unchanged)
	old.MaxVersion = tls.VersionTLS11
	for name, tt := range map[string]struct {
		config *tls.Config
		why    string
	}{
		"trusted":        {as(known, unchanged), ""},
		"expired":        {as(known, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "the certificate has expired, or is not valid yet"},
		"not valid yet":  {as(known, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), "the certificate has expired, or is not valid yet"},
		"another name":   {as(known, func(c *x509.Certificate) { c.IPAddresses = nil }), "the certificate is for another name"},
		"unknown":        {as(unknown, unchanged), "the certificate is signed by an unknown authority"},
		"self-signed":    {&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{unknown.certificate.Raw}, PrivateKey: unknown.key}}}, "the certificate is for another name"},
		"another usage":  {as(known, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), "the certificate may not be used for this"},
		"wants one, too": {strict, "the other side broke it off; it may want a client certificate, or another version of TLS"},
		"an old version": {old, "the other side broke it off; it may want a client certificate, or another version of TLS"},
		"no TLS":         {nil, "the other side does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, sentinel) }))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			if server.TLS = tt.config; tt.config != nil {
				server.StartTLS()
			} else {
				server.Start()
			}
			t.Cleanup(server.Close)
			transport := httpclient.NewTransport()
			pool := x509.NewCertPool()
			pool.AddCert(known.certificate)
			transport.TLSClientConfig = &tls.Config{RootCAs: pool}
			address := "https://" + server.Listener.Addr().String()
			var waited pauses
			_, err := httpclient.New(httpclient.Options{Transport: transport, Retry: httpclient.Retry{Wait: waited.wait}}).Do(t.Context(), httpclient.Request{URL: address})
			if tt.why == "" {
				require.NoError(t, err)
				return
			}
			assertKind(t, httpclient.TLS, err)
			assert.EqualError(t, err, "GET "+address+": no trusted TLS connection: "+tt.why)
			assert.Empty(t, waited, "it will not get better")
		})
	}
}
