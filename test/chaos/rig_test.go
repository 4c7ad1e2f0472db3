// Package chaos_test breaks the gateway, its disk, its streams and its target while a ledger of every event
// is kept, and compares the books afterwards. `make test` runs it for a short while, `make chaos` in full.
package chaos_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kyma-connectors/kyma-connectors/test/chaos/faults"
	"github.com/kyma-connectors/kyma-connectors/test/chaos/ledger"
)

// patience bounds every wait for something that has to happen.
const patience = 2 * time.Minute

// What testdata/params.yaml says.
const (
	signingKey   = "a-key-that-only-tests-know"
	clientSecret = "a-secret-that-only-tests-know"
)

// gatewayBinary is the product's own binary, made of these sources.
var gatewayBinary string

// TestMain makes the gateway's binary. The test's own binary also becomes a NATS server, and whatever process
// shall have a disk that fails.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(faults.Variable) != "":
		fmt.Fprintln(os.Stderr, "faults:", faults.Become())
		os.Exit(1)
	case os.Getenv("CHAOS_NATS") != "":
		os.Exit(beNATS(os.Args[1], os.Args[2]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	gatewayBinary = filepath.Join(dir, "event-gateway")
	build := exec.Command("go", "build", "-trimpath", "-o", gatewayBinary, "../../cmd/event-gateway")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "the gateway cannot be built: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	figures.print(os.Stdout)
	return code
}

// figures are the books of all tests, for a table at the end.
var figures table

type table struct {
	mu    sync.Mutex
	rows  []string
	lanes []string
}

func (f *table) add(name string, kills int, r ledger.Report) {
	f.mu.Lock()
	defer f.mu.Unlock()
	duplicates := len(r.Unexplained)
	for _, n := range r.Duplicates {
		duplicates += n
	}
	f.rows = append(f.rows, fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d", strings.TrimPrefix(name, "Test"), kills,
		r.Offered, r.Acknowledged, r.Refused, r.Unanswered, r.Delivered, r.DeadLettered, duplicates, duplicates-len(r.Unexplained), len(r.Lost)))
}

func (f *table) print(w io.Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.rows)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "test\tkills\toffered\tacknowledged\trefused\tunanswered\tdelivered\tdead letters\tduplicates\texplained\tlost\t")
	for _, row := range f.rows {
		fmt.Fprintln(out, row+"\t")
	}
	_ = out.Flush()
	slices.Sort(f.lanes)
	for _, line := range f.lanes {
		fmt.Fprintln(w, line)
	}
}

// budget is a number that `make chaos` makes larger: the environment variable of that name, or the default.
func budget(t *testing.T, name string, def int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// taken counts the ports that tests took.
var taken atomic.Int32

// Ports that the kernel gives to nobody by itself: a connection from somewhere must not have the one of a gateway that is
// being started again.
const firstPort, ports = 12_000, 20_000

// freePort is a port that nothing listens on at the moment, and that no other test takes.
func freePort(t *testing.T) string {
	t.Helper()
	for range ports {
		port := strconv.Itoa(firstPort + (os.Getpid()*100+int(taken.Add(1)))%ports) // other runs begin elsewhere
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
	require.Fail(t, "no port is free")
	return ""
}

// logs is what a process says.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// process is a program that can be killed and started again.
type process struct {
	command func() *exec.Cmd
	// broke is told before everything that the process has in memory is gone.
	broke func()
	// dir is where its writes can be made to fail; empty without that. plain watches write(2) too.
	dir   string
	plain bool

	cmd   *exec.Cmd
	logs  *logs
	disk  *faults.Disk
	ended chan struct{} // closed at its end
	kills int
}

func (p *process) start(t *testing.T) {
	t.Helper()
	p.broke() // what was done since the end could not be noted either
	p.cmd, p.logs = p.command(), &logs{}
	p.cmd.Stderr = p.logs
	if p.dir == "" {
		require.NoError(t, p.cmd.Start())
	} else {
		disk, err := faults.Start(p.cmd, p.dir, p.plain)
		if errors.Is(err, faults.ErrUnsupported) {
			t.Skipf("NOT TESTED HERE, run this on Linux 5.5 or later, outside of a profile that forbids seccomp: %v", err)
		}
		require.NoError(t, err)
		p.disk = disk
	}
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the exit code says it too
	}()
}

// end sends the signal and waits for the end. It returns the exit code, -1 for a kill.
func (p *process) end(t *testing.T, signal os.Signal) int {
	t.Helper()
	if p.ended == nil {
		return 0
	}
	p.broke()
	if signal == syscall.SIGKILL {
		p.kills++
	}
	_ = p.cmd.Process.Signal(signal) // or it has ended by itself
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
		assert.Fail(t, "the process does not end", "after %s", signal)
	}
	p.broke()
	return p.cmd.ProcessState.ExitCode()
}

