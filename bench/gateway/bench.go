package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// definition is an ordinary one: a signature, an id and a type from the body.
const definition = `apiVersion: connectors.kyma-connectors.io/v1alpha1
kind: Connector
metadata: {name: bench, displayName: Bench, description: A system that sends events., provider: Bench, product: Bench}
parameters:
  key: {kind: secret, title: Key, description: Key., required: true}
application: bench
system: {url: https://bench.example.com}
deliveries:
  - name: webhook
    http: {path: ` + path + `, accepts: [json]}
    verify:
      hmac: {algorithm: sha256, encoding: hex, keys: [=param("key")], message: =rawBody, signature: =header("` + signatureHeader + `")}
    event: {type: =body("type"), version: v1, id: =body("id"), source: =body("customer.name"), time: =body("time"), data: =content}
`

// bench starts systems and measures them.
type bench struct {
	binary, self, dir string
	numbers           atomic.Int64
	stores            int
}

func newBench(o options, dir string) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	binary, err := filepath.Abs(o.binary)
	if err != nil {
		return nil, err
	}
	for name, content := range map[string]string{"connector.yaml": definition, "params.yaml": "key: " + key + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return &bench{binary: binary, self: self, dir: dir}, nil
}

func publishes(system string) bool { return system == disk || system == none || system == forwarder }

// system is a system under test with its target.
type system struct {
	command         *exec.Cmd
	target          *exec.Cmd
	errors          *bytes.Buffer
	address, admin  string
	targetURL       string
	ready, readyCPU time.Duration
	ended           chan error // how the process ended
}

// freeAddresses are held together, so that no two are the same.
func freeAddresses(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addresses[i] = l.Addr().String()
	}
	return addresses, nil
}

// start starts a target and a system, and waits until the system is ready.
func (b *bench) start(name, dir string) (s *system, err error) {
	addresses, err := freeAddresses(3)
	if err != nil {
		return nil, err
	}
	s = &system{address: addresses[0], admin: addresses[1], targetURL: "http://" + addresses[2] + "/", errors: &bytes.Buffer{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.kill(), errors.New(s.errors.String()))
		}
	}()
	s.target = b.child(roleTarget, addresses[2], "", "")
	if err := s.target.Start(); err != nil {
		return s, err
	}
	if _, err := await(s.targetURL, nil); err != nil {
		return s, err
	}
	readiness := "http://" + s.address + "/"
	switch name {
	case disk, none:
		readiness = "http://" + s.admin + "/readyz"
		s.command = exec.Command(b.binary, "serve", "--connector", filepath.Join(b.dir, "connector.yaml"), "--params", filepath.Join(b.dir, "params.yaml"),
			"--listen", s.address, "--admin-listen", s.admin, "--manage-listen", "127.0.0.1:0", "--sink-kind", "cloudevents", "--sink-url", s.targetURL,
			"--buffer", strings.TrimPrefix(name, "gateway, "), "--buffer-dir", dir, "--buffer-max-bytes", "4GiB", "--drain-delay", "0s", "--log-level", "warn")
	default:
		s.command = b.child(name, s.address, dir, s.targetURL)
	}
	s.command.Stderr = s.errors
	begin := time.Now()
	if err := s.command.Start(); err != nil {
		return s, err
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.command.Wait() }()
	at, err := await(readiness, s.ended)
	s.ready, s.readyCPU = at.Sub(begin), s.cpu()
	return s, err
}

func (b *bench) child(role, address, dir, target string) *exec.Cmd {
	command := exec.Command(b.self)
	command.Env = append(os.Environ(), roleVariable+"="+role, addressVariable+"="+address, dirVariable+"="+dir, targetVariable+"="+target)
	command.Stderr = os.Stderr
	return command
}

// await says when the address first answered 200, unless its process ended before.
func await(url string, ended chan error) (time.Time, error) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		select {
		case err := <-ended:
			ended <- err
			return time.Now(), fmt.Errorf("it ended: %w", err)
		default:
		}
		answer, err := client.Get(url)
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return time.Now(), nil
		}
	}
	return time.Now(), fmt.Errorf("%s is not ready after a minute", url)
}

