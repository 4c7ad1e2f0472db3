package simulator_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// Whatever the system: it refuses strangers, can be broken on purpose, remembers its calls, says what it
// sends, and ends when it is closed.
func TestWhatAllSystemsHaveInCommon(t *testing.T) {
	t.Parallel()
	params := map[string]map[string]string{
		"c4c":       {"system_url": "https://my123456.crm.ondemand.com", "basic_user": "_KYMA", "basic_password": "pass"},
		"cdp":       cdpParams(),
		"github":    githubParams(),
		"litmos":    litmosParams(),
		"marketing": marketingParams(), "openconnectors": ocParams(), "qualtrics": qualtricsParams(),
	}
	require.Len(t, params, len(simulator.Systems()), "a system is missing in this test")
	for _, name := range simulator.Systems() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			system, err := simulator.NewSystem(name, params[name])
			require.NoError(t, err)
			defer system.Close()
			for host, handler := range system.Hosts() {
				assert.Regexp(t, `^[a-z0-9.-]+:443$`, host)
				server := httptest.NewServer(handler)
				defer server.Close()
				path := map[string]string{"litmos": "/v1.svc/"}[name]
				if path == "" {
					path = "/"
				}
				assert.Equal(t, http.StatusUnauthorized, get(t, server.URL+path).status)
				_, err = system.Faults().Add(simulator.Fault{Part: simulator.PartAPI, Status: 503, RetryAfter: 2, Times: 1})
				require.NoError(t, err)
				got := get(t, server.URL+path)
				assert.Equal(t, 503, got.status)
				assert.Equal(t, "2", got.header.Get("Retry-After"))
				assert.Equal(t, 200, get(t, server.URL+"/_faults").status)
				assert.Equal(t, []simulator.Call{
					{Part: simulator.PartAPI, Method: "GET", Path: path, Status: 401}, {Part: simulator.PartAPI, Method: "GET", Path: path, Status: 503},
				}, system.Calls())
			}
			notifier, ok := system.(simulator.Notifier)
			require.True(t, ok)
			require.NotEmpty(t, notifier.Types())
			assert.ErrorContains(t, notifier.Fire(t.Context(), simulator.Notification{Type: notifier.Types()[0]}), "no consumer is connected")
			assert.Empty(t, notifier.Monitor())
			assert.Error(t, notifier.Resend(t.Context(), "1"))
			system.Close()
		})
	}
}
