package eventgateway_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/cli/eventgateway"
	"github.com/kyma-connectors/kyma-connectors/pkg/event"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/internal/testlog"
)

const (
	patience  = 20 * time.Second
	charts    = "../../../charts"
	c4c       = charts + "/c4c-connector/files/connector.yaml"
	c4cParams = charts + "/c4c-connector/samples/params.yaml"

	// What samples/params.yaml says.
	c4cUser     = "c4c-sample"
	c4cPassword = "sample-event-password"
)

// TestMain lets this binary be the gateway, for tests that kill it, and makes it trust the servers of
// package httptest.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_GATEWAY") != "" {
		os.Exit(eventgateway.Process())
	}
	server := httptest.NewTLSServer(http.NotFoundHandler())
	trusted := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	server.Close()
	dir, err := os.MkdirTemp("", "eventgateway")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "trusted.pem"), trusted, 0o600)
	}
	if err == nil {
		err = os.Setenv("SSL_CERT_FILE", filepath.Join(dir, "trusted.pem"))
	}
	code := 1
	if err == nil {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// local is an environment in which systems may be on this machine.
func local(name string) string {
	return map[string]string{"KC_ALLOW_ADDRESS": "127.0.0.1,::1"}[name]
}

// run runs a command that ends by itself.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return runWith(t, nil, args...)
}

func runWith(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out, errs testlog.Buffer
	code = eventgateway.Main(ctx, args, func(name string) string { return cmp.Or(env[name], local(name)) }, cli.Streams{Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

// running is a gateway that serves.
type running struct {
	public, admin string
	relay         string // empty where the definition has none
	logs          *testlog.Buffer
	stop          func() int
}

// serve starts the gateway in this process.
func serve(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	logs := &testlog.Buffer{}
	ended := make(chan int, 1)
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--relay-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--drain-delay", "0s"}, args...)
	go func() {
		ended <- eventgateway.Main(ctx, args, local, cli.Streams{Out: io.Discard, Err: logs})
	}()
	r := &running{logs: logs}
	stop := sync.OnceValue(func() int { cancel(); return <-ended })
	r.stop = stop
	t.Cleanup(func() { stop() })
	r.await(t)
	return r
}

// spawn starts the gateway as a process of its own.
func spawn(t *testing.T, args ...string) (*running, *os.Process) {
	t.Helper()
	return spawnWith(t, nil, args...)
}

func spawnWith(t *testing.T, env []string, args ...string) (*running, *os.Process) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, append([]string{"serve", "--listen", "127.0.0.1:0", "--relay-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(append(os.Environ(), "BE_THE_GATEWAY=1", "KC_ALLOW_ADDRESS="+local("KC_ALLOW_ADDRESS")), env...)
	r := &running{logs: &testlog.Buffer{}}
	cmd.Stderr = r.logs
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	r.await(t)
	return r, cmd.Process
}

// await waits until the gateway says where it listens.
func (r *running) await(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		lines := bufio.NewScanner(bytes.NewBufferString(r.logs.String()))
		for lines.Scan() {
			var line struct {
				Message   string   `json:"msg"`
				Admin     string   `json:"admin"`
				Listeners []string `json:"listeners"`
			}
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "gateway runs" {
				r.public, r.admin = "http://"+line.Listeners[0], "http://"+line.Admin
				if len(line.Listeners) > 1 {
					r.relay = "http://" + line.Listeners[1]
				}
				return true
			}
		}
		return false
	}, patience, time.Millisecond, "the gateway does not start")
}

func (r *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	answer, err := http.Get(r.admin + path)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// answer is what a sender hears.
type answer struct {
	status  int
	Outcome string   `json:"outcome"`
	Events  []string `json:"events"`
	Error   string   `json:"error"`
}

func do(t *testing.T, request *http.Request) answer {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	a := answer{status: response.StatusCode}
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	if len(body) > 0 {
		require.NoError(t, json.Unmarshal(body, &a), string(body))
	}
	return a
}

// deliver sends an event of SAP Cloud for Customer.
func (r *running) deliver(t *testing.T, id, password string) answer {
	t.Helper()
	body := `{"event-type":"Account.Root.Created","event-id":"` + id + `","event-time":"2024-01-02T03:04:05Z","data":{"entity-id":"payload-of-` + id + `"}}`
	request, err := http.NewRequest(http.MethodPost, r.public+"/c4c", bytes.NewBufferString(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(c4cUser, password)
	return do(t, request)
}

// target takes CloudEvents and answers as told.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	events []event.Event
	traces []string // the trace context of each call that brought an event
}

func newTarget(t *testing.T) *target {
	t.Helper()
	s := &target{status: http.StatusNoContent}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.status == http.StatusNoContent && r.Method == http.MethodPost {
			e, err := event.ParseBinary(r.Header, body)
			assert.NoError(t, err)
			s.events = append(s.events, e)
			s.traces = append(s.traces, r.Header.Get("Traceparent"))
		}
		w.WriteHeader(s.status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *target) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *target) taken() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event.Event(nil), s.events...)
}

func (s *target) ids() []string {
	var ids []string
	for _, e := range s.taken() {
		ids = append(ids, e.ID)
	}
	return ids
}

// arrived waits until the target has that many events.
func (s *target) arrived(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.taken()) >= n }, patience, time.Millisecond)
}

// mount makes a directory of parameters as Kubernetes mounts one.
func mount(t *testing.T, params map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	remount(t, dir, params)
	return dir
}

// remount swaps its content at once, as Kubernetes does.
func remount(t *testing.T, dir string, params map[string]string) {
	t.Helper()
	stamp, err := os.MkdirTemp(dir, "..2024_")
	require.NoError(t, err)
	for name, value := range params {
		require.NoError(t, os.WriteFile(filepath.Join(stamp, name), []byte(value), 0o600))
		link := filepath.Join(dir, name)
		if _, err := os.Lstat(link); err != nil {
			require.NoError(t, os.Symlink(filepath.Join("..data", name), link))
		}
	}
	require.NoError(t, os.Symlink(filepath.Base(stamp), filepath.Join(dir, "..data_tmp")))
	require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
}

func c4cValues(password string) map[string]string {
	return map[string]string{
		"system_url": "https://my123456.crm.ondemand.com", "basic_user": "_KYMA", "basic_password": "sample-odata-password",
		"application_name": "c4c", "event_user": c4cUser, "event_password": password,
	}
}
