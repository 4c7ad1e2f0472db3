package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// The backends, as registration-job names them.
const (
	application = "application"
	registry    = "application-registry"
)

const password = "bench-pa55word"

// world is a system with many OData services and a cluster, both slow.
type world struct {
	backend string
	dir     string
	system  *httptest.Server
	kyma    *simulator.Kyma
	api     *httptest.Server
	rest    *httptest.Server // the Application Registry
	args    []string

	mu    sync.Mutex
	calls []call
}

// call is one request that the system (or else Kyma) got.
type call struct {
	system       bool
	method, path string
	begin, end   time.Duration
}

// scenario is what a world looks like.
type scenario struct {
	backend  string
	apis     int
	latency  time.Duration
	metadata int  // bytes of each $metadata
	probe    bool // the document is what is probed, not the service document
	dry      bool // nothing is written
	keeps    bool // the Job keeps a state and a status
}

func newWorld(s scenario) (*world, error) {
	dir, err := os.MkdirTemp("", "bench-registration-")
	if err != nil {
		return nil, err
	}
	w := &world{backend: s.backend, dir: dir}
	begin := time.Now()
	w.system = httptest.NewUnstartedServer(w.record(begin, true, serveOData(s)))
	w.system.Config.ErrorLog = log.New(io.Discard, "", 0)
	certificate, authority, err := selfSigned()
	if err != nil {
		return nil, err
	}
	w.system.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	w.system.StartTLS()
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	toSystem := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}}

	generation := simulator.Current
	if s.backend == registry {
		generation = simulator.Old
	}
	w.kyma, err = simulator.NewKyma(simulator.KymaOptions{
		Generation: generation, Applications: []string{"bench"}, Namespaces: []string{"bench"},
		RegistryWork: time.Nanosecond, SystemClient: toSystem,
	})
	if err != nil {
		return nil, err
	}
	w.api = httptest.NewServer(w.record(begin, false, atLeast(s.latency, w.kyma.KubeAPI())))
	w.rest = httptest.NewServer(w.record(begin, false, atLeast(s.latency, w.kyma.Registry())))

	w.args = []string{
		"--connector", w.path("connector.yaml"), "--params", w.path("params.yaml"), "--kubeconfig", w.path("kubeconfig"),
		"--instance", "bench/bench", "--output", "json",
		"--allow-address", "127.0.0.0/8",
	}
	if s.keeps {
		w.args = append(w.args, "--state-secret", "bench-state", "--status-configmap", "bench-status")
	}
	if s.backend == registry {
		w.args = append(w.args, "--registry-url", w.rest.URL+"/bench/v1/metadata")
	}
	return w, w.files(s, authority)
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) files(s scenario, authority []byte) error {
	files := map[string]string{
		"connector.yaml": definition(s),
		"params.yaml":    fmt.Sprintf("system_url: %s\nuser: bench\npassword: %s\n", w.system.URL, password),
		"kubeconfig": fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: bench}}]
current-context: x
`, w.api.URL),
		"ca.pem": string(authority),
	}
	for name, content := range files {
		if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) close() {
	w.system.Close()
	w.api.Close()
	w.rest.Close()
	w.kyma.Close()
	_ = os.RemoveAll(w.dir)
}

// definition describes a system with that many APIs.
func definition(s scenario) string {
	var b strings.Builder
	b.WriteString(`apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: bench, displayName: Bench, description: A system with many APIs., provider: Bench, product: Bench}
parameters:
  system_url: {kind: url, title: System URL, description: Address., required: true, example: https://bench.example.com}
  user: {kind: text, title: User, description: User., required: true, example: bench}
  password: {kind: secret, title: Password, description: Password., required: true}
application: bench
system:
  url: =param("system_url")
  auth: {basic: {username: =param("user"), password: =param("password")}}
apis:
`)
	probe := ""
	for i := range s.apis {
		if s.probe {
			probe = ", probe: {metadata: true}"
		}
		fmt.Fprintf(&b, "  - {id: api-%05d, name: API %05d, kind: odata, path: /odata/%05d/, csrf: true, specification: {metadata: true}%s}\n", i, i, i, probe)
	}
	return b.String()
}

// serveOData answers after the latency: a service document, or a long description.
func serveOData(s scenario) http.Handler {
	chunk := []byte(strings.Repeat(`<Property Name="Padding" Type="Edm.String" Nullable="false"/>`, 512))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.probe || !strings.HasSuffix(r.URL.Path, "/$metadata") {
			time.Sleep(s.latency) // what the registry fetches by itself is a part of its 20 ms
		}
		if _, given, _ := r.BasicAuth(); given != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if !strings.HasSuffix(r.URL.Path, "/$metadata") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"d":{"EntitySets":["Accounts","Contacts","Orders"]}}`)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		_, _ = io.WriteString(w, `<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices><Schema xmlns="http://schemas.microsoft.com/ado/2008/09/edm"><EntityType Name="Account">`)
		for sent := 0; sent < s.metadata; sent += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `</EntityType><EntityContainer Name="C"><EntitySet Name="Accounts" EntityType="Account"/></EntityContainer></Schema></edmx:DataServices></edmx:Edmx>`)
	})
}

// atLeast lets a call take a time in all, work included: that of a simulator grows with what it holds.
func atLeast(latency time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		time.Sleep(latency - time.Since(begin))
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// record notes every call.
func (w *world) record(start time.Time, system bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		begin := time.Since(start)
		next.ServeHTTP(rw, r)
		w.mu.Lock()
		defer w.mu.Unlock()
		// The specification is what the registry fetches, not what the Job does.
		if system && w.backend == registry && strings.HasSuffix(r.URL.Path, "/$metadata") {
			return
		}
		w.calls = append(w.calls, call{system, r.Method, r.URL.Path, begin, time.Since(start)})
	})
}

// selfSigned makes a certificate of the kind that systems have today, and the file that lets a client trust it.
func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// take returns the calls so far and forgets them.
func (w *world) take() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}
