package pod

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

// helper is the program that stands for every image of these tests: the test binary under another name.
const helper = "helper"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == helper {
		os.Exit(help(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func help(args []string) int {
	switch args[0] {
	case "show": // what the process was given
		out, _ := json.Marshal(map[string]any{"args": args, "env": os.Environ()})
		fmt.Println(string(out))
		return 0
	case "exit": // exit CODE WORDS
		fmt.Println(args[2])
		code, _ := strconv.Atoi(args[1])
		return code
	case "words": // words FILE TEXT: a termination message
		_ = os.WriteFile(args[1], []byte(args[2]), 0o600)
		fmt.Println("much noise")
		return 1
	case "flaky": // flaky FILE N CODE: fails N times
		data, _ := os.ReadFile(args[1])
		n, _ := strconv.Atoi(args[2])
		if len(data) >= n {
			return 0
		}
		_ = os.WriteFile(args[1], append(data, 'x'), 0o600)
		code, _ := strconv.Atoi(args[3])
		return code
	case "serve": // serve ADDRESS: ready at /readyz at the second try
		tries := 0
		http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
			if tries++; tries < 2 {
				http.Error(w, "still starting", http.StatusServiceUnavailable)
			}
		})
		stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer cancel()
		server := &http.Server{Addr: args[1], ReadHeaderTimeout: time.Second}
		go func() { _ = server.ListenAndServe() }()
		<-stop.Done()
		return 0
	case "stubborn": // does not care for SIGTERM, and has a child
		signal.Ignore(syscall.SIGTERM)
		child := exec.Command(os.Args[0], "sleep")
		_ = child.Start()
		fmt.Println("child", child.Process.Pid)
		time.Sleep(time.Minute)
	case "sleep":
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Minute)
	}
	return 3
}

type objects struct {
	secrets, configMaps map[string]map[string][]byte
}

func (o objects) Secret(_ context.Context, _, name string) (map[string][]byte, bool, error) {
	data, found := o.secrets[name]
	return data, found, nil
}

func (o objects) ConfigMap(_ context.Context, _, name string) (map[string][]byte, bool, error) {
	data, found := o.configMaps[name]
	return data, found, nil
}

const topSecret = "correct-horse-battery"

func machine(t *testing.T) *Machine {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	binaries := t.TempDir()
	require.NoError(t, os.Symlink(self, filepath.Join(binaries, helper)))
	return &Machine{
		Dir:      t.TempDir(),
		Binaries: binaries,
		Env:      func(*corev1.Pod) ([]string, error) { return []string{"HTTP_PROXY=http://127.0.0.1:1"}, nil },
		Objects: objects{
			secrets:    map[string]map[string][]byte{"credentials": {"password": []byte(topSecret), "user": []byte("u")}},
			configMaps: map[string]map[string][]byte{"definition": {"connector.yaml": []byte("a: b"), "apis-x": []byte("{}")}},
		},
		Redactor: func() *secret.Redactor { return secret.NewRedactor(secret.New(topSecret)) },
		Grace:    5 * time.Second,
	}
}
