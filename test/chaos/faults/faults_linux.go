package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Disk decides about the writes of a process below a directory.
type Disk struct {
	dir    string
	mode   atomic.Int32
	calls  atomic.Int64
	failed atomic.Int64
	ended  chan struct{}
}

// Set changes what goes wrong from now on.
func (d *Disk) Set(m Mode) { d.mode.Store(int32(m)) }

// Failed is how many calls were made to fail so far.
func (d *Disk) Failed() int64 { return d.failed.Load() }

// architectures are those whose system calls are known here.
var architectures = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// files are the calls that change files; Write goes to sockets too and is watched only where it is asked for.
var files = []uintptr{unix.SYS_PWRITE64, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE}

// Start starts the command so that its writes to files below dir ask the Disk first. With plain, calls of
// write(2) are watched too, which slows sockets down. The test binary must call Become. The error is an
// ErrUnsupported where the kernel, or a container's profile, does not allow it.
func Start(cmd *exec.Cmd, dir string, plain bool) (*Disk, error) {
	if architectures[runtime.GOARCH] == 0 {
		return nil, fmt.Errorf("%w: no architecture %s", ErrUnsupported, runtime.GOARCH)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	watched := files
	if plain {
		watched = append(watched[:len(watched):len(watched)], unix.SYS_WRITE, unix.SYS_PWRITEV, unix.SYS_WRITEV)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(pair[0]) }()
	theirs := os.NewFile(uintptr(pair[1]), "socket")
	cmd.Args = append([]string{self, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = self
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, Variable+"=1", traps+"="+strings.Trim(fmt.Sprint(watched), "[]"))
	cmd.ExtraFiles = append(cmd.ExtraFiles, theirs) // 3
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return nil, err
	}
	listener, err := receive(pair[0])
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	d := &Disk{dir: dir, ended: make(chan struct{})}
	go d.decide(listener)
	return d, nil
}

// receive takes the descriptor that the process sends once its calls are watched.
func receive(socket int) (int, error) {
	data, control := make([]byte, 256), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := unix.Recvmsg(socket, data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:m])
	if err != nil || len(messages) == 0 {
		return 0, fmt.Errorf("seccomp: %s", data[:n])
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}

// notification and verdict are struct seccomp_notif and struct seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type verdict struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// goOn lets the kernel do the call (SECCOMP_USER_NOTIF_FLAG_CONTINUE).
const goOn = 1

func (d *Disk) decide(listener int) {
	defer close(d.ended)
	defer func() { _ = unix.Close(listener) }()
	for {
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if n, err := unix.Poll(ready, 1000); err != nil || n == 0 {
			continue
		}
		if ready[0].Revents&unix.POLLIN == 0 {
			return // the process has ended
		}
		var asked notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&asked))); errno != 0 {
			continue // it was interrupted meanwhile
		}
		answer := verdict{id: asked.id, flags: goOn}
		if errno := d.fault(&asked); errno != 0 {
			d.failed.Add(1)
			answer = verdict{id: asked.id, errno: -int32(errno)}
		}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&answer)))
	}
}

func (d *Disk) fault(asked *notification) syscall.Errno {
	mode := Mode(d.mode.Load())
	if mode == None || !d.ours(asked) {
		return 0
	}
	sync := asked.nr == unix.SYS_FSYNC || asked.nr == unix.SYS_FDATASYNC
	switch {
	case mode == Full && !sync:
		return unix.ENOSPC
	case mode == Write && !sync, mode == Sync && sync:
		return unix.EIO
	case mode == Some && d.calls.Add(1)%13 == 0:
		return unix.EIO
	}
	return 0
}

// ours says whether the call is about a file below the directory.
func (d *Disk) ours(asked *notification) bool {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", asked.pid, int32(asked.args[0])))
	return err == nil && strings.HasPrefix(path, d.dir+"/")
}

// Become turns this process into the one that it shall be, with its calls watched. It returns only on an
// error, having told it to the other side.
func Become() error {
	runtime.LockOSThread()
	listener, err := watch()
	if err != nil {
		_, _ = unix.Write(3, []byte(err.Error()))
		return err
	}
	if err := unix.Sendmsg(3, []byte("ok"), unix.UnixRights(listener), nil, 0); err != nil {
		return err
	}
	unix.CloseOnExec(3)
	unix.CloseOnExec(listener)
	env := make([]string, 0, len(os.Environ()))
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, Variable+"=") && !strings.HasPrefix(e, traps+"=") {
			env = append(env, e)
		}
	}
	return syscall.Exec(os.Args[1], os.Args[1:], env) //nolint:gosec // the test says what to become
}

// watch puts a filter on this thread, which its successor inherits: calls in the list are asked about.
func watch() (int, error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	give := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	equal := func(value uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jt: yes, Jf: no}
	}
	program := []unix.SockFilter{load(4), equal(architectures[runtime.GOARCH], 1, 0), give(unix.SECCOMP_RET_ALLOW), load(0)}
	numbers := strings.Fields(os.Getenv(traps))
	for i, text := range numbers {
		number, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return 0, err
		}
		program = append(program, equal(uint32(number), uint8(len(numbers)-i), 0))
	}
	program = append(program, give(unix.SECCOMP_RET_ALLOW), give(unix.SECCOMP_RET_USER_NOTIF))
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}

// Bound bounds the size of every file that the process writes to, as a full volume does; 0 takes the bound
// away.
func Bound(process *os.Process, bytes uint64) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(process.Pid, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if bytes > 0 {
		limit.Cur = bytes
	}
	return unix.Prlimit(process.Pid, unix.RLIMIT_FSIZE, &limit, nil)
}