// signal sends a signal that does not end it.
func (p *process) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(signal))
}

// rig is a gateway with everything around it.
type rig struct {
	buffer  string
	dir     string
	public  string // host:port
	admin   string // URL
	ledger  *ledger.Ledger
	target  *ledger.Target
	gateway *process
	nats    *process // jetstream
	natsURL string
	extra   []string

	load     sync.WaitGroup
	stopLoad context.CancelFunc
}

// options change a rig.
type options struct {
	// disk makes the writes of whoever keeps the events fail at will.
	disk bool
	// args are further flags of the gateway.
	args []string
}

// patient gives the target time. On a machine that is too busy for it to answer within three seconds, an event would come
// twice, and nobody could tell why.
var patient = []string{"--sink-timeout", "30s"}

func newRig(t *testing.T, buffer string, o options) *rig {
	t.Helper()
	l := ledger.New(strings.NewReplacer("/", "-", " ", "-", ",", "").Replace(t.Name()))
	target, err := ledger.NewTarget(l)
	require.NoError(t, err)
	t.Cleanup(target.Close)
	r := &rig{buffer: buffer, dir: t.TempDir(), public: "127.0.0.1:" + freePort(t), ledger: l, target: target, extra: o.args}
	if buffer == "jetstream" {
		r.startNATS(t, o.disk)
	}
	r.gateway = &process{broke: l.Broke, command: func() *exec.Cmd { return exec.Command(gatewayBinary, r.args()...) }}
	if o.disk && buffer != "jetstream" {
		r.gateway.dir = r.dir
	}
	r.start(t)
	t.Cleanup(func() {
		r.stopSending()
		if t.Failed() {
			_, metrics := r.get("/metrics")
			t.Logf("what it published:\n%s", strings.Join(regexp.MustCompile(`(?m)^kyma_connectors_gateway_(?:publications|append_failures)_total.*$`).FindAllString(metrics, -1), "\n"))
			t.Logf("the gateway's last words:\n%s", tail(r.gateway.logs.String()))
		}
		r.gateway.end(t, syscall.SIGKILL)
		if r.nats != nil {
			r.nats.end(t, syscall.SIGKILL)
		}
	})
	return r
}

func tail(text string) string { return text[max(0, len(text)-8000):] }

// args are the gateway's command line.
func (r *rig) args() []string {
	args := []string{
		"serve", "--connector", "testdata/connector.yaml", "--params", "testdata/params.yaml",
		"--listen", r.public, "--admin-listen", "127.0.0.1:0", "--drain-delay", "0s",
		"--sink-kind", "cloudevents", "--sink-url", fmt.Sprintf("%s/%d", r.target.URL(), r.ledger.Epoch()), "--sink-timeout", "3s",
		"--retry-wait", "20ms", "--retry-wait-max", "200ms", "--retry-wait-full", "100ms",
		"--forwarded-hops", "0", "--buffer", r.buffer,
	}
	return append(append(args, r.place()...), r.extra...)
}

// place are the flags that say where the events are.
func (r *rig) place() []string {
	switch r.buffer {
	case "disk":
		return []string{"--buffer-dir", r.dir}
	case "jetstream":
		return []string{"--buffer-url", r.natsURL, "--buffer-stream", "chaos"}
	}
	return nil
}

// start starts the gateway and waits until it serves.
func (r *rig) start(t *testing.T) {
	t.Helper()
	r.gateway.start(t)
	for deadline := time.Now().Add(patience); !r.listening(); time.Sleep(time.Millisecond) {
		select {
		case <-r.gateway.ended:
			require.Fail(t, "the gateway does not start", r.gateway.logs.String())
		default:
			require.True(t, time.Now().Before(deadline), "the gateway does not start: %s", r.gateway.logs)
		}
	}
}

