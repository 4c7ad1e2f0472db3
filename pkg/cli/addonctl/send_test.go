package addonctl

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
)

// gatewayFor takes deliveries with this user and password and nothing else.
func gatewayFor(t *testing.T, user, password string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			http.Error(w, "wrong user or password", http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestSend(t *testing.T) {
	t.Parallel()
	const user, password = "installed-user", "installed-password"
	gateway := gatewayFor(t, user, password)
	params := filepath.Join(t.TempDir(), "params.yaml")
	require.NoError(t, os.WriteFile(params, []byte("event_user: "+user+"\nevent_password: "+password+"\n"), 0o600))
	mounted := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(mounted, "event_user"), []byte(user), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(mounted, "event_password"), []byte(password+"\n"), 0o600))
	recording := filepath.Join(t.TempDir(), "own.http")
	require.NoError(t, os.WriteFile(recording, []byte("POST /c4c HTTP/1.1\nContent-Type: application/json\n\n{}"), 0o600))

	tests := []struct {
		name string
		args []string
		code int
		out  string
		err  string
	}{
		{"a sample, signed with given parameters", []string{"ticket-created", "--params", params}, 0, "ticket-created: 202 (as expected)", ""},
		{"parameters as they are mounted", []string{"ticket-created", "--params", mounted}, 0, "ticket-created: 202 (as expected)", ""},
		{"without them, it is signed for nobody", []string{"ticket-created"}, 1, "ticket-created: 401 (want 202, accepted) wrong user or password", "error: 1 of 1 answers are not as expected"},
		{"what is wrong on purpose stays wrong", []string{"wrong-password", "--params", params}, 0, "wrong-password: 401 (as expected)", ""},
		{"all of them", []string{"--params", params}, 1, "account-updated: 202 (as expected)", "answers are not as expected"},
		{"a recording of one's own", []string{"--file", recording, "--params", params}, 1, "401 (want 2xx)", ""},
		{"an unknown sample", []string{"lunch"}, 2, "", `has no sample "lunch": choose one of account-created-cloudevent, `},
		{"a sample and a recording", []string{"ticket-created", "--file", recording}, 2, "", "give a sample or --file, not both"},
		{"parameters that are not there", []string{"--params", filepath.Join(mounted, "none")}, 2, "", "there is no such directory or file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, conversation bytes.Buffer
			args := append([]string{"send", tried, "--url", gateway.URL}, tt.args...)
			code := Main(t.Context(), args, func(string) string { return "" }, cli.Streams{Out: &out, Err: &conversation})
			assert.Equal(t, tt.code, code, out.String()+conversation.String())
			assert.Contains(t, out.String(), tt.out)
			assert.Contains(t, conversation.String(), tt.err)
			assert.NotContains(t, out.String()+conversation.String(), password)
		})
	}
}

func TestSendWantsAPlainAddress(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"gateway.example.com", "ftp://gateway.example.com", "https://user:hidden-word@gateway.example.com", "https://"} {
		var out, conversation bytes.Buffer
		code := Main(t.Context(), []string{"send", tried, "--url", url}, func(string) string { return "" }, cli.Streams{Out: &out, Err: &conversation})
		assert.Equal(t, cli.ExitConfig, code, url)
		assert.Contains(t, conversation.String(), "--url: want http(s)://host, without credentials")
		assert.NotContains(t, conversation.String(), "hidden-word")
	}
}