// stop lets the system end in its own time; kill does not.
func (s *system) stop() error {
	err := s.command.Process.Signal(syscall.SIGTERM)
	return errors.Join(err, s.wait(), s.endTarget())
}

func (s *system) kill() error {
	if s.ended != nil {
		_ = s.command.Process.Kill()
		_ = s.wait() // it was killed
	}
	return s.endTarget()
}

func (s *system) wait() error { return <-s.ended }

func (s *system) endTarget() error {
	if s.target == nil || s.target.Process == nil {
		return nil
	}
	err := s.target.Process.Kill()
	_ = s.target.Wait() // it was killed
	return err
}

// cpu is the processor time that the system has used, in steps of the kernel's clock (10 ms).
func (s *system) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	kernel, _ := strconv.Atoi(fields[12])
	return time.Duration(user+kernel) * 10 * time.Millisecond
}

// memory is resident memory in KiB.
type memory struct{ anonymous, file int }

func (s *system) memory() (m memory) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		kib, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
		switch name {
		case "RssAnon":
			m.anonymous = kib
		case "RssFile":
			m.file = kib
		}
	}
	return m
}

// heap is what the system says that its heap takes; 0 if it does not say so.
func (s *system) heap() int64 {
	answer, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	_, rest, _ := strings.Cut(string(text), "\ngo_memstats_heap_inuse_bytes ")
	line, _, _ := strings.Cut(rest, "\n")
	bytes, _ := strconv.ParseFloat(line, 64)
	return int64(bytes)
}

func (s *system) arrived() (int64, error) {
	answer, err := http.Get(s.targetURL)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(text), 10, 64)
}

// arrive waits until the target has that many events.
func (s *system) arrive(events int64) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if n, err := s.arrived(); err != nil || n >= events {
			return err
		}
	}
	return fmt.Errorf("the target has fewer events than were acknowledged after a minute")
}

// watch notes the peaks of memory until it is asked for them.
func (s *system) watch(tellsHeap bool) func() (memory, int64) {
	ctx, stop := context.WithCancel(context.Background())
	var peak memory
	var heap int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			m := s.memory()
			peak = memory{max(peak.anonymous, m.anonymous), max(peak.file, m.file)}
			if tellsHeap && i%5 == 0 {
				heap = max(heap, s.heap())
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() (memory, int64) {
		stop()
		<-ended
		return peak, heap
	}
}

// measure runs one system once: a second to warm up, then the window, then until the target has everything.
func (b *bench) measure(name string, connections int, window time.Duration) (r result, err error) {
	b.stores++
	dir := filepath.Join(b.dir, strconv.Itoa(b.stores))
	s, err := b.start(name, dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.stop(), os.RemoveAll(dir)) }()
	peaks := s.watch(name == disk || name == none)
	warm, err := load(s.address, connections, time.Second, &b.numbers)
	if err == nil && publishes(name) {
		err = s.arrive(int64(len(warm)))
	}
	if err != nil {
		return r, err
	}
	begin, used := time.Now(), s.cpu()
	times, err := load(s.address, connections, window, &b.numbers)
	if err != nil || len(times) == 0 {
		return r, errors.Join(err, errors.New("no delivery was taken"))
	}
	events := float64(len(times))
	r.accepted = events / time.Since(begin).Seconds()
	r.p50, r.p99 = times[len(times)/2], times[len(times)*99/100]
	if publishes(name) {
		if err := s.arrive(int64(len(warm) + len(times))); err != nil {
			return r, err
		}
		r.arrived = events / time.Since(begin).Seconds()
	}
	r.cpu = float64((s.cpu() - used).Microseconds()) / events
	r.memory, r.heap = peaks()
	return r, nil
}

// fill makes a store with a backlog.
func (b *bench) fill(dir string) (int64, error) {
	command := b.child(roleFill, "", dir, "")
	out, err := command.Output()
	if err != nil {
		return 0, fmt.Errorf("the backlog: %w", err)
	}
	return strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
}
