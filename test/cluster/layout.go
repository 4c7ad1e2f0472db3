package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Addresses inside the node's network. They are free to choose, since nothing else is in it.
const (
	nodeName   = "node"
	bridge     = "cni0"
	nodeIP     = "10.88.0.1"
	podNet     = "10.88.0.0/16"
	serviceNet = "10.96.0.0/16"
	firstIP    = "10.96.0.1" // the API server's Service
	dnsIP      = "10.96.0.10"
)

// layout says where things are. Everything below node goes away with the cluster.
type layout struct {
	cache string // programs, kept
	node  string // state of the running cluster
}

func defaultLayout() (layout, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return layout{}, fmt.Errorf("no place for the programs: %w: set HOME or XDG_CACHE_HOME", err)
	}
	dir = filepath.Join(dir, "kyma-connectors", "cluster")
	return layout{cache: dir, node: filepath.Join(dir, "node")}, nil
}

func (l layout) path(parts ...string) string {
	return filepath.Join(append([]string{l.node}, parts...)...)
}

// process is a process of this machine that is told from a later one with the same id by its start.
type process struct {
	pid   int
	start string
}

func (l layout) writeProcess(pid int) error {
	start, err := startOf(pid)
	if err != nil {
		return err
	}
	return os.WriteFile(l.path("pid"), []byte(process{pid: pid, start: start}.line()), 0o600)
}

func (p process) line() string { return fmt.Sprintf("%d %s\n", p.pid, p.start) }

// running returns the node's first process; false if it is not there (any more).
func (l layout) running() (process, bool, error) {
	data, err := os.ReadFile(l.path("pid"))
	if errors.Is(err, os.ErrNotExist) {
		return process{}, false, nil
	}
	if err != nil {
		return process{}, false, err
	}
	pid, start, ok := strings.Cut(strings.TrimSpace(string(data)), " ")
	id, err := strconv.Atoi(pid)
	if !ok || err != nil {
		return process{}, false, fmt.Errorf("%s is damaged: stop the process named %s by hand and remove %s", l.path("pid"), "cluster node", l.node)
	}
	p := process{pid: id, start: start}
	return p, p.alive(), nil
}

func (p process) alive() bool {
	start, err := startOf(p.pid)
	return err == nil && start == p.start
}

// startOf is field 22 of /proc/PID/stat, the time that a process started at. A process that is only waited for
// no longer counts.
func startOf(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(string(data), ") ") // the name may hold anything
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat: unexpected content", pid)
	}
	if fields[0] == "Z" || fields[0] == "X" { // said of the first thread; the process has ended when the others have, too
		if threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)); err != nil || len(threads) < 2 {
			return "", fmt.Errorf("process %d has ended", pid)
		}
	}
	return fields[19], nil
}
