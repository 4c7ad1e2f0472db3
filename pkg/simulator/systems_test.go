package simulator_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// patience is how long a test waits for what happens in the background.
const patience = 30 * time.Second

// newSystem makes a simulated system, lets it reach the world, and serves its one host.
func newSystem(t *testing.T, name string, params map[string]string) (system simulator.System, url string) {
	t.Helper()
	system, err := simulator.NewSystem(name, params)
	require.NoError(t, err)
	t.Cleanup(system.Close)
	hosts := system.Hosts()
	require.Len(t, hosts, 1)
	for _, handler := range hosts {
		url = serve(t, handler)
	}
	return system, url
}

// nearby reaches servers of the test, and nothing else.
func nearby() *http.Client { return &http.Client{Transport: local{}, Timeout: 10 * time.Second} }

type local struct{}

func (local) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() != "127.0.0.1" {
		return nil, errors.New("no route to host")
	}
	return direct.RoundTrip(r)
}

// with returns the parameters with some changed; no value takes one away.
func with(params map[string]string, changes ...string) map[string]string {
	changed := map[string]string{}
	for name, value := range params {
		changed[name] = value
	}
	for i := 0; i < len(changes); i += 2 {
		changed[changes[i]] = changes[i+1]
	}
	return changed
}

// object reads a JSON object.
func object(t *testing.T, body string) map[string]any {
	t.Helper()
	var o map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &o), body)
	return o
}

// list reads a JSON array of objects.
func list(t *testing.T, body string) []map[string]any {
	t.Helper()
	var l []map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &l), body)
	return l
}

// delivery is one request that an inbox took or refused.
type delivery struct {
	path   string
	header http.Header
	body   string
}

// inbox is where systems send their events.
type inbox struct {
	*httptest.Server
	mu         sync.Mutex
	status     int
	deliveries []delivery
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	i := &inbox{status: http.StatusAccepted}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		i.mu.Lock()
		defer i.mu.Unlock()
		if err == nil {
			i.deliveries = append(i.deliveries, delivery{path: r.URL.Path, header: r.Header, body: string(body)})
		}
		w.WriteHeader(i.status)
	}))
	t.Cleanup(i.Close)
	return i
}

// answer sets the status that deliveries are answered with.
func (i *inbox) answer(status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status = status
}

// got is what has arrived.
func (i *inbox) got() []delivery {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.deliveries)
}

// wait waits for a number of deliveries.
func (i *inbox) wait(t *testing.T, count int) []delivery {
	t.Helper()
	require.Eventually(t, func() bool { return len(i.got()) >= count }, patience, time.Millisecond)
	return i.got()
}

// eventually waits until a condition holds.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, time.Millisecond)
}

func states(n simulator.Notifier) []string {
	states := []string{}
	for _, sent := range n.Monitor() {
		states = append(states, sent.State)
	}
	return states
}

// refused checks that a system cannot be made with the parameters changed like this; the error names the parameter.
func refused(t *testing.T, system string, params map[string]string, parameter, value string) {
	t.Helper()
	_, err := simulator.NewSystem(system, with(params, parameter, value))
	assert.ErrorContains(t, err, "parameter "+parameter, "%s=%q", parameter, value)
}
