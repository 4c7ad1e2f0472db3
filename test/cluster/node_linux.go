package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// start runs `cluster node` as the first process of new namespaces and returns its process id. It outlives the caller.
func (l layout) start() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	log, err := os.OpenFile(l.path("log", "node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd := exec.Command(self, "node")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if err := keepDescriptors(); err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid := cmd.Process.Pid // Release forgets it
	return pid, cmd.Process.Release()
}

// keepDescriptors hands none of the files to the node that whoever runs this program has left open to it, such as a lock: the
// node would hold it for as long as it lives.
func keepDescriptors() error {
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}

// runNode prepares the namespaces that it is the first process of, and runs the components in them until it is killed.
func runNode(l layout) error {
	if os.Getpid() != 1 {
		return errors.New("node is started by cluster up")
	}
	s, err := l.readSettings()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := privateMounts(l); err != nil {
		return err
	}
	for _, kv := range environment(s) {
		k, v, _ := strings.Cut(kv, "=")
		if err := os.Setenv(k, v); err != nil {
			return err
		}
	}
	if err := syscall.Sethostname([]byte(nodeName)); err != nil {
		return err
	}
	if err := network(s); err != nil {
		return err
	}
	enforced, err := l.preparePolicies(s)
	if err != nil {
		return err
	}
	n := &supervisor{layout: l, env: environment(s), log: logger, children: map[int]daemon{}}
	go n.reap()
	for _, d := range l.first(s) {
		n.run(d)
	}
	if err := l.waitForAPI(context.Background(), "https://"+nodeIP+":6443", 2*time.Minute); err != nil {
		return err
	}
	for _, d := range l.others(s) {
		n.run(d)
	}
	if enforced {
		n.run(daemon{"enforcer", []string{itself, "enforcer"}})
	}
	select {}
}

// privateMounts gives the node its own /proc, /run and /var, so that no component writes into the machine's.
func privateMounts(l layout) error {
	// Nothing that is mounted from here on is seen outside; what is mounted in the node is seen in its containers.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	cache, err := os.Open(l.cache) // its path may lie below /var or /run
	if err != nil {
		return err
	}
	defer cache.Close()
	type mount struct {
		source, target, kind string
		flags                uintptr
	}
	for _, m := range []mount{
		{"proc", "/proc", "proc", syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC},
		{l.path("var"), "/var", "", syscall.MS_BIND},
		{"tmpfs", "/run", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV},
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.target, err)
		}
	}
	if err := os.Symlink("/run", "/var/run"); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if _, err := os.Stat(l.cache); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(l.cache, 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(fmt.Sprintf("/proc/self/fd/%d", cache.Fd()), l.cache, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", l.cache, err)
		}
	}
	if err := hideSettings(l); err != nil {
		return err
	}
	return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, "")
}

// hideSettings shows the kubelet the kernel settings that it insists on, in place of the machine's, which it would change.
func hideSettings(l layout) error {
	for name, value := range map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	} {
		file := l.path("etc", "sysctl", filepath.Base(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o600); err != nil {
			return err
		}
		if err := syscall.Mount(file, "/proc/sys/"+name, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("hiding %s: %w", name, err)
		}
	}
	return nil
}

// network sets the node's own network up: the bridge of the pods, and the cable to the machine that cluster up plugs in.
func network(s settings) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := net.InterfaceByName("eth0"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return errors.New("the machine's end of the network never came")
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, command := range []string{
		"link set lo up",
		"addr add " + s.Address + "/30 dev eth0",
		"link set eth0 up",
		"route add default via " + s.Host,
		"link add " + bridge + " type bridge",
		"addr add " + nodeIP + podNet[strings.Index(podNet, "/"):] + " dev " + bridge,
		"link set " + bridge + " up",
	} {
		if err := ip(context.Background(), s, command); err != nil {
			return err
		}
	}
	// Both belong to the node's network, not to the machine's. Answers of a Service's pod to a pod beside it pass the bridge only.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600); err != nil {
		return err
	}
	const bridged = "/proc/sys/net/bridge/bridge-nf-call-iptables"
	if err := os.WriteFile(bridged, []byte("1"), 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// supervisor runs daemons, each with a log, starts again what ends, and buries orphans.
type supervisor struct {
	layout   layout
	env      []string
	log      *slog.Logger
	mu       sync.Mutex
	children map[int]daemon
}

func (n *supervisor) run(d daemon) {
	n.mu.Lock()
	defer n.mu.Unlock()
	pid, err := n.start(d)
	if err != nil {
		n.log.Error("cannot start", "component", d.name, "error", err)
		time.AfterFunc(time.Second, func() { n.run(d) })
		return
	}
	n.children[pid] = d
	n.log.Info("started", "component", d.name, "pid", pid)
}

func (n *supervisor) start(d daemon) (int, error) {
	program := d.args[0]
	if !filepath.IsAbs(program) {
		found, err := exec.LookPath(program)
		if err != nil {
			return 0, err
		}
		program = found
	}
	out, err := os.OpenFile(n.layout.path("log", d.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	p, err := os.StartProcess(program, d.args, &os.ProcAttr{Env: n.env, Dir: "/", Files: []*os.File{null, out, out}})
	if err != nil {
		return 0, err
	}
	pid := p.Pid // Release forgets it; reap waits
	return pid, p.Release()
}

// reap waits for all children, those that were handed to the first process included.
func (n *supervisor) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err != nil {
			time.Sleep(100 * time.Millisecond) // no child yet
			continue
		}
		n.mu.Lock()
		d, ours := n.children[pid]
		delete(n.children, pid)
		n.mu.Unlock()
		if ours {
			n.log.Error("ended, starting it again", "component", d.name, "status", describe(status))
			time.AfterFunc(time.Second, func() { n.run(d) })
		}
	}
}

func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		return s.Signal().String()
	}
	return fmt.Sprintf("exit code %d", s.ExitStatus())
}

// enter returns a command that runs in the node's mounts and network.
func (l layout) enter(ctx context.Context, s settings, p process, stdin io.Reader, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", fmt.Sprint(p.pid), "--mount", "--net", "--"}, args...)...)
	cmd.Env = environment(s)
	cmd.Stdin = stdin
	return cmd
}

// canOverlay tells whether the file system of dir can carry overlays; that of a container often cannot.
func canOverlay(dir string) bool {
	test, err := os.MkdirTemp(dir, "overlay-")
	if err != nil {
		return false
	}
	defer func() { _ = os.RemoveAll(test) }()
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(test, d), 0o755); err != nil {
			return false
		}
	}
	merged := filepath.Join(test, "merged")
	if err := syscall.Mount("overlay", merged, "overlay", 0, fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", test)); err != nil {
		return false
	}
	return syscall.Unmount(merged, 0) == nil
}

func kill(p process) error { return syscall.Kill(p.pid, syscall.SIGKILL) }

// lock keeps two commands from working on the same cluster at once.
func (l layout) lock() (unlock func(), err error) {
	if err := os.MkdirAll(l.cache, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(l.cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
