package addonctl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/pkg/internal/cli"
	"github.com/kyma-connectors/kyma-connectors/pkg/sandbox"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret"
	"github.com/kyma-connectors/kyma-connectors/pkg/secret/secrettest"
	"github.com/kyma-connectors/kyma-connectors/pkg/simulator"
)

// These tests run the main job: the real programs, built once, against the simulators.

const tried = "c4c-connector"

// programsDir holds the real programs once they are built; tests give TMPDIR other values later.
var programsDir = filepath.Join(os.TempDir(), fmt.Sprintf("addonctl-test-%d", os.Getpid()))

// programs builds the programs for all tests of this package at first use, in the way the Makefile does:
// then both share Go's cache.
var programs = sync.OnceValue(func() error {
	root, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", programsDir+"/", "./cmd/...")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, output)
	}
	return nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(programsDir)
	os.Exit(code)
}

func binaries(t *testing.T) string {
	t.Helper()
	require.NoError(t, programs())
	return programsDir
}

// try runs addonctl try in this process.
func try(t *testing.T, args ...string) (code int, out, conversation string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"try", tried, "--bin-dir", binaries(t)}, args...)
	code = Main(t.Context(), args, func(string) string { return "" }, cli.Streams{Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

func TestTryEveryPlanOnEveryKyma(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, plan := range []string{"default", "production"} {
		for _, kyma := range []string{"current", "old"} {
			t.Run(plan+" on "+kyma, func(t *testing.T) {
				code, out, conversation := try(t, "--plan", plan, "--kyma", kyma, "--once", "--output", "json")
				require.Equal(t, cli.ExitOK, code, out+conversation)
				assert.Empty(t, conversation)

				var report sandbox.Report
				require.NoError(t, json.Unmarshal([]byte(out), &report))
				assert.True(t, report.OK)
				assert.Equal(t, plan, report.Plan)
				assert.Equal(t, kyma, report.Kyma)
				assert.Positive(t, report.APIs.Registered)
				assert.Zero(t, report.APIs.Failed)
				assert.Zero(t, report.SecondRun.Writes)
				assert.NotEmpty(t, report.Calls)
				assert.Equal(t, len(report.Samples), report.Events.Sent)
				assert.Positive(t, report.Events.Accepted)
				assert.GreaterOrEqual(t, report.Events.Delivered, report.Events.Accepted)
				assert.Positive(t, report.Events.Refused)
				assert.Positive(t, report.Events.Duplicates)
				assert.Positive(t, report.Notifications.Delivered)
				assert.Empty(t, report.Left)
				assertNothingLeft(t)
			})
		}
	}
}

func TestTryTellsPeopleWhatItDid(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	code, out, _ := try(t, "--once")
	require.Equal(t, cli.ExitOK, code, out)
	assert.Contains(t, out, "plan default, current Kyma\n")
	assert.Regexp(t, `ok +[0-9.]+s +register: post-install hooks +[1-9]\d* registered`, out)
	assert.Regexp(t, `ok +[0-9.]+s +remove +nothing is left`, out)
	assert.Contains(t, out, "ok: everything is as it should be")
}

func TestTryKeepsItsDirectoryOnlyIfToldTo(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	code, out, _ := try(t, "--once", "--keep", "--output", "json")
	require.Equal(t, cli.ExitOK, code, out)
	var report sandbox.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	assert.Equal(t, temp, filepath.Dir(report.Dir))
	logs, err := filepath.Glob(filepath.Join(report.Dir, "pods", "*", "logs", "*.log"))
	require.NoError(t, err)
	assert.NotEmpty(t, logs)
	entries, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "the archive's directory has gone")
}

func TestTryNoticesWhatIsWrong(t *testing.T) {
	empty := t.TempDir()
	tests := []struct {
		name    string
		change  func(*sandbox.Trial)
		problem string
	}{
		{"the system knows another password", func(trial *sandbox.Trial) { trial.Parameters["basic_password"] = "another-password" }, `the system refuses the credentials (next: check the parameters "basic_user" and "basic_password")`},
		{"the samples are signed with another password", func(trial *sandbox.Trial) { trial.SampleParams["event_password"] = "another-password" }, "the gateway answers 401"},
		{"a golden file expects another event", func(trial *sandbox.Trial) {
			for i := range trial.Samples {
				for j := range trial.Samples[i].Golden.Events {
					trial.Samples[i].Golden.Events[j].Data = json.RawMessage(`{"other":true}`)
				}
			}
		}, `want {"other":true}`},
		{"a program is missing", func(trial *sandbox.Trial) { trial.Binaries = empty }, "run make build"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			trial := newTrial(t, "default")
			tt.change(trial)
			report := sandbox.Try(t.Context(), *trial)
			assert.False(t, report.OK)
			assert.Empty(t, report.Left, "what failed is removed all the same")
			assert.Contains(t, strings.Join(report.Problems, "\n"), tt.problem)
			assertNothingLeft(t)
		})
	}
}

// newTrial is what the command would run.
func newTrial(t *testing.T, plan string) *sandbox.Trial {
	t.Helper()
	return newTrialOf(t, tried, plan)
}

