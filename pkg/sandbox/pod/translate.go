package pod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const loopback = "127.0.0.1"

// Process is a container as a process of this machine.
type Process struct {
	// Container is the container's name.
	Container string
	// Path is the program, Args its arguments without the program's name, Env its whole environment.
	Path string
	Args []string
	Env  []string
	// Dir is the working directory.
	Dir string
	// Log is the file that takes the redacted output.
	Log string
	// TerminationLog is the file that takes the container's last words.
	TerminationLog string
	// Startup and Readiness are the container's probes, nil where it has none.
	Startup, Readiness *corev1.Probe

	rewrite rewriter
}

// Plan is a pod as processes: Init one after the other, each to its end, then Containers together.
type Plan struct {
	Init, Containers []Process
	// Ports maps container ports to addresses on loopback.
	Ports Ports
}

// Ports are a pod's container ports and the addresses on loopback that stand for them.
type Ports struct {
	addresses map[int32]string
	names     map[string]int32
}

// Address finds the address of a port by number or name.
func (p Ports) Address(port intstr.IntOrString) (string, bool) {
	number := port.IntVal
	if port.Type == intstr.String {
		if named, ok := p.names[port.StrVal]; ok {
			number = named
		} else if parsed, err := strconv.ParseInt(port.StrVal, 10, 32); err == nil {
			number = int32(parsed)
		}
	}
	address, ok := p.addresses[number]
	return address, ok
}

// Translate makes the pod's volumes below dir and says which processes the pod is. allocate gives n free
// addresses on loopback.
func (m *Machine) Translate(ctx context.Context, pod *corev1.Pod, dir string, allocate func(n int) ([]string, error)) (*Plan, error) {
	for _, kind := range []string{"volumes", "logs", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, kind), 0o700); err != nil {
			return nil, err
		}
	}
	volumes, err := m.volumes(ctx, pod, filepath.Join(dir, "volumes"))
	if err != nil {
		return nil, err
	}
	ports, err := allocatePorts(pod, allocate)
	if err != nil {
		return nil, err
	}
	added, err := m.Env(pod)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Ports: ports}
	for i := range pod.Spec.InitContainers {
		container := &pod.Spec.InitContainers[i]
		if container.RestartPolicy != nil {
			return nil, fmt.Errorf("init container %s: a sidecar cannot run on this machine", container.Name)
		}
		process, err := m.process(ctx, pod, container, dir, volumes, ports, added)
		if err != nil {
			return nil, fmt.Errorf("init container %s: %w", container.Name, err)
		}
		plan.Init = append(plan.Init, *process)
	}
	for i := range pod.Spec.Containers {
		container := &pod.Spec.Containers[i]
		process, err := m.process(ctx, pod, container, dir, volumes, ports, added)
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", container.Name, err)
		}
		plan.Containers = append(plan.Containers, *process)
	}
	return plan, nil
}

func allocatePorts(pod *corev1.Pod, allocate func(n int) ([]string, error)) (Ports, error) {
	ports := Ports{addresses: map[int32]string{}, names: map[string]int32{}}
	var numbers []int32
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			numbers = append(numbers, port.ContainerPort)
			if port.Name != "" {
				ports.names[port.Name] = port.ContainerPort
			}
		}
	}
	addresses, err := allocate(len(numbers))
	if err != nil {
		return Ports{}, err
	}
	for i, number := range numbers {
		ports.addresses[number] = addresses[i]
	}
	return ports, nil
}

func (m *Machine) process(ctx context.Context, pod *corev1.Pod, container *corev1.Container, dir string, volumes map[string]string, ports Ports, added []string) (*Process, error) {
	binary, err := m.Binary(container.Image, container.Command)
	if err != nil {
		return nil, err
	}
	variables, err := m.environment(ctx, pod, container)
	if err != nil {
		return nil, err
	}
	p := &Process{
		Container:      container.Name,
		Path:           binary,
		Dir:            filepath.Join(dir, "work"),
		Log:            filepath.Join(dir, "logs", container.Name+".log"),
		TerminationLog: filepath.Join(dir, "logs", container.Name+".termination"),
		Startup:        container.StartupProbe,
		Readiness:      container.ReadinessProbe,
	}
	if p.rewrite, err = newRewriter(container, p.TerminationLog, volumes, variables, ports); err != nil {
		return nil, err
	}
	command := container.Args
	if len(container.Command) > 1 {
		command = append(append([]string{}, container.Command[1:]...), container.Args...)
	}
	for _, arg := range command {
		p.Args = append(p.Args, p.rewrite.text(expand(arg, variables)))
	}
	// What Kubernetes gives every container, then the sandbox's own, then the manifest's: nothing of the
	// caller's environment.
	p.Env = append(p.Env, "HOSTNAME="+pod.Name)
	p.Env = append(p.Env, added...)
	for _, v := range variables {
		value := v.value
		if v.literal {
			value = p.rewrite.text(value)
		}
		p.Env = append(p.Env, v.name+"="+value)
	}
	for _, port := range container.Ports {
		if !p.rewrite.moved[port.ContainerPort] {
			return nil, fmt.Errorf("port %d (%s): no argument or variable sets the address to listen on, so it cannot be moved to a free port", port.ContainerPort, port.Name)
		}
	}
	return p, nil
}

