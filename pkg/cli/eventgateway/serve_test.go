package eventgateway_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
)

// TestNothingAcknowledgedIsLostWhenTheProcessIsKilled kills a gateway in the middle of an outage of the
// target: what it had acknowledged arrives after the next start, and its repetitions are known.
func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	const n = 40
	sink := newTarget(t)
	sink.answer(http.StatusServiceUnavailable)
	args := []string{"--connector", c4c, "--params", c4cParams, "--buffer", "disk", "--buffer-dir", t.TempDir(), "--sink-kind", "cloudevents", "--sink-url", sink.URL}
	g, process := spawn(t, args...)
	var ids []string
	for i := range n {
		id := fmt.Sprint("event-", i)
		require.Equal(t, http.StatusAccepted, g.deliver(t, id, c4cPassword).status)
		ids = append(ids, id)
	}
	require.NoError(t, process.Kill())
	_, err := process.Wait()
	require.NoError(t, err)

	sink.answer(http.StatusNoContent)
	g, _ = spawn(t, args...)
	sink.arrived(t, n)
	assert.ElementsMatch(t, ids, sink.ids(), "each once: none had been published before")
	assert.Equal(t, "duplicate", g.deliver(t, "event-7", c4cPassword).Outcome)
}

func TestATargetThatIsDownKeepsNoGatewayFromStarting(t *testing.T) {
	t.Parallel()
	for _, buffer := range []string{"none", "disk"} {
		t.Run(buffer, func(t *testing.T) {
			t.Parallel()
			sink := newTarget(t)
			sink.answer(http.StatusServiceUnavailable)
			g := serve(t, "--connector", c4c, "--params", c4cParams, "--buffer", buffer, "--buffer-dir", t.TempDir(), "--sink-kind", "cloudevents", "--sink-url", sink.URL)
			status, body := g.get(t, "/readyz")
			assert.Equal(t, http.StatusOK, status, body)
			if buffer == "disk" {
				assert.Equal(t, http.StatusAccepted, g.deliver(t, "a", c4cPassword).status, "the buffer takes it")
			} else {
				got := g.deliver(t, "a", c4cPassword)
				assert.Equal(t, http.StatusServiceUnavailable, got.status, "2xx would be a lie")
				assert.Equal(t, "events cannot be taken at the moment (unavailable): try again later", got.Error)
			}
			sink.answer(http.StatusNoContent)
			require.Eventually(t, func() bool {
				g.deliver(t, "a", c4cPassword)
				return len(sink.taken()) > 0
			}, patience, 10*time.Millisecond)
			assert.Zero(t, g.stop())
		})
	}
}

func TestEventsThatTheTargetWouldRefuseAreRefusedAtTheEdge(t *testing.T) {
	t.Parallel()
	sink := newTarget(t)
	g := serve(t, "--connector", c4c, "--params", c4cParams, "--sink-kind", "kyma", "--sink-url", sink.URL)
	body := `{"event-type":"Account.Root.Created","event-id":"a","data":"` + strings.Repeat("x", 70<<10) + `"}`
	request, err := http.NewRequest(http.MethodPost, g.public+"/c4c", strings.NewReader(body))
	require.NoError(t, err)
	request.SetBasicAuth(c4cUser, c4cPassword)
	got := do(t, request)
	assert.Equal(t, http.StatusRequestEntityTooLarge, got.status)
	assert.Contains(t, got.Error, "the target takes at most 65536")
	assert.Empty(t, sink.taken())
}

func TestSecretsAreReadAgainWhenTheirMountChanges(t *testing.T) {
	t.Parallel()
	sink := newTarget(t)
	dir := mount(t, c4cValues("password-one"))
	g := serve(t, "--connector", c4c, "--params", dir, "--reload-interval", "5ms", "--sink-kind", "cloudevents", "--sink-url", sink.URL)
	require.Equal(t, http.StatusAccepted, g.deliver(t, "1", "password-one").status)

	remount(t, dir, c4cValues("password-two"))
	require.Eventually(t, func() bool { return g.deliver(t, "2", "password-two").status == http.StatusAccepted }, patience, 10*time.Millisecond)
	assert.Equal(t, http.StatusUnauthorized, g.deliver(t, "3", "password-one").status)

	remount(t, dir, c4cValues(""))
	require.Eventually(t, func() bool {
		_, body := g.get(t, "/readyz")
		return strings.Contains(body, "the changed parameters are not used")
	}, patience, 10*time.Millisecond)
	assert.Equal(t, http.StatusAccepted, g.deliver(t, "4", "password-two").status, "the old ones stay in place")
	_, metrics := g.get(t, "/metrics")
	assert.Contains(t, metrics, `kyma_connectors_gateway_reloads_total{result="failed"} 1`)
}

