package pod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
)

const (
	// tailSize is how much of a process's last output is kept for messages.
	tailSize = 16 << 10
	// lastWords bounds a termination message, as Kubernetes does.
	lastWords = 4 << 10
)

// running is a started process.
type running struct {
	Process
	pid    int
	done   chan struct{} // closed when the process has ended
	exit   int           // valid after done
	output *tail
}

// start runs the process in a process group of its own. It ends when this process ends, however that happens (on Linux).
func (p Process) start(redactor *secret.Redactor) (*running, error) {
	file, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(p.TerminationLog, nil, 0o600); err != nil {
		_ = file.Close()
		return nil, err
	}
	r := &running{Process: p, done: make(chan struct{}), output: &tail{}}
	redacted := redactor.Writer(io.MultiWriter(file, r.output))
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env, cmd.Dir = p.Env, p.Dir
	cmd.Stdout, cmd.Stderr = redacted, redacted // the same writer: os/exec writes to it from one goroutine
	cmd.SysProcAttr = attributes()
	// A grandchild that keeps the pipe open must not keep us waiting.
	cmd.WaitDelay = time.Second

	started := make(chan error)
	go func() {
		// The kernel's "parent died" means the thread that started the child, so it must not end before.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(r.done)
		defer file.Close()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		r.pid = cmd.Process.Pid
		started <- nil
		_ = cmd.Wait() // the state says all that matters
		_ = redacted.Close()
		r.exit = exitCode(cmd.ProcessState)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Path, err)
	}
	return r, nil
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// stop ends the process group: SIGTERM, and SIGKILL after the grace period or when ctx ends.
func (r *running) stop(ctx context.Context, grace time.Duration) {
	select {
	case <-r.done:
	default:
		_ = syscall.Kill(-r.pid, syscall.SIGTERM)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-r.done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	// Also after a clean end: whatever the process left in its group goes with it.
	_ = syscall.Kill(-r.pid, syscall.SIGKILL)
	<-r.done
}

// words are what the process said last: its termination message, else the end of its output.
func (r *running) words(redactor *secret.Redactor) string {
	data, err := os.ReadFile(r.TerminationLog)
	if err == nil && len(data) > 0 {
		return redactor.Redact(strings.TrimSpace(string(data[:min(len(data), lastWords)])))
	}
	return strings.TrimSpace(r.output.String())
}

// ExitError says that a container ended where it should not have, or with the wrong exit code.
type ExitError struct {
	Pod, Container string
	Code           int
	// Words are the container's last words, redacted; several lines.
	Words string
}

// Error implements error.
func (e *ExitError) Error() string {
	text := fmt.Sprintf("pod %s: container %s ended with exit code %d", e.Pod, e.Container, e.Code)
	if e.Words != "" {
		text += ":\n" + indent(e.Words)
	}
	return text
}

func indent(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }

// asExit returns the exit error in err.
func asExit(err error) (*ExitError, bool) {
	var exit *ExitError
	ok := errors.As(err, &exit)
	return exit, ok
}

// tail keeps the last tailSize bytes.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if over := len(t.data) - tailSize; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}
