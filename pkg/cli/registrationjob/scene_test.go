package registrationjob_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/kyma/detect"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// stage is a system of one's own and a cluster, for runs of the real program.
type stage struct {
	backend string
	dir     string
	kyma    *simulator.Kyma
	system  *httptest.Server
	proxy   string
	args    []string

	mu     sync.Mutex
	apis   map[string]http.HandlerFunc // by path below the system
	hooks  map[string]hook             // the system's webhooks, by id
	made   int                         // webhooks so far
	writes []string                    // what changed something, anywhere
	victim *victim
	rights *rights // of the next runs; nil for all
}

// hook is a webhook at the system.
type hook struct{ URL, Topic, Key string }

// victim is a run that is killed at a write: before it takes effect, or after.
type victim struct {
	at     int
	after  bool
	kill   func()
	killed bool
}

// setStage makes an empty cluster, and a system that answers as the handlers say; what they do not know is not
// there. Its webhooks are at /hooks.
func setStage(t *testing.T, backend, definition string, params map[string]string) *stage {
	t.Helper()
	s := &stage{backend: backend, dir: t.TempDir(), apis: map[string]http.HandlerFunc{}, hooks: map[string]hook{}}
	s.system = httptest.NewUnstartedServer(s.gate(http.HandlerFunc(s.serve)))
	s.system.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.system.StartTLS()
	t.Cleanup(s.system.Close)
	proxy := httptest.NewServer(connectTo(s.system.Listener.Addr().String()))
	t.Cleanup(proxy.Close)
	s.proxy = proxy.URL
	generation := simulator.Current
	if backend == detect.ApplicationRegistry {
		generation = simulator.Old
	}
	proxyURL, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	transport := s.system.Client().Transport.(*http.Transport).Clone()
	transport.Proxy = http.ProxyURL(proxyURL)
	toSystem := &http.Client{Transport: transport}
	s.kyma, err = simulator.NewKyma(simulator.KymaOptions{Generation: generation, Namespaces: []string{"shop"}, SystemClient: toSystem})
	require.NoError(t, err)
	t.Cleanup(s.kyma.Close)
	api := httptest.NewServer(s.gate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		refused := s.rights.refuses(w, r)
		s.mu.Unlock()
		if !refused {
			s.kyma.KubeAPI().ServeHTTP(w, r)
		}
	})))
	t.Cleanup(api.Close)
	s.args = []string{
		"--connector", s.path("connector.yaml"), "--params", s.path("params.yaml"), "--kubeconfig", s.path("kubeconfig"), "--instance", "shop/ten", "--namespace", "shop",
		"--state-secret", "ten-state", "--status-configmap", "ten-status", "--callback-url", "https://ten.kyma.example.com",
	}
	if backend == detect.ApplicationRegistry {
		registry := httptest.NewServer(s.gate(s.kyma.Registry()))
		t.Cleanup(registry.Close)
		s.args = append(s.args, "--registry-url", registry.URL+"/ten/v1/metadata")
	}
	s.write(t, "connector.yaml", definition)
	s.params(t, params)
	s.write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.system.Certificate().Raw})))
	s.write(t, "kubeconfig", fmt.Sprintf(kubeconfig, api.URL))
	return s
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %s}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: shop}}]
current-context: x
`

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stage) write(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(s.path(name), []byte(content), 0o600))
}

// params writes the parameters, with the system's address.
func (s *stage) params(t *testing.T, params map[string]string) {
	t.Helper()
	all := maps.Clone(params)
	all["system_url"] = "https://example.com" // by the proxy, so that it is the same on every stage
	data, err := json.Marshal(all)
	require.NoError(t, err)
	s.write(t, "params.yaml", string(data))
}

// answers is what an API of the system says: 200 with a body, or another status.
func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// never is an API that does not answer, not even to a caller who is about to give up.
func never(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// serve is the system.
func (s *stage) serve(w http.ResponseWriter, r *http.Request) {
	if rest, is := strings.CutPrefix(r.URL.Path, "/hooks"); is {
		s.serveHooks(w, r, strings.TrimPrefix(rest, "/"))
		return
	}
	s.mu.Lock()
	api := s.apis[r.URL.Path]
	s.mu.Unlock()
	if api == nil {
		api = http.NotFound
	}
	api(w, r)
}

func (s *stage) serveHooks(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method {
	case http.MethodPost:
		var made hook
		_ = json.NewDecoder(r.Body).Decode(&made)
		s.made++
		id = fmt.Sprintf("hook-%d", s.made)
		s.hooks[id] = made
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"id": id})
	case http.MethodDelete:
		delete(s.hooks, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		list := []map[string]string{}
		for _, id := range slices.Sorted(maps.Keys(s.hooks)) {
			list = append(list, map[string]string{"id": id, "url": s.hooks[id].URL, "topic": s.hooks[id].Topic})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"hooks": list})
	}
}

// gate counts the writes and kills the victim at its own. Writes follow one another, so that the number of each
// is certain.
func (s *stage) gate(next http.Handler) http.Handler {
	var writing sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		writing.Lock()
		defer writing.Unlock()
		s.mu.Lock()
		s.writes = append(s.writes, r.Method+" "+r.URL.Path)
		v, n := s.victim, len(s.writes)
		dies := v != nil && n == v.at
		dead := v != nil && v.killed
		if dies {
			v.killed = true
		}
		s.mu.Unlock()
		if dead || dies && !v.after {
			if dies {
				v.kill()
			}
			return
		}
		next.ServeHTTP(w, r)
		if dies {
			v.kill()
		}
	})
}

// did returns the writes so far and forgets them.
func (s *stage) did() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	writes := s.writes
	s.writes = nil
	return writes
}

// run runs the program, to its end or to its death.
func (s *stage) run(t *testing.T, v *victim, command string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command("registration-job", slices.Concat([]string{command}, s.args, args)...) // testscript puts it there
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+s.path("ca.pem"), "GORACE=atexit_sleep_ms=0", "KC_ALLOW_ADDRESS=127.0.0.0/8", "HTTPS_PROXY="+s.proxy)
	var out, logged bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &logged
	gone := make(chan struct{})
	if v != nil {
		v.kill = func() {
			_ = cmd.Process.Kill()
			<-gone
		}
	}
	s.mu.Lock()
	s.victim = v
	s.writes = nil
	err := cmd.Start()
	s.mu.Unlock()
	require.NoError(t, err)
	_ = cmd.Wait()
	close(gone)
	s.mu.Lock()
	s.victim = nil
	s.mu.Unlock()
	return cmd.ProcessState.ExitCode(), out.String(), logged.String()
}

// apply runs the program and wants it to succeed.
func (s *stage) apply(t *testing.T, args ...string) {
	t.Helper()
	code, stdout, stderr := s.run(t, nil, "apply", args...)
	require.Zero(t, code, "%s%s", stdout, stderr)
}

// object is one object of the cluster, nil where there is none; or a list of them.
func (s *stage) object(t *testing.T, path string) map[string]any {
	t.Helper()
	recorder := httptest.NewRecorder()
	s.kyma.KubeAPI().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	if recorder.Code == http.StatusNotFound {
		return nil
	}
	require.Equal(t, http.StatusOK, recorder.Code, recorder.Body.String())
	var object map[string]any
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &object))
	return object
}

// secrets are all Secrets of the cluster: what they hold and their version, by namespace and name.
func (s *stage) secrets(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, item := range s.object(t, "/api/v1/secrets")["items"].([]any) {
		object := item.(map[string]any)
		meta := object["metadata"].(map[string]any)
		found[fmt.Sprint(meta["namespace"], "/", meta["name"])] = map[string]any{"data": object["data"], "version": meta["resourceVersion"], "owners": meta["ownerReferences"]}
	}
	return found
}

// services are those of the Application, by display name.
func (s *stage) services(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	application := s.object(t, "/apis/applicationconnector.kyma-project.io/v1alpha1/applications/ten")
	if application == nil {
		return found
	}
	for _, item := range application["spec"].(map[string]any)["services"].([]any) {
		service := item.(map[string]any)
		name := service["displayName"].(string)
		assert.NotContains(t, found, name, "no duplicates")
		found[name] = service
	}
	return found
}