func newTrialOf(t *testing.T, addon, plan string) *sandbox.Trial {
	t.Helper()
	o := &tryOptions{addon: addon, plan: plan, kyma: string(simulator.Current), binDir: binaries(t), once: true}
	trial, err := o.trial(&Context{})
	require.NoError(t, err)
	return trial
}

func TestTryNeverShowsASecret(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, change := range map[string]func(*sandbox.Trial){
		"all goes well":                     func(*sandbox.Trial) {},
		"the system knows another password": func(trial *sandbox.Trial) { trial.Parameters["basic_password"] = "another-password" },
	} {
		t.Run(name, func(t *testing.T) {
			trial := newTrial(t, "default")
			change(trial)
			secrets := append([]secret.Text{}, trial.Secrets...)
			var out bytes.Buffer
			text := newTryText(&Context{Streams: cli.Streams{Out: &out}})
			trial.Progress = text.step
			trial.Stay = func(_ context.Context, r *sandbox.Running, _ *sandbox.Report) {
				stayText(&out, tried, r)
				for _, dir := range r.ParamsDirs {
					if password, err := secret.ReadFile(filepath.Join(dir, "event_password")); err == nil {
						secrets = append(secrets, password)
					}
				}
			}
			report := sandbox.Try(t.Context(), *trial)
			require.NoError(t, text.end(report))
			encoded, err := json.Marshal(report)
			require.NoError(t, err)
			require.NotEmpty(t, secrets)
			if report.OK {
				require.Greater(t, len(secrets), len(trial.Secrets), "the generated password was looked for")
			}
			secrettest.AssertNoLeak(t, out.String()+string(encoded), secrets...)
		})
	}
}

func TestTryUsage(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	bad := filepath.Join(t.TempDir(), "params.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("system_url: http://\nbasic_user: u\n"), 0o600))
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no add-on", []string{"try"}, "accepts 1 arg(s)"},
		{"unknown add-on", []string{"try", "none"}, "none"},
		{"unknown plan", []string{"try", tried, "--plan", "huge"}, "huge"},
		{"unknown Kyma", []string{"try", tried, "--kyma", "ancient"}, "--kyma ancient: choose current or old"},
		{"unknown output", []string{"try", tried, "--output", "xml"}, "choose text or json"},
		{"bad parameters", []string{"try", tried, "--params", bad}, "system_url"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, conversation bytes.Buffer
			code := Main(t.Context(), tt.args, func(string) string { return "" }, cli.Streams{Out: &out, Err: &conversation})
			assert.Equal(t, cli.ExitConfig, code)
			assert.Contains(t, conversation.String(), tt.want)
			assert.Empty(t, out.String())
		})
	}
}

// process starts addonctl as a process of its own that stays up, and returns when the sandbox is there.
func process(t *testing.T) (cmd *exec.Cmd, temp string) {
	t.Helper()
	temp = t.TempDir()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	cmd = exec.Command(filepath.Join(binaries(t), "addonctl"), "try", tried)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "TMPDIR="+temp)
	conversation, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(conversation)
	up := false
	for !up && lines.Scan() {
		up = strings.Contains(lines.Text(), "The sandbox is up")
	}
	require.True(t, up, "the sandbox did not come up")
	go func() { _, _ = io.Copy(io.Discard, conversation) }()
	require.NotEmpty(t, children(t, cmd.Process.Pid), "the pods run")
	return cmd, temp
}

func TestAnInterruptRemovesEverything(t *testing.T) {
	cmd, temp := process(t)
	pods := children(t, cmd.Process.Pid)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.NoError(t, cmd.Wait(), "all was well, so it ends well")
	for _, pid := range pods {
		assert.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	}
	entries, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestAReaderWhoLeavesLeavesNothingBehind(t *testing.T) {
	temp := t.TempDir()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	cmd := exec.Command(filepath.Join(binaries(t), "addonctl"), "try", tried, "--once")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	assert.Contains(t, line, tried)
	require.NoError(t, out.Close())
	_ = cmd.Wait() // it could not tell what it did

	entries, err := os.ReadDir(temp)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestPodsDieWithTheirParent(t *testing.T) {
	cmd, _ := process(t)
	pods := children(t, cmd.Process.Pid)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for _, pid := range pods {
		assert.Eventually(t, func() bool { return ended(pid) }, 10*time.Second, 10*time.Millisecond)
	}
}

// children are the processes whose parent is pid.
func children(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	var out []int
	for _, file := range stats {
		if child, parent, ok := parentage(file); ok && parent == pid {
			out = append(out, child)
		}
	}
	return out
}

func parentage(file string) (pid, parent int, ok bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, false // it has ended meanwhile
	}
	if _, err := fmt.Sscanf(string(data), "%d", &pid); err != nil {
		return 0, 0, false
	}
	var state string
	_, err = fmt.Sscanf(string(data[bytes.LastIndexByte(data, ')')+1:]), "%s %d", &state, &parent)
	return pid, parent, err == nil && state != "Z"
}

// ended says that the process is gone, or that only its entry waits for whoever inherited it.
func ended(pid int) bool {
	_, _, alive := parentage(fmt.Sprintf("/proc/%d/stat", pid))
	return !alive
}

// assertNothingLeft looks for temporary files, and for processes that this one started.
func assertNothingLeft(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	assert.Empty(t, entries)
	assert.Empty(t, children(t, os.Getpid()))
}