// listening says whether the gateway has said where its admin listener is.
func (r *rig) listening() bool {
	lines := bufio.NewScanner(strings.NewReader(r.gateway.logs.String()))
	for lines.Scan() {
		var line struct {
			Message string `json:"msg"`
			Admin   string `json:"admin"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "gateway runs" {
			r.admin = "http://" + line.Admin
			return true
		}
	}
	return false
}

// startNATS starts a server of streams as a process of its own.
func (r *rig) startNATS(t *testing.T, faulty bool) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	port := freePort(t)
	r.natsURL = "nats://127.0.0.1:" + port
	r.nats = &process{broke: r.ledger.Broke, command: func() *exec.Cmd {
		cmd := exec.Command(self, port, r.dir)
		cmd.Env = append(os.Environ(), "CHAOS_NATS=1")
		return cmd
	}}
	if faulty {
		r.nats.dir, r.nats.plain = r.dir, true
	}
	r.restartNATS(t)
}

func (r *rig) restartNATS(t *testing.T) {
	t.Helper()
	r.nats.start(t)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.natsURL, "nats://"))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, patience, 5*time.Millisecond, "NATS does not start")
}

func beNATS(port, dir string) int {
	n, err := strconv.Atoi(port)
	if err != nil {
		return 2
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: n, JetStream: true, StoreDir: dir, NoLog: true, SyncAlways: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s.Start()
	s.WaitForShutdown()
	return 0
}

// senders makes a number of senders of each kind.
func (r *rig) senders(http, mqtt int) []ledger.Sender {
	var out []ledger.Sender
	for range http {
		out = append(out, &ledger.HTTP{URL: "http://" + r.public + "/events", Key: signingKey})
	}
	for i := range mqtt {
		out = append(out, &ledger.MQTT{
			Address: r.public, Host: "mqtt.example.com", TokenHost: "auth.example.com", ID: "chaos", Secret: clientSecret,
			Topic: "a/topic", QoS: byte(1 + i%2),
		})
	}
	return out
}

// send begins to offer events; it goes on until stopSending.
func (r *rig) send(load ledger.Load) {
	load.Ledger = r.ledger
	ctx, cancel := context.WithCancel(context.Background())
	r.stopLoad = cancel
	r.load.Go(func() { load.Run(ctx) })
}

func (r *rig) stopSending() {
	if r.stopLoad != nil {
		r.stopLoad()
		r.load.Wait()
	}
}

// offers waits until n more offers were made, whatever was said to them.
func (r *rig) offers(t *testing.T, n int) { t.Helper(); r.more(t, ledger.Unreached, n) }

// acknowledged waits until n more events were acknowledged.
func (r *rig) acknowledged(t *testing.T, n int) { t.Helper(); r.more(t, ledger.Acknowledged, n) }

func (r *rig) more(t *testing.T, a ledger.Answer, n int) {
	t.Helper()
	want := r.ledger.Count(a) + n
	require.Eventually(t, func() bool { return r.ledger.Count(a) >= want }, patience, 5*time.Millisecond, "%s does not grow by %d", a, n)
}

// deadLetters asks the product's own command, with the gateway running.
func (r *rig) deadLetters(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	if r.buffer == "none" {
		return out
	}
	for after := ""; ; {
		args := append([]string{"deadletters", "list", "--output", "json", "--limit", "500", "--after", after, "--buffer", r.buffer}, r.place()...)
		cmd := exec.Command(gatewayBinary, args...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		text, err := cmd.Output()
		require.NoError(t, err, "%s", &stderr)
		var letters []struct {
			ID    string `json:"id"`
			Event string `json:"eventId"`
		}
		require.NoError(t, json.Unmarshal(text, &letters), "%s", text)
		for _, l := range letters {
			out[l.Event], after = true, l.ID
		}
		if len(letters) < 500 {
			return out
		}
	}
}

// settle waits until nothing acknowledged is missing and nothing is under way, and closes the books.
func (r *rig) settle(t *testing.T) ledger.Report {
	t.Helper()
	r.stopSending()
	var dead map[string]bool
	deadline := time.Now().Add(patience)
	for {
		dead = r.deadLetters(t)
		waiting, ok := r.metric("kyma_connectors_gateway_buffer_deliveries")
		// A server whose disk failed may keep messages that were taken out: they take space, and nobody gets them.
		waited := waiting == 0 || r.nats != nil && r.nats.dir != ""
		if ok && waited && len(r.ledger.Pending(r.target, dead)) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("at the end of patience %d acknowledged events are missing, and the buffer says that %v wait", len(r.ledger.Pending(r.target, dead)), waiting)
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	report := r.ledger.Report(r.target, dead)
	t.Logf("%s: %s", r.buffer, report)
	figures.add(t.Name(), r.gateway.kills, report)
	return report
}

// balanced settles and wants the books to be right.
func (r *rig) balanced(t *testing.T) ledger.Report {
	t.Helper()
	report := r.settle(t)
	require.NoError(t, report.Problem())
	require.Positive(t, report.Acknowledged, "nothing was proven")
	return report
}

func (r *rig) get(path string) (int, string) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(r.admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	var body bytes.Buffer
	_, _ = body.ReadFrom(answer.Body)
	return answer.StatusCode, body.String()
}

// metric is the sum of a metric over its labels.
func (r *rig) metric(name string) (float64, bool) {
	_, body := r.get("/metrics")
	found := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(name)+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(body, -1)
	sum := 0.0
	for _, f := range found {
		v, err := strconv.ParseFloat(f[1], 64)
		if err != nil {
			return 0, false
		}
		sum += v
	}
	return sum, len(found) > 0
}

// ready waits until the gateway says that it is ready.
func (r *rig) ready(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { status, _ := r.get("/readyz"); return status == http.StatusOK }, patience, 10*time.Millisecond, "the gateway does not become ready")
}