// TestAProcessFollowsItsMount: the same in a process of its own, which is told nothing but where the mount is, and in which
// the kubelet removes what it has replaced.
func TestAProcessFollowsItsMount(t *testing.T) {
	t.Parallel()
	sink := newTarget(t)
	dir := mount(t, c4cValues("password-one"))
	g, process := spawn(t, "--connector", c4c, "--params", dir, "--reload-interval", "20ms", "--sink-kind", "cloudevents", "--sink-url", sink.URL, "--drain-delay", "0s")
	require.Equal(t, http.StatusAccepted, g.deliver(t, "1", "password-one").status)
	before, err := filepath.EvalSymlinks(filepath.Join(dir, "..data"))
	require.NoError(t, err)
	for i, password := range []string{"password-two", "password-three"} {
		remount(t, dir, c4cValues(password))
		require.NoError(t, os.RemoveAll(before))
		before, err = filepath.EvalSymlinks(filepath.Join(dir, "..data"))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return g.deliver(t, fmt.Sprint("2-", i), password).status == http.StatusAccepted }, patience, 20*time.Millisecond)
		assert.Equal(t, http.StatusUnauthorized, g.deliver(t, "3", "password-one").status)
	}
	assert.NoError(t, process.Signal(syscall.Signal(0)), "it is the same process")
}

// TestNothingSecretIsSaid looks through everything that a gateway says while all kinds of things happen.
func TestNothingSecretIsSaid(t *testing.T) {
	t.Parallel()
	sink := newTarget(t)
	g := serve(t, "--connector", c4c, "--params", c4cParams, "--buffer", "disk", "--buffer-dir", t.TempDir(), "--log-level", "debug",
		"--sink-kind", "cloudevents", "--sink-url", sink.URL)
	said := ""
	say := func(a answer) { said += a.Outcome + a.Error + strings.Join(a.Events, "") }
	say(g.deliver(t, "good", c4cPassword))
	sink.arrived(t, 1)
	say(g.deliver(t, "bad", "guessed-password"))
	sink.answer(http.StatusBadRequest)
	say(g.deliver(t, "poison", c4cPassword))
	require.Eventually(t, func() bool { _, m := g.get(t, "/metrics"); return strings.Contains(m, "dead_letters 1\n") }, patience, time.Millisecond)
	request, err := http.NewRequest(http.MethodPost, g.public+"/no/such/secret-path?token=query-secret", bytes.NewBufferString("{}"))
	require.NoError(t, err)
	say(do(t, request))
	for _, path := range []string{"/metrics", "/readyz", "/healthz"} {
		_, body := g.get(t, path)
		said += body
	}
	assert.Zero(t, g.stop())
	said += g.logs.String()
	secrettest.AssertNoLeak(t, said, secret.New(c4cPassword), secret.New("sample-odata-password"), secret.New("guessed-password"), secret.New("query-secret"),
		secret.New("payload-of-"), secret.New("secret-path"))
	assert.Contains(t, said, `"msg":"event became a dead letter"`)
}

func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	sink := newTarget(t)
	g := serve(t, "--connector", c4c, "--params", c4cParams, "--max-connections", "8", "--sink-kind", "cloudevents", "--sink-url", sink.URL)
	for range 50 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(g.public, "http://"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	for i := range 10 {
		request, err := http.NewRequest(http.MethodPost, g.public+"/c4c", strings.NewReader(fmt.Sprintf(`{"event-type":"A.B.Created","event-id":"%d","data":{}}`, i)))
		require.NoError(t, err)
		request.SetBasicAuth(c4cUser, c4cPassword)
		request.Close = true // a connection of its own
		assert.Equal(t, http.StatusAccepted, do(t, request).status)
	}
	_, metrics := g.get(t, "/metrics")
	assert.Regexp(t, `kyma_connectors_gateway_connections\{listener="public"\} [0-8]\n`, metrics)
}

func TestTheAdminListenerServesNothingElse(t *testing.T) {
	t.Parallel()
	g := serve(t, "--connector", c4c, "--params", c4cParams)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/c4c": 404, "/deadletters": 404, "/debug/pprof/": 404} {
		status, _ := g.get(t, path)
		assert.Equal(t, want, status, path)
	}
	for _, path := range []string{"/healthz", "/metrics", "/deadletters", "/relay"} {
		request, err := http.NewRequest(http.MethodPost, g.public+path, strings.NewReader("{}"))
		require.NoError(t, err)
		assert.Equal(t, http.StatusNotFound, do(t, request).status, path)
	}
}
