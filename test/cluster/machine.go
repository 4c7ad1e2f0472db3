package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

func goArch() string { return runtime.GOARCH }

// missing says what this machine lacks to run a node, each with what to do about it.
func missing() []string {
	var lacks []string
	if runtime.GOOS != "linux" {
		return []string{"it runs " + runtime.GOOS + ", a node needs Linux"}
	}
	if os.Geteuid() != 0 {
		lacks = append(lacks, "you are not root: a node needs namespaces, mounts and control groups")
	}
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			lacks = append(lacks, "no "+tool+": containerd, runc and the network plug-ins come from Debian's packages")
			break
		}
	}
	if _, err := exec.LookPath("go"); err != nil {
		lacks = append(lacks, "no go: Kubernetes and etcd are built from Go modules")
	}
	if os.Geteuid() == 0 {
		lacks = append(lacks, missingRights()...)
	}
	if hierarchies, err := cgroupMounts(); err != nil || len(hierarchies) == 0 {
		lacks = append(lacks, "no control groups are mounted below /sys/fs/cgroup")
	} else if err := writable(hierarchies); err != nil {
		lacks = append(lacks, "control groups cannot be made: "+err.Error())
	}
	return lacks
}

func writable(dirs []string) error {
	for _, d := range dirs {
		test := filepath.Join(d, cgroupName+"-test")
		if err := os.Mkdir(test, 0o755); err != nil {
			return err
		}
		if err := os.Remove(test); err != nil {
			return err
		}
	}
	return nil
}

// findSources looks for this program's sources from the working directory upwards.
func findSources() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		sources := filepath.Join(d, "test", "cluster")
		if _, err := os.Stat(filepath.Join(sources, "components", "kubernetes", "go.mod")); err == nil {
			return sources, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("%s is not inside the repository: run this from a clone", dir)
		}
	}
}

// freeAddresses chooses a network of two addresses for the cable, from the block that is set aside for tests of networks.
func freeAddresses() (host, node string, err error) {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return "", "", err
	}
	var nets []netip.Prefix
	for _, a := range taken {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			nets = append(nets, p.Masked())
		}
	}
	return chooseAddresses(nets)
}

func chooseAddresses(taken []netip.Prefix) (host, node string, err error) {
	for third := range 256 {
		cable := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(third), 0}), 30)
		free := true
		for _, t := range taken {
			free = free && !t.Overlaps(cable)
		}
		if free {
			first := cable.Addr().Next()
			return first.String(), first.Next().String(), nil
		}
	}
	return "", "", errors.New("no free network below 198.18.0.0/16")
}

// plug connects this machine with the network of a process by a cable whose other end is called eth0.
func plug(ctx context.Context, s settings, pid int) error {
	for _, args := range []string{
		fmt.Sprintf("link add %s type veth peer name eth0 netns %d", cable, pid),
		fmt.Sprintf("addr add %s/30 dev %s", s.Host, cable),
		fmt.Sprintf("link set %s up", cable),
	} {
		if err := ip(ctx, s, args); err != nil {
			return err
		}
	}
	return nil
}

// unplug removes the cable. It would go with the network at its other end, but closed connections hold that for minutes.
func unplug(ctx context.Context, s settings) error {
	if _, err := net.InterfaceByName(cable); err != nil {
		return nil
	}
	return ip(ctx, s, "link delete "+cable)
}

func ip(ctx context.Context, s settings, args string) error {
	program, err := lookPath(s, "ip")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, strings.Fields(args)...)
	cmd.Env = environment(s)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, bytes.TrimSpace(out))
	}
	return nil
}

// pluginDirectory is where the network plug-ins are: unpacked, or installed.
func pluginDirectory(root string) string {
	if dir := filepath.Join(root, "usr/lib/cni"); exists(dir) {
		return dir
	}
	return "/usr/lib/cni"
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lookPath finds a program as the components do.
func lookPath(s settings, name string) (string, error) {
	for _, kv := range environment(s) {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			for _, dir := range filepath.SplitList(path) {
				if file := filepath.Join(dir, name); exists(file) {
					return file, nil
				}
			}
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

// cgroupMounts are the roots of all hierarchies of control groups.
func cgroupMounts() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var dirs []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if ok && len(fields) > 4 && len(kind) > 0 && (kind[0] == "cgroup" || kind[0] == "cgroup2") && strings.HasPrefix(fields[4], "/sys/fs/cgroup") {
			dirs = append(dirs, fields[4])
		}
	}
	return dirs, lines.Err()
}

// makeCgroups makes the group that all pods are below.
func makeCgroups(name string) error {
	dirs, err := cgroupMounts()
	if err != nil {
		return err
	}
	for _, d := range dirs {
		group := filepath.Join(d, name)
		if err := os.MkdirAll(group, 0o755); err != nil {
			return err
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // empty in a new group of version 1, and then nothing may run in it
			parent, err := os.ReadFile(filepath.Join(d, file))
			if err != nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(group, file), parent, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeCgroups removes the group and all below it, once the processes in it have ended.
func removeCgroups(name string, deadline time.Time) error {
	dirs, err := cgroupMounts()
	if err != nil {
		return err
	}
	for _, d := range dirs {
		group := filepath.Join(d, name)
		for {
			err := removeTree(group)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("control group %s stays: %w", group, err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// removeTree removes directories from the leaves up; the files in them are the kernel's.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(dir)
}