// rewriter replaces what cannot be the same on this machine: mount paths and listen addresses.
type rewriter struct {
	mounts []mount // longest path first
	ports  Ports
	moved  map[int32]bool
}

type mount struct{ inside, outside string }

// local finds addresses of the pod itself: a port alone, or with a loopback or wildcard host.
var local = regexp.MustCompile(`(?:^|[=,\s]|//)((?:127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1?\])?:(\d{1,5}))`)

func newRewriter(container *corev1.Container, terminationLog string, volumes map[string]string, variables []variable, ports Ports) (rewriter, error) {
	r := rewriter{ports: ports, moved: map[int32]bool{}}
	words := container.TerminationMessagePath
	if words == "" {
		words = corev1.TerminationMessagePathDefault
	}
	r.mounts = append(r.mounts, mount{words, terminationLog})
	for _, vm := range container.VolumeMounts {
		outside, ok := volumes[vm.Name]
		if !ok {
			return r, fmt.Errorf("mount %s: the pod has no volume %s", vm.MountPath, vm.Name)
		}
		sub := vm.SubPath
		if vm.SubPathExpr != "" {
			sub = expand(vm.SubPathExpr, variables)
		}
		if sub != "" {
			if !filepath.IsLocal(sub) {
				return r, fmt.Errorf("mount %s: sub path %q leaves the volume", vm.MountPath, sub)
			}
			outside = filepath.Join(outside, sub)
			if _, err := os.Stat(outside); errors.Is(err, os.ErrNotExist) {
				if err := os.MkdirAll(outside, 0o700); err != nil {
					return r, err
				}
			}
		}
		r.mounts = append(r.mounts, mount{path.Clean(vm.MountPath), outside})
	}
	sort.SliceStable(r.mounts, func(i, j int) bool { return len(r.mounts[i].inside) > len(r.mounts[j].inside) })
	return r, nil
}

func (r rewriter) text(s string) string { return r.paths(r.addresses(s)) }

func (r rewriter) addresses(s string) string {
	var out strings.Builder
	done := 0
	for _, at := range local.FindAllStringSubmatchIndex(s, -1) {
		start, end := at[2], at[3]
		if end < len(s) && !strings.ContainsRune("/, \t\n", rune(s[end])) {
			continue
		}
		number, err := strconv.ParseInt(s[at[4]:at[5]], 10, 32)
		if err != nil {
			continue
		}
		if address, ok := r.ports.addresses[int32(number)]; ok {
			r.moved[int32(number)] = true
			out.WriteString(s[done:start] + address)
			done = end
		}
	}
	return out.String() + s[done:]
}

// paths replaces mount paths, and only whole ones: "/data" is found in "--dir=/data/x" and not in
// "/database" or "/var/data".
func (r rewriter) paths(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		m, ok := r.mountAt(s, i)
		if !ok {
			out.WriteByte(s[i])
			i++
			continue
		}
		out.WriteString(m.outside)
		i += len(m.inside)
	}
	return out.String()
}

func (r rewriter) mountAt(s string, i int) (mount, bool) {
	if s[i] != '/' || (i > 0 && !strings.ContainsRune("=,: \t\n", rune(s[i-1]))) {
		return mount{}, false
	}
	for _, m := range r.mounts {
		rest, ok := strings.CutPrefix(s[i:], m.inside)
		if ok && (rest == "" || strings.ContainsRune("/,: \t\n", rune(rest[0]))) {
			return m, true
		}
	}
	return mount{}, false
}
